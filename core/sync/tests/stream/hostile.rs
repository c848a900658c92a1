//! The other side writes anything, anywhere, also between two looks of one call: no panic, no
//! endless loop, no index out of range.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use handfast_sync::page::PAGE_WORDS;
use handfast_sync::stream::{
    Held, Lossless, Mode, ReceiveEnd, SendEnd, Take, receiver_status, sender_statistics,
    table_words,
};
use handfast_sync::{AtomicU32, Memory, PageKind};
use proptest::prelude::*;

use crate::kit::{Ledger, Stream, Words, frame, new_page, record, zeros};

const SLOTS: u32 = 3;

/// Words that somebody else writes all the time: one write at each look.
struct Hostile<'a> {
    words: Words,
    writes: &'a [(usize, u32)],
    next: &'a Cell<usize>,
}

impl Memory for Hostile<'_> {
    fn words(&self) -> &[AtomicU32] {
        let next = self.next.get();
        self.next.set(next + 1);
        if let Some((place, value)) = self.writes.get(next % (self.writes.len() + 1)) {
            self.words[place % self.words.len()].store(*value, Ordering::Relaxed);
        }
        &self.words
    }
}

/// Values that mean something here and there, and any others.
fn value() -> impl Strategy<Value = u32> {
    prop_oneof![0..8_u32, (0..40_u32).prop_map(|it| it * 2 + 1), any::<u32>(), Just(u32::MAX)]
}

/// Places that mean something (line 1, stamps, the sequences in records), and any others.
fn place() -> impl Strategy<Value = usize> {
    let slot = (0..SLOTS as usize).prop_map(|slot| 16 + 80 * slot);
    let record = (0..SLOTS as usize, 2..4_usize).prop_map(|(slot, word)| 32 + 80 * slot + word);
    prop_oneof![3..6_usize, 16..40_usize, slot, record, 0..PAGE_WORDS]
}

fn writes() -> impl Strategy<Value = Vec<(usize, u32)>> {
    prop::collection::vec((place(), value()), 0..200)
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Latest), any::<u32>().prop_map(Mode::Queue), Just(Mode::Lossless)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_receiver_survives_any_sender(
        mode in mode(),
        writes in writes(),
        steps in prop::collection::vec(0..8_u32, 1..60),
    ) {
        let ledger = Ledger::default();
        let page = new_page(PageKind::StreamSender);
        let table = zeros(table_words(SLOTS));
        let mut honest = SendEnd::<_, Words, _>::new(page.clone(), ledger.clone()).unwrap();
        honest.start_generation(table.clone(), 1, SLOTS).unwrap();
        let next = Cell::new(0);
        let hostile = |words: &Words, writes| Hostile { words: words.clone(), writes, next: &next };
        let own = new_page(PageKind::StreamReceiver);
        let sender_page = hostile(&page, &[]);
        let mut receiver = ReceiveEnd::new(sender_page, own, ledger, mode).unwrap();
        receiver.enter_generation(hostile(&table, &writes), 1).ok();
        let mut last: Option<Held> = None;
        for step in steps {
            match step {
                0 => receiver.release(last.as_ref().unwrap_or(&frame_of_nobody())),
                1 => receiver.join(),
                2 => {
                    receiver.wait(None);
                }
                3 => {
                    receiver.enter_generation(hostile(&table, &writes), 1).ok();
                }
                4 => {
                    if let Ok(slot) = honest.acquire() {
                        honest.publish(slot, &record(0), 0);
                    }
                }
                5 => for (place, value) in writes.iter().filter(|(place, _)| *place < 40) {
                    if *place > 2 {
                        page[*place].store(*value, Ordering::Relaxed);
                    }
                },
                _ => if let Take::Frame(held) = receiver.take(0) {
                    prop_assert!(held.slot() < SLOTS);
                    last = Some(held);
                },
            }
            prop_assert!(sender_statistics(&page).text.len() <= 3 * 256);
        }
        receiver.leave();
    }

    #[test]
    fn a_sender_survives_any_receiver(
        lossless in prop_oneof![Just(Lossless::Allowed), Just(Lossless::Refused)],
        writes in prop::collection::vec(writes(), 1..4),
        steps in prop::collection::vec(0..8_u32, 1..60),
    ) {
        let ledger = Ledger::default();
        let page = new_page(PageKind::StreamSender);
        let pages: Vec<_> = writes.iter().map(|_| new_page(PageKind::StreamReceiver)).collect();
        let next = Cell::new(0);
        let mut sender = SendEnd::<Words, _, _>::new(page, ledger).unwrap();
        sender.allow_lossless(lossless);
        for (page, writes) in pages.iter().zip(&writes) {
            let page = Hostile { words: page.clone(), writes, next: &next };
            sender.add_receiver(page).ok();
        }
        sender.start_generation(zeros(table_words(SLOTS)), 1, SLOTS).unwrap();
        let mut number = 1;
        let (mut latest, mut sent) = (None, 0);
        for step in steps {
            match step {
                0 => {
                    sender.wait_for_slot(None);
                }
                1 => {
                    number += 1;
                    latest = None;
                    sender.start_generation(zeros(table_words(SLOTS)), number, SLOTS).unwrap();
                }
                2 => {
                    sender.generation_settled();
                    sender.receivers().for_each(drop);
                }
                3 => if let Ok(slot) = sender.acquire() {
                    sender.abandon(slot);
                },
                4 => {
                    sender.reap();
                }
                _ => if let Ok(slot) = sender.acquire() {
                    prop_assert!(slot.index() < SLOTS);
                    prop_assert_ne!(Some(slot.index()), latest, "the latest is not overwritten");
                    latest = Some(slot.index());
                    sent += 1;
                    prop_assert_eq!(sender.publish(slot, &record(0), 0), sent);
                },
            }
            for page in &pages {
                receiver_status(page).map(drop).unwrap_or_default();
            }
        }
        sender.end();
    }
}

/// A frame that some other receiver took.
fn frame_of_nobody() -> Held {
    let mut stream = Stream::started(2, Lossless::Refused);
    let mut receiver = stream.joined(Mode::Latest);
    stream.send().unwrap();
    frame(receiver.take(0))
}
