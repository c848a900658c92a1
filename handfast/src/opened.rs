//! An object that this process has open at the broker, whatever its kind.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{
    HandleForm, HandleId, Kind, ObjectId, OpeningId, Parts, RawName, Reply, Request, Spec, View,
};
use handfast_model::security::Granted;
use handfast_sync::Seat;
use handfast_sync::page::LINE_BYTES;
use handfast_sys::mapping;

use crate::client::{ObjectInfo, describe};
use crate::error::{Cause, Result};
use crate::handle::Handle;
use crate::held::{Bears, OwnHandle};
use crate::link::next_descriptor;
use crate::memory::Memory;
use crate::sender::page_bytes;
use crate::session::{self, Descriptors, Look, Process, Session};
use crate::spare::{Home, Mapped, Purpose};
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
    /// The page, if it was there.
    kept: Option<Mapped>,
    /// Where the page goes in the end, if it may be written.
    home: Option<Home>,
}

/// A page that came with an opening.
pub(crate) enum Page {
    /// To be mapped.
    Sent(OwnedFd, View),
    /// Mapped already, writable: formatted anew, or what was there before.
    Kept(Mapped),
}

/// A handle that was asked for with a new object or share.
pub(crate) trait NewHandle: Sized {
    /// How it is held.
    const FORM: HandleForm;

    /// It, of what the broker said; its descriptor, if it is one, is the next.
    fn take(given: Given<'_>, granted: Granted, descriptors: &mut Descriptors) -> Result<Self>;
}

/// What a new handle is of.
pub(crate) struct Given<'a> {
    session: &'a Arc<Session>,
    handle: HandleId,
    name: Option<&'a str>,
    object: ObjectId,
    kind: Kind,
}

impl NewHandle for Handle {
    const FORM: HandleForm = HandleForm::Descriptor;

    fn take(given: Given<'_>, granted: Granted, descriptors: &mut Descriptors) -> Result<Self> {
        Self::new(next_descriptor(descriptors)?, given.object, given.kind, granted)
    }
}

impl NewHandle for OwnHandle {
    const FORM: HandleForm = HandleForm::Held;

    fn take(given: Given<'_>, _granted: Granted, _: &mut Descriptors) -> Result<Self> {
        let bears = if given.name.is_some() { Bears::Name } else { Bears::Nothing };
        Ok(Self::new(Arc::clone(given.session), given.handle, bears))
    }
}

impl Came {
    /// The page.
    pub(crate) fn page(&mut self) -> Result<Option<Page>> {
        if let Some(kept) = self.kept.take() {
            return Ok(Some(Page::Kept(kept)));
        }
        let Some((_, view)) = self.parts.page else { return Ok(None) };
        Ok(Some(Page::Sent(next_descriptor(&mut self.descriptors)?, view)))
    }

    /// Where the page goes in the end, if it may be written.
    pub(crate) const fn home(&mut self) -> Option<Home> {
        self.home.take()
    }

