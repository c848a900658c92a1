//! The one error of this crate.

use std::fmt;
use std::io;
use std::path::PathBuf;

use handfast_broker::activation::ActivationError;
use handfast_broker::place::PlaceError;
use handfast_model::contract::access::AccessMask;
use handfast_model::contract::format::LayoutError as PictureError;
use handfast_model::contract::frame::RecordError;
use handfast_model::contract::handle::{HandleClass, HandleValue};
use handfast_model::contract::status::Status;
use handfast_model::contract::surface::SurfaceError;
use handfast_model::object::{self, Cap, Kind};
use handfast_model::wire::{self, Refused, WireError};
use handfast_sync::page::LayoutError;
use thiserror::Error as ThisError;

use crate::refusal::{Counted, Denial, Refusal};

/// What this crate's calls return.
pub type Result<T> = core::result::Result<T, Error>;

/// Why a call failed. Its text says what was refused, the numbers, and what to do.
#[derive(ThisError)]
#[error(transparent)]
pub struct Error(#[from] Box<Cause>);

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The name is not one: empty, too long, with a backslash elsewhere than in the prefix
    /// `Global\` or `Local\`, or with the prefix `Session\`, which is reserved.
    NameInvalid,
    /// Another object bears the name.
    NameTaken,
    /// No object bears the name.
    NotFound,
    /// The rights do not allow it.
    AccessDenied,
    /// A limit of the broker's, or of the process's descriptors.
    LimitReached,
    /// There is not that much memory.
    OutOfMemory,
    /// The picture's size or format is not possible.
    PictureInvalid,
    /// The call is not allowed in the state that the object is in.
    Misuse,
    /// The descriptor is no handle of the broker's, or is closed.
    HandleInvalid,
    /// What was passed does not fit what it was passed for.
    Invalid,
    /// No broker could be found or started, or it refuses this user.
    BrokerUnavailable,
    /// The broker speaks no version that this program speaks.
    Version,
    /// The broker, or the process behind an object, is gone.
    Lost,
    /// The object belongs to the process that made it, and this is a forked child.
    Forked,
    /// The kernel refused.
    Kernel,
}

