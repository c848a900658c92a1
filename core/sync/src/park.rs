//! Sleeping on shared words and waking who sleeps there.

use alloc::sync::Arc;

use crate::atomic::AtomicU32;

/// A word and the value that the sleeper last saw in it.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The word to sleep on.
    pub word: &'a AtomicU32,
    /// What it held when the sleeper decided to sleep.
    pub expected: u32,
}

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parked {
    /// Woken, or a word no longer held what was expected, or for no reason: look again.
    Woken,
    /// The timeout passed.
    TimedOut,
}

/// A way to sleep on words that another process changes: a futex, or a test's model of one.
///
/// An implementation compares and falls asleep in one step with respect to
/// [`wake_all`](Self::wake_all): a wake that follows a store is never lost on a sleeper that
/// expected the value before that store.
pub trait Park {
    /// Sleeps until one of the words is woken or differs from what is expected of it.
    ///
    /// At most 128 words are given (the kernel's own limit).
    ///
    /// # Blocking
    /// Until a wake, a change or the timeout in nanoseconds; without a timeout for as long as it
    /// takes. Spurious returns are allowed.
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked;

    /// Wakes everybody who sleeps on the word, in every process.
    fn wake_all(&self, word: &AtomicU32);
}

impl<P: Park + ?Sized> Park for &P {
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked {
        (**self).wait(words, timeout_ns)
    }

    fn wake_all(&self, word: &AtomicU32) {
        (**self).wake_all(word);
    }
}

impl<P: Park + ?Sized> Park for Arc<P> {
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked {
        (**self).wait(words, timeout_ns)
    }

    fn wake_all(&self, word: &AtomicU32) {
        (**self).wake_all(word);
    }
}
