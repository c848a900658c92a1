//! Damaged snapshots: refused, or a manager whose invariants hold; never a panic.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::format::Format;
use handfast_model::contract::limits;
use handfast_model::contract::surface::{SurfaceDesc, SurfaceFlags};
use handfast_model::object::{
    Caller, Came, Cap, ClientId, Error, GenerationLayout, HandleForm, HandleId, Kind, Manager,
    OpeningId, PictureFacts, Process, ProcessId, RawName, ReceivedPayload, Reply, Request, Reset,
    SnapshotError, Spec, Takes, Violation, Writers,
};
use handfast_model::security::Token;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// A number that is nowhere else in the snapshot.
const MEMORY_BYTES: u64 = 0x0000_0001_2345_6789;
/// Another one: the size of a section.
const SECTION_BYTES: u64 = 0x0000_0002_1357_9BDF;
/// Another one: the first value of a fence.
const FENCE_VALUE: u64 = 0xFACE_0FF5_1DE5_0123;

/// A process that handles are delivered to.
const OTHER: Process = Process { id: ProcessId(1), token: Token { uid: 1000, gid: 5 } };

fn config() -> Config {
    let slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
    let cases = if slow { 50_000 } else { 256 };
    Config { cases, failure_persistence: None, ..Config::default() }
}

fn ask(manager: &mut Manager, client: u64, request: &Request) -> Result<Reply, Error> {
    let size_bytes = if let Request::Create { spec, .. } = request {
        spec.needs_bytes().unwrap()
    } else {
        MEMORY_BYTES
    };
    let came = match request.takes() {
        Takes::Nothing => Came::Nothing,
        Takes::Memory(writers) => Came::Memory(ReceivedPayload { size_bytes, writers }),
        Takes::Handle => Came::Handle(HandleId(1)),
        Takes::HandleAndProcess => Came::HandleAndProcess(HandleId(1), OTHER),
        Takes::Process | Takes::OwnProcess => Came::Process(OTHER),
    };
    let caller = Caller { client: ClientId(client), time_ns: 42, came };
    manager.apply(&caller, request, &mut Vec::new())
}

fn create(name: &str) -> Request {
    let name = Some(RawName::from(name));
    let form = HandleForm::Descriptor;
    Request::StreamCreate { name, access: AccessMask::GENERIC_ALL, form }
}

fn keyed() -> Spec {
    let picture = SurfaceDesc::texture_2d(16, 16, Format::Bgra8);
    let desc = SurfaceDesc { flags: SurfaceFlags::KEYED_MUTEX, ..picture };
    Spec::Surface { desc, writers: Writers::Several }
}

fn make(spec: Spec, name: &str) -> Request {
    let name = Some(RawName::from(name));
    let form = HandleForm::Descriptor;
    Request::Create { spec, name, access: AccessMask::GENERIC_ALL, form, spare: None }
}

/// As [`make`]; its maker holds the handle by number.
fn hold(spec: Spec, name: &str) -> Request {
    let (name, access) = (Some(RawName::from(name)), AccessMask::GENERIC_ALL);
    Request::Create { spec, name, access, form: HandleForm::Held, spare: None }
}

fn get(kind: Kind, name: &str, access: AccessMask) -> Request {
    Request::Open { kind, name: RawName::from(name), access, known: None }
}

fn open(name: &str) -> Request {
    let name = RawName::from(name);
    Request::Open { kind: Kind::Stream, name, access: AccessMask::GENERIC_ALL, known: None }
}

