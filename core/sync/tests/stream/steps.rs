//! The protocol of a stream step by step, in one thread.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use handfast_sync::page;
use handfast_sync::stream::{Lossless, Mode, NoSlot, ReceiveEnd, ReceiverStatus, Take};
use handfast_sync::{PageKind, Park, Parked, State, Watched, Word};

use crate::kit::{Stream, Words, drain, frame, new_page, record};

const TURN: usize = 16;
const SENDER_WAITING: usize = 19;
const CLAIM: usize = 16;
const PASSED: usize = 17;
const RECEIVER_WAITING: usize = 20;
const RELEASED: usize = 22;
const EVENTS: usize = 4;

#[test]
fn latest_takes_the_newest_and_counts_what_it_skipped() {
    let mut stream = Stream::started(4, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Latest);
    assert_eq!(receiver.take(0), Take::Empty);
    stream.send().unwrap();
    let first = frame(receiver.take(5));
    assert_eq!((first.sequence(), first.skipped(), first.record()[63]), (1, 0, 1));
    receiver.release(&first);
    for _ in 0..3 {
        stream.send().unwrap();
    }
    let second = frame(receiver.take(6));
    assert_eq!((second.sequence(), second.skipped()), (4, 2));
    let status = ReceiverStatus {
        mode: Mode::Latest,
        at_sequence: 4,
        received: 2,
        skipped: 2,
        holds: true,
        held_since_ns: 6,
    };
    assert_eq!(stream.sender.receivers().collect::<Vec<_>>(), [status]);
    receiver.release(&second);
    assert_eq!(receiver.take(0), Take::Empty);
}

#[test]
fn a_receiver_joins_at_the_latest_frame() {
    for mode in [Mode::Latest, Mode::Queue(9), Mode::Lossless] {
        let mut stream = Stream::started(4, Lossless::Allowed);
        for _ in 0..3 {
            stream.send().unwrap();
        }
        let mut receiver = stream.joined(mode);
        assert_eq!(drain(&mut receiver), (vec![3], Take::Empty), "{mode:?}");
    }
}

#[test]
fn the_first_take_joins() {
    let mut stream = Stream::started(3, Lossless::Allowed);
    let mut receiver = stream.receiver(Mode::Lossless);
    stream.enter(&mut receiver, 1);
    assert_eq!(stream.sender.receivers().count(), 0);
    assert_eq!(receiver.take(0), Take::Empty);
    assert_eq!(stream.sender.receivers().count(), 1);
}

#[test]
fn queue_keeps_the_order_and_skips_the_oldest() {
    let mut stream = Stream::started(5, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Queue(2));
    for _ in 0..4 {
        stream.send().unwrap();
    }
    let held = frame(receiver.take(0));
    assert_eq!((held.sequence(), held.skipped()), (3, 0));
    receiver.release(&held);
    assert_eq!(drain(&mut receiver), (vec![4], Take::Empty));
}

#[test]
fn a_queue_of_none_is_a_queue_of_one() {
    let mut stream = Stream::started(4, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Queue(0));
    stream.send().unwrap();
    stream.send().unwrap();
    assert_eq!(drain(&mut receiver), (vec![2], Take::Empty));
    assert_eq!(stream.sender.receivers().next().unwrap().mode, Mode::Queue(1));
}

#[test]
fn lossless_stops_the_sender_until_it_lets_go() {
    let mut stream = Stream::started(2, Lossless::Allowed);
    let mut receiver = stream.joined(Mode::Lossless);
    assert!(receiver.lossless_allowed());
    stream.send().unwrap();
    stream.send().unwrap();
    assert_eq!(stream.send(), Err(NoSlot::Lossless));
    assert_eq!(stream.sender.wait_for_slot(None), Parked::TimedOut);
    assert!(stream.ledger.slept_on(stream.receiver_word(0, RELEASED)));
    assert!(stream.ledger.slept_on(&stream.page[EVENTS]));
    let first = frame(receiver.take(0));
    assert_eq!(stream.send(), Err(NoSlot::Lossless), "held, and not passed yet");
    receiver.release(&first);
    assert_eq!(stream.sender.wait_for_slot(None), Parked::Woken);
    assert_eq!(stream.send(), Ok(3));
    assert_eq!(drain(&mut receiver), (vec![2, 3], Take::Empty));
}

#[test]
fn refused_lossless_stops_nobody() {
    let mut stream = Stream::started(3, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Lossless);
    assert!(!receiver.lossless_allowed());
    for _ in 0..5 {
        stream.send().unwrap();
    }
    assert_eq!(drain(&mut receiver), (vec![3, 4, 5], Take::Empty));
}

