//! The rules of a fence, step by step.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use handfast_sync::event::{Initially, Reset};
use handfast_sync::fence::{
    self, FENCE_LONGS, Gone, LOCAL_LONGS, Look, Signaller, WaitFor, leave, seat_taken, set_readers,
};
use handfast_sync::page::{self, LAYOUT_VERSION};
use handfast_sync::{Fence, FenceReader, LayoutError, PageKind, SEATS_MAX, Seat, State};

use crate::kit::{
    HEAD, Hooked, LAPPED, Ledger, Memory, NO_HINT, ORPHAN, SEATS, TestFence, VALUE, WORD,
    would_sleep,
};

/// Where the tag of the first peak lies.
const FIRST_TAG: usize = 8;

#[test]
fn memory_is_refused_with_the_facts() {
    let refusal = |memory: &Memory| Fence::new(memory.clone(), Ledger::default()).unwrap_err();
    let short = Memory::zeros(LOCAL_LONGS - 1);
    let size = LayoutError::Size { words: 142, needed: 144 };
    assert_eq!(fence::format(&short, 0), Err(size));
    page::format_header(&short.header, PageKind::Fence).unwrap();
    assert_eq!(refusal(&short), size);

    let memory = Memory::fence(0);
    memory.header[1].store(LAYOUT_VERSION + 1, Ordering::Relaxed);
    let version = LayoutError::Version { found: LAYOUT_VERSION + 1, wanted: LAYOUT_VERSION };
    assert_eq!(refusal(&memory), version);
    assert_eq!(FenceReader::new(memory).unwrap_err(), version);
    let event = Memory::event(Reset::Auto, Initially::Signaled);
    assert_eq!(refusal(&event), LayoutError::Kind { found: 4, wanted: PageKind::Fence });
}

#[test]
fn a_fence_holds_any_value() {
    for value in [0, 1, 1 << 26, u64::MAX - 1, u64::MAX] {
        let test = TestFence::new(value);
        assert_eq!(test.fence.value(), value);
        for next in [0, u64::MAX, 1, value] {
            test.signal(&[next]);
            assert_eq!(test.fence.value(), next);
            let mut wait = test.fence.begin_wait(next);
            assert_eq!(test.fence.look(&mut wait), Look::Reached);
            assert!(test.fence.arm(&mut wait).is_none());
        }
    }
}

#[test]
fn nobody_is_woken_who_does_not_sleep() {
    let test = TestFence::new(0);
    test.signal(&[1, 2, 2, 0, u64::MAX, 5]);
    assert_eq!((test.park.wakes(), test.memory.halves(WORD)), (0, (0, NO_HINT)));
}

#[test]
fn a_signal_wakes_when_the_least_target_is_reached() {
    let test = TestFence::new(0);
    let (mut late, _) = test.sleeper(9);
    let (mut early, _) = test.sleeper(5);
    assert_eq!(test.memory.halves(WORD), (0, 5));
    test.signal(&[4]);
    assert_eq!(test.park.new_wakes(), 0);
    test.signal(&[5]);
    assert_eq!((test.park.new_wakes(), test.memory.halves(WORD)), (1, (2, NO_HINT)));
    assert_eq!(test.fence.look(&mut early), Look::Reached);
    assert_eq!(test.fence.look(&mut late), Look::Waiting);
    test.signal(&[9]);
    assert_eq!(test.park.new_wakes(), 0, "nobody registered since");
    assert_eq!(test.fence.look(&mut late), Look::Reached);
}

#[test]
fn a_second_sleeper_with_a_later_target_writes_nothing() {
    let test = TestFence::new(0);
    let (_, first) = test.sleeper(5);
    let word = test.memory.long(WORD);
    let (_, second) = test.sleeper(6);
    assert_eq!((test.memory.long(WORD), second.expected), (word, first.expected));
    assert!(would_sleep(&first));
    test.signal(&[5]);
    assert!(!would_sleep(&first));
}