/// A manager that has one of everything: client 1 sends two streams, client 2 receives the
/// first and waits for room in the second, client 3 watches, a third stream is lost.
fn full() -> Manager {
    let mut manager = Manager::new(0xABCD);
    for uid in [1000, 1000, 0, 1001] {
        manager.client_arrived(Token { uid, gid: 5 }, 4321).unwrap();
    }
    let layout = GenerationLayout {
        number: 1,
        slots: 2,
        table_bytes: 64,
        slot_bytes: 4096,
        picture: PictureFacts::default(),
    };
    let (opening, second) = (OpeningId(1), OpeningId(2));
    let watch_name = |name: &str| Request::WatchName { name: RawName::from(name), watch: 1 };
    let share = RawName::from("Global\\stage");
    let access = AccessMask::GENERIC_ALL;
    let script = [
        (1, create("cam")),
        (1, create("Global\\two")),
        (1, Request::Mapped { opening }),
        (1, Request::StreamPublish { opening, layout }),
        (1, Request::StreamPublish { opening: second, layout }),
        (2, open("cam")),
        (2, open("Global\\two")),
        (2, Request::StreamJoin { opening }),
        (2, Request::Mapped { opening }),
        (2, Request::StreamJoin { opening: second }),
        (2, Request::Share { opening, name: Some(share), access, form: HandleForm::Held }),
        (3, watch_name("Global\\later")),
        (3, Request::WatchAll { watch: 2 }),
        (4, create("Global\\lost")),
        (3, open("Global\\lost")),
        (1, Request::StreamStock { opening }),
    ];
    for (client, request) in &script {
        let reply = ask(&mut manager, *client, request);
        assert!(reply.is_ok(), "client {client}: {request:?}: {reply:?}");
    }
    manager.client_gone(ClientId(4), &mut Vec::new());
    // The last change fired it.
    ask(&mut manager, 3, &Request::WatchAll { watch: 2 }).unwrap();
    manager
}

/// Client 1 made a fence, an event, a keyed mutex and a section, which client 2 has open in
/// various ways.
fn full_of_others() -> Manager {
    let mut manager = Manager::new(0xABCD);
    for uid in [1000, 1000] {
        manager.client_arrived(Token { uid, gid: 5 }, 4321).unwrap();
    }
    let access = AccessMask::GENERIC_ALL;
    let script = [
        (1, make(Spec::Fence { value: FENCE_VALUE }, "fence")),
        (1, make(Spec::Event { reset: Reset::Auto, signaled: true }, "event")),
        (1, make(keyed(), "mutex")),
        (1, make(Spec::Section { size_bytes: SECTION_BYTES, writers: Writers::One }, "section")),
        (2, get(Kind::Fence, "fence", AccessMask::FENCE_WAIT)),
        (2, get(Kind::Event, "event", access)),
        (2, get(Kind::Surface, "mutex", access)),
        (2, get(Kind::Section, "section", AccessMask::SECTION_MAP_READ)),
        (2, Request::Duplicate { access: AccessMask::FENCE_WAIT }),
        // Pages that stay with client 2, of both classes, and a name that it holds by number.
        (2, hold(Spec::Fence { value: 1 }, "one")),
        (2, hold(Spec::Fence { value: 1 }, "two")),
        (2, hold(keyed(), "three")),
        (2, hold(Spec::Fence { value: 1 }, "four")),
        (2, Request::DropHandle { handle: HandleId(6) }),
        (2, Request::Drop { opening: OpeningId(5) }),
        (2, Request::Drop { opening: OpeningId(6) }),
        (2, Request::DropHandle { handle: HandleId(7) }),
        (2, Request::DropHandle { handle: HandleId(8) }),
        (2, Request::Drop { opening: OpeningId(7) }),
        (1, Request::Deliver { access: AccessMask::FENCE_WAIT }),
        (1, Request::Deliver { access: AccessMask::empty() }),
        (2, Request::Redeem { ticket: 0x2000_0004 }),
    ];
    for (client, request) in &script {
        let reply = ask(&mut manager, *client, request);
        assert!(reply.is_ok(), "client {client}: {request:?}: {reply:?}");
    }
    manager
}

/// The snapshots that are damaged.
fn snapshots() -> [Vec<u8>; 2] {
    [full().snapshot(), full_of_others().snapshot()]
}

