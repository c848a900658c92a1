//! What is asked and dropped through shared memory, when somebody dies.

use handfast_tests::{Scratch, Signal};

use crate::party::{all_ok, begin, check_nothing, join, party, signal_broker};

#[test]
fn who_drops_something_and_leaves_at_once_has_not_died_with_it() {
    let scratch = Scratch::new();
    let mut waiter = join(&scratch);
    for round in 0..30 {
        let mut maker = join(&scratch);
        all_ok(&mut maker, &[&format!("fence f create fence-{round} 0")]);
        all_ok(&mut waiter, &[&format!("fence f open fence-{round}")]);
        begin(&mut waiter, "fence f wait 1");
        // Nobody waits between the two.
        maker.tell("fence f drop");
        maker.leave();
        assert_eq!(waiter.hear(), "Abandoned", "{round}");
        all_ok(&mut waiter, &["fence f drop"]);
    }
    waiter.leave();
    check_nothing(&scratch);
}

#[test]
fn what_a_dead_broker_has_not_heard_another_one_is_asked() {
    let scratch = Scratch::new();
    let [mut first, mut second] = party(&scratch);
    all_ok(&mut first, &["event e create one auto"]);
    for round in 0..5 {
        let broker = scratch.broker().expect("it is there");
        signal_broker(&scratch, broker, Signal::STOP);
        // It asks before or after the other is gone: both are the same to it.
        first.tell(&format!("event e create next-{round} auto"));
        signal_broker(&scratch, broker, Signal::KILL);
        assert_eq!(first.hear(), "ok", "{round}");
        all_ok(&mut second, &[&format!("event e open next-{round}")]);
    }
}
