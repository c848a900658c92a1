//! Goes along one hot path so many times: `handfast-paths fence-signal 1000`. `cargo xtask
//! instructions` counts what a processor does on the way.

#![forbid(unsafe_code)]

use std::hint::black_box;

use anyhow::{Context as _, bail};
use handfast::{
    Event, Fence, Format, Lossless, Mode, Receiver, Reset, Sender, SenderOptions, Surface,
    SurfaceDesc, SurfaceFlags, wait_any,
};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("which path?")?;
    let count: u64 = arguments.next().context("how many times?")?.parse()?;
    match path.as_str() {
        "fence-signal" => signal(&Fence::create("paths", 0)?, count),
        "fence-signal-private" => signal(&Fence::new(0)?, count),
        "fence-rewind" => {
            let fence = Fence::create("paths", 0)?;
            (0..count).try_for_each(|turn| Ok(fence.signal(turn & 1)?))
        }
        "fence-value" => {
            let fence = Fence::create("paths", 0)?;
            for _ in 0..count {
                black_box(fence.value()?);
            }
            Ok(())
        }
        "fence-wait-reached" => {
            let fence = Fence::create("paths", 1)?;
            for _ in 0..count {
                black_box(fence.wait(1)?);
            }
            Ok(())
        }
        "wait-any-of-8" => any_of_eight(count),
        "event-set-and-take" => {
            let event = Event::create("paths", Reset::Auto)?;
            for _ in 0..count {
                event.set()?;
                black_box(event.wait()?);
            }
            Ok(())
        }
        "fence-new" => {
            for _ in 0..count {
                black_box(Fence::new(0)?);
            }
            Ok(())
        }
        "keyed-mutex" => keyed_mutex(count),
        "stream-frame" => stream(count, None),
        "stream-frame-to-one" => stream(count, Some("paths")),
        _ => bail!("there is no path {path}"),
    }
}

fn signal(fence: &Fence, count: u64) -> anyhow::Result<()> {
    (1..=count).try_for_each(|value| Ok(fence.signal(black_box(value))?))
}

fn any_of_eight(count: u64) -> anyhow::Result<()> {
    let fences: Vec<Fence> = (0..8).map(|_| Fence::new(0)).collect::<Result<_, _>>()?;
    fences.last().context("eight")?.signal(1)?;
    let objects: Vec<_> = fences.iter().map(|fence| fence.at(1)).collect();
    for _ in 0..count {
        black_box(wait_any(&objects, None)?);
    }
    Ok(())
}

fn keyed_mutex(count: u64) -> anyhow::Result<()> {
    let desc = SurfaceDesc { flags: SurfaceFlags::KEYED_MUTEX, ..SurfaceDesc::buffer(64) };
    let surface = Surface::new(desc)?;
    let mutex = surface.keyed_mutex().context("no mutex")?;
    for _ in 0..count {
        black_box(mutex.acquire(0)?);
        mutex.release(0)?;
    }
    Ok(())
}

/// Frames that are not drawn; with a receiver in the same process, which takes each.
fn stream(count: u64, receiver: Option<&str>) -> anyhow::Result<()> {
    let mut options = SenderOptions::new((64, 64), Format::Bgra8);
    options.lossless = Lossless::Allowed;
    let mut sender = Sender::create_with("paths", options)?;
    let mut receiver = receiver.map(|name| Receiver::open_with(name, Mode::Latest)).transpose()?;
    for _ in 0..count {
        sender.frame()?.send()?;
        if let Some(receiver) = &mut receiver {
            black_box(receiver.recv()?.is_some());
        }
    }
    Ok(())
}
