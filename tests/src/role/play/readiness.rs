//! Waits that nobody sleeps in, as descriptors.

use std::collections::BTreeSet;
use std::os::fd::AsFd as _;

use anyhow::ensure;
use handfast::{Access, Event, Fence, Reached, Reset, WaitOutcome};
use handfast_sys::epoll::{Interest, Poller};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{descriptors, threads, until};

const WAITS: u64 = 500;

fn is_readable(wait: &Reached) -> anyhow::Result<bool> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(poll(&mut [PollFd::new(wait, PollFlags::IN)], Some(&now))? == 1)
}

/// 500 waits for 500 values of two fences: each is readable when its value is reached, not before.
pub(super) fn many() -> anyhow::Result<()> {
    let private = Fence::new(0)?;
    let shared = Fence::new(0)?;
    let _handle = shared.share(None, Access::GENERIC_ALL)?;
    let (threads_before, descriptors_before) = (threads(), descriptors());
    let epoll = Poller::new()?;
    let mut waits = Vec::new();
    for number in 0..WAITS {
        let fence = if number % 2 == 0 { &private } else { &shared };
        let wait = fence.reached(number / 2 + 1)?;
        epoll.add(wait.as_fd(), number, Interest::Readable)?;
        waits.push(wait);
    }
    for wait in &waits {
        ensure!(!is_readable(wait)? && wait.outcome().is_none(), "before its value");
    }
    let mut ready = BTreeSet::new();
    let mut events = Vec::new();
    for value in [1, 2, 100, 101, 250] {
        private.signal(value)?;
        shared.signal(value)?;
        // Rewound at once: told all the same.
        private.signal(0)?;
        while ready.len() < usize::try_from(2 * value)? {
            epoll.wait(&mut events, None)?;
            for event in &events {
                ready.insert(event.token);
                ensure!(event.token < 2 * value, "{} is ready at {value}", event.token);
            }
            for (token, wait) in (0..).zip(&waits) {
                if ready.contains(&token) {
                    epoll.remove(wait.as_fd()).ok();
                }
            }
        }
    }
    for wait in &waits {
        ensure!(wait.outcome() == Some(WaitOutcome::Signaled) && is_readable(wait)?, "each");
    }
    drop((waits, epoll));
    until("the threads end", || threads() == threads_before)?;
    ensure!(descriptors() == descriptors_before, "{} descriptors", descriptors());
    Ok(())
}

/// Waits that are dropped before they end leave no thread and no descriptor.
pub(super) fn dropped() -> anyhow::Result<()> {
    let (fence, event) = (Fence::new(0)?, Event::new(Reset::Auto)?);
    let _handles =
        (fence.share(None, Access::GENERIC_ALL)?, event.share(None, Access::GENERIC_ALL)?);
    let (threads_before, descriptors_before) = (threads(), descriptors());
    for round in 0..20 {
        let mut waits: Vec<Reached> = Vec::new();
        for _ in 0..WAITS / 4 {
            waits.push(fence.reached(1)?);
            waits.push(event.taken()?);
        }
        if round % 2 == 0 {
            // In the other order, so that none of the threads is the one with the last.
            waits.reverse();
        }
        if round % 5 == 0 {
            waits.truncate(1);
        }
        drop(waits);
        if round % 3 == 0 {
            until("the threads end", || threads() == threads_before)?;
            ensure!(descriptors() == descriptors_before, "{} descriptors", descriptors());
        }
    }
    until("the threads end", || threads() == threads_before)?;
    ensure!(descriptors() == descriptors_before, "{} descriptors", descriptors());
    // Nothing of them takes what others wait for.
    event.set()?;
    ensure!(event.wait()? == WaitOutcome::Signaled, "the event is there for who waits");
    Ok(())
}
