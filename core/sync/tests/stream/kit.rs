//! A stream in one thread: a park that never sleeps and remembers what it was asked.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use handfast_sync::page::{self, PAGE_WORDS};
use handfast_sync::stream::{
    Held, Lossless, Mode, NoSlot, RECORD_WORDS, ReceiveEnd, SendEnd, Take, table_words,
};
use handfast_sync::{AtomicU32, PageKind, Park, Parked, State, Watched, Word};

pub(crate) type Words = Arc<[AtomicU32]>;
pub(crate) type Sender = SendEnd<Words, Words, Ledger>;
pub(crate) type Receiver = ReceiveEnd<Words, Words, Ledger>;

/// Counts wakes; a sleep ends at once, by its timeout if all words are as expected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Rc<Entries>);

#[derive(Debug, Default)]
struct Entries {
    wakes: Cell<usize>,
    /// Addresses of the words of the last sleep.
    slept_on: RefCell<Vec<usize>>,
}

impl Ledger {
    pub(crate) fn wakes(&self) -> usize {
        self.0.wakes.get()
    }

    /// Whether the last sleep was on this word.
    pub(crate) fn slept_on(&self, word: &AtomicU32) -> bool {
        self.0.slept_on.borrow().contains(&address(word))
    }

    pub(crate) fn sleep_words(&self) -> usize {
        self.0.slept_on.borrow().len()
    }
}

impl Park for Ledger {
    fn wait(&self, words: &[Watched<'_>], _timeout_ns: Option<u64>) -> Parked {
        assert!((1..=128).contains(&words.len()));
        *self.0.slept_on.borrow_mut() = words.iter().map(|it| address(it.word)).collect();
        match words.iter().all(|it| it.word.load(Ordering::Relaxed) == it.expected) {
            true => Parked::TimedOut,
            false => Parked::Woken,
        }
    }

    fn wake_all(&self, _word: Word<'_>) {
        self.0.wakes.set(self.wakes() + 1);
    }
}

/// One sender, its receivers and all their memory.
pub(crate) struct Stream {
    pub(crate) ledger: Ledger,
    pub(crate) page: Words,
    pub(crate) tables: Vec<Words>,
    pub(crate) receiver_pages: Vec<Words>,
    pub(crate) sender: Sender,
}

impl Stream {
    /// A sender without a generation.
    pub(crate) fn new(lossless: Lossless) -> Self {
        let ledger = Ledger::default();
        let page = new_page(PageKind::StreamSender);
        let mut sender = Sender::new(page.clone(), ledger.clone()).unwrap();
        sender.allow_lossless(lossless);
        Self { ledger, page, tables: Vec::new(), receiver_pages: Vec::new(), sender }
    }

    /// A sender in generation 1.
    pub(crate) fn started(slots: u32, lossless: Lossless) -> Self {
        let mut stream = Self::new(lossless);
        stream.generation(slots);
        stream
    }

    /// Starts the next generation; its number.
    pub(crate) fn generation(&mut self, slots: u32) -> u32 {
        let table = zeros(table_words(slots));
        self.tables.push(table.clone());
        let number = u32::try_from(self.tables.len()).unwrap();
        self.sender.start_generation(table, number, slots).unwrap();
        number
    }

    /// A receiver that knows no generation yet.
    pub(crate) fn receiver(&mut self, mode: Mode) -> Receiver {
        let own = new_page(PageKind::StreamReceiver);
        self.receiver_pages.push(own.clone());
        self.sender.add_receiver(own.clone()).unwrap();
        Receiver::new(self.page.clone(), own, self.ledger.clone(), mode).unwrap()
    }

    /// A receiver that has joined in the current generation.
    pub(crate) fn joined(&mut self, mode: Mode) -> Receiver {
        let mut receiver = self.receiver(mode);
        let number = receiver.current_generation();
        self.enter(&mut receiver, number);
        receiver.join();
        receiver
    }

    pub(crate) fn enter(&self, receiver: &mut Receiver, number: u32) {
        let table = self.tables[number as usize - 1].clone();
        receiver.enter_generation(table, number).unwrap();
    }

    pub(crate) fn send(&mut self) -> Result<u64, NoSlot> {
        let slot = self.sender.acquire()?;
        Ok(self.sender.publish(slot, &record(self.sender.next_sequence()), 7))
    }

    /// The word of a receiver's page.
    pub(crate) fn receiver_word(&self, receiver: usize, place: usize) -> &AtomicU32 {
        &self.receiver_pages[receiver][place]
    }

    /// The broker, after a receiver's process has gone.
    pub(crate) fn gone(&self, receiver: usize) {
        page::stamp(&self.receiver_pages[receiver], State::Gone);
        page::bump_events(&self.page, &self.ledger);
    }
}

/// What `take` brought, or a panic.
pub(crate) fn frame(take: Take) -> Held {
    let Take::Frame(held) = take else { panic!("no frame but {take:?}") };
    held
}

/// Takes and releases everything there is; the sequences and what came after them.
pub(crate) fn drain(receiver: &mut Receiver) -> (Vec<u64>, Take) {
    let mut sequences = Vec::new();
    loop {
        let take = receiver.take(0);
        let Take::Frame(held) = take else { return (sequences, take) };
        assert_eq!(held.record()[63], record(held.sequence())[63]);
        sequences.push(held.sequence());
        receiver.release(&held);
    }
}

pub(crate) fn record(sequence: u64) -> [u32; RECORD_WORDS] {
    let mut record = [9; RECORD_WORDS];
    record[63] = u32::try_from(sequence & 0xffff_ffff).unwrap();
    record
}

pub(crate) fn zeros(words: usize) -> Words {
    (0..words).map(|_| AtomicU32::new(0)).collect()
}

pub(crate) fn new_page(kind: PageKind) -> Words {
    let page = zeros(PAGE_WORDS);
    page::format(&page, kind).unwrap();
    page
}

fn address<'a>(word: impl Into<Word<'a>>) -> usize {
    match word.into() {
        Word::Whole(word) => std::ptr::from_ref(word).addr(),
        Word::LowHalf(word) => std::ptr::from_ref(word).addr(),
    }
}
