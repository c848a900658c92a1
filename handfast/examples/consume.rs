//! Reads the surface that the `produce` example draws.
#![forbid(unsafe_code)]

use std::io::Write as _;

use handfast::{Fence, Surface, WaitOutcome};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "picture".into());
    let picture = Surface::open(&name)?;
    let drawn = Fence::open(&format!("{name}-drawn"))?;
    let shown = Fence::open(&format!("{name}-shown"))?;
    let (mut pixels, mut whole) = (Vec::new(), 0);
    for frame in 1..=100_u8 {
        if drawn.wait(frame.into())? != WaitOutcome::Signaled {
            writeln!(std::io::stderr(), "the other end has gone")?;
            break;
        }
        picture.copy_subresource(0, &mut pixels)?;
        if pixels.iter().all(|byte| *byte == frame) {
            whole += 1;
        }
        shown.signal(frame.into())?;
    }
    writeln!(std::io::stdout(), "{whole} whole pictures of {} bytes", pixels.len())?;
    Ok(())
}
