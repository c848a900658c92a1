//! What clients say and are answered: decode, apply to the model, perform, reply.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use handfast_model::object::{
    Attachment, Caller, Came, Cap, ClientId, Effect, Error, HandleId, PageId, ReceivedPayload,
    Reply, Request, Resources, Takes, Writers,
};
use handfast_model::wire::{
    BrokerMessage, ClientMessage, HANDLES_TOLD_MAX, Health, UNANSWERED, WireError,
};
use handfast_sys::epoll::Interest;
use handfast_sys::seqpacket::{Incoming, Received};
use handfast_sys::{memfd, process};
use tracing::{debug, warn};

use super::reach::Brought;
use super::{Broker, HANDLE, unix_time_ns};
use crate::door::{Stage, Unreachable};
use crate::estate::Owed;
use crate::journal::Place;
use crate::page::Page;
use crate::record::{self, Input, Record, Said};
use crate::store::Payload;

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Who asked.
    pub(super) door: u64,
    /// The client's number for it; [`UNANSWERED`] for one that gets none.
    pub(super) number: u32,
    pub(super) said: Said<'a>,
}

impl Asked<'_> {
    const fn owed(self) -> Owed {
        Owed { door: self.door, number: self.number, way: self.said.way() }
    }
}

/// Where a message was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Queue,
    /// Before its turn.
    PutOff,
}

/// Whether a message has been taken out of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    No,
}

impl Broker {
    pub(super) fn receive(&mut self, number: u64) {
        // What was dropped before something was sent is dropped before that is looked at.
        self.take_notes(number);
        if !self.take_up(number)
            && let Some(received) = self.incoming(number)
            && self.message(number, received, Origin::Queue) == Taken::No
        {
            self.consume(number);
        }
    }

    /// The next message of a client, if there is one and it arrived whole. It stays in the queue
    /// until it has been dealt with or written down: what a broker read and did not do when it was
    /// killed is read again.
    pub(super) fn incoming(&mut self, number: u64) -> Option<Received> {
        let door = self.doors.get(&number)?;
        match door.socket.peek(&mut self.buffer) {
            Ok(Incoming::Message(received)) => return Some(received),
            Ok(Incoming::HangUp) => self.end(number, "it hung up"),
            Ok(Incoming::Truncated(received)) => self.cut_off(number, received),
            Err(error) if error.is_would_block() => {}
            Err(error) => {
                debug!(%error, "a client cannot be read");
                self.end(number, "it cannot be read");
            }
        }
        None
    }

    /// A message that did not arrive whole. Where it is only that this process has no room for the
    /// descriptors that a request comes with, the client is not to blame: it is refused.
    fn cut_off(&mut self, number: u64, received: Received) {
        let Received { length, descriptors, pid } = received;
        let Some(door) = self.doors.get(&number) else { return self.undertaker.bury(descriptors) };
        let bytes = self.buffer.get(..length).unwrap_or_default();
        let asked = match ClientMessage::decode(bytes, 0) {
            Err(WireError::Descriptors { declared, .. })
                if usize::from(declared) > descriptors.len() =>
            {
                ClientMessage::decode(bytes, declared.into()).ok()
            }
            Ok(_) | Err(_) => None,
        };
        self.undertaker.bury(descriptors);
        let is_own = pid.is_none_or(|pid| pid == door.pid);
        let refused = match (door.stage, asked) {
            (Stage::Client(_), Some(ClientMessage::Request { number: request, .. })) if is_own => {
                let message = BrokerMessage::Failed { number: request, error: out_of_resources() };
                request == UNANSWERED || door.send(&message, &[]).is_ok()
            }
            _ => false,
        };
        if refused {
            self.consume(number);
        } else {
            self.end(number, "it sent more than a message may hold");
        }
    }

