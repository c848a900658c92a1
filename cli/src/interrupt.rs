//! Ctrl-C and SIGTERM: the command ends what it does and leaves nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Every wait is cut into slices of this, to look whether it is over.
pub(crate) const SLICE: Duration = Duration::from_millis(100);
/// A command that waits for something it cannot leave (a read of standard input) is ended so
/// long after the signal; the kernel then closes what it held.
const GRACE: Duration = Duration::from_millis(500);

/// Whether somebody wants the command to end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes SIGINT and SIGTERM from now on.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let seen = Arc::clone(&raised);
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if seen.swap(true, Ordering::SeqCst) {
                    std::process::exit(128 + signal);
                }
                thread::spawn(move || {
                    thread::sleep(GRACE);
                    std::process::exit(128 + signal);
                });
            }
        })?;
        Ok(Self(raised))
    }

    /// Whether the command should end.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
