//! Handles, openings, fences and events beside their floors and beside Wine's server:
//! `cargo bench -p handfast-bench --bench objects`.
//!
//! Every process, the broker and Wine's server included, is pinned to one core, and the sides take
//! turns in one run; with `--two-cores` the brokers, servers and other ends are on core 1. Wine's
//! side is `bench/wine/objects.c`, built with MinGW; where one of the two programs is missing its
//! column says so.

#![forbid(unsafe_code)]

mod bell;
mod herd;
mod rows;
mod wine;

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use handfast_bench::{BROKER, Cores, OwnBroker, PART, Rounds, keep_broker};

use crate::rows::{FLOORS, ROWS};
use crate::wine::Wine;

/// How long our side may take to leave.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> anyhow::Result<()> {
    let part = std::env::var(PART).unwrap_or_default();
    match part.split_whitespace().collect::<Vec<_>>().as_slice() {
        [BROKER] => keep_broker(),
        ["ours", cpu] => rows::serve(cpu.parse()?),
        ["echo", kind, what] => rows::echo(kind, what),
        ["herd", kind, index, path] => herd::wait_in_turn(kind, index.parse()?, path),
        _ => compare(),
    }
}

fn compare() -> anyhow::Result<()> {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let rounds = if quick { 3 } else { 15 };
    let two_cores = std::env::args().any(|arg| arg == "--two-cores");
    let cores = if two_cores { Cores::Two } else { Cores::One };
    let broker = OwnBroker::start_on(cores.other())?;
    let mut ours = broker.part(&format!("ours {}", cores.other()), 0)?;
    let mut wine = Wine::start(cores);
    let mut text = String::new();
    writeln!(text, "medians of {rounds} rounds, on {}", cores.words())?;
    writeln!(text, "  {:<44} {:>10} {:>10} {:>7}  goal", "operation", "ours", "Wine", "ratio")?;
    for row in ROWS {
        let (mut here, mut there) = (Rounds::default(), Rounds::default());
        for _ in 0..rounds {
            here.add_ns(ours.measure(row.name, row.count)?);
            if let Ok(wine) = &mut wine
                && let Some(took) = wine.measure(row.name, row.count / 4)?
            {
                there.add_ns(took);
            }
        }
        let (a, b) = (here.median(), there.median());
        let goal = row.goal.map_or(String::new(), |goal| format!("<= {goal}"));
        let (theirs, ratio) = if b.is_nan() {
            ("-".into(), "-".into())
        } else {
            (format!("{b:.0} ns"), format!("{:.2}", a / b))
        };
        let ours = format!("{a:.0} ns");
        writeln!(text, "  {:<44} {ours:>10} {theirs:>10} {ratio:>7}  {goal}", row.words)?;
    }
    if let Err(why) = &wine {
        writeln!(text, "  no figures of Wine: {why:#}")?;
    }
    writeln!(text, "\n  {:<44} {:>10} {:>10} {:>7}  goal", "operation", "ours", "floor", "ratio")?;
    for floor in FLOORS {
        let (mut here, mut there) = (Rounds::default(), Rounds::default());
        for _ in 0..rounds {
            here.add_ns(ours.measure(floor.name, floor.count)?);
            there.add_ns(ours.measure(floor.floor, floor.count)?);
        }
        let (a, b) = (here.median(), there.median());
        let (words, goal, ratio) = (floor.words, floor.goal, a / b);
        let (ours, theirs) = (format!("{a:.1} ns"), format!("{b:.1} ns"));
        writeln!(text, "  {words:<44} {ours:>10} {theirs:>10} {ratio:>7.2}  <= {goal}")?;
    }
    std::io::stdout().write_all(text.as_bytes())?;
    // It ends the processes that it has started.
    ours.finish(PATIENCE)
}
