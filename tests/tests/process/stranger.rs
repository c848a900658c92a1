//! A connection of the test's own to a broker, which may say anything.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{HandleForm, OpeningId, RawName, Reply, Request};
use handfast_model::wire::{BrokerMessage, ClientMessage, Hello};
use handfast_sys::seqpacket::{Blocking, Incoming, Readiness, Socket};
use handfast_tests::{LIMIT, Scratch};

/// A client that keeps no rule but those of the kernel.
#[derive(Debug)]
pub(crate) struct Stranger(pub(crate) Socket);

impl Stranger {
    pub(crate) fn connect(scratch: &Scratch) -> Self {
        Self(Socket::connect(&scratch.socket()).expect("the broker listens"))
    }

    /// One that has said hello.
    pub(crate) fn welcome(scratch: &Scratch) -> Self {
        let stranger = Self::connect(scratch);
        stranger.greet();
        stranger
    }

    /// Says hello.
    #[track_caller]
    pub(crate) fn greet(&self) {
        self.say(&hello(Hello::of_this_program()), &[]).expect("the broker listens");
        let answer = self.hear();
        assert!(matches!(answer, Some(BrokerMessage::Welcome(_))), "{answer:?}");
    }

    /// One that has made a stream, which lets it send descriptors.
    pub(crate) fn sender(scratch: &Scratch) -> (Self, OpeningId) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let stranger = Self::welcome(scratch);
        // Programs that tests beside this one start have its handle until they run, so a name may
        // be taken for a moment longer.
        let name = format!("stranger {}", COUNT.fetch_add(1, Ordering::Relaxed));
        stranger.ask(create(&name), &[]).expect("the broker listens");
        let (opening, _) = stranger.hear_created();
        (stranger, opening)
    }

    pub(crate) fn say(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> handfast_sys::Result<()> {
        self.0.send(bytes, descriptors, Blocking::Wait)
    }

    pub(crate) fn ask(
        &self,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> handfast_sys::Result<()> {
        self.say(&ClientMessage::Request { number: 1, request }.encode(), descriptors)
    }

    /// What the broker says; None when it has hung up.
    #[track_caller]
    pub(crate) fn hear(&self) -> Option<BrokerMessage> {
        self.hear_all().map(|(message, _)| message)
    }

    /// What the broker says and what comes with it; None when it has hung up.
    #[track_caller]
    pub(crate) fn hear_all(&self) -> Option<(BrokerMessage, Vec<OwnedFd>)> {
        let limit_ns = u64::try_from(LIMIT.as_nanos()).unwrap_or(u64::MAX);
        let ready = self.0.wait_readable(Some(limit_ns)).expect("a socket can be polled");
        assert_ne!(ready, Readiness::TimedOut, "the broker neither answers nor hangs up");
        let mut buffer = vec![0; 1 << 16];
        match self.0.receive(&mut buffer, Blocking::Never).expect("the broker is there") {
            Incoming::HangUp => None,
            Incoming::Message(received) => {
                let bytes = buffer.get(..received.length).unwrap_or_default();
                let message = BrokerMessage::decode(bytes, received.descriptors.len());
                Some((message.expect("the broker speaks the wire"), received.descriptors))
            }
            Incoming::Truncated(_) => panic!("the broker sends more than a message"),
        }
    }

    /// The stream that it has made: the opening, and the handle that bears the name.
    #[track_caller]
    pub(crate) fn hear_created(&self) -> (OpeningId, OwnedFd) {
        let (message, descriptors) = self.hear_all().expect("the broker answers");
        let BrokerMessage::Reply { reply: Reply::StreamCreated { opening, .. }, .. } = message
        else {
            panic!("{message:?}")
        };
        (opening, descriptors.into_iter().next().expect("the handle comes first"))
    }

    /// The broker has ended it.
    #[track_caller]
    pub(crate) fn check_ended(&self) {
        let heard = self.hear();
        assert!(heard.is_none(), "{heard:?}");
    }

    /// The broker serves it still.
    #[track_caller]
    pub(crate) fn check_served(&self) {
        self.ask(Request::List { after: 0 }, &[]).expect("the broker listens");
        let heard = self.hear();
        let is_listing =
            matches!(heard, Some(BrokerMessage::Reply { reply: Reply::Listing { .. }, .. }));
        assert!(is_listing, "{heard:?}");
    }
}

/// The request for a stream of this name.
pub(crate) fn create(name: &str) -> Request {
    let name = Some(RawName::from(name));
    let form = HandleForm::Descriptor;
    Request::StreamCreate { name, access: AccessMask::GENERIC_ALL, form }
}

pub(crate) fn hello(hello: Hello) -> Vec<u8> {
    ClientMessage::Hello(hello).encode()
}

pub(crate) fn list() -> Vec<u8> {
    ClientMessage::Request { number: 1, request: Request::List { after: 0 } }.encode()
}
