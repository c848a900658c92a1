//! What an opening gets of a surface, fence, event or section, and gives back.

use alloc::vec::Vec;

use crate::contract::limits;
use crate::object::effect::{Effect, Leaving, PageKind, Signaller};
use crate::object::error::{Cap, Error};
use crate::object::id::ClientId;
use crate::object::kind::made::{Made, Seat};
use crate::object::lifetime::Cause;
use crate::object::reply::Parts;
use crate::object::spec::View;
use crate::object::state::Opening;
use crate::security::Granted;

/// Whether an opening with these rights can be given what it needs.
pub(crate) fn room(made: &Made, client: ClientId, granted: Granted) -> Result<(), Error> {
    let writes = made.spec.page_view(granted.mask()) == Some(View::Writable);
    if writes && !made.seats.contains(client) && made.free_seat().is_none() {
        let limit = limits::SEATS_PER_PAGE_MAX.into();
        return Err(Error::CapReached { cap: Cap::Seats, limit });
    }
    // An owner's number is never given twice, so the last one ends it, too.
    if made.last_owner == u32::MAX {
        let limit = u32::MAX.into();
        return Err(Error::CapReached { cap: Cap::Openings, limit });
    }
    Ok(())
}

/// A new opening gets its parts; [`room`] has said that it can.
pub(crate) fn join(
    made: &mut Made,
    client: ClientId,
    granted: Granted,
    signaller: Signaller,
    effects: &mut Vec<Effect>,
) -> Parts {
    let mut parts = Parts::default();
    let view = made.spec.page_view(granted.mask());
    if let (Some(page), Some(view)) = (made.page, view) {
        if made.sole != Some(client) {
            made.sole = None;
        }
        parts.page = Some((page, view));
        if view == View::Writable {
            parts.seat = take_seat(made, client, signaller, effects);
            if made.spec.page() == Some(PageKind::KeyedMutex) {
                made.last_owner += 1;
                parts.owner = made.last_owner;
            }
        } else if made.spec.reads_to_wait(granted.mask()) {
            made.readers += 1;
            effects.push(Effect::SetReaders { page, count: made.readers });
        }
    }
    let payload = made.payload.zip(made.spec.payload_view(granted.mask()));
    parts.payload = payload.map(|((payload, _), view)| (payload, view));
    parts
}

fn take_seat(
    made: &mut Made,
    client: ClientId,
    signaller: Signaller,
    effects: &mut Vec<Effect>,
) -> u32 {
    if let Some(seat) = made.seats.get_mut(client) {
        seat.openings += 1;
        return seat.number;
    }
    let number = made.free_seat().unwrap_or_default();
    made.seats.insert(client, Seat { number, openings: 1 });
    if let Some(page) = made.page {
        effects.push(Effect::TakeSeat { page, seat: number, signaller });
    }
    number
}

/// An opening gives its parts back.
pub(crate) fn leave(
    made: &mut Made,
    client: ClientId,
    opened: &Opening,
    cause: Cause,
    effects: &mut Vec<Effect>,
) {
    let Some(page) = made.page else { return };
    let granted = opened.granted;
    if opened.owner > 0 {
        effects.push(Effect::LeaveOwner { page, owner: opened.owner });
    }
    if made.spec.reads_to_wait(granted.mask()) {
        made.readers -= 1;
        effects.push(Effect::SetReaders { page, count: made.readers });
    }
    if made.spec.page_view(granted.mask()) != Some(View::Writable) {
        return;
    }
    let Some(seat) = made.seats.get_mut(client) else { return };
    seat.openings -= 1;
    if seat.openings > 0 {
        return;
    }
    let seat = seat.number;
    made.seats.remove(client);
    let leaving = match cause {
        Cause::Dropped => Leaving::Released,
        Cause::Died => Leaving::Died,
    };
    effects.push(Effect::LeaveSeat { page, seat, leaving });
}
