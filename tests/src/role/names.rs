//! Makes a stream, closes the handle that bears its name, and makes it anew in the next message.

use std::os::fd::OwnedFd;

use anyhow::bail;
use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Error, Kind, OpeningId, RawName, Reply, Request};
use handfast_model::wire::{BrokerMessage, ClientMessage, Hello};
use handfast_sys::seqpacket::{Blocking, Incoming, Socket};

use crate::{number, orders, say};

/// Questions that keep the broker busy: it has not come to the news of the close when it comes to
/// the next request.
const QUESTIONS: usize = 5;

struct Connection {
    socket: Socket,
    buffer: Vec<u8>,
}

pub(crate) fn run() -> anyhow::Result<()> {
    let path = std::env::var_os("HANDFAST_SOCKET").unwrap_or_default();
    let socket = Socket::connect(path.as_ref())?;
    let mut broker = Connection { socket, buffer: vec![0; 1 << 16] };
    broker.say(&ClientMessage::Hello(Hello::of_this_program()))?;
    broker.hear()?;
    say("ready")?;
    for order in orders() {
        let rounds = number(&order)?;
        broker.ask(create())?;
        let mut made = broker.created()?;
        for round in 0..rounds {
            broker.ask(create())?;
            let (taken, _) = broker.hear()?;
            if !matches!(taken, BrokerMessage::Failed { error: Error::NameTaken { .. }, .. }) {
                bail!("round {round}: {taken:?} while the name is taken");
            }
            let (opening, handle) = made;
            broker.ask(Request::Drop { opening })?;
            for _ in 0..QUESTIONS {
                broker.ask(Request::List { after: 0 })?;
            }
            drop(handle);
            broker.ask(create())?;
            for _ in 0..=QUESTIONS {
                broker.hear()?;
            }
            made = broker.created()?;
        }
        say(format!("{rounds} times"))?;
    }
    Ok(())
}

fn create() -> Request {
    let name = Some(RawName::from("cam"));
    Request::Create { kind: Kind::Stream, name, access: AccessMask::GENERIC_ALL }
}

impl Connection {
    fn say(&self, message: &ClientMessage) -> anyhow::Result<()> {
        Ok(self.socket.send(&message.encode(), &[], Blocking::Wait)?)
    }

    fn ask(&self, request: Request) -> anyhow::Result<()> {
        self.say(&ClientMessage::Request { number: 1, request })
    }

    fn hear(&mut self) -> anyhow::Result<(BrokerMessage, Vec<OwnedFd>)> {
        let heard = self.socket.receive(&mut self.buffer, Blocking::Wait)?;
        let Incoming::Message(received) = heard else { bail!("no message: {heard:?}") };
        let bytes = self.buffer.get(..received.length).unwrap_or_default();
        let message = BrokerMessage::decode(bytes, received.descriptors.len())?;
        Ok((message, received.descriptors))
    }

    fn created(&mut self) -> anyhow::Result<(OpeningId, OwnedFd)> {
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
}
