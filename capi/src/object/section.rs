//! `hf_section_…`: plain memory.
#![expect(unsafe_code, reason = "UNSAFETY: functions are exported to C and follow its pointers")]

use std::ffi::{c_char, c_int};
use std::sync::RwLock;

use handfast::Section;

use super::bytes::{self, BytesHolder, beside};
use super::opening::{self, Holder};
use crate::argument;
use crate::error::Failure;
use crate::guard::guard;
use crate::pointer;

/// `hf_section`.
#[derive(Debug)]
pub(crate) struct HfSection(RwLock<Section>);

impl Holder for HfSection {
    type Kind = Section;

    const WORD: &'static str = "section";

    fn hold(object: Section) -> Self {
        Self(RwLock::new(object))
    }

    fn ask<R>(&self, ask: impl FnOnce(&Section) -> Result<R, Failure>) -> Result<R, Failure> {
        beside(&self.0, ask)
    }
}

impl BytesHolder for HfSection {
    fn lock(&self) -> &RwLock<Section> {
        &self.0
    }
}

opening::functions!(HfSection:
    hf_section_open hf_section_open_handle hf_section_share hf_section_object hf_section_access
    hf_section_destroy
);
bytes::functions!(HfSection:
    hf_section_size hf_section_map_read hf_section_map_write hf_section_read hf_section_write
);

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn hf_section_create(
    name: *const c_char,
    size_bytes: u64,
    writers: u32,
    section: *mut *mut HfSection,
) -> c_int {
    let make = || {
        // SAFETY: C guarantees that it is NULL or a text that ends with NUL.
        let name = unsafe { pointer::name_or_none(name) }?;
        let section = Section::with_writers(size_bytes, argument::writers(writers)?)?;
        Ok(HfSection::hold(match name {
            Some(name) => section.named(name)?,
            None => section,
        }))
    };
    // SAFETY: C guarantees that it is NULL or a place for a pointer.
    guard(|| unsafe { pointer::give(section, "section", make) })
}
