//! Says what it gets: `cargo run --example watch -- NAME`. It may start before the sender.
#![forbid(unsafe_code)]

use std::io::Write as _;

use handfast::Receiver;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "gradient".into());
    let mut stream = Receiver::open(&name)?;
    let mut picture = Vec::new();
    while let Some(frame) = stream.recv()? {
        frame.copy_to(&mut picture)?;
        let ((width, height), format) = (frame.size(), frame.format());
        let sum: u64 = picture.iter().map(|byte| u64::from(*byte)).sum();
        let number = frame.sequence();
        writeln!(std::io::stdout(), "frame {number}: {width}x{height} {format}, sum {sum}")?;
    }
    writeln!(std::io::stdout(), "{name} has ended")?;
    Ok(())
}