    pub(super) fn message(&mut self, number: u64, received: Received, origin: Origin) -> Taken {
        let Some(door) = self.doors.get(&number) else { return Taken::No };
        let Received { length, descriptors, pid } = received;
        // A message of another process: the connection was inherited or passed on, and would
        // lend that process this client's token.
        if pid.is_some_and(|pid| pid != door.pid) {
            self.undertaker.bury(descriptors);
            self.end(number, "another process used its connection");
            return Taken::No;
        }
        let bytes = self.buffer.get(..length).unwrap_or_default();
        let message = match ClientMessage::decode(bytes, descriptors.len()) {
            Ok(message) => message,
            Err(error) => {
                self.undertaker.bury(descriptors);
                debug!(%error, pid = door.pid, "a message was not understood");
                self.end(number, "its message was not understood");
                return Taken::No;
            }
        };
        let stage = door.stage;
        match (stage, message) {
            (Stage::Greeting, ClientMessage::Hello(hello)) => return self.greet(number, hello),
            (Stage::Client(client), ClientMessage::Request { number: request, request: what }) => {
                let (bytes, count) = (bytes.to_vec(), descriptors.len());
                let said = match origin {
                    Origin::Queue => Said::Packet { bytes: &bytes, descriptors: count },
                    Origin::PutOff => Said::PutOff { bytes: &bytes, descriptors: count },
                };
                let asked = Asked { door: number, number: request, said };
                return self.request(client, asked, &what, descriptors);
            }
            (Stage::Client(_), ClientMessage::Mailbox { number: question }) => {
                self.give_mailbox(number, question);
            }
            (Stage::Client(_), ClientMessage::Health { number: question }) => {
                self.tell_health(number, question);
            }
            (Stage::Client(client), ClientMessage::Handles { number: question, opening }) => {
                let handles = self.manager.handles_of_opening(client, opening);
                let mut inodes = self.store.inodes(&handles);
                inodes.truncate(HANDLES_TOLD_MAX);
                let mut held = self.manager.held_of_opening(client, opening);
                held.truncate(HANDLES_TOLD_MAX.saturating_sub(inodes.len()));
                self.tell(number, &BrokerMessage::Handles { number: question, inodes, held });
            }
            (
                Stage::Greeting,
                ClientMessage::Request { .. }
                | ClientMessage::Health { .. }
                | ClientMessage::Handles { .. }
                | ClientMessage::Mailbox { .. },
            )
            | (Stage::Client(_), ClientMessage::Hello(_)) => {
                self.undertaker.bury(descriptors);
                self.end(number, "it did not begin with hello, or said it twice");
            }
        }
        Taken::No
    }

    pub(super) fn tell_health(&mut self, number: u64, question: u32) {
        self.take_all_notes();
        self.end_processes(self.processes.all());
        self.reap();
        self.trim();
        let (clients, objects) = self.manager.counts();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let health = Health {
            clients: count(clients),
            objects: count(objects),
            pages: count(self.store.pages()),
            descriptors: count(process::open_descriptors(own).unwrap_or_default()),
            shared_bytes: self.store.shared_bytes(),
        };
        self.tell(number, &BrokerMessage::Health { number: question, health });
    }

    fn tell(&mut self, number: u64, message: &BrokerMessage) {
        let Some(door) = self.doors.get(&number) else { return };
        if door.send(message, &[]).is_err() {
            self.end(number, "it cannot be answered");
        }
    }

    pub(super) fn request(
        &mut self,
        client: ClientId,
        asked: Asked<'_>,
        request: &Request,
        descriptors: Vec<OwnedFd>,
    ) -> Taken {
        if let Request::List { .. } = request {
            // What it shows is what is there now.
            self.take_all_notes();
        }
        let (came, mut brought) = self.take_in(request, descriptors);
        let concerned = self.manager.concerned(client, request, came);
        self.end_processes(concerned.processes);
        if !concerned.handles.is_empty() {
            let closed = self.store.closed_among(&concerned.handles);
            self.handles_gone(&closed);
        }
        for holder in concerned.holders {
            self.hear_out(holder);
        }

        let came = self.with_process(client, request, came, &mut brought);
        let needed = self.manager.resources(client, request, came);
        if let Err(error) = self.reserve(needed) {
            warn!(%error, "out of descriptors or memory");
            self.give_up(brought);
            self.fail(asked.owed(), out_of_resources());
            return Taken::No;
        }
        let time_ns = if request.is_dated() { unix_time_ns() } else { 0 };
        let door = asked.door;
        let input = self.log_input(Input::Request(record::Request {
            door,
            client,
            said: asked.said,
            time_ns,
            came,
            brought: brought.facts(),
        }));
        if let Said::Packet { .. } = asked.said {
            self.consume(door);
        }
        let mut effects = Vec::new();
        let caller = Caller { client, time_ns, came };
        let answer = self.manager.apply(&caller, request, &mut effects);
        self.perform(input, effects, 0, &mut brought);
        self.give_up(brought);
        if asked.number == UNANSWERED {
            self.unanswered(answer);
        } else {
            self.answer(input, asked.owed(), answer);
        }
        Taken::Yes
    }

    /// Answers what was asked, and notes that it is answered.
    pub(super) fn answer(&mut self, input: Place, owed: Owed, answer: Result<Reply, Error>) {
        match answer {
            Ok(reply) => self.reply(input, owed, reply),
            Err(error) => {
                self.fail(owed, error);
                self.journal.set_answered(input);
            }
        }
    }

    /// Closes what came and is not kept.
    fn give_up(&self, brought: Brought) {
        if let Some(Payload { read_only, writable, .. }) = brought.payload {
            self.undertaker.bury([read_only].into_iter().chain(writable).collect());
        }
        if let Some(process) = brought.process {
            self.undertaker.bury(vec![process.into()]);
        }
    }

