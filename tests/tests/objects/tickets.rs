//! Handles by their values between processes: delivered under tickets, and taken out.

use std::fs;

use handfast_tests::{Requirement, Scratch, Signal, eventually, eventually_eq, leftovers, require};

use crate::handle_table::{invalid, name_gone, value};
use crate::party::{Role, all_ok, check_nothing, join, party, play, refused, signal_broker};

/// A process with the value `v` of a fence at 5 that is shared as `drawn`.
fn sharer(scratch: &Scratch) -> Role {
    let mut role = join(scratch);
    all_ok(&mut role, &["fence f new 5", "fence f share drawn all h"]);
    value(&mut role, "value v insert h");
    role
}

/// Delivers what `v` is of; says the ticket.
#[track_caller]
fn deliver(from: &mut Role, to: &Role, rights: &str) -> String {
    let ticket = value(from, &format!("value t deliver v {} {rights} 0", to.pid()));
    let bits = u32::from_str_radix(&ticket[2..], 16).expect("a value");
    assert_eq!(bits & 0xE000_0003, 0x2000_0000, "{ticket}");
    ticket
}

/// What the maker of `drawn` has of it goes.
fn let_go(maker: &mut Role) {
    all_ok(maker, &["value v close", "fence f drop"]);
}

/// The descriptors of the broker by their kinds, where one may look.
fn broker_holds(scratch: &Scratch) -> Option<Vec<(String, usize)>> {
    require(Requirement::Root)?;
    let held = leftovers(scratch.broker()?).expect("root looks into any process");
    Some(held.descriptors.into_iter().collect())
}

/// The same after it has finished with what it was asked before.
fn broker_at_rest(scratch: &Scratch, asks: &mut Role) -> Option<Vec<(String, usize)>> {
    all_ok(asks, &["fence rest open drawn", "fence rest drop"]);
    broker_holds(scratch)
}

#[test]
fn a_process_that_never_asked_for_a_broker_is_delivered_a_handle() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut target = join(&scratch);
    let ticket = deliver(&mut maker, &target, "same");
    assert_eq!(target.ask(&format!("value {ticket} value")), "5");
    all_ok(&mut target, &[&format!("value {ticket} signal 6")]);
    assert_eq!(maker.ask("fence f value"), "6");
    assert_eq!(target.ask(&format!("value {ticket} kind")), "Fence");
    assert_eq!(target.ask(&format!("value {ticket} access")), "001f0003");
    assert_eq!(target.ask(&format!("value {ticket} flags")), "0");
    assert_eq!(target.ask(&format!("value {ticket} object")), maker.ask("fence f object"));
    let_go(&mut maker);
    all_ok(&mut target, &["fence by-name open drawn", "fence by-name drop"]);
    all_ok(&mut target, &[&format!("value {ticket} close")]);
    name_gone(&mut maker);
    invalid(&mut target, &format!("value {ticket} value"));
    maker.leave();
    target.leave();
    check_nothing(&scratch);
}

