//! Others write anything into the page, also between two looks of one call: each call returns, the
//! list is in order afterwards, and nothing panics.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;

use handfast_sync::keyed_mutex::{self, Acquire, Look, Release};
use handfast_sync::{AtomicU32, Memory};
use proptest::prelude::*;

use crate::kit::{FREE, FREED, KEY, LOCK, OWNER, OWNER_DIED, WAITERS, Words, World};

/// Words that somebody else writes all the time: one write at each look.
struct Hostile<'a> {
    words: Words,
    writes: &'a [(usize, u32)],
    next: Cell<usize>,
}

impl Memory for Hostile<'_> {
    fn words(&self) -> &[AtomicU32] {
        let next = self.next.get();
        self.next.set(next + 1);
        if let Some((place, value)) = self.writes.get(next % (self.writes.len() + 1)) {
            self.words[*place].store(*value, Ordering::Relaxed);
        }
        &self.words
    }
}

/// Values that mean something, and any others.
fn value() -> impl Strategy<Value = u32> {
    let bits = (0..8_u32, prop_oneof![0..4_u32, Just(1001), Just(1002), Just((1 << 28) - 1)]);
    prop_oneof![bits.prop_map(|(bits, low)| bits << 29 | low), any::<u32>()]
}

fn writes() -> impl Strategy<Value = Vec<(usize, u32)>> {
    let place = prop_oneof![4 => Just(LOCK), 1 => OWNER..OWNER + 6];
    prop::collection::vec((place, value()), 0..100)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn every_call_returns(
        writes in writes(),
        start in writes(),
        steps in prop::collection::vec((0..7_u32, 0..3_u64), 1..60),
    ) {
        let world = World::new();
        for (place, value) in start {
            world.set(place, value);
        }
        let page = Hostile { words: world.page.clone(), writes: &writes, next: Cell::new(0) };
        let (mutex, list) = world.open_over(page, 1);
        let (other, _list) = world.open(2);
        for (step, key) in steps {
            let was_owner = list.is_linked();
            match step {
                0 => mutex.abandon(),
                1 => keyed_mutex::leave(&world.page, NonZeroU32::MIN, &world.ledger),
                2 => {
                    mutex.wait(key, Some(1));
                }
                3 => prop_assert!(mutex.look(key) != Look::Available || !was_owner),
                4 => {
                    let released = mutex.release(key, key);
                    prop_assert_eq!(released == Release::NotOwner, !was_owner);
                }
                5 => if let Acquire::Acquired { value } = other.try_acquire(key) {
                    prop_assert!(other.release(key, value) != Release::NotOwner);
                },
                _ => {
                    let acquired = matches!(mutex.try_acquire(key), Acquire::Acquired { .. });
                    prop_assert!(!(acquired && was_owner));
                    prop_assert!(!acquired || list.is_linked());
                }
            }
            prop_assert!(list.is_idle());
            prop_assert!(keyed_mutex::status(&world.page).is_some());
        }
    }
}

/// Calls with others who do exactly this at each look; the last write goes on for ever.
fn beside(writes: &[(usize, u32)], start: u32, check: impl Fn(&World, Hostile<'_>)) {
    let world = World::new();
    world.set(LOCK, start);
    let words = world.page.clone();
    check(&world, Hostile { words, writes, next: Cell::new(0) });
}

#[test]
fn a_word_that_changes_at_every_look_ends_in_an_answer() {
    let writes: Vec<_> = (0..10_000).map(|count| (LOCK, FREE | count)).collect();
    beside(&writes, FREE, |world, page| {
        let (mutex, _list) = world.open_over(page, 1);
        assert_eq!(mutex.try_acquire(0), Acquire::Busy);
        assert_eq!(mutex.look(1), Look::Busy);
        assert_eq!(mutex.release(0, 0), Release::NotOwner);
    });
    let writes: Vec<_> = (0..10_000).map(|tid| (LOCK, OWNER_DIED | (tid + 1))).collect();
    beside(&writes, OWNER_DIED, |world, page| {
        let (mutex, _list) = world.open_over(page, 1);
        assert_eq!(mutex.try_acquire(0), Acquire::Busy);
    });
}

/// The key is another than it was before LOCK was taken, as after 2^28 releases in between: the
/// mutex goes back, with the next count, to who sleeps for it.
#[test]
fn a_key_that_was_another_a_moment_ago_is_noticed() {
    for looks in 0..6 {
        let mut writes = vec![(FREED, 5); looks];
        writes.push((KEY, 1));
        writes.extend(vec![(FREED, 5); 50]);
        beside(&writes, FREE | WAITERS | 5, |world, page| {
            let (mutex, list) = world.open_over(page, 1);
            if mutex.try_acquire(0) == Acquire::Busy {
                let untouched = world.word(LOCK) == FREE | WAITERS | 5;
                assert!(untouched || world.word(LOCK) == FREE | 6 && world.ledger.wakes() == 1);
                assert!(list.is_idle() && !list.is_linked());
            }
        });
    }
}