#[test]
fn neither_the_latest_frame_nor_a_held_one_is_overwritten() {
    let mut stream = Stream::started(2, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Latest);
    stream.send().unwrap();
    let held = frame(receiver.take(0));
    stream.send().unwrap();
    assert_eq!(stream.send(), Err(NoSlot::Held));
    stream.sender.count_drop();
    receiver.release(&held);
    assert_eq!(stream.send(), Ok(3));
    assert_eq!((stream.sender.sent(), stream.sender.dropped()), (3, 1));
}

#[test]
fn a_sender_asleep_watches_somebody_in_the_way_of_each_slot() {
    let mut stream = Stream::started(3, Lossless::Refused);
    let mut receivers = [0; 4].map(|_| stream.joined(Mode::Latest));
    stream.send().unwrap();
    let on_first = [frame(receivers[0].take(0)), frame(receivers[1].take(0))];
    stream.send().unwrap();
    let on_second = frame(receivers[2].take(0));
    stream.send().unwrap();
    assert_eq!(stream.send(), Err(NoSlot::Held));
    assert_eq!(stream.sender.wait_for_slot(None), Parked::TimedOut);
    assert_eq!(stream.ledger.sleep_words(), 3, "the events and one receiver for each slot");
    assert!(stream.ledger.slept_on(stream.receiver_word(0, RELEASED)));
    assert!(stream.ledger.slept_on(stream.receiver_word(2, RELEASED)));
    receivers[0].release(&on_first[0]);
    assert_eq!(stream.sender.wait_for_slot(None), Parked::TimedOut);
    assert!(stream.ledger.slept_on(stream.receiver_word(1, RELEASED)));
    receivers[2].release(&on_second);
    assert_eq!(stream.sender.wait_for_slot(None), Parked::Woken);
    assert_eq!(stream.sender.acquire().unwrap().index(), 1);
}

#[test]
fn a_dead_receiver_holds_nothing_and_is_dropped() {
    let mut stream = Stream::started(2, Lossless::Allowed);
    let mut receiver = stream.joined(Mode::Lossless);
    stream.send().unwrap();
    let _held = frame(receiver.take(0));
    stream.send().unwrap();
    assert_eq!(stream.send(), Err(NoSlot::Lossless));
    let seen = stream.sender.events();
    stream.gone(0);
    assert_eq!(stream.sender.wait_for_events(seen, None), Parked::Woken);
    assert_eq!(stream.sender.wait_for_slot(None), Parked::Woken, "a slot is free");
    assert_eq!(stream.sender.receivers().count(), 0);
    assert_eq!(stream.sender.reap(), 1);
    assert_eq!(stream.send(), Ok(3));
}

#[test]
fn a_sleep_for_a_slot_ends_with_an_event_that_was_not_seen() {
    let mut stream = Stream::started(2, Lossless::Allowed);
    let _receiver = stream.joined(Mode::Lossless);
    stream.send().unwrap();
    stream.send().unwrap();
    let seen = stream.sender.events();
    assert_eq!(stream.sender.wait_for_slot_or_event(seen, None), Parked::TimedOut);
    page::bump_events(&stream.page, &stream.ledger);
    assert_eq!(stream.sender.wait_for_slot_or_event(seen, None), Parked::Woken);
    assert_eq!(stream.sender.wait_for_slot(None), Parked::TimedOut);
}

#[test]
fn wakes_are_for_those_who_sleep() {
    let mut stream = Stream::started(3, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Latest);
    assert_eq!(receiver.wait(None), Parked::Woken, "nothing was looked at yet");
    assert_eq!(receiver.take(0), Take::Empty);
    assert_eq!(receiver.wait(Some(1)), Parked::TimedOut);
    assert!(stream.ledger.slept_on(&stream.page[TURN]));
    stream.send().unwrap();
    assert_eq!(stream.ledger.wakes(), 0, "nobody sleeps any more");
    assert_eq!(receiver.wait(None), Parked::Woken, "the turn has changed since");
    let held = frame(receiver.take(0));
    stream.page[SENDER_WAITING].store(1, Ordering::Relaxed);
    receiver.release(&held);
    assert_eq!(stream.ledger.wakes(), 1);
    let turn = stream.page[TURN].load(Ordering::Relaxed);
    stream.receiver_word(0, RECEIVER_WAITING).store(turn + 1, Ordering::Relaxed);
    stream.send().unwrap();
    assert_eq!(stream.ledger.wakes(), 2);
    stream.send().unwrap();
    assert_eq!(stream.ledger.wakes(), 2, "it was woken, and has not come to run");
}

