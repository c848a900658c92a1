//! What a descriptor has of its own: its number, and whether a program started by exec gets it.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

use crate::error::{Error, Result};

/// The first number that no standard stream has.
const FIRST: i32 = 3;

/// What an exec does to a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExec {
    /// Closes it (`FD_CLOEXEC`).
    Closes,
    /// Leaves it to the new program, under the same number.
    Keeps,
}

/// The same descriptor with a number that is not one of the standard streams', which a process
/// started without them would mistake it for.
///
/// # Errors
/// The descriptor limit.
///
/// # Ownership
/// The given descriptor is closed if it had such a number.
pub fn above_standard_streams(descriptor: OwnedFd) -> Result<OwnedFd> {
    if descriptor.as_raw_fd() >= FIRST {
        return Ok(descriptor);
    }
    fcntl_dupfd_cloexec(&descriptor, FIRST).map_err(Error::of("fcntl(F_DUPFD_CLOEXEC)"))
}

/// A copy that exec closes, with the lowest number that is free and no standard stream's.
///
/// # Errors
/// The descriptor limit.
///
/// # Ownership
/// The copy is the caller's.
pub fn duplicate(descriptor: BorrowedFd<'_>) -> Result<OwnedFd> {
    fcntl_dupfd_cloexec(descriptor, FIRST).map_err(Error::of("fcntl(F_DUPFD_CLOEXEC)"))
}

/// What exec does to it.
///
/// # Errors
/// None for an open descriptor.
pub fn on_exec(descriptor: BorrowedFd<'_>) -> Result<OnExec> {
    let flags = fcntl_getfd(descriptor).map_err(Error::of("fcntl(F_GETFD)"))?;
    Ok(if flags.contains(FdFlags::CLOEXEC) { OnExec::Closes } else { OnExec::Keeps })
}

/// Says what exec does to it.
///
/// # Errors
/// None for an open descriptor.
pub fn set_on_exec(descriptor: BorrowedFd<'_>, on_exec: OnExec) -> Result<()> {
    let flags = match on_exec {
        OnExec::Closes => FdFlags::CLOEXEC,
        OnExec::Keeps => FdFlags::empty(),
    };
    fcntl_setfd(descriptor, flags).map_err(Error::of("fcntl(F_SETFD)"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_copy_is_closed_by_exec_until_it_is_said_otherwise() {
        let (pipe, _end) = rustix::pipe::pipe().unwrap();
        assert_eq!(on_exec(pipe.as_fd()).unwrap(), OnExec::Keeps);
        let copy = duplicate(pipe.as_fd()).unwrap();
        assert_eq!(on_exec(copy.as_fd()).unwrap(), OnExec::Closes);
        set_on_exec(copy.as_fd(), OnExec::Keeps).unwrap();
        assert_eq!(on_exec(copy.as_fd()).unwrap(), OnExec::Keeps);
        set_on_exec(copy.as_fd(), OnExec::Closes).unwrap();
        assert_eq!(on_exec(copy.as_fd()).unwrap(), OnExec::Closes);
    }

    #[test]
    fn a_number_of_no_standard_stream_is_kept() {
        let (pipe, _end) = rustix::pipe::pipe().unwrap();
        let number = pipe.as_raw_fd();
        assert!(number >= FIRST);
        assert_eq!(above_standard_streams(pipe).unwrap().as_raw_fd(), number);
    }
}
