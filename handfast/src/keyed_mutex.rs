//! Keyed mutexes: whose turn it is to use a surface.

use std::num::NonZeroU32;
use std::os::fd::AsFd as _;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use handfast_sync::keyed_mutex::{self, Acquire, LOCK_OFFSET_BYTES, Look, Release};
use handfast_sync::page::Memory;
use handfast_sync::robust::{Change, Refused, Robust};
use handfast_sys::clock;
use handfast_sys::robust::{ListChange, Refusal, Registered, RobustList, RobustMapping};
use handfast_sys::signals::Blocked;

use crate::error::{Cause, Result};
use crate::link::deadline_ns;
use crate::opened::{Came, Page};
use crate::sender::page_bytes;
use crate::session::Process;
use crate::spare::{Home, Mapped};
use crate::wait::WaitOutcome;
use crate::words::{Futex, sleep};

/// The keyed mutex of a surface: who has the right key takes it, and says the next key when he
/// gives it back.
///
/// Its first key is 0. Its owner is the opening of the surface, not a thread: any thread of the
/// process may release what another has acquired. An owner that dies, or is dropped while it owns,
/// leaves it abandoned for ever, which everybody who waits is told at once, with or without a
/// broker. Whoever opened the surface may take it, with any rights.
///
/// A surface has one that was made with [`crate::SurfaceFlags::KEYED_MUTEX`]; the example `turns`
/// lets two processes write a picture by turns.
#[derive(Debug)]
pub struct KeyedMutex {
    mutex: keyed_mutex::KeyedMutex<LockPage, Futex, LockPage>,
    process: Process,
    /// Where the page goes in the end; none for another's.
    home: Option<Home>,
}

/// What a keyed mutex is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyedMutexStatus {
    /// Free for who has this key.
    Free {
        /// The key.
        key: u64,
    },
    /// Somebody owns it.
    Owned {
        /// The number of the owning opening at this mutex; 0 while it changes hands.
        opening: u32,
    },
    /// An owner died or was dropped.
    Abandoned {
        /// The number of the opening that owned it.
        opening: u32,
    },
}

impl KeyedMutex {
    /// The mutex of a surface that was just opened, if it has one. To be asked before its memory.
    pub(crate) fn open(came: &mut Came) -> Result<Option<Self>> {
        let owner = came.parts.owner;
        let process = Process::own()?;
        let mapping = match came.page()? {
            None => return Ok(None),
            Some(Page::Sent(page, _)) => {
                let list = process.robust_list()?;
                Arc::new(RobustMapping::map(&list, page.as_fd(), page_bytes())?)
            }
            Some(Page::Kept(Mapped::Lock(mapping))) => mapping,
            Some(Page::Kept(Mapped::Split(_))) => return Err(Cause::Unexpected.into()),
        };
        let opening = NonZeroU32::new(owner).ok_or(Cause::Unexpected)?;
        let page = LockPage(mapping);
        let mutex = keyed_mutex::KeyedMutex::new(page.clone(), Futex, page, opening)?;
        Ok(Some(Self { mutex, process, home: came.home() }))
    }

    /// Waits until it is free for this key, and takes it.
    ///
    /// # Contract
    ///
    /// `IDXGIKeyedMutex::AcquireSync`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Misuse`] when this opening owns it already, whatever the key;
    /// [`crate::ErrorKind::Forked`]; [`crate::ErrorKind::LimitReached`] when this process owns 2048
    /// keyed mutexes.
    ///
    /// # Blocking
    ///
    /// Until then.
    pub fn acquire(&self, key: u64) -> Result<WaitOutcome> {
        self.acquire_until(key, None)
    }

    /// As [`Self::acquire`], at most so long; zero looks once.
    ///
    /// # Errors
    ///
    /// As [`Self::acquire`].
    pub fn acquire_timeout(&self, key: u64, timeout: Duration) -> Result<WaitOutcome> {
        self.acquire_until(key, Some(deadline_ns(timeout)))
    }

    fn acquire_until(&self, key: u64, deadline_ns: Option<u64>) -> Result<WaitOutcome> {
        self.process.check()?;
        loop {
            let over = deadline_ns.is_some_and(|at| clock::now_ns() >= at);
            match self.mutex.try_acquire(key) {
                Acquire::Acquired { .. } => return Ok(WaitOutcome::Signaled),
                Acquire::Abandoned => return Ok(WaitOutcome::Abandoned),
                Acquire::AlreadyOwner => return Err(Cause::OwnedAlready.into()),
                Acquire::Refused(refused) => return Err(refusal(refused)),
                Acquire::Busy if over => return Ok(WaitOutcome::TimedOut),
                Acquire::Busy => {}
            }
            if let Some(watched) = self.mutex.arm()
                && self.mutex.look(key) == Look::Busy
            {
                sleep(&[watched], deadline_ns);
            }
        }
    }

