//! Holding what was made until somebody ends the command.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use crate::interrupt::{Interrupt, SLICE};

/// Says on standard error what is there, and returns when it should go: at SIGINT or SIGTERM, or
/// when standard input ends, if that is a pipe. A shell gives `/dev/null` to what it starts in the
/// background, and stops whoever reads its terminal from there: neither is listened to.
pub(crate) fn until_ended(what: &str) -> anyhow::Result<()> {
    let interrupt = Interrupt::new()?;
    let (sender, ended) = mpsc::channel::<()>();
    let listens = is_pipe();
    let until = if listens { "Ctrl-C or the end of standard input" } else { "Ctrl-C" };
    writeln!(io::stderr(), "{what}, and keeps its name until {until}")?;
    if listens {
        thread::Builder::new().name("input".into()).spawn(move || {
            drain();
            drop(sender);
        })?;
        while ended.recv_timeout(SLICE) == Err(RecvTimeoutError::Timeout) && !interrupt.is_raised()
        {
        }
    } else {
        while !interrupt.is_raised() {
            thread::sleep(SLICE);
        }
    }
    Ok(())
}

fn is_pipe() -> bool {
    let input = fs::metadata("/proc/self/fd/0").map(|found| found.file_type());
    input.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}

/// Reads standard input to its end, or until it cannot be read.
fn drain() {
    let mut bytes = [0; 4096];
    loop {
        match io::stdin().read(&mut bytes) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => {}
        }
    }
}
