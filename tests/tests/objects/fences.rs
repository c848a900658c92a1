//! Fences between processes: who waits for a value is told, and nobody waits for who is gone.

use handfast_tests::Scratch;

use crate::party::{all_ok, begin, check_nothing, join, party, play, refused};

const MAX: &str = "18446744073709551615";

#[test]
fn a_value_is_waited_for_in_another_process() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 3"]);
    all_ok(&mut other, &["fence f open drawn"]);
    assert_eq!(other.ask("fence f value"), "3");
    assert_eq!(other.ask("fence f wait 0 0"), "Signaled");
    assert_eq!(other.ask("fence f wait 3 0"), "Signaled");
    assert_eq!(other.ask("fence f wait 4 0"), "TimedOut");
    for (value, after) in [("4", "4"), ("1", "4"), (MAX, MAX), ("0", "1"), (MAX, MAX)] {
        if value < after {
            // Back, and then on again.
            all_ok(&mut maker, &[&format!("fence f signal {value}")]);
            assert_eq!(other.ask("fence f value"), value);
        }
        begin(&mut other, &format!("fence f wait {after}"));
        all_ok(&mut maker, &[&format!("fence f signal {after}")]);
        assert_eq!(other.hear(), "Signaled", "{after}");
        assert_eq!(other.ask("fence f value"), after);
        all_ok(&mut other, &["fence f signal 0"]);
        assert_eq!(maker.ask("fence f value"), "0");
        assert_eq!(maker.ask("fence f wait 1 1"), "TimedOut");
    }
    maker.leave();
    other.leave();
    check_nothing(&scratch);
}

/// So many answers in one order: did sleepers only look now and then, it would take too long.
#[track_caller]
fn check_answers(rights: &str) {
    const ROUNDS: u32 = 500;
    let scratch = Scratch::new();
    let [mut left, mut right] = party(&scratch);
    all_ok(&mut left, &["fence ping create ping 0", "fence pong create pong 0"]);
    all_ok(&mut right, &[&format!("fence ping open ping {rights}"), "fence pong open pong"]);
    right.tell(&format!("fence ping echo pong {ROUNDS}"));
    all_ok(&mut left, &[&format!("fence ping serve pong {ROUNDS}")]);
    assert_eq!(right.hear(), "ok");
}

#[test]
fn two_processes_answer_each_other() {
    check_answers("all");
}

#[test]
fn who_may_only_wait_answers_as_fast() {
    check_answers("wait");
}

#[test]
fn who_sleeps_for_a_value_is_told_though_it_is_rewound_at_once() {
    let scratch = Scratch::new();
    let [mut maker, mut other, mut reader] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    all_ok(&mut other, &["fence f open drawn"]);
    all_ok(&mut reader, &["fence f open drawn wait"]);
    for round in 0..200 {
        begin(&mut other, "fence f wait 5");
        begin(&mut reader, "fence f wait 5");
        all_ok(&mut maker, &["fence f signal 4 5 0"]);
        assert_eq!(other.hear(), "Signaled", "round {round}");
        assert_eq!(reader.hear(), "Signaled", "round {round}");
    }
}

