//! The sender's end: finds a slot that nobody holds, publishes frames, sleeps for a slot.

use alloc::vec::Vec;

use super::layout::{self, RECORD_WORDS, receiver_page, sender_page};
use super::slots::{Generation, NoSlot, Others, SlotIndex};
use super::{Lossless, ReceiverStatus, pair, receiver_status, text_words};
use crate::atomic::Ordering;
use crate::page::{LayoutError, Memory, Page, PageKind, State, WORD_EVENTS};
use crate::park::{Park, Parked, Watched};

/// How often a search for a slot starts again after receivers got in its way in passing.
const ACQUIRE_PASSES: u32 = 2;

/// The end of a stream that writes.
///
/// `M` is the memory of the sender's page and of its tables, `R` that of receivers' pages. What a
/// receiver writes can do no more than pin the one slot that it claims and, if the sender allowed
/// lossless receivers, make it wait.
#[derive(Debug)]
pub struct SendEnd<M, R, P> {
    page: Page<M>,
    park: P,
    current: Option<Generation<M>>,
    receivers: Vec<Page<R>>,
    lossless: Lossless,
    flags: u32,
    turn: u32,
    /// Sequence of the latest frame, 0 before the first.
    sequence: u64,
    sent: u64,
    dropped: u64,
}

impl<M: Memory, R: Memory, P: Park> SendEnd<M, R, P> {
    /// Takes over a sender's page that nobody else writes.
    ///
    /// # Errors
    /// [`LayoutError`] if the memory is no page of a sender.
    pub fn new(page: M, park: P) -> Result<Self, LayoutError> {
        let page = Page::new(page, PageKind::StreamSender)?;
        let turn = page.words()[sender_page::TURN].load(Ordering::Relaxed);
        Ok(Self {
            page,
            park,
            current: None,
            receivers: Vec::new(),
            lossless: Lossless::Refused,
            flags: 0,
            turn,
            sequence: 0,
            sent: 0,
            dropped: 0,
        })
    }

