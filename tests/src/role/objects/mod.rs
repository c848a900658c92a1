//! Makes, opens and uses objects as it is told: `KIND REGISTER VERB ARGUMENTS`, one line each,
//! answered with one line. A wait that may sleep says `waiting` before.

mod event;
mod fence;
mod handle;
mod memory;
mod mutex;
mod value;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, bail};
use handfast::{Access, Event, Fence, Handle, HandleValue, Reached, Section, Surface, WaitOutcome};
use handfast_sys::seqpacket::Listener;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::process::make_writable;
use crate::{explain, number, orders, say};

/// What the test calls by names of its own.
#[derive(Default)]
pub(crate) struct Objects {
    fences: BTreeMap<String, Fence>,
    events: BTreeMap<String, Event>,
    surfaces: BTreeMap<String, Surface>,
    sections: BTreeMap<String, Section>,
    handles: BTreeMap<String, Handle>,
    waits: BTreeMap<String, Reached>,
    descriptors: BTreeMap<String, OwnedFd>,
    values: BTreeMap<String, HandleValue>,
    filling: Vec<File>,
    listener: Option<Listener>,
}

pub(crate) fn run() -> anyhow::Result<()> {
    let mut objects = Objects::default();
    let orders = orders();
    say("ready")?;
    while let Ok(order) = orders.recv() {
        let words: Vec<&str> = order.split(' ').collect();
        let answer = match words.as_slice() {
            ["surface", register, "turns", key] => {
                let surface = found(&objects.surfaces, register)?;
                mutex::turns(surface, number(key)?, &orders)
            }
            words => objects.obey(words),
        };
        say(answer.unwrap_or_else(|error| explain(&error)))?;
    }
    Ok(())
}

impl Objects {
    fn obey(&mut self, words: &[&str]) -> anyhow::Result<String> {
        match words {
            ["fence", register, rest @ ..] => self.fence(register, rest),
            ["event", register, rest @ ..] => self.event(register, rest),
            ["surface", register, rest @ ..] => self.surface(register, rest),
            ["section", register, rest @ ..] => self.section(register, rest),
            ["handle", register, rest @ ..] => self.handle(register, rest),
            ["value", register, rest @ ..] => self.value(register, rest),
            ["all", rest @ ..] => self.wait_for_events(rest, &handfast::wait_all),
            ["any", rest @ ..] => self.wait_for_events(rest, &handfast::wait_any),
            ["completion", register] => {
                let wait = found(&self.waits, register)?;
                Ok(wait.outcome().map_or("none".into(), outcome))
            }
            ["memory", name] => memory::kernel_answers(name),
            ["protect"] => Ok(format!("protect: {}", make_writable()?.join(" "))),
            ["drop", "everything"] => {
                *self = Self::default();
                Ok("ok".into())
            }
            ["exit"] => std::process::exit(0),
            ["exec"] => {
                use std::os::unix::process::CommandExt as _;
                let program = std::env::current_exe()?;
                Err(std::process::Command::new(program).arg("objects").exec().into())
            }
            // It has no room for another descriptor.
            ["full"] => {
                let limits = getrlimit(Resource::Nofile);
                setrlimit(Resource::Nofile, Rlimit { current: Some(100), ..limits })?;
                while let Ok(file) = File::open("/dev/null") {
                    self.filling.push(file);
                }
                Ok(format!("full {}", self.filling.len()))
            }
            ["room"] => {
                self.filling.clear();
                ok()
            }
            ["nothing"] => Ok("ok".into()),
            _ => bail!("nobody can {words:?}"),
        }
    }
}

fn found<'a, T>(registers: &'a BTreeMap<String, T>, name: &str) -> anyhow::Result<&'a T> {
    registers.get(name).with_context(|| format!("there is no {name}"))
}

/// `wait+signal`, `all`, `0x1`.
fn access(words: &str) -> anyhow::Result<Access> {
    let mut access = Access::empty();
    for word in words.split('+') {
        access |= match word {
            "all" => Access::GENERIC_ALL,
            "read" => Access::GENERIC_READ,
            "wait" => Access::FENCE_WAIT,
            "signal" => Access::FENCE_SIGNAL,
            "query" => Access::EVENT_QUERY,
            "set" => Access::EVENT_MODIFY,
            "sync" => Access::SYNCHRONIZE,
            "write" => Access::SURFACE_WRITE,
            "map-read" => Access::SECTION_MAP_READ,
            "map-write" => Access::SECTION_MAP_WRITE,
            _ => Access::from_bits_retain(u32::from_str_radix(word.trim_start_matches("0x"), 16)?),
        };
    }
    Ok(access)
}

/// `-` is none.
fn name(word: &str) -> Option<&str> {
    (word != "-").then_some(word)
}

fn milliseconds(word: &str) -> anyhow::Result<Duration> {
    Ok(Duration::from_millis(number(word)?))
}

pub(crate) fn outcome(outcome: WaitOutcome) -> String {
    format!("{outcome:?}")
}

fn ok() -> anyhow::Result<String> {
    Ok("ok".into())
}
