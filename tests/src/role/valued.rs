//! Uses the handle that has a value, which the program that started this one may have left.

use handfast::{HandleTable, HandleValue};

use crate::process::OwnNumbers;
use crate::say;

pub(crate) fn run(value: &str) -> anyhow::Result<()> {
    let value = HandleValue(u32::from_str_radix(value.trim_start_matches("0x"), 16)?);
    let table = HandleTable::own()?;
    table.adopt_number(value, &OwnNumbers)?;
    let (object, flags) = (table.object(value)?, table.flags(value)?);
    say(format!("{object:?} flags {} value {}", flags.bits(), table.fence(value)?.value()?))?;
    Ok(())
}
