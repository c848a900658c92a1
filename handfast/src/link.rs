//! The connection to a broker: found, started if need be, and spoken to in requests and answers.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use handfast_broker::activation::{self, Activation, ActivationError};
use handfast_broker::place::Place;
use handfast_image::{broker_program, start_broker};
use handfast_model::object::{Event, Reply, Request};
use handfast_model::wire::{self, BrokerMessage, ClientMessage, Hello, Welcome, WireError};
use handfast_sys::fork::ForkGuard;
use handfast_sys::seqpacket::{Blocking, Incoming, Readiness, Socket};
use handfast_sys::{peer, process};

use crate::error::{Cause, Error, Result, Unwelcome};

/// A broker that leaves while we connect hangs up before it greets; then we look again.
const CONNECT_TRIES: u32 = 8;

/// A connection of this process to one broker.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Socket,
    place: Place,
    welcome: Welcome,
    guard: ForkGuard,
    next_number: u32,
    events: VecDeque<Event>,
    buffer: Vec<u8>,
    lost: bool,
}

impl Link {
    /// Connects to the broker of this process's environment, starting one if nobody answers.
    pub(crate) fn connect() -> Result<Self> {
        let place = Place::find()?;
        for _ in 0..CONNECT_TRIES {
            let socket = match activation::activate(&place)? {
                Activation::Answered(socket) => socket,
                Activation::Listening(listener, lock) => {
                    let program = broker_program();
                    start_broker(listener, &program)
                        .map_err(|source| Cause::Start { program, source })?;
                    drop(lock);
                    continue;
                }
            };
            if let Some(link) = Self::greet(socket, &place)? {
                return Ok(link);
            }
        }
        Err(Cause::BrokerLost.into())
    }

    /// Connects to the broker of this process's environment if one answers.
    pub(crate) fn connect_existing() -> Result<Option<Self>> {
        let place = Place::find()?;
        match activation::connect(&place)? {
            Some(socket) => Self::greet(socket, &place),
            None => Ok(None),
        }
    }

    /// Says hello. None when the broker hung up: it was leaving.
    fn greet(socket: Socket, place: &Place) -> Result<Option<Self>> {
        trust(&socket, place)?;
        let hello = ClientMessage::Hello(Hello::of_this_program());
        match socket.send(&hello.encode(), &[], Blocking::Wait) {
            Ok(()) => {}
            Err(error) if error.is_gone() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let mut buffer = vec![0; wire::MESSAGE_BYTES_MAX];
        let answer = match receive(&socket, &mut buffer) {
            Ok(Some((answer, _))) => answer,
            Ok(None) => return Ok(None),
            Err(error) => return Err(error),
        };
        match answer {
            BrokerMessage::Welcome(welcome) => Ok(Some(Self {
                socket,
                place: place.clone(),
                welcome,
                guard: ForkGuard::new()?,
                next_number: 0,
                events: VecDeque::new(),
                buffer,
                lost: false,
            })),
            BrokerMessage::Refused(refused) => {
                Err(Cause::Unwelcome(Unwelcome { refused, socket: place.socket.clone() }).into())
            }
            BrokerMessage::Reply { .. }
            | BrokerMessage::Failed { .. }
            | BrokerMessage::Event(_) => Err(Cause::Unexpected.into()),
        }
    }

    /// Who the broker is.
    pub(crate) const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Where the broker is.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the broker has been found gone.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether this is the process that connected.
    pub(crate) fn is_own(&self) -> bool {
        self.guard.is_original()
    }

    /// Refuses to go on in a forked child.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.is_own() { Ok(()) } else { Err(Cause::Forked.into()) }
    }

