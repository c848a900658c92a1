//! The broker's end of a mailbox.

use alloc::vec::Vec;

use crate::atomic::{Ordering, fence};
use crate::page::{LayoutError, Memory};
use crate::park::{Park, Word};

use super::layout::{self, word};

/// The client broke the protocol: nothing that it writes is worth reading any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misuse;

/// The answer is longer than [`super::ANSWER_BYTES_MAX`]; nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// No request.
    Nothing,
    /// A request, which waits for its answer.
    Request,
}

/// Whether the request that was heard last still has to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// It does.
    Yes,
    /// It was answered, or it was not acted on and is heard again.
    No,
}

/// Takes notes and answers.
#[derive(Debug)]
pub struct AnswerEnd<M> {
    memory: M,
    taken: u32,
    answered: u32,
    listening: u32,
    notes_listening: u32,
}

impl<M: Memory> AnswerEnd<M> {
    /// Makes zeros that nobody else has yet a mailbox.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Size`].
    pub fn format(memory: M) -> Result<Self, LayoutError> {
        let words = memory.words();
        layout::check(words)?;
        // The broker listens from the start.
        let listening = 1;
        word(words, layout::WORD_LISTENING).store(listening, Ordering::Relaxed);
        word(words, layout::WORD_NOTES_LISTENING).store(listening, Ordering::Relaxed);
        layout::write_header(words);
        Ok(Self { memory, taken: 0, answered: 0, listening, notes_listening: listening })
    }

    /// Goes on where a broker that is gone stopped. Its client may have been told to write anything
    /// here by then: it can but ask and drop for itself.
    pub fn go_on(memory: M, unanswered: Unanswered) -> Self {
        let count = |place| word(memory.words(), place).load(Ordering::SeqCst);
        let answered = match unanswered {
            Unanswered::Yes => count(layout::WORD_HEARD),
            Unanswered::No => count(layout::WORD_ANSWERED),
        };
        let (taken, listening) = (count(layout::WORD_TAKEN), count(layout::WORD_LISTENING));
        let notes_listening = count(layout::WORD_NOTES_LISTENING);
        Self { memory, taken, answered, listening, notes_listening }
    }

    /// Whether the client can see the answer to the request that was heard last.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        let answered = word(self.memory.words(), layout::WORD_ANSWERED);
        answered.load(Ordering::SeqCst) == self.answered
    }

    /// Takes every note there is. [`Self::settle_notes`] follows when they have been acted on.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: more notes than there is room for.
    pub fn take_notes(&mut self, notes: &mut Vec<u64>) -> Result<(), Misuse> {
        let words = self.memory.words();
        let posted = word(words, layout::WORD_POSTED).load(Ordering::SeqCst);
        if posted.wrapping_sub(self.taken) > layout::NOTES_MAX {
            return Err(Misuse);
        }
        if posted == self.taken {
            return Ok(());
        }
        while self.taken != posted {
            let [low, high] = layout::note(words, self.taken);
            let (low, high) = (low.load(Ordering::Relaxed), high.load(Ordering::Relaxed));
            notes.push(u64::from(high) << 32 | u64::from(low));
            self.taken = self.taken.wrapping_add(1);
        }
        Ok(())
    }

    /// Gives the room of all notes that were taken back to the client. Until then they are found
    /// again by a broker that goes on here.
    pub fn settle_notes(&mut self) {
        let taken = word(self.memory.words(), layout::WORD_TAKEN);
        taken.store(self.taken, Ordering::Release);
    }

    /// Takes every note there is, and then the request if there is one.
    ///
    /// # Errors
    ///
    /// [`Misuse`].
    pub fn hear(&mut self, notes: &mut Vec<u64>, request: &mut Vec<u8>) -> Result<Heard, Misuse> {
        let asked = word(self.memory.words(), layout::WORD_ASKED).load(Ordering::SeqCst);
        // Afterwards: what was posted before the request is there by now.
        self.take_notes(notes)?;
        if asked == self.answered {
            return Ok(Heard::Nothing);
        }
        let words = self.memory.words();
        let length = word(words, layout::WORD_REQUEST_BYTES).load(Ordering::Relaxed);
        let length = usize::try_from(length).map_err(|_| Misuse)?;
        if length > layout::REQUEST_BYTES_MAX {
            return Err(Misuse);
        }
        self.answered = asked;
        request.clear();
        request.resize(length, 0);
        layout::take(layout::request(words), request);
        // Before anything is done about it.
        word(words, layout::WORD_HEARD).store(asked, Ordering::SeqCst);
        Ok(Heard::Request)
    }

    /// Begins to listen for requests: from now on whoever asks rings. Hear after that: something
    /// may have been asked before.
    pub fn listen(&mut self) {
        self.listening = self.listening.wrapping_add(1);
        self.say_listening(layout::WORD_LISTENING, self.listening);
    }

    /// Begins to listen for notes, too: from now on whoever posts one rings. Take notes after that.
    pub fn listen_for_notes(&mut self) {
        self.notes_listening = self.notes_listening.wrapping_add(1);
        self.say_listening(layout::WORD_NOTES_LISTENING, self.notes_listening);
    }

    fn say_listening(&self, place: usize, count: u32) {
        word(self.memory.words(), place).store(count, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Answers the request that was heard last.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]; then the answer has to be sent in the other door, and [`Self::point_elsewhere`]
    /// says so.
    pub fn answer(&self, bytes: &[u8], park: &impl Park) -> Result<(), NoRoom> {
        let length = u32::try_from(bytes.len()).map_err(|_| NoRoom)?;
        if bytes.len() > layout::ANSWER_BYTES_MAX {
            return Err(NoRoom);
        }
        layout::put(layout::answer(self.memory.words()), bytes);
        self.publish(length, park);
        Ok(())
    }

    /// Says that the request that was heard last has been answered in the other door.
    pub fn point_elsewhere(&self, park: &impl Park) {
        self.publish(layout::ELSEWHERE, park);
    }

    fn publish(&self, length: u32, park: &impl Park) {
        let words = self.memory.words();
        word(words, layout::WORD_ANSWER_BYTES).store(length, Ordering::Relaxed);
        let answered = word(words, layout::WORD_ANSWERED);
        answered.store(self.answered, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if word(words, layout::WORD_SLEEPING).load(Ordering::SeqCst) == self.answered {
            park.wake_all(Word::Whole(answered));
        }
    }
}
