//! The records the model is made of.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::contract::access::AccessMask;
use crate::contract::handle::Ticket;
use crate::security::{Granted, Token};

use super::effect::PageClass;
use super::id::{ClientId, HandleId, ObjectId, OpeningId, PageId, ProcessId, ShareId};
use super::kind::Kind;
use super::kind::made::Made;
use super::kind::stream::Stream;
use super::name::ObjectName;

/// Who made a thing, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maker {
    /// Its token.
    pub token: Token,
    /// Its process.
    pub pid: i32,
    /// Nanoseconds since 1970.
    pub made_ns: u64,
}

/// What only one kind of object has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// A stream's: larger than the others.
    Stream(Box<Stream>),
    /// That of any other kind.
    Made(Made),
}

impl Body {
    /// The kind it is the body of.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Stream(_) => Kind::Stream,
            Self::Made(made) => made.spec.kind(),
        }
    }

    /// The rights that nobody but its maker can have.
    pub(crate) const fn barred(&self) -> AccessMask {
        match self {
            Self::Stream(_) => AccessMask::empty(),
            Self::Made(made) => made.spec.barred(),
        }
    }

    /// Bytes of memory it holds.
    pub(crate) fn payload_bytes(&self) -> u64 {
        match self {
            Self::Stream(stream) => stream.payload_bytes(),
            Self::Made(made) => made.payload_bytes(),
        }
    }
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub maker: Maker,
    /// Its shares that still have handles, in the order in which they were made.
    pub shares: SmallVec<[ShareId; 2]>,
    /// Openings of all clients.
    pub openings: u32,
    pub body: Body,
}

/// What one create call made over an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub object: u64,
    pub maker: Maker,
    pub name: Option<ObjectName>,
    /// Handles that are not all closed, in the order in which they were made.
    pub handles: SmallVec<[HandleId; 2]>,
}

/// Who holds a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Whoever has a copy of its descriptor; the kernel says when nobody has.
    Descriptor,
    /// This client, by number, until it drops it or is gone.
    Client(ClientId),
}

/// A handle: {object, granted access}, the object through its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    pub share: ShareId,
    pub granted: Granted,
    /// User it was made for.
    pub uid: u32,
    pub holder: Holder,
    /// For whom, and under which number, if it was made for another process.
    pub delivered: Option<(ProcessId, Ticket)>,
}

/// How far a delivered handle has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The broker keeps it for the process.
    Waits(HandleId),
    /// The process has it.
    Redeemed(HandleId),
}

impl Delivery {
    pub(crate) const fn handle(self) -> HandleId {
        match self {
            Self::Waits(handle) | Self::Redeemed(handle) => handle,
        }
    }

    pub(crate) const fn waits(&self) -> bool {
        matches!(self, Self::Waits(_))
    }
}

/// What was delivered to one process and lives. There is one while there is any.
pub(crate) type Deliveries = BTreeMap<Ticket, Delivery>;

/// An opening: {object, granted access}, of the client that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub object: u64,
    pub granted: Granted,
    /// Its number at the object's keyed mutex; 0 if there is none.
    pub owner: u32,
}

/// What a client waits to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Name(ObjectName),
    All,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub token: Token,
    pub pid: i32,
    pub next_opening: u32,
    pub openings: BTreeMap<OpeningId, Opening>,
    pub watches: BTreeMap<u32, Watch>,
    /// Handles that it holds by number.
    pub held: BTreeSet<HandleId>,
    /// Pages that were only ever its own and whose objects are gone, the oldest first.
    pub spare_pages: VecDeque<(PageId, PageClass)>,
}

/// Which clients watch: a change is told without asking those that do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watchers {
    names: BTreeSet<ClientId>,
    all: BTreeSet<ClientId>,
}

impl Watchers {
    pub(crate) const fn new() -> Self {
        Self { names: BTreeSet::new(), all: BTreeSet::new() }
    }

    /// What this client watches has changed.
    pub(crate) fn note(&mut self, id: ClientId, client: &Client) {
        let all = client.watches.values().any(|watch| matches!(watch, Watch::All));
        let name = client.watches.values().any(|watch| matches!(watch, Watch::Name(_)));
        for (set, watches) in [(&mut self.all, all), (&mut self.names, name)] {
            if watches {
                set.insert(id);
            } else {
                set.remove(&id);
            }
        }
    }

    /// Who waits for names.
    pub(crate) fn of_names(&self) -> Vec<ClientId> {
        self.names.iter().copied().collect()
    }

    /// Who waits for any change.
    pub(crate) fn of_all(&self) -> Vec<ClientId> {
        self.all.iter().copied().collect()
    }
}

/// What one user holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub clients: usize,
    pub handles: usize,
    pub objects: usize,
    pub payload_bytes: u64,
}

impl Usage {
    pub(crate) const fn is_nothing(&self) -> bool {
        self.clients == 0 && self.handles == 0 && self.objects == 0 && self.payload_bytes == 0
    }
}

/// The last numbers given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    pub object: u64,
    pub share: u64,
    pub handle: u64,
    pub client: u64,
    pub page: u64,
    pub payload: u64,
    pub ticket: u64,
}

impl Counters {
    /// None was given out.
    pub(crate) const NONE: Self =
        Self { object: 0, share: 0, handle: 0, client: 0, page: 0, payload: 0, ticket: 0 };

    /// Counts one of them up. 2^64 is never reached: at one a nanosecond it takes 584 years.
    pub(crate) const fn next(counter: &mut u64) -> u64 {
        *counter = counter.wrapping_add(1);
        *counter
    }
}

/// The id that the outside knows an object by.
pub(crate) const fn object_id(instance: u64, counter: u64) -> ObjectId {
    ObjectId { instance, counter }
}
