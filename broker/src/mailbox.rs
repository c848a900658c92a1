//! A client's mailbox: the second door, in shared memory.

use core::sync::atomic::AtomicU32;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use handfast_sync::Memory;
use handfast_sync::mailbox::{AnswerEnd, Heard, MAILBOX_BYTES, Misuse, NoRoom};
use handfast_sys::eventfd::Doorbell;
use handfast_sys::mapping::{self, TableWords};
use handfast_sys::{Result, memfd};
use tracing::warn;

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
    /// Until the client has mapped it, and nobody else may write it.
    memory: Option<OwnedFd>,
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
            memory: Some(memory),
            asked: false,
            is_busy: false,
        }))
    }

    /// The memory, until the client has rung, and the bell: what the client gets.
    pub(crate) fn descriptors(&self) -> Option<[BorrowedFd<'_>; 2]> {
        Some([self.memory.as_ref()?.as_fd(), self.bell.as_fd()])
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
        // Who rings has mapped it. From now on only that mapping writes it.
        if let Some(memory) = self.memory.take()
            && let Err(error) = memfd::seal_writer(memory.as_fd())
        {
            warn!(%error, "a mailbox could not be sealed");
        }
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
