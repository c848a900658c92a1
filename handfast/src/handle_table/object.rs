//! What a handle's value is used as: an opened object, of whichever kind.

use std::sync::Arc;

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Kind, ObjectId};

use crate::error::{Cause, Result};
use crate::event::Event;
use crate::fence::Fence;
use crate::handle::Handle;
use crate::section::Section;
use crate::surface::Surface;

/// An opened object of any kind but a stream. Copies of it are the same opening. A surface or
/// section goes into it in an [`Arc`].
#[derive(Clone, Debug)]
pub enum HandleObject {
    /// A surface.
    Surface(Arc<Surface>),
    /// A section.
    Section(Arc<Section>),
    /// A fence.
    Fence(Fence),
    /// An event.
    Event(Event),
}

macro_rules! each {
    ($object:expr, $it:ident => $what:expr) => {
        match $object {
            HandleObject::Surface($it) => $what,
            HandleObject::Section($it) => $what,
            HandleObject::Fence($it) => $what,
            HandleObject::Event($it) => $what,
        }
    };
}

impl HandleObject {
    pub(super) fn open(handle: &Handle) -> Result<Self> {
        Ok(match handle.kind() {
            Kind::Surface => Self::Surface(Arc::new(Surface::open_handle(handle)?)),
            Kind::Section => Self::Section(Arc::new(Section::open_handle(handle)?)),
            Kind::Fence => Self::Fence(Fence::open_handle(handle)?),
            Kind::Event => Self::Event(Event::open_handle(handle)?),
            Kind::Stream => return Err(Cause::Unexpected.into()),
        })
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Surface(_) => Kind::Surface,
            Self::Section(_) => Kind::Section,
            Self::Fence(_) => Kind::Fence,
            Self::Event(_) => Kind::Event,
        }
    }

    /// What may be done with it.
    #[must_use]
    pub fn access(&self) -> AccessMask {
        each!(self, it => it.access())
    }

    /// Its id, once it has been shared.
    #[must_use]
    pub fn object(&self) -> Option<ObjectId> {
        each!(self, it => it.object())
    }

    /// A handle of a share of its own, with all that may be done with it.
    pub(super) fn share(&self) -> Result<Handle> {
        each!(self, it => it.share(None, it.access()))
    }

    /// Whether it costs its process nothing but memory until it is shared.
    pub(super) fn is_private(&self) -> bool {
        match self {
            Self::Fence(_) | Self::Event(_) => self.object().is_none(),
            Self::Surface(_) | Self::Section(_) => false,
        }
    }
}

macro_rules! from {
    ($($kind:ident = $type:ty),* $(,)?) => {
        $(impl From<$type> for HandleObject {
            fn from(object: $type) -> Self {
                Self::$kind(object)
            }
        })*
    };
}

from! { Surface = Arc<Surface>, Section = Arc<Section>, Fence = Fence, Event = Event }
