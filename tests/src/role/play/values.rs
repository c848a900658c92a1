//! Many threads that give objects values, use, duplicate and close them, beside one whose
//! descriptors are its own business.

use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use anyhow::{bail, ensure};
use handfast::{
    Access, DuplicateAccess, DuplicateOptions, ErrorKind, Event, HandleFlags, HandleTable,
    HandleValue, Inheritance, Reset,
};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{Dice, descriptors, until};
use crate::process::fork;

const SLOTS: usize = 8;
const THREADS: u64 = 4;

/// Values that the threads take from one another; 0 is none.
type Slots = [AtomicU32; SLOTS];

pub(super) fn storm(rounds: u64) -> anyhow::Result<()> {
    let slots = Slots::default();
    let stop = AtomicBool::new(false);
    // What a process has once: the connection, the placeholder.
    let table = HandleTable::own()?;
    drop(table.remove(table.insert_object(Event::new(Reset::Auto)?)?)?);
    let before = descriptors();
    thread::scope(|scope| {
        let own_business = scope.spawn(|| mind_ones_own(&stop));
        let slots = &slots;
        let threads: Vec<_> =
            (0..THREADS).map(|seed| scope.spawn(move || play(seed, rounds, slots))).collect();
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        stop.store(true, Ordering::SeqCst);
        for end in ended.into_iter().chain([own_business.join()]) {
            match end {
                Ok(end) => end?,
                Err(_) => bail!("a thread panicked"),
            }
        }
        anyhow::Ok(())
    })?;
    for slot in &slots {
        close(slot.swap(0, Ordering::SeqCst))?;
    }
    ensure!(descriptors() == before, "{before} were open, now {}", descriptors());
    Ok(())
}

/// Whoever takes a value out of a slot is the only one to close it, so it is there.
fn close(value: u32) -> anyhow::Result<()> {
    if value != 0 {
        HandleTable::own()?.close(HandleValue(value))?;
    }
    Ok(())
}

fn play(seed: u64, rounds: u64, slots: &Slots) -> anyhow::Result<()> {
    let table = HandleTable::own()?;
    let mut dice = Dice::new(seed + 1);
    let mut slot = || {
        let index = usize::try_from(dice.roll(SLOTS as u64)).unwrap_or_default();
        slots.get(index).map(|slot| (slot, dice.roll(10)))
    };
    for _ in 0..rounds {
        let (Some((from, what)), Some((to, _))) = (slot(), slot()) else { bail!("no slot") };
        let value = HandleValue(from.load(Ordering::SeqCst));
        let made = match what {
            0 | 1 => Ok(table.insert_object(Event::new(Reset::Auto)?)?),
            2 | 3 => {
                let (same, none) = (DuplicateAccess::Same, DuplicateOptions::empty());
                table.duplicate(value, same, Inheritance::None, none)
            }
            4 => {
                let (fewer, none) = (Access::SYNCHRONIZE.into(), DuplicateOptions::empty());
                table.duplicate(value, fewer, Inheritance::None, none)
            }
            5 => {
                let taken = HandleValue(from.swap(0, Ordering::SeqCst));
                let (same, closing) = (DuplicateAccess::Same, DuplicateOptions::CLOSE_SOURCE);
                table.duplicate(taken, same, Inheritance::None, closing)
            }
            6 => table.handle(value).map(|_| HandleValue(0)),
            7 => {
                let inherit = HandleFlags::INHERIT;
                table.set_flags(value, inherit, HandleFlags::empty()).map(|()| HandleValue(0))
            }
            8 => table.event(value).and_then(|event| event.is_set()).map(|_| HandleValue(0)),
            _ => {
                close(from.swap(0, Ordering::SeqCst))?;
                continue;
            }
        };
        match made {
            Ok(HandleValue(0)) => {}
            Ok(HandleValue(made)) => close(to.swap(made, Ordering::SeqCst))?,
            // Somebody has closed it meanwhile, or it is one that may be waited for alone.
            Err(error) if error.kind() == ErrorKind::HandleInvalid => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Opens, uses and closes what nobody else knows of.
fn mind_ones_own(stop: &AtomicBool) -> anyhow::Result<()> {
    let mut number = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        let files = [(); 3].map(|()| memfd_create("own", MemfdFlags::CLOEXEC));
        for file in files {
            let mut file = fs::File::from(file?);
            number += 1;
            file.write_all(&number.to_le_bytes())?;
            file.rewind()?;
            let mut found = [0; 8];
            file.read_exact(&mut found)?;
            ensure!(u64::from_le_bytes(found) == number, "it is another's");
        }
    }
    Ok(())
}

/// A process that has ended has its number until it is reaped.
pub(super) fn dead() -> anyhow::Result<()> {
    let table = HandleTable::own()?;
    let handle = Event::new(Reset::Auto)?.share(None, Access::GENERIC_ALL)?;
    let value = table.insert(handle)?;
    let child = fork(|| 0)?;
    let pid = child.pid().as_raw_nonzero().get();
    let stat = format!("/proc/{pid}/stat");
    until("the child ends", || fs::read_to_string(&stat).is_ok_and(|line| line.contains(") Z ")))?;
    let none = DuplicateOptions::empty();
    lost(table.deliver(value, pid.into(), DuplicateAccess::Same, none))?;
    lost(table.fetch(pid.into(), value, DuplicateAccess::Same, Inheritance::None))?;
    lost(table.fetch(
        pid.into(),
        HandleValue(0x2000_0004),
        DuplicateAccess::Same,
        Inheritance::None,
    ))?;
    child.reap()?;
    table.close(value)?;
    Ok(())
}

fn lost(answer: handfast::Result<HandleValue>) -> anyhow::Result<()> {
    match answer {
        Err(error) if error.kind() == ErrorKind::Lost => Ok(()),
        other => bail!("of a process that has ended: {other:?}"),
    }
}
