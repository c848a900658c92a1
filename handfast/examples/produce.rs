//! Draws into a surface that another process has open, in step with it: two fences say whose turn
//! it is. `cargo run --example produce`, then `cargo run --example consume`.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::time::Duration;

use handfast::{Fence, Format, Surface, SurfaceDesc, WaitOutcome};

const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "picture".into());
    let mut picture = Surface::create(&name, SurfaceDesc::texture_2d(640, 480, Format::Bgra8))?;
    let drawn = Fence::create(&format!("{name}-drawn"), 0)?;
    let shown = Fence::create(&format!("{name}-shown"), 0)?;
    for frame in 1..=100_u8 {
        for y in 0..480 {
            picture.row_mut(0, 0, y)?.fill(frame);
        }
        drawn.signal(frame.into())?;
        // This process made the fence and could signal it too, so nobody would say that the other
        // end has gone: the wait has an end.
        if shown.wait_timeout(frame.into(), PATIENCE)? != WaitOutcome::Signaled {
            writeln!(std::io::stderr(), "nobody looks at picture {frame}")?;
            break;
        }
    }
    Ok(())
}
