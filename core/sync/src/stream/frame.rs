//! What a receiver is told when it looks for a frame, and the frame that it holds.

use super::layout::RECORD_WORDS;

/// The answer to a look for a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a record goes by value: no allocation per frame")]
pub enum Take {
    /// A frame, held until it is released.
    Frame(Held),
    /// Nothing new.
    Empty,
    /// The stream goes on in the generation of this number: enter it.
    NewGeneration(u32),
    /// The sender has said that it is done, and everything is taken.
    Ended,
    /// The sender has gone without a word, and everything is taken.
    Lost,
    /// The sender has no generation yet.
    NoGeneration,
}

/// A frame that this receiver holds: its pixels stay as they are until it is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub(super) slot: u32,
    pub(super) stamp: u32,
    pub(super) sequence: u64,
    pub(super) record: [u32; RECORD_WORDS],
    pub(super) skipped: u64,
}

impl Held {
    /// The slot's place in the generation that this receiver has entered, from 0. It is below the
    /// slot count of that generation's table.
    #[must_use]
    pub const fn slot(&self) -> u32 {
        self.slot
    }

    /// The frame's stamp.
    #[must_use]
    pub const fn stamp(&self) -> u32 {
        self.stamp
    }

    /// The frame's sequence, from 1.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The frame's record. All but words 2 and 3 is as the sender wrote it: check it.
    #[must_use]
    pub const fn record(&self) -> &[u32; RECORD_WORDS] {
        &self.record
    }

    /// How many frames lie between this one and the one taken before; 0 for the first.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }
}
