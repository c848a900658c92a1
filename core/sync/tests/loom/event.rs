//! Who may meet whom at events, and what must come of it. A sleeper that is forgotten is a deadlock
//! to loom; a signal that is taken twice, or lost, shows in the count.

use std::sync::Arc;

use handfast_sync::event::{EVENT_LONGS, Initially, Reset, format, leave, set_readers};
use handfast_sync::fence::{self, LOCAL_LONGS};
use handfast_sync::wait::{FenceTicket, Outcome, Waitable, arm_all, arm_any, try_all, try_any};
use handfast_sync::{Event, EventReader, Fence, Park, Seat};
use loom::thread::{self, JoinHandle};

use crate::long_page::{LongPage, READERS};
use crate::model::{Futex, explore, explore_deaths, mortal};

type ModelEvent = Event<LongPage, Arc<Futex>>;

/// Events, and the futex that all sleep on.
#[derive(Debug, Clone)]
struct World {
    pages: Vec<LongPage>,
    futex: Arc<Futex>,
    events: Arc<Vec<ModelEvent>>,
}

impl World {
    fn new(events: &[(Reset, Initially)]) -> Self {
        let futex = Arc::new(Futex::new());
        let page = |(reset, initially): &(Reset, Initially)| {
            let page = LongPage::new(&[READERS], EVENT_LONGS, |place| place == 0);
            set_readers(&page, 0);
            format(&page, *reset, *initially).unwrap();
            page
        };
        let pages: Vec<_> = events.iter().map(page).collect();
        let open = |(rank, page): (u64, &LongPage)| {
            Event::new(page.clone(), futex.clone()).unwrap().ranked(rank)
        };
        let events = Arc::new((0..).zip(&pages).map(open).collect());
        Self { pages, futex, events }
    }

    /// Auto-reset events, all signaled or not.
    fn autos(count: usize, initially: Initially) -> Self {
        Self::new(&vec![(Reset::Auto, initially); count])
    }

    fn spawn<T: 'static>(&self, act: impl FnOnce(&Self) -> T + 'static) -> JoinHandle<T> {
        let world = self.clone();
        thread::spawn(move || act(&world))
    }

    /// Waits for any of these events.
    fn any(&self, seat: u32, events: &[usize]) -> Outcome {
        let seat = Seat::new(seat).unwrap();
        let mut tickets: Vec<_> =
            events.iter().map(|event| self.events[*event].begin_wait(&seat)).collect();
        self.sleep_any(&mut tickets)
    }

    fn sleep_any<'a, W: Waitable<'a>>(&'a self, objects: &mut [W]) -> Outcome {
        let mut list = Vec::new();
        loop {
            if let Some((_, outcome)) = try_any(objects) {
                return outcome;
            }
            if !arm_any(objects, &mut list) {
                continue;
            }
            if let Some((_, outcome)) = try_any(objects) {
                return outcome;
            }
            self.futex.wait(&list, None);
        }
    }

    /// Waits for all of these events.
    fn all(&self, seat: u32, events: &[usize]) {
        let seat = Seat::new(seat).unwrap();
        let mut tickets: Vec<_> =
            events.iter().map(|event| self.events[*event].begin_wait(&seat)).collect();
        self.sleep_all(&mut tickets);
    }

    fn sleep_all<'a, W: Waitable<'a>>(&'a self, objects: &mut [W]) {
        let mut list = Vec::new();
        while try_all(objects).is_none() {
            if !arm_all(objects, &mut list) {
                continue;
            }
            if try_all(objects).is_some() {
                return;
            }
            self.futex.wait(&list, None);
        }
    }

    fn signaled(&self) -> Vec<bool> {
        self.events.iter().map(ModelEvent::is_signaled).collect()
    }
}

