//! Closes descriptors that the broker did not ask for.
//!
//! `close()` of a lingering socket or of a file on somebody's FUSE mount takes as long as its
//! sender likes, so it is never called on the broker's own thread.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// The thread that closes.
#[derive(Debug)]
pub(crate) struct Undertaker {
    queue: Sender<Vec<OwnedFd>>,
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
        Ok(Self { queue })
    }

    /// Closes these, sooner or later.
    pub(crate) fn bury(&self, descriptors: Vec<OwnedFd>) {
        if descriptors.is_empty() {
            return;
        }
        // The thread ends only with the queue, so this cannot fail; if it did, the descriptors
        // would be closed here.
        drop(self.queue.send(descriptors));
    }
}
