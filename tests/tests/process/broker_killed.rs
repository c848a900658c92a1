//! `kill -9` of the broker alone: streams go on, and who joins or dies later is served by the next.

use handfast_tests::{Scratch, eventually};

use crate::role::Role;

#[test]
fn a_lossless_receiver_gets_every_frame_while_brokers_are_killed() {
    let scratch = Scratch::new();
    let mut sender = Role::start(&scratch, &["send", "cam", "4", "lossless"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "lossless"]);
    receiver.tell("all");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    sender.tell("run");
    for _ in 0..5 {
        scratch.kill_broker();
    }
    let ran = sender.ask("stop");
    let ran: u64 = ran.strip_prefix("ran ").and_then(|count| count.parse().ok()).unwrap();
    assert_eq!(sender.ask(&format!("frames {}", 2000 - ran)), "sent 2000");
    // Who comes now joins the same stream.
    let mut late = Role::start(&scratch, &["recv", "cam", "latest"]);
    late.tell("take");
    assert_eq!(sender.ask("receivers 2"), "receivers 2");
    assert_eq!(sender.ask("frame"), "sent 2001");
    // It may have joined while the one before was the latest.
    let mut taken = late.hear();
    if taken == "frame 2000" {
        taken = late.ask("take");
    }
    assert_eq!(taken, "frame 2001");
    scratch.kill_broker();
    assert_eq!(sender.ask("counts"), "sent 2001 dropped 0");
    assert_eq!(sender.ask("end"), "ended");
    assert_eq!(receiver.hear(), "2001 ended");
    assert_eq!(late.ask("take"), "ended");
    assert_eq!(scratch.left(), ["socket"]);
}

#[test]
fn a_sender_that_dies_after_the_kill_is_told_as_lost_and_its_name_is_free() {
    let scratch = Scratch::new();
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    receiver.tell("take");
    for _ in 0..3 {
        let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
        assert_eq!(sender.ask("receivers 1"), "receivers 1");
        assert_eq!(sender.ask("frame"), "sent 1");
        assert_eq!(receiver.hear(), "frame 1");
        receiver.tell("take");
        scratch.kill_broker();
        sender.kill();
        assert_eq!(receiver.hear(), "lost");
        // It waits for the next one, and the next broker knows that.
        receiver.tell("take");
        scratch.kill_broker();
    }
}

#[test]
fn a_receiver_that_dies_after_the_kill_gives_its_slot_back() {
    let scratch = Scratch::new();
    let mut sender = Role::start(&scratch, &["send", "cam", "2"]);
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    receiver.tell("hold");
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frame"), "sent 1");
    assert_eq!(receiver.hear(), "frame 1");
    assert_eq!(sender.ask("frame"), "sent 2");
    assert_eq!(sender.ask("frame"), "dropped");
    scratch.kill_broker();
    assert_eq!(sender.ask("frame"), "dropped");
    receiver.kill();
    eventually("the slot comes back", || sender.ask("frame").starts_with("sent"));
    assert_eq!(sender.ask("receivers 0"), "receivers 0");
}
