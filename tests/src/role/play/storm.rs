//! Random calls on names that other processes use as well, until there is an order or a kill.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use anyhow::bail;
use handfast::{
    Access, Client, ErrorKind, Event, Fence, Handle, Reached, Reset, Section, Surface, SurfaceDesc,
    SurfaceFlags, WaitObject, Writers, wait_all, wait_any,
};

use super::Dice;
use crate::process::{Forked, fork};
use crate::{orders, say};

const NAMES: u64 = 4;
const TIME: Duration = Duration::from_millis(1);
/// So many calls a forked child makes before it ends.
const CHILD_CALLS: u64 = 30;

#[derive(Default)]
struct Hoard {
    fences: Vec<Fence>,
    events: Vec<Event>,
    surfaces: Vec<Surface>,
    sections: Vec<Section>,
    handles: Vec<Handle>,
    waits: Vec<Reached>,
}

pub(super) fn run(seed: u64) -> anyhow::Result<()> {
    let mut dice = Dice::new(seed);
    let mut hoard = Hoard::default();
    say("ready")?;
    let orders = orders();
    let mut children = Vec::new();
    let ended = calls(&mut dice, &mut hoard, &orders, &mut children);
    drop(hoard);
    for child in children {
        child.reap()?;
    }
    ended?;
    Ok(say("calm")?)
}

fn calls(
    dice: &mut Dice,
    hoard: &mut Hoard,
    orders: &Receiver<String>,
    children: &mut Vec<Forked>,
) -> anyhow::Result<()> {
    while orders.try_recv() == Err(TryRecvError::Empty) {
        if dice.roll(200) == 0 {
            let seed = dice.roll(u64::MAX);
            let child = fork(|| {
                let mut dice = Dice::new(seed);
                // First with the parent's things, which are not its own, and then without.
                let ended =
                    (0..CHILD_CALLS).try_for_each(|_| call(&mut dice, hoard, &[ErrorKind::Forked]));
                *hoard = Hoard::default();
                let again = (0..CHILD_CALLS).try_for_each(|_| call(&mut dice, hoard, &[]));
                i32::from(ended.and(again).is_err())
            })?;
            if dice.roll(2) == 0 {
                dice.spend(1 << 20);
                rustix::process::kill_process(child.pid(), rustix::process::Signal::KILL)?;
                child.reap()?;
            } else {
                children.push(child);
            }
            if children.len() > 2 {
                children.remove(0).finish()?;
            }
        }
        call(dice, hoard, &[])?;
    }
    Ok(())
}

/// Makes a call, which may fail as calls of many processes on few names do.
fn call(dice: &mut Dice, hoard: &mut Hoard, also: &[ErrorKind]) -> anyhow::Result<()> {
    let known = [
        ErrorKind::NameTaken,
        ErrorKind::NotFound,
        ErrorKind::Invalid,
        ErrorKind::AccessDenied,
        ErrorKind::Misuse,
        ErrorKind::LimitReached,
    ];
    match any(dice, hoard) {
        Err(error) if !known.contains(&error.kind()) && !also.contains(&error.kind()) => {
            bail!("{error:?}")
        }
        _ => Ok(()),
    }
}

fn any(dice: &mut Dice, hoard: &mut Hoard) -> handfast::Result<()> {
    let name = format!("storm-{}", dice.roll(NAMES));
    match dice.roll(12) {
        0 | 1 => return hoard.make(dice, &name),
        2 | 3 => return hoard.open(dice, &name),
        4 | 5 => hoard.lose(dice),
        6 => return hoard.duplicate(dice, &name),
        7 => return hoard.wait(dice),
        8 => return Client::connect().and_then(|mut client| client.list()).map(drop),
        _ => return hoard.touch(dice),
    }
    Ok(())
}

fn pick<'a, T>(dice: &mut Dice, list: &'a mut [T]) -> Option<&'a mut T> {
    let sides = u64::try_from(list.len()).unwrap_or(1).max(1);
    list.get_mut(usize::try_from(dice.roll(sides)).unwrap_or_default())
}

