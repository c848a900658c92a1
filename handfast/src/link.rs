//! The connection to a broker: found, started if need be, and spoken to in requests and answers.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use handfast_broker::Users;
use handfast_broker::activation::{self, Activation, ActivationError};
use handfast_broker::place::Place;
use handfast_image::{broker_program, start_broker};
use handfast_model::object::{Event, HandleForm, HeldFacts, OpeningId, Reply, Request};
use handfast_model::wire::{self, BrokerMessage, ClientMessage, Health, Hello, Welcome, WireError};
use handfast_sync::mailbox::AnsweredWhere;
use handfast_sys::fork::ForkGuard;
use handfast_sys::seqpacket::{Blocking, Incoming, Readiness, Socket};
use handfast_sys::{clock, peer, process, users};

use crate::error::{Cause, Error, Result, Unwelcome};
use crate::mailbox::{self, Mailbox, Notes};

/// A broker that leaves while we connect hangs up before it greets; then we look again.
const CONNECT_TRIES: u32 = 8;

/// The user as whom a machine's broker runs, if not as root.
const MACHINE_USER: &str = "handfast";

/// What became of a request that nobody waits for.
#[derive(Debug)]
enum Posted {
    /// Its answer has not come.
    Awaited,
    /// Its answer.
    Answered(Answer),
}

/// Whether a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TookIn {
    Message,
    Nothing,
}

/// The answer to a request, with the descriptors that came with it.
pub(crate) type Answer = Result<(Reply, Vec<OwnedFd>)>;

/// The number of a request that was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

/// A connection of this process to one broker.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Socket,
    place: Place,
    welcome: Welcome,
    guard: ForkGuard,
    next_number: u32,
    posted: BTreeMap<u32, Posted>,
    events: VecDeque<Event>,
    buffer: Vec<u8>,
    lost: bool,
    mailbox: Option<Mailbox>,
}

