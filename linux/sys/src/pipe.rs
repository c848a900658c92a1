//! What a handle is: the read end of a pipe whose write end the broker keeps.
//!
//! The kernel counts the read end across dup, fork, exec, sending and crashes, and shows an error
//! on the kept end when the last copy is gone. Nothing is ever written into the pipe.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, fchmod, fcntl_getfl, statx};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};

use crate::error::{Error, Result};
use crate::poll::poll_one;

/// One page, the least that a pipe takes of its user's quota.
const PIPE_BYTES: usize = 4096;

/// How many ends one poll asks; far below every descriptor limit, which poll refuses to exceed.
const POLL_MAX: usize = 256;

/// How often two identities are compared before they count as different.
const LOOKS_MAX: u32 = 4;

/// The end that the broker keeps.
///
/// # Ownership
/// Dropping it closes the descriptor; a holder of the read end cannot tell.
#[derive(Debug)]
pub struct KeptEnd(OwnedFd);

impl KeptEnd {
    /// Whether every copy of the read end is gone, true from the moment the last close returns.
    ///
    /// # Blocking
    /// Never.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        poll_one(self.as_fd(), PollFlags::empty(), Some(0))
            .is_ok_and(|events| events.intersects(PollFlags::ERR))
    }
}

impl KeptEnd {
    /// The number by which /proc shows the pipe, of this end and of every copy of the other.
    ///
    /// # Errors
    /// None for a pipe.
    pub fn inode(&self) -> Result<u64> {
        let found = statx(&self.0, "", AtFlags::EMPTY_PATH, StatxFlags::INO);
        found.map(|found| found.stx_ino).map_err(Error::of("statx"))
    }
}

