//! What programs say to a broker that is none, or of another version: an error, and they end.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd};

use handfast_model::object::{
    Cap, Error, HandleForm, HandleId, ObjectId, OpeningId, PageId, Reply,
};
use handfast_model::wire::{BrokerMessage, ClientMessage, Refused, Welcome};
use handfast_sys::seqpacket::{Blocking, Incoming, Listener, Socket};
use handfast_tests::{Child, Scratch, eventually};
use rustix::fs::{MemfdFlags, memfd_create};

const SEND: &[&str] = &["send", "cam", "--pattern", "bars", "--size", "16x16", "--frames", "1"];
const RECV: &[&str] = &["recv", "cam", "--once"];

/// Listens where programs look for their broker, and answers as it is told.
struct FakeBroker {
    listener: Listener,
    scratch: Scratch,
}

impl FakeBroker {
    fn new() -> Self {
        let scratch = Scratch::new();
        let listener = Listener::bind(&scratch.socket(), 8).expect("the scratch is ours");
        Self { listener, scratch }
    }

    fn accept(&self) -> Socket {
        let mut socket = None;
        eventually("a client comes", || {
            socket = self.listener.accept().expect("a client can be accepted");
            socket.is_some()
        });
        socket.expect("it has come")
    }

    /// A client that has said hello.
    fn greeted(&self) -> Socket {
        let socket = self.accept();
        assert!(matches!(hear(&socket), ClientMessage::Hello(_)));
        socket
    }

    /// Starts each kind of program, answers its hello with these bytes, and looks how it ends.
    #[track_caller]
    fn check(&self, answer: &[u8], why: &str) {
        for arguments in [SEND, RECV, &["ls"]] {
            let program = self.scratch.spawn(arguments);
            let socket = self.greeted();
            send(&socket, answer, &[]);
            check_failed(program, why);
        }
    }

