//! How long names, objects and streams live, one rule to a test.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has failed"
)]

#[path = "lifetime/access.rs"]
mod access;
#[path = "lifetime/caps.rs"]
mod caps;
#[path = "lifetime/deliver.rs"]
mod deliver;
#[path = "lifetime/held.rs"]
mod held;
#[path = "lifetime/kinds.rs"]
mod kinds;
#[path = "lifetime/names.rs"]
mod names;
#[path = "lifetime/objects.rs"]
mod objects;
#[path = "lifetime/parts.rs"]
mod parts;
#[path = "lifetime/presented.rs"]
mod presented;
#[path = "lifetime/spare.rs"]
mod spare;
#[path = "lifetime/streams.rs"]
mod streams;
#[path = "lifetime/watches.rs"]
mod watches;

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::format::Format;
use handfast_model::contract::limits;
use handfast_model::contract::surface::{SurfaceDesc, SurfaceFlags};
use handfast_model::object::{
    Attachment, Caller, Came, Cap, ClientId, Effect, Error, Event, Facts, GenerationLayout,
    HandleForm, HandleId, HeldFacts, Kind, Leaving, ListEntry, Manager, ObjectId, OpeningFacts,
    OpeningId, PageId, PageKind, Parts, PayloadId, PictureFacts, Process, ProcessId, RawName,
    ReceivedPayload, Reply, Request, Reset, Signaller, Spec, StreamEnd, StreamFacts, View, Writers,
};
use handfast_model::security::Token;

const ALL: AccessMask = AccessMask::GENERIC_ALL;
const READ: AccessMask = AccessMask::GENERIC_READ;
const MAXIMUM: AccessMask = AccessMask::MAXIMUM_ALLOWED;
const DESCRIPTOR: HandleForm = HandleForm::Descriptor;
const FENCE: Spec = Spec::Fence { value: 7 };
const SECTION: Spec = Spec::Section { size_bytes: 4096, writers: Writers::Several };
const EXCLUSIVE_SECTION: Spec = Spec::Section { size_bytes: 4096, writers: Writers::One };

/// A small picture.
fn surface(writers: Writers) -> Spec {
    Spec::Surface { desc: SurfaceDesc::texture_2d(4, 4, Format::Rgba8), writers }
}

/// A small picture with a keyed mutex, to read and write for everybody.
fn keyed() -> Spec {
    let desc = SurfaceDesc {
        flags: SurfaceFlags::KEYED_MUTEX,
        ..SurfaceDesc::texture_2d(4, 4, Format::Rgba8)
    };
    Spec::Surface { desc, writers: Writers::Several }
}

fn event(reset: Reset) -> Spec {
    Spec::Event { reset, signaled: false }
}

/// A request for an object whose handle is a descriptor and whose page is a new one.
fn creation(spec: Spec, name: Option<RawName>, access: AccessMask) -> Request {
    Request::Create { spec, name, access, form: DESCRIPTOR, spare: None }
}

fn memory(size_bytes: u64, writers: Writers) -> Came {
    Came::Memory(ReceivedPayload { size_bytes, writers })
}

/// A manager and what it had to do so far.
struct Desk {
    manager: Manager,
    effects: Vec<Effect>,
    clock_ns: u64,
}

/// What `Open` gave of an object that is no stream.
#[derive(Clone, Copy, Debug)]
struct Opened {
    opening: OpeningId,
    granted: AccessMask,
    parts: Parts,
}

/// What `Create` gave of an object that is no stream.
#[derive(Clone, Copy, Debug)]
struct Created {
    object: ObjectId,
    opening: OpeningId,
    handle: HandleId,
    granted: AccessMask,
    parts: Parts,
}

/// What `StreamCreate` gave.
#[derive(Clone, Copy, Debug)]
struct Made {
    object: ObjectId,
    opening: OpeningId,
    handle: HandleId,
    page: PageId,
}

impl Desk {
    fn new() -> Self {
        Self { manager: Manager::new(7), effects: Vec::new(), clock_ns: 0 }
    }

    /// A client with this user; its process has the number 1000 + its client number.
    fn client(&mut self, uid: u32) -> ClientId {
        let pid = 1001 + i32::try_from(self.manager.counts().0).unwrap();
        self.manager.client_arrived(Token { uid, gid: uid }, pid).unwrap()
    }