impl AsFd for KeptEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for KeptEnd {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<KeptEnd> for OwnedFd {
    fn from(kept: KeptEnd) -> Self {
        kept.0
    }
}

/// Makes a handle: the end to keep and the end to give out, both close-on-exec.
///
/// The pipe holds one page where the user's quota for pipes allows it to be set. Its mode is
/// 0444: a copy may be reopened for reading through /proc, which makes another handle, but not
/// for writing.
///
/// # Errors
/// The descriptor limit and ENOMEM.
///
/// # Ownership
/// Both ends are the caller's.
pub fn handle_pipe() -> Result<(KeptEnd, OwnedFd)> {
    let (read_end, write_end) =
        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(Error::of("pipe2"))?;
    // Over the quota a pipe is already as small as the kernel makes it.
    fcntl_setpipe_size(&write_end, PIPE_BYTES).ok();
    fchmod(&write_end, Mode::RUSR | Mode::RGRP | Mode::ROTH).map_err(Error::of("fchmod"))?;
    Ok((KeptEnd(write_end), read_end))
}

/// Which of these kept ends have no reader left, in their order.
///
/// An end that the kernel refuses to look at counts as not closed.
///
/// # Blocking
/// Never.
#[must_use]
pub fn closed_among(kept: &[BorrowedFd<'_>]) -> Vec<bool> {
    let mut closed = Vec::with_capacity(kept.len());
    for some in kept.chunks(POLL_MAX) {
        let mut entries: Vec<PollFd<'_>> =
            some.iter().map(|end| PollFd::from_borrowed_fd(*end, PollFlags::empty())).collect();
        let now = crate::clock::timespec(0);
        while poll(&mut entries, Some(&now)) == Err(Errno::INTR) {}
        closed.extend(entries.iter().map(|entry| entry.revents().intersects(PollFlags::ERR)));
    }
    closed
}

/// The number of the pipe that a descriptor from anywhere reads; `None` if it is no read end of a
/// pipe. Numbers come again: [`is_read_end_of`] tells whether it is the pipe one thinks.
///
/// # Blocking
/// Never, whatever the candidate is.
#[must_use]
pub fn inode_of_read_end(candidate: BorrowedFd<'_>) -> Option<u64> {
    if !reads_a_pipe(candidate) {
        return None;
    }
    identity(candidate).map(|(_, _, inode, _, _)| inode)
}

fn reads_a_pipe(candidate: BorrowedFd<'_>) -> bool {
    fcntl_getpipe_size(candidate).is_ok()
        && fcntl_getfl(candidate).is_ok_and(|flags| {
            !flags.contains(OFlags::PATH) && (flags & OFlags::RWMODE) == OFlags::RDONLY
        })
}

/// Whether a descriptor that somebody presents is a reader of this kept end's pipe.
///
/// The questions come in an order in which nothing that is not a pipe is asked of its file
/// system, and a descriptor that is a mere path (`O_PATH`), which counts for nothing, is refused.
/// The pipe's identity is compared as it is now on both sides, since a holder may change its
/// times.
///
/// # Blocking
/// Never, whatever the candidate is.
#[must_use]
pub fn is_read_end_of(kept: &KeptEnd, candidate: BorrowedFd<'_>) -> bool {
    if !reads_a_pipe(candidate) {
        return false;
    }
    // A change of mode between the two looks makes them differ; the next ones then agree.
    (0..LOOKS_MAX).any(|_| match (identity(kept.as_fd()), identity(candidate)) {
        (Some(kept), Some(candidate)) => kept == candidate,
        _ => false,
    })
}

/// What tells one pipe from all others that exist now: device, inode and time of change.
type Identity = (u32, u32, u64, i64, u32);

/// Asks only what the kernel knows by itself: a named pipe passes for one until here, and if its
/// directory is a FUSE mount then a plain `fstat` waits for the mounting process.
fn identity(end: BorrowedFd<'_>) -> Option<Identity> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let found = statx(end, "", flags, StatxFlags::INO | StatxFlags::CTIME).ok()?;
    let changed = found.stx_ctime;
    Some((found.stx_dev_major, found.stx_dev_minor, found.stx_ino, changed.tv_sec, changed.tv_nsec))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::open;

    use super::*;
    use crate::seqpacket::{Blocking, Incoming, Socket};

    fn reopen(end: &OwnedFd, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        open(format!("/proc/self/fd/{}", end.as_raw_fd()), flags, Mode::empty())
    }

    #[test]
    fn the_kept_end_is_closed_right_after_the_last_readers_close() {
        let (kept, handle) = handle_pipe().unwrap();
        let copy = handle.try_clone().unwrap();
        drop(handle);
        assert!(!kept.is_closed());
        drop(copy);
        assert!(kept.is_closed());
    }

    #[test]
    fn a_handle_in_flight_counts() {
        let (kept, handle) = handle_pipe().unwrap();
        let (left, right) = Socket::pair().unwrap();
        left.send(b"x", &[handle.as_fd()], Blocking::Wait).unwrap();
        drop(handle);
        assert!(!kept.is_closed());
        let incoming = right.receive(&mut [0; 8], Blocking::Wait).unwrap();
        let Incoming::Message(received) = incoming else { panic!("no message") };
        assert!(is_read_end_of(&kept, received.descriptors[0].as_fd()));
        drop(received);
        assert!(kept.is_closed());
    }

    #[test]
    fn many_ends_are_asked_at_once() {
        let (ends, handles): (Vec<_>, Vec<_>) =
            (0..POLL_MAX + 3).map(|_| handle_pipe().unwrap()).unzip();
        let kept: Vec<_> = ends.iter().map(AsFd::as_fd).collect();
        let held: Vec<_> =
            handles.into_iter().enumerate().filter(|(index, _)| index % 3 == 0).collect();
        let closed = closed_among(&kept);
        assert_eq!(closed.len(), kept.len());
        assert!(closed.iter().enumerate().all(|(index, closed)| *closed == (index % 3 != 0)));
        drop(held);
        assert!(closed_among(&kept).into_iter().all(|closed| closed));
    }

    #[test]
    fn only_a_reader_of_the_same_pipe_is_one() {
        let (kept, handle) = handle_pipe().unwrap();
        let (_other_kept, other) = handle_pipe().unwrap();
        assert!(is_read_end_of(&kept, handle.as_fd()));
        assert_eq!(inode_of_read_end(handle.as_fd()), Some(kept.inode().unwrap()));
        assert_ne!(inode_of_read_end(other.as_fd()), Some(kept.inode().unwrap()));
        assert_eq!(inode_of_read_end(kept.as_fd()), None);
        assert!(!is_read_end_of(&kept, other.as_fd()));
        assert!(!is_read_end_of(&kept, kept.as_fd()));
        assert!(!is_read_end_of(&kept, std::fs::File::open("/dev/null").unwrap().as_fd()));
        let reopened =
            reopen(&handle, OFlags::NONBLOCK | OFlags::RDONLY | OFlags::CLOEXEC).unwrap();
        assert!(is_read_end_of(&kept, reopened.as_fd()));
    }

    #[test]
    fn a_mere_path_of_the_handle_is_refused() {
        let (kept, handle) = handle_pipe().unwrap();
        let path = reopen(&handle, OFlags::PATH | OFlags::CLOEXEC).unwrap();
        assert!(!is_read_end_of(&kept, path.as_fd()));
        drop(handle);
        assert!(kept.is_closed());
    }

    #[test]
    fn a_named_pipe_is_no_handle() {
        let (kept, _handle) = handle_pipe().unwrap();
        let scratch = crate::scratch::Scratch::new();
        let path = scratch.join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fifo = open(&path, flags, Mode::empty()).unwrap();
        assert!(!is_read_end_of(&kept, fifo.as_fd()));
    }

    #[test]
    fn a_holder_that_changes_the_mode_spoils_nothing() {
        let (kept, handle) = handle_pipe().unwrap();
        fchmod(&handle, Mode::empty()).unwrap();
        assert!(is_read_end_of(&kept, handle.as_fd()));
    }
}
