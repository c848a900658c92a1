//! What a client may ask.

use crate::contract::access::AccessMask;
use crate::security::Token;

use super::generation::GenerationLayout;
use super::id::{HandleId, OpeningId, PageId, ProcessId};
use super::kind::Kind;
use super::name::RawName;
use super::spec::{Spec, Writers};

/// How whoever asks for a handle will hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HandleForm {
    /// As a descriptor, which can be copied, inherited and sent.
    Descriptor,
    /// By its number, in the client that asked, for as long as that is there.
    Held,
}

/// One request. Numbers and names are unchecked; [`super::Manager::apply`] checks them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Make an object with one share over it: a handle that bears the name, and an opening that
    /// may do everything. The memory of one that has memory comes with the request.
    Create {
        /// What it is made of.
        spec: Spec,
        /// Its name, or none.
        name: Option<RawName>,
        /// Access of the handle.
        access: AccessMask,
        /// How the handle is held.
        form: HandleForm,
        /// A page that the client still has mapped from an object of its own that is gone. If it
        /// can be used again, none comes with the answer.
        spare: Option<PageId>,
    },
    /// Make a stream, as [`Self::Create`]; the opening is its sender.
    StreamCreate {
        /// Its name, or none.
        name: Option<RawName>,
        /// Access of the handle and the opening.
        access: AccessMask,
        /// How the handle is held.
        form: HandleForm,
    },
    /// Open an object by name.
    Open {
        /// Kind it must be of.
        kind: Kind,
        /// Its name.
        name: RawName,
        /// Access wanted.
        access: AccessMask,
        /// A page that the client has mapped to be written, of what it found under this name last:
        /// if it is the object's, it is not sent again.
        known: Option<PageId>,
    },
    /// Make a handle on the share that bears a name.
    OpenHandle {
        /// Kind it must be of.
        kind: Kind,
        /// The name.
        name: RawName,
        /// Access wanted.
        access: AccessMask,
    },
    /// Open the object of a handle; the handle comes with the request.
    OpenPresented {
        /// Kind it must be of.
        kind: Kind,
    },
    /// Make another handle, with other rights, on the share of a handle that comes with the
    /// request. Fewer rights are never checked.
    Duplicate {
        /// Access wanted; empty for the same.
        access: AccessMask,
    },
    /// What a handle that comes with the request is of.
    QueryPresented,
    /// Make a handle for another process, on the share of a handle that comes with the request;
    /// a pidfd of that process comes behind it. It finds the handle under a ticket.
    Deliver {
        /// Access wanted; empty for the same.
        access: AccessMask,
    },
    /// The handle that was delivered to the caller's process under this ticket.
    Redeem {
        /// Its bits.
        ticket: u32,
    },
    /// Make a handle on the share of what was delivered to another process, whose pidfd comes with
    /// the request.
    Fetch {
        /// Its bits.
        ticket: u32,
        /// Access wanted; empty for the same.
        access: AccessMask,
    },
    /// Who holds an opened object open.
    Openings {
        /// The opening.
        opening: OpeningId,
        /// How many to skip.
        skip: u32,
    },
    /// Make another share, with a name or without, over an opened object.
    Share {
        /// The opening.
        opening: OpeningId,
        /// The new share's name, or none.
        name: Option<RawName>,
        /// Access of the new handle.
        access: AccessMask,
        /// How the new handle is held.
        form: HandleForm,
    },
    /// Drop a handle that the client holds by number.
    DropHandle {
        /// The handle.
        handle: HandleId,
    },
    /// Drop an opening.
    Drop {
        /// The opening.
        opening: OpeningId,
    },
    /// The client has mapped every page it was sent for this opening.
    Mapped {
        /// The opening.
        opening: OpeningId,
    },
    /// Tell once when this name is there.
    WatchName {
        /// The name.
        name: RawName,
        /// A number of the client's own, given back in the event.
        watch: u32,
    },
    /// Tell once when anything in a listing changes.
    WatchAll {
        /// A number of the client's own, given back in the event.
        watch: u32,
    },
    /// Forget a watch.
    Unwatch {
        /// Its number.
        watch: u32,
    },
    /// List the objects behind this one, in the order they were made.
    List {
        /// Counter of the last object already listed; 0 at the start.
        after: u64,
    },
    /// What an opened object is, and who receives it.
    Query {
        /// The opening.
        opening: OpeningId,
    },
    /// Receive a stream: the opening gets a receiver page.
    StreamJoin {
        /// The opening.
        opening: OpeningId,
    },
    /// The stream's present generation.
    StreamGeneration {
        /// The opening.
        opening: OpeningId,
    },
    /// The sender's next generation of slots; its memory comes with the request.
    StreamPublish {
        /// The sender's opening.
        opening: OpeningId,
        /// What the memory holds.
        layout: GenerationLayout,
    },
    /// More receiver pages for the sender to map.
    StreamStock {
        /// The sender's opening.
        opening: OpeningId,
    },
    /// The receiver pages of a stream, to look at (`handfast show`).
    StreamInspect {
        /// An opening with STREAM_QUERY.
        opening: OpeningId,
        /// Openings already seen: receivers behind this many.
        skip: u32,
    },
}

