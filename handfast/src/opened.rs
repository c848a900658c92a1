//! An object that this process has open at the broker, whatever its kind.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{
    Kind, ObjectId, OpeningId, Parts, RawName, Reply, Request, Spec, View,
};
use handfast_model::security::Granted;
use handfast_sync::Seat;
use handfast_sync::page::LINE_BYTES;
use handfast_sys::mapping;

use crate::client::{ObjectInfo, describe};
use crate::error::{Cause, Result};
use crate::handle::Handle;
use crate::link::next_descriptor;
use crate::memory::Memory;
use crate::sender::page_bytes;
use crate::session::{self, Descriptors, Process, Session};
use crate::words::SharedWords;

/// An opening. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Opened {
    session: Arc<Session>,
    opening: OpeningId,
    object: ObjectId,
    kind: Kind,
    granted: Granted,
}

/// What came with an opening.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) parts: Parts,
    /// The page, then the memory, as far as there are any.
    pub(crate) descriptors: Descriptors,
}

impl Came {
    /// The page, and whether it may be written.
    pub(crate) fn page(&mut self) -> Result<Option<(OwnedFd, View)>> {
        let Some((_, view)) = self.parts.page else { return Ok(None) };
        Ok(Some((next_descriptor(&mut self.descriptors)?, view)))
    }

    /// The page as two parts of words, mapped.
    pub(crate) fn split_page(&mut self) -> Result<Option<(SharedWords, View)>> {
        let Some((page, view)) = self.page()? else { return Ok(None) };
        let split = match view {
            View::Writable => {
                mapping::map_writable(page.as_fd(), page_bytes())?.into_split(LINE_BYTES)
            }
            // There a load of 64 bits may have to write.
            View::ReadOnly if cfg!(target_pointer_width = "32") => {
                return Err(Cause::NarrowReader.into());
            }
            View::ReadOnly => {
                mapping::map_read_only(page.as_fd(), page_bytes())?.into_split(LINE_BYTES)
            }
        };
        Ok(Some((SharedWords(split.ok_or(Cause::Unexpected)?), view)))
    }

    /// The memory, mapped; to be asked for after the page.
    pub(crate) fn memory(&mut self, size_bytes: u64) -> Result<Option<Memory>> {
        let Some((_, view)) = self.parts.payload else { return Ok(None) };
        let memory = next_descriptor(&mut self.descriptors)?;
        Memory::open(memory.as_fd(), size_bytes, view).map(Some)
    }
}

impl Opened {
    /// Makes an object with a first share, and the handle that this share has.
    pub(crate) fn create(
        spec: Spec,
        name: Option<&str>,
        access: AccessMask,
        memory: &[BorrowedFd<'_>],
    ) -> Result<(Self, Handle, Came)> {
        let request = Request::Create { spec, name: name.map(RawName::from), access };
        let (session, reply, mut descriptors) = session::call(name, &request, memory)?;
        let Reply::Created { object, opening, granted, parts, .. } = reply else {
            return Err(Cause::Unexpected.into());
        };
        let kind = spec.kind();
        let own = Granted::to_creator(AccessMask::GENERIC_ALL, &kind.rules().mapping);
        let opened = Self { session, opening, object, kind, granted: own };
        let handle = Handle::new(next_descriptor(&mut descriptors)?, object, kind, granted)?;
        Ok((opened, handle, Came { parts, descriptors }))
    }

    /// Opens by name.
    pub(crate) fn open(kind: Kind, name: &str, access: AccessMask) -> Result<(Self, Spec, Came)> {
        let request = Request::Open { kind, name: RawName::from(name), access };
        Self::ask(kind, Some(name), request, &[])
    }

    /// Opens what a handle is of, with what the handle may do.
    pub(crate) fn open_handle(kind: Kind, handle: &Handle) -> Result<(Self, Spec, Came)> {
        Self::ask(kind, None, Request::OpenPresented { kind }, &[handle.borrow()])
    }

    fn ask(
        kind: Kind,
        name: Option<&str>,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(Self, Spec, Came)> {
        let (session, reply, descriptors) = session::call(name, &request, descriptors)?;
        let Reply::Opened { object, opening, granted, spec, parts } = reply else {
            return Err(Cause::Unexpected.into());
        };
        let opened = Self { session, opening, object, kind, granted };
        if spec.kind() != kind {
            return Err(Cause::Unexpected.into());
        }
        Ok((opened, spec, Came { parts, descriptors }))
    }

    /// This process's seat at the object's page, which all its openings share.
    pub(crate) fn seat(&self, number: u32) -> Result<Arc<Seat>> {
        self.session.seat(self.object, number)
    }

    /// Makes another share over it.
    pub(crate) fn share(&self, name: Option<&str>, access: AccessMask) -> Result<Handle> {
        let name_units = name.map(RawName::from);
        let request = Request::Share { opening: self.opening, name: name_units, access };
        let (reply, descriptors) = self.session.call(name, &request, &[])?;
        let Reply::Handle { object, granted, .. } = reply else {
            return Err(Cause::Unexpected.into());
        };
        Handle::new(next_descriptor(&mut descriptors.into_iter())?, object, self.kind, granted)
    }

    /// What the broker knows of the object.
    pub(crate) fn info(&self) -> Result<ObjectInfo> {
        match self.session.call(None, &Request::Query { opening: self.opening }, &[])? {
            (Reply::Facts(entry), _) => Ok(describe(entry)),
            _ => Err(Cause::Unexpected.into()),
        }
    }

    pub(crate) const fn object(&self) -> ObjectId {
        self.object
    }

    /// What this opening may do.
    pub(crate) const fn granted(&self) -> AccessMask {
        self.granted.mask()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.session.drop_opening(self.opening);
    }
}

/// An object that is nobody else's until it is shared first.
#[derive(Debug)]
pub(crate) struct Registration {
    process: Process,
    opened: OnceLock<Opened>,
    /// Held by who shares it first.
    first: Mutex<()>,
}

impl Registration {
    /// One that has not been shared.
    pub(crate) fn none() -> Result<Self> {
        Ok(Self { process: Process::own()?, opened: OnceLock::new(), first: Mutex::new(()) })
    }

    /// One that has.
    pub(crate) fn of(opened: Opened) -> Result<Self> {
        let process = Process::own()?;
        Ok(Self { process, opened: OnceLock::from(opened), first: Mutex::new(()) })
    }

    /// What may be done with it: everything, as long as it is nobody else's.
    pub(crate) fn access(&self, kind: Kind) -> AccessMask {
        self.opened.get().map_or(kind.rules().mapping.all, Opened::granted)
    }

    /// Refuses to go on in a forked child, which has none of its parent's objects.
    pub(crate) fn check_process(&self) -> Result<()> {
        self.process.check()
    }

    /// The opening, once it has been shared.
    pub(crate) fn opened(&self) -> Option<&Opened> {
        self.opened.get()
    }

    /// Makes a share. The first one makes the object: `create` asks for it, and is called once,
    /// with nobody else sharing.
    pub(crate) fn share(
        &self,
        name: Option<&str>,
        access: AccessMask,
        create: impl FnOnce() -> Result<(Opened, Handle)>,
    ) -> Result<Handle> {
        self.check_process()?;
        if let Some(opened) = self.opened.get() {
            return opened.share(name, access);
        }
        let _first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = self.opened.get() {
            return opened.share(name, access);
        }
        let (opened, handle) = create()?;
        self.opened.get_or_init(|| opened);
        Ok(handle)
    }
}
