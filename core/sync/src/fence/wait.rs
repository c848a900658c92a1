//! Waiting for a value: the ticket, what it says, and what to sleep on.

use super::layout::{ORPHAN_ABANDONED, ORPHAN_LIVE, PEAKS, Page};
use super::{Fence, FenceReader, hint};
use crate::atomic::Ordering;
use crate::page::{LongMemory, State};
use crate::park::{Park, Watched, low_half};
use crate::turn::{self, WAKING};

/// How many races one registration may lose; its caller then looks again.
const RACES_MAX: u32 = 64;

/// What a look at a fence brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The value was reached since the wait began. It stays so, whatever the value is now.
    Reached,
    /// Not reached, and everybody who signalled has left. A signal may still come.
    Abandoned,
    /// Not reached, and the last signaller has died, or more was rewound than the page remembers.
    Lost,
    /// Not reached yet.
    Waiting,
}

/// A ticket of one wait for one value of one fence.
#[derive(Debug, Clone)]
pub struct Wait {
    target: u64,
    reached: bool,
    lost: bool,
    /// Every rewind before this one is of no interest.
    head: u64,
    lapped: u64,
}

/// A fence that can be waited for: [`Fence`] or [`FenceReader`].
///
/// The order is: [`begin_wait`](Self::begin_wait), [`look`](Self::look), and while it says
/// [`Waiting`](Look::Waiting): [`arm`](Self::arm), look once more, sleep on what `arm` gave, look.
pub trait WaitFor {
    /// The value now.
    fn value(&self) -> u64;

    /// Begins a wait: from now on no value that the fence has escapes the ticket.
    fn begin_wait(&self, target: u64) -> Wait;

    /// Looks whether the wait is over.
    fn look(&self, wait: &mut Wait) -> Look;

    /// Makes signallers wake who sleeps on what this gives. `None` if something changed, or the
    /// ticket is over: look again.
    ///
    /// Looking once more between this and the sleep is not optional.
    fn arm(&self, wait: &mut Wait) -> Option<Watched<'_>>;
}

impl Wait {
    /// The value that is waited for.
    #[must_use]
    pub const fn target(&self) -> u64 {
        self.target
    }

    /// Takes the ticket along from a page that was [retired](Fence::retire): looks there a last
    /// time, then it is a ticket of the page to which the fence has moved.
    ///
    /// That page must have been made for the move: everything that happened in it counts.
    pub fn follow(&mut self, old: &impl WaitFor) {
        self.lost |= old.look(self) == Look::Lost;
        (self.head, self.lapped) = (0, 0);
    }
}

impl<M: LongMemory, P: Park> WaitFor for Fence<M, P> {
    fn value(&self) -> u64 {
        self.page.value().load(Ordering::SeqCst)
    }

    fn begin_wait(&self, target: u64) -> Wait {
        self.page.begin_wait(target)
    }

    fn look(&self, wait: &mut Wait) -> Look {
        self.page.look(wait)
    }

    fn arm(&self, wait: &mut Wait) -> Option<Watched<'_>> {
        if wait.reached {
            return None;
        }
        let word = self.page.word();
        let wanted = hint::of(wait.target);
        let mut seen = word.load(Ordering::SeqCst);
        for _ in 0..RACES_MAX {
            let (low, hint) = (low_half(seen), turn::high_half(seen));
            let expected = low & !WAKING;
            // A wake under way ends in taking the hint off, which this change prevents.
            if low == expected && hint <= wanted {
                return Some(Watched { word: self.page.place(), expected });
            }
            let armed = turn::join(expected, hint.min(wanted));
            match word.compare_exchange(seen, armed, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(Watched { word: self.page.place(), expected }),
                Err(now) => seen = now,
            }
        }
        None
    }
}

impl<M: LongMemory> WaitFor for FenceReader<M> {
    fn value(&self) -> u64 {
        self.page.value().load(Ordering::SeqCst)
    }

    fn begin_wait(&self, target: u64) -> Wait {
        self.page.begin_wait(target)
    }

    fn look(&self, wait: &mut Wait) -> Look {
        self.page.look(wait)
    }

    fn arm(&self, wait: &mut Wait) -> Option<Watched<'_>> {
        let place = self.page.place();
        (!wait.reached).then(|| Watched { word: place, expected: place.load(Ordering::SeqCst) })
    }
}

impl<M: LongMemory> Page<M> {
    fn begin_wait(&self, target: u64) -> Wait {
        let reached = self.value().load(Ordering::SeqCst) >= target;
        let mut wait = Wait { target, reached, lost: false, head: 0, lapped: 0 };
        if !reached {
            // In this order: who spoils a peak that is written after the second load is counted
            // after the first.
            wait.lapped = self.lapped().load(Ordering::SeqCst);
            wait.head = self.head().load(Ordering::SeqCst);
        }
        wait
    }

    fn look(&self, wait: &mut Wait) -> Look {
        if self.reached(wait) {
            return Look::Reached;
        }
        let end = self.end(wait);
        // What was signalled before the end came first: it may have come since the first look.
        if end != Look::Waiting && self.reached(wait) { Look::Reached } else { end }
    }

    fn reached(&self, wait: &mut Wait) -> bool {
        // The value comes first: who lowers it has written the peak before.
        wait.reached =
            wait.reached || self.value().load(Ordering::SeqCst) >= wait.target || self.peaked(wait);
        wait.reached
    }

    /// What there is to say about a wait whose target is not reached.
    fn end(&self, wait: &Wait) -> Look {
        if wait.lost || self.forgot(wait) || matches!(self.state(), State::Lost | State::Gone) {
            return Look::Lost;
        }
        match self.orphan().load(Ordering::SeqCst) {
            ORPHAN_LIVE => Look::Waiting,
            ORPHAN_ABANDONED => Look::Abandoned,
            _ => Look::Lost,
        }
    }

    /// Whether a rewind since the wait began lowered a value that was enough. Those at the
    /// beginning which did not are not looked at again.
    fn peaked(&self, wait: &mut Wait) -> bool {
        let head = self.head().load(Ordering::SeqCst);
        let unread = head.wrapping_sub(wait.head).min(PEAKS);
        for back in (1..=unread).rev() {
            let index = head.wrapping_sub(back);
            match self.load_peak(index) {
                Some(peak) if peak >= wait.target => return true,
                Some(_) if index == wait.head => wait.head = index.wrapping_add(1),
                // Not written yet: the value is not lowered on its account.
                Some(_) | None => {}
            }
        }
        false
    }

    /// Whether peaks of interest may have been overwritten before they were looked at.
    fn forgot(&self, wait: &Wait) -> bool {
        let unread = self.head().load(Ordering::SeqCst).wrapping_sub(wait.head);
        unread > PEAKS || (unread > 0 && self.lapped().load(Ordering::SeqCst) != wait.lapped)
    }
}
