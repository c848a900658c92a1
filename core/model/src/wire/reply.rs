//! Replies as bytes.

use alloc::vec::Vec;

use crate::contract::bytes::{ByteReader, ByteWriter, Malformed};
use crate::object::reply::ReceiverFacts;
use crate::object::{
    ClientId, Directory, Facts, GenerationLayout, HandleId, HeldFacts, ListEntry, ObjectId,
    ObjectName, OpeningFacts, OpeningId, PageId, Parts, PayloadId, Reply, Spec, StreamEnd,
    StreamFacts, View,
};
use crate::security::Granted;

use super::WireError;
use super::header::Kind;
use super::request::{form, layout, object_kind, picture, put_form, put_layout, put_picture};

fn put_object(w: &mut ByteWriter, object: &ObjectId) {
    w.u64(object.instance);
    w.u64(object.counter);
}

fn object(r: &mut ByteReader<'_>) -> Result<ObjectId, Malformed> {
    Ok(ObjectId { instance: r.u64()?, counter: r.u64()? })
}

fn put_pages(w: &mut ByteWriter, pages: &[PageId]) {
    w.count(pages.len());
    pages.iter().for_each(|page| w.u64(page.0));
}

fn pages(r: &mut ByteReader<'_>) -> Result<Vec<PageId>, Malformed> {
    (0..r.count(8)?).map(|_| r.u64().map(PageId)).collect()
}

fn put_generation(w: &mut ByteWriter, generation: Option<&(GenerationLayout, PayloadId)>) {
    w.u8(generation.is_some().into());
    if let Some((layout, payload)) = generation {
        put_layout(w, layout);
        w.u64(payload.0);
    }
}

fn generation(r: &mut ByteReader<'_>) -> Result<Option<(GenerationLayout, PayloadId)>, WireError> {
    match r.u8()? {
        0 => Ok(None),
        1 => Ok(Some((layout(r)?, PayloadId(r.u64()?)))),
        _ => Err(WireError::Malformed),
    }
}

fn put_entry(w: &mut ByteWriter, entry: &ListEntry) {
    put_object(w, &entry.object);
    w.i32(entry.pid);
    w.u32(entry.uid);
    w.u64(entry.made_ns);
    w.u32(entry.handles);
    w.u32(entry.openings);
    w.count(entry.names.len());
    for name in &entry.names {
        match name.directory() {
            Directory::Global => w.u8(0),
            Directory::Local { uid } => {
                w.u8(1);
                w.u32(uid);
            }
        }
        w.units(name.leaf());
    }
    put_facts(w, &entry.facts);
}

fn put_facts(w: &mut ByteWriter, facts: &Facts) {
    match facts {
        Facts::Made(spec) => {
            w.u8(0);
            spec.encode(w);
        }
        Facts::Stream(stream) => {
            w.u8(1);
            put_stream(w, stream);
        }
    }
}

fn put_stream(w: &mut ByteWriter, stream: &StreamFacts) {
    w.i32(stream.sender_pid.unwrap_or(0));
    w.u8(match stream.end {
        None => 0,
        Some(StreamEnd::Ended) => 1,
        Some(StreamEnd::Lost) => 2,
    });
    w.u32(stream.generation);
    w.u32(stream.receivers);
    w.u64(stream.payload_bytes);
    put_picture(w, &stream.picture);
}

fn entry(r: &mut ByteReader<'_>) -> Result<ListEntry, WireError> {
    let object = object(r)?;
    let (pid, uid, made_ns) = (r.i32()?, r.u32()?, r.u64()?);
    let (handles, openings) = (r.u32()?, r.u32()?);
    let names = (0..r.count(5)?).map(|_| name(r)).collect::<Result<_, _>>()?;
    let facts = match r.u8()? {
        0 => Facts::Made(Spec::decode(r)?),
        1 => Facts::Stream(stream_facts(r)?),
        _ => return Err(WireError::Malformed),
    };
    Ok(ListEntry { object, names, pid, uid, made_ns, handles, openings, facts })
}

