//! Handles: descriptors that name an object and carry its share's name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Kind, ObjectId, Reply, Request};
use handfast_model::security::Granted;
use handfast_sys::descriptor::{self, OnExec};

use crate::client::{ObjectInfo, describe};
use crate::error::{Cause, Result};
use crate::link::next_descriptor;
use crate::session;

/// Whether the programs that a process starts get one of its handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inheritance {
    /// They do not.
    None,
    /// They get it, under the same number (`HANDLE_FLAG_INHERIT`).
    Children,
}

/// A handle of an object: an open descriptor, which the kernel counts.
///
/// It keeps the object alive, and the name of the share that it belongs to. Copies made by `dup`,
/// fork, exec or sending (`SCM_RIGHTS`) are handles too; the last of them to be closed, by
/// whichever process and in whichever way, is the end of the name.
///
/// It is opened with [`crate::Surface::open_handle`] and its like. A descriptor that came from
/// elsewhere becomes one by [`Self::from_descriptor`].
///
/// # Ownership
///
/// Dropping it closes the descriptor.
#[derive(Debug)]
pub struct Handle {
    descriptor: OwnedFd,
    object: ObjectId,
    kind: Kind,
    granted: Granted,
}

impl Handle {
    pub(crate) fn new(
        descriptor: OwnedFd,
        object: ObjectId,
        kind: Kind,
        granted: Granted,
    ) -> Result<Self> {
        let descriptor = descriptor::above_standard_streams(descriptor)?;
        Ok(Self { descriptor, object, kind, granted })
    }

    /// Takes a descriptor that was inherited or sent, if it is a handle of this user's broker.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`] when it is not, or names nothing any more;
    /// [`crate::ErrorKind::BrokerUnavailable`].
    ///
    /// # Blocking
    ///
    /// While the broker answers.
    ///
    /// # Ownership
    ///
    /// The descriptor is the handle's; on failure it is closed.
    pub fn from_descriptor(descriptor: OwnedFd) -> Result<Self> {
        let answer = session::call(None, &Request::QueryPresented, &[descriptor.as_fd()])?;
        let (_, Reply::HandleFacts { granted, entry }, _) = answer else {
            return Err(Cause::Unexpected.into());
        };
        Self::new(descriptor, entry.object, entry.kind(), granted)
    }

    /// Another handle of the same share with the same rights, made by the kernel alone.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::LimitReached`].
    pub fn duplicate(&self) -> Result<Self> {
        let descriptor = descriptor::duplicate(self.borrow())?;
        Ok(Self { descriptor, ..*self })
    }

    /// Another handle of the same share with other rights. Fewer are never checked; more are
    /// checked against the share's descriptor, as opening by name is.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], also for rights that the kind does not have;
    /// [`crate::ErrorKind::LimitReached`], [`crate::ErrorKind::HandleInvalid`] when the broker is
    /// another one by now, [`crate::ErrorKind::Lost`].
    ///
    /// # Blocking
    ///
    /// While the broker answers.
    pub fn duplicate_with(&self, access: AccessMask) -> Result<Self> {
        duplicate(self.borrow(), self.kind, access)
    }

    /// Whether programs that this process starts get it.
    ///
    /// # Errors
    ///
    /// None but the kernel's own.
    pub fn inheritance(&self) -> Result<Inheritance> {
        Ok(match descriptor::on_exec(self.borrow())? {
            OnExec::Closes => Inheritance::None,
            OnExec::Keeps => Inheritance::Children,
        })
    }

    /// Says whether programs that this process starts get it. Every program started meanwhile, by
    /// any thread, gets it: set it back when the right one has started.
    ///
    /// # Errors
    ///
    /// None but the kernel's own.
    pub fn set_inheritance(&self, inheritance: Inheritance) -> Result<()> {
        let on_exec = match inheritance {
            Inheritance::None => OnExec::Closes,
            Inheritance::Children => OnExec::Keeps,
        };
        Ok(descriptor::set_on_exec(self.borrow(), on_exec)?)
    }

    /// The object that it names: the same in every process, and never another's.
    #[must_use]
    pub const fn object(&self) -> ObjectId {
        self.object
    }

    /// What kind of object that is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What it may do.
    #[must_use]
    pub const fn access(&self) -> AccessMask {
        self.granted.mask()
    }

    /// What the broker knows of the object.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`] when the broker is another one by now.
    ///
    /// # Blocking
    ///
    /// While the broker answers.
    pub fn info(&self) -> Result<ObjectInfo> {
        match session::call(None, &Request::QueryPresented, &[self.borrow()])? {
            (_, Reply::HandleFacts { entry, .. }, _) => Ok(describe(entry)),
            _ => Err(Cause::Unexpected.into()),
        }
    }

    /// The same with another descriptor of the same pipe, whose number stays.
    pub(crate) fn with_descriptor(self, descriptor: OwnedFd) -> Self {
        Self { descriptor, ..self }
    }

    /// The descriptor, and what it is of.
    pub(crate) fn into_parts(self) -> (OwnedFd, ObjectId, Kind, Granted) {
        (self.descriptor, self.object, self.kind, self.granted)
    }

    pub(crate) fn borrow(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Another handle on the share of this one, with other rights.
pub(crate) fn duplicate(handle: BorrowedFd<'_>, kind: Kind, access: AccessMask) -> Result<Handle> {
    let request = Request::Duplicate { access };
    let (_, reply, mut descriptors) = session::call(None, &request, &[handle])?;
    let Reply::Handle { object, granted, .. } = reply else {
        return Err(Cause::Unexpected.into());
    };
    Handle::new(next_descriptor(&mut descriptors)?, object, kind, granted)
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.borrow()
    }
}

impl From<Handle> for OwnedFd {
    fn from(handle: Handle) -> Self {
        handle.descriptor
    }
}
