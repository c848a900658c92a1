//! The broker and its loop: one event, one turn. Who comes in is dealt with in `admission`, what
//! is asked in `answer`, and what lies in mailboxes in `letters`.

mod admission;
mod answer;
mod hear;
mod letters;
mod log;
mod reach;
mod recover;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use handfast_model::object::{ClientId, HandleId, Manager, ProcessId};
use handfast_model::wire;
use handfast_sys::epoll::{Event, Interest, Poller};
use handfast_sys::inheritance::Inheritance;
use handfast_sys::kept::Keeping;
use handfast_sys::runtime_dir::DirectoryLock;
use handfast_sys::seqpacket::Listener;
use handfast_sys::timer::Timer;
use handfast_sys::{clock, pidfd, process};
use thiserror::Error as ThisError;
use tracing::{debug, info};

use crate::door::{Door, Stage};
use crate::estate::EstateError;
use crate::journal::{Journal, JournalError};
use crate::processes::Processes;
use crate::record::{Input, Number, Record};
use crate::store::Store;
use crate::undertaker::Undertaker;

use hear::PutOff;

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
    /// Where it listens, to remove the socket when it leaves; None for a socket whose file is a
    /// service manager's.
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
    /// What a predecessor wrote down cannot be used.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// Nor can what it says.
    #[error("{0}")]
    Estate(#[from] EstateError),
    /// Signals or threads could not be set up.
    #[error("{0}")]
    Setup(#[from] io::Error),
}

const LISTENER: u64 = 0;
const SIGNAL: u64 = 1;
const LOOK_AFTER: u64 = 2;
const DOOR: u64 = 1 << 60;
const PROCESS: u64 = 2 << 60;
const HANDLE: u64 = 3 << 60;
const BELL: u64 = 4 << 60;
const TARGET: u64 = 5 << 60;
const TAG: u64 = 0xF << 60;

/// What outlives a broker.
#[derive(Debug)]
pub(crate) struct Tools {
    journal: Journal,
    keeping: Keeping,
    socket_file: Option<FileId>,
}

/// What a keeper gives each of its brokers.
#[derive(Debug)]
pub struct Given {
    /// The keeper's process.
    pub keeper: u32,
    /// The memory of [`new_journal`], for this broker.
    pub journal: OwnedFd,
    /// Where it has pages mapped.
    pub keeping: Keeping,
    /// What the predecessors left open.
    pub left: Inheritance,
    /// Which file the socket's was when the first of them began.
    pub socket_file: Option<FileId>,
}

/// Makes the memory that a broker writes down in what a successor needs.
///
/// # Errors
///
/// The descriptor limit and memory.
pub fn new_journal() -> Result<OwnedFd, ServeError> {
    Ok(Journal::create()?.into_memory())
}

/// Serves as a broker, the first of its keeper or one that goes on where another was killed, until
/// a signal or idleness ends it; then every client has been hung up on, every stream's page says
/// `Lost`, and the socket's file is gone.
///
/// # Errors
///
/// [`ServeError`].
///
/// # Blocking
///
/// For as long as it serves.
pub fn serve(listener: Listener, config: Config, given: Given) -> Result<(), ServeError> {
    let Given { keeper, journal, keeping, left, socket_file } = given;
    let journal = Journal::adopt(journal)?;
    let tools = Tools { journal, keeping, socket_file };
    let broker = if tools.journal.snapshot().is_empty() {
        Broker::begin(listener, config, tools)?
    } else {
        Broker::succeed(listener, config, tools, left)?
    };
    // Without the keeper nothing of it would be kept: then it ends as if told to. Now that it hears
    // when it is told.
    process::end_with_parent(keeper)?;
    broker.serve()
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Leave,
}

/// A broker.
#[derive(Debug)]
pub(crate) struct Broker {
    config: Config,
    manager: Manager,
    store: Store,
    processes: Processes,
    poller: Poller,
    listener: Listener,
    /// Which file the socket's is, as it was when it began.
    socket_file: Option<FileId>,
    signals: UnixStream,
    undertaker: Undertaker,
    doors: BTreeMap<u64, Door>,
    doors_of_clients: BTreeMap<ClientId, u64>,
    next_door: u64,
    /// Whose mailboxes are looked after without a bell, and what says when.
    busy: Vec<u64>,
    look_after: Timer,
    /// Since when it has been idle, on the monotonic clock.
    idle_since_ns: Option<u64>,
    started_ns: u64,
    /// Whether the last words of somebody are heard, which are no reason to hear others.
    hearing: bool,
    /// What was read before its turn.
    put_off: VecDeque<PutOff>,
    buffer: Vec<u8>,
    /// Room for what lies in a mailbox.
    letter: Vec<u8>,
    notes: Vec<u64>,
    journal: Journal,
    /// Who keeps mappings for a successor.
    keeping: Keeping,
    /// Room for a record.
    record: Vec<u8>,
}

fn unix_time_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Device and inode of a file.
pub type FileId = (u64, u64);

/// Which file lies at a path.
#[must_use]
pub fn file_id(path: &Path) -> Option<FileId> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
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
    pub(crate) fn begin(
        listener: Listener,
        config: Config,
        tools: Tools,
    ) -> Result<Self, ServeError> {
        let manager = Manager::new(fresh_instance()?);
        let mut broker = Self::with(listener, config, tools, manager)?;
        broker.make_journal_short();
        Ok(broker)
    }

    /// One that serves nobody yet.
    fn with(
        listener: Listener,
        config: Config,
        tools: Tools,
        manager: Manager,
    ) -> Result<Self, ServeError> {
        process::set_not_dumpable()?;
        process::raise_descriptor_limit();
        let poller = Poller::new()?;
        poller.add(listener.as_fd(), LISTENER, Interest::Readable)?;
        let (signals, raised) = UnixStream::pair()?;
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::low_level::pipe::register(signal, raised.try_clone()?)?;
        }
        poller.add(signals.as_fd(), SIGNAL, Interest::Readable)?;
        let look_after = Timer::new()?;
        poller.add(look_after.as_fd(), LOOK_AFTER, Interest::Rings)?;
        let mut broker = Self {
            socket_file: tools.socket_file,
            config,
            manager,
            store: Store::default(),
            processes: Processes::default(),
            poller,
            listener,
            signals,
            undertaker: Undertaker::start()?,
            doors: BTreeMap::new(),
            doors_of_clients: BTreeMap::new(),
            next_door: 0,
            busy: Vec::new(),
            look_after,
            idle_since_ns: Some(clock::now_ns()),
            started_ns: unix_time_ns(),
            hearing: false,
            put_off: VecDeque::new(),
            buffer: vec![0; wire::MESSAGE_BYTES_MAX],
            letter: Vec::new(),
            notes: Vec::new(),
            journal: tools.journal,
            keeping: tools.keeping,
            record: Vec::new(),
        };
        let own = broker.own_numbers();
        broker.log(&Record::Tools(own));
        Ok(broker)
    }

    /// What it has for itself.
    fn own_numbers(&self) -> Vec<Number> {
        let own = [self.poller.as_fd(), self.signals.as_fd(), self.look_after.as_fd()];
        own.iter().map(|one| one.as_raw_fd()).collect()
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
    pub(crate) fn serve(mut self) -> Result<(), ServeError> {
        info!(pid = std::process::id(), socket = ?self.config.socket, "serving");
        let mut events = Vec::new();
        loop {
            let timeout_ns = if self.put_off.is_empty() { self.timeout_ns() } else { Some(0) };
            self.poller.wait(&mut events, timeout_ns)?;
            self.catch_up();
            self.shorten_journal();
            for event in &events {
                if self.turn(event)? == Next::Leave {
                    info!("stopped by a signal");
                    self.close_up();
                    return Ok(());
                }
            }
            self.undertaker.flush();
            if self.idle_for_long() && self.leave_if_alone()? {
                info!("leaving: no client and no object");
                return Ok(());
            }
        }
    }

    fn timeout_ns(&self) -> Option<u64> {
        let IdleExit::After(limit) = self.config.idle_exit else { return None };
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let since_ns = self.idle_since_ns?;
        let idle_ns = clock::now_ns().saturating_sub(since_ns);
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
        if file_id(path) != self.socket_file {
            debug!(?path, "the socket's file is another one's by now");
            return;
        }
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
                    self.hear_last_words(number);
                }
            }
            BELL => self.rung(number),
            HANDLE => {
                // The number is never used again, so an event that waited cannot hit another.
                let handle = HandleId(number);
                if self.store.is_closed(handle) {
                    self.handles_gone(&[handle]);
                }
            }
            TARGET => self.end_processes(vec![ProcessId(number)]),
            _ if event.token == LISTENER => self.accept()?,
            _ if event.token == LOOK_AFTER => self.look_after_busy(),
            _ => return Ok(Next::Leave),
        }
        self.note_idleness();
        self.undertaker.flush();
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

    fn forget(&self, watched: BorrowedFd<'_>) {
        if let Err(error) = self.poller.remove(watched) {
            debug!(%error, "a descriptor was not watched");
        }
    }

    /// Ends a connection: what its client held is dropped.
    fn end(&mut self, number: u64, why: &'static str) {
        self.take_notes(number);
        if !self.doors.contains_key(&number) {
            return;
        }
        let input = self.log_input(Input::Gone { door: number });
        let Some(door) = self.doors.remove(&number) else { return };
        self.put_off_gone(number);
        debug!(pid = door.pid, why, "a client has gone");
        self.forget(door.socket.as_fd());
        self.forget(door.process.as_fd());
        if let Some(mailbox) = &door.mailbox {
            self.forget(mailbox.bell());
        }
        if let Stage::Client(client) = door.stage {
            self.doors_of_clients.remove(&client);
            let mut effects = Vec::new();
            self.manager.client_gone(client, &mut effects);
            self.perform(input, effects, 0, &mut reach::Brought::default());
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
