//! Who uses what it has open needs no broker: it may stand still, or be gone.

use handfast_tests::{Scratch, Signal, eventually};

use crate::party::{
    Role, all_ok, asleep, begin, check_nothing, join, party, refused, said, signal_broker,
};

/// Two processes that have one of each open.
fn pair(scratch: &Scratch) -> [Role; 2] {
    let [mut maker, mut other] = party(scratch);
    all_ok(
        &mut maker,
        &[
            "fence f create fence 0",
            "event e create event auto",
            "event m create manual manual",
            "surface s create surface buffer:4096 keyed several",
            "surface o create own 8x8:bgra:1:1",
            "section n create section 4096",
            "fence f share - all h",
        ],
    );
    all_ok(
        &mut other,
        &[
            "fence f open fence",
            "fence r open fence wait",
            "event e open event",
            "event m open manual sync",
            "surface s open surface read+write",
            "surface o open own",
            "section n open section",
        ],
    );
    [maker, other]
}

/// Everything that two processes do with what they have open.
#[track_caller]
fn check_use([maker, other]: &mut [Role; 2], start: u32) {
    for (value, fence) in (start..).zip(["f", "r", "f"]) {
        begin(other, &format!("fence {fence} wait {value}"));
        all_ok(maker, &[&format!("fence f signal {value}")]);
        assert_eq!(other.hear(), "Signaled");
    }
    assert_eq!(other.ask("fence f wait 1000000 1"), "TimedOut");
    for event in ["e", "m"] {
        begin(other, &format!("event {event} wait"));
        assert_eq!(maker.ask(&format!("event {event} set")), "false");
        assert_eq!(other.hear(), "Signaled");
    }
    assert_eq!(maker.ask("event m reset"), "true");
    assert_eq!(maker.ask("event e set"), "false");
    assert_eq!(other.ask("all 0 e"), "0 Signaled");
    assert_eq!(maker.ask("surface s acquire 0 0"), "Signaled");
    begin(other, "surface s acquire 1");
    all_ok(maker, &["surface s write 8 171 4", "surface s release 1"]);
    assert_eq!(other.hear(), "Signaled");
    assert_eq!(other.ask("surface s read 7 6"), "00abababab00");
    all_ok(other, &["surface s write 8 0 4", "surface s release 0"]);
    all_ok(maker, &[&format!("surface o draw {start}")]);
    assert_eq!(other.ask(&format!("surface o check {start}")), "1824 bytes");
    all_ok(maker, &["section n write 0 18 2"]);
    assert_eq!(other.ask("section n read 0 3"), "121200");
    // A copy of a handle is the kernel's.
    all_ok(maker, &["handle i dup h", "handle i drop"]);
    all_ok(other, &[&format!("fence f reached {} w", start + 9)]);
    all_ok(maker, &[&format!("fence f signal {}", start + 9)]);
    eventually("it is told", || other.ask("completion w") == "Signaled");
    // Things of one process alone need none either.
    all_ok(maker, &["fence p new 4", "fence p signal 5", "event q new auto", "fence p drop"]);
    all_ok(maker, &["surface p new buffer:64", "surface p drop"]);
}

#[test]
fn what_is_open_works_while_the_broker_is_stopped() {
    let scratch = Scratch::new();
    let mut pair = pair(&scratch);
    let mut late = join(&scratch);
    let broker = scratch.broker().unwrap();
    signal_broker(&scratch, broker, Signal::STOP);
    check_use(&mut pair, 10);
    // Dropping waits for nobody.
    all_ok(&mut pair[1], &["fence r drop"]);
    // Making and opening do.
    late.tell("fence f open fence");
    asleep(&late);
    pair[1].tell("fence r create another 7");
    asleep(&pair[1]);
    assert_eq!(said(&late), ["ready"]);
    signal_broker(&scratch, broker, Signal::CONT);
    assert_eq!(late.hear(), "ok");
    assert_eq!(pair[1].hear(), "ok");
    all_ok(&mut pair[1], &["fence r drop", "fence r open fence wait"]);
    check_use(&mut pair, 30);
    let [mut maker, other] = pair;
    assert_eq!(maker.ask("fence f openings"), "4", "those that were dropped are counted no more");
    maker.leave();
    other.leave();
    late.leave();
    check_nothing(&scratch);
}

