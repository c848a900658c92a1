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
#[path = "lifetime/names.rs"]
mod names;
#[path = "lifetime/objects.rs"]
mod objects;
#[path = "lifetime/streams.rs"]
mod streams;
#[path = "lifetime/watches.rs"]
mod watches;

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::limits;
use handfast_model::object::{
    Caller, Cap, ClientId, Effect, Error, Event, GenerationLayout, HandleId, Kind, ListEntry,
    Manager, ObjectId, OpeningId, PageId, PayloadId, PictureFacts, RawName, ReceivedPayload, Reply,
    Request, StreamEnd,
};
use handfast_model::security::Token;

const ALL: AccessMask = AccessMask::GENERIC_ALL;
const READ: AccessMask = AccessMask::GENERIC_READ;

/// A manager and what it had to do so far.
struct Desk {
    manager: Manager,
    effects: Vec<Effect>,
    clock_ns: u64,
}

/// What `Create` gave.
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
    fn check(
        &mut self,
        client: ClientId,
        request: &Request,
        memory: Option<u64>,
    ) -> Result<Reply, Error> {
        self.clock_ns += 1;
        let payload = memory.map(|size_bytes| ReceivedPayload { size_bytes });
        let caller = Caller { client, time_ns: self.clock_ns, payload };
        let reply = self.manager.apply(&caller, request, &mut self.effects);
        assert_eq!(self.manager.check(), Ok(()), "after {request:?}, answered {reply:?}");
        reply
    }

    fn ask(&mut self, client: ClientId, request: &Request) -> Result<Reply, Error> {
        self.check(client, request, None)
    }

    fn try_create(&mut self, client: ClientId, name: Option<&str>) -> Result<Made, Error> {
        let name = name.map(RawName::from);
        match self.ask(client, &Request::Create { kind: Kind::Stream, name, access: ALL })? {
            Reply::StreamCreated { object, opening, handle, page, .. } => {
                Ok(Made { object, opening, handle, page })
            }
            other => panic!("Create is answered with {other:?}"),
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
        match self.ask(client, &Request::Open { kind: Kind::Stream, name, access })? {
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
        handle_of(self.ask(client, &Request::Share { opening, name, access: READ })?)
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
        self.check(client, &Request::StreamPublish { opening, layout }, Some(bytes))
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

fn handle_of(reply: Reply) -> Result<HandleId, Error> {
    match reply {
        Reply::Handle { handle, .. } => Ok(handle),
        other => panic!("a handle was asked and the answer is {other:?}"),
    }
}

fn capped(cap: Cap, limit: usize) -> Error {
    Error::CapReached { cap, limit: u64::try_from(limit).unwrap() }
}
