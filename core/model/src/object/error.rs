//! Why the model refuses a request: one variant for each reason a caller can act on.

use core::fmt;

use thiserror::Error;

use crate::contract::access::AccessMask;
use crate::contract::status::Status;

use super::id::{HandleId, OpeningId};
use super::kind::Kind;

/// A limit of [`crate::contract::limits`] that a request ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cap {
    /// Connections to this broker.
    Clients,
    /// Connections of this user.
    ClientsOfUser,
    /// Openings of this client.
    Openings,
    /// Handles made for this user.
    Handles,
    /// Handles made for this share.
    HandlesOfShare,
    /// Handles that were delivered to this process and that it has not used.
    Tickets,
    /// Shares over this object.
    Shares,
    /// Live objects of this user.
    Objects,
    /// Names this client waits for.
    Watches,
    /// Receivers of this stream.
    Receivers,
    /// Processes that may write the page of this object.
    Seats,
    /// Slots of one generation.
    Slots,
    /// Bytes of one slot.
    SlotBytes,
    /// Shared memory of this user, in bytes.
    PayloadBytes,
    /// Descriptors or memory that the broker's process may have.
    BrokerResources,
}

impl Cap {
    /// Every cap, in wire order.
    pub const ALL: [Self; 15] = [
        Self::Clients,
        Self::ClientsOfUser,
        Self::Openings,
        Self::Handles,
        Self::HandlesOfShare,
        Self::Shares,
        Self::Objects,
        Self::Watches,
        Self::Receivers,
        Self::Slots,
        Self::SlotBytes,
        Self::PayloadBytes,
        Self::BrokerResources,
        Self::Seats,
        Self::Tickets,
    ];

    /// What is capped, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Clients => "connections to this broker",
            Self::ClientsOfUser => "connections of this user",
            Self::Openings => "openings of this program",
            Self::Handles => "handles of this user",
            Self::HandlesOfShare => "handles of this share",
            Self::Tickets => "handles that a process was given and has not used",
            Self::Shares => "shares of this object",
            Self::Objects => "objects of this user",
            Self::Watches => "names this program waits for",
            Self::Receivers => "receivers of this stream",
            Self::Seats => "processes that have this object open",
            Self::Slots => "slots of a stream",
            Self::SlotBytes => "bytes of one frame",
            Self::PayloadBytes => "bytes of shared memory of this user",
            Self::BrokerResources => "descriptors of the broker",
        }
    }
}

