//! `hf_surface_…`: pictures, arrays of pictures and buffers.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::{c_char, c_int};
use std::sync::RwLock;

use handfast::{KeyedMutex, Surface};

use super::bytes::{self, BytesHolder, beside};
use super::desc::{HfSubresource, HfSurfaceDesc};
use super::opening::{self, Holder, ask};
use crate::argument::{limit, sized, struct_size};
use crate::error::Failure;
use crate::guard::guard;
use crate::pointer;
use crate::result::outcome;

/// `hf_surface`.
#[derive(Debug)]
pub(crate) struct HfSurface(RwLock<Surface>);

impl Holder for HfSurface {
    type Kind = Surface;

    const WORD: &'static str = "surface";

    fn hold(object: Surface) -> Self {
        Self(RwLock::new(object))
    }

    fn ask<R>(&self, ask: impl FnOnce(&Surface) -> Result<R, Failure>) -> Result<R, Failure> {
        beside(&self.0, ask)
    }
}

impl BytesHolder for HfSurface {
    fn lock(&self) -> &RwLock<Surface> {
        &self.0
    }
}

opening::functions!(HfSurface:
    hf_surface_open hf_surface_open_handle hf_surface_share hf_surface_object hf_surface_access
    hf_surface_destroy
);
bytes::functions!(HfSurface:
    hf_surface_size hf_surface_map_read hf_surface_map_write hf_surface_read hf_surface_write
);

const DESC: (&str, &str) = ("desc", "hf_surface_desc");

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_surface_create(
    name: *const c_char,
    desc: *const HfSurfaceDesc,
    surface: *mut *mut HfSurface,
) -> c_int {
    let make = || {
        // SAFETY: C guarantees that it is NULL or a text that ends with NUL.
        let name = unsafe { pointer::name_or_none(name) }?;
        // SAFETY: C guarantees that it is NULL or as large as it says.
        let (desc, writers) = unsafe { sized(desc, DESC) }?.wanted()?;
        let surface = Surface::with_writers(desc, writers)?;
        Ok(HfSurface::hold(match name {
            Some(name) => surface.named(name)?,
            None => surface,
        }))
    };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(surface, "surface", make) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_surface_describe(
    surface: *const HfSurface,
    desc: *mut HfSurfaceDesc,
) -> c_int {
    guard(|| {
        // SAFETY: C guarantees that it is NULL or begins with its size.
        let size = unsafe { struct_size(desc.cast_const(), DESC) }?;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let describe =
            |surface: &Surface| Ok(HfSurfaceDesc::of(surface.desc(), surface.writers(), size));
        // SAFETY: C guarantees that it is NULL or a live surface.
        let described = unsafe { ask(surface, describe) }?;
        // SAFETY: C guarantees that it is as large as it says, which is large enough.
        unsafe { pointer::put(desc, described) };
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_surface_subresource(
    surface: *const HfSurface,
    index: u32,
    subresource: *mut HfSubresource,
) -> c_int {
    guard(|| {
        let place = pointer::present(subresource, "subresource")?;
        // SAFETY: C guarantees that it is NULL or a live surface.
        let found = unsafe { ask(surface, |surface| Ok(surface.subresource(index)?)) }?;
        // SAFETY: C guarantees that it is a place for one.
        unsafe { pointer::put(place, found.into()) };
        Ok(0)
    })
}

fn mutex(surface: &Surface) -> Result<&KeyedMutex, Failure> {
    surface.keyed_mutex().ok_or(Failure::NoMutex)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_surface_acquire(
    surface: *const HfSurface,
    key: u64,
    timeout_ms: c_int,
) -> c_int {
    let acquire = |surface: &Surface| {
        let mutex = mutex(surface)?;
        Ok(outcome(match limit(timeout_ms) {
            None => mutex.acquire(key)?,
            Some(limit) => mutex.acquire_timeout(key, limit)?,
        }))
    };
    // SAFETY: C guarantees that it is NULL or a live surface.
    guard(|| unsafe { ask(surface, acquire) })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_surface_release(surface: *const HfSurface, key: u64) -> c_int {
    let release = |surface: &Surface| {
        mutex(surface)?.release(key)?;
        Ok(0)
    };
    // SAFETY: C guarantees that it is NULL or a live surface.
    guard(|| unsafe { ask(surface, release) })
}
