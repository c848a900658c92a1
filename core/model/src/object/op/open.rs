//! Opening by name, and dropping what was opened.

use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::object::effect::Effect;
use crate::object::error::Error;
use crate::object::id::{OpeningId, ShareId};
use crate::object::kind::Kind;
use crate::object::lifetime::{self, Cause};
use crate::object::manager::{Caller, Manager};
use crate::object::name::{ObjectName, RawName};
use crate::object::reply::Reply;
use crate::object::state::{Body, object_id};
use crate::security::{self, Granted};

/// Finds a share by name and checks kind, then access, in that order.
fn find(
    manager: &Manager,
    caller: &Caller,
    kind: Kind,
    name: &RawName,
    access: AccessMask,
) -> Result<(ShareId, u64, Granted), Error> {
    let (token, _) = super::client(manager, caller)?;
    let name = ObjectName::parse(name, &token)?;
    let id = *manager.names.get(&name).ok_or(Error::NameNotFound)?;
    let share = manager.shares.get(&id).ok_or(Error::NameNotFound)?;
    let object = manager.objects.get(&share.object).ok_or(Error::NameNotFound)?;
    let found = object.body.kind();
    if found != kind {
        return Err(Error::KindMismatch { wanted: kind, found });
    }
    let mapping = &kind.rules().mapping;
    let granted = security::check(&share.maker.token, &token, access, mapping)
        .map_err(|granted| Error::AccessDenied { wanted: access, granted })?;
    Ok((id, share.object, granted))
}

/// `Open`: an opening, without a handle.
pub(crate) fn open(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    kind: Kind,
    name: &RawName,
    access: AccessMask,
) -> Result<Reply, Error> {
    let (_, object, granted) = find(manager, caller, kind, name, access)?;
    super::room_for_opening(manager, caller.client)?;
    let record = manager.objects.get(&object).ok_or(Error::NameNotFound)?;
    let Body::Stream(stream) = &record.body;
    let page = stream.page;
    let sender = stream.sender.map(|(client, _)| client);
    let sender_pid = sender.and_then(|id| manager.clients.get(&id)).map_or(0, |c| c.pid);

    let opening = lifetime::add_opening(manager, caller.client, object, granted);
    super::watch::changed(manager, effects);
    Ok(Reply::StreamOpened {
        object: object_id(manager.instance, object),
        opening,
        granted,
        page,
        sender,
        sender_pid,
    })
}

/// `OpenHandle`: a new handle on the share that bears the name.
pub(crate) fn open_handle(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    kind: Kind,
    name: &RawName,
    access: AccessMask,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller)?;
    let (share, object, granted) = find(manager, caller, kind, name, access)?;
    super::room_for_handle(manager, token.uid, Some(share))?;
    let handle = lifetime::add_handle(manager, share, granted, token.uid, effects);
    super::watch::changed(manager, effects);
    Ok(Reply::Handle { object: object_id(manager.instance, object), handle, granted })
}

/// `Drop`: the opening and what it was in its object.
pub(crate) fn drop_opening(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    opening: OpeningId,
) -> Result<Reply, Error> {
    super::opened(manager, caller.client, opening, AccessMask::empty())?;
    lifetime::remove_opening(manager, caller.client, opening, Cause::Dropped, effects);
    Ok(Reply::Done)
}
