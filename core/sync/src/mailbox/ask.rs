//! The client's ends of a mailbox.

use alloc::vec::Vec;

use crate::atomic::{AtomicU32, Ordering, fence};
use crate::page::{LayoutError, Memory};
use crate::park::{Park, Watched, Word};

use super::layout::{self, word};

/// Why something cannot be said here. Nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The request is longer than [`super::REQUEST_BYTES_MAX`].
    TooLong,
    /// [`super::NOTES_MAX`] notes wait for the broker.
    Full,
}

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnsweredWhere {
    /// In the mailbox: so many bytes, for [`AskEnd::read`].
    Here {
        /// Its length.
        bytes: usize,
    },
    /// It was sent in the other door before this was said.
    Elsewhere,
}

/// Rings if the broker listens, as the word at `place` counts, and has not been rung for.
fn tell(words: &[AtomicU32], place: usize, rung: &mut u32, ring: impl FnOnce()) {
    fence(Ordering::SeqCst);
    let listening = word(words, place).load(Ordering::SeqCst);
    if *rung != listening {
        *rung = listening;
        ring();
    }
}

/// Asks: one request at a time.
#[derive(Debug)]
pub struct AskEnd<M> {
    memory: M,
    /// Which listening of the broker's it has rung for.
    rung: u32,
    asked: u32,
}

/// Posts notes.
#[derive(Debug)]
pub struct NoteEnd<M> {
    memory: M,
    /// Which listening of the broker's it has rung for.
    rung: u32,
    posted: u32,
}

/// The two ends of the client of a mailbox that the broker has just made.
///
/// # Errors
///
/// [`LayoutError`] when the memory is none, or of another version.
pub fn ends<M: Memory + Clone>(memory: M) -> Result<(AskEnd<M>, NoteEnd<M>), LayoutError> {
    layout::check(memory.words())?;
    layout::check_header(memory.words())?;
    let notes = NoteEnd { memory: memory.clone(), rung: 0, posted: 0 };
    Ok((AskEnd { memory, rung: 0, asked: 0 }, notes))
}

impl<M: Memory> AskEnd<M> {
    /// Asks. `ring` is called if the broker has to be woken.
    ///
    /// # Errors
    ///
    /// [`Refused::TooLong`].
    pub fn ask(&mut self, request: &[u8], ring: impl FnOnce()) -> Result<(), Refused> {
        let words = self.memory.words();
        let place = layout::request(words);
        let length = u32::try_from(request.len()).map_err(|_| Refused::TooLong)?;
        if request.len() > layout::REQUEST_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        layout::put(place, request);
        word(words, layout::WORD_REQUEST_BYTES).store(length, Ordering::Relaxed);
        self.asked = self.asked.wrapping_add(1);
        word(words, layout::WORD_ASKED).store(self.asked, Ordering::SeqCst);
        tell(words, layout::WORD_LISTENING, &mut self.rung, ring);
        Ok(())
    }

    /// Waits for the answer to the last request; None when it did not come in time, or for no
    /// reason: ask again.
    ///
    /// # Blocking
    ///
    /// At most `timeout_ns`.
    pub fn wait(&self, park: &impl Park, timeout_ns: Option<u64>) -> Option<AnsweredWhere> {
        let words = self.memory.words();
        let answered = word(words, layout::WORD_ANSWERED);
        let seen = answered.load(Ordering::Acquire);
        if seen == self.asked {
            return Some(self.place());
        }
        word(words, layout::WORD_SLEEPING).store(self.asked, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if answered.load(Ordering::SeqCst) == seen {
            let watched = Watched { word: Word::Whole(answered), expected: seen };
            park.wait(&[watched], timeout_ns);
        }
        (answered.load(Ordering::Acquire) == self.asked).then(|| self.place())
    }

    /// Whether the broker has taken the last request in. One that has not and is gone never acted
    /// on it.
    #[must_use]
    pub fn was_heard(&self) -> bool {
        let heard = word(self.memory.words(), layout::WORD_HEARD);
        heard.load(Ordering::Acquire) == self.asked
    }

    fn place(&self) -> AnsweredWhere {
        let bytes = word(self.memory.words(), layout::WORD_ANSWER_BYTES).load(Ordering::Relaxed);
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= layout::ANSWER_BYTES_MAX => AnsweredWhere::Here { bytes },
            Ok(_) | Err(_) => AnsweredWhere::Elsewhere,
        }
    }

    /// Copies an answer of so many bytes.
    pub fn read(&self, bytes: usize, target: &mut Vec<u8>) {
        target.clear();
        target.resize(bytes.min(layout::ANSWER_BYTES_MAX), 0);
        layout::take(layout::answer(self.memory.words()), target);
    }
}

impl<M: Memory> NoteEnd<M> {
    /// Posts a note, which the broker sees before it answers anything that is asked from now on.
    /// `ring` is called if the broker would not look by itself soon.
    ///
    /// # Errors
    ///
    /// [`Refused::Full`].
    ///
    /// # Blocking
    ///
    /// Never.
    pub fn post(&mut self, note: u64, ring: impl FnOnce()) -> Result<(), Refused> {
        let words = self.memory.words();
        let taken = word(words, layout::WORD_TAKEN).load(Ordering::Acquire);
        if self.posted.wrapping_sub(taken) >= layout::NOTES_MAX {
            return Err(Refused::Full);
        }
        let [low, high] = layout::note(words, self.posted);
        let (low_half, high_half) = halves(note);
        low.store(low_half, Ordering::Relaxed);
        high.store(high_half, Ordering::Relaxed);
        self.posted = self.posted.wrapping_add(1);
        word(words, layout::WORD_POSTED).store(self.posted, Ordering::SeqCst);
        tell(words, layout::WORD_NOTES_LISTENING, &mut self.rung, ring);
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what is asked for")]
const fn halves(note: u64) -> (u32, u32) {
    (note as u32, (note >> 32) as u32)
}
