//! Mapped pages as the protocol sees them, and how it sleeps.

use core::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::Arc;

use handfast_sync::page::{self, LINE_WORDS, LongMemory, Memory, PageKind};
use handfast_sync::park::{Park, Parked, Watched, Word};
use handfast_sys::clock;
use handfast_sys::futex::{self, Place, Wake};
use handfast_sys::mapping::{ReadMapping, SplitWords, TableWords};

use crate::spare::{Home, Mapped};

/// Words that this process writes.
#[derive(Debug, Clone)]
pub(crate) struct OwnWords(pub(crate) Arc<TableWords>);

impl Memory for OwnWords {
    fn words(&self) -> &[AtomicU32] {
        self.0.words()
    }
}

/// Words of another process: the protocol only loads them.
#[derive(Debug, Clone)]
pub(crate) struct TheirWords(pub(crate) Arc<ReadMapping>);

impl Memory for TheirWords {
    fn words(&self) -> &[AtomicU32] {
        self.0.words()
    }
}

/// A page in two parts, mapped.
#[derive(Debug)]
pub(crate) struct SharedWords {
    words: SplitWords,
    /// Where the page goes when nothing refers to it any more; none for another's.
    home: Option<Home>,
}

impl SharedWords {
    pub(crate) const fn new(words: SplitWords, home: Option<Home>) -> Self {
        Self { words, home }
    }
}

impl LongMemory for SharedWords {
    fn header(&self) -> &[AtomicU32] {
        self.words.words()
    }

    fn longs(&self) -> &[AtomicU64] {
        self.words.longs()
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // In a forked child there is nothing to look at.
        let Some(home) = self.home.as_ref().filter(|home| home.is_own()) else { return };
        // What is no page of ours, or is none any more, is of no use.
        let header = self.words.words();
        let kinds = [PageKind::Fence, PageKind::Event];
        if kinds.into_iter().any(|kind| page::check_header(header, kind).is_ok()) {
            home.take_back(Mapped::Split(self.words.clone()));
        }
    }
}

/// The same words in memory of this process alone, for what has not been shared.
#[derive(Debug)]
pub(crate) struct PrivateWords {
    header: [AtomicU32; LINE_WORDS],
    longs: Box<[AtomicU64]>,
}

impl PrivateWords {
    /// Zeros.
    pub(crate) fn new(longs: usize) -> Self {
        let header = std::array::from_fn(|_| AtomicU32::new(0));
        Self { header, longs: (0..longs).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl LongMemory for PrivateWords {
    fn header(&self) -> &[AtomicU32] {
        &self.header
    }

    fn longs(&self) -> &[AtomicU64] {
        &self.longs
    }
}

/// No part of a sleep that has an end is longer: whoever may write a page can keep a waker from
/// waking, and stretches such a sleep by no more than this. A sleep without an end has no parts,
/// since the timer for them costs 4 % of a round trip.
const SLEEP_NS_MAX: u64 = 1_000_000_000;

/// Sleeps on any number of words, at most until `deadline_ns` on the monotonic clock. The caller
/// looks again in any case.
pub(crate) fn sleep(words: &[Watched<'_>], deadline_ns: Option<u64>) {
    let left_ns = deadline_ns.map(|at| at.saturating_sub(clock::now_ns()));
    let timeout_ns = left_ns.map(|left| left.min(SLEEP_NS_MAX));
    if words.len() <= futex::WAIT_ANY_MAX {
        Futex.wait(words, timeout_ns);
        return;
    }
    // One call takes so many words and no more: a thread for each part, and a word of their own by
    // which the first to wake wakes the others.
    let woken = &AtomicU32::new(0);
    std::thread::scope(|scope| {
        for part in words.chunks(futex::WAIT_ANY_MAX - 1) {
            let part: Vec<_> =
                part.iter().copied().chain([Watched { word: woken.into(), expected: 0 }]).collect();
            let sleeper = std::thread::Builder::new().stack_size(SLEEPER_STACK_BYTES);
            let started = sleeper.spawn_scoped(scope, move || {
                Futex.wait(&part, timeout_ns);
                woken.store(1, core::sync::atomic::Ordering::Release);
                Futex.wake_all(woken.into());
            });
            if started.is_err() {
                // No room for another thread: look again soon.
                woken.store(1, core::sync::atomic::Ordering::Release);
                Futex.wake_all(woken.into());
            }
        }
    });
}

/// A sleeper calls the kernel and nothing else.
const SLEEPER_STACK_BYTES: usize = 64 * 1024;

/// The moment that one lets others run before one sleeps.
///
/// Two processes that hand on many things need not wake each other for each of them: on one core
/// the other fills or empties the queue meanwhile, on two it does so in less time than falling
/// asleep takes. Where other work keeps the core busy, one turn of that is all that is lost.
#[derive(Debug, Default)]
pub(crate) struct Moment {
    began_ns: Option<u64>,
}

impl Moment {
    const LONGEST_NS: u64 = 10_000;

    /// Lets others run; false when the moment has passed.
    pub(crate) fn pass(&mut self) -> bool {
        let now_ns = clock::now_ns();
        let began_ns = *self.began_ns.get_or_insert(now_ns);
        let is_over = now_ns.saturating_sub(began_ns) > Self::LONGEST_NS;
        if !is_over {
            std::thread::yield_now();
        }
        !is_over
    }
}

/// Sleeps on futexes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Futex;

const fn place(word: Word<'_>) -> Place<'_> {
    match word {
        Word::Whole(word) => Place::Word(word),
        Word::LowHalf(word) => Place::LowHalf(word),
    }
}

impl Park for Futex {
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked {
        let wake = match words {
            [] => return Parked::Woken,
            [one] => futex::wait(place(one.word), one.expected, timeout_ns),
            many => {
                let most = many.get(..futex::WAIT_ANY_MAX).unwrap_or(many);
                let pairs: Vec<_> =
                    most.iter().map(|one| (place(one.word), one.expected)).collect();
                // An error is a list that the kernel does not take: looking again is right.
                futex::wait_any(&pairs, timeout_ns).unwrap_or(Wake::Woken)
            }
        };
        match wake {
            Wake::Woken => Parked::Woken,
            Wake::TimedOut => Parked::TimedOut,
        }
    }

    fn wake_all(&self, word: Word<'_>) {
        futex::wake_all(place(word));
    }
}
