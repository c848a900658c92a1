//! A thread for each stream: it waits for frames, copies the newest, and wakes who shows it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use handfast::{Client, Error, ErrorKind, Frame, Mode, Next, Receiver};

use crate::media::picture::{Picture, PictureDesc, PictureError};
use crate::progress::to_f64;

/// Waits for frames are cut into slices of this, to see whether somebody still looks.
const SLICE: Duration = Duration::from_millis(500);
/// A picture that nobody takes is replaced by a newer one so seldom.
const UNTAKEN: Duration = Duration::from_millis(250);
/// The rate is counted over so long; without a frame for twice as long it is zero.
const RATE_NS: u64 = 1_000_000_000;
const STALLED: Duration = Duration::from_secs(2);
/// From one try to reach a broker to the next.
const RETRY: Duration = Duration::from_secs(1);
/// What changes in the list comes sooner; this is only how often the thread looks by itself.
const LIST_SLICE: Duration = Duration::from_secs(30);

/// Wakes the thread that shows pictures; many calls before it looks are one.
#[derive(Clone)]
pub(super) struct Waker {
    pending: Arc<AtomicBool>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// How a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Nobody has the name.
    Waiting,
    /// There is a sender; no frame yet.
    Silent,
    Live,
    Ended,
    Lost,
    /// Something failed that may work again later.
    Trouble(String),
    /// Something failed that will not.
    Failed(String),
}

/// A frame that was copied.
#[derive(Debug)]
pub(super) struct Shot {
    pub(super) desc: PictureDesc,
    pub(super) sequence: u64,
    bytes: Vec<u8>,
}

/// The newest picture of a stream.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) name: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told when the picture is taken, or nobody wants another.
    taken: Condvar,
}

#[derive(Debug)]
struct State {
    status: Status,
    rate: f64,
    fresh: Option<Shot>,
    spare: Vec<u8>,
    closed: bool,
}

/// The names of all streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<Vec<String>>>);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl Waker {
    pub(super) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { pending: Arc::default(), wake: Arc::new(wake) }
    }

    /// From now on a call wakes again; before a look, so that nothing is missed.
    pub(super) fn rearm(&self) {
        self.pending.store(false, Ordering::SeqCst);
    }

    fn wake(&self) {
        if !self.pending.swap(true, Ordering::SeqCst) {
            (self.wake)();
        }
    }
}

impl Shot {
    /// The picture.
    pub(super) fn picture(&self) -> Result<Picture<'_>, PictureError> {
        Picture::new(self.desc, &self.bytes)
    }
}

impl Feed {
    /// Receives on a thread of its own; opens the stream there if that has not been done.
    pub(super) fn start(name: &str, receiver: Option<Receiver>, waker: &Waker) -> Self {
        let status = Status::Waiting;
        let state = State { status, rate: 0.0, fresh: None, spare: Vec::new(), closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), taken: Condvar::new() });
        let mut thread = Thread {
            name: name.to_owned(),
            shared: Arc::clone(&shared),
            waker: waker.clone(),
            receiver,
            rate: Rate::default(),
            last: Instant::now(),
        };
        let started = thread::Builder::new().name("feed".into()).spawn(move || thread.run());
        if let Err(error) = started {
            shared.lock().status = Status::Failed(format!("no thread can be started: {error}"));
        }
        Self { name: name.to_owned(), shared }
    }

    /// How the stream is, and its frames per second.
    pub(super) fn status(&self) -> (Status, f64) {
        let state = self.shared.lock();
        (state.status.clone(), state.rate)
    }

    /// Takes the newest picture; false when it is the one that was taken before.
    pub(super) fn take(&self, shot: &mut Option<Shot>) -> bool {
        let mut state = self.shared.lock();
        let Some(fresh) = state.fresh.take() else { return false };
        if let Some(old) = shot.replace(fresh) {
            state.spare = old.bytes;
        }
        self.shared.taken.notify_all();
        true
    }

    /// Waits at most so long for the first picture and tells its size.
    pub(super) fn first_size(&self, timeout: Duration) -> Option<(u32, u32)> {
        let state = self.shared.lock();
        let none = |state: &mut State| state.fresh.is_none();
        // The first picture is told by `taken` as well: nobody else waits then.
        let waited = self.shared.taken.wait_timeout_while(state, timeout, none);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.fresh.as_ref().map(|shot| (shot.desc.width, shot.desc.height))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.taken.notify_all();
    }
}

impl Shared {
    /// Copies a frame into memory that was used before.
    fn copy(&self, frame: &Frame<'_>) -> Result<Shot, Error> {
        let mut bytes = std::mem::take(&mut self.lock().spare);
        frame.copy_to(&mut bytes)?;
        let (width, height) = frame.size();
        let (format, layout) = (frame.format(), *frame.layout());
        let (color, alpha) = (frame.color(), frame.alpha());
        let desc = PictureDesc { width, height, format, layout, color, alpha };
        Ok(Shot { desc, sequence: frame.sequence(), bytes })
    }

