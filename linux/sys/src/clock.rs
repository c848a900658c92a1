//! The one clock: CLOCK_MONOTONIC in nanoseconds.

use rustix::io::Errno;
use rustix::thread::{ClockId as SleepClock, clock_nanosleep_absolute};
use rustix::time::{ClockId, Nsecs, Timespec, clock_gettime};

const NS_PER_SECOND: u64 = 1_000_000_000;

/// The time now in nanoseconds of CLOCK_MONOTONIC, the same in all processes of this boot.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(NS_PER_SECOND).saturating_add(rest)
}

/// Sleeps until the given time of [`now_ns`]; a time that has passed returns at once.
///
/// # Blocking
/// Until `deadline_ns`; signals do not end it.
pub fn sleep_until_ns(deadline_ns: u64) {
    let deadline = timespec(deadline_ns);
    while clock_nanosleep_absolute(SleepClock::Monotonic, &deadline) == Err(Errno::INTR) {}
}

/// A duration or a time as the kernel takes it.
pub(crate) fn timespec(ns: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(ns / NS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: Nsecs::try_from(ns % NS_PER_SECOND).unwrap_or(0),
    }
}

/// A time limit that is fixed once and asked again after each interruption.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<u64>);

impl Deadline {
    pub(crate) fn after(timeout_ns: Option<u64>) -> Self {
        Self(timeout_ns.map(|timeout| now_ns().saturating_add(timeout)))
    }

    /// What is left of it, `None` for no limit.
    pub(crate) fn left(self) -> Option<Timespec> {
        self.0.map(|deadline| timespec(deadline.saturating_sub(now_ns())))
    }

    /// The time itself, for calls that take an absolute one.
    pub(crate) fn at(self) -> Option<Timespec> {
        self.0.map(timespec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_never_ends_before_its_deadline() {
        let deadline = now_ns() + 2_000_000;
        sleep_until_ns(deadline);
        assert!(now_ns() >= deadline);
    }

    #[test]
    fn a_deadline_in_the_past_returns_at_once() {
        sleep_until_ns(0);
    }

    #[test]
    fn the_longest_duration_is_a_valid_time() {
        let longest = timespec(u64::MAX);
        assert!(longest.tv_sec > 0 && longest.tv_nsec < 1_000_000_000);
    }
}
