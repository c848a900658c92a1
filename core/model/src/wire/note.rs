//! What is told through a mailbox without an answer: a number of 64 bits each.

use crate::object::{HandleId, OpeningId, Request};

/// Bits of what the note is about; above them is what it says.
const ID_BITS: u32 = 56;

/// What a client drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// `Request::Drop`.
    Opening(OpeningId),
    /// `Request::DropHandle`.
    Handle(HandleId),
}

impl Note {
    /// What tells this without an answer, if a note can.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are asked, not told")]
    pub const fn of(request: &Request) -> Option<Self> {
        match request {
            Request::Drop { opening } => Some(Self::Opening(*opening)),
            Request::DropHandle { handle } => Some(Self::Handle(*handle)),
            _ => None,
        }
    }

    /// The request that it stands for.
    #[must_use]
    pub const fn request(self) -> Request {
        match self {
            Self::Opening(opening) => Request::Drop { opening },
            Self::Handle(handle) => Request::DropHandle { handle },
        }
    }

    /// It as a number; None when its id is too large, which one of 2^56 ids is.
    #[must_use]
    pub fn encode(self) -> Option<u64> {
        let (says, id) = match self {
            Self::Opening(opening) => (1, u64::from(opening.0)),
            Self::Handle(handle) => (2, handle.0),
        };
        (id >> ID_BITS == 0).then_some(says << ID_BITS | id)
    }

    /// The note that a number is, if it is one.
    #[must_use]
    pub fn decode(note: u64) -> Option<Self> {
        let id = note & ((1 << ID_BITS) - 1);
        match note >> ID_BITS {
            1 => u32::try_from(id).ok().map(|id| Self::Opening(OpeningId(id))),
            2 => Some(Self::Handle(HandleId(id))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let openings = [0, 7, u32::MAX].map(|id| Note::Opening(OpeningId(id)));
        let handles = [0, 7, (1 << 56) - 1].map(|id| Note::Handle(HandleId(id)));
        for note in openings.into_iter().chain(handles) {
            assert_eq!(note.encode().and_then(Note::decode), Some(note));
            assert_eq!(Note::of(&note.request()), Some(note));
        }
        assert_eq!(Note::Handle(HandleId(1 << 56)).encode(), None);
        assert_eq!(Note::Opening(OpeningId(3)).encode(), Some(0x0100_0000_0000_0003));
    }

    #[test]
    fn what_is_no_note_is_none() {
        for number in [0, 3, 0x0100_0001_0000_0000, 0x0300_0000_0000_0001, u64::MAX] {
            assert_eq!(Note::decode(number), None, "{number:#x}");
        }
    }
}
