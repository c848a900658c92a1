//! How the broker wakes those who sleep on a page.

use core::sync::atomic::AtomicU32;

use handfast_sync::park::{Park, Parked, Watched};
use handfast_sys::futex;

/// Wakes; the broker itself never sleeps on a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waker;

impl Park for Waker {
    fn wait(&self, _words: &[Watched<'_>], _timeout_ns: Option<u64>) -> Parked {
        Parked::Woken
    }

    fn wake_all(&self, word: &AtomicU32) {
        futex::wake_all(word);
    }
}