impl Link {
    /// Connects to the broker of this process's environment, starting one if nobody answers.
    pub(crate) fn connect() -> Result<Self> {
        let place = Place::find()?;
        for _ in 0..CONNECT_TRIES {
            let socket = match activation::activate(&place, Users::Own)? {
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

    /// Connects to the broker of a place if one answers.
    pub(crate) fn connect_existing(place: &Place) -> Result<Option<Self>> {
        match activation::connect(place)? {
            Some(socket) => Self::greet(socket, place),
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
        let answer = match receive(&socket, &mut buffer)? {
            Heard::Message(answer, _) => answer,
            Heard::CutOff(_) => return Err(no_room()),
            Heard::HangUp => return Ok(None),
        };
        match answer {
            BrokerMessage::Welcome(welcome) => Ok(Some(Self {
                socket,
                place: place.clone(),
                welcome,
                guard: ForkGuard::new()?,
                next_number: 0,
                posted: BTreeMap::new(),
                events: VecDeque::new(),
                buffer,
                lost: false,
                mailbox: None,
            })),
            BrokerMessage::Refused(refused) => {
                Err(Cause::Unwelcome(Unwelcome { refused, socket: place.socket.clone() }).into())
            }
            BrokerMessage::Reply { .. }
            | BrokerMessage::Failed { .. }
            | BrokerMessage::Health { .. }
            | BrokerMessage::Handles { .. }
            | BrokerMessage::Mailbox { .. }
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

    /// Asks for a mailbox, by which most of what is asked from now on goes. None when the broker
    /// has no room for one: the socket does, too.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not the answer is sorted")]
    pub(crate) fn open_mailbox(&mut self) -> Result<Option<Notes>> {
        let number = self.next_number()?;
        self.send_message(&ClientMessage::Mailbox { number }.encode(), &[], Blocking::Wait)?;
        let descriptors = loop {
            let Some((message, descriptors)) = self.receive()? else { return Err(self.lose()) };
            match message {
                BrokerMessage::Mailbox { number: made } if made == number => break descriptors,
                BrokerMessage::Failed { number: refused, .. } if refused == number => {
                    return Ok(None);
                }
                other => self.sort(other, descriptors)?,
            }
        };
        let mut descriptors = descriptors.into_iter();
        let memory = next_descriptor(&mut descriptors)?;
        let (mailbox, notes) = mailbox::open(&memory, next_descriptor(&mut descriptors)?)?;
        self.mailbox = Some(mailbox);
        Ok(Some(notes))
    }

    /// Asks, and waits for the answer. `name` is what the request is about, for the error.
    pub(crate) fn call(
        &mut self,
        name: Option<&str>,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Answer {
        let number = self.next_number()?;
        let message = wire::encode_request(number, request);
        let asked = if descriptors.is_empty() { self.ask_by_letter(&message)? } else { None };
        match asked {
            Some(AnsweredWhere::Here { bytes }) => self.answer_in_mailbox(name, number, bytes),
            Some(AnsweredWhere::Elsewhere) => self.answer_in_socket(name, number),
            None => {
                self.send_message(&message, descriptors, Blocking::Wait)?;
                self.answer_in_socket(name, number)
            }
        }
    }

    /// Asks in the mailbox and waits; None when there is none, or when the question does not fit.
    fn ask_by_letter(&mut self, message: &[u8]) -> Result<Option<AnsweredWhere>> {
        let Self { mailbox: Some(mailbox), socket, .. } = self else { return Ok(None) };
        if mailbox.ask(message).is_err() {
            return Ok(None);
        }
        let answered = mailbox.wait(|| match (socket.has_hung_up(), mailbox.was_heard()) {
            (false, _) => Ok(()),
            (true, true) => Err(Cause::BrokerLost.into()),
            (true, false) => Err(Cause::Unheard.into()),
        });
        // A question that was given up would be answered into the next one.
        self.lost |= answered.is_err();
        answered.map(Some)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else answers a request")]
    fn answer_in_mailbox(&mut self, name: Option<&str>, number: u32, bytes: usize) -> Answer {
        let mailbox = self.mailbox.as_mut().ok_or(Cause::Unexpected)?;
        match BrokerMessage::decode(mailbox.read(bytes), 0)? {
            BrokerMessage::Reply { number: answered, reply } if answered == number => {
                Ok((reply, Vec::new()))
            }
            BrokerMessage::Failed { number: answered, error } if answered == number => {
                Err(Error::refused(name, error))
            }
            _ => Err(Cause::Unexpected.into()),
        }
    }

    /// Waits for the answer to what was asked.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not the answer is sorted")]
    fn answer_in_socket(&mut self, name: Option<&str>, number: u32) -> Answer {
        loop {
            let Some((message, descriptors)) = self.receive()? else { return Err(self.lose()) };
            match message {
                BrokerMessage::Reply { number: answered, reply } if answered == number => {
                    return Ok((reply, descriptors));
                }
                BrokerMessage::Failed { number: answered, error } if answered == number => {
                    return Err(Error::refused(name, error));
                }
                other => self.sort(other, descriptors)?,
            }
        }
    }

    /// What the broker's process holds.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not the answer is sorted")]
    pub(crate) fn health(&mut self) -> Result<Health> {
        let number = self.next_number()?;
        self.send_message(&ClientMessage::Health { number }.encode(), &[], Blocking::Wait)?;
        loop {
            let Some((message, descriptors)) = self.receive()? else { return Err(self.lose()) };
            match message {
                BrokerMessage::Health { number: answered, health } if answered == number => {
                    return Ok(health);
                }
                other => self.sort(other, descriptors)?,
            }
        }
    }

    /// The handles of an opened object: pipes, as /proc numbers them, and those that clients hold.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not the answer is sorted")]
    pub(crate) fn handles(&mut self, opening: OpeningId) -> Result<(Vec<u64>, Vec<HeldFacts>)> {
        let number = self.next_number()?;
        self.send_message(
            &ClientMessage::Handles { number, opening }.encode(),
            &[],
            Blocking::Wait,
        )?;
        loop {
            let Some((message, descriptors)) = self.receive()? else { return Err(self.lose()) };
            match message {
                BrokerMessage::Handles { number: answered, inodes, held } if answered == number => {
                    return Ok((inodes, held));
                }
                other => self.sort(other, descriptors)?,
            }
        }
    }

    /// Asks without waiting, for the broker may be slow or stopped and there is work to do.
    pub(crate) fn post(&mut self, request: &Request) -> Result<Ticket> {
        let number = self.send(request, &[], Blocking::Never)?;
        self.posted.insert(number, Posted::Awaited);
        Ok(Ticket(number))
    }

    /// Tells something that is not answered.
    pub(crate) fn tell(&mut self, request: &Request) -> Result<()> {
        self.tell_or(request, Blocking::Never)
    }

    /// As [`Self::tell`], waiting while the broker does not listen.
    pub(crate) fn tell_waiting(&mut self, request: &Request) -> Result<()> {
        self.tell_or(request, Blocking::Wait)
    }

    fn tell_or(&mut self, request: &Request, blocking: Blocking) -> Result<()> {
        self.check_connected()?;
        let message = wire::encode_request(wire::UNANSWERED, request);
        self.send_message(&message, &[], blocking)
    }

    /// The answer to a posted request, if it has come.
    pub(crate) fn answer(&mut self, ticket: Ticket) -> Result<Option<Answer>> {
        while !matches!(self.posted.get(&ticket.0), Some(Posted::Answered(_))) {
            if self.take_in(Some(0))? == TookIn::Nothing {
                return Ok(None);
            }
        }
        match self.posted.remove(&ticket.0) {
            Some(Posted::Answered(answer)) => Ok(Some(answer)),
            Some(Posted::Awaited) | None => Ok(None),
        }
    }

    fn send(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
        blocking: Blocking,
    ) -> Result<u32> {
        let number = self.next_number()?;
        self.send_message(&wire::encode_request(number, request), descriptors, blocking)?;
        Ok(number)
    }

    fn next_number(&mut self) -> Result<u32> {
        self.check_connected()?;
        self.next_number = self.next_number.checked_add(1).unwrap_or(wire::UNANSWERED + 1);
        Ok(self.next_number)
    }

    fn check_connected(&self) -> Result<()> {
        self.check_process()?;
        if self.lost { Err(Cause::BrokerLost.into()) } else { Ok(()) }
    }

    fn send_message(
        &mut self,
        message: &[u8],
        memory: &[BorrowedFd<'_>],
        blocking: Blocking,
    ) -> Result<()> {
        match self.socket.send(message, memory, blocking) {
            Ok(()) => Ok(()),
            Err(error) if error.is_gone() => {
                self.lost = true;
                Err(Cause::Unheard.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a message where whoever asked for it will look.
    fn sort(&mut self, message: BrokerMessage, descriptors: Vec<OwnedFd>) -> Result<()> {
        let (number, answer) = match message {
            BrokerMessage::Event(event) => {
                self.events.push_back(event);
                return Ok(());
            }
            BrokerMessage::Reply { number, reply } => (number, Ok((reply, descriptors))),
            BrokerMessage::Failed { number, error } => (number, Err(Error::refused(None, error))),
            BrokerMessage::Welcome(_)
            | BrokerMessage::Refused(_)
            | BrokerMessage::Health { .. }
            | BrokerMessage::Handles { .. }
            | BrokerMessage::Mailbox { .. } => return Err(Cause::Unexpected.into()),
        };
        match self.posted.remove(&number) {
            Some(Posted::Awaited) => {
                self.posted.insert(number, Posted::Answered(answer));
            }
            Some(Posted::Answered(_)) | None => return Err(Cause::Unexpected.into()),
        }
        Ok(())
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
        let deadline_ns = timeout.map(deadline_ns);
        while self.events.is_empty() {
            let left_ns = deadline_ns.map(|at| at.saturating_sub(clock::now_ns()));
            if self.take_in(left_ns)? == TookIn::Nothing {
                return Ok(None);
            }
        }
        Ok(self.events.pop_front())
    }

    /// Whether the broker still holds its end, asked of the kernel now.
    pub(crate) fn is_alive(&mut self) -> bool {
        // Answers that nobody waited for lie before the hang-up.
        while !self.lost && matches!(self.take_in(Some(0)), Ok(TookIn::Message)) {}
        !self.lost
    }

    /// Waits at most so long for a message and puts it where it belongs.
    fn take_in(&mut self, timeout_ns: Option<u64>) -> Result<TookIn> {
        match self.socket.wait_readable(timeout_ns)? {
            Readiness::TimedOut => return Ok(TookIn::Nothing),
            Readiness::HangUp => return Err(self.lose()),
            Readiness::Ready => {}
        }
        let Some((message, descriptors)) = self.receive()? else { return Err(self.lose()) };
        self.sort(message, descriptors)?;
        Ok(TookIn::Message)
    }

    fn receive(&mut self) -> Result<Option<(BrokerMessage, Vec<OwnedFd>)>> {
        match receive(&self.socket, &mut self.buffer)? {
            Heard::Message(message, descriptors) => Ok(Some((message, descriptors))),
            Heard::HangUp => Ok(None),
            Heard::CutOff(message) => {
                // Nobody will ever have what it tells of.
                for request in message.as_ref().map_or([None, None], given_in).into_iter().flatten()
                {
                    self.tell_waiting(&request)?;
                }
                Err(no_room())
            }
        }
    }

    fn lose(&mut self) -> Error {
        self.lost = true;
        Cause::BrokerLost.into()
    }
}

/// The moment so long from now, on the monotonic clock.
pub(crate) fn deadline_ns(timeout: Duration) -> u64 {
    let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    clock::now_ns().saturating_add(timeout_ns)
}

/// A broker must be root's, `handfast`'s or the user's own. Whoever connects before a broker runs
/// sees the service manager, which is root's or the user's.
fn trust(socket: &Socket, place: &Place) -> Result<()> {
    let peer = peer::peer(socket)?;
    let is_known = peer.uid == 0 || peer.uid == process::uid();
    // Asked last: it reads a file.
    if is_known || users::uid_of(MACHINE_USER) == Some(peer.uid) {
        return Ok(());
    }
    Err(ActivationError::Refused { path: place.socket.clone() }.into())
}

/// What came from a broker.
enum Heard {
    Message(BrokerMessage, Vec<OwnedFd>),
    HangUp,
    /// A message whose descriptors this process had no room for, if it can be told what it says.
    CutOff(Option<BrokerMessage>),
}

fn receive(socket: &Socket, buffer: &mut [u8]) -> Result<Heard> {
    let (received, is_whole) = match socket.receive(buffer, Blocking::Wait) {
        Ok(Incoming::Message(received)) => (received, true),
        Ok(Incoming::Truncated(received)) => (received, false),
        Ok(Incoming::HangUp) => return Ok(Heard::HangUp),
        Err(error) if error.is_gone() => return Ok(Heard::HangUp),
        Err(error) => return Err(error.into()),
    };
    if !is_whole {
        let bytes = buffer.get(..received.length);
        return Ok(Heard::CutOff(bytes.and_then(message_alone)));
    }
    let bytes = buffer.get(..received.length).ok_or(WireError::Malformed)?;
    let message = BrokerMessage::decode(bytes, received.descriptors.len())?;
    Ok(Heard::Message(message, received.descriptors))
}

/// A message, however many descriptors it should have come with.
fn message_alone(bytes: &[u8]) -> Option<BrokerMessage> {
    match BrokerMessage::decode(bytes, 0) {
        Err(WireError::Descriptors { declared, .. }) => {
            BrokerMessage::decode(bytes, declared.into()).ok()
        }
        other => other.ok(),
    }
}

/// How to give back what an answer gives: a handle that is a number, and an opening.
#[expect(clippy::wildcard_enum_match_arm, reason = "what gives nothing is not looked at")]
fn given_in(message: &BrokerMessage) -> [Option<Request>; 2] {
    let BrokerMessage::Reply { reply, .. } = message else { return [None, None] };
    let (opening, handle) = match reply {
        Reply::Created { opening, handle, form, .. }
        | Reply::StreamCreated { opening, handle, form, .. } => (*opening, Some((*handle, *form))),
        Reply::Opened { opening, .. } | Reply::StreamOpened { opening, .. } => (*opening, None),
        _ => return [None, None],
    };
    let held = handle.filter(|(_, form)| *form == HandleForm::Held);
    let handle = held.map(|(handle, _)| Request::DropHandle { handle });
    [handle, Some(Request::Drop { opening })]
}

fn no_room() -> Error {
    handfast_sys::Error::descriptor_limit("recvmsg").into()
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
