//! Who may meet whom at a fence, and what must come of it: the thirteen meetings of the first model
//! of this fence, then readers, seats and moves. A sleeper that is forgotten is a deadlock to loom.

use std::sync::Arc;

use handfast_sync::atomic::die_after;
use handfast_sync::fence::{
    FENCE_LONGS, Gone, LOCAL_LONGS, Look, Signaller, Wait, WaitFor, format, leave, seat_taken,
    set_readers,
};
use handfast_sync::{Fence, FenceReader, Park, Seat};
use loom::sync::Mutex;
use loom::thread::{self, JoinHandle};

use crate::long_page::{LongPage, READERS};
use crate::model::{Futex, explore, explore_deaths, mortal};

const ORPHAN: usize = 4;
const SEATS: usize = 72;

/// Value, word, head and so many peaks.
fn tracked(place: usize, peaks: usize) -> bool {
    place < 3 || (8..8 + 2 * peaks).contains(&place)
}

type ModelFence = Fence<LongPage, Arc<Futex>>;

/// A fence and the futex that it sleeps on.
#[derive(Debug, Clone)]
struct World {
    page: LongPage,
    futex: Arc<Futex>,
    fence: Arc<ModelFence>,
}

impl World {
    fn new(peaks: usize) -> Self {
        Self::of(LongPage::new(&[], FENCE_LONGS, |place| tracked(place, peaks)))
    }

    fn of(page: LongPage) -> Self {
        format(&page, 0).unwrap();
        let futex = Arc::new(Futex::new());
        let fence = Arc::new(Fence::new(page.clone(), futex.clone()).unwrap());
        Self { page, futex, fence }
    }

    /// Signals in a thread of its own.
    fn signals(&self, values: &'static [u64]) -> JoinHandle<()> {
        let world = self.clone();
        thread::spawn(move || values.iter().for_each(|value| world.fence.signal(None, *value)))
    }

    /// Signals in a thread of its own that dies after so many steps; then the broker learns of it.
    /// Whether it died, and the value that it left.
    fn dies(&self, steps: u32, seat: u32, values: &'static [u64]) -> JoinHandle<(bool, u64)> {
        seat_taken(&self.page, seat, Signaller::Yes);
        let world = self.clone();
        thread::spawn(move || {
            let seat = Seat::new(seat).unwrap();
            let died = mortal(steps, || {
                values.iter().for_each(|value| world.fence.signal(Some(&seat), *value));
            })
            .is_none();
            // From here on this thread is the broker's.
            die_after(u32::MAX);
            let value = world.fence.value();
            leave(&world.page, seat.number(), Gone::Died, &world.futex);
            (died, value)
        })
    }

    /// Waits in a thread of its own, for what happens from now on.
    fn waits(&self, target: u64) -> JoinHandle<Look> {
        let (world, wait) = (self.clone(), self.fence.begin_wait(target));
        thread::spawn(move || world.sleep(&*world.fence, wait))
    }

    /// Sleeps until a wait is over.
    fn sleep(&self, fence: &impl WaitFor, mut wait: Wait) -> Look {
        loop {
            let look = fence.look(&mut wait);
            if look != Look::Waiting {
                return look;
            }
            let Some(watched) = fence.arm(&mut wait) else { continue };
            let look = fence.look(&mut wait);
            if look != Look::Waiting {
                return look;
            }
            self.futex.wait(&[watched], None);
        }
    }
}

/// Signallers and waiters, the last of them in the thread that begins. Everybody who waits for a
/// value that somebody signals is told.
fn meet(
    preemptions: usize,
    peaks: usize,
    programs: &'static [&'static [u64]],
    targets: &'static [u64],
) {
    explore(preemptions, move || {
        let world = World::new(peaks);
        let (last, others) = targets.split_last().unwrap();
        let last = world.fence.begin_wait(*last);
        let waiters: Vec<_> = others.iter().map(|target| world.waits(*target)).collect();
        let signallers: Vec<_> = programs.iter().map(|values| world.signals(values)).collect();
        assert_eq!(world.sleep(&*world.fence, last), Look::Reached);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Look::Reached);
        }
        for signaller in signallers {
            signaller.join().unwrap();
        }
    });
}

#[test]
fn one_counts_for_two() {
    meet(3, 0, &[&[1, 2, 3]], &[1, 3]);
}

#[test]
fn one_counts_for_three() {
    meet(2, 0, &[&[1, 2, 3]], &[2, 3, 3]);
}

#[test]
fn two_count_for_two() {
    meet(2, 2, &[&[1, 3], &[2, 4]], &[2, 4]);
}

#[test]
fn two_count_for_one() {
    meet(3, 2, &[&[1, 3], &[2, 4]], &[4]);
}

#[test]
fn a_rewind_takes_nothing_away() {
    meet(3, 1, &[&[5, 0]], &[5, 3]);
}

#[test]
fn rewinds_take_nothing_away() {
    meet(3, 2, &[&[5, 0, 5, 0]], &[5, 3]);
}

#[test]
fn two_values_in_the_wrong_order() {
    meet(3, 1, &[&[5], &[6]], &[6]);
}