/// Why a request was refused. The state is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The name, or what follows its prefix, is empty.
    #[error("the name is empty")]
    NameEmpty,
    /// The name is longer than `MAX_PATH`.
    #[error("the name has {units} UTF-16 units, the limit is {limit} with its prefix")]
    NameTooLong {
        /// Length of the refused name.
        units: usize,
        /// [`crate::contract::limits::NAME_UNITS_MAX`].
        limit: usize,
    },
    /// A backslash behind the prefix.
    #[error(
        "the name has a backslash at position {position}; only the prefixes Global\\ and Local\\ \
         may have one"
    )]
    NameBackslash {
        /// Where, in UTF-16 units from the start.
        position: usize,
    },
    /// The reserved prefix `Session\`.
    #[error("names that begin with Session\\ are reserved")]
    NameReserved,
    /// The name is taken by an object of any kind.
    #[error("the name is taken by a {kind} of process {pid}")]
    NameTaken {
        /// Process that made the share bearing the name.
        pid: i32,
        /// Its user.
        uid: u32,
        /// When, in nanoseconds since 1970.
        made_ns: u64,
        /// Kind of the object bearing it.
        kind: Kind,
    },
    /// No object bears the name.
    #[error("no object has this name")]
    NameNotFound,
    /// The object is of another kind.
    #[error("it is a {found}, not a {wanted}")]
    KindMismatch {
        /// Kind that was asked for.
        wanted: Kind,
        /// Kind of the object.
        found: Kind,
    },
    /// The descriptor, or the opening's granted access, does not allow it.
    #[error(
        "access denied: asked 0x{:08X}, granted 0x{:08X}, the {kind} belongs to user {owner_uid}",
        wanted.bits(),
        granted.bits()
    )]
    AccessDenied {
        /// Rights asked for.
        wanted: AccessMask,
        /// Rights there are.
        granted: AccessMask,
        /// User that the object belongs to.
        owner_uid: u32,
        /// Kind of the object.
        kind: Kind,
    },
    /// Access 0 or bits that the kind does not define, when creating.
    #[error("{}", Unasked(*wanted))]
    AccessInvalid {
        /// The refused mask.
        wanted: AccessMask,
    },
    /// The client has no such opening.
    #[error("this client has no opening {opening}")]
    OpeningUnknown {
        /// The number.
        opening: OpeningId,
    },
    /// The opening is not the sender of its stream.
    #[error("opening {opening} does not send")]
    NotTheSender {
        /// The number.
        opening: OpeningId,
    },
    /// The opening receives its stream already.
    #[error("opening {opening} receives already")]
    JoinedAlready {
        /// The number.
        opening: OpeningId,
    },
    /// The stream's sender is gone.
    #[error("the stream is over: its sender has gone")]
    StreamOver,
    /// A generation's number must be the former one's plus 1.
    #[error("generation {given} is out of order, {expected} comes next")]
    GenerationOutOfOrder {
        /// Number that comes next.
        expected: u32,
        /// Number given.
        given: u32,
    },
    /// A generation without slots, or whose memory is too small for what it declares.
    #[error("the memory has {has_bytes} bytes, the slots need {needs_bytes}")]
    PayloadTooSmall {
        /// Bytes that the slots need.
        needs_bytes: u64,
        /// Bytes that came.
        has_bytes: u64,
    },
    /// The request needs one descriptor of sealed memory and none came, or one came unasked.
    #[error("the request came without the memory it needs, or with memory it does not take")]
    PayloadMissing,
    /// The descriptor that came is no handle of this broker, or its last copy is gone.
    #[error("the descriptor is no handle that this broker made")]
    HandleUnknown,
    /// The client holds no handle of this number.
    #[error("this client holds no handle {handle}")]
    HandleNotHeld {
        /// The number.
        handle: HandleId,
    },
    /// Nothing was delivered to the process under this value, or it is closed.
    #[error(
        "0x{ticket:X} is no handle of this process: a ticket is good only where it was \
         delivered, until it is closed"
    )]
    TicketUnknown {
        /// The value.
        ticket: u32,
    },
    /// The descriptor that came is no process's, or its process has ended, or it is in a name
    /// space that the broker does not see.
    #[error("the process has ended, or the broker cannot see it")]
    ProcessUnknown,
    /// Handles go to processes of one's own user, and of everybody for the system.
    #[error("the process belongs to user {uid}")]
    ProcessDenied {
        /// Its user.
        uid: u32,
    },
    /// There can be no such object.
    #[error("there can be no {kind} of this size or shape")]
    SpecInvalid {
        /// Kind of the object.
        kind: Kind,
    },
    /// A limit.
    #[error("no room: the limit of {} is {limit}", cap.words())]
    CapReached {
        /// Which.
        cap: Cap,
        /// Its number.
        limit: u64,
    },
}

impl Error {
    /// The code that the sharing calls of the contract return for it.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::NameEmpty
            | Self::NameTooLong { .. }
            | Self::NameBackslash { .. }
            | Self::NameReserved
            | Self::AccessInvalid { .. } => Status::DXGI_ERROR_INVALID_CALL,
            Self::NameTaken { .. } => Status::DXGI_ERROR_NAME_ALREADY_EXISTS,
            Self::NameNotFound => Status::FILE_NOT_FOUND,
            Self::KindMismatch { .. }
            | Self::NotTheSender { .. }
            | Self::JoinedAlready { .. }
            | Self::GenerationOutOfOrder { .. }
            | Self::PayloadTooSmall { .. }
            | Self::PayloadMissing
            | Self::SpecInvalid { .. } => Status::E_INVALIDARG,
            // What Windows says of a process that is ending, too.
            Self::AccessDenied { .. } | Self::ProcessDenied { .. } | Self::ProcessUnknown => {
                Status::E_ACCESSDENIED
            }
            Self::OpeningUnknown { .. }
            | Self::HandleUnknown
            | Self::HandleNotHeld { .. }
            | Self::TicketUnknown { .. } => Status::E_HANDLE,
            Self::StreamOver => Status::DXGI_ERROR_DEVICE_REMOVED,
            Self::CapReached { .. } => Status::E_OUTOFMEMORY,
        }
    }
}

/// A mask that no object is made or shared with.
struct Unasked(AccessMask);

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no right is asked for");
        }
        write!(f, "0x{:X} has rights that this kind of object does not have", self.0.bits())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn a_mask_that_is_none_is_told_as_such() {
        let told =
            |bits| Error::AccessInvalid { wanted: AccessMask::from_bits_retain(bits) }.to_string();
        assert_eq!(told(0), "no right is asked for");
        assert_eq!(told(0x14), "0x14 has rights that this kind of object does not have");
    }
}
