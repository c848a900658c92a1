//! An event: signaled or not, reset by hand or by the first who takes it.
//!
//! # The page
//! Word 6 of the header says how the event is reset (0 manual, 1 auto), by the broker, once. Behind
//! the header lies one 64-bit word, which everybody with the right changes by compare-and-swap:
//!
//! | bits | what |
//! | --- | --- |
//! | 0 | a wake is under way |
//! | 1..32 | turn: one more each time the event becomes signaled, is given back, or is bumped |
//! | 32 | signaled |
//! | 33 | somebody sleeps |
//! | 34..64 | manual: how often it became signaled; auto: who has reserved the signal, or 0 |
//!
//! The low half is what one sleeps on. Who has reserved is 13 bits of seat plus one and 17 that
//! tell the reservations of one seat apart.
//!
//! # Why nobody sleeps too long
//! Signal, interest and turn change together. A waiter notes interest and looks; who sets the event
//! sees the interest in the word that he changes, begins a new turn with it, wakes, and takes the
//! interest off only if nothing changed meanwhile. A setter that dies on the way leaves sleepers
//! only, whom the broker sends to look ([`leave`]).
//!
//! # Reservations
//! Waiting for several events at once needs each to stand still while the others are looked at. A
//! reserved signal is still a signal: a set finds it set and changes nothing, a reset takes it
//! away and the reservation with it, and nobody else can take it. See [`wait`](crate::wait).
//!
//! # What is not promised
//! - A signal of an auto-reset event is handed to nobody in particular: of several who are woken
//!   the first to run takes it, and a reset that comes first takes it from all.
//! - Waits for a manual-reset event that began before it was set are told even if it was reset
//!   since, alone or among any; a wait for all needs it signaled at the moment.
//! - A wait overlooks 2^30 sets of a manual event, or 2^31 turns, in the narrowest places.
//! - Who can write the page can lie to everybody, and let them sleep: give every sleep a limit and
//!   look again. No call of this module runs for ever, whatever the page holds.

mod broker;
mod layout;
mod ticket;

use self::layout::{Page, Seen};
use crate::atomic::Ordering;
use crate::page::{LayoutError, LongMemory};
use crate::park::{Park, Watched};
use crate::seat::{SEAT_BITS, Seat};
use crate::turn::{self, Unchanged, WAKING};

pub use self::broker::{Initially, bump, format, leave};
pub use self::layout::{EVENT_LONGS, Reset};
pub use self::ticket::{EventReaderTicket, EventTicket};
pub use crate::fence::set_readers;

/// An event whose page may be written.
#[derive(Debug)]
pub struct Event<M, P> {
    page: Page<M>,
    park: P,
    reset: Reset,
    rank: u64,
}

/// An event whose page may only be read: one looks at it and, if it is a manual-reset event, waits
/// for it. A wait for an auto-reset event would have to write, and never ends here.
///
/// It cannot say that it waits, so the broker counts it ([`set_readers`]), and who sets the event
/// wakes while there is one.
#[derive(Debug)]
pub struct EventReader<M> {
    page: Page<M>,
    reset: Reset,
}

/// The right to take one signal of an auto-reset event, which nobody else can take meanwhile.
///
/// It ends with [`commit`](Event::commit) or [`back_out`](Event::back_out), a
/// [`reset`](Event::reset), or the broker's [`leave`] for its seat.
#[derive(Debug)]
#[must_use = "a reservation that is neither committed nor backed out is in everybody's way"]
pub struct Reservation {
    mark: u32,
}

impl<M: LongMemory, P: Park> Event<M, P> {
    /// Opens an event, shared or private.
    ///
    /// # Errors
    /// [`LayoutError`] if the memory is not an event's.
    pub fn new(memory: M, park: P) -> Result<Self, LayoutError> {
        let (page, reset) = Page::new(memory)?;
        let rank = core::ptr::from_ref(page.word()).addr() as u64;
        Ok(Self { page, park, reset, rank })
    }

    /// The same with another place in the order in which a wait for all reserves; at first it is
    /// the word's address. Processes that agree on the order get in each other's way less.
    #[must_use]
    pub fn ranked(self, rank: u64) -> Self {
        Self { rank, ..self }
    }

    /// What makes the event unsignaled again.
    pub const fn reset_by(&self) -> Reset {
        self.reset
    }

    /// Makes the event signaled and wakes who waits. Whether it was signaled before: then nothing
    /// changes.
    pub fn set(&self) -> bool {
        let set = turn::change(self.page.word(), |word| {
            let seen = Seen::of(word);
            let mark = match self.reset {
                Reset::Manual => seen.mark().wrapping_add(1),
                Reset::Auto => 0,
            };
            (!seen.is_signaled()).then(|| Self::turned(seen.signaled().with_mark(mark)).word())
        });
        match set {
            Ok((_, after)) => self.wake(after),
            Err(Unchanged::Refused) => return true,
            Err(Unchanged::Raced) => {
                let signaled = turn::join(0, Seen::of(0).signaled().high());
                self.page.word().fetch_or(signaled, Ordering::SeqCst);
                self.park.wake_all(self.page.place());
            }
        }
        false
    }

    /// Makes the event unsignaled. Whether it was signaled before. A reservation of it ends.
    pub fn reset(&self) -> bool {
        let reset = turn::change(self.page.word(), |word| {
            let seen = Seen::of(word);
            seen.is_signaled().then(|| self.taken(seen).word())
        });
        match reset {
            Ok(_) => true,
            Err(Unchanged::Refused) => false,
            Err(Unchanged::Raced) => {
                let signaled = turn::join(0, Seen::of(0).signaled().high());
                let before = self.page.word().fetch_and(!signaled, Ordering::SeqCst);
                Seen::of(before).is_signaled()
            }
        }
    }

