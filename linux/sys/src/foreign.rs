//! Handles that other processes have, copied out of them.
//!
//! The way is `/proc/PID/fd`, which takes no right to attach to that process. What lies there may
//! be anything, so it is looked at as a mere path first, and nothing but the read end of a handle's
//! pipe is ever opened.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{Error, Result};
use crate::pidfd;

/// The mode of a handle's pipe. Other pipes are made with 0600.
const HANDLE_MODE: u32 = 0o444;

/// The mode that /proc shows of a descriptor that reads and does not write.
const READS_ONLY: u32 = 0o500;

/// What there is under a number of another process.
#[derive(Debug)]
pub enum Found {
    /// A read end of a pipe that may be a handle: a copy of its own, as good as the other.
    ReadEnd(OwnedFd),
    /// Nothing, or something else.
    NoHandle,
    /// The process has ended.
    Gone,
    /// It is not ours to look into.
    Denied,
}

/// Copies the handle that a process has under a number.
///
/// # Errors
/// The descriptor limit; that there is no /proc.
///
/// # Blocking
/// Never: nothing is asked of the process, nor of what is behind its number.
///
/// # Ownership
/// The copy is the caller's.
pub fn read_end_of(process: BorrowedFd<'_>, number: i32) -> Result<Found> {
    let Some(pid) = pidfd::pid_of(process) else { return Ok(Found::Gone) };
    let found = copy(pid, number);
    // While the process lives its number is nobody else's, so what was found was its own.
    if pidfd::has_exited(process) {
        return Ok(Found::Gone);
    }
    match found {
        Ok(Some(read_end)) => Ok(Found::ReadEnd(read_end)),
        Ok(None) => Ok(Found::NoHandle),
        Err(errno) => match errno {
            Errno::NOENT | Errno::SRCH | Errno::NXIO => Ok(Found::NoHandle),
            Errno::ACCESS | Errno::PERM => Ok(Found::Denied),
            errno => Err(Error::new("open(/proc/PID/fd)", errno)),
        },
    }
}

fn copy(pid: i32, number: i32) -> rustix::io::Result<Option<OwnedFd>> {
    let path = format!("/proc/{pid}/fd/{number}");
    // What is a mere path there, or writes, is no handle.
    let link = statx(CWD, &path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MODE)?;
    if u32::from(link.stx_mode) & 0o700 != READS_ONLY {
        return Ok(None);
    }
    let path = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if !is_handles_pipe(path.as_fd())? {
        return Ok(None);
    }
    let again = format!("/proc/self/fd/{}", path.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(CWD, again, flags, Mode::empty()).map(Some)
}

/// Whether a path is of a pipe without a name, with the mode of a handle's. A named pipe is on
/// another device; its file system is not asked, for it may not answer.
fn is_handles_pipe(path: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let look = |it: BorrowedFd<'_>| {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        statx(it, "", flags, StatxFlags::TYPE | StatxFlags::MODE)
    };
    let (own, _) = pipe_with(PipeFlags::CLOEXEC)?;
    let (pipe, found) = (look(own.as_fd())?, look(path)?);
    let device = |it: &rustix::fs::Statx| (it.stx_dev_major, it.stx_dev_minor);
    let mode = u32::from(found.stx_mode);
    Ok(device(&pipe) == device(&found)
        && FileType::from_raw_mode(mode) == FileType::Fifo
        && mode & 0o7777 == HANDLE_MODE)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use rustix::fs::inotify;

    use super::*;
    use crate::pipe::{handle_pipe, is_read_end_of};
    use crate::scratch::Scratch;

    #[track_caller]
    fn check_nothing(descriptor: &impl AsRawFd) {
        let own = pidfd::open(std::process::id().cast_signed()).unwrap();
        let found = read_end_of(own.as_fd(), descriptor.as_raw_fd()).unwrap();
        assert!(matches!(found, Found::NoHandle), "{found:?}");
    }

    #[test]
    fn a_handle_is_copied_and_counts() {
        let own = pidfd::open(std::process::id().cast_signed()).unwrap();
        let (kept, handle) = handle_pipe().unwrap();
        let Found::ReadEnd(copy) = read_end_of(own.as_fd(), handle.as_raw_fd()).unwrap() else {
            panic!("nothing")
        };
        assert!(is_read_end_of(&kept, copy.as_fd()));
        drop(handle);
        assert!(!kept.is_closed());
        drop(copy);
        assert!(kept.is_closed());
    }

    #[test]
    fn nothing_else_is_opened() {
        let (kept, handle) = handle_pipe().unwrap();
        let (pipe, end) = rustix::pipe::pipe().unwrap();
        for other in [&pipe, &end] {
            check_nothing(other);
        }
        check_nothing(&std::fs::File::open("/dev/null").unwrap());
        check_nothing(&std::fs::File::open("/").unwrap());
        let again = format!("/proc/self/fd/{}", handle.as_raw_fd());
        for flags in [OFlags::PATH, OFlags::RDWR | OFlags::NONBLOCK] {
            // Root alone may open it to write.
            if let Ok(other) = openat(CWD, &again, flags | OFlags::CLOEXEC, Mode::empty()) {
                check_nothing(&other);
            }
        }
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        check_nothing(&socket);
        drop(handle);
        assert!(kept.is_closed(), "nothing was kept");
    }

    #[test]
    fn a_named_pipe_and_a_file_are_never_opened() {
        let scratch = Scratch::new();
        let (fifo, file) = (scratch.join("fifo"), scratch.join("file"));
        rustix::fs::mkfifoat(CWD, &fifo, Mode::from_raw_mode(HANDLE_MODE)).unwrap();
        std::fs::write(&file, "").unwrap();
        for path in [fifo, file] {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let held = openat(CWD, &path, flags, Mode::empty()).unwrap();
            let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
            inotify::add_watch(&watch, &path, inotify::WatchFlags::OPEN).unwrap();
            let told = |buffer: &mut [u8; 64]| rustix::io::read(&watch, buffer);
            check_nothing(&held);
            assert_eq!(told(&mut [0; 64]), Err(Errno::AGAIN), "{path:?} was opened");
            drop(openat(CWD, &path, flags, Mode::empty()).unwrap());
            assert!(told(&mut [0; 64]).is_ok(), "an open is told of");
        }
    }

    #[test]
    fn a_number_that_is_not_open_is_nothing_and_a_process_that_ended_is_gone() {
        let own = pidfd::open(std::process::id().cast_signed()).unwrap();
        let found = read_end_of(own.as_fd(), 1 << 20).unwrap();
        assert!(matches!(found, Found::NoHandle), "{found:?}");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = pidfd::open(child.id().cast_signed()).unwrap();
        child.wait().unwrap();
        let found = read_end_of(ended.as_fd(), 0).unwrap();
        assert!(matches!(found, Found::Gone), "{found:?}");
    }
}
