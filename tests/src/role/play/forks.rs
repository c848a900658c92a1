//! What a forked child has of its parent's objects, and what it does to them.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{bail, ensure};
use handfast::{
    Access, ErrorKind, Event, Fence, Format, Handle, HandleTable, Reached, Reset, Section, Surface,
    SurfaceDesc, SurfaceFlags, WaitObject, WaitOutcome, Writers, wait_all, wait_any,
};

use super::Dice;
use crate::process::{OwnNumbers, fork, in_child};

/// One of each.
struct Family {
    fence: Fence,
    private: Fence,
    event: Event,
    own: Surface,
    shared: Surface,
    section: Section,
    wait: Reached,
    handle: Handle,
}

impl Family {
    fn new(name: &str) -> anyhow::Result<Self> {
        let keyed = SurfaceDesc {
            flags: SurfaceFlags::KEYED_MUTEX,
            ..SurfaceDesc::texture_2d(8, 8, Format::Bgra8)
        };
        let fence = Fence::create(&format!("{name} fence"), 0)?;
        let shared = Surface::with_writers(keyed, Writers::Several)?;
        Ok(Self {
            wait: fence.reached(1000)?,
            handle: fence.share(None, Access::GENERIC_ALL)?,
            fence,
            private: Fence::new(0)?,
            event: Event::create(&format!("{name} event"), Reset::Auto)?,
            own: Surface::create(
                &format!("{name} own"),
                SurfaceDesc::texture_2d(8, 8, Format::Bgra8),
            )?,
            shared: shared.named(&format!("{name} shared"))?,
            section: Section::create(&format!("{name} section"), 4096)?,
        })
    }

    /// Everything that a process may do with its own.
    fn check_works(&mut self) -> anyhow::Result<()> {
        let value = self.fence.value()? + 1;
        self.fence.signal(value)?;
        self.private.signal(value)?;
        ensure!(self.fence.wait(value)? == WaitOutcome::Signaled, "the fence");
        ensure!(self.wait.outcome().is_none(), "the wait goes on");
        self.event.set()?;
        ensure!(self.event.wait()? == WaitOutcome::Signaled, "the event");
        self.own.row_mut(0, 0, 0)?.fill(7);
        self.shared.write(0, &[8; 16])?;
        self.section.write(0, &[9; 16])?;
        let mut byte = [0];
        self.section.read(15, &mut byte)?;
        ensure!(byte == [9], "the section");
        let Some(mutex) = self.shared.keyed_mutex() else { bail!("no mutex") };
        ensure!(mutex.acquire(0)? == WaitOutcome::Signaled, "the mutex");
        mutex.release(0)?;
        ensure!(self.handle.info()?.id == self.handle.object(), "the handle");
        Ok(())
    }

    /// Every call that would touch what is the parent's.
    fn check_forked(&mut self) -> anyhow::Result<()> {
        for fence in [&self.fence, &self.private] {
            forked("signal", fence.signal(99))?;
            forked("value", fence.value())?;
            forked("wait", fence.wait(1))?;
            forked("reached", fence.reached(1))?;
            forked("share", fence.share(None, Access::GENERIC_ALL))?;
            forked("wait_any", wait_any(&[fence.at(1)], None))?;
            forked("wait_all", wait_all(&[fence.at(1)], None))?;
            forked("on completion", fence.set_event_on_completion(1, &self.event))?;
        }
        forked("info", self.fence.info())?;
        ensure!(self.wait.outcome() == Some(WaitOutcome::Lost), "a wait that is the parent's");
        forked("set", self.event.set())?;
        forked("reset", self.event.reset())?;
        forked("is_set", self.event.is_set())?;
        forked("wait", self.event.wait())?;
        forked("taken", self.event.taken())?;
        forked("share", self.event.share(None, Access::GENERIC_ALL))?;
        forked("wait_any", wait_any(&[WaitObject::Event(&self.event)], None))?;
        for surface in [&mut self.own, &mut self.shared] {
            forked("read", surface.read(0, &mut [0]))?;
            forked("write", surface.write(0, &[0]))?;
            forked("copy", surface.copy_subresource(0, &mut Vec::new()))?;
            forked("row_mut", surface.row_mut(0, 0, 0))?;
            forked("share", surface.share(None, Access::GENERIC_READ))?;
            forked("info", surface.info())?;
            ensure!(surface.bytes_mut().is_none(), "bytes_mut");
        }
        let Some(mutex) = self.shared.keyed_mutex() else { bail!("no mutex") };
        forked("acquire", mutex.acquire(0))?;
        forked("release", mutex.release(0))?;
        forked("status", mutex.status())?;
        forked("read", self.section.read(0, &mut [0]))?;
        forked("write", self.section.write(0, &[0]))?;
        forked("share", self.section.share(None, Access::GENERIC_READ))?;
        ensure!(self.section.bytes_mut().is_none(), "bytes_mut");
        Ok(())
    }
}

