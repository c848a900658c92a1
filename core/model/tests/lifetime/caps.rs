//! Every limit, up to its last place.

use super::*;

#[test]
fn clients_of_a_user_and_of_all() {
    let mut desk = Desk::new();
    let mut arrive = |uid| desk.manager.client_arrived(Token { uid, gid: 0 }, 1);
    for uid in [1000, 1001] {
        for _ in 0..limits::CLIENTS_PER_UID_MAX {
            arrive(uid).unwrap();
        }
        if uid == 1000 {
            let full = capped(Cap::ClientsOfUser, limits::CLIENTS_PER_UID_MAX);
            assert_eq!(arrive(uid), Err(full));
        }
    }
    assert_eq!(arrive(1002), Err(capped(Cap::Clients, limits::CLIENTS_MAX)));
    desk.die(ClientId(1));
    let arrived = desk.manager.client_arrived(Token { uid: 1002, gid: 0 }, 1);
    assert!(arrived.is_ok(), "one place is free: {arrived:?}");
}

/// Fills something up, sees the refusal, frees one place and sees it taken again.
fn fill<T>(
    desk: &mut Desk,
    full: Error,
    limit: usize,
    mut take: impl FnMut(&mut Desk) -> Result<T, Error>,
    free: impl FnOnce(&mut Desk, T),
) {
    let mut last = None;
    for place in 0..limit {
        let taken = take(desk);
        last = Some(taken.unwrap_or_else(|error| panic!("place {place} of {limit}: {error}")));
    }
    let before = desk.manager.snapshot();
    assert_eq!(take(desk).err(), Some(full), "place {limit} of {limit}");
    assert!(desk.manager.snapshot() == before, "{full}: the refusal changed something");
    free(desk, last.unwrap());
    assert!(take(desk).is_ok(), "{full}: a place is free again");
}

#[test]
fn openings_of_a_client() {
    let mut desk = Desk::new();
    let (sender, client) = (desk.client(1000), desk.client(1000));
    desk.create(sender, "cam");
    let limit = limits::OPENINGS_PER_CLIENT_MAX;
    let name = RawName::from("cam");
    let request = Request::Open { kind: Kind::Stream, name, access: READ, known: None };
    // Not through `check`, which is too slow for so many.
    let caller = Caller { client, time_ns: 0, came: Came::Nothing };
    let mut take = |desk: &mut Desk| desk.manager.apply(&caller, &request, &mut desk.effects);
    let full = capped(Cap::Openings, limit);
    fill(&mut desk, full, limit, &mut take, |desk, reply| match reply {
        Reply::StreamOpened { opening, .. } => desk.drop_opening(client, opening),
        other => panic!("Open is answered with {other:?}"),
    });
    assert_eq!(desk.manager.check(), Ok(()));
}

#[test]
fn handles_and_objects_of_a_user() {
    const { assert!(limits::HANDLES_PER_UID_MAX == limits::OBJECTS_PER_UID_MAX) };
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let mut last = (HandleId(0), client);
    let request = Request::StreamCreate { name: None, access: READ, form: DESCRIPTOR };
    let create = |desk: &mut Desk, client| {
        let caller = Caller { client, time_ns: 0, came: Came::Nothing };
        desk.manager.apply(&caller, &request, &mut desk.effects)
    };
    for made in 0..limits::HANDLES_PER_UID_MAX {
        if made % limits::OPENINGS_PER_CLIENT_MAX == 0 {
            last.1 = desk.client(1000);
        }
        match create(&mut desk, last.1) {
            Ok(Reply::StreamCreated { handle, .. }) => last.0 = handle,
            other => panic!("object {made} is answered with {other:?}"),
        }
    }
    let client = desk.client(1000);
    let objects = capped(Cap::Objects, limits::OBJECTS_PER_UID_MAX);
    assert_eq!(create(&mut desk, client), Err(objects));
    let opening = OpeningId(1);
    let handles = capped(Cap::Handles, limits::HANDLES_PER_UID_MAX);
    let share = Request::Share { opening, name: None, access: READ, form: DESCRIPTOR };
    let caller = Caller { client: last.1, time_ns: 0, came: Came::Nothing };
    let shared = desk.manager.apply(&caller, &share, &mut desk.effects);
    assert_eq!(shared, Err(handles));
    desk.manager.handles_gone(&[last.0], &mut desk.effects);
    let shared = desk.manager.apply(&caller, &share, &mut desk.effects);
    assert!(shared.is_ok(), "one place is free: {shared:?}");
    let other_user = desk.client(1001);
    assert!(create(&mut desk, other_user).is_ok(), "caps are one user's");
}

