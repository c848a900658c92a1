//! Waits for any or all of several objects.

use std::cell::Cell;

use handfast_sync::event::{Initially, Reset};
use handfast_sync::fence::{Gone, Signaller, leave, seat_taken};
use handfast_sync::wait::{FenceTicket, Outcome, Waitable, arm_all, arm_any, try_all, try_any};
use handfast_sync::{Event, Seat};

use crate::kit::{Hooked, Ledger, Memory, TestEvent, TestFence, would_sleep};

const SIGNALED: Option<(usize, Outcome)> = Some((0, Outcome::Signaled));

type Objects<'a> = Vec<Box<dyn Waitable<'a> + 'a>>;

/// A fence for which 5 is awaited, a manual event and two auto-reset ones.
struct Mixture {
    fence: TestFence,
    manual: TestEvent,
    autos: [TestEvent; 2],
    seat: Seat,
}

impl Mixture {
    fn new() -> Self {
        let event = |reset| TestEvent::new(reset, Initially::Unsignaled);
        Self {
            fence: TestFence::new(0),
            manual: event(Reset::Manual),
            autos: [event(Reset::Auto), event(Reset::Auto)],
            seat: Seat::new(1).unwrap(),
        }
    }

    fn objects(&self) -> Objects<'_> {
        let mut objects: Objects<'_> = vec![
            Box::new(FenceTicket::new(&self.fence.fence, 5)),
            Box::new(self.manual.event.begin_wait(&self.seat)),
        ];
        for auto in &self.autos {
            objects.push(Box::new(auto.event.begin_wait(&self.seat)));
        }
        objects
    }

    fn words(&self) -> [u64; 3] {
        [&self.manual, &self.autos[0], &self.autos[1]].map(|event| event.memory.long(0))
    }
}

#[test]
fn any_takes_the_first_and_leaves_the_others() {
    let mixture = Mixture::new();
    let mut objects = mixture.objects();
    assert_eq!(try_any(&mut objects), None);
    mixture.autos.iter().for_each(|auto| assert!(!auto.event.set()));
    assert_eq!(try_any(&mut objects), Some((2, Outcome::Signaled)));
    assert!(mixture.autos[1].event.is_signaled());
    mixture.manual.event.set();
    assert_eq!(try_any(&mut objects), Some((1, Outcome::Signaled)));
    mixture.fence.signal(&[5, 0]);
    assert_eq!(try_any(&mut objects), SIGNALED);
    assert_eq!(try_any(&mut objects[2..]), Some((1, Outcome::Signaled)));
    assert_eq!(try_any(&mut objects[2..]), None);
}

#[test]
fn all_takes_nothing_until_it_can_take_everything() {
    let mixture = Mixture::new();
    let mut objects = mixture.objects();
    mixture.fence.signal(&[5, 0]);
    mixture.manual.event.set();
    mixture.autos[0].event.set();
    let before = mixture.words();
    assert_eq!(try_all(&mut objects), None);
    assert_eq!(mixture.words(), before);
    mixture.autos[1].event.set();
    assert_eq!(try_all(&mut objects), SIGNALED);
    let left = [&mixture.manual, &mixture.autos[0], &mixture.autos[1]];
    assert_eq!(left.map(|event| event.event.is_signaled()), [true, false, false]);
    assert_eq!(try_all(&mut objects), None);
}

#[test]
fn all_needs_manual_events_that_are_signaled_now() {
    let mixture = Mixture::new();
    let mut objects = mixture.objects();
    mixture.fence.signal(&[5]);
    mixture.autos.iter().for_each(|auto| assert!(!auto.event.set()));
    mixture.manual.event.set();
    mixture.manual.event.reset();
    assert_eq!(try_all(&mut objects), None);
    mixture.manual.event.set();
    assert_eq!(try_all(&mut objects), SIGNALED);
}

#[test]
fn what_somebody_has_reserved_stops_a_wait_for_all() {
    let mixture = Mixture::new();
    let mut objects = mixture.objects();
    mixture.autos.iter().for_each(|auto| assert!(!auto.event.set()));
    let reservation = mixture.autos[1].event.reserve(&mixture.seat).unwrap();
    let before = mixture.words();
    assert_eq!(try_all(&mut objects[2..]), None);
    assert_eq!((mixture.words(), mixture.autos[0].park.wakes()), (before, 0));
    let mut list = Vec::new();
    assert!(arm_all(&mut objects[2..], &mut list) && list.len() == 2);
    mixture.autos[1].event.back_out(reservation);
    assert!(would_sleep(&list[0]) && !would_sleep(&list[1]));
    assert_eq!(try_all(&mut objects[2..]), SIGNALED);
}

