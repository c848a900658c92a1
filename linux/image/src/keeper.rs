//! Keeps what a broker has when the broker is killed.
//!
//! The keeper is the broker's parent and shares its table of descriptors, so that none is closed
//! with it: the clients' sockets and mailboxes, memory, pages, the pipes of handles, and the
//! journal in which the broker writes down what it does. It starts one broker after the other. It
//! reads nothing of all that, so that nothing in it can make it fail; it gives up when brokers die
//! as soon as they begin.
#![expect(unsafe_code, reason = "UNSAFETY: a child is forked and told what it may take over")]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::panic;

use handfast_broker::{Config, Given, PAGE_BYTES, ServeError, file_id, new_journal, serve};
use handfast_sys::child::{Child, Ending, fork_sharing_descriptors};
use handfast_sys::clock;
use handfast_sys::epoll::{Interest, Poller};
use handfast_sys::inheritance::Inheritance;
use handfast_sys::inherited;
use handfast_sys::kept::Keeping;
use handfast_sys::process;
use handfast_sys::seqpacket::Listener;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use thiserror::Error;

/// So many brokers in a row that each were killed so young are not followed by another: what kills
/// them is probably in what they are left. One that grew older has gone on with it, and whatever
/// killed it came later.
const CRASHES_MAX: u32 = 3;
const YOUNG_NS: u64 = 100_000_000;
/// With this a program ends that panicked.
const PANICKED: i32 = 101;

/// Why no broker serves any more.
#[derive(Debug, Error)]
pub enum KeepError {
    /// In the broker: it cannot serve.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// In the keeper: a broker has said why it cannot serve.
    #[error("the broker ended with {code}")]
    Ended {
        /// Its exit code.
        code: i32,
    },
    /// In the keeper: brokers crash.
    #[error("{CRASHES_MAX} brokers in a row were killed at once: what they held is given up")]
    Crashes,
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] handfast_sys::Error),
    /// Signals could not be set up.
    #[error(transparent)]
    Signals(#[from] io::Error),
}

/// Which process it is in which [`keep`] has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// The one that called it.
    Keeper,
    /// A broker.
    Broker,
}

/// What the keeper waits for.
struct Watch {
    poller: Poller,
    /// A byte in the first pair says that a child has ended, one in the second that it is to.
    pairs: [[UnixStream; 2]; 2],
}

const CHILDREN: u64 = 0;
const STOP: u64 = 1;
const ORDERS: u64 = 2;

impl Watch {
    fn new(keeping: &Keeping) -> Result<Self, KeepError> {
        let pair = || -> io::Result<[UnixStream; 2]> {
            let (ours, raised) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            Ok([ours, raised])
        };
        let pairs = [pair()?, pair()?];
        let poller = Poller::new()?;
        let [[children, child_raised], [stop, stop_raised]] = &pairs;
        poller.add(children.as_fd(), CHILDREN, Interest::Readable)?;
        poller.add(stop.as_fd(), STOP, Interest::Readable)?;
        poller.add(keeping.bell(), ORDERS, Interest::Readable)?;
        // They stay registered in the children, which thereby tell the keeper when they are told to
        // stop.
        let _actions = [
            pipe::register(SIGCHLD, child_raised.try_clone()?)?,
            pipe::register(SIGTERM, stop_raised.try_clone()?)?,
            pipe::register(SIGINT, stop_raised.try_clone()?)?,
        ];
        Ok(Self { poller, pairs })
    }

    /// Does what is ordered until the child has ended.
    fn until_ended(&self, mut child: Child, keeping: &Keeping) -> Result<Ending, KeepError> {
        let mut events = Vec::new();
        loop {
            if let Some(ending) = child.ended()? {
                return Ok(ending);
            }
            self.poller.wait(&mut events, None)?;
            for event in &events {
                match event.token {
                    CHILDREN => drain(&self.pairs[0][0]),
                    STOP => {
                        drain(&self.pairs[1][0]);
                        child.signal(SIGTERM)?;
                    }
                    _ => keeping.serve(),
                }
            }
        }
    }
}

/// A broker that panics would close, while it unwinds, what its keeper keeps for the next one.
fn abort_on_panic() {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        say(what);
        std::process::abort();
    }));
}

fn drain(mut pair: &UnixStream) {
    use std::io::Read as _;
    while pair.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
}

/// Starts a broker that serves `listener`, and another one where one was killed, which goes on with
/// everything that it had, until three in a row were killed within 100 ms of their start. Returns
/// in each of these processes when it has done its part; `ready` is called before the first broker
/// is started.
///
/// # Errors
///
/// [`KeepError`].
///
/// # Blocking
///
/// For as long as they serve.
///
/// # Panics
///
/// When this process has another thread: a child that is forked would miss it.
pub fn keep(
    listener: Listener,
    config: &Config,
    ready: impl FnOnce(),
) -> Result<Process, KeepError> {
    process::set_not_dumpable()?;
    process::raise_descriptor_limit();
    assert_eq!(process::threads()?, 1, "a keeper has one thread");
    // All of these are open as long as there is one of the processes: they are its end's to close.
    let listener = ManuallyDrop::new(listener);
    let journal = ManuallyDrop::new(new_journal()?);
    let keeping = ManuallyDrop::new(Keeping::new(PAGE_BYTES)?);
    let watch = ManuallyDrop::new(Watch::new(&keeping)?);
    let keeper = std::process::id();
    // What is open now is this program's or the keeper's.
    let own = inherited::open_numbers()?;
    let socket_file = config.socket.as_deref().and_then(file_id);
    // It listens: who comes before the broker runs waits in its queue.
    ready();
    let mut crashes = 0;
    loop {
        keeping.serve();
        let started_ns = clock::now_ns();
        // SAFETY: There is no other thread: there was none above, and nothing here starts one.
        let Some(child) = (unsafe { fork_sharing_descriptors() })? else {
            abort_on_panic();
            // SAFETY: 1. Nothing was opened in this process yet, and what was open before the first
            // broker began is named. 2. The keeper opens and closes nothing but while it serves an
            // order, which nobody gives yet.
            let left = unsafe { Inheritance::find(&own) }?;
            // Where the keeper ends, too, its copies of these go without being closed once more.
            let (listener, journal) =
                (ManuallyDrop::into_inner(listener), ManuallyDrop::into_inner(journal));
            let keeping = Keeping::clone(&keeping);
            let given = Given { keeper, journal, keeping, left, socket_file };
            serve(listener, config.clone(), given)?;
            return Ok(Process::Broker);
        };
        match watch.until_ended(child, &keeping)? {
            Ending::Exited(0) => return Ok(Process::Keeper),
            Ending::Exited(code) if code != PANICKED => return Err(KeepError::Ended { code }),
            Ending::Exited(_) | Ending::Killed(_) => {}
        }
        let is_young = clock::now_ns().saturating_sub(started_ns) < YOUNG_NS;
        crashes = if is_young { crashes + 1 } else { 0 };
        if crashes >= CRASHES_MAX {
            return Err(KeepError::Crashes);
        }
    }
}
