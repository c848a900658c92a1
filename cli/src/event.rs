//! `handfast event`: events for scripts.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use handfast::{Access, Event, Reading, Reset, WaitOutcome};

use crate::args::duration;
use crate::hold;
use crate::look::{self, advised, after, clean};
use crate::unreached::Unreached;

/// `handfast event`.
#[derive(Debug, Parser)]
#[command(
    after_help = "A name that is one of the commands is typed with its prefix: 'Local\\wait'.

Exit codes: 0 when it came to pass, 1 when a wait was late or nobody is left who could end it,
2 for what cannot be asked: no such name, another kind, no right to it, no broker, wrong usage.

Examples:
  handfast event go create --auto &
  handfast event go set
  handfast event go wait --timeout 2s; [ $? -eq 1 ] && echo too late"
)]
pub(crate) struct EventArgs {
    /// Name of the event
    name: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set it, and let go who waits
    Set,
    /// Reset it
    Reset,
    /// Wait until it is set, and take that if it is an auto-reset event
    #[command(
        after_help = "Exit codes: 0 when it was set, 1 when it was late or nobody is left who \
                      could set it, 2 for what cannot be asked: no such name, another kind, no \
                      right to it, no broker, wrong usage."
    )]
    Wait {
        /// Give up after so long: 500ms, 2s, or 0 to look once
        #[arg(long, value_name = "TIME", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Write whether it is set to standard output: set, or not set
    Get,
    /// Make an event, not set, and keep its name until Ctrl-C, or until standard input ends if it
    /// is a pipe
    Create {
        /// It stays set until it is reset (the default)
        #[arg(long, conflicts_with = "auto")]
        manual: bool,
        /// Each time it is set, one wait goes through
        #[arg(long)]
        auto: bool,
    },
}

pub(crate) fn run(args: &EventArgs) -> anyhow::Result<ExitCode> {
    let name = &args.name;
    match args.action {
        Action::Set => {
            open(name, Access::EVENT_MODIFY)?.set()?;
        }
        Action::Reset => {
            open(name, Access::EVENT_MODIFY)?.reset()?;
        }
        Action::Wait { timeout } => {
            // With every right there is: who may only wait costs all who set it a wake each time.
            let event = open(name, Access::SYNCHRONIZE | Access::MAXIMUM_ALLOWED)?;
            wait(name, &event, timeout)?;
        }
        Action::Get => {
            let gauge = look::connect(name)?.gauge(name).map_err(|error| advised(name, error))?;
            let is_set = match gauge.map(|gauge| gauge.read()) {
                Some(Reading::Event { is_set }) => is_set,
                // Of another kind: this says of which.
                Some(Reading::Fence { .. } | Reading::KeyedMutex(_)) | None => {
                    open(name, Access::EVENT_QUERY)?.is_set()?
                }
            };
            look::say(&format!("{}\n", look::reading(Reading::Event { is_set })))?;
        }
        Action::Create { auto, .. } => {
            let reset = if auto { Reset::Auto } else { Reset::Manual };
            let event = Event::create(name, reset)?;
            let words = look::reset(reset);
            hold::until_ended(&format!("{} is an event ({words} reset), not set", clean(name)))?;
            drop(event);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(name: &str, access: Access) -> anyhow::Result<Event> {
    look::connect(name)?;
    Event::open_with(name, access).map_err(|error| advised(name, error))
}

fn wait(name: &str, event: &Event, timeout: Option<Duration>) -> anyhow::Result<()> {
    let outcome = match timeout {
        Some(timeout) => event.wait_timeout(timeout)?,
        None => event.wait()?,
    };
    let name = clean(name);
    Err(Unreached::because(match outcome {
        WaitOutcome::Signaled => return Ok(()),
        WaitOutcome::TimedOut => format!("{name}: not set{}", after(timeout)),
        WaitOutcome::Abandoned => format!("{name}: abandoned: nobody is left to set it"),
        WaitOutcome::Lost => format!("{name}: lost"),
    }))
}