    /// Refuses what this process has no room for.
    pub(super) fn refuse(&mut self, asked: Owed) {
        self.fail(asked, out_of_resources());
    }

    fn fail(&mut self, asked: Owed, error: Error) {
        let Some(door) = self.doors.get(&asked.door) else { return };
        let message = BrokerMessage::Failed { number: asked.number, error };
        let sent = door.answer(asked.way, &message, &[]);
        self.answered(asked.door, sent);
    }

    /// Whoever asks for something and wants no answer does not get the handles either.
    fn unanswered(&mut self, answer: Result<Reply, Error>) {
        match answer {
            Ok(reply) => {
                for attachment in reply.attachments() {
                    if let Attachment::Handle(handle) = attachment {
                        self.store.sent(handle);
                    }
                }
            }
            Err(error) => debug!(%error, "what was told could not be done"),
        }
    }

    /// Finds out what the descriptors are that came with a request. What is not kept is closed on
    /// the undertaker's thread, unless it is a handle of ours, which closes at once.
    fn take_in(&mut self, request: &Request, descriptors: Vec<OwnedFd>) -> (Came, Brought) {
        let found = match request.takes() {
            Takes::Process | Takes::HandleAndProcess => return self.take_process(descriptors),
            Takes::Nothing | Takes::OwnProcess => Err(descriptors),
            Takes::Memory(Writers::One) => memory(descriptors, Writers::One),
            Takes::Memory(Writers::Several) => memory(descriptors, Writers::Several),
            Takes::Handle => {
                let presented = descriptors.first();
                if let Some(handle) = presented.and_then(|one| self.store.identify(one.as_fd())) {
                    return (Came::Handle(handle), Brought::default());
                }
                Err(descriptors)
            }
        };
        match found {
            Ok((payload, writers)) => {
                let size_bytes = payload.size_bytes;
                let brought = Brought { payload: Some(payload), ..Brought::default() };
                (Came::Memory(ReceivedPayload { size_bytes, writers }), brought)
            }
            Err(unusable) => {
                self.undertaker.bury(unusable);
                (Came::Nothing, Brought::default())
            }
        }
    }

    /// Makes sure that there is what a request needs.
    fn reserve(&mut self, needed: Resources) -> handfast_sys::Result<()> {
        let reserved = self.store.reserve(needed, &self.keeping).or_else(|_| {
            // What was closed by now may not have been heard of.
            self.reap();
            self.store.reserve(needed, &self.keeping)
        });
        if let Some(page) = reserved?
            && let Some(descriptor) = self.store.page_facts(page).and_then(|facts| facts.read_only)
        {
            self.log(&Record::ReadOnly { page, descriptor });
        }
        Ok(())
    }

    /// Forgets every handle whose last copy is closed by now.
    fn reap(&mut self) {
        let ids = self.manager.handle_ids();
        let closed = self.store.closed_among(&ids);
        self.handles_gone(&closed);
    }

    fn reply(&mut self, input: Place, asked: Owed, reply: Reply) {
        let attachments = reply.attachments();
        let Some(door) = self.doors.get(&asked.door) else { return };
        let found: Option<Vec<BorrowedFd<'_>>> =
            attachments.iter().map(|wanted| self.descriptor(*wanted)).collect();
        let message = BrokerMessage::Reply { number: asked.number, reply };
        let sent = found.map(|found| door.answer(asked.way, &message, &found));
        self.journal.set_answered(input);
        for attachment in attachments {
            if let Attachment::Handle(handle) = attachment {
                self.store.sent(handle);
            }
        }
        match sent {
            Some(sent) => self.answered(asked.door, sent),
            None => self.end(asked.door, "what it asked for has been given away for good"),
        }
    }

    fn answered(&mut self, door: u64, sent: Result<(), Unreachable>) {
        if let Err(error) = sent {
            debug!(error = %error.0, "an answer could not be sent");
            self.end(door, "it cannot be answered");
        }
    }

