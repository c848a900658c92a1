//! Events: set or not, and waited for.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Kind, ObjectId, Reset, Spec, View};
use handfast_sync::event::{self, EVENT_LONGS, Initially};
use handfast_sync::wait::{Outcome, Waitable as _};
use handfast_sync::{Seat, Watched};

use crate::async_wait::{self, Reached};
use crate::client::ObjectInfo;
use crate::error::{Cause, Result};
use crate::handle::Handle;
use crate::held::OwnHandle;
use crate::opened::{Came, Opened, Registration};
use crate::wait::{Ticket, WaitOutcome, wait_one};
use crate::words::{Futex, PrivateWords, SharedWords};

/// An event: set by some, waited for by others.
///
/// A manual-reset event lets every wait through while it is set; an auto-reset event lets one
/// through for each time it is set. Setting, resetting and waiting take no broker. Copies of it
/// ([`Clone`]) are the same opening.
///
/// ```no_run
/// # fn main() -> Result<(), handfast::Error> {
/// use handfast::{Event, Reset};
/// let go = Event::create("go", Reset::Auto)?;
/// go.set()?;
///
/// let go = Event::open("go")?; // in another process
/// go.wait()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    /// Dropped before the opening, so that nothing of the object is left when that goes.
    handle: Option<Arc<OwnHandle>>,
    core: Arc<Core>,
}

#[derive(Debug)]
pub(crate) struct Core {
    reset: Reset,
    /// Where the event is until it is shared; none for one that was opened, or has a name at once.
    private: Option<Private>,
    /// Dropped before the page, which the broker must know to be free before it is offered.
    registration: Registration,
    shared: OnceLock<Shared>,
}

#[derive(Debug)]
struct Private {
    event: event::Event<PrivateWords, Futex>,
    seat: Seat,
    /// Held to read by whoever changes the event, to write by whoever moves it.
    moving: RwLock<()>,
}

#[derive(Debug)]
enum Shared {
    Writable { event: event::Event<SharedWords, Futex>, seat: Arc<Seat> },
    ReadOnly(event::EventReader<SharedWords>),
}

impl Event {
    /// Makes an event without a name, not set, of this process alone until it is shared. No broker
    /// is asked.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Kernel`] when there is no memory.
    pub fn new(reset: Reset) -> Result<Self> {
        let words = PrivateWords::new(EVENT_LONGS);
        let kind = match reset {
            Reset::Manual => event::Reset::Manual,
            Reset::Auto => event::Reset::Auto,
        };
        event::format(&words, kind, Initially::Unsignaled)?;
        let private = Private {
            event: event::Event::new(words, Futex)?,
            seat: Seat::new(0).ok_or(Cause::Unexpected)?,
            moving: RwLock::new(()),
        };
        let core = Core {
            reset,
            private: Some(private),
            shared: OnceLock::new(),
            registration: Registration::none()?,
        };
        Ok(Self { core: Arc::new(core), handle: None })
    }

    /// Makes an event with a name, which it bears until its last copy here is dropped, or this
    /// process ends.
    ///
    /// # Errors
    ///
    /// As [`Self::share`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started.
    pub fn create(name: &str, reset: Reset) -> Result<Self> {
        let (spec, access) = (Spec::Event { reset, signaled: false }, AccessMask::GENERIC_ALL);
        let (opened, handle, came) = Opened::create(spec, Some(name), access, &[])?;
        let mut made = Self::of((opened, spec, came))?;
        made.handle = Some(Arc::new(handle));
        Ok(made)
    }

    /// Opens an event by name, with every right. A name that may come later is waited for as
    /// [`crate::Surface::open`] says.
    ///
    /// # Errors
    ///
    /// As [`Self::open_with`].
    pub fn open(name: &str) -> Result<Self> {
        Self::open_with(name, AccessMask::GENERIC_ALL)
    }

