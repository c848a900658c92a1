//! Pages in two parts, of which loom explores the words that a model is about.

use std::sync::Arc;

use handfast_sync::page::{LINE_WORDS, LongMemory};
use handfast_sync::{AtomicU32, AtomicU64};

/// A page in two parts.
#[derive(Debug, Clone)]
pub(crate) struct LongPage {
    header: Arc<[AtomicU32]>,
    longs: Arc<[AtomicU64]>,
}

/// The count of readers, in the header.
pub(crate) const READERS: usize = 5;

impl LongPage {
    /// Zeros, with these words tracked.
    pub(crate) fn new(
        header_tracked: &[usize],
        longs: usize,
        longs_tracked: impl Fn(usize) -> bool,
    ) -> Self {
        let word = |place| match header_tracked.contains(&place) {
            true => AtomicU32::contended(0),
            false => AtomicU32::untracked(0),
        };
        let long = |place| match longs_tracked(place) {
            true => AtomicU64::contended(0),
            false => AtomicU64::untracked(0),
        };
        Self { header: (0..LINE_WORDS).map(word).collect(), longs: (0..longs).map(long).collect() }
    }

    /// What a long holds.
    pub(crate) fn long(&self, place: usize) -> u64 {
        self.longs[place].load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl LongMemory for LongPage {
    fn header(&self) -> &[AtomicU32] {
        &self.header
    }

    fn longs(&self) -> &[AtomicU64] {
        &self.longs
    }
}
