//! Requests as bytes.

use crate::contract::access::AccessMask;
use crate::contract::bytes::{ByteReader, ByteWriter, Malformed};
use crate::object::{
    self, GenerationLayout, HandleForm, HandleId, OpeningId, PageId, PictureFacts, RawName,
    Request, Spec,
};

use super::WireError;
use super::header::Kind;

fn put_name(w: &mut ByteWriter, name: Option<&RawName>) {
    w.u8(name.is_some().into());
    w.units(name.map_or(&[][..], |name| name.0.as_slice()));
}

fn name(r: &mut ByteReader<'_>) -> Result<Option<RawName>, WireError> {
    let given = r.u8()?;
    let units = r.units()?;
    match given {
        0 if units.is_empty() => Ok(None),
        1 => Ok(Some(RawName(units))),
        _ => Err(WireError::Malformed),
    }
}

fn given_name(r: &mut ByteReader<'_>) -> Result<RawName, WireError> {
    name(r)?.ok_or(WireError::Malformed)
}

pub(super) fn object_kind(r: &mut ByteReader<'_>) -> Result<object::Kind, WireError> {
    object::Kind::from_number(r.u16()?).ok_or(WireError::Malformed)
}

fn access(r: &mut ByteReader<'_>) -> Result<AccessMask, WireError> {
    Ok(AccessMask::from_bits_retain(r.u32()?))
}

pub(super) fn put_form(w: &mut ByteWriter, form: HandleForm) {
    w.u8((form == HandleForm::Held).into());
}

pub(super) fn form(r: &mut ByteReader<'_>) -> Result<HandleForm, WireError> {
    match r.u8()? {
        0 => Ok(HandleForm::Descriptor),
        1 => Ok(HandleForm::Held),
        _ => Err(WireError::Malformed),
    }
}

/// A page, or 0: pages are numbered from 1.
fn put_spare(w: &mut ByteWriter, spare: Option<PageId>) {
    w.u64(spare.map_or(0, |page| page.0));
}

fn spare(r: &mut ByteReader<'_>) -> Result<Option<PageId>, Malformed> {
    Ok(Some(r.u64()?).filter(|page| *page != 0).map(PageId))
}

pub(super) fn put_layout(w: &mut ByteWriter, layout: &GenerationLayout) {
    w.u32(layout.number);
    w.u32(layout.slots);
    w.u64(layout.table_bytes);
    w.u64(layout.slot_bytes);
    put_picture(w, &layout.picture);
}

pub(super) fn put_picture(w: &mut ByteWriter, picture: &PictureFacts) {
    for number in [picture.width, picture.height, picture.format, picture.color] {
        w.u32(number);
    }
    w.u8(picture.alpha);
}

pub(super) fn picture(r: &mut ByteReader<'_>) -> Result<PictureFacts, Malformed> {
    Ok(PictureFacts {
        width: r.u32()?,
        height: r.u32()?,
        format: r.u32()?,
        color: r.u32()?,
        alpha: r.u8()?,
    })
}

pub(super) fn layout(r: &mut ByteReader<'_>) -> Result<GenerationLayout, WireError> {
    Ok(GenerationLayout {
        number: r.u32()?,
        slots: r.u32()?,
        table_bytes: r.u64()?,
        slot_bytes: r.u64()?,
        picture: picture(r)?,
    })
}

pub(super) fn encode(w: &mut ByteWriter, request: &Request) -> Kind {
    match request {
        Request::Create { spec, name, access, form, spare } => {
            spec.encode(w);
            w.u32(access.bits());
            put_form(w, *form);
            put_spare(w, *spare);
            put_name(w, name.as_ref());
            Kind::Create
        }
        Request::StreamCreate { name, access, form } => {
            w.u32(access.bits());
            put_form(w, *form);
            put_name(w, name.as_ref());
            Kind::StreamCreate
        }
        Request::OpenPresented { kind } => {
            w.u16(kind.rules().number);
            Kind::OpenPresented
        }
        Request::Duplicate { access } => put_number(w, access.bits(), Kind::Duplicate),
        Request::QueryPresented => Kind::QueryPresented,
        Request::Deliver { access } => put_number(w, access.bits(), Kind::Deliver),
        Request::Redeem { ticket } => put_number(w, *ticket, Kind::Redeem),
        Request::Fetch { ticket, access } => put_two(w, [*ticket, access.bits()], Kind::Fetch),
        Request::Openings { opening, skip } => put_two(w, [opening.0, *skip], Kind::Openings),
        Request::Open { kind, name, access, known } => {
            w.u16(kind.rules().number);
            w.u32(access.bits());
            put_spare(w, *known);
            put_name(w, Some(name));
            Kind::Open
        }
        Request::OpenHandle { kind, name, access } => {
            w.u16(kind.rules().number);
            w.u32(access.bits());
            put_name(w, Some(name));
            Kind::OpenHandle
        }
        Request::Share { opening, name, access, form } => {
            w.u32(opening.0);
            w.u32(access.bits());
            put_form(w, *form);
            put_name(w, name.as_ref());
            Kind::Share
        }
        Request::WatchName { name, watch } => {
            w.u32(*watch);
            put_name(w, Some(name));
            Kind::WatchName
        }
        Request::WatchAll { watch } => put_number(w, *watch, Kind::WatchAll),
        Request::Unwatch { watch } => put_number(w, *watch, Kind::Unwatch),
        Request::DropHandle { handle } => put_long(w, handle.0, Kind::DropHandle),
        Request::Drop { opening } => put_number(w, opening.0, Kind::Drop),
        Request::Mapped { opening } => put_number(w, opening.0, Kind::Mapped),
        Request::Query { opening } => put_number(w, opening.0, Kind::Query),
        Request::StreamJoin { opening } => put_number(w, opening.0, Kind::StreamJoin),
        Request::StreamStock { opening } => put_number(w, opening.0, Kind::StreamStock),
        Request::StreamGeneration { opening } => put_number(w, opening.0, Kind::StreamGeneration),
        Request::List { after } => put_long(w, *after, Kind::List),
        Request::StreamPublish { opening, layout } => {
            w.u32(opening.0);
            put_layout(w, layout);
            Kind::StreamPublish
        }
        Request::StreamInspect { opening, skip } => {
            put_two(w, [opening.0, *skip], Kind::StreamInspect)
        }
    }
}

