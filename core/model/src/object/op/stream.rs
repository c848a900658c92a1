//! Streams: pages, generations, joining and leaving. A frame never comes by here.

use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::contract::limits;
use crate::object::effect::{Effect, Event, PageKind, StreamEnd};
use crate::object::error::{Cap, Error};
use crate::object::generation::GenerationLayout;
use crate::object::id::{ClientId, OpeningId, PayloadId};
use crate::object::kind::Kind;
use crate::object::kind::stream::{Mapped, Receiver, Stream};
use crate::object::lifetime::{self, Cause};
use crate::object::manager::{Caller, Manager};
use crate::object::reply::{ReceiverFacts, Reply};
use crate::object::request::Came;
use crate::object::state::{Body, Object, Opening};

use super::watch;

/// An opened stream, changeable.
fn stream_of(manager: &mut Manager, object: u64, opening: OpeningId) -> Result<&mut Stream, Error> {
    match manager.objects.get_mut(&object) {
        Some(Object { body: Body::Stream(stream), .. }) => Ok(stream),
        Some(Object { body: Body::Made(made), .. }) => {
            Err(Error::KindMismatch { wanted: Kind::Stream, found: made.spec.kind() })
        }
        None => Err(Error::OpeningUnknown { opening }),
    }
}

/// An opening of the caller's of a stream that allows `wanted`. Its kind is checked before its
/// rights, since the same bit is another right of another kind.
fn opened(
    manager: &mut Manager,
    caller: ClientId,
    opening: OpeningId,
    wanted: AccessMask,
) -> Result<Opening, Error> {
    let opened = super::opened(manager, caller, opening, AccessMask::empty())?;
    stream_of(manager, opened.object, opening)?;
    super::opened(manager, caller, opening, wanted)
}

/// The stream whose sender this opening is.
fn sent_by(
    manager: &mut Manager,
    caller: ClientId,
    opening: OpeningId,
) -> Result<(u64, &mut Stream), Error> {
    let opened = opened(manager, caller, opening, AccessMask::STREAM_SEND)?;
    let stream = stream_of(manager, opened.object, opening)?;
    if stream.sender != Some((caller, opening)) {
        return Err(Error::NotTheSender { opening });
    }
    Ok((opened.object, stream))
}

/// `Mapped`: the page this opening writes is sealed; the sender's receiver pages become usable.
pub(crate) fn mapped(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    opening: OpeningId,
) -> Result<Reply, Error> {
    let opened = super::opened(manager, caller.client, opening, AccessMask::empty())?;
    let key = (caller.client, opening);
    let stream = stream_of(manager, opened.object, opening)?;
    if stream.sender == Some(key) {
        if stream.mapped == Mapped::No {
            stream.mapped = Mapped::Yes;
            effects.push(Effect::SealPage { page: stream.page });
        }
        stream.ready.append(&mut stream.sent);
        if !stream.ready.is_empty() {
            // All of them, also beyond the pages there are: one that dies before it joins must
            // not leave a page unused and the next one waiting.
            for (client, opening) in stream.waiting.drain(..) {
                effects.push(Effect::Notify { client, event: Event::Room { opening } });
            }
        }
    }
    if let Some(receiver) = stream.receivers.get_mut(&key)
        && receiver.mapped == Mapped::No
    {
        receiver.mapped = Mapped::Yes;
        effects.push(Effect::SealPage { page: receiver.page });
    }
    Ok(Reply::Done)
}

/// `StreamJoin`: takes a ready receiver page, or waits for one.
pub(crate) fn join(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    opening: OpeningId,
) -> Result<Reply, Error> {
    let opened = opened(manager, caller.client, opening, AccessMask::STREAM_RECEIVE)?;
    let key = (caller.client, opening);
    let stream = stream_of(manager, opened.object, opening)?;
    if stream.sender.is_none() {
        return Err(Error::StreamOver);
    }
    if stream.receivers.contains_key(&key) {
        return Err(Error::JoinedAlready { opening });
    }
    if stream.receivers.len() >= limits::RECEIVERS_PER_STREAM_MAX {
        return Err(Error::cap(Cap::Receivers, limits::RECEIVERS_PER_STREAM_MAX));
    }
    let Some(page) = stream.ready.pop_front() else {
        if !stream.waiting.contains(&key) {
            stream.waiting.push_back(key);
        }
        effects.push(Effect::BumpEvents { page: stream.page });
        return Ok(Reply::StreamFull);
    };
    stream.waiting.retain(|waiting| *waiting != key);
    stream.receivers.insert(key, Receiver { page, mapped: Mapped::No });
    let generation = present(stream);
    // The sender looks at its page in any case; it is woken so that it can count receivers and
    // take more pages in time.
    effects.push(Effect::BumpEvents { page: stream.page });
    watch::changed(manager, effects);
    Ok(Reply::StreamJoined { page, generation })
}

fn present(stream: &Stream) -> Option<(GenerationLayout, PayloadId)> {
    stream.payload.map(|(layout, payload, _)| (layout, payload))
}

/// `StreamGeneration`.
pub(crate) fn generation(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    opening: OpeningId,
) -> Result<Reply, Error> {
    let opened = opened(manager, caller.client, opening, AccessMask::STREAM_RECEIVE)?;
    let stream = stream_of(manager, opened.object, opening)?;
    if stream.sender.is_none() {
        return Err(Error::StreamOver);
    }
    Ok(Reply::StreamGeneration(present(stream)))
}

