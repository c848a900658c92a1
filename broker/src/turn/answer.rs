//! What clients say and are answered: decode, apply to the model, perform, reply.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use handfast_model::object::{
    Attachment, Caller, Cap, ClientId, Effect, Error, HandleId, Manager, ReceivedPayload, Reply,
    Request,
};
use handfast_model::wire::{BrokerMessage, ClientMessage, Health};
use handfast_sys::epoll::Interest;
use handfast_sys::seqpacket::{Blocking, Incoming, Received};
use handfast_sys::{memfd, process};
use tracing::{debug, warn};

use super::{Broker, HANDLE, unix_time_ns};
use crate::door::Stage;
use crate::store::Payload;

impl Broker {
    pub(super) fn receive(&mut self, number: u64) {
        let Some(door) = self.doors.get(&number) else { return };
        match door.socket.receive(&mut self.buffer, Blocking::Never) {
            Ok(Incoming::Message(received)) => self.message(number, received),
            Ok(Incoming::HangUp) => self.end(number, "it hung up"),
            Ok(Incoming::Truncated(descriptors)) => {
                self.undertaker.bury(descriptors);
                self.end(number, "it sent more than a message may hold");
            }
            Err(error) if error.is_would_block() => {}
            Err(error) => {
                debug!(%error, "a client cannot be read");
                self.end(number, "it cannot be read");
            }
        }
    }

    pub(super) fn message(&mut self, number: u64, received: Received) {
        let Some(door) = self.doors.get(&number) else { return };
        let Received { length, descriptors, pid } = received;
        // A message of another process: the connection was inherited or passed on, and would
        // lend that process this client's token.
        if pid.is_some_and(|pid| pid != door.pid) {
            self.undertaker.bury(descriptors);
            return self.end(number, "another process used its connection");
        }
        let bytes = self.buffer.get(..length).unwrap_or_default();
        let message = match ClientMessage::decode(bytes, descriptors.len()) {
            Ok(message) => message,
            Err(error) => {
                self.undertaker.bury(descriptors);
                debug!(%error, pid = door.pid, "a message was not understood");
                return self.end(number, "its message was not understood");
            }
        };
        let stage = door.stage;
        match (stage, message) {
            (Stage::Greeting, ClientMessage::Hello(hello)) => self.greet(number, hello),
            (Stage::Client(client), ClientMessage::Request { number: request, request: what }) => {
                self.request(number, client, request, &what, descriptors);
            }
            (Stage::Client(_), ClientMessage::Health { number: question }) => {
                self.tell_health(number, question);
            }
            (Stage::Greeting, ClientMessage::Request { .. } | ClientMessage::Health { .. })
            | (Stage::Client(_), ClientMessage::Hello(_)) => {
                self.undertaker.bury(descriptors);
                self.end(number, "it did not begin with hello, or said it twice");
            }
        }
    }

    pub(super) fn tell_health(&mut self, number: u64, question: u32) {
        let ids = self.manager.handle_ids();
        let closed = self.store.closed_among(&ids);
        self.handles_gone(&closed);
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
        let Some(door) = self.doors.get(&number) else { return };
        if door.send(&BrokerMessage::Health { number: question, health }, &[]).is_err() {
            self.end(number, "it cannot be answered");
        }
    }

    pub(super) fn request(
        &mut self,
        door: u64,
        client: ClientId,
        number: u32,
        request: &Request,
        mut descriptors: Vec<OwnedFd>,
    ) {
        let stale = self.manager.handles_to_poll(client, request);
        let closed = self.store.closed_among(&stale);
        self.handles_gone(&closed);

        let memory = descriptors.pop();
        let answer = self.apply(client, request, memory);
        self.undertaker.bury(descriptors);
        let sent = match answer {
            Ok(reply) => self.reply(door, number, reply),
            Err(error) => match self.doors.get(&door) {
                Some(door) => door.fail(number, error).is_ok(),
                None => true,
            },
        };
        if !sent {
            self.end(door, "it cannot be answered");
        }
    }