fn put_two(w: &mut ByteWriter, numbers: [u32; 2], kind: Kind) -> Kind {
    numbers.into_iter().for_each(|number| w.u32(number));
    kind
}

fn put_number(w: &mut ByteWriter, number: u32, kind: Kind) -> Kind {
    w.u32(number);
    kind
}

fn put_long(w: &mut ByteWriter, number: u64, kind: Kind) -> Kind {
    w.u64(number);
    kind
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every kind that is not listed is refused here")]
pub(super) fn decode(kind: Kind, r: &mut ByteReader<'_>) -> Result<Request, WireError> {
    let opening = |r: &mut ByteReader<'_>| r.u32().map(OpeningId);
    Ok(match kind {
        Kind::Create => {
            let (spec, access) = (Spec::decode(r)?, access(r)?);
            let (form, spare) = (form(r)?, spare(r)?);
            Request::Create { spec, name: name(r)?, access, form, spare }
        }
        Kind::StreamCreate => {
            let (access, form) = (access(r)?, form(r)?);
            Request::StreamCreate { name: name(r)?, access, form }
        }
        Kind::OpenPresented => Request::OpenPresented { kind: object_kind(r)? },
        Kind::Duplicate => Request::Duplicate { access: access(r)? },
        Kind::QueryPresented => Request::QueryPresented,
        Kind::Deliver => Request::Deliver { access: access(r)? },
        Kind::Redeem => Request::Redeem { ticket: r.u32()? },
        Kind::Fetch => Request::Fetch { ticket: r.u32()?, access: access(r)? },
        Kind::Openings => Request::Openings { opening: opening(r)?, skip: r.u32()? },
        Kind::Open => {
            let (kind, access, known) = (object_kind(r)?, access(r)?, spare(r)?);
            Request::Open { kind, name: given_name(r)?, access, known }
        }
        Kind::OpenHandle => {
            let (kind, access) = (object_kind(r)?, access(r)?);
            Request::OpenHandle { kind, name: given_name(r)?, access }
        }
        Kind::Share => {
            let (opening, access, form) = (opening(r)?, access(r)?, form(r)?);
            Request::Share { opening, name: name(r)?, access, form }
        }
        Kind::WatchName => {
            let watch = r.u32()?;
            Request::WatchName { name: given_name(r)?, watch }
        }
        Kind::WatchAll => Request::WatchAll { watch: r.u32()? },
        Kind::Unwatch => Request::Unwatch { watch: r.u32()? },
        Kind::DropHandle => Request::DropHandle { handle: HandleId(r.u64()?) },
        Kind::Drop => Request::Drop { opening: opening(r)? },
        Kind::Mapped => Request::Mapped { opening: opening(r)? },
        Kind::Query => Request::Query { opening: opening(r)? },
        Kind::List => Request::List { after: r.u64()? },
        Kind::StreamJoin => Request::StreamJoin { opening: opening(r)? },
        Kind::StreamGeneration => Request::StreamGeneration { opening: opening(r)? },
        Kind::StreamStock => Request::StreamStock { opening: opening(r)? },
        Kind::StreamPublish => Request::StreamPublish { opening: opening(r)?, layout: layout(r)? },
        Kind::StreamInspect => Request::StreamInspect { opening: opening(r)?, skip: r.u32()? },
        other => return Err(WireError::UnknownKind { kind: other.number() }),
    })
}
