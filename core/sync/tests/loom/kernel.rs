//! What the kernel does for keyed mutexes: it puts to sleep, wakes one or all, and goes through the
//! list of a process that dies.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use handfast_sync::atomic::step;
use handfast_sync::keyed_mutex::LOCK_OFFSET_BYTES;
use handfast_sync::robust::{Change, Refused, Robust};
use handfast_sync::{AtomicU32, Park, Parked, Watched, Word};
use loom::sync::{Condvar, Mutex};

use crate::model::Words;

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const TID_MASK: u32 = 0x3fff_ffff;

/// Who sleeps, in the order in which they came.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    asleep: VecDeque<(u64, usize)>,
}

/// Futexes: the comparison is under the lock.
#[derive(Debug)]
pub(crate) struct Kernel {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Kernel {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { queue: Mutex::new(Queue::default()), changed: Condvar::new() })
    }

    fn wake_one(&self, word: &AtomicU32) {
        let mut queue = self.queue.lock().unwrap();
        let first = queue.asleep.iter().position(|(_, place)| *place == address(word.into()));
        if let Some(first) = first {
            queue.asleep.remove(first);
        }
        self.changed.notify_all();
    }

    /// What the kernel does with one entry of the list of a thread that ends
    /// (`handle_futex_death`).
    fn owner_died(&self, word: &AtomicU32, tid: u32, pending: bool) {
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            if pending && seen & TID_MASK == 0 {
                self.wake_one(word);
                return;
            }
            if seen & TID_MASK != tid {
                return;
            }
            let marked = seen & WAITERS | OWNER_DIED;
            match word.compare_exchange(seen, marked, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(other) => seen = other,
            }
        }
        if seen & WAITERS != 0 {
            self.wake_one(word);
        }
    }
}

impl Park for Kernel {
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked {
        assert_eq!(timeout_ns, None, "models have no clock");
        let [watched] = words else { panic!("one sleeps on one mutex") };
        let mut queue = self.queue.lock().unwrap();
        if watched.word.load(Ordering::Relaxed) != watched.expected {
            return Parked::Woken;
        }
        let ticket = queue.next;
        queue.next += 1;
        queue.asleep.push_back((ticket, address(watched.word)));
        while queue.asleep.iter().any(|(other, _)| *other == ticket) {
            queue = self.changed.wait(queue).unwrap();
        }
        Parked::Woken
    }

    fn wake_all(&self, word: Word<'_>) {
        step();
        self.queue.lock().unwrap().asleep.retain(|(_, place)| *place != address(word));
        self.changed.notify_all();
    }
}

/// What the kernel has marked of a process that died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marked {
    /// It knew of no lock.
    Nothing,
    /// The lock, if it was the process's.
    WhatItHeld,
}

/// A process with one mutex: its list's thread, what it has announced and what it has in its list.
#[derive(Debug)]
pub(crate) struct Process {
    kernel: Arc<Kernel>,
    page: Words,
    tid: u32,
    pending: AtomicU32,
    /// Contended: the process loads and then changes it, and may go on when its thread has ended.
    linked: AtomicU32,
}

impl Process {
    pub(crate) fn new(kernel: &Arc<Kernel>, page: &Words, tid: u32) -> Arc<Self> {
        Arc::new(Self {
            kernel: kernel.clone(),
            page: page.clone(),
            tid,
            pending: AtomicU32::new(0),
            linked: AtomicU32::contended(0),
        })
    }

    /// The number of the list's thread.
    pub(crate) fn tid(&self) -> u32 {
        self.tid
    }

    /// The list's thread ends.
    pub(crate) fn die(&self) -> Marked {
        let lock = &self.page[LOCK_OFFSET_BYTES / 4];
        let pending = self.pending.load(Ordering::Acquire) != 0;
        if !pending && self.linked.load(Ordering::Acquire) == 0 {
            return Marked::Nothing;
        }
        self.kernel.owner_died(lock, self.tid, pending);
        Marked::WhatItHeld
    }
}

impl Robust for Process {
    type Change<'a> = &'a Self;

    fn begin(&self) -> Result<Self::Change<'_>, Refused> {
        Ok(self)
    }
}

impl Change for &Process {
    fn tid(&self) -> u32 {
        self.tid
    }

    fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Relaxed) != 0
    }

    fn announce(&mut self) -> Result<(), Refused> {
        self.pending.store(1, Ordering::Release);
        Ok(())
    }

    fn link(&mut self) {
        self.linked.store(1, Ordering::Release);
    }

    fn unlink(&mut self) {
        self.linked.store(0, Ordering::Release);
    }

    fn end(self) {
        self.pending.store(0, Ordering::Release);
    }
}

fn address(word: Word<'_>) -> usize {
    match word {
        Word::Whole(word) => std::ptr::from_ref(word).addr(),
        Word::LowHalf(word) => std::ptr::from_ref(word).addr(),
    }
}
