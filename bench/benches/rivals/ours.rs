//! Our side: the parts that a started copy of the benchmark plays.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use handfast::{Fence, Format, Lossless, Mode, Receiver, Sender, SenderOptions, WaitOutcome};
use handfast_bench::{hear, say};

const PATIENCE: Duration = Duration::from_secs(30);

/// The number at the end of the next line; None when nobody asks any more.
fn next_count() -> anyhow::Result<Option<u64>> {
    let line = hear()?;
    let Some(count) = line.split_whitespace().last() else { return Ok(None) };
    Ok(Some(count.parse().context("not a number")?))
}

/// Makes both fences.
pub(crate) fn echo(name: &str) -> anyhow::Result<()> {
    let ping = Fence::create(&format!("{name}-ping"), 0)?;
    let pong = Fence::create(&format!("{name}-pong"), 0)?;
    say("there")?;
    let mut turn = 0;
    while let Some(count) = next_count()? {
        for _ in 0..count {
            turn += 1;
            wait(&ping, turn)?;
            pong.signal(turn)?;
        }
    }
    Ok(())
}

pub(crate) fn ping(name: &str) -> anyhow::Result<()> {
    let ping = Fence::open(&format!("{name}-ping"))?;
    let pong = Fence::open(&format!("{name}-pong"))?;
    say("there")?;
    let mut turn = 0;
    while let Some(count) = next_count()? {
        let started = Instant::now();
        for _ in 0..count {
            turn += 1;
            ping.signal(turn)?;
            wait(&pong, turn)?;
        }
        say(&started.elapsed().as_nanos().to_string())?;
    }
    Ok(())
}

fn wait(fence: &Fence, value: u64) -> anyhow::Result<()> {
    let outcome = fence.wait(value)?;
    if outcome != WaitOutcome::Signaled {
        bail!("the other end is gone: {outcome:?}");
    }
    Ok(())
}

pub(crate) fn send(name: &str, size: (u32, u32), slots: u32) -> anyhow::Result<()> {
    let mut options = SenderOptions::new(size, Format::Bgra8);
    options.slots = slots;
    options.lossless = Lossless::Allowed;
    let mut sender = Sender::create_with(name, options)?;
    let picture = vec![0x5A; sender.frame()?.bytes_mut().len()];
    say("there")?;
    while let Some(count) = next_count()? {
        sender.wait_for_receivers(1, PATIENCE)?;
        for _ in 0..count {
            let mut frame = sender.frame()?;
            frame.bytes_mut().copy_from_slice(&picture);
            frame.send()?;
        }
    }
    Ok(())
}

pub(crate) fn receive(name: &str) -> anyhow::Result<()> {
    let mut receiver = Receiver::open_with(name, Mode::Lossless)?;
    let mut pixels = Vec::new();
    say("there")?;
    while let Some(count) = next_count()? {
        for _ in 0..count {
            receiver.recv()?.context("the stream has ended")?.copy_to(&mut pixels)?;
        }
        say("all")?;
    }
    Ok(())
}