    /// Writes the text about the stream: the first 256 bytes of it. Call it before the first
    /// generation; observers may see a later text half written.
    pub fn set_text(&mut self, text: &[u8]) {
        let mut chunks = text.chunks(4);
        for word in text_words(self.page.words()) {
            let mut bytes = [0; 4];
            for (byte, from) in bytes.iter_mut().zip(chunks.next().unwrap_or_default()) {
                *byte = *from;
            }
            word.store(u32::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    /// Says whether lossless receivers make this sender wait. At first they do not.
    pub fn allow_lossless(&mut self, lossless: Lossless) {
        self.lossless = lossless;
        match lossless {
            Lossless::Allowed => self.flags |= sender_page::LOSSLESS_ALLOWED,
            Lossless::Refused => self.flags &= !sender_page::LOSSLESS_ALLOWED,
        }
        self.page.words()[sender_page::FLAGS].store(self.flags, Ordering::Release);
    }

    /// Takes in the page of a receiver, present or future. The page must be here before the
    /// receiver gets it: claims in a page that the sender does not read protect nothing.
    ///
    /// # Errors
    /// [`LayoutError`] if the memory is no page of a receiver.
    pub fn add_receiver(&mut self, page: R) -> Result<(), LayoutError> {
        self.reap();
        self.receivers.push(Page::new(page, PageKind::StreamReceiver)?);
        // Turns that it had not been told of may have passed while it slept.
        self.wake_receivers(|waiting| waiting != 0);
        Ok(())
    }

    /// Writes the table of a generation that is about to [start](Self::start_generation), so that
    /// whoever gets its memory before that finds a table, without frames.
    ///
    /// # Errors
    /// As there, but for the number.
    pub fn format_table(&self, table: M, number: u32, slots: u32) -> Result<(), LayoutError> {
        Generation::new(table, number, slots, layout::stamp_of(self.sequence)).map(drop)
    }

    /// Begins a generation: writes its table, closes the former one and tells the receivers.
    ///
    /// Slots that were acquired in the former generation are lost, and with them the frames that
    /// were in them. The former table and its pixels are written no more. Numbers are never used
    /// twice. A receiver knows only the current generation and the one that it has mapped, so a
    /// sender with lossless receivers starts no other before the current one is
    /// [settled](Self::generation_settled).
    ///
    /// # Errors
    /// [`LayoutError::Generation`] if the number is 0 or that of the generation before,
    /// [`LayoutError::Slots`] unless there are [`SLOTS_MIN`](super::SLOTS_MIN) to
    /// [`SLOTS_MAX`](super::SLOTS_MAX), [`LayoutError::Size`] if the memory is too short for them.
    pub fn start_generation(
        &mut self,
        table: M,
        number: u32,
        slots: u32,
    ) -> Result<(), LayoutError> {
        let former = self.number();
        if number == 0 || number == former {
            return Err(LayoutError::Generation { found: number, wanted: former.wrapping_add(1) });
        }
        let next = Generation::new(table, number, slots, layout::stamp_of(self.sequence))?;
        if let Some(former) = &self.current {
            former.table().closed().store(1, Ordering::Release);
        }
        self.current = Some(next);
        self.page.words()[sender_page::GENERATION].store(number, Ordering::Release);
        self.next_turn();
        Ok(())
    }

    /// Finds a slot to write the next frame into: an empty one, else the one with the oldest frame
    /// that no living receiver holds and no lossless one waits for. Never the latest frame's.
    ///
    /// With two slots more than receivers there is always one, whatever they hold, unless a
    /// lossless one is behind.
    ///
    /// # Errors
    /// [`NoSlot`] says who is in the way; [`wait_for_slot`](Self::wait_for_slot) sleeps until that
    /// may have changed, [`count_drop`](Self::count_drop) gives the frame up.
    pub fn acquire(&mut self) -> Result<SlotIndex, NoSlot> {
        self.reap();
        let mut why = NoSlot::Held;
        let Some(current) = &mut self.current else { return Err(why) };
        let others = Others { pages: &self.receivers, lossless: self.lossless };
        for _ in 0..ACQUIRE_PASSES {
            let refusal = match current.acquire(&others) {
                Ok(slot) => return Ok(slot),
                Err(refusal) => refusal,
            };
            why = refusal.why;
            if !refusal.raced {
                break;
            }
        }
        Err(why)
    }

    /// Gives a slot back without a frame.
    pub fn abandon(&mut self, slot: SlotIndex) {
        if let Some(current) = &mut self.current {
            current.abandon(&slot);
        }
    }

    /// Publishes the frame in a slot and wakes who sleeps for it. Returns its sequence.
    ///
    /// Words 2 and 3 of the record are overwritten with the sequence; the rest is passed on. The
    /// frame of a slot that belongs to a former generation cannot be published: it counts as
    /// dropped, and the answer is 0.
    pub fn publish(&mut self, slot: SlotIndex, record: &[u32; RECORD_WORDS], now_ns: u64) -> u64 {
        let sequence = self.next_sequence();
        let current = self.current.as_mut();
        let filled = current.and_then(|it| it.filled(&slot, sequence).then_some(it));
        let Some(current) = filled else {
            self.count_drop();
            return 0;
        };
        let (slot, table) = (slot.index(), current.table());
        table.store_record(slot, record, sequence);
        // The pixels and the record come before the stamp, the stamp before `latest`: who reads one
        // of them with acquire sees all that went before.
        table.stamp(slot).store(layout::stamp_of(sequence), Ordering::Release);
        table.latest().store(slot + 1, Ordering::Release);
        self.sequence = sequence;
        self.sent = self.sent.wrapping_add(1);
        self.store_pair(sender_page::SENT, self.sent);
        self.store_pair(sender_page::LATEST_SEQUENCE, sequence);
        self.store_pair(sender_page::LAST_SENT_NS, now_ns);
        self.next_turn();
        sequence
    }

    /// Counts a frame that was made and not published.
    pub fn count_drop(&mut self) {
        self.dropped = self.dropped.wrapping_add(1);
        self.store_pair(sender_page::DROPPED, self.dropped);
    }

    /// Sleeps until [`acquire`](Self::acquire) is worth another try.
    ///
    /// # Blocking
    /// Until a receiver in the way lets go, the broker tells of an event, or the timeout in
    /// nanoseconds passes. Returns at once if a slot is free. A sender that has acquired all slots
    /// itself, or has no generation, sleeps for events only.
    pub fn wait_for_slot(&mut self, timeout_ns: Option<u64>) -> Parked {
        self.wait_for_slot_or_event(self.events(), timeout_ns)
    }

    /// Sleeps like [`wait_for_slot`](Self::wait_for_slot), for events after the one that was seen.
    ///
    /// # Blocking
    /// As there; returns at once if [`events`](Self::events) differs from `seen`.
    pub fn wait_for_slot_or_event(&mut self, seen: u32, timeout_ns: Option<u64>) -> Parked {
        let waiting = &self.page.words()[sender_page::WAITING];
        waiting.store(1, Ordering::Relaxed);
        // Pairs with the fence in the receiver's release: it sees `waiting`, or we see what it let
        // go of.
        layout::full_fence();
        let parked = match self.sleep_list(seen) {
            Some(words) => self.park.wait(&words, timeout_ns),
            None => Parked::Woken,
        };
        waiting.store(0, Ordering::Relaxed);
        parked
    }

    /// Says that the stream is over and wakes everybody. Nothing may be published afterwards.
    pub fn end(&mut self) {
        self.flags |= sender_page::ENDED;
        self.page.words()[sender_page::FLAGS].store(self.flags, Ordering::Release);
        self.next_turn();
    }

    /// Drops the pages of receivers that have gone; how many.
    pub fn reap(&mut self) -> usize {
        let before = self.receivers.len();
        self.receivers.retain(|page| page.state() != State::Gone);
        before - self.receivers.len()
    }

    /// Sleeps until the broker tells of an event after the one that was seen.
    ///
    /// # Blocking
    /// Until [`events`](Self::events) differs from `seen` or the timeout in nanoseconds passes.
    pub fn wait_for_events(&self, seen: u32, timeout_ns: Option<u64>) -> Parked {
        let word = &self.page.words()[WORD_EVENTS];
        self.park.wait(&[Watched { word: word.into(), expected: seen }], timeout_ns)
    }

    /// How many events the broker has told of.
    pub fn events(&self) -> u32 {
        self.page.words()[WORD_EVENTS].load(Ordering::Acquire)
    }

    /// What the broker has stamped on this sender's own page.
    pub fn state(&self) -> State {
        self.page.state()
    }

    /// Whether every living lossless receiver has mapped the current generation.
    pub fn generation_settled(&self) -> bool {
        let number = self.number();
        self.receivers.iter().filter(|page| page.state() != State::Gone).all(|page| {
            page.words()[receiver_page::MODE].load(Ordering::Acquire)
                != receiver_page::MODE_LOSSLESS
                || page.words()[receiver_page::GENERATION].load(Ordering::Acquire) == number
        })
    }

    /// The sequence that the next frame will have.
    pub const fn next_sequence(&self) -> u64 {
        self.sequence.wrapping_add(1)
    }

    /// Frames published.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Frames counted as dropped.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What the receivers that have joined say about themselves.
    pub fn receivers(&self) -> impl Iterator<Item = ReceiverStatus> {
        self.receivers.iter().filter_map(|page| receiver_status(page.words()))
    }

    /// The words to sleep on until a slot may be free; `None` if one is.
    fn sleep_list(&self, seen: u32) -> Option<Vec<Watched<'_>>> {
        let word = &self.page.words()[WORD_EVENTS];
        let mut words = Vec::with_capacity(1 + layout::SLOTS_MAX as usize);
        words.push(Watched { word: word.into(), expected: seen });
        let others = Others { pages: &self.receivers, lossless: self.lossless };
        let full = self.current.as_ref().is_none_or(|it| it.sleep_on(&others, &mut words));
        full.then_some(words)
    }

    fn number(&self) -> u32 {
        self.current.as_ref().map_or(0, |current| current.table().number())
    }

    fn next_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        self.page.words()[sender_page::TURN].store(self.turn, Ordering::Release);
        // Who waits for a turn before this one was woken then, and has not come to run since.
        self.wake_receivers(|waiting| waiting == self.turn);
    }

    /// Wakes the receivers if one of them sleeps for such a turn.
    fn wake_receivers(&self, sleeps: impl Fn(u32) -> bool) {
        // Pairs with the fence in the receiver's wait: we see `waiting`, or it sees the turn.
        layout::full_fence();
        let sleeper = self.receivers.iter().any(|page| {
            sleeps(page.words()[receiver_page::WAITING].load(Ordering::Relaxed))
                && page.state() != State::Gone
        });
        if sleeper {
            self.park.wake_all((&self.page.words()[sender_page::TURN]).into());
        }
    }

    fn store_pair(&self, places: [usize; 2], value: u64) {
        layout::store_pair(pair(self.page.words(), places), value);
    }
}