#[test]
fn eight_sleepers_for_eight_values_are_told_each_of_its_own() {
    let scratch = Scratch::new();
    let mut maker = join(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    let mut waiters: [_; 8] = party(&scratch);
    for waiter in &mut waiters {
        all_ok(waiter, &["fence f open drawn"]);
    }
    for round in 0..10 {
        for (place, waiter) in (1..).zip(&mut waiters) {
            begin(waiter, &format!("fence f wait {}", place * 10));
        }
        for (place, waiter) in (1..).zip(&mut waiters) {
            all_ok(&mut maker, &[&format!("fence f signal {}", place * 10)]);
            assert_eq!(waiter.hear(), "Signaled", "round {round}");
        }
        all_ok(&mut maker, &["fence f signal 0"]);
        for waiter in &mut waiters {
            assert_eq!(waiter.ask("fence f wait 1 0"), "TimedOut", "round {round}");
        }
    }
}

#[test]
fn who_may_only_wait_is_told_each_value_and_cannot_write() {
    let scratch = Scratch::new();
    let [mut maker, mut reader, mut writer] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    all_ok(&mut reader, &["fence f open drawn wait"]);
    for value in 1..=30 {
        begin(&mut reader, &format!("fence f wait {value}"));
        all_ok(&mut maker, &[&format!("fence f signal {value}")]);
        assert_eq!(reader.hear(), "Signaled", "{value}");
    }
    refused(&mut reader, "fence f signal 9", "AccessDenied", "you may not signal it");
    assert_eq!(reader.ask("protect"), "protect: permission denied");
    // The same question, where the page may be written.
    all_ok(&mut writer, &["fence f open drawn"]);
    assert_eq!(writer.ask("protect"), "protect: writable");
    assert_eq!(maker.ask("fence f value"), "30");
    // When nobody is left who cannot say that he waits, signals still wake.
    all_ok(&mut reader, &["fence f drop"]);
    begin(&mut writer, "fence f wait 31");
    all_ok(&mut maker, &["fence f signal 31"]);
    assert_eq!(writer.hear(), "Signaled");
}

#[test]
fn who_may_only_signal_cannot_wait() {
    let scratch = Scratch::new();
    let [mut maker, mut signaller] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    all_ok(&mut signaller, &["fence f open drawn signal", "fence f signal 6"]);
    assert_eq!(maker.ask("fence f wait 6 0"), "Signaled");
    for order in ["fence f wait 6 0", "fence f reached 6 w"] {
        refused(&mut signaller, order, "AccessDenied", "you may not wait for it");
    }
    all_ok(&mut signaller, &["fence d open drawn 10000"]);
    let why = "you may not look at its value: ask for FENCE_WAIT or FENCE_SIGNAL";
    refused(&mut signaller, "fence d value", "AccessDenied", why);
    refused(&mut signaller, "fence f share - wait h", "AccessDenied", "");
    all_ok(&mut signaller, &["fence f share - signal h", "fence g of h", "fence g signal 7"]);
    assert_eq!(maker.ask("fence f value"), "7");
}

#[test]
fn a_fence_whose_maker_drops_it_is_abandoned() {
    let scratch = Scratch::new();
    let [mut maker, mut waiter, mut reader, mut third] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 1"]);
    all_ok(&mut waiter, &["fence f open drawn"]);
    all_ok(&mut reader, &["fence f open drawn wait"]);
    // It has it open, and signals nothing: it is no signaller.
    all_ok(&mut third, &["fence f open drawn"]);
    begin(&mut waiter, "fence f wait 2");
    begin(&mut reader, "fence f wait 2");
    all_ok(&mut maker, &["fence f drop"]);
    assert_eq!(waiter.hear(), "Abandoned");
    assert_eq!(reader.hear(), "Abandoned");
    assert_eq!(waiter.ask("fence f wait 1 0"), "Signaled", "what was reached stays so");
    // Until somebody signals again.
    all_ok(&mut third, &["fence f signal 1"]);
    assert_eq!(waiter.ask("fence f wait 2 1"), "TimedOut");
    begin(&mut waiter, "fence f wait 2");
    all_ok(&mut third, &["fence f signal 2"]);
    assert_eq!(waiter.hear(), "Signaled");
    begin(&mut waiter, "fence f wait 3");
    third.kill();
    assert_eq!(waiter.hear(), "Lost");
}

#[test]
fn a_fence_whose_signallers_are_killed_is_lost() {
    let scratch = Scratch::new();
    let [mut maker, mut waiter, mut reader, mut second] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    all_ok(&mut waiter, &["fence f open drawn"]);
    all_ok(&mut reader, &["fence f open drawn wait"]);
    all_ok(&mut second, &["fence f open drawn", "fence f signal 1"]);
    begin(&mut waiter, "fence f wait 2");
    begin(&mut reader, "fence f wait 2");
    maker.kill();
    // One is left.
    all_ok(&mut second, &["fence f signal 2"]);
    assert_eq!(waiter.hear(), "Signaled");
    assert_eq!(reader.hear(), "Signaled");
    begin(&mut waiter, "fence f wait 3");
    begin(&mut reader, "fence f wait 3");
    second.kill();
    assert_eq!(waiter.hear(), "Lost");
    assert_eq!(reader.hear(), "Lost");
    all_ok(&mut waiter, &["fence f signal 3"]);
    assert_eq!(reader.ask("fence f wait 3 0"), "Signaled");
    assert_eq!(reader.ask("fence f wait 4 1"), "TimedOut");
}

#[test]
fn an_opener_that_dies_is_nobody_who_could_have_signalled() {
    let scratch = Scratch::new();
    let [mut maker, mut waiter, mut opener] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    for role in [&mut waiter, &mut opener] {
        all_ok(role, &["fence f open drawn"]);
    }
    begin(&mut waiter, "fence f wait 1");
    begin(&mut opener, "fence f wait 1");
    opener.kill();
    all_ok(&mut maker, &["fence f signal 1"]);
    assert_eq!(waiter.hear(), "Signaled");
}

#[test]
fn an_event_is_set_when_the_value_is_reached() {
    let scratch = Scratch::new();
    let [mut maker, mut waiter] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 1"]);
    all_ok(&mut waiter, &["fence f open drawn", "event e create done auto"]);
    // Case 254: not before the value is reached again.
    all_ok(&mut waiter, &["fence f event 1 e"]);
    assert_eq!(waiter.ask("event e wait 0"), "Signaled");
    all_ok(&mut waiter, &["fence f event 2 e"]);
    assert_eq!(waiter.ask("event e wait 1"), "TimedOut");
    begin(&mut waiter, "event e wait");
    all_ok(&mut maker, &["fence f signal 2 0"]);
    assert_eq!(waiter.hear(), "Signaled");
    assert_eq!(waiter.ask("event e wait 0"), "TimedOut");
    // Also when it can be reached no more.
    all_ok(&mut waiter, &["fence f event 9 e"]);
    begin(&mut waiter, "event e wait");
    maker.kill();
    assert_eq!(waiter.hear(), "Signaled");
    assert_eq!(waiter.ask("event e wait 0"), "TimedOut");
}

#[test]
fn an_event_that_may_not_be_set_is_refused_for_completion() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    all_ok(&mut role, &["fence f new 0", "event e create done manual", "event r open done sync"]);
    refused(&mut role, "fence f event 1 r", "AccessDenied", "you may not set it");
    assert_eq!(role.ask("event e is-set"), "false");
}

