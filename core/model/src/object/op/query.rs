//! What there is: listings and facts.

use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::contract::limits;
use crate::object::effect::Effect;
use crate::object::error::Error;
use crate::object::id::OpeningId;
use crate::object::manager::{Caller, Manager};
use crate::object::reply::{ListEntry, Reply, StreamFacts};
use crate::object::state::{Body, Object, object_id};
use crate::security::Token;

/// `List`: the named objects whose names the caller may see, a page at a time.
pub(crate) fn list(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    after: u64,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller)?;
    let mut entries = Vec::new();
    let mut bytes = 0;
    for (counter, object) in manager.objects.range(after.saturating_add(1)..) {
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
    let (token, _) = super::client(manager, caller)?;
    let opened = super::opened(manager, caller.client, opening, AccessMask::empty())?;
    let object = manager.objects.get(&opened.object);
    let object = object.ok_or(Error::OpeningUnknown { opening })?;
    Ok(Reply::Facts(describe(manager, opened.object, object, &token)))
}

fn describe(manager: &Manager, counter: u64, object: &Object, token: &Token) -> ListEntry {
    let shares = || object.shares.iter().filter_map(|share| manager.shares.get(share));
    let Body::Stream(stream) = &object.body;
    let sender = stream.sender.and_then(|(client, _)| manager.clients.get(&client));
    ListEntry {
        object: object_id(manager.instance, counter),
        kind: object.body.kind(),
        names: shares()
            .filter_map(|share| share.name.clone())
            .filter(|name| name.visible_to(token))
            .collect(),
        pid: object.maker.pid,
        uid: object.maker.token.uid,
        made_ns: object.maker.made_ns,
        handles: shares().map(|share| share.handles).sum(),
        openings: object.openings,
        stream: Some(StreamFacts {
            sender_pid: sender.map(|client| client.pid),
            end: stream.end,
            generation: stream.generation,
            receivers: u32::try_from(stream.receivers.len()).unwrap_or(u32::MAX),
            payload_bytes: stream.payload_bytes(),
            picture: stream.payload.map(|(layout, _, _)| layout.picture).unwrap_or_default(),
        }),
    }
}
