//! What each call answers in each state, and who is woken.

use std::num::NonZeroU32;

use handfast_sync::keyed_mutex::{self, Acquire, Look, Release, Status};
use handfast_sync::page::{self, PAGE_WORDS};
use handfast_sync::robust::Refused;
use handfast_sync::{LayoutError, PageKind, Parked};

use crate::kit::{FREE, FREED, KEY, LOCK, OWNER, OWNER_DIED, WAITERS, World, page};

const ACQUIRED: Acquire = Acquire::Acquired { value: 0 };

/// M 260.
#[test]
fn a_new_mutex_cannot_be_released() {
    let world = World::new();
    let (mutex, _list) = world.open(1);
    assert_eq!(mutex.release(0, 0), Release::NotOwner);
    assert_eq!(mutex.release(1, 0), Release::NotOwner);
    assert_eq!(world.word(LOCK), FREE);
}

/// M 261.
#[test]
fn a_new_mutex_is_free_for_the_key_0_and_for_any_opening() {
    let world = World::new();
    let ((_creator, _), (opener, list)) = (world.open(1), world.open(2));
    for key in [1, 1 << 32, u64::MAX] {
        assert_eq!(opener.try_acquire(key), Acquire::Busy);
        assert_eq!(opener.look(key), Look::Busy);
    }
    assert_eq!(opener.look(0), Look::Available);
    assert!(!list.is_linked());
    assert_eq!(opener.try_acquire(0), ACQUIRED);
    assert!(list.is_linked() && list.is_idle());
    assert_eq!(keyed_mutex::status(&world.page), Some(Status::Held { owner: 2 }));
}

/// M 262.
#[test]
fn an_owner_acquires_nothing() {
    let world = World::new();
    let (mutex, _list) = world.open(1);
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    assert_eq!(mutex.try_acquire(0), Acquire::AlreadyOwner);
    assert_eq!(mutex.try_acquire(1), Acquire::AlreadyOwner);
    assert_eq!(mutex.look(0), Look::Busy);
    assert_eq!(mutex.release(0, 0), Release::Released);
}

/// M 264.
#[test]
fn another_opening_neither_acquires_nor_releases_what_is_held() {
    let world = World::new();
    let ((owner, _), (other, list)) = (world.open(1), world.open(2));
    assert_eq!(owner.try_acquire(0), ACQUIRED);
    for key in [0, 1] {
        assert_eq!(other.try_acquire(key), Acquire::Busy);
        assert_eq!(other.look(key), Look::Busy);
        assert_eq!(other.release(key, 0), Release::NotOwner);
        assert!(list.is_idle());
    }
    assert_eq!(owner.release(0, 0), Release::Released);
}

/// M 265.
#[test]
fn what_an_opening_abandons_stays_so() {
    let world = World::new();
    let ((owner, list), (other, _)) = (world.open(1), world.open(2));
    assert_eq!(owner.try_acquire(0), ACQUIRED);
    owner.abandon();
    assert!(list.is_idle() && !list.is_linked());
    for key in [0, 1] {
        assert_eq!(other.try_acquire(key), Acquire::Abandoned);
        assert_eq!(other.look(key), Look::Abandoned);
    }
    assert_eq!(other.release(0, 0), Release::NotOwner);
    assert_eq!(owner.release(0, 0), Release::NotOwner);
    assert_eq!(owner.try_acquire(0), Acquire::Abandoned);
    assert_eq!(other.try_acquire(0), Acquire::Abandoned);
    assert_eq!(keyed_mutex::status(&world.page), Some(Status::Abandoned { owner: 1 }));
}

/// M 266.
#[test]
fn who_waits_is_woken_by_an_abandonment_and_does_not_sleep_again() {
    let world = World::new();
    let ((owner, _), (waiter, _)) = (world.open(1), world.open(2));
    assert_eq!(owner.try_acquire(0), ACQUIRED);
    assert_eq!(waiter.wait(0, Some(1)), Parked::TimedOut);
    owner.abandon();
    assert_eq!((world.ledger.wakes(), world.ledger.sleeps()), (1, 1));
    assert!(waiter.arm().is_none());
    assert_eq!(waiter.wait(0, None), Parked::Woken);
    assert_eq!(world.ledger.sleeps(), 1);
}

/// M 267.
#[test]
fn a_release_hands_on_a_value() {
    let world = World::new();
    let ((left, _), (right, _)) = (world.open(1), world.open(2));
    assert_eq!(left.try_acquire(0), ACQUIRED);
    assert_eq!(left.release(1, 1234 << 32 | 1), Release::Released);
    assert_eq!(right.try_acquire(0), Acquire::Busy);
    assert_eq!(right.try_acquire(1), Acquire::Acquired { value: 1234 << 32 | 1 });
    assert_eq!(right.release(1, 5), Release::Released);
    assert_eq!(left.try_acquire(1), Acquire::Acquired { value: 5 });
}

