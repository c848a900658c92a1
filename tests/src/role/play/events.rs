//! Waits for all of several events, in one process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use handfast::{Access, ErrorKind, Event, Reset, WaitObject, WaitOutcome, wait_all};

use super::{Dice, until};

/// For what comes at once if it comes at all.
const TIME: Duration = Duration::from_secs(5);

/// Two threads wait for the same two events, named in opposite order, each in turn private, shared
/// and mixed.
pub(super) fn crossed(rounds: u64) -> anyhow::Result<()> {
    for shared in 0..4 {
        let (left, right) = (Event::new(Reset::Auto)?, Event::new(Reset::Auto)?);
        let mut handles = Vec::new();
        for (bit, event) in [(1, &left), (2, &right)] {
            if shared & bit != 0 {
                handles.push(event.share(None, Access::GENERIC_ALL)?);
            }
        }
        let taken = AtomicU64::new(0);
        thread::scope(|scope| -> anyhow::Result<()> {
            for order in [[&left, &right], [&right, &left]] {
                let taken = &taken;
                scope.spawn(move || {
                    let objects = order.map(WaitObject::Event);
                    for _ in 0..rounds {
                        let told = wait_all(&objects, None);
                        if told.is_ok_and(|(_, told)| told == WaitOutcome::Signaled) {
                            taken.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            for number in 1..=2 * rounds {
                left.set()?;
                ensure!(taken.load(Ordering::SeqCst) < number, "taken before both are set");
                right.set()?;
                until("both are taken", || taken.load(Ordering::SeqCst) == number)?;
                ensure!(!left.is_set()? && !right.is_set()?, "one of them was left");
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The same auto-reset event twice cannot be taken together, and hangs nobody.
pub(super) fn same_twice() -> anyhow::Result<()> {
    for share in [false, true] {
        let event = Event::new(Reset::Auto)?;
        let _handle = share.then(|| event.share(None, Access::GENERIC_ALL)).transpose()?;
        event.set()?;
        let twice = [WaitObject::Event(&event), WaitObject::Event(&event)];
        let told = wait_all(&twice, Some(Duration::from_millis(20)));
        let refused = told.as_ref().err().map(handfast::Error::kind);
        ensure!(refused == Some(ErrorKind::Invalid), "{told:?}");
        ensure!(event.wait_timeout(Duration::ZERO)? == WaitOutcome::Signaled, "it is not lost");
    }
    Ok(())
}

/// Waits that are dropped at the moment of a set: it was seen to be taken, or is there still.
pub(super) fn dropped(rounds: u64) -> anyhow::Result<()> {
    let mut dice = Dice::new(rounds);
    for share in [false, true] {
        let event = Event::new(Reset::Auto)?;
        let _handle = share.then(|| event.share(None, Access::GENERIC_ALL)).transpose()?;
        // One that stays, so that the thread that waits does.
        let other = Event::new(Reset::Auto)?;
        let _stays = other.taken()?;
        for round in 0..rounds {
            let wait = event.taken()?;
            let (before, after) = (dice.roll(4000), dice.roll(4000));
            let seen = thread::scope(|scope| {
                scope.spawn(|| {
                    spend(before);
                    event.set().ok();
                });
                spend(after);
                let seen = wait.outcome();
                drop(wait);
                seen
            });
            let left = event.is_set()?;
            ensure!(
                seen.is_some() || event.wait_timeout(TIME)? == WaitOutcome::Signaled,
                "round {round}: lost"
            );
            ensure!(seen.is_none() || !left, "round {round}: taken and left");
        }
    }
    Ok(())
}

fn spend(steps: u64) {
    for step in 0..steps {
        std::hint::black_box(step);
    }
}
