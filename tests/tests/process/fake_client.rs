//! Clients that break the rules: the broker ends them, and nobody else notices.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::Stdio;

use handfast_model::object::{Error, GenerationLayout, PictureFacts, Reply, Request};
use handfast_model::wire::{BrokerMessage, Hello, Refused, VERSION, VERSION_OLDEST};
use handfast_sys::memfd;
use handfast_sys::seqpacket::{Blocking, Socket};
use handfast_tests::{Child, Scratch, Signal};
use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::inside::Idle;
use crate::role::{self, Role};
use crate::stranger::{Stranger, hello, list};

/// Lets somebody misbehave beside a stream that goes on, and looks that nothing of it stays.
#[track_caller]
pub(crate) fn check(misbehave: impl Fn(&Scratch)) {
    check_with_broker(|scratch, _| misbehave(scratch));
}

/// As [`check`], with the broker at hand.
#[track_caller]
fn check_with_broker(misbehave: impl Fn(&Scratch, &Idle<'_>)) {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "3", "lossless"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "lossless"]);
    receiver.tell("all");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    for round in 1..=3 {
        misbehave(&scratch, &idle);
        assert_eq!(sender.ask("frames 10"), format!("sent {}", 10 * round));
        let mut other = Role::start(&scratch, &["look"]);
        assert_eq!(other.ask("connect"), format!("broker {}", idle.pid()));
        other.leave();
    }
    assert_eq!(sender.ask("end"), "ended");
    assert_eq!(receiver.hear(), "30 ended");
    receiver.leave();
    idle.again();
}

#[test]
fn noise_ends_the_client() {
    check(|scratch| {
        for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"x", &[0; 20], &[0xFF; 4096]] {
            let stranger = Stranger::connect(scratch);
            stranger.say(noise, &[]).unwrap();
            stranger.check_ended();
            let stranger = Stranger::welcome(scratch);
            stranger.say(noise, &[]).unwrap();
            stranger.check_ended();
        }
    });
}

#[test]
fn a_version_that_the_broker_does_not_speak_is_refused_in_words() {
    check(|scratch| {
        for (oldest, newest) in [(99, 99), (0, 0), (u16::MAX, u16::MAX), (1, 1), (VERSION, 1)] {
            let stranger = Stranger::connect(scratch);
            stranger.say(&hello(Hello { oldest, newest }), &[]).unwrap();
            let refused = Refused::Version { oldest: VERSION_OLDEST, newest: VERSION };
            assert_eq!(stranger.hear(), Some(BrokerMessage::Refused(refused)));
            stranger.check_ended();
        }
        // One in common is enough.
        let stranger = Stranger::connect(scratch);
        stranger.say(&hello(Hello { oldest: 0, newest: u16::MAX }), &[]).unwrap();
        assert!(matches!(stranger.hear(), Some(BrokerMessage::Welcome(_))));
        stranger.check_served();
    });
}

#[test]
fn every_message_cut_short_ends_the_client() {
    check(|scratch| {
        let whole = list();
        for length in 1..whole.len() {
            let stranger = Stranger::welcome(scratch);
            stranger.say(&whole[..length], &[]).unwrap();
            stranger.check_ended();
        }
        let stranger = Stranger::welcome(scratch);
        stranger.say(&[whole, vec![0]].concat(), &[]).unwrap();
        stranger.check_ended();
    });
}

#[test]
fn a_message_longer_than_any_ends_the_client() {
    check(|scratch| {
        let stranger = Stranger::welcome(scratch);
        let long = vec![0; (1 << 16) + 1];
        rustix::net::send(stranger.0.as_fd(), &long, SendFlags::NOSIGNAL).unwrap();
        stranger.check_ended();
    });
}

#[test]
fn a_request_before_hello_and_a_second_hello_end_the_client() {
    check(|scratch| {
        let stranger = Stranger::connect(scratch);
        stranger.say(&list(), &[]).unwrap();
        stranger.check_ended();
        let stranger = Stranger::welcome(scratch);
        stranger.say(&hello(Hello::of_this_program()), &[]).unwrap();
        stranger.check_ended();
    });
}

#[test]
fn who_connects_and_says_nothing_keeps_nobody() {
    check(|scratch| {
        let silent: Vec<Stranger> = (0..50).map(|_| Stranger::connect(scratch)).collect();
        let stranger = Stranger::welcome(scratch);
        stranger.check_served();
        drop(silent);
    });
}

