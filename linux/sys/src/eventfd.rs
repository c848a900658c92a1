//! A doorbell that a poller hears.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, write};

use crate::error::{Error, Result};

/// A descriptor that is readable from a ring until it is drained.
///
/// # Ownership
/// Dropping it closes the descriptor; copies that were sent ring on among themselves.
#[derive(Debug)]
pub struct Doorbell(OwnedFd);

impl Doorbell {
    /// Makes one that is silent.
    ///
    /// # Errors
    /// The descriptor limit and ENOMEM.
    pub fn new() -> Result<Self> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map(Self)
            .map_err(Error::of("eventfd2"))
    }

    /// Makes it readable; one that rings already goes on ringing.
    ///
    /// # Errors
    /// EINVAL and EBADF when the descriptor came from elsewhere and is none.
    ///
    /// # Blocking
    /// Never on one made by [`Doorbell::new`]; one from elsewhere may have been made blocking.
    pub fn ring(&self) -> Result<()> {
        loop {
            match write(self, &1_u64.to_ne_bytes()) {
                Ok(_) | Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::new("write(eventfd)", errno)),
            }
        }
    }

    /// Silences it and tells how often it rang, 0 when it did not.
    ///
    /// # Errors
    /// EINVAL and EBADF when the descriptor came from elsewhere and is none.
    ///
    /// # Blocking
    /// As [`Doorbell::ring`].
    pub fn drain(&self) -> Result<u64> {
        let mut count = [0; 8];
        loop {
            match read(self, &mut count) {
                Ok(_) => return Ok(u64::from_ne_bytes(count)),
                Err(Errno::AGAIN) => return Ok(0),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::new("read(eventfd)", errno)),
            }
        }
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Doorbell {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<Doorbell> for OwnedFd {
    fn from(doorbell: Doorbell) -> Self {
        doorbell.0
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::PollFlags;

    use super::*;
    use crate::poll::poll_one;

    #[test]
    fn it_is_readable_from_a_ring_until_it_is_drained() {
        let bell = Doorbell::new().unwrap();
        let is_ringing = || !poll_one(bell.as_fd(), PollFlags::IN, Some(0)).unwrap().is_empty();
        assert!(!is_ringing());
        assert_eq!(bell.drain().unwrap(), 0);
        bell.ring().unwrap();
        bell.ring().unwrap();
        assert!(is_ringing());
        assert_eq!(bell.drain().unwrap(), 2);
        assert!(!is_ringing());
    }

    #[test]
    fn a_full_one_rings_on() {
        let bell = Doorbell::new().unwrap();
        write(&bell, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        bell.ring().unwrap();
        assert_eq!(bell.drain().unwrap(), u64::MAX - 1);
    }
}
