//! Names that are made and dropped: they take nothing, and are free at once.

use std::io::ErrorKind::BrokenPipe;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use handfast::{
    Client, ErrorKind, Event, Fence, Reset, Surface, SurfaceDesc, SurfaceFlags, WaitOutcome,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{descriptors, until};
use crate::process::{fork, in_child};

/// What the broker holds.
fn held_by_broker(client: &mut Client) -> anyhow::Result<(u64, u64, u64)> {
    let health = client.health()?;
    Ok((health.objects, health.pages, health.descriptors))
}

/// What the broker holds when it has heard of all that was dropped.
fn settled(client: &mut Client, objects: u64) -> anyhow::Result<(u64, u64, u64)> {
    until("what was dropped is gone", || {
        client.health().is_ok_and(|health| health.objects == objects)
    })?;
    held_by_broker(client)
}

/// Made and dropped a thousand times, a name takes no descriptor here and none of the broker, nor a
/// page after the first.
pub(super) fn thousand_names() -> anyhow::Result<()> {
    let mut client = Client::connect()?;
    let fence = Fence::create("stays", 0)?;
    drop((Event::create("name", Reset::Auto)?, Fence::create("other", 0)?));
    let before = descriptors();
    let broker = settled(&mut client, 1)?;
    for number in 0..1000_u64 {
        let event = Event::create("name", Reset::Manual)?;
        let other = Fence::create("other", number)?;
        ensure!(descriptors() == before, "round {number}: {} of {before}", descriptors());
        ensure!(other.value()? == number && !event.is_set()?, "what was there before is left");
        // What it leaves in its page the next one must not find.
        event.set()?;
        other.signal(u64::MAX)?;
        other.signal(3)?;
        if number % 100 == 0 {
            let (objects, pages, descriptors) = held_by_broker(&mut client)?;
            let expected = (broker.0 + 2, broker.1, broker.2);
            ensure!((objects, pages, descriptors) == expected, "{objects} {pages} {descriptors}");
        }
    }
    let after = settled(&mut client, 1)?;
    ensure!(after == broker, "{after:?} instead of {broker:?}");
    fence.signal(1)?;
    Ok(())
}

/// A surface with a keyed mutex takes the page of the one before.
pub(super) fn hundred_mutexes() -> anyhow::Result<()> {
    let mut client = Client::connect()?;
    let desc = SurfaceDesc { flags: SurfaceFlags::KEYED_MUTEX, ..SurfaceDesc::buffer(64) };
    drop(Surface::create("mutex", desc)?);
    let broker = settled(&mut client, 0)?;
    for round in 0..100 {
        let surface = Surface::create("mutex", desc)?;
        let Some(mutex) = surface.keyed_mutex() else { bail!("there is no mutex") };
        let acquired = mutex.acquire_timeout(0, Duration::ZERO)?;
        ensure!(acquired == WaitOutcome::Signaled, "round {round}: {acquired:?}");
        // The last key, or one that is owned when it is dropped: abandoned, for nobody to see.
        if round % 2 == 0 {
            mutex.release(77)?;
        }
    }
    let after = settled(&mut client, 0)?;
    ensure!(after == broker, "{after:?} instead of {broker:?}");
    Ok(())
}

/// Threads that make, use and drop names all the time, some with waits that outlive the object: no
/// page is used again while anything refers to it.
pub(super) fn threads_of_names(rounds: u64) -> anyhow::Result<()> {
    let play = |thread: u64| -> anyhow::Result<()> {
        for round in 0..rounds {
            let value = thread << 32 | round << 1;
            let fence = Fence::create(&format!("fence {thread}"), value)?;
            let wait = fence.reached(value + 1)?;
            let event = Event::create(&format!("event {thread}"), Reset::Auto)?;
            ensure!(fence.value()? == value && !event.is_set()?, "another's page");
            ensure!(wait.outcome().is_none(), "another's signal ended the wait");
            event.set()?;
            fence.signal(value + 1)?;
            drop(fence);
            ensure!(event.wait_timeout(Duration::ZERO)? == WaitOutcome::Signaled, "it was set");
            drop(event);
            until("the wait ends", || wait.outcome().is_some())?;
            ensure!(wait.outcome() == Some(WaitOutcome::Signaled), "{:?}", wait.outcome());
        }
        Ok(())
    };
    let mut client = Client::connect()?;
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=4).map(|one| scope.spawn(move || play(one))).collect();
        let ended = threads.into_iter().map(|one| one.join().unwrap_or_else(|_| bail!("panic")));
        ended.collect::<anyhow::Result<()>>()
    })?;
    let (_, pages, _) = settled(&mut client, 0)?;
    ensure!(pages <= 16, "{pages} pages are kept");
    Ok(())
}

