//! Openings of one keyed mutex, and processes that die while they take it or give it back.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use handfast_sync::AtomicU32;
use handfast_sync::keyed_mutex::{self, Acquire, KeyedMutex, Release, Status};
use handfast_sync::page::PAGE_WORDS;
use loom::thread;

use crate::kernel::{Kernel, Marked, Process};
use crate::model::{Pixels, Words, explore, explore_deaths, mortal};

/// Words of the page that are tracked always, as others decide by them: LOCK, OWNER.
const TRACKED: [usize; 2] = [16, 32];
/// Those and KEY, FREED, VALUE's low half, where there are few threads.
const TRACKED_WHOLE: [usize; 6] = [16, 32, 33, 34, 35, 36];
const LOCK: usize = 16;
const OWNER: usize = 32;
/// The bits of LOCK that say who holds it.
const HOLDER: u32 = 0x3fff_ffff;

type Mutex = KeyedMutex<Words, Arc<Kernel>, Arc<Process>>;

/// A mutex, and what it guards.
struct World {
    kernel: Arc<Kernel>,
    page: Words,
    pixels: Pixels,
}

/// An opening in a process of its own.
struct Opening {
    world: Arc<World>,
    process: Arc<Process>,
    number: NonZeroU32,
    mutex: Mutex,
}

impl World {
    fn new() -> Arc<Self> {
        Self::tracking(&TRACKED)
    }

    /// Each tracked word is one that somebody changes who has loaded it first: LOCK to exchange it,
    /// OWNER, KEY and VALUE on the way from an acquisition to a release, FREED to judge a death. So
    /// all of them are contended.
    fn tracking(tracked: &[usize]) -> Arc<Self> {
        let word = |place| match tracked.contains(&place) {
            true => AtomicU32::contended(0),
            false => AtomicU32::untracked(0),
        };
        let page: Words = (0..PAGE_WORDS).map(word).collect();
        keyed_mutex::format(&page).unwrap();
        Arc::new(Self { kernel: Kernel::new(), page, pixels: Pixels::new() })
    }

    fn open(self: &Arc<Self>, number: u32) -> Opening {
        let number = NonZeroU32::new(number).unwrap();
        let process = Process::new(&self.kernel, &self.page, 100 + number.get());
        let (page, kernel) = (self.page.clone(), self.kernel.clone());
        let mutex = KeyedMutex::new(page, kernel, process.clone(), number).unwrap();
        Opening { world: self.clone(), process, number, mutex }
    }

    /// An opening that owns the mutex, from the key 0.
    fn owner(self: &Arc<Self>, number: u32) -> Opening {
        let opening = self.open(number);
        assert_eq!(opening.mutex.try_acquire(0), Acquire::Acquired { value: 0 });
        opening
    }

    fn status(&self) -> Status {
        keyed_mutex::status(&self.page).unwrap()
    }
}

impl Opening {
    /// Sleeps until it owns the mutex, or the mutex is abandoned.
    fn acquire(&self, key: u64) -> Acquire {
        loop {
            let answer = self.mutex.try_acquire(key);
            if answer != Acquire::Busy {
                return answer;
            }
            self.mutex.wait(key, None);
        }
    }

    /// Uses what the mutex guards and passes it on.
    fn pass(&self, key: u64) {
        self.world.pixels.write(u64::from(self.number.get()));
        assert_eq!(self.world.pixels.read(), u64::from(self.number.get()));
        assert_eq!(self.mutex.release(key, value_of(key)), Release::Released);
    }

    /// Acquires with one key and releases with another; whether the mutex was not abandoned.
    fn turn(&self, take: u64, give: u64) -> bool {
        let answer = self.acquire(take);
        if answer == Acquire::Abandoned {
            return false;
        }
        assert_eq!(answer, Acquire::Acquired { value: value_of(take) });
        self.pass(give);
        true
    }

    /// The process is no more: its kernel marks what it held, and the broker hears of it. He makes
    /// up for nothing that is the kernel's: an owner that the kernel does not know of is lost
    /// while the broker is away.
    fn gone(&self) {
        if self.process.die() == Marked::Nothing {
            // Its own last change of LOCK or a later one.
            let lock = self.world.page[LOCK].load(Ordering::Relaxed);
            assert_ne!(lock & HOLDER, self.process.tid(), "the kernel did not know of it");
        }
        self.leave();
    }

