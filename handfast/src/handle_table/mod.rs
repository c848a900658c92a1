//! A process's handles by their values: numbers that a program can keep, pass on and close.
//!
//! `entry.rs` is what there is of one of them, `duplicate.rs` the rules of duplication,
//! `process.rs` the way into other processes and out of them, `inherited.rs` what a process was
//! started with.

mod duplicate;
mod entry;
mod inherited;
mod object;
mod process;

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::handle::{HandleClass, HandleFlags, HandleValue};
use handfast_model::object::{Kind, ObjectId};
use handfast_sys::descriptor::{self, Identity};

use crate::error::{Cause, Error, Result};
use crate::event::Event;
use crate::fence::Fence;
use crate::handle::Handle;
use crate::section::Section;
use crate::session::Process;
use crate::surface::Surface;
use entry::{Entry, Kept, Unshared};

pub use duplicate::DuplicateAccess;
pub use inherited::InheritedNumbers;
pub use object::HandleObject;
pub use process::OtherProcess;

/// The handles of this process by their values, as Windows programs have them.
///
/// A value is 32 bits: four times the number of the descriptor that is the handle, so a program
/// that inherits the descriptor finds the handle under the same value, in Rust once it has given
/// the table the descriptor ([`Self::adopt`]); or a *ticket*, under which another process has
/// delivered a handle ([`Self::deliver`]) that was not a descriptor here yet.
/// What a value is opened as stays open with it, so that setting an event by its value is a look
/// into the table and a store.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use handfast::{Access, DuplicateOptions, Event, HandleFlags, HandleTable, Reset};
/// let table = HandleTable::own()?;
/// let value = table.insert_object(Event::new(Reset::Auto)?)?; // no broker was asked
/// table.event(value)?.set()?;
///
/// // A program that is started now has the event under the same value, and is told it as 0x10.
/// table.set_flags(value, HandleFlags::INHERIT, HandleFlags::INHERIT)?;
/// let child = std::process::Command::new("child").arg(value.to_string()).spawn()?;
///
/// // One that runs already gets it under a ticket, which it has to be told.
/// let child = child.id().cast_signed();
/// let wait = Access::SYNCHRONIZE.into();
/// let ticket = table.deliver(value, child.into(), wait, DuplicateOptions::empty())?;
///
/// table.close(value)?;
/// # Ok(())
/// # }
/// ```
///
/// # The child's half
///
/// A ticket works as it is: `table.event(text.parse()?)`. The number of an inherited descriptor
/// is nobody's in a Rust program until it is made somebody's, once, which is for `unsafe` code to
/// promise:
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use handfast::{HandleClass, HandleTable, HandleValue};
/// use std::os::fd::{FromRawFd as _, OwnedFd};
/// let table = HandleTable::own()?;
/// let text = std::env::args().nth(1).ok_or("tell me a value")?;
/// let value: HandleValue = text.parse()?; // 0x10, or 16
/// if let HandleClass::Descriptor { number } = value.class() {
///     // SAFETY: the parent left this number open for this program, and nothing here uses it yet.
///     let inherited = unsafe { OwnedFd::from_raw_fd(number) };
///     assert_eq!(table.adopt(inherited)?, value);
/// }
/// table.event(value)?.wait()?;
/// # Ok(())
/// # }
/// ```
///
/// (A descriptor that comes as standard input needs no `unsafe`, but has no value: adopt a copy of
/// it, which has one. C programs need not adopt anything.)
///
/// # What belongs to the table
///
/// The descriptor does: it is closed by [`Self::close`] and by nobody else. Where somebody has
/// closed the number all the same, or something else has it by now, the value is
/// [`crate::ErrorKind::HandleInvalid`] and what is there stays untouched. That is looked at by one
/// system call at every use of the value but one: an object that was opened by its value already
/// (`event`, `fence`, `surface`, `section`, `open`) is given out as it is, so that signalling,
/// setting and waiting cost none. A value goes on working for these, and for these alone, until it
/// is closed or its number is given to another handle.
///
/// # Values without a handle
///
/// A fence or event that was never shared has no handle ([`Self::insert_object`]). Its number is
/// held by a placeholder, which is no handle to anybody; the handle comes in its place, under the
/// same number, when it is made inheritable, duplicated with other rights, delivered or asked for.
///
/// # Forked children
///
/// A forked child has a table of its own, which is empty; a table of its parent's answers
/// [`crate::ErrorKind::Forked`].
#[derive(Clone, Copy, Debug)]
pub struct HandleTable {
    process: Process,
}

