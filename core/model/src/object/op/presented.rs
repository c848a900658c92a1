//! What can be done with a handle that a client holds: the handle itself comes with the request,
//! and whoever holds it may use it, whatever his own rights are.

use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::object::effect::Effect;
use crate::object::error::Error;
use crate::object::kind::Kind;
use crate::object::lifetime;
use crate::object::manager::{Caller, Manager};
use crate::object::reply::Reply;
use crate::object::request::{Came, HandleForm};
use crate::object::state::{Handle, Holder, Share, object_id};
use crate::security::{self, Granted, Token};

pub(crate) fn presented<'a>(
    manager: &'a Manager,
    caller: &Caller,
) -> Result<(Handle, &'a Share), Error> {
    let (Came::Handle(id) | Came::HandleAndProcess(id, _)) = caller.came else {
        return Err(Error::HandleUnknown);
    };
    let handle = manager.handles.get(&id).ok_or(Error::HandleUnknown)?;
    if handle.holder != Holder::Descriptor {
        return Err(Error::HandleUnknown);
    }
    let share = manager.shares.get(&handle.share).ok_or(Error::HandleUnknown)?;
    Ok((*handle, share))
}

/// `OpenPresented`: an opening with what the handle was granted.
pub(crate) fn open(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    kind: Kind,
) -> Result<Reply, Error> {
    super::client(manager, caller.client)?;
    let (handle, share) = presented(manager, caller)?;
    let object = share.object;
    super::open::of_kind(manager, object, kind)?;
    super::open::open_object(manager, caller, effects, object, handle.granted)
}

/// `Duplicate`: another handle on the same share. Fewer rights are never checked, more are checked
/// against the descriptor as an opening by name is.
pub(crate) fn duplicate(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    access: AccessMask,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller.client)?;
    let (handle, share) = presented(manager, caller)?;
    let object = share.object;
    let granted = granted(manager, &handle, &token, access)?;
    super::room_for_handle(manager, token.uid, Some(handle.share))?;
    let holder = (token.uid, Holder::Descriptor);
    let id = lifetime::add_handle(manager, handle.share, granted, holder, effects);
    super::watch::changed(manager, effects);
    let (object, form) = (object_id(manager.instance, object), HandleForm::Descriptor);
    Ok(Reply::Handle { object, handle: id, form, granted })
}

/// The rights that a handle made after another one has: the same where none are wanted, fewer
/// unchecked, and more if `token` may have them of the share.
pub(crate) fn granted(
    manager: &Manager,
    handle: &Handle,
    token: &Token,
    access: AccessMask,
) -> Result<Granted, Error> {
    let share = manager.shares.get(&handle.share).ok_or(Error::HandleUnknown)?;
    let record = manager.objects.get(&share.object).ok_or(Error::HandleUnknown)?;
    let kind = record.body.kind();
    let mapping = &kind.rules().mapping;
    if access.is_empty() {
        return Ok(handle.granted);
    }
    if let Some(fewer) = handle.granted.narrowed(access, mapping) {
        return Ok(fewer);
    }
    let owner = &share.maker.token;
    let denied = |granted| {
        let owner_uid = owner.uid;
        Error::AccessDenied { wanted: access, granted, owner_uid, kind }
    };
    security::check(owner, token, access, mapping, record.body.barred()).map_err(denied)
}

/// `QueryPresented`: what a descriptor is, for a process that inherited it or was sent it.
pub(crate) fn query(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller.client)?;
    let (handle, share) = presented(manager, caller)?;
    let object = manager.objects.get(&share.object).ok_or(Error::HandleUnknown)?;
    let entry = super::query::describe(manager, share.object, object, &token);
    Ok(Reply::HandleFacts { granted: handle.granted, entry })
}
