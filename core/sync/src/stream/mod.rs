//! A stream: one sender, any number of receivers, frames in the slots of the current generation.
//!
//! The sender owns its page and the generation's table; every receiver maps both read-only and
//! owns one page, which the sender maps read-only. A receiver takes a frame with a hazard pointer:
//! it writes the frame's stamp as its claim, passes a full fence and reads the slot's stamp again.
//! The sender empties a slot's stamp, passes a full fence and reads all claims. At least one of the
//! two sees the other, so nobody writes pixels that somebody reads.

mod choose;
mod frame;
pub(crate) mod layout;
mod receiver;
mod sender;
mod slots;

use alloc::string::String;
use alloc::vec::Vec;

use self::layout::{TEXT_BYTES, load_pair, receiver_page, sender_page};
use crate::atomic::{AtomicU32, Ordering, fence};
use crate::page::{PAGE_WORDS, Page, PageKind, State};

pub use self::frame::{Held, Take};
pub use self::layout::{RECORD_WORDS, SLOTS_MAX, SLOTS_MIN, TABLE_MAGIC, table_words};
pub use self::receiver::ReceiveEnd;
pub use self::sender::SendEnd;
pub use self::slots::{NoSlot, SlotIndex};

/// Which frames a receiver wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Always the latest; frames in between are skipped.
    Latest,
    /// In order; when more than so many are ready, the oldest are skipped. 0 means 1.
    Queue(u32),
    /// In order and every one: the sender waits, if it allowed that, else as long a queue as there
    /// are slots.
    Lossless,
}

/// Whether lossless receivers make the sender wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lossless {
    /// They do.
    Allowed,
    /// They lose frames like others when they are slow.
    #[default]
    Refused,
}

/// What a sender's page says about its stream. Written by the sender, so believed by nobody: the
/// numbers may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SenderStatistics {
    /// Number of the current generation, 0 before the first.
    pub generation: u32,
    /// Frames published.
    pub sent: u64,
    /// Frames that the sender dropped for want of a free slot.
    pub dropped: u64,
    /// Sequence of the latest frame, 0 for none.
    pub latest_sequence: u64,
    /// When it was published, in nanoseconds of the sender's clock.
    pub last_sent_ns: u64,
    /// Whether the sender has said that it is done.
    pub ended: bool,
    /// Whether lossless receivers make it wait.
    pub lossless: Lossless,
    /// The sender's text about the stream; what is not UTF-8 is replaced.
    pub text: String,
}

/// What a receiver's page says about it. Written by the receiver: the numbers may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverStatus {
    /// Which frames it wants.
    pub mode: Mode,
    /// Sequence of the frame that it took last, 0 for none.
    pub at_sequence: u64,
    /// Frames taken.
    pub received: u64,
    /// Frames that passed it by.
    pub skipped: u64,
    /// Whether it holds a frame now.
    pub holds: bool,
    /// Since when, in nanoseconds of its clock.
    pub held_since_ns: u64,
}

/// Reads what a sender's page says, for an observer. Memory that is no page of a sender gives
/// zeros.
#[must_use]
pub fn sender_statistics(words: &[AtomicU32]) -> SenderStatistics {
    let Ok(page) = Page::new(words, PageKind::StreamSender) else {
        return SenderStatistics::default();
    };
    let words = page.words();
    let flags = words[sender_page::FLAGS].load(Ordering::Relaxed);
    let allowed = flags & sender_page::LOSSLESS_ALLOWED != 0;
    SenderStatistics {
        generation: words[sender_page::GENERATION].load(Ordering::Relaxed),
        sent: load_pair(pair(words, sender_page::SENT)),
        dropped: load_pair(pair(words, sender_page::DROPPED)),
        latest_sequence: load_pair(pair(words, sender_page::LATEST_SEQUENCE)),
        last_sent_ns: load_pair(pair(words, sender_page::LAST_SENT_NS)),
        ended: flags & sender_page::ENDED != 0,
        lossless: if allowed { Lossless::Allowed } else { Lossless::Refused },
        text: text(words),
    }
}

/// The records of the frames that lie in a generation's slots, for an observer who holds nothing:
/// a slot that is written meanwhile is left out. Written by the sender: they may say anything.
pub fn records(
    table: &[AtomicU32],
    slots: u32,
) -> impl Iterator<Item = [u32; RECORD_WORDS]> + use<'_> {
    (0..slots.min(SLOTS_MAX)).filter_map(move |slot| record(table, slot))
}

/// The words of a slot's record, if its stamp is the same before and after and is one.
fn record(table: &[AtomicU32], slot: u32) -> Option<[u32; RECORD_WORDS]> {
    let end = table_words(slot.checked_add(1)?);
    let stamp = table.get(table_words(slot))?;
    let words = table.get(end.checked_sub(RECORD_WORDS)?..end)?;
    let before = stamp.load(Ordering::Acquire);
    let mut record = [0; RECORD_WORDS];
    for (copy, word) in record.iter_mut().zip(words) {
        *copy = word.load(Ordering::Relaxed);
    }
    fence(Ordering::Acquire);
    (before != 0 && before == stamp.load(Ordering::Relaxed)).then_some(record)
}

/// Reads what a receiver's page says. `None` if the memory is no page of a receiver, the receiver
/// has not joined, or it has gone.
#[must_use]
pub fn receiver_status(words: &[AtomicU32]) -> Option<ReceiverStatus> {
    let page = Page::new(words, PageKind::StreamReceiver).ok()?;
    let words = page.words();
    if page.state() == State::Gone {
        return None;
    }
    let mode = match words[receiver_page::MODE].load(Ordering::Relaxed) {
        0 => return None,
        receiver_page::MODE_QUEUE => {
            Mode::Queue(words[receiver_page::QUEUE_DEPTH].load(Ordering::Relaxed))
        }
        receiver_page::MODE_LOSSLESS => Mode::Lossless,
        _ => Mode::Latest,
    };
    Some(ReceiverStatus {
        mode,
        at_sequence: load_pair(pair(words, receiver_page::AT_SEQUENCE)),
        received: load_pair(pair(words, receiver_page::RECEIVED)),
        skipped: load_pair(pair(words, receiver_page::SKIPPED)),
        holds: words[receiver_page::CLAIM].load(Ordering::Relaxed) != 0,
        held_since_ns: load_pair(pair(words, receiver_page::HELD_SINCE_NS)),
    })
}

/// The two words at these places, which are constants below [`PAGE_WORDS`].
pub(crate) fn pair(words: &[AtomicU32; PAGE_WORDS], [low, high]: [usize; 2]) -> [&AtomicU32; 2] {
    let (Some(low), Some(high)) = (words.get(low), words.get(high)) else {
        unreachable!("the layout's places lie in the page");
    };
    [low, high]
}

/// The lines of the sender's text.
fn text_words(words: &[AtomicU32; PAGE_WORDS]) -> impl Iterator<Item = &AtomicU32> {
    words.iter().skip(sender_page::TEXT).take(sender_page::TEXT_WORDS)
}

fn text(words: &[AtomicU32; PAGE_WORDS]) -> String {
    let mut bytes = Vec::with_capacity(TEXT_BYTES);
    bytes.extend(text_words(words).flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()));
    let until_nul = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(until_nul).into_owned()
}
