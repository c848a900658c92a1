//! Fences: a 64-bit value that some signal and others wait for.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Kind, ObjectId, Spec, View};
use handfast_sync::fence::{self, Look, Wait, WaitFor as _};
use handfast_sync::wait::Outcome;
use handfast_sync::{Seat, Watched};
use handfast_sys::clock;

use crate::async_wait::{self, Goal, Reached};
use crate::client::ObjectInfo;
use crate::error::{Cause, Result};
use crate::event::Event;
use crate::handle::Handle;
use crate::held::OwnHandle;
use crate::link::deadline_ns;
use crate::opened::{Came, Opened, Registration};
use crate::wait::{Ticket, WaitObject, WaitOutcome};
use crate::words::{Futex, PrivateWords, SharedWords, sleep};

/// A fence: any 64-bit value, which may also go back, as in Direct3D.
///
/// Signalling and waiting take no broker: a signal that nobody waits for is a few instructions.
/// Copies of it ([`Clone`]) are the same opening.
///
/// A process counts as one who signals it if it made it or has signalled it. When the last of
/// those drops the fence, waits end with [`WaitOutcome::Abandoned`]; when it ends without that, be
/// it killed or by [`std::process::exit`], with [`WaitOutcome::Lost`]; until somebody signals it
/// again. The latter the broker says: if it was killed, nobody does, and a wait without an end has
/// none.
///
/// One fence says that a picture is drawn, not that it may be drawn over: before drawing again
/// wait, with an end, for a second one that the reader signals (the examples `produce` and
/// `consume`).
///
/// ```no_run
/// # fn main() -> Result<(), handfast::Error> {
/// use handfast::Fence;
/// let drawn = Fence::create("drawn", 0)?;
/// drawn.signal(1)?;
///
/// let drawn = Fence::open("drawn")?; // in another process
/// drawn.wait(1)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fence {
    /// Dropped before the opening, so that nothing of the object is left when that goes.
    handle: Option<Arc<OwnHandle>>,
    core: Arc<Core>,
}

#[derive(Debug)]
pub(crate) struct Core {
    /// Where the fence is until it is shared; none for one that was opened, or has a name at once.
    private: Option<Private>,
    /// Dropped before the page, which the broker must know to be free before it is offered.
    registration: Registration,
    shared: OnceLock<Shared>,
}

#[derive(Debug)]
struct Private {
    fence: fence::Fence<PrivateWords, Futex>,
    /// Held to read by whoever signals, to write by whoever moves the fence.
    moving: RwLock<()>,
}

#[derive(Debug)]
enum Shared {
    Writable { fence: fence::Fence<SharedWords, Futex>, seat: Arc<Seat> },
    ReadOnly(fence::FenceReader<SharedWords>),
}

impl Fence {
    /// Makes a fence without a name, of this process alone until it is shared. No broker is asked.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Kernel`] when there is no memory.
    pub fn new(value: u64) -> Result<Self> {
        let words = PrivateWords::new(fence::LOCAL_LONGS);
        fence::format(&words, value)?;
        let fence = fence::Fence::new(words, Futex)?;
        let core = Core {
            private: Some(Private { fence, moving: RwLock::new(()) }),
            shared: OnceLock::new(),
            registration: Registration::none()?,
        };
        Ok(Self { core: Arc::new(core), handle: None })
    }

    /// Makes a fence with a name, which it bears until its last copy here is dropped, or this
    /// process ends.
    ///
    /// # Errors
    ///
    /// As [`Self::share`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started.
    pub fn create(name: &str, value: u64) -> Result<Self> {
        let (spec, access) = (Spec::Fence { value }, AccessMask::GENERIC_ALL);
        let (opened, handle, came) = Opened::create(spec, Some(name), access, &[])?;
        let mut made = Self::of((opened, spec, came))?;
        made.handle = Some(Arc::new(handle));
        Ok(made)
    }

    /// Opens a fence by name, with every right. A name that may come later is waited for as
    /// [`crate::Surface::open`] says.
    ///
    /// # Errors
    ///
    /// As [`Self::open_with`].
    pub fn open(name: &str) -> Result<Self> {
        Self::open_with(name, AccessMask::GENERIC_ALL)
    }

