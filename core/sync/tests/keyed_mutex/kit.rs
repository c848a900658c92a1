//! A mutex in one thread: a park that never sleeps and counts wakes, and lists that remember.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use handfast_sync::keyed_mutex::{self, KeyedMutex};
use handfast_sync::page::PAGE_WORDS;
use handfast_sync::robust::{Change, Refused, Robust};
use handfast_sync::{AtomicU32, Memory, Park, Parked, Watched, Word};

pub(crate) type Words = Arc<[AtomicU32]>;
pub(crate) type Mutex<M = Words> = KeyedMutex<M, Ledger, List>;

pub(crate) const LOCK: usize = 16;
pub(crate) const OWNER: usize = 32;
pub(crate) const KEY: usize = 33;
pub(crate) const FREED: usize = 35;

pub(crate) const WAITERS: u32 = 1 << 31;
pub(crate) const OWNER_DIED: u32 = 1 << 30;
pub(crate) const FREE: u32 = 1 << 29;

/// Counts wakes and sleeps; a sleep ends at once, by its timeout if the word is as expected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Rc<(Cell<usize>, Cell<usize>)>);

impl Ledger {
    pub(crate) fn wakes(&self) -> usize {
        self.0.0.get()
    }

    pub(crate) fn sleeps(&self) -> usize {
        self.0.1.get()
    }
}

impl Park for Ledger {
    fn wait(&self, words: &[Watched<'_>], _timeout_ns: Option<u64>) -> Parked {
        self.0.1.set(self.sleeps() + 1);
        match words.iter().all(|it| it.word.load(Ordering::Relaxed) == it.expected) {
            true => Parked::TimedOut,
            false => Parked::Woken,
        }
    }

    fn wake_all(&self, _word: Word<'_>) {
        self.0.0.set(self.wakes() + 1);
    }
}

/// The list of a process with one mutex. It asserts that changes come in a right order.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) tid: u32,
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    refuses: Option<Refused>,
    changing: bool,
    announced: bool,
    linked: bool,
}

impl List {
    pub(crate) fn new(tid: u32) -> Self {
        Self { tid, state: Rc::default() }
    }

    /// From now on it is no use.
    pub(crate) fn refuse(&self, refused: Refused) {
        self.state.borrow_mut().refuses = Some(refused);
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.state.borrow().linked
    }

    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.borrow();
        !state.changing && !state.announced
    }
}

impl Robust for List {
    type Change<'a> = Self;

    fn begin(&self) -> Result<Self, Refused> {
        let mut state = self.state.borrow_mut();
        match state.refuses {
            Some(refused) if refused != Refused::Full => return Err(refused),
            _ => assert!(!state.changing, "one change at a time"),
        }
        state.changing = true;
        Ok(self.clone())
    }
}

impl Change for List {
    fn tid(&self) -> u32 {
        self.tid
    }

    fn is_linked(&self) -> bool {
        self.state.borrow().linked
    }

    fn announce(&mut self) -> Result<(), Refused> {
        let mut state = self.state.borrow_mut();
        if let (Some(refused), false) = (state.refuses, state.linked) {
            return Err(refused);
        }
        state.announced = true;
        Ok(())
    }

    fn link(&mut self) {
        let mut state = self.state.borrow_mut();
        assert!(state.announced && !state.linked, "announced before it is linked");
        state.linked = true;
    }

    fn unlink(&mut self) {
        let mut state = self.state.borrow_mut();
        assert!(state.changing, "a change is under way");
        state.linked = false;
    }

    fn end(self) {
        let mut state = self.state.borrow_mut();
        assert!(state.changing, "a change is under way");
        (state.changing, state.announced) = (false, false);
    }
}

/// A mutex and everybody's view of it.
pub(crate) struct World {
    pub(crate) page: Words,
    pub(crate) ledger: Ledger,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { page: page(), ledger: Ledger::default() }
    }

    pub(crate) fn open(&self, number: u32) -> (Mutex, List) {
        self.open_over(self.page.clone(), number)
    }

    pub(crate) fn open_over<M: Memory>(&self, memory: M, number: u32) -> (Mutex<M>, List) {
        let list = List::new(1000 + number);
        let opening = NonZeroU32::new(number).unwrap();
        (KeyedMutex::new(memory, self.ledger.clone(), list.clone(), opening).unwrap(), list)
    }

    pub(crate) fn word(&self, place: usize) -> u32 {
        self.page[place].load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, place: usize, value: u32) {
        self.page[place].store(value, Ordering::Relaxed);
    }

    /// What the kernel does when the process dies that has this list.
    pub(crate) fn die(&self, list: &List) {
        let lock = self.word(LOCK);
        if lock & (OWNER_DIED - 1) == list.tid {
            self.set(LOCK, lock & WAITERS | OWNER_DIED);
        }
    }
}

pub(crate) fn page() -> Words {
    let page: Words = (0..PAGE_WORDS).map(|_| AtomicU32::new(0)).collect();
    keyed_mutex::format(&page).unwrap();
    page
}
