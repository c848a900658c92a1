//! Pages in two parts, a park that never sleeps and counts wakes, and memory that lets others act
//! between two accesses of one call.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use handfast_sync::event::{self, Initially, Reset};
use handfast_sync::fence::{self, FENCE_LONGS, Look, Wait, WaitFor};
use handfast_sync::page::{LINE_WORDS, LongMemory, PAGE_LONGS};
use handfast_sync::{AtomicU32, AtomicU64, Event, Fence, Park, Parked, Watched, Word};

pub(crate) const VALUE: usize = 0;
pub(crate) const WORD: usize = 1;
pub(crate) const HEAD: usize = 2;
pub(crate) const LAPPED: usize = 3;
pub(crate) const ORPHAN: usize = 4;
pub(crate) const SEATS: usize = 72;
pub(crate) const NO_HINT: u32 = u32::MAX;

/// A page in two parts.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) header: Arc<[AtomicU32]>,
    pub(crate) longs: Arc<[AtomicU64]>,
}

impl Memory {
    pub(crate) fn zeros(longs: usize) -> Self {
        Self {
            header: (0..LINE_WORDS).map(|_| AtomicU32::new(0)).collect(),
            longs: (0..longs).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// A shared fence.
    pub(crate) fn fence(value: u64) -> Self {
        let memory = Self::zeros(PAGE_LONGS);
        fence::format(&memory, value).unwrap();
        memory
    }

    pub(crate) fn event(reset: Reset, initially: Initially) -> Self {
        let memory = Self::zeros(PAGE_LONGS);
        event::format(&memory, reset, initially).unwrap();
        memory
    }

    pub(crate) fn long(&self, place: usize) -> u64 {
        self.longs[place].load(Ordering::SeqCst)
    }

    pub(crate) fn store(&self, place: usize, value: u64) {
        self.longs[place].store(value, Ordering::SeqCst);
    }

    /// The low and the high half of a long.
    pub(crate) fn halves(&self, place: usize) -> (u32, u32) {
        let [low, high] = [self.long(place) & 0xffff_ffff, self.long(place) >> 32];
        (u32::try_from(low).unwrap(), u32::try_from(high).unwrap())
    }

    /// The first long with bits of seats.
    pub(crate) fn seats(&self) -> impl Iterator<Item = u64> {
        (SEATS..FENCE_LONGS).map(|place| self.long(place))
    }
}

impl LongMemory for Memory {
    fn header(&self) -> &[AtomicU32] {
        &self.header
    }

    fn longs(&self) -> &[AtomicU64] {
        &self.longs
    }
}

/// Counts wakes, and says whether a sleep would have begun.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Rc<Cell<usize>>);

impl Ledger {
    pub(crate) fn wakes(&self) -> usize {
        self.0.get()
    }

    /// Wakes since the last question.
    pub(crate) fn new_wakes(&self) -> usize {
        self.0.take()
    }
}

impl Park for Ledger {
    fn wait(&self, words: &[Watched<'_>], _timeout_ns: Option<u64>) -> Parked {
        match words.iter().all(would_sleep) {
            true => Parked::TimedOut,
            false => Parked::Woken,
        }
    }

    fn wake_all(&self, _word: Word<'_>) {
        self.0.set(self.wakes() + 1);
    }
}

pub(crate) fn would_sleep(watched: &Watched<'_>) -> bool {
    watched.word.load(Ordering::SeqCst) == watched.expected
}

/// Does something else at a chosen access to the longs.
pub(crate) struct Hooked<F> {
    pub(crate) memory: Memory,
    pub(crate) accesses: Cell<usize>,
    pub(crate) act: RefCell<F>,
}

impl<F: FnMut(usize)> Hooked<F> {
    pub(crate) fn new(memory: Memory, act: F) -> Self {
        Self { memory, accesses: Cell::new(0), act: RefCell::new(act) }
    }
}

impl<F: FnMut(usize)> LongMemory for Hooked<F> {
    fn header(&self) -> &[AtomicU32] {
        &self.memory.header
    }

    fn longs(&self) -> &[AtomicU64] {
        let access = self.accesses.get();
        self.accesses.set(access + 1);
        (self.act.borrow_mut())(access);
        &self.memory.longs
    }
}

/// A fence, its memory and its park.
pub(crate) struct TestFence {
    pub(crate) memory: Memory,
    pub(crate) park: Ledger,
    pub(crate) fence: Fence<Memory, Ledger>,
}

impl TestFence {
    pub(crate) fn new(value: u64) -> Self {
        Self::of(Memory::fence(value))
    }

    pub(crate) fn of(memory: Memory) -> Self {
        let park = Ledger::default();
        let fence = Fence::new(memory.clone(), park.clone()).unwrap();
        Self { memory, park, fence }
    }

    pub(crate) fn signal(&self, values: &[u64]) {
        for value in values {
            self.fence.signal(None, *value);
        }
    }

    /// A wait that is about to sleep.
    pub(crate) fn sleeper(&self, target: u64) -> (Wait, Watched<'_>) {
        let mut wait = self.fence.begin_wait(target);
        assert_eq!(self.fence.look(&mut wait), Look::Waiting);
        let watched = self.fence.arm(&mut wait).unwrap();
        assert_eq!(self.fence.look(&mut wait), Look::Waiting);
        (wait, watched)
    }
}

/// An event, its memory and its park.
pub(crate) struct TestEvent {
    pub(crate) memory: Memory,
    pub(crate) park: Ledger,
    pub(crate) event: Event<Memory, Ledger>,
}

impl TestEvent {
    pub(crate) fn new(reset: Reset, initially: Initially) -> Self {
        let memory = Memory::event(reset, initially);
        let park = Ledger::default();
        let event = Event::new(memory.clone(), park.clone()).unwrap();
        Self { memory, park, event }
    }
}
