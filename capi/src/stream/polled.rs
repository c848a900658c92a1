//! A receiver with a descriptor: a thread waits in its place and says by a pipe that there is
//! something to fetch.
//!
//! Frames are announced by words in shared memory, on which the kernel lets threads wait but not
//! `epoll`; hence the thread. The receiver goes back and forth: it is the thread's while that
//! waits, and the caller's from the moment something came until the frame is given back.
#![expect(unsafe_code, reason = "UNSAFETY: the signal mask is set by a call of the C library")]

use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use handfast::Frame;

use super::receiver::{Outcome, Taking, give_back, take};
use crate::error::Failure;
use crate::guard::caught;

/// The thread looks this often whether it is to end.
const SLICE: Duration = Duration::from_millis(100);
const STACK_BYTES: usize = 512 * 1024;

/// Whose turn it is.
#[derive(Debug)]
enum Turn {
    /// The thread is to take the receiver and wait.
    Fetch(Taking),
    /// The thread has it; what it has found so far, which is nothing to tell.
    Waiting(Option<Quiet>),
    /// The caller is to take it, with what came. The pipe holds one byte in this turn alone.
    Came(Taking, Result<Outcome, Failure>),
    /// The caller has it.
    Caller,
    /// The thread is to end.
    Over,
}

/// What is nothing to tell.
#[derive(Clone, Copy, Debug)]
enum Quiet {
    Sender,
    NoSender,
}

#[derive(Debug)]
struct Shared {
    turn: Mutex<Turn>,
    changed: Condvar,
    /// Read from by the caller, written to by the thread, under the lock.
    reader: PipeReader,
    writer: PipeWriter,
}

impl Shared {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        // Nothing that may panic runs under the lock.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, turn: &mut Turn, next: Turn) -> Turn {
        let former = std::mem::replace(turn, next);
        self.changed.notify_all();
        former
    }
}

/// A receiver whose waiting is done by a thread.
#[derive(Debug)]
pub(super) struct Polled {
    shared: Arc<Shared>,
    /// The receiver, while a frame is out.
    taking: Option<Taking>,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

impl Polled {
    /// Starts the thread, which has nothing to do yet.
    pub(super) fn start() -> Result<Self, Failure> {
        let (reader, writer) = pipe().map_err(Failure::Descriptor)?;
        let turn = Mutex::new(Turn::Caller);
        let shared = Arc::new(Shared { turn, changed: Condvar::new(), reader, writer });
        let of_thread = Arc::clone(&shared);
        let masked = Masked::all();
        let builder = thread::Builder::new().name("handfast".to_owned()).stack_size(STACK_BYTES);
        let thread = builder.spawn(move || run(&of_thread)).map_err(Failure::Thread);
        drop(masked);
        Ok(Self { shared, taking: None, thread: Some(thread?), process: process::id() })
    }

    /// Takes the receiver; one that has a frame out stays with the caller for now.
    pub(super) fn with(mut self, taking: Taking) -> Self {
        self.keep(taking);
        self
    }

    fn keep(&mut self, taking: Taking) {
        if taking.loan().is_some() {
            self.taking = Some(taking);
        } else {
            drop(self.shared.pass(&mut self.shared.turn(), Turn::Fetch(taking)));
        }
    }

    /// Readable while there is something to tell.
    pub(super) fn descriptor(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.check_process()?;
        Ok(self.shared.reader.as_fd())
    }

    /// The frame that is out, if one is.
    pub(super) fn lent(&self) -> Option<&Frame<'static>> {
        self.taking.as_ref().and_then(|taking| taking.loan())
    }

