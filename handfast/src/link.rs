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

/// The numbers of what is asked: from 1 to the last that there is, and round again.
#[derive(Debug, Default)]
struct Numbers {
    last: u32,
    /// Whether all have been given.
    went_round: bool,
}

impl Numbers {
    fn next(&mut self) -> u32 {
        let next = self.last.checked_add(1);
        self.went_round |= next.is_none();
        self.last = next.unwrap_or(wire::UNANSWERED + 1);
        self.last
    }

    /// Whether a number has been given before. Once they went round each has: then it does not
    /// count whether it is above the last.
    const fn has_given(&self, number: u32) -> bool {
        number != wire::UNANSWERED && (self.went_round || number <= self.last)
    }
}

/// A connection of this process to one broker.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Socket,
    place: Place,
    welcome: Welcome,
    guard: ForkGuard,
    numbers: Numbers,
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
                numbers: Numbers::default(),
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
    pub(crate) fn open_mailbox(&mut self) -> Result<Option<Notes>> {
        let number = self.next_number()?;
        self.send_message(&ClientMessage::Mailbox { number }.encode(), &[], Blocking::Wait)?;
        let descriptors = match self.wait_for(number)? {
            (BrokerMessage::Mailbox { .. }, descriptors) => descriptors,
            (BrokerMessage::Failed { .. }, _) => return Ok(None),
            _ => return Err(Cause::Unexpected.into()),
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

    fn answer_in_mailbox(&mut self, name: Option<&str>, number: u32, bytes: usize) -> Answer {
        let mailbox = self.mailbox.as_mut().ok_or(Cause::Unexpected)?;
        let message = BrokerMessage::decode(mailbox.read(bytes), 0)?;
        if number_of(&message) != Some(number) {
            return Err(Cause::Unexpected.into());
        }
        answer_in(message, Vec::new(), name)
    }

    fn answer_in_socket(&mut self, name: Option<&str>, number: u32) -> Answer {
        let (message, descriptors) = self.wait_for(number)?;
        answer_in(message, descriptors, name)
    }

    /// What the broker's process holds.
    pub(crate) fn health(&mut self) -> Result<Health> {
        let number = self.next_number()?;
        self.send_message(&ClientMessage::Health { number }.encode(), &[], Blocking::Wait)?;
        let (BrokerMessage::Health { health, .. }, _) = self.wait_for(number)? else {
            return Err(Cause::Unexpected.into());
        };
        Ok(health)
    }

    /// The handles of an opened object: pipes, as /proc numbers them, and those that clients hold.
    pub(crate) fn handles(&mut self, opening: OpeningId) -> Result<(Vec<u64>, Vec<HeldFacts>)> {
        let number = self.next_number()?;
        self.send_message(
            &ClientMessage::Handles { number, opening }.encode(),
            &[],
            Blocking::Wait,
        )?;
        let (BrokerMessage::Handles { inodes, held, .. }, _) = self.wait_for(number)? else {
            return Err(Cause::Unexpected.into());
        };
        Ok((inodes, held))
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
        Ok(self.numbers.next())
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

    /// Waits for what answers this number, of whatever kind it is.
    fn wait_for(&mut self, number: u32) -> Result<(BrokerMessage, Vec<OwnedFd>)> {
        loop {
            let (message, descriptors) = self.receive()?;
            if number_of(&message) == Some(number) {
                let descriptors = self.keep(&message, descriptors)?;
                return Ok((message, descriptors));
            }
            self.sort(message, descriptors)?;
        }
    }

    /// Puts a message where whoever asked for it will look, and judges what nobody looks for.
    ///
    /// A broker that takes over from one that was killed sends again what that one may not have
    /// sent. So what has come before is dropped, and what it gives is not given back, for the
    /// first copy was taken. An event is looked after twice, which does no harm.
    fn sort(&mut self, message: BrokerMessage, descriptors: Option<Vec<OwnedFd>>) -> Result<()> {
        match (number_of(&message), message) {
            (Some(number), message) if self.numbers.has_given(number) => {
                if matches!(self.posted.get(&number), Some(Posted::Awaited)) {
                    let kept = self.keep(&message, descriptors);
                    let answer = kept.and_then(|kept| answer_in(message, kept, None));
                    self.posted.insert(number, Posted::Answered(answer));
                }
                Ok(())
            }
            (_, BrokerMessage::Event(event)) => {
                self.events.push_back(event);
                Ok(())
            }
            (_, BrokerMessage::Welcome(_)) => Ok(()),
            _ => Err(Cause::Unexpected.into()),
        }
    }

    /// The descriptors of an answer that is awaited. If there was no room for them, nobody will
    /// ever have what it gives.
    fn keep(
        &mut self,
        message: &BrokerMessage,
        descriptors: Option<Vec<OwnedFd>>,
    ) -> Result<Vec<OwnedFd>> {
        if let Some(descriptors) = descriptors {
            return Ok(descriptors);
        }
        for request in given_in(message).into_iter().flatten() {
            self.tell_waiting(&request)?;
        }
        Err(no_room())
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
        let (message, descriptors) = self.receive()?;
        self.sort(message, descriptors)?;
        Ok(TookIn::Message)
    }

    /// The next message with its descriptors, or None if this process had no room for them.
    fn receive(&mut self) -> Result<(BrokerMessage, Option<Vec<OwnedFd>>)> {
        match receive(&self.socket, &mut self.buffer)? {
            Heard::Message(message, descriptors) => Ok((message, Some(descriptors))),
            Heard::CutOff(Some(message)) => Ok((message, None)),
            Heard::CutOff(None) => Err(no_room()),
            Heard::HangUp => Err(self.lose()),
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

/// The number of what a message answers.
const fn number_of(message: &BrokerMessage) -> Option<u32> {
    match message {
        BrokerMessage::Reply { number, .. }
        | BrokerMessage::Failed { number, .. }
        | BrokerMessage::Health { number, .. }
        | BrokerMessage::Handles { number, .. }
        | BrokerMessage::Mailbox { number } => Some(*number),
        BrokerMessage::Welcome(_) | BrokerMessage::Refused(_) | BrokerMessage::Event(_) => None,
    }
}

/// What a message says to a request. `name` is what that was about, for the error.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else answers a request")]
fn answer_in(message: BrokerMessage, descriptors: Vec<OwnedFd>, name: Option<&str>) -> Answer {
    match message {
        BrokerMessage::Reply { reply, .. } => Ok((reply, descriptors)),
        BrokerMessage::Failed { error, .. } => Err(Error::refused(name, error)),
        _ => Err(Cause::Unexpected.into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_been_given_from_when_it_is_given() {
        let mut numbers = Numbers::default();
        for number in 1..=3 {
            assert!(!numbers.has_given(number));
            assert_eq!(numbers.next(), number);
            assert!(numbers.has_given(number));
        }
        assert!(numbers.has_given(1));
        assert!(!numbers.has_given(wire::UNANSWERED));
        assert!(!numbers.has_given(u32::MAX));
    }

    #[test]
    fn numbers_go_round_and_leave_out_the_one_that_is_not_answered() {
        let mut numbers = Numbers { last: u32::MAX - 1, went_round: false };
        assert!(!numbers.has_given(u32::MAX));
        assert_eq!([numbers.next(), numbers.next()], [u32::MAX, 1]);
        // An answer that was under way meanwhile.
        assert!(numbers.has_given(u32::MAX) && numbers.has_given(1));
        assert!(!numbers.has_given(wire::UNANSWERED));
    }
}