#[test]
fn what_is_delivered_may_be_inherited_duplicated_taken_out_and_closed_at_once() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut target = join(&scratch);
    all_ok(&mut target, &["fence own create own 1"]);
    for rights in ["same", "wait"] {
        let ticket = deliver(&mut maker, &target, rights);
        let access = if rights == "same" { "001f0003" } else { "00000001" };
        assert_eq!(target.ask(&format!("value {ticket} access")), access);
        let copy = value(&mut target, &format!("value c dup {ticket} same none 0"));
        assert_eq!(u32::from_str_radix(&copy[2..], 16).expect("a value") & 0x2000_0000, 0);
        assert_eq!(target.ask("value c value"), "5");
        all_ok(&mut target, &["value c close", &format!("value {ticket} flags 3 3")]);
        assert_eq!(target.ask(&format!("value {ticket} flags")), "3");
        all_ok(&mut target, &[&format!("value {ticket} flags 2 0")]);
        let same = value(&mut target, &format!("value c dup {ticket} same none 1"));
        assert_eq!(same, ticket, "the ticket stays its value");
        all_ok(&mut target, &["value c remove h"]);
        invalid(&mut target, &format!("value {ticket} kind"));
    }
    // Its first use is its end.
    let ticket = deliver(&mut maker, &target, "same");
    all_ok(&mut target, &[&format!("value {ticket} close")]);
    let why = format!(
        "{ticket} is no handle of this process: a ticket is good only where it was delivered, \
         until it is closed"
    );
    refused(&mut target, &format!("value {ticket} close"), "HandleInvalid", &why);
    // Its number is not its value, and nobody can make it one.
    all_ok(&mut target, &["event e new auto"]);
    let lowest = value(&mut target, "value e event e");
    all_ok(&mut target, &["value e close"]);
    let ticket = deliver(&mut maker, &target, "same");
    assert_eq!(target.ask(&format!("value {ticket} value")), "5");
    assert!(target.ask(&format!("value {lowest} link")).contains("pipe:"), "there it is");
    invalid(&mut target, &format!("value {lowest} adopt-number"));
    assert_eq!(target.ask(&format!("value {ticket} access")), "001f0003", "it is open");
    maker.leave();
    target.leave();
    check_nothing(&scratch);
}

#[test]
fn the_name_lives_while_a_handle_waits_whoever_dies_meanwhile() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let [mut target, mut other] = party(&scratch);
    let ticket = deliver(&mut maker, &target, "same");
    maker.kill();
    all_ok(&mut other, &["fence f open drawn", "fence f drop"]);
    refused(&mut other, "fence g create drawn 1", "NameTaken", "drawn");
    assert_eq!(target.ask(&format!("value {ticket} value")), "5");
    all_ok(&mut other, &["fence f open drawn", "fence f drop"]);
    all_ok(&mut target, &[&format!("value {ticket} close")]);
    name_gone(&mut other);
    target.leave();
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn what_waits_for_a_process_goes_when_it_ends() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut target = join(&scratch);
    let before = broker_at_rest(&scratch, &mut maker);
    let tickets = [(); 3].map(|()| deliver(&mut maker, &target, "same"));
    assert!(before.is_none() || broker_holds(&scratch) != before, "they wait there");
    let_go(&mut maker);
    all_ok(&mut maker, &["fence f open drawn", "fence f drop"]);
    target.kill();
    // Whoever looks the name up asks the kernel, and need not wait for the broker to hear of it.
    name_gone(&mut maker);
    all_ok(&mut maker, &["fence f create drawn 5", "fence f drop"]);
    all_ok(&mut maker, &["fence f new 5", "fence f share drawn all h"]);
    eventually_eq("the broker holds what it held", &before, || broker_holds(&scratch));
    for ticket in tickets {
        invalid(&mut maker, &format!("value {ticket} close"));
    }
    refused(
        &mut maker,
        &format!("value t fetch {} 0x20000004 same", target.pid()),
        "Lost",
        "has ended",
    );
    maker.leave();
    check_nothing(&scratch);
}

#[test]
fn a_name_is_free_before_the_broker_has_heard_who_died() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut target = join(&scratch);
    deliver(&mut maker, &target, "same");
    let_go(&mut maker);
    let broker = scratch.broker().expect("it is there");
    // The question waits at the broker before the death does.
    signal_broker(&scratch, broker, Signal::STOP);
    maker.tell("fence gone open drawn");
    let (asks, told) = (libc::SYS_futex.to_string(), format!("/proc/{}/syscall", maker.pid()));
    eventually("it has asked and waits for the answer", || {
        let now = fs::read_to_string(&told).unwrap_or_default();
        now.split(' ').next() == Some(&asks)
    });
    target.kill();
    signal_broker(&scratch, broker, Signal::CONT);
    let answer = maker.hear();
    assert!(answer.starts_with("error NotFound: "), "{answer}");
    maker.leave();
    check_nothing(&scratch);
}

#[test]
fn the_broker_lets_go_of_what_waits_for_the_dead_unasked() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let before = broker_at_rest(&scratch, &mut maker);
    let mut target = join(&scratch);
    deliver(&mut maker, &target, "same");
    target.kill();
    eventually_eq("the broker holds what it held", &before, || broker_holds(&scratch));
    maker.leave();
    check_nothing(&scratch);
}

