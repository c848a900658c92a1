//! A client's place at the page of a fence or an event.

use crate::atomic::{AtomicU32, Ordering};

/// Seats of a page, one for each client that has the object open.
pub const SEATS_MAX: u32 = 4096;

/// Bits of a seat's number plus one.
pub(crate) const SEAT_BITS: u32 = 13;
/// Bits of what tells reservations of one seat apart.
pub(crate) const SERIAL_BITS: u32 = 17;

const _: () = assert!(SEATS_MAX < 1 << SEAT_BITS);

/// A client's place at one page, as the broker numbered it: by the number it knows what to undo
/// when the client has gone.
///
/// A process has one for each page, which all its threads use: its reservations are told apart by
/// what is counted here.
#[derive(Debug)]
pub struct Seat {
    number: u32,
    /// 1 when the page says that this seat signals.
    announced: AtomicU32,
    reservations: AtomicU32,
}

impl Seat {
    /// The seat with this number; `None` from [`SEATS_MAX`] on.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        (number < SEATS_MAX).then(|| Self {
            number,
            announced: AtomicU32::new(0),
            reservations: AtomicU32::new(0),
        })
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.announced.load(Ordering::Acquire) != 0
    }

    pub(crate) fn set_announced(&self) {
        self.announced.store(1, Ordering::Release);
    }

    /// A number for the next reservation, other than those of the 131,071 before.
    pub(crate) fn next_reservation(&self) -> u32 {
        self.reservations.fetch_add(1, Ordering::Relaxed) & ((1 << SERIAL_BITS) - 1)
    }
}