#[test]
fn an_end_of_one_object_ends_the_wait() {
    let mixture = Mixture::new();
    let mut objects = mixture.objects();
    objects.swap(0, 3);
    mixture.autos[0].event.set();
    seat_taken(&mixture.fence.memory, 0, Signaller::Yes);
    leave(&mixture.fence.memory, 0, Gone::Released, &mixture.fence.park);
    assert_eq!(try_all(&mut objects), Some((3, Outcome::Abandoned)));
    assert!(mixture.autos[0].event.is_signaled(), "nothing is taken");
    assert_eq!(try_any(&mut objects), Some((2, Outcome::Signaled)));
    assert_eq!(try_any(&mut objects), Some((3, Outcome::Abandoned)));
    seat_taken(&mixture.fence.memory, 0, Signaller::Yes);
    leave(&mixture.fence.memory, 0, Gone::Died, &mixture.fence.park);
    assert_eq!(try_any(&mut objects), Some((3, Outcome::Lost)));
}

#[test]
fn lists_name_what_to_sleep_on() {
    let mixture = Mixture::new();
    let mut objects = mixture.objects();
    let mut list = Vec::new();
    assert!(arm_any(&mut objects, &mut list) && list.len() == 4);
    assert!(list.iter().all(would_sleep));
    mixture.manual.event.set();
    assert_eq!(list.iter().map(would_sleep).collect::<Vec<_>>(), [true, false, true, true]);
    assert!(arm_all(&mut objects, &mut list) && list.len() == 4, "what is ready may go again");
    mixture.fence.signal(&[5]);
    assert_eq!(try_any(&mut objects), SIGNALED);
    assert!(!arm_any(&mut objects, &mut list), "look again");
    assert!(arm_all(&mut objects, &mut list) && list.len() == 3, "a fence that is reached stays");
    assert!(!arm_all(&mut objects[..1], &mut list), "nothing to sleep on");
    assert!(!arm_any::<Box<dyn Waitable<'_>>>(&mut [], &mut Vec::new()));
}

/// Somebody else acts at each access of a wait for all in turn: it takes both or none, and what it
/// does not take is there.
#[test]
fn a_reset_or_take_at_any_moment_leaves_both_or_none() {
    #[derive(Debug, Clone, Copy)]
    enum Act {
        TakeFirst,
        ResetSecond,
        ResetManual,
    }
    for act in [Act::TakeFirst, Act::ResetSecond, Act::ResetManual] {
        let mut outcomes = [0, 0];
        for moment in 1.. {
            let mixture = Mixture::new();
            let ready = [&mixture.autos[0], &mixture.autos[1], &mixture.manual];
            ready.iter().for_each(|it| assert!(!it.event.set()));
            let (clock, acted) = (Cell::new(0), Cell::new(None));
            let hooked = |memory: &Memory| {
                Hooked::new(memory.clone(), |_| {
                    clock.set(clock.get() + 1);
                    if clock.get() == moment + 1_000 {
                        acted.set(Some(match act {
                            Act::TakeFirst => ready[0].event.try_take(),
                            Act::ResetSecond => ready[1].event.reset(),
                            Act::ResetManual => ready[2].event.reset(),
                        }));
                    }
                })
            };
            let memories = ready.map(|event| hooked(&event.memory));
            let events = memories.map(|it| Event::new(it, Ledger::default()).unwrap());
            let mut tickets: Vec<_> =
                events.iter().map(|it| it.begin_wait(&mixture.seat)).collect();
            clock.set(1_000);
            let all = try_all(&mut tickets);
            clock.set(0);
            let left = ready.map(|event| event.event.is_signaled());
            let by_other = acted.get() == Some(true);
            match all {
                Some(_) => assert_eq!(left[..2], [false, false], "{act:?} at {moment}"),
                None => {
                    let untouched = match act {
                        Act::TakeFirst => [false, true, true],
                        Act::ResetSecond => [true, false, true],
                        Act::ResetManual => [true, true, false],
                    };
                    assert!(by_other, "{act:?} at {moment}");
                    assert_eq!(left, untouched, "{act:?} at {moment}");
                    let mut again: Vec<_> =
                        ready.iter().map(|it| it.event.begin_wait(&mixture.seat)).collect();
                    ready.iter().for_each(|it| {
                        it.event.set();
                    });
                    assert!(try_all(&mut again).is_some(), "nothing stays reserved");
                }
            }
            outcomes[usize::from(all.is_some())] += 1;
            if acted.get().is_none() {
                break;
            }
        }
        assert!(outcomes[0] > 1 && outcomes[1] > 1, "{act:?} {outcomes:?}");
    }
}
