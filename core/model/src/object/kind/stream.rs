//! Streams: the rules of the kind, and what the model keeps of one.

use alloc::collections::{BTreeMap, VecDeque};

use crate::contract::access::{AccessMask, GenericMapping};
use crate::object::effect::StreamEnd;
use crate::object::generation::GenerationLayout;
use crate::object::id::{ClientId, OpeningId, PageId, PayloadId};

use super::Rules;

/// The rules of streams.
pub const RULES: Rules = Rules {
    word: "stream",
    number: 1,
    mapping: GenericMapping {
        read: AccessMask::STREAM_RECEIVE
            .union(AccessMask::STREAM_QUERY)
            .union(AccessMask::READ_CONTROL),
        write: AccessMask::STREAM_SEND.union(AccessMask::READ_CONTROL),
        execute: AccessMask::STREAM_QUERY
            .union(AccessMask::SYNCHRONIZE)
            .union(AccessMask::READ_CONTROL),
        all: AccessMask::STREAM_ALL.union(AccessMask::STANDARD_ALL),
    },
    valid: AccessMask::STREAM_ALL.union(AccessMask::STANDARD_ALL),
    rights: &[
        (AccessMask::STREAM_RECEIVE, "STREAM_RECEIVE"),
        (AccessMask::STREAM_SEND, "STREAM_SEND"),
        (AccessMask::STREAM_QUERY, "STREAM_QUERY"),
    ],
};

/// Whether a page's writer has told that it has mapped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// Not yet: its descriptor is out and nobody else may have one that could write.
    No,
    /// Yes: sealed.
    Yes,
}

/// One receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its page.
    pub page: PageId,
    /// Whether it has mapped it.
    pub mapped: Mapped,
}

/// What the model keeps of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The sender's page.
    pub page: PageId,
    /// Whether the sender has mapped it.
    pub mapped: Mapped,
    /// The sender, until it is gone.
    pub sender: Option<(ClientId, OpeningId)>,
    /// How it ended.
    pub end: Option<StreamEnd>,
    /// Number of the present generation, 0 before the first.
    pub generation: u32,
    /// The present generation, until the stream is over.
    pub payload: Option<(GenerationLayout, PayloadId, u64)>,
    /// Receiver pages that the sender has mapped and nobody uses.
    pub ready: VecDeque<PageId>,
    /// Receiver pages that the sender was sent and has not said to have mapped.
    pub sent: VecDeque<PageId>,
    /// Who receives.
    pub receivers: BTreeMap<(ClientId, OpeningId), Receiver>,
    /// Who would like to and waits for room.
    pub waiting: VecDeque<(ClientId, OpeningId)>,
}

impl Stream {
    /// A stream whose sender has not mapped anything yet.
    #[must_use]
    pub const fn new(page: PageId, sender: (ClientId, OpeningId)) -> Self {
        Self {
            page,
            mapped: Mapped::No,
            sender: Some(sender),
            end: None,
            generation: 0,
            payload: None,
            ready: VecDeque::new(),
            sent: VecDeque::new(),
            receivers: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Bytes of memory it holds.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload.map_or(0, |(_, _, size_bytes)| size_bytes)
    }
}
