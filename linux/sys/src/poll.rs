//! One descriptor polled, with a time limit that interruptions do not stretch.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::clock::Deadline;
use crate::error::{Error, Result};

/// Waits until the descriptor has one of the events (errors and hang-ups always count) and says
/// which; empty after the timeout.
pub(crate) fn poll_one(
    descriptor: BorrowedFd<'_>,
    events: PollFlags,
    timeout_ns: Option<u64>,
) -> Result<PollFlags> {
    let deadline = Deadline::after(timeout_ns);
    let mut entries = [PollFd::from_borrowed_fd(descriptor, events)];
    loop {
        match poll(&mut entries, deadline.left().as_ref()) {
            Ok(_) => return Ok(entries.first().map_or(PollFlags::empty(), PollFd::revents)),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::new("poll", errno)),
        }
    }
}
