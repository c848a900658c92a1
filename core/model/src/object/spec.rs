//! What surfaces, fences, events and sections are made of, and what an opening of one may be given.
//! The model knows no more of them: their words live in pages, their bytes in memory.

use crate::contract::access::AccessMask;
use crate::contract::bytes::{ByteReader, ByteWriter, Malformed};
use crate::contract::surface::{SURFACE_BYTES_MAX, SurfaceDesc, SurfaceFlags};

use super::effect::PageKind;
use super::error::Error;
use super::kind::Kind;

/// How many may write an object's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writers {
    /// The mapping that its maker had before it was shared, and no other: sealed by the kernel.
    One,
    /// Everybody who was granted it.
    Several,
}

/// What a successful wait does to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reset {
    /// Nothing: it stays set until it is reset.
    Manual,
    /// Resets it: each set releases one wait.
    Auto,
}

/// How a descriptor is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// It can be mapped for writing.
    Writable,
    /// It can be mapped for reading only.
    ReadOnly,
}

/// What an object is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spec {
    /// A surface; its memory comes with the request.
    Surface {
        /// What is in it.
        desc: SurfaceDesc,
        /// Who may write it.
        writers: Writers,
    },
    /// A fence.
    Fence {
        /// Its first value.
        value: u64,
    },
    /// An event.
    Event {
        /// What a wait does to it.
        reset: Reset,
        /// Whether it is set at first.
        signaled: bool,
    },
    /// A section; its memory comes with the request.
    Section {
        /// How large it is.
        size_bytes: u64,
        /// Who may write it.
        writers: Writers,
    },
}

