//! The broker's loop: one event, one turn: receive, apply, perform, answer.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use handfast_model::contract::limits;
use handfast_model::object::{
    Attachment, Caller, Cap, ClientId, Effect, Error, HandleId, Manager, ReceivedPayload, Reply,
    Request,
};
use handfast_model::security::Token;
use handfast_model::wire::{self, BrokerMessage, ClientMessage, Health, Hello, Refused, Welcome};
use handfast_sys::epoll::{Event, Interest, Poller};
use handfast_sys::runtime_dir::DirectoryLock;
use handfast_sys::seqpacket::{Blocking, Incoming, Listener, Received, Socket};
use handfast_sys::{clock, memfd, peer, pidfd, process};
use thiserror::Error as ThisError;
use tracing::{debug, info, warn};

use crate::door::{Door, Stage};
use crate::store::{Payload, Store};
use crate::undertaker::Undertaker;

/// When a broker without clients and objects leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleExit {
    /// Never.
    Never,
    /// After so long.
    After(Duration),
}

/// Whom a broker serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// Its own user, and root.
    Own,
    /// Every user of the machine.
    All,
}

/// How a broker is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens, to remove the socket when it leaves.
    pub socket: Option<PathBuf>,
    /// When it leaves by itself.
    pub idle_exit: IdleExit,
    /// Whom it serves.
    pub users: Users,
}

/// Why a broker cannot run.
#[derive(Debug, ThisError)]
pub enum ServeError {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] handfast_sys::Error),
    /// Signals or threads could not be set up.
    #[error("{0}")]
    Setup(#[from] io::Error),
}

const LISTENER: u64 = 0;
const SIGNAL: u64 = 1;
const DOOR: u64 = 1 << 60;
const PROCESS: u64 = 2 << 60;
const HANDLE: u64 = 3 << 60;
const TAG: u64 = 0xF << 60;

/// Accepted at once, so that a flood of connections does not starve those that are there.
const ACCEPTED_PER_TURN: usize = 16;

#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Leave,
}

/// A broker.
#[derive(Debug)]
pub struct Broker {
    config: Config,
    manager: Manager,
    store: Store,
    poller: Poller,
    listener: Listener,
    signals: UnixStream,
    undertaker: Undertaker,
    doors: BTreeMap<u64, Door>,
    doors_of_clients: BTreeMap<ClientId, u64>,
    next_door: u64,
    /// Since when it has been idle, on the monotonic clock.
    idle_since_ns: Option<u64>,
    started_ns: u64,
    buffer: Vec<u8>,
}

fn unix_time_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A number that no other broker has: 64 random bits of the kernel's.
fn fresh_instance() -> Result<u64, io::Error> {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).map_err(io::Error::other)
}

