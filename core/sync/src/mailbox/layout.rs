//! Where things lie in a mailbox.

use crate::atomic::{AtomicU32, Ordering};
use crate::page::{LINE_WORDS, LayoutError};

/// First word of every mailbox: `HFMB` in memory order of a little-endian machine.
const MAGIC: u32 = u32::from_le_bytes(*b"HFMB");
/// Version of this layout. Another version is refused.
const LAYOUT_VERSION: u32 = 1;

const WORD_MAGIC: usize = 0;
const WORD_VERSION: usize = 1;

// The line that the client writes.
pub(super) const WORD_ASKED: usize = LINE_WORDS;
pub(super) const WORD_REQUEST_BYTES: usize = LINE_WORDS + 1;
pub(super) const WORD_SLEEPING: usize = LINE_WORDS + 2;
pub(super) const WORD_POSTED: usize = LINE_WORDS + 3;

// The line that the broker writes.
pub(super) const WORD_ANSWERED: usize = 2 * LINE_WORDS;
pub(super) const WORD_ANSWER_BYTES: usize = 2 * LINE_WORDS + 1;
pub(super) const WORD_TAKEN: usize = 2 * LINE_WORDS + 2;
pub(super) const WORD_LISTENING: usize = 2 * LINE_WORDS + 3;
pub(super) const WORD_NOTES_LISTENING: usize = 2 * LINE_WORDS + 4;
pub(super) const WORD_HEARD: usize = 2 * LINE_WORDS + 5;

/// Notes that can wait; each is two words.
pub const NOTES_MAX: u32 = 1024;
const NOTE_WORDS: usize = 2;
const NOTES: usize = 4 * LINE_WORDS;
const REQUEST: usize = NOTES + 1024 * NOTE_WORDS;
const REQUEST_WORDS: usize = 704;
const ANSWER: usize = REQUEST + REQUEST_WORDS;
const ANSWER_WORDS: usize = 1280;

/// Size of a mailbox in words.
pub const MAILBOX_WORDS: usize = ANSWER + ANSWER_WORDS;
/// Size of a mailbox in bytes.
pub const MAILBOX_BYTES: usize = MAILBOX_WORDS * 4;
/// The longest request that fits.
pub const REQUEST_BYTES_MAX: usize = REQUEST_WORDS * 4;
/// The longest answer that fits.
pub const ANSWER_BYTES_MAX: usize = ANSWER_WORDS * 4;

/// The answer is in the other door: it came with descriptors, or is too long.
pub(super) const ELSEWHERE: u32 = u32::MAX;

const _: () = assert!(MAILBOX_BYTES == 16 * 1024, "a mailbox is four pages of memory");
const _: () = assert!(NOTES_MAX.is_power_of_two(), "its counter wraps");

/// The words, known to be as many as a mailbox has.
pub(super) fn check(words: &[AtomicU32]) -> Result<(), LayoutError> {
    let (words, needed) = (words.len(), MAILBOX_WORDS);
    if words < needed { Err(LayoutError::Size { words, needed }) } else { Ok(()) }
}

pub(super) fn write_header(words: &[AtomicU32]) {
    word(words, WORD_VERSION).store(LAYOUT_VERSION, Ordering::Relaxed);
    word(words, WORD_MAGIC).store(MAGIC, Ordering::Release);
}

pub(super) fn check_header(words: &[AtomicU32]) -> Result<(), LayoutError> {
    let found = word(words, WORD_MAGIC).load(Ordering::Acquire);
    if found != MAGIC {
        return Err(LayoutError::Magic { found, wanted: MAGIC });
    }
    let found = word(words, WORD_VERSION).load(Ordering::Relaxed);
    if found != LAYOUT_VERSION {
        return Err(LayoutError::Version { found, wanted: LAYOUT_VERSION });
    }
    Ok(())
}

/// A word at a place below [`MAILBOX_WORDS`].
#[expect(clippy::indexing_slicing, reason = "both ends check the length when they are made")]
pub(super) fn word(words: &[AtomicU32], place: usize) -> &AtomicU32 {
    &words[place]
}

/// The two words of the note that is the `number`th.
pub(super) fn note(words: &[AtomicU32], number: u32) -> [&AtomicU32; NOTE_WORDS] {
    let place = NOTES + usize::try_from(number % NOTES_MAX).unwrap_or_default() * NOTE_WORDS;
    [word(words, place), word(words, place + 1)]
}

pub(super) fn request(words: &[AtomicU32]) -> &[AtomicU32] {
    words.get(REQUEST..ANSWER).unwrap_or_default()
}

pub(super) fn answer(words: &[AtomicU32]) -> &[AtomicU32] {
    words.get(ANSWER..MAILBOX_WORDS).unwrap_or_default()
}

/// Writes bytes that fit; the last word is filled up with zeros.
pub(super) fn put(words: &[AtomicU32], bytes: &[u8]) {
    let (fours, rest) = bytes.as_chunks::<4>();
    for (word, four) in words.iter().zip(fours) {
        word.store(u32::from_le_bytes(*four), Ordering::Relaxed);
    }
    if let (Some(word), false) = (words.get(fours.len()), rest.is_empty()) {
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        word.store(u32::from_le_bytes(last), Ordering::Relaxed);
    }
}

/// Reads as many bytes as `target` has, which is no more than there are: each word once.
pub(super) fn take(words: &[AtomicU32], target: &mut [u8]) {
    let (fours, rest) = target.as_chunks_mut::<4>();
    for (word, four) in words.iter().zip(&mut *fours) {
        *four = word.load(Ordering::Relaxed).to_le_bytes();
    }
    if let (Some(word), false) = (words.get(fours.len()), rest.is_empty()) {
        let last = word.load(Ordering::Relaxed).to_le_bytes();
        rest.iter_mut().zip(last).for_each(|(to, from)| *to = from);
    }
}
