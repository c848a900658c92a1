//! The functions of `handfast/stream.h`.

mod frame;
mod lender;
mod list;
mod polled;
mod receiver;
mod sender;
mod watch;

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use handfast::{Alpha, Color, Format, Mode, Range};

use crate::error::Failure;

pub(crate) use self::frame::HfColor;
#[cfg(test)]
pub(crate) use self::frame::{HF_DAMAGE_MAX, HF_PLANES_MAX, HF_USER_BYTES_MAX, HfFrame, HfRect};
#[cfg(test)]
pub(crate) use self::list::{HfEntry, hf_list, hf_list_free};
#[cfg(test)]
pub(crate) use self::receiver::{
    HfReceiver, hf_receiver_destroy, hf_receiver_done, hf_receiver_fd, hf_receiver_frame,
    hf_receiver_open, hf_receiver_text,
};
#[cfg(test)]
pub(crate) use self::sender::{
    HfSender, HfSenderOptions, hf_sender_cancel, hf_sender_create, hf_sender_create_with,
    hf_sender_destroy, hf_sender_finish, hf_sender_frame, hf_sender_frame_timeout,
    hf_sender_receivers, hf_sender_resize, hf_sender_send, hf_sender_wait_for_receivers,
};
#[cfg(test)]
pub(crate) use self::watch::{HfWatch, hf_watch_create, hf_watch_destroy, hf_watch_wait};

pub(crate) const HF_ENDED: c_int = 0;
pub(crate) const HF_FRAME: c_int = 1;
pub(crate) const HF_TIMED_OUT: c_int = 2;
pub(crate) const HF_NO_SENDER: c_int = 3;
pub(crate) const HF_DROPPED: c_int = 4;
pub(crate) const HF_CHANGED: c_int = 5;

pub(crate) const HF_MODE_LOSSLESS: c_int = -1;
pub(crate) const HF_MODE_LATEST: c_int = 0;

/// 136 years: a time without end that every clock can count.
const ENDLESS: Duration = Duration::from_secs(0xFFFF_FFFF);

/// Milliseconds as C counts them: a negative number has no end.
fn timeout(timeout_ms: c_int) -> Duration {
    u64::try_from(timeout_ms).map_or(ENDLESS, Duration::from_millis)
}

fn count(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

fn format(number: u32) -> Result<Format, Failure> {
    Format::from_number(number).ok_or(Failure::Format { number })
}

fn mode(mode: c_int) -> Result<Mode, Failure> {
    match (mode, u32::try_from(mode)) {
        (HF_MODE_LATEST, _) => Ok(Mode::Latest),
        (HF_MODE_LOSSLESS, _) => Ok(Mode::Lossless),
        (_, Ok(frames)) => Ok(Mode::Queue(frames)),
        (number, Err(_)) => Err(Failure::Number {
            what: "mode",
            number: number.into(),
            allowed: "HF_MODE_LATEST, HF_MODE_LOSSLESS or a number of frames",
        }),
    }
}

fn alpha(number: u32) -> Result<Alpha, Failure> {
    u8::try_from(number).ok().and_then(Alpha::from_number).ok_or(Failure::Number {
        what: "alpha",
        number: number.into(),
        allowed: "an hf_alpha, 1 to 3",
    })
}

/// None for all zero, which stands for what is usual.
fn color(color: HfColor) -> Result<Option<Color>, Failure> {
    if color == HfColor::default() {
        return Ok(None);
    }
    let range = Range::from_number(color.range).ok_or(Failure::Number {
        what: "color.range",
        number: color.range.into(),
        allowed: "an hf_range, 0 or 1",
    })?;
    let HfColor { primaries, transfer, matrix, .. } = color;
    Ok(Some(Color { primaries, transfer, matrix, range }))
}

/// What a C object holds, unless another thread is in a call on it.
fn enter<T>(object: &Mutex<T>) -> Result<MutexGuard<'_, T>, Failure> {
    object.try_lock().map_err(|refusal| match refusal {
        TryLockError::WouldBlock => Failure::Busy,
        TryLockError::Poisoned(_) => {
            Failure::Panic("an earlier call on this object failed badly".to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_c_are_checked() {
        assert_eq!(mode(0).ok(), Some(Mode::Latest));
        assert_eq!(mode(-1).ok(), Some(Mode::Lossless));
        assert_eq!(mode(3).ok(), Some(Mode::Queue(3)));
        assert!(mode(-2).is_err());
        assert!(alpha(0).is_err() && alpha(4).is_err() && alpha(257).is_err());
        assert!(color(HfColor { range: 2, ..HfColor::default() }).is_err());
        assert_eq!(color(Color::SRGB.into()).ok(), Some(Some(Color::SRGB)));
        assert_eq!(timeout(0), Duration::ZERO);
        assert_eq!(timeout(-5), ENDLESS);
    }

    #[test]
    fn two_calls_at_a_time_are_refused() {
        let object = Mutex::new(());
        let first = enter(&object).unwrap();
        assert!(matches!(enter(&object), Err(Failure::Busy)));
        drop(first);
        assert!(enter(&object).is_ok());
    }
}
