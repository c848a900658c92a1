//! What surfaces, sections, fences and events have in common: they are opened, shared, have an id
//! and rights, and are given up.
#![expect(unsafe_code, reason = "UNSAFETY: what functions exported to C share follows pointers")]

use std::ffi::{c_char, c_int};

use handfast::{Access, Event, Fence, Handle, ObjectId, Section, Surface};

use super::handle::HfHandle;
use crate::argument;
use crate::error::Failure;
use crate::guard::guard;
use crate::pointer;

/// A kind of object, as the product has it.
pub(super) trait Kind: Sized {
    fn open(name: &str, access: Access) -> handfast::Result<Self>;
    fn open_handle(handle: &Handle) -> handfast::Result<Self>;
    fn share(&self, name: Option<&str>, access: Access) -> handfast::Result<Handle>;
    fn object(&self) -> Option<ObjectId>;
    fn access(&self) -> Access;
}

macro_rules! kinds {
    ($($kind:ident),*) => {
        $(impl Kind for $kind {
            fn open(name: &str, access: Access) -> handfast::Result<Self> {
                Self::open_with(name, access)
            }

            fn open_handle(handle: &Handle) -> handfast::Result<Self> {
                Self::open_handle(handle)
            }

            fn share(&self, name: Option<&str>, access: Access) -> handfast::Result<Handle> {
                self.share(name, access)
            }

            fn object(&self) -> Option<ObjectId> {
                self.object()
            }

            fn access(&self) -> Access {
                self.access()
            }
        })*
    };
}

kinds!(Surface, Section, Fence, Event);

/// What C has of an object.
pub(super) trait Holder: Sized {
    type Kind: Kind;

    const WORD: &'static str;

    fn hold(object: Self::Kind) -> Self;

    /// Asks the object something, beside other threads.
    fn ask<R>(&self, ask: impl FnOnce(&Self::Kind) -> Result<R, Failure>) -> Result<R, Failure>;
}

/// Asks an object something.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's.
pub(super) unsafe fn ask<H: Holder, R>(
    holder: *const H,
    question: impl FnOnce(&H::Kind) -> Result<R, Failure>,
) -> Result<R, Failure> {
    // SAFETY: The caller guarantees it.
    unsafe { pointer::shared(holder, H::WORD) }?.ask(question)
}

/// Opens by name.
///
/// # Safety
///
/// `name` is NULL or a text that ends with NUL, `place` NULL or a place for a pointer.
pub(super) unsafe fn open<H: Holder>(
    name: *const c_char,
    access: u32,
    place: *mut *mut H,
) -> c_int {
    let make = || {
        // SAFETY: The caller guarantees it.
        let name = unsafe { pointer::name(name) }?;
        Ok(H::hold(H::Kind::open(name, argument::access(access))?))
    };
    // SAFETY: The caller guarantees it.
    guard(|| unsafe { pointer::give(place, H::WORD, make) })
}

/// Opens what a handle is of.
///
/// # Safety
///
/// `handle` is NULL or a live one of the library's, `place` NULL or a place for a pointer.
pub(super) unsafe fn open_handle<H: Holder>(handle: *const HfHandle, place: *mut *mut H) -> c_int {
    let make = || {
        // SAFETY: The caller guarantees it.
        let handle = unsafe { pointer::shared(handle, "handle") }?;
        Ok(H::hold(H::Kind::open_handle(&handle.0)?))
    };
    // SAFETY: The caller guarantees it.
    guard(|| unsafe { pointer::give(place, H::WORD, make) })
}

/// Shares an object.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's, `name` NULL or a text that ends with NUL,
/// `place` NULL or a place for a pointer.
pub(super) unsafe fn share<H: Holder>(
    holder: *const H,
    name: *const c_char,
    access: u32,
    place: *mut *mut HfHandle,
) -> c_int {
    let make = || {
        // SAFETY: The caller guarantees it.
        let name = unsafe { pointer::name_or_none(name) }?;
        let share = |object: &H::Kind| Ok(object.share(name, argument::access(access))?);
        // SAFETY: The caller guarantees it.
        unsafe { ask(holder, share) }.map(HfHandle)
    };
    // SAFETY: The caller guarantees it.
    guard(|| unsafe { pointer::give(place, "handle", make) })
}

/// An object's id in C: zeros for none.
pub(super) fn id(object: Option<ObjectId>) -> [u64; 2] {
    object.map_or([0; 2], |object| [object.instance, object.counter])
}

/// Tells an object's id.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's, `place` NULL or a place for two numbers.
pub(super) unsafe fn object<H: Holder>(holder: *const H, place: *mut u64) -> c_int {
    guard(|| {
        // SAFETY: The caller guarantees it.
        let id = unsafe { ask(holder, |object| Ok(id(object.object()))) }?;
        let place = pointer::present(place, "id")?.cast::<[u64; 2]>();
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(place, id) };
        Ok(0)
    })
}

/// Tells what may be done through an opening.
///
/// # Safety
///
/// `holder` is NULL or a live one of the library's, `place` NULL or a place for a number.
pub(super) unsafe fn access<H: Holder>(holder: *const H, place: *mut u32) -> c_int {
    guard(|| {
        // SAFETY: The caller guarantees it.
        let access = unsafe { ask(holder, |object| Ok(object.access().bits())) }?;
        let place = pointer::present(place, "access")?;
        // SAFETY: The caller guarantees it.
        unsafe { pointer::put(place, access) };
        Ok(0)
    })
}

/// The six functions of a kind that do the same for every kind.
macro_rules! functions {
    ($holder:ident:
        $open:ident $open_handle:ident $share:ident $object:ident $access:ident $destroy:ident
    ) => {
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $open(
            name: *const std::ffi::c_char,
            access: u32,
            place: *mut *mut $holder,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::opening::open(name, access, place) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $open_handle(
            handle: *const crate::object::handle::HfHandle,
            place: *mut *mut $holder,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::opening::open_handle(handle, place) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $share(
            holder: *const $holder,
            name: *const std::ffi::c_char,
            access: u32,
            place: *mut *mut crate::object::handle::HfHandle,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::opening::share(holder, name, access, place) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $object(
            holder: *const $holder,
            id: *mut u64,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::opening::object(holder, id) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $access(
            holder: *const $holder,
            access: *mut u32,
        ) -> std::ffi::c_int {
            // SAFETY: C guarantees that each is NULL or what the header says.
            unsafe { crate::object::opening::access(holder, access) }
        }

        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $destroy(holder: *mut $holder) {
            // SAFETY: C guarantees that it is NULL or a live one, and gives it up.
            crate::guard::guard_quiet(|| drop(unsafe { crate::pointer::own(holder) }));
        }
    };
}

pub(super) use functions;