fn forked<T: Debug>(what: &str, answer: handfast::Result<T>) -> anyhow::Result<()> {
    match answer {
        Err(error) if error.kind() == ErrorKind::Forked => Ok(()),
        other => bail!("{what} in the child: {other:?}"),
    }
}

pub(super) fn objects() -> anyhow::Result<()> {
    let mut family = Some(Family::new("parent")?);
    let both = |family: &mut Option<Family>| match family {
        Some(family) => family.check_works(),
        None => bail!("gone"),
    };
    both(&mut family)?;
    for owned in [false, true, false] {
        if let Some(mutex) = family.as_ref().and_then(|family| family.shared.keyed_mutex())
            && owned
        {
            ensure!(mutex.acquire(0)? == WaitOutcome::Signaled, "free");
        }
        in_child(|| {
            let Some(parents) = &mut family else { bail!("gone") };
            parents.check_forked()?;
            let value = Fence::open("parent fence")?.value()?;
            // The child's own, beside the parent's, and after those are gone.
            Family::new("child")?.check_works()?;
            drop(family.take());
            let mut own = Family::new("child")?;
            own.check_works()?;
            ensure!(Fence::open("parent fence")?.value()? == value, "the parent's is as it was");
            let theirs = Surface::open("parent shared")?;
            let Some(mutex) = theirs.keyed_mutex() else { bail!("no mutex") };
            let told = mutex.acquire_timeout(0, std::time::Duration::ZERO)?;
            ensure!((told == WaitOutcome::TimedOut) == owned, "{told:?} while owned: {owned}");
            if !owned {
                mutex.release(0)?;
            }
            // And its child is not it either.
            in_child(|| {
                own.check_forked()?;
                Family::new("grandchild")?.check_works()
            })
        })?;
        if let Some(mutex) = family.as_ref().and_then(|family| family.shared.keyed_mutex())
            && owned
        {
            mutex.release(0)?;
        }
        both(&mut family)?;
    }
    Ok(())
}

/// A handle is a descriptor: the child has a copy, which keeps the name.
pub(super) fn handle() -> anyhow::Result<()> {
    let fence = Fence::new(4)?;
    let mut handle = Some(fence.share(Some("inherited"), Access::GENERIC_ALL)?);
    let (end, mut begin) = std::io::pipe()?;
    let (mut told, tell) = std::io::pipe()?;
    let child = fork(|| {
        let look = || -> anyhow::Result<()> {
            let Some(handle) = &handle else { bail!("gone") };
            ensure!(handle.info()?.names == ["inherited"], "its name");
            let mut byte = [0];
            std::io::Read::read_exact(&mut &end, &mut byte)?;
            let opened = Fence::open_handle(handle)?;
            ensure!(opened.value()? == 4, "its value");
            let copy = handle.duplicate()?;
            ensure!(copy.object() == handle.object(), "the same object");
            drop(copy);
            std::io::Write::write_all(&mut &tell, &[1])?;
            std::io::Read::read_exact(&mut &end, &mut byte)?;
            Ok(())
        };
        i32::from(look().is_err())
    })?;
    drop(handle.take());
    ensure!(Fence::open("inherited").is_ok(), "the child has a copy");
    std::io::Write::write_all(&mut begin, &[1])?;
    std::io::Read::read_exact(&mut told, &mut [0])?;
    ensure!(Fence::open("inherited").is_ok(), "still");
    std::io::Write::write_all(&mut begin, &[1])?;
    child.finish()?;
    match Fence::open("inherited") {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => bail!("after the child's end: {other:?}"),
    }
}