    /// Hands a picture over, then waits until it is taken: what cannot be shown need not be copied.
    fn show(&self, shot: Shot, rate: f64, waker: &Waker) {
        let mut state = self.lock();
        state.status = Status::Live;
        state.rate = rate;
        if let Some(old) = state.fresh.replace(shot) {
            state.spare = old.bytes;
        }
        self.taken.notify_all();
        waker.wake();
        let untaken = |state: &mut State| state.fresh.is_some() && !state.closed;
        drop(self.taken.wait_timeout_while(state, UNTAKEN, untaken));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    /// Keeps the names of all streams on a thread of its own.
    pub(super) fn follow(waker: &Waker) -> std::io::Result<Self> {
        let names = Self::default();
        let (kept, waker) = (names.clone(), waker.clone());
        thread::Builder::new().name("names".into()).spawn(move || {
            loop {
                // A broker that is gone takes its streams along; the next one is looked for.
                if let Err(error) = kept.follow_broker(&waker) {
                    tracing::debug!(%error, "the list of streams");
                    kept.set(Vec::new(), &waker);
                }
                thread::sleep(RETRY);
            }
        })?;
        Ok(names)
    }

    /// The names now.
    pub(super) fn now(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, names: Vec<String>, waker: &Waker) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names;
        waker.wake();
    }

    fn follow_broker(&self, waker: &Waker) -> Result<(), Error> {
        let mut client = Client::connect()?;
        loop {
            client.watch()?;
            let objects = client.list()?.into_iter();
            let streams =
                objects.filter(|object| object.stream().is_some_and(|stream| stream.has_sender));
            self.set(streams.filter_map(|stream| stream.names.into_iter().next()).collect(), waker);
            while !client.wait_for_change(LIST_SLICE)? {}
        }
    }
}

struct Thread {
    name: String,
    shared: Arc<Shared>,
    waker: Waker,
    receiver: Option<Receiver>,
    rate: Rate,
    last: Instant,
}

impl Thread {
    fn run(&mut self) {
        while !self.shared.lock().closed {
            let Err(error) = self.step() else { continue };
            self.receiver = None;
            // Another try may find another broker, or room.
            if matches!(
                error.kind(),
                ErrorKind::Lost
                    | ErrorKind::BrokerUnavailable
                    | ErrorKind::LimitReached
                    | ErrorKind::OutOfMemory
            ) {
                self.tell(Status::Trouble(error.to_string()));
                thread::sleep(RETRY);
            } else {
                self.tell(Status::Failed(error.to_string()));
                return;
            }
        }
    }

    fn step(&mut self) -> Result<(), Error> {
        if self.receiver.is_none() {
            self.receiver = Some(Receiver::open_with(&self.name, Mode::Latest)?);
        }
        let Some(receiver) = &mut self.receiver else { return Ok(()) };
        let status = match receiver.recv_timeout(SLICE)? {
            Next::Frame(frame) => {
                self.last = Instant::now();
                let rate = self.rate.count(frame.sequence(), frame.sent_ns());
                let shot = self.shared.copy(&frame)?;
                drop(frame);
                self.shared.show(shot, rate, &self.waker);
                return Ok(());
            }
            Next::Ended => Some(Status::Ended),
            Next::Lost => Some(Status::Lost),
            Next::TimedOut => None,
        };
        if let Some(status) = status {
            self.rate = Rate::default();
            self.tell(status);
        } else {
            self.quiet();
        }
        Ok(())
    }

    /// No frame for a while: says so where it was said otherwise.
    fn quiet(&mut self) {
        let is_there = self.receiver.as_ref().is_some_and(|r| r.sender_pid().is_some());
        let mut state = self.shared.lock();
        if matches!(state.status, Status::Waiting | Status::Silent | Status::Trouble(_)) {
            let status = if is_there { Status::Silent } else { Status::Waiting };
            if state.status == status {
                return;
            }
            state.status = status;
        } else if state.rate <= 0.0 || self.last.elapsed() < STALLED {
            return;
        }
        state.rate = 0.0;
        drop(state);
        self.waker.wake();
    }

    fn tell(&self, status: Status) {
        let mut state = self.shared.lock();
        state.status = status;
        state.rate = 0.0;
        drop(state);
        self.waker.wake();
    }
}

/// Counts the frames that a stream has, not only those that are seen.
#[derive(Debug, Default)]
struct Rate {
    since: Option<(u64, u64)>,
    per_second: f64,
}

impl Rate {
    /// Frames per second, now that there is this frame.
    fn count(&mut self, sequence: u64, sent_ns: u64) -> f64 {
        let (first, then_ns) = *self.since.get_or_insert((sequence, sent_ns));
        let passed_ns = sent_ns.saturating_sub(then_ns);
        if sequence < first || sent_ns < then_ns {
            *self = Self { since: Some((sequence, sent_ns)), per_second: 0.0 };
        } else if passed_ns >= RATE_NS || self.per_second <= 0.0 && passed_ns >= RATE_NS / 4 {
            self.per_second = to_f64(sequence - first) * 1e9 / to_f64(passed_ns);
            if passed_ns >= RATE_NS {
                self.since = Some((sequence, sent_ns));
            }
        }
        self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_the_streams() {
        let mut rate = Rate::default();
        let mut check = |sequence, at_ms: u64, wanted: f64| {
            let found = rate.count(sequence, at_ms * 1_000_000);
            assert!((found - wanted).abs() < 0.01, "{found} at {at_ms} ms");
        };
        check(100, 5_000, 0.0);
        check(110, 5_100, 0.0);
        check(130, 5_300, 100.0);
        check(200, 6_000, 100.0);
        // Every other frame is skipped.
        check(202, 6_040, 100.0);
        check(250, 7_000, 50.0);
        // Another sender begins again.
        check(1, 7_010, 0.0);
        check(31, 8_010, 30.0);
    }

    #[test]
    fn wakes_are_one_until_somebody_looks() {
        let (sender, wakes) = std::sync::mpsc::channel();
        let waker = Waker::new(move || sender.send(()).unwrap());
        waker.wake();
        waker.clone().wake();
        assert_eq!(wakes.try_iter().count(), 1);
        waker.rearm();
        waker.wake();
        assert_eq!(wakes.try_iter().count(), 1);
    }
}
