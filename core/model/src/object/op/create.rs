//! Making objects, and shares over them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::contract::limits;
use crate::object::effect::{Effect, PageKind};
use crate::object::error::{Cap, Error};
use crate::object::id::{OpeningId, ShareId};
use crate::object::kind::Kind;
use crate::object::kind::stream::Stream;
use crate::object::lifetime;
use crate::object::manager::{Caller, Manager};
use crate::object::name::{ObjectName, RawName};
use crate::object::reply::Reply;
use crate::object::state::{Body, Counters, Maker, Object, Share, object_id};
use crate::security::{Granted, Token};

use super::watch;

/// `Create`: an object, a share with its name and one handle, and the creator's opening.
pub(crate) fn create(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    kind: Kind,
    name: Option<&RawName>,
    access: AccessMask,
) -> Result<Reply, Error> {
    let maker = super::maker(manager, caller)?;
    let name = free_name(manager, name, &maker.token)?;
    if !kind.defines(access) {
        return Err(Error::AccessInvalid { wanted: access });
    }
    let uid = maker.token.uid;
    if manager.usage_of(uid).objects >= limits::OBJECTS_PER_UID_MAX {
        return Err(Error::cap(Cap::Objects, limits::OBJECTS_PER_UID_MAX));
    }
    super::room_for_handle(manager, uid, None)?;
    super::room_for_opening(manager, caller.client)?;

    // Nothing can fail from here on.
    let granted = Granted::to_creator(access, &kind.rules().mapping);
    let object = Counters::next(&mut manager.counters.object);
    manager.usage.entry(uid).or_default().objects += 1;
    let page = manager.new_page();
    effects.push(Effect::MakePage { page, kind: PageKind::StreamSender });
    let body = match kind {
        Kind::Stream => Body::Stream(Stream::new(page, (caller.client, OpeningId(0)))),
    };
    let record = Object { maker, shares: BTreeSet::new(), openings: 0, body };
    manager.objects.insert(object, record);
    let opening = lifetime::add_opening(manager, caller.client, object, granted);
    let stock = fresh_stock(manager, object, (caller, opening), effects);
    let share = add_share(manager, object, maker, name.clone());
    let handle = lifetime::add_handle(manager, share, granted, uid, effects);
    publish_name(manager, share, name, effects);
    let object = object_id(manager.instance, object);
    Ok(Reply::StreamCreated { object, opening, handle, page, stock })
}

/// Gives the new stream its sender and its first receiver pages.
fn fresh_stock(
    manager: &mut Manager,
    object: u64,
    (caller, opening): (&Caller, OpeningId),
    effects: &mut Vec<Effect>,
) -> Vec<crate::object::id::PageId> {
    let mut stock = Vec::with_capacity(limits::RECEIVER_PAGES_READY);
    for _ in 0..limits::RECEIVER_PAGES_READY {
        let page = manager.new_page();
        effects.push(Effect::MakePage { page, kind: PageKind::StreamReceiver });
        stock.push(page);
    }
    if let Some(Object { body: Body::Stream(stream), .. }) = manager.objects.get_mut(&object) {
        stream.sender = Some((caller.client, opening));
        stream.sent.extend(&stock);
    }
    stock
}

/// `Share`: another share, with its own name and handle count, over an opened object.
pub(crate) fn share(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    opening: OpeningId,
    name: Option<&RawName>,
    access: AccessMask,
) -> Result<Reply, Error> {
    let maker = super::maker(manager, caller)?;
    let opened = super::opened(manager, caller.client, opening, AccessMask::empty())?;
    let name = free_name(manager, name, &maker.token)?;
    let Some(record) = manager.objects.get(&opened.object) else {
        return Err(Error::OpeningUnknown { opening });
    };
    let kind = record.body.kind();
    if !kind.defines(access) {
        return Err(Error::AccessInvalid { wanted: access });
    }
    // A share made through an opening cannot carry more rights than the opening has.
    let granted = Granted::to_creator(access, &kind.rules().mapping);
    if !opened.granted.allows(granted.mask()) {
        return Err(Error::AccessDenied { wanted: granted.mask(), granted: opened.granted.mask() });
    }
    if record.shares.len() >= limits::SHARES_PER_OBJECT_MAX {
        return Err(Error::cap(Cap::Shares, limits::SHARES_PER_OBJECT_MAX));
    }
    super::room_for_handle(manager, maker.token.uid, None)?;

    // Nothing can fail from here on.
    let share = add_share(manager, opened.object, maker, name.clone());
    let handle = lifetime::add_handle(manager, share, granted, maker.token.uid, effects);
    publish_name(manager, share, name, effects);
    let object = object_id(manager.instance, opened.object);
    Ok(Reply::Handle { object, handle, granted })
}

/// The checked name, if one was given and nobody bears it.
fn free_name(
    manager: &Manager,
    raw: Option<&RawName>,
    token: &Token,
) -> Result<Option<ObjectName>, Error> {
    let Some(raw) = raw else { return Ok(None) };
    let name = ObjectName::parse(raw, token)?;
    let taken = manager.names.get(&name).and_then(|share| manager.shares.get(share));
    if let Some(share) = taken {
        let kind = manager.objects.get(&share.object).map_or(Kind::Stream, |o| o.body.kind());
        return Err(Error::NameTaken {
            pid: share.maker.pid,
            uid: share.maker.token.uid,
            made_ns: share.maker.made_ns,
            kind,
        });
    }
    Ok(Some(name))
}

fn add_share(
    manager: &mut Manager,
    object: u64,
    maker: Maker,
    name: Option<ObjectName>,
) -> ShareId {
    let id = ShareId(Counters::next(&mut manager.counters.share));
    manager.shares.insert(id, Share { object, maker, name, handles: 0 });
    if let Some(record) = manager.objects.get_mut(&object) {
        record.shares.insert(id);
    }
    id
}

fn publish_name(
    manager: &mut Manager,
    share: ShareId,
    name: Option<ObjectName>,
    effects: &mut Vec<Effect>,
) {
    if let Some(name) = name {
        watch::bound(manager, &name, effects);
        manager.names.insert(name, share);
    }
    watch::changed(manager, effects);
}
