//! The object model: objects, shares, handles, openings, names and clients as one value.

pub mod effect;
pub mod error;
mod generation;
mod held;
pub mod id;
mod invariants;
pub mod kind;
mod lifetime;
pub mod manager;
pub mod name;
mod names;
mod op;
pub mod reply;
pub mod request;
mod snapshot;
mod spare;
mod spec;
mod state;
mod table;

pub use effect::{Effect, Event, Leaving, PageClass, PageKind, Signaller, StreamEnd};
pub use error::{Cap, Error};
pub use generation::{GenerationLayout, PictureFacts};
pub use held::Concerned;
pub use id::{ClientId, HandleId, ObjectId, OpeningId, PageId, PayloadId, ProcessId, ShareId};
pub use invariants::Violation;
pub use kind::Kind;
pub use manager::{Caller, Manager};
pub use name::{Directory, ObjectName, RawName};
pub use reply::{Attachment, Facts, HeldFacts, ListEntry, OpeningFacts, Parts, Reply, StreamFacts};
pub use request::{Came, HandleForm, Process, ReceivedPayload, Request, Resources, Takes};
pub use snapshot::SnapshotError;
pub use spec::{Reset, Spec, View, Writers};
