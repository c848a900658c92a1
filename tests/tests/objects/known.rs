//! What is opened by the same name again and again: its page stays mapped, and is what the name
//! means now.

use handfast_tests::Scratch;

use crate::party::{all_ok, begin, check_nothing, party, refused};

#[test]
fn the_same_name_may_mean_another_object_the_next_time() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    for round in 0..20 {
        all_ok(&mut maker, &[&format!("fence f create drawn {round}")]);
        for _ in 0..3 {
            all_ok(&mut other, &["fence f open drawn"]);
            assert_eq!(other.ask("fence f value"), round.to_string());
            all_ok(&mut other, &["fence f drop"]);
        }
        all_ok(&mut other, &["fence f open drawn", "fence f signal 100"]);
        assert_eq!(maker.ask("fence f wait 100 0"), "Signaled");
        all_ok(&mut other, &["fence f drop"]);
        all_ok(&mut maker, &["fence f drop"]);
        refused(&mut other, "fence f open drawn", "NotFound", "");
        // Another kind under the same name, too.
        all_ok(&mut maker, &["surface f create drawn buffer:64 keyed several"]);
        for _ in 0..3 {
            all_ok(&mut other, &["surface s open drawn read+write"]);
            assert_eq!(other.ask("surface s acquire 0 0"), "Signaled");
            all_ok(&mut other, &["surface s release 0", "surface s drop"]);
        }
        all_ok(&mut maker, &["surface f drop"]);
    }
    maker.leave();
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn two_openings_of_one_name_at_a_time_are_two() {
    let scratch = Scratch::new();
    let [mut maker, mut other] = party(&scratch);
    all_ok(&mut maker, &["event e create go auto"]);
    for _ in 0..10 {
        all_ok(&mut other, &["event a open go", "event b open go", "event c open go sync"]);
        begin(&mut other, "event b wait");
        assert_eq!(maker.ask("event e set"), "false");
        assert_eq!(other.hear(), "Signaled");
        all_ok(&mut other, &["event b drop"]);
        assert_eq!(maker.ask("event e set"), "false");
        assert_eq!(other.ask("all 0 a"), "0 Signaled");
        all_ok(&mut other, &["event a drop", "event c drop"]);
    }
    maker.leave();
    other.leave();
    check_nothing(&scratch);
}