/// A signaller died in the middle of its wake, whose sleeper has not run. Who sleeps after that
/// for more keeps the interest that stands for the first.
#[test]
fn interest_that_a_dead_one_left_stays() {
    let test = TestFence::new(0);
    let (mut wait, _) = test.sleeper(3);
    test.memory.store(WORD, (test.memory.long(WORD) + 2) | 1);
    let (_, watched) = test.sleeper(9);
    assert_eq!((watched.expected, test.memory.halves(WORD)), (2, (2, 3)));
    test.signal(&[3]);
    assert_eq!((test.park.wakes(), would_sleep(&watched)), (1, false));
    assert_eq!(test.fence.look(&mut wait), Look::Reached);
}

#[test]
fn a_page_that_is_retired_sends_its_sleepers_away() {
    let test = TestFence::new(0);
    let (_, watched) = test.sleeper(3);
    test.fence.retire();
    assert_eq!((test.park.wakes(), would_sleep(&watched)), (1, false));
}

#[test]
fn great_targets_are_woken_for_in_time() {
    for target in [(1 << 26) + 1, (1 << 40) + 12345, u64::MAX] {
        let test = TestFence::new(0);
        let (mut wait, watched) = test.sleeper(target);
        test.signal(&[target - 1]);
        assert_eq!(test.fence.look(&mut wait), Look::Waiting);
        test.fence.arm(&mut wait).unwrap();
        test.park.new_wakes();
        test.signal(&[target]);
        assert_eq!((test.park.wakes(), would_sleep(&watched)), (1, false));
        assert_eq!(test.fence.look(&mut wait), Look::Reached);
    }
}

#[test]
fn a_sleeper_is_told_of_a_value_that_was_rewound() {
    let test = TestFence::new(0);
    let (mut wait, watched) = test.sleeper(5);
    test.signal(&[5]);
    test.signal(&[0]);
    assert!(!would_sleep(&watched));
    assert_eq!(test.fence.look(&mut wait), Look::Reached);
    test.signal(&[1, 0]);
    assert_eq!(test.fence.look(&mut wait), Look::Reached, "it stays so");
    assert_eq!(test.fence.look(&mut wait.clone()), Look::Reached);
}

#[test]
fn a_wait_begins_after_the_rewinds_before_it() {
    let test = TestFence::new(0);
    test.signal(&[5, 0, 7, 1]);
    let (mut wait, _) = test.sleeper(5);
    test.signal(&[4, 3]);
    assert_eq!(test.fence.look(&mut wait), Look::Waiting);
}

#[test]
fn a_rewind_wakes_whoever_sleeps() {
    let test = TestFence::new(3);
    let _sleeper = test.sleeper(1 << 30);
    test.signal(&[2]);
    assert_eq!(test.park.wakes(), 1);
}

#[test]
fn more_rewinds_than_are_remembered_are_lost() {
    for (rewinds, expected) in [(32, Look::Waiting), (33, Look::Lost), (1000, Look::Lost)] {
        let test = TestFence::new(0);
        let mut wait = test.fence.begin_wait(5);
        for _ in 0..rewinds {
            test.signal(&[1, 0]);
        }
        assert_eq!(test.fence.look(&mut wait), expected, "{rewinds}");
        test.signal(&[9]);
        assert_eq!(test.fence.look(&mut wait), Look::Reached, "reached wins");
    }
}

#[test]
fn a_peak_that_is_still_there_counts_after_an_overflow() {
    for (later, expected) in [(31, Look::Reached), (32, Look::Lost)] {
        let test = TestFence::new(0);
        let mut wait = test.fence.begin_wait(5);
        for _ in 0..10 {
            test.signal(&[1, 0]);
        }
        test.signal(&[5, 0]);
        for _ in 0..later {
            test.signal(&[1, 0]);
        }
        assert_eq!(test.fence.look(&mut wait), expected);
    }
}

#[test]
fn whoever_looks_now_and_then_waits_through_any_number_of_rewinds() {
    let test = TestFence::new(0);
    let mut wait = test.fence.begin_wait(5);
    for _ in 0..100 {
        test.signal(&[1, 0]);
        assert_eq!(test.fence.look(&mut wait), Look::Waiting);
    }
    test.signal(&[5, 0]);
    assert_eq!(test.fence.look(&mut wait), Look::Reached);
}

