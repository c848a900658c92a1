//! The receiver's end: takes frames with a claim, lets them go, sleeps for the next.

use alloc::vec::Vec;

use super::choose::{self, Candidate, Position};
use super::frame::{Held, Take};
use super::layout::{self, RECORD_WORDS, Table, receiver_page, sender_page};
use super::{Mode, pair};
use crate::atomic::{Ordering, fence};
use crate::page::{LayoutError, Memory, Page, PageKind, State};
use crate::park::{Park, Parked, Watched};

/// How many races one call may lose before it gives up for the moment.
const TRIES: u32 = 64;

/// The end of a stream that reads.
///
/// `M` is the memory of the sender's page and tables, which is only read; `W` that of the
/// receiver's own page. It holds at most one frame at a time. A sender that writes nonsense gives
/// nonsense frames or none, nothing worse.
#[derive(Debug)]
pub struct ReceiveEnd<M, W, P> {
    sender: Page<M>,
    own: Page<W>,
    park: P,
    mode: Mode,
    table: Option<Table<M>>,
    joined: bool,
    position: Position,
    /// Stamp of the frame held, or 0.
    claim: u32,
    released: u32,
    received: u64,
    skipped: u64,
    /// The sender's turn before the last look, if that look found nothing to do.
    idle_at: Option<u32>,
    ready: Vec<Candidate>,
}

#[expect(clippy::large_enum_variant, reason = "a record goes by value: no allocation per frame")]
enum Look {
    Frame(Held),
    Nothing,
    /// Races were lost all the time.
    Contended,
}

impl<M: Memory, W: Memory, P: Park> ReceiveEnd<M, W, P> {
    /// Opens a stream with the sender's page and a page of one's own.
    ///
    /// # Errors
    /// [`LayoutError`] if one of them is not the page that it should be.
    pub fn new(sender_page: M, own: W, park: P, mode: Mode) -> Result<Self, LayoutError> {
        let sender = Page::new(sender_page, PageKind::StreamSender)?;
        let own = Page::new(own, PageKind::StreamReceiver)?;
        let released = own.words()[receiver_page::RELEASED].load(Ordering::Relaxed);
        Ok(Self {
            sender,
            own,
            park,
            mode,
            table: None,
            joined: false,
            position: Position { passed: layout::stamp_of(0), at_sequence: 0, near: 0 },
            claim: 0,
            released,
            received: 0,
            skipped: 0,
            idle_at: None,
            ready: Vec::new(),
        })
    }

    /// Enters a generation: frames are taken from its table from now on. The former table is not
    /// read any more; a frame still held from it stays held.
    ///
    /// # Errors
    /// [`LayoutError`] if the memory is not the table of this generation. The end then still reads
    /// the former one.
    pub fn enter_generation(&mut self, table: M, number: u32) -> Result<(), LayoutError> {
        let table = Table::check(table, number)?;
        self.ready.reserve(table.slots() as usize);
        self.table = Some(table);
        self.idle_at = None;
        self.own.words()[receiver_page::GENERATION].store(number, Ordering::Release);
        Ok(())
    }

    /// Joins the stream at its latest frame; from here on every frame counts. Call it after the
    /// first [`enter_generation`](Self::enter_generation); otherwise the first
    /// [`take`](Self::take) does it.
    pub fn join(&mut self) {
        let (mode, depth) = match self.mode {
            Mode::Latest => (receiver_page::MODE_LATEST, 0),
            Mode::Queue(depth) => (receiver_page::MODE_QUEUE, depth.max(1)),
            Mode::Lossless => (receiver_page::MODE_LOSSLESS, 0),
        };
        let words = self.own.words();
        words[receiver_page::QUEUE_DEPTH].store(depth, Ordering::Relaxed);
        let provisional = self.before_latest();
        words[receiver_page::PASSED].store(provisional, Ordering::Release);
        words[receiver_page::MODE].store(mode, Ordering::Release);
        // A slot that the sender was emptying without having seen the mode is older than what is
        // the latest now: the second look is what counts.
        layout::full_fence();
        self.position.passed = self.before_latest();
        self.joined = true;
        if self.position.passed != provisional {
            words[receiver_page::PASSED].store(self.position.passed, Ordering::Release);
            self.tell_sender();
        }
    }

