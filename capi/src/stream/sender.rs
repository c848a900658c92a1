//! `hf_sender_…`: the end that draws.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::{c_char, c_int};
use std::mem::{offset_of, size_of};
use std::sync::Mutex;

use handfast::{Alignment, Alpha, Color, Lossless, SendFrame, Sender, SenderOptions, Sent};

use super::frame::{HfFrame, Tally};
use super::lender::Lender;
use crate::argument::{self, HfColor, alpha, color, format, timeout};
use crate::enter::enter;
use crate::error::Failure;
use crate::guard::{guard, guard_quiet};
use crate::pointer;
use crate::result::{HF_DROPPED, HF_TIMED_OUT, count};

/// `hf_sender_options`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct HfSenderOptions {
    pub(crate) struct_size: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) format: u32,
    pub(crate) slots: u32,
    pub(crate) align_bytes: u32,
    pub(crate) lossless: u32,
    pub(crate) alpha: u32,
    pub(crate) color: HfColor,
    pub(crate) reserved: u32,
    pub(crate) text: *const c_char,
}

const _: () = {
    assert!(offset_of!(HfSenderOptions, color) == 32);
    assert!(offset_of!(HfSenderOptions, text) == 40);
    assert!(size_of::<HfSenderOptions>() == 40 + size_of::<usize>(), "no padding");
};

/// `hf_sender`.
#[derive(Debug)]
pub(crate) struct HfSender(Mutex<Drawing>);

#[derive(Debug)]
struct Drawing {
    lender: Lender<Sender, SendFrame<'static>>,
    tally: Tally,
    /// What the pixels of a frame mean unless it says otherwise.
    usual: (Color, Alpha),
}

impl Drawing {
    fn new(name: &str, options: SenderOptions) -> Result<Self, Failure> {
        let usual = (options.color, options.alpha);
        let sender = Sender::create_with(name, options)?;
        Ok(Self { lender: Lender::new(sender), tally: Tally::new(), usual })
    }

    fn sender(&mut self) -> Result<&mut Sender, Failure> {
        let number = self.tally.number();
        self.lender.end().ok_or(Failure::FrameOut { number })
    }

    /// Lends a frame, if one can be had in time.
    fn frame(
        &mut self,
        owner: *const HfSender,
        timeout_ms: Option<c_int>,
    ) -> Result<Option<HfFrame>, Failure> {
        let borrow = |sender: &'static mut Sender| {
            let frame = match timeout_ms {
                None => sender.frame().map(Some),
                Some(timeout_ms) => sender.frame_timeout(timeout(timeout_ms)),
            };
            match frame {
                Ok(frame) => (frame, Ok(())),
                Err(error) => (None, Err(error)),
            }
        };
        // SAFETY: The frame has the reference; an error has nothing of it.
        let lent = unsafe { self.lender.lend(borrow) };
        lent.ok_or(Failure::FrameOut { number: self.tally.number() })??;
        let Some(frame) = self.lender.loan_mut() else { return Ok(None) };
        let mut described = HfFrame::to_draw(frame, self.usual);
        self.tally.lend(&mut described, owner);
        Ok(Some(described))
    }

    fn send(&mut self, owner: *const HfSender, frame: &mut HfFrame) -> Result<c_int, Failure> {
        let lent = self.lender.loan_mut().ok_or(Failure::FrameUnknown)?;
        self.tally.check(frame, owner)?;
        frame.apply(lent, self.usual)?;
        // SAFETY: Sending takes the frame by value.
        let sent = unsafe { self.lender.settle(SendFrame::send) };
        frame.forget();
        match sent.ok_or(Failure::FrameUnknown)?? {
            Sent::Published(sequence) => {
                frame.sequence = sequence;
                Ok(0)
            }
            Sent::Dropped => Ok(HF_DROPPED),
        }
    }

    fn cancel(&mut self, owner: *const HfSender, frame: &mut HfFrame) -> Result<c_int, Failure> {
        self.lender.loan().ok_or(Failure::FrameUnknown)?;
        self.tally.check(frame, owner)?;
        // SAFETY: The frame is dropped.
        unsafe { self.lender.settle(drop) };
        frame.forget();
        Ok(0)
    }

    fn resize(&mut self, size: (u32, u32), format_number: u32) -> Result<c_int, Failure> {
        let format = format(format_number)?;
        let sender = self.sender()?;
        let former = sender.format();
        sender.resize(size, format)?;
        if format != former {
            let usual = SenderOptions::new(size, format);
            sender.set_color(usual.color, usual.alpha);
            self.usual = (usual.color, usual.alpha);
        }
        Ok(0)
    }
}

/// Runs a body on a sender that no other thread is in a call on.
///
/// # Safety
///
/// `sender` is NULL or a live one of the library's.
unsafe fn within(
    sender: *const HfSender,
    body: impl FnOnce(&mut Drawing) -> Result<c_int, Failure>,
) -> c_int {
    guard(|| {
        // SAFETY: The caller guarantees it.
        let sender = unsafe { pointer::shared(sender, "sender") }?;
        body(&mut *enter(&sender.0)?)
    })
}