    /// Opens a fence by name with the rights that are asked for: [`crate::Access::FENCE_WAIT`],
    /// [`crate::Access::FENCE_SIGNAL`], or both. One that may only wait gets no memory that it
    /// could write, and costs who signals a wake each time. [`crate::Access`] has what the generic
    /// rights stand for.
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
        Opened::open(Kind::Fence, name, access).and_then(Self::of)
    }

    /// Opens the fence of a handle, with what the handle may do.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`], [`crate::ErrorKind::Invalid`] when the handle is of
    /// something else.
    pub fn open_handle(handle: &Handle) -> Result<Self> {
        Opened::open_handle(Kind::Fence, handle).and_then(Self::of)
    }

    fn of((opened, _, mut came): (Opened, Spec, Came)) -> Result<Self> {
        let shared = OnceLock::new();
        if let Some(found) = Shared::open(&opened, &mut came)? {
            shared.get_or_init(|| found);
        }
        let registration = Registration::of(opened)?;
        Ok(Self { core: Arc::new(Core { private: None, shared, registration }), handle: None })
    }

    /// Shares it: a handle, and a name that lives as long as that handle or a copy of it. The
    /// first time, the fence moves into shared memory; who waits for it goes on waiting.
    ///
    /// # Contract
    ///
    /// `ID3D11Fence::CreateSharedHandle`, `ID3D12Device::CreateSharedHandle`.
    ///
    /// # Access
    ///
    /// A fence that was opened can be shared with the rights of the opening, and fewer.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NameTaken`], [`crate::ErrorKind::NameInvalid`],
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::LimitReached`],
    /// [`crate::ErrorKind::BrokerUnavailable`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, or is started. The first time, signals of other threads wait for
    /// that, too.
    ///
    /// # Ownership
    ///
    /// The handle is the caller's; the fence does not keep it.
    pub fn share(&self, name: Option<&str>, access: AccessMask) -> Result<Handle> {
        let core = &self.core;
        core.registration.share(name, access, || {
            let private = core.private.as_ref().ok_or(Cause::Unexpected)?;
            let moving = private.moving.write().unwrap_or_else(PoisonError::into_inner);
            let spec = Spec::Fence { value: private.fence.value() };
            let (opened, handle, mut came) = Opened::create(spec, name, access, &[])?;
            let shared = Shared::open(&opened, &mut came)?.ok_or(Cause::Unexpected)?;
            core.shared.get_or_init(|| shared);
            drop(moving);
            private.fence.retire();
            Ok((opened, handle))
        })
    }

    /// Sets the value, any value, and wakes who waits for it.
    ///
    /// # Contract
    ///
    /// `ID3D12Fence::Signal`.
    ///
    /// # Access
    ///
    /// [`crate::Access::FENCE_SIGNAL`].
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    ///
    /// # Blocking
    ///
    /// Never, but while another thread shares it for the first time.
    pub fn signal(&self, value: u64) -> Result<()> {
        self.core.signal(value)
    }

    /// The value now.
    ///
    /// # Contract
    ///
    /// `ID3D12Fence::GetCompletedValue`.
    ///
    /// # Access
    ///
    /// [`crate::Access::FENCE_WAIT`], [`crate::Access::FENCE_SIGNAL`], `SYNCHRONIZE` or
    /// `READ_CONTROL`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    pub fn value(&self) -> Result<u64> {
        self.core.registration.check_process()?;
        self.core.value().ok_or_else(|| Cause::ValueUnseen.into())
    }

    /// Waits until the value is, or was since the call began, at least `value`.
    ///
    /// # Access
    ///
    /// [`crate::Access::FENCE_WAIT`] or `SYNCHRONIZE`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::AccessDenied`], [`crate::ErrorKind::Forked`].
    ///
    /// # Blocking
    ///
    /// Until then, or until nobody is left who could signal. Nobody says the latter in the process
    /// that made the fence, nor of one that was killed after the broker was: there
    /// [`Self::wait_timeout`] is safer.
    pub fn wait(&self, value: u64) -> Result<WaitOutcome> {
        self.core.wait(value, None)
    }

    /// As [`Self::wait`], at most so long; zero looks once.
    ///
    /// # Errors
    ///
    /// As [`Self::wait`].
    pub fn wait_timeout(&self, value: u64, timeout: Duration) -> Result<WaitOutcome> {
        self.core.wait(value, Some(timeout))
    }

    /// A value of it, for [`crate::wait_any`] and [`crate::wait_all`].
    #[must_use]
    pub const fn at(&self, value: u64) -> WaitObject<'_> {
        WaitObject::Fence { fence: self, value }
    }

    /// Waits as a future, or as a descriptor for `epoll`, which becomes readable.
    ///
    /// The waiting is done by one thread of this process, for everything that waits like this.
    ///
    /// # Errors
    ///
    /// As [`Self::wait`]; [`crate::ErrorKind::LimitReached`] for descriptors or threads.
    pub fn reached(&self, value: u64) -> Result<Reached> {
        async_wait::start(self.goal(value)?)
    }

    /// Sets the event when the value is reached, or can be reached no more.
    ///
    /// # Contract
    ///
    /// `ID3D12Fence::SetEventOnCompletion`.
    ///
    /// # Access
    ///
    /// [`crate::Access::FENCE_WAIT`] or `SYNCHRONIZE`; of the event `EVENT_MODIFY`.
    ///
    /// # Errors
    ///
    /// As [`Self::wait`]; [`crate::ErrorKind::LimitReached`].
    ///
    /// # Blocking
    ///
    /// Never: if it is reached already, the event is set at once.
    pub fn set_event_on_completion(&self, value: u64, event: &Event) -> Result<()> {
        event.check_settable()?;
        async_wait::set_event(self.goal(value)?, event)
    }

    pub(crate) fn ticket(&self, value: u64) -> Result<Ticket<'_>> {
        let core = &*self.core;
        Ok(Box::new(CoreTicket { core, wait: core.begin(value)? }))
    }

    fn goal(&self, value: u64) -> Result<Goal> {
        Ok(Goal { wait: self.core.begin(value)?, core: Arc::clone(&self.core) })
    }

    /// Its id, once it has been shared: the same in every process.
    #[must_use]
    pub fn object(&self) -> Option<ObjectId> {
        self.core.registration.opened().map(Opened::object)
    }

    /// What may be done with it through this opening.
    #[must_use]
    pub fn access(&self) -> AccessMask {
        self.core.registration.access(Kind::Fence)
    }

    /// What the broker knows of it; None while it has not been shared.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    pub fn info(&self) -> Result<Option<ObjectInfo>> {
        self.core.registration.opened().map(Opened::info).transpose()
    }
}

