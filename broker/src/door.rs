//! One connection: who is behind it, and how far it has come.

use std::os::fd::{BorrowedFd, OwnedFd};

use handfast_model::object::{ClientId, Error, Event};
use handfast_model::security::Token;
use handfast_model::wire::{BrokerMessage, Refused};
use handfast_sys::seqpacket::{Blocking, Socket};

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not said hello.
    Greeting,
    /// It is a client.
    Client(ClientId),
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

    /// Refuses a request.
    pub(crate) fn fail(&self, number: u32, error: Error) -> Result<(), Unreachable> {
        self.send(&BrokerMessage::Failed { number, error }, &[])
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
