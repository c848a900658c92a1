//! One line that tells how it goes, on a terminal only.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(500);

/// A line on standard error that is written over and over.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
    next: Instant,
    since: Instant,
    frames_then: u64,
    dirty: bool,
}

impl Progress {
    /// Shows itself only on a terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let now = Instant::now();
        let shown = !quiet && io::stderr().is_terminal();
        Self { shown, next: now + EVERY, since: now, frames_then: 0, dirty: false }
    }

    /// Tells how it goes, at most twice a second.
    pub(crate) fn tell(&mut self, frames: u64, what: impl FnOnce() -> String) {
        let now = Instant::now();
        if !self.shown || now < self.next {
            return;
        }
        let seconds = now.duration_since(self.since).as_secs_f64().max(1e-9);
        let rate = to_f64(frames.saturating_sub(self.frames_then)) / seconds;
        self.since = now;
        self.next = now + EVERY;
        self.frames_then = frames;
        // The line is cleared to its end, so that a narrower terminal or a shorter line leaves
        // nothing of the old one.
        let line = format!("\r{}  {frames} frames  {rate:.1}/s\x1b[K", what());
        self.dirty = io::stderr().write_all(line.as_bytes()).is_ok();
    }

    /// Ends the line.
    pub(crate) fn done(&mut self) {
        if self.dirty {
            drop(io::stderr().write_all(b"\r\x1b[K"));
            self.dirty = false;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}

/// A count as a number to divide; beyond 2^53 it is rounded.
#[expect(clippy::cast_precision_loss, reason = "a rate shown with one digit")]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}
