//! Names that are kept without a descriptor, and pages that stay with their client.

use handfast_tests::Scratch;

use crate::party::{all_ok, check_nothing, join, party, play};

#[test]
fn a_name_that_is_made_and_dropped_takes_no_descriptor_and_no_page() {
    play(&["thousand-names"]);
}

#[test]
fn no_page_is_used_again_while_anything_refers_to_it() {
    play(&["threads-of-names", "200"]);
}

#[test]
fn a_keyed_mutex_takes_the_page_of_the_one_before() {
    play(&["hundred-mutexes"]);
}

#[test]
fn a_name_is_free_for_whoever_is_told_that_it_was_dropped() {
    for place in ["one-core", "anywhere"] {
        play(&["told-of-drops", place, "1000"]);
    }
}

#[test]
fn a_name_stays_when_a_forked_child_goes() {
    play(&["forked-name"]);
}

#[test]
fn another_clients_pages_and_handles_are_nobody_elses() {
    play(&["strange-offers"]);
}

#[test]
fn what_was_written_into_a_spare_page_is_not_in_the_next_object() {
    for seed in ["1", "2", "3"] {
        play(&["scribbled-pages", seed]);
    }
}

#[test]
fn a_name_is_free_the_moment_its_holder_is_killed() {
    let scratch = Scratch::new();
    let mut other = join(&scratch);
    for round in 0..20 {
        let mut maker = join(&scratch);
        all_ok(&mut maker, &["fence f create drawn 0", "event e create set auto"]);
        maker.kill();
        let (fence, event) = (format!("fence f{round} create drawn 0"), "event e create set auto");
        all_ok(&mut other, &[&fence, event]);
        all_ok(&mut other, &[&format!("fence f{round} drop"), "event e drop"]);
    }
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn a_name_that_was_dropped_is_free_for_another_though_its_holder_lives() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    for round in 0..50 {
        all_ok(&mut maker, &["fence f create drawn 0", "fence f drop"]);
        all_ok(&mut other, &["fence g create drawn 1", "fence g drop"]);
        let sections = ["section s create bytes 64", "section s drop"];
        all_ok(if round % 2 == 0 { &mut maker } else { &mut other }, &sections);
    }
    // What another has open stays, without the name.
    all_ok(&mut maker, &["fence f create drawn 3"]);
    all_ok(&mut other, &["fence g open drawn"]);
    all_ok(&mut maker, &["fence f drop"]);
    assert_eq!(other.ask("fence g value"), "3");
    all_ok(&mut maker, &["fence f create drawn 4"]);
    assert_eq!(other.ask("fence g value"), "3");
    assert_eq!(maker.ask("fence f value"), "4");
    maker.leave();
    other.leave();
    check_nothing(&scratch);
}
