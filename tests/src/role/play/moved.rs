//! A fence or an event moves into shared memory while threads use it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::ensure;
use handfast::{Access, Event, Fence, Reset, WaitObject, WaitOutcome, wait_all};

use super::{Dice, until};

/// Waits that are begun before, while and after the fence moves, for values that are rewound at
/// once.
pub(super) fn fence(rounds: u64) -> anyhow::Result<()> {
    let mut dice = Dice::new(rounds);
    for round in 0..rounds {
        let fence = Fence::new(0)?;
        // Rewinds from before the waits, which those must not look for where it moves to.
        for value in [3, 2, 1, 0] {
            fence.signal(value)?;
        }
        let early = fence.reached(40)?;
        let event = Event::new(Reset::Manual)?;
        fence.set_event_on_completion(40, &event)?;
        let begun = AtomicU64::new(0);
        let (before, after) = (dice.roll(3000), dice.roll(3000));
        let told: Vec<WaitOutcome> = thread::scope(|scope| {
            let wait = |target: u64| {
                let (fence, begun) = (&fence, &begun);
                scope.spawn(move || {
                    let wait = [fence.at(target)];
                    begun.fetch_add(1, Ordering::SeqCst);
                    wait_all(&wait, None).map(|(_, told)| told)
                })
            };
            let mut waits: Vec<_> = (1..=4).map(|place| wait(10 * place)).collect();
            scope.spawn(|| {
                while begun.load(Ordering::SeqCst) < 4 {
                    std::hint::spin_loop();
                }
                spend(before);
                for value in [10, 20, 0, 30, 5, 50] {
                    // An error shows as a wait that does not end.
                    fence.signal(value).ok();
                }
            });
            spend(after);
            let shared = fence.share(None, Access::GENERIC_ALL);
            waits.push(wait(50));
            drop(shared);
            waits.into_iter().flat_map(thread::ScopedJoinHandle::join).flatten().collect()
        });
        ensure!(told == [WaitOutcome::Signaled; 5], "round {round}: {told:?}");
        ensure!(fence.value()? == 50, "round {round}: the value is {}", fence.value()?);
        until("the wait that was handed over ends", || early.outcome().is_some())?;
        ensure!(early.outcome() == Some(WaitOutcome::Signaled), "round {round}");
        ensure!(event.wait()? == WaitOutcome::Signaled, "round {round}");
        let handle = fence.share(None, Access::GENERIC_ALL)?;
        ensure!(Fence::open_handle(&handle)?.value()? == 50, "round {round}: another value there");
    }
    Ok(())
}

/// As many waits end as there were sets, whenever the event moves.
pub(super) fn event(rounds: u64) -> anyhow::Result<()> {
    const SETS: u64 = 20;
    let mut dice = Dice::new(rounds);
    for round in 0..rounds {
        let (event, taken) = (Event::new(Reset::Auto)?, AtomicU64::new(0));
        let go = Event::new(Reset::Manual)?;
        let stop = AtomicBool::new(false);
        let pause = dice.roll(200_000);
        thread::scope(|scope| -> anyhow::Result<()> {
            for alone in [true, false, true] {
                let (event, go, taken, stop) = (&event, &go, &taken, &stop);
                scope.spawn(move || {
                    loop {
                        let told = if alone {
                            event.wait()
                        } else {
                            wait_all(&[WaitObject::Event(event), WaitObject::Event(go)], None)
                                .map(|(_, told)| told)
                        };
                        if stop.load(Ordering::SeqCst) || told.is_err() {
                            // Whoever waits next is to see it too.
                            event.set().ok();
                            return;
                        }
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let mover = scope.spawn(|| {
                spend(pause);
                drop(event.share(None, Access::GENERIC_ALL)?);
                go.share(None, Access::GENERIC_ALL).map(drop)
            });
            go.set()?;
            for number in 1..=SETS {
                event.set()?;
                let done = until("a wait takes it", || taken.load(Ordering::SeqCst) >= number);
                if done.is_err() || taken.load(Ordering::SeqCst) > number {
                    stop.store(true, Ordering::SeqCst);
                    event.set()?;
                    done?;
                    anyhow::bail!("round {round}: more were taken than set");
                }
            }
            stop.store(true, Ordering::SeqCst);
            event.set()?;
            mover.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
            Ok(())
        })?;
        ensure!(event.object().is_some() && go.object().is_some(), "round {round}: not moved");
    }
    Ok(())
}

/// Work, and no sleep.
fn spend(steps: u64) {
    for step in 0..steps {
        std::hint::black_box(step);
    }
}
