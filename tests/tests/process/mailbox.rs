//! Clients that break the rules in their mailbox: the broker ends them, and nobody else notices.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Error, HandleForm, OpeningId, RawName, Reply, Request, Reset, Spec};
use handfast_model::wire::{BrokerMessage, ClientMessage, Note};
use handfast_sync::mailbox::{
    AnsweredWhere, AskEnd, MAILBOX_BYTES, NOTES_MAX, NoteEnd, REQUEST_BYTES_MAX, Refused, ends,
};
use handfast_sync::{Memory, Park, Parked, Watched, Word};
use handfast_sys::eventfd::Doorbell;
use handfast_sys::futex::{self, Place, Wake};
use handfast_sys::mapping::{self, TableWords};
use handfast_tests::{LIMIT, Scratch};

use crate::fake_client::check;
use crate::stranger::{Stranger, list};

#[derive(Clone, Debug)]
struct Words(Arc<TableWords>);

impl Memory for Words {
    fn words(&self) -> &[AtomicU32] {
        self.0.words()
    }
}

struct Futex;

impl Park for Futex {
    fn wait(&self, words: &[Watched<'_>], timeout_ns: Option<u64>) -> Parked {
        let [Watched { word: Word::Whole(word), expected }] = words else { panic!("one word") };
        match futex::wait(Place::Word(word), *expected, timeout_ns) {
            Wake::Woken => Parked::Woken,
            Wake::TimedOut => Parked::TimedOut,
        }
    }

    fn wake_all(&self, _word: Word<'_>) {}
}

const SIZE_BYTES: u64 = MAILBOX_BYTES as u64;

fn ring(bell: &Doorbell) {
    bell.ring().expect("it is a bell");
}

/// A client with a mailbox in which it may write anything.
struct Letters {
    stranger: Stranger,
    bell: Doorbell,
    words: Words,
    ask: AskEnd<Words>,
    notes: NoteEnd<Words>,
}

/// The words that a client writes: asked, the request's length, posted.
const ASKED: usize = 16;
const LENGTH: usize = 17;
const POSTED: usize = 19;

impl Letters {
    fn open(scratch: &Scratch) -> Self {
        let stranger = Stranger::welcome(scratch);
        let question = ClientMessage::Mailbox { number: 9 }.encode();
        stranger.say(&question, &[]).expect("the broker listens");
        let (answer, descriptors) = stranger.hear_all().expect("the broker answers");
        assert_eq!(answer, BrokerMessage::Mailbox { number: 9 });
        let [memory, bell] = descriptors.try_into().expect("memory and a bell");
        let mapped = mapping::map_writable(memory.as_fd(), SIZE_BYTES).expect("it is memory");
        let words = Words(mapped.into_words());
        let (ask, notes) = ends(words.clone()).expect("it is a mailbox");
        Self { stranger, bell: Doorbell::from(bell), words, ask, notes }
    }

    fn post(&mut self, note: u64) -> Result<(), Refused> {
        self.notes.post(note, || ring(&self.bell))
    }

    /// Asks, and the answer, wherever it comes.
    fn call(&mut self, request: Request) -> BrokerMessage {
        let letter = ClientMessage::Request { number: 5, request }.encode();
        self.ask.ask(&letter, || ring(&self.bell)).expect("it is short");
        match self.wait().expect("the broker answers") {
            AnsweredWhere::Here { bytes } => {
                let mut answer = Vec::new();
                self.ask.read(bytes, &mut answer);
                BrokerMessage::decode(&answer, 0).expect("the broker speaks the wire")
            }
            AnsweredWhere::Elsewhere => self.stranger.hear().expect("it came in the socket"),
        }
    }

    fn wait(&self) -> Option<AnsweredWhere> {
        let limit_ns = u64::try_from(LIMIT.as_nanos()).unwrap_or(u64::MAX);
        let until_ns = handfast_sys::clock::now_ns() + limit_ns;
        while handfast_sys::clock::now_ns() < until_ns {
            if let Some(place) = self.ask.wait(&Futex, Some(limit_ns)) {
                return Some(place);
            }
        }
        None
    }

    /// Puts noise where a letter belongs, and rings.
    fn scribble(&mut self, letter: &[u8], spoil: impl FnOnce(&[AtomicU32])) {
        self.ask.ask(letter, || ()).expect("it is short");
        spoil(self.words.words());
        ring(&self.bell);
    }
}

fn event(name: &str, form: HandleForm) -> Request {
    let spec = Spec::Event { reset: Reset::Auto, signaled: false };
    let (name, access) = (Some(RawName::from(name)), AccessMask::GENERIC_ALL);
    Request::Create { spec, name, access, form, spare: None }
}

fn is_listing(answer: &BrokerMessage) -> bool {
    matches!(answer, BrokerMessage::Reply { number: 5, reply: Reply::Listing { .. } })
}

#[test]
fn what_is_asked_in_a_mailbox_is_answered_there_or_in_the_socket() {
    check(|scratch| {
        let mut letters = Letters::open(scratch);
        assert!(is_listing(&letters.call(Request::List { after: 0 })));
        // Descriptors come with this one.
        let made = letters.call(event("letter", HandleForm::Descriptor));
        let BrokerMessage::Reply { number: 5, reply: Reply::Created { opening, .. } } = made else {
            panic!("{made:?}")
        };
        let gone = OpeningId(opening.0 + 7);
        assert_eq!(
            letters.call(Request::Query { opening: gone }),
            BrokerMessage::Failed { number: 5, error: Error::OpeningUnknown { opening: gone } },
        );
        // What is dropped there is dropped before the next thing is asked, there and here.
        let note = Note::Opening(opening).encode().unwrap();
        letters.post(note).unwrap();
        let unknown = Error::OpeningUnknown { opening };
        assert_eq!(
            letters.call(Request::Query { opening }),
            BrokerMessage::Failed { number: 5, error: unknown },
        );
        letters.post(note).unwrap();
        letters.stranger.check_served();
    });
}

#[test]
fn a_name_is_free_when_the_note_lies_there_rung_for_or_not() {
    check(|scratch| {
        let [mut one, mut other] = [Letters::open(scratch), Letters::open(scratch)];
        for turn in 0..20 {
            let (giver, taker) =
                if turn % 2 == 0 { (&mut one, &mut other) } else { (&mut other, &mut one) };
            let made = giver.call(event("letter", HandleForm::Held));
            let BrokerMessage::Reply { reply: Reply::Created { opening, handle, .. }, .. } = made
            else {
                panic!("{turn}: {made:?}")
            };
            let taken = taker.call(event("letter", HandleForm::Held));
            let is_taken =
                matches!(taken, BrokerMessage::Failed { error: Error::NameTaken { .. }, .. });
            assert!(is_taken, "{turn}: {taken:?}");
            for note in [Note::Handle(handle), Note::Opening(opening)] {
                giver.notes.post(note.encode().unwrap(), || ()).unwrap();
            }
        }
    });
}

#[test]
fn a_letter_that_is_none_ends_the_client() {
    check(|scratch| {
        let whole = list();
        let mut spoilt: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
        spoilt.push(ClientMessage::Mailbox { number: 9 }.encode());
        spoilt.push(ClientMessage::Health { number: 9 }.encode());
        let unanswered = Request::Drop { opening: OpeningId(1) };
        spoilt.push(ClientMessage::Request { number: 0, request: unanswered }.encode());
        spoilt.push(vec![0xFF; REQUEST_BYTES_MAX]);
        for letter in spoilt {
            let mut letters = Letters::open(scratch);
            letters.scribble(&letter, |_| ());
            letters.stranger.check_ended();
        }
    });
}

#[test]
fn lengths_and_counts_out_of_bounds_end_the_client() {
    check(|scratch| {
        let too_long = u32::try_from(REQUEST_BYTES_MAX).unwrap() + 1;
        for (word, value) in
            [(LENGTH, too_long), (LENGTH, u32::MAX), (POSTED, NOTES_MAX + 1), (POSTED, u32::MAX)]
        {
            let mut letters = Letters::open(scratch);
            letters.scribble(&list(), |words| words[word].store(value, Ordering::SeqCst));
            letters.stranger.check_ended();
        }
        // A count that says that nothing was asked.
        let mut letters = Letters::open(scratch);
        letters.scribble(&list(), |words| words[ASKED].store(0, Ordering::SeqCst));
        letters.stranger.check_served();
    });
}

#[test]
fn notes_of_what_is_not_ones_own_change_nothing() {
    check(|scratch| {
        let other = Stranger::sender(scratch);
        let mut letters = Letters::open(scratch);
        let foreign = Note::Opening(other.1).encode().unwrap();
        for note in [foreign, 0, 7, u64::MAX, 0x0100_0001_0000_0000] {
            letters.post(note).unwrap();
        }
        assert!(is_listing(&letters.call(Request::List { after: 0 })));
        other.0.ask(Request::Query { opening: other.1 }, &[]).unwrap();
        let facts = other.0.hear();
        let is_there = matches!(facts, Some(BrokerMessage::Reply { reply: Reply::Facts(_), .. }));
        assert!(is_there, "{facts:?}");
    });
}

#[test]
fn whoever_rings_all_the_time_is_no_burden_to_others() {
    check(|scratch| {
        let mut letters = Letters::open(scratch);
        for _ in 0..100_000 {
            letters.bell.ring().unwrap();
        }
        for _ in 0..10 {
            assert!(is_listing(&letters.call(Request::List { after: 0 })));
        }
        letters.stranger.check_served();
    });
}

#[test]
fn more_notes_than_there_is_room_for_are_refused_until_the_broker_looks() {
    check(|scratch| {
        let mut letters = Letters::open(scratch);
        let mut posted = 0;
        while letters.notes.post(0, || ()).is_ok() {
            posted += 1;
        }
        assert_eq!(posted, NOTES_MAX);
        assert!(is_listing(&letters.call(Request::List { after: 0 })));
        letters.post(0).unwrap();
    });
}

#[test]
fn nobody_has_two_mailboxes() {
    check(|scratch| {
        let mut letters = Letters::open(scratch);
        assert!(is_listing(&letters.call(Request::List { after: 0 })));
        letters.stranger.say(&ClientMessage::Mailbox { number: 8 }.encode(), &[]).unwrap();
        let refused = letters.stranger.hear();
        let is_refusal = matches!(refused, Some(BrokerMessage::Failed { number: 8, .. }));
        assert!(is_refusal, "{refused:?}");
        assert!(is_listing(&letters.call(Request::List { after: 0 })));
    });
}
