//! `hf_value_…`: handles as numbers.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::c_int;
use std::os::fd::{FromRawFd as _, OwnedFd};

use handfast::{
    DuplicateAccess, DuplicateOptions, Handle, HandleFlags, HandleObject, HandleTable, HandleValue,
    Inheritance, InheritedNumbers,
};

use super::event::HfEvent;
use super::fence::HfFence;
use super::handle::{HfHandle, copy};
use super::opening::{Holder, Kind, ask};
use super::section::HfSection;
use super::surface::HfSurface;
use crate::argument;
use crate::error::Failure;
use crate::guard::guard;
use crate::pointer;

pub(crate) const HF_DUPLICATE_CLOSE_SOURCE: u32 = DuplicateOptions::CLOSE_SOURCE.bits();
pub(crate) const HF_DUPLICATE_SAME_ACCESS: u32 = 2;
pub(crate) const HF_DUPLICATE_SAME_ATTRIBUTES: u32 = DuplicateOptions::SAME_ATTRIBUTES.bits();
pub(crate) const HF_DUPLICATE_INHERIT: u32 = 8;
#[cfg(test)]
pub(crate) const HF_FLAG_INHERIT: u32 = HandleFlags::INHERIT.bits();
#[cfg(test)]
pub(crate) const HF_FLAG_PROTECT_FROM_CLOSE: u32 = HandleFlags::PROTECT_FROM_CLOSE.bits();

/// The descriptors of this process by their numbers, as C has them.
struct Numbers;

impl InheritedNumbers for Numbers {
    fn copy(&self, number: i32) -> Option<OwnedFd> {
        copy(number).ok()
    }

    fn take(&self, number: i32) -> OwnedFd {
        // SAFETY: It is open, as it could be copied, and C gives it up by using it as a value.
        unsafe { OwnedFd::from_raw_fd(number) }
    }
}

/// The table, which knows of a number that the process was started with.
fn table(value: HandleValue) -> Result<HandleTable, Failure> {
    let table = HandleTable::own()?;
    table.adopt_number(value, &Numbers)?;
    Ok(table)
}

/// Asks something of a value that has a number for an answer.
fn of(
    value: u32,
    question: impl FnOnce(&HandleTable, HandleValue) -> Result<c_int, Failure>,
) -> c_int {
    let value = HandleValue(value);
    guard(|| question(&table(value)?, value))
}

/// Gives C a value.
///
/// # Safety
///
/// `place` is NULL or a place for a number.
unsafe fn give(place: *mut u32, make: impl FnOnce() -> Result<HandleValue, Failure>) -> c_int {
    guard(|| {
        let place = pointer::present(place, "value")?;
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(place, 0) };
        let HandleValue(value) = make()?;
        // SAFETY: As above.
        unsafe { pointer::put(place, value) };
        Ok(0)
    })
}

struct Options {
    access: DuplicateAccess,
    inheritance: Inheritance,
    duplicate: DuplicateOptions,
}

