//! Orders to fences.

use anyhow::bail;
use handfast::Fence;

use super::{Objects, access, found, milliseconds, name, ok, outcome};
use crate::{number, say};

impl Objects {
    pub(super) fn fence(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let made = match words {
            ["new", value] => Fence::new(number(value)?)?,
            ["create", name, value] => Fence::create(name, number(value)?)?,
            ["open", name] => Fence::open(name)?,
            ["open", name, rights] => Fence::open_with(name, access(rights)?)?,
            ["of", handle] => Fence::open_handle(found(&self.handles, handle)?)?,
            ["drop"] => {
                found(&self.fences, register)?;
                self.fences.remove(register);
                return ok();
            }
            _ => return self.use_fence(register, words),
        };
        self.fences.insert(register.into(), made);
        ok()
    }

    fn use_fence(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let fence = found(&self.fences, register)?;
        match words {
            ["share", to, rights, handle] => {
                let shared = fence.share(name(to), access(rights)?)?;
                self.handles.insert((*handle).into(), shared);
                ok()
            }
            ["signal", values @ ..] => {
                for value in values {
                    fence.signal(number(value)?)?;
                }
                ok()
            }
            // All the values from one on, as fast as it can.
            ["count", from, to] => {
                for value in number(from)?..=number(to)? {
                    fence.signal(value)?;
                }
                ok()
            }
            ["value"] => Ok(fence.value()?.to_string()),
            ["wait", value] => {
                say("waiting")?;
                Ok(outcome(fence.wait(number(value)?)?))
            }
            ["wait", value, time] => {
                Ok(outcome(fence.wait_timeout(number(value)?, milliseconds(time)?)?))
            }
            ["reached", value, wait] => {
                self.waits.insert((*wait).into(), fence.reached(number(value)?)?);
                ok()
            }
            ["event", value, event] => {
                let event = found(&self.events, event)?;
                fence.set_event_on_completion(number(value)?, event)?;
                ok()
            }
            // Answers each value that comes with the next.
            ["echo", to, rounds] => {
                let to = found(&self.fences, to)?;
                for round in 1..=number(rounds)? {
                    let told = fence.wait(round)?;
                    if told != handfast::WaitOutcome::Signaled {
                        bail!("{told:?} at {round}");
                    }
                    to.signal(round)?;
                }
                ok()
            }
            // Sends each value, and waits for the answer.
            ["serve", back, rounds] => {
                let back = found(&self.fences, back)?;
                for round in 1..=number(rounds)? {
                    fence.signal(round)?;
                    let told = back.wait(round)?;
                    if told != handfast::WaitOutcome::Signaled {
                        bail!("{told:?} at {round}");
                    }
                }
                ok()
            }
            ["object"] => Ok(format!("{:?}", fence.object())),
            ["access"] => Ok(format!("{:08x}", fence.access().bits())),
            ["openings"] => Ok(fence.info()?.map_or(0, |info| info.openings).to_string()),
            _ => bail!("a fence cannot {words:?}"),
        }
    }
}
