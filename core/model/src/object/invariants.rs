//! What must hold after every step. A violation is a defect of the model itself.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use thiserror::Error;

use crate::contract::limits;

use super::id::{ClientId, HandleId, OpeningId, PageId, ShareId};
use super::kind::made::Made;
use super::kind::stream::Stream;
use super::manager::Manager;
use super::spec::View;
use super::state::{Body, Holder, Object, Usage, Watchers};

/// Something that must never be. After one, a wrong access table is worse than none: the broker
/// refuses everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// A share without handle, without object, or miscounted.
    #[error("share {0} is miscounted or stands alone")]
    Share(ShareId),
    /// A handle of no share.
    #[error("handle {0} has no share")]
    Handle(HandleId),
    /// A handle that its client does not hold, or the other way round.
    #[error("handle {0} and its holder disagree")]
    Held(HandleId),
    /// More pages kept for a client than may be.
    #[error("client {0} has too many pages that nobody uses")]
    SparePages(ClientId),
    /// A delivered handle that its process's record does not have, or the other way round, or too
    /// many of them.
    #[error("handle {0} and the record of the process that it was delivered to disagree")]
    Delivery(HandleId),
    /// A name whose share does not bear it, or the other way round.
    #[error("the names and share {0} disagree")]
    Name(ShareId),
    /// An object that nobody holds, or whose openings are miscounted.
    #[error("object {0} is unused or miscounted")]
    Object(u64),
    /// An opening of no object.
    #[error("opening {1} of client {0} has no object")]
    Opening(ClientId, OpeningId),
    /// A stream's sender or receiver that does not hold it open.
    #[error("stream {0} has a sender or receiver without an opening")]
    Stream(u64),
    /// An object whose seats or readers are not those of its openings.
    #[error("object {0} has seats, readers or parts that its openings do not account for")]
    Made(u64),
    /// A page that is in two places.
    #[error("page {0} is in two places")]
    Page(PageId),
    /// What a user holds is miscounted, or more than its limit.
    #[error("what user {0} holds is miscounted or beyond its limit")]
    Usage(u32),
    /// Who is noted to watch is not who watches.
    #[error("the clients that are noted to watch are not those that do")]
    Watchers,
    /// An id that its counter has not reached would be given out twice.
    #[error("an id is in use that its counter has not reached")]
    Counter,
}

/// Checks everything.
pub(crate) fn check(manager: &Manager) -> Result<(), Violation> {
    counters(manager)?;
    shares(manager)?;
    deliveries(manager)?;
    names(manager)?;
    objects(manager)?;
    openings(manager)?;
    pages(manager)?;
    usage(manager)?;
    watchers(manager)
}

fn require(holds: bool, violation: Violation) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation) }
}

fn counters(manager: &Manager) -> Result<(), Violation> {
    let given = &manager.counters;
    let last = |id: Option<u64>| id.unwrap_or_default();
    let mut pairs = alloc::vec![
        (last(manager.clients.keys().next_back().map(|id| id.0)), given.client),
        (last(manager.objects.keys().next_back().copied()), given.object),
        (last(manager.shares.keys().next_back().map(|id| id.0)), given.share),
        (last(manager.handles.keys().next_back().map(|id| id.0)), given.handle),
    ];
    for Object { body, .. } in manager.objects.values() {
        let payload = match body {
            Body::Stream(stream) => stream.payload.map(|(_, id, _)| id),
            Body::Made(made) => made.payload.map(|(id, _)| id),
        };
        pairs.push((last(payload.map(|id| id.0)), given.payload));
        pairs.extend(body_pages(body).into_iter().map(|page| (page.0, given.page)));
    }
    let spares = manager.clients.values().flat_map(|client| &client.spare_pages);
    pairs.extend(spares.map(|(page, _)| (page.0, given.page)));
    // No counter comes near its end.
    let counted = |(id, counter): &(u64, u64)| id <= counter && *counter <= u64::MAX / 2;
    require(pairs.iter().all(counted), Violation::Counter)
}

fn body_pages(body: &Body) -> Vec<PageId> {
    match body {
        Body::Stream(stream) => stream_pages(stream).copied().collect(),
        Body::Made(made) => made.page.into_iter().collect(),
    }
}