    /// Takes the next frame, if there is one. A frame that is still held is let go first.
    ///
    /// Frames come before news: a queueing or lossless receiver takes what is left of a generation
    /// before it hears of the next one, and every receiver what is left of the stream before it
    /// hears of its end.
    pub fn take(&mut self, now_ns: u64) -> Take {
        if self.claim != 0 {
            self.let_go();
        }
        // All three before the look: what the sender published before them is then seen by it.
        let turn = self.sender.words()[sender_page::TURN].load(Ordering::Acquire);
        let end = self.end_seen();
        let generation = self.current_generation();
        let answer = self.answer(generation, end, now_ns);
        self.idle_at = match answer {
            Some(Take::Empty | Take::NoGeneration | Take::NewGeneration(_)) => Some(turn),
            Some(Take::Frame(_) | Take::Ended | Take::Lost) | None => None,
        };
        answer.unwrap_or(Take::Empty)
    }

    /// Lets a frame go. Nothing of it may be read afterwards. A frame that is not held any more is
    /// left alone.
    pub fn release(&mut self, held: &Held) {
        if self.claim != 0 && self.claim == held.stamp {
            self.let_go();
        }
    }

    /// Leaves the stream: holds nothing and keeps nobody waiting any more.
    pub fn leave(&mut self) {
        self.own.words()[receiver_page::MODE].store(0, Ordering::Release);
        self.let_go();
        self.joined = false;
        self.position.at_sequence = 0;
        self.table = None;
        self.idle_at = None;
    }

    /// Sleeps until [`take`](Self::take) may have something else to say than it said last.
    ///
    /// # Blocking
    /// Until the sender publishes, changes generation, ends or is stamped as gone, or the timeout
    /// in nanoseconds passes. Returns at once if the last take brought a frame or an end.
    pub fn wait(&self, timeout_ns: Option<u64>) -> Parked {
        let Some(expected) = self.idle_at else { return Parked::Woken };
        let waiting = &self.own.words()[receiver_page::WAITING];
        waiting.store(expected.wrapping_add(1), Ordering::Relaxed);
        // Pairs with the fence before the sender's wake: it sees `waiting`, or we see its turn. The
        // turn was read before the last look, so comparing it is the second look.
        layout::full_fence();
        let word = &self.sender.words()[sender_page::TURN];
        let parked = self.park.wait(&[Watched { word: word.into(), expected }], timeout_ns);
        waiting.store(0, Ordering::Relaxed);
        parked
    }

    /// The generation that the sender is in, 0 before the first.
    pub fn current_generation(&self) -> u32 {
        self.sender.words()[sender_page::GENERATION].load(Ordering::Acquire)
    }

    /// Whether the sender waits for lossless receivers.
    pub fn lossless_allowed(&self) -> bool {
        let flags = self.sender.words()[sender_page::FLAGS].load(Ordering::Acquire);
        flags & sender_page::LOSSLESS_ALLOWED != 0
    }

    /// What the broker has stamped on the sender's page.
    pub fn state(&self) -> State {
        self.sender.state()
    }

    fn end_seen(&self) -> Option<Take> {
        // The stamp first: what the sender said before it died is then seen, and counts.
        let state = self.sender.state();
        let flags = self.sender.words()[sender_page::FLAGS].load(Ordering::Acquire);
        if flags & sender_page::ENDED != 0 {
            return Some(Take::Ended);
        }
        match state {
            State::Live => None,
            State::Ended | State::Gone => Some(Take::Ended),
            State::Lost => Some(Take::Lost),
        }
    }

    /// `None` if races were lost all the time.
    fn answer(&mut self, generation: u32, end: Option<Take>, now_ns: u64) -> Option<Take> {
        let entered = self.table.as_ref().map_or(0, Table::number);
        if entered == 0 && generation == 0 {
            return Some(end.unwrap_or(Take::NoGeneration));
        }
        let moved =
            (generation != entered && generation != 0).then_some(Take::NewGeneration(generation));
        if entered == 0 || (self.mode == Mode::Latest && moved.is_some()) {
            return moved;
        }
        if !self.joined {
            self.join();
        }
        match self.look(now_ns) {
            Look::Frame(held) => Some(Take::Frame(held)),
            Look::Nothing => Some(moved.or(end).unwrap_or(Take::Empty)),
            // The sender writes neither in a generation that it has left nor after its end, so
            // races that were lost even then are its lies.
            Look::Contended => moved.or(end),
        }
    }

    fn look(&mut self, now_ns: u64) -> Look {
        let mut seen = None;
        for _ in 0..TRIES {
            let Some(table) = &self.table else { return Look::Nothing };
            let next = choose::next(table, self.mode, self.position, &mut self.ready);
            let Some(candidate) = next else {
                if self.catch_up() {
                    continue;
                }
                return Look::Nothing;
            };
            // In order, a frame is the next one for certain if it follows the last, or if a second
            // look finds the same: whatever was published before it is seen by then.
            let settled = self.mode == Mode::Latest
                || candidate.stamp == layout::after(self.position.passed)
                || seen == Some(candidate);
            seen = Some(candidate);
            if settled && let Some(held) = self.claim(candidate, now_ns) {
                return Look::Frame(held);
            }
        }
        Look::Contended
    }

