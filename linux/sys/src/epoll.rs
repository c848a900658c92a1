//! Many descriptors watched at once.

use core::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;
use rustix::io::Errno;

use crate::clock::Deadline;
use crate::error::{Error, Result};

/// The most events that one wait reports; the rest come with the next.
const EVENTS_MAX: usize = 128;

/// What a descriptor is watched for; errors and hang-ups are always reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Readable,
    /// Nothing but errors and hang-ups: what a kept end of a handle needs.
    HangUpOnly,
    /// Something to read, or room to write.
    ReadableAndWritable,
    /// Each ring of a doorbell, which need not be drained.
    Rings,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Readable => epoll::EventFlags::IN,
            Self::HangUpOnly => epoll::EventFlags::empty(),
            Self::ReadableAndWritable => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Self::Rings => epoll::EventFlags::IN | epoll::EventFlags::ET,
        }
    }
}

/// What happened to one descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The number it was added with.
    pub token: u64,
    /// There is something to read, or a hang-up to be read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer hung up.
    pub hang_up: bool,
    /// An error; on a kept end of a handle: the last reader is gone.
    pub error: bool,
}

/// A set of watched descriptors; what is not dealt with is reported again at the next wait.
///
/// The kernel watches open files, not numbers: a descriptor of which a copy lives in another
/// process must be removed before it is closed, or it is reported for ever.
///
/// # Ownership
/// It owns its own descriptor and none of those it watches.
#[derive(Debug)]
pub struct Poller(OwnedFd);

impl Poller {
    /// Makes an empty set.
    ///
    /// # Errors
    /// The descriptor limit and ENOMEM.
    pub fn new() -> Result<Self> {
        epoll::create(epoll::CreateFlags::CLOEXEC).map(Self).map_err(Error::of("epoll_create1"))
    }

    /// Watches a descriptor from now on.
    ///
    /// # Errors
    /// EEXIST (watched already), EPERM (a file that cannot be watched), ENOSPC (the user's limit
    /// of watches), and ENOMEM.
    pub fn add(&self, watched: BorrowedFd<'_>, token: u64, interest: Interest) -> Result<()> {
        epoll::add(self, watched, epoll::EventData::new_u64(token), interest.flags())
            .map_err(Error::of("epoll_ctl(EPOLL_CTL_ADD)"))
    }

    /// Changes what a descriptor is watched for.
    ///
    /// # Errors
    /// ENOENT (not watched), and ENOMEM.
    pub fn modify(&self, watched: BorrowedFd<'_>, token: u64, interest: Interest) -> Result<()> {
        epoll::modify(self, watched, epoll::EventData::new_u64(token), interest.flags())
            .map_err(Error::of("epoll_ctl(EPOLL_CTL_MOD)"))
    }

    /// Stops watching a descriptor.
    ///
    /// # Errors
    /// ENOENT (not watched).
    pub fn remove(&self, watched: BorrowedFd<'_>) -> Result<()> {
        epoll::delete(self, watched).map_err(Error::of("epoll_ctl(EPOLL_CTL_DEL)"))
    }

    /// Replaces `events` by what happened, nothing after the timeout; `None` waits without limit.
    ///
    /// # Errors
    /// None on a set of our own.
    ///
    /// # Blocking
    /// At most `timeout_ns`; signals neither end nor stretch it.
    pub fn wait(&self, events: &mut Vec<Event>, timeout_ns: Option<u64>) -> Result<()> {
        events.clear();
        let deadline = Deadline::after(timeout_ns);
        let mut room = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_MAX];
        let happened = loop {
            match epoll::wait(self, &mut room, deadline.left().as_ref()) {
                Ok((happened, _)) => break happened,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::new("epoll_pwait2", errno)),
            }
        };
        events.extend(happened.iter().map(|event| {
            let (flags, token) = (event.flags, event.data.u64());
            Event {
                token,
                readable: flags.contains(epoll::EventFlags::IN),
                writable: flags.contains(epoll::EventFlags::OUT),
                hang_up: flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::RDHUP),
                error: flags.contains(epoll::EventFlags::ERR),
            }
        }));
        Ok(())
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Poller {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<Poller> for OwnedFd {
    fn from(poller: Poller) -> Self {
        poller.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::handle_pipe;
    use crate::seqpacket::{Blocking, Socket};

    const NOTHING: Event =
        Event { token: 0, readable: false, writable: false, hang_up: false, error: false };

    fn check(poller: &Poller, expected: &[Event]) {
        let mut events = vec![NOTHING; 3];
        poller.wait(&mut events, Some(0)).unwrap();
        assert_eq!(events, expected);
    }

    #[test]
    fn a_kept_end_reports_the_last_readers_close_and_nothing_before() {
        let poller = Poller::new().unwrap();
        let (kept, handle) = handle_pipe().unwrap();
        poller.add(kept.as_fd(), u64::MAX, Interest::HangUpOnly).unwrap();
        check(&poller, &[]);
        drop(handle);
        let gone = Event { token: u64::MAX, error: true, ..NOTHING };
        check(&poller, &[gone]);
        check(&poller, &[gone]);
        poller.remove(kept.as_fd()).unwrap();
        check(&poller, &[]);
    }

    #[test]
    fn interest_can_change() {
        let poller = Poller::new().unwrap();
        let (left, right) = Socket::pair().unwrap();
        poller.add(right.as_fd(), 5, Interest::Readable).unwrap();
        check(&poller, &[]);
        left.send(b"x", &[], Blocking::Wait).unwrap();
        let readable = Event { token: 5, readable: true, ..NOTHING };
        check(&poller, &[readable]);
        poller.modify(right.as_fd(), 6, Interest::ReadableAndWritable).unwrap();
        check(&poller, &[Event { token: 6, writable: true, ..readable }]);
        poller.modify(right.as_fd(), 7, Interest::HangUpOnly).unwrap();
        check(&poller, &[]);
        drop(left);
        check(&poller, &[Event { token: 7, hang_up: true, ..NOTHING }]);
    }

    #[test]
    fn a_timeout_below_a_millisecond_is_one() {
        let poller = Poller::new().unwrap();
        let before = crate::clock::now_ns();
        poller.wait(&mut Vec::new(), Some(200_000)).unwrap();
        assert!(crate::clock::now_ns() - before >= 200_000);
    }
}
