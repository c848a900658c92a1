//! Handles, openings, fences and events beside their floors and beside Wine's server:
//! `cargo bench -p handfast-bench --bench objects`.
//!
//! Every process, the broker and Wine's server included, is pinned to one core, and the sides take
//! turns in one run. Wine's side is `bench/wine/objects.c`, built with MinGW;
//! where one of the two programs is missing its column says so.

#![forbid(unsafe_code)]

mod rows;
mod wine;

use std::fmt::Write as _;
use std::io::Write as _;

use handfast_bench::{PART, Part, Rounds};

use crate::rows::{FLOORS, ROWS};
use crate::wine::Wine;

fn main() -> anyhow::Result<()> {
    let part = std::env::var(PART).unwrap_or_default();
    match part.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["ours"] => rows::serve(),
        ["echo", kind, what] => rows::echo(kind, what),
        _ => compare(),
    }
}

fn compare() -> anyhow::Result<()> {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let rounds = if quick { 3 } else { 15 };
    let mut ours = Part::start_on("ours", 0)?;
    let mut wine = Wine::start();
    let mut text = String::new();
    writeln!(text, "medians of {rounds} rounds, all on one core")?;
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
    Ok(())
}
