//! Surfaces, fences, events and keyed mutexes between C and Rust.

use std::path::PathBuf;
use std::process::Command;

use handfast_tests::{Child, Scratch};

use crate::installed::{Programs, cargo, profile, profile_name, run};
use crate::other_end::End;

/// An example of the Rust library's.
fn rust_example(name: &str) -> PathBuf {
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--package", "handfast", "--example", name]);
    run(build.args(["--profile", &profile_name()]));
    profile().join("examples").join(name)
}

const WHOLE: &str = "100 whole pictures of 1228800 bytes\n";

/// The one that draws, then the one that looks once there is something to look at.
#[track_caller]
fn show(scratch: &Scratch, produce: &mut Command, consume: &mut Command) {
    let produce = Child::spawn(produce);
    let listed = || scratch.spawn(&["ls", "--json"]).finish().success();
    handfast_tests::eventually("the picture is there", || listed().contains("picture-shown"));
    assert_eq!(Child::spawn(consume).finish().success(), WHOLE);
    assert_eq!(produce.finish().success(), "");
}

#[test]
fn c_draws_and_c_looks() {
    let programs = Programs::build(&["produce", "consume"]);
    let (mut produce, mut consume) =
        (programs.command("produce", &[]), programs.command("consume", &[]));
    show(&programs.scratch, &mut produce, &mut consume);
}

#[test]
fn c_draws_and_rust_looks() {
    let programs = Programs::build(&["produce"]);
    let mut consume = programs.scratch.command(rust_example("consume"));
    show(&programs.scratch, &mut programs.command("produce", &[]), &mut consume);
}

#[test]
fn rust_draws_and_c_looks() {
    let programs = Programs::build(&["consume"]);
    let mut produce = programs.scratch.command(rust_example("produce"));
    produce.env("HANDFAST_BROKER", handfast_tests::handfast());
    show(&programs.scratch, &mut produce, &mut programs.command("consume", &[]));
}

#[test]
fn a_child_signals_by_the_handle_it_inherits() {
    let programs = Programs::build(&["handles"]);
    let told = Child::spawn(&mut programs.command("handles", &[])).finish();
    assert_eq!(told.success(), "signalled at 7\n");
}

#[test]
fn a_child_signals_by_the_value_it_is_told() {
    let programs = Programs::build(&["values"]);
    let told = Child::spawn(&mut programs.command("values", &[])).finish();
    assert_eq!(told.success(), "signalled at 7\n");
}

/// A Rust example that starts itself as the other end.
#[track_caller]
fn alone(name: &str) -> String {
    let scratch = Scratch::new();
    let mut command = scratch.command(rust_example(name));
    command.env("HANDFAST_BROKER", handfast_tests::handfast());
    Child::spawn(&mut command).finish().success()
}

#[test]
fn two_processes_write_by_turns() {
    assert_eq!(alone("turns"), "200 turns, the other end: exit status: 0\n");
}

#[test]
fn a_running_process_signals_by_the_ticket_it_is_told() {
    assert_eq!(alone("values"), "Signaled at 7, the child: exit status: 0\n");
}

#[test]
fn misuse_of_values_is_an_error_and_closes_nothing() {
    let programs = Programs::build(&["numbers"]);
    let told = Child::spawn(&mut programs.command("numbers", &[])).finish();
    assert_eq!(told.success(), "0 failed\n");
}

#[test]
fn misuse_of_objects_is_an_error_and_never_a_crash() {
    let programs = Programs::build(&["objects"]);
    let told = Child::spawn(&mut programs.command("objects", &[])).finish();
    assert_eq!(told.success(), "0 failed\n");
}

