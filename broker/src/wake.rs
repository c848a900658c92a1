//! How the broker wakes those who sleep on a page.

use handfast_sync::park::{Park, Parked, Watched, Word};
use handfast_sys::futex::{self, Place};

/// Wakes; the broker itself never sleeps on a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waker;

impl Park for Waker {
    fn wait(&self, _words: &[Watched<'_>], _timeout_ns: Option<u64>) -> Parked {
        Parked::Woken
    }

    fn wake_all(&self, word: Word<'_>) {
        futex::wake_all(match word {
            Word::Whole(word) => word.into(),
            Word::LowHalf(word) => Place::LowHalf(word),
        });
    }
}