/// A signaller stops between taking its place in the ring and writing there, while the ring goes
/// round: what it writes late may spoil a peak, so those who wait are told.
#[test]
fn a_signaller_that_was_lapped_owns_up() {
    for (rewinds, lapped, expected) in [(31, 0, Look::Waiting), (32, 1, Look::Lost)] {
        let test = TestFence::new(7);
        let mut wait = test.fence.begin_wait(9);
        let others = |access: usize| {
            // The first accesses are the value, the head and then the peak's two places.
            if access == 4 {
                for _ in 0..rewinds {
                    test.signal(&[8, 7]);
                }
            }
        };
        let armed = Cell::new(false);
        let hooked = Hooked::new(test.memory.clone(), |access| {
            if armed.get() {
                others(access);
            }
        });
        let fence = Fence::new(hooked, Ledger::default()).unwrap();
        armed.set(true);
        fence.signal(None, 0);
        assert_eq!(test.memory.long(LAPPED), lapped);
        assert_eq!(test.memory.long(VALUE), 0);
        assert_eq!(test.fence.look(&mut wait), expected);
    }
}

#[test]
fn a_lapse_is_a_loss_for_those_who_waited() {
    let test = TestFence::new(7);
    let mut before = test.fence.begin_wait(9);
    test.signal(&[1]);
    test.memory.store(LAPPED, 1);
    assert_eq!(test.fence.look(&mut before.clone()), Look::Waiting, "every peak was there");
    test.memory.store(FIRST_TAG, 0);
    let mut after = test.fence.begin_wait(9);
    assert_eq!(test.fence.look(&mut before), Look::Lost);
    assert_eq!(test.fence.look(&mut after), Look::Waiting);
    test.memory.store(LAPPED, 0);
    assert_eq!(test.fence.look(&mut before), Look::Waiting, "a peak that is being written");
}

#[test]
fn the_first_signal_through_a_seat_is_announced() {
    let test = TestFence::new(0);
    for number in [0, 63, 64, SEATS_MAX - 1] {
        let seat = Seat::new(number).unwrap();
        test.fence.signal(Some(&seat), 1);
        let place = SEATS + number as usize / 64;
        assert_ne!(test.memory.long(place) & (1 << (number % 64)), 0);
        test.memory.store(place, 0);
        test.fence.signal(Some(&seat), 2);
        assert_eq!(test.memory.long(place), 0, "once");
    }
    assert!(Seat::new(SEATS_MAX).is_none());
}

#[test]
fn a_fence_is_abandoned_or_lost_when_its_last_signaller_has_gone() {
    for (cause, expected) in [(Gone::Released, Look::Abandoned), (Gone::Died, Look::Lost)] {
        let test = TestFence::new(0);
        seat_taken(&test.memory, 0, Signaller::Yes);
        seat_taken(&test.memory, 1, Signaller::No);
        let (mut wait, watched) = test.sleeper(5);
        let second = Seat::new(1).unwrap();
        test.fence.signal(Some(&second), 1);
        leave(&test.memory, 0, Gone::Released, &test.park);
        assert_eq!(test.fence.look(&mut wait), Look::Waiting);
        assert_eq!((test.park.new_wakes(), would_sleep(&watched)), (0, true));
        leave(&test.memory, 1, cause, &test.park);
        assert_eq!((test.park.new_wakes(), would_sleep(&watched)), (1, false));
        assert_eq!(test.fence.look(&mut wait), expected);
        test.fence.signal(Some(&Seat::new(2).unwrap()), 4);
        assert_eq!(test.fence.look(&mut wait), Look::Waiting, "somebody signals again");
        leave(&test.memory, 2, cause, &test.park);
        test.fence.signal(None, 5);
        assert_eq!(test.fence.look(&mut wait), Look::Reached, "reached wins");
    }
}

#[test]
fn one_who_never_signalled_takes_nothing_along() {
    let test = TestFence::new(0);
    let (mut wait, watched) = test.sleeper(5);
    leave(&test.memory, 7, Gone::Released, &test.park);
    assert!(would_sleep(&watched));
    leave(&test.memory, 7, Gone::Died, &test.park);
    assert!(!would_sleep(&watched), "it may have died between a store and a wake");
    assert_eq!(test.fence.look(&mut wait), Look::Waiting);
}