/// Each set that changes something lets exactly one of two sleepers pass.
#[test]
fn a_set_of_an_auto_event_lets_one_pass() {
    explore(3, || {
        let world = World::autos(1, Initially::Unsignaled);
        let waiters = [0, 1].map(|seat| world.spawn(move |world| world.any(seat, &[0])));
        for _ in 0..2 {
            while world.events[0].set() {
                thread::yield_now();
            }
        }
        waiters
            .into_iter()
            .for_each(|waiter| assert_eq!(waiter.join().unwrap(), Outcome::Signaled));
        assert!(!world.events[0].is_signaled());
    });
}

#[test]
fn two_sets_let_two_pass_or_are_one() {
    explore(3, || {
        let world = World::autos(1, Initially::Unsignaled);
        let setters = [0, 1].map(|_| world.spawn(|world| world.events[0].set()));
        assert_eq!(world.any(0, &[0]), Outcome::Signaled);
        let [first, second] = setters.map(|setter| setter.join().unwrap());
        assert!(!first || !second);
        assert_eq!(world.events[0].is_signaled(), !first && !second);
    });
}

/// Sets, resets and takes at once: every signal goes one way.
#[test]
fn signals_are_neither_lost_nor_doubled() {
    explore(5, || {
        let world = World::autos(1, Initially::Unsignaled);
        let setter = world.spawn(|world| [0, 1].map(|_| !world.events[0].set()));
        let resetter = world.spawn(|world| world.events[0].reset());
        let seat = Seat::new(0).unwrap();
        let taken = world.events[0].try_take();
        let committed = world.events[0].reserve(&seat).map(|it| world.events[0].commit(it));
        let made = setter.join().unwrap();
        let gone = [taken, resetter.join().unwrap(), committed == Some(true)];
        let left = world.events[0].is_signaled();
        let count = |them: &[bool]| them.iter().filter(|it| **it).count();
        assert_eq!(count(&made), count(&gone) + usize::from(left));
    });
}

#[test]
fn a_manual_event_tells_everybody_even_if_it_is_reset() {
    explore(5, || {
        let world = World::new(&[(Reset::Manual, Initially::Unsignaled)]);
        set_readers(&world.pages[0], 1);
        let seat = Seat::new(0).unwrap();
        let reader = EventReader::new(world.pages[0].clone()).unwrap();
        let mut tickets = [world.events[0].begin_wait(&seat)];
        let mut readers = [reader.begin_wait()];
        let setter = world.spawn(|world| {
            world.events[0].set();
            world.events[0].reset();
        });
        assert_eq!(world.sleep_any(&mut tickets), Outcome::Signaled);
        let mut list = Vec::new();
        while try_any(&mut readers).is_none() {
            assert!(arm_any(&mut readers, &mut list));
            if try_any(&mut readers).is_none() {
                world.futex.wait(&list, None);
            }
        }
        setter.join().unwrap();
    });
}

#[test]
fn a_manual_event_tells_two_sleepers() {
    explore(3, || {
        let world = World::new(&[(Reset::Manual, Initially::Unsignaled)]);
        let waiter = world.spawn(|world| world.any(0, &[0]));
        let setter = world.spawn(|world| world.events[0].set());
        assert_eq!(world.any(1, &[0]), Outcome::Signaled);
        assert_eq!(waiter.join().unwrap(), Outcome::Signaled);
        setter.join().unwrap();
    });
}

/// A reader that comes while somebody sets: whoever does not see its count is seen by it.
#[test]
fn a_reader_may_come_at_any_moment() {
    explore(4, || {
        let world = World::new(&[(Reset::Manual, Initially::Unsignaled)]);
        let setter = world.spawn(|world| world.events[0].set());
        set_readers(&world.pages[0], 1);
        let reader = EventReader::new(world.pages[0].clone()).unwrap();
        loop {
            let watched = reader.arm();
            if reader.is_signaled() {
                break;
            }
            world.futex.wait(&[watched], None);
        }
        setter.join().unwrap();
    });
}