#[test]
fn handles_of_a_share() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    desk.create(client, "cam");
    let limit = limits::HANDLES_PER_SHARE_MAX;
    let full = capped(Cap::HandlesOfShare, limit);
    let take = |desk: &mut Desk| desk.try_open_handle(client, "cam");
    fill(&mut desk, full, limit - 1, take, Desk::close);
}

#[test]
fn shares_of_an_object() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.create(client, "cam");
    let limit = limits::SHARES_PER_OBJECT_MAX;
    let full = capped(Cap::Shares, limit);
    let take = |desk: &mut Desk| desk.try_share(client, made.opening, None);
    fill(&mut desk, full, limit - 1, take, Desk::close);
}

#[test]
fn watches_of_a_client() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let limit = limits::WATCHES_PER_CLIENT_MAX;
    let mut watch = 0;
    let take = |desk: &mut Desk| {
        let number = watch;
        let name = RawName::from("cam");
        let reply = desk.ask(client, &Request::WatchName { name, watch: number });
        watch += u32::from(reply.is_ok());
        reply.map(|_| number)
    };
    fill(&mut desk, capped(Cap::Watches, limit), limit, take, |desk, watch| {
        let again = Request::WatchAll { watch };
        assert!(desk.ask(client, &again).is_ok(), "a number in use can be used again");
        desk.ask(client, &Request::Unwatch { watch }).unwrap();
    });
}

#[test]
fn receivers_of_a_stream() {
    let mut desk = Desk::new();
    let (sender, client) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    let limit = limits::RECEIVERS_PER_STREAM_MAX;
    let take = |desk: &mut Desk| {
        desk.ask(sender, &Request::StreamStock { opening: made.opening })?;
        desk.mapped(sender, made.opening);
        let opening = desk.open(client, "cam");
        desk.join(client, opening).map(|_| opening)
    };
    let mut joined = Vec::new();
    for place in 0..limit {
        joined.push(take(&mut desk).unwrap_or_else(|e| panic!("receiver {place}: {e}")));
    }
    assert_eq!(take(&mut desk), Err(capped(Cap::Receivers, limit)));
    desk.drop_opening(client, joined[0]);
    assert!(take(&mut desk).is_ok(), "one place is free");
}

#[test]
fn slots_and_memory() {
    let mut desk = Desk::new();
    let sender = desk.client(1000);
    let (one, two) = (desk.create(sender, "one"), desk.create(sender, "two"));
    let publish = |desk: &mut Desk, slots, slot_bytes| {
        let layout = GenerationLayout {
            number: 1,
            slots,
            table_bytes: 0,
            slot_bytes,
            picture: PictureFacts::default(),
        };
        let request = Request::StreamPublish { opening: one.opening, layout };
        desk.check(sender, &request, memory(u64::MAX, Writers::One))
    };
    let slots = Error::CapReached { cap: Cap::Slots, limit: limits::SLOTS_MAX.into() };
    for wrong in [0, limits::SLOTS_MAX + 1] {
        assert_eq!(publish(&mut desk, wrong, 1), Err(slots), "{wrong} slots");
    }
    let limit = limits::SLOT_BYTES_MAX;
    let slot = Error::CapReached { cap: Cap::SlotBytes, limit };
    assert_eq!(publish(&mut desk, 1, limit + 1), Err(slot));
    let limit = limits::PAYLOAD_BYTES_PER_UID_MAX;
    let memory = Err(Error::CapReached { cap: Cap::PayloadBytes, limit });
    assert_eq!(publish(&mut desk, 1, 1), memory);
    assert_eq!(desk.publish(sender, one.opening, 1, limit), Ok(Reply::Done));
    assert_eq!(desk.publish(sender, two.opening, 1, 1), memory);
    assert_eq!(desk.publish(sender, one.opening, 2, limit - 1), Ok(Reply::Done), "replaced");
    assert_eq!(desk.publish(sender, two.opening, 1, 1), Ok(Reply::Done));
}

#[test]
fn seats_are_enough_for_every_client_there_can_be() {
    const { assert!(limits::SEATS_PER_PAGE_MAX as usize >= limits::CLIENTS_MAX) };
    let mut desk = Desk::new();
    let maker = desk.client(1000);
    let made = desk.make(maker, FENCE, "Global\\fence");
    let request = Request::OpenPresented { kind: Kind::Fence };
    let came = Came::Handle(made.handle);
    // Not through `check`, which is too slow for so many.
    for place in 1..limits::CLIENTS_MAX {
        let uid = if place < limits::CLIENTS_PER_UID_MAX { 1000 } else { 1001 };
        let client = desk.manager.client_arrived(Token { uid, gid: 0 }, 1).unwrap();
        let caller = Caller { client, time_ns: 0, came };
        let opened = desk.manager.apply(&caller, &request, &mut desk.effects);
        let seat = u32::try_from(place).unwrap();
        assert!(
            matches!(&opened, Ok(Reply::Opened { parts, .. }) if parts.seat == seat),
            "client {place}: {opened:?}"
        );
    }
    assert_eq!(desk.manager.check(), Ok(()));
    desk.die(ClientId(77));
    let late = desk.manager.client_arrived(Token { uid: 1000, gid: 0 }, 1).unwrap();
    let opened = desk.try_present(late, Kind::Fence, made.handle).unwrap();
    assert_eq!(opened.parts.seat, 76, "the seat that is free");
}

