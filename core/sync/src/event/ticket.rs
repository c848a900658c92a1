//! One wait's view of an event, alone or among others.

use super::layout::{Page, Reset, Seen};
use super::{Event, EventReader, Reservation};
use crate::page::{LongMemory, State};
use crate::park::{Park, Watched};
use crate::seat::Seat;
use crate::wait::{Outcome, Waitable};

/// A ticket of one wait for one event.
#[derive(Debug)]
pub struct EventTicket<'a, M, P> {
    event: &'a Event<M, P>,
    seat: &'a Seat,
    passed: Passed,
    reservation: Option<Reservation>,
}

/// A ticket of one wait for one manual-reset event that can only be read.
#[derive(Debug)]
pub struct EventReaderTicket<'a, M> {
    event: &'a EventReader<M>,
    passed: Passed,
}

/// What a wait for a manual-reset event remembers: that it was set, even if it was reset since.
#[derive(Debug)]
struct Passed {
    /// How often the event had been set when the wait began.
    sets_before: u32,
    passed: bool,
    /// How often it had been set when it was last found signaled among others.
    sets_noted: Option<u32>,
}

impl Passed {
    const fn begin(seen: Seen) -> Self {
        Self { sets_before: seen.mark(), passed: seen.is_signaled(), sets_noted: None }
    }

    const fn look(&mut self, seen: Seen) -> bool {
        self.passed |= seen.is_signaled() || seen.mark() != self.sets_before;
        self.passed
    }

    fn note(&mut self, seen: Seen) -> bool {
        self.sets_noted = seen.is_signaled().then_some(seen.mark());
        self.sets_noted.is_some()
    }

    /// Whether it has been signaled all the time since it was noted.
    fn holds(&self, seen: Seen) -> bool {
        seen.is_signaled() && self.sets_noted == Some(seen.mark())
    }
}

impl<'a, M: LongMemory, P: Park> EventTicket<'a, M, P> {
    pub(super) fn new(event: &'a Event<M, P>, seat: &'a Seat) -> Self {
        let passed = Passed::begin(event.page.seen());
        Self { event, seat, passed, reservation: None }
    }

    /// Goes on where the event has moved to, after its page was [retired](Event::retire). A set of
    /// a manual-reset event in the old page counts, and all in the new one.
    pub fn follow<'b, N: LongMemory, Q: Park>(
        mut self,
        new: &'b Event<N, Q>,
        seat: &'b Seat,
    ) -> EventTicket<'b, N, Q> {
        let passed = !self.is_auto() && self.passed.look(self.event.page.seen());
        let passed = Passed { sets_before: 0, passed, sets_noted: None };
        EventTicket { event: new, seat, passed, reservation: None }
    }

    fn is_auto(&self) -> bool {
        self.event.reset == Reset::Auto
    }
}

impl<'a, M: LongMemory> EventReaderTicket<'a, M> {
    pub(super) fn new(event: &'a EventReader<M>) -> Self {
        Self { event, passed: Passed::begin(event.page.seen()) }
    }

    /// Whether looking is all that a wait takes.
    fn is_manual(&self) -> bool {
        self.event.reset == Reset::Manual
    }
}

impl<'a, M: LongMemory, P: Park> Waitable<'a> for EventTicket<'a, M, P> {
    fn rank(&self) -> Option<u64> {
        self.is_auto().then_some(self.event.rank)
    }

    fn peek(&mut self) -> Option<Outcome> {
        outcome(&self.event.page, |seen| {
            seen.is_signaled() && !(self.is_auto() && seen.mark() != 0)
        })
    }

    fn is_settled(&mut self) -> bool {
        false
    }

    fn try_take(&mut self) -> Option<Outcome> {
        outcome(&self.event.page, |seen| match self.event.reset {
            Reset::Manual => self.passed.look(seen),
            Reset::Auto => self.event.try_take(),
        })
    }

    fn reserve(&mut self) -> bool {
        if !self.is_auto() {
            return self.passed.note(self.event.page.seen());
        }
        self.reservation = self.event.reserve(self.seat);
        self.reservation.is_some()
    }

    fn holds(&mut self) -> bool {
        match &self.reservation {
            Some(reservation) => self.event.holds(reservation),
            None => self.passed.holds(self.event.page.seen()),
        }
    }

    fn commit(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            // Whoever reset the event since it was last found held, did so after it was taken.
            self.event.commit(reservation);
        }
    }

    fn back_out(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.event.back_out(reservation);
        }
    }

    fn arm(&mut self) -> Option<Watched<'a>> {
        self.event.arm()
    }
}

impl<'a, M: LongMemory> Waitable<'a> for EventReaderTicket<'a, M> {
    fn peek(&mut self) -> Option<Outcome> {
        let manual = self.is_manual();
        outcome(&self.event.page, |seen| manual && seen.is_signaled())
    }

    fn is_settled(&mut self) -> bool {
        false
    }

    fn try_take(&mut self) -> Option<Outcome> {
        let manual = self.is_manual();
        outcome(&self.event.page, |seen| manual && self.passed.look(seen))
    }

    fn reserve(&mut self) -> bool {
        self.is_manual() && self.passed.note(self.event.page.seen())
    }

    fn holds(&mut self) -> bool {
        self.passed.holds(self.event.page.seen())
    }

    fn arm(&mut self) -> Option<Watched<'a>> {
        Some(self.event.arm())
    }
}

/// What a page says: a signal, if `take` finds one, wins over a stamp of the broker's.
fn outcome<M: LongMemory>(page: &Page<M>, mut take: impl FnMut(Seen) -> bool) -> Option<Outcome> {
    if take(page.seen()) {
        return Some(Outcome::Signaled);
    }
    match page.state() {
        // What was signaled before the stamp came first.
        State::Lost | State::Gone if take(page.seen()) => Some(Outcome::Signaled),
        State::Lost | State::Gone => Some(Outcome::Lost),
        State::Live | State::Ended => None,
    }
}