fn name(r: &mut ByteReader<'_>) -> Result<ObjectName, WireError> {
    let directory = match r.u8()? {
        0 => Directory::Global,
        1 => Directory::Local { uid: r.u32()? },
        _ => return Err(WireError::Malformed),
    };
    ObjectName::from_parts(directory, &r.units()?).map_err(|_| WireError::Malformed)
}

fn stream_facts(r: &mut ByteReader<'_>) -> Result<StreamFacts, WireError> {
    let sender_pid = Some(r.i32()?).filter(|pid| *pid != 0);
    let end = match r.u8()? {
        0 => None,
        1 => Some(StreamEnd::Ended),
        2 => Some(StreamEnd::Lost),
        _ => return Err(WireError::Malformed),
    };
    let (generation, receivers, payload_bytes) = (r.u32()?, r.u32()?, r.u64()?);
    let picture = picture(r)?;
    Ok(StreamFacts { sender_pid, end, generation, receivers, payload_bytes, picture })
}

fn put_opening(w: &mut ByteWriter, object: &ObjectId, opening: OpeningId, granted: Granted) {
    put_object(w, object);
    w.u32(opening.0);
    w.u32(granted.mask().bits());
}

fn opening(r: &mut ByteReader<'_>) -> Result<(ObjectId, OpeningId, Granted), Malformed> {
    Ok((object(r)?, OpeningId(r.u32()?), Granted::from_stored(r.u32()?)))
}

fn put_openings(w: &mut ByteWriter, openings: &[OpeningFacts]) {
    w.count(openings.len());
    for one in openings {
        w.i32(one.pid);
        w.u32(one.uid);
        w.u32(one.granted.mask().bits());
        w.u32(one.owner);
    }
}

fn openings(r: &mut ByteReader<'_>) -> Result<Vec<OpeningFacts>, Malformed> {
    let one = |r: &mut ByteReader<'_>| {
        Ok(OpeningFacts {
            pid: r.i32()?,
            uid: r.u32()?,
            granted: Granted::from_stored(r.u32()?),
            owner: r.u32()?,
        })
    };
    (0..r.count(16)?).map(|_| one(r)).collect()
}

pub(super) fn put_held(w: &mut ByteWriter, held: &[HeldFacts]) {
    w.count(held.len());
    for one in held {
        w.i32(one.pid);
        w.u32(one.uid);
        w.u32(one.granted.mask().bits());
    }
}

pub(super) fn held(r: &mut ByteReader<'_>) -> Result<Vec<HeldFacts>, Malformed> {
    let one = |r: &mut ByteReader<'_>| {
        let (pid, uid) = (r.i32()?, r.u32()?);
        Ok(HeldFacts { pid, uid, granted: Granted::from_stored(r.u32()?) })
    };
    (0..r.count(12)?).map(|_| one(r)).collect()
}

/// In place of a view: the page that the client has mapped already.
const VIEW_THERE: u8 = 3;

fn put_view(w: &mut ByteWriter, part: Option<(u64, View)>) {
    let (id, view) = part.map_or((0, 0), |(id, view)| match view {
        View::Writable => (id, 1),
        View::ReadOnly => (id, 2),
    });
    w.u8(view);
    w.u64(id);
}

fn view(r: &mut ByteReader<'_>) -> Result<Option<(u64, View)>, WireError> {
    view_of(r.u8()?, r.u64()?)
}

fn view_of(tag: u8, id: u64) -> Result<Option<(u64, View)>, WireError> {
    match (tag, id) {
        (0, 0) => Ok(None),
        (1, id) => Ok(Some((id, View::Writable))),
        (2, id) => Ok(Some((id, View::ReadOnly))),
        _ => Err(WireError::Malformed),
    }
}

fn put_parts(w: &mut ByteWriter, parts: &Parts) {
    w.u32(parts.seat);
    w.u32(parts.owner);
    match parts.spare {
        Some(page) => {
            w.u8(VIEW_THERE);
            w.u64(page.0);
        }
        None => put_view(w, parts.page.map(|(page, view)| (page.0, view))),
    }
    put_view(w, parts.payload.map(|(payload, view)| (payload.0, view)));
}

