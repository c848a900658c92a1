//! The functions of `handfast/stream.h`.

mod frame;
mod lender;
mod list;
mod polled;
mod receiver;
mod sender;
mod watch;

use std::ffi::c_int;

use handfast::Mode;

use crate::error::Failure;

#[cfg(test)]
pub(crate) use self::frame::{HF_DAMAGE_MAX, HF_USER_BYTES_MAX, HfFrame, HfRect};
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

pub(crate) const HF_MODE_LOSSLESS: c_int = -1;
pub(crate) const HF_MODE_LATEST: c_int = 0;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_c_are_checked() {
        assert_eq!(mode(0).ok(), Some(Mode::Latest));
        assert_eq!(mode(-1).ok(), Some(Mode::Lossless));
        assert_eq!(mode(3).ok(), Some(Mode::Queue(3)));
        assert!(mode(-2).is_err());
    }
}
