//! The wire: what is written is read, its bytes are those of the golden files, and whatever
//! else comes is refused whole.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Once;

use handfast_model::contract::bytes::{ByteReader, Malformed};
use handfast_model::contract::limits;
use handfast_model::object::{Manager, RawName, Reply, Request};
use handfast_model::wire::{
    BrokerMessage, ClientMessage, Kind, MESSAGE_BYTES_MAX, VERSION, WireError,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

#[path = "wire/made.rs"]
mod made;
#[path = "wire/random.rs"]
mod random;
#[path = "wire/samples.rs"]
mod samples;

use samples::{Message, Sample, samples};

const HEADER_BYTES: usize = 20;
const MALFORMED: WireError = WireError::Malformed;

fn config() -> Config {
    let slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
    let cases = if slow { 100_000 } else { 1024 };
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// Whatever comes, by either end: what is accepted is what its own encoding would be.
fn check(bytes: &[u8], came: usize) -> Option<Message> {
    let client = ClientMessage::decode(bytes, came).map(Message::Client);
    let broker = BrokerMessage::decode(bytes, came).map(Message::Broker);
    assert!(client.is_err() || broker.is_err(), "both ends take {}", hex(bytes));
    let message = client.or(broker).ok()?;
    let again = message.encode();
    let (written, read) = (hex(&again), hex(bytes));
    assert_eq!(written, read, "left is how {message:?} is written, right how it was read");
    assert_eq!(usize::from(message.descriptors()), came, "{message:?}");
    Some(message)
}

fn declared(bytes: &[u8]) -> usize {
    bytes.get(6..8).map_or(0, |field| usize::from(u16::from_le_bytes([field[0], field[1]])))
}

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).map(|line| {
        let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(" ") + "\n"
    });
    lines.collect()
}

mod golden {
    use super::*;

    fn folder() -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/golden");
        source.join(format!("v{VERSION}"))
    }

    fn kind_of(bytes: &[u8]) -> u16 {
        u16::from_le_bytes([bytes[4], bytes[5]])
    }

    fn kind_named(bytes: &[u8]) -> String {
        let kind = Kind::ALL.iter().find(|kind| kind.number() == kind_of(bytes));
        format!("{:?}", kind.expect("a sample has a known kind"))
    }

    fn text(sample: &Sample) -> String {
        let bytes = sample.message.encode();
        format!("# {}, {}\n{}", kind_named(&bytes), sample.says, hex(&bytes))
    }

    fn bytes_in(text: &str) -> Vec<u8> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let digits = lines.flat_map(str::split_whitespace);
        digits.map(|pair| u8::from_str_radix(pair, 16).expect("two hex digits")).collect()
    }

    /// With `GOLDEN=write` the files are written first, once.
    fn written() {
        static ONCE: Once = Once::new();
        if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
            ONCE.call_once(|| {
                std::fs::create_dir_all(folder()).unwrap();
                for sample in samples() {
                    std::fs::write(folder().join(&sample.file), text(&sample)).unwrap();
                }
            });
        }
    }

    #[test]
    fn every_message_is_its_golden_bytes() {
        written();
        for sample in samples() {
            let path = folder().join(&sample.file);
            let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| {
                panic!(
                    "{}: {error}. If the message is new, write its bytes with \
                     `GOLDEN=write cargo test -p handfast-model --test wire` and commit them.",
                    path.display()
                )
            });
            assert_eq!(
                text(&sample),
                golden,
                "left is written now, right was committed in {}. Released bytes never change: a \
                 changed message needs a new version, and golden bytes of its own.",
                path.display()
            );
            let bytes = bytes_in(&golden);
            let read = sample.message.decode_as(&bytes, declared(&bytes));
            assert_eq!(read.as_ref(), Ok(&sample.message), "{}", path.display());
        }
    }

    #[test]
    fn every_kind_has_a_golden_file_and_every_file_a_message() {
        written();
        let here: BTreeSet<String> = std::fs::read_dir(folder())
            .unwrap_or_else(|error| panic!("{}: {error}", folder().display()))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let samples = samples();
        let known: BTreeSet<String> = samples.iter().map(|sample| sample.file.clone()).collect();
        assert_eq!(known.len(), samples.len(), "two samples have one file");
        let orphans: Vec<_> = here.difference(&known).collect();
        assert!(orphans.is_empty(), "no sample of tests/wire/samples.rs has the files {orphans:?}");
        let kinds: BTreeSet<u16> = here
            .iter()
            .map(|file| kind_of(&bytes_in(&std::fs::read_to_string(folder().join(file)).unwrap())))
            .collect();
        for kind in Kind::ALL {
            assert!(
                kinds.contains(&kind.number()),
                "the kind {kind:?} (0x{:03X}) has no golden file: add a message to \
                 tests/wire/samples.rs, then run \
                 `GOLDEN=write cargo test -p handfast-model --test wire`",
                kind.number()
            );
        }
    }
}