    /// Whether the event is signaled, be it reserved or not.
    pub fn is_signaled(&self) -> bool {
        self.page.seen().is_signaled()
    }

    /// Passes the event if it is signaled. A signal of an auto-reset event is used up by this; one
    /// that somebody has reserved cannot be taken.
    pub fn try_take(&self) -> bool {
        match self.reset {
            Reset::Manual => self.is_signaled(),
            Reset::Auto => {
                let free = |seen: &Seen| seen.is_signaled() && seen.mark() == 0;
                let take = |seen| Some(Seen::of(seen)).filter(free).map(|it| self.taken(it).word());
                turn::change(self.page.word(), take).is_ok()
            }
        }
    }

    /// Makes setters wake who sleeps on what this gives. `None` if too much changed meanwhile.
    ///
    /// Look once more between this and the sleep.
    pub fn arm(&self) -> Option<Watched<'_>> {
        let mut expected = 0;
        let armed = turn::change(self.page.word(), |word| {
            let seen = Seen::of(word);
            expected = seen.low & !WAKING;
            // A wake under way ends in taking interest off, which this change prevents.
            let covered = seen.low == expected && seen.has_interest();
            (!covered).then(|| seen.with_low(expected).with_interest().word())
        });
        (armed != Err(Unchanged::Raced)).then(|| Watched { word: self.page.place(), expected })
    }

    /// Reserves a signal of an auto-reset event. `None` if there is none, or somebody has it.
    pub fn reserve(&self, seat: &Seat) -> Option<Reservation> {
        if self.reset != Reset::Auto {
            return None;
        }
        let mark = seat.next_reservation() << SEAT_BITS | (seat.number() + 1);
        let reserved = turn::change(self.page.word(), |word| {
            let seen = Seen::of(word);
            (seen.is_signaled() && seen.mark() == 0).then(|| seen.with_mark(mark).word())
        });
        reserved.ok().map(|_| Reservation { mark })
    }

    /// Whether a reservation stands.
    pub fn holds(&self, reservation: &Reservation) -> bool {
        let seen = self.page.seen();
        seen.is_signaled() && seen.mark() == reservation.mark
    }

    /// Takes the signal that was reserved. Whether it was still there: it is not after a reset.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation ends once")]
    pub fn commit(&self, reservation: Reservation) -> bool {
        let held = |seen: &Seen| seen.is_signaled() && seen.mark() == reservation.mark;
        let take = |word| Some(Seen::of(word)).filter(held).map(|it| self.taken(it).word());
        turn::change(self.page.word(), take).is_ok()
    }

    /// Gives the signal back that was reserved and wakes who could not take it.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation ends once")]
    pub fn back_out(&self, reservation: Reservation) {
        let held = |seen: &Seen| seen.is_signaled() && seen.mark() == reservation.mark;
        let back = |seen: Seen| Self::turned(seen.with_mark(0)).word();
        let give = |word| Some(Seen::of(word)).filter(held).map(back);
        if let Ok((_, after)) = turn::change(self.page.word(), give) {
            self.wake(after);
        }
    }

    /// Sends every sleeper back to look again, because the event has moved out of this page.
    ///
    /// The mover keeps everybody from changing it, makes the new page signaled or not as the old
    /// one is, lets others find it, and retires the old one last. Who waits finds out which page it
    /// is after each [`arm`](Self::arm), and goes on with [`EventTicket::follow`].
    pub fn retire(&self) {
        turn::bump(self.page.word(), &self.park);
    }

    /// Begins a wait: the ticket remembers a signal of a manual-reset event that is reset again.
    pub fn begin_wait<'a>(&'a self, seat: &'a Seat) -> EventTicket<'a, M, P> {
        EventTicket::new(self, seat)
    }

    /// Without the signal, and without who held it.
    fn taken(&self, seen: Seen) -> Seen {
        match self.reset {
            Reset::Manual => seen.unsignaled(),
            Reset::Auto => seen.unsignaled().with_mark(0),
        }
    }

    /// In its next turn, about to wake if somebody sleeps.
    fn turned(seen: Seen) -> Seen {
        let waking = if seen.has_interest() { WAKING } else { 0 };
        seen.with_low(turn::next(seen.low) | waking)
    }

    /// Wakes who sleeps, after a change to this word.
    fn wake(&self, word: u64) {
        let seen = Seen::of(word);
        if seen.has_interest() {
            turn::wake(self.page.word(), word, seen.without_interest().high(), &self.park);
        } else if self.page.readers() > 0 {
            self.park.wake_all(self.page.place());
        }
    }
}

impl<M: LongMemory> EventReader<M> {
    /// Opens an event.
    ///
    /// # Errors
    /// [`LayoutError`] if the memory is not an event's.
    pub fn new(memory: M) -> Result<Self, LayoutError> {
        let (page, reset) = Page::new(memory)?;
        Ok(Self { page, reset })
    }

    /// Whether the event is signaled.
    pub fn is_signaled(&self) -> bool {
        self.page.seen().is_signaled()
    }

    /// What to sleep on. Look once more between this and the sleep.
    pub fn arm(&self) -> Watched<'_> {
        Watched { word: self.page.place(), expected: self.page.seen().low }
    }

    /// Begins a wait: the ticket remembers a signal that is reset again.
    pub fn begin_wait(&self) -> EventReaderTicket<'_, M> {
        EventReaderTicket::new(self)
    }
}
