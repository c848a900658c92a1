//! A moment that a poller hears.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use crate::clock::timespec;
use crate::error::{Error, Result};

/// A descriptor that becomes readable once, so long after it was set, and is then set again.
///
/// It is for what is due now and then while a poller is busy: a limit on each wait would cost a
/// timer and a look at the clock each time.
///
/// # Ownership
/// Dropping it closes the descriptor.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// Makes one that is not set.
    ///
    /// # Errors
    /// The descriptor limit and ENOMEM.
    pub fn new() -> Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        timerfd_create(TimerfdClockId::Monotonic, flags)
            .map(Self)
            .map_err(Error::of("timerfd_create"))
    }

    /// Has it become readable once, so long from now; what it was set to before is forgotten.
    ///
    /// # Errors
    /// None.
    pub fn set(&self, after_ns: u64) -> Result<()> {
        // Zero would unset it.
        let it_value = timespec(after_ns.max(1));
        let once = Itimerspec { it_interval: timespec(0), it_value };
        timerfd_settime(self, TimerfdTimerFlags::empty(), &once)
            .map(drop)
            .map_err(Error::of("timerfd_settime"))
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::PollFlags;

    use super::*;
    use crate::poll::poll_one;

    #[test]
    fn it_is_readable_when_the_time_has_come_and_silent_when_it_is_set_again() {
        let timer = Timer::new().unwrap();
        let is_due =
            |timeout_ns| !poll_one(timer.as_fd(), PollFlags::IN, timeout_ns).unwrap().is_empty();
        assert!(!is_due(Some(0)));
        timer.set(1).unwrap();
        assert!(is_due(None));
        timer.set(3_600_000_000_000).unwrap();
        assert!(!is_due(Some(0)));
        timer.set(0).unwrap();
        assert!(is_due(None));
    }
}
