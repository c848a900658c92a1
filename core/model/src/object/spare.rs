//! Pages that stay with their client: whoever makes an object again and again needs no new page,
//! and maps none.
//!
//! A page is kept only for the client that made its object, and only if nobody else was ever given
//! it: nobody but its next maker can have it mapped, and whoever opens the next object takes the
//! page for written by its maker anyway.

use alloc::vec::Vec;

use crate::contract::limits;

use super::effect::{Effect, PageKind};
use super::id::{ClientId, PageId};
use super::manager::Manager;

/// Keeps the page of an object that is gone for its client, if that is still there; the oldest has
/// to go for it where there are too many. A client that has forgotten one does not lose its place
/// for ever like that.
pub(super) fn keep(
    manager: &mut Manager,
    client: ClientId,
    (page, kind): (PageId, PageKind),
    effects: &mut Vec<Effect>,
) {
    let Some(record) = manager.clients.get_mut(&client) else {
        effects.push(Effect::DropPage { page });
        return;
    };
    record.spare_pages.push_back((page, kind.class()));
    if record.spare_pages.len() > limits::SPARE_PAGES_PER_CLIENT_MAX
        && let Some((page, _)) = record.spare_pages.pop_front()
    {
        effects.push(Effect::DropPage { page });
    }
}

/// Whether a client can have a page that it offers for one of this kind.
pub(super) fn fits(manager: &Manager, client: ClientId, offered: PageId, kind: PageKind) -> bool {
    let record = manager.clients.get(&client);
    record.is_some_and(|record| record.spare_pages.contains(&(offered, kind.class())))
}

/// Takes an offered page for an object of this kind; whether it could be taken.
pub(super) fn take(
    manager: &mut Manager,
    client: ClientId,
    offered: PageId,
    kind: PageKind,
    effects: &mut Vec<Effect>,
) -> bool {
    let wanted = (offered, kind.class());
    let Some(record) = manager.clients.get_mut(&client) else { return false };
    let Some(place) = record.spare_pages.iter().position(|spare| *spare == wanted) else {
        return false;
    };
    record.spare_pages.remove(place);
    effects.push(Effect::ReformatPage { page: offered, kind });
    true
}
