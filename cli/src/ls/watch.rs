//! `handfast ls --watch`: the listing again whenever it changes, and each second for the rates.

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use handfast::{Client, Error, ErrorKind, ObjectId};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::row::{self, Meter, Read, Row};
use super::{NO_BROKER, closing, table};
use crate::args::LsArgs;
use crate::interrupt::SLICE;
use crate::look::rates::Rate;
use crate::look::{self, Heard, fit};

/// Rates are read so often.
const TICK: Duration = Duration::from_secs(1);
/// Changes that come faster are shown together.
const BETWEEN: Duration = Duration::from_millis(100);
/// A broker that does not answer keeps the command no longer than this after a signal.
const GRACE: Duration = Duration::from_millis(500);
/// The alternate screen, without cursor and without going on in the next row.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

static IS_OVER: AtomicBool = AtomicBool::new(false);
/// Whether the terminal has to be put back.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Why the listing is shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Changed,
    Tick,
}

/// What is known from one look to the next.
#[derive(Default)]
struct Watch {
    client: Option<Client>,
    /// Whether the broker will tell of the next change.
    asked: bool,
    seen: BTreeMap<ObjectId, (Option<Meter>, Rate)>,
}

pub(super) fn run(args: &LsArgs) -> anyhow::Result<ExitCode> {
    take_signals()?;
    let on_terminal = !args.json && table::terminal().is_some();
    let screen = on_terminal.then(Screen::enter).transpose()?;
    let outcome = Watch::default().run(args, on_terminal);
    drop(screen);
    outcome
}

impl Watch {
    fn run(&mut self, args: &LsArgs, on_terminal: bool) -> anyhow::Result<ExitCode> {
        let mut why = Why::Changed;
        while !IS_OVER.load(Ordering::SeqCst) {
            let next = Instant::now() + TICK;
            let rows = self.look()?;
            let heard = if on_terminal {
                draw(&self.text(rows.as_deref()))?
            } else if args.json {
                look::say(&row::json(rows.as_deref().unwrap_or_default())?)?
            } else if why == Why::Changed {
                look::say(&format!("{}\n", self.text(rows.as_deref())))?
            } else {
                Heard::Yes
            };
            if heard == Heard::No {
                break;
            }
            why = self.wait(next)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What there is now. None while no broker runs.
    fn look(&mut self) -> anyhow::Result<Option<Vec<Row>>> {
        if self.client.is_none() {
            *self = Self { client: Client::connect_existing()?, ..Self::default() };
        }
        let Some(client) = &mut self.client else { return Ok(None) };
        let asked = if self.asked { Ok(()) } else { client.watch() };
        let objects = match asked.and_then(|()| client.list()) {
            Ok(objects) => objects,
            Err(error) => return self.lose(error),
        };
        self.asked = true;
        self.seen.retain(|id, _| objects.iter().any(|object| object.id == *id));
        let mut rows = Vec::new();
        for object in objects {
            if !self.seen.contains_key(&object.id) {
                let meter = match row::meter(client, &object) {
                    Ok(meter) => meter,
                    Err(error) => return self.lose(error),
                };
                self.seen.insert(object.id, (meter, Rate::default()));
            }
            let read = self.seen.get_mut(&object.id).and_then(|(meter, rate)| {
                Some(match meter.as_ref()? {
                    Meter::Counters(counters) => {
                        Read::Counted(rate.read(counters).into(), rate.clone())
                    }
                    Meter::Gauge(gauge) => Read::Said(gauge.read()),
                })
            });
            rows.extend(Row::of(object, read));
        }
        Ok(Some(rows))
    }

    /// A broker that is gone is waited for.
    fn lose<T>(&mut self, error: Error) -> anyhow::Result<Option<T>> {
        if error.kind() != ErrorKind::Lost {
            return Err(error.into());
        }
        *self = Self::default();
        Ok(None)
    }

    /// Waits for the next thing to show, at most until `next`.
    fn wait(&mut self, next: Instant) -> anyhow::Result<Why> {
        let size = table::terminal();
        thread::sleep(BETWEEN);
        while !IS_OVER.load(Ordering::SeqCst) && size == table::terminal() {
            let left = next.saturating_duration_since(Instant::now()).min(SLICE);
            if left.is_zero() {
                return Ok(if self.client.is_some() { Why::Tick } else { self.find()? });
            }
            let Some(client) = &mut self.client else {
                thread::sleep(left);
                continue;
            };
            match client.wait_for_change(left) {
                Ok(false) => {}
                Ok(true) => {
                    self.asked = false;
                    return Ok(Why::Changed);
                }
                Err(error) => {
                    self.lose::<()>(error)?;
                    return Ok(Why::Changed);
                }
            }
        }
        Ok(Why::Changed)
    }

    /// Looks whether a broker has come.
    fn find(&mut self) -> anyhow::Result<Why> {
        self.client = Client::connect_existing()?;
        Ok(if self.client.is_some() { Why::Changed } else { Why::Tick })
    }

    fn text(&self, rows: Option<&[Row]>) -> String {
        match (rows, &self.client) {
            (Some(rows), Some(client)) => {
                table::text(rows, table::columns()) + &closing(rows, &client.broker())
            }
            _ => NO_BROKER.into(),
        }
    }
}

/// Puts a text in the place of the former one.
fn draw(text: &str) -> io::Result<Heard> {
    let (columns, rows) = table::terminal().unwrap_or((80, 24));
    let lines: Vec<&str> = text.lines().collect();
    let mut screen = String::from("\x1b[H");
    let shown = if lines.len() > rows { rows.saturating_sub(1) } else { rows };
    for (number, line) in lines.iter().take(shown).enumerate() {
        screen += if number == 0 { "\x1b[2K" } else { "\r\n\x1b[2K" };
        screen += &fit(line, columns);
    }
    if lines.len() > shown {
        let more = format!("… and {} lines more", lines.len() - shown);
        screen += "\r\n\x1b[2K";
        screen += &fit(&more, columns);
    }
    // What is below the last line goes; that line itself is whole to its last column.
    let below = if lines.len() < rows { "\r\n\x1b[J" } else { "" };
    look::say(&(screen + below))
}

/// The terminal while the listing is on it.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        ENTERED.store(true, Ordering::SeqCst);
        look::say(ENTER)?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        // Nobody looks at a terminal that cannot be written to.
        drop(look::say(LEAVE));
    }
}

/// A signal ends the watch; the terminal is put back also when the broker does not answer.
fn take_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        let signal = signals.forever().next().unwrap_or(SIGINT);
        IS_OVER.store(true, Ordering::SeqCst);
        thread::sleep(GRACE);
        leave();
        std::process::exit(128 + signal);
    })?;
    Ok(())
}