#[test]
fn a_rewind_beside_a_signal() {
    meet(2, 2, &[&[5, 0], &[6]], &[5, 6]);
}

/// Somebody waits from some moment on: the end of it is told at the latest.
#[test]
fn a_wait_may_begin_at_any_moment() {
    explore(4, || {
        let world = World::new(1);
        let signaller = world.signals(&[5, 0, 6]);
        let wait = world.fence.begin_wait(5);
        assert_eq!(world.sleep(&*world.fence, wait), Look::Reached);
        signaller.join().unwrap();
    });
}

/// Signaller 0 dies at some step, then the broker speaks for it; signaller 1 lives and leaves.
/// Nobody sleeps for ever; whoever waits for a value that was there is told.
fn one_dies(
    preemptions: usize,
    peaks: usize,
    mortal_values: &'static [u64],
    values: &'static [u64],
    target: u64,
) {
    explore_deaths(preemptions, move |steps| {
        let world = World::new(peaks);
        seat_taken(&world.page, 1, Signaller::Yes);
        let wait = world.fence.begin_wait(target);
        let dying = world.dies(steps, 0, mortal_values);
        let living = world.clone();
        let living = thread::spawn(move || {
            let seat = Seat::new(1).unwrap();
            values.iter().for_each(|value| living.fence.signal(Some(&seat), *value));
            leave(&living.page, 1, Gone::Released, &living.futex);
        });
        let look = world.sleep(&*world.fence, wait);
        let (died, value) = dying.join().unwrap();
        living.join().unwrap();
        let told = !died || value >= target || values.iter().any(|value| *value >= target);
        assert!(!told || look == Look::Reached, "{look:?}");
        died
    });
}

#[test]
fn the_dead_ones_sleeper_is_told_by_others() {
    one_dies(2, 1, &[5], &[6, 7], 5);
}

#[test]
fn another_ones_sleeper_is_told_beside_a_death() {
    one_dies(2, 1, &[5], &[6, 7], 7);
}

/// Without the broker a later signal is enough.
#[test]
fn a_later_signal_makes_up_for_a_death() {
    explore_deaths(2, |steps| {
        let world = World::new(1);
        let wait = world.fence.begin_wait(5);
        let dying = world.clone();
        let dying = thread::spawn(move || mortal(steps, || dying.fence.signal(None, 5)).is_none());
        let living = world.signals(&[6, 8]);
        assert_eq!(world.sleep(&*world.fence, wait), Look::Reached);
        living.join().unwrap();
        dying.join().unwrap()
    });
}

/// Nobody signals after the death: the broker's turn is the only one.
#[test]
fn a_death_is_told_by_the_broker() {
    explore_deaths(4, |steps| {
        let world = World::new(0);
        let wait = world.fence.begin_wait(5);
        let dying = world.dies(steps, 0, &[5]);
        let look = world.sleep(&*world.fence, wait);
        let (died, value) = dying.join().unwrap();
        assert!(look == Look::Reached || died && value < 5 && look == Look::Lost);
        died
    });
}

#[test]
fn a_death_in_a_rewind_beside_a_signal() {
    one_dies(2, 2, &[5, 0], &[1], 5);
}

#[test]
fn a_death_in_a_rewind_beside_a_rewind() {
    one_dies(2, 3, &[5, 0], &[6, 0], 5);
}

/// Two sleepers, of whom the later one's target is reached first by the dying signaller.
#[test]
fn a_death_frees_every_sleeper() {
    explore_deaths(2, |steps| {
        let world = World::new(0);
        let (early, late) = (world.waits(3), world.fence.begin_wait(5));
        let dying = world.dies(steps, 0, &[3, 5]);
        let looks = [world.sleep(&*world.fence, late), early.join().unwrap()];
        let (died, value) = dying.join().unwrap();
        for (look, target) in looks.into_iter().zip([5, 3]) {
            assert!(look == Look::Reached || died && value < target && look == Look::Lost);
        }
        died
    });
}

#[test]
fn a_reader_is_woken_without_saying_that_it_sleeps() {
    explore(4, || {
        let world = World::new(1);
        set_readers(&world.page, 1);
        let reader = FenceReader::new(world.page.clone()).unwrap();
        let wait = reader.begin_wait(5);
        let signaller = world.signals(&[4, 5, 0]);
        assert_eq!(world.sleep(&reader, wait), Look::Reached);
        signaller.join().unwrap();
    });
}

/// A reader that comes while somebody signals: whoever does not see its count is seen by it.
#[test]
fn a_reader_may_come_at_any_moment() {
    explore(5, || {
        let page = LongPage::new(&[READERS], FENCE_LONGS, |place| tracked(place, 0));
        let world = World::of(page);
        set_readers(&world.page, 0);
        let signaller = world.signals(&[5]);
        set_readers(&world.page, 1);
        let reader = FenceReader::new(world.page.clone()).unwrap();
        assert_eq!(world.sleep(&reader, reader.begin_wait(5)), Look::Reached);
        signaller.join().unwrap();
    });
}

