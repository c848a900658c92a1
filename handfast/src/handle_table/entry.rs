//! What the table has of one handle: a number that is open, and what is behind it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::handle::{HandleFlags, HandleValue};
use handfast_model::object::{Error as Refusal, Kind, ObjectId};
use handfast_model::security::Granted;
use handfast_sys::descriptor::{self, Identity, OnExec};

use super::object::HandleObject;
use crate::error::{Cause, Error, Result};
use crate::handle::{self, Handle};
use crate::session::lock;

/// A descriptor that somebody may close, or put something else in the place of, behind our back.
#[derive(Debug)]
pub(super) struct Kept {
    /// Until it is taken out.
    descriptor: Option<OwnedFd>,
    identity: Identity,
}

impl Kept {
    fn new(descriptor: OwnedFd) -> Result<Self> {
        let identity = descriptor::identity(descriptor.as_fd()).ok_or(Cause::Unexpected)?;
        Ok(Self::of(descriptor, identity))
    }

    /// One that is known to be of this file.
    pub(super) const fn of(descriptor: OwnedFd, identity: Identity) -> Self {
        Self { descriptor: Some(descriptor), identity }
    }

    /// A copy with the lowest number that is free, if it is what it was.
    fn copy(&self) -> Option<Result<Self>> {
        let copy = descriptor::duplicate(self.own()?);
        Some(copy.map(|copy| Self::of(copy, self.identity)).map_err(Error::from))
    }

    /// The descriptor, if it is what it was.
    fn own(&self) -> Option<BorrowedFd<'_>> {
        let descriptor = self.descriptor.as_ref()?.as_fd();
        (descriptor::identity(descriptor) == Some(self.identity)).then_some(descriptor)
    }

    /// As [`Self::own`], for good.
    fn into_own(mut self) -> Option<OwnedFd> {
        self.own()?;
        self.descriptor.take()
    }

    /// The number is known to be another's.
    fn disown(mut self) {
        if let Some(descriptor) = self.descriptor.take() {
            descriptor::disown(descriptor);
        }
    }

    /// Another descriptor under the same number.
    fn replace(&mut self, new: BorrowedFd<'_>, on_exec: OnExec) -> Result<()> {
        let identity = descriptor::identity(new).ok_or(Cause::Unexpected)?;
        let place = self.descriptor.as_mut().ok_or(Cause::Unexpected)?;
        descriptor::replace(place, new, on_exec)?;
        self.identity = identity;
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let is_own = self.own().is_some();
        match self.descriptor.take() {
            Some(descriptor) if is_own => drop(descriptor),
            Some(descriptor) => {
                descriptor::disown(descriptor);
            }
            None => {}
        }
    }
}

/// An object that has values and no handle, since nobody else has anything of it.
#[derive(Debug)]
pub(super) struct Unshared {
    object: HandleObject,
    /// Made for the first of its values that needs one, and kept for the others.
    handle: Mutex<Option<Handle>>,
}

impl Unshared {
    pub(super) const fn new(object: HandleObject) -> Self {
        Self { object, handle: Mutex::new(None) }
    }

    /// A handle: all its values have one share.
    fn share(self: &Arc<Self>) -> Result<Handle> {
        let mut known = lock(&self.handle);
        if let Some(handle) = known.as_ref() {
            return handle.duplicate();
        }
        let handle = self.object.share()?;
        if Arc::strong_count(self) > 1 {
            *known = Some(handle.duplicate()?);
        }
        Ok(handle)
    }
}

/// What is behind the number.
#[derive(Debug)]
enum Behind {
    /// A copy of the process's placeholder.
    Placeholder(Arc<Unshared>),
    /// The handle.
    Handle { object: ObjectId, granted: Granted },
}

#[derive(Debug)]
struct Held {
    kept: Kept,
    behind: Behind,
}

/// A handle in the table.
#[derive(Debug)]
pub(super) struct Entry {
    value: HandleValue,
    number: i32,
    kind: Kind,
    protected: AtomicBool,
    /// None once it is closed. Never locked by who waits for the table.
    held: Mutex<Option<Held>>,
    opened: OnceLock<HandleObject>,
}

impl Entry {
    /// One whose value says its number, or that has this value.
    pub(super) fn of_handle(handle: Handle, value: Option<HandleValue>) -> Result<Self> {
        let (descriptor, object, kind, granted) = handle.into_parts();
        Self::new(Kept::new(descriptor)?, value, kind, Behind::Handle { object, granted })
    }

