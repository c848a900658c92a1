//! Damaged snapshots: refused, or a manager whose invariants hold; never a panic.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::limits;
use handfast_model::object::{
    Caller, Cap, ClientId, Error, GenerationLayout, HandleId, Kind, Manager, OpeningId,
    PictureFacts, RawName, ReceivedPayload, Reply, Request, SnapshotError,
};
use handfast_model::security::Token;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// A number that is nowhere else in the snapshot.
const MEMORY_BYTES: u64 = 0x0000_0001_2345_6789;

fn config() -> Config {
    let slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
    let cases = if slow { 50_000 } else { 256 };
    Config { cases, failure_persistence: None, ..Config::default() }
}

fn ask(manager: &mut Manager, client: u64, request: &Request) -> Result<Reply, Error> {
    let takes_memory = matches!(request, Request::StreamPublish { .. });
    let payload = takes_memory.then_some(ReceivedPayload { size_bytes: MEMORY_BYTES });
    let caller = Caller { client: ClientId(client), time_ns: 42, payload };
    manager.apply(&caller, request, &mut Vec::new())
}

fn create(name: &str) -> Request {
    let name = Some(RawName::from(name));
    Request::Create { kind: Kind::Stream, name, access: AccessMask::GENERIC_ALL }
}

fn open(name: &str) -> Request {
    let name = RawName::from(name);
    Request::Open { kind: Kind::Stream, name, access: AccessMask::GENERIC_ALL }
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
        (2, Request::Share { opening, name: Some(share), access }),
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
        Request::Drop { opening },
    ];
    for client in clients {
        let replies: Vec<_> =
            requests.iter().map(|request| ask(&mut manager, client, request)).collect();
        let broken = manager.check();
        assert_eq!(broken, Ok(()), "{what}: client {client}: {requests:?}: {replies:?}");
    }
    let handles: Vec<_> = (0..32).map(HandleId).collect();
    manager.handles_gone(&handles, &mut effects);
    for client in 0..16 {
        manager.client_gone(ClientId(client), &mut effects);
        assert_eq!(manager.check(), Ok(()), "{what}: after client {client} is gone");
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
    let manager = full();
    assert_eq!(Manager::restore(&manager.snapshot()), Ok(manager.clone()));
    use_up(manager, "undamaged");
}

#[test]
fn another_version_is_refused_by_its_number() {
    let mut bytes = full().snapshot();
    bytes[0] = 9;
    assert_eq!(check(&bytes, "version 9"), Some(SnapshotError::Version { found: 9 }));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = full().snapshot();
    for length in 0..bytes.len() {
        let error = check(&bytes[..length], "cut");
        assert_eq!(error, Some(SnapshotError::Damaged), "{length} of {} bytes", bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(check(&longer, "longer"), Some(SnapshotError::Damaged));
}

#[test]
fn every_flipped_bit_is_refused_or_harmless() {
    let bytes = full().snapshot();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check(&flipped, &format!("bit {} of byte {}", bit % 8, bit / 8));
    }
}

#[test]
fn every_number_made_huge_or_zero_is_refused_or_harmless() {
    let bytes = full().snapshot();
    for start in 0..bytes.len() - 7 {
        for (lie, length) in [(u64::MAX, 8), (u64::MAX, 4), (1 << 63, 8), (0, 8), (0, 4), (1, 8)] {
            let mut lied = bytes.clone();
            lied[start..start + length].copy_from_slice(&lie.to_le_bytes()[..length]);
            check(&lied, &format!("{length} bytes at {start} say 0x{lie:x}"));
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

proptest! {
    #![proptest_config(config())]

    #[test]
    fn much_damage_never_panics(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = full().snapshot();
        for (place, byte) in &damage {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        check(&bytes, "damaged");
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let versioned = [&[1, 0, 0, 0][..], &bytes].concat();
        check(&bytes, "random");
        check(&versioned, "random behind a version");
    }
}