/// A table is its process's. Of what the child has copies of, it finds the handles by their
/// numbers, as a program that was started does, and nothing else.
pub(super) fn values() -> anyhow::Result<()> {
    let table = HandleTable::own()?;
    let (private, event) = (Event::new(Reset::Auto)?, Event::new(Reset::Auto)?);
    let placeholder = table.insert_object(private)?;
    let value = table.insert(event.share(None, Access::GENERIC_ALL)?)?;
    table.event(value)?.set()?;
    in_child(|| {
        for value in [placeholder, value] {
            forked("event", table.event(value))?;
            forked("close", table.close(value))?;
        }
        forked("insert", table.insert_object(Event::new(Reset::Auto)?))?;
        let own = HandleTable::own()?;
        for value in [placeholder, value] {
            invalid("event", own.event(value))?;
            invalid("close", own.close(value))?;
        }
        invalid("a placeholder", own.adopt_number(placeholder, &OwnNumbers))?;
        own.adopt_number(value, &OwnNumbers)?;
        ensure!(own.event(value)?.is_set()?, "the same event");
        own.close(value)?;
        let mine = own.insert_object(Event::new(Reset::Auto)?)?;
        ensure!(!own.event(mine)?.set()?, "its own");
        own.close(mine)?;
        // And its child's table is another one.
        in_child(|| invalid("event", HandleTable::own()?.event(mine)))
    })?;
    ensure!(table.event(value)?.is_set()?, "the parent's");
    table.close(value)?;
    table.close(placeholder)?;
    Ok(())
}

fn invalid<T: Debug>(what: &str, answer: handfast::Result<T>) -> anyhow::Result<()> {
    match answer {
        Err(error) if error.kind() == ErrorKind::HandleInvalid => Ok(()),
        other => bail!("{what} in the child: {other:?}"),
    }
}

/// Waits that end and are dropped at the moment of a fork hang nobody.
pub(super) fn waits(rounds: u64) -> anyhow::Result<()> {
    let fence = Fence::new(0)?;
    let _handle = fence.share(None, Access::GENERIC_ALL)?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                fence.signal(1).ok();
                fence.signal(0).ok();
            }
        });
        let all = || -> anyhow::Result<()> {
            for _ in 0..rounds {
                let waits: Result<Vec<Reached>, _> = (0..20).map(|_| fence.reached(1)).collect();
                let mut waits = waits?;
                in_child(|| {
                    waits.clear();
                    ensure!(
                        Fence::new(1)?.reached(1)?.outcome() == Some(WaitOutcome::Signaled),
                        "own"
                    );
                    Ok(())
                })?;
            }
            Ok(())
        };
        let ended = all();
        stop.store(true, Ordering::SeqCst);
        ended
    })
}

/// Forks while other threads make, open, use and drop objects.
pub(super) fn storm(rounds: u64) -> anyhow::Result<()> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy = |number: u64| {
            let stop = &stop;
            scope.spawn(move || -> anyhow::Result<()> {
                let mut dice = Dice::new(number);
                while !stop.load(Ordering::SeqCst) {
                    let mut family = Family::new(&format!("busy {number}"))?;
                    family.check_works()?;
                    dice.spend(10_000);
                }
                Ok(())
            })
        };
        let busy = [busy(1), busy(2)];
        let forks = || -> anyhow::Result<()> {
            for round in 0..rounds {
                in_child(|| {
                    // Threads beside the forking one have handles that this child has too now, so
                    // that names may be taken for a while.
                    let fence = Fence::new(round)?;
                    let handle = fence.share(None, Access::GENERIC_ALL)?;
                    ensure!(Fence::open_handle(&handle)?.value()? == round, "its own");
                    Family::new(&format!("child {round}"))?.check_works()
                })?;
            }
            Ok(())
        };
        let ended = forks();
        stop.store(true, Ordering::SeqCst);
        for one in busy {
            match one.join() {
                Ok(Ok(())) => {}
                // A child has a copy of the handle for a moment.
                Ok(Err(error)) if is_name_taken(&error) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => bail!("a busy thread panicked"),
            }
        }
        ended
    })
}

fn is_name_taken(error: &anyhow::Error) -> bool {
    error.downcast_ref::<handfast::Error>().is_some_and(|it| it.kind() == ErrorKind::NameTaken)
}
