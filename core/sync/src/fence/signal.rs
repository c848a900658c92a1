//! Changing the value and waking who sleeps for it.

use super::layout::{ORPHAN_LIVE, PEAKS};
use super::{Fence, hint};
use crate::atomic::Ordering;
use crate::page::LongMemory;
use crate::park::{Park, low_half};
use crate::seat::Seat;
use crate::turn::{self, RACES_MAX, Unchanged, WAKING};

/// How often one rewind may find that the ring went round under it.
const LAPS_MAX: u32 = 8;

/// What a signal did to the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Kept,
    Rewound,
}

impl<M: LongMemory, P: Park> Fence<M, P> {
    /// Sets the value, any value, and wakes who sleeps for it.
    ///
    /// The first signal through a seat makes it one of the fence's signallers, whose leaving counts
    /// (see [`leave`](super::leave)), and ends a state of abandonment. A private fence has no
    /// seats, and ignores the one that is given.
    ///
    /// With nobody waiting this is a load, a compare-and-swap and two loads.
    pub fn signal(&self, seat: Option<&Seat>, value: u64) {
        if let Some(seat) = seat {
            self.announce(seat);
        }
        let change = self.change(value);
        self.wake_if_due(change, hint::of(value));
    }

    /// Sends every sleeper back to look again, because the fence has moved out of this page.
    ///
    /// The mover keeps signallers away, copies the value into the new page, lets others find that
    /// page, and retires the old one last. Who waits finds out which page it is after each
    /// [`arm`](super::WaitFor::arm), and goes on with [`Wait::follow`](super::Wait::follow).
    pub fn retire(&self) {
        turn::bump(self.page.word(), &self.park);
    }

    /// Says in the page that this seat signals, before the first change of the value.
    fn announce(&self, seat: &Seat) {
        if seat.is_announced() {
            return;
        }
        let Some((long, bit)) = self.page.seat(seat.number()) else { return };
        // Pairs with the broker's second look at the seats in `leave`: it sees the bit, or we see
        // what it made of the fence.
        long.fetch_or(bit, Ordering::SeqCst);
        if self.page.orphan().load(Ordering::SeqCst) != ORPHAN_LIVE {
            self.page.orphan().store(ORPHAN_LIVE, Ordering::SeqCst);
        }
        seat.set_announced();
    }

    fn change(&self, value: u64) -> Change {
        let place = self.page.value();
        let mut seen = place.load(Ordering::SeqCst);
        for _ in 0..RACES_MAX {
            let change = if value < seen { Change::Rewound } else { Change::Kept };
            if change == Change::Rewound {
                self.log_peak(seen);
            }
            match place.compare_exchange(seen, value, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return change,
                Err(now) => seen = now,
            }
        }
        let before = place.swap(value, Ordering::SeqCst);
        self.log_peak(before);
        Change::Rewound
    }

    /// Writes down the value that is about to be lowered.
    fn log_peak(&self, peak: u64) {
        let head = self.page.head();
        for _ in 0..LAPS_MAX {
            let index = head.fetch_add(1, Ordering::SeqCst);
            self.page.store_peak(index, peak);
            if head.load(Ordering::SeqCst).wrapping_sub(index) <= PEAKS {
                return;
            }
            // Others had the place meanwhile, and this may have spoilt what they wrote.
            self.page.lapped().fetch_add(1, Ordering::SeqCst);
            turn::bump(self.page.word(), &self.park);
        }
    }

    fn wake_if_due(&self, change: Change, reached: u32) {
        let word = self.page.word();
        let due = |hint| match change {
            Change::Kept => reached >= hint,
            Change::Rewound => hint != hint::NONE,
        };
        let begun = turn::change(word, |seen| {
            let hint = turn::high_half(seen);
            let waking = turn::join(turn::next(low_half(seen)) | WAKING, hint);
            (due(hint) || self.page.readers() > 0).then_some(waking)
        });
        match begun {
            Ok((_, waking)) => turn::wake(word, waking, hint::NONE, &self.park),
            Err(Unchanged::Refused) => {}
            Err(Unchanged::Raced) => self.park.wake_all(self.page.place()),
        }
    }
}
