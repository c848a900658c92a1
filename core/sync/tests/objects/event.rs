//! The rules of an event, step by step.

use std::sync::atomic::Ordering;

use handfast_sync::event::{self, EVENT_LONGS, Initially, Reset, leave, set_readers};
use handfast_sync::page::{self, LAYOUT_VERSION};
use handfast_sync::wait::{Outcome, Waitable};
use handfast_sync::{Event, EventReader, LayoutError, PageKind, Seat, State};

use crate::kit::{Ledger, Memory, TestEvent, would_sleep};

const WORD: usize = 0;

fn seat() -> Seat {
    Seat::new(6).unwrap()
}

#[test]
fn memory_is_refused_with_the_facts() {
    let short = Memory::zeros(EVENT_LONGS - 1);
    let size = LayoutError::Size { words: 14, needed: 16 };
    assert_eq!(event::format(&short, Reset::Auto, Initially::Signaled), Err(size));
    let refusal = |memory: &Memory| Event::new(memory.clone(), Ledger::default()).unwrap_err();
    let kind = LayoutError::Kind { found: 3, wanted: PageKind::Event };
    assert_eq!(refusal(&Memory::fence(0)), kind);
    let auto = Memory::event(Reset::Auto, Initially::Signaled);
    auto.header[6].store(2, Ordering::Relaxed);
    assert_eq!(refusal(&auto), LayoutError::Reset { found: 2 });
    auto.header[1].store(7, Ordering::Relaxed);
    assert_eq!(refusal(&auto), LayoutError::Version { found: 7, wanted: LAYOUT_VERSION });
}

#[test]
fn a_manual_event_lets_everybody_pass_until_it_is_reset() {
    let test = TestEvent::new(Reset::Manual, Initially::Unsignaled);
    assert!(!test.event.try_take() && !test.event.reset());
    assert!(!test.event.set() && test.event.set());
    assert!(test.event.try_take() && test.event.try_take() && test.event.is_signaled());
    assert!(test.event.reset() && !test.event.is_signaled());
    assert_eq!(test.park.wakes(), 0);
    assert!(TestEvent::new(Reset::Manual, Initially::Signaled).event.try_take());
}

#[test]
fn an_auto_event_lets_one_pass() {
    let test = TestEvent::new(Reset::Auto, Initially::Signaled);
    assert!(test.event.set(), "two signals are one");
    assert!(test.event.try_take() && !test.event.try_take());
    assert!(!test.event.set() && test.event.reset() && !test.event.try_take());
    assert_eq!(test.park.wakes(), 0);
}

#[test]
fn a_set_wakes_who_sleeps_and_forgets_him() {
    for reset in [Reset::Manual, Reset::Auto] {
        let test = TestEvent::new(reset, Initially::Unsignaled);
        let watched = test.event.arm().unwrap();
        let again = test.event.arm().unwrap();
        assert_eq!(watched.expected, again.expected);
        assert!(would_sleep(&watched));
        assert!(!test.event.set());
        assert_eq!((test.park.new_wakes(), would_sleep(&watched)), (1, false));
        assert!(test.event.reset() && !test.event.set());
        assert_eq!(test.park.new_wakes(), 0);
    }
}

#[test]
fn a_sleeper_is_told_of_a_manual_event_that_was_reset_again() {
    let test = TestEvent::new(Reset::Manual, Initially::Unsignaled);
    let reader = EventReader::new(test.memory.clone()).unwrap();
    let seat = seat();
    let mut ticket = test.event.begin_wait(&seat);
    let mut reading = reader.begin_wait();
    assert_eq!((ticket.try_take(), reading.try_take()), (None, None));
    test.event.set();
    test.event.reset();
    let passed = Some(Outcome::Signaled);
    assert_eq!((ticket.try_take(), reading.try_take()), (passed, passed));
    assert_eq!((ticket.try_take(), ticket.peek()), (passed, None));
    assert_eq!(test.event.begin_wait(&seat).try_take(), None);
}

#[test]
fn readers_are_woken_at_every_set() {
    let test = TestEvent::new(Reset::Manual, Initially::Unsignaled);
    let reader = EventReader::new(test.memory.clone()).unwrap();
    set_readers(&test.memory, 1);
    let watched = reader.arm();
    assert!(!reader.is_signaled() && would_sleep(&watched));
    test.event.set();
    assert_eq!((test.park.new_wakes(), would_sleep(&watched)), (1, false));
    test.event.set();
    assert_eq!(test.park.new_wakes(), 0, "nothing changed");
    assert!(reader.is_signaled());
}

