//! Keyed mutexes between processes: turns by key, and an owner that is gone is told of at once.

use handfast_tests::{Scratch, Signal};

use crate::party::{
    Dice, Role, all_ok, begin, check_nothing, join, party, play, refused, signal_broker,
};

const CREATE: &str = "surface s create turns buffer:4096 keyed several";
const OPEN: &str = "surface s open turns read+write";

/// So many processes with the same surface; the first made it.
fn at_table<const SIZE: usize>(scratch: &Scratch) -> [Role; SIZE] {
    let mut roles: [Role; SIZE] = party(scratch);
    for (place, role) in roles.iter_mut().enumerate() {
        all_ok(role, &[if place == 0 { CREATE } else { OPEN }]);
    }
    roles
}

#[test]
fn m260_a_new_mutex_cannot_be_released() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = at_table(&scratch);
    for role in [&mut maker, &mut other] {
        for key in 0..2 {
            refused(role, &format!("surface s release {key}"), "Misuse", "does not own");
        }
        assert_eq!(role.ask("surface s status"), "Free { key: 0 }");
    }
}

#[test]
fn m261_a_new_mutex_is_free_for_key_0() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = at_table(&scratch);
    for role in [&mut maker, &mut other] {
        assert_eq!(role.ask("surface s acquire 1 0"), "TimedOut");
        assert_eq!(role.ask("surface s acquire 0 0"), "Signaled");
        all_ok(role, &["surface s release 0"]);
    }
}

#[test]
fn m262_an_owner_cannot_acquire_it_again() {
    let scratch = Scratch::new();
    let [mut maker] = at_table(&scratch);
    assert_eq!(maker.ask("surface s acquire 0 0"), "Signaled");
    for key in 0..2 {
        refused(
            &mut maker,
            &format!("surface s acquire {key} 0"),
            "Misuse",
            "owns its keyed mutex",
        );
    }
    all_ok(&mut maker, &["surface s release 5"]);
    assert_eq!(maker.ask("surface s acquire 0 0"), "TimedOut");
    assert_eq!(maker.ask("surface s acquire 5 0"), "Signaled");
}

#[test]
fn m264_another_opening_neither_acquires_nor_releases_what_is_held() {
    let scratch = Scratch::new();
    let [mut owner, mut other] = at_table(&scratch);
    // The same process, another opening.
    all_ok(&mut owner, &["surface t open turns"]);
    assert_eq!(owner.ask("surface s acquire 0 0"), "Signaled");
    for (role, surface) in [(&mut other, "s"), (&mut owner, "t")] {
        for key in 0..3 {
            assert_eq!(role.ask(&format!("surface {surface} acquire {key} 0")), "TimedOut");
        }
        refused(role, &format!("surface {surface} release 0"), "Misuse", "does not own");
        assert!(role.ask(&format!("surface {surface} status")).starts_with("Owned { "));
    }
    all_ok(&mut owner, &["surface s release 2"]);
    assert_eq!(other.ask("surface s acquire 2 0"), "Signaled");
}

#[test]
fn m265_an_owner_that_drops_it_leaves_it_abandoned_for_ever() {
    let scratch = Scratch::new();
    let [mut owner, mut other] = at_table(&scratch);
    assert_eq!(owner.ask("surface s acquire 0 0"), "Signaled");
    all_ok(&mut owner, &["surface s share again read h", "surface s drop"]);
    for _ in 0..2 {
        assert_eq!(other.ask("surface s acquire 0 0"), "Abandoned");
        assert_eq!(other.ask("surface s acquire 7 0"), "Abandoned");
    }
    refused(&mut other, "surface s release 0", "Misuse", "does not own");
    begin_and_hear(&mut other, "surface s acquire 0", "Abandoned");
    assert!(other.ask("surface s status").starts_with("Abandoned { "));
    // For who comes now as well.
    all_ok(&mut owner, &["surface s of h"]);
    assert_eq!(owner.ask("surface s acquire 0 0"), "Abandoned");
}