/// What has to come with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// No descriptor.
    Nothing,
    /// Memory: for one writer one descriptor with every seal, for several one that can be written
    /// and one that cannot.
    Memory(Writers),
    /// A handle.
    Handle,
    /// A handle, and a pidfd.
    HandleAndProcess,
    /// A pidfd.
    Process,
    /// No descriptor: the broker knows which process asks.
    OwnProcess,
}

impl Takes {
    /// How many descriptors that is.
    #[must_use]
    pub const fn descriptors(self) -> u16 {
        match self {
            Self::Nothing | Self::OwnProcess => 0,
            Self::Memory(Writers::One) | Self::Handle | Self::Process => 1,
            Self::Memory(Writers::Several) | Self::HandleAndProcess => 2,
        }
    }
}

/// What came with a request, as the broker found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// No descriptor, or one that is neither of the others.
    Nothing,
    /// Memory.
    Memory(ReceivedPayload),
    /// A handle that this broker made.
    Handle(HandleId),
    /// A handle that this broker made, and a process.
    HandleAndProcess(HandleId, Process),
    /// A process.
    Process(Process),
}

/// A process that was alive when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The broker's number for it. Another process never has it.
    pub id: ProcessId,
    /// Who it is.
    pub token: Token,
}

/// Of what the handles decide the answer to a request: any may have been closed or dropped without
/// the broker having heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LooksAt<'a> {
    /// The share that bears a name.
    Name(&'a RawName),
    /// The share of the handle that came along: copies that are gone give room to one that is made.
    Shown,
    /// The share of what was delivered under a ticket, likewise.
    Ticket(u32),
    /// Every share.
    Everything,
    /// None.
    Nothing,
}

impl Request {
    /// Of what the handles decide the answer.
    pub(super) const fn looks_at(&self) -> LooksAt<'_> {
        match self {
            Self::Create { name: Some(name), .. }
            | Self::StreamCreate { name: Some(name), .. }
            | Self::Share { name: Some(name), .. }
            | Self::Open { name, .. }
            | Self::OpenHandle { name, .. }
            | Self::WatchName { name, .. } => LooksAt::Name(name),
            Self::Duplicate { .. } | Self::Deliver { .. } => LooksAt::Shown,
            Self::Fetch { ticket, .. } => LooksAt::Ticket(*ticket),
            Self::List { .. } => LooksAt::Everything,
            Self::Create { name: None, .. }
            | Self::StreamCreate { name: None, .. }
            | Self::Share { name: None, .. }
            | Self::OpenPresented { .. }
            | Self::QueryPresented
            | Self::Redeem { .. }
            | Self::Openings { .. }
            | Self::DropHandle { .. }
            | Self::Drop { .. }
            | Self::Mapped { .. }
            | Self::WatchAll { .. }
            | Self::Unwatch { .. }
            | Self::Query { .. }
            | Self::StreamJoin { .. }
            | Self::StreamGeneration { .. }
            | Self::StreamPublish { .. }
            | Self::StreamStock { .. }
            | Self::StreamInspect { .. } => LooksAt::Nothing,
        }
    }

    /// Whether the time at which it is asked is written down.
    #[must_use]
    pub const fn is_dated(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::StreamCreate { .. } | Self::Share { .. })
    }

    /// What has to come with it.
    #[must_use]
    pub const fn takes(&self) -> Takes {
        match self {
            Self::Create { spec, .. } => match spec.writers() {
                Some(writers) => Takes::Memory(writers),
                None => Takes::Nothing,
            },
            Self::StreamPublish { .. } => Takes::Memory(Writers::One),
            Self::OpenPresented { .. } | Self::Duplicate { .. } | Self::QueryPresented => {
                Takes::Handle
            }
            Self::Deliver { .. } => Takes::HandleAndProcess,
            Self::Fetch { .. } => Takes::Process,
            Self::Redeem { .. } => Takes::OwnProcess,
            Self::StreamCreate { .. }
            | Self::Open { .. }
            | Self::OpenHandle { .. }
            | Self::Openings { .. }
            | Self::Share { .. }
            | Self::Drop { .. }
            | Self::DropHandle { .. }
            | Self::Mapped { .. }
            | Self::WatchName { .. }
            | Self::WatchAll { .. }
            | Self::Unwatch { .. }
            | Self::List { .. }
            | Self::Query { .. }
            | Self::StreamJoin { .. }
            | Self::StreamGeneration { .. }
            | Self::StreamStock { .. }
            | Self::StreamInspect { .. } => Takes::Nothing,
        }
    }
}

/// Memory that came with a request, as the broker found it: sealed, and of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedPayload {
    /// Its size, sealed.
    pub size_bytes: u64,
    /// Who can write it, as its seals say.
    pub writers: Writers,
}

/// What the broker has to hold ready before a request is applied, so that performing the effects
/// cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Resources {
    /// Fresh pages of fences, events and keyed mutexes.
    pub pages: usize,
    /// Fresh pages of streams, which are always given out to be read as well.
    pub stream_pages: usize,
    /// Fresh handle pipes.
    pub handles: usize,
    /// A page of which a descriptor that only reads may be given out.
    pub view: Option<PageId>,
}
