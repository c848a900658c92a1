//! Waiting for any or all of several objects, in steps: who calls has the clock and sleeps.
//!
//! Wait for any: [`try_any`]; if it gives nothing, [`arm_any`], `try_any` once more, sleep, and
//! again. Wait for all: the same with [`try_all`] and [`arm_all`].
//!
//! # All at once
//! The objects lie in different pages, so that no single change can take them together. Fences need
//! no care: what a ticket saw stays so. [`try_all`] notes that the manual events are signaled and
//! how often they were set, and reserves the auto-reset ones in the order of their rank; then it
//! looks again whether no manual event has changed and all reservations stand. If so, between the
//! two rounds there was a moment at which every object could be taken, and by nobody else: it takes
//! them. Else it gives everything back.
//!
//! Nobody waits while holding a reservation, so nobody can stop the others but by dying or being
//! stopped right there; the broker gives back what the dead had reserved.
//!
//! # What is not promised
//! - Taking is one step for each object. In between, an observer may find one taken and another
//!   still signaled (though he cannot take it); a set of that other is absorbed, as it would be had
//!   it come just before. A reset in between says that it took a signal, which the wait took.
//! - Who looks at an event that a wait for all has reserved cannot take it, though that wait may
//!   yet give it back. Sleepers are woken then; who only tried has failed.
//! - A process that dies between two steps has taken only some.
//! - The same auto-reset event twice in one wait for all is never taken: refuse it before.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::fence::{Look, Wait, WaitFor};
use crate::park::Watched;

/// How a wait has ended. That its time passed is the caller's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What was waited for has happened.
    Signaled,
    /// Nobody is left who could make it happen, or the owner died.
    Abandoned,
    /// The object, or what was known of it, is lost.
    Lost,
}

/// One object of a wait. `'a` is how long what it sleeps on lives.
///
/// What is not said otherwise is so for an object that stays reached once it has been, as a ticket
/// of a fence: taking it changes nothing, and nobody can take it from under a wait.
pub trait Waitable<'a> {
    /// Its place in the order of reserving; `None` if taking it changes nothing for others.
    fn rank(&self) -> Option<u64> {
        None
    }

    /// How the wait could end now, as far as this object is concerned. Changes nothing.
    fn peek(&mut self) -> Option<Outcome>;

    /// Whether it can be taken now and for ever, so that nobody need wait for it any more.
    fn is_settled(&mut self) -> bool {
        self.peek() == Some(Outcome::Signaled)
    }

    /// Takes the object, if it can be taken.
    fn try_take(&mut self) -> Option<Outcome> {
        self.peek()
    }

    /// Reserves the object, or notes that it can be taken and for how long that has been so.
    fn reserve(&mut self) -> bool {
        self.peek() == Some(Outcome::Signaled)
    }

    /// Whether nothing has ended the reservation, or what was noted, since.
    fn holds(&mut self) -> bool {
        true
    }

    /// Takes what was reserved.
    fn commit(&mut self) {}

    /// Gives back what was reserved, if anything.
    fn back_out(&mut self) {}

    /// Makes whoever changes the object wake who sleeps on what this gives. `None`: look again.
    fn arm(&mut self) -> Option<Watched<'a>>;
}

/// A ticket of one wait for one value of a fence, with its fence.
#[derive(Debug)]
pub struct FenceTicket<'a, F> {
    fence: &'a F,
    wait: Wait,
}

impl<'a, F: WaitFor> FenceTicket<'a, F> {
    /// Begins a wait for the value.
    pub fn new(fence: &'a F, target: u64) -> Self {
        Self { fence, wait: fence.begin_wait(target) }
    }

    /// Goes on with a wait that was begun before.
    pub const fn resume(fence: &'a F, wait: Wait) -> Self {
        Self { fence, wait }
    }

    /// The wait alone, to go on with elsewhere.
    pub fn into_wait(self) -> Wait {
        self.wait
    }
}

