//! `kill -9` of the broker alone: its keeper starts another, which goes on with everything, and
//! nobody but it learns of that.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use handfast::{Client, Health};
use handfast_tests::{LIMIT, Scratch, Signal, eventually};
use rustix::process::{Pid, kill_process};

use crate::party::{
    Dice, Role, all_ok, asleep, begin, check_nothing, join, party, refused, said, signal_broker,
};

/// Processes that do random things without an end.
const PLAYERS: usize = 4;
const KILLS: usize = 40;

/// The keeper's children; those that it has not waited for, too.
fn brokers(keeper: u32) -> Vec<u32> {
    let path = format!("/proc/{keeper}/task/{keeper}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// `R`, `S`, `T`, `Z`; nothing when it is not there.
fn state(pid: u32) -> Option<char> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    line.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
}

/// Whether it was there to be killed.
fn kill(pid: u32) -> bool {
    let pid = Pid::from_raw(pid.cast_signed()).expect("it is a process");
    kill_process(pid, Signal::KILL).is_ok()
}

/// Does something while there is no broker, and nobody who would start one.
fn without_broker<T>(scratch: &Scratch, what: impl FnOnce() -> T) -> T {
    let keeper = scratch.keeper().expect("it listens");
    // Of one that is old enough to be gone on for.
    let broker = scratch.kill_broker();
    signal_broker(scratch, keeper, Signal::STOP);
    eventually("the keeper is stopped", || state(keeper) == Some('T'));
    assert!(kill(broker), "it serves");
    eventually("the broker is gone", || state(broker) == Some('Z'));
    let done = what();
    signal_broker(scratch, keeper, Signal::CONT);
    eventually("another broker serves", || brokers(keeper).iter().any(|pid| *pid != broker));
    done
}

fn ls(scratch: &Scratch) -> String {
    scratch.spawn(&["ls", "--json"]).finish().success()
}

/// Two processes that have one of each open.
fn pair(scratch: &Scratch) -> [Role; 2] {
    let [mut maker, mut other] = party(scratch);
    all_ok(
        &mut maker,
        &[
            "fence f create fence 5",
            "event e create event auto",
            "surface s create surface buffer:4096 keyed several",
            "surface o create own 8x8:bgra:1:1",
            "surface o draw 3",
            "section n create section 4096",
            "section n write 0 18 2",
            "fence f share second all h",
            "handle i dup h wait",
        ],
    );
    all_ok(
        &mut other,
        &[
            "fence f open fence",
            "fence r open second wait",
            "event e open event",
            "surface s open surface read+write",
            "surface o open own",
            "section n open section",
        ],
    );
    [maker, other]
}

/// What was made before is there as it was, for those who have it and for those who come.
#[track_caller]
fn check_all(scratch: &Scratch, [maker, other]: &mut [Role; 2], value: u32) {
    let mut late = join(scratch);
    assert_eq!(maker.ask("fence f openings"), "3");
    all_ok(&mut late, &["fence f open fence", "fence g open second wait"]);
    assert_eq!(late.ask("fence f value"), (value - 1).to_string());
    assert_eq!(other.ask("fence f openings"), "5");
    begin(&mut late, &format!("fence g wait {value}"));
    all_ok(maker, &[&format!("fence f signal {value}")]);
    assert_eq!(late.hear(), "Signaled");
    assert_eq!(other.ask("fence r value"), value.to_string());
    all_ok(&mut late, &["event e open event"]);
    begin(&mut late, "event e wait");
    assert_eq!(other.ask("event e set"), "false");
    assert_eq!(late.hear(), "Signaled");
    all_ok(&mut late, &["surface o open own", "section n open section"]);
    assert_eq!(late.ask("surface o check 3"), "1824 bytes");
    assert_eq!(other.ask("section n read 0 3"), "121200");
    assert_eq!(late.ask("section n read 0 3"), "121200");
    all_ok(&mut late, &["surface s open surface read+write"]);
    assert_eq!(late.ask("surface s acquire 0 0"), "Signaled");
    begin(other, "surface s acquire 1");
    all_ok(&mut late, &["surface s write 8 171 4", "surface s release 1"]);
    assert_eq!(other.hear(), "Signaled");
    assert_eq!(other.ask("surface s read 7 6"), "00abababab00");
    all_ok(other, &["surface s write 8 0 4", "surface s release 0"]);
    // Handles are what they were, and copies of them are made.
    assert_eq!(maker.ask("handle h names"), "names: fence,second");
    assert_eq!(maker.ask("handle i access"), "00000001");
    all_ok(maker, &["fence x of i"]);
    assert_eq!(maker.ask("fence x value"), value.to_string());
    refused(maker, "fence x signal 99", "AccessDenied", "may not signal");
    all_ok(maker, &["handle j dup i all", "fence x of j", "handle j drop", "fence x drop"]);
    // Every name is taken, and taken once.
    for name in ["fence", "second", "event", "surface", "own", "section"] {
        refused(&mut late, &format!("event x create {name} auto"), "NameTaken", name);
    }
    late.leave();
    eventually("what it had open is closed", || maker.ask("fence f openings") == "3");
}

#[test]
fn everything_goes_on_and_is_there_once() {
    let scratch = Scratch::new();
    let mut pair = pair(&scratch);
    check_all(&scratch, &mut pair, 6);
    for value in 7..11 {
        let (first, before) = (scratch.broker(), ls(&scratch));
        assert_ne!(Some(scratch.kill_broker()), first);
        assert_eq!(ls(&scratch), before);
        check_all(&scratch, &mut pair, value);
    }
    let [maker, other] = pair;
    maker.leave();
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn who_slept_before_the_kill_is_woken_after_it() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = pair(&scratch);
    let [mut taker, mut waiter] = party(&scratch);
    all_ok(&mut taker, &["surface s open surface read+write"]);
    all_ok(&mut waiter, &["event e open event"]);
    begin(&mut other, "fence r wait 6");
    begin(&mut taker, "surface s acquire 7");
    begin(&mut waiter, "event e wait");
    scratch.kill_broker();
    [&other, &taker, &waiter].into_iter().for_each(asleep);
    all_ok(&mut maker, &["fence f signal 6"]);
    assert_eq!(other.hear(), "Signaled");
    assert_eq!(maker.ask("surface s acquire 0 0"), "Signaled");
    all_ok(&mut maker, &["surface s release 7"]);
    assert_eq!(taker.hear(), "Signaled");
    assert_eq!(maker.ask("event e set"), "false");
    assert_eq!(waiter.hear(), "Signaled");
    // And who sleeps when its only signaller is killed is told by the successor.
    all_ok(&mut other, &["fence f drop"]);
    begin(&mut other, "fence r wait 9");
    scratch.kill_broker();
    maker.kill();
    assert_eq!(other.hear(), "Lost");
    taker.kill();
    waiter.leave();
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn a_name_dies_with_its_last_handle_after_the_kill_and_without_a_broker() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    let make = ["fence f new 1", "fence f share drawn all h", "handle i dup h"];
    let held = ["section n create bytes 64", "surface s create picture buffer:64"];
    let closed = ["handle h drop", "section n drop"];
    let check_gone = |other: &mut Role| {
        for order in ["fence x open drawn", "section x open bytes"] {
            refused(other, order, "NotFound", "");
        }
    };
    for _ in 0..3 {
        all_ok(&mut maker, &make);
        all_ok(&mut maker, &held);
        all_ok(&mut maker, &["handle h drop"]);
        scratch.kill_broker();
        all_ok(&mut other, &["fence g open drawn", "fence g drop"]);
        all_ok(&mut maker, &["handle i drop", "section n drop"]);
        check_gone(&mut other);
        all_ok(&mut maker, &make);
        all_ok(&mut maker, &["section n create bytes 64", "handle i drop"]);
        without_broker(&scratch, || all_ok(&mut maker, &closed));
        check_gone(&mut other);
        all_ok(&mut other, &["surface s open picture", "surface s drop"]);
        all_ok(&mut maker, &["surface s drop"]);
        refused(&mut other, "surface s open picture", "NotFound", "");
    }
    maker.leave();
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn who_dies_while_there_is_no_broker_is_missed_by_the_next() {
    let scratch = Scratch::new();
    let [mut maker, mut other, mut third] = party(&scratch);
    all_ok(
        &mut maker,
        &[
            "fence f create fence 0",
            "event e create event auto",
            "surface s create surface buffer:4096 keyed several",
            "fence f share second all h",
        ],
    );
    all_ok(&mut other, &["fence f open fence wait", "surface s open surface read+write"]);
    all_ok(&mut third, &["surface s open surface read+write"]);
    assert_eq!(maker.ask("surface s acquire 0 0"), "Signaled");
    begin(&mut other, "fence f wait 1");
    begin(&mut third, "surface s acquire 1");
    without_broker(&scratch, || maker.kill());
    assert_eq!(other.hear(), "Lost");
    assert_eq!(third.hear(), "Abandoned");
    assert_eq!(third.ask("surface s status"), "Abandoned { opening: 1 }");
    for order in ["fence x open fence", "fence x open second", "event x open event"] {
        refused(&mut other, order, "NotFound", "");
    }
    assert_eq!(other.ask("surface s acquire 0 0"), "Abandoned");
    all_ok(&mut other, &["fence f create fence 3", "event e create event auto"]);
    other.leave();
    third.leave();
    check_nothing(&scratch);
}

#[test]
fn what_was_asked_of_the_killed_broker_is_answered_once_by_the_next() {
    let scratch = Scratch::new();
    let mut roles: [Role; 6] = party(&scratch);
    let mut target = join(&scratch);
    let pid = target.pid();
    all_ok(&mut roles[1], &["fence f create known 4"]);
    all_ok(&mut roles[2], &["fence f new 2", "fence f share copied all h"]);
    all_ok(&mut roles[3], &["fence f new 9", "fence f share given all h"]);
    assert!(roles[3].ask("value v insert h").starts_with("0x"));
    all_ok(&mut roles[5], &["fence g open known"]);
    for round in 0..10 {
        let broker = scratch.broker().expect("it serves");
        let seen = Instant::now();
        eventually("it has lived for a while", || seen.elapsed() >= Duration::from_millis(120));
        signal_broker(&scratch, broker, Signal::STOP);
        let orders = [
            format!("fence m create made-{round} 1"),
            "fence g open known".to_owned(),
            format!("fence f share shared-{round} all k"),
            format!("value t deliver v {pid} same 0"),
            "fence g open known".to_owned(),
            "fence g openings".to_owned(),
        ];
        let mut late = join(&scratch);
        late.tell(&format!("event e create late-{round} auto"));
        for (role, order) in roles.iter_mut().zip(&orders) {
            role.tell(order);
        }
        roles.iter().chain([&late]).for_each(asleep);
        assert!(kill(broker), "it is there");
        let [made, opened, shared, given, known, openings] = &mut roles;
        assert_eq!(late.hear(), "ok");
        assert_eq!(made.hear(), "ok");
        assert_eq!(opened.hear(), "ok");
        assert_eq!(shared.hear(), "ok");
        let ticket = given.hear();
        assert!(ticket.starts_with("0x"), "{ticket}");
        assert_eq!(known.hear(), "ok");
        let count: u32 = openings.hear().parse().expect("a number");
        assert!((2..=4).contains(&count), "{count}");
        assert_eq!(target.ask(&format!("value {ticket} value")), "9");
        all_ok(&mut target, &[&format!("value {ticket} close")]);
        // Everything that was made exists, and once: it goes with one closing.
        let listed = ls(&scratch);
        for name in [format!("made-{round}"), format!("shared-{round}"), format!("late-{round}")] {
            assert_eq!(listed.matches(&format!("\"{name}\"")).count(), 1, "{listed}");
        }
        assert_eq!(made.ask("fence m openings"), "1");
        assert_eq!(openings.ask("fence g openings"), "4");
        all_ok(made, &["fence m drop"]);
        all_ok(opened, &["fence g drop"]);
        all_ok(shared, &["handle k drop"]);
        all_ok(known, &["fence g drop"]);
        late.leave();
        eventually("they are gone", || {
            let listed = ls(&scratch);
            ["made", "late", "shared"].iter().all(|name| !listed.contains(&format!("{name}-")))
        });
        assert_eq!(openings.ask("fence g openings"), "2");
    }
    assert_eq!(said(&target).len(), 21, "ready, and two answers a round");
    roles.into_iter().for_each(Role::leave);
    target.leave();
    check_nothing(&scratch);
}

/// What one process asks in a round, and the answers that it gets whatever becomes of the broker.
fn script(role: usize, round: usize) -> Vec<(String, String)> {
    let (name, second) = (format!("own-{role}-{round}"), format!("second-{role}-{round}"));
    let told = |order: &str, answer: &str| (order.to_owned(), answer.to_owned());
    vec![
        told(&format!("fence f create {name} 7"), "ok"),
        told("fence f openings", "1"),
        told(&format!("fence f share {second} all h"), "ok"),
        told(&format!("fence g open {second}"), "ok"),
        told("fence f openings", "2"),
        told("handle h names", &format!("names: {name},{second}")),
        told("handle i dup h wait", "ok"),
        told("fence g signal 8", "ok"),
        told("fence f value", "8"),
        told("fence g drop", "ok"),
        told("fence g of i", "ok"),
        told("handle i drop", "ok"),
        told("handle h drop", "ok"),
        told("fence g value", "8"),
        told("fence f drop", "ok"),
        told("fence g drop", "ok"),
        told(&format!("surface s create {name} buffer:4096 keyed several"), "ok"),
        told("surface s acquire 0 0", "Signaled"),
        told(&format!("surface t open {name} read+write"), "ok"),
        told("surface s write 0 17 2", "ok"),
        told("surface t read 0 3", "111100"),
        told("surface s release 0", "ok"),
        told("surface s drop", "ok"),
        told("surface t drop", "ok"),
        told(&format!("event e create {name} auto"), "ok"),
        told("event e drop", "ok"),
        told(&format!("section n create {name} 64"), "ok"),
        told("section n drop", "ok"),
    ]
}

#[test]
fn every_answer_is_the_right_one_however_often_the_broker_is_killed() {
    const ROUNDS: usize = 20;
    let scratch = Scratch::new();
    let mut roles: [Role; 3] = party(&scratch);
    all_ok(&mut roles[0], &["fence first create first 0"]);
    for kill in 0..20 {
        for (place, role) in roles.iter_mut().enumerate() {
            for round in 0..ROUNDS {
                script(place, round).iter().for_each(|(order, _)| role.tell(order));
            }
        }
        // They have not waited for it.
        scratch.kill_broker();
        for (place, role) in roles.iter_mut().enumerate() {
            for round in 0..ROUNDS {
                for (order, answer) in script(place, round) {
                    assert_eq!(role.hear(), answer, "{order} of {place}, {round}, kill {kill}");
                }
            }
        }
    }
    roles.into_iter().for_each(Role::leave);
    check_nothing(&scratch);
}

#[test]
fn whatever_processes_do_while_brokers_are_killed_nothing_fails_and_nothing_is_left() {
    let scratch = Scratch::new();
    let mut dice = Dice::seed();
    let mut first = join(&scratch);
    all_ok(&mut first, &["fence f create first 1", "fence f drop"]);
    let mut client = Client::connect_to(&scratch.socket()).unwrap().expect("it is there");
    let keeper = scratch.keeper().unwrap();
    let before = client.health().unwrap();
    let mut players: Vec<Role> = (0..PLAYERS)
        .map(|_| Role::start(&scratch, &["play", "storm", &dice.roll(1 << 30).to_string()]))
        .collect();
    let mut young = 0;
    for _ in 0..KILLS {
        let broker = *brokers(keeper).last().expect("one serves");
        // Some die while they take over, but never so many in a row that it is given up.
        if young == 2 || dice.roll(3) > 0 {
            let seen = Instant::now();
            let age = Duration::from_millis(120 + u64::try_from(dice.roll(80)).unwrap());
            while seen.elapsed() < age {
                client.health().expect("it is answered, whoever serves");
            }
            young = 0;
        } else {
            young += 1;
        }
        dice.spend(22);
        assert!(kill(broker), "it serves");
        let start = Instant::now();
        while brokers(keeper).last().is_none_or(|pid| *pid == broker) {
            assert!(start.elapsed() < LIMIT, "nobody goes on");
            thread::yield_now();
        }
    }
    for mut player in players.drain(..) {
        assert_eq!(player.ask("stop"), "calm");
        player.leave();
    }
    eventually("the broker holds what it held, and no more", || {
        let Health { clients, objects, pages, descriptors, shared_bytes } =
            client.health().unwrap();
        (clients, objects, pages, shared_bytes)
            == (before.clients, before.objects, before.pages, before.shared_bytes)
            && descriptors <= before.descriptors
    });
    assert_eq!(scratch.keeper(), Some(keeper));
    drop(client);
    first.leave();
    check_nothing(&scratch);
}

#[test]
fn brokers_that_die_at_once_are_given_up() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    all_ok(&mut role, &["fence f create fence 1"]);
    let keeper = scratch.keeper().unwrap();
    let mut killed = Vec::new();
    let start = Instant::now();
    while state(keeper).is_some_and(|state| state != 'Z') {
        assert!(start.elapsed() < LIMIT, "{} were killed", killed.len());
        for broker in brokers(keeper) {
            if !killed.contains(&broker) && kill(broker) {
                killed.push(broker);
            }
        }
    }
    assert!(killed.len() >= 3, "{killed:?}");
    assert_eq!(scratch.keeper(), None);
    // What was open is, and who comes starts another.
    all_ok(&mut role, &["fence f signal 2"]);
    assert_eq!(role.ask("fence f value"), "2");
    let mut other = join(&scratch);
    refused(&mut other, "fence f open fence", "NotFound", "fence");
    all_ok(&mut other, &["fence f create fence 3"]);
    assert_ne!(scratch.keeper(), Some(keeper));
    assert!(scratch.broker().is_some());
    all_ok(&mut role, &["fence g open fence"]);
    assert_eq!(role.ask("fence g value"), "3");
    role.leave();
    other.leave();
    check_nothing(&scratch);
}
