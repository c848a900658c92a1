//! One process writes anything into a page that it may write; another's calls come back all the
//! same.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use handfast::{
    ErrorKind, Event, Fence, Reset, Surface, WaitObject, WaitOutcome, wait_all, wait_any,
};
use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Kind, RawName, Reply, Request};
use handfast_model::wire::BrokerMessage;

use super::Dice;
use crate::connection::Connection;
use crate::{number, orders, say};

const PAGE_BYTES: u64 = 4096;
const TIME: Duration = Duration::from_millis(2);

/// `scribble WORDS` writes so many words anywhere, `header WORDS` in the first line only.
pub(super) fn run(kind: &str, name: &str, seed: u64) -> anyhow::Result<()> {
    let mut broker = Connection::open()?;
    let page = open(&mut broker, kind, name)?;
    let mut dice = Dice::new(seed);
    say("ready")?;
    for order in orders() {
        let Some((what, words)) = order.split_once(' ') else { bail!("{order}") };
        for _ in 0..number(words)? {
            let most = if what == "header" { 64 } else { PAGE_BYTES };
            let place = dice.roll(most / 4) * 4;
            let word = match dice.roll(4) {
                0 => 0,
                1 => u32::MAX,
                2 => 1 << dice.roll(32),
                _ => u32::try_from(dice.roll(1 << 32))?,
            };
            let written = rustix::io::pwrite(&page, &word.to_le_bytes(), place)?;
            ensure!(written == 4, "{written} bytes");
        }
        say("ok")?;
    }
    Ok(())
}

fn open(broker: &mut Connection, kind: &str, name: &str) -> anyhow::Result<OwnedFd> {
    let (kind, access) = match kind {
        "fence" => (Kind::Fence, AccessMask::GENERIC_ALL),
        "event" => (Kind::Event, AccessMask::GENERIC_ALL),
        "surface" => (Kind::Surface, AccessMask::GENERIC_READ),
        _ => bail!("there is no kind {kind}"),
    };
    broker.ask(Request::Open { kind, name: RawName::from(name), access, known: None })?;
    match broker.hear()? {
        (BrokerMessage::Reply { reply: Reply::Opened { .. }, .. }, descriptors) => {
            descriptors.into_iter().next().context("the page comes first")
        }
        (other, _) => bail!("{other:?} instead of an opening"),
    }
}

/// Does everything that has a limit in time, for so many rounds as each order says.
pub(super) fn timed(kind: &str, name: &str) -> anyhow::Result<()> {
    let calls: Box<dyn Fn(u64) -> handfast::Result<()>> = match kind {
        "fence" => {
            let fence = Fence::open(name)?;
            Box::new(move |round| fence_calls(&fence, round))
        }
        "event" => {
            let (event, other) = (Event::open(name)?, Event::new(Reset::Auto)?);
            Box::new(move |_| event_calls(&event, &other))
        }
        "surface" => {
            let surface = Surface::open(name)?;
            Box::new(move |round| mutex_calls(&surface, round))
        }
        _ => bail!("there is no kind {kind}"),
    };
    say("ready")?;
    for order in orders() {
        for round in 0..number(&order)? {
            // Whatever they say: they come back.
            if let Err(error) = calls(round) {
                let known = [ErrorKind::Misuse, ErrorKind::Version];
                ensure!(known.contains(&error.kind()), "{error:?}");
            }
        }
        say("came back")?;
    }
    Ok(())
}

fn fence_calls(fence: &Fence, round: u64) -> handfast::Result<()> {
    let value = fence.value()?;
    fence.wait_timeout(value.saturating_add(round + 1), TIME)?;
    wait_any(&[fence.at(u64::MAX), fence.at(u64::MAX - round)], Some(TIME))?;
    wait_all(&[fence.at(u64::MAX), fence.at(round)], Some(TIME))?;
    drop(fence.reached(u64::MAX)?);
    fence.signal(round)?;
    fence.signal(0)
}

fn event_calls(event: &Event, other: &Event) -> handfast::Result<()> {
    event.set()?;
    event.wait_timeout(TIME)?;
    let both = [WaitObject::Event(event), WaitObject::Event(other)];
    wait_all(&both, Some(TIME))?;
    wait_any(&both, Some(TIME))?;
    event.reset()?;
    event.wait_timeout(TIME)?;
    drop(event.taken()?);
    event.is_set().map(drop)
}

fn mutex_calls(surface: &Surface, round: u64) -> handfast::Result<()> {
    let Some(mutex) = surface.keyed_mutex() else { return Ok(()) };
    let told = mutex.acquire_timeout(round % 3, TIME)?;
    // What it says is no more than what the page said.
    mutex.status()?;
    if told == WaitOutcome::Signaled { mutex.release(round % 2) } else { Ok(()) }
}
