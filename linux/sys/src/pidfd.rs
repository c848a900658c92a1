//! Processes as descriptors, which never name another process after theirs has ended.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, Result};
use crate::poll::poll_one;

/// Opens the process that has this number now.
///
/// # Errors
/// ESRCH (no such process), EINVAL (not a number of a process), and the descriptor limit.
///
/// # Ownership
/// The descriptor is the caller's.
pub fn open(pid: i32) -> Result<OwnedFd> {
    let process = (pid > 0).then(|| Pid::from_raw(pid)).flatten();
    let process = process.ok_or(Error::new("pidfd_open", Errno::INVAL))?;
    pidfd_open(process, PidfdFlags::empty()).map_err(Error::of("pidfd_open"))
}

/// Whether the process has ended, be it reaped or not.
///
/// # Blocking
/// Never.
#[must_use]
pub fn has_exited(process: BorrowedFd<'_>) -> bool {
    poll_one(process, PollFlags::IN, Some(0)).is_ok_and(|events| events.intersects(PollFlags::IN))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_living_process_has_not_exited() {
        let own = open(std::process::id().cast_signed()).unwrap();
        assert!(!has_exited(own.as_fd()));
    }

    #[test]
    fn numbers_of_no_process_are_refused() {
        for pid in [0, -1, i32::MIN] {
            assert_eq!(open(pid).unwrap_err().errno(), Errno::INVAL);
        }
        assert_eq!(open(i32::MAX).unwrap_err().errno(), Errno::SRCH);
    }
}