/// Everything that two ends can do to each other.
#[track_caller]
pub(crate) fn together(mut one: End, mut two: End) {
    for step in [1, 2] {
        assert_eq!(one.ask(&format!("draw {step}")), "done");
        two.tell(&format!("wait {step}"));
        assert_eq!(one.ask(&format!("signal {step}")), "done");
        assert_eq!(two.hear(), "signaled");
        assert_eq!(two.ask("sum"), one.ask("sum"), "the picture is the same");
        assert_eq!(two.ask("sum"), pattern_sum(step), "the picture is right");
    }
    assert!(two.ask("draw 3").starts_with("error"), "only the maker can write it");
    assert_eq!(one.ask("signal 18446744073709551615"), "done");
    assert_eq!(two.ask("value"), u64::MAX.to_string());
    assert_eq!(two.ask("signal 2"), "done");
    assert_eq!(one.ask("value"), "2");
    assert_eq!(one.ask("wait 3 0"), "timed out");

    assert_eq!(two.ask("take 0 0"), "timed out");
    two.tell("take");
    assert_eq!(one.ask("set"), "done");
    assert_eq!(two.hear(), "signaled");
    assert_eq!(one.ask("take 0 0"), "timed out", "one wait for each set");
    two.tell("both 5");
    assert_eq!(one.ask("set"), "done");
    assert_eq!(one.ask("signal 5"), "done");
    assert_eq!(two.hear(), "signaled");

    assert_eq!(one.ask("poke 81985529216486895"), "done");
    assert_eq!(two.ask("peek"), "81985529216486895");

    assert_eq!(one.ask("acquire 0 0"), "signaled");
    assert_eq!(two.ask("acquire 0 0"), "timed out");
    assert!(two.ask("release 0").starts_with("error"));
    two.tell("acquire 7");
    assert_eq!(one.ask("release 7"), "done");
    assert_eq!(two.hear(), "signaled");
    assert_eq!(one.ask("acquire 7 0"), "timed out");
    assert_eq!(two.ask("release 0"), "done");
    // Neither loses an addition of the other's.
    one.tell("add 300");
    two.tell("add 300");
    assert_eq!((one.hear(), two.hear()), ("done".to_owned(), "done".to_owned()));
    assert_eq!((one.ask("count"), two.ask("count")), ("600".to_owned(), "600".to_owned()));
    two.leave();
    one.leave();
}

/// The checksum of the whole memory of picture number `step`: 100x30 in NV12.
fn pattern_sum(step: u64) -> String {
    let planes = [(0_u64, 30_u64), (1, 15)];
    let rows = planes.into_iter().flat_map(|(plane, rows)| (0..rows).map(move |y| (plane, y)));
    let mut bytes: Vec<u8> = rows
        .flat_map(|(plane, y)| {
            let fixed = y * 31 + plane * 101 + step * 13;
            (0..256).map(move |x| if x < 100 { (x * 7 + fixed).to_le_bytes()[0] } else { 0 })
        })
        .collect();
    // The last row is not padded.
    bytes.truncate(45 * 256 - 156);
    crate::picture::checksum(&bytes)
}

#[test]
fn two_ends_in_c_work_together() {
    let programs = Programs::build(&["end"]);
    let one = End::in_c(&programs, &programs.scratch, "make");
    let two = End::in_c(&programs, &programs.scratch, "open");
    together(one, two);
}

#[test]
fn c_and_rust_work_together() {
    let programs = Programs::build(&["end"]);
    let one = End::in_c(&programs, &programs.scratch, "make");
    let two = End::in_rust(&programs, &programs.scratch, "open");
    together(one, two);
}

#[test]
fn rust_and_c_work_together() {
    let programs = Programs::build(&["end"]);
    let one = End::in_rust(&programs, &programs.scratch, "make");
    let two = End::in_c(&programs, &programs.scratch, "open");
    together(one, two);
}

/// Starts one end.
type Start = fn(&Programs, &Scratch, &str) -> End;

/// One end is killed while the other waits: for a fence that only the killed one has made or
/// signalled, and for the mutex that it owns.
#[track_caller]
fn left_alone(waits: Start, dies: Start) {
    let programs = Programs::build(&["end"]);
    let scratch = Scratch::new();
    let mut killed = dies(&programs, &scratch, "make");
    let mut waiting = waits(&programs, &scratch, "open");
    assert_eq!(killed.ask("signal 1"), "done");
    waiting.tell("wait 9");
    killed.kill();
    assert_eq!(waiting.hear(), "lost");
    waiting.leave();
    for (first, second) in [("make", "open"), ("open", "make")] {
        let scratch = Scratch::new();
        let (mut killed, mut waiting) = if first == "make" {
            let killed = dies(&programs, &scratch, first);
            (killed, waits(&programs, &scratch, second))
        } else {
            let waiting = waits(&programs, &scratch, second);
            (dies(&programs, &scratch, first), waiting)
        };
        assert_eq!(killed.ask("acquire 0 0"), "signaled");
        waiting.tell("acquire 0");
        killed.kill();
        assert_eq!(waiting.hear(), "abandoned");
        assert_eq!(waiting.ask("acquire 5 0"), "abandoned", "for ever");
        assert_eq!(waiting.ask("signal 4"), "done", "the rest goes on");
        assert_eq!(waiting.ask("wait 4"), "signaled");
        waiting.leave();
    }
}

#[test]
fn c_is_told_that_rust_was_killed() {
    left_alone(End::in_c, End::in_rust);
}

#[test]
fn rust_is_told_that_c_was_killed() {
    left_alone(End::in_rust, End::in_c);
}

#[test]
fn c_is_told_that_c_was_killed() {
    left_alone(End::in_c, End::in_c);
}