    pub(super) fn descriptor(&self, attachment: Attachment) -> Option<BorrowedFd<'_>> {
        match attachment {
            Attachment::Handle(handle) => self.store.read_end(handle),
            Attachment::WritablePage(page) => self.store.page(page)?.writable(),
            Attachment::ReadOnlyPage(page) => self.store.page(page)?.read_only(),
            Attachment::Payload(payload) => self.store.payload(payload),
            Attachment::WritablePayload(payload) => self.store.writable_payload(payload),
            Attachment::Process(client) => {
                let door = self.doors_of_clients.get(&client)?;
                self.doors.get(door).map(|door| door.process.as_fd())
            }
        }
    }

    pub(super) fn handles_gone(&mut self, handles: &[HandleId]) {
        if handles.is_empty() {
            return;
        }
        let input = self.log_input(Input::HandlesGone(handles.to_vec()));
        let mut effects = Vec::new();
        self.manager.handles_gone(handles, &mut effects);
        self.perform(input, effects, 0, &mut Brought::default());
    }

    /// Performs the effects of an input in order, but for the first `done`, which have been.
    /// Clients that cannot be told are ended afterwards.
    pub(super) fn perform(
        &mut self,
        input: Place,
        effects: Vec<Effect>,
        done: usize,
        brought: &mut Brought,
    ) {
        let mut unreachable = Vec::new();
        for (effect, count) in effects.into_iter().zip(1..).skip(done) {
            match effect {
                Effect::MakePage { page, kind } => {
                    self.store.make_page(page, kind);
                    self.log_page(page);
                }
                Effect::ReformatPage { page, kind } => self.store.reformat_page(page, kind),
                Effect::SealPage { page } => self.store.seal_page(page),
                Effect::StampGone { page } => self.on_page(page, Page::stamp_gone),
                Effect::EndSender { page, end } => self.on_page(page, |it| it.end_sender(end)),
                Effect::BumpEvents { page } => self.on_page(page, Page::bump_events),
                Effect::TakeSeat { page, seat, signaller } => {
                    self.on_page(page, |it| it.take_seat(seat, signaller));
                }
                Effect::LeaveSeat { page, seat, leaving } => {
                    self.on_page(page, |it| it.leave_seat(seat, leaving));
                }
                Effect::LeaveOwner { page, owner } => {
                    self.on_page(page, |it| it.leave_owner(owner));
                }
                Effect::SetReaders { page, count } => {
                    self.on_page(page, |it| it.set_readers(count));
                }
                Effect::DropPage { page } => self.store.drop_page(page),
                Effect::MakeHandle { handle } => self.watch_handle(handle),
                Effect::DropHandle { handle } => {
                    if let Some(kept) = self.store.drop_handle(handle) {
                        // Before the close: a copy elsewhere would keep reporting a dead item.
                        self.forget(kept.as_fd());
                    }
                }
                Effect::KeepPayload { payload } => {
                    if let Some(memory) = brought.payload.take() {
                        self.store.keep_payload(payload, memory);
                    }
                }
                Effect::DropPayload { payload } => self.store.drop_payload(payload),
                Effect::KeepProcess { process } => self.keep_process(process, brought),
                Effect::DropProcess { process } => self.drop_process(process),
                Effect::Notify { client, event } => {
                    let number = self.doors_of_clients.get(&client).copied();
                    let door = number.and_then(|number| self.doors.get(&number));
                    if door.is_some_and(|door| door.tell(event).is_err()) {
                        unreachable.extend(number);
                    }
                }
            }
            self.performed(input, count);
        }
        for door in unreachable {
            self.end(door, "it does not read what it asked to be told");
        }
    }

    fn on_page(&self, page: PageId, act: impl FnOnce(&Page)) {
        if let Some(page) = self.store.page(page) {
            act(page);
        }
    }

    pub(super) fn watch_handle(&mut self, handle: HandleId) {
        let kept = self.store.make_handle(handle);
        let watched =
            kept.map(|kept| self.poller.add(kept, HANDLE | handle.0, Interest::HangUpOnly));
        if let Some(Err(error)) = watched {
            // Its closing is then noticed when somebody asks for its name.
            warn!(%error, handle = handle.0, "a handle cannot be watched");
        }
        if let Some(facts) = self.store.pipe_facts(handle) {
            self.log(&Record::Pipe { handle, facts });
        }
    }
}

/// The memory that came, or the descriptors that are none.
fn memory(descriptors: Vec<OwnedFd>, writers: Writers) -> Result<(Payload, Writers), Vec<OwnedFd>> {
    let checked = match (writers, descriptors.as_slice()) {
        (Writers::One, [one]) => memfd::check_sealed(one.as_fd()),
        (Writers::Several, [writable, read_only]) => {
            memfd::check_shared(writable.as_fd(), read_only.as_fd())
        }
        (Writers::One | Writers::Several, _) => return Err(descriptors),
    };
    let size_bytes = match checked {
        Ok(sealed) => sealed.size_bytes,
        Err(error) => {
            debug!(%error, "the memory that came is not usable");
            return Err(descriptors);
        }
    };
    let mut descriptors = descriptors;
    let Some(read_only) = descriptors.pop() else { return Err(descriptors) };
    Ok((Payload { read_only, writable: descriptors.pop(), size_bytes }, writers))
}

/// What a client is told when this process has no room.
fn out_of_resources() -> Error {
    let (limit, _) = process::descriptor_limit();
    Error::CapReached { cap: Cap::BrokerResources, limit }
}