#[test]
fn handles_of_a_share_by_duplication() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, SECTION, "section");
    let limit = limits::HANDLES_PER_SHARE_MAX;
    let full = capped(Cap::HandlesOfShare, limit);
    let take = |desk: &mut Desk| {
        desk.try_duplicate(client, made.handle, AccessMask::empty()).map(|(handle, _)| handle)
    };
    fill(&mut desk, full, limit - 1, take, Desk::close);
}

#[test]
fn memory_of_all_kinds_is_counted_together_for_its_user() {
    let mut desk = Desk::new();
    let (client, other) = (desk.client(1000), desk.client(1001));
    let limit = limits::PAYLOAD_BYTES_PER_UID_MAX;
    let full = Some(Error::CapReached { cap: Cap::PayloadBytes, limit });
    let section = |size_bytes| Spec::Section { size_bytes, writers: Writers::One };
    let stream = desk.create(client, "stream");
    desk.publish(client, stream.opening, 1, 1).unwrap();
    let picture = desk.make(client, surface(Writers::One), "picture");
    let left = limit - 1 - surface(Writers::One).needs_bytes().unwrap();
    assert_eq!(desk.try_make(client, section(left + 1), None, ALL).err(), full);
    let largest = desk.try_make(client, section(left), None, ALL).unwrap();
    assert_eq!(desk.try_make(client, section(1), None, ALL).err(), full);
    assert_eq!(desk.publish(client, stream.opening, 2, 2).err(), full);
    assert!(desk.try_make(client, FENCE, None, ALL).is_ok(), "a fence takes no memory");
    assert!(desk.try_make(other, section(limit), None, ALL).is_ok(), "another user's");
    desk.drop_opening(client, picture.opening);
    desk.close(picture.handle);
    assert!(desk.publish(client, stream.opening, 2, 2).is_ok(), "the picture's is given back");
    desk.close(largest.handle);
    assert_eq!(desk.try_make(client, section(left), None, ALL).err(), full, "still open");
    desk.drop_opening(client, largest.opening);
    assert!(desk.try_make(client, section(left), None, ALL).is_ok());
}

#[test]
fn more_memory_than_asked_for_counts_as_much_as_came() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let limit = limits::PAYLOAD_BYTES_PER_UID_MAX;
    let create = creation(EXCLUSIVE_SECTION, None, ALL);
    let full = Err(Error::CapReached { cap: Cap::PayloadBytes, limit });
    assert_eq!(desk.check(client, &create, memory(limit + 1, Writers::One)), full);
    assert!(desk.check(client, &create, memory(limit, Writers::One)).is_ok());
    assert_eq!(desk.check(client, &create, memory(4096, Writers::One)), full);
}

#[test]
fn a_duplicate_counts_for_the_user_who_made_it() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1001));
    let request = Request::Duplicate { access: AccessMask::empty() };
    // Not through `check`, which is too slow for so many.
    let duplicate = |desk: &mut Desk, client, of| {
        let caller = Caller { client, time_ns: 0, came: Came::Handle(of) };
        desk.manager.apply(&caller, &request, &mut desk.effects)
    };
    let mut made = desk.make(maker, FENCE, "first");
    let mut last = made.handle;
    for place in 0..limits::HANDLES_PER_UID_MAX {
        if (place + 1) % (limits::HANDLES_PER_SHARE_MAX - 1) == 0 {
            made = desk.try_make(maker, FENCE, None, ALL).unwrap();
        }
        match duplicate(&mut desk, other, made.handle) {
            Ok(Reply::Handle { handle, .. }) => last = handle,
            refused => panic!("duplicate {place} is answered with {refused:?}"),
        }
    }
    let fresh = desk.try_make(maker, FENCE, None, ALL).unwrap();
    let full = capped(Cap::Handles, limits::HANDLES_PER_UID_MAX);
    assert_eq!(duplicate(&mut desk, other, fresh.handle), Err(full));
    assert!(duplicate(&mut desk, maker, fresh.handle).is_ok(), "the maker has few");
    desk.close(last);
    assert!(duplicate(&mut desk, other, fresh.handle).is_ok(), "one place is free");
    desk.die(maker);
    desk.die(other);
    assert_eq!(desk.objects(), 132, "as many as have handles");
}