    /// Gives it back; the next to take it must have this key.
    ///
    /// # Contract
    ///
    /// `IDXGIKeyedMutex::ReleaseSync`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Misuse`] when this opening does not own it, or it is abandoned;
    /// [`crate::ErrorKind::Forked`].
    ///
    /// # Blocking
    ///
    /// Never.
    pub fn release(&self, key: u64) -> Result<()> {
        self.process.check()?;
        match self.mutex.release(key, 0) {
            Release::Released => Ok(()),
            Release::NotOwner | Release::Abandoned => Err(Cause::NotOwner.into()),
            Release::Refused(refused) => Err(refusal(refused)),
        }
    }

    /// What it is now; the moment after it may be something else.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Forked`]; [`crate::ErrorKind::Version`] when somebody who may write its
    /// page has spoilt that.
    pub fn status(&self) -> Result<KeyedMutexStatus> {
        self.process.check()?;
        KeyedMutexStatus::of(self.mutex.memory().words())
    }
}

impl KeyedMutexStatus {
    /// What the page of a keyed mutex says.
    pub(crate) fn of(words: &[AtomicU32]) -> Result<Self> {
        Ok(match keyed_mutex::status(words).ok_or(Cause::Unexpected)? {
            keyed_mutex::Status::Free { key } => Self::Free { key },
            keyed_mutex::Status::Held { owner } => Self::Owned { opening: owner },
            keyed_mutex::Status::Abandoned { owner } => Self::Abandoned { opening: owner },
        })
    }
}

impl Drop for KeyedMutex {
    fn drop(&mut self) {
        // A forked child has nothing of it.
        if !self.process.is_own() {
            return;
        }
        self.mutex.abandon();
        let LockPage(mapping) = self.mutex.memory();
        // What is in the list of locks stays there until the process ends.
        let is_free = mapping.change().is_ok_and(|change| !change.is_linked());
        if let (true, Some(home)) = (is_free, &self.home) {
            home.take_back(Mapped::Lock(Arc::clone(mapping)));
        }
    }
}

fn refusal(refused: Refused) -> crate::Error {
    match refused {
        Refused::Forked => Cause::Forked.into(),
        Refused::Full | Refused::Ended => Cause::Robust(refused).into(),
    }
}

/// The page of a keyed mutex, and its entry in this process's list of locks.
#[derive(Clone, Debug)]
struct LockPage(Arc<RobustMapping>);

impl Memory for LockPage {
    fn words(&self) -> &[AtomicU32] {
        self.0.words()
    }
}

impl Robust for LockPage {
    type Change<'a> = LockChange<'a>;

    fn begin(&self) -> core::result::Result<LockChange<'_>, Refused> {
        self.0.change().map(LockChange).map_err(refused)
    }
}

const fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::Full => Refused::Full,
        Refusal::Forked => Refused::Forked,
        Refusal::Ended => Refused::Ended,
    }
}

/// A change of the list that is under way.
struct LockChange<'a>(ListChange<'a>);

impl Change for LockChange<'_> {
    fn tid(&self) -> u32 {
        self.0.tid()
    }

    fn is_linked(&self) -> bool {
        self.0.is_linked()
    }

    fn announce(&mut self) -> core::result::Result<(), Refused> {
        self.0.announce().map_err(refused)
    }

    fn link(&mut self) {
        self.0.link();
    }

    fn unlink(&mut self) {
        self.0.unlink();
    }

    fn end(self) {
        self.0.end();
    }
}

/// Starts the thread that the kernel takes for the holder of this process's locks. It does nothing
/// but be there, so that its end is the end of the process.
pub(crate) fn start_holder() -> Result<Arc<RobustList>> {
    let (tell, told) = mpsc::sync_channel(1);
    let blocked = Blocked::on_this_thread();
    thread::Builder::new()
        .name("handfast-locks".into())
        .stack_size(HOLDER_STACK_BYTES)
        .spawn(move || match Registered::on_this_thread(LOCK_OFFSET_BYTES) {
            Ok(registered) => {
                drop(tell.send(Ok(registered.list())));
                registered.park()
            }
            Err(error) => drop(tell.send(Err(error))),
        })
        .map_err(Cause::Thread)?;
    drop(blocked);
    let list = told.recv().map_err(|_| Cause::Unexpected)?;
    Ok(list?)
}

/// It calls nothing.
const HOLDER_STACK_BYTES: usize = 64 * 1024;
