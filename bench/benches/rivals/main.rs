//! Handfast beside iceoryx2, GStreamer's shared memory elements and PipeWire:
//! `cargo bench -p handfast-bench --bench rivals`.
//!
//! 1. A round trip between two processes that sleep: a fence beside iceoryx2's event service.
//! 2. Frames of a stream. Each sender copies the same picture into what it sends, each receiver
//!    sleeps until there is a frame and copies it out, and none is dropped.
//!
//! Beside the frames on one core stands what the two copies alone take, within one process.
//!
//! Both are told with all processes on one core and with the two sides on two. The sides take
//! turns; a ratio is our time to that of the rival. What a machine lacks is said to be missing.

#![forbid(unsafe_code)]

mod line;
mod ours;
mod pipewire;
mod rival;

use std::fmt::Write as _;
use std::io::Write as _;

use handfast_bench::{BROKER, Cores, PART, Rounds, keep_broker};

use crate::line::{Line, Picture};
use crate::rival::{Rival, Rivals};

/// Round trips of one burst.
const TRIPS: u32 = 3000;

/// A program, and what it is measured by or why it cannot be.
type Side = (Rival, anyhow::Result<Line>);

/// A program, and what its rounds came to.
type Column = (Rival, anyhow::Result<Rounds>);

fn main() -> anyhow::Result<()> {
    let part = std::env::var(PART).unwrap_or_default();
    match part.split_whitespace().collect::<Vec<_>>().as_slice() {
        [BROKER] => keep_broker(),
        ["echo", name] => ours::echo(name),
        ["ping", name] => ours::ping(name),
        ["send", name, width, height, slots] => {
            ours::send(name, (width.parse()?, height.parse()?), slots.parse()?)
        }
        ["receive", name] => ours::receive(name),
        ["copies", bytes, room] => ours::copies(bytes.parse()?, room.parse()?),
        ["idle"] => ours::idle(),
        _ => compare(),
    }
}

fn compare() -> anyhow::Result<()> {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let rounds = if quick { 3 } else { 21 };
    let rivals = Rivals::find()?;
    let mut text = String::new();
    writeln!(text, "round trip of two processes that sleep (median of {rounds}; middle half)")?;
    for cores in Cores::ALL {
        let columns = take_turns(rounds, rivals.pairs(cores)?, |pair| pair.trip_ns(TRIPS))?;
        table(&mut text, cores.words(), &columns, |median| format!("{:.2} us", median / 1e3))?;
    }
    writeln!(text, "\nframes copied in and out, none dropped (median of {rounds}; middle half)")?;
    writeln!(text, "  WIDTHxHEIGHT-ROOM: there is memory for ROOM frames")?;
    for picture in Picture::ALL {
        for cores in Cores::ALL {
            let columns = take_turns(rounds, rivals.lines(picture, cores)?, Line::frame_ns)?;
            let words = format!("{}, {}", picture.name(), cores.words());
            table(&mut text, &words, &columns, |median| format!("{:.0}/s", 1e9 / median))?;
        }
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// One round of each in turn, after one that does not count.
fn take_turns(
    rounds: usize,
    mut sides: Vec<Side>,
    measure: impl Fn(&mut Line) -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<Column>> {
    for (_, side) in &mut sides {
        if let Ok(line) = side {
            measure(line)?;
        }
    }
    let mut taken = vec![Rounds::default(); sides.len()];
    for _ in 0..rounds {
        for ((_, side), taken) in sides.iter_mut().zip(&mut taken) {
            if let Ok(line) = side {
                taken.add_ns(measure(line)?);
            }
        }
    }
    let columns = sides.into_iter().zip(taken).map(|((rival, side), taken)| match side {
        Ok(line) => line.finish().map(|()| (rival, Ok(taken))),
        Err(why) => Ok((rival, Err(why))),
    });
    columns.collect()
}

/// Ours first, then each rival with the ratio.
fn table(
    text: &mut String,
    words: &str,
    columns: &[Column],
    figure: impl Fn(f64) -> String,
) -> anyhow::Result<()> {
    let mut own_ns = f64::NAN;
    for (rival, column) in columns {
        write!(text, "  {words:<25} {:<9}", rival.name())?;
        match column {
            Ok(rounds) => {
                let median = rounds.median();
                let (told, spread) = (figure(median), rounds.spread() * 100.0);
                write!(text, " {told:>12} {spread:>4.0} %")?;
                if *rival == Rival::Handfast {
                    own_ns = median;
                    writeln!(text)?;
                } else {
                    writeln!(text, "   ratio {:.2}", own_ns / median)?;
                }
            }
            Err(why) => writeln!(text, " {:>12}   {why:#}", "missing")?,
        }
    }
    Ok(())
}
