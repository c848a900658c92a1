//! `handfast view`: streams in a window or in the terminal.
//!
//! A thread for each stream copies its newest frame ([`feed`]); the main thread sleeps until one
//! has, then draws what is to be seen ([`board`]) on pixels ([`canvas`]) that belong to a window
//! ([`window`]) or become characters ([`terminal`]).

mod board;
mod canvas;
mod cells;
mod feed;
mod layout;
mod scale;
mod terminal;
mod window;

use std::ffi::c_int;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use clap::Parser;
use handfast::{Mode, Receiver};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::look::advised;

use board::Board;
use feed::{Feed, Names, Waker};

/// How long `--once` waits for room in a stream whose sender is not looking.
const ROOM: Duration = Duration::from_secs(5);
/// After a signal the command has so long to end by itself, and as long to put the terminal back.
const GRACE: Duration = Duration::from_millis(500);

/// `handfast view`.
#[derive(Debug, Parser)]
#[command(after_help = "Keys: q or Escape quits, f fills the screen, s saves a PNG in this folder.

Examples:
  handfast view cam
  handfast view --grid
  handfast view cam --terminal")]
pub(crate) struct ViewArgs {
    /// Name of the stream
    #[arg(required_unless_present = "grid", conflicts_with = "grid")]
    name: Option<String>,
    /// Show all streams side by side, as they come and go
    #[arg(long)]
    grid: bool,
    /// Show block characters in the terminal, also where there is a display
    #[arg(long)]
    terminal: bool,
    /// The stream must be there, and its end or loss is the end
    #[arg(long, conflicts_with = "grid")]
    once: bool,
    /// Stop after so many shown frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
}

pub(crate) fn run(args: &ViewArgs) -> anyhow::Result<ExitCode> {
    let has_display = ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if !has_display && !args.terminal && !io::stdout().is_terminal() {
        let name = args.name.as_deref().unwrap_or("cam");
        bail!(
            "there is nothing to show a picture on: neither DISPLAY nor WAYLAND_DISPLAY is set, \
             and standard output is no terminal. For one picture in a file: handfast grab {name} \
             frame.png"
        );
    }
    // A wrong name is told before a window opens.
    let receiver = args.name.as_deref().map(|name| open(name, args.once)).transpose()?;
    let frames = args.frames;
    let make_board = |waker: Waker| match (args.name.as_deref(), receiver) {
        (Some(name), receiver) => {
            let feed = Feed::start(name, receiver, &waker);
            Ok(Board::single(feed, args.once, frames, waker))
        }
        (None, _) => Ok(Board::grid(Names::follow(&waker)?, frames, waker)),
    };
    if args.terminal || !has_display {
        terminal::run(make_board)?;
    } else {
        window::run(make_board)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(name: &str, once: bool) -> anyhow::Result<Receiver> {
    let receiver = if once {
        Receiver::open_existing(name, Mode::Latest, ROOM)
    } else {
        Receiver::open_with(name, Mode::Latest)
    };
    receiver.map_err(|error| advised(name, error))
}

/// Tells of the signals that end a program, and of others, on a thread of its own. If a program
/// that should end does not, `at_last` is called and the program is ended.
fn on_signals(
    others: &[c_int],
    tell: impl Fn(c_int) + Send + 'static,
    at_last: fn(),
) -> io::Result<()> {
    const ENDS: [c_int; 3] = [SIGINT, SIGTERM, SIGHUP];
    let mut signals = Signals::new(ENDS.iter().chain(others))?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            tell(signal);
            if ENDS.contains(&signal) {
                thread::spawn(move || {
                    thread::sleep(GRACE);
                    // It may wait for a terminal that takes nothing.
                    thread::spawn(at_last);
                    thread::sleep(GRACE);
                    std::process::exit(128 + signal);
                });
            }
        }
    })?;
    Ok(())
}
