//! The least that a question to another one costs: a bell, and a word to sleep on. The other one is
//! a thread, so that even the change of address spaces is left out.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use handfast_sys::epoll::{Interest, Poller};
use handfast_sys::eventfd::Doorbell;
use handfast_sys::futex::{self, Wake};

/// Who is asked.
pub(crate) struct Bell {
    shared: Arc<Shared>,
    asked: u32,
    other: Option<JoinHandle<()>>,
}

struct Shared {
    bell: Doorbell,
    poller: Poller,
    answered: AtomicU32,
    over: AtomicBool,
}

impl Bell {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (bell, poller) = (Doorbell::new()?, Poller::new()?);
        poller.add(bell.as_fd(), 0, Interest::Rings)?;
        let (answered, over) = (AtomicU32::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { bell, poller, answered, over });
        let theirs = Arc::clone(&shared);
        let other = thread::Builder::new().spawn(move || theirs.answer())?;
        Ok(Self { shared, asked: 0, other: Some(other) })
    }

    pub(crate) fn ask(&mut self) -> anyhow::Result<()> {
        self.asked = self.asked.wrapping_add(1);
        self.shared.bell.ring()?;
        loop {
            let answered = self.shared.answered.load(Ordering::SeqCst);
            if answered == self.asked {
                return Ok(());
            }
            let (Wake::Woken | Wake::TimedOut) =
                futex::wait((&self.shared.answered).into(), answered, None);
        }
    }
}

impl Shared {
    fn answer(&self) {
        let mut events = Vec::new();
        while self.poller.wait(&mut events, None).is_ok() && !self.over.load(Ordering::SeqCst) {
            self.answered.fetch_add(1, Ordering::SeqCst);
            futex::wake_all((&self.answered).into());
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.bell.ring().ok();
        drop(self.other.take().map(JoinHandle::join));
    }
}