/// M 268.
#[test]
fn what_is_released_is_not_released_again() {
    let world = World::new();
    let (mutex, _list) = world.open(1);
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    assert_eq!(mutex.release(1 << 32 | 7, 0), Release::Released);
    assert_eq!(mutex.release(8, 0), Release::NotOwner);
    assert_eq!(keyed_mutex::status(&world.page), Some(Status::Free { key: 1 << 32 | 7 }));
    for key in [7, 1 << 32, 8] {
        assert_eq!(mutex.try_acquire(key), Acquire::Busy);
    }
    assert_eq!(mutex.try_acquire(1 << 32 | 7), ACQUIRED);
}

#[test]
fn nobody_is_woken_where_nobody_sleeps() {
    let world = World::new();
    let ((left, _), (right, _)) = (world.open(1), world.open(2));
    for _ in 0..3 {
        assert_eq!(left.try_acquire(0), ACQUIRED);
        assert_eq!(right.try_acquire(1), Acquire::Busy);
        assert_eq!(left.release(1, 0), Release::Released);
        assert_eq!(right.try_acquire(1), ACQUIRED);
        assert_eq!(right.release(0, 0), Release::Released);
    }
    assert_eq!(world.ledger.wakes(), 0);
    assert_eq!(right.wait(1, Some(1)), Parked::TimedOut);
    assert_eq!(left.try_acquire(0), ACQUIRED);
    assert_eq!(world.word(LOCK), WAITERS | 1001, "the sleeper is not forgotten");
    assert_eq!(left.release(0, 0), Release::Released);
    assert_eq!(left.try_acquire(0), ACQUIRED);
    assert_eq!(left.release(0, 0), Release::Released);
    assert_eq!(world.ledger.wakes(), 1, "and woken once");
}

#[test]
fn who_may_have_the_mutex_does_not_sleep() {
    let world = World::new();
    let ((owner, _), (waiter, _)) = (world.open(1), world.open(2));
    assert_eq!(waiter.wait(0, None), Parked::Woken);
    assert_eq!(owner.try_acquire(0), ACQUIRED);
    let watched = waiter.arm().unwrap();
    assert_eq!(watched.expected, WAITERS | 1001);
    assert_eq!(owner.release(1, 0), Release::Released);
    assert_ne!(world.word(LOCK), watched.expected, "a release is no state from before");
    assert_eq!(world.ledger.sleeps(), 0);
}

#[test]
fn an_owners_death_is_told_to_all_and_for_ever() {
    let world = World::new();
    let ((owner, list), (other, _)) = (world.open(1), world.open(2));
    assert_eq!(owner.try_acquire(0), ACQUIRED);
    assert_eq!(other.wait(0, Some(1)), Parked::TimedOut);
    world.die(&list);
    assert_eq!(keyed_mutex::status(&world.page), Some(Status::Abandoned { owner: 1 }));
    assert_eq!(world.ledger.wakes(), 0);
    assert_eq!(other.try_acquire(5), Acquire::Abandoned);
    assert_eq!(world.ledger.wakes(), 1, "the kernel wakes one, and he the others");
    assert_eq!(other.try_acquire(0), Acquire::Abandoned);
    assert_eq!(world.ledger.wakes(), 1);
}

#[test]
fn what_a_dead_taker_left_is_free_again_with_the_next_count() {
    for key in [0, 9] {
        let world = World::new();
        let ((owner, _), (other, list)) = (world.open(1), world.open(2));
        assert_eq!(owner.try_acquire(0), ACQUIRED);
        assert_eq!(owner.release(9, 4), Release::Released);
        world.set(LOCK, OWNER_DIED | WAITERS);
        assert_eq!(keyed_mutex::status(&world.page), Some(Status::Free { key: 9 }));
        let expected = if key == 9 { Look::Available } else { Look::Busy };
        assert_eq!(other.look(key), expected);
        assert_eq!(world.word(LOCK), FREE | 2);
        assert_eq!(world.ledger.wakes(), 1);
        assert!(list.is_idle() && !list.is_linked());
        assert_eq!(other.try_acquire(9), Acquire::Acquired { value: 4 });
    }
}

#[test]
fn who_takes_what_a_dead_taker_left_keeps_the_sleepers() {
    let world = World::new();
    let (mutex, _list) = world.open(2);
    world.set(LOCK, OWNER_DIED | WAITERS);
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    assert_eq!(world.word(LOCK), WAITERS | 1002);
    assert_eq!(mutex.release(0, 0), Release::Released);
    assert_eq!((world.ledger.wakes(), world.word(LOCK)), (1, FREE | 1));
}

#[test]
fn while_one_looks_at_what_an_owner_left_the_others_know_already() {
    let world = World::new();
    let (other, _) = world.open(2);
    world.set(LOCK, OWNER_DIED | 77);
    assert_eq!(other.try_acquire(0), Acquire::Busy);
    world.set(OWNER, 1);
    assert_eq!(other.try_acquire(0), Acquire::Abandoned);
    assert_eq!(world.word(LOCK), OWNER_DIED | 77, "it is left to who looks");
}