#[test]
fn a_thousand_openings_that_are_dropped_while_the_broker_is_stopped_are_dropped() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    all_ok(&mut maker, &["fence f create fence 0"]);
    for number in 0..1000 {
        all_ok(&mut other, &[&format!("fence f{number} open fence wait")]);
    }
    assert_eq!(maker.ask("fence f openings"), "1001");
    let broker = scratch.broker().unwrap();
    signal_broker(&scratch, broker, Signal::STOP);
    for number in 0..1000 {
        all_ok(&mut other, &[&format!("fence f{number} drop")]);
    }
    signal_broker(&scratch, broker, Signal::CONT);
    // They do not all fit the broker's queue, and this process calls no more.
    eventually("all are gone but one", || maker.ask("fence f openings") == "1");
    all_ok(&mut other, &["fence last open fence"]);
}

#[test]
fn what_is_open_works_when_the_broker_is_gone_and_what_is_new_has_a_new_one() {
    let scratch = Scratch::new();
    let mut pair = pair(&scratch);
    let broker = scratch.broker().unwrap();
    signal_broker(&scratch, broker, Signal::KILL);
    check_use(&mut pair, 10);
    let [maker, other] = &mut pair;
    // What is known by name is gone with it.
    refused(other, "fence x open fence", "NotFound", "fence");
    assert_ne!(scratch.broker(), Some(broker));
    all_ok(maker, &["fence y create fence 3"]);
    all_ok(other, &["fence x open fence"]);
    assert_eq!(other.ask("fence x value"), "3");
    // A handle of the old one is none of the new one.
    refused(maker, "fence z of h", "HandleInvalid", "");
    refused(maker, "handle h names", "HandleInvalid", "");
    refused(maker, "fence f share - all i", "Lost", "");
    refused(maker, "fence f openings", "Lost", "");
    assert_eq!(other.ask("fence x value"), "3", "nor does it harm what is");
    check_use(&mut pair, 30);
    let [maker, other] = pair;
    maker.leave();
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn who_drops_a_fence_is_missed_without_a_broker_too() {
    for signal in [Signal::STOP, Signal::KILL] {
        let scratch = Scratch::new();
        let [mut maker, mut other, mut third] = party(&scratch);
        all_ok(&mut maker, &["fence f create fence 0", "fence g create second 0"]);
        all_ok(&mut other, &["fence f open fence", "fence g open second", "fence h open second"]);
        all_ok(&mut third, &["fence f open fence wait", "fence g open second"]);
        all_ok(&mut other, &["fence g signal 1"]);
        let broker = scratch.broker().expect("it is there");
        signal_broker(&scratch, broker, signal);
        // Its only signaller leaves.
        begin(&mut third, "fence f wait 1");
        all_ok(&mut maker, &["fence f drop"]);
        assert_eq!(third.hear(), "Abandoned", "{signal:?}");
        // Two signal the second one, one of them through two openings.
        begin(&mut third, "fence g wait 2");
        all_ok(&mut maker, &["fence g drop"]);
        all_ok(&mut other, &["fence h drop"]);
        asleep(&third);
        all_ok(&mut other, &["fence g drop"]);
        assert_eq!(third.hear(), "Abandoned", "{signal:?}");
        if signal == Signal::STOP {
            signal_broker(&scratch, broker, Signal::CONT);
            // Whoever comes back signals again, and counts again.
            refused(&mut other, "fence g open second", "NotFound", "");
            all_ok(&mut third, &["fence g signal 3"]);
            assert_eq!(third.ask("fence g wait 3 0"), "Signaled");
        }
    }
}