/// The bits that C passes, of which `allowed` mean something.
fn options(access: u32, bits: u32, allowed: u32) -> Result<Options, Failure> {
    if bits & !allowed != 0 {
        let (what, number) = ("options", bits.into());
        return Err(Failure::Number { what, number, allowed: "hf_duplicate bits that apply here" });
    }
    let inheritance =
        if bits & HF_DUPLICATE_INHERIT == 0 { Inheritance::None } else { Inheritance::Children };
    let access = if bits & HF_DUPLICATE_SAME_ACCESS == 0 {
        argument::access(access).into()
    } else {
        DuplicateAccess::Same
    };
    Ok(Options { access, inheritance, duplicate: DuplicateOptions::from_bits_truncate(bits) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_of_handle(
    handle: *mut HfHandle,
    value: *mut u32,
) -> c_int {
    let make = || {
        // SAFETY: C guarantees that it is NULL or a live handle, and gives it up.
        let handle = unsafe { pointer::own(handle) }.ok_or(Failure::Null { what: "handle" })?;
        Ok(HandleTable::own()?.insert(handle.0)?)
    };
    // SAFETY: C guarantees that it is NULL or a place for a number.
    unsafe { give(value, make) }
}

/// Gives C a value of an object.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's, `place` NULL or a place for a number.
unsafe fn of_object<H: Holder<Kind: Clone + Into<HandleObject>>>(
    holder: *const H,
    place: *mut u32,
) -> c_int {
    let make = || {
        // SAFETY: The caller guarantees it.
        let object = unsafe { ask(holder, |object: &H::Kind| Ok(object.clone())) }?;
        Ok(HandleTable::own()?.insert_object(object)?)
    };
    // SAFETY: The caller guarantees it.
    unsafe { give(place, make) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_of_event(event: *const HfEvent, value: *mut u32) -> c_int {
    // SAFETY: C guarantees that each is NULL or what the header says.
    unsafe { of_object(event, value) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_of_fence(fence: *const HfFence, value: *mut u32) -> c_int {
    // SAFETY: C guarantees that each is NULL or what the header says.
    unsafe { of_object(fence, value) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_handle(value: u32, handle: *mut *mut HfHandle) -> c_int {
    let value = HandleValue(value);
    let make = || Ok(HfHandle(table(value)?.handle(value)?));
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(handle, "handle", make) })
}

/// Gives C what a value is of.
///
/// # Safety
///
/// `place` is NULL or a place for a pointer.
unsafe fn open<H: Holder>(
    value: u32,
    place: *mut *mut H,
    open: impl FnOnce(&HandleTable, HandleValue) -> handfast::Result<H::Kind>,
) -> c_int {
    let value = HandleValue(value);
    let make = || Ok(H::hold(open(&table(value)?, value)?));
    // SAFETY: The caller guarantees it.
    guard(|| unsafe { pointer::give(place, H::WORD, make) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_event(value: u32, event: *mut *mut HfEvent) -> c_int {
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    unsafe { open(value, event, HandleTable::event) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_fence(value: u32, fence: *mut *mut HfFence) -> c_int {
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    unsafe { open(value, fence, HandleTable::fence) }
}

/// An opening of its own, which C may write.
fn open_own<K: Kind>(table: &HandleTable, value: HandleValue) -> handfast::Result<K> {
    let handle: Handle = table.handle(value)?;
    K::open_handle(&handle)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_surface(
    value: u32,
    surface: *mut *mut HfSurface,
) -> c_int {
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    unsafe { open(value, surface, open_own) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_section(
    value: u32,
    section: *mut *mut HfSection,
) -> c_int {
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    unsafe { open(value, section, open_own) }
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn hf_value_kind(value: u32) -> c_int {
    of(value, |table, value| Ok(table.kind(value)?.rules().number.into()))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_access(value: u32, access: *mut u32) -> c_int {
    of(value, |table, value| {
        let place = pointer::present(access, "access")?;
        let access = table.access(value)?;
        // SAFETY: C guarantees that it is a place for a number.
        unsafe { pointer::put(place, access.bits()) };
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn hf_value_flags(value: u32) -> c_int {
    of(value, |table, value| Ok(table.flags(value)?.bits().cast_signed()))
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn hf_value_set_flags(value: u32, changed: u32, flags: u32) -> c_int {
    let known = |bits: u32, what| {
        let unknown = Failure::Number { what, number: bits.into(), allowed: "hf_flag bits" };
        HandleFlags::from_bits(bits).ok_or(unknown)
    };
    of(value, |table, value| {
        table.set_flags(value, known(changed, "changed")?, known(flags, "flags")?)?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_duplicate(
    value: u32,
    access: u32,
    bits: u32,
    duplicate: *mut u32,
) -> c_int {
    let value = HandleValue(value);
    let allowed = HF_DUPLICATE_CLOSE_SOURCE
        | HF_DUPLICATE_SAME_ACCESS
        | HF_DUPLICATE_SAME_ATTRIBUTES
        | HF_DUPLICATE_INHERIT;
    let make = || {
        let Options { access, inheritance, duplicate } = options(access, bits, allowed)?;
        Ok(table(value)?.duplicate(value, access, inheritance, duplicate)?)
    };
    // SAFETY: C guarantees that it is NULL or a place for a number.
    unsafe { give(duplicate, make) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_deliver(
    value: u32,
    pid: c_int,
    access: u32,
    bits: u32,
    ticket: *mut u32,
) -> c_int {
    let value = HandleValue(value);
    let make = || {
        let allowed = HF_DUPLICATE_CLOSE_SOURCE | HF_DUPLICATE_SAME_ACCESS;
        let Options { access, duplicate, .. } = options(access, bits, allowed)?;
        Ok(table(value)?.deliver(value, pid.into(), access, duplicate)?)
    };
    // SAFETY: C guarantees that it is NULL or a place for a number.
    unsafe { give(ticket, make) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_value_fetch(
    pid: c_int,
    value: u32,
    access: u32,
    bits: u32,
    fetched: *mut u32,
) -> c_int {
    let make = || {
        let allowed = HF_DUPLICATE_SAME_ACCESS | HF_DUPLICATE_INHERIT;
        let Options { access, inheritance, .. } = options(access, bits, allowed)?;
        Ok(HandleTable::own()?.fetch(pid.into(), HandleValue(value), access, inheritance)?)
    };
    // SAFETY: C guarantees that it is NULL or a place for a number.
    unsafe { give(fetched, make) }
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn hf_value_close(value: u32) -> c_int {
    of(value, |table, value| {
        table.close(value)?;
        Ok(0)
    })
}