/// A wait, and on which page it is at home.
#[derive(Clone, Debug)]
pub(crate) struct CoreWait {
    wait: Wait,
    private: bool,
}

impl Drop for Core {
    fn drop(&mut self) {
        // Who waits is told here and now; the broker may be gone.
        if let (Some(Shared::Writable { fence, seat }), Some(opened)) =
            (self.shared.get(), self.registration.opened())
        {
            opened.leave_seat(seat, || fence.release(seat));
        }
    }
}

impl Core {
    fn signal(&self, value: u64) -> Result<()> {
        self.registration.check_process()?;
        if let Some(shared) = self.shared.get() {
            return self.signal_shared(shared, value);
        }
        let Some(private) = &self.private else {
            return Err(self.denied(AccessMask::FENCE_SIGNAL));
        };
        let _stays = private.moving.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = self.shared.get() {
            return self.signal_shared(shared, value);
        }
        private.fence.signal(None, value);
        Ok(())
    }

    fn signal_shared(&self, shared: &Shared, value: u64) -> Result<()> {
        match shared {
            Shared::Writable { fence, seat } => {
                fence.signal(Some(seat), value);
                Ok(())
            }
            Shared::ReadOnly(_) => Err(self.denied(AccessMask::FENCE_SIGNAL)),
        }
    }

    fn denied(&self, wanted: AccessMask) -> crate::Error {
        let granted = self.registration.access(Kind::Fence);
        Cause::NotGranted { wanted, granted, kind: Kind::Fence }.into()
    }

    fn value(&self) -> Option<u64> {
        match (self.shared.get(), &self.private) {
            (Some(shared), _) => Some(shared.value()),
            (None, Some(private)) => Some(private.fence.value()),
            (None, None) => None,
        }
    }

