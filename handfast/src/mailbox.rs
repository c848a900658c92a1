//! The second door to the broker: memory that both have mapped.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use handfast_model::wire::Note;
use handfast_sync::mailbox::{self, AnsweredWhere, AskEnd, MAILBOX_BYTES, NoteEnd, Refused};
use handfast_sys::eventfd::Doorbell;
use handfast_sys::mapping;

use crate::error::Result;
use crate::words::{Futex, OwnWords};

/// Whoever waits for an answer looks after this time whether there is somebody to answer,
const FIRST_LOOK_NS: u64 = 10_000_000;
/// and then each time after this.
const LOOK_NS: u64 = 100_000_000;

/// The end that asks.
#[derive(Debug)]
pub(crate) struct Mailbox {
    end: AskEnd<OwnWords>,
    bell: Arc<Doorbell>,
    buffer: Vec<u8>,
}

/// The end that tells what is dropped.
#[derive(Debug)]
pub(crate) struct Notes {
    end: NoteEnd<OwnWords>,
    bell: Arc<Doorbell>,
}

/// Maps what the broker has sent.
pub(crate) fn open(memory: &OwnedFd, bell: OwnedFd) -> Result<(Mailbox, Notes)> {
    let bytes = u64::try_from(MAILBOX_BYTES).unwrap_or_default();
    let words = OwnWords(mapping::map_writable(memory.as_fd(), bytes)?.into_words());
    let (ask, notes) = mailbox::ends(words)?;
    let bell = Arc::new(Doorbell::from(bell));
    let mailbox = Mailbox { end: ask, bell: Arc::clone(&bell), buffer: Vec::new() };
    Ok((mailbox, Notes { end: notes, bell }))
}

/// Who listens behind a bell that does not ring has hung up, which the wait for the answer finds.
fn ring(bell: &Doorbell) {
    bell.ring().ok();
}

impl Mailbox {
    /// Puts a request in, unless it is too long.
    pub(crate) fn ask(&mut self, request: &[u8]) -> core::result::Result<(), Refused> {
        self.end.ask(request, || ring(&self.bell))
    }

    /// Waits for the answer; `is_there` is asked now and then whether there is still a broker.
    pub(crate) fn wait(&self, mut is_there: impl FnMut() -> Result<()>) -> Result<AnsweredWhere> {
        let mut look_ns = FIRST_LOOK_NS;
        loop {
            if let Some(place) = self.end.wait(&Futex, Some(look_ns)) {
                return Ok(place);
            }
            is_there()?;
            look_ns = LOOK_NS;
        }
    }

    /// Whether the broker has taken the last request in.
    pub(crate) fn was_heard(&self) -> bool {
        self.end.was_heard()
    }

    /// The answer that is here.
    pub(crate) fn read(&mut self, bytes: usize) -> &[u8] {
        self.end.read(bytes, &mut self.buffer);
        &self.buffer
    }
}

impl Notes {
    /// Tells, if there is room. The broker knows it before it answers anybody who asks for a name.
    pub(crate) fn post(&mut self, note: Note) -> core::result::Result<(), Refused> {
        let number = note.encode().ok_or(Refused::TooLong)?;
        self.end.post(number, || ring(&self.bell))
    }
}
