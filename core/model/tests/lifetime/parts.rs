//! What an opening is given: views, seats, turns at the keyed mutex; and who is counted.

use super::*;

const KEYED: Kind = Kind::Surface;
const SYNCHRONIZE: AccessMask = AccessMask::SYNCHRONIZE;
const READ_CONTROL: AccessMask = AccessMask::READ_CONTROL;

fn page_view(opened: &Opened) -> Option<View> {
    opened.parts.page.map(|(_, view)| view)
}

fn memory_view(opened: &Opened) -> Option<View> {
    opened.parts.payload.map(|(_, view)| view)
}

/// Seats and readers told since the last look.
fn words(desk: &mut Desk) -> Vec<Effect> {
    let of_seats = |effect: &Effect| {
        matches!(
            effect,
            Effect::TakeSeat { .. } | Effect::LeaveSeat { .. } | Effect::SetReaders { .. }
        )
    };
    desk.done().into_iter().filter(of_seats).collect()
}

/// What an opening by name of such an object with such rights gets: page and memory.
#[track_caller]
fn check_views(spec: Spec, access: AccessMask, page: Option<View>, memory: Option<View>) {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    desk.make(client, spec, "thing");
    let opened = desk.get(client, spec.kind(), "thing", access);
    assert_eq!(opened.granted, access, "{spec:?}");
    assert_eq!(page_view(&opened), page, "the page of {spec:?} for {access:?}");
    assert_eq!(memory_view(&opened), memory, "the memory of {spec:?} for {access:?}");
}

#[test]
fn a_page_can_be_written_by_whom_its_words_are_written() {
    let (written, read) = (Some(View::Writable), Some(View::ReadOnly));
    let (signal, wait) = (AccessMask::FENCE_SIGNAL, AccessMask::FENCE_WAIT);
    let (modify, query) = (AccessMask::EVENT_MODIFY, AccessMask::EVENT_QUERY);
    check_views(FENCE, signal, written, None);
    check_views(FENCE, wait, read, None);
    check_views(FENCE, SYNCHRONIZE, read, None);
    check_views(FENCE, READ_CONTROL, read, None);
    check_views(FENCE, AccessMask::DELETE, None, None);
    let (auto, manual) = (event(Reset::Auto), event(Reset::Manual));
    for spec in [auto, manual] {
        check_views(spec, modify, written, None);
        check_views(spec, query, read, None);
        check_views(spec, AccessMask::WRITE_DAC, None, None);
    }
    // A wait for an event that resets itself writes it.
    check_views(auto, SYNCHRONIZE, written, None);
    check_views(manual, SYNCHRONIZE, read, None);
    check_views(keyed(), READ_CONTROL, written, read);
}

#[test]
fn memory_can_be_written_with_the_right_where_there_may_be_several_writers() {
    let (written, read) = (Some(View::Writable), Some(View::ReadOnly));
    let write = READ_CONTROL | AccessMask::SURFACE_WRITE;
    check_views(surface(Writers::Several), write, None, written);
    check_views(surface(Writers::Several), READ_CONTROL, None, read);
    check_views(surface(Writers::One), READ_CONTROL, None, read);
    let (map_read, map_write) = (AccessMask::SECTION_MAP_READ, AccessMask::SECTION_MAP_WRITE);
    check_views(SECTION, map_write, None, written);
    check_views(SECTION, map_read, None, read);
    check_views(EXCLUSIVE_SECTION, map_read, None, read);
    for bare in [AccessMask::SECTION_QUERY, READ_CONTROL] {
        check_views(SECTION, bare, None, None);
    }
}

#[test]
fn nobody_is_given_a_writable_view_of_memory_with_one_writer() {
    for (spec, write) in [
        (surface(Writers::One), AccessMask::SURFACE_WRITE),
        (EXCLUSIVE_SECTION, AccessMask::SECTION_MAP_WRITE),
    ] {
        for granted in [write, write | READ_CONTROL, spec.kind().rules().mapping.all] {
            // Not even with the right, which no handle has.
            assert_eq!(spec.payload_view(granted), Some(View::ReadOnly), "{spec:?}, {granted:?}");
        }
    }
}

#[test]
fn the_maker_gets_its_page_and_keeps_its_own_memory() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let mutex = desk.make(client, keyed(), "mutex");
    let page = mutex.parts.page.unwrap();
    assert_eq!(page.1, View::Writable);
    assert_eq!(
        mutex.parts,
        Parts { seat: 0, owner: 1, page: Some(page), spare: None, payload: None }
    );
    let (page, kind) = (page.0, PageKind::KeyedMutex);
    let made = [
        Effect::MakePage { page, kind },
        Effect::KeepPayload { payload: PayloadId(1) },
        Effect::TakeSeat { page, seat: 0, signaller: Signaller::Yes },
        Effect::MakeHandle { handle: mutex.handle },
    ];
    assert_eq!(desk.done(), made, "in the order in which they can be done");
}