mod damage {
    use super::*;

    #[test]
    fn every_truncation_is_refused() {
        for Sample { file, message, .. } in samples() {
            let bytes = message.encode();
            for length in 0..bytes.len() {
                for came in [0, usize::from(message.descriptors())] {
                    let read = check(&bytes[..length], came);
                    assert_eq!(read, None, "{file} cut to {length} bytes");
                }
            }
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(check(&longer, declared(&bytes)), None, "{file} and a byte more");
        }
    }

    #[test]
    fn every_flipped_bit_is_refused_or_another_message_in_canonical_form() {
        for Sample { message, .. } in samples() {
            let bytes = message.encode();
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                check(&flipped, declared(&bytes));
                check(&flipped, declared(&flipped));
            }
        }
    }

    #[test]
    fn every_field_made_huge_is_refused_or_canonical() {
        for Sample { message, .. } in samples() {
            let bytes = message.encode();
            for start in 0..bytes.len() - 3 {
                for lie in [u32::MAX, 0x8000_0000, 0x1000, 0] {
                    let mut lied = bytes.clone();
                    lied[start..start + 4].copy_from_slice(&lie.to_le_bytes());
                    check(&lied, declared(&lied));
                }
            }
        }
    }

    /// The offset of each count in the golden message, from the start of its body.
    #[test]
    fn counts_that_lie_about_the_length_are_refused() {
        let counts = [
            ("stream-create.hex", 6),
            ("create-fence.hex", 24),
            ("create-surface.hex", 55),
            ("open.hex", 15),
            ("share.hex", 10),
            ("watch-name.hex", 5),
            ("stream-created.hex", 37),
            ("stock.hex", 0),
            ("listing.hex", 1),
            ("listing.hex", 45),
            ("listing.hex", 54),
            ("facts.hex", 40),
            ("handle-facts.hex", 44),
            ("opening-list.hex", 1),
            ("handle-inodes.hex", 0),
            ("handle-inodes.hex", 20),
            ("stream-receivers.hex", 1),
        ];
        let samples = samples();
        for (file, offset) in counts {
            let sample = samples.iter().find(|sample| sample.file == file).unwrap();
            let bytes = sample.message.encode();
            let place = HEADER_BYTES + offset..HEADER_BYTES + offset + 4;
            let count = u32::from_le_bytes(bytes[place.clone()].try_into().unwrap());
            assert!(count < 16, "{file}: there is no count at {offset}, but {count}");
            for lie in [count + 1, 0x10_0000, u32::MAX / 2, u32::MAX] {
                let mut lied = bytes.clone();
                lied[place.clone()].copy_from_slice(&lie.to_le_bytes());
                let read = sample.message.decode_as(&lied, declared(&lied));
                assert_eq!(read, Err(MALFORMED), "{file}: {lie} instead of {count} at {offset}");
            }
        }
    }

    #[test]
    fn a_count_is_refused_before_its_items_are_read() {
        for item_bytes in [1, 2, 8, 47] {
            for count in [1, 3, 1000_u32] {
                let bytes =
                    [&count.to_le_bytes()[..], &vec![0; count as usize * item_bytes]].concat();
                let counted = |bytes: &[u8]| ByteReader::new(bytes).count(item_bytes);
                assert_eq!(counted(&bytes), Ok(count as usize), "{count} of {item_bytes} bytes");
                let cut = &bytes[..bytes.len() - 1];
                assert_eq!(counted(cut), Err(Malformed), "{count} of {item_bytes}, one byte cut");
            }
            let most = u32::MAX.to_le_bytes();
            assert_eq!(ByteReader::new(&most).count(usize::MAX), Err(Malformed), "overflow");
        }
    }

    #[test]
    fn a_header_is_checked_field_by_field() {
        let request = Request::List { after: 0 };
        let bytes = ClientMessage::Request { number: 1, request }.encode();
        let with = |offset: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[offset] = byte;
            ClientMessage::decode(&bytes, 0)
        };
        assert!(with(0, b'H').is_ok());
        assert_eq!(with(0, b'h'), Err(WireError::Magic));
        assert_eq!(with(4, 0xFF), Err(WireError::UnknownKind { kind: 0xFF }));
        assert_eq!(with(6, 1), Err(WireError::Descriptors { declared: 1, came: 0 }));
        assert_eq!(with(12, 7), Err(MALFORMED), "another length");
        assert_eq!(with(16, 1), Err(MALFORMED), "a reserved field that is not zero");
        let reply = BrokerMessage::Reply { number: 1, reply: Reply::Done }.encode();
        let kind = Kind::Done.number();
        assert_eq!(ClientMessage::decode(&reply, 0), Err(WireError::UnknownKind { kind }));
        let kind = Kind::List.number();
        assert_eq!(BrokerMessage::decode(&bytes, 0), Err(WireError::UnknownKind { kind }));
    }

    #[test]
    fn declared_descriptors_must_be_those_that_came() {
        for Sample { file, message, .. } in samples() {
            let bytes = message.encode();
            let declared = message.descriptors();
            for came in (0..40).filter(|came| *came != usize::from(declared)) {
                let read = message.decode_as(&bytes, came);
                assert_eq!(read, Err(WireError::Descriptors { declared, came }), "{file}");
                let mut lied = bytes.clone();
                lied[6..8].copy_from_slice(&u16::try_from(came).unwrap().to_le_bytes());
                let read = message.decode_as(&lied, came);
                assert_eq!(read, Err(MALFORMED), "{file} with {came} descriptors");
            }
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn random_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            came in 0..20_usize,
        ) {
            check(&bytes, came);
        }

        #[test]
        fn random_bodies_behind_a_true_header_never_panic(
            kind in prop::sample::select(Kind::ALL),
            // Small values are counts and tags more often.
            body in prop::collection::vec(prop_oneof![Just(0), 0..4_u8, any::<u8>()], 0..200),
            descriptors in 0..4_u16,
        ) {
            let mut bytes = b"HFST".to_vec();
            bytes.extend(kind.number().to_le_bytes());
            bytes.extend(descriptors.to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend(body);
            check(&bytes, descriptors.into());
        }
    }
}

