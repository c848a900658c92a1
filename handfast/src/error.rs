//! The one error of this crate.

use std::fmt;
use std::io;
use std::path::PathBuf;

use handfast_broker::activation::ActivationError;
use handfast_broker::place::PlaceError;
use handfast_model::contract::access::AccessMask;
use handfast_model::contract::format::LayoutError as PictureError;
use handfast_model::contract::frame::RecordError;
use handfast_model::contract::status::Status;
use handfast_model::object::{self, Cap, Kind};
use handfast_model::wire::{self, Refused, WireError};
use handfast_sync::page::LayoutError;
use handfast_sys::process;
use thiserror::Error as ThisError;

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
    /// The name is not one: empty, too long, or with a backslash.
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
    #[error("{}", Refusal { name: name.as_deref(), owner: *owner, error })]
    Refused { name: Option<String>, owner: Option<Owner>, error: object::Error },
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

/// Whose the object is that may not be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) kind: Kind,
}

/// A model's refusal with what only the client knows: the name, and who holds it.
struct Refusal<'a> {
    name: Option<&'a str>,
    owner: Option<Owner>,
    error: &'a object::Error,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(name), object::Error::NameTaken { pid, uid, .. }) = (self.name, self.error)
        else {
            if let Some(name) = self.name {
                write!(f, "{name}: ")?;
            }
            if let object::Error::AccessDenied { wanted, granted } = *self.error {
                return self.denial(f, wanted, granted);
            }
            return write!(f, "{}", self.error);
        };
        let Some(program) = process::program_name(*pid) else {
            return write!(
                f,
                "the name {name} is taken: process {pid} has ended, but another still holds its \
                 handle. Choose another name, or stop that process (handfast show {name})."
            );
        };
        write!(f, "the name {name} is taken by {program}[{pid}]")?;
        if *uid != process::uid() {
            write!(f, " of user {uid}")?;
        }
        write!(f, ". Choose another, or stop it.")
    }
}

impl Refusal<'_> {
    /// `you may not read it (asked STREAM_RECEIVE, granted nothing): it belongs to user 1000`.
    fn denial(
        &self,
        f: &mut fmt::Formatter<'_>,
        wanted: AccessMask,
        granted: AccessMask,
    ) -> fmt::Result {
        let wanted = self.owner.map_or(wanted, |owner| owner.kind.rules().mapping.map(wanted));
        let missing = wanted.difference(granted);
        let verb = if missing.intersects(AccessMask::STREAM_SEND | AccessMask::GENERIC_WRITE) {
            "send it"
        } else if missing.intersects(AccessMask::STREAM_RECEIVE | AccessMask::GENERIC_READ) {
            "read it"
        } else if missing.intersects(AccessMask::STREAM_QUERY) {
            "look at it"
        } else {
            "do that with it"
        };
        write!(f, "you may not {verb} (asked {}, granted {})", Rights(wanted), Rights(granted))?;
        match self.owner {
            Some(owner) => write!(f, ": it belongs to user {}", owner.uid),
            None => Ok(()),
        }
    }
}

/// Rights by their names.
struct Rights(AccessMask);

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        let mut separator = "";
        let mut rest = self.0;
        for (name, right) in self.0.iter_names() {
            write!(f, "{separator}{name}")?;
            separator = ", ";
            rest = rest.difference(right);
        }
        if rest.is_empty() { Ok(()) } else { write!(f, "{separator}0x{:08X}", rest.bits()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0).finish()
    }
}

impl Error {
    pub(crate) fn refused(name: Option<&str>, owner: Option<Owner>, error: object::Error) -> Self {
        Cause::Refused { name: name.map(str::to_owned), owner, error }.into()
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
            Cause::BrokerLost | Cause::SenderLost => ErrorKind::Lost,
            Cause::Wire(_) | Cause::Unexpected | Cause::Page(_) => ErrorKind::Version,
            Cause::Picture(_) => ErrorKind::PictureInvalid,
            Cause::Record(_) | Cause::Slots { .. } | Cause::UserData { .. } => ErrorKind::Invalid,
            Cause::NoRoom { .. } => ErrorKind::OutOfMemory,
            Cause::Forked => ErrorKind::Forked,
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
        match self.kind() {
            ErrorKind::LimitReached | ErrorKind::OutOfMemory => Status::E_OUTOFMEMORY,
            ErrorKind::Lost => Status::DXGI_ERROR_DEVICE_REMOVED,
            ErrorKind::PictureInvalid | ErrorKind::Invalid => Status::E_INVALIDARG,
            ErrorKind::NameInvalid => Status::DXGI_ERROR_INVALID_CALL,
            ErrorKind::NameTaken => Status::DXGI_ERROR_NAME_ALREADY_EXISTS,
            ErrorKind::NotFound => Status::FILE_NOT_FOUND,
            ErrorKind::AccessDenied => Status::E_ACCESSDENIED,
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
        E::AccessDenied { .. } => ErrorKind::AccessDenied,
        E::CapReached { cap: Cap::SlotBytes | Cap::Slots, .. } => ErrorKind::PictureInvalid,
        E::CapReached { .. } => ErrorKind::LimitReached,
        E::StreamOver => ErrorKind::Lost,
        E::KindMismatch { .. }
        | E::AccessInvalid { .. }
        | E::OpeningUnknown { .. }
        | E::NotTheSender { .. }
        | E::JoinedAlready { .. }
        | E::GenerationOutOfOrder { .. }
        | E::PayloadTooSmall { .. }
        | E::PayloadMissing => ErrorKind::Invalid,
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
    handfast_sys::Error
);

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self(Box::new(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: AccessMask, owner: Option<u32>, expected: &str) {
        let owner = owner.map(|uid| Owner { uid, kind: Kind::Stream });
        let error = object::Error::AccessDenied { wanted, granted: AccessMask::empty() };
        assert_eq!(Error::refused(Some("wall"), owner, error).to_string(), expected);
    }

    #[test]
    fn a_denial_says_what_was_asked_and_whose_it_is() {
        check(
            AccessMask::STREAM_RECEIVE,
            Some(1000),
            "wall: you may not read it (asked STREAM_RECEIVE, granted nothing): it belongs to \
             user 1000",
        );
        check(
            AccessMask::GENERIC_READ,
            Some(7),
            "wall: you may not read it (asked STREAM_RECEIVE, STREAM_QUERY, READ_CONTROL, \
             granted nothing): it belongs to user 7",
        );
        check(
            AccessMask::STREAM_QUERY | AccessMask::from_bits_retain(8),
            None,
            "wall: you may not look at it (asked STREAM_QUERY, 0x00000008, granted nothing)",
        );
    }
}
