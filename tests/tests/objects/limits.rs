//! Where there is no room, or what comes is not to be believed: an error, nothing left, no hang.

use std::os::fd::{AsFd as _, OwnedFd};

use handfast_model::object::{Cap, Error, Reply, Request};
use handfast_model::wire::{BrokerMessage, ClientMessage};
use handfast_sys::seqpacket::{Blocking, Incoming, Listener, Socket};
use handfast_tests::{Scratch, eventually};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::party::{Dice, Role, all_ok, check_nothing, join, party, play, refused};

#[test]
fn a_call_without_room_for_descriptors_fails_and_leaves_nothing() {
    play(&["descriptors"]);
}

#[test]
fn as_many_openings_handles_and_shares_as_there_may_be_and_no_more() {
    play(&["openings"]);
}

/// Another process writes anything into the page of an object; calls of a limited time come back.
#[track_caller]
fn check_comes_back(kind: &str, create: &str) {
    const WORDS: [&str; 3] = ["scribble 1", "header 1", "scribble 300"];
    let scratch = Scratch::new();
    let mut maker = join(&scratch);
    let mut dice = Dice::seed();
    for round in 0..6 {
        let name = format!("page {round}");
        all_ok(&mut maker, &[&create.replace("NAME", &name.replace(' ', "-"))]);
        let name = name.replace(' ', "-");
        let mut caller = Role::start(&scratch, &["play", "timed", kind, &name]);
        let seed = dice.roll(1 << 30).to_string();
        let mut scribbler = Role::start(&scratch, &["play", "scribble", kind, &name, &seed]);
        for (step, words) in (0..40).zip(WORDS.iter().cycle().skip(round)) {
            caller.tell("2");
            dice.spend(12);
            assert_eq!(scribbler.ask(words), "ok");
            assert_eq!(caller.hear(), "came back", "round {round}, step {step}");
        }
        // Whoever was lied to can still leave.
        caller.leave();
        scribbler.leave();
        all_ok(&mut maker, &[&format!("{kind} x drop")]);
    }
    // The broker believed nothing of it.
    maker.leave();
    check_nothing(&scratch);
}

#[test]
fn calls_on_a_fence_whose_page_is_spoilt_come_back() {
    check_comes_back("fence", "fence x create NAME 1");
}

#[test]
fn calls_on_an_event_whose_page_is_spoilt_come_back() {
    check_comes_back("event", "event x create NAME auto");
}

#[test]
fn calls_on_a_keyed_mutex_whose_page_is_spoilt_come_back() {
    check_comes_back("surface", "surface x create NAME buffer:64 keyed several");
}

fn receive<'a>(socket: &Socket, buffer: &'a mut [u8]) -> (&'a [u8], Vec<OwnedFd>) {
    let heard = socket.receive(buffer, Blocking::Wait).expect("somebody speaks");
    let Incoming::Message(received) = heard else { panic!("no message: {heard:?}") };
    (buffer.get(..received.length).unwrap_or_default(), received.descriptors)
}