/// Descriptors that nobody asked for end the client, or the kernel refuses them where they are
/// sent (Linux 6.16).
#[track_caller]
fn check_unasked(scratch: &Scratch, descriptors: &[BorrowedFd<'_>]) {
    let stranger = Stranger::welcome(scratch);
    match stranger.say(&list(), descriptors) {
        Ok(()) => stranger.check_ended(),
        Err(error) => {
            assert_eq!(error.errno(), Errno::PERM);
            stranger.check_served();
        }
    }
    // Whoever has a stream may send memory, and nothing else.
    let (stranger, _) = Stranger::sender(scratch);
    stranger.say(&list(), descriptors).expect("the broker listens");
    stranger.check_ended();
}

#[test]
fn descriptors_that_nobody_asked_for_end_the_client() {
    check(|scratch| {
        let (end, other_end) = rustix::pipe::pipe().unwrap();
        check_unasked(scratch, &[end.as_fd()]);
        check_unasked(scratch, &[end.as_fd(), other_end.as_fd()]);
        check_unasked(scratch, &[end.as_fd(); 253]);
        let (left, right) = Socket::pair().unwrap();
        check_unasked(scratch, &[left.as_fd(), right.as_fd()]);
    });
}

#[test]
fn a_descriptor_that_takes_for_ever_to_close_keeps_nobody() {
    check_with_broker(|scratch, idle| {
        let mut stranger = Role::start(scratch, &["linger"]);
        // It takes the descriptor only when nobody else has it any more.
        idle.signal(Signal::STOP);
        assert_eq!(stranger.ask("send"), "sent");
        idle.signal(Signal::CONT);
        for _ in 0..20 {
            Stranger::welcome(scratch).check_served();
        }
        stranger.leave();
    });
}

fn layout() -> GenerationLayout {
    let picture = PictureFacts::default();
    GenerationLayout { number: 1, slots: 2, table_bytes: 4096, slot_bytes: 4096, picture }
}

/// Memory of this size that nobody can write or resize any more.
fn sealed(size_bytes: u64) -> OwnedFd {
    let memory = memfd::create("sealed", size_bytes).expect("there is memory");
    memfd::seal_writer(memory.as_fd()).expect("it is our own");
    memory
}

#[test]
fn memory_that_is_not_what_it_should_be_is_refused_and_let_go() {
    let check_memory = |scratch: &Scratch, memory: BorrowedFd<'_>, expected: Option<Error>| {
        let (stranger, opening) = Stranger::sender(scratch);
        let publish = Request::StreamPublish { opening, layout: layout() };
        stranger.ask(publish, &[memory]).unwrap();
        let expected = match expected {
            Some(error) => BrokerMessage::Failed { number: 1, error },
            None => BrokerMessage::Reply { number: 1, reply: Reply::Done },
        };
        assert_eq!(stranger.hear(), Some(expected));
        stranger.check_served();
    };
    check(|scratch| {
        check_memory(scratch, sealed(3 * 4096).as_fd(), None);
        let too_small = Error::PayloadTooSmall { needs_bytes: 3 * 4096, has_bytes: 2 * 4096 };
        check_memory(scratch, sealed(2 * 4096).as_fd(), Some(too_small));
        let unsealed = memfd::create("unsealed", 3 * 4096).unwrap();
        check_memory(scratch, unsealed.as_fd(), Some(Error::PayloadMissing));
        memfd::seal_size(unsealed.as_fd()).unwrap();
        check_memory(scratch, unsealed.as_fd(), Some(Error::PayloadMissing));
        let null = File::open("/dev/null").unwrap();
        check_memory(scratch, null.as_fd(), Some(Error::PayloadMissing));
        let (end, _other_end) = rustix::pipe::pipe().unwrap();
        check_memory(scratch, end.as_fd(), Some(Error::PayloadMissing));
        let folder = File::open("/proc/self").unwrap();
        check_memory(scratch, folder.as_fd(), Some(Error::PayloadMissing));
    });
}

#[test]
fn a_request_for_memory_that_comes_without_ends_the_client() {
    check(|scratch| {
        let (stranger, opening) = Stranger::sender(scratch);
        stranger.ask(Request::StreamPublish { opening, layout: layout() }, &[]).unwrap();
        stranger.check_ended();
        let (stranger, opening) = Stranger::sender(scratch);
        let memory = sealed(3 * 4096);
        let publish = Request::StreamPublish { opening, layout: layout() };
        stranger.ask(publish, &[memory.as_fd(); 2]).unwrap();
        stranger.check_ended();
    });
}

#[test]
fn another_process_that_uses_a_connection_ends_it() {
    check(|scratch| {
        let stranger = Stranger::welcome(scratch);
        stranger.check_served();
        let connection = stranger.0.as_fd().try_clone_to_owned().unwrap();
        let mut other = role::command(scratch, &["speak"]);
        let other = Child::spawn_reading(&mut other, Stdio::from(connection));
        assert_eq!(other.finish().success(), "sent\n");
        stranger.check_ended();
    });
}

#[test]
fn who_asks_and_never_reads_is_not_served_for_ever() {
    check(|scratch| {
        let stranger = Stranger::welcome(scratch);
        let list = list();
        loop {
            match stranger.0.send(&list, &[], Blocking::Wait) {
                Ok(()) => {}
                Err(error) => {
                    assert!(error.is_gone(), "{error}");
                    break;
                }
            }
        }
    });
}

#[test]
fn a_client_that_dies_in_the_middle_of_anything_is_forgotten() {
    check(|scratch| {
        let (stranger, opening) = Stranger::sender(scratch);
        let memory = sealed(3 * 4096);
        let publish = Request::StreamPublish { opening, layout: layout() };
        stranger.ask(publish, &[memory.as_fd()]).unwrap();
        // Gone before it has read the answer.
        drop(stranger);
        let (stranger, _) = Stranger::sender(scratch);
        stranger.check_served();
    });
}
