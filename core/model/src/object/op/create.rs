//! Making objects, and shares over them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::contract::access::AccessMask;
use crate::contract::limits;
use crate::object::effect::{Effect, PageKind, Signaller};
use crate::object::error::{Cap, Error};
use crate::object::id::{OpeningId, PageId, ShareId};
use crate::object::kind::Kind;
use crate::object::kind::made::Made;
use crate::object::kind::stream::Stream;
use crate::object::lifetime;
use crate::object::manager::{Caller, Manager};
use crate::object::name::{ObjectName, RawName};
use crate::object::reply::{Parts, Reply};
use crate::object::request::{Came, HandleForm};
use crate::object::spare;
use crate::object::spec::Spec;
use crate::object::state::{Body, Counters, Maker, Object, Share, object_id};
use crate::security::{Granted, Token};

use super::watch;

/// `Create`: an object, a share with its name and one handle, and the creator's opening.
pub(crate) fn create(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    (spec, spare): (Spec, Option<PageId>),
    name: Option<&RawName>,
    (access, form): (AccessMask, HandleForm),
) -> Result<Reply, Error> {
    let kind = spec.kind();
    let (maker, name) = room_for_object(manager, caller, kind, name, access)?;
    let uid = maker.token.uid;
    let needs_bytes = spec.needs_bytes()?;
    let has_bytes = match caller.came {
        Came::Memory(memory) => memory.size_bytes,
        Came::Nothing | Came::Handle(_) | Came::HandleAndProcess(..) | Came::Process(_) => 0,
    };
    if has_bytes < needs_bytes {
        return Err(Error::PayloadTooSmall { needs_bytes, has_bytes });
    }
    let held = manager.usage_of(uid).payload_bytes;
    if held.saturating_add(has_bytes) > limits::PAYLOAD_BYTES_PER_UID_MAX {
        let limit = limits::PAYLOAD_BYTES_PER_UID_MAX;
        return Err(Error::CapReached { cap: Cap::PayloadBytes, limit });
    }

    // Nothing can fail from here on.
    let mapping = &kind.rules().mapping;
    let page = spec.page().map(|kind| take_page(manager, caller, (kind, spare), effects));
    let payload = spec.writers().map(|_| {
        let payload = manager.new_payload();
        effects.push(Effect::KeepPayload { payload });
        (payload, has_bytes)
    });
    let usage = manager.usage.entry(uid).or_default();
    usage.payload_bytes += payload.map_or(0, |(_, size_bytes)| size_bytes);
    let own = Granted::to_creator(AccessMask::GENERIC_ALL, mapping);
    let mut made = Made::new(spec, page.map(|(page, _)| page), payload, caller.client);
    let parts = super::made::join(&mut made, caller.client, own, Signaller::Yes, effects);
    let object = add_object(manager, maker, Body::Made(made));
    let opening = lifetime::add_opening(manager, caller.client, object, own, parts.owner);
    let granted = Granted::to_creator(access, mapping).without(spec.barred());
    let share = add_share(manager, object, maker, name.clone());
    let holder = (uid, super::holder(caller, form));
    let handle = lifetime::add_handle(manager, share, granted, holder, effects);
    publish_name(manager, share, name, effects);
    let object = object_id(manager.instance, object);
    // The maker has the memory already, and perhaps the page.
    let mut parts = Parts { payload: None, ..parts };
    if let Some((page, Mapping::There)) = page {
        (parts.page, parts.spare) = (None, Some(page));
    }
    Ok(Reply::Created { object, opening, handle, form, granted, parts })
}

/// Whether the client that gets a page has it mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mapping {
    None,
    There,
}

/// The page that the caller offers, if it can be used, or a new one.
fn take_page(
    manager: &mut Manager,
    caller: &Caller,
    (kind, offered): (PageKind, Option<PageId>),
    effects: &mut Vec<Effect>,
) -> (PageId, Mapping) {
    if let Some(offered) = offered
        && spare::take(manager, caller.client, offered, kind, effects)
    {
        return (offered, Mapping::There);
    }
    let page = manager.new_page();
    effects.push(Effect::MakePage { page, kind });
    (page, Mapping::None)
}