fn stream_pages(stream: &Stream) -> impl Iterator<Item = &PageId> {
    let receivers = stream.receivers.values().map(|receiver| &receiver.page);
    [&stream.page].into_iter().chain(&stream.ready).chain(&stream.sent).chain(receivers)
}

fn shares(manager: &Manager) -> Result<(), Violation> {
    let mut counted: BTreeMap<ShareId, Vec<HandleId>> = BTreeMap::new();
    let mut held = 0;
    for (id, handle) in &manager.handles {
        require(manager.shares.contains_key(&handle.share), Violation::Handle(*id))?;
        if let Holder::Client(client) = handle.holder {
            let client = manager.clients.get(&client);
            let is_there = client.is_some_and(|client| client.held.contains(id));
            require(is_there, Violation::Held(*id))?;
            held += 1;
        }
        counted.entry(handle.share).or_default().push(*id);
    }
    for (id, share) in &manager.shares {
        let handles = counted.remove(id).unwrap_or_default();
        let listed =
            manager.objects.get(&share.object).is_some_and(|object| object.shares.contains(id));
        let held = !handles.is_empty() && *share.handles == *handles;
        require(held && listed, Violation::Share(*id))?;
    }
    // Those were all that clients hold.
    let counted: usize = manager.clients.values().map(|client| client.held.len()).sum();
    let strange = manager.clients.values().flat_map(|client| &client.held).next();
    require(counted == held, Violation::Held(strange.copied().unwrap_or(HandleId(0))))
}

fn deliveries(manager: &Manager) -> Result<(), Violation> {
    for (id, handle) in &manager.handles {
        if let Some((process, ticket)) = &handle.delivered {
            let known = manager.deliveries.get(process).and_then(|known| known.get(ticket));
            let holds = known.is_some_and(|delivery| delivery.handle() == *id);
            require(holds, Violation::Delivery(*id))?;
        }
    }
    for (process, known) in &manager.deliveries {
        for (ticket, delivery) in known {
            let handle = manager.handles.get(&delivery.handle());
            let back = handle.and_then(|handle| handle.delivered);
            let holds = back == Some((*process, *ticket));
            require(holds, Violation::Delivery(delivery.handle()))?;
        }
        let first = known.values().next().map_or(HandleId(0), |delivery| delivery.handle());
        let waiting = known.values().filter(|delivery| delivery.waits()).count();
        let within = !known.is_empty() && waiting <= limits::TICKETS_PER_PROCESS_MAX;
        require(within, Violation::Delivery(first))?;
    }
    Ok(())
}

fn names(manager: &Manager) -> Result<(), Violation> {
    let mut bearers = BTreeSet::new();
    for id in manager.names.bearers() {
        let named = manager.shares.get(&id).is_some_and(|share| share.name.is_some());
        require(named && bearers.insert(id), Violation::Name(id))?;
    }
    for (id, share) in &manager.shares {
        if let Some(name) = &share.name {
            let bearer = manager.bearer(name.as_ref()).map(|(id, _)| id);
            require(bearer == Some(*id), Violation::Name(*id))?;
        }
    }
    Ok(())
}

fn objects(manager: &Manager) -> Result<(), Violation> {
    for (id, object) in &manager.objects {
        let openings = manager
            .clients
            .values()
            .flat_map(|client| client.openings.values())
            .filter(|opening| opening.object == *id)
            .count();
        let counted = u32::try_from(openings) == Ok(object.openings);
        let used = object.openings > 0 || !object.shares.is_empty();
        let shared = object.shares.iter().all(|share| manager.shares.contains_key(share));
        require(counted && used && shared, Violation::Object(*id))?;
        match &object.body {
            Body::Stream(stream) => {
                require(stream_holds(manager, *id, stream), Violation::Stream(*id))?;
            }
            Body::Made(made) => require(made_holds(manager, *id, made), Violation::Made(*id))?,
        }
    }
    Ok(())
}

