//! Processes as descriptors, which never name another process after theirs has ended.

use std::fs;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

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

/// The number, in our pid namespace, of the process that a descriptor from anywhere is of; `None`
/// if it is no pidfd, or its process has been reaped or has no number here.
///
/// # Blocking
/// Never, whatever the candidate is: the kernel tells it by itself.
#[must_use]
pub fn pid_of(candidate: BorrowedFd<'_>) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", candidate.as_raw_fd())).ok()?;
    pid_in(&text)
}

fn pid_in(text: &str) -> Option<i32> {
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    // -1 where the process was reaped, 0 where it is in another name space.
    pid.trim().parse().ok().filter(|pid| *pid > 0)
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
    fn a_pidfd_says_whose_it_is_and_nothing_else_does() {
        let own = std::process::id().cast_signed();
        let process = open(own).unwrap();
        assert_eq!(pid_of(process.as_fd()), Some(own));
        let file = fs::File::open("/dev/null").unwrap();
        let (pipe, _end) = rustix::pipe::pipe().unwrap();
        for other in [file.as_fd(), pipe.as_fd()] {
            assert_eq!(pid_of(other), None);
        }
    }

    #[test]
    fn who_was_reaped_or_is_elsewhere_has_no_number() {
        assert_eq!(pid_in("pos:\t0\nflags:\t02000002\nPid:\t42\nNSpid:\t42\n"), Some(42));
        for none in ["Pid:\t-1\n", "Pid:\t0\n", "Pid:\n", "NSpid:\t42\n", ""] {
            assert_eq!(pid_in(none), None, "{none:?}");
        }
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = open(child.id().cast_signed()).unwrap();
        child.wait().unwrap();
        assert_eq!(pid_of(process.as_fd()), None);
    }

    #[test]
    fn numbers_of_no_process_are_refused() {
        for pid in [0, -1, i32::MIN] {
            assert_eq!(open(pid).unwrap_err().errno(), Errno::INVAL);
        }
        assert_eq!(open(i32::MAX).unwrap_err().errno(), Errno::SRCH);
    }
}