fn keyed() -> handfast::Result<Surface> {
    let flags = SurfaceFlags::KEYED_MUTEX;
    Surface::with_writers(SurfaceDesc { flags, ..SurfaceDesc::buffer(256) }, Writers::Several)
}

impl Hoard {
    fn make(&mut self, dice: &mut Dice, name: &str) -> handfast::Result<()> {
        match dice.roll(5) {
            0 => self.fences.push(Fence::create(name, dice.roll(9))?),
            1 => self.events.push(Event::create(name, Reset::Auto)?),
            2 => self.surfaces.push(keyed()?.named(name)?),
            3 => self.sections.push(Section::create(name, 4096)?),
            _ => self.fences.push(Fence::new(0)?),
        }
        Ok(())
    }

    fn open(&mut self, dice: &mut Dice, name: &str) -> handfast::Result<()> {
        match dice.roll(5) {
            0 => self.fences.push(Fence::open(name)?),
            1 => self.events.push(Event::open(name)?),
            2 => self.surfaces.push(Surface::open_with(name, Access::GENERIC_ALL)?),
            3 => self.sections.push(Section::open(name)?),
            _ => self.fences.push(Fence::open_with(name, Access::FENCE_WAIT)?),
        }
        Ok(())
    }

    fn lose(&mut self, dice: &mut Dice) {
        fn some<T>(dice: &mut Dice, list: &mut Vec<T>) {
            list.truncate(usize::try_from(dice.roll(6)).unwrap_or_default());
        }
        match dice.roll(6) {
            0 => some(dice, &mut self.fences),
            1 => some(dice, &mut self.events),
            2 => some(dice, &mut self.surfaces),
            3 => some(dice, &mut self.sections),
            4 => some(dice, &mut self.handles),
            _ => some(dice, &mut self.waits),
        }
    }

    fn duplicate(&mut self, dice: &mut Dice, name: &str) -> handfast::Result<()> {
        let name = (dice.roll(2) == 0).then_some(name);
        let made = match dice.roll(4) {
            0 => pick(dice, &mut self.fences).map(|it| it.share(name, Access::GENERIC_ALL)),
            1 => pick(dice, &mut self.events).map(|it| it.share(name, Access::GENERIC_ALL)),
            2 => pick(dice, &mut self.surfaces).map(|it| it.share(name, Access::GENERIC_READ)),
            _ => pick(dice, &mut self.handles).map(|it| it.duplicate()),
        };
        self.handles.extend(made.transpose()?);
        Ok(())
    }

    fn wait(&mut self, dice: &mut Dice) -> handfast::Result<()> {
        let value = dice.roll(20);
        let fences = self.fences.iter().map(|fence| fence.at(value));
        let objects: Vec<WaitObject<'_>> =
            fences.chain(self.events.iter().map(WaitObject::Event)).collect();
        match dice.roll(3) {
            0 => wait_any(&objects, Some(TIME)).map(drop),
            1 => wait_all(&objects, Some(TIME)).map(drop),
            _ => {
                if let Some(fence) = pick(dice, &mut self.fences) {
                    self.waits.push(fence.reached(value)?);
                }
                if let Some(event) = pick(dice, &mut self.events) {
                    self.waits.push(event.taken()?);
                }
                Ok(())
            }
        }
    }

    fn touch(&mut self, dice: &mut Dice) -> handfast::Result<()> {
        let value = dice.roll(20);
        if let Some(fence) = pick(dice, &mut self.fences) {
            fence.signal(value)?;
        }
        if let Some(event) = pick(dice, &mut self.events) {
            event.set()?;
        }
        if let Some(section) = pick(dice, &mut self.sections) {
            section.read(0, &mut [0; 64])?;
        }
        let Some(surface) = pick(dice, &mut self.surfaces) else { return Ok(()) };
        surface.write(0, &[1; 8])?;
        let Some(mutex) = surface.keyed_mutex() else { return Ok(()) };
        if dice.roll(8) == 0 {
            mutex.release(value % 2)
        } else {
            mutex.acquire_timeout(value % 2, TIME).map(drop)
        }
    }
}
