//! Mapped pages as the protocol sees them, and how it sleeps.

use core::sync::atomic::AtomicU32;
use std::sync::Arc;

use handfast_sync::page::Memory;
use handfast_sync::park::{Park, Parked, Watched, Word};
use handfast_sys::futex::{self, Place, Wake};
use handfast_sys::mapping::{ReadMapping, TableWords};

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