/// Sleeps never, and notes what a page says meanwhile.
struct Watching {
    page: Words,
    waiting: Cell<u32>,
}

impl Park for &Watching {
    fn wait(&self, _: &[Watched<'_>], _: Option<u64>) -> Parked {
        self.waiting.set(self.page[RECEIVER_WAITING].load(Ordering::Relaxed));
        Parked::TimedOut
    }

    fn wake_all(&self, _: Word<'_>) {}
}

#[test]
fn a_receiver_sleeps_for_the_turn_after_the_one_that_it_saw() {
    let mut stream = Stream::started(3, Lossless::Refused);
    let page = new_page(PageKind::StreamReceiver);
    let watching = Watching { page: page.clone(), waiting: Cell::new(0) };
    let mut receiver = ReceiveEnd::new(stream.page.clone(), page, &watching, Mode::Latest).unwrap();
    receiver.enter_generation(stream.tables[0].clone(), 1).unwrap();
    stream.send().unwrap();
    frame(receiver.take(0));
    assert_eq!(receiver.take(0), Take::Empty);
    let turn = stream.page[TURN].load(Ordering::Relaxed);
    receiver.wait(None);
    assert_eq!(watching.waiting.get(), turn + 1);
    assert_eq!(watching.page[RECEIVER_WAITING].load(Ordering::Relaxed), 0, "it is awake");
}

#[test]
fn a_late_page_whose_owner_sleeps_is_woken() {
    let mut stream = Stream::started(3, Lossless::Refused);
    let page = new_page(PageKind::StreamReceiver);
    page[RECEIVER_WAITING].store(1, Ordering::Relaxed);
    stream.sender.add_receiver(page).unwrap();
    assert_eq!(stream.ledger.wakes(), 1);
}

#[test]
fn an_abandoned_slot_is_empty_and_comes_first() {
    let mut stream = Stream::started(3, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Latest);
    for _ in 0..3 {
        stream.send().unwrap();
    }
    let slot = stream.sender.acquire().unwrap();
    let index = slot.index();
    stream.sender.abandon(slot);
    let again = stream.sender.acquire().unwrap();
    assert_eq!(again.index(), index);
    let other = stream.sender.acquire().unwrap();
    assert_ne!(other.index(), index);
    assert_eq!(stream.sender.acquire(), Err(NoSlot::Held), "only the latest is left");
    assert_eq!(drain(&mut receiver), (vec![3], Take::Empty));
}

#[test]
fn taking_again_lets_the_frame_go() {
    let mut stream = Stream::started(2, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Latest);
    stream.send().unwrap();
    let held = frame(receiver.take(0));
    assert_eq!(receiver.take(0), Take::Empty);
    assert_eq!(stream.receiver_word(0, CLAIM).load(Ordering::Relaxed), 0);
    let released = stream.receiver_word(0, RELEASED).load(Ordering::Relaxed);
    receiver.release(&held);
    assert_eq!(stream.receiver_word(0, RELEASED).load(Ordering::Relaxed), released);
}

#[test]
fn before_the_first_generation_there_is_none() {
    let mut stream = Stream::new(Lossless::Refused);
    let mut receiver = stream.receiver(Mode::Latest);
    assert_eq!(receiver.take(0), Take::NoGeneration);
    assert_eq!(receiver.wait(None), Parked::TimedOut);
    assert_eq!(stream.send(), Err(NoSlot::Held));
    assert_eq!(stream.sender.wait_for_slot(None), Parked::TimedOut);
    stream.generation(2);
    assert_eq!(receiver.wait(None), Parked::Woken);
    assert_eq!(receiver.take(0), Take::NewGeneration(1));
    receiver.leave();
    stream.sender.end();
    assert_eq!(stream.receiver(Mode::Latest).take(0), Take::NewGeneration(1));
}

#[test]
fn a_stream_that_ends_before_it_begins_has_ended() {
    let mut stream = Stream::new(Lossless::Refused);
    let mut receiver = stream.receiver(Mode::Latest);
    stream.sender.end();
    assert_eq!(receiver.take(0), Take::Ended);
    assert_eq!(receiver.wait(None), Parked::Woken);
}

#[test]
fn latest_leaves_a_generation_at_once_others_drain_it() {
    let expected =
        [(Mode::Latest, vec![]), (Mode::Queue(9), vec![1, 2]), (Mode::Lossless, vec![1, 2])];
    for (mode, left) in expected {
        let mut stream = Stream::started(3, Lossless::Allowed);
        let mut receiver = stream.joined(mode);
        stream.send().unwrap();
        stream.send().unwrap();
        stream.generation(2);
        assert_eq!(stream.sender.generation_settled(), mode != Mode::Lossless);
        stream.send().unwrap();
        assert_eq!(drain(&mut receiver), (left, Take::NewGeneration(2)), "{mode:?}");
        stream.enter(&mut receiver, 2);
        assert!(stream.sender.generation_settled());
        assert_eq!(drain(&mut receiver), (vec![3], Take::Empty), "{mode:?}");
    }
}

#[test]
fn a_frame_of_a_former_generation_stays_held() {
    let mut stream = Stream::started(2, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Latest);
    stream.send().unwrap();
    let held = frame(receiver.take(0));
    stream.generation(2);
    stream.enter(&mut receiver, 2);
    assert_ne!(stream.receiver_word(0, CLAIM).load(Ordering::Relaxed), 0);
    for _ in 0..4 {
        stream.send().unwrap();
    }
    receiver.release(&held);
    assert_eq!(drain(&mut receiver), (vec![5], Take::Empty));
}

#[test]
fn a_slot_of_a_former_generation_cannot_be_published() {
    let mut stream = Stream::started(2, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Queue(9));
    let slot = stream.sender.acquire().unwrap();
    stream.generation(2);
    assert_eq!(stream.sender.publish(slot, &record(1), 0), 0);
    assert_eq!((stream.sender.sent(), stream.sender.dropped()), (0, 1));
    assert_eq!(drain(&mut receiver), (vec![], Take::NewGeneration(2)));
}

#[test]
fn the_end_comes_after_the_frames() {
    for mode in [Mode::Latest, Mode::Queue(9), Mode::Lossless] {
        let mut ended = Stream::started(3, Lossless::Allowed);
        let mut receiver = ended.joined(mode);
        ended.send().unwrap();
        ended.sender.end();
        assert_eq!(drain(&mut receiver), (vec![1], Take::Ended), "{mode:?}");
        page::end_sender(&ended.page, State::Lost, &ended.ledger);
        assert_eq!(receiver.take(0), Take::Ended, "the sender said so before it died");

        for (state, end) in [(State::Lost, Take::Lost), (State::Ended, Take::Ended)] {
            let mut stream = Stream::started(3, Lossless::Allowed);
            let mut receiver = stream.joined(mode);
            assert_eq!(receiver.take(0), Take::Empty);
            stream.send().unwrap();
            page::end_sender(&stream.page, state, &stream.ledger);
            assert_eq!(receiver.wait(None), Parked::Woken);
            assert_eq!(receiver.state(), state);
            assert_eq!(stream.sender.state(), state);
            assert_eq!(drain(&mut receiver), (vec![1], end), "{mode:?}");
        }
    }
}

#[test]
fn leaving_keeps_nobody_waiting() {
    let mut stream = Stream::started(2, Lossless::Allowed);
    let mut receiver = stream.joined(Mode::Lossless);
    stream.send().unwrap();
    let held = frame(receiver.take(0));
    stream.send().unwrap();
    assert_eq!(stream.send(), Err(NoSlot::Lossless));
    stream.page[SENDER_WAITING].store(1, Ordering::Relaxed);
    receiver.leave();
    assert_eq!(stream.ledger.wakes(), 1);
    receiver.release(&held);
    assert_eq!(stream.send(), Ok(3));
    assert_eq!(stream.sender.receivers().count(), 0);
    assert_eq!(receiver.take(0), Take::NewGeneration(1));
    stream.enter(&mut receiver, 1);
    assert_eq!(drain(&mut receiver), (vec![3], Take::Empty));
}

#[test]
fn the_receiver_tells_what_it_has_passed() {
    let mut stream = Stream::started(3, Lossless::Allowed);
    stream.send().unwrap();
    let mut receiver = stream.joined(Mode::Queue(3));
    assert_eq!(stream.receiver_word(0, PASSED).load(Ordering::Relaxed), 1);
    let held = frame(receiver.take(0));
    assert_eq!(stream.receiver_word(0, CLAIM).load(Ordering::Relaxed), held.stamp());
    receiver.release(&held);
    assert_eq!(stream.receiver_word(0, PASSED).load(Ordering::Relaxed), 3);
}