#[test]
fn what_is_reserved_can_be_taken_by_nobody_else() {
    let test = TestEvent::new(Reset::Auto, Initially::Signaled);
    let (seat, other) = (seat(), Seat::new(7).unwrap());
    let reservation = test.event.reserve(&seat).unwrap();
    assert!(test.event.holds(&reservation) && test.event.is_signaled());
    assert!(!test.event.try_take());
    assert!(test.event.reserve(&seat).is_none() && test.event.reserve(&other).is_none());
    assert!(test.event.set(), "absorbed");
    assert!(test.event.commit(reservation));
    assert!(!test.event.is_signaled());
    assert!(test.event.reserve(&seat).is_none(), "nothing to reserve");
    let manual = TestEvent::new(Reset::Manual, Initially::Signaled);
    assert!(manual.event.reserve(&seat).is_none());
}

#[test]
fn what_is_given_back_wakes_who_could_not_take_it() {
    let test = TestEvent::new(Reset::Auto, Initially::Signaled);
    let reservation = test.event.reserve(&seat()).unwrap();
    let watched = test.event.arm().unwrap();
    test.event.back_out(reservation);
    assert_eq!((test.park.new_wakes(), would_sleep(&watched)), (1, false));
    let reservation = test.event.reserve(&seat()).unwrap();
    test.event.back_out(reservation);
    assert_eq!(test.park.new_wakes(), 0);
    assert!(test.event.try_take());
}

#[test]
fn a_reset_ends_a_reservation() {
    let test = TestEvent::new(Reset::Auto, Initially::Signaled);
    let seat = seat();
    let reservation = test.event.reserve(&seat).unwrap();
    assert!(test.event.reset());
    test.event.set();
    let of_another_thread = test.event.reserve(&seat).unwrap();
    assert!(!test.event.holds(&reservation) && !test.event.commit(reservation));
    assert!(test.event.commit(of_another_thread));
    test.event.set();
    let reservation = test.event.reserve(&seat).unwrap();
    test.event.reset();
    test.event.set();
    test.event.back_out(reservation);
    assert!(test.event.try_take());
}

#[test]
fn the_broker_frees_what_a_dead_client_held() {
    let test = TestEvent::new(Reset::Auto, Initially::Signaled);
    let reservation = test.event.reserve(&seat()).unwrap();
    let watched = test.event.arm().unwrap();
    leave(&test.memory, 7, &test.park);
    assert!(test.event.holds(&reservation));
    assert_eq!((test.park.new_wakes(), would_sleep(&watched)), (1, false));
    leave(&test.memory, 6, &test.park);
    assert_eq!(test.park.new_wakes(), 1);
    assert!(test.event.try_take() && !test.event.commit(reservation));
    let manual = TestEvent::new(Reset::Manual, Initially::Unsignaled);
    for _ in 0..7 {
        manual.event.set();
        manual.event.reset();
    }
    let before = manual.memory.halves(WORD).1;
    leave(&manual.memory, 6, &manual.park);
    assert_eq!(manual.memory.halves(WORD).1, before, "a count is nobody's reservation");
}

#[test]
fn a_stamp_and_a_move_wake() {
    let test = TestEvent::new(Reset::Auto, Initially::Unsignaled);
    let seat = seat();
    let mut ticket = test.event.begin_wait(&seat);
    let watched = ticket.arm().unwrap();
    page::stamp(&test.memory.header, State::Lost);
    event::bump(&test.memory, &test.park);
    assert_eq!((test.park.new_wakes(), would_sleep(&watched)), (1, false));
    assert_eq!(ticket.try_take(), Some(Outcome::Lost));
    test.event.set();
    assert_eq!(ticket.try_take(), Some(Outcome::Signaled), "a signal wins");
    let watched = ticket.arm().unwrap();
    test.event.retire();
    assert!(!would_sleep(&watched));
}

#[test]
fn a_wait_follows_an_event_that_moves() {
    let seat = seat();
    for (set_where, expected) in
        [(0, Some(Outcome::Signaled)), (1, Some(Outcome::Signaled)), (2, None)]
    {
        let [old, new] = [0, 1].map(|_| TestEvent::new(Reset::Manual, Initially::Unsignaled));
        let ticket = old.event.begin_wait(&seat);
        if let Some(event) = [&old.event, &new.event].get(set_where) {
            event.set();
            event.reset();
        }
        assert_eq!(ticket.follow(&new.event, &seat).try_take(), expected);
    }
    let [old, new] = [0, 1].map(|_| TestEvent::new(Reset::Auto, Initially::Signaled));
    let mut ticket = old.event.begin_wait(&seat).follow(&new.event, &seat);
    assert_eq!((ticket.try_take(), ticket.try_take()), (Some(Outcome::Signaled), None));
    assert!(old.event.is_signaled());
}