/// A broker that passes on what the true one says, but for one thing about the pages: a word of
/// the header is another when the library opens it.
#[track_caller]
fn check_page_refused(create: &str, open: &str, word: u64, value: u32, why: &str) {
    let scratch = Scratch::new();
    let mut maker = join(&scratch);
    all_ok(&mut maker, &[create]);
    let between = Scratch::new();
    let listener = Listener::bind(&between.socket(), 8).expect("the scratch is ours");
    let mut victim = join(&between);
    victim.tell(open);
    let mut client = None;
    eventually("it connects", || {
        client = listener.accept().expect("a client can be accepted");
        client.is_some()
    });
    let client = client.expect("it has come");
    let broker = Socket::connect(&scratch.socket()).expect("it is there");
    let mut buffer = vec![0; 1 << 16];
    let mut opened = false;
    while !opened {
        let (bytes, _) = receive(&client, &mut buffer);
        let asked = ClientMessage::decode(bytes, 0).expect("it speaks the wire");
        // Without a mailbox everything comes this way.
        if let ClientMessage::Mailbox { number } = asked {
            let error = Error::CapReached { cap: Cap::BrokerResources, limit: 64 };
            let refusal = BrokerMessage::Failed { number, error }.encode();
            client.send(&refusal, &[], Blocking::Wait).expect("the client listens");
            continue;
        }
        let known = matches!(
            asked,
            ClientMessage::Hello(_) | ClientMessage::Request { request: Request::Open { .. }, .. }
        );
        assert!(known, "{asked:?}");
        broker.send(bytes, &[], Blocking::Wait).expect("the broker listens");
        let (bytes, descriptors) = receive(&broker, &mut buffer);
        let answer = BrokerMessage::decode(bytes, descriptors.len()).expect("so does the broker");
        if let BrokerMessage::Reply { reply: Reply::Opened { .. }, .. } = answer {
            opened = true;
            let page = descriptors.first().expect("the page comes first");
            let written = rustix::io::pwrite(page, &value.to_le_bytes(), 4 * word);
            assert_eq!(written, Ok(4), "the page may be written");
        } else {
            assert!(matches!(answer, BrokerMessage::Welcome(_)), "{answer:?}");
        }
        let borrowed: Vec<_> = descriptors.iter().map(OwnedFd::as_fd).collect();
        client.send(bytes, &borrowed, Blocking::Wait).expect("the client listens");
    }
    let answer = victim.hear();
    assert!(
        answer.starts_with("error Version: the shared page is not what it should be"),
        "{answer}"
    );
    assert!(answer.contains(why), "{answer}");
    // It is no more than an error, and nothing of it stays mapped.
    assert_eq!(victim.ask("protect"), "protect: ");
    assert_eq!(victim.ask("nothing"), "ok");
    drop(client);
}

#[test]
fn a_page_of_an_unknown_layout_is_refused() {
    for (create, open) in [
        ("fence x create page 1", "fence x open page"),
        ("event x create page auto", "event x open page"),
        ("surface x create page buffer:64 keyed several", "surface x open page"),
    ] {
        check_page_refused(create, open, 1, 77, "77");
        check_page_refused(create, open, 0, 0xdead_beef, "");
    }
}

#[test]
fn names_that_are_none_are_refused() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    for kind in ["fence f open", "event f open", "section f open", "surface f open"] {
        refused(&mut role, &format!("{kind} a\\b"), "NameInvalid", "");
        refused(&mut role, &format!("{kind} nobody"), "NotFound", "nobody");
    }
}

#[test]
fn a_broker_without_room_for_descriptors_refuses_and_goes_on() {
    let scratch = Scratch::new();
    let [mut first, mut second] = party(&scratch);
    all_ok(&mut first, &["fence f create here 1", "surface s create there buffer:64 keyed"]);
    all_ok(&mut second, &["fence f open here"]);
    let broker = Pid::from_raw(scratch.broker().expect("it is there").cast_signed());
    let mut refusals = 0;
    for room in [64_u64, 72, 80] {
        let narrow = Rlimit { current: Some(room), maximum: Some(4096) };
        prlimit(broker, Resource::Nofile, narrow).expect("the broker is ours");
        for number in 0..60 {
            for (kind, what) in [
                ("fence", "0"),
                ("event", "auto"),
                ("surface", "buffer:64 keyed"),
                ("section", "64"),
            ] {
                let name = format!("{kind}-{number}");
                let answer = first.ask(&format!("{kind} x{number} create {name} {what}"));
                if answer != "ok" {
                    refusals += 1;
                    assert!(answer.starts_with("error LimitReached"), "{answer}");
                }
            }
        }
        // What is there works.
        all_ok(&mut first, &["fence f signal 2"]);
        assert_eq!(second.ask("fence f wait 2 0"), "Signaled");
        all_ok(&mut first, &["drop everything", "fence f create here 1"]);
        all_ok(&mut second, &["fence f open here"]);
    }
    assert!(refusals > 0, "there was room for all of it");
    first.leave();
    second.leave();
    check_nothing(&scratch);
}
