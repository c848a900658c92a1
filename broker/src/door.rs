//! One connection: who is behind it, how far it has come, and the ways in which it speaks.

use std::os::fd::{BorrowedFd, OwnedFd};

use handfast_model::object::{ClientId, Event};
use handfast_model::security::Token;
use handfast_model::wire::{BrokerMessage, Refused};
use handfast_sys::seqpacket::{Blocking, Socket};

use crate::mailbox::Mailbox;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not said hello.
    Greeting,
    /// It is a client.
    Client(ClientId),
}

/// In which way something was asked, and is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the socket.
    Socket,
    /// In the mailbox, unless descriptors come with the answer, or it is too long.
    Mailbox,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) socket: Socket,
    /// The process that connected; a client belongs to it alone.
    pub(crate) process: OwnedFd,
    pub(crate) pid: i32,
    pub(crate) token: Token,
    pub(crate) stage: Stage,
    /// Once the client has asked for one.
    pub(crate) mailbox: Option<Mailbox>,
}

/// The connection cannot be kept: it is gone, or it does not read what it asked for.
#[derive(Debug)]
pub(crate) struct Unreachable(pub(crate) handfast_sys::Error);

impl Door {
    /// Sends one message. It never waits: whoever does not read its answers is not served.
    pub(crate) fn send(
        &self,
        message: &BrokerMessage,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Unreachable> {
        self.socket.send(&message.encode(), descriptors, Blocking::Never).map_err(Unreachable)
    }

    /// Answers what was asked in some way.
    pub(crate) fn answer(
        &self,
        way: Way,
        message: &BrokerMessage,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Unreachable> {
        let mailbox = match way {
            Way::Socket => None,
            Way::Mailbox => self.mailbox.as_ref(),
        };
        let Some(mailbox) = mailbox else { return self.send(message, descriptors) };
        if descriptors.is_empty() && mailbox.answer(&message.encode()).is_ok() {
            return Ok(());
        }
        self.send(message, descriptors)?;
        mailbox.point_elsewhere();
        Ok(())
    }

    /// Refuses the client.
    pub(crate) fn refuse(&self, refused: Refused) -> Result<(), Unreachable> {
        self.send(&BrokerMessage::Refused(refused), &[])
    }

    /// Tells an event.
    pub(crate) fn tell(&self, event: Event) -> Result<(), Unreachable> {
        self.send(&BrokerMessage::Event(event), &[])
    }
}
