//! Orders to events.

use std::time::Duration;

use anyhow::bail;
use handfast::{Event, Reset, WaitObject, WaitOutcome};

use super::{Objects, access, found, milliseconds, name, ok, outcome};
use crate::{number, say};

type Wait = dyn Fn(&[WaitObject<'_>], Option<Duration>) -> handfast::Result<(usize, WaitOutcome)>;

impl Objects {
    pub(super) fn event(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let made = match words {
            ["new", kind] => Event::new(reset(kind)?)?,
            ["create", name, kind] => Event::create(name, reset(kind)?)?,
            ["open", name] => Event::open(name)?,
            ["open", name, rights] => Event::open_with(name, access(rights)?)?,
            ["of", handle] => Event::open_handle(found(&self.handles, handle)?)?,
            ["drop"] => {
                found(&self.events, register)?;
                self.events.remove(register);
                return ok();
            }
            _ => return self.use_event(register, words),
        };
        self.events.insert(register.into(), made);
        ok()
    }

    fn use_event(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let event = found(&self.events, register)?;
        match words {
            ["share", to, rights, handle] => {
                let shared = event.share(name(to), access(rights)?)?;
                self.handles.insert((*handle).into(), shared);
                ok()
            }
            ["set"] => Ok(event.set()?.to_string()),
            ["reset"] => Ok(event.reset()?.to_string()),
            ["is-set"] => Ok(event.is_set()?.to_string()),
            ["wait"] => {
                say("waiting")?;
                Ok(outcome(event.wait()?))
            }
            ["wait", time] => Ok(outcome(event.wait_timeout(milliseconds(time)?)?)),
            ["taken", wait] => {
                self.waits.insert((*wait).into(), event.taken()?);
                ok()
            }
            // Takes it again and again, and says each time that it has, here and by another.
            ["answers", back, rounds] => {
                let back = found(&self.events, back)?;
                for round in 0..number(rounds)? {
                    let told = event.wait()?;
                    if told != WaitOutcome::Signaled {
                        bail!("{told:?} in round {round}");
                    }
                    say("taken")?;
                    back.set()?;
                }
                ok()
            }
            // Takes both together and sets both again, for ever.
            ["gives", other] => {
                let other = found(&self.events, other)?;
                let both = [event.into(), other.into()];
                say("giving")?;
                loop {
                    event.set()?;
                    other.set()?;
                    handfast::wait_all(&both, Some(Duration::from_millis(1)))?;
                }
            }
            ["object"] => Ok(format!("{:?}", event.object())),
            _ => bail!("an event cannot {words:?}"),
        }
    }

    /// `MILLISECONDS|- REGISTER..`; with `-` it waits for ever and says so before.
    pub(super) fn wait_for_events(&self, words: &[&str], wait: &Wait) -> anyhow::Result<String> {
        let [time, registers @ ..] = words else { bail!("no time") };
        let events: anyhow::Result<Vec<&Event>> =
            registers.iter().map(|register| found(&self.events, register)).collect();
        let events = events?;
        let objects: Vec<WaitObject<'_>> = events.iter().map(|event| (*event).into()).collect();
        let timeout = match *time {
            "-" => {
                say("waiting")?;
                None
            }
            time => Some(milliseconds(time)?),
        };
        let (index, told) = wait(&objects, timeout)?;
        Ok(format!("{index} {}", outcome(told)))
    }
}

fn reset(word: &str) -> anyhow::Result<Reset> {
    match word {
        "manual" => Ok(Reset::Manual),
        "auto" => Ok(Reset::Auto),
        _ => bail!("there is no reset {word:?}"),
    }
}