    pub(super) fn of_unshared(placeholder: Kept, unshared: Arc<Unshared>) -> Result<Self> {
        let object = unshared.object.clone();
        let entry = Self::new(placeholder, None, object.kind(), Behind::Placeholder(unshared))?;
        entry.opened.get_or_init(|| object);
        Ok(entry)
    }

    fn new(kept: Kept, value: Option<HandleValue>, kind: Kind, behind: Behind) -> Result<Self> {
        let number = kept.descriptor.as_ref().map_or(-1, |it| descriptor::number(it.as_fd()));
        let value = value.or_else(|| HandleValue::of_descriptor(number));
        let value = value.ok_or(Cause::NumberTooHigh { number })?;
        let held = Held { kept, behind };
        Ok(Self {
            value,
            number,
            kind,
            protected: AtomicBool::new(false),
            held: Mutex::new(Some(held)),
            opened: OnceLock::new(),
        })
    }

    pub(super) const fn value(&self) -> HandleValue {
        self.value
    }

    pub(super) const fn number(&self) -> i32 {
        self.number
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    fn unknown(&self) -> Error {
        Cause::ValueUnknown { value: self.value }.into()
    }

    /// Has it opened already, where it may do no less and no more.
    pub(super) fn with_opened(self, object: Option<HandleObject>) -> Self {
        if let Some(object) = object {
            self.opened.get_or_init(|| object);
        }
        self
    }

    /// What it was opened as, if that is of the kind that is wanted.
    pub(super) fn opened_as(&self, wanted: Option<Kind>) -> Option<HandleObject> {
        let is_it = wanted.is_none_or(|wanted| wanted == self.kind);
        self.opened.get().filter(|_| is_it).cloned()
    }

    /// The object, opened at the first use. From then on it is not looked at whether the number is
    /// still what it was.
    pub(super) fn open(&self, wanted: Option<Kind>) -> Result<HandleObject> {
        let found = self.kind;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(Error::refused(None, Refusal::KindMismatch { wanted, found }));
        }
        if let Some(opened) = self.opened.get() {
            return Ok(opened.clone());
        }
        let opened = HandleObject::open(&self.handle()?)?;
        Ok(self.opened.get_or_init(|| opened).clone())
    }

