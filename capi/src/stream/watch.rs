//! `hf_watch_…`: waits for changes of what is there.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::c_int;
use std::sync::Mutex;

use handfast::Client;

use crate::argument::timeout;
use crate::enter::enter;
use crate::guard::{guard, guard_quiet};
use crate::pointer;
use crate::result::{HF_CHANGED, HF_TIMED_OUT};

/// `hf_watch`.
#[derive(Debug)]
pub(crate) struct HfWatch(Mutex<Client>);

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_watch_create(watch: *mut *mut HfWatch) -> c_int {
    let make = || {
        let mut client = Client::connect()?;
        client.watch()?;
        Ok(HfWatch(Mutex::new(client)))
    };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(watch, "watch", make) })
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