fn stream_holds(manager: &Manager, object: u64, stream: &Stream) -> bool {
    let holds = |(client, opening): &(ClientId, OpeningId)| {
        let client = manager.clients.get(client);
        client
            .and_then(|client| client.openings.get(opening))
            .is_some_and(|opened| opened.object == object)
    };
    let over = stream.sender.is_none();
    stream.sender.iter().all(holds)
        && stream.receivers.keys().all(holds)
        && stream.waiting.iter().all(holds)
        && over == stream.end.is_some()
        && (!over || (stream.payload.is_none() && stream.ready.is_empty()))
        && (!over || (stream.sent.is_empty() && stream.waiting.is_empty()))
        && stream.payload.is_none_or(|(layout, _, size_bytes)| {
            layout.number == stream.generation
                && layout.needs_bytes().is_some_and(|needs| needs <= size_bytes)
        })
}

/// Whether seats and readers are those of the openings there are.
fn made_holds(manager: &Manager, object: u64, made: &Made) -> bool {
    let spec = &made.spec;
    let mut seats: BTreeMap<ClientId, u32> = BTreeMap::new();
    let (mut readers, mut owners) = (0, BTreeSet::new());
    for (id, client) in &manager.clients {
        for opened in client.openings.values().filter(|opened| opened.object == object) {
            let granted = opened.granted.mask();
            if made.page.is_some() && spec.page_view(granted) == Some(View::Writable) {
                *seats.entry(*id).or_default() += 1;
            }
            if spec.reads_to_wait(granted) {
                readers += 1;
            }
            if spec.page_view(granted).is_some() && made.sole.is_some_and(|sole| sole != *id) {
                return false;
            }
            if opened.owner > made.last_owner || (opened.owner > 0 && !owners.insert(opened.owner))
            {
                return false;
            }
        }
    }
    let numbers: BTreeSet<u32> = made.seats.iter().map(|(_, seat)| seat.number).collect();
    numbers.len() == made.seats.len()
        && numbers.iter().all(|number| *number < limits::SEATS_PER_PAGE_MAX)
        && made.seats.len() == seats.len()
        && made.seats.iter().all(|(id, seat)| seats.get(&id) == Some(&seat.openings))
        && made.readers == readers
        && made.page.is_some() == spec.page().is_some()
        && made.payload.is_some() == spec.writers().is_some()
        && spec.needs_bytes().is_ok_and(|needs| needs <= made.payload_bytes())
}

fn openings(manager: &Manager) -> Result<(), Violation> {
    for (id, client) in &manager.clients {
        for (opening, opened) in &client.openings {
            let known = manager.objects.contains_key(&opened.object);
            require(known && opening.0 <= client.next_opening, Violation::Opening(*id, *opening))?;
        }
    }
    Ok(())
}

fn pages(manager: &Manager) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    for Object { body, .. } in manager.objects.values() {
        for page in body_pages(body) {
            require(seen.insert(page), Violation::Page(page))?;
        }
    }
    for (id, client) in &manager.clients {
        for (page, _) in &client.spare_pages {
            require(seen.insert(*page), Violation::Page(*page))?;
        }
        let room = client.spare_pages.len() <= limits::SPARE_PAGES_PER_CLIENT_MAX;
        require(room, Violation::SparePages(*id))?;
    }
    Ok(())
}

fn watchers(manager: &Manager) -> Result<(), Violation> {
    let mut counted = Watchers::new();
    for (id, client) in &manager.clients {
        counted.note(*id, client);
    }
    require(counted == manager.watchers, Violation::Watchers)
}

fn usage(manager: &Manager) -> Result<(), Violation> {
    let mut counted: BTreeMap<u32, Usage> = BTreeMap::new();
    for client in manager.clients.values() {
        counted.entry(client.token.uid).or_default().clients += 1;
    }
    for handle in manager.handles.values() {
        counted.entry(handle.uid).or_default().handles += 1;
    }
    for Object { maker, body, .. } in manager.objects.values() {
        let usage = counted.entry(maker.token.uid).or_default();
        usage.objects += 1;
        usage.payload_bytes = usage.payload_bytes.saturating_add(body.payload_bytes());
        let within = usage.payload_bytes <= limits::PAYLOAD_BYTES_PER_UID_MAX;
        require(within, Violation::Usage(maker.token.uid))?;
    }
    let users = counted.keys().chain(manager.usage.keys());
    for uid in users.collect::<BTreeSet<_>>() {
        require(counted.get(uid) == manager.usage.get(uid), Violation::Usage(*uid))?;
    }
    Ok(())
}
