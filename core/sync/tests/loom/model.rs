//! The world of a model: pages and tables of loom's words, a futex of loom's lock, pixels that
//! notice when they are written while somebody reads, and threads that die.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use handfast_sync::atomic::{Died, die_after, step};
use handfast_sync::page::{self, PAGE_WORDS};
use handfast_sync::stream::{
    self, Held, Lossless, Mode, NoSlot, RECORD_WORDS, ReceiveEnd, SendEnd, Take, table_words,
};
use handfast_sync::{AtomicU32, PageKind, Park, Parked, State, Watched, Word};
use loom::sync::{Condvar, Mutex};

pub(crate) type Words = Arc<[AtomicU32]>;
pub(crate) type Sender = SendEnd<Words, Words, Arc<Futex>>;
pub(crate) type Receiver = ReceiveEnd<Words, Words, Arc<Futex>>;

/// Tracked words of a sender's page: state, events, turn, generation, flags, waiting.
const SENDER_TRACKED: [usize; 6] = [3, 4, 16, 17, 18, 19];
/// Those that somebody changes who has loaded them first: events and turn, as the broker adds to
/// them. Of all the others the only one who changes them keeps a copy and loads nothing, so that no
/// race of his is hidden, however many load them.
const SENDER_CONTENDED: [usize; 2] = [4, 16];
/// Tracked words of a receiver's page: state, claim, passed, mode, waiting, generation, released.
const RECEIVER_TRACKED: [usize; 7] = [3, 16, 17, 18, 20, 21, 22];
/// Those that somebody changes who has loaded them first: released, which a receiver takes over.
const RECEIVER_CONTENDED: [usize; 1] = [22];
/// Tracked word of a table's header: latest. Each slot's stamp is tracked too.
const LATEST: usize = 4;

/// A futex: the comparison is under the lock, a wake reaches who sleeps on that word.
#[derive(Debug)]
pub(crate) struct Futex {
    wakes: Mutex<BTreeMap<usize, u32>>,
    changed: Condvar,
}

impl Futex {
    pub(crate) fn new() -> Self {
        Self { wakes: Mutex::new(BTreeMap::new()), changed: Condvar::new() }
    }
}

impl Park for Futex {
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked {
        assert_eq!(timeout_ns, None, "models have no clock");
        let count = |wakes: &BTreeMap<usize, u32>| -> u32 {
            words.iter().filter_map(|watched| wakes.get(&address(watched.word))).sum()
        };
        let mut wakes = self.wakes.lock().unwrap();
        if words.iter().any(|it| it.word.load(Ordering::Relaxed) != it.expected) {
            return Parked::Woken;
        }
        let before = count(&wakes);
        while count(&wakes) == before {
            wakes = self.changed.wait(wakes).unwrap();
        }
        Parked::Woken
    }

    fn wake_all(&self, word: Word<'_>) {
        step();
        *self.wakes.lock().unwrap().entry(address(word)).or_default() += 1;
        self.changed.notify_all();
    }
}

fn address(word: Word<'_>) -> usize {
    match word {
        Word::Whole(word) => std::ptr::from_ref(word).addr(),
        Word::LowHalf(word) => std::ptr::from_ref(word).addr(),
    }
}

/// The pixels of one slot. The lock makes the cell shareable and is never contended: loom switches
/// threads only at its own words.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "loom's cell is not Sync, and core forbids unsafe")]
pub(crate) struct Pixels(std::sync::Mutex<(loom::cell::UnsafeCell<()>, u64)>);

#[expect(clippy::disallowed_types, reason = "loom's cell is not Sync, and core forbids unsafe")]
impl Pixels {
    pub(crate) fn new() -> Self {
        Self(std::sync::Mutex::new((loom::cell::UnsafeCell::new(()), 0)))
    }

    pub(crate) fn write(&self, sequence: u64) {
        step();
        let mut pixels = self.0.lock().unwrap();
        pixels.0.with_mut(|_| ());
        pixels.1 = sequence;
    }