impl Broker {
    /// Makes a broker that serves this listener, and takes SIGTERM and SIGINT of the process.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: descriptors, signals or the undertaker's thread.
    pub fn new(listener: Listener, config: Config) -> Result<Self, ServeError> {
        process::set_not_dumpable()?;
        process::raise_descriptor_limit();
        let poller = Poller::new()?;
        poller.add(listener.as_fd(), LISTENER, Interest::Readable)?;
        let (signals, raised) = UnixStream::pair()?;
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::low_level::pipe::register(signal, raised.try_clone()?)?;
        }
        poller.add(signals.as_fd(), SIGNAL, Interest::Readable)?;
        Ok(Self {
            config,
            manager: Manager::new(fresh_instance()?),
            store: Store::default(),
            poller,
            listener,
            signals,
            undertaker: Undertaker::start()?,
            doors: BTreeMap::new(),
            doors_of_clients: BTreeMap::new(),
            next_door: 0,
            idle_since_ns: Some(clock::now_ns()),
            started_ns: unix_time_ns(),
            buffer: vec![0; wire::MESSAGE_BYTES_MAX],
        })
    }

    /// Serves until a signal or idleness ends it; then every client has been hung up on, every
    /// stream's page says `Lost`, and the socket's file is gone.
    ///
    /// # Errors
    ///
    /// [`ServeError::Kernel`] when the kernel refuses to poll.
    ///
    /// # Blocking
    ///
    /// For as long as it serves.
    pub fn serve(mut self) -> Result<(), ServeError> {
        info!(pid = std::process::id(), socket = ?self.config.socket, "serving");
        let mut events = Vec::new();
        loop {
            self.poller.wait(&mut events, self.timeout_ns())?;
            for event in &events {
                if self.turn(event)? == Next::Leave {
                    info!("stopped by a signal");
                    self.close_up();
                    return Ok(());
                }
            }
            if self.idle_for_long() && self.leave_if_alone()? {
                info!("leaving: no client and no object");
                return Ok(());
            }
        }
    }

    fn timeout_ns(&self) -> Option<u64> {
        let IdleExit::After(limit) = self.config.idle_exit else { return None };
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let idle_ns = clock::now_ns().saturating_sub(self.idle_since_ns?);
        Some(limit_ns.saturating_sub(idle_ns))
    }

    fn idle_for_long(&self) -> bool {
        self.timeout_ns() == Some(0)
    }

    /// Leaves, unless somebody connected in the meantime. Whoever connects behind this is hung up
    /// on before it was greeted, and looks for a broker again.
    fn leave_if_alone(&mut self) -> Result<bool, ServeError> {
        let lock = match self.config.socket.as_deref().and_then(|path| path.parent()) {
            Some(directory) => DirectoryLock::try_lock(directory)?,
            None => None,
        };
        if self.config.socket.is_some() && lock.is_none() {
            // Somebody is looking for a broker at this moment.
            return Ok(false);
        }
        self.accept()?;
        if !self.doors.is_empty() {
            return Ok(false);
        }
        self.remove_socket();
        Ok(true)
    }

    fn remove_socket(&self) {
        let Some(path) = &self.config.socket else { return };
        if let Err(error) = fs::remove_file(path) {
            debug!(%error, ?path, "the socket's file could not be removed");
        }
    }

    fn close_up(&mut self) {
        self.remove_socket();
        let doors: Vec<_> = self.doors.keys().copied().collect();
        for door in doors {
            self.end(door, "the broker is stopping");
        }
    }

    fn turn(&mut self, event: &Event) -> Result<Next, ServeError> {
        let number = event.token & !TAG;
        match event.token & TAG {
            DOOR => self.receive(number),
            PROCESS => {
                if self.doors.get(&number).is_some_and(|d| pidfd::has_exited(d.process.as_fd())) {
                    self.end(number, "its process has ended");
                }
            }
            HANDLE => {
                // The number is never used again, so an event that waited cannot hit another.
                let handle = HandleId(number);
                if self.store.is_closed(handle) {
                    self.handles_gone(&[handle]);
                }
            }
            _ if event.token == LISTENER => self.accept()?,
            _ => return Ok(Next::Leave),
        }
        self.note_idleness();
        Ok(Next::GoOn)
    }

    fn note_idleness(&mut self) {
        let idle = self.manager.is_idle() && self.doors.is_empty();
        if !idle {
            self.idle_since_ns = None;
        } else if self.idle_since_ns.is_none() {
            self.idle_since_ns = Some(clock::now_ns());
        }
        self.trim();
    }

    /// Without objects nothing is held ready for them either.
    fn trim(&mut self) {
        if self.manager.counts().1 == 0 {
            self.store.trim();
        }
    }

    fn accept(&mut self) -> Result<(), ServeError> {
        for _ in 0..ACCEPTED_PER_TURN {
            match self.listener.accept() {
                Ok(Some(socket)) => {
                    if let Err(error) = self.admit(socket) {
                        warn!(%error, "a connection was turned away");
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) if error.is_descriptor_limit() => {
                    warn!(%error, "no descriptor left for another client");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn admit(&mut self, socket: Socket) -> handfast_sys::Result<()> {
        let peer = peer::peer(&socket)?;
        let process = peer::peer_pidfd(&socket, peer.pid)?;
        socket.pass_credentials()?;
        socket.refuse_descriptors()?;
        let token = Token { uid: peer.uid, gid: peer.gid };
        let door = Door { socket, process, pid: peer.pid, token, stage: Stage::Greeting };
        let refused = self.refuses(token);
        if let Some(refused) = refused {
            debug!(uid = token.uid, "refused: another user");
            drop(door.refuse(refused));
            return Ok(());
        }
        if self.doors.len() >= limits::CLIENTS_MAX {
            let limit = u64::try_from(limits::CLIENTS_MAX).unwrap_or(u64::MAX);
            drop(door.refuse(Refused::Cap { cap: Cap::Clients, limit }));
            return Ok(());
        }
        self.next_door += 1;
        let number = self.next_door;
        self.poller.add(door.socket.as_fd(), DOOR | number, Interest::Readable)?;
        self.poller.add(door.process.as_fd(), PROCESS | number, Interest::Readable)?;
        self.doors.insert(number, door);
        Ok(())
    }

    /// Whom this broker does not serve. Behind a user namespace every foreign user has the
    /// overflow id, so that one cannot be told from another.
    fn refuses(&self, token: Token) -> Option<Refused> {
        let broker_uid = process::uid();
        let stranger = token.uid == peer::overflow_uid() && peer::in_user_namespace();
        let served = match self.config.users {
            Users::All => !stranger,
            Users::Own => token.uid == broker_uid || (token.is_system() && !stranger),
        };
        (!served).then_some(Refused::User { uid: token.uid, broker_uid })
    }

    fn receive(&mut self, number: u64) {
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

    fn message(&mut self, number: u64, received: Received) {
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

    fn greet(&mut self, number: u64, hello: Hello) {
        let Some(door) = self.doors.get_mut(&number) else { return };
        let Some(version) = hello.common_version() else {
            let refused = Refused::Version { oldest: wire::VERSION_OLDEST, newest: wire::VERSION };
            drop(door.refuse(refused));
            return self.end(number, "it speaks no version of ours");
        };
        match self.manager.client_arrived(door.token, door.pid) {
            Ok(client) => {
                door.stage = Stage::Client(client);
                self.doors_of_clients.insert(client, number);
                let welcome = Welcome {
                    version,
                    instance: self.manager.instance(),
                    pid: i32::try_from(std::process::id()).unwrap_or_default(),
                    uid: process::uid(),
                    started_ns: self.started_ns,
                };
                if door.send(&BrokerMessage::Welcome(welcome), &[]).is_err() {
                    self.end(number, "it cannot be answered");
                }
            }
            Err(error) => {
                if let Error::CapReached { cap, limit } = error {
                    drop(door.refuse(Refused::Cap { cap, limit }));
                }
                self.end(number, "there is no room for it");
            }
        }
    }

    fn tell_health(&mut self, number: u64, question: u32) {
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

    fn request(
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

    fn apply(
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

    fn reply(&mut self, number: u64, request: u32, reply: Reply) -> bool {
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

    fn descriptor(&self, attachment: Attachment) -> Option<BorrowedFd<'_>> {
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

    fn handles_gone(&mut self, handles: &[HandleId]) {
        let mut effects = Vec::new();
        self.manager.handles_gone(handles, &mut effects);
        self.perform(effects, &mut None);
    }

    /// Performs effects in order. Clients that cannot be told are ended afterwards.
    fn perform(&mut self, effects: Vec<Effect>, memory: &mut Option<Payload>) {
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

    fn watch_handle(&mut self, handle: HandleId) {
        let kept = self.store.make_handle(handle);
        let watched =
            kept.map(|kept| self.poller.add(kept, HANDLE | handle.0, Interest::HangUpOnly));
        if let Some(Err(error)) = watched {
            // Its closing is then noticed when somebody asks for its name.
            warn!(%error, handle = handle.0, "a handle cannot be watched");
        }
    }

    fn forget(&self, watched: BorrowedFd<'_>) {
        if let Err(error) = self.poller.remove(watched) {
            debug!(%error, "a descriptor was not watched");
        }
    }

    /// Ends a connection: what its client held is dropped.
    fn end(&mut self, number: u64, why: &'static str) {
        let Some(door) = self.doors.remove(&number) else { return };
        debug!(pid = door.pid, why, "a client has gone");
        self.forget(door.socket.as_fd());
        self.forget(door.process.as_fd());
        if let Stage::Client(client) = door.stage {
            self.doors_of_clients.remove(&client);
            let mut effects = Vec::new();
            self.manager.client_gone(client, &mut effects);
            self.perform(effects, &mut None);
        }
        self.note_idleness();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Its other end belongs to the signal handlers, which live as long as the process.
        drop(self.signals.shutdown(std::net::Shutdown::Both));
    }
}
