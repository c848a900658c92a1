//! Scenes that a program plays by itself, with threads and forks of its own; the first line is
//! `done`, or what went wrong.

mod awaited;
mod events;
mod forks;
mod held;
mod limits;
mod many;
mod moved;
mod mutexes;
mod offers;
mod readiness;
mod scribble;
mod storm;
mod values;

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use crate::{number, say};

/// What takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn run(scene: &str, arguments: &[&str]) -> anyhow::Result<()> {
    match (scene, arguments) {
        ("moved-fence", [rounds]) => moved::fence(number(rounds)?)?,
        ("moved-event", [rounds]) => moved::event(number(rounds)?)?,
        ("any-of-many", []) => many::any()?,
        ("all-of-many", []) => many::all()?,
        ("many-mutexes", []) => mutexes::many()?,
        ("many-ready", []) => readiness::many()?,
        ("dropped-waits", []) => readiness::dropped()?,
        ("tokio", []) => awaited::with_tokio()?,
        ("smol", []) => awaited::with_smol()?,
        ("crossed-events", [rounds]) => events::crossed(number(rounds)?)?,
        ("dropped-taken", [rounds]) => events::dropped(number(rounds)?)?,
        ("same-event-twice", []) => events::same_twice()?,
        ("forked-objects", []) => forks::objects()?,
        ("forked-handle", []) => forks::handle()?,
        ("forked-values", []) => forks::values()?,
        ("forked-waits", [rounds]) => forks::waits(number(rounds)?)?,
        ("fork-storm", [rounds]) => forks::storm(number(rounds)?)?,
        ("thousand-names", []) => held::thousand_names()?,
        ("threads-of-names", [rounds]) => held::threads_of_names(number(rounds)?)?,
        ("hundred-mutexes", []) => held::hundred_mutexes()?,
        ("told-of-drops", [place, rounds]) => held::told_of_drops(place, number(rounds)?)?,
        ("forked-name", []) => held::forked_name()?,
        ("strange-offers", []) => offers::strangers()?,
        ("scribbled-pages", [seed]) => offers::scribbled(number(seed)?)?,
        ("descriptors", []) => limits::descriptors_of_a_call()?,
        ("openings", []) => limits::openings()?,
        ("scribble", [kind, name, seed]) => return scribble::run(kind, name, number(seed)?),
        ("timed", [kind, name]) => return scribble::timed(kind, name),
        ("deliver-to-the-dead", []) => values::dead()?,
        ("value-storm", [rounds]) => values::storm(number(rounds)?)?,
        ("storm", [seed]) => return storm::run(number(seed)?),
        _ => bail!("there is no scene {scene} {arguments:?}"),
    }
    Ok(say("done")?)
}

/// Numbers that look random, the same for the same seed (xorshift64*).
struct Dice(u64);

impl Dice {
    const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    /// Work that takes some while, and no sleep.
    fn spend(&mut self, most: u64) {
        for step in 0..self.roll(most) {
            std::hint::black_box(step);
        }
    }
}

/// Comes back once the condition holds, which nothing tells.
fn until(what: &str, mut condition: impl FnMut() -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    for round in 0_u64.. {
        if condition() {
            break;
        }
        ensure!(start.elapsed() < LIMIT, "in vain: {what}");
        match round {
            ..1000 => std::thread::yield_now(),
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    Ok(())
}

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Threads of this process.
fn threads() -> usize {
    entries("/proc/self/task")
}

/// Descriptors of this process.
fn descriptors() -> usize {
    entries("/proc/self/fd")
}