#[derive(Debug, ThisError)]
pub(crate) enum Cause {
    #[error("{}", Refusal { name: name.as_deref(), error })]
    Refused { name: Option<String>, error: object::Error },
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Activation(#[from] ActivationError),
    #[error("no broker answers, and {program} could not be started as one: {source}")]
    Start { program: PathBuf, source: io::Error },
    #[error("{0}")]
    Unwelcome(Unwelcome),
    #[error("the broker is gone")]
    BrokerLost,
    /// It was gone before it took in what was asked: another one may be asked.
    #[error("the broker is gone")]
    Unheard,
    #[error("the sender is gone, and so is the broker that would tell of the next one")]
    SenderLost,
    #[error("the broker's answer was not understood: {0}")]
    Wire(#[from] WireError),
    #[error("the broker answered something else than was asked")]
    Unexpected,
    #[error("the shared page is not what it should be: {0}")]
    Page(#[from] LayoutError),
    #[error("{0}")]
    Picture(#[from] PictureError),
    #[error("the frame's description is not to be believed: {0}")]
    Record(#[from] RecordError),
    #[error(
        "{wanted_bytes} bytes of shared memory are wanted and {available_bytes} are available: \
         use a smaller picture or fewer slots"
    )]
    NoRoom { wanted_bytes: u64, available_bytes: u64 },
    #[error("a stream has 2 to {limit} slots, not {slots}")]
    Slots { slots: u32, limit: u32 },
    #[error("a frame's own data has at most {limit} bytes, not {bytes}")]
    UserData { bytes: usize, limit: usize },
    #[error("{}", Denial { wanted: *wanted, granted: *granted, kind: *kind, owner_uid: None })]
    NotGranted { wanted: AccessMask, granted: AccessMask, kind: Kind },
    #[error(
        "{} at {offset_bytes} {} beyond the end of the memory, which has {size_bytes}",
        Counted(*length, "byte"),
        if *length == 1 { "is" } else { "are" }
    )]
    OutOfRange { offset_bytes: u64, length: usize, size_bytes: usize },
    #[error("the memory can only be read: open it with the right to write, or let its maker write")]
    ReadOnly,
    #[error("the memory was opened without the right to read or write it")]
    NotMapped,
    #[error(
        "a surface of {} has none with the number {index}",
        Counted(*subresources, "subresource")
    )]
    NoSubresource { index: u32, subresources: u32 },
    #[error("there is no row {row} in plane {plane}")]
    NoRow { plane: usize, row: u32 },
    #[error("others may write this surface too: write it with write(), not in place")]
    SharedBytes,
    #[error(
        "only its maker can write this surface: make it with Writers::Several \
         (in C: HF_WRITERS_SEVERAL)"
    )]
    MakersAlone,
    #[error("you may not look at its value: ask for FENCE_WAIT or FENCE_SIGNAL")]
    ValueUnseen,
    #[error(
        "a fence or event that may only be waited for needs a program of 64 bits: open it with \
         the right to signal, or build for 64 bits"
    )]
    NarrowReader,
    #[error("this opening of the surface owns its keyed mutex already")]
    OwnedAlready,
    #[error("this opening of the surface does not own its keyed mutex")]
    NotOwner,
    #[error("{0}")]
    Robust(handfast_sync::robust::Refused),
    #[error("{value} is no handle: it was closed here, or never was one{}", adoption(*value))]
    ValueUnknown { value: HandleValue },
    #[error("{value} is no handle of that process: it was closed there, or never was one")]
    ForeignValue { value: HandleValue },
    #[error("{value} is protected from being closed: take that flag off first")]
    Protected { value: HandleValue },
    #[error("the descriptor {number} is too high for a handle's value")]
    NumberTooHigh { number: i32 },
    #[error("no right is asked for: a duplicate has the same rights, or some")]
    NoRights,
    #[error("{number} is no number of a process")]
    NoProcessNumber { number: i32 },
    #[error("the process has ended")]
    ProcessGone,
    #[error("handles are taken out of processes of one's own user that do not hide from others")]
    ProcessDenied,
    #[error("there is nothing to wait for in an empty list")]
    NothingToWaitFor,
    #[error(
        "object {index} of the list is an auto-reset event that is in the list before: it could \
         never be taken twice at once"
    )]
    WaitedForTwice { index: usize },
    #[error("no thread could be started to wait: {0}")]
    Thread(io::Error),
    #[error("there can be no such surface: {0}")]
    Surface(#[from] SurfaceError),
    #[error("this object belongs to the process that made it, not to its forked child")]
    Forked,
    #[error("{}{}", .0, advice(.0))]
    Kernel(handfast_sys::Error),
}

/// What to do about it, where there is something to do.
fn advice(error: &handfast_sys::Error) -> &'static str {
    if error.is_descriptor_limit() {
        ": this program may have no more files open; raise its limit with ulimit -n"
    } else {
        ""
    }
}

/// How a descriptor becomes a handle, where the value is that of one.
fn adoption(value: HandleValue) -> &'static str {
    match value.class() {
        HandleClass::Descriptor { .. } => {
            "; a Rust program gives the table an inherited descriptor with HandleTable::adopt"
        }
        HandleClass::Ticket(_)
        | HandleClass::Legacy { .. }
        | HandleClass::Pseudo(_)
        | HandleClass::Nothing => "",
    }
}

// Not `#[from]`: its text is in ours, and would be told twice as the source of it.
impl From<handfast_sys::Error> for Cause {
    fn from(error: handfast_sys::Error) -> Self {
        Self::Kernel(error)
    }
}

#[derive(Debug)]
pub(crate) struct Unwelcome {
    pub(crate) refused: Refused,
    pub(crate) socket: PathBuf,
}

