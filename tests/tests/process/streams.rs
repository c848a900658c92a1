//! Who starts first, who stays, and who is told what when the other dies.

use std::os::unix::process::ExitStatusExt as _;

use handfast_tests::{Child, Scratch, Signal, eventually};

use crate::inside::Idle;
use crate::role::Role;

/// `handfast send`, until it is stopped. Its frames are large enough not to stay in a buffer.
const SEND: &[&str] =
    &["send", "cam", "--pattern", "counter", "--size", "256x256", "--rate", "100"];

/// `handfast recv`, which says how it went when it is over.
fn recv(scratch: &Scratch, output: &str, more: &[&str]) -> Child {
    let arguments = ["recv", "cam", "--json", "-o", output];
    scratch.spawn(&[&arguments, more].concat())
}

/// Waits until it is over, which must be like this.
#[track_caller]
fn check_outcome(receiver: Child, outcome: &str) {
    let said = receiver.finish().success();
    assert!(said.contains(&format!("\"outcome\":\"{outcome}\"")), "{said}");
    assert!(!said.contains("\"frames\":0,"), "{said}");
}

/// Waits until the receiver that writes there has written a whole frame.
fn until_received(scratch: &Scratch, output: &str) {
    let path = scratch.files().join(output);
    eventually("a frame is written", || {
        std::fs::metadata(&path).is_ok_and(|file| file.len() > 900)
    });
}

/// `handfast send` of a few frames, once so many receivers are there.
fn send_to(scratch: &Scratch, receivers: &str) -> Child {
    let ends = ["--frames", "30", "--wait", receivers];
    scratch.spawn(&[SEND, &ends].concat())
}

#[test]
fn a_receiver_that_starts_first_gets_the_frames_and_the_end() {
    let scratch = Scratch::new();
    let receiver = recv(&scratch, "out.y4m", &[]);
    eventually("the receiver has a broker", || scratch.broker().is_some());
    send_to(&scratch, "1").finish().success();
    check_outcome(receiver, "ended");
}

#[test]
fn a_receiver_that_starts_last_gets_the_frames_and_the_end() {
    let scratch = Scratch::new();
    let sender = send_to(&scratch, "1");
    let mut looker = Role::start(&scratch, &["look"]);
    looker.ask("connect");
    eventually("the stream is there", || looker.ask("list") == "objects: cam/0");
    let receiver = recv(&scratch, "out.y4m", &["--once"]);
    sender.finish().success();
    check_outcome(receiver, "ended");
}

#[test]
fn many_receivers_all_get_frames_and_the_end() {
    let scratch = Scratch::new();
    let outputs: Vec<String> = (0..8).map(|number| format!("{number}.y4m")).collect();
    let before = outputs.iter().take(4).map(|output| recv(&scratch, output, &[]));
    let mut receivers: Vec<Child> = before.collect();
    let sender = send_to(&scratch, "8");
    receivers.extend(outputs.iter().skip(4).map(|output| recv(&scratch, output, &[])));
    sender.finish().success();
    receivers.into_iter().for_each(|receiver| check_outcome(receiver, "ended"));
}

#[test]
fn more_receivers_than_pages_are_ready_join_all_the_same() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "64"]);
    // 16 pages are ready; the sender does not look before it is asked to.
    let start = |_| Role::start(&scratch, &["recv", "cam", "latest"]);
    let mut receivers: Vec<Role> = (0..40).map(start).collect();
    receivers.iter_mut().for_each(|receiver| receiver.tell("take"));
    assert_eq!(sender.ask("receivers 40"), "receivers 40");
    assert_eq!(sender.ask("frame"), "sent 1");
    receivers.iter_mut().for_each(|receiver| assert_eq!(receiver.hear(), "frame 1"));
    receivers.into_iter().for_each(Role::leave);
    sender.leave();
    idle.again();
}

#[test]
fn a_receiver_that_joins_late_goes_on_from_there() {
    let scratch = Scratch::new();
    let mut sender = Role::start(&scratch, &["send", "cam", "4"]);
    assert_eq!(sender.ask("frames 20"), "sent 20");
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    assert_eq!(sender.ask("frames 2"), "sent 22");
    assert_eq!(receiver.ask("take"), "frame 22");
    assert_eq!(sender.ask("end"), "ended");
    assert_eq!(receiver.ask("take"), "ended");
}

#[test]
fn a_held_frame_stays_as_it_is_and_the_sender_goes_on() {
    let scratch = Scratch::new();
    let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    assert_eq!(sender.ask("frame"), "sent 1");
    assert_eq!(receiver.ask("hold"), "frame 1");
    assert_eq!(sender.ask("frames 100"), "sent 101");
    assert_eq!(sender.ask("resize 128 16"), "resized");
    assert_eq!(sender.ask("frames 100"), "sent 201");
    assert_eq!(sender.ask("counts"), "sent 201 dropped 0");
    assert_eq!(receiver.ask("look"), "frame 1");
    sender.kill();
    assert_eq!(receiver.ask("look"), "frame 1");
    assert_eq!(receiver.ask("release"), "released");
}