/// The setter dies at some step, then the broker speaks for it; a later set frees who is left.
#[test]
fn a_dead_setter_leaves_sleepers_for_the_broker() {
    for reset in [Reset::Manual, Reset::Auto] {
        explore_deaths(3, move |steps| {
            let world = World::new(&[(reset, Initially::Unsignaled)]);
            let waiter = world.spawn(|world| world.any(0, &[0]));
            let dying = world.spawn(move |world| mortal(steps, || world.events[0].set()).is_none());
            let died = dying.join().unwrap();
            leave(&world.pages[0], 7, &world.futex);
            if died {
                world.events[0].set();
            }
            assert_eq!(waiter.join().unwrap(), Outcome::Signaled);
            died
        });
    }
}

#[test]
fn a_wait_for_all_takes_both() {
    explore(3, || {
        let world = World::autos(2, Initially::Unsignaled);
        let setters = [1, 0].map(|event| world.spawn(move |world| world.events[event].set()));
        world.all(0, &[0, 1]);
        assert_eq!(world.signaled(), [false, false]);
        setters.into_iter().for_each(|setter| assert!(!setter.join().unwrap()));
    });
}

/// Two wait for the same two events, which are set once more when the first has passed.
#[test]
fn two_waits_for_all_pass_one_after_the_other() {
    explore(3, || {
        let world = World::autos(2, Initially::Signaled);
        let waiters = [[0, 1], [1, 0]].map(|order| world.spawn(move |world| world.all(0, &order)));
        for event in [0, 1] {
            while world.events[event].set() {
                thread::yield_now();
            }
        }
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(world.signaled(), [false, false]);
    });
}

/// Three events in a row, two waits that share the middle one.
#[test]
fn waits_for_all_that_share_an_event_do_not_starve() {
    explore(4, || {
        let world = World::autos(3, Initially::Signaled);
        let other = world.spawn(|world| {
            world.all(1, &[2, 1]);
            world.events[1].set();
        });
        world.all(0, &[0, 1]);
        world.events[1].set();
        other.join().unwrap();
        assert_eq!(world.signaled(), [false, true, false]);
    });
}

/// Somebody takes one of two and puts it back: the wait for both still gets them.
#[test]
fn a_wait_for_all_survives_a_taker() {
    explore(5, || {
        let world = World::autos(2, Initially::Signaled);
        let taker = world.spawn(|world| {
            if world.events[1].try_take() {
                world.events[1].set();
            }
        });
        world.all(0, &[0, 1]);
        taker.join().unwrap();
        assert_eq!(world.signaled(), [false, false]);
    });
}

/// One who waits for any meets one who tries for all and cannot have it.
#[test]
fn what_is_given_back_is_told() {
    explore(6, || {
        let world = World::autos(1, Initially::Signaled);
        let reserver = world.spawn(|world| {
            let seat = Seat::new(1).unwrap();
            if let Some(reservation) = world.events[0].reserve(&seat) {
                world.events[0].back_out(reservation);
            }
        });
        assert_eq!(world.any(0, &[0]), Outcome::Signaled);
        reserver.join().unwrap();
        assert!(!world.events[0].is_signaled());
    });
}

/// A reset beside a wait for two: it took both, or the reset took one and the other is left.
#[test]
fn a_reset_meets_a_wait_for_all() {
    explore(6, || {
        let world = World::autos(2, Initially::Signaled);
        let resetter = world.spawn(|world| world.events[1].reset());
        let seat = Seat::new(0).unwrap();
        let mut tickets = [0, 1].map(|event| world.events[event].begin_wait(&seat));
        let passed = try_all(&mut tickets).is_some();
        let reset = resetter.join().unwrap();
        assert!(passed || reset);
        assert_eq!(world.signaled(), if passed { [false, false] } else { [true, false] });
    });
}

