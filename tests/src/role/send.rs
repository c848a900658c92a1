//! Sends frames whose every byte is the frame's number.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::bail;
use handfast::{Format, Lossless, Sender, SenderOptions, Sent};

use crate::{SIZE, number, orders, say};

/// A running sender looks for orders so long between two frames.
const PACE: Duration = Duration::from_millis(1);
/// How long receivers are waited for before it is looked whether the test is still there.
const SLICE: Duration = Duration::from_millis(100);

pub(crate) fn run(name: &str, slots: &str, rest: &[&str]) -> anyhow::Result<()> {
    let mut options = SenderOptions::new(SIZE, Format::Bgra8);
    options.slots = u32::try_from(number(slots)?)?;
    if rest == ["lossless"] {
        options.lossless = Lossless::Allowed;
    }
    let mut sender = Sender::create_with(name, options)?;
    say("ready")?;
    let orders = orders();
    while let Ok(order) = orders.recv() {
        match order.split(' ').collect::<Vec<_>>().as_slice() {
            ["frame"] => say(answer(frame(&mut sender)?))?,
            ["frames", count] => {
                let mut last = Sent::Dropped;
                for _ in 0..number(count)? {
                    last = frame(&mut sender)?;
                }
                say(answer(last))?;
            }
            ["run"] => {
                let before = sender.sent();
                while orders.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                    frame(&mut sender)?;
                }
                say(format!("ran {}", sender.sent() - before))?;
            }
            ["receivers", count] => {
                let count = usize::try_from(number(count)?)?;
                while sender.wait_for_receivers(count, SLICE)? < count {}
                say(format!("receivers {count}"))?;
            }
            ["resize", width, height] => {
                let size = (u32::try_from(number(width)?)?, u32::try_from(number(height)?)?);
                sender.resize(size, Format::Bgra8)?;
                say("resized")?;
            }
            ["counts"] => say(format!("sent {} dropped {}", sender.sent(), sender.dropped()))?,
            ["end"] => {
                drop(sender);
                return Ok(say("ended")?);
            }
            _ => bail!("a sender cannot {order:?}"),
        }
    }
    Ok(())
}

fn frame(sender: &mut Sender) -> handfast::Result<Sent> {
    // Counted from 1; a frame that is dropped leaves its number to the next.
    let fill = u8::try_from((sender.sent() + 1) % 251).unwrap_or_default();
    let mut frame = sender.frame()?;
    frame.bytes_mut().fill(fill);
    frame.send()
}

fn answer(sent: Sent) -> String {
    match sent {
        Sent::Published(sequence) => format!("sent {sequence}"),
        Sent::Dropped => "dropped".into(),
    }
}