    /// Opens an event by name with the rights that are asked for: `EVENT_MODIFY` to set and reset,
    /// `SYNCHRONIZE` to wait, `EVENT_QUERY` to look. `GENERIC_READ` may look, not wait:
    /// [`crate::Access`] has what the generic rights stand for.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`], [`crate::ErrorKind::AccessDenied`],
    /// [`crate::ErrorKind::NameInvalid`], [`crate::ErrorKind::Invalid`] when the name is of
    /// something else.
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started.
    pub fn open_with(name: &str, access: AccessMask) -> Result<Self> {
        Opened::open(Kind::Event, name, access).and_then(Self::of)
    }

    /// Opens the event of a handle, with what the handle may do.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`], [`crate::ErrorKind::Invalid`] when the handle is of
    /// something else.
    pub fn open_handle(handle: &Handle) -> Result<Self> {
        Opened::open_handle(Kind::Event, handle).and_then(Self::of)
    }

    fn of((opened, spec, mut came): (Opened, Spec, Came)) -> Result<Self> {
        let Spec::Event { reset, .. } = spec else { return Err(Cause::Unexpected.into()) };
        let shared = OnceLock::new();
        if let Some(found) = Shared::open(&opened, &mut came)? {
            shared.get_or_init(|| found);
        }
        let registration = Registration::of(opened)?;
        let core = Core { reset, private: None, shared, registration };
        Ok(Self { core: Arc::new(core), handle: None })
    }