    pub(crate) fn read(&self) -> u64 {
        let pixels = self.0.lock().unwrap();
        pixels.0.with(|_| ());
        pixels.1
    }
}

/// The memory of one generation.
#[derive(Debug)]
pub(crate) struct Slots {
    table: Words,
    pixels: Vec<Pixels>,
    slots: u32,
}

/// Everything that is shared.
#[derive(Debug)]
pub(crate) struct World {
    park: Arc<Futex>,
    sender_page: Words,
    receiver_pages: Vec<Words>,
    generations: Vec<Slots>,
}

impl World {
    /// Pages for one sender and so many receivers, tables of so many slots.
    pub(crate) fn new(receivers: usize, generations: &[u32]) -> Arc<Self> {
        let park = Futex::new();
        let receiver_pages = (0..receivers)
            .map(|_| new_page(PageKind::StreamReceiver, &RECEIVER_TRACKED, &RECEIVER_CONTENDED))
            .collect();
        Arc::new(Self {
            park: Arc::new(park),
            sender_page: new_page(PageKind::StreamSender, &SENDER_TRACKED, &SENDER_CONTENDED),
            receiver_pages,
            generations: generations.iter().copied().map(Slots::new).collect(),
        })
    }

    /// A sender in its first generation, with the pages of all receivers.
    pub(crate) fn sender(&self, lossless: Lossless) -> Sender {
        let mut sender = SendEnd::new(self.sender_page.clone(), self.park.clone()).unwrap();
        sender.allow_lossless(lossless);
        for page in &self.receiver_pages {
            sender.add_receiver(page.clone()).unwrap();
        }
        self.generation(&mut sender, 1);
        sender
    }

    /// Starts a generation, by number.
    pub(crate) fn generation(&self, sender: &mut Sender, number: u32) {
        let slots = self.slots(number);
        sender.start_generation(slots.table.clone(), number, slots.slots).unwrap();
    }

    /// Writes and publishes one frame.
    pub(crate) fn send(&self, sender: &mut Sender, generation: u32) -> Result<u64, NoSlot> {
        let slot = sender.acquire()?;
        let pixels = &self.slots(generation).pixels[slot.index() as usize];
        let sequence = sender.next_sequence();
        pixels.write(0);
        pixels.write(sequence);
        let mut record = [0; RECORD_WORDS];
        record[63] = u32::try_from(sequence).unwrap();
        assert_eq!(sender.publish(slot, &record, 0), sequence);
        Ok(sequence)
    }

    /// Writes and publishes one frame, sleeping for a slot as often as it takes.
    pub(crate) fn send_waiting(&self, sender: &mut Sender, generation: u32) {
        while self.send(sender, generation).is_err() {
            sender.wait_for_slot(None);
        }
    }

    /// A receiver that has read nothing yet.
    pub(crate) fn receiver(&self, index: usize, mode: Mode) -> Receiver {
        let own = self.receiver_pages[index].clone();
        ReceiveEnd::new(self.sender_page.clone(), own, self.park.clone(), mode).unwrap()
    }

    /// Receives until the end of the stream, sleeping in between; the sequences that came and how
    /// it ended.
    pub(crate) fn receive(&self, receiver: &mut Receiver) -> (Vec<u64>, Take) {
        let mut sequences = Vec::new();
        let mut generation = 0;
        loop {
            match self.next(receiver, &mut generation) {
                Ok(held) => {
                    receiver.release(&held);
                    assert!(sequences.last().is_none_or(|last| *last < held.sequence()));
                    sequences.push(held.sequence());
                }
                Err(end) => return (sequences, end),
            }
        }
    }

    /// Enters a generation, by number.
    pub(crate) fn enter(&self, receiver: &mut Receiver, number: u32) {
        receiver.enter_generation(self.slots(number).table.clone(), number).unwrap();
    }

    /// Receives until it holds a frame of at least this sequence.
    pub(crate) fn receive_until(&self, receiver: &mut Receiver, sequence: u64) -> Held {
        let mut generation = receiver.current_generation();
        loop {
            let held = self.next(receiver, &mut generation).unwrap();
            if held.sequence() >= sequence {
                return held;
            }
            receiver.release(&held);
        }
    }

