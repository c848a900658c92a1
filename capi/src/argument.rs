//! Numbers that C passes, in Rust's words or refused.
#![expect(unsafe_code, reason = "UNSAFETY: structs of C are read as far as they say they go")]

use std::ffi::c_int;
use std::mem::size_of;
use std::time::Duration;

use handfast::{Access, Alpha, Color, Format, Range, Writers};

use crate::error::Failure;
use crate::pointer;

pub(crate) const HF_PLANES_MAX: usize = 4;

pub(crate) const HF_WRITERS_ONE: u32 = 0;
pub(crate) const HF_WRITERS_SEVERAL: u32 = 1;

/// 136 years: a time without end that every clock can count.
const ENDLESS: Duration = Duration::from_secs(0xFFFF_FFFF);
/// Larger than any later version of a struct will be.
const STRUCT_BYTES_MAX: usize = 4096;

/// `hf_color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct HfColor {
    pub(crate) primaries: u8,
    pub(crate) transfer: u8,
    pub(crate) matrix: u8,
    pub(crate) range: u8,
}

const _: () = assert!(size_of::<HfColor>() == 4);

impl From<Color> for HfColor {
    fn from(color: Color) -> Self {
        let Color { primaries, transfer, matrix, range } = color;
        Self { primaries, transfer, matrix, range: range.number() }
    }
}

/// Milliseconds as C counts them: a negative number has no end.
pub(crate) fn limit(timeout_ms: c_int) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// As [`limit`], where a time without end is a time as well.
pub(crate) fn timeout(timeout_ms: c_int) -> Duration {
    limit(timeout_ms).unwrap_or(ENDLESS)
}

pub(crate) fn format(number: u32) -> Result<Format, Failure> {
    Format::from_number(number).ok_or(Failure::Format { number })
}

pub(crate) fn alpha(number: u32) -> Result<Alpha, Failure> {
    u8::try_from(number).ok().and_then(Alpha::from_number).ok_or(Failure::Number {
        what: "alpha",
        number: number.into(),
        allowed: "an hf_alpha, 1 to 3",
    })
}

/// None for all zero, which stands for what is usual.
pub(crate) fn color(color: HfColor) -> Result<Option<Color>, Failure> {
    if color == HfColor::default() {
        return Ok(None);
    }
    let range = Range::from_number(color.range).ok_or(Failure::Number {
        what: "color.range",
        number: color.range.into(),
        allowed: "an hf_range, 0 or 1",
    })?;
    let HfColor { primaries, transfer, matrix, .. } = color;
    Ok(Some(Color { primaries, transfer, matrix, range }))
}

pub(crate) fn writers(number: u32) -> Result<Writers, Failure> {
    match number {
        HF_WRITERS_ONE => Ok(Writers::One),
        HF_WRITERS_SEVERAL => Ok(Writers::Several),
        _ => Err(Failure::Number {
            what: "writers",
            number: number.into(),
            allowed: "an hf_writers, 0 or 1",
        }),
    }
}

/// Rights; those that there are not are the broker's to refuse.
pub(crate) const fn access(bits: u32) -> Access {
    Access::from_bits_retain(bits)
}

/// The bytes that a struct has by its first field, not fewer than are known here.
///
/// # Safety
///
/// NULL, or valid for reading its first field.
pub(crate) unsafe fn struct_size<T>(
    pointer: *const T,
    (what, type_name): (&'static str, &'static str),
) -> Result<usize, Failure> {
    // SAFETY: The caller guarantees it of the first field, which is a `uint32_t`.
    let found = *unsafe { pointer::shared(pointer.cast::<u32>(), what) }?;
    let known = size_of::<T>();
    match usize::try_from(found) {
        Ok(size) if (known..=STRUCT_BYTES_MAX).contains(&size) => Ok(size),
        _ => Err(Failure::StructSize { found, known, type_name }),
    }
}

/// A struct of C that begins with its size; what lies behind what is known here is zero.
///
/// # Safety
///
/// NULL, or a struct as large as it says, for as long as the caller of the C function waits, and
/// not written meanwhile.
pub(crate) unsafe fn sized<'a, T>(
    pointer: *const T,
    names: (&'static str, &'static str),
) -> Result<&'a T, Failure> {
    // SAFETY: The caller guarantees it.
    let size = unsafe { struct_size(pointer, names) }?;
    let known = size_of::<T>();
    for offset in known..size {
        let byte = pointer.cast::<u8>().wrapping_add(offset);
        // SAFETY: The struct has `size` bytes, as it says.
        if *unsafe { pointer::shared(byte, names.0) }? != 0 {
            let found = u32::try_from(size).unwrap_or(u32::MAX);
            return Err(Failure::StructSize { found, known, type_name: names.1 });
        }
    }
    // SAFETY: It has at least the bytes that are known here.
    unsafe { pointer::shared(pointer, names.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_c_are_checked() {
        assert!(alpha(0).is_err() && alpha(4).is_err() && alpha(257).is_err());
        assert!(color(HfColor { range: 2, ..HfColor::default() }).is_err());
        assert_eq!(color(Color::SRGB.into()).ok(), Some(Some(Color::SRGB)));
        assert_eq!(writers(1).ok(), Some(Writers::Several));
        assert!(writers(2).is_err());
        assert_eq!(timeout(0), Duration::ZERO);
        assert_eq!(timeout(-5), ENDLESS);
        assert_eq!((limit(7), limit(-1)), (Some(Duration::from_millis(7)), None));
    }
}