#[test]
fn the_maker_of_a_fence_signals_it_from_the_start_and_nobody_else_does() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1000));
    let made = desk.make(maker, FENCE, "fence");
    let page = made.parts.page.unwrap().0;
    let take = |seat, signaller| Effect::TakeSeat { page, seat, signaller };
    assert_eq!(words(&mut desk), [take(0, Signaller::Yes)]);
    desk.get(other, Kind::Fence, "fence", ALL);
    assert_eq!(words(&mut desk), [take(1, Signaller::No)]);
    desk.drop_opening(maker, made.opening);
    desk.done();
    desk.get(maker, Kind::Fence, "fence", ALL);
    assert_eq!(words(&mut desk), [take(0, Signaller::No)], "one that comes back is no maker");
}

#[test]
fn a_client_has_one_seat_however_often_it_opens() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let page = made.parts.page.unwrap().0;
    desk.done();
    let second = desk.get(client, Kind::Fence, "fence", ALL);
    assert_eq!(second.parts.seat, made.parts.seat);
    assert_eq!(words(&mut desk), [], "it has the seat already");
    desk.drop_opening(client, made.opening);
    assert_eq!(words(&mut desk), [], "the second opening keeps it");
    desk.drop_opening(client, second.opening);
    let left = Effect::LeaveSeat { page, seat: 0, leaving: Leaving::Released };
    assert_eq!(words(&mut desk), [left]);
}

#[test]
fn a_seat_is_the_lowest_that_is_free() {
    let mut desk = Desk::new();
    let clients: Vec<ClientId> = (0..4).map(|_| desk.client(1000)).collect();
    desk.make(clients[0], event(Reset::Auto), "event");
    let get = |desk: &mut Desk, client| desk.get(client, Kind::Event, "event", ALL);
    let seats: Vec<Opened> = clients[1..].iter().map(|client| get(&mut desk, *client)).collect();
    assert_eq!(seats.iter().map(|one| one.parts.seat).collect::<Vec<_>>(), [1, 2, 3]);
    desk.drop_opening(clients[2], seats[1].opening);
    desk.die(clients[1]);
    let late = desk.client(1000);
    assert_eq!(get(&mut desk, late).parts.seat, 1);
    assert_eq!(get(&mut desk, clients[2]).parts.seat, 2, "not the one it had, but the lowest");
    let last = desk.client(1000);
    assert_eq!(get(&mut desk, last).parts.seat, 4);
}

#[test]
fn a_seat_is_left_as_released_or_as_died_with_the_last_opening() {
    for died in [false, true] {
        let mut desk = Desk::new();
        let (maker, other) = (desk.client(1000), desk.client(1000));
        let page = desk.make(maker, keyed(), "mutex").parts.page.unwrap().0;
        let openings = [(); 2].map(|()| desk.get(other, KEYED, "mutex", ALL).opening);
        desk.done();
        if died {
            desk.die(other);
        } else {
            openings.into_iter().for_each(|opening| desk.drop_opening(other, opening));
        }
        let leaving = if died { Leaving::Died } else { Leaving::Released };
        assert_eq!(words(&mut desk), [Effect::LeaveSeat { page, seat: 1, leaving }]);
    }
}

#[test]
fn only_openings_that_wait_and_cannot_write_are_counted_as_readers() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1000));
    let page = desk.make(maker, FENCE, "fence").parts.page.unwrap().0;
    desk.done();
    let count = |count| Effect::SetReaders { page, count };
    let get = |desk: &mut Desk, access| desk.get(other, Kind::Fence, "fence", access).opening;
    let first = get(&mut desk, AccessMask::FENCE_WAIT);
    assert_eq!(words(&mut desk), [count(1)]);
    get(&mut desk, SYNCHRONIZE);
    assert_eq!(words(&mut desk), [count(2)], "each opening counts");
    let looking = get(&mut desk, READ_CONTROL);
    assert_eq!(words(&mut desk), [], "it reads and does not wait");
    let signalling = get(&mut desk, AccessMask::FENCE_SIGNAL | AccessMask::FENCE_WAIT);
    assert!(!words(&mut desk).contains(&count(3)), "it waits and can write");
    desk.drop_opening(other, signalling);
    desk.drop_opening(other, looking);
    assert!(!words(&mut desk).iter().any(|e| matches!(e, Effect::SetReaders { .. })));
    desk.drop_opening(other, first);
    assert_eq!(words(&mut desk), [count(1)]);
    desk.die(other);
    assert_eq!(words(&mut desk), [count(0)]);
}

