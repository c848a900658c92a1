//! Where the word of an event lies, and what its halves say.

use crate::atomic::{AtomicU64, Ordering};
use crate::page::{self, LayoutError, LongMemory, PAGE_LONGS, PageKind, State, WORD_READERS};
use crate::park::{Word, low_half};
use crate::seat::SEAT_BITS;
use crate::turn;

/// Longs of an event, shared or not.
pub const EVENT_LONGS: usize = 8;

const WORD: usize = 0;
/// Word of the header that says how the event is reset.
pub(super) const WORD_RESET: usize = 6;

const SIGNALED: u32 = 1;
const INTEREST: u32 = 2;
const FLAGS: u32 = SIGNALED | INTEREST;
/// The least of the upper 30 bits: who holds an auto-reset event, how often a manual one was set.
const MARK: u32 = 4;

const _: () = assert!(EVENT_LONGS <= PAGE_LONGS);

/// What makes an event unsignaled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Reset {
    /// Only [`Event::reset`](super::Event::reset): it lets everybody pass until then.
    Manual = 0,
    /// The first who takes it: it lets one pass.
    Auto = 1,
}

/// The word of an event, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) low: u32,
    high: u32,
}

impl Seen {
    pub(super) const fn of(word: u64) -> Self {
        Self { low: low_half(word), high: turn::high_half(word) }
    }

    pub(super) const fn word(self) -> u64 {
        turn::join(self.low, self.high)
    }

    pub(super) const fn high(self) -> u32 {
        self.high
    }

    pub(super) const fn is_signaled(self) -> bool {
        self.high & SIGNALED != 0
    }

    pub(super) const fn has_interest(self) -> bool {
        self.high & INTEREST != 0
    }

    /// Of a manual event: how often it became signaled. Of an auto-reset one: who holds it, or 0.
    pub(super) const fn mark(self) -> u32 {
        self.high / MARK
    }

    /// The seat plus one of the holder, or 0.
    pub(super) const fn holding_seat(self) -> u32 {
        self.mark() & ((1 << SEAT_BITS) - 1)
    }

    pub(super) const fn with_low(self, low: u32) -> Self {
        Self { low, ..self }
    }

    pub(super) const fn signaled(self) -> Self {
        Self { high: self.high | SIGNALED, ..self }
    }

    pub(super) const fn unsignaled(self) -> Self {
        Self { high: self.high & !SIGNALED, ..self }
    }

    pub(super) const fn with_interest(self) -> Self {
        Self { high: self.high | INTEREST, ..self }
    }

    pub(super) const fn without_interest(self) -> Self {
        Self { high: self.high & !INTEREST, ..self }
    }

    /// With another mark, of which the lower 30 bits count.
    pub(super) const fn with_mark(self, mark: u32) -> Self {
        Self { high: self.high & FLAGS | mark.wrapping_mul(MARK), ..self }
    }
}

/// Memory long enough for an event; what it holds is as untrusted as before.
#[derive(Debug)]
pub(super) struct Page<M>(M);

impl<M: LongMemory> Page<M> {
    /// Checks header and length, and reads once how the event is reset.
    pub(super) fn new(memory: M) -> Result<(Self, Reset), LayoutError> {
        page::check_header(memory.header(), PageKind::Event)?;
        let page = Self::long_enough(memory)?;
        let found = page.reset_word();
        match found {
            0 => Ok((page, Reset::Manual)),
            1 => Ok((page, Reset::Auto)),
            _ => Err(LayoutError::Reset { found }),
        }
    }

    /// Checks the length alone: the broker made the page and needs no header to tell it what it is.
    pub(super) fn long_enough(memory: M) -> Result<Self, LayoutError> {
        let longs = memory.longs().len();
        if longs < EVENT_LONGS {
            return Err(LayoutError::Size { words: 2 * longs, needed: 2 * EVENT_LONGS });
        }
        Ok(Self(memory))
    }

    pub(super) fn word(&self) -> &AtomicU64 {
        let Some(long) = self.0.longs().get(WORD) else {
            unreachable!("a LongMemory gives the same words for as long as it lives");
        };
        long
    }

    pub(super) fn seen(&self) -> Seen {
        Seen::of(self.word().load(Ordering::SeqCst))
    }

    /// The half of the word that one sleeps on.
    pub(super) fn place(&self) -> Word<'_> {
        Word::LowHalf(self.word())
    }

    /// How many wait who cannot write the page.
    pub(super) fn readers(&self) -> u32 {
        self.0.header().get(WORD_READERS).map_or(0, |word| word.load(Ordering::SeqCst))
    }

    pub(super) fn state(&self) -> State {
        page::state(self.0.header())
    }

    fn reset_word(&self) -> u32 {
        self.0.header().get(WORD_RESET).map_or(u32::MAX, |word| word.load(Ordering::Relaxed))
    }
}