#[test]
fn a_declared_signaller_ends_abandonment() {
    let test = TestFence::new(0);
    seat_taken(&test.memory, 0, Signaller::Yes);
    leave(&test.memory, 0, Gone::Released, &test.park);
    assert_eq!(test.memory.long(ORPHAN), 1);
    seat_taken(&test.memory, 0, Signaller::Yes);
    assert_eq!(test.memory.long(ORPHAN), 0);
    assert_eq!(test.memory.seats().sum::<u64>(), 1);
    seat_taken(&test.memory, 0, Signaller::No);
    assert_eq!(test.memory.seats().sum::<u64>(), 0);
}

#[test]
fn a_stamp_of_the_broker_is_a_loss() {
    let test = TestFence::new(0);
    let (mut wait, watched) = test.sleeper(5);
    page::stamp(&test.memory.header, State::Lost);
    fence::bump(&test.memory, &test.park);
    assert!(!would_sleep(&watched));
    assert_eq!(test.fence.look(&mut wait), Look::Lost);
    test.memory.store(ORPHAN, 99);
    page::stamp(&test.memory.header, State::Live);
    assert_eq!(test.fence.look(&mut wait), Look::Lost, "a mark that is not known");
}

#[test]
fn readers_are_woken_at_every_value() {
    let test = TestFence::new(0);
    let reader = FenceReader::new(test.memory.clone()).unwrap();
    set_readers(&test.memory, 1);
    let mut wait = reader.begin_wait(5);
    for value in 1..5 {
        let watched = reader.arm(&mut wait).unwrap();
        assert_eq!(reader.look(&mut wait), Look::Waiting);
        test.signal(&[value]);
        assert_eq!((test.park.new_wakes(), would_sleep(&watched)), (1, false));
    }
    test.signal(&[5, 0]);
    assert_eq!((reader.look(&mut wait), reader.value()), (Look::Reached, 0));
    assert!(reader.arm(&mut wait).is_none());
    set_readers(&test.memory, 0);
    test.park.new_wakes();
    test.signal(&[9]);
    assert_eq!(test.park.new_wakes(), 0);
}

#[test]
fn a_wait_follows_a_fence_that_moves() {
    let local = Memory::zeros(LOCAL_LONGS);
    fence::format(&local, 3).unwrap();
    let old = TestFence::of(local);
    old.fence.signal(Some(&Seat::new(3).unwrap()), 4);
    let (mut reached, watched) = old.sleeper(9);
    let (mut waiting, _) = old.sleeper(11);
    let (mut shared, _) = old.sleeper(20);
    old.signal(&[9, 6]);
    let new = TestFence::new(old.fence.value());
    old.park.new_wakes();
    old.fence.retire();
    assert_eq!((old.park.new_wakes(), would_sleep(&watched)), (1, false));
    new.signal(&[20, 5]);
    for (wait, expected) in
        [(&mut reached, Look::Reached), (&mut waiting, Look::Reached), (&mut shared, Look::Reached)]
    {
        wait.follow(&old.fence);
        assert_eq!(new.fence.look(wait), expected);
    }
}

#[test]
fn a_loss_before_a_move_stays_one() {
    let old = TestFence::new(0);
    let mut wait = old.fence.begin_wait(5);
    for _ in 0..33 {
        old.signal(&[1, 0]);
    }
    let new = TestFence::new(0);
    wait.follow(&old.fence);
    assert_eq!(new.fence.look(&mut wait), Look::Lost);
    new.signal(&[5]);
    assert_eq!((wait.target(), new.fence.look(&mut wait)), (5, Look::Reached));
}

#[test]
fn short_memory_is_left_alone_by_the_broker() {
    let memory = Memory::zeros(LOCAL_LONGS - 1);
    let park = Ledger::default();
    leave(&memory, 0, Gone::Died, &park);
    seat_taken(&memory, 0, Signaller::Yes);
    fence::bump(&memory, &park);
    set_readers(&memory, 1);
    assert_eq!(park.wakes(), 0);
    let local = Memory::zeros(LOCAL_LONGS);
    fence::format(&local, 1).unwrap();
    seat_taken(&local, 0, Signaller::Yes);
    leave(&local, 0, Gone::Died, &park);
    seat_taken(&Memory::fence(0), u32::MAX, Signaller::Yes);
    assert_eq!((local.long(ORPHAN), local.long(HEAD), FENCE_LONGS), (0, 0, 136));
}
