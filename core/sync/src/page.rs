//! The page of one end: its header, written by the broker, and what every end checks in it.
//!
//! A page is 4 KiB in lines of 64 bytes, a cache line. Line 0 is the header, 16 words of 32 bits
//! that belong to the broker. The lines after it are 32-bit words on the pages of streams, each
//! line with one writer, and 64-bit words on the pages of fences and events ([`LongMemory`]), which
//! everybody with the right writes; no place is ever accessed in both widths.

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::park::Park;
use crate::stream::layout::sender_page;

/// Size of a page in bytes.
pub const PAGE_BYTES: usize = 4096;
/// Size of a page in words.
pub const PAGE_WORDS: usize = 1024;
/// Size of a line in words.
pub const LINE_WORDS: usize = 16;
/// Size of a line in bytes.
pub const LINE_BYTES: usize = LINE_WORDS * 4;
/// 64-bit words behind the header of a page that is in two parts.
pub const PAGE_LONGS: usize = (PAGE_BYTES - LINE_BYTES) / 8;
/// First word of every page: `HFPG` in memory order of a little-endian machine.
pub const MAGIC: u32 = u32::from_le_bytes(*b"HFPG");
/// Version of the layout of pages and generation tables. Another version is refused.
pub const LAYOUT_VERSION: u32 = 2;

const WORD_MAGIC: usize = 0;
const WORD_VERSION: usize = 1;
const WORD_KIND: usize = 2;
const WORD_STATE: usize = 3;
pub(crate) const WORD_EVENTS: usize = 4;
/// How many openings may wait and cannot write the page, on pages that have such.
pub(crate) const WORD_READERS: usize = 5;

const _: () = assert!(PAGE_WORDS * 4 == PAGE_BYTES && PAGE_WORDS.is_multiple_of(LINE_WORDS));
const _: () = assert!(WORD_READERS < LINE_WORDS);

/// Words that processes share.
///
/// An implementation gives the same words, at the same place and in the same number, for as long
/// as it lives.
pub trait Memory {
    /// The words.
    fn words(&self) -> &[AtomicU32];
}

impl Memory for [AtomicU32] {
    fn words(&self) -> &[AtomicU32] {
        self
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    fn words(&self) -> &[AtomicU32] {
        (**self).words()
    }
}

impl<M: Memory + ?Sized> Memory for Arc<M> {
    fn words(&self) -> &[AtomicU32] {
        (**self).words()
    }
}

impl<M: Memory + ?Sized> Memory for Box<M> {
    fn words(&self) -> &[AtomicU32] {
        (**self).words()
    }
}

/// A page in two parts: a header of 32-bit words and 64-bit words behind it.
///
/// An implementation gives the same words, at the same place and in the same number, for as long
/// as it lives.
pub trait LongMemory {
    /// The words of the header's line.
    fn header(&self) -> &[AtomicU32];
    /// The words behind it.
    fn longs(&self) -> &[AtomicU64];
}

impl<M: LongMemory + ?Sized> LongMemory for &M {
    fn header(&self) -> &[AtomicU32] {
        (**self).header()
    }

    fn longs(&self) -> &[AtomicU64] {
        (**self).longs()
    }
}

impl<M: LongMemory + ?Sized> LongMemory for Arc<M> {
    fn header(&self) -> &[AtomicU32] {
        (**self).header()
    }

    fn longs(&self) -> &[AtomicU64] {
        (**self).longs()
    }
}

/// What a page is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum PageKind {
    /// The one page of a stream that its sender writes.
    StreamSender = 1,
    /// The page that one receiver of a stream writes.
    StreamReceiver = 2,
    /// A fence's page, in two parts.
    Fence = 3,
    /// An event's page, in two parts.
    Event = 4,
    /// The page of a surface's keyed mutex.
    KeyedMutex = 5,
}

/// What the broker says about the end that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// It is there, as far as the broker knows.
    Live = 0,
    /// It has gone and said so before.
    Ended = 1,
    /// It has gone without a word. Values that this version does not know read as this.
    Lost = 2,
    /// Nothing of it is left: whoever keeps the page may drop it.
    Gone = 3,
}