mod round_trip {
    use super::*;

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn every_message(message in random::message()) {
            let bytes = message.encode();
            let came = usize::from(message.descriptors());
            prop_assert_eq!(message.decode_as(&bytes, came), Ok(message.clone()));
            prop_assert_eq!(check(&bytes, came), Some(message));
        }
    }

    #[test]
    fn every_refusal() {
        for (file, error) in samples::errors() {
            let bytes = BrokerMessage::Failed { number: 9, error }.encode();
            let read = BrokerMessage::decode(&bytes, 0);
            assert_eq!(read, Ok(BrokerMessage::Failed { number: 9, error }), "{file}");
        }
    }
}

/// The fullest listing: as many objects as a page of it takes, with the longest names.
#[test]
fn the_longest_listing_fits_a_message() {
    use handfast_model::contract::access::AccessMask;
    use handfast_model::object::{Caller, Came, HandleForm};
    use handfast_model::security::Token;

    let mut manager = Manager::new(1);
    let client = manager.client_arrived(Token { uid: 0, gid: 0 }, 1).unwrap();
    let caller = Caller { client, time_ns: 0, came: Came::Nothing };
    let access = AccessMask::GENERIC_ALL;
    let mut named = 0;
    let mut name = || {
        named += 1;
        Some(RawName::from(format!("{named:0>width$}", width = limits::NAME_UNITS_MAX).as_str()))
    };
    let mut effects = Vec::new();
    let mut ask = |request: &Request| manager.apply(&caller, request, &mut effects).unwrap();
    // The first objects leave just room for one more, which is the largest there can be.
    for shares in [limits::SHARES_PER_OBJECT_MAX - 25, limits::SHARES_PER_OBJECT_MAX] {
        let made =
            ask(&Request::StreamCreate { name: name(), access, form: HandleForm::Descriptor });
        let Reply::StreamCreated { opening, .. } = made else { panic!("{made:?}") };
        for _ in 1..shares {
            ask(&Request::Share { opening, name: name(), access, form: HandleForm::Held });
        }
    }
    let reply = ask(&Request::List { after: 0 });
    let Reply::Listing { entries, .. } = &reply else { panic!("{reply:?}") };
    assert_eq!(entries.len(), 2);
    let bytes = BrokerMessage::Reply { number: 1, reply }.encode();
    assert!(bytes.len() <= MESSAGE_BYTES_MAX, "{} bytes of {MESSAGE_BYTES_MAX}", bytes.len());
    assert!(bytes.len() > MESSAGE_BYTES_MAX * 3 / 4, "{} bytes are no test", bytes.len());
}