    /// Asks, and waits for the answer. `name` is what the request is about, for the error.
    pub(crate) fn call(
        &mut self,
        name: Option<&str>,
        request: Request,
        memory: Option<BorrowedFd<'_>>,
    ) -> Result<(Reply, Vec<OwnedFd>)> {
        self.check_process()?;
        if self.lost {
            return Err(Cause::BrokerLost.into());
        }
        self.next_number = self.next_number.wrapping_add(1);
        let number = self.next_number;
        let message = ClientMessage::Request { number, request };
        let memory: Vec<_> = memory.into_iter().collect();
        match self.socket.send(&message.encode(), &memory, Blocking::Wait) {
            Ok(()) => {}
            Err(error) if error.is_gone() => return Err(self.lose()),
            Err(error) => return Err(error.into()),
        }
        loop {
            let Some((answer, descriptors)) = self.receive()? else { return Err(self.lose()) };
            match answer {
                BrokerMessage::Event(event) => self.events.push_back(event),
                BrokerMessage::Reply { number: answered, reply } if answered == number => {
                    return Ok((reply, descriptors));
                }
                BrokerMessage::Failed { number: answered, error } if answered == number => {
                    return Err(Error::refused(name, error));
                }
                BrokerMessage::Welcome(_)
                | BrokerMessage::Refused(_)
                | BrokerMessage::Reply { .. }
                | BrokerMessage::Failed { .. } => return Err(Cause::Unexpected.into()),
            }
        }
    }

    /// The next event, waiting at most so long; None when none came.
    pub(crate) fn event(&mut self, timeout: Option<Duration>) -> Result<Option<Event>> {
        self.check_process()?;
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        if self.lost {
            return Err(Cause::BrokerLost.into());
        }
        let timeout_ns = timeout.map(|t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
        match self.socket.wait_readable(timeout_ns)? {
            Readiness::TimedOut => Ok(None),
            Readiness::HangUp => Err(self.lose()),
            Readiness::Ready => match self.receive()? {
                Some((BrokerMessage::Event(event), _)) => Ok(Some(event)),
                Some(_) => Err(Cause::Unexpected.into()),
                None => Err(self.lose()),
            },
        }
    }

    /// Whether the broker still holds its end, asked of the kernel now.
    pub(crate) fn is_alive(&mut self) -> bool {
        if !self.lost && matches!(self.socket.wait_readable(Some(0)), Ok(Readiness::HangUp)) {
            self.lost = true;
        }
        !self.lost
    }

    fn receive(&mut self) -> Result<Option<(BrokerMessage, Vec<OwnedFd>)>> {
        receive(&self.socket, &mut self.buffer)
    }

    fn lose(&mut self) -> Error {
        self.lost = true;
        Cause::BrokerLost.into()
    }
}

/// A broker must be root's, `handfast`'s or the user's own.
fn trust(socket: &Socket, place: &Place) -> Result<()> {
    let peer = peer::peer(socket)?;
    if peer.uid == 0 || peer.uid == process::uid() {
        return Ok(());
    }
    Err(ActivationError::Refused { path: place.socket.clone() }.into())
}

/// One message. None when the broker hung up.
fn receive(socket: &Socket, buffer: &mut [u8]) -> Result<Option<(BrokerMessage, Vec<OwnedFd>)>> {
    let received = match socket.receive(buffer, Blocking::Wait) {
        Ok(Incoming::Message(received)) => received,
        Ok(Incoming::HangUp) => return Ok(None),
        Ok(Incoming::Truncated(_)) => {
            // Descriptors that this process had no room for: the answer cannot be used.
            return Err(handfast_sys::Error::descriptor_limit("recvmsg").into());
        }
        Err(error) if error.is_gone() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bytes = buffer.get(..received.length).ok_or(WireError::Malformed)?;
    let message = BrokerMessage::decode(bytes, received.descriptors.len())?;
    Ok(Some((message, received.descriptors)))
}

/// The next descriptor of an answer. The wire has checked that as many came as its kind has.
pub(crate) fn next_descriptor(list: &mut impl Iterator<Item = OwnedFd>) -> Result<OwnedFd> {
    list.next().ok_or_else(|| Cause::Unexpected.into())
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
