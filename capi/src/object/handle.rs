//! `hf_handle_…`: descriptors that name an object.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};

use handfast::{Handle, Inheritance};

use super::opening::id;
use crate::argument;
use crate::error::Failure;
use crate::guard::{guard, guard_quiet};
use crate::pointer;

/// `hf_handle`.
#[derive(Debug)]
pub(crate) struct HfHandle(pub(super) Handle);

/// A copy of a descriptor of C's, above the standard streams; C's own stays as it is.
pub(super) fn copy(fd: c_int) -> Result<OwnedFd, Failure> {
    // SAFETY: Whatever number it is, the kernel takes it or refuses it.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        let error = io::Error::last_os_error();
        let closed = error.raw_os_error() == Some(libc::EBADF);
        return Err(if closed { Failure::NotOpen { fd } } else { Failure::Descriptor(error) });
    }
    // SAFETY: The kernel has just made it for this call.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_from_fd(fd: c_int, handle: *mut *mut HfHandle) -> c_int {
    let make = || {
        let made = Handle::from_descriptor(copy(fd)?)?;
        // SAFETY: It is open, as it could be copied, and C gives it up.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(HfHandle(made))
    };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(handle, "handle", make) })
}

/// Asks a handle something that has a number for an answer.
///
/// # Safety
///
/// `handle` is NULL or a live one of the library's.
unsafe fn ask(
    handle: *const HfHandle,
    question: impl FnOnce(&Handle) -> Result<c_int, Failure>,
) -> c_int {
    // SAFETY: The caller guarantees it.
    guard(|| question(&unsafe { pointer::shared(handle, "handle") }?.0))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_fd(handle: *const HfHandle) -> c_int {
    // SAFETY: C guarantees that it is NULL or a live handle.
    unsafe { ask(handle, |handle| Ok(handle.as_fd().as_raw_fd())) }
}

/// Gives C another handle.
///
/// # Safety
///
/// `handle` is NULL or a live one of the library's, `place` NULL or a place for a pointer.
unsafe fn duplicate(
    handle: *const HfHandle,
    place: *mut *mut HfHandle,
    make: impl FnOnce(&Handle) -> handfast::Result<Handle>,
) -> c_int {
    let make = || {
        // SAFETY: The caller guarantees it.
        let handle = unsafe { pointer::shared(handle, "handle") }?;
        Ok(HfHandle(make(&handle.0)?))
    };
    // SAFETY: The caller guarantees it.
    guard(|| unsafe { pointer::give(place, "duplicate", make) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_duplicate(
    handle: *const HfHandle,
    place: *mut *mut HfHandle,
) -> c_int {
    // SAFETY: C guarantees that each is NULL or what the header says.
    unsafe { duplicate(handle, place, Handle::duplicate) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_duplicate_with(
    handle: *const HfHandle,
    access: u32,
    place: *mut *mut HfHandle,
) -> c_int {
    let make = |handle: &Handle| handle.duplicate_with(argument::access(access));
    // SAFETY: C guarantees that each is NULL or what the header says.
    unsafe { duplicate(handle, place, make) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_set_inheritance(
    handle: *const HfHandle,
    children: c_int,
) -> c_int {
    let set = |handle: &Handle| {
        let inheritance = match children {
            0 => Inheritance::None,
            1 => Inheritance::Children,
            number => {
                let (what, number) = ("children", number.into());
                return Err(Failure::Number { what, number, allowed: "0 or 1" });
            }
        };
        handle.set_inheritance(inheritance)?;
        Ok(0)
    };
    // SAFETY: C guarantees that it is NULL or a live handle.
    unsafe { ask(handle, set) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_inheritance(handle: *const HfHandle) -> c_int {
    let get = |handle: &Handle| {
        Ok(match handle.inheritance()? {
            Inheritance::None => 0,
            Inheritance::Children => 1,
        })
    };
    // SAFETY: C guarantees that it is NULL or a live handle.
    unsafe { ask(handle, get) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_kind(handle: *const HfHandle) -> c_int {
    // SAFETY: C guarantees that it is NULL or a live handle.
    unsafe { ask(handle, |handle| Ok(handle.kind().rules().number.into())) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_object(
    handle: *const HfHandle,
    place: *mut u64,
) -> c_int {
    let tell = |handle: &Handle| {
        let place = pointer::present(place, "id")?.cast::<[u64; 2]>();
        // SAFETY: C guarantees that it is a place for two numbers.
        unsafe { pointer::put(place, id(Some(handle.object()))) };
        Ok(0)
    };
    // SAFETY: C guarantees that it is NULL or a live handle.
    unsafe { ask(handle, tell) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_access(
    handle: *const HfHandle,
    place: *mut u32,
) -> c_int {
    let tell = |handle: &Handle| {
        let place = pointer::present(place, "access")?;
        // SAFETY: C guarantees that it is a place for a number.
        unsafe { pointer::put(place, handle.access().bits()) };
        Ok(0)
    };
    // SAFETY: C guarantees that it is NULL or a live handle.
    unsafe { ask(handle, tell) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_handle_close(handle: *mut HfHandle) {
    // SAFETY: C guarantees that it is NULL or a live handle, and gives it up.
    guard_quiet(|| drop(unsafe { pointer::own(handle) }));
}
