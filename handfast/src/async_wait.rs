//! Waits that nobody sleeps in: as futures, as descriptors for `epoll`, or as events to be set.
//!
//! A thread of this process sleeps for all of them, as many as one call of the kernel takes; with
//! more of them there are more threads. It is started by the first and ends with the last. Whoever
//! signals knows nothing of it.

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;

use handfast_sync::wait::Outcome;
use handfast_sync::{Park as _, Watched};
use handfast_sys::eventfd::Doorbell;
use handfast_sys::futex;
use handfast_sys::signals::Blocked;

use crate::error::{Cause, Result};
use crate::event::{self, Event};
use crate::fence::{self, CoreWait};
use crate::session::{Process, lock};
use crate::wait::WaitOutcome;
use crate::words::{Futex, sleep};

/// A fence and the wait for one of its values.
pub(crate) struct Goal {
    pub(crate) core: Arc<fence::Core>,
    pub(crate) wait: CoreWait,
}

/// A wait that goes on by itself: a future of its outcome, and a descriptor that is readable once
/// it is there.
///
/// Dropping it ends the wait. An auto-reset event that it has taken is set again then, unless
/// somebody has asked for the outcome. In a forked child it is [`WaitOutcome::Lost`]: the threads
/// that wait are its parent's.
#[derive(Debug)]
#[must_use = "the wait ends when this is dropped"]
pub struct Reached {
    job: Arc<Job>,
    /// Closed when this is dropped, whatever the thread that waits is doing.
    bell: Arc<Doorbell>,
    /// Elsewhere the job may be locked for ever, by a thread that is not there.
    process: Process,
    /// The event that it takes.
    event: Option<Arc<event::Core>>,
}

/// What is waited for.
#[derive(Debug)]
enum Target {
    Fence(Arc<fence::Core>),
    Event(Arc<event::Core>),
}

#[derive(Debug)]
struct Job {
    /// None for a wait that only sets an event.
    bell: Weak<Doorbell>,
    cancelled: AtomicBool,
    then: Mutex<Then>,
    /// Set when the wait ends, unless it is none.
    event: Option<Arc<event::Core>>,
}

#[derive(Debug, Default)]
struct Then {
    outcome: Option<WaitOutcome>,
    /// Whether somebody was told of it.
    is_known: bool,
    waker: Option<Waker>,
}

/// What one thread waits for.
#[derive(Debug)]
struct Entry {
    target: Target,
    wait: Option<CoreWait>,
    job: Arc<Job>,
}

/// A thread that sleeps for others.
#[derive(Debug)]
struct Sleeper {
    /// Bumped when there is something new.
    turn: AtomicU32,
    new: Mutex<Vec<Entry>>,
    /// Waits it has taken on; it takes no more than one call of the kernel can sleep on.
    load: AtomicU32,
}

/// The threads of a process that sleep for others.
#[derive(Debug, Default)]
pub(crate) struct Sleepers(Mutex<Vec<Arc<Sleeper>>>);

impl Sleepers {
    pub(crate) const fn none() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

/// One word of each call is the sleeper's own.
const WAITS_PER_SLEEPER: u32 = 127;
const _: () = assert!(futex::WAIT_ANY_MAX == 128);

/// Waits for a value of a fence.
pub(crate) fn start(goal: Goal) -> Result<Reached> {
    let Goal { core, mut wait } = goal;
    let (bell, process) = (Arc::new(Doorbell::new()?), Process::own()?);
    let job = Arc::new(Job::new(None, Arc::downgrade(&bell)));
    match core.look(&mut wait) {
        Some(outcome) => drop(job.end(outcome.into())),
        None => hand_over(Target::Fence(core), Some(wait), &job)?,
    }
    Ok(Reached { job, bell, process, event: None })
}

/// Waits for an event.
pub(crate) fn start_event(core: Arc<event::Core>) -> Result<Reached> {
    let (bell, process) = (Arc::new(Doorbell::new()?), Process::own()?);
    let job = Arc::new(Job::new(None, Arc::downgrade(&bell)));
    match core.try_take() {
        Some(outcome) => drop(job.end(outcome.into())),
        None => hand_over(Target::Event(Arc::clone(&core)), None, &job)?,
    }
    Ok(Reached { job, bell, process, event: Some(core) })
}

/// Sets an event when a value of a fence is reached.
pub(crate) fn set_event(goal: Goal, event: &Event) -> Result<()> {
    let Goal { core, mut wait } = goal;
    if core.look(&mut wait).is_some() {
        return event.core().set_for_wait().map(drop);
    }
    let job = Arc::new(Job::new(Some(Arc::clone(event.core())), Weak::new()));
    hand_over(Target::Fence(core), Some(wait), &job)
}

fn hand_over(target: Target, wait: Option<CoreWait>, job: &Arc<Job>) -> Result<()> {
    let entry = Entry { target, wait, job: Arc::clone(job) };
    let mut sleepers = lock(&Process::own()?.sleepers().0);
    sleepers.retain(|sleeper| sleeper.load.load(Ordering::Acquire) > 0);
    let free = sleepers.iter().find(|one| one.load.load(Ordering::Acquire) < WAITS_PER_SLEEPER);
    let entry = match free {
        Some(sleeper) => match sleeper.take_on(entry) {
            Ok(()) => return Ok(()),
            Err(entry) => entry,
        },
        None => entry,
    };
    let sleeper = Arc::new(Sleeper {
        turn: AtomicU32::new(0),
        new: Mutex::new(vec![entry]),
        load: AtomicU32::new(1),
    });
    let own = Arc::clone(&sleeper);
    let blocked = Blocked::on_this_thread();
    thread::Builder::new()
        .name("handfast-wait".into())
        .spawn(move || own.run())
        .map_err(Cause::Thread)?;
    drop(blocked);
    sleepers.push(sleeper);
    Ok(())
}

impl Sleeper {
    /// Takes another wait on, unless it is about to leave.
    fn take_on(&self, entry: Entry) -> core::result::Result<(), Entry> {
        let mut new = lock(&self.new);
        let more = |load| (load > 0 && load < WAITS_PER_SLEEPER).then_some(load + 1);
        if self.load.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_err() {
            return Err(entry);
        }
        new.push(entry);
        drop(new);
        self.ring();
        Ok(())
    }

