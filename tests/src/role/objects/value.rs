//! Orders to handles by their values. A value is called by a name of its own, or is `0x..`.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process::Command;

use anyhow::{Context as _, bail};
use handfast::{
    DuplicateAccess, DuplicateOptions, HandleClass, HandleFlags, HandleObject, HandleTable,
    HandleValue, Inheritance,
};

use super::{Objects, access, found, ok};
use crate::number;
use crate::process::{OwnNumbers, close_number, put_null};

impl Objects {
    pub(super) fn value(&mut self, register: &str, words: &[&str]) -> anyhow::Result<String> {
        let table = HandleTable::own()?;
        let made = match words {
            ["insert", handle] => {
                let handle = self.handles.remove(*handle).context("no such handle")?;
                table.insert(handle)?
            }
            ["insert", handle, "with", event] => {
                let event = found(&self.events, event)?.clone();
                let handle = self.handles.remove(*handle).context("no such handle")?;
                table.insert_with(handle, event)?
            }
            ["event", event] => table.insert_object(found(&self.events, event)?.clone())?,
            ["fence", fence] => table.insert_object(found(&self.fences, fence)?.clone())?,
            ["is", value] => self.value_of(value)?,
            ["adopt", what] => {
                let descriptor = self.descriptors.remove(*what).context("no such descriptor")?;
                table.adopt(descriptor)?
            }
            // A descriptor that is no handle, or not by the table.
            ["hold", what, argument @ ..] => {
                let held = self.descriptor(what, argument)?;
                let value = HandleValue::of_descriptor(held.as_raw_fd()).context("too high")?;
                self.descriptors.insert(register.into(), held);
                value
            }
            ["dup", from, rights, inheritance, options] => table.duplicate(
                self.value_of(from)?,
                rights_of(rights)?,
                inheritance_of(inheritance)?,
                DuplicateOptions::from_bits_retain(u32::try_from(number(options)?)?),
            )?,
            ["deliver", from, pid, rights, options] => table.deliver(
                self.value_of(from)?,
                pid.parse::<i32>()?.into(),
                rights_of(rights)?,
                DuplicateOptions::from_bits_retain(u32::try_from(number(options)?)?),
            )?,
            ["deliver-by", from, pidfd, rights] => table.deliver(
                self.value_of(from)?,
                found(&self.descriptors, pidfd)?.as_fd().into(),
                rights_of(rights)?,
                DuplicateOptions::empty(),
            )?,
            ["fetch", pid, value, rights] => table.fetch(
                pid.parse::<i32>()?.into(),
                self.value_of(value)?,
                rights_of(rights)?,
                Inheritance::None,
            )?,
            _ => return self.use_value(&table, self.value_of(register)?, words),
        };
        self.values.insert(register.into(), made);
        Ok(made.to_string())
    }

    fn value_of(&self, word: &str) -> anyhow::Result<HandleValue> {
        match word.strip_prefix("0x") {
            Some(digits) => Ok(HandleValue(u32::from_str_radix(digits, 16)?)),
            None => found(&self.values, word).copied(),
        }
    }

    fn use_value(
        &mut self,
        table: &HandleTable,
        value: HandleValue,
        words: &[&str],
    ) -> anyhow::Result<String> {
        match words {
            ["close"] => table.close(value)?,
            ["remove", handle] => {
                let handle = (*handle).to_owned();
                self.handles.insert(handle, table.remove(value)?);
            }
            ["handle", handle] => {
                self.handles.insert((*handle).into(), table.handle(value)?);
            }
            ["get", event] => {
                self.events.insert((*event).into(), table.event(value)?);
            }
            ["set"] => return Ok(table.event(value)?.set()?.to_string()),
            ["is-set"] => return Ok(table.event(value)?.is_set()?.to_string()),
            ["signal", to] => table.fence(value)?.signal(number(to)?)?,
            ["value"] => return Ok(table.fence(value)?.value()?.to_string()),
            ["size"] => return Ok(table.surface(value)?.size_bytes().to_string()),
            ["open"] => {
                let HandleObject::Section(section) = table.open(value)? else {
                    bail!("no section")
                };
                return Ok(section.size_bytes().to_string());
            }
            ["kind"] => return Ok(format!("{:?}", table.kind(value)?)),
            ["access"] => return Ok(format!("{:08x}", table.access(value)?.bits())),
            ["object"] => return Ok(format!("{:?}", table.object(value)?)),
            ["flags"] => return Ok(table.flags(value)?.bits().to_string()),
            ["flags", changed, flags] => {
                let bits = |word| anyhow::Ok(u32::try_from(number(word)?)?);
                let [changed, flags] =
                    [bits(changed)?, bits(flags)?].map(HandleFlags::from_bits_retain);
                table.set_flags(value, changed, flags)?;
            }
            ["adopt-number"] => table.adopt_number(value, &OwnNumbers)?,
            // What is under the number, whoever put it there.
            ["link"] => {
                let link = std::fs::read_link(format!("/proc/self/fd/{}", number_of(value)?));
                return Ok(link.map_or("none".into(), |link| format!("link: {}", link.display())));
            }
            ["close-number"] => close_number(number_of(value)?)?,
            ["put-null"] => put_null(number_of(value)?)?,
            // What a program that is started now finds under the same value.
            ["start"] => {
                let mut command = Command::new(std::env::current_exe()?);
                let output = command.args(["valued", &value.to_string()]).output()?;
                let said = String::from_utf8(output.stdout)?;
                return Ok(said.lines().next().unwrap_or("nothing").to_owned());
            }
            _ => bail!("a value cannot {words:?}"),
        }
        ok()
    }
}

fn number_of(value: HandleValue) -> anyhow::Result<i32> {
    match value.class() {
        HandleClass::Descriptor { number } => Ok(number),
        other @ (HandleClass::Ticket(_)
        | HandleClass::Legacy { .. }
        | HandleClass::Pseudo(_)
        | HandleClass::Nothing) => bail!("{other:?} has no number"),
    }
}

fn rights_of(word: &str) -> anyhow::Result<DuplicateAccess> {
    Ok(match word {
        "same" => DuplicateAccess::Same,
        rights => access(rights)?.into(),
    })
}

fn inheritance_of(word: &str) -> anyhow::Result<Inheritance> {
    match word {
        "children" => Ok(Inheritance::Children),
        "none" => Ok(Inheritance::None),
        _ => bail!("there is no inheritance {word:?}"),
    }
}
