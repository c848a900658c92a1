//! Opening by name, and dropping what was opened.

use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::object::effect::{Effect, Signaller};
use crate::object::error::Error;
use crate::object::id::{ClientId, HandleId, OpeningId, PageId, ShareId};
use crate::object::kind::Kind;
use crate::object::lifetime::{self, Cause};
use crate::object::manager::{Caller, Manager};
use crate::object::name::{NameRef, RawName};
use crate::object::reply::Reply;
use crate::object::request::HandleForm;
use crate::object::spec::View;
use crate::object::state::{Body, Holder, object_id};
use crate::security::{self, Granted};

/// Finds a share by name and checks kind, then access, in that order.
pub(crate) fn find(
    manager: &Manager,
    client: ClientId,
    kind: Kind,
    name: &RawName,
    access: AccessMask,
) -> Result<(ShareId, u64, Granted), Error> {
    let (token, _) = super::client(manager, client)?;
    let name = NameRef::parse(name, &token)?;
    let (id, share) = manager.bearer(name).ok_or(Error::NameNotFound)?;
    let body = of_kind(manager, share.object, kind)?;
    let owner = &share.maker.token;
    let mapping = &kind.rules().mapping;
    let denied =
        |granted| Error::AccessDenied { wanted: access, granted, owner_uid: owner.uid, kind };
    // What the kernel gives to nobody is refused in words, unless all there is was asked for.
    let granted = security::check(owner, &token, access, mapping, body.barred());
    Ok((id, share.object, granted.map_err(denied)?))
}

/// The body of an object, which must be of this kind.
pub(crate) fn of_kind(manager: &Manager, object: u64, wanted: Kind) -> Result<&Body, Error> {
    let object = manager.objects.get(&object).ok_or(Error::NameNotFound)?;
    let found = object.body.kind();
    if found == wanted { Ok(&object.body) } else { Err(Error::KindMismatch { wanted, found }) }
}

/// `Open`: an opening, without a handle.
pub(crate) fn open(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    (kind, name, access): (Kind, &RawName, AccessMask),
    known: Option<PageId>,
) -> Result<Reply, Error> {
    let (_, object, granted) = find(manager, caller.client, kind, name, access)?;
    let mut reply = open_object(manager, caller, effects, object, granted)?;
    // Who says wrongly that he has it has nothing.
    if let (Reply::Opened { parts, .. }, Some(known)) = (&mut reply, known)
        && parts.page == Some((known, View::Writable))
    {
        (parts.page, parts.spare) = (None, Some(known));
    }
    Ok(reply)
}

/// An opening of an object that was found, with these rights.
pub(crate) fn open_object(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    object: u64,
    granted: Granted,
) -> Result<Reply, Error> {
    super::room_for_opening(manager, caller.client)?;
    let id = object_id(manager.instance, object);
    let record = manager.objects.get_mut(&object).ok_or(Error::NameNotFound)?;
    let reply = match &mut record.body {
        Body::Stream(stream) => {
            let page = stream.page;
            let sender = stream.sender.map(|(client, _)| client);
            let client = sender.and_then(|sender| manager.clients.get(&sender));
            let sender_pid = client.map_or(0, |client| client.pid);
            let opening = lifetime::add_opening(manager, caller.client, object, granted, 0);
            Reply::StreamOpened { object: id, opening, granted, page, sender, sender_pid }
        }
        Body::Made(made) => {
            let least = made.spec.least();
            if !granted.allows(least) {
                return Err(Error::AccessDenied {
                    wanted: least,
                    granted: granted.mask(),
                    owner_uid: record.maker.token.uid,
                    kind: made.spec.kind(),
                });
            }
            super::made::room(made, caller.client, granted)?;
            let spec = made.spec;
            let client = caller.client;
            let parts = super::made::join(made, client, granted, Signaller::No, effects);
            let opening = lifetime::add_opening(manager, client, object, granted, parts.owner);
            Reply::Opened { object: id, opening, granted, spec, parts }
        }
    };
    super::watch::changed(manager, effects);
    Ok(reply)
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
    let (token, _) = super::client(manager, caller.client)?;
    let (share, object, granted) = find(manager, caller.client, kind, name, access)?;
    super::room_for_handle(manager, token.uid, Some(share))?;
    let holder = (token.uid, Holder::Descriptor);
    let handle = lifetime::add_handle(manager, share, granted, holder, effects);
    super::watch::changed(manager, effects);
    let (object, form) = (object_id(manager.instance, object), HandleForm::Descriptor);
    Ok(Reply::Handle { object, handle, form, granted })
}

/// `DropHandle`: one that the caller holds by number.
pub(crate) fn drop_handle(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    handle: HandleId,
) -> Result<Reply, Error> {
    let record = manager.clients.get(&caller.client);
    if !record.is_some_and(|record| record.held.contains(&handle)) {
        return Err(Error::HandleNotHeld { handle });
    }
    lifetime::remove_handle(manager, handle, effects);
    Ok(Reply::Done)
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