    /// The page as two parts of words, mapped.
    pub(crate) fn split_page(&mut self) -> Result<Option<(SharedWords, View)>> {
        let (page, view) = match self.page()? {
            None => return Ok(None),
            Some(Page::Sent(page, view)) => (page, view),
            Some(Page::Kept(Mapped::Split(words))) => {
                return Ok(Some((SharedWords::new(words, self.home()), View::Writable)));
            }
            Some(Page::Kept(Mapped::Lock(_))) => return Err(Cause::Unexpected.into()),
        };
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
        Ok(Some((SharedWords::new(split.ok_or(Cause::Unexpected)?, self.home()), view)))
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
    pub(crate) fn create<H: NewHandle>(
        spec: Spec,
        name: Option<&str>,
        access: AccessMask,
        memory: &[BorrowedFd<'_>],
    ) -> Result<(Self, H, Came)> {
        let (session, made) = session::call_with(Look::at(memory), |session| {
            let (offered, mapped) = session.spares.take(&spec).unzip();
            let (form, spare) = (H::FORM, offered);
            let name_units = name.map(RawName::from);
            let request = Request::Create { spec, name: name_units, access, form, spare };
            match session.call(name, &request, memory) {
                Ok(answer) => Ok((answer, offered, mapped)),
                Err(error) => {
                    // The broker has it as before.
                    if let Some((page, mapped)) = offered.zip(mapped) {
                        session.spares.keep(page, Purpose::Next, mapped);
                    }
                    Err(error)
                }
            }
        })?;
        let ((reply, descriptors), offered, mapped) = made;
        let Reply::Created { object, opening, handle, form, granted, parts } = reply else {
            return Err(Cause::Unexpected.into());
        };
        if form != H::FORM {
            return Err(Cause::Unexpected.into());
        }
        let kind = spec.kind();
        let own = Granted::to_creator(AccessMask::GENERIC_ALL, &kind.rules().mapping);
        let opened = Self { session, opening, object, kind, granted: own };
        let session = &opened.session;
        let mut descriptors = descriptors.into_iter();
        let given = Given { session, handle, name, object, kind };
        let handle = H::take(given, granted, &mut descriptors)?;
        // What was offered and not taken is forgotten, here as there.
        let kept = mapped.filter(|_| parts.spare == offered);
        if kept.is_none() && parts.spare.is_some() {
            return Err(Cause::Unexpected.into());
        }
        let page = parts.spare.or(parts.page.map(|(page, _)| page));
        let purpose = Purpose::Next;
        let home = page.map(|page| Home { session: Arc::clone(session), page, purpose });
        let came = Came { parts, descriptors, kept, home };
        Ok((opened, handle, came))
    }

    /// Opens by name.
    pub(crate) fn open(kind: Kind, name: &str, access: AccessMask) -> Result<(Self, Spec, Came)> {
        let (session, answer) = session::call_with(Look::Not, |session| {
            let (known, mapped) = session.spares.take_known(kind, name).unzip();
            let request = Request::Open { kind, name: RawName::from(name), access, known };
            let (reply, descriptors) = session.call(Some(name), &request, &[])?;
            Ok((reply, descriptors, known.zip(mapped)))
        })?;
        let (reply, descriptors, known) = answer;
        let (opened, spec, parts) = Self::of(session, kind, reply)?;
        // What is known and is not the page any more is forgotten.
        let kept = known.filter(|(page, _)| parts.spare == Some(*page)).map(|(_, mapped)| mapped);
        if kept.is_none() && parts.spare.is_some() {
            return Err(Cause::Unexpected.into());
        }
        let sent = match parts.page {
            Some((page, View::Writable)) => Some(page),
            Some((_, View::ReadOnly)) | None => None,
        };
        let home = parts.spare.or(sent).map(|page| Home {
            session: Arc::clone(&opened.session),
            page,
            purpose: Purpose::Name(kind, name.into()),
        });
        Ok((opened, spec, Came { parts, descriptors: descriptors.into_iter(), kept, home }))
    }

    /// Opens what a handle is of, with what the handle may do.
    pub(crate) fn open_handle(kind: Kind, handle: &Handle) -> Result<(Self, Spec, Came)> {
        let request = Request::OpenPresented { kind };
        let (session, reply, descriptors) = session::call(None, &request, &[handle.borrow()])?;
        let (opened, spec, parts) = Self::of(session, kind, reply)?;
        Ok((opened, spec, Came { parts, descriptors, kept: None, home: None }))
    }

    fn of(session: Arc<Session>, kind: Kind, reply: Reply) -> Result<(Self, Spec, Parts)> {
        let Reply::Opened { object, opening, granted, spec, parts } = reply else {
            return Err(Cause::Unexpected.into());
        };
        let opened = Self { session, opening, object, kind, granted };
        if spec.kind() != kind {
            return Err(Cause::Unexpected.into());
        }
        Ok((opened, spec, parts))
    }

    /// This process's seat at the object's page, which all its openings share.
    pub(crate) fn seat(&self, number: u32) -> Result<Arc<Seat>> {
        self.session.seat(self.object, number)
    }

    /// Gives the seat up, if this opening is the last to have it.
    pub(crate) fn leave_seat(&self, seat: &Arc<Seat>, leave: impl FnOnce()) {
        self.session.leave_seat(self.object, seat, leave);
    }

    /// Makes another share over it.
    pub(crate) fn share<H: NewHandle>(&self, name: Option<&str>, access: AccessMask) -> Result<H> {
        let (opening, form) = (self.opening, H::FORM);
        let request = Request::Share { opening, name: name.map(RawName::from), access, form };
        let (reply, descriptors) = self.session.call(name, &request, &[])?;
        let Reply::Handle { object, handle, form: answered, granted } = reply else {
            return Err(Cause::Unexpected.into());
        };
        if answered != form {
            return Err(Cause::Unexpected.into());
        }
        let (session, kind) = (&self.session, self.kind);
        let given = Given { session, handle, name, object, kind };
        H::take(given, granted, &mut descriptors.into_iter())
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
    pub(crate) fn share<H: NewHandle>(
        &self,
        name: Option<&str>,
        access: AccessMask,
        create: impl FnOnce() -> Result<(Opened, H)>,
    ) -> Result<H> {
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
