//! Sends a moving gradient: `cargo run --example draw`, then `handfast view gradient`.
//!
//! Nothing needs to be installed: if no broker runs, this program is started again as one.
#![forbid(unsafe_code)]

use std::thread;
use std::time::Duration;

use handfast::{Format, Sender};

fn main() -> handfast::Result<()> {
    let frames = std::env::args().nth(1).and_then(|count| count.parse().ok());
    let mut gradient = Sender::create("gradient", (640, 360), Format::Bgra8)?;
    for number in 0..frames.unwrap_or(u32::MAX) {
        let mut frame = gradient.frame()?;
        for (y, row) in frame.rows_mut(0).enumerate() {
            for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
                pixel.copy_from_slice(&[low(x), low(y), low_of(number), 255]);
            }
        }
        frame.send()?;
        thread::sleep(Duration::from_millis(16));
    }
    Ok(())
}

fn low(number: usize) -> u8 {
    u8::try_from(number % 256).unwrap_or_default()
}

fn low_of(number: u32) -> u8 {
    u8::try_from(number % 256).unwrap_or_default()
}
