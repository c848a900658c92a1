//! The operations, one file for each family. All functions have one shape: the manager, the
//! caller, where effects go, then what the request says. Each checks everything first and
//! changes things only when nothing can fail any more.

pub(crate) mod create;
pub(crate) mod deliver;
pub(crate) mod made;
pub(crate) mod open;
pub(crate) mod presented;
pub(crate) mod query;
pub(crate) mod stream;
pub(crate) mod watch;

use crate::contract::access::AccessMask;
use crate::contract::limits;
use crate::security::Token;

use super::error::{Cap, Error};
use super::id::{ClientId, OpeningId, ShareId};
use super::kind::Kind;
use super::manager::{Caller, Manager};
use super::request::HandleForm;
use super::state::{Client, Holder, Maker, Opening};

/// The caller's record. A caller that is not there has been dropped between two requests; it
/// owns no opening, so that is what it is told.
fn client(manager: &Manager, caller: ClientId) -> Result<(Token, i32), Error> {
    match manager.clients.get(&caller) {
        Some(client) => Ok((client.token, client.pid)),
        None => Err(Error::OpeningUnknown { opening: OpeningId(0) }),
    }
}

fn maker(manager: &Manager, caller: &Caller) -> Result<Maker, Error> {
    let (token, pid) = client(manager, caller.client)?;
    Ok(Maker { token, pid, made_ns: caller.time_ns })
}

/// An opening of the caller's that allows `wanted`.
fn opened(
    manager: &Manager,
    caller: ClientId,
    opening: OpeningId,
    wanted: AccessMask,
) -> Result<Opening, Error> {
    let record = manager.clients.get(&caller).and_then(|client| client.openings.get(&opening));
    let Some(record) = record else { return Err(Error::OpeningUnknown { opening }) };
    if !record.granted.allows(wanted) {
        return Err(denied(manager, record, wanted));
    }
    Ok(*record)
}

/// What an opening is refused with that lacks rights.
fn denied(manager: &Manager, opened: &Opening, wanted: AccessMask) -> Error {
    let object = manager.objects.get(&opened.object);
    Error::AccessDenied {
        wanted,
        granted: opened.granted.mask(),
        owner_uid: object.map_or(0, |object| object.maker.token.uid),
        kind: object.map_or(Kind::Stream, |object| object.body.kind()),
    }
}

/// Who holds a handle that the caller asks for.
const fn holder(caller: &Caller, form: HandleForm) -> Holder {
    match form {
        HandleForm::Descriptor => Holder::Descriptor,
        HandleForm::Held => Holder::Client(caller.client),
    }
}

fn room_for_opening(manager: &Manager, caller: ClientId) -> Result<(), Error> {
    let full = |client: &Client| {
        // A number is never given twice, so the last one ends it, too.
        client.openings.len() >= limits::OPENINGS_PER_CLIENT_MAX || client.next_opening == u32::MAX
    };
    if manager.clients.get(&caller).is_some_and(full) {
        return Err(Error::cap(Cap::Openings, limits::OPENINGS_PER_CLIENT_MAX));
    }
    Ok(())
}

fn room_for_handle(manager: &Manager, uid: u32, share: Option<ShareId>) -> Result<(), Error> {
    if manager.usage_of(uid).handles >= limits::HANDLES_PER_UID_MAX {
        return Err(Error::cap(Cap::Handles, limits::HANDLES_PER_UID_MAX));
    }
    let of_share = share.and_then(|share| manager.shares.get(&share));
    let of_share = of_share.map_or(0, |share| share.handles.len());
    if of_share >= limits::HANDLES_PER_SHARE_MAX {
        return Err(Error::cap(Cap::HandlesOfShare, limits::HANDLES_PER_SHARE_MAX));
    }
    Ok(())
}