    /// Starts a sender, welcomes it, and answers its first request.
    #[track_caller]
    fn check_create(&self, answer: &[u8], descriptors: &[BorrowedFd<'_>], why: &str) {
        let program = self.scratch.spawn(SEND);
        let socket = self.greeted();
        send(&socket, &welcome(), &[]);
        assert!(matches!(hear(&socket), ClientMessage::Request { number: 1, .. }));
        send(&socket, answer, descriptors);
        // Whatever it asks next is answered the same way: nobody waits for ever.
        drop(socket);
        check_failed(program, why);
    }
}

fn hear(socket: &Socket) -> ClientMessage {
    let mut buffer = vec![0; 1 << 16];
    let heard = socket.receive(&mut buffer, Blocking::Wait).expect("a client speaks");
    let Incoming::Message(received) = heard else { panic!("no message: {heard:?}") };
    let bytes = buffer.get(..received.length).unwrap_or_default();
    ClientMessage::decode(bytes, received.descriptors.len()).expect("a client speaks the wire")
}

fn send(socket: &Socket, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    socket.send(bytes, descriptors, Blocking::Wait).expect("the client listens");
}

fn welcome() -> Vec<u8> {
    let pid = std::process::id().cast_signed();
    let uid = rustix::process::geteuid().as_raw();
    BrokerMessage::Welcome(Welcome { version: 2, instance: 1, pid, uid, started_ns: 1 }).encode()
}

/// It has ended with exit code 1 and one line that says this.
#[track_caller]
fn check_failed(program: Child, why: &str) {
    let ended = program.finish();
    assert_eq!(ended.code(1), "");
    let said = ended.stderr_text();
    assert!(said.starts_with("handfast: ") && said.contains(why), "{why:?} is not in {said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_broker_of_a_later_version_has_the_program_updated() {
    let broker = FakeBroker::new();
    let refused = BrokerMessage::Refused(Refused::Version { oldest: 7, newest: 9 }).encode();
    let why = format!(
        "the broker at {} speaks versions 7 to 9, this program 4 to 4: update the program",
        broker.scratch.socket().display()
    );
    broker.check(&refused, &why);
}

#[test]
fn a_broker_of_an_earlier_version_is_to_be_updated() {
    let broker = FakeBroker::new();
    let refused = BrokerMessage::Refused(Refused::Version { oldest: 0, newest: 0 }).encode();
    broker.check(&refused, "speaks versions 0 to 0, this program 4 to 4: update the broker");
}

#[test]
fn a_full_broker_says_what_is_full() {
    let broker = FakeBroker::new();
    let refused = Refused::Cap { cap: Cap::Clients, limit: 4096 };
    let refused = BrokerMessage::Refused(refused).encode();
    broker.check(&refused, "is full: connections to this broker 4096");
}

#[test]
fn a_broker_of_another_user_says_whose_it_is() {
    let broker = FakeBroker::new();
    let refused = Refused::User { uid: 1000, broker_uid: 7 };
    let refused = BrokerMessage::Refused(refused).encode();
    broker.check(&refused, "serves user 7, and you are user 1000: set HANDFAST_SOCKET");
}

#[test]
fn what_is_no_message_is_not_understood() {
    let broker = FakeBroker::new();
    let magic = "the broker's answer was not understood: the message does not begin with the magic";
    broker.check(b"HTTP/1.1 400 Bad Request\r\n\r\n", magic);
    let malformed = "the broker's answer was not understood: the message is malformed";
    broker.check(b"x", malformed);
    let whole = welcome();
    broker.check(&whole[..whole.len() - 1], malformed);
    broker.check(&[whole, vec![0]].concat(), malformed);
}

#[test]
fn a_message_of_the_wrong_kind_is_not_taken_for_a_welcome() {
    let broker = FakeBroker::new();
    let why = "the broker answered something else than was asked";
    broker.check(&BrokerMessage::Reply { number: 0, reply: Reply::Done }.encode(), why);
    let failed = BrokerMessage::Failed { number: 1, error: Error::NameNotFound };
    broker.check(&failed.encode(), why);
}

#[test]
fn a_broker_that_hangs_up_before_it_greets_is_tried_again_and_then_given_up() {
    let broker = FakeBroker::new();
    for arguments in [SEND, RECV] {
        let program = broker.scratch.spawn(arguments);
        let mut tries = 0;
        eventually("the program gives up", || {
            tries += usize::from(broker.listener.accept().expect("it listens").is_some());
            !program.is_running()
        });
        assert!(tries > 1, "{tries}");
        check_failed(program, "the broker is gone");
    }
}

#[test]
fn a_broker_that_hangs_up_after_the_welcome_is_gone() {
    let broker = FakeBroker::new();
    for arguments in [SEND, RECV, &["ls"]] {
        let program = broker.scratch.spawn(arguments);
        let socket = broker.greeted();
        send(&socket, &welcome(), &[]);
        drop(socket);
        check_failed(program, "the broker is gone");
    }
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let broker = FakeBroker::new();
    let why = "the broker answered something else than was asked";
    let reply = |number, reply| BrokerMessage::Reply { number, reply }.encode();
    broker.check_create(&reply(1, Reply::Done), &[], why);
    broker.check_create(&reply(2, Reply::Done), &[], why);
    broker.check_create(&reply(0, Reply::Done), &[], why);
    broker.check_create(&reply(u32::MAX, Reply::Done), &[], why);
    let failed = BrokerMessage::Failed { number: 2, error: Error::NameNotFound };
    broker.check_create(&failed.encode(), &[], why);
    let handles = |number| BrokerMessage::Handles { number, inodes: Vec::new(), held: Vec::new() };
    broker.check_create(&handles(1).encode(), &[], why);
    broker.check_create(&handles(2).encode(), &[], why);
    let null = File::open("/dev/null").unwrap();
    let mailbox = |number| BrokerMessage::Mailbox { number }.encode();
    broker.check_create(&mailbox(1), &[null.as_fd(); 2], why);
    broker.check_create(&mailbox(2), &[null.as_fd(); 2], why);
    let refused = BrokerMessage::Refused(Refused::Version { oldest: 7, newest: 9 }).encode();
    broker.check_create(&refused, &[], why);
    broker.check_create(&reply(1, Reply::Listing { entries: Vec::new(), more: false }), &[], why);
}

#[test]
fn a_second_welcome_is_no_answer_and_no_error() {
    let broker = FakeBroker::new();
    // What it asked is not answered: the broker hangs up.
    broker.check_create(&welcome(), &[], "the broker is gone");
}

/// The answer to a sender's first request.
fn created(stock: Vec<PageId>) -> Vec<u8> {
    let reply = Reply::StreamCreated {
        object: ObjectId { instance: 1, counter: 1 },
        opening: OpeningId(1),
        handle: HandleId(1),
        form: HandleForm::Held,
        page: PageId(1),
        stock,
    };
    BrokerMessage::Reply { number: 1, reply }.encode()
}

#[test]
fn an_answer_with_more_or_fewer_descriptors_than_it_says_is_refused() {
    let broker = FakeBroker::new();
    let null = File::open("/dev/null").unwrap();
    let why = "the message declares 1 descriptors and came with";
    broker.check_create(&created(Vec::new()), &[], why);
    broker.check_create(&created(Vec::new()), &[null.as_fd(); 2], why);
    broker.check_create(&created(Vec::new()), &[null.as_fd(); 3], why);
}

#[test]
fn pages_that_are_none_are_errors_and_no_crash() {
    let broker = FakeBroker::new();
    let null = File::open("/dev/null").unwrap();
    let empty = memfd_create("empty", MemfdFlags::CLOEXEC).unwrap();
    let zeros = File::from(memfd_create("zeros", MemfdFlags::CLOEXEC).unwrap());
    zeros.set_len(4096).unwrap();
    for page in [null.as_fd(), empty.as_fd(), zeros.as_fd()] {
        broker.check_create(&created(Vec::new()), &[page], "");
    }
}
