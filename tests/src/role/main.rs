//! A program that does what its standard input says and answers with one line each.
//!
//! It is no part of the product: the tests need processes that stop between any two steps.
//!
//! `handfast-role send NAME SLOTS [lossless]`, `handfast-role recv NAME MODE`, and with one word
//! `linger`, `look`, `names` or `speak`, are ends of a stream; `objects` uses everything else, and
//! `play SCENE ..` does something by itself. The first line is `ready` or `error KIND: text`; the
//! end of its input ends it.

mod connection;
mod inherited;
mod linger;
mod look;
mod names;
mod objects;
mod play;
mod process;
mod receive;
mod send;
mod speak;
mod valued;

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::bail;

/// Width and height of every frame.
const SIZE: (u32, u32) = (64, 8);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["send", name, slots, rest @ ..] => send::run(name, slots, rest),
        ["recv", name, mode] => receive::run(name, mode),
        ["linger"] => linger::run(),
        ["inherited", number] => number.parse().map_err(Into::into).and_then(inherited::run),
        ["valued", value] => valued::run(value),
        ["look"] => look::run(),
        ["names"] => names::run(),
        ["objects"] => objects::run(),
        ["play", scene, rest @ ..] => play::run(scene, rest),
        ["speak"] => speak::run(),
        _ => Err(anyhow::anyhow!("there is no role {arguments:?}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody to tell when standard output is closed.
            drop(say(explain(&error)));
            ExitCode::FAILURE
        }
    }
}

/// `error KIND: text`.
fn explain(error: &anyhow::Error) -> String {
    let known = error.downcast_ref::<handfast::Error>();
    let kind = known.map_or("Other".into(), |error| format!("{:?}", error.kind()));
    format!("error {kind}: {error:#}")
}

/// Answers.
fn say(line: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", line.as_ref())?;
    out.flush()
}

/// What comes on standard input, line by line; disconnected at its end.
fn orders() -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.map_or(true, |line| sender.send(line).is_err()) {
                break;
            }
        }
    });
    receiver
}

/// A word of an order as a number.
fn number(word: &str) -> anyhow::Result<u64> {
    match word.parse() {
        Ok(number) => Ok(number),
        Err(_) => bail!("{word:?} is no number"),
    }
}