/// What a broker does next with whatever was restored; nothing of it may panic.
fn use_up(mut manager: Manager, what: &str) {
    assert_eq!(manager.check(), Ok(()), "{what}: restored and broken");
    let again = Manager::restore(&manager.snapshot());
    assert_eq!(again.as_ref(), Ok(&manager), "{what}: its own snapshot is another state");
    let mut effects = Vec::new();
    let arrived = manager.client_arrived(Token { uid: 1000, gid: 5 }, 7);
    let clients = [1, 2, 3, 4, arrived.map_or(9, |client| client.0)];
    let opening = OpeningId(1);
    let requests = [
        open("cam"),
        create("Global\\new"),
        Request::List { after: 0 },
        Request::StreamJoin { opening },
        Request::StreamStock { opening },
        get(Kind::Fence, "fence", AccessMask::SYNCHRONIZE),
        get(Kind::Event, "event", AccessMask::GENERIC_ALL),
        get(Kind::Surface, "mutex", AccessMask::GENERIC_ALL),
        make(Spec::Section { size_bytes: 1, writers: Writers::One }, "Global\\made"),
        Request::OpenPresented { kind: Kind::Fence },
        Request::Duplicate { access: AccessMask::empty() },
        Request::Deliver { access: AccessMask::empty() },
        Request::Redeem { ticket: 0x2000_0008 },
        Request::Fetch { ticket: 0x2000_0004, access: AccessMask::empty() },
        Request::Drop { opening },
    ];
    for client in clients {
        let replies: Vec<_> =
            requests.iter().map(|request| ask(&mut manager, client, request)).collect();
        let broken = manager.check();
        assert_eq!(broken, Ok(()), "{what}: client {client}: {requests:?}: {replies:?}");
    }
    for process in 0..4 {
        manager.process_gone(ProcessId(process), &mut effects);
        assert_eq!(manager.check(), Ok(()), "{what}: after process {process} is gone");
    }
    let handles: Vec<_> = (0..32).map(HandleId).collect();
    manager.handles_gone(&handles, &mut effects);
    for client in 0..16 {
        let before = manager.counts();
        manager.client_gone(ClientId(client), &mut effects);
        if manager.counts() != before {
            assert_eq!(manager.check(), Ok(()), "{what}: after client {client} is gone");
        }
    }
}

/// Restores, and uses what came of it.
fn check(bytes: &[u8], what: &str) -> Option<SnapshotError> {
    match Manager::restore(bytes) {
        Ok(manager) => {
            use_up(manager, what);
            None
        }
        Err(error) => Some(error),
    }
}

