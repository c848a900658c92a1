//! What is not as it should be: lies, foreign memory, stamps that have gone round.

use std::sync::atomic::Ordering;

use handfast_sync::page::{self, LAYOUT_VERSION};
use handfast_sync::stream::{
    Lossless, Mode, SenderStatistics, Take, receiver_status, sender_statistics,
};
use handfast_sync::{LayoutError, PageKind, State};

use crate::kit::{Receiver, Sender, Stream, drain, new_page, record, zeros};

const CLAIM: usize = 16;

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
        lossless: Lossless::Refused,
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
    for (place, value) in [(0, 5), (1, LAYOUT_VERSION + 1), (2, 0), (3, 3), (3, 1 << 31)] {
        let before = table[place].swap(value, Ordering::Relaxed);
        assert!(receiver.enter_generation(table.clone(), 1).is_err());
        table[place].store(before, Ordering::Relaxed);
    }
    assert_eq!(receiver.enter_generation(zeros(3), 1), Err(size(3, 176)));
    assert_eq!(receiver.enter_generation(table, 1), Ok(()));
}
