//! What is told through a mailbox without an answer: a number of 64 bits each.

use crate::object::OpeningId;

/// Bits of what the note is about; above them is what it says.
const ID_BITS: u32 = 56;

/// What a client drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// `Request::Drop`.
    Opening(OpeningId),
}

impl Note {
    /// It as a number; None when its id is too large, which one of 2^56 ids is.
    #[must_use]
    pub fn encode(self) -> Option<u64> {
        let (says, id) = match self {
            Self::Opening(opening) => (1, u64::from(opening.0)),
        };
        (id >> ID_BITS == 0).then_some(says << ID_BITS | id)
    }

    /// The note that a number is, if it is one.
    #[must_use]
    pub fn decode(note: u64) -> Option<Self> {
        let id = note & ((1 << ID_BITS) - 1);
        match note >> ID_BITS {
            1 => u32::try_from(id).ok().map(|id| Self::Opening(OpeningId(id))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for note in [Note::Opening(OpeningId(0)), Note::Opening(OpeningId(u32::MAX))] {
            assert_eq!(note.encode().and_then(Note::decode), Some(note));
        }
        assert_eq!(Note::Opening(OpeningId(3)).encode(), Some(0x0100_0000_0000_0003));
    }

    #[test]
    fn what_is_no_note_is_none() {
        for number in [0, 3, 0x0100_0001_0000_0000, 0x0200_0000_0000_0001, u64::MAX] {
            assert_eq!(Note::decode(number), None, "{number:#x}");
        }
    }
}
