//! Handles into other processes, and out of them.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use handfast_model::contract::handle::{
    DuplicateOptions, HandleClass, HandleFlags, HandleValue, Ticket,
};
use handfast_model::object::{Reply, Request};
use handfast_sys::foreign::{self, Found};
use handfast_sys::{descriptor, pidfd};

use super::HandleTable;
use super::duplicate::{DuplicateAccess, flags_of};
use super::entry::Entry;
use crate::error::{Cause, Result};
use crate::handle::{Handle, Inheritance};
use crate::link::next_descriptor;
use crate::session::{self, lock};

/// Another process, or this one.
#[derive(Clone, Copy, Debug)]
pub enum OtherProcess<'a> {
    /// The one that has this number now.
    Number(i32),
    /// The one of this pidfd, which no other process can be mistaken for.
    Descriptor(BorrowedFd<'a>),
}

impl From<i32> for OtherProcess<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<BorrowedFd<'a>> for OtherProcess<'a> {
    fn from(pidfd: BorrowedFd<'a>) -> Self {
        Self::Descriptor(pidfd)
    }
}

impl OtherProcess<'_> {
    fn open(self) -> Result<OwnedFd> {
        match self {
            Self::Number(number) if number <= 0 => Err(Cause::NoProcessNumber { number }.into()),
            Self::Number(number) => pidfd::open(number).map_err(|error| {
                if error.is_no_process() { Cause::ProcessGone } else { error.into() }.into()
            }),
            Self::Descriptor(pidfd) => Ok(descriptor::duplicate(pidfd)?),
        }
    }
}

impl HandleTable {
    /// Makes a handle of the same share for another process of the same user (root: of any). What
    /// comes back is its value there, and there alone: the process has to be told.
    ///
    /// It need not be connected to the broker, and may be stopped. The handle waits at the broker,
    /// and keeps object and name, until the process uses the value for the first time, closes it,
    /// or ends; what this process does meanwhile does not matter. With
    /// [`DuplicateOptions::CLOSE_SOURCE`] the source is closed, unless it is protected.
    ///
    /// It cannot be taken back: what went to the wrong process, or to one that never uses it, keeps
    /// the object, a name that [`crate::Fence::share`] and its like gave it, and the broker until
    /// that process ends. Where it may be a number that another process has by now, say the process
    /// by a pidfd.
    ///
    /// # Contract
    ///
    /// `DuplicateHandle` into another process.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`]; [`crate::ErrorKind::Lost`] when the process has ended,
    /// or is in a name space that the broker does not see; [`crate::ErrorKind::AccessDenied`] when
    /// it is another user's, or may not have rights that the source does not have;
    /// [`crate::ErrorKind::Invalid`] when the number is none of a process;
    /// [`crate::ErrorKind::LimitReached`] when too many wait for it. With `CLOSE_SOURCE` the source
    /// is closed all the same.
    ///
    /// # Blocking
    ///
    /// While the broker answers.
    pub fn deliver(
        &self,
        value: HandleValue,
        target: OtherProcess<'_>,
        access: DuplicateAccess,
        options: DuplicateOptions,
    ) -> Result<HandleValue> {
        let entry = self.find(value)?;
        let told = deliver(&entry, target, access);
        let told = self.settle(&entry, told);
        if options.contains(DuplicateOptions::CLOSE_SOURCE) && !entry.is_protected() {
            self.forget(&entry);
            // Whether it can be closed or is somebody else's: it is no value any more.
            entry.close().ok();
        }
        told
    }

    /// Makes a handle of what another process of the same user (root: of any) has under a value of
    /// its own. The process is not asked, and may be stopped.
    ///
    /// # Contract
    ///
    /// `DuplicateHandle` from another process.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`] when that is no handle there, or one that the process
    /// has not made yet (see "Values without a handle"); [`crate::ErrorKind::Lost`] when the
    /// process has ended; [`crate::ErrorKind::AccessDenied`] when it is another user's or hides
    /// from others, and for rights that this process may not have; [`crate::ErrorKind::Invalid`]
    /// when the number is none of a process.
    ///
    /// # Blocking
    ///
    /// While the broker answers.
    pub fn fetch(
        &self,
        source: OtherProcess<'_>,
        value: HandleValue,
        access: DuplicateAccess,
        inheritance: Inheritance,
    ) -> Result<HandleValue> {
        self.entries()?;
        let process = source.open()?;
        let handle = match value.class() {
            HandleClass::Descriptor { number } => {
                match foreign::read_end_of(process.as_fd(), number)? {
                    Found::ReadEnd(copy) => with_rights(Handle::from_descriptor(copy)?, access)?,
                    Found::NoHandle => return Err(Cause::ForeignValue { value }.into()),
                    Found::Gone => return Err(Cause::ProcessGone.into()),
                    Found::Denied => return Err(Cause::ProcessDenied.into()),
                }
            }
            HandleClass::Ticket(ticket) => {
                let (ticket, access) = (ticket.bits(), access.wanted()?);
                let fetched = take(Request::Fetch { ticket, access }, &[process.as_fd()]);
                fetched.map_err(|error| {
                    let is_unknown = error.is_ticket_unknown();
                    if is_unknown { Cause::ForeignValue { value }.into() } else { error }
                })?
            }
            HandleClass::Legacy { .. } | HandleClass::Pseudo(_) | HandleClass::Nothing => {
                return Err(Cause::ForeignValue { value }.into());
            }
        };
        let entry = Entry::of_handle(handle, None)?;
        entry.set_flags(HandleFlags::INHERIT, flags_of(inheritance))?;
        self.put(entry)
    }

    /// Gets what another process has delivered under this ticket.
    pub(super) fn redeem(&self, ticket: Ticket) -> Result<Arc<Entry>> {
        let _one = lock(&self.entries()?.arriving);
        let value = ticket.into();
        if let Some(entry) = self.known(value)? {
            return Ok(entry);
        }
        // What this process has no room for would be lost.
        drop(self.placeholder()?);
        let handle = take(Request::Redeem { ticket: ticket.bits() }, &[])?;
        let entry = Arc::new(Entry::of_handle(handle, Some(value))?);
        self.put_shared(Arc::clone(&entry))?;
        Ok(entry)
    }
}

fn deliver(
    entry: &Entry,
    target: OtherProcess<'_>,
    access: DuplicateAccess,
) -> Result<HandleValue> {
    let request = Request::Deliver { access: access.wanted()? };
    let target = target.open()?;
    let (_, reply, _) =
        entry.present(|own, _, _| session::call(None, &request, &[own, target.as_fd()]))?;
    let Reply::Delivered { ticket } = reply else { return Err(Cause::Unexpected.into()) };
    Ok(Ticket::parse(ticket).ok_or(Cause::Unexpected)?.into())
}

fn with_rights(handle: Handle, access: DuplicateAccess) -> Result<Handle> {
    match access {
        DuplicateAccess::Same => Ok(handle),
        DuplicateAccess::Rights(_) => handle.duplicate_with(access.wanted()?),
    }
}

fn take(request: Request, descriptors: &[BorrowedFd<'_>]) -> Result<Handle> {
    let (_, reply, mut descriptors) = session::call(None, &request, descriptors)?;
    let Reply::Taken { object, kind, granted, .. } = reply else {
        return Err(Cause::Unexpected.into());
    };
    Handle::new(next_descriptor(&mut descriptors)?, object, kind, granted)
}
