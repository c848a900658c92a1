//! The kinds of object, each a row of rules.

pub mod stream;

use core::fmt;

use crate::contract::access::{AccessMask, GenericMapping};

/// What kind an object is of. All kinds share one name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Frames from one sender to many receivers.
    Stream,
}

/// The rules of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The word for it.
    pub word: &'static str,
    /// Its number on the wire.
    pub number: u16,
    /// What the generic rights stand for; `all` is every right it has.
    pub mapping: GenericMapping,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::Stream];

    /// Its rules.
    #[must_use]
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::Stream => &stream::RULES,
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
        !wanted.is_empty() && self.rules().mapping.all.contains(mapped)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rules().word)
    }
}
