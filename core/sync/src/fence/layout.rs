//! Where the words of a fence lie, and the ring of peaks.

use crate::atomic::{AtomicU64, Ordering};
use crate::page::{self, LayoutError, LongMemory, PAGE_LONGS, PageKind, State, WORD_READERS};
use crate::park::Word;
use crate::seat::SEATS_MAX;

/// Rewinds that the page remembers.
pub const PEAKS: u64 = 32;

const VALUE: usize = 0;
const WORD: usize = 1;
const HEAD: usize = 2;
const LAPPED: usize = 3;
const ORPHAN: usize = 4;
const RING: usize = 8;
const SEATS: usize = RING + 2 * 32;
const SEAT_LONGS: usize = SEATS_MAX as usize / 64;

/// Longs of a fence that nobody else opens: the page up to its seats.
pub const LOCAL_LONGS: usize = SEATS;
/// Longs of a fence with seats.
pub const FENCE_LONGS: usize = SEATS + SEAT_LONGS;

const _: () = assert!(PEAKS == 32 && SEATS == 72 && SEATS.is_multiple_of(8));
const _: () = assert!(FENCE_LONGS <= PAGE_LONGS);

/// Somebody may signal.
pub(super) const ORPHAN_LIVE: u64 = 0;
/// The last signaller has left and said so.
pub(super) const ORPHAN_ABANDONED: u64 = 1;
/// The last signaller has died. Values that this version does not know read as this.
pub(super) const ORPHAN_LOST: u64 = 2;

/// Memory long enough for a fence; what it holds is as untrusted as before.
#[derive(Debug)]
pub(super) struct Page<M>(M);

impl<M: LongMemory> Page<M> {
    /// Checks header and length.
    pub(super) fn new(memory: M) -> Result<Self, LayoutError> {
        page::check_header(memory.header(), PageKind::Fence)?;
        Self::long_enough(memory)
    }

    /// Checks the length alone: the broker made the page and needs no header to tell it what it is.
    pub(super) fn long_enough(memory: M) -> Result<Self, LayoutError> {
        let longs = memory.longs().len();
        if longs < LOCAL_LONGS {
            return Err(LayoutError::Size { words: 2 * longs, needed: 2 * LOCAL_LONGS });
        }
        Ok(Self(memory))
    }

    pub(super) fn value(&self) -> &AtomicU64 {
        self.long(VALUE)
    }

    /// Turn and hint.
    pub(super) fn word(&self) -> &AtomicU64 {
        self.long(WORD)
    }

    /// The half of it that one sleeps on.
    pub(super) fn place(&self) -> Word<'_> {
        Word::LowHalf(self.word())
    }

    /// Rewinds so far, those under way included.
    pub(super) fn head(&self) -> &AtomicU64 {
        self.long(HEAD)
    }

    /// How often a signaller was so slow that the ring went round under it.
    pub(super) fn lapped(&self) -> &AtomicU64 {
        self.long(LAPPED)
    }

    pub(super) fn orphan(&self) -> &AtomicU64 {
        self.long(ORPHAN)
    }

    /// How many wait who cannot write the page.
    pub(super) fn readers(&self) -> u32 {
        self.0.header().get(WORD_READERS).map_or(0, |word| word.load(Ordering::SeqCst))
    }

    pub(super) fn state(&self) -> State {
        page::state(self.0.header())
    }

    /// The long with a seat's bit, and the bit. `None` in private memory and for no seat at all.
    pub(super) fn seat(&self, seat: u32) -> Option<(&AtomicU64, u64)> {
        let place = (seat < SEATS_MAX).then_some(SEATS + seat as usize / 64)?;
        Some((self.0.longs().get(place)?, 1 << (seat % 64)))
    }

    /// Whether a seat is marked as a signaller's.
    pub(super) fn has_signaller(&self) -> bool {
        let seats = self.0.longs().get(SEATS..FENCE_LONGS).unwrap_or_default();
        seats.iter().any(|long| long.load(Ordering::SeqCst) != 0)
    }

    /// Writes the peak of the rewind with this index. Between the two stores the place belongs to
    /// no rewind.
    pub(super) fn store_peak(&self, index: u64, peak: u64) {
        let (tag, place) = ring_places(index);
        self.long(place).store(peak, Ordering::SeqCst);
        self.long(tag).store(seal(index, peak), Ordering::SeqCst);
    }

    /// The peak of the rewind with this index; `None` if it is not written, or not there any more.
    pub(super) fn load_peak(&self, index: u64) -> Option<u64> {
        let (tag, place) = ring_places(index);
        let tag = self.long(tag).load(Ordering::SeqCst);
        let peak = self.long(place).load(Ordering::SeqCst);
        (tag == seal(index, peak)).then_some(peak)
    }

    /// Writes zeros, but for the value and the word. Nobody else has the memory yet.
    pub(super) fn clear(&self, value: u64, word: u64) {
        for long in self.0.longs().iter().take(FENCE_LONGS) {
            long.store(0, Ordering::Relaxed);
        }
        self.value().store(value, Ordering::SeqCst);
        self.word().store(word, Ordering::SeqCst);
    }

    /// The long at one of the constants above.
    fn long(&self, place: usize) -> &AtomicU64 {
        let Some(long) = self.0.longs().get(place) else {
            unreachable!("a LongMemory gives the same words for as long as it lives");
        };
        long
    }
}

const fn ring_places(index: u64) -> (usize, usize) {
    let tag = RING + 2 * (index % PEAKS) as usize;
    (tag, tag + 1)
}

/// What makes a peak the one of this rewind: it changes with either.
const fn seal(index: u64, peak: u64) -> u64 {
    peak ^ index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
