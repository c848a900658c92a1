//! `hf_fence_…`: 64-bit values.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::{c_char, c_int};

use handfast::Fence;

use super::event::HfEvent;
use super::opening::{self, Holder, ask};
use super::reached::HfReached;
use crate::argument::limit;
use crate::error::Failure;
use crate::guard::guard;
use crate::pointer;
use crate::result::outcome;

/// `hf_fence`.
#[derive(Debug)]
pub(crate) struct HfFence(pub(super) Fence);

impl Holder for HfFence {
    type Kind = Fence;

    const WORD: &'static str = "fence";

    fn hold(object: Fence) -> Self {
        Self(object)
    }

    fn ask<R>(&self, ask: impl FnOnce(&Fence) -> Result<R, Failure>) -> Result<R, Failure> {
        ask(&self.0)
    }
}

opening::functions!(HfFence:
    hf_fence_open hf_fence_open_handle hf_fence_share hf_fence_object hf_fence_access
    hf_fence_destroy
);

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_fence_create(
    name: *const c_char,
    value: u64,
    fence: *mut *mut HfFence,
) -> c_int {
    let make = || {
        // SAFETY: C guarantees that it is NULL or a text that ends with NUL.
        Ok(HfFence(match unsafe { pointer::name_or_none(name) }? {
            Some(name) => Fence::create(name, value)?,
            None => Fence::new(value)?,
        }))
    };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(fence, "fence", make) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_fence_signal(fence: *const HfFence, value: u64) -> c_int {
    let signal = |fence: &Fence| {
        fence.signal(value)?;
        Ok(0)
    };
    // SAFETY: C guarantees that it is NULL or a live fence.
    guard(|| unsafe { ask(fence, signal) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_fence_value(fence: *const HfFence, value: *mut u64) -> c_int {
    guard(|| {
        let place = pointer::present(value, "value")?;
        // SAFETY: C guarantees that it is NULL or a live fence.
        let value = unsafe { ask(fence, |fence| Ok(fence.value()?)) }?;
        // SAFETY: C guarantees that it is a place for a number.
        unsafe { pointer::put(place, value) };
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_fence_wait(
    fence: *const HfFence,
    value: u64,
    timeout_ms: c_int,
) -> c_int {
    let wait = |fence: &Fence| {
        Ok(outcome(match limit(timeout_ms) {
            None => fence.wait(value)?,
            Some(limit) => fence.wait_timeout(value, limit)?,
        }))
    };
    // SAFETY: C guarantees that it is NULL or a live fence.
    guard(|| unsafe { ask(fence, wait) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_fence_reached(
    fence: *const HfFence,
    value: u64,
    reached: *mut *mut HfReached,
) -> c_int {
    let begin = |fence: &Fence| Ok(HfReached::new(fence.reached(value)?));
    // SAFETY: C guarantees that it is NULL or a live fence.
    let make = || unsafe { ask(fence, begin) };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(reached, "reached", make) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_fence_set_event_on_completion(
    fence: *const HfFence,
    value: u64,
    event: *const HfEvent,
) -> c_int {
    guard(|| {
        // SAFETY: C guarantees that it is NULL or a live event.
        let event = unsafe { pointer::shared(event, "event") }?;
        let begin = |fence: &Fence| Ok(fence.set_event_on_completion(value, &event.0)?);
        // SAFETY: C guarantees that it is NULL or a live fence.
        unsafe { ask(fence, begin) }?;
        Ok(0)
    })
}
