//! `hf_watch_…`: waits for changes of what is there.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::c_int;
use std::ptr;
use std::sync::Mutex;

use handfast::Client;

use super::{HF_CHANGED, HF_TIMED_OUT, enter, timeout};
use crate::guard::{guard, guard_quiet};
use crate::pointer;

/// `hf_watch`.
#[derive(Debug)]
pub(crate) struct HfWatch(Mutex<Client>);

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_watch_create(watch: *mut *mut HfWatch) -> c_int {
    guard(|| {
        let place = pointer::present(watch, "watch")?;
        // SAFETY: C guarantees that it is a place for a pointer.
        unsafe { pointer::put(place, ptr::null_mut()) };
        let mut client = Client::connect()?;
        client.watch()?;
        let watch = Box::into_raw(Box::new(HfWatch(Mutex::new(client))));
        // SAFETY: As above.
        unsafe { pointer::put(place, watch) };
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_watch_wait(watch: *mut HfWatch, timeout_ms: c_int) -> c_int {
    guard(|| {
        // SAFETY: C guarantees that it is NULL or a live watch.
        let watch = unsafe { pointer::shared(watch, "watch") }?;
        let mut client = enter(&watch.0)?;
        if !client.wait_for_change(timeout(timeout_ms))? {
            return Ok(HF_TIMED_OUT);
        }
        // The next change is watched for before the caller looks at this one.
        client.watch()?;
        Ok(HF_CHANGED)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_watch_destroy(watch: *mut HfWatch) {
    // SAFETY: C guarantees that it is NULL or a live watch, and gives it up.
    guard_quiet(|| drop(unsafe { pointer::own(watch) }));
}