    fn leave(&self) {
        keyed_mutex::leave(&self.world.page, self.number, &self.world.kernel);
    }
}

/// The value that every release hands on with a key.
fn value_of(key: u64) -> u64 {
    key * 3
}

fn is_acquired(answer: Acquire) -> bool {
    matches!(answer, Acquire::Acquired { .. })
}

/// With two preemptions four turns on six contended words take many minutes; what two openings do
/// to each other within a turn has models of its own, with more.
#[test]
fn two_openings_alternate() {
    explore(1, || {
        let world = World::tracking(&TRACKED_WHOLE);
        let (left, right) = (world.open(1), world.open(2));
        let other = thread::spawn(move || (0..2).for_each(|_| assert!(right.turn(1 << 32, 0))));
        (0..2).for_each(|_| assert!(left.turn(0, 1 << 32)));
        other.join().unwrap();
        assert_eq!(world.status(), Status::Free { key: 0 });
    });
}

#[test]
fn one_of_many_with_the_same_key_has_it_at_a_time() {
    explore(1, || {
        let world = World::new();
        let others: Vec<_> = (1..3)
            .map(|number| {
                let opening = world.open(number);
                thread::spawn(move || assert!(opening.turn(0, 0)))
            })
            .collect();
        assert!(world.open(3).turn(0, 0));
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_release_reaches_who_is_about_to_sleep() {
    explore(5, || {
        let world = World::tracking(&TRACKED_WHOLE);
        let (owner, sleeper) = (world.owner(1), world.open(2));
        let sleeper = thread::spawn(move || assert!(sleeper.turn(1, 2)));
        owner.pass(1);
        sleeper.join().unwrap();
        assert_eq!(world.status(), Status::Free { key: 2 });
    });
}

#[test]
fn sleepers_for_other_keys_are_told_of_each_release() {
    explore(1, || {
        let world = World::new();
        let owner = world.owner(1);
        let sleepers: Vec<_> = [(2, 1, 2), (3, 2, 3)]
            .into_iter()
            .map(|(number, take, give)| {
                let opening = world.open(number);
                thread::spawn(move || assert!(opening.turn(take, give)))
            })
            .collect();
        owner.pass(1);
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
        assert_eq!(world.status(), Status::Free { key: 3 });
    });
}

/// Between one's look and his sleep the mutex is released for him, and another sets WAITERS again.
#[test]
fn a_release_is_not_hidden_by_another_sleeper() {
    explore(3, || {
        let world = World::new();
        let (passer, sleeper, other) = (world.open(1), world.open(2), world.open(3));
        let sleeper = thread::spawn(move || assert!(sleeper.turn(1, 2)));
        assert!(passer.turn(0, 1));
        assert!(other.mutex.arm().is_some());
        sleeper.join().unwrap();
        assert_eq!(world.status(), Status::Free { key: 2 });
    });
}

#[test]
fn an_abandonment_is_told_to_all() {
    explore(2, || {
        let world = World::new();
        let owner = world.owner(1);
        let sleepers: Vec<_> = (2..4)
            .map(|number| {
                let opening = world.open(number);
                thread::spawn(move || assert!(!opening.turn(u64::from(number), 0)))
            })
            .collect();
        owner.mutex.abandon();
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
        assert_eq!(world.status(), Status::Abandoned { owner: 1 });
    });
}

/// The owner dies at some step of its abandonment; nobody sleeps on, and nobody repairs it.
#[test]
fn an_owner_that_dies_while_it_abandons_has_abandoned() {
    explore_deaths(2, |steps| {
        let world = World::new();
        let owner = world.owner(1);
        let sleepers: Vec<_> = (2..4)
            .map(|number| {
                let opening = world.open(number);
                thread::spawn(move || assert!(!opening.turn(0, 0)))
            })
            .collect();
        let lives = mortal(steps, || owner.mutex.abandon()).is_some();
        owner.gone();
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
        assert_eq!(world.status(), Status::Abandoned { owner: 1 });
        !lives
    });
}

/// One process dies at some step of its turn; the other gets an answer, and once it is that the
/// mutex is abandoned it stays so.
#[test]
fn a_process_dies_at_any_step() {
    explore_deaths(2, |steps| {
        let world = World::new();
        let (opening, other) = (world.open(1), world.open(2));
        let dying = thread::spawn(move || {
            let lives = mortal(steps, || opening.turn(0, 0)).is_some();
            opening.gone();
            lives
        });
        let alive = other.turn(0, 0);
        assert!(alive || other.mutex.try_acquire(0) == Acquire::Abandoned);
        let lives = dying.join().unwrap();
        assert!(alive || !lives, "nobody but the dead abandons");
        let last = other.mutex.try_acquire(0);
        assert!(last == Acquire::Abandoned || is_acquired(last) && alive, "{last:?}");
        !lives
    });
}

/// The owner dies and nobody but the kernel tells, who wakes one.
#[test]
fn the_kernel_tells_of_an_owners_death_without_the_broker() {
    explore(2, || {
        let world = World::new();
        let owner = world.owner(1);
        let sleepers: Vec<_> = (2..4)
            .map(|number| {
                let opening = world.open(number);
                thread::spawn(move || assert!(!opening.turn(u64::from(number), 0)))
            })
            .collect();
        owner.process.die();
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
        assert_eq!(world.status(), Status::Abandoned { owner: 1 });
    });
}

/// A process dies before it owns anything; whoever is woken first for it frees the mutex and tells
/// the other.
#[test]
fn a_taker_that_dies_leaves_the_mutex_as_it_was() {
    explore_deaths(1, |steps| {
        let world = World::new();
        let opening = world.open(1);
        let dying = thread::spawn(move || {
            let taken = mortal(steps, || opening.mutex.try_acquire(0)).is_some();
            let owner = opening.world.page[OWNER].load(Ordering::Acquire);
            opening.process.die();
            (!taken, owner == 1)
        });
        let others: Vec<_> = [(2, 0, 0), (3, 0, 0)]
            .into_iter()
            .map(|(number, take, give)| {
                let opening = world.open(number);
                thread::spawn(move || opening.turn(take, give))
            })
            .collect();
        let (died, owned) = dying.join().unwrap();
        let alive = others.into_iter().all(|other| other.join().unwrap());
        assert!(alive || owned || !died, "only an owner abandons");
        died
    });
}

/// The owner dies at some step of its release, and a sleeper waits for the key that it gives.
#[test]
fn a_releaser_that_dies_leaves_no_sleeper_behind() {
    explore_deaths(3, |steps| {
        let world = World::tracking(&TRACKED_WHOLE);
        let (owner, sleeper) = (world.owner(1), world.open(2));
        let sleeper = thread::spawn(move || sleeper.turn(5 << 32 | 1, 2));
        let lives = mortal(steps, || owner.pass(5 << 32 | 1)).is_some();
        owner.gone();
        let alive = sleeper.join().unwrap();
        let expected = if alive { Status::Free { key: 2 } } else { Status::Abandoned { owner: 1 } };
        assert_eq!(world.status(), expected);
        assert!(alive || !lives);
        !lives
    });
}

/// The same with two who sleep, one for a key that nobody gives.
#[test]
fn a_releaser_that_dies_tells_all_or_leaves_it_to_the_broker() {
    explore_deaths(1, |steps| {
        let world = World::new();
        let owner = world.owner(1);
        let sleepers: Vec<_> = [(2, 1, 7), (3, 7, 8)]
            .into_iter()
            .map(|(number, take, give)| {
                let opening = world.open(number);
                thread::spawn(move || opening.turn(take, give))
            })
            .collect();
        let lives = mortal(steps, || owner.pass(1)).is_some();
        owner.gone();
        let alive: Vec<_> = sleepers.into_iter().map(|it| it.join().unwrap()).collect();
        assert!(alive == [true; 2] || alive == [false; 2] && !lives, "{alive:?}");
        !lives
    });
}

/// One who says that the mutex is abandoned dies before he wakes the others.
#[test]
fn who_finds_an_owner_dead_and_dies_too_leaves_no_sleeper_behind() {
    explore_deaths(2, |steps| {
        let world = World::new();
        let (owner, finder, sleeper) = (world.owner(1), world.open(2), world.open(3));
        let finder = thread::spawn(move || {
            let found = mortal(steps, || finder.acquire(7));
            assert!(found.is_none_or(|found| found == Acquire::Abandoned));
            finder.gone();
            found.is_none()
        });
        let sleeper = thread::spawn(move || assert_eq!(sleeper.acquire(8), Acquire::Abandoned));
        owner.process.die();
        let died = finder.join().unwrap();
        sleeper.join().unwrap();
        assert_eq!(world.status(), Status::Abandoned { owner: 1 });
        died
    });
}

/// A world in which a taker has died between LOCK and OWNER.
fn left_by_a_taker() -> Arc<World> {
    let world = World::tracking(&TRACKED_WHOLE);
    let taker = world.open(1);
    // One step announces, one takes LOCK.
    let dead = thread::spawn(move || {
        assert!(mortal(2, || taker.mutex.try_acquire(0)).is_none());
        taker.process.die();
    });
    dead.join().unwrap();
    assert_eq!(world.page[LOCK].load(Ordering::Acquire), 0x4000_0000);
    world
}

#[test]
fn two_repair_what_a_dead_taker_left_and_one_of_them_has_it() {
    explore(3, || {
        let world = left_by_a_taker();
        let (left, right) = (world.open(2), world.open(3));
        let other = thread::spawn(move || assert!(right.turn(0, 0)));
        assert!(left.turn(0, 0));
        other.join().unwrap();
        assert_eq!(world.status(), Status::Free { key: 0 });
    });
}

/// A repairer is slow; meanwhile another repairs, owns and dies. That is not repaired.
#[test]
fn a_slow_repairer_does_not_heal_what_is_abandoned() {
    explore(3, || {
        let world = left_by_a_taker();
        let (slow, fast) = (world.open(2), world.open(3));
        let other = thread::spawn(move || {
            let owned = is_acquired(fast.acquire(0));
            fast.process.die();
            owned
        });
        let answer = slow.mutex.try_acquire(0);
        if is_acquired(answer) {
            slow.pass(0);
        }
        assert!(other.join().unwrap());
        assert_eq!(slow.mutex.try_acquire(0), Acquire::Abandoned);
        assert_eq!(world.status(), Status::Abandoned { owner: 3 });
    });
}

/// The kernel marks what a process holds or takes that goes on: its list's thread has ended first,
/// or another had that number elsewhere. Nobody is an owner beside another one.
fn marked_while_it_goes_on(turns: u32) {
    explore(3, move || {
        let world = World::new();
        let (marked, other) = (world.open(1), world.open(2));
        let process = marked.process.clone();
        let goes_on = thread::spawn(move || {
            for _ in 0..turns {
                if !is_acquired(marked.mutex.try_acquire(0)) {
                    continue;
                }
                marked.world.pixels.write(1);
                if marked.mutex.release(0, 0) == Release::Released {
                    continue;
                }
                assert_eq!(marked.mutex.try_acquire(0), Acquire::Abandoned);
            }
        });
        let kernel = thread::spawn(move || {
            process.die();
        });
        if is_acquired(other.mutex.try_acquire(0)) {
            assert_eq!(other.world.page[OWNER].load(Ordering::Relaxed), 2);
            other.pass(0);
        }
        goes_on.join().unwrap();
        kernel.join().unwrap();
    });
}

#[test]
fn a_process_that_is_marked_and_goes_on_spoils_nothing() {
    marked_while_it_goes_on(1);
}

/// The kernel does not know of it, and the broker does.
#[test]
fn the_broker_abandons_what_the_kernel_could_not_mark() {
    explore(3, || {
        let world = World::new();
        let (owner, sleeper) = (world.owner(1), world.open(2));
        let sleeper = thread::spawn(move || assert_eq!(sleeper.acquire(0), Acquire::Abandoned));
        owner.leave();
        sleeper.join().unwrap();
        assert_eq!(world.status(), Status::Abandoned { owner: 1 });
    });
}