#[test]
fn a_reader_and_a_waiter_share_a_fence() {
    explore(3, || {
        let world = World::new(1);
        set_readers(&world.page, 1);
        let waiter = world.waits(6);
        let reader = FenceReader::new(world.page.clone()).unwrap();
        let wait = reader.begin_wait(5);
        let signaller = world.signals(&[5, 6]);
        assert_eq!(world.sleep(&reader, wait), Look::Reached);
        assert_eq!(waiter.join().unwrap(), Look::Reached);
        signaller.join().unwrap();
    });
}

fn with_seats() -> World {
    let places = [0, 1, ORPHAN, SEATS];
    World::of(LongPage::new(&[], FENCE_LONGS, move |place| places.contains(&place)))
}

/// The last signaller leaves while another one signals for the first time: it is not abandoned.
#[test]
fn a_first_signal_meets_the_last_leave() {
    explore(6, || {
        let world = with_seats();
        seat_taken(&world.page, 0, Signaller::Yes);
        let other = world.clone();
        let signaller = thread::spawn(move || {
            other.fence.signal(Some(&Seat::new(1).unwrap()), 1);
        });
        leave(&world.page, 0, Gone::Released, &world.futex);
        signaller.join().unwrap();
        assert_eq!((world.page.long(ORPHAN), world.page.long(SEATS)), (0, 2));
    });
}

/// The same, and the new one dies: nobody is left, whoever came first.
#[test]
fn a_first_signal_dies_beside_the_last_leave() {
    explore_deaths(4, |steps| {
        let world = with_seats();
        seat_taken(&world.page, 0, Signaller::Yes);
        let other = world.clone();
        let signaller = thread::spawn(move || {
            let seat = Seat::new(1).unwrap();
            mortal(steps, || other.fence.signal(Some(&seat), 1)).is_none()
        });
        leave(&world.page, 0, Gone::Released, &world.futex);
        let died = signaller.join().unwrap();
        let announced = world.page.long(SEATS) != 0;
        assert!(announced || world.fence.value() == 0, "who changed the value is known");
        leave(&world.page, 1, Gone::Died, &world.futex);
        let orphan = world.page.long(ORPHAN);
        assert_eq!(orphan, if announced { 2 } else { 1 });
        died
    });
}

#[test]
fn a_sleeper_hears_of_the_last_leave() {
    for (cause, expected) in [(Gone::Released, Look::Abandoned), (Gone::Died, Look::Lost)] {
        explore(4, move || {
            let world = with_seats();
            seat_taken(&world.page, 0, Signaller::Yes);
            let waiter = world.waits(5);
            leave(&world.page, 0, cause, &world.futex);
            assert_eq!(waiter.join().unwrap(), expected);
        });
    }
}

/// A fence moves from one page to another while somebody sleeps and somebody signals.
#[test]
fn a_wait_follows_a_fence_that_moves() {
    explore(3, || {
        let new_world = |longs| World::of(LongPage::new(&[], longs, |place| tracked(place, 2)));
        let worlds = [new_world(LOCAL_LONGS), new_world(FENCE_LONGS)];
        let futex = worlds[0].futex.clone();
        let fences: Vec<_> = worlds
            .iter()
            .map(|world| Fence::new(world.page.clone(), futex.clone()).unwrap())
            .collect();
        let pages = worlds.map(|world| world.page);
        let shared = Arc::new((fences, Mutex::new(0_usize)));
        let current = |shared: &(Vec<ModelFence>, Mutex<usize>)| *shared.1.lock().unwrap();
        let wait = shared.0[0].begin_wait(5);

        let other = shared.clone();
        let signaller = thread::spawn(move || {
            for value in [5, 0] {
                let page = other.1.lock().unwrap();
                other.0[*page].signal(None, value);
            }
        });
        let other = shared.clone();
        let mover = thread::spawn(move || {
            {
                let mut page = other.1.lock().unwrap();
                format(&pages[1], other.0[0].value()).unwrap();
                *page = 1;
            }
            other.0[0].retire();
        });

        let (mut wait, mut page) = (wait, 0);
        loop {
            let watched = shared.0[page].arm(&mut wait);
            if current(&shared) != page {
                wait.follow(&shared.0[page]);
                page = 1;
                continue;
            }
            match shared.0[page].look(&mut wait) {
                Look::Waiting => {}
                Look::Reached => break,
                end @ (Look::Abandoned | Look::Lost) => panic!("{end:?}"),
            }
            if let Some(watched) = watched {
                futex.wait(&[watched], None);
            }
        }
        signaller.join().unwrap();
        mover.join().unwrap();
    });
}

/// The last two signallers leave at once, each for itself.
#[test]
fn a_sleeper_hears_of_two_who_leave_at_once() {
    explore(3, || {
        let world = with_seats();
        for seat in 0..2 {
            seat_taken(&world.page, seat, Signaller::Yes);
        }
        let waiter = world.waits(5);
        let other = world.clone();
        let leaves = thread::spawn(move || other.fence.release(&Seat::new(1).unwrap()));
        world.fence.release(&Seat::new(0).unwrap());
        assert_eq!(waiter.join().unwrap(), Look::Abandoned);
        leaves.join().unwrap();
    });
}
