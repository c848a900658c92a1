//! What benchmarks have in common: medians, processes that play a part, tables.
//!
//! It is no harness that finds a number by itself: every figure stands beside its floor, taken in
//! turns in the same run, and the result is the ratio of the medians.
//!
//! Read first: [`Rounds`], [`Part`], [`Cores`] and [`OwnBroker`].

#![forbid(unsafe_code)]

mod broker;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

pub use broker::{BROKER, OwnBroker, keep_broker};

/// The variable that tells a started copy of the benchmark which part it plays.
pub const PART: &str = "HANDFAST_BENCH_PART";

/// Where the two sides of a measurement run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// Both on core 0.
    One,
    /// The first on core 0, whom it works with on core 1.
    Two,
}

impl Cores {
    /// Both ways.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    /// The core of the other side.
    #[must_use]
    pub const fn other(self) -> u32 {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }

    /// Its name in tables.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::One => "one core",
            Self::Two => "two cores",
        }
    }
}

/// A command that runs on one core alone.
#[must_use]
pub fn pinned(program: impl AsRef<OsStr>, cpu: u32) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(cpu.to_string()).arg(program);
    command
}

/// Measured times of one thing, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds one round.
    pub fn add(&mut self, took: Duration) {
        self.add_ns(took.as_secs_f64() * 1e9);
    }

    /// Adds one round, in nanoseconds.
    pub fn add_ns(&mut self, took_ns: f64) {
        self.0.push(took_ns);
    }

    /// The value that so many hundredths of the rounds are below.
    #[must_use]
    pub fn percentile(&self, hundredths: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let place = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
        sorted.get(place).copied().unwrap_or(f64::NAN)
    }

    /// The median.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// How far apart the middle half of the rounds is, as a part of the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        (self.percentile(75) - self.percentile(25)) / self.median()
    }
}

/// A copy of the running benchmark that plays a part, spoken to in lines.
#[derive(Debug)]
pub struct Part {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Part {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn start(part: &str) -> anyhow::Result<Self> {
        Self::run(Command::new(std::env::current_exe()?), part)
    }

    /// Starts it on one core alone.
    ///
    /// # Errors
    ///
    /// When the program, or `taskset`, cannot be started.
    pub fn start_on(part: &str, cpu: u32) -> anyhow::Result<Self> {
        Self::run(pinned(std::env::current_exe()?, cpu), part)
    }

    fn run(mut command: Command, part: &str) -> anyhow::Result<Self> {
        command.env(PART, part);
        Self::start_command(command)
    }

    /// Starts a program that speaks in lines.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start_command(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().context("no pipe")?);
        Ok(Self { child, to, from })
    }

    /// Says one line to it.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        let Some(to) = &mut self.to else { bail!("nothing can be said any more") };
        writeln!(to, "{line}")?;
        Ok(to.flush()?)
    }

    /// Waits for one line from it.
    ///
    /// # Errors
    ///
    /// When it ends instead.
    pub fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            bail!("a process of the benchmark ended");
        }
        Ok(line.trim_end().to_owned())
    }

    /// Has it do something so many times; what once took, in nanoseconds.
    ///
    /// # Errors
    ///
    /// When it is gone, or answers no number.
    pub fn measure(&mut self, what: &str, count: u32) -> anyhow::Result<f64> {
        self.say(&format!("{what} {count}"))?;
        let total_ns: f64 = self.hear()?.parse().context("not a number")?;
        Ok(total_ns / f64::from(count))
    }

    /// Kills it, and waits until the kernel has reaped it.
    ///
    /// # Errors
    ///
    /// When it could not be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Says nothing more to it and waits until it has left; kills it when it takes longer.
    ///
    /// # Errors
    ///
    /// When it did not leave by itself, or says that it failed.
    pub fn finish(mut self, patience: Duration) -> anyhow::Result<()> {
        self.to = None;
        let until = Instant::now() + patience;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("a process of the benchmark ended with {status}"),
                None if Instant::now() > until => bail!("a process of the benchmark stays"),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Sends the signal and comes back at once.
    ///
    /// # Errors
    ///
    /// When it could not be killed.
    pub fn kill_without_waiting(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill()?)
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.to = None;
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Says one line to whoever started this part.
///
/// # Errors
///
/// When nobody listens any more.
pub fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Waits for one line from whoever started this part; empty at the end.
///
/// # Errors
///
/// When standard input cannot be read.
pub fn hear() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
