//! What is measured, and how our side does it.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use handfast::{Access, Event, Fence, Handle, Reset, Section, WaitOutcome};
use handfast_bench::{Part, hear, say};
use handfast_sys::futex::{self, Wake};
use handfast_sys::mapping::{self, TableWords};
use handfast_sys::memfd;

use crate::bell::Bell;
use crate::herd::Herd;

/// An operation that Wine's side knows too.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) count: u32,
    pub(crate) goal: Option<f64>,
}

/// An operation beside the least that it could cost.
pub(crate) struct Floor {
    pub(crate) name: &'static str,
    pub(crate) floor: &'static str,
    pub(crate) words: &'static str,
    pub(crate) count: u32,
    pub(crate) goal: f64,
}

const fn row(name: &'static str, words: &'static str, count: u32, goal: Option<f64>) -> Row {
    Row { name, words, count, goal }
}

pub(crate) const ROWS: &[Row] = &[
    row("open", "open by name, no memory, drop", 2000, Some(0.5)),
    row("open-map", "open by name, map 1 MiB, touch, drop", 1000, Some(0.3)),
    row("create-named", "create a named handle, close", 1000, Some(0.9)),
    row("duplicate", "duplicate in the process, close", 4000, Some(0.05)),
    row("create-unnamed", "create an unnamed event, drop", 20_000, Some(0.2)),
    row("open-signal", "open a fence by name, first signal, drop", 1000, Some(1.0)),
    row("signal", "signal with nobody waiting", 200_000, None),
    row("round-trip", "round trip of two processes that sleep", 2000, Some(0.2)),
];

pub(crate) const FLOORS: &[Floor] = &[
    Floor {
        name: "open",
        floor: "bell",
        words: "open by name, beside a bell and a wake alone",
        count: 2000,
        goal: 1.5,
    },
    Floor {
        name: "signal",
        floor: "store-and-load",
        words: "signal, beside an atomic store and load",
        count: 1_000_000,
        goal: 2.0,
    },
    Floor {
        name: "round-trip",
        floor: "futex-round-trip",
        words: "fence round trip, beside a bare futex",
        count: 4000,
        goal: 1.05,
    },
    Floor {
        name: "completion",
        floor: "round-trip",
        words: "event on completion, beside the direct wait",
        count: 2000,
        goal: 1.3,
    },
    Floor {
        name: "herd-fence",
        floor: "herd-futex",
        words: "8 waiters, 80 signals, beside waking all",
        count: 20,
        goal: 0.4,
    },
];

/// Our side: does what a line says, and says how long it took.
pub(crate) fn serve(other_cpu: u32) -> anyhow::Result<()> {
    let mut side = Side::new(other_cpu)?;
    loop {
        let line = hear()?;
        let Some((name, count)) = line.split_once(' ') else { return Ok(()) };
        let took = side.run(name, count.parse()?)?;
        say(&took.as_nanos().to_string())?;
    }
}

struct Side {
    /// Where the other ends run.
    other_cpu: u32,
    _event: Event,
    _section: Section,
    handle: Handle,
    fence: Fence,
    _named: Fence,
    value: u64,
    serial: u64,
    ping: Option<Pair>,
    futex: Option<FutexPair>,
    bell: Option<Bell>,
    herd: Option<Herd>,
}

/// Two fences between this process and another.
struct Pair {
    ours: Fence,
    theirs: Fence,
    turn: u64,
    _other: Part,
}

/// Two words between this process and another.
struct FutexPair {
    words: std::sync::Arc<TableWords>,
    turn: u32,
    _other: Part,
}

impl Side {
    fn new(other_cpu: u32) -> anyhow::Result<Self> {
        let event = Event::create("bench-event", Reset::Manual)?;
        let handle = event.share(None, Access::GENERIC_ALL)?;
        let section = Section::create("bench-map", 1 << 20)?;
        let shared = Fence::create("bench-shared", 0)?;
        Ok(Self {
            other_cpu,
            _event: event,
            _section: section,
            handle,
            _named: Fence::create("bench-fence", 0)?,
            fence: shared,
            value: 0,
            serial: 0,
            ping: None,
            futex: None,
            bell: None,
            herd: None,
        })
    }

    fn run(&mut self, name: &str, count: u32) -> anyhow::Result<Duration> {
        match name {
            "round-trip" | "completion" => self.pair()?,
            "futex-round-trip" => self.futex_pair()?,
            "bell" if self.bell.is_none() => self.bell = Some(Bell::new()?),
            _ => {}
        }
        if name == "signal" || name == "store-and-load" {
            return self.tight(name, count);
        }
        if let Some(kind) = name.strip_prefix("herd-") {
            let herd = match self.herd.take() {
                Some(herd) => herd,
                None => Herd::new(self.other_cpu)?,
            };
            return self.herd.insert(herd).run(kind, count);
        }
        let started = Instant::now();
        for _ in 0..count {
            self.once(name)?;
        }
        Ok(started.elapsed())
    }

