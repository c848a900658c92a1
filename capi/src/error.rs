//! Why a call failed: its number for C, and its text.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C by their names")]

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
use std::io;

use handfast::ErrorKind;

pub(crate) const HF_ERROR_FAILED: c_int = -1;
pub(crate) const HF_ERROR_NAME_INVALID: c_int = -2;
pub(crate) const HF_ERROR_NAME_TAKEN: c_int = -3;
pub(crate) const HF_ERROR_NOT_FOUND: c_int = -4;
pub(crate) const HF_ERROR_ACCESS_DENIED: c_int = -5;
pub(crate) const HF_ERROR_LIMIT_REACHED: c_int = -6;
pub(crate) const HF_ERROR_OUT_OF_MEMORY: c_int = -7;
pub(crate) const HF_ERROR_PICTURE_INVALID: c_int = -8;
pub(crate) const HF_ERROR_INVALID: c_int = -9;
pub(crate) const HF_ERROR_BROKER_UNAVAILABLE: c_int = -10;
pub(crate) const HF_ERROR_VERSION: c_int = -11;
pub(crate) const HF_ERROR_LOST: c_int = -12;
pub(crate) const HF_ERROR_FORKED: c_int = -13;
pub(crate) const HF_ERROR_KERNEL: c_int = -14;
pub(crate) const HF_ERROR_NULL: c_int = -15;
pub(crate) const HF_ERROR_FRAME: c_int = -16;
pub(crate) const HF_ERROR_BUSY: c_int = -17;
pub(crate) const HF_ERROR_PANIC: c_int = -18;
pub(crate) const HF_ERROR_MISUSE: c_int = -19;
pub(crate) const HF_ERROR_HANDLE: c_int = -20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Handfast(#[from] handfast::Error),
    #[error("{what} is NULL")]
    Null { what: &'static str },
    #[error("{what} is not UTF-8")]
    Text { what: &'static str },
    #[error("the name is not UTF-8")]
    Name,
    #[error("there is no pixel format number {number}")]
    Format { number: u32 },
    #[error("{what} cannot be {number}: it is {allowed}")]
    Number { what: &'static str, number: i64, allowed: &'static str },
    #[error(
        "struct_size is {found} bytes, and this library knows {known}: set it to \
         sizeof({type_name}), and what you do not use to zero"
    )]
    StructSize { found: u32, known: usize, type_name: &'static str },
    #[error("frame {number} is out: send it, cancel it or be done with it first")]
    FrameOut { number: u64 },
    #[error("this is not the frame that is out: a frame is given back once, to whom it came from")]
    FrameUnknown,
    #[error("no frame is out")]
    FrameMissing,
    #[error("the surface was made without a keyed mutex: set HF_SURFACE_KEYED_MUTEX in its flags")]
    NoMutex,
    #[error("object {index} to wait for is to have either a fence or an event")]
    WaitObject { index: usize },
    #[error("descriptor {fd} is not open")]
    NotOpen { fd: c_int },
    #[error("another thread is in a call on this object")]
    Busy,
    #[error("this object belongs to the process that made it, not to its forked child")]
    Forked,
    #[error("no thread could be started: {0}")]
    Thread(io::Error),
    #[error("no descriptors could be made: {0}")]
    Descriptor(io::Error),
    #[error("a defect of Handfast, please report it: {0}")]
    Panic(String),
}

thread_local! {
    static TEXT: RefCell<CString> = RefCell::default();
}

impl Failure {
    pub(crate) fn code(&self) -> c_int {
        match self {
            Self::Handfast(error) => code_of(error.kind()),
            Self::Null { .. } => HF_ERROR_NULL,
            Self::Text { .. }
            | Self::Number { .. }
            | Self::StructSize { .. }
            | Self::NoMutex
            | Self::WaitObject { .. } => HF_ERROR_INVALID,
            Self::NotOpen { .. } => HF_ERROR_HANDLE,
            Self::Name => HF_ERROR_NAME_INVALID,
            Self::Format { .. } => HF_ERROR_PICTURE_INVALID,
            Self::FrameOut { .. } | Self::FrameUnknown | Self::FrameMissing => HF_ERROR_FRAME,
            Self::Busy => HF_ERROR_BUSY,
            Self::Forked => HF_ERROR_FORKED,
            Self::Descriptor(_) => HF_ERROR_LIMIT_REACHED,
            Self::Thread(_) => HF_ERROR_KERNEL,
            Self::Panic(_) => HF_ERROR_PANIC,
        }
    }

    /// Keeps the text for this thread; gives the number.
    pub(crate) fn tell(&self) -> c_int {
        let text = self.to_string().replace('\0', "\u{FFFD}");
        let text = CString::new(text).unwrap_or_default();
        // A thread that is ending has nobody left to ask for it.
        TEXT.try_with(|kept| drop(kept.replace(text))).unwrap_or_default();
        self.code()
    }
}

fn code_of(kind: ErrorKind) -> c_int {
    match kind {
        ErrorKind::NameInvalid => HF_ERROR_NAME_INVALID,
        ErrorKind::NameTaken => HF_ERROR_NAME_TAKEN,
        ErrorKind::NotFound => HF_ERROR_NOT_FOUND,
        ErrorKind::AccessDenied => HF_ERROR_ACCESS_DENIED,
        ErrorKind::LimitReached => HF_ERROR_LIMIT_REACHED,
        ErrorKind::OutOfMemory => HF_ERROR_OUT_OF_MEMORY,
        ErrorKind::PictureInvalid => HF_ERROR_PICTURE_INVALID,
        ErrorKind::Invalid => HF_ERROR_INVALID,
        ErrorKind::BrokerUnavailable => HF_ERROR_BROKER_UNAVAILABLE,
        ErrorKind::Version => HF_ERROR_VERSION,
        ErrorKind::Lost => HF_ERROR_LOST,
        ErrorKind::Forked => HF_ERROR_FORKED,
        ErrorKind::Kernel => HF_ERROR_KERNEL,
        ErrorKind::Misuse => HF_ERROR_MISUSE,
        ErrorKind::HandleInvalid => HF_ERROR_HANDLE,
        // A kind that is newer than this table.
        _ => HF_ERROR_FAILED,
    }
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn hf_error_text() -> *const c_char {
    TEXT.try_with(|kept| kept.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn hf_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn the_text_is_that_of_the_last_failure() {
        assert_eq!(Failure::Format { number: 99 }.tell(), HF_ERROR_PICTURE_INVALID);
        // SAFETY: The library gives a text that ends with NUL and stays until the next failure.
        let text = unsafe { CStr::from_ptr(hf_error_text()) };
        assert_eq!(text, c"there is no pixel format number 99");
        assert_eq!(Failure::Panic("a\0b".to_owned()).tell(), HF_ERROR_PANIC);
        // SAFETY: As above.
        let text = unsafe { CStr::from_ptr(hf_error_text()) };
        assert_eq!(text.to_str(), Ok("a defect of Handfast, please report it: a\u{FFFD}b"));
    }
}
