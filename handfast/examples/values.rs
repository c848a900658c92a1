//! Gives a process that runs already a handle, and tells it the value as a text: `cargo run
//! --example values`. It starts itself as that process.
//!
//! What an inherited descriptor takes, in Rust, is on the page of `HandleTable`.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use handfast::{Access, DuplicateOptions, Fence, HandleTable, HandleValue};

type Failure = Box<dyn std::error::Error>;

const PATIENCE: Duration = Duration::from_secs(20);
const CHILD: &str = "child";

fn main() -> Result<(), Failure> {
    if env::args().nth(1).as_deref() == Some(CHILD) { child() } else { parent() }
}

fn parent() -> Result<(), Failure> {
    let table = HandleTable::own()?;
    let done = Fence::new(0)?; // nobody else has it, and no broker was asked
    let value = table.insert_object(done.clone())?;

    let program = env::current_exe()?;
    let mut child = Command::new(program).arg(CHILD).stdin(Stdio::piped()).spawn()?;
    let number = child.id().cast_signed();
    let rights = (Access::FENCE_SIGNAL | Access::FENCE_WAIT).into();
    let ticket = table.deliver(value, number.into(), rights, DuplicateOptions::empty())?;
    if let Some(mut told) = child.stdin.take() {
        writeln!(told, "{ticket}")?;
    }
    // This process made the fence and could signal it, too: nobody would say that the child died.
    let outcome = done.wait_timeout(7, PATIENCE)?;
    writeln!(io::stdout(), "{outcome:?} at {}, the child: {}", done.value()?, child.wait()?)?;
    table.close(value)?;
    Ok(())
}

/// It was told a value, which is good in this process alone.
fn child() -> Result<(), Failure> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let value: HandleValue = line.trim().parse()?;
    let table = HandleTable::own()?;
    table.fence(value)?.signal(7)?;
    table.close(value)?;
    Ok(())
}
