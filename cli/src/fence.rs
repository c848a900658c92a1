//! `handfast fence`: fences for scripts.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use handfast::{Access, Fence, WaitOutcome};

use crate::args::{duration, number};
use crate::hold;
use crate::look::{self, advised, after, clean};
use crate::unreached::Unreached;

/// `handfast fence`.
#[derive(Debug, Parser)]
#[command(
    after_help = "Values are typed in decimal or as 0x hexadecimal, up to 18446744073709551615.
A name that is one of the commands is typed with its prefix: 'Local\\wait'.

Exit codes: 0 when it came to pass, 1 when a wait was late or nobody is left who could end it,
2 for what cannot be asked: no such name, another kind, no right to it, no broker, wrong usage.

Examples:
  handfast fence drawn create &
  handfast fence drawn signal 5
  handfast fence drawn wait 5 --timeout 500ms; [ $? -eq 1 ] && echo too late"
)]
pub(crate) struct FenceArgs {
    /// Name of the fence
    name: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Wait until the value is reached; fail when nobody is left who could bring it there
    #[command(
        after_help = "Exit codes: 0 when the value is reached, 1 when it was late or nobody is \
                      left who could signal, 2 for what cannot be asked: no such name, another \
                      kind, no right to it, no broker, wrong usage."
    )]
    Wait {
        /// The value
        #[arg(value_parser = number)]
        value: u64,
        /// Give up after so long: 500ms, 2s, or 0 to look once
        #[arg(long, value_name = "TIME", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Set the value, also to a lower one
    Signal {
        /// The value
        #[arg(value_parser = number)]
        value: u64,
    },
    /// Write the value to standard output
    Get,
    /// Make a fence, and keep its name until Ctrl-C, or until standard input ends if it is a pipe
    Create {
        /// Its first value
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = number)]
        value: u64,
    },
}

pub(crate) fn run(args: &FenceArgs) -> anyhow::Result<ExitCode> {
    let name = &args.name;
    match args.action {
        Action::Wait { value, timeout } => {
            // With every right there is: who may only wait costs all who signal a wake each time.
            let fence = open(name, Access::FENCE_WAIT | Access::MAXIMUM_ALLOWED)?;
            wait(name, &fence, value, timeout)?;
        }
        Action::Signal { value } => open(name, Access::FENCE_SIGNAL)?.signal(value)?,
        Action::Get => {
            let value = open(name, Access::READ_CONTROL)?.value()?;
            look::say(&format!("{value}\n"))?;
        }
        Action::Create { value } => {
            let fence = Fence::create(name, value)?;
            hold::until_ended(&format!("{} is a fence at {value}", clean(name)))?;
            drop(fence);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(name: &str, access: Access) -> anyhow::Result<Fence> {
    look::connect(name)?;
    Fence::open_with(name, access).map_err(|error| advised(name, error))
}

fn wait(name: &str, fence: &Fence, value: u64, timeout: Option<Duration>) -> anyhow::Result<()> {
    let outcome = match timeout {
        Some(timeout) => fence.wait_timeout(value, timeout)?,
        None => fence.wait(value)?,
    };
    let (name, now) = (clean(name), fence.value()?);
    let words = match outcome {
        WaitOutcome::Signaled => return Ok(()),
        WaitOutcome::TimedOut => {
            format!("{name}: not at {value}{}: it is at {now}", after(timeout))
        }
        WaitOutcome::Abandoned => format!(
            "{name}: abandoned at {now}: the last who signalled it has closed it, and nobody is \
             left to bring it to {value}"
        ),
        WaitOutcome::Lost => format!(
            "{name}: lost at {now}: the last who signalled it has died, or it was set back more \
             often than it remembers; nobody can tell whether it comes to {value}"
        ),
    };
    Err(Unreached::because(words))
}