#[test]
fn a_lossless_receiver_gets_every_frame() {
    let scratch = Scratch::new();
    let mut sender = Role::start(&scratch, &["send", "cam", "3", "lossless"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "lossless"]);
    receiver.tell("all");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frames 500"), "sent 500");
    assert_eq!(sender.ask("end"), "ended");
    assert_eq!(receiver.hear(), "500 ended");
}

#[test]
fn after_a_killed_sender_its_receiver_gets_the_next_one_of_that_name() {
    let scratch = Scratch::new();
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    for _ in 0..5 {
        let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
        receiver.tell("take");
        assert_eq!(sender.ask("receivers 1"), "receivers 1");
        assert_eq!(sender.ask("frame"), "sent 1");
        assert_eq!(receiver.hear(), "frame 1");
        receiver.tell("take");
        assert_eq!(sender.kill().signal(), Some(9));
        assert_eq!(receiver.hear(), "lost");
    }
}

#[test]
fn the_program_goes_on_with_the_next_sender_unless_it_receives_once() {
    let scratch = Scratch::new();
    let follows = recv(&scratch, "follows.y4m", &[]);
    let mut sender = scratch.spawn(&[SEND, &["--wait", "1"]].concat());
    until_received(&scratch, "follows.y4m");
    let once = recv(&scratch, "once.y4m", &["--once"]);
    until_received(&scratch, "once.y4m");
    assert_eq!(sender.kill().signal(), Some(9));
    check_outcome(once, "lost");
    send_to(&scratch, "1").finish().success();
    check_outcome(follows, "ended");
}

#[test]
fn a_receiver_killed_with_a_frame_in_its_hands_gives_the_slot_back() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "2"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    receiver.tell("hold");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frame"), "sent 1");
    assert_eq!(receiver.hear(), "frame 1");
    // Of two slots one has the latest frame, the other is held: no room for a third frame.
    assert_eq!(sender.ask("frame"), "sent 2");
    assert_eq!(sender.ask("frame"), "dropped");
    assert_eq!(sender.ask("counts"), "sent 2 dropped 1");
    assert_eq!(receiver.kill().signal(), Some(9));
    eventually("the slot comes back", || sender.ask("frame").starts_with("sent"));
    let counts = sender.ask("counts");
    assert_eq!(sender.ask("frames 500"), "sent 503");
    let (_, dropped) = counts.split_once("sent 3 ").expect("three frames were sent");
    assert_eq!(sender.ask("counts"), format!("sent 503 {dropped}"));
    sender.leave();
    idle.again();
}

#[test]
fn a_lossless_sender_waits_for_its_receiver_only_while_that_lives() {
    let scratch = Scratch::new();
    let mut sender = Role::start(&scratch, &["send", "cam", "3", "lossless"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "lossless"]);
    receiver.tell("hold");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frame"), "sent 1");
    assert_eq!(receiver.hear(), "frame 1");
    sender.tell("frames 100");
    receiver.kill();
    assert_eq!(sender.hear(), "sent 101");
}

#[test]
fn a_killed_senders_name_is_free_at_once() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "2"]);
    for round in 0..200 {
        sender.kill();
        // The first try, and nothing in between.
        sender = Role::begin(&scratch, &["send", "cam", "2"]);
        assert_eq!(sender.hear(), "ready", "round {round}");
    }
    sender.leave();
    idle.again();
}

#[test]
fn a_taken_name_says_who_has_it() {
    let scratch = Scratch::new();
    let sender = Role::start(&scratch, &["send", "cam", "2"]);
    let refused = scratch.spawn(SEND).finish();
    assert_eq!(refused.code(1), "");
    let expected = format!(
        "handfast: the name cam is taken by handfast-role[{}]. Choose another, or stop it.\n",
        sender.pid()
    );
    assert_eq!(refused.stderr_text(), expected);
    // The refusal has taken nothing.
    drop(sender);
    scratch.spawn(&[SEND, &["--frames", "1"]].concat()).finish().success();
}

#[test]
fn a_stopped_receiver_keeps_nobody() {
    let scratch = Scratch::new();
    let stopped = recv(&scratch, "stopped.y4m", &[]);
    let mut sender = Role::start(&scratch, &["send", "cam", "4"]);
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    stopped.signal(Signal::STOP);
    let mut other = Role::start(&scratch, &["recv", "cam", "latest"]);
    assert_eq!(sender.ask("frames 300"), "sent 300");
    assert_eq!(other.ask("take"), "frame 300");
    assert_eq!(sender.ask("end"), "ended");
    assert_eq!(other.ask("take"), "ended");
    stopped.signal(Signal::CONT);
    check_outcome(stopped, "ended");
}