    pub(super) fn next(&mut self, time: Duration) -> Result<Outcome, Failure> {
        self.check_process()?;
        let deadline = Instant::now().checked_add(time);
        let mut turn = self.shared.turn();
        loop {
            let quiet = match std::mem::replace(&mut *turn, Turn::Caller) {
                Turn::Came(taking, outcome) => {
                    let read = (&self.shared.reader).read_exact(&mut [0]);
                    drop(turn);
                    self.keep(taking);
                    return read.map_err(Failure::Descriptor).and(outcome);
                }
                Turn::Waiting(quiet) => {
                    *turn = Turn::Waiting(quiet);
                    quiet
                }
                Turn::Fetch(taking) => {
                    *turn = Turn::Fetch(taking);
                    None
                }
                Turn::Caller | Turn::Over => {
                    return Err(Failure::Panic("the receiver's thread has ended".to_owned()));
                }
            };
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            // The thread looks once before the caller may say that there is nothing.
            match (left, quiet) {
                (Some(Duration::ZERO), Some(Quiet::Sender)) => return Ok(Outcome::TimedOut),
                (Some(Duration::ZERO), Some(Quiet::NoSender)) => return Ok(Outcome::NoSender),
                _ => {}
            }
            let wait = left.filter(|left| !left.is_zero()).unwrap_or(SLICE);
            let waited = self.shared.changed.wait_timeout(turn, wait);
            turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives the frame that is out back, and lets the thread wait for the next.
    pub(super) fn done(&mut self) {
        if let Some(mut taking) = self.taking.take() {
            give_back(&mut taking);
            self.keep(taking);
        }
    }

    fn check_process(&self) -> Result<(), Failure> {
        if self.process == process::id() { Ok(()) } else { Err(Failure::Forked) }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        // A forked child has no such thread to join or to detach, and perhaps its lock.
        if self.process != process::id() {
            self.thread.take().map(ManuallyDrop::new);
            return;
        }
        let former = self.shared.pass(&mut self.shared.turn(), Turn::Over);
        if let Some(thread) = self.thread.take() {
            // A panic in it is an outcome by now.
            drop(thread.join());
        }
        drop(former);
    }
}

/// The thread: fetches what comes, one thing at a time.
fn run(shared: &Shared) {
    loop {
        let mut turn = shared.turn();
        let mut taking = loop {
            match std::mem::replace(&mut *turn, Turn::Waiting(None)) {
                Turn::Fetch(taking) => break taking,
                Turn::Over => {
                    *turn = Turn::Over;
                    return;
                }
                other @ (Turn::Waiting(_) | Turn::Came(..) | Turn::Caller) => *turn = other,
            }
            turn = shared.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        };
        drop(turn);
        let Some(outcome) = fetch(shared, &mut taking) else { return };
        let mut turn = shared.turn();
        if matches!(*turn, Turn::Over) || (&shared.writer).write_all(&[1]).is_err() {
            return;
        }
        shared.pass(&mut turn, Turn::Came(taking, outcome));
    }
}

/// Waits until there is something to tell; None when it is to end.
fn fetch(shared: &Shared, taking: &mut Taking) -> Option<Result<Outcome, Failure>> {
    let mut time = Duration::ZERO;
    loop {
        let quiet = match caught(|| take(taking, time)) {
            Ok(Outcome::TimedOut) => Quiet::Sender,
            Ok(Outcome::NoSender) => Quiet::NoSender,
            outcome => return Some(outcome),
        };
        let mut turn = shared.turn();
        if matches!(*turn, Turn::Over) {
            return None;
        }
        shared.pass(&mut turn, Turn::Waiting(Some(quiet)));
        time = SLICE;
    }
}

/// Every signal blocked for this thread, until dropped: a thread that is started meanwhile never
/// gets one, and so none is taken from the program.
struct Masked(Option<libc::sigset_t>);

impl Masked {
    fn all() -> Self {
        let mut all = MaybeUninit::uninit();
        // SAFETY: `all` is a place for a set of signals, which the call fills.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        let mut former = MaybeUninit::uninit();
        let (how, new, old) = (libc::SIG_BLOCK, all.as_ptr(), former.as_mut_ptr());
        // SAFETY: `all` was filled, and `former` is a place for a set of signals.
        if unsafe { libc::pthread_sigmask(how, new, old) } != 0 {
            return Self(None);
        }
        // SAFETY: The call has filled it.
        Self(Some(unsafe { former.assume_init() }))
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        if let Some(former) = &self.0 {
            // SAFETY: `former` is a set of signals; NULL says that the present one is not wanted.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, former, ptr::null_mut()) };
        }
    }
}