#[test]
fn nothing_goes_into_or_out_of_a_process_that_has_ended_and_is_not_reaped() {
    play(&["deliver-to-the-dead"]);
}

#[test]
fn a_ticket_is_its_processs_and_is_redeemed_once() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let [mut target, mut other] = party(&scratch);
    all_ok(&mut other, &["fence f open drawn"]);
    let ticket = deliver(&mut maker, &target, "same");
    invalid(&mut other, &format!("value {ticket} value"));
    invalid(&mut maker, &format!("value {ticket} value"));
    let guess = u32::from_str_radix(&ticket[2..], 16).expect("a value") + 4;
    invalid(&mut target, &format!("value 0x{guess:x} value"));
    assert_eq!(target.ask(&format!("value {ticket} value")), "5");
    all_ok(&mut target, &[&format!("value {ticket} remove h")]);
    invalid(&mut target, &format!("value {ticket} value"));
    // One that comes after has another number.
    let second = deliver(&mut maker, &target, "same");
    assert_ne!(second, ticket);
    invalid(&mut target, &format!("value {ticket} value"));
    assert_eq!(target.ask(&format!("value {second} value")), "5");
    for role in [maker, target, other] {
        role.leave();
    }
    check_nothing(&scratch);
}

#[test]
fn a_handle_is_delivered_by_pidfd_to_oneself_and_out_of_nothing() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut target = join(&scratch);
    value(&mut maker, &format!("value x hold process {}", target.pid()));
    let ticket = value(&mut maker, "value t deliver-by v x same");
    assert_eq!(target.ask(&format!("value {ticket} value")), "5");
    let itself = maker.pid();
    let own = value(&mut maker, &format!("value t deliver v {itself} same 0"));
    assert_eq!(maker.ask(&format!("value {own} value")), "5");
    // What had no handle gets one.
    all_ok(&mut maker, &["event e new manual"]);
    value(&mut maker, "value p event e");
    let event = value(&mut maker, &format!("value t deliver p {} set+sync 0", target.pid()));
    assert_eq!(target.ask(&format!("value {event} set")), "false");
    assert_eq!(maker.ask("value p is-set"), "true");
    // With the source closed, unless it is protected.
    let moved = value(&mut maker, &format!("value t deliver p {} same 1", target.pid()));
    invalid(&mut maker, "value p is-set");
    assert_eq!(target.ask(&format!("value {moved} is-set")), "true");
    all_ok(&mut maker, &["value v flags 2 2"]);
    value(&mut maker, &format!("value t deliver v {} same 1", target.pid()));
    assert_eq!(maker.ask("value v value"), "5");
    // A descriptor that is no process's, and one whose process has ended.
    value(&mut maker, "value y hold file");
    refused(&mut maker, "value t deliver-by v y same", "Lost", "ended");
    let why = "0 is no number of a process";
    refused(&mut maker, "value t deliver v 0 same 0", "Invalid", why);
    target.kill();
    refused(&mut maker, "value t deliver-by v x same", "Lost", "ended");
    refused(&mut maker, &format!("value t deliver v {} same 0", target.pid()), "Lost", "ended");
    invalid(&mut maker, &format!("value t deliver 0x10000 {itself} same 0"));
    maker.leave();
    check_nothing(&scratch);
}

#[test]
fn a_handle_is_taken_out_of_a_process_that_stands_still() {
    let scratch = Scratch::new();
    let mut source = sharer(&scratch);
    let mut target = join(&scratch);
    let text = source.ask("value w fence f");
    let pid = source.pid();
    source.child.signal(Signal::STOP);
    value(&mut target, &format!("value v fetch {pid} {text} same"));
    assert_eq!(target.ask("value v value"), "5");
    assert_eq!(target.ask("value v access"), "001f0003");
    value(&mut target, &format!("value n fetch {pid} {text} wait"));
    assert_eq!(target.ask("value n access"), "00000001");
    refused(&mut target, &format!("value x fetch {pid} {text} 0x8000"), "AccessDenied", "");
    source.child.signal(Signal::CONT);
    let first = source.ask("value w link");
    assert!(first.contains("pipe:"), "{first}");
    source.kill();
    all_ok(&mut target, &["value v signal 7"]);
    // It is of the same share, so it keeps what the other kept.
    assert_eq!(target.ask("value n value"), "7");
    all_ok(&mut target, &["value v close", "value n close"]);
    target.leave();
    check_nothing(&scratch);
}

