//! Receives frames and looks at every byte of them.

use std::sync::mpsc::{Receiver as Orders, TryRecvError};
use std::time::Duration;

use anyhow::bail;
use handfast::{Frame, Mode, Next, Receiver};

use crate::{orders, say};

/// A running receiver looks for orders that often.
const SLICE: Duration = Duration::from_millis(10);

pub(crate) fn run(name: &str, mode: &str) -> anyhow::Result<()> {
    let mode = match mode {
        "latest" => Mode::Latest,
        "lossless" => Mode::Lossless,
        _ => bail!("there is no mode {mode:?}"),
    };
    let mut receiver = Receiver::open_with(name, mode)?;
    say("ready")?;
    let orders = orders();
    let mut pixels = Vec::new();
    while let Ok(order) = orders.recv() {
        match order.as_str() {
            "take" => take(&mut receiver, &mut pixels, &orders)?,
            "hold" => hold(&mut receiver, &orders)?,
            "run" => {
                let outcome = frames(&mut receiver, &mut pixels, Some(&orders))?;
                say(format!("ran {outcome}"))?;
            }
            "all" => {
                let outcome = frames(&mut receiver, &mut pixels, None)?;
                say(outcome)?;
            }
            "recv" => match receiver.recv()? {
                Some(frame) => say(format!("frame {}", frame.sequence()))?,
                None => say("ended")?,
            },
            _ => bail!("a receiver cannot {order:?}"),
        }
    }
    Ok(())
}

/// The next frame or what happened instead, however long that takes.
fn take(
    receiver: &mut Receiver,
    pixels: &mut Vec<u8>,
    orders: &Orders<String>,
) -> anyhow::Result<()> {
    loop {
        let answer = match receiver.recv_timeout(SLICE)? {
            Next::Frame(frame) => describe(&frame, pixels)?,
            Next::TimedOut if orders.try_recv() == Err(TryRecvError::Disconnected) => return Ok(()),
            Next::TimedOut => continue,
            Next::Ended => "ended".into(),
            Next::Lost => "lost".into(),
        };
        return Ok(say(answer)?);
    }
}

/// Takes a frame and holds it until it is told to let go.
fn hold(receiver: &mut Receiver, orders: &Orders<String>) -> anyhow::Result<()> {
    let mut pixels = Vec::new();
    let Some(frame) = receiver.recv()? else { return Ok(say("ended")?) };
    say(describe(&frame, &mut pixels)?)?;
    while let Ok(order) = orders.recv() {
        match order.as_str() {
            "look" => say(describe(&frame, &mut pixels)?)?,
            "release" => {
                drop(frame);
                return Ok(say("released")?);
            }
            _ => bail!("a receiver that holds a frame cannot {order:?}"),
        }
    }
    Ok(())
}

/// Counts frames until there is an order, or until the stream is over.
fn frames(
    receiver: &mut Receiver,
    pixels: &mut Vec<u8>,
    orders: Option<&Orders<String>>,
) -> anyhow::Result<String> {
    let (mut count, mut last) = (0, 0);
    loop {
        match receiver.recv_timeout(SLICE)? {
            Next::Frame(frame) => {
                let what = describe(&frame, pixels)?;
                if !what.starts_with("frame ") || frame.sequence() <= last {
                    bail!("after frame {last} came {what}");
                }
                (count, last) = (count + 1, frame.sequence());
            }
            Next::TimedOut => {}
            Next::Ended => return Ok(format!("{count} ended")),
            Next::Lost => return Ok(format!("{count} lost")),
        }
        if orders.is_some_and(|orders| orders.try_recv() != Err(TryRecvError::Empty)) {
            return Ok(count.to_string());
        }
    }
}

/// `frame N`, or `torn N` where a byte is not the frame's number.
fn describe(frame: &Frame<'_>, pixels: &mut Vec<u8>) -> handfast::Result<String> {
    frame.copy_to(pixels)?;
    let sequence = frame.sequence();
    let fill = u8::try_from(sequence % 251).unwrap_or_default();
    let whole = !pixels.is_empty() && pixels.iter().all(|byte| *byte == fill);
    Ok(format!("{} {sequence}", if whole { "frame" } else { "torn" }))
}
