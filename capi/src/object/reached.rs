//! `hf_reached_…`: waits that nobody sleeps in.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process;

use handfast::Reached;

use crate::error::Failure;
use crate::guard::{guard, guard_quiet};
use crate::pointer;
use crate::result::{HF_TIMED_OUT, outcome};

/// `hf_reached`.
#[derive(Debug)]
pub(crate) struct HfReached {
    /// Present until dropped.
    reached: Option<Reached>,
    process: u32,
}

impl HfReached {
    pub(super) fn new(reached: Reached) -> Self {
        Self { reached: Some(reached), process: process::id() }
    }

    /// The wait, unless this is a forked child: its thread is the parent's, and perhaps was in the
    /// midst of something.
    fn own(&self) -> Result<&Reached, Failure> {
        let own = self.process == process::id();
        self.reached.as_ref().filter(|_| own).ok_or(Failure::Forked)
    }
}

impl Drop for HfReached {
    fn drop(&mut self) {
        if self.own().is_err() {
            // A forked child has no such thread to tell, and perhaps its lock.
            self.reached.take().map(ManuallyDrop::new);
        }
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_reached_fd(reached: *const HfReached) -> c_int {
    guard(|| {
        // SAFETY: C guarantees that it is NULL or a live wait.
        let reached = unsafe { pointer::shared(reached, "reached") }?;
        Ok(reached.own()?.as_fd().as_raw_fd())
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_reached_outcome(reached: *const HfReached) -> c_int {
    guard(|| {
        // SAFETY: C guarantees that it is NULL or a live wait.
        let reached = unsafe { pointer::shared(reached, "reached") }?;
        Ok(reached.own()?.outcome().map_or(HF_TIMED_OUT, outcome))
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_reached_destroy(reached: *mut HfReached) {
    // SAFETY: C guarantees that it is NULL or a live wait, and gives it up.
    guard_quiet(|| drop(unsafe { pointer::own(reached) }));
}