fn parts(r: &mut ByteReader<'_>) -> Result<Parts, WireError> {
    let (seat, owner) = (r.u32()?, r.u32()?);
    let (page, spare) = match (r.u8()?, r.u64()?) {
        (VIEW_THERE, id) => (None, Some(PageId(id))),
        (tag, id) => (view_of(tag, id)?.map(|(page, view)| (PageId(page), view)), None),
    };
    let payload = view(r)?.map(|(payload, view)| (PayloadId(payload), view));
    Ok(Parts { seat, owner, page, spare, payload })
}

fn truth(r: &mut ByteReader<'_>) -> Result<bool, WireError> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Malformed),
    }
}

pub(super) fn encode(w: &mut ByteWriter, reply: &Reply) -> Kind {
    put_body(w, reply);
    match reply {
        Reply::Done => Kind::Done,
        Reply::Created { .. } => Kind::Created,
        Reply::Opened { .. } => Kind::Opened,
        Reply::HandleFacts { .. } => Kind::HandleFacts,
        Reply::Openings { .. } => Kind::OpeningList,
        Reply::Handle { .. } => Kind::Handle,
        Reply::Delivered { .. } => Kind::Delivered,
        Reply::Taken { .. } => Kind::Taken,
        Reply::Watching { .. } => Kind::Watching,
        Reply::Listing { .. } => Kind::Listing,
        Reply::Facts(_) => Kind::Facts,
        Reply::StreamCreated { .. } => Kind::StreamCreated,
        Reply::StreamOpened { .. } => Kind::StreamOpened,
        Reply::StreamJoined { .. } => Kind::StreamJoined,
        Reply::StreamFull => Kind::StreamFull,
        Reply::StreamGeneration(_) => Kind::PresentGeneration,
        Reply::StreamStock { .. } => Kind::Stock,
        Reply::StreamReceivers { .. } => Kind::StreamReceivers,
    }
}

fn put_body(w: &mut ByteWriter, reply: &Reply) {
    match reply {
        Reply::Done | Reply::StreamFull => {}
        Reply::Created { object, opening, handle, form, granted, parts } => {
            put_opening(w, object, *opening, *granted);
            w.u64(handle.0);
            put_form(w, *form);
            put_parts(w, parts);
        }
        Reply::Opened { object, opening, granted, spec, parts } => {
            put_opening(w, object, *opening, *granted);
            spec.encode(w);
            put_parts(w, parts);
        }
        Reply::HandleFacts { granted, entry } => {
            w.u32(granted.mask().bits());
            put_entry(w, entry);
        }
        Reply::Openings { openings, more } => {
            w.u8((*more).into());
            put_openings(w, openings);
        }
        Reply::StreamCreated { object, opening, handle, form, page, stock } => {
            put_object(w, object);
            w.u32(opening.0);
            w.u64(handle.0);
            put_form(w, *form);
            w.u64(page.0);
            put_pages(w, stock);
        }
        Reply::StreamOpened { object, opening, granted, page, sender, sender_pid } => {
            put_opening(w, object, *opening, *granted);
            w.u64(page.0);
            w.u64(sender.map_or(0, |client| client.0));
            w.i32(*sender_pid);
        }
        Reply::Handle { object, handle, form, granted } => {
            put_object(w, object);
            w.u64(handle.0);
            put_form(w, *form);
            w.u32(granted.mask().bits());
        }
        Reply::Delivered { ticket } => w.u32(*ticket),
        Reply::Taken { object, kind, handle, granted } => {
            put_object(w, object);
            w.u16(kind.rules().number);
            w.u64(handle.0);
            w.u32(granted.mask().bits());
        }
        Reply::Watching { bound } => w.u8((*bound).into()),
        Reply::Listing { entries, more } => {
            w.u8((*more).into());
            w.count(entries.len());
            entries.iter().for_each(|entry| put_entry(w, entry));
        }
        Reply::Facts(entry) => put_entry(w, entry),
        Reply::StreamJoined { page, generation } => {
            w.u64(page.0);
            put_generation(w, generation.as_ref());
        }
        Reply::StreamGeneration(generation) => put_generation(w, generation.as_ref()),
        Reply::StreamStock { stock } => put_pages(w, stock),
        Reply::StreamReceivers { receivers, more } => {
            w.u8((*more).into());
            w.count(receivers.len());
            for receiver in receivers {
                w.i32(receiver.pid);
                w.u64(receiver.page.0);
            }
        }
    }
}

