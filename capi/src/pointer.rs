//! Pointers that come from C: NULL is refused, the rest is believed.
#![expect(unsafe_code, reason = "UNSAFETY: pointers from C are followed")]

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::slice;

use crate::error::Failure;

/// What C passed by its address.
///
/// # Safety
///
/// NULL, or valid for reading and initialised for as long as the caller of the C function waits,
/// and not written meanwhile.
pub(crate) unsafe fn shared<'a, T>(
    pointer: *const T,
    what: &'static str,
) -> Result<&'a T, Failure> {
    // SAFETY: The caller guarantees it.
    unsafe { pointer.as_ref() }.ok_or(Failure::Null { what })
}

/// What C passed by its address to be changed.
///
/// # Safety
///
/// NULL, or valid for reading and writing, and used by nobody else, for as long as the caller of
/// the C function waits.
pub(crate) unsafe fn exclusive<'a, T>(
    pointer: *mut T,
    what: &'static str,
) -> Result<&'a mut T, Failure> {
    // SAFETY: The caller guarantees it.
    unsafe { pointer.as_mut() }.ok_or(Failure::Null { what })
}

/// Refuses NULL; nothing is read.
pub(crate) fn present<T>(pointer: *mut T, what: &'static str) -> Result<*mut T, Failure> {
    if pointer.is_null() { Err(Failure::Null { what }) } else { Ok(pointer) }
}

/// A text that ends with NUL; None for NULL.
///
/// # Safety
///
/// NULL, or the first of bytes that end with NUL, which nobody writes for as long as the caller
/// of the C function waits.
pub(crate) unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a CStr> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: The caller guarantees it.
    Some(unsafe { CStr::from_ptr(pointer) })
}

/// An object's name.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn name<'a>(pointer: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: The caller guarantees it.
    let name = unsafe { text(pointer) }.ok_or(Failure::Null { what: "name" })?;
    name.to_str().map_err(|_| Failure::Name)
}

/// An object's name; None for NULL.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn name_or_none<'a>(pointer: *const c_char) -> Result<Option<&'a str>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: The caller guarantees it.
    unsafe { name(pointer) }.map(Some)
}

/// Bytes to read; NULL may stand for none.
///
/// # Safety
///
/// NULL, or the first of `size_bytes` bytes that nobody writes for as long as the caller of the C
/// function waits.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const u8,
    size_bytes: usize,
    what: &'static str,
) -> Result<&'a [u8], Failure> {
    if size_bytes == 0 {
        return Ok(&[]);
    }
    present(pointer.cast_mut(), what)?;
    check_length(size_bytes)?;
    // SAFETY: The caller guarantees it; `check_length` has seen to the length.
    Ok(unsafe { slice::from_raw_parts(pointer, size_bytes) })
}

/// Bytes to write; NULL may stand for none.
///
/// # Safety
///
/// NULL, or the first of `size_bytes` bytes that nobody else uses for as long as the caller of the
/// C function waits.
pub(crate) unsafe fn bytes_mut<'a>(
    pointer: *mut u8,
    size_bytes: usize,
    what: &'static str,
) -> Result<&'a mut [u8], Failure> {
    if size_bytes == 0 {
        return Ok(&mut []);
    }
    present(pointer, what)?;
    check_length(size_bytes)?;
    // SAFETY: The caller guarantees it; `check_length` has seen to the length.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, size_bytes) })
}

/// No memory is longer than this.
fn check_length(size_bytes: usize) -> Result<(), Failure> {
    let (what, allowed) = ("size_bytes", "at most PTRDIFF_MAX");
    match isize::try_from(size_bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::Number { what, number: i64::MAX, allowed }),
    }
}

/// Makes something and gives it to C by a pointer at `place`; NULL is there when that fails.
///
/// # Safety
///
/// `place` is NULL or valid for writing.
pub(crate) unsafe fn give<T>(
    place: *mut *mut T,
    what: &'static str,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<c_int, Failure> {
    let place = present(place, what)?;
    // SAFETY: The caller guarantees it.
    unsafe { put(place, ptr::null_mut()) };
    let made = Box::into_raw(Box::new(make()?));
    // SAFETY: As above.
    unsafe { put(place, made) };
    Ok(0)
}

/// Gives `value` to C at `place`, if C wants it there.
///
/// # Safety
///
/// `place` is NULL, or valid for writing and aligned.
pub(crate) unsafe fn put_if_wanted<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: The caller guarantees it.
        unsafe { put(place, value) };
    }
}

/// Gives `value` to C at `place`.
///
/// # Safety
///
/// `place` is valid for writing and aligned.
pub(crate) unsafe fn put<T>(place: *mut T, value: T) {
    // SAFETY: The caller guarantees it.
    unsafe { place.write(value) };
}

/// Takes back what [`Box::into_raw`] gave to C; None for NULL.
///
/// # Safety
///
/// NULL, or a pointer that such a call gave, that was not taken back yet and is not used by any
/// other call.
pub(crate) unsafe fn own<T>(pointer: *mut T) -> Option<Box<T>> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: The caller guarantees it.
    Some(unsafe { Box::from_raw(pointer) })
}