/// `StreamPublish`: the sender's next generation takes the former one's place.
pub(crate) fn publish(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    opening: OpeningId,
    layout: GenerationLayout,
) -> Result<Reply, Error> {
    let (object, stream) = sent_by(manager, caller.client, opening)?;
    let former_bytes = stream.payload_bytes();
    let expected = stream.generation.wrapping_add(1);
    let Came::Memory(received) = caller.came else { return Err(Error::PayloadMissing) };
    if layout.number != expected {
        return Err(Error::GenerationOutOfOrder { expected, given: layout.number });
    }
    if layout.slots == 0 || layout.slots > limits::SLOTS_MAX {
        return Err(Error::CapReached { cap: Cap::Slots, limit: limits::SLOTS_MAX.into() });
    }
    if layout.slot_bytes > limits::SLOT_BYTES_MAX {
        return Err(Error::CapReached { cap: Cap::SlotBytes, limit: limits::SLOT_BYTES_MAX });
    }
    let needs_bytes = layout.needs_bytes().unwrap_or(u64::MAX);
    if layout.slot_bytes == 0 || received.size_bytes < needs_bytes {
        return Err(Error::PayloadTooSmall { needs_bytes, has_bytes: received.size_bytes });
    }
    let uid = manager.objects.get(&object).map_or(0, |record| record.maker.token.uid);
    let held = manager.usage_of(uid).payload_bytes - former_bytes;
    if held.saturating_add(received.size_bytes) > limits::PAYLOAD_BYTES_PER_UID_MAX {
        let limit = limits::PAYLOAD_BYTES_PER_UID_MAX;
        return Err(Error::CapReached { cap: Cap::PayloadBytes, limit });
    }

    // Nothing can fail from here on.
    let payload = manager.new_payload();
    effects.push(Effect::KeepPayload { payload });
    let (_, stream) = sent_by(manager, caller.client, opening)?;
    let former = stream.payload.replace((layout, payload, received.size_bytes));
    stream.generation = layout.number;
    if let Some((_, former, _)) = former {
        effects.push(Effect::DropPayload { payload: former });
    }
    manager.usage.entry(uid).or_default().payload_bytes = held + received.size_bytes;
    watch::changed(manager, effects);
    Ok(Reply::Done)
}

/// `StreamStock`: fills the sender's receiver pages up.
pub(crate) fn stock(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    opening: OpeningId,
) -> Result<Reply, Error> {
    let (object, stream) = sent_by(manager, caller.client, opening)?;
    let held = stream.ready.len() + stream.sent.len();
    let mut stock = Vec::new();
    for _ in held..limits::RECEIVER_PAGES_READY {
        let page = manager.new_page();
        effects.push(Effect::MakePage { page, kind: PageKind::StreamReceiver });
        stock.push(page);
    }
    stream_of(manager, object, opening)?.sent.extend(&stock);
    Ok(Reply::StreamStock { stock })
}

/// `StreamInspect`: the receivers, a page at a time.
pub(crate) fn inspect(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    opening: OpeningId,
    skip: u32,
) -> Result<Reply, Error> {
    let opened = opened(manager, caller.client, opening, AccessMask::STREAM_QUERY)?;
    let Some(Object { body: Body::Stream(stream), .. }) = manager.objects.get(&opened.object)
    else {
        return Err(Error::OpeningUnknown { opening });
    };
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let receivers: Vec<_> = stream
        .receivers
        .iter()
        .skip(skip)
        .take(limits::LISTING_ENTRIES_MAX)
        .map(|((client, _), receiver)| ReceiverFacts {
            pid: manager.clients.get(client).map_or(0, |client| client.pid),
            page: receiver.page,
        })
        .collect();
    let more = stream.receivers.len() > skip.saturating_add(receivers.len());
    Ok(Reply::StreamReceivers { receivers, more })
}

/// An opening goes: the sender's ends the stream, a receiver's gives its page back. One opening
/// may be both.
pub(crate) fn leave(
    manager: &mut Manager,
    object: u64,
    key: (ClientId, OpeningId),
    cause: Cause,
    effects: &mut Vec<Effect>,
) {
    let Some(record) = manager.objects.get_mut(&object) else { return };
    let uid = record.maker.token.uid;
    let Body::Stream(stream) = &mut record.body else { return };
    // Whoever goes is told nothing any more.
    let goes = |(client, _): (ClientId, _)| cause == Cause::Died && client == key.0;
    stream.waiting.retain(|waiting| *waiting != key && !goes(*waiting));
    let sends = stream.sender == Some(key);
    let former = if sends { over(stream, cause, effects) } else { None };
    if let Some(receiver) = stream.receivers.remove(&key) {
        effects.push(Effect::StampGone { page: receiver.page });
        effects.push(Effect::DropPage { page: receiver.page });
        if stream.sender.is_some() {
            effects.push(Effect::BumpEvents { page: stream.page });
        }
    }
    lifetime::drop_payload(manager, uid, former, effects);
}

/// The sender is gone: nobody can join any more, whoever waits for room is told to look.
/// Returns the memory to give back.
fn over(stream: &mut Stream, cause: Cause, effects: &mut Vec<Effect>) -> Option<(PayloadId, u64)> {
    let end = match cause {
        Cause::Dropped => StreamEnd::Ended,
        Cause::Died => StreamEnd::Lost,
    };
    stream.sender = None;
    stream.end = Some(end);
    effects.push(Effect::EndSender { page: stream.page, end });
    for page in stream.ready.drain(..).chain(stream.sent.drain(..)) {
        effects.push(Effect::DropPage { page });
    }
    for (client, opening) in stream.waiting.drain(..) {
        effects.push(Effect::Notify { client, event: Event::Room { opening } });
    }
    stream.payload.take().map(|(_, payload, size_bytes)| (payload, size_bytes))
}
