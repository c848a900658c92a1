//! Pointers that come from C: NULL is refused, the rest is believed.
#![expect(unsafe_code, reason = "UNSAFETY: pointers from C are followed")]

use std::ffi::{CStr, c_char};

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