/// What C asks for, in Rust's words.
///
/// # Safety
///
/// As `hf_sender_create_with` demands of `options`.
unsafe fn wanted(options: *const HfSenderOptions) -> Result<SenderOptions, Failure> {
    // SAFETY: The caller guarantees it.
    let options = unsafe { argument::sized(options, ("options", "hf_sender_options")) }?;
    let mut wanted = SenderOptions::new((options.width, options.height), format(options.format)?);
    if options.slots != 0 {
        wanted.slots = options.slots;
    }
    if options.align_bytes != 0 {
        let bytes = options.align_bytes;
        wanted.alignment = Alignment { stride_bytes: bytes, plane_bytes: bytes };
    }
    wanted.lossless = match options.lossless {
        0 => Lossless::Refused,
        1 => Lossless::Allowed,
        number => {
            let (what, number) = ("lossless", number.into());
            return Err(Failure::Number { what, number, allowed: "0 or 1" });
        }
    };
    if options.alpha != 0 {
        wanted.alpha = alpha(options.alpha)?;
    }
    if let Some(color) = color(options.color)? {
        wanted.color = color;
    }
    // SAFETY: C guarantees that it is NULL or ends with NUL.
    if let Some(text) = unsafe { pointer::text(options.text) } {
        text.to_str().map_err(|_| Failure::Text { what: "text" })?.clone_into(&mut wanted.text);
    }
    Ok(wanted)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_create(
    name: *const c_char,
    width: u32,
    height: u32,
    format: u32,
    sender: *mut *mut HfSender,
) -> c_int {
    guard(|| {
        let make = || {
            // SAFETY: C guarantees that it is NULL or a text that ends with NUL.
            let name = unsafe { pointer::name(name) }?;
            let options = SenderOptions::new((width, height), argument::format(format)?);
            Ok(HfSender(Mutex::new(Drawing::new(name, options)?)))
        };
        // SAFETY: C guarantees that it is NULL or a place for a pointer.
        unsafe { pointer::give(sender, "sender", make) }
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_create_with(
    name: *const c_char,
    options: *const HfSenderOptions,
    sender: *mut *mut HfSender,
) -> c_int {
    guard(|| {
        let make = || {
            // SAFETY: C guarantees that it is NULL or a text that ends with NUL.
            let name = unsafe { pointer::name(name) }?;
            // SAFETY: C guarantees that it is NULL or options of the size that they say.
            Ok(HfSender(Mutex::new(Drawing::new(name, unsafe { wanted(options) }?)?)))
        };
        // SAFETY: C guarantees that it is NULL or a place for a pointer.
        unsafe { pointer::give(sender, "sender", make) }
    })
}

/// Fills C's frame with one to draw in.
///
/// # Safety
///
/// Both are NULL, or what `hf_sender_frame` demands.
unsafe fn lend(sender: *mut HfSender, frame: *mut HfFrame, timeout_ms: Option<c_int>) -> c_int {
    let body = |drawing: &mut Drawing| {
        let frame = pointer::present(frame, "frame")?;
        let Some(lent) = drawing.frame(sender, timeout_ms)? else { return Ok(HF_TIMED_OUT) };
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(frame, lent) };
        Ok(0)
    };
    // SAFETY: The caller guarantees it.
    unsafe { within(sender, body) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_frame(
    sender: *mut HfSender,
    frame: *mut HfFrame,
) -> c_int {
    // SAFETY: C guarantees it.
    unsafe { lend(sender, frame, None) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_frame_timeout(
    sender: *mut HfSender,
    frame: *mut HfFrame,
    timeout_ms: c_int,
) -> c_int {
    // SAFETY: C guarantees it.
    unsafe { lend(sender, frame, Some(timeout_ms)) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_send(
    sender: *mut HfSender,
    frame: *mut HfFrame,
) -> c_int {
    let body = |drawing: &mut Drawing| {
        // SAFETY: C guarantees that it is NULL or a frame of its own.
        drawing.send(sender, unsafe { pointer::exclusive(frame, "frame") }?)
    };
    // SAFETY: C guarantees that it is NULL or a live sender.
    unsafe { within(sender, body) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_cancel(
    sender: *mut HfSender,
    frame: *mut HfFrame,
) -> c_int {
    let body = |drawing: &mut Drawing| {
        // SAFETY: C guarantees that it is NULL or a frame of its own.
        drawing.cancel(sender, unsafe { pointer::exclusive(frame, "frame") }?)
    };
    // SAFETY: C guarantees that it is NULL or a live sender.
    unsafe { within(sender, body) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_resize(
    sender: *mut HfSender,
    width: u32,
    height: u32,
    format: u32,
) -> c_int {
    // SAFETY: C guarantees that it is NULL or a live sender.
    unsafe { within(sender, |drawing| drawing.resize((width, height), format)) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_receivers(sender: *mut HfSender) -> c_int {
    // SAFETY: C guarantees that it is NULL or a live sender.
    unsafe { within(sender, |drawing| Ok(count(drawing.sender()?.receivers().count()))) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_wait_for_receivers(
    sender: *mut HfSender,
    receivers: u32,
    timeout_ms: c_int,
) -> c_int {
    let body = |drawing: &mut Drawing| {
        let wanted = usize::try_from(receivers).unwrap_or(usize::MAX);
        Ok(count(drawing.sender()?.wait_for_receivers(wanted, timeout(timeout_ms))?))
    };
    // SAFETY: C guarantees that it is NULL or a live sender.
    unsafe { within(sender, body) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_finish(
    sender: *mut HfSender,
    timeout_ms: c_int,
) -> c_int {
    let check = |drawing: &mut Drawing| drawing.sender().map(|_| 0);
    // SAFETY: C guarantees that it is NULL or a live sender.
    let refused = unsafe { within(sender, check) };
    if refused != 0 {
        return refused;
    }
    guard(|| {
        // SAFETY: C guarantees that it is a live sender, and gives it up.
        let Some(sender) = (unsafe { pointer::own(sender) }) else { return Ok(0) };
        let drawing = sender.0.into_inner().map_err(|_| Failure::Busy)?;
        drawing.lender.into_end().finish(timeout(timeout_ms))?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_sender_destroy(sender: *mut HfSender) {
    // SAFETY: C guarantees that it is NULL or a live sender, and gives it up.
    guard_quiet(|| drop(unsafe { pointer::own(sender) }));
}