impl fmt::Display for Unwelcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = self.socket.display();
        match self.refused {
            Refused::Version { oldest, newest } => {
                let side = if newest < wire::VERSION_OLDEST { "broker" } else { "program" };
                let (own_oldest, own_newest) = (wire::VERSION_OLDEST, wire::VERSION);
                write!(
                    f,
                    "the broker at {socket} speaks versions {oldest} to {newest}, this program \
                     {own_oldest} to {own_newest}: update the {side}"
                )
            }
            Refused::Cap { cap, limit } => {
                write!(f, "the broker at {socket} is full: {} {limit}", cap.words())
            }
            Refused::User { uid, broker_uid } => write!(
                f,
                "the broker at {socket} serves user {broker_uid}, and you are user {uid}: set \
                 HANDFAST_SOCKET, or have a broker for all users run"
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0).finish()
    }
}

impl Error {
    pub(crate) fn refused(name: Option<&str>, error: object::Error) -> Self {
        Cause::Refused { name: name.map(str::to_owned), error }.into()
    }

    /// Whether the broker was gone before it took in what was asked.
    pub(crate) fn is_unheard(&self) -> bool {
        matches!(*self.0, Cause::Unheard)
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            Cause::Refused { error, .. } => refusal_kind(error),
            Cause::Place(_) | Cause::Activation(_) | Cause::Start { .. } => {
                ErrorKind::BrokerUnavailable
            }
            Cause::Unwelcome(unwelcome) => match unwelcome.refused {
                Refused::Version { .. } => ErrorKind::Version,
                Refused::Cap { .. } => ErrorKind::LimitReached,
                Refused::User { .. } => ErrorKind::BrokerUnavailable,
            },
            Cause::BrokerLost | Cause::Unheard | Cause::SenderLost => ErrorKind::Lost,
            Cause::Wire(_) | Cause::Unexpected | Cause::Page(_) => ErrorKind::Version,
            Cause::Picture(_) => ErrorKind::PictureInvalid,
            Cause::Record(_) | Cause::Slots { .. } | Cause::UserData { .. } => ErrorKind::Invalid,
            Cause::NoRoom { .. } => ErrorKind::OutOfMemory,
            Cause::Forked => ErrorKind::Forked,
            Cause::NotGranted { .. } | Cause::ReadOnly | Cause::NotMapped => {
                ErrorKind::AccessDenied
            }
            Cause::Surface(_) => ErrorKind::PictureInvalid,
            Cause::OutOfRange { .. }
            | Cause::NoSubresource { .. }
            | Cause::NoRow { .. }
            | Cause::NarrowReader
            | Cause::NoProcessNumber { .. }
            | Cause::NothingToWaitFor
            | Cause::WaitedForTwice { .. } => ErrorKind::Invalid,
            Cause::SharedBytes | Cause::MakersAlone | Cause::ValueUnseen | Cause::ProcessDenied => {
                ErrorKind::AccessDenied
            }
            Cause::OwnedAlready | Cause::NotOwner | Cause::Protected { .. } => ErrorKind::Misuse,
            Cause::ValueUnknown { .. } | Cause::ForeignValue { .. } => ErrorKind::HandleInvalid,
            Cause::NumberTooHigh { .. } => ErrorKind::LimitReached,
            Cause::NoRights => ErrorKind::Invalid,
            Cause::ProcessGone => ErrorKind::Lost,
            Cause::Robust(_) => ErrorKind::LimitReached,
            Cause::Thread(_) => ErrorKind::LimitReached,
            Cause::Kernel(error) if error.is_descriptor_limit() => ErrorKind::LimitReached,
            Cause::Kernel(error) if error.is_no_memory() => ErrorKind::OutOfMemory,
            Cause::Kernel(_) => ErrorKind::Kernel,
        }
    }

    /// The code that the sharing calls of the contract return for it.
    #[must_use]
    pub fn status(&self) -> Status {
        if let Cause::Refused { error, .. } = &*self.0 {
            return error.status();
        }
        if matches!(&*self.0, Cause::Protected { .. }) {
            return Status::E_HANDLE;
        }
        if matches!(&*self.0, Cause::ProcessGone) {
            return Status::E_ACCESSDENIED;
        }
        match self.kind() {
            ErrorKind::LimitReached | ErrorKind::OutOfMemory => Status::E_OUTOFMEMORY,
            ErrorKind::Lost => Status::DXGI_ERROR_DEVICE_REMOVED,
            ErrorKind::PictureInvalid | ErrorKind::Invalid => Status::E_INVALIDARG,
            ErrorKind::NameInvalid | ErrorKind::Misuse => Status::DXGI_ERROR_INVALID_CALL,
            ErrorKind::NameTaken => Status::DXGI_ERROR_NAME_ALREADY_EXISTS,
            ErrorKind::NotFound => Status::FILE_NOT_FOUND,
            ErrorKind::AccessDenied => Status::E_ACCESSDENIED,
            ErrorKind::HandleInvalid => Status::E_HANDLE,
            ErrorKind::BrokerUnavailable
            | ErrorKind::Version
            | ErrorKind::Forked
            | ErrorKind::Kernel => Status::E_FAIL,
        }
    }

    /// The process that bears the name, if that is why the call failed.
    #[must_use]
    pub fn holder_pid(&self) -> Option<i32> {
        if let Cause::Refused { error: object::Error::NameTaken { pid, .. }, .. } = &*self.0 {
            return Some(*pid);
        }
        None
    }

    /// The kind of the object that bears the name, if the call failed because another kind was
    /// asked for.
    #[must_use]
    pub fn found_kind(&self) -> Option<Kind> {
        if let Cause::Refused { error: object::Error::KindMismatch { found, .. }, .. } = &*self.0 {
            return Some(*found);
        }
        None
    }

    /// Whether the broker knows nothing under the ticket that it was asked for.
    pub(crate) fn is_ticket_unknown(&self) -> bool {
        matches!(&*self.0, Cause::Refused { error: object::Error::TicketUnknown { .. }, .. })
    }

    pub(crate) fn is_stream_over(&self) -> bool {
        matches!(&*self.0, Cause::Refused { error: object::Error::StreamOver, .. })
    }
}

