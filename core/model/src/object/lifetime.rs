//! The only file where counts move.
//!
//! Two counts, two events. Handles carry a share's name: when the last one is closed or dropped the
//! share and its name are gone. Openings carry nothing. The object dies when it has neither.

use alloc::vec::Vec;

use crate::security::Granted;

use super::effect::Effect;
use super::id::{ClientId, HandleId, OpeningId, PayloadId, ShareId};
use super::kind::made::Made;
use super::kind::stream;
use super::manager::Manager;
use super::op;
use super::spare;
use super::state::{Body, Counters, Handle, Holder, Opening};

/// Why an opening goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its client dropped it.
    Dropped,
    /// Its client's process ended or hung up.
    Died,
}

/// Counts a new handle of `share`; the caller has checked the caps.
pub(crate) fn add_handle(
    manager: &mut Manager,
    share: ShareId,
    granted: Granted,
    (uid, holder): (u32, Holder),
    effects: &mut Vec<Effect>,
) -> HandleId {
    let id = HandleId(Counters::next(&mut manager.counters.handle));
    manager.handles.insert(id, Handle { share, granted, uid, holder, delivered: None });
    manager.usage.entry(uid).or_default().handles += 1;
    if let Some(record) = manager.shares.get_mut(&share) {
        record.handles.push(id);
    }
    match holder {
        Holder::Descriptor => effects.push(Effect::MakeHandle { handle: id }),
        Holder::Client(client) => {
            if let Some(record) = manager.clients.get_mut(&client) {
                record.held.insert(id);
            }
        }
    }
    id
}

/// Takes a handle that nobody holds any more; the share goes with its last handle.
pub(crate) fn remove_handle(manager: &mut Manager, handle: HandleId, effects: &mut Vec<Effect>) {
    let Some(record) = manager.handles.remove(&handle) else { return };
    match record.holder {
        Holder::Descriptor => effects.push(Effect::DropHandle { handle }),
        Holder::Client(client) => {
            if let Some(client) = manager.clients.get_mut(&client) {
                client.held.remove(&handle);
            }
        }
    }
    if let Some((process, ticket)) = record.delivered {
        op::deliver::forget(manager, process, ticket, effects);
    }
    manager.release(record.uid, |usage| usage.handles -= 1);
    op::watch::changed(manager, effects);
    let Some(share) = manager.shares.get_mut(&record.share) else { return };
    share.handles.retain(|other| *other != handle);
    if !share.handles.is_empty() {
        return;
    }
    let Some(share) = manager.shares.remove(&record.share) else { return };
    if let Some(name) = &share.name {
        manager.names.remove(&manager.shares, name, record.share);
    }
    if let Some(object) = manager.objects.get_mut(&share.object) {
        object.shares.retain(|other| *other != record.share);
    }
    destroy_if_unused(manager, share.object, effects);
}

/// Counts a new opening of `client`, with its number at a keyed mutex; the caller has checked the
/// cap.
pub(crate) fn add_opening(
    manager: &mut Manager,
    client: ClientId,
    object: u64,
    granted: Granted,
    owner: u32,
) -> OpeningId {
    let mut id = OpeningId(0);
    if let Some(record) = manager.clients.get_mut(&client) {
        record.next_opening = record.next_opening.wrapping_add(1);
        id = OpeningId(record.next_opening);
        record.openings.insert(id, Opening { object, granted, owner });
    }
    if let Some(record) = manager.objects.get_mut(&object) {
        record.openings += 1;
    }
    id
}

/// Takes an opening away: what it was in its object (sender, receiver) ends first.
pub(crate) fn remove_opening(
    manager: &mut Manager,
    client: ClientId,
    opening: OpeningId,
    cause: Cause,
    effects: &mut Vec<Effect>,
) {
    let Some(record) = manager.clients.get_mut(&client) else { return };
    let Some(opened) = record.openings.remove(&opening) else { return };
    op::stream::leave(manager, opened.object, (client, opening), cause, effects);
    if let Some(object) = manager.objects.get_mut(&opened.object) {
        object.openings -= 1;
        let is_last = object.openings == 0 && object.shares.is_empty();
        if let Body::Made(made) = &mut object.body {
            // Nobody is left who could read in the page that its last user has gone. A client that
            // was thrown out may have threads that still wait there.
            let is_private = is_last && cause == Cause::Dropped && made.sole == Some(client);
            if !is_private {
                op::made::leave(made, client, &opened, cause, effects);
            }
        }
    }
    destroy_if_unused(manager, opened.object, effects);
    op::watch::changed(manager, effects);
}

fn destroy_if_unused(manager: &mut Manager, object: u64, effects: &mut Vec<Effect>) {
    let unused = manager
        .objects
        .get(&object)
        .is_some_and(|record| record.openings == 0 && record.shares.is_empty());
    if !unused {
        return;
    }
    let Some(record) = manager.objects.remove(&object) else { return };
    let uid = record.maker.token.uid;
    match record.body {
        Body::Stream(stream) => destroy_stream(manager, uid, &stream, effects),
        Body::Made(made) => {
            drop_payload(manager, uid, made.payload, effects);
            drop_page(manager, &made, effects);
        }
    }
    manager.release(uid, |usage| usage.objects -= 1);
}

fn drop_page(manager: &mut Manager, made: &Made, effects: &mut Vec<Effect>) {
    let Some(page) = made.page else { return };
    match (made.sole, made.spec.page()) {
        (Some(client), Some(kind)) => spare::keep(manager, client, (page, kind), effects),
        _ => effects.push(Effect::DropPage { page }),
    }
}

fn destroy_stream(
    manager: &mut Manager,
    uid: u32,
    stream: &stream::Stream,
    effects: &mut Vec<Effect>,
) {
    let payload = stream.payload.map(|(_, payload, size_bytes)| (payload, size_bytes));
    drop_payload(manager, uid, payload, effects);
    let pages = stream.sent.iter().chain(&stream.ready).chain([&stream.page]);
    effects.extend(pages.map(|page| Effect::DropPage { page: *page }));
}

/// Gives back memory that a user's stream held.
pub(crate) fn drop_payload(
    manager: &mut Manager,
    uid: u32,
    payload: Option<(PayloadId, u64)>,
    effects: &mut Vec<Effect>,
) {
    if let Some((payload, size_bytes)) = payload {
        effects.push(Effect::DropPayload { payload });
        manager.release(uid, |usage| usage.payload_bytes -= size_bytes);
    }
}
