//! Where the words of a stream lie: sender page, receiver page, generation table; and stamps.
//!
//! | memory | line | writer | what |
//! | --- | --- | --- | --- |
//! | sender page | 1 | sender | turn, generation, flags, waiting, counters |
//! | sender page | 4..8 | sender, once | 256 bytes of text about the stream |
//! | receiver page | 1 | receiver | claim, passed, mode, depth, waiting, generation, released |
//! | receiver page | 2 | receiver | counters |
//! | table | 0 | sender | magic, version, number, slots, latest, closed, floor |
//! | table | 1 + 5 * slot | sender | the slot's stamp |
//! | table | 2 + 5 * slot, 4 lines | sender | the record of the frame in the slot |
//!
//! # Stamps
//! A slot's stamp says which frame is in it: `sequence << 1 | 1` in 32 bits, or 0 while there is
//! none. Stamps repeat after 2^31 frames. For claims this is harmless:
//! - A claim is compared for equality only. A claim pins every slot that bears its stamp; a second
//!   slot with the same stamp (2^31 frames younger or older) is pinned needlessly and no more.
//! - A receiver reads the record only after its claim holds, and takes the sequence from there. If
//!   the slot went round all stamps between its two looks, the claim holds the newer frame, and
//!   the newer frame's record is what it reads.
//!
//! Where order matters it is wrapping: `a` is newer than `b` when it is less than 2^30 frames
//! ahead. A lossless receiver is never further behind than there are slots; others that stayed away
//! for longer notice by the 64-bit sequence in the sender's page and begin again at the latest.

use crate::atomic::{AtomicU32, Ordering, fence};
use crate::page::{LAYOUT_VERSION, LINE_WORDS, LayoutError, Memory, PAGE_WORDS};

/// Most slots of a generation.
pub const SLOTS_MAX: u32 = 64;
/// Fewest slots of a generation: the latest frame is never overwritten.
pub const SLOTS_MIN: u32 = 2;
/// Words of a frame's record.
pub const RECORD_WORDS: usize = 64;
/// Bytes of text about a stream.
pub(crate) const TEXT_BYTES: usize = 256;
/// First word of a generation table: `HFGT`.
pub const TABLE_MAGIC: u32 = u32::from_le_bytes(*b"HFGT");

const SLOT_WORDS: usize = LINE_WORDS + RECORD_WORDS;
const PAIR_TRIES: u32 = 8;

/// Sender page, line 1 and the text.
pub(crate) mod sender_page {
    use crate::page::LINE_WORDS;

    const LINE: usize = LINE_WORDS;
    /// Futex word of the receivers: +1 at each publish, generation change and end.
    pub(crate) const TURN: usize = LINE;
    /// Number of the current generation, 0 before the first.
    pub(crate) const GENERATION: usize = LINE + 1;
    pub(crate) const FLAGS: usize = LINE + 2;
    /// 1 while the sender sleeps for a slot.
    pub(crate) const WAITING: usize = LINE + 3;
    pub(crate) const SENT: [usize; 2] = [LINE + 4, LINE + 5];
    pub(crate) const DROPPED: [usize; 2] = [LINE + 6, LINE + 7];
    pub(crate) const LATEST_SEQUENCE: [usize; 2] = [LINE + 8, LINE + 9];
    pub(crate) const LAST_SENT_NS: [usize; 2] = [LINE + 10, LINE + 11];
    pub(crate) const TEXT: usize = 4 * LINE_WORDS;
    pub(crate) const TEXT_WORDS: usize = 4 * LINE_WORDS;

    /// Flag: the sender has said that it is done.
    pub(crate) const ENDED: u32 = 1;
    /// Flag: the sender waits for lossless receivers.
    pub(crate) const LOSSLESS_ALLOWED: u32 = 2;
}

/// Receiver page, lines 1 and 2.
pub(crate) mod receiver_page {
    use crate::page::LINE_WORDS;

    const LINE: usize = LINE_WORDS;
    /// Stamp of the frame that the receiver holds, or 0.
    pub(crate) const CLAIM: usize = LINE;
    /// Stamp up to which the receiver wants nothing more.
    pub(crate) const PASSED: usize = LINE + 1;
    pub(crate) const MODE: usize = LINE + 2;
    pub(crate) const QUEUE_DEPTH: usize = LINE + 3;
    /// The turn of the sender that the receiver sleeps for, 0 while it is awake.
    pub(crate) const WAITING: usize = LINE + 4;
    /// The latest generation that it has mapped.
    pub(crate) const GENERATION: usize = LINE + 5;
    /// Futex word of the sender: +1 whenever claim, passed or mode let go of something.
    pub(crate) const RELEASED: usize = LINE + 6;