fn refusal_kind(error: &object::Error) -> ErrorKind {
    use object::Error as E;
    match error {
        E::NameEmpty | E::NameTooLong { .. } | E::NameBackslash { .. } | E::NameReserved => {
            ErrorKind::NameInvalid
        }
        E::NameTaken { .. } => ErrorKind::NameTaken,
        E::NameNotFound => ErrorKind::NotFound,
        E::AccessDenied { .. } | E::ProcessDenied { .. } => ErrorKind::AccessDenied,
        E::CapReached { cap: Cap::SlotBytes | Cap::Slots, .. } => ErrorKind::PictureInvalid,
        E::CapReached { .. } => ErrorKind::LimitReached,
        E::StreamOver | E::ProcessUnknown => ErrorKind::Lost,
        E::KindMismatch { .. }
        | E::AccessInvalid { .. }
        | E::OpeningUnknown { .. }
        | E::NotTheSender { .. }
        | E::JoinedAlready { .. }
        | E::GenerationOutOfOrder { .. }
        | E::PayloadTooSmall { .. }
        | E::PayloadMissing
        | E::SpecInvalid { .. } => ErrorKind::Invalid,
        E::HandleUnknown | E::HandleNotHeld { .. } | E::TicketUnknown { .. } => {
            ErrorKind::HandleInvalid
        }
    }
}

macro_rules! into_error {
    ($($cause:ty),* $(,)?) => {
        $(impl From<$cause> for Error {
            fn from(cause: $cause) -> Self {
                Self(Box::new(cause.into()))
            }
        })*
    };
}

into_error!(
    PlaceError,
    ActivationError,
    WireError,
    LayoutError,
    PictureError,
    RecordError,
    SurfaceError,
    handfast_sys::Error
);

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self(Box::new(cause))
    }
}