    /// Writes the claim and looks again; takes the frame if it is still there.
    fn claim(&mut self, candidate: Candidate, now_ns: u64) -> Option<Held> {
        let Candidate { slot, stamp } = candidate;
        if stamp == 0 {
            return None;
        }
        let table = self.table.as_ref()?;
        self.own.words()[receiver_page::CLAIM].store(stamp, Ordering::Release);
        // Pairs with the fence in the sender's search: it sees the claim, or we see its 0.
        layout::full_fence();
        if table.stamp(slot).load(Ordering::Relaxed) != stamp {
            // The sender may have met the claim in passing, and sleep on it.
            self.unclaim();
            return None;
        }
        // What the sender wrote before the stamp happens before what we read next.
        fence(Ordering::Acquire);
        let record = table.load_record(slot);
        let sequence = layout::sequence_of(&record);
        self.claim = stamp;
        self.position.passed = stamp;
        if sequence <= self.position.at_sequence || layout::stamp_of(sequence) != stamp {
            self.let_go();
            return None;
        }
        Some(self.count(slot, sequence, record, now_ns))
    }

    fn count(
        &mut self,
        slot: u32,
        sequence: u64,
        record: [u32; RECORD_WORDS],
        now_ns: u64,
    ) -> Held {
        let skipped = match self.position.at_sequence {
            0 => 0,
            before => sequence.saturating_sub(before).saturating_sub(1),
        };
        self.position.at_sequence = sequence;
        self.position.near = slot.wrapping_add(1);
        self.received = self.received.wrapping_add(1);
        self.skipped = self.skipped.wrapping_add(skipped);
        let words = self.own.words();
        layout::store_pair(pair(words, receiver_page::RECEIVED), self.received);
        layout::store_pair(pair(words, receiver_page::SKIPPED), self.skipped);
        layout::store_pair(pair(words, receiver_page::AT_SEQUENCE), sequence);
        layout::store_pair(pair(words, receiver_page::HELD_SINCE_NS), now_ns);
        Held { slot, stamp: self.claim, sequence, record, skipped }
    }

    /// Stops holding a frame and wanting anything up to it.
    fn let_go(&mut self) {
        self.own.words()[receiver_page::PASSED].store(self.position.passed, Ordering::Release);
        self.unclaim();
    }

    /// Whatever was read under the claim happens before the release of it.
    fn unclaim(&mut self) {
        self.own.words()[receiver_page::CLAIM].store(0, Ordering::Release);
        self.claim = 0;
        self.tell_sender();
    }

    /// Bumps the word that a sender without a slot sleeps on, and wakes it if it does.
    fn tell_sender(&mut self) {
        self.released = self.released.wrapping_add(1);
        self.own.words()[receiver_page::RELEASED].store(self.released, Ordering::Release);
        // Pairs with the fence in the sender's wait: we see `waiting`, or it sees the release.
        layout::full_fence();
        if self.sender.words()[sender_page::WAITING].load(Ordering::Relaxed) != 0 {
            self.park.wake_all((&self.own.words()[receiver_page::RELEASED]).into());
        }
    }

    /// The stamp before that of the latest frame, so that this frame is the first to come; before
    /// the generation's first frame, the stamp that it begins after.
    fn before_latest(&self) -> u32 {
        let Some(table) = &self.table else { return self.position.passed };
        for _ in 0..TRIES {
            match choose::latest(table) {
                // Overtaken: it is not the latest any more.
                Some(Candidate { stamp: 0, .. }) => {}
                Some(Candidate { stamp, .. }) => return layout::before(stamp),
                None => break,
            }
        }
        table.floor()
    }

    /// Stamps tell frames apart only within 2^30 of each other. Who stayed away for longer may find
    /// nothing new; it begins again before the latest frame. A lossless receiver that the sender
    /// waits for is never so far behind.
    fn catch_up(&mut self) -> bool {
        const FAR: u64 = 1 << 29;
        let latest = layout::load_pair(pair(self.sender.words(), sender_page::LATEST_SEQUENCE));
        if self.position.at_sequence == 0 || latest.saturating_sub(self.position.at_sequence) <= FAR
        {
            return false;
        }
        let before = self.position.passed;
        self.position.passed = self.before_latest();
        self.position.passed != before
    }
}
