//! The program `handfast`: sends, receives and views streams, signals and waits, shows and lists
//! what is shared, and is the broker of it all.
//!
//! It is no library: everything it does with objects it does through the crate `handfast`.
//!
//! Read first: [`args`] (what may be typed), then the file of the command.
//!
//! Invariants: exit code 0 when it did what was asked, 1 when not, 2 for wrong usage; of `fence`
//! and `event` 1 for a wait that was late or has nobody left, and 2 for every other failure;
//! standard output carries data or answers, everything else goes to standard error.

#![forbid(unsafe_code)]

mod args;
mod broker;
mod completions;
mod demo;
mod doctor;
mod event;
mod explain;
mod fence;
mod grab;
mod hold;
mod input;
mod interrupt;
mod look;
mod ls;
mod media;
mod output;
mod progress;
mod recv;
mod send;
mod show;
mod unreached;
mod view;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use args::{Args, Command};
use unreached::Unreached;

fn main() -> ExitCode {
    let args = Args::parse();
    start_log(args.verbose);
    let is_for_scripts = matches!(args.command, Command::Fence(_) | Command::Event(_));
    let outcome = match args.command {
        Command::Send(args) => send::run(&args),
        Command::Recv(args) => recv::run(&args),
        Command::View(args) => view::run(&args),
        Command::Ls(args) => ls::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Grab(args) => grab::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Fence(args) => fence::run(&args),
        Command::Event(args) => event::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::DemoRole(args) => demo::run_role(&args).map(|()| ExitCode::SUCCESS),
        Command::Broker(args) => broker::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => completions::run_man(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // There is nobody to tell when standard error is closed.
            drop(writeln!(std::io::stderr(), "handfast: {}", in_words(&error)));
            // A script acts on a wait that was in vain, and on nothing else.
            let is_answer = !is_for_scripts || error.is::<Unreached>();
            if is_answer { ExitCode::FAILURE } else { ExitCode::from(2) }
        }
    }
}

/// An error with its causes, each said once: many tell their cause in their own text.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.contains(&cause) {
            continue;
        }
        words += if words.is_empty() { "" } else { ": " };
        words += &cause;
    }
    words
}

/// What is logged goes to standard error: warnings of ours and errors of others, and everything of
/// everybody when more is asked for.
fn start_log(verbose: u8) {
    let (ours, theirs) = match verbose {
        0 => (tracing::Level::WARN, tracing::Level::ERROR),
        1 => (tracing::Level::INFO, tracing::Level::WARN),
        _ => (tracing::Level::DEBUG, tracing::Level::DEBUG),
    };
    let wanted = Targets::new().with_target("handfast", ours).with_default(theirs);
    let format = tracing_subscriber::fmt::format().without_time().with_target(false).compact();
    let lines = tracing_subscriber::fmt::layer().event_format(format).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
}
