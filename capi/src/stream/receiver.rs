//! `hf_receiver_…`: the end that gets the frames.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::{c_char, c_int};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::Mutex;
use std::time::Duration;

use handfast::{Frame, Next, Receiver};

use super::frame::{HfFrame, Tally};
use super::lender::Lender;
use super::mode;
use super::polled::Polled;
use crate::argument::timeout;
use crate::enter::enter;
use crate::error::Failure;
use crate::guard::{guard, guard_quiet};
use crate::pointer;
use crate::result::{HF_ENDED, HF_FRAME, HF_NO_SENDER, HF_TIMED_OUT, count};

/// A receiver, and the frame that it has lent.
pub(super) type Taking = Lender<Receiver, Frame<'static>>;

/// `hf_receiver`.
#[derive(Debug)]
pub(crate) struct HfReceiver(Mutex<Receiving>);

#[derive(Debug)]
struct Receiving {
    source: Source,
    tally: Tally,
}

/// Who waits for the frames.
#[derive(Debug)]
enum Source {
    /// The thread that calls.
    Caller(Taking),
    /// A thread of the library, since the descriptor was asked for.
    Thread(Polled),
    /// Nobody, while that changes.
    Nobody,
}

/// What a wait for a frame brought.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A frame, which is lent now.
    Frame,
    /// Nothing, with a sender there.
    TimedOut,
    /// Nothing, and no sender.
    NoSender,
    /// The sender has died.
    Lost,
    /// The sender has ended the stream.
    Ended,
}

/// Waits for the next frame, which is lent then.
pub(super) fn take(taking: &mut Taking, time: Duration) -> Result<Outcome, Failure> {
    let borrow = |receiver: &'static mut Receiver| match receiver.recv_timeout(time) {
        Ok(Next::Frame(frame)) => (Some(frame), Ok(Outcome::Frame)),
        Ok(Next::TimedOut) => (None, Ok(Outcome::TimedOut)),
        Ok(Next::Ended) => (None, Ok(Outcome::Ended)),
        Ok(Next::Lost) => (None, Ok(Outcome::Lost)),
        Err(error) => (None, Err(error)),
    };
    // SAFETY: The frame has the reference; the other outcomes have nothing of it.
    let outcome = unsafe { taking.lend(borrow) }.ok_or(Failure::FrameUnknown)??;
    let mut alone = || taking.end().is_some_and(|end| end.sender_pid().is_none());
    if matches!(outcome, Outcome::TimedOut) && alone() {
        return Ok(Outcome::NoSender);
    }
    Ok(outcome)
}

/// Gives the frame that is lent back.
pub(super) fn give_back(taking: &mut Taking) {
    // SAFETY: The frame is dropped.
    unsafe { taking.settle(drop) };
}

impl Receiving {
    fn open(name: &str, mode_number: c_int) -> Result<Self, Failure> {
        let receiver = Receiver::open_with(name, mode(mode_number)?)?;
        Ok(Self { source: Source::Caller(Lender::new(receiver)), tally: Tally::new() })
    }

    /// The frame that is out, if one is.
    fn lent(&self) -> Option<&Frame<'static>> {
        match &self.source {
            Source::Caller(taking) => taking.loan(),
            Source::Thread(polled) => polled.lent(),
            Source::Nobody => None,
        }
    }

    fn next(&mut self, time: Duration) -> Result<Outcome, Failure> {
        if self.lent().is_some() {
            return Err(Failure::FrameOut { number: self.tally.number() });
        }
        match &mut self.source {
            Source::Caller(taking) => take(taking, time),
            Source::Thread(polled) => polled.next(time),
            Source::Nobody => Err(Failure::Busy),
        }
    }

    /// Checks that it is the frame that is out, and takes it back.
    fn done(&mut self, owner: *const HfReceiver, frame: &mut HfFrame) -> Result<c_int, Failure> {
        self.lent().ok_or(Failure::FrameUnknown)?;
        self.tally.check(frame, owner)?;
        match &mut self.source {
            Source::Caller(taking) => give_back(taking),
            Source::Thread(polled) => polled.done(),
            Source::Nobody => {}
        }
        frame.forget();
        Ok(0)
    }

    fn descriptor(&mut self) -> Result<BorrowedFd<'_>, Failure> {
        if matches!(self.source, Source::Caller(_)) {
            let polled = Polled::start()?;
            if let Source::Caller(taking) = std::mem::replace(&mut self.source, Source::Nobody) {
                self.source = Source::Thread(polled.with(taking));
            }
        }
        match &self.source {
            Source::Thread(polled) => polled.descriptor(),
            Source::Caller(_) | Source::Nobody => Err(Failure::Busy),
        }
    }
}

