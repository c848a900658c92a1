//! `hf_event_…`: set or not.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::{c_char, c_int};

use handfast::{Event, Reset};

use super::opening::{self, Holder, ask};
use super::reached::HfReached;
use crate::argument::limit;
use crate::error::Failure;
use crate::guard::guard;
use crate::pointer;
use crate::result::outcome;

pub(crate) const HF_RESET_MANUAL: u32 = 0;
pub(crate) const HF_RESET_AUTO: u32 = 1;

/// `hf_event`.
#[derive(Debug)]
pub(crate) struct HfEvent(pub(super) Event);

impl Holder for HfEvent {
    type Kind = Event;

    const WORD: &'static str = "event";

    fn hold(object: Event) -> Self {
        Self(object)
    }

    fn ask<R>(&self, ask: impl FnOnce(&Event) -> Result<R, Failure>) -> Result<R, Failure> {
        ask(&self.0)
    }
}

opening::functions!(HfEvent:
    hf_event_open hf_event_open_handle hf_event_share hf_event_object hf_event_access
    hf_event_destroy
);

fn reset(number: u32) -> Result<Reset, Failure> {
    match number {
        HF_RESET_MANUAL => Ok(Reset::Manual),
        HF_RESET_AUTO => Ok(Reset::Auto),
        _ => Err(Failure::Number {
            what: "reset",
            number: number.into(),
            allowed: "an hf_reset, 0 or 1",
        }),
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_event_create(
    name: *const c_char,
    reset_number: u32,
    event: *mut *mut HfEvent,
) -> c_int {
    let make = || {
        let reset = reset(reset_number)?;
        // SAFETY: C guarantees that it is NULL or a text that ends with NUL.
        Ok(HfEvent(match unsafe { pointer::name_or_none(name) }? {
            Some(name) => Event::create(name, reset)?,
            None => Event::new(reset)?,
        }))
    };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(event, "event", make) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_event_set(event: *const HfEvent) -> c_int {
    // SAFETY: C guarantees that it is NULL or a live event.
    guard(|| unsafe { ask(event, |event| Ok(event.set()?.into())) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_event_reset(event: *const HfEvent) -> c_int {
    // SAFETY: C guarantees that it is NULL or a live event.
    guard(|| unsafe { ask(event, |event| Ok(event.reset()?.into())) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_event_is_set(event: *const HfEvent) -> c_int {
    // SAFETY: C guarantees that it is NULL or a live event.
    guard(|| unsafe { ask(event, |event| Ok(event.is_set()?.into())) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_event_wait(event: *const HfEvent, timeout_ms: c_int) -> c_int {
    let wait = |event: &Event| {
        Ok(outcome(match limit(timeout_ms) {
            None => event.wait()?,
            Some(limit) => event.wait_timeout(limit)?,
        }))
    };
    // SAFETY: C guarantees that it is NULL or a live event.
    guard(|| unsafe { ask(event, wait) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_event_taken(
    event: *const HfEvent,
    reached: *mut *mut HfReached,
) -> c_int {
    let begin = |event: &Event| Ok(HfReached::new(event.taken()?));
    // SAFETY: C guarantees that it is NULL or a live event.
    let make = || unsafe { ask(event, begin) };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(reached, "reached", make) })
}