    /// The one place where requests are made: nothing may break, refused or not.
    fn check(&mut self, client: ClientId, request: &Request, came: Came) -> Result<Reply, Error> {
        self.clock_ns += 1;
        let caller = Caller { client, time_ns: self.clock_ns, came };
        let before = (self.manager.clone(), self.effects.len());
        let reply = self.manager.apply(&caller, request, &mut self.effects);
        assert_eq!(self.manager.check(), Ok(()), "after {request:?}, answered {reply:?}");
        if reply.is_err() {
            assert_eq!(self.manager, before.0, "{request:?} is refused and changes something");
            assert_eq!(self.effects.len(), before.1, "{request:?} is refused and has effects");
        }
        reply
    }

    fn ask(&mut self, client: ClientId, request: &Request) -> Result<Reply, Error> {
        self.check(client, request, Came::Nothing)
    }

    fn try_create(&mut self, client: ClientId, name: Option<&str>) -> Result<Made, Error> {
        let name = name.map(RawName::from);
        match self.ask(client, &Request::StreamCreate { name, access: ALL, form: DESCRIPTOR })? {
            Reply::StreamCreated { object, opening, handle, page, .. } => {
                Ok(Made { object, opening, handle, page })
            }
            other => panic!("StreamCreate is answered with {other:?}"),
        }
    }

    /// Makes anything but a stream, with the memory it needs.
    fn try_make(
        &mut self,
        client: ClientId,
        spec: Spec,
        name: Option<&str>,
        access: AccessMask,
    ) -> Result<Created, Error> {
        let name = name.map(RawName::from);
        let needs = spec.needs_bytes().unwrap_or_default();
        let came = spec.writers().map_or(Came::Nothing, |writers| memory(needs, writers));
        match self.check(client, &creation(spec, name, access), came)? {
            Reply::Created { object, opening, handle, granted, parts, .. } => {
                Ok(Created { object, opening, handle, granted: granted.mask(), parts })
            }
            other => panic!("Create is answered with {other:?}"),
        }
    }

    fn make(&mut self, client: ClientId, spec: Spec, name: &str) -> Created {
        self.try_make(client, spec, Some(name), ALL).unwrap()
    }

    /// Opens anything but a stream by name.
    fn try_get(
        &mut self,
        client: ClientId,
        kind: Kind,
        name: &str,
        access: AccessMask,
    ) -> Result<Opened, Error> {
        let name = RawName::from(name);
        opened(self.ask(client, &Request::Open { kind, name, access, known: None })?)
    }

    fn get(&mut self, client: ClientId, kind: Kind, name: &str, access: AccessMask) -> Opened {
        self.try_get(client, kind, name, access).unwrap()
    }

    /// Opens anything but a stream by its handle.
    fn try_present(
        &mut self,
        client: ClientId,
        kind: Kind,
        handle: HandleId,
    ) -> Result<Opened, Error> {
        opened(self.check(client, &Request::OpenPresented { kind }, Came::Handle(handle))?)
    }

    fn try_duplicate(
        &mut self,
        client: ClientId,
        handle: HandleId,
        access: AccessMask,
    ) -> Result<(HandleId, AccessMask), Error> {
        match self.check(client, &Request::Duplicate { access }, Came::Handle(handle))? {
            Reply::Handle { handle, granted, .. } => Ok((handle, granted.mask())),
            other => panic!("Duplicate is answered with {other:?}"),
        }
    }

    fn create(&mut self, client: ClientId, name: &str) -> Made {
        self.try_create(client, Some(name)).unwrap()
    }

    fn try_open(
        &mut self,
        client: ClientId,
        name: &str,
        access: AccessMask,
    ) -> Result<OpeningId, Error> {
        let name = RawName::from(name);
        match self.ask(client, &Request::Open { kind: Kind::Stream, name, access, known: None })? {
            Reply::StreamOpened { opening, .. } => Ok(opening),
            other => panic!("Open is answered with {other:?}"),
        }
    }

    fn open(&mut self, client: ClientId, name: &str) -> OpeningId {
        self.try_open(client, name, READ).unwrap()
    }

    fn try_open_handle(&mut self, client: ClientId, name: &str) -> Result<HandleId, Error> {
        let name = RawName::from(name);
        handle_of(
            self.ask(client, &Request::OpenHandle { kind: Kind::Stream, name, access: READ })?,
        )
    }