/// Runs a body on a receiver that no other thread is in a call on.
///
/// # Safety
///
/// `receiver` is NULL or a live one of the library's.
unsafe fn within(
    receiver: *const HfReceiver,
    body: impl FnOnce(&mut Receiving) -> Result<c_int, Failure>,
) -> c_int {
    guard(|| {
        // SAFETY: The caller guarantees it.
        let receiver = unsafe { pointer::shared(receiver, "receiver") }?;
        body(&mut *enter(&receiver.0)?)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_receiver_open(
    name: *const c_char,
    mode: c_int,
    receiver: *mut *mut HfReceiver,
) -> c_int {
    let make = || {
        // SAFETY: C guarantees that it is NULL or a text that ends with NUL.
        let name = unsafe { pointer::name(name) }?;
        Ok(HfReceiver(Mutex::new(Receiving::open(name, mode)?)))
    };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(receiver, "receiver", make) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_receiver_frame(
    receiver: *mut HfReceiver,
    frame: *mut HfFrame,
    timeout_ms: c_int,
) -> c_int {
    let body = |receiving: &mut Receiving| {
        let place = pointer::present(frame, "frame")?;
        match receiving.next(timeout(timeout_ms))? {
            Outcome::Frame => {}
            Outcome::TimedOut => return Ok(HF_TIMED_OUT),
            Outcome::NoSender | Outcome::Lost => return Ok(HF_NO_SENDER),
            Outcome::Ended => return Ok(HF_ENDED),
        }
        let lent = receiving.lent().ok_or(Failure::FrameMissing)?;
        let mut described = HfFrame::to_read(lent);
        receiving.tally.lend(&mut described, receiver);
        // SAFETY: C guarantees that it is a place for a frame.
        unsafe { pointer::put(place, described) };
        Ok(HF_FRAME)
    };
    // SAFETY: C guarantees that it is NULL or a live receiver.
    unsafe { within(receiver, body) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_receiver_done(
    receiver: *mut HfReceiver,
    frame: *mut HfFrame,
) -> c_int {
    let body = |receiving: &mut Receiving| {
        // SAFETY: C guarantees that it is NULL or a frame of its own.
        receiving.done(receiver, unsafe { pointer::exclusive(frame, "frame") }?)
    };
    // SAFETY: C guarantees that it is NULL or a live receiver.
    unsafe { within(receiver, body) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_receiver_fd(receiver: *mut HfReceiver) -> c_int {
    // SAFETY: C guarantees that it is NULL or a live receiver.
    unsafe { within(receiver, |receiving| Ok(receiving.descriptor()?.as_raw_fd())) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_receiver_text(
    receiver: *mut HfReceiver,
    buffer: *mut c_char,
    size_bytes: usize,
) -> c_int {
    let body = |receiving: &mut Receiving| {
        let text = receiving.lent().ok_or(Failure::FrameMissing)?.stream_text();
        let Some(room) = size_bytes.checked_sub(1) else { return Ok(count(text.len())) };
        let mut place = pointer::present(buffer, "buffer")?.cast::<u8>();
        for byte in text.bytes().take(room).chain([0]) {
            // SAFETY: At most `room` bytes and the NUL are written, and C guarantees that it has
            // room for as many.
            unsafe { pointer::put(place, byte) };
            place = place.wrapping_add(1);
        }
        Ok(count(text.len()))
    };
    // SAFETY: C guarantees that it is NULL or a live receiver.
    unsafe { within(receiver, body) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_receiver_destroy(receiver: *mut HfReceiver) {
    // SAFETY: C guarantees that it is NULL or a live receiver, and gives it up.
    guard_quiet(|| drop(unsafe { pointer::own(receiver) }));
}