    /// What is behind the number, if the number is still what it was.
    fn held(&self) -> Result<MutexGuard<'_, Option<Held>>> {
        let held = lock(&self.held);
        if held.as_ref().is_some_and(|held| held.kept.own().is_some()) {
            Ok(held)
        } else {
            Err(self.unknown())
        }
    }

    /// Refuses one whose number is somebody else's.
    pub(super) fn check(&self) -> Result<()> {
        self.held().map(drop)
    }

    /// Whether it was found to be somebody else's, or closed.
    pub(super) fn is_dead(&self) -> bool {
        self.check().is_err()
    }

    /// A handle of one's own, beside the table's.
    pub(super) fn handle(&self) -> Result<Handle> {
        self.present(|own, object, granted| {
            Handle::new(descriptor::duplicate(own)?, object, self.kind, granted)
        })
    }

    /// Another handle with other rights. No number but its own is taken for it.
    pub(super) fn handle_with(&self, access: AccessMask) -> Result<Handle> {
        self.present(|own, _, _| handle::duplicate(own, self.kind, access))
    }

    /// Does something with the handle. One that there is none of yet is made.
    pub(super) fn present<T>(
        &self,
        act: impl FnOnce(BorrowedFd<'_>, ObjectId, Granted) -> Result<T>,
    ) -> Result<T> {
        let mut held = self.held()?;
        let held = held.as_mut().ok_or_else(|| self.unknown())?;
        self.register(held)?;
        let Behind::Handle { object, granted } = held.behind else {
            return Err(Cause::Unexpected.into());
        };
        act(held.kept.own().ok_or_else(|| self.unknown())?, object, granted)
    }

    /// Puts the handle in the place of the placeholder.
    fn register(&self, held: &mut Held) -> Result<()> {
        let Behind::Placeholder(unshared) = &held.behind else { return Ok(()) };
        let handle = unshared.share()?;
        // A placeholder is no program's that is started.
        held.kept.replace(handle.borrow(), OnExec::Closes)?;
        let (_, object, _, granted) = handle.into_parts();
        held.behind = Behind::Handle { object, granted };
        Ok(())
    }

    /// Another with the same rights, open already if this one is. One that there is no handle of
    /// stays so.
    pub(super) fn copy(&self) -> Result<Self> {
        let held = lock(&self.held);
        let held = held.as_ref().ok_or_else(|| self.unknown())?;
        let kept = held.kept.copy().ok_or_else(|| self.unknown())??;
        let behind = match &held.behind {
            Behind::Placeholder(unshared) => Behind::Placeholder(Arc::clone(unshared)),
            Behind::Handle { object, granted } => {
                Behind::Handle { object: *object, granted: *granted }
            }
        };
        Ok(Self::new(kept, None, self.kind, behind)?.with_opened(self.opened_as(None)))
    }

    pub(super) fn object(&self) -> Result<Option<ObjectId>> {
        Ok(self.held()?.as_ref().and_then(|held| match &held.behind {
            Behind::Placeholder(unshared) => unshared.object.object(),
            Behind::Handle { object, .. } => Some(*object),
        }))
    }

    pub(super) fn access(&self) -> Result<AccessMask> {
        let held = self.held()?;
        Ok(held.as_ref().map_or(AccessMask::empty(), |held| match &held.behind {
            Behind::Placeholder(unshared) => unshared.object.access(),
            Behind::Handle { granted, .. } => granted.mask(),
        }))
    }

    pub(super) fn is_protected(&self) -> bool {
        self.protected.load(Ordering::Relaxed)
    }

    pub(super) fn flags(&self) -> Result<HandleFlags> {
        let held = self.held()?;
        let own = held.as_ref().and_then(|held| held.kept.own()).ok_or_else(|| self.unknown())?;
        let mut flags = HandleFlags::empty();
        flags.set(HandleFlags::INHERIT, descriptor::on_exec(own)? == OnExec::Keeps);
        flags.set(HandleFlags::PROTECT_FROM_CLOSE, self.is_protected());
        Ok(flags)
    }

    /// Changes the flags that are among `changed`.
    pub(super) fn set_flags(&self, changed: HandleFlags, flags: HandleFlags) -> Result<()> {
        let mut held = self.held()?;
        let held = held.as_mut().ok_or_else(|| self.unknown())?;
        if changed.contains(HandleFlags::INHERIT) {
            let on_exec = on_exec(flags);
            if on_exec == OnExec::Keeps {
                self.register(held)?;
            }
            let own = held.kept.own().ok_or_else(|| self.unknown())?;
            descriptor::set_on_exec(own, on_exec)?;
        }
        if changed.contains(HandleFlags::PROTECT_FROM_CLOSE) {
            let protected = flags.contains(HandleFlags::PROTECT_FROM_CLOSE);
            self.protected.store(protected, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The same number with another handle. This entry is empty then.
    pub(super) fn replaced(&self, handle: Handle, flags: HandleFlags) -> Result<Self> {
        self.check()?;
        let held = lock(&self.held).take();
        let mut held = held.ok_or_else(|| self.unknown())?;
        held.kept.replace(handle.borrow(), on_exec(flags))?;
        let (_, object, kind, granted) = handle.into_parts();
        held.behind = Behind::Handle { object, granted };
        Ok(Self {
            value: self.value,
            number: self.number,
            kind,
            protected: AtomicBool::new(false),
            held: Mutex::new(Some(held)),
            opened: OnceLock::new(),
        })
    }

    /// Closes the number, if it is still what it was; else it stays as it is.
    pub(super) fn close(&self) -> Result<()> {
        let held = lock(&self.held).take();
        let own = held.and_then(|held| held.kept.into_own());
        own.map(drop).ok_or_else(|| self.unknown())
    }

    /// The handle, out of the table.
    pub(super) fn take(&self) -> Result<Handle> {
        let mut place = self.held()?;
        self.register(place.as_mut().ok_or_else(|| self.unknown())?)?;
        let held = place.take().ok_or_else(|| self.unknown())?;
        let Behind::Handle { object, granted } = held.behind else {
            return Err(Cause::Unexpected.into());
        };
        let own = held.kept.into_own().ok_or_else(|| self.unknown())?;
        Handle::new(own, object, self.kind, granted)
    }

    /// The number has been given to another entry: whoever closed it was not the table.
    pub(super) fn disown(&self) {
        if let Some(held) = lock(&self.held).take() {
            held.kept.disown();
        }
    }
}

pub(super) const fn on_exec(flags: HandleFlags) -> OnExec {
    if flags.contains(HandleFlags::INHERIT) { OnExec::Keeps } else { OnExec::Closes }
}
