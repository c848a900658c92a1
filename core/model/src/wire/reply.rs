//! Replies as bytes.

use alloc::vec::Vec;

use crate::contract::bytes::{ByteReader, ByteWriter, Malformed};
use crate::object::reply::ReceiverFacts;
use crate::object::{
    self, ClientId, Directory, GenerationLayout, HandleId, ListEntry, ObjectId, ObjectName,
    OpeningId, PageId, PayloadId, Reply, StreamEnd, StreamFacts,
};
use crate::security::Granted;

use super::WireError;
use super::header::Kind;
use super::request::{layout, picture, put_layout, put_picture};

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
    w.u16(entry.kind.rules().number);
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
    w.u8(entry.stream.is_some().into());
    if let Some(stream) = &entry.stream {
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
}

fn entry(r: &mut ByteReader<'_>) -> Result<ListEntry, WireError> {
    let object = object(r)?;
    let kind = object::Kind::from_number(r.u16()?).ok_or(WireError::Malformed)?;
    let (pid, uid, made_ns) = (r.i32()?, r.u32()?, r.u64()?);
    let (handles, openings) = (r.u32()?, r.u32()?);
    let names = (0..r.count(5)?).map(|_| name(r)).collect::<Result<_, _>>()?;
    let stream = match r.u8()? {
        0 => None,
        1 => Some(stream_facts(r)?),
        _ => return Err(WireError::Malformed),
    };
    Ok(ListEntry { object, kind, names, pid, uid, made_ns, handles, openings, stream })
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

fn truth(r: &mut ByteReader<'_>) -> Result<bool, WireError> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Malformed),
    }
}

pub(super) fn encode(w: &mut ByteWriter, reply: &Reply) -> Kind {
    match reply {
        Reply::Done => Kind::Done,
        Reply::StreamCreated { object, opening, handle, page, stock } => {
            put_object(w, object);
            w.u32(opening.0);
            w.u64(handle.0);
            w.u64(page.0);
            put_pages(w, stock);
            Kind::StreamCreated
        }
        Reply::StreamOpened { object, opening, granted, page, sender, sender_pid } => {
            put_object(w, object);
            w.u32(opening.0);
            w.u32(granted.mask().bits());
            w.u64(page.0);
            w.u64(sender.map_or(0, |client| client.0));
            w.i32(*sender_pid);
            Kind::StreamOpened
        }
        Reply::Handle { object, handle, granted } => {
            put_object(w, object);
            w.u64(handle.0);
            w.u32(granted.mask().bits());
            Kind::Handle
        }
        Reply::Watching { bound } => {
            w.u8((*bound).into());
            Kind::Watching
        }
        Reply::Listing { entries, more } => {
            w.u8((*more).into());
            w.count(entries.len());
            entries.iter().for_each(|entry| put_entry(w, entry));
            Kind::Listing
        }
        Reply::Facts(entry) => {
            put_entry(w, entry);
            Kind::Facts
        }
        Reply::StreamJoined { page, generation } => {
            w.u64(page.0);
            put_generation(w, generation.as_ref());
            Kind::StreamJoined
        }
        Reply::StreamFull => Kind::StreamFull,
        Reply::StreamGeneration(generation) => {
            put_generation(w, generation.as_ref());
            Kind::PresentGeneration
        }
        Reply::StreamStock { stock } => {
            put_pages(w, stock);
            Kind::Stock
        }
        Reply::StreamReceivers { receivers, more } => {
            w.u8((*more).into());
            w.count(receivers.len());
            for receiver in receivers {
                w.i32(receiver.pid);
                w.u64(receiver.page.0);
            }
            Kind::StreamReceivers
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every kind that is not listed is refused here")]
pub(super) fn decode(kind: Kind, r: &mut ByteReader<'_>) -> Result<Reply, WireError> {
    Ok(match kind {
        Kind::Done => Reply::Done,
        Kind::StreamCreated => Reply::StreamCreated {
            object: object(r)?,
            opening: OpeningId(r.u32()?),
            handle: HandleId(r.u64()?),
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
            granted: Granted::from_stored(r.u32()?),
        },
        Kind::Watching => Reply::Watching { bound: truth(r)? },
        Kind::Listing => {
            let more = truth(r)?;
            let entries = (0..r.count(47)?).map(|_| entry(r)).collect::<Result<_, _>>()?;
            Reply::Listing { entries, more }
        }
        Kind::Facts => Reply::Facts(entry(r)?),
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