/// Why memory is not what it should be. Nothing was written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Too short.
    #[error("the memory has {words} words and needs {needed}")]
    Size {
        /// How many words there are.
        words: usize,
        /// How many there must be.
        needed: usize,
    },
    /// Not a page or table of ours.
    #[error("the memory begins with {found:#010x} and should with {wanted:#010x}")]
    Magic {
        /// The first word.
        found: u32,
        /// What it should be.
        wanted: u32,
    },
    /// A page or table of another version.
    #[error("the layout has version {found}, this library knows {wanted}")]
    Version {
        /// The version found.
        found: u32,
        /// The version known.
        wanted: u32,
    },
    /// The page of another kind of end.
    #[error("the page is of kind {found} and should be of kind {}", wanted.word())]
    Kind {
        /// The kind found.
        found: u32,
        /// The kind wanted.
        wanted: PageKind,
    },
    /// The table of another generation, or a generation numbered 0 or like the one before.
    #[error("the generation has number {found}, wanted is {wanted}")]
    Generation {
        /// The number found.
        found: u32,
        /// The number wanted.
        wanted: u32,
    },
    /// Too few or too many slots.
    #[error("{found} slots; a generation has {min} to {max}")]
    Slots {
        /// The count found.
        found: u32,
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// An event that is reset in a way that is not known, or not possible here.
    #[error("the event is reset in way {found}, which cannot be done here")]
    Reset {
        /// The way found.
        found: u32,
    },
}

impl PageKind {
    const fn word(self) -> u32 {
        self as u32
    }
}

impl State {
    const fn word(self) -> u32 {
        self as u32
    }

    const fn from_word(word: u32) -> Self {
        match word {
            0 => Self::Live,
            1 => Self::Ended,
            3 => Self::Gone,
            _ => Self::Lost,
        }
    }
}

/// Writes the header of a fresh page of zeros. The broker calls it, before it gives the page out.
///
/// # Errors
/// [`LayoutError::Size`] if the memory is shorter than a page.
pub fn format(words: &[AtomicU32], kind: PageKind) -> Result<(), LayoutError> {
    first_page(words)?;
    format_header(words, kind)
}

/// Writes a header alone, of a page in two parts.
///
/// # Errors
/// [`LayoutError::Size`] if the memory is shorter than a header.
pub fn format_header(words: &[AtomicU32], kind: PageKind) -> Result<(), LayoutError> {
    let header = first_line(words)?;
    header[WORD_VERSION].store(LAYOUT_VERSION, Ordering::Relaxed);
    header[WORD_KIND].store(kind.word(), Ordering::Relaxed);
    header[WORD_STATE].store(State::Live.word(), Ordering::Relaxed);
    header[WORD_MAGIC].store(MAGIC, Ordering::Release);
    Ok(())
}

/// Writes zeros everywhere. The broker calls it before it formats a page anew that a client has
/// mapped and may have written anything into; nobody else has the page at that moment.
pub fn clear(words: &[AtomicU32]) {
    for word in words {
        word.store(0, Ordering::Relaxed);
    }
}

/// As [`clear`], for a page in two parts.
pub fn clear_split(memory: &impl LongMemory) {
    clear(memory.header());
    for long in memory.longs() {
        long.store(0, Ordering::Relaxed);
    }
}

/// Checks that the words are a page of this version and of the given kind.
///
/// # Errors
/// [`LayoutError::Size`], [`LayoutError::Magic`], [`LayoutError::Version`] and
/// [`LayoutError::Kind`], in this order.
pub fn check(words: &[AtomicU32], kind: PageKind) -> Result<(), LayoutError> {
    first_page(words)?;
    check_header(words, kind)
}

/// As [`check`], for the header of a page in two parts.
///
/// # Errors
/// As [`check`].
pub fn check_header(words: &[AtomicU32], kind: PageKind) -> Result<(), LayoutError> {
    let page = first_line(words)?;
    let found = page[WORD_MAGIC].load(Ordering::Acquire);
    if found != MAGIC {
        return Err(LayoutError::Magic { found, wanted: MAGIC });
    }
    let found = page[WORD_VERSION].load(Ordering::Relaxed);
    if found != LAYOUT_VERSION {
        return Err(LayoutError::Version { found, wanted: LAYOUT_VERSION });
    }
    let found = page[WORD_KIND].load(Ordering::Relaxed);
    if found != kind.word() {
        return Err(LayoutError::Kind { found, wanted: kind });
    }
    Ok(())
}

/// What the broker has stamped on the page; [`State::Lost`] if this is no page at all.
#[must_use]
pub fn state(words: &[AtomicU32]) -> State {
    let word =
        words.get(WORD_STATE).map_or(State::Lost.word(), |word| word.load(Ordering::Acquire));
    State::from_word(word)
}

/// Stamps a state on the page. Only the broker calls it.
///
/// Wakes nobody: see [`bump_events`] and [`end_sender`].
pub fn stamp(words: &[AtomicU32], state: State) {
    if let Some(word) = words.get(WORD_STATE) {
        word.store(state.word(), Ordering::Release);
    }
}

/// How often the broker has told the owner of this page that something happened.
#[must_use]
pub fn events(words: &[AtomicU32]) -> u32 {
    words.get(WORD_EVENTS).map_or(0, |word| word.load(Ordering::Acquire))
}

