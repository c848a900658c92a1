//! The protocol of a stream step by step, in one thread.

use std::sync::atomic::Ordering;

use handfast_sync::page;
use handfast_sync::stream::{
    Lossless, Mode, NoSlot, ReceiverStatus, SenderStatistics, Take, receiver_status,
    sender_statistics,
};
use handfast_sync::{LayoutError, PageKind, Parked, State};

use crate::kit::{Receiver, Sender, Stream, drain, frame, new_page, record, zeros};

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
    stream.receiver_word(0, RECEIVER_WAITING).store(1, Ordering::Relaxed);
    stream.send().unwrap();
    assert_eq!(stream.ledger.wakes(), 2);
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
fn a_frame_whose_record_has_another_sequence_is_not_there() {
    for mode in [Mode::Latest, Mode::Queue(9), Mode::Lossless] {
        let mut stream = Stream::started(3, Lossless::Allowed);
        let mut receiver = stream.joined(mode);
        stream.send().unwrap();
        stream.tables[0][16 + 16 + 2].store(77, Ordering::Relaxed);
        assert_eq!(receiver.take(0), Take::Empty, "{mode:?}");
        assert_eq!(stream.receiver_word(0, CLAIM).load(Ordering::Relaxed), 0);
        stream.send().unwrap();
        assert_eq!(drain(&mut receiver), (vec![2], Take::Empty), "{mode:?}");
    }
}

#[test]
fn a_sender_that_lies_to_its_end_has_an_end() {
    for mode in [Mode::Latest, Mode::Queue(9), Mode::Lossless] {
        let mut stream = Stream::started(3, Lossless::Allowed);
        let mut receiver = stream.joined(mode);
        stream.send().unwrap();
        for slot in 0..3 {
            stream.tables[0][16 + 80 * slot].store(0, Ordering::Relaxed);
        }
        assert_eq!(receiver.take(0), Take::Empty, "{mode:?}");
        page::end_sender(&stream.page, State::Lost, &stream.ledger);
        assert_eq!(receiver.take(0), Take::Lost, "{mode:?}");
    }
}

/// Puts a frame of this sequence into a slot as a sender would that has sent so many.
fn forge(stream: &Stream, slot: usize, sequence: u64) {
    let half = |shift: u32| u32::try_from((sequence >> shift) & 0xffff_ffff).unwrap();
    let table = &stream.tables[0];
    let first = 16 + 80 * slot;
    for (place, value) in record(sequence).into_iter().enumerate() {
        table[first + 16 + place].store(value, Ordering::Relaxed);
    }
    table[first + 18].store(half(0), Ordering::Relaxed);
    table[first + 19].store(half(32), Ordering::Relaxed);
    table[first].store((half(0) << 1) | 1, Ordering::Relaxed);
    table[4].store(u32::try_from(slot).unwrap() + 1, Ordering::Relaxed);
    stream.page[24].store(half(0), Ordering::Relaxed);
    stream.page[25].store(half(32), Ordering::Relaxed);
}

#[test]
fn stamps_go_round() {
    for mode in [Mode::Latest, Mode::Queue(9), Mode::Lossless] {
        for turn in [1 << 31, 1 << 32, 5 << 31] {
            let mut stream = Stream::started(4, Lossless::Allowed);
            forge(&stream, 0, turn - 1);
            let mut receiver = stream.joined(mode);
            let mut all = drain(&mut receiver).0;
            for (slot, sequence) in [(1, turn), (2, turn + 1)] {
                forge(&stream, slot, sequence);
                all.extend(drain(&mut receiver).0);
            }
            assert_eq!(all, [turn - 1, turn, turn + 1], "{mode:?}");
            assert_eq!(receiver.take(0), Take::Empty);
        }
    }
}

#[test]
fn who_slept_through_half_of_all_stamps_goes_on() {
    for mode in [Mode::Latest, Mode::Queue(9), Mode::Lossless] {
        for far in [1 << 29, (1 << 30) + 5, (1 << 31) - 2, (1 << 31) + 1, 1 << 33] {
            let mut stream = Stream::started(4, Lossless::Refused);
            forge(&stream, 0, 3);
            let mut receiver = stream.joined(mode);
            assert_eq!(drain(&mut receiver).0, [3]);
            forge(&stream, 1, 3 + far);
            assert_eq!(drain(&mut receiver).0.last(), Some(&(3 + far)), "{mode:?} {far}");
        }
    }
}

#[test]
fn observers_read_the_pages() {
    let mut stream = Stream::new(Lossless::Refused);
    stream.sender.set_text("Größe".as_bytes());
    stream.generation(2);
    stream.send().unwrap();
    stream.sender.count_drop();
    stream.sender.end();
    let expected = SenderStatistics {
        generation: 1,
        sent: 1,
        dropped: 1,
        latest_sequence: 1,
        last_sent_ns: 7,
        ended: true,
        text: "Größe".into(),
    };
    assert_eq!(sender_statistics(&stream.page), expected);
    stream.sender.set_text(&[b'x'; 300]);
    assert_eq!(sender_statistics(&stream.page).text.len(), 256);
    assert_eq!(sender_statistics(&zeros(9)), SenderStatistics::default());
    assert_eq!(receiver_status(&stream.page), None);
}

#[test]
fn memory_of_another_kind_is_refused() {
    let mut stream = Stream::started(2, Lossless::Refused);
    let sender_page = stream.page.clone();
    let kind = LayoutError::Kind { found: 1, wanted: PageKind::StreamReceiver };
    assert_eq!(stream.sender.add_receiver(sender_page.clone()), Err(kind));
    let ledger = stream.ledger.clone();
    let own = Receiver::new(sender_page.clone(), sender_page, ledger.clone(), Mode::Latest);
    assert_eq!(own.unwrap_err(), kind);
    let other = Sender::new(new_page(PageKind::StreamReceiver), ledger);
    let kind = LayoutError::Kind { found: 2, wanted: PageKind::StreamSender };
    assert_eq!(other.unwrap_err(), kind);
}

#[test]
fn a_table_is_checked_before_it_is_used() {
    let mut stream = Stream::started(2, Lossless::Refused);
    let slots = |found| LayoutError::Slots { found, min: 2, max: 64 };
    let size = |words, needed| LayoutError::Size { words, needed };
    let number = |found, wanted| LayoutError::Generation { found, wanted };
    for (words, generation, count, error) in [
        (9999, 2, 1, slots(1)),
        (9999, 2, 65, slots(65)),
        (175, 2, 2, size(175, 176)),
        (176, 1, 2, number(1, 2)),
        (176, 0, 2, number(0, 2)),
    ] {
        assert_eq!(stream.sender.start_generation(zeros(words), generation, count), Err(error));
    }
    let mut receiver = stream.receiver(Mode::Latest);
    let table = stream.tables[0].clone();
    assert_eq!(receiver.enter_generation(table.clone(), 2), Err(number(1, 2)));
    for (place, value) in [(0, 5), (1, 2), (2, 0), (3, 3), (3, 1 << 31)] {
        let before = table[place].swap(value, Ordering::Relaxed);
        assert!(receiver.enter_generation(table.clone(), 1).is_err());
        table[place].store(before, Ordering::Relaxed);
    }
    assert_eq!(receiver.enter_generation(zeros(3), 1), Err(size(3, 176)));
    assert_eq!(receiver.enter_generation(table, 1), Ok(()));
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