impl Spec {
    /// The kind of object.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Surface { .. } => Kind::Surface,
            Self::Fence { .. } => Kind::Fence,
            Self::Event { .. } => Kind::Event,
            Self::Section { .. } => Kind::Section,
        }
    }

    /// Who may write its memory; None if it has none.
    #[must_use]
    pub const fn writers(&self) -> Option<Writers> {
        match self {
            Self::Surface { writers, .. } | Self::Section { writers, .. } => Some(*writers),
            Self::Fence { .. } | Self::Event { .. } => None,
        }
    }

    /// The page it has, if it has one.
    #[must_use]
    pub const fn page(&self) -> Option<PageKind> {
        match self {
            Self::Surface { desc, .. } if desc.flags.contains(SurfaceFlags::KEYED_MUTEX) => {
                Some(PageKind::KeyedMutex)
            }
            Self::Surface { .. } | Self::Section { .. } => None,
            Self::Fence { value } => Some(PageKind::Fence { value: *value }),
            Self::Event { reset, signaled } => {
                Some(PageKind::Event { reset: *reset, signaled: *signaled })
            }
        }
    }

    /// Bytes of memory it needs, 0 for one that has none.
    ///
    /// # Errors
    /// [`Error::SpecInvalid`] when there can be no such object.
    pub fn needs_bytes(&self) -> Result<u64, Error> {
        let invalid = Error::SpecInvalid { kind: self.kind() };
        match self {
            Self::Surface { desc, .. } => desc.size_bytes().map_err(|_| invalid),
            Self::Section { size_bytes: 0, .. } => Err(invalid),
            Self::Section { size_bytes, .. } if *size_bytes > SURFACE_BYTES_MAX => Err(invalid),
            Self::Section { size_bytes, .. } => Ok(*size_bytes),
            Self::Fence { .. } | Self::Event { .. } => Ok(0),
        }
    }

    /// The rights without which it cannot be opened: a handle without `READ_CONTROL` opens no
    /// surface.
    pub(crate) const fn least(&self) -> AccessMask {
        match self {
            Self::Surface { .. } => AccessMask::READ_CONTROL,
            Self::Fence { .. } | Self::Event { .. } | Self::Section { .. } => AccessMask::empty(),
        }
    }

    /// The rights that nobody but its maker can have, because the kernel gives them to nobody.
    pub(crate) const fn barred(&self) -> AccessMask {
        match self {
            Self::Surface { writers: Writers::One, .. } => AccessMask::SURFACE_WRITE,
            Self::Section { writers: Writers::One, .. } => AccessMask::SECTION_MAP_WRITE,
            Self::Surface { .. }
            | Self::Section { .. }
            | Self::Fence { .. }
            | Self::Event { .. } => AccessMask::empty(),
        }
    }

    /// How an opening with these rights gets the page; None when it gets none.
    #[must_use]
    pub const fn page_view(&self, granted: AccessMask) -> Option<View> {
        let (writing, reading) = match self {
            // Whoever takes turns writes whose turn it is.
            Self::Surface { desc, .. } if desc.flags.contains(SurfaceFlags::KEYED_MUTEX) => {
                (AccessMask::READ_CONTROL, AccessMask::empty())
            }
            Self::Surface { .. } | Self::Section { .. } => return None,
            Self::Fence { .. } => (AccessMask::FENCE_SIGNAL, AccessMask::FENCE_WAIT),
            // A wait for it changes it.
            Self::Event { reset: Reset::Auto, .. } => {
                (AccessMask::EVENT_MODIFY.union(AccessMask::SYNCHRONIZE), AccessMask::EVENT_QUERY)
            }
            Self::Event { reset: Reset::Manual, .. } => {
                (AccessMask::EVENT_MODIFY, AccessMask::EVENT_QUERY)
            }
        };
        let reading = reading.union(AccessMask::READ_CONTROL).union(AccessMask::SYNCHRONIZE);
        if granted.intersects(writing) {
            Some(View::Writable)
        } else if granted.intersects(reading) {
            Some(View::ReadOnly)
        } else {
            None
        }
    }

    /// Whether an opening with these rights waits and cannot write what it waits for, so that
    /// signals must always wake.
    #[must_use]
    pub const fn reads_to_wait(&self, granted: AccessMask) -> bool {
        let waiting = match self {
            Self::Fence { .. } => AccessMask::SYNCHRONIZE.union(AccessMask::FENCE_WAIT),
            Self::Event { .. } => AccessMask::SYNCHRONIZE,
            Self::Surface { .. } | Self::Section { .. } => AccessMask::empty(),
        };
        matches!(self.page_view(granted), Some(View::ReadOnly)) && granted.intersects(waiting)
    }

    /// How an opening with these rights gets the memory; None when it gets none.
    #[must_use]
    pub const fn payload_view(&self, granted: AccessMask) -> Option<View> {
        let (writers, writing, reading) = match self {
            Self::Surface { writers, .. } => {
                (*writers, AccessMask::SURFACE_WRITE, AccessMask::READ_CONTROL)
            }
            Self::Section { writers, .. } => {
                (*writers, AccessMask::SECTION_MAP_WRITE, AccessMask::SECTION_MAP_READ)
            }
            Self::Fence { .. } | Self::Event { .. } => return None,
        };
        if granted.intersects(writing) && matches!(writers, Writers::Several) {
            Some(View::Writable)
        } else if granted.intersects(writing.union(reading)) {
            Some(View::ReadOnly)
        } else {
            None
        }
    }

    /// Writes it as it goes over the wire and into snapshots.
    pub(crate) fn encode(&self, w: &mut ByteWriter) {
        w.u16(self.kind().rules().number);
        match self {
            Self::Surface { desc, writers } => {
                desc.encode(w);
                put_writers(w, *writers);
            }
            Self::Fence { value } => w.u64(*value),
            Self::Event { reset, signaled } => {
                w.u8((*reset == Reset::Auto).into());
                w.u8((*signaled).into());
            }
            Self::Section { size_bytes, writers } => {
                w.u64(*size_bytes);
                put_writers(w, *writers);
            }
        }
    }

    pub(crate) fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(match Kind::from_number(r.u16()?).ok_or(Malformed)? {
            Kind::Surface => Self::Surface { desc: SurfaceDesc::decode(r)?, writers: writers(r)? },
            Kind::Fence => Self::Fence { value: r.u64()? },
            Kind::Event => {
                let reset = if truth(r)? { Reset::Auto } else { Reset::Manual };
                Self::Event { reset, signaled: truth(r)? }
            }
            Kind::Section => Self::Section { size_bytes: r.u64()?, writers: writers(r)? },
            Kind::Stream => return Err(Malformed),
        })
    }
}

fn put_writers(w: &mut ByteWriter, writers: Writers) {
    w.u8((writers == Writers::Several).into());
}

fn writers(r: &mut ByteReader<'_>) -> Result<Writers, Malformed> {
    Ok(if truth(r)? { Writers::Several } else { Writers::One })
}

fn truth(r: &mut ByteReader<'_>) -> Result<bool, Malformed> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}
