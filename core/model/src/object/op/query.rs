//! What there is: listings and facts.

use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::contract::limits;
use crate::object::effect::Effect;
use crate::object::error::Error;
use crate::object::id::OpeningId;
use crate::object::kind::stream::Stream;
use crate::object::manager::{Caller, Manager};
use crate::object::reply::{Facts, ListEntry, OpeningFacts, Reply, StreamFacts};
use crate::object::state::{Body, Object, object_id};
use crate::security::Token;

/// `List`: the named objects whose names the caller may see, a page at a time.
pub(crate) fn list(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    after: u64,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller.client)?;
    let mut entries = Vec::new();
    let mut bytes = 0;
    for (counter, object) in manager.objects.iter_from(after.saturating_add(1)) {
        let entry = describe(manager, *counter, object, &token);
        if entry.names.is_empty() {
            continue;
        }
        let full = entries.len() >= limits::LISTING_ENTRIES_MAX;
        if full || bytes > limits::LISTING_BYTES_MAX {
            return Ok(Reply::Listing { entries, more: true });
        }
        bytes += entry_bytes(&entry);
        entries.push(entry);
    }
    Ok(Reply::Listing { entries, more: false })
}

/// What an entry takes in a message, generously.
fn entry_bytes(entry: &ListEntry) -> usize {
    let names: usize = entry.names.iter().map(|name| 16 + 2 * name.leaf().len()).sum();
    128 + names
}

/// `Query`: one opened object.
pub(crate) fn query(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    opening: OpeningId,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller.client)?;
    let opened = super::opened(manager, caller.client, opening, AccessMask::empty())?;
    let object = manager.objects.get(&opened.object);
    let object = object.ok_or(Error::OpeningUnknown { opening })?;
    Ok(Reply::Facts(describe(manager, opened.object, object, &token)))
}

pub(crate) fn describe(
    manager: &Manager,
    counter: u64,
    object: &Object,
    token: &Token,
) -> ListEntry {
    let shares = || object.shares.iter().filter_map(|share| manager.shares.get(share));
    ListEntry {
        object: object_id(manager.instance, counter),
        names: shares()
            .filter_map(|share| share.name.clone())
            .filter(|name| name.visible_to(token))
            .collect(),
        pid: object.maker.pid,
        uid: object.maker.token.uid,
        made_ns: object.maker.made_ns,
        handles: u32::try_from(shares().map(|share| share.handles.len()).sum::<usize>())
            .unwrap_or(u32::MAX),
        openings: object.openings,
        facts: match &object.body {
            Body::Stream(stream) => Facts::Stream(stream_facts(manager, stream)),
            Body::Made(made) => Facts::Made(made.spec),
        },
    }
}

fn stream_facts(manager: &Manager, stream: &Stream) -> StreamFacts {
    let sender = stream.sender.and_then(|(client, _)| manager.clients.get(&client));
    StreamFacts {
        sender_pid: sender.map(|client| client.pid),
        end: stream.end,
        generation: stream.generation,
        receivers: u32::try_from(stream.receivers.len()).unwrap_or(u32::MAX),
        payload_bytes: stream.payload_bytes(),
        picture: stream.payload.map(|(layout, _, _)| layout.picture).unwrap_or_default(),
    }
}

/// `Openings`: who holds an opened object open, a page at a time.
pub(crate) fn openings(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    opening: OpeningId,
    skip: u32,
) -> Result<Reply, Error> {
    let opened = super::opened(manager, caller.client, opening, AccessMask::empty())?;
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let all = manager.clients.values().flat_map(|client| {
        client.openings.values().filter_map(move |one| {
            (one.object == opened.object).then_some(OpeningFacts {
                pid: client.pid,
                uid: client.token.uid,
                granted: one.granted,
                owner: one.owner,
            })
        })
    });
    let openings: Vec<_> = all.skip(skip).take(limits::LISTING_ENTRIES_MAX).collect();
    let held = manager.objects.get(&opened.object).map_or(0, |object| object.openings);
    let seen = skip.saturating_add(openings.len());
    let more = usize::try_from(held).is_ok_and(|held| held > seen);
    Ok(Reply::Openings { openings, more })
}