/// A manual event is off while an auto-reset one is on, unless the wait keeps that from being taken
/// away again: what the wait takes was signaled at one moment.
#[test]
fn all_means_at_one_moment() {
    explore(4, || {
        let world = World::new(&[
            (Reset::Manual, Initially::Signaled),
            (Reset::Auto, Initially::Unsignaled),
        ]);
        let other = world.spawn(|world| {
            world.events[0].reset();
            world.events[1].set();
            let taken = world.events[1].try_take();
            world.events[0].set();
            taken
        });
        let seat = Seat::new(0).unwrap();
        let mut tickets = [0, 1].map(|event| world.events[event].begin_wait(&seat));
        let passed = try_all(&mut tickets).is_some();
        let taken = other.join().unwrap();
        assert!(!(passed && taken));
        assert_eq!(world.events[1].is_signaled(), !passed && !taken);
    });
}

/// The same with a reset, which a reservation does not stop: they were never signaled together.
#[test]
fn never_together_is_not_enough() {
    explore(5, || {
        let world = World::new(&[
            (Reset::Manual, Initially::Signaled),
            (Reset::Auto, Initially::Unsignaled),
        ]);
        let other = world.spawn(|world| {
            world.events[0].reset();
            world.events[1].set();
            world.events[1].reset();
            world.events[0].set();
        });
        let seat = Seat::new(0).unwrap();
        let mut tickets = [0, 1].map(|event| world.events[event].begin_wait(&seat));
        assert_eq!(try_all(&mut tickets), None);
        other.join().unwrap();
        assert_eq!(world.signaled(), [true, false]);
    });
}

/// Two manual events of which one is always unsignaled.
#[test]
fn now_the_one_now_the_other_is_not_enough() {
    explore(6, || {
        let world = World::new(&[
            (Reset::Manual, Initially::Signaled),
            (Reset::Manual, Initially::Unsignaled),
        ]);
        let other = world.spawn(|world| {
            for (off, on) in [(0, 1), (1, 0), (0, 1)] {
                world.events[off].reset();
                world.events[on].set();
            }
        });
        let seat = Seat::new(0).unwrap();
        let mut tickets = [0, 1].map(|event| world.events[event].begin_wait(&seat));
        assert_eq!(try_all(&mut tickets), None);
        other.join().unwrap();
    });
}

/// One who waits for both dies at some step; the broker gives back what it held, and another one
/// who waits for both gets them when they are set.
#[test]
fn a_dead_reserver_stops_nobody() {
    explore_deaths(2, |steps| {
        let world = World::autos(2, Initially::Signaled);
        let dying = world.spawn(move |world| {
            let seat = Seat::new(0).unwrap();
            let mut tickets = [0, 1].map(|event| world.events[event].begin_wait(&seat));
            mortal(steps, || try_all(&mut tickets)).is_none()
        });
        let other = world.spawn(|world| world.all(1, &[0, 1]));
        let died = dying.join().unwrap();
        for page in &world.pages {
            leave(page, 0, &world.futex);
        }
        for event in world.events.iter() {
            event.set();
        }
        other.join().unwrap();
        died
    });
}

/// A fence, a manual event and an auto-reset one.
#[test]
fn a_mixture_is_waited_for() {
    explore(2, || {
        let world = World::new(&[
            (Reset::Manual, Initially::Unsignaled),
            (Reset::Auto, Initially::Unsignaled),
        ]);
        let page = LongPage::new(&[], LOCAL_LONGS, |place| place < 3 || (8..10).contains(&place));
        fence::format(&page, 0).unwrap();
        let fence = Arc::new(Fence::new(page, world.futex.clone()).unwrap());
        let seat = Seat::new(0).unwrap();
        let mut objects: Vec<Box<dyn Waitable<'_> + '_>> = vec![
            Box::new(world.events[0].begin_wait(&seat)),
            Box::new(FenceTicket::new(&*fence, 5)),
            Box::new(world.events[1].begin_wait(&seat)),
        ];
        let signaller = fence.clone();
        let signaller = thread::spawn(move || [5, 0].map(|value| signaller.signal(None, value)));
        let setter = world.spawn(|world| [1, 0].map(|event| world.events[event].set()));
        world.sleep_all(&mut objects);
        assert_eq!(world.signaled(), [true, false]);
        signaller.join().unwrap();
        setter.join().unwrap();
    });
}
