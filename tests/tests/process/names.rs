//! A name is free when the last handle that bears it is closed, not when somebody has noticed.

use handfast_model::object::Request;
use handfast_model::wire::BrokerMessage;
use handfast_tests::{Scratch, Signal};

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
    for round in 0..400 {
        assert_eq!(other.ask(&format!("close ask {}", round % 4)), "made", "round {round}");
    }
    other.leave();
    idle.again();
}

#[test]
fn whether_a_name_is_free_is_asked_when_the_broker_comes_to_it() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut other = Role::start(&scratch, &["names"]);
    for round in 0..20 {
        idle.signal(Signal::STOP);
        assert_eq!(other.ask("ask close"), "closed", "round {round}");
        idle.signal(Signal::CONT);
        assert_eq!(other.hear(), "made", "round {round}");
    }
    other.leave();
    idle.again();
}

#[test]
fn a_killed_senders_name_is_free_for_the_very_next_request() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    for round in 0..100 {
        // A new name each time: what this process has had, others that it starts have for a while.
        let name = format!("cam {round}");
        let mut sender = Role::start(&scratch, &["send", &name, "2"]);
        let stranger = Stranger::welcome(&scratch);
        sender.kill();
        for _ in 0..QUESTIONS {
            stranger.ask(Request::List { after: 0 }, &[]).unwrap();
        }
        stranger.ask(create(&name), &[]).unwrap();
        check_answered(&stranger);
        stranger.hear_created();
    }
    idle.again();
}