fn taken(r: &mut ByteReader<'_>) -> Result<Reply, WireError> {
    Ok(Reply::Taken {
        object: object(r)?,
        kind: object_kind(r)?,
        handle: HandleId(r.u64()?),
        granted: Granted::from_stored(r.u32()?),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every kind that is not listed is refused here")]
pub(super) fn decode(kind: Kind, r: &mut ByteReader<'_>) -> Result<Reply, WireError> {
    Ok(match kind {
        Kind::Done => Reply::Done,
        Kind::StreamCreated => Reply::StreamCreated {
            object: object(r)?,
            opening: OpeningId(r.u32()?),
            handle: HandleId(r.u64()?),
            form: form(r)?,
            page: PageId(r.u64()?),
            stock: pages(r)?,
        },
        Kind::StreamOpened => Reply::StreamOpened {
            object: object(r)?,
            opening: OpeningId(r.u32()?),
            granted: Granted::from_stored(r.u32()?),
            page: PageId(r.u64()?),
            sender: Some(r.u64()?).filter(|client| *client != 0).map(ClientId),
            sender_pid: r.i32()?,
        },
        Kind::Handle => Reply::Handle {
            object: object(r)?,
            handle: HandleId(r.u64()?),
            form: form(r)?,
            granted: Granted::from_stored(r.u32()?),
        },
        Kind::Delivered => Reply::Delivered { ticket: r.u32()? },
        Kind::Taken => taken(r)?,
        Kind::Watching => Reply::Watching { bound: truth(r)? },
        Kind::Listing => {
            let more = truth(r)?;
            let entries = (0..r.count(47)?).map(|_| entry(r)).collect::<Result<_, _>>()?;
            Reply::Listing { entries, more }
        }
        Kind::Facts => Reply::Facts(entry(r)?),
        Kind::Created => {
            let (object, opening, granted) = opening(r)?;
            let (handle, form) = (HandleId(r.u64()?), form(r)?);
            Reply::Created { object, opening, handle, form, granted, parts: parts(r)? }
        }
        Kind::Opened => {
            let (object, opening, granted) = opening(r)?;
            let spec = Spec::decode(r)?;
            Reply::Opened { object, opening, granted, spec, parts: parts(r)? }
        }
        Kind::HandleFacts => {
            let granted = Granted::from_stored(r.u32()?);
            Reply::HandleFacts { granted, entry: entry(r)? }
        }
        Kind::OpeningList => {
            let more = truth(r)?;
            let openings = openings(r)?;
            Reply::Openings { openings, more }
        }
        Kind::StreamJoined => {
            Reply::StreamJoined { page: PageId(r.u64()?), generation: generation(r)? }
        }
        Kind::StreamFull => Reply::StreamFull,
        Kind::PresentGeneration => Reply::StreamGeneration(generation(r)?),
        Kind::Stock => Reply::StreamStock { stock: pages(r)? },
        Kind::StreamReceivers => {
            let more = truth(r)?;
            let receivers = (0..r.count(12)?)
                .map(|_| Ok(ReceiverFacts { pid: r.i32()?, page: PageId(r.u64()?) }))
                .collect::<Result<_, Malformed>>()?;
            Reply::StreamReceivers { receivers, more }
        }
        other => return Err(WireError::UnknownKind { kind: other.number() }),
    })
}