/// Tells the owner of this page that something happened (a receiver has come or gone). Only the
/// broker calls it, after the change it tells of.
pub fn bump_events(words: &[AtomicU32], park: &impl Park) {
    if let Some(word) = words.get(WORD_EVENTS) {
        bump(word, park);
    }
}

/// Stamps how the sender of this page has gone and wakes every receiver that sleeps on the page.
/// Only the broker calls it, after the sender's process can write no more.
///
/// The broker inherits the dead sender's line. It bumps the sender's turn whether or not the sender
/// came to do it: a receiver between its last look and its sleep must not miss the stamp.
pub fn end_sender(words: &[AtomicU32], state: State, park: &impl Park) {
    stamp(words, state);
    if let Some(turn) = words.get(sender_page::TURN) {
        bump(turn, park);
    }
    bump_events(words, park);
}

fn bump(word: &AtomicU32, park: &impl Park) {
    let value = word.load(Ordering::Relaxed);
    word.store(value.wrapping_add(1), Ordering::Release);
    park.wake_all(word.into());
}

fn first_line(words: &[AtomicU32]) -> Result<&[AtomicU32; LINE_WORDS], LayoutError> {
    words.first_chunk().ok_or(LayoutError::Size { words: words.len(), needed: LINE_WORDS })
}

fn first_page(words: &[AtomicU32]) -> Result<&[AtomicU32; PAGE_WORDS], LayoutError> {
    words.first_chunk().ok_or(LayoutError::Size { words: words.len(), needed: PAGE_WORDS })
}

/// Memory that has been found to be a page of the wanted kind.
///
/// Having one proves the length; what the words hold is as untrusted as before.
#[derive(Debug)]
pub(crate) struct Page<M> {
    memory: M,
}

impl<M: Memory> Page<M> {
    pub(crate) fn new(memory: M, kind: PageKind) -> Result<Self, LayoutError> {
        check(memory.words(), kind)?;
        Ok(Self { memory })
    }

    pub(crate) const fn memory(&self) -> &M {
        &self.memory
    }

    /// The words of the page, in an array so that constant places need no check.
    pub(crate) fn words(&self) -> &[AtomicU32; PAGE_WORDS] {
        let Ok(words) = first_page(self.memory.words()) else {
            unreachable!("a Memory gives the same words for as long as it lives");
        };
        words
    }

    pub(crate) fn state(&self) -> State {
        state(self.words())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::park::{Parked, Watched, Word};

    struct Nobody;

    impl Park for Nobody {
        fn wait(&self, _words: &[Watched<'_>], _timeout_ns: Option<u64>) -> Parked {
            Parked::TimedOut
        }

        fn wake_all(&self, _word: Word<'_>) {}
    }

    fn zeros(words: usize) -> Vec<AtomicU32> {
        (0..words).map(|_| AtomicU32::new(0)).collect()
    }

    #[test]
    fn a_page_is_refused_with_the_facts() {
        let page = zeros(PAGE_WORDS);
        let refusal = || check(&page, PageKind::StreamSender);
        assert_eq!(refusal(), Err(LayoutError::Magic { found: 0, wanted: MAGIC }));
        format(&page, PageKind::StreamReceiver).unwrap();
        let wanted = PageKind::StreamSender;
        assert_eq!(refusal(), Err(LayoutError::Kind { found: 2, wanted }));
        page[WORD_VERSION].store(9, Ordering::Relaxed);
        assert_eq!(refusal(), Err(LayoutError::Version { found: 9, wanted: LAYOUT_VERSION }));
        let short = zeros(PAGE_WORDS - 1);
        let size = LayoutError::Size { words: 1023, needed: 1024 };
        assert_eq!(format(&short, wanted), Err(size));
        assert_eq!(check(&short, wanted), Err(size));
    }

    #[test]
    fn an_unknown_state_is_lost() {
        let page = zeros(PAGE_WORDS);
        for wanted in [State::Live, State::Ended, State::Lost, State::Gone] {
            stamp(&page, wanted);
            assert_eq!(state(&page), wanted);
        }
        page[WORD_STATE].store(4, Ordering::Relaxed);
        assert_eq!(state(&page), State::Lost);
        assert_eq!(state(&[]), State::Lost);
        assert_eq!(events(&[]), 0);
        stamp(&[], State::Gone);
        bump_events(&[], &Nobody);
    }

    #[test]
    fn the_end_of_a_sender_bumps_its_turn() {
        let page = zeros(PAGE_WORDS);
        format(&page, PageKind::StreamSender).unwrap();
        page[sender_page::TURN].store(u32::MAX, Ordering::Relaxed);
        end_sender(&page, State::Lost, &Nobody);
        assert_eq!(page[sender_page::TURN].load(Ordering::Relaxed), 0);
        assert_eq!((state(&page), events(&page)), (State::Lost, 1));
    }
}
