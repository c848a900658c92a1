//! The connection to the broker that all objects of a process share.
//!
//! A stream has a connection of its own; surfaces, fences, events, sections and handles share this
//! one. A forked child has none of its parent's: it makes one when it first needs it.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;

use handfast_model::object::{ObjectId, OpeningId, Reply, Request};
use handfast_model::wire::Note;
use handfast_sync::Seat;
use handfast_sys::fork::ForkGuard;
use handfast_sys::robust::RobustList;
use handfast_sys::signals::Blocked;

use crate::async_wait::Sleepers;
use crate::error::{Cause, Result};
use crate::handle_table::Entries;
use crate::keyed_mutex;
use crate::link::{Answer, Link};
use crate::mailbox::Notes;
use crate::spare::Spares;

/// A connection of this process.
#[derive(Debug)]
pub(crate) struct Session {
    process: Process,
    lost: AtomicBool,
    link: Mutex<Link>,
    /// Where the broker is told what was dropped, if it had room for a mailbox.
    notes: Option<Mutex<Notes>>,
    /// Openings and handles that were dropped and could not be told of there, in order.
    dropped: Mutex<VecDeque<Request>>,
    /// Whether a thread waits until the broker listens, to tell it of them.
    telling: AtomicBool,
    /// This process's seats at the pages of the objects that it has open.
    seats: Mutex<Seats>,
    /// Mapped pages of objects of its own that are gone.
    pub(crate) spares: Spares,
}

/// A process's seats, some of which nobody has any more.
#[derive(Debug, Default)]
struct Seats {
    known: BTreeMap<ObjectId, Weak<Seat>>,
    /// How many there may be before those that nobody has are forgotten.
    sweep_at: usize,
}

impl Seats {
    /// Forgets what nobody has, when there may be as many of those as of the others.
    fn sweep(&mut self) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, seat| seat.strong_count() > 0);
            self.sweep_at = 2 * self.known.len() + SEATS_LEFT;
        }
    }
}

/// Seats that nobody has are forgotten by so many at a time.
const SEATS_LEFT: usize = 16;

/// What one process of a line of processes, forked from one another, has. What its forebears left
/// locked or half made stays so, and is never touched again.
#[derive(Debug, Default)]
struct Generation {
    guard: OnceLock<ForkGuard>,
    session: Mutex<Option<Arc<Session>>>,
    sleepers: Sleepers,
    /// The locks that the kernel gives up for this process when it dies.
    locks: Mutex<Option<Arc<RobustList>>>,
    /// Its handles by their values.
    handles: Entries,
    child: OnceLock<Box<Self>>,
}

static FIRST: Generation = Generation {
    guard: OnceLock::new(),
    session: Mutex::new(None),
    sleepers: Sleepers::none(),
    locks: Mutex::new(None),
    handles: Entries::none(),
    child: OnceLock::new(),
};

/// The process that something was made in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(&'static Generation);

impl Process {
    /// This one.
    pub(crate) fn own() -> Result<Self> {
        let mut generation = &FIRST;
        loop {
            let guard = match generation.guard.get() {
                Some(guard) => guard,
                None => {
                    let made = ForkGuard::new()?;
                    generation.guard.get_or_init(|| made)
                }
            };
            if guard.is_original() {
                return Ok(Self(generation));
            }
            generation = generation.child.get_or_init(Box::default);
        }
    }

    /// The threads that sleep for others here.
    pub(crate) const fn sleepers(self) -> &'static Sleepers {
        &self.0.sleepers
    }

    /// Its handles by their values.
    pub(crate) const fn handles(self) -> &'static Entries {
        &self.0.handles
    }

    /// Its list of locks, with the thread that holds them.
    pub(crate) fn robust_list(self) -> Result<Arc<RobustList>> {
        let mut locks = lock(&self.0.locks);
        if let Some(list) = &*locks {
            return Ok(Arc::clone(list));
        }
        let list = keyed_mutex::start_holder()?;
        *locks = Some(Arc::clone(&list));
        Ok(list)
    }

    /// Whether it is this one, and not a process that this one was forked from.
    pub(crate) fn is_own(self) -> bool {
        self.0.guard.get().is_some_and(ForkGuard::is_original)
    }

    /// Refuses to go on in a forked child, which has none of its parent's objects.
    pub(crate) fn check(self) -> Result<()> {
        if self.is_own() { Ok(()) } else { Err(Cause::Forked.into()) }
    }
}

