//! Our side: the parts that a started copy of the benchmark plays.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use handfast::{Fence, Format, Lossless, Mode, Receiver, Sender, SenderOptions, WaitOutcome};
use handfast_bench::{hear, say};
use handfast_sys::mapping;

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

/// What every stream does with a picture, and nothing else.
pub(crate) fn copies(bytes: usize, room: usize) -> anyhow::Result<()> {
    let (memory, _) = mapping::create_sole("copies", u64::try_from(bytes * room)?, 0)?;
    let (_, mut memory) = memory.split();
    let picture = vec![0x5A; bytes];
    let mut pixels = vec![0; bytes];
    say("there")?;
    let mut slots = (0..room).cycle();
    while let Some(count) = next_count()? {
        for _ in 0..count {
            let at = slots.next().unwrap_or_default() * bytes;
            let slot = memory.slot_mut(at, bytes).context("no room")?;
            slot.copy_from_slice(&picture);
            pixels.copy_from_slice(black_box(slot));
            black_box(&mut pixels);
        }
        say("all")?;
    }
    Ok(())
}

/// Hears what is asked of the others.
pub(crate) fn idle() -> anyhow::Result<()> {
    say("there")?;
    while next_count()?.is_some() {}
    Ok(())
}
