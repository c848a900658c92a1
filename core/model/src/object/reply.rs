//! What a request is answered with.

use alloc::vec::Vec;

use crate::security::Granted;

use super::effect::StreamEnd;
use super::generation::{GenerationLayout, PictureFacts};
use super::id::{ClientId, HandleId, ObjectId, OpeningId, PageId, PayloadId};
use super::kind::Kind;
use super::name::ObjectName;
use super::request::HandleForm;
use super::spec::{Spec, View};

/// One descriptor that goes with a reply, in the order of [`Reply::attachments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// The read end of a handle's pipe.
    Handle(HandleId),
    /// A page, writable: for its one writer.
    WritablePage(PageId),
    /// A page, read-only.
    ReadOnlyPage(PageId),
    /// Memory, writable.
    WritablePayload(PayloadId),
    /// Memory, as those get it who may not write it.
    Payload(PayloadId),
    /// A pidfd of a client's process.
    Process(ClientId),
}

/// What a listing says of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Its id.
    pub object: ObjectId,
    /// Names of its shares that the caller may see.
    pub names: Vec<ObjectName>,
    /// Process that made it.
    pub pid: i32,
    /// User that made it.
    pub uid: u32,
    /// When, in nanoseconds since 1970.
    pub made_ns: u64,
    /// Handles that the broker made and that are not all closed.
    pub handles: u32,
    /// Openings.
    pub openings: u32,
    /// What it is.
    pub facts: Facts,
}

impl ListEntry {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.facts {
            Facts::Stream(_) => Kind::Stream,
            Facts::Made(spec) => spec.kind(),
        }
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facts {
    /// A stream.
    Stream(StreamFacts),
    /// Anything else: what it was made of.
    Made(Spec),
}

/// What an opening gets of an object that is no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Parts {
    /// The client's number at the page, if it may write it.
    pub seat: u32,
    /// The opening's number at the keyed mutex; 0 if there is none.
    pub owner: u32,
    /// The attached page.
    pub page: Option<(PageId, View)>,
    /// The page, where it is the one that the client offered and has mapped: it is not attached.
    pub spare: Option<PageId>,
    /// The attached memory.
    pub payload: Option<(PayloadId, View)>,
}

impl Parts {
    fn attach(&self, list: &mut Vec<Attachment>) {
        list.extend(self.page.map(|(page, view)| match view {
            View::Writable => Attachment::WritablePage(page),
            View::ReadOnly => Attachment::ReadOnlyPage(page),
        }));
        list.extend(self.payload.map(|(payload, view)| match view {
            View::Writable => Attachment::WritablePayload(payload),
            View::ReadOnly => Attachment::Payload(payload),
        }));
    }
}

impl HandleForm {
    fn attach(self, handle: HandleId) -> Option<Attachment> {
        match self {
            Self::Descriptor => Some(Attachment::Handle(handle)),
            Self::Held => None,
        }
    }
}

/// A handle that a client holds by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldFacts {
    /// The process that holds it.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// What it may do.
    pub granted: Granted,
}

/// One opening of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpeningFacts {
    /// The process that holds it.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// What it may do.
    pub granted: Granted,
    /// Its number at the keyed mutex; 0 if there is none.
    pub owner: u32,
}

/// What the model knows of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamFacts {
    /// Process of the sender, while it is there.
    pub sender_pid: Option<i32>,
    /// How it ended, if it has.
    pub end: Option<StreamEnd>,
    /// Present generation, 0 before the first.
    pub generation: u32,
    /// Receivers.
    pub receivers: u32,
    /// Size of the present generation's memory.
    pub payload_bytes: u64,
    /// What its pictures are, while the sender is there; zeros before the first generation.
    pub picture: PictureFacts,
}