#[test]
fn m266_who_waits_is_told_when_the_owner_drops_it() {
    let scratch = Scratch::new();
    let [mut owner, mut other] = at_table(&scratch);
    assert_eq!(owner.ask("surface s acquire 0 0"), "Signaled");
    begin(&mut other, "surface s acquire 1");
    all_ok(&mut owner, &["surface s drop"]);
    assert_eq!(other.hear(), "Abandoned");
}

#[test]
fn an_owner_that_drops_it_is_told_of_while_the_broker_is_stopped() {
    let scratch = Scratch::new();
    let [mut owner, mut other] = at_table(&scratch);
    assert_eq!(owner.ask("surface s acquire 0 0"), "Signaled");
    begin(&mut other, "surface s acquire 1");
    let broker = scratch.broker().expect("it is there");
    signal_broker(&scratch, broker, Signal::STOP);
    all_ok(&mut owner, &["surface s drop"]);
    assert_eq!(other.hear(), "Abandoned");
    signal_broker(&scratch, broker, Signal::CONT);
}

#[test]
fn m269_a_surface_without_one_has_none() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    all_ok(&mut maker, &["surface s create plain buffer:4096"]);
    all_ok(&mut other, &["surface s open plain"]);
    for role in [&mut maker, &mut other] {
        assert_eq!(role.ask("surface s mutex"), "none");
    }
}

#[test]
fn two_processes_take_turns_and_nobody_tears_what_they_write() {
    const ROUNDS: u32 = 10_000;
    let scratch = Scratch::new();
    let [mut left, mut right] = at_table(&scratch);
    right.tell(&format!("surface s alternate 1 {ROUNDS}"));
    left.tell(&format!("surface s alternate 0 {ROUNDS}"));
    assert_eq!(left.hear(), (2 * ROUNDS - 1).to_string());
    assert_eq!(right.hear(), (2 * ROUNDS).to_string());
    left.leave();
    right.leave();
    check_nothing(&scratch);
}

#[track_caller]
fn begin_and_hear(role: &mut Role, order: &str, expected: &str) {
    role.tell(order);
    assert_eq!(role.hear(), "waiting", "{order}");
    assert_eq!(role.hear(), expected, "{order}");
}

/// The owner's process ends in some way; three processes that sleep are told.
#[track_caller]
fn check_told(what: &str, before: impl FnOnce(&Scratch), end: impl FnOnce(&mut Role)) {
    let scratch = Scratch::new();
    let [mut owner, mut one, mut two, mut three] = at_table(&scratch);
    assert_eq!(owner.ask("surface s acquire 0 0"), "Signaled");
    for (key, role) in [&mut one, &mut two, &mut three].into_iter().enumerate() {
        begin(role, &format!("surface s acquire {key}"));
    }
    before(&scratch);
    end(&mut owner);
    for role in [&mut one, &mut two, &mut three] {
        assert_eq!(role.hear(), "Abandoned", "{what}");
        assert_eq!(role.ask("surface s acquire 0 0"), "Abandoned", "{what}");
    }
}

fn kill(owner: &mut Role) {
    owner.kill();
}

#[test]
fn a_killed_owners_waiters_are_told() {
    check_told("killed", |_| {}, kill);
}

#[test]
fn a_killed_owners_waiters_are_told_while_the_broker_is_stopped() {
    let broker = std::cell::Cell::new(0);
    check_told(
        "killed without a broker",
        |scratch| {
            broker.set(scratch.broker().unwrap());
            signal_broker(scratch, broker.get(), Signal::STOP);
        },
        kill,
    );
}

#[test]
fn a_killed_owners_waiters_are_told_when_the_broker_is_gone() {
    check_told(
        "killed after the broker",
        |scratch| signal_broker(scratch, scratch.broker().unwrap(), Signal::KILL),
        kill,
    );
}