/// The only place of `field` in `bytes`, or the places of all.
fn places(bytes: &[u8], field: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(field.len()).enumerate();
    windows.filter(|(_, window)| *window == field).map(|(place, _)| place).collect()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8], times: usize) -> Vec<u8> {
    let places = places(bytes, from);
    assert_eq!(places.len(), times, "the snapshot has changed: look for {from:02x?} anew");
    let mut bytes = bytes.to_vec();
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn a_snapshot_is_the_state() {
    for manager in [full(), full_of_others()] {
        assert_eq!(Manager::restore(&manager.snapshot()), Ok(manager.clone()));
        use_up(manager, "undamaged");
    }
}

#[test]
fn another_version_is_refused_by_its_number() {
    let mut bytes = full().snapshot();
    bytes[0] = 9;
    assert_eq!(check(&bytes, "version 9"), Some(SnapshotError::Version { found: 9 }));
}

#[test]
fn every_truncation_is_refused() {
    for bytes in snapshots() {
        for length in 0..bytes.len() {
            let error = check(&bytes[..length], "cut");
            assert_eq!(error, Some(SnapshotError::Damaged), "{length} of {} bytes", bytes.len());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(check(&longer, "longer"), Some(SnapshotError::Damaged));
    }
}

#[test]
fn every_flipped_bit_is_refused_or_harmless() {
    for bytes in snapshots() {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check(&flipped, &format!("bit {} of byte {}", bit % 8, bit / 8));
        }
    }
}

#[test]
fn every_number_made_huge_or_zero_is_refused_or_harmless() {
    for bytes in snapshots() {
        for start in 0..bytes.len() - 7 {
            for (lie, length) in
                [(u64::MAX, 8), (u64::MAX, 4), (1 << 63, 8), (0, 8), (0, 4), (1, 8)]
            {
                let mut lied = bytes.clone();
                lied[start..start + length].copy_from_slice(&lie.to_le_bytes()[..length]);
                check(&lied, &format!("{length} bytes at {start} say 0x{lie:x}"));
            }
        }
    }
}

#[test]
fn more_memory_than_a_user_may_have_is_refused() {
    let bytes = full().snapshot();
    let memory = MEMORY_BYTES.to_le_bytes();
    for too_much in [u64::MAX, 1 << 63, limits::PAYLOAD_BYTES_PER_UID_MAX] {
        let lied = replaced(&bytes, &memory, &too_much.to_le_bytes(), 2);
        let error = check(&lied, "two streams with too much memory");
        assert!(matches!(error, Some(SnapshotError::Broken(_))), "{too_much}: {error:?}");
    }
}

#[test]
fn counters_behind_what_is_there_are_refused() {
    let bytes = full().snapshot();
    let counters = ["objects", "shares", "handles", "clients", "pages", "payloads"];
    for (index, counter) in counters.iter().enumerate() {
        let mut lied = bytes.clone();
        // Behind the version and the instance.
        let place = 4 + 8 + 8 * index;
        lied[place..place + 8].fill(0);
        let error = check(&lied, counter);
        assert!(
            matches!(error, Some(SnapshotError::Broken(_))),
            "{counter} would be numbered from 1 again: {error:?}"
        );
    }
}

#[test]
fn a_client_that_has_used_up_its_opening_numbers_is_refused_another() {
    let mut manager = Manager::new(1);
    // The count of openings follows this process number.
    let pid = 0x1357_9BDF_i32;
    manager.client_arrived(Token { uid: 1000, gid: 5 }, pid).unwrap();
    ask(&mut manager, 1, &create("cam")).unwrap();
    let from = [pid.to_le_bytes(), 1_u32.to_le_bytes()].concat();
    let to = [pid.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
    let bytes = replaced(&manager.snapshot(), &from, &to, 1);
    let mut manager = Manager::restore(&bytes).unwrap();
    let limit = u64::try_from(limits::OPENINGS_PER_CLIENT_MAX).unwrap();
    let full = Err(Error::CapReached { cap: Cap::Openings, limit });
    assert_eq!(ask(&mut manager, 1, &open("cam")), full, "numbers are never given twice");
    assert_eq!(manager.check(), Ok(()));
}

#[test]
fn numbers_that_do_not_rise_and_names_that_are_borne_twice_are_refused() {
    let mut manager = Manager::new(1);
    for pid in [0x0135_79BD, 0x0246_8ACE] {
        manager.client_arrived(Token { uid: 1000, gid: 5 }, pid).unwrap();
    }
    for name in ["left", "lift"] {
        ask(&mut manager, 1, &create(name)).unwrap();
    }
    let bytes = manager.snapshot();
    // Client 2 and object 2 have the same behind their number, so have share 2 and handle 2, which
    // the counters look like, too.
    let owned = [&2_u64.to_le_bytes()[..], &1000_u32.to_le_bytes(), &5_u32.to_le_bytes()].concat();
    let numbered = [2_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat();
    let (owned, numbered) = (places(&bytes, &owned), places(&bytes, &numbered));
    assert_eq!((owned.len(), numbered.len()), (3, 5), "the snapshot has changed");
    let records = owned[..2].iter().chain(&numbered[3..]);
    for (what, place) in ["client", "object", "share", "handle"].iter().zip(records) {
        for number in [0_u64, 1] {
            let mut lied = bytes.clone();
            lied[*place..place + 8].copy_from_slice(&number.to_le_bytes());
            assert_eq!(check(&lied, what), Some(SnapshotError::Damaged), "{what} {number}");
        }
    }
    let units = |name: &str| -> Vec<u8> {
        RawName::from(name).0.iter().flat_map(|unit| unit.to_le_bytes()).collect()
    };
    let lied = replaced(&bytes, &units("lift"), &units("left"), 1);
    assert_eq!(check(&lied, "a name that two shares bear"), Some(SnapshotError::Damaged));
}

#[test]
fn more_memory_of_a_section_than_a_user_may_have_is_refused() {
    let bytes = full_of_others().snapshot();
    // What it was made of, and the memory that came.
    let too_much = limits::PAYLOAD_BYTES_PER_UID_MAX.to_le_bytes();
    let lied = replaced(&bytes, &SECTION_BYTES.to_le_bytes(), &too_much, 2);
    let error = check(&lied, "a section with too much memory");
    assert_eq!(error, Some(SnapshotError::Broken(Violation::Usage(1000))));
}

#[test]
fn memory_that_is_smaller_than_its_object_is_refused() {
    let bytes = full_of_others().snapshot();
    let places = places(&bytes, &SECTION_BYTES.to_le_bytes());
    assert_eq!(places.len(), 2, "the snapshot has changed: look for the section anew");
    let mut lied = bytes.clone();
    lied[places[1]..places[1] + 8].copy_from_slice(&(SECTION_BYTES - 1).to_le_bytes());
    let error = check(&lied, "a section with less memory than it says");
    assert_eq!(error, Some(SnapshotError::Broken(Violation::Made(4))));
}

/// Where the fields of the fence begin that follow its first value: its page, no memory, its
/// seats, its readers, the last number given at a keyed mutex.
fn behind_the_fence(bytes: &[u8]) -> usize {
    let places = places(bytes, &FENCE_VALUE.to_le_bytes());
    assert_eq!(places.len(), 1, "the snapshot has changed: look for the fence anew");
    places[0] + 8
}

#[test]
fn pages_seats_and_readers_that_openings_do_not_account_for_are_refused() {
    let bytes = full_of_others().snapshot();
    let start = behind_the_fence(&bytes);
    let (page, seats) = (start, start + 4 + 8 + 4);
    let (client, number, openings) = (seats + 4, seats + 12, seats + 16);
    let readers = seats + 20;
    let number_at = |place: usize| u32::from_le_bytes(bytes[place..place + 4].try_into().unwrap());
    let fields = [page, seats, client, number, openings, readers].map(number_at);
    assert_eq!(fields, [1, 1, 1, 0, 1, 1], "the snapshot has changed: look for the fields anew");
    let lies = [
        (client, 2, "a seat of a client that cannot write"),
        (client, 99, "a seat of nobody"),
        (number, limits::SEATS_PER_PAGE_MAX, "a seat beyond the page"),
        (openings, 2, "a seat with an opening too many"),
        (openings, 0, "a seat without opening"),
        (readers, 0, "no reader"),
        (readers, 2, "a reader too many"),
    ];
    for (place, lie, what) in lies {
        let mut lied = bytes.clone();
        lied[place..place + 4].copy_from_slice(&lie.to_le_bytes());
        let error = check(&lied, what);
        assert_eq!(error, Some(SnapshotError::Broken(Violation::Made(1))), "{what}");
    }
}

#[test]
fn two_clients_in_one_seat_are_refused() {
    let bytes = full_of_others().snapshot();
    // Of the event and of the mutex: client 1 in seat 0, client 2 in the other.
    let seats = |second: u32| [2, 1, 0, 0, 1, 2, 0, second, 1].map(u32::to_le_bytes).concat();
    let lied = replaced(&bytes, &seats(1), &seats(0), 2);
    let error = check(&lied, "two clients in seat 0");
    assert_eq!(error, Some(SnapshotError::Broken(Violation::Made(2))));
}

#[test]
fn two_openings_with_one_turn_are_refused() {
    let bytes = full_of_others().snapshot();
    // Client 2's third opening, of the third object, which is the mutex.
    let opening = |turn: u32| [3, 3, 0, 0xF_0001, turn].map(u32::to_le_bytes).concat();
    let lied = replaced(&bytes, &opening(2), &opening(1), 1);
    let error = check(&lied, "a number at the mutex that client 1 has");
    assert_eq!(error, Some(SnapshotError::Broken(Violation::Made(3))));
}

#[test]
fn a_page_or_memory_that_is_not_there_is_missed() {
    let mut manager = Manager::new(1);
    manager.client_arrived(Token { uid: 1000, gid: 5 }, 1).unwrap();
    ask(&mut manager, 1, &make(Spec::Fence { value: FENCE_VALUE }, "fence")).unwrap();
    let section = Spec::Section { size_bytes: SECTION_BYTES, writers: Writers::One };
    ask(&mut manager, 1, &make(section, "section")).unwrap();
    let broken = |object| Some(SnapshotError::Broken(Violation::Made(object)));
    let bytes = manager.snapshot();
    let page = behind_the_fence(&bytes);
    let cut = [&bytes[..page], &[0; 4], &bytes[page + 12..]].concat();
    assert_eq!(check(&cut, "a fence without page"), broken(1));
    // Behind the size and the writers: no page, one memory.
    let memory = places(&bytes, &SECTION_BYTES.to_le_bytes())[0] + 8 + 1 + 4;
    let cut = [&bytes[..memory], &[0; 4], &bytes[memory + 20..]].concat();
    assert_eq!(check(&cut, "a section without memory"), broken(2));
    let added = [&bytes[..memory - 4], &[1, 0, 0, 0], &bytes[page + 4..page + 12]].concat();
    let added = [&added[..], &bytes[memory..]].concat();
    assert_eq!(check(&added, "a section with a page"), broken(2));
}

#[test]
fn a_keyed_mutex_that_has_used_up_its_numbers_is_opened_no_more() {
    let mut manager = Manager::new(1);
    manager.client_arrived(Token { uid: 1000, gid: 5 }, 1).unwrap();
    ask(&mut manager, 1, &make(keyed(), "mutex")).unwrap();
    // One seat, of client 1, with the number 0 and one opening; no readers; the last number.
    let last = |number: u32| [1, 1, 0, 0, 1, 0, number].map(u32::to_le_bytes).concat();
    let bytes = replaced(&manager.snapshot(), &last(1), &last(u32::MAX), 1);
    let mut manager = Manager::restore(&bytes).unwrap();
    let limit = u64::from(u32::MAX);
    let full = Err(Error::CapReached { cap: Cap::Openings, limit });
    let open = get(Kind::Surface, "mutex", AccessMask::GENERIC_ALL);
    assert_eq!(ask(&mut manager, 1, &open), full, "numbers are never given twice");
    let bytes = replaced(&bytes, &last(u32::MAX), &last(0), 1);
    let error = check(&bytes, "a number behind one that was given");
    assert_eq!(error, Some(SnapshotError::Broken(Violation::Made(1))));
}

#[test]
fn a_name_that_parsing_refuses_is_refused() {
    let mut manager = Manager::new(1);
    manager.client_arrived(Token { uid: 0x7777_7777, gid: 5 }, 1).unwrap();
    ask(&mut manager, 1, &create(&"x".repeat(limits::NAME_UNITS_MAX))).unwrap();
    // The same leaf in Global\: with the prefix it is longer than any name may be.
    let bytes = manager.snapshot();
    let local = [&[1][..], &0x7777_7777_u32.to_le_bytes(), &260_u32.to_le_bytes()].concat();
    let place = places(&bytes, &local);
    assert_eq!(place.len(), 1, "the snapshot has changed: look for {local:02x?} anew");
    let behind = place[0] + local.len();
    let global = [&bytes[..place[0]], &[0], &260_u32.to_le_bytes(), &bytes[behind..]].concat();
    assert_eq!(check(&global, "Global\\ and 260 units"), Some(SnapshotError::Damaged));
}

#[test]
fn deliveries_that_handles_do_not_account_for_are_refused() {
    let bytes = full_of_others().snapshot();
    // Of two handles: delivered, to process 1, this ticket, and whether it waits.
    let delivered = |ticket: u32, waits: u8| {
        [&1_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &ticket.to_le_bytes(), &[waits]].concat()
    };
    let (first, second) = (delivered(0x2000_0004, 0), delivered(0x2000_0008, 1));
    let lied = replaced(&bytes, &second, &delivered(0x2000_0004, 1), 1);
    let error = check(&lied, "two handles under one number");
    assert!(matches!(error, Some(SnapshotError::Broken(Violation::Delivery(_)))), "{error:?}");
    for no_ticket in [0, 0x2000_0001, 0x4000_0004] {
        let lied = replaced(&bytes, &first, &delivered(no_ticket, 0), 1);
        assert_eq!(check(&lied, "a number that is none"), Some(SnapshotError::Damaged));
    }
    let waits = replaced(&bytes, &first, &delivered(0x2000_0004, 1), 1);
    assert_eq!(check(&waits, "it waits again"), None);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn much_damage_never_panics(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        for mut bytes in snapshots() {
            for (place, byte) in &damage {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            check(&bytes, "damaged");
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let versioned = [&full().snapshot()[..4], &bytes].concat();
        check(&bytes, "random");
        check(&versioned, "random behind a version");
    }
}
