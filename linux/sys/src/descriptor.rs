//! What a descriptor has of its own: its number, and whether a program started by exec gets it.

use std::os::fd::{AsRawFd as _, BorrowedFd, IntoRawFd as _, OwnedFd};

use rustix::fs::{AtFlags, MemfdFlags, StatxFlags, memfd_create, statx};
use rustix::io::{DupFlags, FdFlags, dup3, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

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

/// Puts another descriptor in the place of this one: the number stays, what exec does to it is said
/// anew, and what was there is closed, all at once.
///
/// # Errors
/// EBUSY: another thread of this process opened that number at this moment.
///
/// # Ownership
/// `new` stays the caller's.
pub fn replace(place: &mut OwnedFd, new: BorrowedFd<'_>, on_exec: OnExec) -> Result<()> {
    let flags = match on_exec {
        OnExec::Closes => DupFlags::CLOEXEC,
        OnExec::Keeps => DupFlags::empty(),
    };
    dup3(new, place, flags).map_err(Error::of("dup3"))
}

/// A descriptor that is nothing but itself: to hold a number, or many by its copies. No other file
/// has its [`identity`], and it is no end of a pipe.
///
/// # Errors
/// The descriptor limit, ENOMEM.
///
/// # Ownership
/// The descriptor is the caller's; exec closes it.
pub fn placeholder() -> Result<OwnedFd> {
    memfd_create("handfast placeholder", MemfdFlags::CLOEXEC).map_err(Error::of("memfd_create"))
}

/// Which file a descriptor is of, among all that exist now: its device and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: (u32, u32),
    inode: u64,
}

/// Which file it is of; `None` if its number is not open, however it came about.
///
/// # Blocking
/// Never: a file system that does not answer is not asked.
#[must_use]
pub fn identity(descriptor: BorrowedFd<'_>) -> Option<Identity> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let found = statx(descriptor, "", flags, StatxFlags::INO).ok()?;
    let device = (found.stx_dev_major, found.stx_dev_minor);
    Some(Identity { device, inode: found.stx_ino })
}

/// Its number.
#[must_use]
pub fn number(descriptor: BorrowedFd<'_>) -> i32 {
    descriptor.as_raw_fd()
}

/// Gives a number up without closing it: whoever closed it behind our back has put something of his
/// own there, or nothing. Says which number it was.
pub fn disown(descriptor: OwnedFd) -> i32 {
    descriptor.into_raw_fd()
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
    fn a_number_gets_another_file_and_keeps_what_exec_does() {
        let (pipe, end) = rustix::pipe::pipe().unwrap();
        for on_exec in [OnExec::Keeps, OnExec::Closes] {
            let mut place = placeholder().unwrap();
            let (number, before) = (place.as_raw_fd(), identity(place.as_fd()));
            replace(&mut place, pipe.as_fd(), on_exec).unwrap();
            assert_eq!(place.as_raw_fd(), number);
            assert_eq!(super::on_exec(place.as_fd()).unwrap(), on_exec);
            assert_eq!(identity(place.as_fd()), identity(end.as_fd()), "both ends are one pipe");
            assert_ne!(identity(place.as_fd()), before);
        }
    }

    #[test]
    fn copies_are_one_file_and_placeholders_are_not() {
        let (one, two) = (placeholder().unwrap(), placeholder().unwrap());
        let copy = duplicate(one.as_fd()).unwrap();
        assert!(identity(one.as_fd()).is_some());
        assert_eq!(identity(one.as_fd()), identity(copy.as_fd()));
        assert_ne!(identity(one.as_fd()), identity(two.as_fd()));
        assert_eq!(on_exec(one.as_fd()).unwrap(), OnExec::Closes);
    }

    #[test]
    fn a_number_of_no_standard_stream_is_kept() {
        let (pipe, _end) = rustix::pipe::pipe().unwrap();
        let number = pipe.as_raw_fd();
        assert!(number >= FIRST);
        assert_eq!(above_standard_streams(pipe).unwrap().as_raw_fd(), number);
    }
}
