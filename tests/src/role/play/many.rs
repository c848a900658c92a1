//! Waits for more objects than one call of the kernel takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use handfast::{
    Access, ErrorKind, Event, Fence, Reset, WaitObject, WaitOutcome, wait_all, wait_any,
};

const NONE: (usize, WaitOutcome) = (0, WaitOutcome::TimedOut);
const ALL: (usize, WaitOutcome) = (0, WaitOutcome::Signaled);
const TIMES: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(1)];

/// 300 fences, half of them shared, and an event at the end.
pub(super) fn any() -> anyhow::Result<()> {
    let (mut fences, mut handles) = (Vec::new(), Vec::new());
    for number in 0..300 {
        let fence = Fence::new(0)?;
        if number % 2 == 0 {
            handles.push(fence.share(None, Access::GENERIC_ALL)?);
        }
        fences.push(fence);
    }
    let event = Event::new(Reset::Auto)?;
    let mut objects: Vec<WaitObject<'_>> = fences.iter().map(|fence| fence.at(1)).collect();
    objects.push(WaitObject::Event(&event));
    for time in TIMES {
        ensure!(wait_any(&objects, Some(time))? == NONE, "after {time:?}");
    }
    for index in [0, 1, 126, 127, 128, 254, 257, 299] {
        let told = thread::scope(|scope| {
            let wait = scope.spawn(|| wait_any(&objects, None));
            fences.get(index).map(|fence| fence.signal(1));
            wait.join().unwrap_or(Ok(NONE))
        })?;
        ensure!(told == (index, WaitOutcome::Signaled), "{index}: {told:?}");
        ensure!(wait_any(&objects, Some(Duration::ZERO))? == told, "{index}: it stays so");
        fences.get(index).map(|fence| fence.signal(0));
    }
    // So often that it would take too long, were those far behind looked at now and then only.
    for round in 0..100 {
        let (begun, place) = (AtomicBool::new(false), 130 + round);
        let told = thread::scope(|scope| {
            let wait = scope.spawn(|| {
                begun.store(true, Ordering::SeqCst);
                wait_any(&objects, None)
            });
            while !begun.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            for step in 0..100_000 {
                std::hint::black_box(step);
            }
            fences.get(place).map(|fence| fence.signal(1));
            wait.join().unwrap_or(Ok(NONE))
        })?;
        ensure!(told == (place, WaitOutcome::Signaled), "{place}: {told:?}");
        fences.get(place).map(|fence| fence.signal(0));
    }
    event.set()?;
    for time in [Some(Duration::ZERO), Some(Duration::from_nanos(1)), None] {
        ensure!(wait_any(&objects, time)? == (300, WaitOutcome::Signaled), "the event, {time:?}");
        ensure!(!event.is_set()?, "it was taken");
        event.set()?;
    }
    // The first that can be taken is, and no other.
    fences.first().map(|fence| fence.signal(1));
    ensure!(wait_any(&objects, None)? == (0, WaitOutcome::Signaled), "the first");
    ensure!(event.is_set()?, "it was taken, though another came first");
    let refused = wait_any(&[], Some(Duration::ZERO)).err().map(|error| error.kind());
    ensure!(refused == Some(ErrorKind::Invalid), "none: {refused:?}");
    Ok(())
}

/// 10,000 fences.
pub(super) fn all() -> anyhow::Result<()> {
    let fences: Result<Vec<Fence>, _> = (0..10_000).map(|_| Fence::new(0)).collect();
    let fences = fences?;
    let event = Event::new(Reset::Auto)?;
    let mut objects: Vec<WaitObject<'_>> = fences.iter().map(|fence| fence.at(7)).collect();
    objects.push(WaitObject::Event(&event));
    event.set()?;
    for time in TIMES {
        ensure!(wait_all(&objects, Some(time))? == NONE, "after {time:?}");
    }
    let (last, others) = fences.split_last().ok_or_else(|| anyhow::anyhow!("there are some"))?;
    for fence in others {
        // Reached once is reached, for whoever has waited since.
        fence.signal(7)?;
    }
    for time in TIMES {
        ensure!(wait_all(&objects, Some(time))? == NONE, "but for one, after {time:?}");
        ensure!(event.is_set()?, "taken before all could be");
    }
    let told = thread::scope(|scope| {
        let wait = scope.spawn(|| wait_all(&objects, None));
        last.signal(7).map(|()| wait.join())
    })?;
    ensure!(told.is_ok_and(|told| told.is_ok_and(|told| told == ALL)), "all of them");
    ensure!(!event.is_set()?, "the event was taken with them");
    event.set()?;
    ensure!(wait_all(&objects, Some(Duration::ZERO))? == ALL, "at once");
    let refused = wait_all(&[], None).err().map(|error| error.kind());
    ensure!(refused == Some(ErrorKind::Invalid), "none: {refused:?}");
    Ok(())
}
