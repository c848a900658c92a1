//! A name is free when the last handle that bears it is closed, not when somebody has noticed.

use handfast_model::object::Request;
use handfast_model::wire::BrokerMessage;
use handfast_tests::Scratch;

use crate::inside::Idle;
use crate::role::Role;
use crate::stranger::{Stranger, create};

/// Questions that keep the broker busy: it has not come to the news of a close when it comes to
/// the next request.
const QUESTIONS: usize = 5;

#[track_caller]
fn check_answered(stranger: &Stranger) {
    for _ in 0..QUESTIONS {
        let answer = stranger.hear();
        assert!(matches!(answer, Some(BrokerMessage::Reply { .. })), "{answer:?}");
    }
}

#[test]
fn a_closed_handles_name_is_free_for_the_very_next_request() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    // In a process of its own: whatever this one starts has its handles for a moment.
    let mut other = Role::start(&scratch, &["names"]);
    assert_eq!(other.ask("200"), "200 times");
    other.leave();
    idle.again();
}

#[test]
fn a_killed_senders_name_is_free_for_the_very_next_request() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    for round in 0..100 {
        let mut sender = Role::start(&scratch, &["send", "cam", "2"]);
        let stranger = Stranger::welcome(&scratch);
        sender.kill();
        for _ in 0..QUESTIONS {
            stranger.ask(Request::List { after: 0 }, &[]).unwrap();
        }
        stranger.ask(create("cam"), &[]).unwrap();
        check_answered(&stranger);
        let (_, handle) = stranger.hear_created();
        drop((handle, stranger));
        let again = Role::begin(&scratch, &["send", "cam", "2"]).hear();
        assert_eq!(again, "ready", "round {round}");
    }
    idle.again();
}