/// What a table holds, in the one process that it is of.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    by_value: RwLock<BTreeMap<HandleValue, Arc<Entry>>>,
    /// Copies of it hold numbers.
    placeholder: OnceLock<Placeholder>,
    /// Held by who finds something for a value that is not in the table.
    arriving: Mutex<()>,
}

/// What holds numbers that are no handle yet.
#[derive(Debug)]
struct Placeholder {
    descriptor: OwnedFd,
    identity: Identity,
}

impl Entries {
    pub(crate) const fn none() -> Self {
        Self {
            by_value: RwLock::new(BTreeMap::new()),
            placeholder: OnceLock::new(),
            arriving: Mutex::new(()),
        }
    }
}

impl HandleTable {
    /// This process's.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::OutOfMemory`], the first time.
    pub fn own() -> Result<Self> {
        Ok(Self { process: Process::own()? })
    }

    /// Gives the table a handle; its value is the descriptor's.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::LimitReached`] for a descriptor of 2^27 or more.
    ///
    /// # Ownership
    ///
    /// The handle is the table's; on failure it is closed.
    pub fn insert(&self, handle: Handle) -> Result<HandleValue> {
        self.put(Entry::of_handle(handle, None)?)
    }

    /// As [`Self::insert`], with what the handle is of, which need not be opened again then.
    ///
    /// # Errors
    ///
    /// As [`Self::insert`].
    pub fn insert_with(
        &self,
        handle: Handle,
        object: impl Into<HandleObject>,
    ) -> Result<HandleValue> {
        let object = object.into();
        // What may do more than its handle is opened anew.
        let same = object.object() == Some(handle.object()) && object.access() == handle.access();
        self.put(Entry::of_handle(handle, None)?.with_opened(same.then_some(object)))
    }

    /// Gives an object a value: a [`Fence`], an [`Event`], an `Arc<Surface>` or an `Arc<Section>`.
    /// A fence or event that was never shared gets a number alone; any other object is shared once
    /// more, without a name.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::LimitReached`]; for an object that is shared, also those of
    /// [`Event::share`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, for an object that is shared.
    ///
    /// # Ownership
    ///
    /// The table keeps a copy of it until the value is closed; drop yours when you like.
    pub fn insert_object(&self, object: impl Into<HandleObject>) -> Result<HandleValue> {
        let object = object.into();
        if !object.is_private() {
            let handle = object.share()?;
            return self.insert_with(handle, object);
        }
        self.put(Entry::of_unshared(self.placeholder()?, Arc::new(Unshared::new(object)))?)
    }

    /// Gives the table a descriptor that was inherited or sent, if it is a handle of this user's
    /// broker.
    ///
    /// # Errors
    ///
    /// As [`Handle::from_descriptor`].
    ///
    /// # Blocking
    ///
    /// While the broker answers.
    ///
    /// # Ownership
    ///
    /// The descriptor is the table's; on failure it is closed.
    pub fn adopt(&self, descriptor: OwnedFd) -> Result<HandleValue> {
        self.insert(Handle::from_descriptor(descriptor)?)
    }

    /// The event of a value, opened at the first use and the same from then on.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`]; [`crate::ErrorKind::Invalid`] when it is of another
    /// kind; at the first use those of [`Event::open_handle`].
    ///
    /// # Blocking
    ///
    /// At the first use, while the broker answers.
    pub fn event(&self, value: HandleValue) -> Result<Event> {
        match self.open_kind(value, Some(Kind::Event))? {
            HandleObject::Event(event) => Ok(event),
            HandleObject::Surface(_) | HandleObject::Section(_) | HandleObject::Fence(_) => {
                Err(Cause::Unexpected.into())
            }
        }
    }

