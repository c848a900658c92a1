//! Handles into another process, and out of it: the other is given a ticket, a number under which
//! it finds a handle that the broker keeps until it is asked for.

use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::contract::handle::Ticket;
use crate::contract::limits;
use crate::object::effect::Effect;
use crate::object::error::{Cap, Error};
use crate::object::id::{HandleId, ProcessId};
use crate::object::lifetime;
use crate::object::manager::{Caller, Manager};
use crate::object::reply::Reply;
use crate::object::request::{Came, Process};
use crate::object::state::{Counters, Deliveries, Delivery, Handle, Holder, object_id};
use crate::security::{Granted, Token};

/// `Deliver`: another handle on the same share, for another process of the same user. More rights
/// than the handle has are checked as if that process opened the object.
pub(crate) fn deliver(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    access: AccessMask,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller.client)?;
    let Came::HandleAndProcess(_, target) = caller.came else {
        return Err(Error::ProcessUnknown);
    };
    let (handle, _) = super::presented::presented(manager, caller)?;
    reach(&token, &target)?;
    let granted = super::presented::granted(manager, &handle, &target.token, access)?;
    let known = manager.deliveries.get(&target.id);
    let waiting = known.map_or(0, |known| known.values().filter(|one| one.waits()).count());
    if waiting >= limits::TICKETS_PER_PROCESS_MAX {
        return Err(Error::cap(Cap::Tickets, limits::TICKETS_PER_PROCESS_MAX));
    }
    super::room_for_handle(manager, token.uid, Some(handle.share))?;

    // Nothing can fail from here on.
    let ticket = next_ticket(&mut manager.counters, known);
    let holder = (token.uid, Holder::Descriptor);
    let id = lifetime::add_handle(manager, handle.share, granted, holder, effects);
    if let Some(record) = manager.handles.get_mut(&id) {
        record.delivered = Some((target.id, ticket));
    }
    manager.deliveries.entry(target.id).or_default().insert(ticket, Delivery::Waits(id));
    effects.push(Effect::KeepProcess { process: target.id });
    super::watch::changed(manager, effects);
    Ok(Reply::Delivered { ticket: ticket.bits() })
}

/// `Redeem`: the caller's process gets what was delivered to it, once.
pub(crate) fn redeem(
    manager: &mut Manager,
    caller: &Caller,
    _effects: &mut Vec<Effect>,
    ticket: u32,
) -> Result<Reply, Error> {
    super::client(manager, caller.client)?;
    let Came::Process(process) = caller.came else {
        return Err(Error::TicketUnknown { ticket });
    };
    let (place, delivery) = delivered(manager, process.id, ticket)?;
    let Delivery::Waits(id) = delivery else { return Err(Error::TicketUnknown { ticket }) };
    let record = *manager.handles.get(&id).ok_or(Error::TicketUnknown { ticket })?;
    let reply = taken(manager, &record)?(id, record.granted);
    if let Some(known) = manager.deliveries.get_mut(&process.id) {
        known.insert(place, Delivery::Redeemed(id));
    }
    Ok(reply)
}

/// `Fetch`: another handle on the share of what was delivered to another process of the same user.
pub(crate) fn fetch(
    manager: &mut Manager,
    caller: &Caller,
    effects: &mut Vec<Effect>,
    ticket: u32,
    access: AccessMask,
) -> Result<Reply, Error> {
    let (token, _) = super::client(manager, caller.client)?;
    let Came::Process(source) = caller.came else { return Err(Error::ProcessUnknown) };
    reach(&token, &source)?;
    let (_, delivery) = delivered(manager, source.id, ticket)?;
    let handle = manager.handles.get(&delivery.handle());
    let handle = *handle.ok_or(Error::TicketUnknown { ticket })?;
    let granted = super::presented::granted(manager, &handle, &token, access)?;
    super::room_for_handle(manager, token.uid, Some(handle.share))?;
    let reply = taken(manager, &handle)?;

    // Nothing can fail from here on.
    let holder = (token.uid, Holder::Descriptor);
    let id = lifetime::add_handle(manager, handle.share, granted, holder, effects);
    super::watch::changed(manager, effects);
    Ok(reply(id, granted))
}

/// The process has ended: what waits for it is closed, what it has the kernel closes.
pub(crate) fn process_gone(manager: &mut Manager, process: ProcessId, effects: &mut Vec<Effect>) {
    let Some(deliveries) = manager.deliveries.remove(&process) else { return };
    effects.push(Effect::DropProcess { process });
    for delivery in deliveries.into_values() {
        if let Some(handle) = manager.handles.get_mut(&delivery.handle()) {
            handle.delivered = None;
        }
        if delivery.waits() {
            lifetime::remove_handle(manager, delivery.handle(), effects);
        }
    }
}

/// The handle has gone; the process's record goes with the last one.
pub(crate) fn forget(
    manager: &mut Manager,
    process: ProcessId,
    ticket: Ticket,
    effects: &mut Vec<Effect>,
) {
    let Some(deliveries) = manager.deliveries.get_mut(&process) else { return };
    deliveries.remove(&ticket);
    if deliveries.is_empty() {
        manager.deliveries.remove(&process);
        effects.push(Effect::DropProcess { process });
    }
}

/// Who may put handles into a process, and take them out: its own user, and the system.
fn reach(token: &Token, process: &Process) -> Result<(), Error> {
    let uid = process.token.uid;
    if token.uid == uid || token.is_system() { Ok(()) } else { Err(Error::ProcessDenied { uid }) }
}

/// All processes' tickets are counted together: one process's means nothing to another. The
/// process has far fewer than there are, so a free one comes.
fn next_ticket(counters: &mut Counters, known: Option<&Deliveries>) -> Ticket {
    loop {
        let ticket = Ticket::at(Counters::next(&mut counters.ticket));
        if known.is_none_or(|known| !known.contains_key(&ticket)) {
            return ticket;
        }
    }
}

fn delivered(
    manager: &Manager,
    process: ProcessId,
    bits: u32,
) -> Result<(Ticket, Delivery), Error> {
    let unknown = Error::TicketUnknown { ticket: bits };
    let ticket = Ticket::parse(bits).ok_or(unknown)?;
    let known = manager.deliveries.get(&process).and_then(|known| known.get(&ticket));
    known.map(|delivery| (ticket, *delivery)).ok_or(unknown)
}

/// What tells of a handle on a share, once it has its id and its rights.
fn taken(
    manager: &Manager,
    record: &Handle,
) -> Result<impl FnOnce(HandleId, Granted) -> Reply + use<>, Error> {
    let share = manager.shares.get(&record.share).ok_or(Error::HandleUnknown)?;
    let found = manager.objects.get(&share.object).ok_or(Error::HandleUnknown)?;
    let (object, kind) = (object_id(manager.instance, share.object), found.body.kind());
    Ok(move |handle, granted| Reply::Taken { object, kind, handle, granted })
}