/// Nothing that a lock of ours protects is left half changed by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks this process's broker, starting one if there is none; the session that answered, and what.
///
/// # Blocking
///
/// While the broker answers, or is started.
pub(crate) fn call(
    name: Option<&str>,
    request: &Request,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(Arc<Session>, Reply, Descriptors)> {
    let ask = |session: &Arc<Session>| session.call(name, request, descriptors);
    let (session, (reply, descriptors)) = call_with(Look::at(descriptors), ask)?;
    Ok((session, reply, descriptors.into_iter()))
}

/// As [`call`], for what depends on the session.
pub(crate) fn call_with<T>(
    look: Look,
    ask: impl Fn(&Arc<Session>) -> Result<T>,
) -> Result<(Arc<Session>, T)> {
    let session = current(look)?;
    match ask(&session) {
        Err(error) if error.is_unheard() => {
            let session = current(Look::First)?;
            let answer = ask(&session)?;
            Ok((session, answer))
        }
        answer => Ok((session, answer?)),
    }
}

/// Whether to look first if the broker is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    First,
    Not,
}

impl Look {
    /// A letter that nobody took in shows that the broker has gone, so it need not be looked for.
    pub(crate) const fn at(descriptors: &[BorrowedFd<'_>]) -> Self {
        if descriptors.is_empty() { Self::Not } else { Self::First }
    }
}

/// The session of this process, connected to a broker that was there at some time, or, looked for,
/// a moment ago.
fn current(look: Look) -> Result<Arc<Session>> {
    let process = Process::own()?;
    let mut held = lock(&process.0.session);
    let is_usable = |session: &&Arc<Session>| match look {
        Look::First => session.is_alive(),
        Look::Not => session.notes.is_some() && !session.lost.load(Ordering::Relaxed),
    };
    if let Some(session) = held.as_ref().filter(is_usable) {
        return Ok(Arc::clone(session));
    }
    let mut link = Link::connect()?;
    let notes = link.open_mailbox()?;
    let session = Arc::new(Session {
        process,
        lost: AtomicBool::new(false),
        link: Mutex::new(link),
        notes: notes.map(Mutex::new),
        dropped: Mutex::new(VecDeque::new()),
        telling: AtomicBool::new(false),
        seats: Mutex::new(Seats::default()),
        spares: Spares::default(),
    });
    *held = Some(Arc::clone(&session));
    Ok(session)
}

impl Session {
    /// Asks, and waits for the answer.
    pub(crate) fn call(
        self: &Arc<Self>,
        name: Option<&str>,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Answer {
        self.with(|link| link.call(name, request, descriptors))
    }

    fn with<T>(self: &Arc<Self>, ask: impl FnOnce(&mut Link) -> Result<T>) -> Result<T> {
        self.process.check()?;
        let mut link = lock(&self.link);
        // What was dropped before goes before.
        self.tell_dropped(&mut link);
        let answer = ask(&mut link);
        self.lost.fetch_or(link.is_lost(), Ordering::Relaxed);
        drop(link);
        self.flush();
        answer
    }

    /// The seat at an object's page: one for all openings of the object, which tell their
    /// reservations apart by it.
    pub(crate) fn seat(&self, object: ObjectId, number: u32) -> Result<Arc<Seat>> {
        let mut seats = lock(&self.seats);
        let known = seats.known.get(&object).and_then(Weak::upgrade);
        if let Some(seat) = known.filter(|seat| seat.number() == number) {
            return Ok(seat);
        }
        seats.sweep();
        let seat = Arc::new(Seat::new(number).ok_or(Cause::Unexpected)?);
        seats.known.insert(object, Arc::downgrade(&seat));
        Ok(seat)
    }

    /// Gives a seat up, if nobody else here has it: whoever opens the object from now on gets one
    /// that has said nothing yet. In a forked child it is the parent's.
    pub(crate) fn leave_seat(&self, object: ObjectId, seat: &Arc<Seat>, leave: impl FnOnce()) {
        if !self.process.is_own() {
            return;
        }
        let mut seats = lock(&self.seats);
        // The table keeps none alive, and gives none out while it is locked.
        if Arc::strong_count(seat) == 1 {
            seats.known.remove(&object);
            leave();
        }
    }

    /// Gives an opening back, without waiting for anybody. In a forked child it is the parent's,
    /// and stays.
    pub(crate) fn drop_opening(self: &Arc<Self>, opening: OpeningId) {
        self.drop_later(Request::Drop { opening });
    }

    /// Tells, without waiting for anybody, that something is given back.
    pub(crate) fn drop_later(self: &Arc<Self>, request: Request) {
        if self.process.is_own() && !self.post(&request) {
            lock(&self.dropped).push_back(request);
            self.flush();
        }
    }

    /// Tells at once that something is given back. It fails in a forked child, whose it is not, and
    /// when the broker is gone, and what it held with it.
    ///
    /// # Blocking
    ///
    /// Where the mailbox is full or there is none, while another thread talks to the broker, or its
    /// queue is full.
    pub(crate) fn drop_now(self: &Arc<Self>, request: &Request) {
        if self.process.is_own() && !self.post(request) {
            drop(self.with(|link| link.tell_waiting(request)));
        }
    }

    /// Whether it is of this process, and not of one that this one was forked from.
    pub(crate) fn is_own(&self) -> bool {
        self.process.is_own()
    }

    /// Whether it could be told without a message.
    fn post(&self, dropped: &Request) -> bool {
        let note = Note::of(dropped);
        let notes = self.notes.as_ref();
        notes.zip(note).is_some_and(|(notes, note)| lock(notes).post(note).is_ok())
    }

    /// Tells what was dropped, unless somebody is talking: then he does it when he has finished. If
    /// the broker's queue is full, a thread waits for room, and this process need not call again.
    fn flush(self: &Arc<Self>) {
        while !lock(&self.dropped).is_empty() {
            let Ok(mut link) = self.link.try_lock() else { return };
            if !self.tell_dropped(&mut link) {
                drop(link);
                self.tell_later();
                return;
            }
        }
    }

    /// Starts the thread, unless there is one.
    fn tell_later(self: &Arc<Self>) {
        if self.telling.swap(true, Ordering::AcqRel) {
            return;
        }
        let session = Arc::clone(self);
        let _blocked = Blocked::on_this_thread();
        let started =
            thread::Builder::new().name("handfast-drop".into()).spawn(move || session.tell_all());
        if started.is_err() {
            // The next call tells as many as there is room for.
            self.telling.store(false, Ordering::Release);
        }
    }

    /// Tells everything that was dropped, waiting until the broker listens. Whoever has something
    /// to ask meanwhile would have to wait for that, too.
    fn tell_all(&self) {
        loop {
            let mut link = lock(&self.link);
            loop {
                // Let go of before the wait: who drops something waits for nobody.
                let next = lock(&self.dropped).pop_front();
                let Some(request) = next else { break };
                if link.tell_waiting(&request).is_err() {
                    // It is lost, and what it held with it.
                    lock(&self.dropped).clear();
                }
            }
            self.lost.fetch_or(link.is_lost(), Ordering::Relaxed);
            drop(link);
            self.telling.store(false, Ordering::Release);
            // Something may have come before the others could see that nobody tells.
            if lock(&self.dropped).is_empty() || self.telling.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }

    /// Whether everything could be told: a broker that does not listen now is told later.
    fn tell_dropped(&self, link: &mut Link) -> bool {
        let mut dropped = lock(&self.dropped);
        while let Some(request) = dropped.front() {
            let told = link.tell(request);
            if told.is_err() && !link.is_lost() {
                return false;
            }
            dropped.pop_front();
        }
        true
    }

    /// Whether its broker is still there, as far as can be said without waiting.
    fn is_alive(&self) -> bool {
        if self.lost.load(Ordering::Relaxed) {
            return false;
        }
        match self.link.try_lock() {
            Ok(mut link) => link.is_alive(),
            // Somebody is talking to it.
            Err(_) => true,
        }
    }
}

/// What came with an answer, in its order.
pub(crate) type Descriptors = std::vec::IntoIter<OwnedFd>;
