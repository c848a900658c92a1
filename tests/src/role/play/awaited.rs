//! Waits as futures, 500 at a time, under two executors.

use std::os::fd::{AsFd as _, OwnedFd};
use std::thread;

use anyhow::ensure;
use handfast::{Access, Event, Fence, Reset, WaitOutcome};
use tokio::io::unix::AsyncFd;

use super::{threads, until};

const WAITS: u64 = 500;

struct Stage {
    fence: Fence,
    event: Event,
}

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let (fence, event) = (Fence::new(0)?, Event::new(Reset::Auto)?);
        drop(fence.share(None, Access::GENERIC_ALL)?);
        Ok(Self { fence, event })
    }

    fn signals(self) {
        thread::spawn(move || {
            for value in 1..=WAITS {
                // An error shows as a wait that does not end.
                self.fence.signal(value).ok();
            }
            self.event.set().ok();
        });
    }
}

pub(super) fn with_tokio() -> anyhow::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_io().build()?;
    runtime.block_on(async {
        let stage = Stage::new()?;
        let mut tasks = Vec::new();
        for value in 1..=WAITS {
            tasks.push(tokio::spawn(stage.fence.reached(value)?));
        }
        // The same as a descriptor.
        let wait = stage.fence.reached(WAITS)?;
        let readable = watch(wait.as_fd().try_clone_to_owned()?)?;
        let taken = stage.event.taken()?;
        stage.signals();
        for task in tasks {
            ensure!(task.await? == WaitOutcome::Signaled, "each");
        }
        drop(readable.readable().await?);
        ensure!(wait.outcome() == Some(WaitOutcome::Signaled), "as a descriptor");
        ensure!(taken.await == WaitOutcome::Signaled, "the event");
        Ok(())
    })
}

#[expect(deprecated, reason = "its successor is unsafe code, for descriptors that others close")]
fn watch(descriptor: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}

pub(super) fn with_smol() -> anyhow::Result<()> {
    let before = threads();
    smol::block_on(async {
        let stage = Stage::new()?;
        let executor = smol::LocalExecutor::new();
        let mut tasks = Vec::new();
        for value in 1..=WAITS {
            tasks.push(executor.spawn(stage.fence.reached(value)?));
        }
        let wait = stage.fence.reached(WAITS)?;
        let readable = smol::Async::new(wait.as_fd().try_clone_to_owned()?)?;
        let taken = stage.event.taken()?;
        stage.signals();
        executor
            .run(async {
                for task in tasks {
                    ensure!(task.await == WaitOutcome::Signaled, "each");
                }
                Ok(())
            })
            .await?;
        readable.readable().await?;
        ensure!(wait.outcome() == Some(WaitOutcome::Signaled), "as a descriptor");
        ensure!(taken.await == WaitOutcome::Signaled, "the event");
        Ok(())
    })?;
    // smol keeps one for its descriptors.
    until("the waiting threads end", || threads() <= before + 1)
}
