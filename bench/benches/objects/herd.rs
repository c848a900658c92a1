//! Eight processes that wait for eight values of one fence, and eighty signals. The floor stores
//! each value in a bare futex and wakes all eight, which look and sleep again.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use handfast::{Fence, WaitOutcome};
use handfast_bench::{Part, say};
use handfast_sys::mapping::{self, TableWords};
use handfast_sys::{clock, futex, memfd};

use crate::rows::{PATIENCE_NS, get, put, word};

const WAITERS: u32 = 8;
const SIGNALS_PER_WAITER: u32 = 10;
const SIGNALS: u32 = WAITERS * SIGNALS_PER_WAITER;

/// Places of the words that both sides use, each in a line of its own.
const VALUE: usize = 0;
const BEGUN: usize = 16;
const WAITING: usize = 32;
const DONE: usize = 48;

/// From saying that it waits until it sleeps, with room to spare.
const FALLING_ASLEEP_NS: u64 = 500_000;

/// The waiters of both kinds.
pub(crate) struct Herd {
    fence: Waiters,
    futex: Waiters,
    signaled: Fence,
}

struct Waiters {
    words: Arc<TableWords>,
    round: u32,
    _parts: Vec<Part>,
    _memory: OwnedFd,
}

impl Herd {
    pub(crate) fn new(cpu: u32) -> anyhow::Result<Self> {
        let signaled = Fence::create("bench-herd", 0)?;
        let (fence, futex) = (Waiters::start("fence", cpu)?, Waiters::start("futex", cpu)?);
        Ok(Self { fence, futex, signaled })
    }

    /// So many rounds; what the signals took together, until the last waiter was told.
    pub(crate) fn run(&mut self, kind: &str, rounds: u32) -> anyhow::Result<Duration> {
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            took += match kind {
                "fence" => {
                    let fence = &self.signaled;
                    self.fence.round(|value| Ok(fence.signal(u64::from(value))?))?
                }
                _ => {
                    let words = Arc::clone(&self.futex.words);
                    self.futex.round(|value| {
                        put(word(&words, VALUE), value);
                        Ok(())
                    })?
                }
            };
        }
        Ok(took)
    }
}

impl Waiters {
    fn start(kind: &str, cpu: u32) -> anyhow::Result<Self> {
        let memory = memfd::create("bench", 4096)?;
        let words = mapping::map_writable(memory.as_fd(), 4096)?.into_words();
        let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd());
        let mut parts = Vec::new();
        for index in 1..=WAITERS {
            let mut part = Part::start_on(&format!("herd {kind} {index} {path}"), cpu)?;
            part.hear()?;
            parts.push(part);
        }
        Ok(Self { words, round: 0, _parts: parts, _memory: memory })
    }

    fn round(&mut self, signal: impl Fn(u32) -> anyhow::Result<()>) -> anyhow::Result<Duration> {
        let before = self.round * SIGNALS;
        self.round += 1;
        let all = self.round * WAITERS;
        put(word(&self.words, BEGUN), self.round);
        if !get(word(&self.words, WAITING), all, Some(PATIENCE_NS)) {
            bail!("a waiter is gone");
        }
        clock::sleep_until_ns(clock::now_ns() + FALLING_ASLEEP_NS);
        let started = Instant::now();
        for value in 1..=SIGNALS {
            signal(before + value)?;
        }
        if !get(word(&self.words, DONE), all, Some(PATIENCE_NS)) {
            bail!("a waiter is gone");
        }
        Ok(started.elapsed())
    }
}

/// One of the waiters: the first is told by the tenth signal of a round, the last by the eightieth.
pub(crate) fn wait_in_turn(kind: &str, index: u32, path: &str) -> anyhow::Result<()> {
    let memory = std::fs::File::options().read(true).write(true).open(path)?;
    let words = mapping::map_writable(memory.as_fd(), 4096)?.into_words();
    let fence = Fence::open("bench-herd")?;
    say("there")?;
    for round in 0.. {
        let value = round * SIGNALS + index * SIGNALS_PER_WAITER;
        // Who is told early does not begin the next round while this one goes on.
        if !get_at_least(word(&words, BEGUN), round + 1) {
            return Ok(());
        }
        count(word(&words, WAITING), round);
        let told = match kind {
            "fence" => fence.wait(u64::from(value))? == WaitOutcome::Signaled,
            _ => get_at_least(word(&words, VALUE), value),
        };
        if !told {
            return Ok(());
        }
        count(word(&words, DONE), round);
    }
    Ok(())
}

/// Counts itself in; the last of a round wakes who waits for all.
fn count(place: &AtomicU32, round: u32) {
    if place.fetch_add(1, Ordering::SeqCst) + 1 == (round + 1) * WAITERS {
        futex::wake_all(place.into());
    }
}

/// Whether the value came in time.
fn get_at_least(place: &AtomicU32, value: u32) -> bool {
    loop {
        let seen = place.load(Ordering::SeqCst);
        if seen >= value {
            return true;
        }
        if futex::wait(place.into(), seen, Some(PATIENCE_NS)) == futex::Wake::TimedOut {
            return false;
        }
    }
}