    const COUNTERS: usize = 2 * LINE_WORDS;
    pub(crate) const RECEIVED: [usize; 2] = [COUNTERS, COUNTERS + 1];
    pub(crate) const SKIPPED: [usize; 2] = [COUNTERS + 2, COUNTERS + 3];
    pub(crate) const AT_SEQUENCE: [usize; 2] = [COUNTERS + 4, COUNTERS + 5];
    pub(crate) const HELD_SINCE_NS: [usize; 2] = [COUNTERS + 6, COUNTERS + 7];

    pub(crate) const MODE_LATEST: u32 = 1;
    pub(crate) const MODE_QUEUE: u32 = 2;
    pub(crate) const MODE_LOSSLESS: u32 = 3;
}

const _: () = assert!(sender_page::LAST_SENT_NS[1] < 2 * LINE_WORDS);
const _: () = assert!(sender_page::TEXT_WORDS * 4 == TEXT_BYTES);
const _: () = assert!(sender_page::TEXT + sender_page::TEXT_WORDS == 8 * LINE_WORDS);
const _: () = assert!(receiver_page::RELEASED < 2 * LINE_WORDS);
const _: () = assert!(receiver_page::HELD_SINCE_NS[1] < 3 * LINE_WORDS);
const _: () = assert!(8 * LINE_WORDS <= PAGE_WORDS);
const _: () = assert!(RECORD_WORDS == 4 * LINE_WORDS && SLOT_WORDS == 5 * LINE_WORDS);
const _: () = assert!(table_words(SLOTS_MAX) == 5136);

/// How many words the table of a generation with so many slots takes.
#[must_use]
pub const fn table_words(slots: u32) -> usize {
    LINE_WORDS + slots as usize * SLOT_WORDS
}

/// The stamp of a sequence.
pub(crate) const fn stamp_of(sequence: u64) -> u32 {
    (split(sequence)[0] << 1) | 1
}