/// One receiver of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverFacts {
    /// Its process.
    pub pid: i32,
    /// Its page.
    pub page: PageId,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done; nothing to say.
    Done,
    /// `Create`: attached are the handle, if it is a descriptor, and the parts, whose memory is the
    /// maker's own.
    Created {
        /// The object.
        object: ObjectId,
        /// The new opening.
        opening: OpeningId,
        /// The handle.
        handle: HandleId,
        /// How it is held.
        form: HandleForm,
        /// What the handle may do.
        granted: Granted,
        /// What the opening gets.
        parts: Parts,
    },
    /// `Open`, `OpenPresented`: attached are the parts.
    Opened {
        /// The object.
        object: ObjectId,
        /// The new opening.
        opening: OpeningId,
        /// What it may do.
        granted: Granted,
        /// What the object is made of.
        spec: Spec,
        /// What the opening gets.
        parts: Parts,
    },
    /// `QueryPresented`.
    HandleFacts {
        /// What the handle may do.
        granted: Granted,
        /// What it is of.
        entry: ListEntry,
    },
    /// `Openings`.
    Openings {
        /// In the order of their clients.
        openings: Vec<OpeningFacts>,
        /// Whether there are more.
        more: bool,
    },
    /// `Deliver`.
    Delivered {
        /// The value under which the other process finds the handle.
        ticket: u32,
    },
    /// `Redeem`, `Fetch`: attached is the handle.
    Taken {
        /// The object.
        object: ObjectId,
        /// Its kind.
        kind: Kind,
        /// The attached handle.
        handle: HandleId,
        /// What it may do.
        granted: Granted,
    },
    /// `StreamCreate`: attached are the handle, if it is a descriptor, the sender's page and the
    /// first receiver pages.
    StreamCreated {
        /// The object.
        object: ObjectId,
        /// The sender's opening.
        opening: OpeningId,
        /// The handle.
        handle: HandleId,
        /// How it is held.
        form: HandleForm,
        /// The attached page, writable.
        page: PageId,
        /// The attached receiver pages, read-only.
        stock: Vec<PageId>,
    },
    /// `Open`: attached is the sender's page and, while it lives, a pidfd of the sender.
    StreamOpened {
        /// The object.
        object: ObjectId,
        /// The new opening.
        opening: OpeningId,
        /// What it may do.
        granted: Granted,
        /// The attached page, read-only.
        page: PageId,
        /// The sender's client, until it is gone.
        sender: Option<ClientId>,
        /// Its process, or 0.
        sender_pid: i32,
    },
    /// `OpenHandle`, `Share`, `Duplicate`: attached is the handle, if it is a descriptor.
    Handle {
        /// The object.
        object: ObjectId,
        /// The handle.
        handle: HandleId,
        /// How it is held.
        form: HandleForm,
        /// What it may do.
        granted: Granted,
    },
    /// `WatchName`, `WatchAll`.
    Watching {
        /// Whether the name is there already (the watch stands in both cases).
        bound: bool,
    },
    /// `List`.
    Listing {
        /// Objects in the order they were made.
        entries: Vec<ListEntry>,
        /// Whether there are more behind the last.
        more: bool,
    },
    /// `Query`.
    Facts(ListEntry),
    /// `StreamJoin`: attached are the receiver's page and, if there is one, the generation.
    StreamJoined {
        /// The attached page, writable.
        page: PageId,
        /// The generation and its attached memory.
        generation: Option<(GenerationLayout, PayloadId)>,
    },
    /// `StreamJoin`: the sender has to look first; [`super::Event::Room`] follows.
    StreamFull,
    /// `StreamGeneration`: attached is its memory. None before the first.
    StreamGeneration(Option<(GenerationLayout, PayloadId)>),
    /// `StreamStock`: attached are receiver pages, read-only.
    StreamStock {
        /// The pages.
        stock: Vec<PageId>,
    },
    /// `StreamInspect`: attached are the receivers' pages, read-only.
    StreamReceivers {
        /// In the order of their clients.
        receivers: Vec<ReceiverFacts>,
        /// Whether there are more.
        more: bool,
    },
}

impl Reply {
    /// The descriptors that go with this reply, in order.
    #[must_use]
    pub fn attachments(&self) -> Vec<Attachment> {
        let mut list = Vec::new();
        match self {
            Self::Done
            | Self::Watching { .. }
            | Self::Listing { .. }
            | Self::Facts(_)
            | Self::HandleFacts { .. }
            | Self::Openings { .. }
            | Self::Delivered { .. }
            | Self::StreamFull => {}
            Self::Created { handle, form, parts, .. } => {
                list.extend(form.attach(*handle));
                parts.attach(&mut list);
            }
            Self::Opened { parts, .. } => parts.attach(&mut list),
            Self::StreamCreated { handle, form, page, stock, .. } => {
                list.extend(form.attach(*handle));
                list.push(Attachment::WritablePage(*page));
                list.extend(stock.iter().map(|page| Attachment::ReadOnlyPage(*page)));
            }
            Self::StreamOpened { page, sender, .. } => {
                list.push(Attachment::ReadOnlyPage(*page));
                list.extend(sender.map(Attachment::Process));
            }
            Self::Handle { handle, form, .. } => list.extend(form.attach(*handle)),
            Self::Taken { handle, .. } => list.push(Attachment::Handle(*handle)),
            Self::StreamJoined { page, generation } => {
                list.push(Attachment::WritablePage(*page));
                list.extend(generation.map(|(_, payload)| Attachment::Payload(payload)));
            }
            Self::StreamGeneration(generation) => {
                list.extend(generation.map(|(_, payload)| Attachment::Payload(payload)));
            }
            Self::StreamStock { stock } => {
                list.extend(stock.iter().map(|page| Attachment::ReadOnlyPage(*page)));
            }
            Self::StreamReceivers { receivers, .. } => {
                list.extend(receivers.iter().map(|one| Attachment::ReadOnlyPage(one.page)));
            }
        }
        list
    }
}
