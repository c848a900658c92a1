//! Events between processes: each set of an auto-reset event releases one wait, whoever dies.

use handfast_tests::Scratch;

use crate::party::{all_ok, begin, check_nothing, join, party, play, refused, said};

#[test]
fn a_manual_event_lets_everybody_through_until_it_is_reset() {
    let scratch = Scratch::new();
    let [mut maker, mut one, mut two, mut reader] = party(&scratch);
    all_ok(&mut maker, &["event e create go manual"]);
    for role in [&mut one, &mut two] {
        all_ok(role, &["event e open go"]);
    }
    all_ok(&mut reader, &["event e open go sync"]);
    assert_eq!(one.ask("event e wait 0"), "TimedOut");
    for role in [&mut one, &mut two, &mut reader] {
        begin(role, "event e wait");
    }
    // Reset at once: they have been let through.
    assert_eq!(maker.ask("event e set"), "false");
    assert_eq!(maker.ask("event e set"), "true");
    assert_eq!(maker.ask("event e reset"), "true");
    for role in [&mut one, &mut two, &mut reader] {
        assert_eq!(role.hear(), "Signaled");
        assert_eq!(role.ask("event e wait 0"), "TimedOut");
    }
    assert_eq!(two.ask("event e set"), "false");
    assert_eq!(reader.ask("event e wait 0"), "Signaled");
    assert_eq!(maker.ask("event e wait 0"), "Signaled");
    refused(&mut reader, "event e set", "AccessDenied", "you may not set it");
    refused(&mut reader, "event e reset", "AccessDenied", "you may not set it");
}

#[test]
fn rights_of_an_event_are_kept() {
    let scratch = Scratch::new();
    let [mut maker, mut setter, mut looker] = party(&scratch);
    all_ok(&mut maker, &["event e create go auto"]);
    all_ok(&mut setter, &["event e open go set"]);
    all_ok(&mut looker, &["event e open go query"]);
    refused(&mut setter, "event e wait 0", "AccessDenied", "you may not wait for it");
    refused(&mut looker, "event e wait 0", "AccessDenied", "you may not wait for it");
    refused(&mut looker, "event e taken w", "AccessDenied", "you may not wait for it");
    refused(&mut looker, "event e set", "AccessDenied", "you may not set it");
    assert_eq!(setter.ask("event e set"), "false");
    assert_eq!(looker.ask("event e is-set"), "true");
    assert_eq!(maker.ask("event e wait 0"), "Signaled");
    assert_eq!(looker.ask("event e is-set"), "false");
}

#[test]
fn each_set_of_an_auto_event_releases_one_of_eight_processes() {
    const ROUNDS: usize = 500;
    let scratch = Scratch::new();
    let mut maker = join(&scratch);
    all_ok(&mut maker, &["event e create go auto", "event back create back auto"]);
    let mut waiters: [_; 8] = party(&scratch);
    for waiter in &mut waiters {
        all_ok(waiter, &["event e open go", "event back open back"]);
        // Each of them says when it has taken it, and nobody else can.
        waiter.tell(&format!("event e answers back {ROUNDS}"));
    }
    for round in 0..ROUNDS {
        assert_eq!(maker.ask("event e set"), "false", "round {round}: it was left set");
        maker.tell("event back wait");
        assert_eq!(maker.hear(), "waiting");
        assert_eq!(maker.hear(), "Signaled", "round {round}");
    }
    assert_eq!(maker.ask("event e is-set"), "false");
    assert_eq!(maker.ask("event back is-set"), "false", "two were released at once");
    let taken: usize = waiters
        .iter_mut()
        .map(|waiter| {
            waiter.kill();
            said(waiter).iter().filter(|line| *line == "taken").count()
        })
        .sum();
    assert_eq!(taken, ROUNDS);
}

#[test]
fn a_set_that_nobody_waits_for_is_kept_for_the_next() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    all_ok(&mut maker, &["event e create go auto"]);
    all_ok(&mut other, &["event e open go"]);
    assert_eq!(maker.ask("event e set"), "false");
    assert_eq!(maker.ask("event e set"), "true");
    assert_eq!(other.ask("event e wait 0"), "Signaled");
    assert_eq!(other.ask("event e wait 0"), "TimedOut");
    assert_eq!(maker.ask("event e wait 0"), "TimedOut");
}