/// Whether stamp `a` is of a later frame than stamp `b`.
pub(crate) const fn newer(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// The stamp of the frame before.
pub(crate) const fn before(stamp: u32) -> u32 {
    stamp.wrapping_sub(2)
}

/// The stamp of the frame after.
pub(crate) const fn after(stamp: u32) -> u32 {
    stamp.wrapping_add(2)
}

/// The low and the high half.
pub(crate) const fn split(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

/// The value with this low and high half.
pub(crate) const fn join([low, high]: [u32; 2]) -> u64 {
    ((high as u64) << 32) | low as u64
}

/// The sequence that a record says it has: words 2 and 3, the only ones that this crate knows.
pub(crate) const fn sequence_of(record: &[u32; RECORD_WORDS]) -> u64 {
    let [_, _, low, high, ..] = *record;
    join([low, high])
}

/// Writes a 64-bit value, low half first. Nothing decides by these values.
pub(crate) fn store_pair([low, high]: [&AtomicU32; 2], value: u64) {
    let [low_value, high_value] = split(value);
    low.store(low_value, Ordering::Relaxed);
    high.store(high_value, Ordering::Relaxed);
}

/// Reads a 64-bit value, for statistics: a reader that is unlucky eight times gets halves of two
/// values.
pub(crate) fn load_pair([low, high]: [&AtomicU32; 2]) -> u64 {
    let mut seen = high.load(Ordering::Acquire);
    for _ in 0..PAIR_TRIES {
        let low = low.load(Ordering::Acquire);
        let again = high.load(Ordering::Acquire);
        if again == seen {
            return join([low, seen]);
        }
        seen = again;
    }
    join([low.load(Ordering::Relaxed), seen])
}

/// The table of one generation, checked: long enough for its slots. The slot count is read once
/// and kept, so that whoever writes the memory cannot move it under the reader.
#[derive(Debug)]
pub(crate) struct Table<M> {
    memory: M,
    number: u32,
    slots: u32,
}

mod table_header {
    pub(super) const MAGIC: usize = 0;
    pub(super) const VERSION: usize = 1;
    pub(super) const NUMBER: usize = 2;
    pub(super) const SLOTS: usize = 3;
    pub(super) const LATEST: usize = 4;
    pub(super) const CLOSED: usize = 5;
    pub(super) const FLOOR: usize = 6;
}

impl<M: Memory> Table<M> {
    /// Writes a new table with empty slots, for frames after that of the stamp `floor`.
    pub(crate) fn format(
        memory: M,
        number: u32,
        slots: u32,
        floor: u32,
    ) -> Result<Self, LayoutError> {
        check_size(memory.words(), slots)?;
        let table = Self { memory, number, slots };
        for slot in 0..slots {
            table.stamp(slot).store(0, Ordering::Relaxed);
        }
        let header = table.header();
        header[table_header::VERSION].store(LAYOUT_VERSION, Ordering::Relaxed);
        header[table_header::NUMBER].store(number, Ordering::Relaxed);
        header[table_header::SLOTS].store(slots, Ordering::Relaxed);
        header[table_header::LATEST].store(0, Ordering::Relaxed);
        header[table_header::CLOSED].store(0, Ordering::Relaxed);
        header[table_header::FLOOR].store(floor, Ordering::Relaxed);
        header[table_header::MAGIC].store(TABLE_MAGIC, Ordering::Release);
        Ok(table)
    }

    /// Checks a table that another process wrote.
    pub(crate) fn check(memory: M, number: u32) -> Result<Self, LayoutError> {
        let words = memory.words();
        let Some(header) = words.first_chunk::<LINE_WORDS>() else {
            return Err(LayoutError::Size { words: words.len(), needed: table_words(SLOTS_MIN) });
        };
        let found = header[table_header::MAGIC].load(Ordering::Acquire);
        if found != TABLE_MAGIC {
            return Err(LayoutError::Magic { found, wanted: TABLE_MAGIC });
        }
        let found = header[table_header::VERSION].load(Ordering::Relaxed);
        if found != LAYOUT_VERSION {
            return Err(LayoutError::Version { found, wanted: LAYOUT_VERSION });
        }
        let found = header[table_header::NUMBER].load(Ordering::Relaxed);
        if found != number || number == 0 {
            return Err(LayoutError::Generation { found, wanted: number });
        }
        let slots = header[table_header::SLOTS].load(Ordering::Relaxed);
        check_size(words, slots)?;
        Ok(Self { memory, number, slots })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    /// Index + 1 of the slot of the latest frame, 0 for none.
    pub(crate) fn latest(&self) -> &AtomicU32 {
        &self.header()[table_header::LATEST]
    }

    /// 1 when no more frames will be published in this generation.
    pub(crate) fn closed(&self) -> &AtomicU32 {
        &self.header()[table_header::CLOSED]
    }

    /// Stamp of the last frame before this generation.
    pub(crate) fn floor(&self) -> u32 {
        self.header()[table_header::FLOOR].load(Ordering::Relaxed)
    }

    /// The stamp of a slot below [`slots`](Self::slots).
    pub(crate) fn stamp(&self, slot: u32) -> &AtomicU32 {
        let [stamp, ..] = self.line(slot, 0);
        stamp
    }

    /// Writes the record of a slot, with the sequence in its place.
    pub(crate) fn store_record(&self, slot: u32, record: &[u32; RECORD_WORDS], sequence: u64) {
        let mut record = *record;
        let [_, _, low, high, ..] = &mut record;
        [*low, *high] = split(sequence);
        for (line, values) in (1..).zip(record.as_chunks::<LINE_WORDS>().0) {
            for (word, value) in self.line(slot, line).iter().zip(values) {
                word.store(*value, Ordering::Relaxed);
            }
        }
    }

    /// Copies the record of a slot.
    pub(crate) fn load_record(&self, slot: u32) -> [u32; RECORD_WORDS] {
        let mut record = [0; RECORD_WORDS];
        for (line, values) in (1..).zip(record.as_chunks_mut::<LINE_WORDS>().0) {
            for (word, value) in self.line(slot, line).iter().zip(values) {
                *value = word.load(Ordering::Relaxed);
            }
        }
        record
    }

    /// Whether the frame of this stamp in a slot is of this sequence or before it, by all 64 bits:
    /// one that somebody has held for so long that its stamp looks new again. False if the slot is
    /// being written.
    pub(crate) fn holds_old(&self, slot: u32, stamp: u32, sequence: u64) -> bool {
        let [_, _, low, high, ..] = self.line(slot, 1);
        let found = join([low, high].map(|word| word.load(Ordering::Relaxed)));
        found <= sequence && stamp_of(found) == stamp
    }

    fn header(&self) -> &[AtomicU32; LINE_WORDS] {
        let Some(header) = self.memory.words().first_chunk() else {
            unreachable!("a table is checked for its length when it is made");
        };
        header
    }

    fn line(&self, slot: u32, line: usize) -> &[AtomicU32; LINE_WORDS] {
        let place = table_words(slot) / LINE_WORDS + line;
        let Some(line) = self.memory.words().as_chunks().0.get(place) else {
            unreachable!("slot {slot} of a table that was checked for {} slots", self.slots);
        };
        line
    }
}

fn check_size(words: &[AtomicU32], slots: u32) -> Result<(), LayoutError> {
    if !(SLOTS_MIN..=SLOTS_MAX).contains(&slots) {
        return Err(LayoutError::Slots { found: slots, min: SLOTS_MIN, max: SLOTS_MAX });
    }
    let needed = table_words(slots);
    if words.len() < needed {
        return Err(LayoutError::Size { words: words.len(), needed });
    }
    Ok(())
}

/// Orders what this thread wrote before what it reads next, against another thread that does the
/// same with the words the other way round: at least one of the two sees the other's store.
pub(crate) fn full_fence() {
    fence(Ordering::SeqCst);
}