    fn try_share(
        &mut self,
        client: ClientId,
        opening: OpeningId,
        name: Option<&str>,
    ) -> Result<HandleId, Error> {
        let name = name.map(RawName::from);
        handle_of(
            self.ask(client, &Request::Share { opening, name, access: READ, form: DESCRIPTOR })?,
        )
    }

    fn drop_opening(&mut self, client: ClientId, opening: OpeningId) {
        assert_eq!(self.ask(client, &Request::Drop { opening }), Ok(Reply::Done));
    }

    fn mapped(&mut self, client: ClientId, opening: OpeningId) {
        assert_eq!(self.ask(client, &Request::Mapped { opening }), Ok(Reply::Done));
    }

    fn join(&mut self, client: ClientId, opening: OpeningId) -> Result<PageId, Error> {
        match self.ask(client, &Request::StreamJoin { opening })? {
            Reply::StreamJoined { page, .. } => Ok(page),
            other => panic!("StreamJoin is answered with {other:?}"),
        }
    }

    fn publish(
        &mut self,
        client: ClientId,
        opening: OpeningId,
        number: u32,
        bytes: u64,
    ) -> Result<Reply, Error> {
        let layout = GenerationLayout {
            number,
            slots: 1,
            table_bytes: 0,
            slot_bytes: 1,
            picture: PictureFacts::default(),
        };
        let request = Request::StreamPublish { opening, layout };
        self.check(client, &request, memory(bytes, Writers::One))
    }

    fn close(&mut self, handle: HandleId) {
        self.manager.handles_gone(&[handle], &mut self.effects);
        assert_eq!(self.manager.check(), Ok(()), "after closing {handle:?}");
    }

    fn die(&mut self, client: ClientId) {
        self.manager.client_gone(client, &mut self.effects);
        assert_eq!(self.manager.check(), Ok(()), "after the end of {client:?}");
    }

    fn facts(&mut self, client: ClientId, opening: OpeningId) -> ListEntry {
        match self.ask(client, &Request::Query { opening }) {
            Ok(Reply::Facts(facts)) => facts,
            other => panic!("Query is answered with {other:?}"),
        }
    }

    fn stream_facts(&mut self, client: ClientId, opening: OpeningId) -> StreamFacts {
        match self.facts(client, opening).facts {
            Facts::Stream(facts) => facts,
            Facts::Made(spec) => panic!("it is {spec:?}"),
        }
    }

    fn openings_of(&mut self, client: ClientId, opening: OpeningId) -> Vec<OpeningFacts> {
        match self.ask(client, &Request::Openings { opening, skip: 0 }) {
            Ok(Reply::Openings { openings, more: false }) => openings,
            other => panic!("Openings is answered with {other:?}"),
        }
    }

    /// What a client sees in a listing.
    fn seen(&mut self, client: ClientId) -> Vec<String> {
        match self.ask(client, &Request::List { after: 0 }) {
            Ok(Reply::Listing { entries, more: false }) => {
                entries.iter().flat_map(|entry| &entry.names).map(ToString::to_string).collect()
            }
            other => panic!("List is answered with {other:?}"),
        }
    }

    /// The effects since the last call.
    fn done(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn events(&mut self) -> Vec<(ClientId, Event)> {
        let told = |effect: Effect| match effect {
            Effect::Notify { client, event } => Some((client, event)),
            _ => None,
        };
        self.done().into_iter().filter_map(told).collect()
    }

    fn objects(&self) -> usize {
        self.manager.counts().1
    }
}

fn opened(reply: Reply) -> Result<Opened, Error> {
    match reply {
        Reply::Opened { opening, granted, parts, .. } => {
            Ok(Opened { opening, granted: granted.mask(), parts })
        }
        other => panic!("an opening was asked and the answer is {other:?}"),
    }
}

fn handle_of(reply: Reply) -> Result<HandleId, Error> {
    match reply {
        Reply::Handle { handle, .. } => Ok(handle),
        other => panic!("a handle was asked and the answer is {other:?}"),
    }
}

fn capped(cap: Cap, limit: usize) -> Error {
    Error::CapReached { cap, limit: u64::try_from(limit).unwrap() }
}