    /// The next frame, looked at, or the end.
    #[expect(clippy::result_large_err, reason = "the answer to a take goes by value")]
    fn next(&self, receiver: &mut Receiver, generation: &mut u32) -> Result<Held, Take> {
        loop {
            match receiver.take(0) {
                Take::Frame(held) => {
                    self.look_at(*generation, &held);
                    return Ok(held);
                }
                Take::Empty | Take::NoGeneration => {
                    receiver.wait(None);
                }
                Take::NewGeneration(number) => {
                    *generation = number;
                    self.enter(receiver, number);
                }
                end @ (Take::Ended | Take::Lost) => return Err(end),
            }
        }
    }

    /// What a holder does with a frame: looks at it at the beginning and at the end.
    pub(crate) fn look_at(&self, generation: u32, held: &Held) {
        let pixels = &self.slots(generation).pixels[held.slot() as usize];
        for _ in 0..2 {
            step();
            assert_eq!(pixels.read(), held.sequence());
        }
        assert_eq!(u64::from(held.record()[63]), held.sequence());
    }

    /// The broker, after the receiver's process has gone.
    pub(crate) fn receiver_gone(&self, index: usize) {
        page::stamp(&self.receiver_pages[index], State::Gone);
        page::bump_events(&self.sender_page, &self.park);
    }

    /// The broker, after the sender's process has gone without a word.
    pub(crate) fn sender_lost(&self) {
        page::end_sender(&self.sender_page, State::Lost, &self.park);
    }

    /// Whether the sender came to say that it is done.
    pub(crate) fn has_ended(&self) -> bool {
        stream::sender_statistics(&self.sender_page).ended
    }

    fn slots(&self, number: u32) -> &Slots {
        &self.generations[number as usize - 1]
    }
}

impl Slots {
    fn new(slots: u32) -> Self {
        let tracked = |place: usize| place == LATEST || place % 80 == 16;
        let word = |place| if tracked(place) { AtomicU32::new(0) } else { AtomicU32::untracked(0) };
        Self {
            table: (0..table_words(slots)).map(word).collect(),
            pixels: (0..slots).map(|_| Pixels::new()).collect(),
            slots,
        }
    }
}

fn new_page(kind: PageKind, tracked: &[usize], contended: &[usize]) -> Words {
    let word = |place| match (contended.contains(&place), tracked.contains(&place)) {
        (true, _) => AtomicU32::contended(0),
        (false, true) => AtomicU32::new(0),
        (false, false) => AtomicU32::untracked(0),
    };
    let page: Words = (0..PAGE_WORDS).map(word).collect();
    page::format(&page, kind).unwrap();
    page
}

/// Explores every interleaving with at most so many preemptions.
pub(crate) fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 10_000;
    builder.check(model);
}

/// Explores a model in which one thread dies, once for every step at which it can die, and once
/// in which it lives. The model gets the number of steps and says whether the thread died.
pub(crate) fn explore_deaths(
    preemptions: usize,
    model: impl Fn(u32) -> bool + Clone + Send + Sync + 'static,
) {
    for steps in 0.. {
        let any = Arc::new(AtomicBool::new(false));
        let (model, died) = (model.clone(), any.clone());
        explore(preemptions, move || {
            if model(steps) {
                died.store(true, Ordering::Relaxed);
            }
        });
        if !any.load(Ordering::Relaxed) {
            assert!(steps > 2, "a life of {steps} steps tests nothing");
            return;
        }
    }
}

/// Runs a program that ends after so many steps as if by SIGKILL. `None` if it did.
pub(crate) fn mortal<T>(steps: u32, program: impl FnOnce() -> T) -> Option<T> {
    die_after(steps);
    let end = catch_unwind(AssertUnwindSafe(program));
    // What the thread does from here on, others do for the dead.
    die_after(u32::MAX);
    match end {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Died>() => None,
        Err(payload) => resume_unwind(payload),
    }
}