#[test]
fn counts_go_round() {
    let world = World::new();
    let (mutex, _list) = world.open(1);
    for (freed, lock) in [((1 << 28) - 2, FREE | ((1 << 28) - 1)), (u32::MAX, FREE)] {
        world.set(FREED, freed);
        assert_eq!(mutex.try_acquire(0), ACQUIRED);
        assert_eq!(mutex.release(0, 0), Release::Released);
        assert_eq!(world.word(LOCK), lock);
        assert_eq!(mutex.look(0), Look::Available);
    }
    world.set(FREED, (1 << 28) - 1);
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    assert_eq!(mutex.release(0, 0), Release::Released);
    assert_eq!(world.word(LOCK), FREE, "a full count does not run into the bit above");
}

#[test]
fn what_is_left_over_from_a_late_thread_of_the_dead_is_overwritten() {
    let world = World::new();
    let (mutex, _list) = world.open(2);
    world.set(OWNER, 1);
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    assert_eq!(world.word(OWNER), 2);
    assert_eq!(mutex.release(0, 0), Release::Released);
}

#[test]
fn what_was_taken_from_an_owner_is_not_released_by_him() {
    let world = World::new();
    let (mutex, list) = world.open(1);
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    world.set(LOCK, OWNER_DIED | FREE);
    assert_eq!(mutex.release(7, 0), Release::Abandoned);
    assert_eq!((world.word(KEY), list.is_linked(), list.is_idle()), (0, false, true));
    let (mutex, list) = World::new().open(1);
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    assert!(list.is_linked());
}

#[test]
fn an_owner_learns_of_an_abandonment_too() {
    let world = World::new();
    let (mutex, list) = world.open(1);
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    world.set(LOCK, OWNER_DIED | FREE | WAITERS);
    assert_eq!(mutex.try_acquire(0), Acquire::Abandoned);
    assert!(!list.is_linked());
    assert_eq!(mutex.release(0, 0), Release::NotOwner);
}

#[test]
fn a_process_that_may_not_is_refused_and_changes_nothing() {
    for refused in [Refused::Forked, Refused::Ended] {
        let world = World::new();
        let (mutex, list) = world.open(1);
        assert_eq!(mutex.try_acquire(0), ACQUIRED);
        list.refuse(refused);
        assert_eq!(mutex.try_acquire(0), Acquire::Refused(refused));
        assert_eq!(mutex.look(0), Look::Refused(refused));
        assert_eq!(mutex.release(0, 0), Release::Refused(refused));
        mutex.abandon();
        assert_eq!(world.word(LOCK), 1001);
    }
}

#[test]
fn a_full_list_lets_go_and_takes_nothing() {
    let world = World::new();
    let ((mutex, list), (other, full)) = (world.open(1), world.open(2));
    assert_eq!(mutex.try_acquire(0), ACQUIRED);
    list.refuse(Refused::Full);
    full.refuse(Refused::Full);
    assert_eq!(other.try_acquire(0), Acquire::Busy);
    assert_eq!(mutex.release(0, 0), Release::Released);
    assert_eq!(other.try_acquire(0), Acquire::Refused(Refused::Full));
    assert_eq!(other.look(0), Look::Available);
    assert_eq!(world.word(LOCK), FREE | 1);
}

#[test]
fn the_broker_takes_leave_of_the_dead_and_of_nobody_else() {
    let world = World::new();
    let ((owner, _), (other, _)) = (world.open(1), world.open(2));
    let leave = |number| {
        keyed_mutex::leave(&world.page, NonZeroU32::new(number).unwrap(), &world.ledger);
    };
    leave(1);
    assert_eq!((world.word(LOCK), world.ledger.wakes()), (FREE, 1));
    assert_eq!(owner.try_acquire(0), ACQUIRED);
    leave(2);
    assert_eq!((world.word(LOCK), world.ledger.wakes()), (1001, 2));
    leave(1);
    assert_eq!((world.word(LOCK), world.ledger.wakes()), (OWNER_DIED | FREE, 3));
    assert_eq!(other.try_acquire(0), Acquire::Abandoned);
    keyed_mutex::leave(&[], NonZeroU32::MIN, &world.ledger);
}

#[test]
fn memory_of_another_kind_is_refused() {
    let world = World::new();
    let page = page();
    page::format(&page, PageKind::Event).unwrap();
    assert_eq!(keyed_mutex::status(&page), None);
    assert_eq!(keyed_mutex::status(&page[1..]), None);
    let size = LayoutError::Size { words: PAGE_WORDS - 1, needed: PAGE_WORDS };
    assert_eq!(keyed_mutex::format(&page[1..]), Err(size));
    let list = world.open(1).1;
    let refusal = keyed_mutex::KeyedMutex::new(page, &world.ledger, list, NonZeroU32::MIN);
    let kind = LayoutError::Kind { found: 4, wanted: PageKind::KeyedMutex };
    assert_eq!(refusal.unwrap_err(), kind);
}
