//! Closes descriptors that the broker did not ask for.
//!
//! `close()` of a lingering socket or of a file on somebody's FUSE mount takes as long as its
//! sender likes, so it is never called on the broker's own thread.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// The thread that closes.
#[derive(Debug)]
pub(crate) struct Undertaker {
    queue: Sender<Vec<OwnedFd>>,
    held: RefCell<Vec<OwnedFd>>,
}

impl Undertaker {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (queue, work) = channel::<Vec<OwnedFd>>();
        thread::Builder::new().name("undertaker".into()).spawn(move || {
            for descriptors in work {
                drop(descriptors);
            }
        })?;
        Ok(Self { queue, held: RefCell::default() })
    }

    /// Closes these, sooner or later: not before the next [`Self::flush`].
    pub(crate) fn bury(&self, descriptors: Vec<OwnedFd>) {
        self.held.borrow_mut().extend(descriptors);
    }

    /// Hands over what is to be closed. Until then whatever brought a descriptor, a packet in a
    /// queue, does not have the last copy of it, so taking it away waits for nobody.
    pub(crate) fn flush(&self) {
        if self.held.borrow().is_empty() {
            return;
        }
        let descriptors = self.held.take();
        // The thread ends only with the queue, so this cannot fail; if it did, the descriptors
        // would be closed here.
        drop(self.queue.send(descriptors));
    }
}