#[test]
fn an_owner_that_exits_leaves_it_abandoned() {
    check_told("exit", |_| {}, |owner| owner.tell("exit"));
}

#[test]
fn an_owner_that_runs_another_program_leaves_it_abandoned() {
    check_told(
        "exec",
        |_| {},
        |owner| {
            // The same process as another program, which knows nothing of it.
            assert_eq!(owner.ask("exec"), "ready");
            refused(owner, "surface s release 0", "Other", "");
        },
    );
}

#[test]
fn three_threads_that_sleep_in_one_process_are_told() {
    let scratch = Scratch::new();
    let [mut owner, mut other] = at_table(&scratch);
    assert_eq!(owner.ask("surface s acquire 0 0"), "Signaled");
    begin(&mut other, "surface s acquire-by 3 0");
    owner.kill();
    assert_eq!(other.hear(), "Abandoned Abandoned Abandoned");
}

#[test]
fn what_a_thread_acquired_that_has_ended_another_releases() {
    let scratch = Scratch::new();
    let [mut owner, mut other] = at_table(&scratch);
    for round in 0..20 {
        assert_eq!(owner.ask("surface s acquire-elsewhere 0"), "Signaled", "round {round}");
        assert_eq!(other.ask("surface s acquire 0 0"), "TimedOut", "round {round}");
        all_ok(&mut owner, &["surface s release 1"]);
        assert_eq!(other.ask("surface s acquire 1 0"), "Signaled", "round {round}");
        all_ok(&mut other, &["surface s release 0"]);
    }
}

#[test]
fn a_process_that_dies_and_owns_nothing_abandons_nothing() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = at_table(&scratch);
    for round in 0..20 {
        let mut victim = join(&scratch);
        all_ok(&mut victim, &[OPEN]);
        assert_eq!(victim.ask("surface s acquire 0 0"), "Signaled", "round {round}");
        all_ok(&mut victim, &["surface s release 0"]);
        if round % 2 == 0 {
            begin(&mut victim, "surface s acquire 3");
        }
        victim.kill();
        assert_eq!(other.ask("surface s acquire 0 0"), "Signaled", "round {round}");
        all_ok(&mut other, &["surface s release 0"]);
    }
    assert_eq!(maker.ask("surface s acquire 0 0"), "Signaled");
}

#[test]
fn whoever_is_killed_at_whatever_moment_the_others_go_on_or_are_told() {
    const ROUNDS: usize = 40;
    let scratch = Scratch::new();
    let mut dice = Dice::seed();
    let mut abandoned = 0;
    let [mut first] = at_table(&scratch);
    for round in 0..ROUNDS {
        let mut victims: [_; 2] = party(&scratch);
        let mut survivor = join(&scratch);
        for role in victims.iter_mut().chain([&mut survivor]) {
            all_ok(role, &[OPEN]);
            assert_eq!(role.ask("surface s turns 0"), "turning");
        }
        for victim in &mut victims {
            dice.spend(20);
            victim.kill();
        }
        let told = survivor.ask("stop");
        let again = first.ask("surface s acquire 0 20000");
        match told.as_str() {
            "turned Abandoned" => assert_eq!(again, "Abandoned", "round {round}"),
            "turned Signaled" => assert!(["Signaled", "Abandoned"].contains(&again.as_str())),
            other => panic!("round {round}: {other}"),
        }
        if again == "Abandoned" {
            abandoned += 1;
            survivor.kill();
            all_ok(&mut first, &["surface s drop", CREATE]);
        } else {
            all_ok(&mut first, &["surface s release 0"]);
            survivor.leave();
        }
    }
    println!("{abandoned} of {ROUNDS} were abandoned");
    first.leave();
    check_nothing(&scratch);
}

#[test]
fn one_process_owns_many_at_a_time_and_gives_each_back() {
    play(&["many-mutexes"]);
}