    /// Begins a wait, if this opening may wait.
    fn begin(&self, value: u64) -> Result<CoreWait> {
        self.registration.check_process()?;
        let waiting = AccessMask::FENCE_WAIT | AccessMask::SYNCHRONIZE;
        let may_wait = self.registration.access(Kind::Fence).intersects(waiting);
        match (self.shared.get(), &self.private) {
            (Some(shared), _) if may_wait => {
                Ok(CoreWait { wait: shared.begin(value), private: false })
            }
            (None, Some(private)) => {
                Ok(CoreWait { wait: private.fence.begin_wait(value), private: true })
            }
            (Some(_), _) | (None, None) => Err(self.denied(AccessMask::FENCE_WAIT)),
        }
    }

    fn wait(&self, value: u64, timeout: Option<Duration>) -> Result<WaitOutcome> {
        let mut wait = self.begin(value)?;
        if let Some(outcome) = self.look(&mut wait) {
            return Ok(outcome.into());
        }
        let deadline_ns = timeout.map(deadline_ns);
        loop {
            let over = deadline_ns.is_some_and(|at| clock::now_ns() >= at);
            let armed = if over { None } else { self.arm(&mut wait) };
            if let Some(outcome) = self.look(&mut wait) {
                return Ok(outcome.into());
            }
            if over {
                return Ok(WaitOutcome::TimedOut);
            }
            if let Some(watched) = armed {
                sleep(&[watched], deadline_ns);
            }
        }
    }

    /// Looks, after following the fence to where it has moved.
    pub(crate) fn look(&self, wait: &mut CoreWait) -> Option<Outcome> {
        let look = match (self.shared.get(), &self.private) {
            (Some(shared), private) => {
                if let Some(private) = private.as_ref().filter(|_| wait.private) {
                    wait.wait.follow(&private.fence);
                    wait.private = false;
                }
                shared.look(&mut wait.wait)
            }
            (None, Some(private)) => private.fence.look(&mut wait.wait),
            (None, None) => Look::Lost,
        };
        match look {
            Look::Reached => Some(Outcome::Signaled),
            Look::Abandoned => Some(Outcome::Abandoned),
            Look::Lost => Some(Outcome::Lost),
            Look::Waiting => None,
        }
    }

    pub(crate) fn arm(&self, wait: &mut CoreWait) -> Option<Watched<'_>> {
        match (self.shared.get(), &self.private) {
            // It has moved: look again first.
            (Some(_), _) if wait.private => None,
            (Some(shared), _) => shared.arm(&mut wait.wait),
            // Who moves it shows the new page before it begins the old one's last turn: a sleeper
            // that saw that turn begin finds the page here.
            (None, Some(private)) => {
                let armed = private.fence.arm(&mut wait.wait);
                armed.filter(|_| self.shared.get().is_none())
            }
            (None, None) => None,
        }
    }
}

impl Shared {
    fn open(opened: &Opened, came: &mut Came) -> Result<Option<Self>> {
        let seat = came.parts.seat;
        let Some((words, view)) = came.split_page()? else { return Ok(None) };
        Ok(Some(match view {
            View::Writable => {
                let seat = opened.seat(seat)?;
                Self::Writable { fence: fence::Fence::new(words, Futex)?, seat }
            }
            View::ReadOnly => Self::ReadOnly(fence::FenceReader::new(words)?),
        }))
    }

    fn value(&self) -> u64 {
        match self {
            Self::Writable { fence, .. } => fence.value(),
            Self::ReadOnly(fence) => fence.value(),
        }
    }

    fn begin(&self, value: u64) -> Wait {
        match self {
            Self::Writable { fence, .. } => fence.begin_wait(value),
            Self::ReadOnly(fence) => fence.begin_wait(value),
        }
    }

    fn look(&self, wait: &mut Wait) -> Look {
        match self {
            Self::Writable { fence, .. } => fence.look(wait),
            Self::ReadOnly(fence) => fence.look(wait),
        }
    }

    fn arm(&self, wait: &mut Wait) -> Option<Watched<'_>> {
        match self {
            Self::Writable { fence, .. } => fence.arm(wait),
            Self::ReadOnly(fence) => fence.arm(wait),
        }
    }
}

/// A wait with its fence, among other waits.
struct CoreTicket<'a> {
    core: &'a Core,
    wait: CoreWait,
}

impl<'a> handfast_sync::wait::Waitable<'a> for CoreTicket<'a> {
    fn peek(&mut self) -> Option<Outcome> {
        self.core.look(&mut self.wait)
    }

    fn arm(&mut self) -> Option<Watched<'a>> {
        self.core.arm(&mut self.wait)
    }
}