#[test]
fn a_wait_for_all_takes_nothing_until_all_are_set() {
    let scratch = Scratch::new();
    let [mut maker, mut both, mut one] = party(&scratch);
    all_ok(&mut maker, &["event a create a auto", "event b create b auto"]);
    for role in [&mut both, &mut one] {
        all_ok(role, &["event a open a", "event b open b"]);
    }
    for round in 0..50 {
        begin(&mut both, "all - a b");
        assert_eq!(maker.ask("event a set"), "false");
        assert_eq!(maker.ask("event a is-set"), "true", "round {round}");
        // Somebody else may take it meanwhile.
        assert_eq!(one.ask("event a wait 0"), "Signaled", "round {round}");
        assert_eq!(maker.ask("event b set"), "false", "round {round}");
        assert_eq!(maker.ask("event b is-set"), "true", "round {round}");
        assert_eq!(maker.ask("event a set"), "false", "round {round}");
        assert_eq!(both.hear(), "0 Signaled", "round {round}");
        assert_eq!(maker.ask("event a is-set"), "false", "round {round}");
        assert_eq!(maker.ask("event b is-set"), "false", "round {round}");
    }
    assert_eq!(maker.ask("event b set"), "false");
    assert_eq!(both.ask("all 1 a b"), "0 TimedOut");
    assert_eq!(both.ask("any 0 a b"), "1 Signaled");
    assert_eq!(both.ask("any 0 a b"), "0 TimedOut");
}

#[test]
fn a_killed_waiter_takes_nothing() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    all_ok(&mut maker, &["event a create a auto", "event b create b auto"]);
    all_ok(&mut other, &["event a open a", "event b open b"]);
    for round in 0..20 {
        let mut victim = join(&scratch);
        all_ok(&mut victim, &["event a open a", "event b open b"]);
        if round % 2 == 0 {
            begin(&mut victim, "event a wait");
            victim.kill();
            maker.ask("event a set");
        } else {
            begin(&mut victim, "all - a b");
            // Killed while there is one of the two.
            maker.ask("event a set");
            victim.kill();
        }
        begin_and_hear(&mut other, "event a wait", "Signaled");
        assert_eq!(other.ask("event a wait 0"), "TimedOut", "round {round}");
    }
}

#[track_caller]
fn begin_and_hear(role: &mut crate::party::Role, order: &str, expected: &str) {
    role.tell(order);
    assert_eq!(role.hear(), "waiting", "{order}");
    assert_eq!(role.hear(), expected, "{order}");
}

#[test]
fn a_process_killed_amid_waits_for_all_leaves_nothing_reserved() {
    let scratch = Scratch::new();
    let mut maker = join(&scratch);
    all_ok(&mut maker, &["event a create a auto", "event b create b auto"]);
    let mut other = join(&scratch);
    all_ok(&mut other, &["event a open a", "event b open b"]);
    for round in 0..60_usize {
        let mut victims: [_; 2] = party(&scratch);
        for victim in &mut victims {
            all_ok(victim, &["event a open a", "event b open b"]);
            assert_eq!(victim.ask("event a gives b"), "giving");
        }
        for step in 0..(round * 7919) % 200_000 {
            std::hint::black_box(step);
        }
        let [mut first, mut second] = victims;
        first.kill();
        second.kill();
        // A set is taken, whatever they were about to do with it.
        for order in ["event a set", "event b set"] {
            let before = maker.ask(order);
            assert!(["true", "false"].contains(&before.as_str()), "{before}");
        }
        begin_and_hear(&mut other, "all - b a", "0 Signaled");
        assert_eq!(other.ask("any 0 a b"), "0 TimedOut", "round {round}");
    }
    maker.leave();
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn waits_for_the_same_two_events_in_two_orders_do_not_block_each_other() {
    play(&["crossed-events", "100"]);
}

#[test]
fn the_same_auto_event_twice_in_a_wait_for_all_hangs_nobody() {
    play(&["same-event-twice"]);
}

#[test]
fn an_event_moves_into_shared_memory_while_threads_wait_and_set() {
    play(&["moved-event", "30"]);
}

#[test]
fn a_wait_that_is_dropped_takes_nothing_along() {
    play(&["dropped-taken", "3000"]);
}
