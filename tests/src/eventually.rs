//! Waiting for what has no event.

use std::thread;
use std::time::{Duration, Instant};

/// What takes longer hangs. No test may expect anything to take less.
pub const LIMIT: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(5);

/// Returns once `condition` holds, which is asked again and again: for what nothing tells.
///
/// # Panics
///
/// When it does not hold within [`LIMIT`], saying `what` was waited for.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "waited {} s in vain: {what}", LIMIT.as_secs());
        thread::sleep(PAUSE);
    }
}
