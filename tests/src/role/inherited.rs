//! Looks at the descriptor with a number, which the program that started this one may have left.

use handfast::{Fence, Handle};

use crate::process::inherited;
use crate::say;

pub(crate) fn run(number: i32) -> anyhow::Result<()> {
    let handle = Handle::from_descriptor(inherited(number)?)?;
    let object = format!("{:?}", Some(handle.object()));
    let fence = Fence::open_handle(&handle)?;
    say(format!("{object} {}", fence.value()?))?;
    Ok(())
}