/// `StreamCreate`: as [`create`]; the opening is the stream's sender.
pub(crate) fn create_stream(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    name: Option<&RawName>,
    (access, form): (AccessMask, HandleForm),
) -> Result<Reply, Error> {
    let kind = Kind::Stream;
    let (maker, name) = room_for_object(manager, caller, kind, name, access)?;

    // Nothing can fail from here on.
    let granted = Granted::to_creator(access, &kind.rules().mapping);
    let page = manager.new_page();
    effects.push(Effect::MakePage { page, kind: PageKind::StreamSender });
    let stream = Stream::new(page, (caller.client, OpeningId(0)));
    let object = add_object(manager, maker, Body::Stream(Box::new(stream)));
    let opening = lifetime::add_opening(manager, caller.client, object, granted, 0);
    let stock = fresh_stock(manager, object, (caller, opening), effects);
    let share = add_share(manager, object, maker, name.clone());
    let holder = (maker.token.uid, super::holder(caller, form));
    let handle = lifetime::add_handle(manager, share, granted, holder, effects);
    publish_name(manager, share, name, effects);
    let object = object_id(manager.instance, object);
    Ok(Reply::StreamCreated { object, opening, handle, form, page, stock })
}

/// Who makes it and under which name, if there is room for another object.
fn room_for_object(
    manager: &Manager,
    caller: &Caller,
    kind: Kind,
    name: Option<&RawName>,
    access: AccessMask,
) -> Result<(Maker, Option<ObjectName>), Error> {
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
    Ok((maker, name))
}

fn add_object(manager: &mut Manager, maker: Maker, body: Body) -> u64 {
    let object = Counters::next(&mut manager.counters.object);
    manager.usage.entry(maker.token.uid).or_default().objects += 1;
    let record = Object { maker, shares: SmallVec::new(), openings: 0, body };
    manager.objects.insert(object, record);
    object
}

/// Gives the new stream its sender and its first receiver pages.
fn fresh_stock(
    manager: &mut Manager,
    object: u64,
    (caller, opening): (&Caller, OpeningId),
    effects: &mut Vec<Effect>,
) -> Vec<PageId> {
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
    (access, form): (AccessMask, HandleForm),
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
    let barred = record.body.barred();
    let granted = Granted::to_creator(access, &kind.rules().mapping).without(barred);
    if !opened.granted.allows(granted.mask()) {
        return Err(super::denied(manager, &opened, granted.mask()));
    }
    if record.shares.len() >= limits::SHARES_PER_OBJECT_MAX {
        return Err(Error::cap(Cap::Shares, limits::SHARES_PER_OBJECT_MAX));
    }
    super::room_for_handle(manager, maker.token.uid, None)?;

    // Nothing can fail from here on.
    let share = add_share(manager, opened.object, maker, name.clone());
    let holder = (maker.token.uid, super::holder(caller, form));
    let handle = lifetime::add_handle(manager, share, granted, holder, effects);
    publish_name(manager, share, name, effects);
    let object = object_id(manager.instance, opened.object);
    Ok(Reply::Handle { object, handle, form, granted })
}

/// The checked name, if one was given and nobody bears it.
fn free_name(
    manager: &Manager,
    raw: Option<&RawName>,
    token: &Token,
) -> Result<Option<ObjectName>, Error> {
    let Some(raw) = raw else { return Ok(None) };
    let name = ObjectName::parse(raw, token)?;
    if let Some((_, share)) = manager.bearer(name.as_ref()) {
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
    manager.shares.insert(id, Share { object, maker, name, handles: SmallVec::new() });
    if let Some(record) = manager.objects.get_mut(&object) {
        record.shares.push(id);
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
        manager.names.insert(&manager.shares, name.as_ref(), share);
    }
    watch::changed(manager, effects);
}
