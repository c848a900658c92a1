//! Being told: of a name, or of any change. A watch fires once and is forgotten, so a client
//! that does not read its events cannot make them pile up.

use alloc::vec::Vec;

use crate::contract::limits;
use crate::object::effect::{Effect, Event};
use crate::object::error::{Cap, Error};
use crate::object::id::ClientId;
use crate::object::manager::{Caller, Manager};
use crate::object::name::{ObjectName, RawName};
use crate::object::reply::Reply;
use crate::object::state::Watch;

/// `WatchName`.
pub(crate) fn watch_name(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    name: &RawName,
    watch: u32,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller.client)?;
    let name = ObjectName::parse(name, &token)?;
    let bound = manager.bearer(name.as_ref()).is_some();
    add(manager, caller, watch, Watch::Name(name))?;
    Ok(Reply::Watching { bound })
}

/// `WatchAll`.
pub(crate) fn watch_all(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    watch: u32,
) -> Result<Reply, Error> {
    super::client(manager, caller.client)?;
    add(manager, caller, watch, Watch::All)?;
    Ok(Reply::Watching { bound: false })
}

/// `Unwatch`: also when the watch has fired already.
pub(crate) fn unwatch(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    watch: u32,
) -> Result<Reply, Error> {
    super::client(manager, caller.client)?;
    if let Some(client) = manager.clients.get_mut(&caller.client) {
        client.watches.remove(&watch);
        manager.watchers.note(caller.client, client);
    }
    Ok(Reply::Done)
}

fn add(manager: &mut Manager, caller: &Caller, number: u32, watch: Watch) -> Result<(), Error> {
    let Some(client) = manager.clients.get_mut(&caller.client) else { return Ok(()) };
    let full = client.watches.len() >= limits::WATCHES_PER_CLIENT_MAX;
    if full && !client.watches.contains_key(&number) {
        return Err(Error::cap(Cap::Watches, limits::WATCHES_PER_CLIENT_MAX));
    }
    client.watches.insert(number, watch);
    manager.watchers.note(caller.client, client);
    Ok(())
}

/// Tells whoever waits for this name.
pub(crate) fn bound(manager: &mut Manager, name: &ObjectName, effects: &mut Vec<Effect>) {
    for id in manager.watchers.of_names() {
        fire(manager, id, effects, |watch| matches!(watch, Watch::Name(wanted) if wanted == name));
    }
}

/// Tells whoever waits for any change.
pub(crate) fn changed(manager: &mut Manager, effects: &mut Vec<Effect>) {
    for id in manager.watchers.of_all() {
        fire(manager, id, effects, |watch| matches!(watch, Watch::All));
    }
}

fn fire(
    manager: &mut Manager,
    id: ClientId,
    effects: &mut Vec<Effect>,
    wanted: impl Fn(&Watch) -> bool,
) {
    let Some(client) = manager.clients.get_mut(&id) else { return };
    client.watches.retain(|number, watch| {
        if !wanted(watch) {
            return true;
        }
        let event = match watch {
            Watch::Name(_) => Event::NameBound { watch: *number },
            Watch::All => Event::Changed { watch: *number },
        };
        effects.push(Effect::Notify { client: id, event });
        false
    });
    manager.watchers.note(id, client);
}
