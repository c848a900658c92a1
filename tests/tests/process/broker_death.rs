//! `kill -9` of the broker and its keeper: who is connected goes on, who waits is told, who comes
//! is served.

use std::os::unix::process::ExitStatusExt as _;

use handfast_tests::{Child, Scratch, eventually};

use crate::role::Role;

/// A broker in the foreground, to be killed.
fn start(scratch: &Scratch) -> Child {
    let broker = scratch.spawn(&["broker"]);
    eventually("it serves", || scratch.keeper() == Some(broker.pid()));
    broker
}

#[test]
fn frames_go_on_without_a_broker_and_a_lost_sender_is_told() {
    let scratch = Scratch::new();
    let mut broker = start(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "3", "lossless"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "lossless"]);
    receiver.tell("run");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frames 100"), "sent 100");
    scratch.stop_broker();
    assert_eq!(broker.wait().signal(), Some(9));
    assert_eq!(sender.ask("frames 1000"), "sent 1100");
    receiver.tell("now");
    let ran = receiver.hear();
    let count: u64 = ran.strip_prefix("ran ").and_then(|count| count.parse().ok()).unwrap();
    assert!((1097..=1100).contains(&count), "{count} of 1100 frames, three may be on their way");
    for frame in count + 1..=1100 {
        assert_eq!(receiver.ask("recv"), format!("frame {frame}"));
    }
    receiver.tell("recv");
    sender.kill();
    let told = receiver.hear();
    assert!(told.starts_with("error Lost: "), "{told}");
}

#[test]
fn without_a_broker_a_sender_still_ends_its_stream() {
    let scratch = Scratch::new();
    let _broker = start(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    receiver.tell("take");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frame"), "sent 1");
    assert_eq!(receiver.hear(), "frame 1");
    scratch.stop_broker();
    assert_eq!(sender.ask("frame"), "sent 2");
    assert_eq!(receiver.ask("take"), "frame 2");
    assert_eq!(sender.ask("end"), "ended");
    assert_eq!(receiver.ask("take"), "ended");
}

#[test]
fn a_held_frame_survives_broker_and_sender() {
    let scratch = Scratch::new();
    let _broker = start(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    receiver.tell("hold");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frame"), "sent 1");
    assert_eq!(receiver.hear(), "frame 1");
    scratch.stop_broker();
    assert_eq!(sender.ask("frames 50"), "sent 51");
    sender.kill();
    assert_eq!(receiver.ask("look"), "frame 1");
}

#[test]
fn a_receiver_that_waits_for_a_name_finds_the_next_broker() {
    let scratch = Scratch::new();
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    receiver.tell("take");
    let first = scratch.broker().expect("it was started on demand");
    scratch.stop_broker();
    // The receiver itself starts it, at the socket that the dead one has left.
    eventually("another broker serves", || scratch.broker().is_some_and(|pid| pid != first));
    let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frame"), "sent 1");
    assert_eq!(receiver.hear(), "frame 1");
    assert_eq!(scratch.left(), ["socket"]);
}

#[test]
fn a_socket_that_nobody_serves_is_replaced_by_a_broker_too() {
    let scratch = Scratch::new();
    let _broker = start(&scratch);
    scratch.stop_broker();
    assert_eq!(scratch.left(), ["socket"]);
    // Looking is no reason to start one.
    assert_eq!(scratch.spawn(&["ls", "--json"]).finish().success(), "");
    let _broker = start(&scratch);
    scratch.stop_broker();
}

#[test]
fn the_program_says_that_the_sender_is_lost_or_goes_on() {
    let scratch = Scratch::new();
    let _broker = start(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
    let once = scratch.spawn(&["recv", "cam", "--once", "--json", "-o", "once.y4m"]);
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frame"), "sent 1");
    scratch.stop_broker();
    sender.kill();
    let ended = once.finish();
    let said = ended.stderr_text();
    assert_eq!(ended.code(1), "");
    assert!(said.starts_with("handfast: the sender is gone, and so is the broker"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