impl<'a, F: WaitFor> Waitable<'a> for FenceTicket<'a, F> {
    fn peek(&mut self) -> Option<Outcome> {
        match self.fence.look(&mut self.wait) {
            Look::Reached => Some(Outcome::Signaled),
            Look::Abandoned => Some(Outcome::Abandoned),
            Look::Lost => Some(Outcome::Lost),
            Look::Waiting => None,
        }
    }

    fn arm(&mut self) -> Option<Watched<'a>> {
        self.fence.arm(&mut self.wait)
    }
}

impl<'a, W: Waitable<'a> + ?Sized> Waitable<'a> for Box<W> {
    fn rank(&self) -> Option<u64> {
        (**self).rank()
    }

    fn peek(&mut self) -> Option<Outcome> {
        (**self).peek()
    }

    fn is_settled(&mut self) -> bool {
        (**self).is_settled()
    }

    fn try_take(&mut self) -> Option<Outcome> {
        (**self).try_take()
    }

    fn reserve(&mut self) -> bool {
        (**self).reserve()
    }

    fn holds(&mut self) -> bool {
        (**self).holds()
    }

    fn commit(&mut self) {
        (**self).commit();
    }

    fn back_out(&mut self) {
        (**self).back_out();
    }

    fn arm(&mut self) -> Option<Watched<'a>> {
        (**self).arm()
    }
}

/// Takes the first object that can be taken; its index. The others are not touched.
pub fn try_any<'a, W: Waitable<'a>>(objects: &mut [W]) -> Option<(usize, Outcome)> {
    let mut objects = objects.iter_mut().enumerate();
    objects.find_map(|(index, object)| Some((index, object.try_take()?)))
}

/// Takes all objects together if all can be taken, else none.
///
/// A wait for all also ends when one object is abandoned or lost: that one's index comes with the
/// outcome, and nothing is taken. The index of [`Outcome::Signaled`] is 0.
pub fn try_all<'a, W: Waitable<'a>>(objects: &mut [W]) -> Option<(usize, Outcome)> {
    let mut ready = true;
    for (index, object) in objects.iter_mut().enumerate() {
        match object.peek() {
            Some(Outcome::Signaled) => {}
            Some(end @ (Outcome::Abandoned | Outcome::Lost)) => return Some((index, end)),
            None => ready = false,
        }
    }
    // Nobody reserves before everything looked takeable: two waits that gave back to each other
    // what neither can use would keep each other awake.
    if !ready {
        return None;
    }
    let mut order: Vec<&mut W> = objects.iter_mut().collect();
    order.sort_by_key(|object| object.rank());
    let reserved = order.iter_mut().all(|object| object.reserve());
    if reserved && order.iter_mut().all(|object| object.holds()) {
        order.iter_mut().for_each(|object| object.commit());
        return Some((0, Outcome::Signaled));
    }
    order.iter_mut().for_each(|object| object.back_out());
    None
}

/// Lists what to sleep on until one of the objects may be taken. `false`: look again instead.
///
/// Call [`try_any`] between this and the sleep. Longer lists than one sleep can take are the
/// caller's to split.
pub fn arm_any<'a, W: Waitable<'a>>(objects: &mut [W], list: &mut Vec<Watched<'a>>) -> bool {
    list.clear();
    for object in objects {
        let Some(watched) = object.arm() else { return false };
        list.push(watched);
    }
    !list.is_empty()
}

/// Lists what to sleep on until all objects may be taken. `false`: look again instead.
///
/// What can be taken now is in the list too, unless it stays so: it may be gone when the others
/// are looked at, and its coming back must wake. Call [`try_all`] between this and the sleep.
pub fn arm_all<'a, W: Waitable<'a>>(objects: &mut [W], list: &mut Vec<Watched<'a>>) -> bool {
    list.clear();
    for object in objects {
        if object.is_settled() {
            continue;
        }
        let Some(watched) = object.arm() else { return false };
        list.push(watched);
    }
    !list.is_empty()
}
