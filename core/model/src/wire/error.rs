//! Refusals as bytes: a tag and four numbers, whatever the refusal.

use crate::contract::access::AccessMask;
use crate::contract::bytes::{ByteReader, ByteWriter};
use crate::object::{Cap, Error, HandleId, Kind, OpeningId};

use super::WireError;

pub(super) fn cap_number(cap: Cap) -> u64 {
    Cap::ALL.iter().zip(1..).find(|(known, _)| **known == cap).map_or(0, |(_, number)| number)
}

pub(super) fn cap(number: u64) -> Result<Cap, WireError> {
    let found = Cap::ALL.iter().zip(1..).find(|(_, known)| *known == number);
    found.map(|(cap, _)| *cap).ok_or(WireError::Malformed)
}

fn length(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn kind_number(kind: Kind) -> u64 {
    u64::from(kind.rules().number)
}

fn tag_and_facts(error: &Error) -> (u16, [u64; 4]) {
    match error {
        Error::NameEmpty => (1, [0; 4]),
        Error::NameTooLong { units, limit } => (2, [length(*units), length(*limit), 0, 0]),
        Error::NameBackslash { position } => (3, [length(*position), 0, 0, 0]),
        Error::NameReserved => (4, [0; 4]),
        Error::NameTaken { pid, uid, made_ns, kind } => {
            let pid = u64::from(pid.cast_unsigned());
            (5, [pid, u64::from(*uid), *made_ns, kind_number(*kind)])
        }
        Error::NameNotFound => (6, [0; 4]),
        Error::KindMismatch { wanted, found } => {
            (7, [kind_number(*wanted), kind_number(*found), 0, 0])
        }
        Error::AccessDenied { wanted, granted, owner_uid, kind } => {
            let (wanted, granted) = (u64::from(wanted.bits()), u64::from(granted.bits()));
            (8, [wanted, granted, u64::from(*owner_uid), kind_number(*kind)])
        }
        Error::AccessInvalid { wanted } => (9, [u64::from(wanted.bits()), 0, 0, 0]),
        Error::OpeningUnknown { opening } => (10, [u64::from(opening.0), 0, 0, 0]),
        Error::NotTheSender { opening } => (11, [u64::from(opening.0), 0, 0, 0]),
        Error::JoinedAlready { opening } => (12, [u64::from(opening.0), 0, 0, 0]),
        Error::StreamOver => (13, [0; 4]),
        Error::GenerationOutOfOrder { expected, given } => {
            (14, [u64::from(*expected), u64::from(*given), 0, 0])
        }
        Error::PayloadTooSmall { needs_bytes, has_bytes } => (15, [*needs_bytes, *has_bytes, 0, 0]),
        Error::PayloadMissing => (16, [0; 4]),
        Error::CapReached { cap, limit } => (17, [cap_number(*cap), *limit, 0, 0]),
        Error::HandleUnknown => (18, [0; 4]),
        Error::TicketUnknown { ticket } => (28, [u64::from(*ticket), 0, 0, 0]),
        Error::ProcessUnknown => (29, [0; 4]),
        Error::ProcessDenied { uid } => (30, [u64::from(*uid), 0, 0, 0]),
        Error::SpecInvalid { kind } => (19, [kind_number(*kind), 0, 0, 0]),
        Error::HandleNotHeld { handle } => (20, [handle.0, 0, 0, 0]),
    }
}

pub(super) fn encode(w: &mut ByteWriter, error: &Error) {
    let (tag, facts) = tag_and_facts(error);
    w.u16(tag);
    facts.into_iter().for_each(|fact| w.u64(fact));
}

pub(super) fn decode(r: &mut ByteReader<'_>) -> Result<Error, WireError> {
    let tag = r.u16()?;
    let (a, b, c, d) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
    let number = |value: u64| u32::try_from(value).map_err(|_| WireError::Malformed);
    let length = |value: u64| usize::try_from(value).map_err(|_| WireError::Malformed);
    let mask = |value: u64| number(value).map(AccessMask::from_bits_retain);
    let opening = |value: u64| number(value).map(OpeningId);
    let kind = |value: u64| {
        let number = u16::try_from(value).map_err(|_| WireError::Malformed)?;
        Kind::from_number(number).ok_or(WireError::Malformed)
    };
    let error = match tag {
        1 => Error::NameEmpty,
        2 => Error::NameTooLong { units: length(a)?, limit: length(b)? },
        3 => Error::NameBackslash { position: length(a)? },
        4 => Error::NameReserved,
        5 => Error::NameTaken {
            pid: number(a)?.cast_signed(),
            uid: number(b)?,
            made_ns: c,
            kind: kind(d)?,
        },
        6 => Error::NameNotFound,
        7 => Error::KindMismatch { wanted: kind(a)?, found: kind(b)? },
        8 => Error::AccessDenied {
            wanted: mask(a)?,
            granted: mask(b)?,
            owner_uid: number(c)?,
            kind: kind(d)?,
        },
        9 => Error::AccessInvalid { wanted: mask(a)? },
        10 => Error::OpeningUnknown { opening: opening(a)? },
        11 => Error::NotTheSender { opening: opening(a)? },
        12 => Error::JoinedAlready { opening: opening(a)? },
        13 => Error::StreamOver,
        14 => Error::GenerationOutOfOrder { expected: number(a)?, given: number(b)? },
        15 => Error::PayloadTooSmall { needs_bytes: a, has_bytes: b },
        16 => Error::PayloadMissing,
        17 => Error::CapReached { cap: cap(a)?, limit: b },
        18 => Error::HandleUnknown,
        19 => Error::SpecInvalid { kind: kind(a)? },
        20 => Error::HandleNotHeld { handle: HandleId(a) },
        28 => Error::TicketUnknown { ticket: number(a)? },
        29 => Error::ProcessUnknown,
        30 => Error::ProcessDenied { uid: number(a)? },
        _ => return Err(WireError::Malformed),
    };
    // Facts that the refusal does not have are zero.
    if tag_and_facts(&error) == (tag, [a, b, c, d]) { Ok(error) } else { Err(WireError::Malformed) }
}
