//! Sleeping on shared words and waking who sleeps there.

use alloc::sync::Arc;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};

/// Where one sleeps: the kernel compares 32 bits, whatever the algorithm changes at a time.
#[derive(Debug, Clone, Copy)]
pub enum Word<'a> {
    /// A word of that size.
    Whole(&'a AtomicU32),
    /// The low half of a longer one, which counts the changes that sleepers care for.
    LowHalf(&'a AtomicU64),
}

impl Word<'_> {
    /// What a sleeper would compare now.
    #[must_use]
    pub fn load(self, order: Ordering) -> u32 {
        match self {
            Self::Whole(word) => word.load(order),
            Self::LowHalf(word) => low_half(word.load(order)),
        }
    }

    /// Whether both are the same place.
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => core::ptr::eq(one, other),
            (Self::LowHalf(one), Self::LowHalf(other)) => core::ptr::eq(one, other),
            (Self::Whole(_), Self::LowHalf(_)) | (Self::LowHalf(_), Self::Whole(_)) => false,
        }
    }
}

impl<'a> From<&'a AtomicU32> for Word<'a> {
    fn from(word: &'a AtomicU32) -> Self {
        Self::Whole(word)
    }
}

/// The half of a long word that sleepers compare.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
#[must_use]
pub const fn low_half(word: u64) -> u32 {
    word as u32
}

/// A word and the value that the sleeper last saw in it.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The word to sleep on.
    pub word: Word<'a>,
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
    fn wake_all(&self, word: Word<'_>);
}

impl<P: Park + ?Sized> Park for &P {
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked {
        (**self).wait(words, timeout_ns)
    }

    fn wake_all(&self, word: Word<'_>) {
        (**self).wake_all(word);
    }
}

impl<P: Park + ?Sized> Park for Arc<P> {
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked {
        (**self).wait(words, timeout_ns)
    }

    fn wake_all(&self, word: Word<'_>) {
        (**self).wake_all(word);
    }
}