/// This process and its children on one core: nobody runs while another does.
fn on_one_core() -> anyhow::Result<()> {
    let all = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|core| all.is_set(*core)).context("a core")?;
    let mut one = CpuSet::new();
    one.set(first);
    Ok(sched_setaffinity(None, &one)?)
}

/// One end of a pair of processes that tell each other that a name is free.
struct Turns {
    from: PipeReader,
    to: PipeWriter,
}

impl Turns {
    /// Makes the names as soon as it is told that they are free, drops them and tells the other.
    fn play(mut self, rounds: u64) -> anyhow::Result<()> {
        for round in 0..rounds {
            self.from.read_exact(&mut [0])?;
            // More than one, so that the broker has not read of the last when it is asked for it.
            let made: handfast::Result<Vec<_>> = (0..4)
                .map(|number| Event::create(&format!("turn {number}"), Reset::Auto))
                .collect();
            let events = made.with_context(|| format!("round {round}"))?;
            drop(events);
            match self.to.write_all(&[1]) {
                // The other has had its last turn.
                Err(error) if error.kind() == BrokenPipe && round + 1 == rounds => {}
                told => told?,
            }
        }
        Ok(())
    }
}

/// Two processes make and drop the same names in turns, each told by the other that they are free.
pub(super) fn told_of_drops(place: &str, rounds: u64) -> anyhow::Result<()> {
    if place == "one-core" {
        on_one_core()?;
    }
    let (here, to_here) = pipe()?;
    let (there, mut to_there) = pipe()?;
    to_there.write_all(&[1])?;
    let child = fork(|| {
        let turns = Turns { from: there, to: to_here };
        let played = turns.play(rounds);
        if let Err(error) = &played {
            rustix::io::write(std::io::stderr(), format!("child: {error:#}\n").as_bytes()).ok();
        }
        i32::from(played.is_err())
    })?;
    // Others of this process talk to the broker all the time, and one holds the name of something
    // else: what they say stands before the drops.
    let stop = AtomicBool::new(false);
    let played = thread::scope(|scope| {
        for number in 0..2 {
            let stop = &stop;
            scope.spawn(move || -> anyhow::Result<()> {
                let fence = Fence::create(&format!("busy {number}"), 0)?;
                while !stop.load(Ordering::Relaxed) {
                    fence.info()?;
                }
                Ok(())
            });
        }
        let played = Turns { from: here, to: to_there }.play(rounds);
        stop.store(true, Ordering::Relaxed);
        played
    });
    child.finish()?;
    played
}

/// A name stays when a child goes that was forked from its holder, whatever the child drops.
pub(super) fn forked_name() -> anyhow::Result<()> {
    let mut held = Some((Event::create("event", Reset::Auto)?, Fence::create("fence", 7)?));
    in_child(|| {
        drop(held.take());
        // Its own connection sees them.
        ensure!(Fence::open("fence")?.value()? == 7, "the fence");
        match Event::create("event", Reset::Auto) {
            Err(error) if error.kind() == ErrorKind::NameTaken => Ok(()),
            other => bail!("in the child: {other:?}"),
        }
    })?;
    ensure!(Event::open("event").is_ok() && Fence::open("fence")?.value()? == 7, "they stay");
    drop(held);
    for name in ["event", "fence"] {
        Event::create(name, Reset::Auto).with_context(|| format!("{name} is free"))?;
    }
    // A page that the child had no mapping of is used again here.
    let before = descriptors();
    let again = Fence::create("again", 9)?;
    ensure!(descriptors() == before && again.value()? == 9, "a page was kept");
    let mut client = Client::connect()?;
    drop(again);
    until("nothing but this is left", || client.health().is_ok_and(|health| health.objects == 0))
}
