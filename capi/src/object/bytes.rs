//! The memory of surfaces and sections: pointers to it, and copies.
#![expect(unsafe_code, reason = "UNSAFETY: what functions exported to C share follows pointers")]

use std::ffi::{c_int, c_void};
use std::sync::RwLock;

use handfast::{Section, Surface};

use super::opening::{Holder, Kind, ask};
use crate::enter::{enter_alone, enter_shared};
use crate::error::Failure;
use crate::guard::guard;
use crate::pointer;

/// An object with memory. Only a write of the library's own keeps other threads out.
pub(super) trait Bytes: Kind {
    fn size_bytes(&self) -> u64;
    fn read_pointer(&self) -> handfast::Result<*const [u8]>;
    fn write_pointer(&self) -> handfast::Result<*mut [u8]>;
    fn read(&self, offset_bytes: u64, target: &mut [u8]) -> handfast::Result<()>;
    fn write(&mut self, offset_bytes: u64, source: &[u8]) -> handfast::Result<()>;
}

macro_rules! bytes {
    ($($kind:ident),*) => {
        $(impl Bytes for $kind {
            fn size_bytes(&self) -> u64 {
                self.size_bytes()
            }

            fn read_pointer(&self) -> handfast::Result<*const [u8]> {
                self.read_pointer()
            }

            fn write_pointer(&self) -> handfast::Result<*mut [u8]> {
                self.write_pointer()
            }

            fn read(&self, offset_bytes: u64, target: &mut [u8]) -> handfast::Result<()> {
                self.read(offset_bytes, target)
            }

            fn write(&mut self, offset_bytes: u64, source: &[u8]) -> handfast::Result<()> {
                self.write(offset_bytes, source)
            }
        })*
    };
}

bytes!(Surface, Section);

/// What C has of an object with memory.
pub(super) trait BytesHolder: Holder<Kind: Bytes> {
    fn lock(&self) -> &RwLock<Self::Kind>;
}

/// Asks beside other threads, unless one writes.
pub(super) fn beside<K, R>(
    lock: &RwLock<K>,
    question: impl FnOnce(&K) -> Result<R, Failure>,
) -> Result<R, Failure> {
    question(&*enter_shared(lock)?)
}

/// Tells how much memory there is.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's, `place` NULL or a place for a number.
pub(super) unsafe fn size<H: BytesHolder>(holder: *const H, place: *mut u64) -> c_int {
    guard(|| {
        // SAFETY: The caller guarantees it.
        let size_bytes = unsafe { ask(holder, |object| Ok(object.size_bytes())) }?;
        let place = pointer::present(place, "size_bytes")?;
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(place, size_bytes) };
        Ok(0)
    })
}

/// Tells where the memory lies, to be read.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's, the places NULL or places.
pub(super) unsafe fn map_read<H: BytesHolder>(
    holder: *const H,
    place: *mut *const u8,
    size_place: *mut usize,
) -> c_int {
    guard(|| {
        let place = pointer::present(place, "bytes")?;
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(place, std::ptr::null()) };
        // SAFETY: The caller guarantees it.
        let bytes = unsafe { ask(holder, |object| Ok(object.read_pointer()?)) }?;
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put_if_wanted(size_place, bytes.len()) };
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(place, bytes.cast()) };
        Ok(0)
    })
}

/// Tells where the memory lies, to be read and written.
///
/// # Safety
///
/// As [`map_read`].
pub(super) unsafe fn map_write<H: BytesHolder>(
    holder: *const H,
    place: *mut *mut u8,
    size_place: *mut usize,
) -> c_int {
    guard(|| {
        let place = pointer::present(place, "bytes")?;
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(place, std::ptr::null_mut()) };
        // SAFETY: The caller guarantees it.
        let bytes = unsafe { ask(holder, |object| Ok(object.write_pointer()?)) }?;
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put_if_wanted(size_place, bytes.len()) };
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(place, bytes.cast()) };
        Ok(0)
    })
}

/// Copies out.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's, `target` NULL or so many bytes outside of
/// shared memory.
pub(super) unsafe fn read<H: BytesHolder>(
    holder: *const H,
    offset_bytes: u64,
    target: *mut c_void,
    size_bytes: usize,
) -> c_int {
    guard(|| {
        // SAFETY: The caller guarantees it.
        let target = unsafe { pointer::bytes_mut(target.cast(), size_bytes, "target") }?;
        // SAFETY: The caller guarantees it.
        unsafe { ask(holder, |object| Ok(object.read(offset_bytes, target)?)) }?;
        Ok(0)
    })
}

/// Copies in.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's, `source` NULL or so many bytes outside of
/// shared memory.
pub(super) unsafe fn write<H: BytesHolder>(
    holder: *const H,
    offset_bytes: u64,
    source: *const c_void,
    size_bytes: usize,
) -> c_int {
    guard(|| {
        // SAFETY: The caller guarantees it.
        let source = unsafe { pointer::bytes(source.cast(), size_bytes, "source") }?;
        // SAFETY: The caller guarantees it.
        let holder = unsafe { pointer::shared(holder, H::WORD) }?;
        enter_alone(holder.lock())?.write(offset_bytes, source)?;
        Ok(0)
    })
}

/// The five functions of a kind that do the same for every kind with memory.
macro_rules! functions {
    ($holder:ident: $size:ident $map_read:ident $map_write:ident $read:ident $write:ident) => {
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $size(
            holder: *const $holder,
            size_bytes: *mut u64,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::bytes::size(holder, size_bytes) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $map_read(
            holder: *const $holder,
            bytes: *mut *const u8,
            size_bytes: *mut usize,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::bytes::map_read(holder, bytes, size_bytes) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $map_write(
            holder: *const $holder,
            bytes: *mut *mut u8,
            size_bytes: *mut usize,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::bytes::map_write(holder, bytes, size_bytes) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $read(
            holder: *const $holder,
            offset_bytes: u64,
            target: *mut std::ffi::c_void,
            size_bytes: usize,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::bytes::read(holder, offset_bytes, target, size_bytes) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $write(
            holder: *mut $holder,
            offset_bytes: u64,
            source: *const std::ffi::c_void,
            size_bytes: usize,
        ) -> std::ffi::c_int {
            let holder = holder.cast_const();
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::bytes::write(holder, offset_bytes, source, size_bytes) }
        }
    };
}

pub(super) use functions;
