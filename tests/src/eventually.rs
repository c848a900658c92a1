//! Waiting for what has no event.

use std::fmt::Debug;
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

/// Returns once `look` gives what is expected; as [`eventually`].
///
/// # Panics
///
/// When it does not within [`LIMIT`], saying what it gave last.
#[track_caller]
pub fn eventually_eq<T: PartialEq + Debug>(what: &str, expected: &T, mut look: impl FnMut() -> T) {
    let start = Instant::now();
    loop {
        let found = look();
        if found == *expected {
            return;
        }
        let seconds = LIMIT.as_secs();
        assert!(
            start.elapsed() < LIMIT,
            "waited {seconds} s in vain: {what}\n  expected: {expected:?}\n     found: {found:?}"
        );
        thread::sleep(PAUSE);
    }
}