    fn once(&mut self, name: &str) -> anyhow::Result<()> {
        self.serial += 1;
        match name {
            "open" => drop(Section::open_with("bench-map", Access::SECTION_QUERY)?),
            "open-map" => {
                let mut byte = [0];
                Section::open("bench-map")?.read(0, &mut byte)?;
                black_box(byte);
            }
            "create-named" => {
                drop(Event::create(&format!("bench-{}", self.serial), Reset::Manual)?);
            }
            "duplicate" => drop(self.handle.duplicate()?),
            "create-unnamed" => drop(black_box(Event::new(Reset::Manual)?)),
            "open-signal" => Fence::open("bench-fence")?.signal(self.serial)?,
            "round-trip" => self.ping.as_mut().context("no pair")?.round_trip()?,
            "completion" => self.ping.as_mut().context("no pair")?.completion()?,
            "futex-round-trip" => self.futex.as_mut().context("no pair")?.round_trip(),
            "bell" => self.bell.as_mut().context("no bell")?.ask()?,
            other => bail!("no row {other}"),
        }
        Ok(())
    }

    /// What takes nanoseconds is not called through a table.
    fn tight(&mut self, name: &str, count: u32) -> anyhow::Result<Duration> {
        let word = AtomicU64::new(0);
        let flag = AtomicU32::new(0);
        let started = Instant::now();
        if name == "signal" {
            for _ in 0..count {
                self.value += 1;
                self.fence.signal(black_box(self.value))?;
            }
        } else {
            let (word, flag) = (black_box(&word), black_box(&flag));
            for value in 0..u64::from(count) {
                word.store(black_box(value), Ordering::SeqCst);
                black_box(flag.load(Ordering::SeqCst));
            }
        }
        Ok(started.elapsed())
    }

    fn pair(&mut self) -> anyhow::Result<()> {
        if self.ping.is_none() {
            let (ours, theirs) = (Fence::create("bench-ping", 0)?, Fence::create("bench-pong", 0)?);
            let mut other = Part::start_on("echo fence 0", self.other_cpu)?;
            other.hear()?;
            self.ping = Some(Pair { ours, theirs, turn: 0, _other: other });
        }
        Ok(())
    }

    fn futex_pair(&mut self) -> anyhow::Result<()> {
        if self.futex.is_none() {
            let memory = memfd::create("bench", 4096)?;
            let words = mapping::map_writable(std::os::fd::AsFd::as_fd(&memory), 4096)?;
            let number = std::os::fd::AsRawFd::as_raw_fd(&memory);
            let path = format!("/proc/{}/fd/{number}", std::process::id());
            let mut other = Part::start_on(&format!("echo futex {path}"), self.other_cpu)?;
            other.hear()?;
            self.futex = Some(FutexPair { words: words.into_words(), turn: 0, _other: other });
        }
        Ok(())
    }
}

impl Pair {
    fn round_trip(&mut self) -> anyhow::Result<()> {
        self.turn += 1;
        self.ours.signal(self.turn)?;
        self.theirs.wait(self.turn)?;
        Ok(())
    }

    fn completion(&mut self) -> anyhow::Result<()> {
        self.turn += 1;
        let event = Event::new(Reset::Auto)?;
        self.theirs.set_event_on_completion(self.turn, &event)?;
        self.ours.signal(self.turn)?;
        event.wait()?;
        Ok(())
    }
}

impl FutexPair {
    fn round_trip(&mut self) {
        self.turn += 1;
        put(word(&self.words, 0), self.turn);
        get(word(&self.words, 16), self.turn, None);
    }
}

/// A word of a page that is longer than that.
#[expect(clippy::indexing_slicing, reason = "the memory was made 4096 bytes long")]
pub(crate) fn word(words: &TableWords, place: usize) -> &AtomicU32 {
    &words.words()[place]
}

pub(crate) fn put(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::SeqCst);
    futex::wake_all(word.into());
}

/// Whether the value came in time.
pub(crate) fn get(word: &AtomicU32, value: u32, timeout_ns: Option<u64>) -> bool {
    loop {
        let seen = word.load(Ordering::SeqCst);
        if seen == value {
            return true;
        }
        if futex::wait(word.into(), seen, timeout_ns) == Wake::TimedOut {
            return false;
        }
    }
}

/// A bare futex does not say that the other end is gone.
pub(crate) const PATIENCE_NS: u64 = 5_000_000_000;

/// The other end of a round trip.
pub(crate) fn echo(kind: &str, what: &str) -> anyhow::Result<()> {
    if kind == "fence" {
        let (ours, theirs) = (Fence::open("bench-ping")?, Fence::open("bench-pong")?);
        say("there")?;
        for turn in 1.. {
            if ours.wait(turn)? != WaitOutcome::Signaled {
                return Ok(());
            }
            theirs.signal(turn)?;
        }
        return Ok(());
    }
    let memory = std::fs::File::options().read(true).write(true).open(what)?;
    let words = mapping::map_writable(std::os::fd::AsFd::as_fd(&memory), 4096)?.into_words();
    say("there")?;
    for turn in 1.. {
        if !get(word(&words, 0), turn, Some(PATIENCE_NS)) {
            return Ok(());
        }
        put(word(&words, 16), turn);
    }
    Ok(())
}