#[test]
fn a_wait_that_was_handed_over_is_told_of_the_signallers_end() {
    let scratch = Scratch::new();
    let [mut maker, mut waiter] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    all_ok(&mut waiter, &["fence f open drawn", "fence f reached 1 one", "fence f reached 2 two"]);
    assert_eq!(waiter.ask("completion one"), "none");
    all_ok(&mut maker, &["fence f signal 1"]);
    handfast_tests::eventually("it is told", || waiter.ask("completion one") == "Signaled");
    assert_eq!(waiter.ask("completion two"), "none");
    maker.kill();
    handfast_tests::eventually("it is told", || waiter.ask("completion two") == "Lost");
}

#[test]
fn a_fence_moves_into_shared_memory_while_threads_wait_and_signal() {
    play(&["moved-fence", "300"]);
}

#[test]
fn one_of_300_fences_is_enough_for_a_wait_for_any() {
    play(&["any-of-many"]);
}

#[test]
fn a_wait_for_all_of_10_000_fences_waits_for_the_last() {
    play(&["all-of-many"]);
}

#[test]
fn five_hundred_waits_are_descriptors_that_become_readable() {
    play(&["many-ready"]);
}

#[test]
fn waits_that_are_dropped_leave_no_thread_and_no_descriptor() {
    play(&["dropped-waits"]);
}

#[test]
fn waits_are_futures_under_tokio() {
    play(&["tokio"]);
}

#[test]
fn waits_are_futures_under_smol() {
    play(&["smol"]);
}

#[test]
fn a_signaller_that_runs_another_program_or_leaves_is_told_of() {
    let scratch = Scratch::new();
    let [mut maker, mut waiter] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    all_ok(&mut waiter, &["fence f open drawn"]);
    begin(&mut waiter, "fence f wait 1");
    assert_eq!(maker.ask("exec"), "ready");
    assert_eq!(waiter.hear(), "Lost");
    all_ok(&mut maker, &["fence f create drawn 0"]);
    all_ok(&mut waiter, &["fence f open drawn"]);
    begin(&mut waiter, "fence f wait 1");
    maker.leave();
    assert_eq!(waiter.hear(), "Abandoned");
}

#[test]
fn rewinds_that_reach_nothing_end_no_wait() {
    let scratch = Scratch::new();
    let [mut maker, mut waiter] = party(&scratch);
    all_ok(&mut maker, &["fence f create drawn 0"]);
    all_ok(&mut waiter, &["fence f open drawn"]);
    begin(&mut waiter, "fence f wait 5");
    // As many as a page remembers: the waiter may come to look after all of them.
    for _ in 0..32 {
        all_ok(&mut maker, &["fence f signal 4 0"]);
    }
    all_ok(&mut maker, &["fence f signal 5"]);
    assert_eq!(waiter.hear(), "Signaled");
}