    fn ring(&self) {
        self.turn.fetch_add(1, Ordering::Release);
        Futex.wake_all((&self.turn).into());
    }

    fn run(&self) {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let seen = self.turn.load(Ordering::Acquire);
            entries.append(&mut lock(&self.new));
            let ended = entries.extract_if(.., |entry| entry.is_over()).count();
            let ended = u32::try_from(ended).unwrap_or(u32::MAX);
            // The last has gone, and nobody can hand over another from now on.
            if self.load.fetch_sub(ended, Ordering::AcqRel) == ended {
                return;
            }
            let own = Watched { word: (&self.turn).into(), expected: seen };
            let (targets, mut waits): (Vec<_>, Vec<_>) =
                entries.iter_mut().map(|entry| (&entry.target, &mut entry.wait)).unzip();
            let armed: Option<Vec<_>> = targets
                .iter()
                .zip(&mut waits)
                .map(|(target, wait)| target.arm(wait))
                .chain([Some(own)])
                .collect();
            // Look once more between arming and sleeping: an end is noted and met above.
            let any = targets.iter().zip(&mut waits).any(|(target, wait)| target.would_end(wait));
            if let Some(armed) = armed.filter(|_| !any) {
                sleep(&armed, None);
            }
        }
    }
}

impl Target {
    fn arm<'a>(&'a self, wait: &mut Option<CoreWait>) -> Option<Watched<'a>> {
        match self {
            Self::Fence(core) => core.arm(wait.as_mut()?),
            Self::Event(core) => core.arm(),
        }
    }

    /// Whether a look would end the wait; changes nothing for others.
    fn would_end(&self, wait: &mut Option<CoreWait>) -> bool {
        match self {
            Self::Fence(core) => wait.as_mut().is_none_or(|wait| core.look(wait).is_some()),
            Self::Event(core) => core.can_be_taken(),
        }
    }
}

impl Entry {
    /// Ends the wait if it can be ended.
    fn is_over(&mut self) -> bool {
        if self.job.cancelled.load(Ordering::Acquire) {
            return true;
        }
        let outcome = match (&self.target, &mut self.wait) {
            (Target::Fence(core), Some(wait)) => core.look(wait),
            (Target::Fence(_), None) => Some(Outcome::Lost),
            (Target::Event(core), _) => core.try_take(),
        };
        let Some(outcome) = outcome else { return false };
        if self.job.end(outcome.into()) == Told::Nobody
            && outcome == Outcome::Signaled
            && let Target::Event(core) = &self.target
        {
            core.give_back();
        }
        true
    }
}

impl Then {
    fn tell(&mut self) -> Option<WaitOutcome> {
        self.is_known |= self.outcome.is_some();
        self.outcome
    }
}

/// Whether somebody is there who can see how a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Somebody,
    Nobody,
}

impl Job {
    fn new(event: Option<Arc<event::Core>>, bell: Weak<Doorbell>) -> Self {
        Self { bell, cancelled: AtomicBool::new(false), then: Mutex::default(), event }
    }

    fn end(&self, outcome: WaitOutcome) -> Told {
        let mut then = lock(&self.then);
        if self.cancelled.load(Ordering::Acquire) {
            return Told::Nobody;
        }
        then.outcome = Some(outcome);
        let waker = then.waker.take();
        // Under the lock, so that whoever drops the wait is the last to hold the descriptor. One of
        // our own cannot refuse to ring.
        self.bell.upgrade().map(|bell| bell.ring().ok());
        drop(then);
        if let Some(waker) = waker {
            waker.wake();
        }
        if let Some(event) = &self.event {
            // Its opening had the right when the wait began, and openings do not lose rights.
            event.set_for_wait().ok();
        }
        Told::Somebody
    }
}

impl Reached {
    /// How the wait ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<WaitOutcome> {
        if !self.process.is_own() {
            return Some(WaitOutcome::Lost);
        }
        lock(&self.job.then).tell()
    }
}

impl AsFd for Reached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Future for Reached {
    type Output = WaitOutcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<WaitOutcome> {
        if !self.process.is_own() {
            return Poll::Ready(WaitOutcome::Lost);
        }
        let mut then = lock(&self.job.then);
        if let Some(outcome) = then.tell() {
            return Poll::Ready(outcome);
        }
        then.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        if !self.process.is_own() {
            return;
        }
        // Under the lock: what a thread takes for this wait from now on it gives back.
        let then = lock(&self.job.then);
        self.job.cancelled.store(true, Ordering::Release);
        let (outcome, is_known) = (then.outcome, then.is_known);
        drop(then);
        if let Some(event) = &self.event
            && outcome == Some(WaitOutcome::Signaled)
            && !is_known
        {
            event.give_back();
        }
        if outcome.is_none() {
            lock(&self.process.sleepers().0).iter().for_each(|sleeper| sleeper.ring());
        }
    }
}
