//! `hf_wait_any` and `hf_wait_all`.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::c_int;
use std::mem::{offset_of, size_of};
use std::time::Duration;

use handfast::{WaitObject, WaitOutcome, wait_all, wait_any};

use super::event::HfEvent;
use super::fence::HfFence;
use crate::argument::limit;
use crate::error::Failure;
use crate::guard::guard;
use crate::pointer;
use crate::result::outcome;

/// `hf_wait_object`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct HfWaitObject {
    pub(crate) value: u64,
    pub(crate) fence: *const HfFence,
    pub(crate) event: *const HfEvent,
}

const _: () = {
    assert!(offset_of!(HfWaitObject, fence) == 8);
    assert!(size_of::<HfWaitObject>() == 8 + 2 * size_of::<usize>(), "no padding");
};

type Wait = fn(&[WaitObject<'_>], Option<Duration>) -> handfast::Result<(usize, WaitOutcome)>;

/// What C waits for, in Rust's words.
///
/// # Safety
///
/// `objects` is NULL or the first of `count`, whose pointers are NULL or live.
unsafe fn wanted<'a>(
    objects: *const HfWaitObject,
    count: usize,
) -> Result<Vec<WaitObject<'a>>, Failure> {
    if count > 0 {
        pointer::present(objects.cast_mut(), "objects")?;
    }
    let mut wanted = Vec::new();
    for index in 0..count {
        // SAFETY: The caller guarantees that there are so many.
        let object = unsafe { pointer::shared(objects.wrapping_add(index), "objects") }?;
        // SAFETY: The caller guarantees it.
        let fence = unsafe { pointer::shared(object.fence, "fence") };
        // SAFETY: The caller guarantees it.
        let event = unsafe { pointer::shared(object.event, "event") };
        wanted.push(match (fence, event) {
            (Ok(fence), Err(_)) => fence.0.at(object.value),
            (Err(_), Ok(event)) => (&event.0).into(),
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => return Err(Failure::WaitObject { index }),
        });
    }
    Ok(wanted)
}

/// Waits for several objects.
///
/// # Safety
///
/// As [`wanted`]; `index` is NULL or a place for a number.
unsafe fn run(
    wait: Wait,
    (objects, count): (*const HfWaitObject, usize),
    timeout_ms: c_int,
    index: *mut usize,
) -> c_int {
    guard(|| {
        // SAFETY: The caller guarantees it.
        let wanted = unsafe { wanted(objects, count) }?;
        let (first, ended) = wait(&wanted, limit(timeout_ms))?;
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put_if_wanted(index, first) };
        Ok(outcome(ended))
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_wait_any(
    objects: *const HfWaitObject,
    count: usize,
    timeout_ms: c_int,
    index: *mut usize,
) -> c_int {
    // SAFETY: C guarantees that each is NULL or what the header says.
    unsafe { run(wait_any, (objects, count), timeout_ms, index) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_wait_all(
    objects: *const HfWaitObject,
    count: usize,
    timeout_ms: c_int,
    index: *mut usize,
) -> c_int {
    // SAFETY: C guarantees that each is NULL or what the header says.
    unsafe { run(wait_all, (objects, count), timeout_ms, index) }
}