    pub(super) fn apply(
        &mut self,
        client: ClientId,
        request: &Request,
        memory: Option<OwnedFd>,
    ) -> Result<Reply, Error> {
        let mut found = None;
        let mut unusable = Vec::new();
        if let Some(memory) = memory {
            match memfd::check_sealed(memory.as_fd()) {
                Ok(sealed) => found = Some(Payload { memory, size_bytes: sealed.size_bytes }),
                Err(error) => {
                    debug!(%error, "the memory that came is not usable");
                    unusable.push(memory);
                }
            }
        }
        self.undertaker.bury(unusable);
        let payload = found.as_ref().map(|found| ReceivedPayload { size_bytes: found.size_bytes });
        let answer = self.store.reserve(Manager::resources(request)).map_err(|error| {
            warn!(%error, "out of descriptors or memory");
            let (limit, _) = process::descriptor_limit();
            Error::CapReached { cap: Cap::BrokerResources, limit }
        });
        let mut effects = Vec::new();
        let caller = Caller { client, time_ns: unix_time_ns(), payload };
        let answer = answer.and_then(|()| self.manager.apply(&caller, request, &mut effects));
        self.perform(effects, &mut found);
        self.undertaker.bury(found.into_iter().map(|payload| payload.memory).collect());
        answer
    }

    pub(super) fn reply(&mut self, number: u64, request: u32, reply: Reply) -> bool {
        let attachments = reply.attachments();
        if matches!(reply, Reply::StreamCreated { .. })
            && let Some(door) = self.doors.get(&number)
            && let Err(error) = door.socket.accept_descriptors()
        {
            debug!(%error, "a sender's socket cannot be opened for descriptors");
        }
        let sent = {
            let Some(door) = self.doors.get(&number) else { return true };
            let found: Option<Vec<BorrowedFd<'_>>> =
                attachments.iter().map(|wanted| self.descriptor(*wanted)).collect();
            let Some(found) = found else { return false };
            let message = BrokerMessage::Reply { number: request, reply };
            door.send(&message, &found)
        };
        for attachment in attachments {
            if let Attachment::Handle(handle) = attachment {
                self.store.sent(handle);
            }
        }
        if let Err(error) = &sent {
            debug!(error = %error.0, "an answer could not be sent");
        }
        sent.is_ok()
    }

    pub(super) fn descriptor(&self, attachment: Attachment) -> Option<BorrowedFd<'_>> {
        match attachment {
            Attachment::Handle(handle) => self.store.read_end(handle),
            Attachment::WritablePage(page) => self.store.writable_page(page),
            Attachment::ReadOnlyPage(page) => self.store.read_only_page(page),
            Attachment::Payload(payload) => self.store.payload(payload),
            Attachment::Process(client) => {
                let door = self.doors_of_clients.get(&client)?;
                self.doors.get(door).map(|door| door.process.as_fd())
            }
        }
    }

    pub(super) fn handles_gone(&mut self, handles: &[HandleId]) {
        let mut effects = Vec::new();
        self.manager.handles_gone(handles, &mut effects);
        self.perform(effects, &mut None);
    }

    /// Performs effects in order. Clients that cannot be told are ended afterwards.
    pub(super) fn perform(&mut self, effects: Vec<Effect>, memory: &mut Option<Payload>) {
        let mut unreachable = Vec::new();
        for effect in effects {
            match effect {
                Effect::MakePage { page, kind } => self.store.make_page(page, kind),
                Effect::SealPage { page } => self.store.seal_page(page),
                Effect::StampGone { page } => self.store.stamp_gone(page),
                Effect::EndSender { page, end } => self.store.end_sender(page, end),
                Effect::BumpEvents { page } => self.store.bump_events(page),
                Effect::DropPage { page } => self.store.drop_page(page),
                Effect::MakeHandle { handle } => self.watch_handle(handle),
                Effect::DropHandle { handle } => {
                    if let Some(kept) = self.store.drop_handle(handle) {
                        // Before the close: a copy elsewhere would keep reporting a dead item.
                        self.forget(kept.as_fd());
                    }
                }
                Effect::KeepPayload { payload } => {
                    if let Some(memory) = memory.take() {
                        self.store.keep_payload(payload, memory);
                    }
                }
                Effect::DropPayload { payload } => self.store.drop_payload(payload),
                Effect::Notify { client, event } => {
                    let number = self.doors_of_clients.get(&client).copied();
                    let door = number.and_then(|number| self.doors.get(&number));
                    if door.is_some_and(|door| door.tell(event).is_err()) {
                        unreachable.extend(number);
                    }
                }
            }
        }
        for door in unreachable {
            self.end(door, "it does not read what it asked to be told");
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
    }
}