#[test]
fn what_is_no_handle_is_not_taken_out() {
    let scratch = Scratch::new();
    let mut source = sharer(&scratch);
    let mut target = join(&scratch);
    let pid = source.pid();
    for what in ["file", "folder", "memfd", "socket", "pipe", "write-end", "path h2"] {
        all_ok(&mut source, &["value v handle h2"]);
        let text = value(&mut source, &format!("value x hold {what}"));
        refused(&mut target, &format!("value t fetch {pid} {text} same"), "HandleInvalid", &text);
    }
    // A pipe that looks like one, which the broker does not know.
    let strange = Scratch::new();
    let mut stranger = sharer(&strange);
    let text = value(&mut stranger, "value w dup v same none 0");
    let order = format!("value t fetch {} {text} same", stranger.pid());
    refused(&mut target, &order, "HandleInvalid", "no handle that this broker made");
    for text in ["0x0", "0xC", "0x1FFFFFFC", "0xC0000042", "0xFFFFFFFF", "0x20000004"] {
        let why = format!("{text} is no handle of that process: it was closed there, or ");
        refused(&mut target, &format!("value t fetch {pid} {text} same"), "HandleInvalid", &why);
    }
    for number in [0, -1] {
        let why = format!("{number} is no number of a process");
        refused(&mut target, &format!("value t fetch {number} 0x20 same"), "Invalid", &why);
    }
    stranger.leave();
    source.leave();
    target.leave();
    check_nothing(&scratch);
}

#[test]
fn what_was_delivered_is_taken_out_by_its_ticket() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let [mut target, mut third] = party(&scratch);
    let ticket = deliver(&mut maker, &target, "same");
    let pid = target.pid();
    value(&mut third, &format!("value a fetch {pid} {ticket} same"));
    assert_eq!(target.ask(&format!("value {ticket} value")), "5");
    value(&mut third, &format!("value b fetch {pid} {ticket} wait"));
    assert_eq!(third.ask("value a value"), "5");
    assert_eq!(third.ask("value b access"), "00000001");
    let_go(&mut maker);
    all_ok(&mut target, &[&format!("value {ticket} close")]);
    invalid(&mut third, &format!("value c fetch {pid} {ticket} same"));
    all_ok(&mut third, &["value a close", "fence by-name open drawn", "fence by-name drop"]);
    all_ok(&mut third, &["value b close"]);
    name_gone(&mut maker);
    for role in [maker, target, third] {
        role.leave();
    }
    check_nothing(&scratch);
}

#[test]
fn a_process_without_room_keeps_what_waits_for_it() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut target = join(&scratch);
    all_ok(&mut target, &["fence own open drawn", "fence own drop"]);
    let ticket = deliver(&mut maker, &target, "same");
    let limit = target.ask("full");
    assert!(limit.starts_with("full "), "{limit}");
    refused(&mut target, &format!("value {ticket} value"), "LimitReached", "ulimit");
    all_ok(&mut target, &["room"]);
    assert_eq!(target.ask(&format!("value {ticket} value")), "5");
    maker.leave();
    target.leave();
    check_nothing(&scratch);
}

#[test]
fn a_process_is_known_again_after_all_that_it_was_given_is_closed() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut target = join(&scratch);
    for round in 0..300 {
        let ticket = deliver(&mut maker, &target, "same");
        if round % 3 == 0 {
            assert_eq!(target.ask(&format!("value {ticket} value")), "5", "round {round}");
        }
        all_ok(&mut target, &[&format!("value {ticket} close")]);
    }
    maker.leave();
    target.leave();
    check_nothing(&scratch);
}
