//! The sender's book of its slots, and the search for one that nobody holds.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Lossless;
use super::layout::{self, Table, receiver_page};
use crate::atomic::{Ordering, fence};
use crate::page::{LayoutError, Memory, Page, State};
use crate::park::Watched;

/// A slot that the sender may write: nobody reads it, nobody can take it.
///
/// It goes back through [`SendEnd::publish`](super::SendEnd::publish) or
/// [`SendEnd::abandon`](super::SendEnd::abandon); one that is dropped stays unused until the next
/// generation.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a slot that is neither published nor abandoned is unused until the next generation"]
pub struct SlotIndex {
    slot: u32,
    generation: u32,
}

impl SlotIndex {
    /// The slot's place in its generation, from 0.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.slot
    }
}

/// Why there is no slot to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSlot {
    /// Receivers hold them all (or the sender itself does, or there is no generation yet).
    Held,
    /// A lossless receiver has not taken what is in them.
    Lossless,
}

/// A generation as its sender knows it. Nothing of this is read back from the table.
#[derive(Debug)]
pub(super) struct Generation<M> {
    table: Table<M>,
    slots: Vec<Slot>,
    /// The slots that are not being written: the empty ones, then by the age of their frames.
    order: VecDeque<u32>,
}

/// What the sender itself knows of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Nothing in it.
    Empty,
    /// The frame of this sequence is in it.
    Frame(u64),
    /// The sender is writing it.
    Acquired,
}

/// The receivers as one search looks at them.
#[derive(Debug)]
pub(super) struct Others<'a, R> {
    pub(super) pages: &'a [Page<R>],
    pub(super) lossless: Lossless,
}

/// A receiver that keeps the sender from a slot, and the word to sleep on until it lets go.
struct Blocker<'a> {
    released: Watched<'a>,
    why: NoSlot,
}

/// Why a search found nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub(super) why: NoSlot,
    /// A receiver claimed a slot between the two looks: perhaps only in passing.
    pub(super) raced: bool,
}

impl<M: Memory> Generation<M> {
    pub(super) fn new(memory: M, number: u32, slots: u32, floor: u32) -> Result<Self, LayoutError> {
        let table = Table::format(memory, number, slots, floor)?;
        let order = (0..slots).collect();
        let slots = (0..slots).map(|_| Slot::Empty).collect();
        Ok(Self { table, slots, order })
    }

    pub(super) fn table(&self) -> &Table<M> {
        &self.table
    }

    /// One search through the slots, oldest frame first.
    pub(super) fn acquire<R: Memory>(
        &mut self,
        others: &Others<'_, R>,
    ) -> Result<SlotIndex, Refusal> {
        let slot = self.search(others)?;
        if let Some(mine) = self.slots.get_mut(slot as usize) {
            *mine = Slot::Acquired;
        }
        // It is one of the first.
        if let Some(place) = self.order.iter().position(|other| *other == slot) {
            self.order.remove(place);
        }
        Ok(SlotIndex { slot, generation: self.table.number() })
    }

    /// Takes a slot back without a frame.
    pub(super) fn abandon(&mut self, slot: &SlotIndex) {
        if self.settle(slot, Slot::Empty) {
            self.order.push_front(slot.slot);
        }
    }

    /// Takes a slot back with this frame in it. False if it is not a slot that was acquired here.
    pub(super) fn filled(&mut self, slot: &SlotIndex, sequence: u64) -> bool {
        let mine = self.settle(slot, Slot::Frame(sequence));
        if mine {
            self.order.push_back(slot.slot);
        }
        mine
    }

    /// Adds the words to sleep on until a slot may be free; false if one is.
    ///
    /// One receiver in the way of each slot is enough, since a slot is free only after all of them
    /// have let go. So there are fewer words than slots.
    pub(super) fn sleep_on<'a, R: Memory>(
        &self,
        others: &Others<'a, R>,
        words: &mut Vec<Watched<'a>>,
    ) -> bool {
        for (_, sequence) in self.candidates() {
            let blocker = sequence.and_then(|sequence| others.blocker(layout::stamp_of(sequence)));
            let Some(Blocker { released, .. }) = blocker else { return false };
            if !words.iter().any(|known| known.word.is(released.word)) {
                words.push(released);
            }
        }
        true
    }

    fn search<R: Memory>(&self, others: &Others<'_, R>) -> Result<u32, Refusal> {
        let mut refusal = Refusal { why: NoSlot::Held, raced: false };
        for (slot, sequence) in self.candidates() {
            let Some(sequence) = sequence else { return Ok(slot) };
            let stamp = layout::stamp_of(sequence);
            if let Some(blocker) = others.blocker(stamp) {
                refusal.note(blocker.why);
                continue;
            }
            self.table.stamp(slot).store(0, Ordering::Relaxed);
            // Pairs with the fence in the receiver's claim: it sees the 0, or we see the claim.
            layout::full_fence();
            let Some(blocker) = others.blocker(stamp) else {
                // What a receiver read before it let go happens before what we write next.
                fence(Ordering::Acquire);
                return Ok(slot);
            };
            self.table.stamp(slot).store(stamp, Ordering::Release);
            refusal.note(blocker.why);
            refusal.raced = true;
        }
        Err(refusal)
    }

    /// The slots that could be written, with the sequence of what is in them; not the latest.
    fn candidates(&self) -> impl Iterator<Item = (u32, Option<u64>)> {
        let contents = self.order.iter().filter_map(|slot| {
            Some(match self.slots.get(*slot as usize)? {
                Slot::Empty => (*slot, None),
                Slot::Frame(sequence) => (*slot, Some(*sequence)),
                Slot::Acquired => return None,
            })
        });
        let latest = self.order.len().saturating_sub(1);
        contents
            .enumerate()
            .filter(move |(at, slot)| *at < latest || slot.1.is_none())
            .map(|(_, it)| it)
    }

    fn settle(&mut self, slot: &SlotIndex, now: Slot) -> bool {
        let number = self.table.number();
        match self.slots.get_mut(slot.slot as usize) {
            Some(mine) if *mine == Slot::Acquired && slot.generation == number => {
                *mine = now;
                true
            }
            _ => false,
        }
    }
}

impl<'a, R: Memory> Others<'a, R> {
    /// A living receiver that holds the frame, or a lossless one that still wants it.
    fn blocker(&self, stamp: u32) -> Option<Blocker<'a>> {
        self.pages.iter().find_map(|page| {
            if page.state() == State::Gone {
                return None;
            }
            let words = page.words();
            // Read first: a release after this changes it, one before it is seen below.
            let word = &words[receiver_page::RELEASED];
            let expected = word.load(Ordering::Acquire);
            let wants = || {
                words[receiver_page::MODE].load(Ordering::Relaxed) == receiver_page::MODE_LOSSLESS
                    && layout::newer(stamp, words[receiver_page::PASSED].load(Ordering::Relaxed))
            };
            let why = if self.lossless == Lossless::Allowed && wants() {
                NoSlot::Lossless
            } else if words[receiver_page::CLAIM].load(Ordering::Relaxed) == stamp {
                NoSlot::Held
            } else {
                return None;
            };
            Some(Blocker { released: Watched { word: word.into(), expected }, why })
        })
    }
}

impl Refusal {
    fn note(&mut self, why: NoSlot) {
        if why == NoSlot::Lossless {
            self.why = why;
        }
    }
}
