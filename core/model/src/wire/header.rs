//! The 20 bytes that every message begins with.

use alloc::vec::Vec;

use crate::contract::bytes::{ByteReader, ByteWriter};

use super::WireError;

/// "HFST", little-endian.
const MAGIC: u32 = u32::from_le_bytes(*b"HFST");
/// Bytes of a header.
const HEADER_BYTES: usize = 20;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a message is. What clients send is below 0x100, what the broker sends above.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind that has this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its number.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                }
            }
        }
    };
}

kinds! {
    /// The first message of a client.
    Hello = 0x01,
    /// What the broker holds.
    Health = 0x0D,
    /// Which pipes are an object's handles.
    Handles = 0x0E,
    /// A mailbox is asked for.
    Mailbox = 0x0F,
    /// `Request::Create`.
    Create = 0x02,
    /// `Request::Open`.
    Open = 0x03,
    /// `Request::OpenHandle`.
    OpenHandle = 0x04,
    /// `Request::Share`.
    Share = 0x05,
    /// `Request::Drop`.
    Drop = 0x06,
    /// `Request::DropHandle`.
    DropHandle = 0x14,
    /// `Request::Mapped`.
    Mapped = 0x07,
    /// `Request::WatchName`.
    WatchName = 0x08,
    /// `Request::WatchAll`.
    WatchAll = 0x09,
    /// `Request::Unwatch`.
    Unwatch = 0x0A,
    /// `Request::List`.
    List = 0x0B,
    /// `Request::Query`.
    Query = 0x0C,
    /// `Request::OpenPresented`.
    OpenPresented = 0x10,
    /// `Request::Duplicate`.
    Duplicate = 0x11,
    /// `Request::QueryPresented`.
    QueryPresented = 0x12,
    /// `Request::Openings`.
    Openings = 0x13,
    /// `Request::Deliver`.
    Deliver = 0x18,
    /// `Request::Redeem`.
    Redeem = 0x19,
    /// `Request::Fetch`.
    Fetch = 0x1A,
    /// `Request::StreamCreate`.
    StreamCreate = 0x25,
    /// `Request::StreamJoin`.
    StreamJoin = 0x20,
    /// `Request::StreamGeneration`.
    StreamGeneration = 0x21,
    /// `Request::StreamPublish`.
    StreamPublish = 0x22,
    /// `Request::StreamStock`.
    StreamStock = 0x23,
    /// `Request::StreamInspect`.
    StreamInspect = 0x24,
    /// The answer to a hello that is welcome.
    Welcome = 0x101,
    /// The answer to one that is not.
    Refused = 0x102,
    /// A refused request.
    Failed = 0x103,
    /// Something the client asked to be told.
    Event = 0x104,
    /// `Reply::Done`.
    Done = 0x105,
    /// `Reply::StreamCreated`.
    StreamCreated = 0x106,
    /// `Reply::StreamOpened`.
    StreamOpened = 0x107,
    /// `Reply::Handle`.
    Handle = 0x108,
    /// `Reply::Watching`.
    Watching = 0x109,
    /// `Reply::Listing`.
    Listing = 0x10A,
    /// `Reply::Facts`.
    Facts = 0x10B,
    /// The answer to `Health`.
    HealthFacts = 0x10C,
    /// The answer to `Handles`.
    HandleInodes = 0x10D,
    /// `Reply::Created`.
    Created = 0x10E,
    /// `Reply::Opened`.
    Opened = 0x10F,
    /// `Reply::HandleFacts`.
    HandleFacts = 0x110,
    /// `Reply::Openings`.
    OpeningList = 0x111,
    /// The answer to `Mailbox`.
    MailboxMade = 0x112,
    /// `Reply::Delivered`.
    Delivered = 0x118,
    /// `Reply::Taken`.
    Taken = 0x119,
    /// `Reply::StreamJoined`.
    StreamJoined = 0x120,
    /// `Reply::StreamFull`.
    StreamFull = 0x121,
    /// `Reply::StreamGeneration`.
    PresentGeneration = 0x122,
    /// `Reply::StreamStock`.
    Stock = 0x123,
    /// `Reply::StreamReceivers`.
    StreamReceivers = 0x124,
}

/// The start of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Descriptors that go with it.
    pub descriptors: u16,
    /// The client's number of the request; 0 outside requests and answers.
    pub number: u32,
}

/// Room for a body of the usual size.
const BODY_BYTES: usize = 172;

/// Begins a message: what is written is its body.
pub(super) fn begin() -> ByteWriter {
    ByteWriter::behind(HEADER_BYTES, BODY_BYTES)
}

/// Puts the header before a body.
pub(super) fn frame(kind: Kind, number: u32, descriptors: u16, body: ByteWriter) -> Vec<u8> {
    let length = u32::try_from(body.len().saturating_sub(HEADER_BYTES)).unwrap_or(u32::MAX);
    let ([a, b], [c, d]) = (kind.number().to_le_bytes(), descriptors.to_le_bytes());
    let reserved = [0; 4];
    let header =
        [MAGIC.to_le_bytes(), [a, b, c, d], number.to_le_bytes(), length.to_le_bytes(), reserved];
    body.finish_behind(header.as_flattened())
}

/// The header and what follows it.
pub(super) fn unframe(bytes: &[u8], came: usize) -> Result<(Header, ByteReader<'_>), WireError> {
    let mut r = ByteReader::new(bytes);
    if r.u32()? != MAGIC {
        return Err(WireError::Magic);
    }
    let kind = r.u16()?;
    let declared = r.u16()?;
    let number = r.u32()?;
    let length = r.u32()?;
    let reserved = r.u32()?;
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    if usize::try_from(length) != Ok(body.len()) || reserved != 0 {
        return Err(WireError::Malformed);
    }
    if usize::from(declared) != came {
        return Err(WireError::Descriptors { declared, came });
    }
    let kind = Kind::from_number(kind).ok_or(WireError::UnknownKind { kind })?;
    Ok((Header { kind, descriptors: declared, number }, r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_have_one_number() {
        for (place, kind) in Kind::ALL.iter().enumerate() {
            let same = |other: &&Kind| other.number() == kind.number();
            assert_eq!(Kind::ALL.iter().position(|other| same(&other)), Some(place), "{kind:?}");
        }
    }
}
