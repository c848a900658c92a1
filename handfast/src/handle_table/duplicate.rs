//! Duplication in one process.

use std::sync::Arc;

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::handle::{DuplicateOptions, HandleFlags, HandleValue};

use super::HandleTable;
use super::entry::Entry;
use crate::error::{Cause, Result};
use crate::handle::Inheritance;

/// The rights of a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateAccess {
    /// Those of the source (`DUPLICATE_SAME_ACCESS`).
    Same,
    /// These. Fewer than the source has are never checked; more are checked for who gets them.
    Rights(AccessMask),
}

impl From<AccessMask> for DuplicateAccess {
    fn from(rights: AccessMask) -> Self {
        Self::Rights(rights)
    }
}

impl DuplicateAccess {
    /// The rights that the broker is asked for, which takes none for the same.
    pub(super) fn wanted(self) -> Result<AccessMask> {
        match self {
            Self::Same => Ok(AccessMask::empty()),
            Self::Rights(rights) if rights.is_empty() => Err(Cause::NoRights.into()),
            Self::Rights(rights) => Ok(rights),
        }
    }

    /// Another entry with these rights.
    fn apply(self, entry: &Entry) -> Result<Entry> {
        Entry::of_handle(entry.handle_with(self.wanted()?)?, None)
    }
}

impl HandleTable {
    /// Makes another handle of the same share in this process, with the lowest number that is
    /// free.
    ///
    /// With [`DuplicateOptions::CLOSE_SOURCE`] the same value comes back, with the rights and the
    /// inheritance that were asked for; a source that is protected from close stays, and the
    /// duplicate has another value. The flag that protects is never passed on, but with
    /// [`DuplicateOptions::SAME_ATTRIBUTES`], which passes both flags on and leaves `inheritance`
    /// out of account.
    ///
    /// # Contract
    ///
    /// `DuplicateHandle`, from this process and into it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`], [`crate::ErrorKind::AccessDenied`],
    /// [`crate::ErrorKind::LimitReached`], [`crate::ErrorKind::Invalid`] for
    /// [`DuplicateAccess::Rights`] without any. With `CLOSE_SOURCE` the source is closed all the
    /// same.
    ///
    /// # Blocking
    ///
    /// While the broker answers, for other rights or a value that has no handle yet.
    pub fn duplicate(
        &self,
        value: HandleValue,
        access: DuplicateAccess,
        inheritance: Inheritance,
        options: DuplicateOptions,
    ) -> Result<HandleValue> {
        let entry = self.find(value)?;
        let flags = if options.contains(DuplicateOptions::SAME_ATTRIBUTES) {
            let source = entry.flags();
            self.settle(&entry, source)?
        } else {
            flags_of(inheritance)
        };
        if options.contains(DuplicateOptions::CLOSE_SOURCE) && !entry.is_protected() {
            let moved = self.change(&entry, access, flags);
            if moved.is_err() {
                self.forget(&entry);
                // Whether it can be closed or is somebody else's: it is no value any more.
                entry.close().ok();
            }
            return moved;
        }
        let made = match access {
            DuplicateAccess::Same => entry.copy(),
            DuplicateAccess::Rights(_) => access.apply(&entry),
        };
        let made = self.settle(&entry, made)?;
        // That is how it was made.
        if !flags.is_empty() {
            made.set_flags(HandleFlags::all(), flags)?;
        }
        self.put(made)
    }

    /// Gives a value other rights and flags.
    fn change(
        &self,
        entry: &Arc<Entry>,
        access: DuplicateAccess,
        flags: HandleFlags,
    ) -> Result<HandleValue> {
        if access == DuplicateAccess::Same {
            entry.set_flags(HandleFlags::all(), flags)?;
            return Ok(entry.value());
        }
        let handle = entry.handle_with(access.wanted()?)?;
        let replaced = entry.replaced(handle, flags)?;
        self.put(replaced)
    }
}

pub(super) const fn flags_of(inheritance: Inheritance) -> HandleFlags {
    match inheritance {
        Inheritance::None => HandleFlags::empty(),
        Inheritance::Children => HandleFlags::INHERIT,
    }
}
