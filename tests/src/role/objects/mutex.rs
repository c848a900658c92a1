//! Orders to keyed mutexes.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use handfast::{KeyedMutex, Surface, WaitOutcome};

use super::{milliseconds, ok, outcome};
use crate::{number, say};

/// A role that takes turns looks for orders at least that often.
const SLICE: Duration = Duration::from_millis(20);

fn mutex(surface: &Surface) -> anyhow::Result<&KeyedMutex> {
    surface.keyed_mutex().context("the surface has no keyed mutex")
}

pub(super) fn order(surface: &mut Surface, words: &[&str]) -> anyhow::Result<String> {
    match words {
        ["mutex"] => Ok(surface.keyed_mutex().map_or("none", |_| "some").into()),
        ["acquire", key] => {
            say("waiting")?;
            Ok(outcome(mutex(surface)?.acquire(number(key)?)?))
        }
        ["acquire", key, time] => {
            Ok(outcome(mutex(surface)?.acquire_timeout(number(key)?, milliseconds(time)?)?))
        }
        // By a thread that has ended when this is answered.
        ["acquire-elsewhere", key] => {
            let (mutex, key) = (mutex(surface)?, number(key)?);
            let told = thread::scope(|scope| scope.spawn(|| mutex.acquire(key)).join());
            Ok(outcome(told.map_err(|_| anyhow::anyhow!("it panicked"))??))
        }
        // So many threads that wait at once; how each ends.
        ["acquire-by", threads, key] => {
            let (mutex, key) = (mutex(surface)?, number(key)?);
            say("waiting")?;
            let told: Vec<_> = thread::scope(|scope| {
                let begin = |_| scope.spawn(|| mutex.acquire(key));
                let threads: Vec<_> = (0..number(threads).unwrap_or(0)).map(begin).collect();
                threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
            });
            let mut answer = Vec::new();
            for one in told {
                answer.push(outcome(one.map_err(|_| anyhow::anyhow!("it panicked"))??));
            }
            Ok(answer.join(" "))
        }
        ["release", key] => {
            mutex(surface)?.release(number(key)?)?;
            ok()
        }
        ["status"] => Ok(format!("{:?}", mutex(surface)?.status()?)),
        // Counts in the surface itself, in turn with whoever has the other key.
        ["alternate", key, rounds] => alternate(surface, number(key)?, number(rounds)?),
        _ => bail!("a surface cannot {words:?}"),
    }
}

fn alternate(surface: &mut Surface, key: u64, rounds: u64) -> anyhow::Result<String> {
    let mut last = 0;
    for round in 0..rounds {
        let told = mutex(surface)?.acquire(key)?;
        ensure!(told == WaitOutcome::Signaled, "{told:?} in round {round}");
        let mut bytes = [0; 64];
        surface.read(0, &mut bytes)?;
        let (counters, _) = bytes.as_chunks::<8>();
        let seen = counters.first().copied().map_or(0, u64::from_le_bytes);
        ensure!(counters.iter().all(|it| u64::from_le_bytes(*it) == seen), "torn: {counters:?}");
        ensure!(seen == 2 * round + key, "{seen} in round {round} of {key}");
        for place in 0..8 {
            surface.write(8 * place, &(seen + 1).to_le_bytes())?;
        }
        last = seen + 1;
        mutex(surface)?.release(1 - key)?;
    }
    Ok(last.to_string())
}

/// Takes it and gives it back until there is an order, or until it is abandoned.
pub(super) fn turns(
    surface: &Surface,
    key: u64,
    orders: &Receiver<String>,
) -> anyhow::Result<String> {
    let mutex = mutex(surface)?;
    say("turning")?;
    let mut count = 0_u64;
    while orders.try_recv() == Err(TryRecvError::Empty) {
        match mutex.acquire_timeout(key, SLICE)? {
            WaitOutcome::Signaled => {
                count += 1;
                mutex.release(key)?;
            }
            WaitOutcome::TimedOut => {}
            WaitOutcome::Abandoned => return Ok("turned Abandoned".into()),
            WaitOutcome::Lost => bail!("lost after {count}"),
        }
    }
    Ok("turned Signaled".into())
}
