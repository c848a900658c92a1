//! A client's mailbox: the second door, in shared memory.

use core::sync::atomic::AtomicU32;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use handfast_sync::Memory;
use handfast_sync::mailbox::{AnswerEnd, Heard, MAILBOX_BYTES, Misuse, NoRoom, Unanswered};
use handfast_sys::eventfd::Doorbell;
use handfast_sys::mapping::{self, TableWords};
use handfast_sys::{Result, memfd};

use crate::record::Number;
use crate::wake::Waker;

/// The words of a mailbox.
#[derive(Debug)]
struct Words(Arc<TableWords>);

impl Memory for Words {
    fn words(&self) -> &[AtomicU32] {
        self.0.words()
    }
}

/// A mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    end: AnswerEnd<Words>,
    bell: Doorbell,
    memory: OwnedFd,
    /// Whether the client has mapped it, and nobody gets it any more.
    is_mapped: bool,
    /// Whether something was asked since it was last looked after.
    asked: bool,
    /// Whether it is looked after without a bell.
    is_busy: bool,
}

/// Whether a mailbox has to be looked after again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// In a moment, without a bell.
    Busy,
    /// When it rings.
    Idle,
}

impl Mailbox {
    /// Makes one; none when its memory has the wrong size, which ours has not.
    ///
    /// # Errors
    ///
    /// The descriptor limit or memory.
    pub(crate) fn make() -> Result<Option<Self>> {
        let bytes = u64::try_from(MAILBOX_BYTES).unwrap_or_default();
        let memory = memfd::create("handfast mailbox", bytes)?;
        let words = Words(mapping::map_writable(memory.as_fd(), bytes)?.into_words());
        let Ok(end) = AnswerEnd::format(words) else { return Ok(None) };
        Ok(Some(Self {
            end,
            bell: Doorbell::new()?,
            memory,
            is_mapped: false,
            asked: false,
            is_busy: false,
        }))
    }

    /// Takes over a predecessor's, of which something was heard and not answered, or nothing.
    ///
    /// # Errors
    ///
    /// Memory.
    pub(crate) fn adopt(memory: OwnedFd, bell: OwnedFd, heard: Unanswered) -> Result<Self> {
        let bytes = u64::try_from(MAILBOX_BYTES).unwrap_or_default();
        let words = Words(mapping::map_writable(memory.as_fd(), bytes)?.into_words());
        let bell = Doorbell::from(bell);
        let end = AnswerEnd::go_on(words, heard);
        Ok(Self { end, bell, memory, is_mapped: false, asked: false, is_busy: false })
    }

    /// The memory, until the client has rung, and the bell: what the client gets.
    pub(crate) fn descriptors(&self) -> Option<[BorrowedFd<'_>; 2]> {
        (!self.is_mapped).then(|| [self.memory.as_fd(), self.bell.as_fd()])
    }

    /// The numbers of both.
    pub(crate) fn numbers(&self) -> (Number, Number) {
        (self.memory.as_raw_fd(), self.bell.as_fd().as_raw_fd())
    }

    /// Whether the client can see the answer to what was heard last.
    pub(crate) fn has_answered(&self) -> bool {
        self.end.has_answered()
    }

    /// What was taken has been acted on.
    pub(crate) fn settle_notes(&mut self) {
        self.end.settle_notes();
    }

    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// It rang: what for.
    pub(crate) fn hear(
        &mut self,
        notes: &mut Vec<u64>,
        request: &mut Vec<u8>,
    ) -> core::result::Result<Heard, Misuse> {
        // Who rings has mapped it.
        self.is_mapped = true;
        self.end.listen();
        let heard = self.end.hear(notes, request)?;
        self.asked |= heard == Heard::Request;
        if heard == Heard::Nothing && !self.is_busy {
            self.end.listen_for_notes();
            self.end.take_notes(notes)?;
        }
        Ok(heard)
    }

    /// Whether it has just become busy: it is to be looked after from now on.
    pub(crate) fn becomes_busy(&mut self) -> bool {
        !core::mem::replace(&mut self.is_busy, true)
    }

    /// Takes what was noted since it was last looked after. Who has asked nothing meanwhile has
    /// probably done what he does, and rings the next time.
    pub(crate) fn look_after(
        &mut self,
        notes: &mut Vec<u64>,
    ) -> core::result::Result<Pace, Misuse> {
        self.end.take_notes(notes)?;
        if core::mem::take(&mut self.asked) {
            return Ok(Pace::Busy);
        }
        self.is_busy = false;
        self.end.listen_for_notes();
        self.end.take_notes(notes)?;
        Ok(Pace::Idle)
    }

    /// What was dropped so far.
    pub(crate) fn take_notes(&mut self, notes: &mut Vec<u64>) -> core::result::Result<(), Misuse> {
        self.end.take_notes(notes)
    }

    /// Answers what was heard last.
    pub(crate) fn answer(&self, bytes: &[u8]) -> core::result::Result<(), NoRoom> {
        self.end.answer(bytes, &Waker)
    }

    /// What was heard last is answered in the socket.
    pub(crate) fn point_elsewhere(&self) {
        self.end.point_elsewhere(&Waker);
    }
}
