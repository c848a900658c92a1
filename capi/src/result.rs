//! What a call brings besides failure: `hf_result`.

use std::ffi::c_int;

use handfast::WaitOutcome;

pub(crate) const HF_ENDED: c_int = 0;
pub(crate) const HF_SIGNALED: c_int = 0;
pub(crate) const HF_FRAME: c_int = 1;
pub(crate) const HF_TIMED_OUT: c_int = 2;
pub(crate) const HF_NO_SENDER: c_int = 3;
pub(crate) const HF_DROPPED: c_int = 4;
pub(crate) const HF_CHANGED: c_int = 5;
pub(crate) const HF_ABANDONED: c_int = 6;
pub(crate) const HF_LOST: c_int = 7;

/// How a wait ended.
pub(crate) const fn outcome(outcome: WaitOutcome) -> c_int {
    match outcome {
        WaitOutcome::Signaled => HF_SIGNALED,
        WaitOutcome::TimedOut => HF_TIMED_OUT,
        WaitOutcome::Abandoned => HF_ABANDONED,
        WaitOutcome::Lost => HF_LOST,
    }
}

/// A number of things, as far as C's `int` goes.
pub(crate) fn count(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}
