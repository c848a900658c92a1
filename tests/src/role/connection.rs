//! A connection to the broker without the library's rules.

use std::os::fd::{BorrowedFd, OwnedFd};

use anyhow::bail;
use handfast_model::contract::access::AccessMask;
use handfast_model::object::{HandleForm, Kind, OpeningId, RawName, Reply, Request};
use handfast_model::wire::{BrokerMessage, ClientMessage, Hello};
use handfast_sys::seqpacket::{Blocking, Incoming, Socket};

/// A client that has said hello.
pub(crate) struct Connection {
    socket: Socket,
    buffer: Vec<u8>,
}

/// The request for a stream of this name.
pub(crate) fn create(name: &str) -> Request {
    let name = Some(RawName::from(name));
    let form = HandleForm::Descriptor;
    Request::StreamCreate { name, access: AccessMask::GENERIC_ALL, form }
}

impl Connection {
    /// Connects and says hello.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let path = std::env::var_os("HANDFAST_SOCKET").unwrap_or_default();
        let socket = Socket::connect(path.as_ref())?;
        let mut connection = Self { socket, buffer: vec![0; 1 << 16] };
        connection.say(&ClientMessage::Hello(Hello::of_this_program()), &[])?;
        match connection.hear()? {
            (BrokerMessage::Welcome(_), _) => Ok(connection),
            (other, _) => bail!("{other:?} instead of a welcome"),
        }
    }

    fn say(&self, message: &ClientMessage, with: &[BorrowedFd<'_>]) -> anyhow::Result<()> {
        Ok(self.socket.send(&message.encode(), with, Blocking::Wait)?)
    }

    /// Asks something.
    pub(crate) fn ask(&self, request: Request) -> anyhow::Result<()> {
        self.ask_with(request, &[])
    }

    /// Asks something, and sends descriptors along.
    pub(crate) fn ask_with(
        &self,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> anyhow::Result<()> {
        self.say(&ClientMessage::Request { number: 1, request }, descriptors)
    }

    /// What the broker says, and what comes with it.
    pub(crate) fn hear(&mut self) -> anyhow::Result<(BrokerMessage, Vec<OwnedFd>)> {
        let heard = self.socket.receive(&mut self.buffer, Blocking::Wait)?;
        let Incoming::Message(received) = heard else { bail!("no message: {heard:?}") };
        let bytes = self.buffer.get(..received.length).unwrap_or_default();
        let message = BrokerMessage::decode(bytes, received.descriptors.len())?;
        Ok((message, received.descriptors))
    }

    /// The stream that was made: the opening, and the handle that bears the name.
    pub(crate) fn created(&mut self) -> anyhow::Result<(OpeningId, OwnedFd)> {
        let (message, descriptors) = self.hear()?;
        let handle = descriptors.into_iter().next();
        match (message, handle) {
            (
                BrokerMessage::Reply { reply: Reply::StreamCreated { opening, .. }, .. },
                Some(handle),
            ) => Ok((opening, handle)),
            (other, _) => bail!("{other:?} instead of a stream"),
        }
    }

    /// The memory of a surface that has no page, as it is given to who may read it.
    pub(crate) fn surface(&mut self, name: &str) -> anyhow::Result<OwnedFd> {
        let name = RawName::from(name);
        self.ask(Request::Open {
            kind: Kind::Surface,
            name,
            access: AccessMask::GENERIC_READ,
            known: None,
        })?;
        let (message, descriptors) = self.hear()?;
        match (message, descriptors.into_iter().next()) {
            (BrokerMessage::Reply { reply: Reply::Opened { .. }, .. }, Some(memory)) => Ok(memory),
            (other, _) => bail!("{other:?} instead of a surface"),
        }
    }
}
