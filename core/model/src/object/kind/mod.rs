//! The kinds of object, each a row of rules.

pub mod event;
pub mod fence;
pub mod made;
pub mod section;
pub mod stream;
pub mod surface;

use core::fmt;

use crate::contract::access::{AccessMask, GenericMapping};

/// What kind an object is of. All kinds share one name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Frames from one sender to many receivers.
    Stream,
    /// A picture, an array of pictures, or a buffer, in memory that processes share.
    Surface,
    /// A 64-bit value that is signalled and waited for.
    Fence,
    /// Something that is set or not, and waited for.
    Event,
    /// Plain memory that processes share.
    Section,
}

/// The rules of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The word for it.
    pub word: &'static str,
    /// Its number on the wire.
    pub number: u16,
    /// What the generic rights stand for; `all` is what its owner has.
    pub mapping: GenericMapping,
    /// Every right that may be asked for.
    pub valid: AccessMask,
    /// The names of its specific rights.
    pub rights: &'static [(AccessMask, &'static str)],
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Stream, Self::Surface, Self::Fence, Self::Event, Self::Section];

    /// Its rules.
    #[must_use]
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::Stream => &stream::RULES,
            Self::Surface => &surface::RULES,
            Self::Fence => &fence::RULES,
            Self::Event => &event::RULES,
            Self::Section => &section::RULES,
        }
    }

    /// The kind with this number on the wire.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.rules().number == number)
    }

    /// Whether `wanted` has only rights that this kind has, and at least one.
    #[must_use]
    pub fn defines(self, wanted: AccessMask) -> bool {
        let mapped = self.rules().mapping.map(wanted).difference(AccessMask::MAXIMUM_ALLOWED);
        !wanted.is_empty() && self.rules().valid.contains(mapped)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rules().word)
    }
}
