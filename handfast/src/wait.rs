//! Waiting: for one object, for any of several, for all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use handfast_model::object::Reset;
use handfast_sync::Watched;
use handfast_sync::wait::{self, Outcome};
use handfast_sys::clock;

use crate::error::{Cause, Result};
use crate::event::Event;
use crate::fence::Fence;
use crate::link::deadline_ns;
use crate::words::sleep;

/// How a wait ended. None of these is an error.
///
/// | | fence | keyed mutex | event |
/// | --- | --- | --- | --- |
/// | `Signaled` | the value is reached | it is the caller's now | it was set |
/// | `TimedOut` | not in time | not in time | not in time |
/// | `Abandoned` | the last who signalled dropped it | an owner died or dropped it | never |
/// | `Lost` | the last who signalled ended with it open | never | never |
///
/// A panic that unwinds drops what it passes: a fence is `Abandoned`. A process that is killed, or
/// ends by [`std::process::exit`] with a fence open, drops nothing: it is `Lost`.
///
/// That a fence is `Lost` the broker says: where the broker was killed, nobody does. Give waits an
/// end, as [`Fence::wait_timeout`] does. `Abandoned` takes no broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// What was waited for has happened.
    Signaled,
    /// The time was over first.
    TimedOut,
    /// Of a fence: nobody is left who could signal, and the last gave it up. Of a keyed mutex: an
    /// owner died, or dropped it while it owned it.
    Abandoned,
    /// Of a fence: the last process that could signal ended without giving it up.
    Lost,
}

impl From<Outcome> for WaitOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Signaled => Self::Signaled,
            Outcome::Abandoned => Self::Abandoned,
            Outcome::Lost => Self::Lost,
        }
    }
}

/// Something to wait for: what [`wait_any`] and [`wait_all`] take.
#[derive(Clone, Copy, Debug)]
pub enum WaitObject<'a> {
    /// A value of a fence ([`Fence::at`]).
    Fence {
        /// The fence.
        fence: &'a Fence,
        /// The value.
        value: u64,
    },
    /// An event.
    Event(&'a Event),
}

impl<'a> From<&'a Event> for WaitObject<'a> {
    fn from(event: &'a Event) -> Self {
        Self::Event(event)
    }
}

/// One object's part in a wait.
pub(crate) type Ticket<'a> = Box<dyn wait::Waitable<'a> + 'a>;

impl<'a> WaitObject<'a> {
    fn ticket(self) -> Result<Ticket<'a>> {
        match self {
            Self::Fence { fence, value } => fence.ticket(value),
            Self::Event(event) => event.ticket(),
        }
    }
}

/// Waits until one of the objects can be taken, and takes it: the index of the first, and how.
///
/// Only that object is changed. Any number of objects is allowed; more than 128 take a thread for
/// each 127 while the call sleeps.
///
/// # Access
///
/// As waiting for each alone.
///
/// # Errors
///
/// [`crate::ErrorKind::Invalid`] for no objects, [`crate::ErrorKind::AccessDenied`],
/// [`crate::ErrorKind::Forked`].
///
/// # Blocking
///
/// Until an object can be taken, at most so long; `None` is for ever.
pub fn wait_any(
    objects: &[WaitObject<'_>],
    timeout: Option<Duration>,
) -> Result<(usize, WaitOutcome)> {
    let mut tickets = tickets(objects)?;
    let taken = run(timeout, &mut tickets, wait::try_any, wait::arm_any);
    Ok(taken.map_or((0, WaitOutcome::TimedOut), |(index, outcome)| (index, outcome.into())))
}

/// Waits until all objects can be taken together, and takes them: the index of the one that is
/// abandoned or lost, or 0, and how it ended.
///
/// Nothing is changed before everything can be. A fence counts as reached from the moment in the
/// wait at which it was.
///
/// # Errors
///
/// As [`wait_any`]; [`crate::ErrorKind::Invalid`] also when an auto-reset event is there twice.
///
/// # Blocking
///
/// As [`wait_any`].
pub fn wait_all(
    objects: &[WaitObject<'_>],
    timeout: Option<Duration>,
) -> Result<(usize, WaitOutcome)> {
    check_distinct(objects)?;
    let mut tickets = tickets(objects)?;
    let taken = run(timeout, &mut tickets, wait::try_all, wait::arm_all);
    Ok(taken.map_or((0, WaitOutcome::TimedOut), |(index, outcome)| (index, outcome.into())))
}

/// Waits for one object.
pub(crate) fn wait_one(ticket: Ticket<'_>, timeout: Option<Duration>) -> WaitOutcome {
    let taken = run(timeout, &mut [ticket], wait::try_any, wait::arm_any);
    taken.map_or(WaitOutcome::TimedOut, |(_, outcome)| outcome.into())
}

/// An auto-reset event cannot be taken twice at once.
fn check_distinct(objects: &[WaitObject<'_>]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (index, object) in objects.iter().enumerate() {
        if let WaitObject::Event(event) = object
            && event.reset_by() == Reset::Auto
            && !seen.insert(event.identity())
        {
            return Err(Cause::WaitedForTwice { index }.into());
        }
    }
    Ok(())
}

fn tickets<'a>(objects: &[WaitObject<'a>]) -> Result<Vec<Ticket<'a>>> {
    if objects.is_empty() {
        return Err(Cause::NothingToWaitFor.into());
    }
    objects.iter().map(|object| object.ticket()).collect()
}

/// Tries, and sleeps in between. The last look comes after the time is over.
fn run<'a>(
    timeout: Option<Duration>,
    tickets: &mut [Ticket<'a>],
    attempt: impl Fn(&mut [Ticket<'a>]) -> Option<(usize, Outcome)>,
    arm: impl Fn(&mut [Ticket<'a>], &mut Vec<Watched<'a>>) -> bool,
) -> Option<(usize, Outcome)> {
    if let Some(taken) = attempt(tickets) {
        return Some(taken);
    }
    let deadline_ns = timeout.map(deadline_ns);
    let mut list = Vec::with_capacity(tickets.len());
    loop {
        let over = deadline_ns.is_some_and(|at| clock::now_ns() >= at);
        let armed = !over && arm(tickets, &mut list);
        if let Some(taken) = attempt(tickets) {
            return Some(taken);
        }
        if over {
            return None;
        }
        if armed {
            sleep(&list, deadline_ns);
        }
    }
}