#[test]
fn an_event_has_readers_only_if_a_wait_leaves_it_as_it_is() {
    for (reset, readers) in [(Reset::Manual, 1), (Reset::Auto, 0)] {
        let mut desk = Desk::new();
        let (maker, other) = (desk.client(1000), desk.client(1000));
        desk.make(maker, event(reset), "event");
        desk.done();
        desk.get(other, Kind::Event, "event", SYNCHRONIZE);
        desk.get(other, Kind::Event, "event", AccessMask::EVENT_QUERY);
        let told = words(&mut desk);
        let counted = told.iter().filter(|e| matches!(e, Effect::SetReaders { .. })).count();
        assert_eq!(counted, readers, "{reset:?}: {told:?}");
    }
}

#[test]
fn a_turn_at_a_keyed_mutex_has_a_number_that_never_comes_again() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1000));
    let made = desk.make(maker, keyed(), "mutex");
    let get = |desk: &mut Desk, client| desk.get(client, KEYED, "mutex", ALL);
    assert_eq!(made.parts.owner, 1);
    let second = get(&mut desk, other);
    assert_eq!((second.parts.owner, second.parts.seat), (2, 1));
    assert_eq!(get(&mut desk, other).parts.owner, 3, "another opening, another turn");
    desk.drop_opening(other, second.opening);
    desk.die(other);
    let restored = Manager::restore(&desk.manager.snapshot()).unwrap();
    desk.manager = restored;
    let late = desk.client(1000);
    let late_opened = get(&mut desk, late);
    assert_eq!((late_opened.parts.owner, late_opened.parts.seat), (4, 1));
    let owners: Vec<u32> =
        desk.openings_of(maker, made.opening).iter().map(|one| one.owner).collect();
    assert_eq!(owners, [1, 4]);
}

#[test]
fn each_opening_of_a_keyed_mutex_that_goes_is_told() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1000));
    let page = desk.make(maker, keyed(), "mutex").parts.page.unwrap().0;
    let get = |desk: &mut Desk| desk.get(other, KEYED, "mutex", ALL);
    let (second, third) = (get(&mut desk), get(&mut desk));
    let left = |desk: &mut Desk| -> Vec<u32> {
        let owner = |effect: &Effect| match effect {
            Effect::LeaveOwner { page: found, owner } if *found == page => Some(*owner),
            _ => None,
        };
        desk.done().iter().filter_map(owner).collect()
    };
    assert_eq!(left(&mut desk), []);
    desk.drop_opening(other, second.opening);
    assert_eq!(left(&mut desk), [second.parts.owner]);
    desk.die(other);
    assert_eq!(left(&mut desk), [third.parts.owner]);
}

#[test]
fn only_a_keyed_mutex_numbers_its_openings() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    for (spec, name) in [(FENCE, "fence"), (event(Reset::Auto), "event"), (SECTION, "section")] {
        assert_eq!(desk.make(client, spec, name).parts.owner, 0);
        assert_eq!(desk.get(client, spec.kind(), name, ALL).parts.owner, 0);
    }
}

#[test]
fn whoever_has_an_object_open_can_see_who_else_has() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(0));
    let made = desk.make(maker, FENCE, "Global\\fence");
    desk.get(other, Kind::Fence, "Global\\fence", AccessMask::FENCE_WAIT);
    desk.make(maker, FENCE, "another");
    let all: Vec<_> = desk
        .openings_of(maker, made.opening)
        .iter()
        .map(|one| (one.pid, one.uid, one.granted.mask().bits(), one.owner))
        .collect();
    assert_eq!(all, [(1001, 1000, 0x1F_0003, 0), (1002, 0, 1, 0)]);
    for _ in 0..limits::LISTING_ENTRIES_MAX {
        desk.get(other, Kind::Fence, "Global\\fence", READ);
    }
    let page = |desk: &mut Desk, skip| match desk
        .ask(maker, &Request::Openings { opening: made.opening, skip })
    {
        Ok(Reply::Openings { openings, more }) => (openings.len(), more),
        other => panic!("Openings is answered with {other:?}"),
    };
    let held = limits::LISTING_ENTRIES_MAX + 2;
    assert_eq!(page(&mut desk, 0), (limits::LISTING_ENTRIES_MAX, true));
    assert_eq!(page(&mut desk, 1), (limits::LISTING_ENTRIES_MAX, true));
    assert_eq!(page(&mut desk, 2), (limits::LISTING_ENTRIES_MAX, false));
    assert_eq!(page(&mut desk, u32::try_from(held).unwrap()), (0, false));
    assert_eq!(page(&mut desk, u32::MAX), (0, false));
}