    /// Shares it: a handle, and a name that lives as long as that handle or a copy of it. The
    /// first time, the event moves into shared memory; who waits for it goes on waiting.
    ///
    /// # Access
    ///
    /// An event that was opened can be shared with the rights of the opening, and fewer.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NameTaken`], [`crate::ErrorKind::NameInvalid`],
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::LimitReached`],
    /// [`crate::ErrorKind::BrokerUnavailable`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started. The first time, whoever sets, resets or waits for
    /// it in another thread waits for that, too.
    ///
    /// # Ownership
    ///
    /// The handle is the caller's; the event does not keep it.
    pub fn share(&self, name: Option<&str>, access: AccessMask) -> Result<Handle> {
        let core = &self.core;
        core.registration.share(name, access, || {
            let private = core.private.as_ref().ok_or(Cause::Unexpected)?;
            let moving = private.moving.write().unwrap_or_else(PoisonError::into_inner);
            let spec = Spec::Event { reset: core.reset, signaled: private.event.is_signaled() };
            let (opened, handle, mut came) = Opened::create(spec, name, access, &[])?;
            let shared = Shared::open(&opened, &mut came)?.ok_or(Cause::Unexpected)?;
            core.shared.get_or_init(|| shared);
            drop(moving);
            private.event.retire();
            Ok((opened, handle))
        })
    }

    /// Sets it and wakes who waits; whether it was set before.
    ///
    /// # Contract
    ///
    /// `SetEvent`.
    ///
    /// # Access
    ///
    /// `EVENT_MODIFY`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    pub fn set(&self) -> Result<bool> {
        self.core.change(AccessMask::EVENT_MODIFY, event::Event::set, event::Event::set)
    }

    /// Resets it; whether it was set before.
    ///
    /// # Contract
    ///
    /// `ResetEvent`.
    ///
    /// # Access
    ///
    /// `EVENT_MODIFY`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    pub fn reset(&self) -> Result<bool> {
        self.core.change(AccessMask::EVENT_MODIFY, event::Event::reset, event::Event::reset)
    }

    /// Whether it is set. Nothing is changed.
    ///
    /// # Access
    ///
    /// `EVENT_QUERY`, `EVENT_MODIFY`, `SYNCHRONIZE` or `READ_CONTROL`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    pub fn is_set(&self) -> Result<bool> {
        self.core.registration.check_process()?;
        match (self.core.shared.get(), &self.core.private) {
            (Some(Shared::Writable { event, .. }), _) => Ok(event.is_signaled()),
            (Some(Shared::ReadOnly(event)), _) => Ok(event.is_signaled()),
            (None, Some(private)) => Ok(private.event.is_signaled()),
            (None, None) => Err(self.core.denied(AccessMask::EVENT_QUERY)),
        }
    }

    /// Waits until it is set, and takes that if it is an auto-reset event.
    ///
    /// # Contract
    ///
    /// `WaitForSingleObject`.
    ///
    /// # Access
    ///
    /// `SYNCHRONIZE`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    ///
    /// # Blocking
    ///
    /// Until then. Whoever could have set it may be gone: an event has no owner who could be
    /// missed.
    pub fn wait(&self) -> Result<WaitOutcome> {
        Ok(wait_one(self.ticket()?, None))
    }

    /// As [`Self::wait`], at most so long; zero looks once.
    ///
    /// # Errors
    ///
    /// As [`Self::wait`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<WaitOutcome> {
        Ok(wait_one(self.ticket()?, Some(timeout)))
    }

    /// Waits as a future, or as a descriptor for `epoll`, which becomes readable when the event
    /// was set and, if it is an auto-reset event, taken: ask for [`Reached::outcome`] then, or it
    /// is set again when the wait is dropped.
    ///
    /// # Errors
    ///
    /// As [`Self::wait`]; [`crate::ErrorKind::LimitReached`] for descriptors or threads.
    pub fn taken(&self) -> Result<Reached> {
        self.core.check_wait()?;
        async_wait::start_event(Arc::clone(&self.core))
    }

    /// What makes it unset again.
    #[must_use]
    pub fn reset_by(&self) -> Reset {
        self.core.reset
    }

    /// Its id, once it has been shared: the same in every process.
    #[must_use]
    pub fn object(&self) -> Option<ObjectId> {
        self.core.registration.opened().map(Opened::object)
    }

    /// What may be done with it through this opening.
    #[must_use]
    pub fn access(&self) -> AccessMask {
        self.core.registration.access(Kind::Event)
    }

    /// What the broker knows of it; None while it has not been shared.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    pub fn info(&self) -> Result<Option<ObjectInfo>> {
        self.core.registration.opened().map(Opened::info).transpose()
    }

    pub(crate) fn ticket(&self) -> Result<Ticket<'_>> {
        self.core.check_wait()?;
        let mut ticket = CoreTicket { core: &self.core, private: None, shared: None };
        // It begins here, not at the first look.
        ticket.home();
        Ok(Box::new(ticket))
    }

    pub(crate) fn check_settable(&self) -> Result<()> {
        self.core.registration.check_process()?;
        self.core.check(AccessMask::EVENT_MODIFY)
    }
}

type PrivateEvent = event::Event<PrivateWords, Futex>;
type SharedEvent = event::Event<SharedWords, Futex>;

impl Core {
    fn change(
        &self,
        wanted: AccessMask,
        here: impl FnOnce(&PrivateEvent) -> bool,
        there: impl FnOnce(&SharedEvent) -> bool,
    ) -> Result<bool> {
        self.registration.check_process()?;
        self.check(wanted)?;
        self.change_unasked(here, there).ok_or_else(|| self.denied(wanted))
    }

    /// Without a look at rights; None where the page cannot be written.
    fn change_unasked(
        &self,
        here: impl FnOnce(&PrivateEvent) -> bool,
        there: impl FnOnce(&SharedEvent) -> bool,
    ) -> Option<bool> {
        if let Some(private) = self.private.as_ref().filter(|_| self.shared.get().is_none()) {
            let _stays = private.moving.read().unwrap_or_else(PoisonError::into_inner);
            if self.shared.get().is_none() {
                return Some(here(&private.event));
            }
        }
        match self.shared.get() {
            Some(Shared::Writable { event, .. }) => Some(there(event)),
            Some(Shared::ReadOnly(_)) | None => None,
        }
    }

    fn check(&self, wanted: AccessMask) -> Result<()> {
        if self.registration.access(Kind::Event).contains(wanted) {
            Ok(())
        } else {
            Err(self.denied(wanted))
        }
    }

    fn denied(&self, wanted: AccessMask) -> crate::Error {
        let granted = self.registration.access(Kind::Event);
        Cause::NotGranted { wanted, granted, kind: Kind::Event }.into()
    }

    fn check_wait(&self) -> Result<()> {
        self.registration.check_process()?;
        self.check(AccessMask::SYNCHRONIZE)
    }
}

impl Core {
    /// Takes it if it can be taken, without remembering what was before.
    pub(crate) fn try_take(&self) -> Option<Outcome> {
        CoreTicket { core: self, private: None, shared: None }.try_take()
    }

    /// Sets it again, because whoever took it is gone; that takes no right but the one to take.
    pub(crate) fn give_back(&self) {
        if self.reset == Reset::Auto {
            self.change_unasked(event::Event::set, event::Event::set);
        }
    }

    /// Whether it could be taken now; changes nothing.
    pub(crate) fn can_be_taken(&self) -> bool {
        CoreTicket { core: self, private: None, shared: None }.peek().is_some()
    }

    /// What to sleep on until it can be taken.
    pub(crate) fn arm(&self) -> Option<Watched<'_>> {
        match (self.shared.get(), &self.private) {
            (Some(Shared::Writable { event, .. }), _) => event.arm(),
            (Some(Shared::ReadOnly(event)), _) => Some(event.arm()),
            (None, Some(private)) => self.unless_moved(private.event.arm()),
            (None, None) => None,
        }
    }

    /// What was armed in private memory, unless the event has moved from there: who moves it shows
    /// the new page before it begins the old one's last turn, so a sleeper that saw that turn begin
    /// finds the page here.
    fn unless_moved<'a>(&self, armed: Option<Watched<'a>>) -> Option<Watched<'a>> {
        armed.filter(|_| self.shared.get().is_none())
    }

    /// Sets it, for a wait that has ended. The opening's rights were looked at when it began.
    pub(crate) fn set_for_wait(&self) -> Result<bool> {
        self.change(AccessMask::EVENT_MODIFY, event::Event::set, event::Event::set)
    }
}

impl Event {
    /// What tells it from other events: openings of one object are one event.
    pub(crate) fn identity(&self) -> (u64, u64) {
        match self.object() {
            Some(object) => (object.instance, object.counter),
            // No broker's instance is 0 but by one chance in 2^64.
            None => (0, Arc::as_ptr(&self.core).addr() as u64),
        }
    }

    pub(crate) const fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl Shared {
    fn open(opened: &Opened, came: &mut Came) -> Result<Option<Self>> {
        let seat = came.parts.seat;
        let Some((words, view)) = came.split_page()? else { return Ok(None) };
        Ok(Some(match view {
            View::Writable => {
                let rank = opened.object().counter;
                let event = event::Event::new(words, Futex)?.ranked(rank);
                Self::Writable { event, seat: opened.seat(seat)? }
            }
            View::ReadOnly => Self::ReadOnly(event::EventReader::new(words)?),
        }))
    }
}

/// A wait with its event, among other waits. It follows the event where that moves.
struct CoreTicket<'a> {
    core: &'a Core,
    private: Option<PrivateTicket<'a>>,
    shared: Option<Ticket<'a>>,
}

struct PrivateTicket<'a> {
    ticket: event::EventTicket<'a, PrivateWords, Futex>,
    /// Held while something is reserved: the event does not move meanwhile.
    stays: Option<RwLockReadGuard<'a, ()>>,
}

/// Where the event of a ticket is at present.
enum Home<'t, 'a> {
    Private(&'t mut PrivateTicket<'a>, &'a Private),
    Shared(&'t mut Ticket<'a>),
    /// It moved, and what the wait was for had happened before.
    Passed,
    Nowhere,
}

impl<'a> CoreTicket<'a> {
    fn home(&mut self) -> Home<'_, 'a> {
        let core = self.core;
        let Some(shared) = core.shared.get() else {
            let Some(private) = &core.private else { return Home::Nowhere };
            let ticket = self.private.get_or_insert_with(|| PrivateTicket {
                ticket: private.event.begin_wait(&private.seat),
                stays: None,
            });
            return Home::Private(ticket, private);
        };
        let manual = core.reset == Reset::Manual;
        if let Some(mut private) = self.private.take()
            && manual
            && private.ticket.try_take() == Some(Outcome::Signaled)
        {
            return Home::Passed;
        }
        Home::Shared(self.shared.get_or_insert_with(|| match shared {
            Shared::Writable { event, seat } => Box::new(event.begin_wait(seat)),
            Shared::ReadOnly(event) => Box::new(event.begin_wait()),
        }))
    }
}

impl<'a> handfast_sync::wait::Waitable<'a> for CoreTicket<'a> {
    fn rank(&self) -> Option<u64> {
        (self.core.reset == Reset::Auto)
            .then(|| self.core.registration.opened().map_or(0, |opened| opened.object().counter))
    }

    fn peek(&mut self) -> Option<Outcome> {
        match self.home() {
            Home::Private(private, _) => private.ticket.peek(),
            Home::Shared(shared) => shared.peek(),
            Home::Passed => Some(Outcome::Signaled),
            Home::Nowhere => Some(Outcome::Lost),
        }
    }

    fn is_settled(&mut self) -> bool {
        match self.home() {
            Home::Private(private, _) => private.ticket.is_settled(),
            Home::Shared(shared) => shared.is_settled(),
            Home::Passed => true,
            Home::Nowhere => false,
        }
    }

    fn try_take(&mut self) -> Option<Outcome> {
        let core = self.core;
        if let Home::Private(ticket, private) = self.home() {
            let _stays = private.moving.read().unwrap_or_else(PoisonError::into_inner);
            if !core.has_moved() {
                return ticket.ticket.try_take();
            }
        }
        match self.home() {
            Home::Shared(shared) => shared.try_take(),
            Home::Passed => Some(Outcome::Signaled),
            Home::Private(..) => None,
            Home::Nowhere => Some(Outcome::Lost),
        }
    }

    fn reserve(&mut self) -> bool {
        match self.home() {
            Home::Private(ticket, private) => {
                // Whoever is about to move it waits for nobody who holds a reservation and waits
                // for this one.
                let Ok(stays) = private.moving.try_read() else { return false };
                ticket.stays = Some(stays);
                !self.core.has_moved() && self.on_private(|ticket| ticket.reserve())
            }
            Home::Shared(shared) => shared.reserve(),
            Home::Passed => true,
            Home::Nowhere => false,
        }
    }

    fn holds(&mut self) -> bool {
        match &mut self.shared {
            Some(shared) => shared.holds(),
            None => self.on_private(|ticket| ticket.holds()),
        }
    }

    fn commit(&mut self) {
        match &mut self.shared {
            Some(shared) => shared.commit(),
            None => {
                self.on_private(|ticket| {
                    ticket.commit();
                    true
                });
            }
        }
        self.let_move();
    }

    fn back_out(&mut self) {
        match &mut self.shared {
            Some(shared) => shared.back_out(),
            None => {
                self.on_private(|ticket| {
                    ticket.back_out();
                    true
                });
            }
        }
        self.let_move();
    }

    fn arm(&mut self) -> Option<Watched<'a>> {
        let core = self.core;
        match self.home() {
            Home::Private(ticket, _) => core.unless_moved(ticket.ticket.arm()),
            Home::Shared(shared) => shared.arm(),
            Home::Passed | Home::Nowhere => None,
        }
    }
}

impl<'a> CoreTicket<'a> {
    /// What the ticket of the private event says; true where there is none, since it has passed.
    fn on_private(
        &mut self,
        ask: impl FnOnce(&mut event::EventTicket<'a, PrivateWords, Futex>) -> bool,
    ) -> bool {
        self.private.as_mut().is_none_or(|private| ask(&mut private.ticket))
    }

    /// Nothing is reserved any more.
    fn let_move(&mut self) {
        if let Some(private) = &mut self.private {
            private.stays = None;
        }
    }
}

impl Core {
    fn has_moved(&self) -> bool {
        self.shared.get().is_some()
    }
}