    /// As [`Self::event`], for a fence.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    pub fn fence(&self, value: HandleValue) -> Result<Fence> {
        match self.open_kind(value, Some(Kind::Fence))? {
            HandleObject::Fence(fence) => Ok(fence),
            HandleObject::Surface(_) | HandleObject::Section(_) | HandleObject::Event(_) => {
                Err(Cause::Unexpected.into())
            }
        }
    }

    /// As [`Self::event`], for a surface. To write it with [`Surface::write`] open one of your own:
    /// `Surface::open_handle(&table.handle(value)?)`.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    pub fn surface(&self, value: HandleValue) -> Result<Arc<Surface>> {
        match self.open_kind(value, Some(Kind::Surface))? {
            HandleObject::Surface(surface) => Ok(surface),
            HandleObject::Section(_) | HandleObject::Fence(_) | HandleObject::Event(_) => {
                Err(Cause::Unexpected.into())
            }
        }
    }

    /// As [`Self::event`], for a section. To write it with [`Section::write`] open one of your own:
    /// `Section::open_handle(&table.handle(value)?)`.
    ///
    /// # Errors
    ///
    /// As [`Self::event`].
    pub fn section(&self, value: HandleValue) -> Result<Arc<Section>> {
        match self.open_kind(value, Some(Kind::Section))? {
            HandleObject::Section(section) => Ok(section),
            HandleObject::Surface(_) | HandleObject::Fence(_) | HandleObject::Event(_) => {
                Err(Cause::Unexpected.into())
            }
        }
    }

    /// As [`Self::event`], whatever its kind is.
    ///
    /// # Errors
    ///
    /// As [`Self::event`]; [`crate::ErrorKind::Version`] for a stream, which is opened by name.
    pub fn open(&self, value: HandleValue) -> Result<HandleObject> {
        self.open_kind(value, None)
    }

    /// A handle of one's own with the same rights, beside the table's.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`], [`crate::ErrorKind::LimitReached`]; for a value that
    /// has no handle yet those of [`Event::share`].
    ///
    /// # Ownership
    ///
    /// The handle is the caller's, and keeps object and name as any other does.
    pub fn handle(&self, value: HandleValue) -> Result<Handle> {
        self.with(value, Entry::handle)
    }

    /// What kind of object it is of.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`].
    pub fn kind(&self, value: HandleValue) -> Result<Kind> {
        self.with(value, |entry| entry.check().map(|()| entry.kind()))
    }

    /// What it may do.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`].
    pub fn access(&self, value: HandleValue) -> Result<AccessMask> {
        self.with(value, Entry::access)
    }

    /// The object that it names; None where nobody else can have it yet.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`].
    pub fn object(&self, value: HandleValue) -> Result<Option<ObjectId>> {
        self.with(value, Entry::object)
    }

    /// What it has besides its rights.
    ///
    /// # Contract
    ///
    /// `GetHandleInformation`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`].
    pub fn flags(&self, value: HandleValue) -> Result<HandleFlags> {
        self.with(value, Entry::flags)
    }

    /// Sets those flags that are among `changed`. A handle that is inheritable goes to every
    /// program that any thread starts meanwhile, under its descriptor's value: a handle under a
    /// ticket has another value there.
    ///
    /// # Contract
    ///
    /// `SetHandleInformation`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`]; for a value that has no handle yet and is made
    /// inheritable those of [`Event::share`].
    pub fn set_flags(
        &self,
        value: HandleValue,
        changed: HandleFlags,
        flags: HandleFlags,
    ) -> Result<()> {
        self.with(value, |entry| entry.set_flags(changed, flags))
    }

    /// Closes it: the descriptor, and the table's own opening.
    ///
    /// # Contract
    ///
    /// `CloseHandle`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`], also where the number is somebody else's by now: that
    /// stays open. [`crate::ErrorKind::Misuse`] for a handle with
    /// [`HandleFlags::PROTECT_FROM_CLOSE`].
    pub fn close(&self, value: HandleValue) -> Result<()> {
        let entry = self.find(value)?;
        self.check_closable(&entry)?;
        self.forget(&entry);
        entry.close()
    }

    /// Takes it out of the table.
    ///
    /// # Errors
    ///
    /// As [`Self::close`] and [`Self::handle`]; the value stays then.
    ///
    /// # Ownership
    ///
    /// The handle is the caller's.
    pub fn remove(&self, value: HandleValue) -> Result<Handle> {
        let entry = self.find(value)?;
        self.check_closable(&entry)?;
        let taken = entry.take();
        if taken.is_ok() || entry.is_dead() {
            self.forget(&entry);
        }
        taken
    }

    fn entries(&self) -> Result<&'static Entries> {
        self.process.check()?;
        Ok(self.process.handles())
    }

    /// A number of its own that is nothing yet.
    fn placeholder(&self) -> Result<Kept> {
        let known = &self.entries()?.placeholder;
        let placeholder = match known.get() {
            Some(placeholder) => placeholder,
            None => {
                let made = descriptor::above_standard_streams(descriptor::placeholder()?)?;
                let identity = descriptor::identity(made.as_fd()).ok_or(Cause::Unexpected)?;
                known.get_or_init(|| Placeholder { descriptor: made, identity })
            }
        };
        let copy = descriptor::duplicate(placeholder.descriptor.as_fd())?;
        Ok(Kept::of(copy, placeholder.identity))
    }

    fn put(&self, entry: Entry) -> Result<HandleValue> {
        self.put_shared(Arc::new(entry))
    }

    fn put_shared(&self, entry: Arc<Entry>) -> Result<HandleValue> {
        let value = entry.value();
        let mut by_value = self.entries()?.by_value.write().unwrap_or_else(PoisonError::into_inner);
        let stale = by_value.insert(value, entry);
        drop(by_value);
        // The number was free, so whoever had it does not have it any more.
        if let Some(stale) = stale {
            stale.disown();
        }
        Ok(value)
    }

    fn known(&self, value: HandleValue) -> Result<Option<Arc<Entry>>> {
        let by_value = self.entries()?.by_value.read().unwrap_or_else(PoisonError::into_inner);
        Ok(by_value.get(&value).cloned())
    }

    /// What a value is of; what waits under a ticket comes here at its first use.
    fn find(&self, value: HandleValue) -> Result<Arc<Entry>> {
        match (self.known(value)?, value.class()) {
            (Some(entry), _) => Ok(entry),
            (None, HandleClass::Ticket(ticket)) => self.redeem(ticket),
            (None, _) => Err(unknown(value)),
        }
    }

    fn open_kind(&self, value: HandleValue, kind: Option<Kind>) -> Result<HandleObject> {
        let by_value = self.entries()?.by_value.read().unwrap_or_else(PoisonError::into_inner);
        // As it is nearly always: nothing is asked, and nothing but the object is copied.
        if let Some(opened) = by_value.get(&value).and_then(|entry| entry.opened_as(kind)) {
            return Ok(opened);
        }
        drop(by_value);
        let entry = self.find(value)?;
        let opened = entry.open(kind);
        self.settle(&entry, opened)
    }

    fn with<T>(&self, value: HandleValue, ask: impl FnOnce(&Entry) -> Result<T>) -> Result<T> {
        let entry = self.find(value)?;
        let answer = ask(&entry);
        self.settle(&entry, answer)
    }

    /// Forgets a value that could not be used because its number is somebody else's.
    fn settle<T>(&self, entry: &Arc<Entry>, answer: Result<T>) -> Result<T> {
        if answer.is_err() && entry.is_dead() {
            self.forget(entry);
        }
        answer
    }

    fn check_closable(&self, entry: &Arc<Entry>) -> Result<()> {
        if !entry.is_protected() {
            return Ok(());
        }
        let alive = entry.check();
        self.settle(entry, alive)?;
        Err(Cause::Protected { value: entry.value() }.into())
    }

    /// Takes this entry, and no other, off its value.
    fn forget(&self, entry: &Arc<Entry>) {
        let Ok(entries) = self.entries() else { return };
        let mut by_value = entries.by_value.write().unwrap_or_else(PoisonError::into_inner);
        let value = entry.value();
        if by_value.get(&value).is_some_and(|known| Arc::ptr_eq(known, entry)) {
            by_value.remove(&value);
        }
    }
}

fn unknown(value: HandleValue) -> Error {
    Cause::ValueUnknown { value }.into()
}
