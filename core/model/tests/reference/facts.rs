//! The reference: the rules of names, handles, openings and objects, told as flat lists of facts.
//!
//! Nothing is counted and nothing points anywhere. A name is there while a handle in the list
//! bears it, an object while a handle or an opening in the lists is of it.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{
    Came, Cap, Effect, Error, Event, GenerationLayout, HandleForm, HandleId, Kind, ListEntry,
    ObjectId, OpeningId, PageKind, Parts, RawName, Reply, Request, Spec, StreamEnd, View, Writers,
};
use handfast_model::security::Granted;

use crate::kinds;
use crate::tables::{self, Name};

#[path = "facts/delivered.rs"]
mod delivered;
#[path = "facts/made.rs"]
mod made;
#[path = "facts/presented.rs"]
mod presented;
#[path = "facts/streams.rs"]
mod streams;

use delivered::DeliveredFact;

/// Who made a thing, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub uid: u32,
    pub pid: i32,
    pub made_ns: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientFact {
    pub id: u64,
    pub uid: u32,
    pub pid: i32,
    openings_ever: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct HandleFact {
    pub id: u64,
    share: u64,
    object: u64,
    name: Option<Name>,
    owner: Owner,
    granted: u32,
    /// The client that holds it by number.
    pub holder: Option<u64>,
    delivered: Option<DeliveredFact>,
}

/// A page of an object that is gone, kept for a client; the oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpareFact {
    pub client: u64,
    pub page: u64,
    role: Role,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct OpeningFact {
    pub client: u64,
    pub number: u32,
    pub object: u64,
    granted: u32,
    /// At the keyed mutex, or 0.
    turn: u32,
}

/// A surface, fence, event or section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MadeFact {
    object: u64,
    owner: Owner,
    spec: Spec,
    page: Option<u64>,
    /// Its number and its bytes.
    payload: Option<(u64, u64)>,
    turns_ever: u32,
    /// The only client that ever had the page.
    only: Option<u64>,
}

/// A client's place at the page of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeatFact {
    object: u64,
    client: u64,
    number: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamFact {
    object: u64,
    owner: Owner,
    pub sender: (u64, u32),
    pub end: Option<StreamEnd>,
    pub generation: u32,
    pub payload: Option<(GenerationLayout, u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Sender,
    /// The sender was sent it and has not said to have mapped it.
    Sent,
    Ready,
    Receiver(u64, u32),
    /// The page of an object that is no stream.
    Words(PageKind),
}

impl Role {
    /// How the page was formatted.
    pub(crate) const fn kind(self) -> PageKind {
        match self {
            Self::Sender => PageKind::StreamSender,
            Self::Sent | Self::Ready | Self::Receiver(..) => PageKind::StreamReceiver,
            Self::Words(kind) => kind,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PageFact {
    pub id: u64,
    pub object: u64,
    pub role: Role,
    /// Its writer has said to have mapped it.
    pub mapped: bool,
}

#[derive(Clone, Copy, Debug)]
struct WatchFact {
    client: u64,
    number: u32,
    /// The name, or none for everything.
    name: Option<Name>,
}

/// What one step tells whom; sorted, since its order is nobody's business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub events: Vec<(u64, Event)>,
    /// Sender pages whose sender is to look.
    pub bumps: Vec<u64>,
    /// What is written into pages about who has them, in order.
    pub words: Vec<Effect>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Given {
    clients: u64,
    objects: u64,
    shares: u64,
    handles: u64,
    pages: u64,
    payloads: u64,
    tickets: u64,
}

fn next(counter: &mut u64) -> u64 {
    *counter += 1;
    *counter
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    instance: u64,
    pub clients: Vec<ClientFact>,
    pub handles: Vec<HandleFact>,
    pub openings: Vec<OpeningFact>,
    pub streams: Vec<StreamFact>,
    pub mades: Vec<MadeFact>,
    seats: Vec<SeatFact>,
    pub spares: Vec<SpareFact>,
    pub pages: Vec<PageFact>,
    watches: Vec<WatchFact>,
    waiting: Vec<(u64, u64, u32)>,
    given: Given,
    told: Told,
}

const READY: u64 = 16;

impl Facts {
    pub(crate) fn new(instance: u64) -> Self {
        Self { instance, ..Self::default() }
    }

    pub(crate) fn take_told(&mut self) -> Told {
        let mut told = std::mem::take(&mut self.told);
        told.events.sort_unstable();
        told.bumps.sort_unstable();
        told
    }

    pub(crate) fn arrive(&mut self, uid: u32, pid: i32) -> u64 {
        let id = next(&mut self.given.clients);
        self.clients.push(ClientFact { id, uid, pid, openings_ever: 0 });
        id
    }

    pub(crate) fn gone(&mut self, client: u64) {
        self.watches.retain(|watch| watch.client != client);
        self.waiting.retain(|(_, waiting, _)| *waiting != client);
        let held: Vec<_> = self.openings.iter().filter(|o| o.client == client).copied().collect();
        for opening in held {
            self.close(opening, StreamEnd::Lost);
        }
        let numbers = self.handles.iter().filter(|handle| handle.holder == Some(client));
        let numbers: Vec<u64> = numbers.map(|handle| handle.id).collect();
        self.drop_handles(&numbers);
        self.spares.retain(|spare| spare.client != client);
        self.clients.retain(|known| known.id != client);
        self.sweep();
    }

    /// The handles that are descriptors.
    pub(crate) fn piped(&self) -> Vec<u64> {
        let piped = self.handles.iter().filter(|handle| handle.holder.is_none());
        piped.map(|handle| handle.id).collect()
    }

    /// What the kernel tells: it knows of descriptors alone.
    pub(crate) fn handles_gone(&mut self, handles: &[u64]) {
        let mut told = self.piped();
        told.retain(|handle| handles.contains(handle));
        self.drop_handles(&told);
    }

    fn drop_handles(&mut self, handles: &[u64]) {
        let before = self.handles.len();
        self.handles.retain(|handle| !handles.contains(&handle.id));
        if self.handles.len() != before {
            self.sweep();
            self.changed();
        }
    }

    pub(crate) fn ask(
        &mut self,
        caller: u64,
        request: &Request,
        came: Came,
        now: u64,
    ) -> Result<Reply, Error> {
        come_along(request, came)?;
        let (has_bytes, shown, process) = match came {
            Came::Nothing => (0, 0, None),
            Came::Memory(memory) => (memory.size_bytes, 0, None),
            Came::Handle(handle) => (0, handle.0, None),
            Came::HandleAndProcess(handle, process) => (0, handle.0, Some(process)),
            Came::Process(process) => (0, 0, Some(process)),
        };
        match request {
            Request::Create { spec, name, access, form, spare } => {
                let of = (spec, spare.map(|page| page.0));
                self.create_made(caller, of, has_bytes, (name.as_ref(), *access, *form), now)
            }
            Request::StreamCreate { name, access, form } => {
                self.create_stream(caller, (name.as_ref(), *access, *form), now)
            }
            Request::Open { kind, name, access, known } => {
                self.open(caller, (*kind, name, *access), known.map(|page| page.0))
            }
            Request::OpenHandle { kind, name, access } => {
                self.open_handle(caller, *kind, name, *access)
            }
            Request::OpenPresented { kind } => self.open_presented(caller, shown, *kind),
            Request::Duplicate { access } => self.duplicate(caller, shown, *access),
            Request::Deliver { access } => self.deliver(caller, (shown, process), *access),
            Request::Redeem { ticket } => self.redeem(caller, process, *ticket),
            Request::Fetch { ticket, access } => match process {
                Some(process) => self.fetch(caller, process, *ticket, *access),
                None => Err(Error::ProcessUnknown),
            },
            Request::QueryPresented => self.query_presented(caller, shown),
            Request::Openings { opening, skip } => self.list_openings(caller, *opening, *skip),
            Request::Share { opening, name, access, form } => {
                self.share(caller, *opening, (name.as_ref(), *access, *form), now)
            }
            Request::DropHandle { handle } => self.drop_held(caller, *handle),
            Request::Drop { opening } => {
                let opening = self.opened(caller, *opening, 0)?;
                self.close(opening, StreamEnd::Ended);
                Ok(Reply::Done)
            }
            Request::Mapped { opening } => self.mapped(caller, *opening),
            Request::WatchName { name, watch } => self.watch_name(caller, name, *watch),
            Request::WatchAll { watch } => {
                self.who(caller)?;
                self.put_watch(caller, *watch, None);
                Ok(Reply::Watching { bound: false })
            }
            Request::Unwatch { watch } => {
                self.who(caller)?;
                self.watches.retain(|known| (known.client, known.number) != (caller, *watch));
                Ok(Reply::Done)
            }
            Request::List { after } => {
                let me = self.who(caller)?;
                Ok(Reply::Listing { entries: self.listing(me.uid, *after), more: false })
            }
            Request::Query { opening } => {
                let me = self.who(caller)?;
                let opening = self.opened(caller, *opening, 0)?;
                Ok(Reply::Facts(self.entry(opening.object, me.uid)))
            }
            Request::StreamJoin { opening } => self.join(caller, *opening),
            Request::StreamGeneration { opening } => self.generation(caller, *opening),
            Request::StreamPublish { opening, layout } => {
                self.publish(caller, *opening, *layout, has_bytes)
            }
            Request::StreamStock { opening } => self.stock(caller, *opening),
            Request::StreamInspect { opening, skip } => self.inspect(caller, *opening, *skip),
        }
    }

    fn drop_held(&mut self, caller: u64, handle: HandleId) -> Result<Reply, Error> {
        let mut known = self.handles.iter();
        if !known.any(|one| (one.id, one.holder) == (handle.0, Some(caller))) {
            return Err(Error::HandleNotHeld { handle });
        }
        self.drop_handles(&[handle.0]);
        Ok(Reply::Done)
    }

    /// Every object whose name a user sees.
    pub(crate) fn listing(&self, uid: u32, after: u64) -> Vec<ListEntry> {
        let behind = self.objects().into_iter().filter(|object| *object > after);
        behind.map(|o| self.entry(o, uid)).filter(|entry| !entry.names.is_empty()).collect()
    }

    /// Every object there is, in the order they were made.
    pub(crate) fn objects(&self) -> Vec<u64> {
        let streams = self.streams.iter().map(|stream| stream.object);
        let mut objects: Vec<u64> = streams.chain(self.mades.iter().map(|m| m.object)).collect();
        objects.sort_unstable();
        objects
    }

    /// The memory of all objects, sorted.
    pub(crate) fn payloads(&self) -> Vec<u64> {
        let streams = self.streams.iter().filter_map(|stream| Some(stream.payload?.1));
        let mades = self.mades.iter().filter_map(|made| Some(made.payload?.0));
        let mut payloads: Vec<u64> = streams.chain(mades).collect();
        payloads.sort_unstable();
        payloads
    }

    /// The kind of the object that bears a name, for one user.
    pub(crate) fn kind_named(&self, client: u64, name: &str) -> Option<Kind> {
        let me = self.who(client).ok()?;
        let name = tables::resolve(&RawName::from(name), me.uid).ok()?;
        Some(self.kind(self.bearer(name)?.object))
    }

    /// The kind of the object of a handle.
    pub(crate) fn kind_shown(&self, handle: u64) -> Option<Kind> {
        let known = self.handles.iter().find(|known| known.id == handle)?;
        Some(self.kind(known.object))
    }

    /// Clients that are to be told of any change.
    pub(crate) fn watchers_of_all(&self) -> Vec<(u64, u32)> {
        let all = self.watches.iter().filter(|watch| watch.name.is_none());
        all.map(|watch| (watch.client, watch.number)).collect()
    }

    fn share(
        &mut self,
        caller: u64,
        opening: OpeningId,
        (name, access, form): (Option<&RawName>, AccessMask, HandleForm),
        now: u64,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let opened = self.opened(caller, opening, 0)?;
        let name = self.free(name, me.uid)?;
        let rights = kinds::to_maker(self.kind(opened.object), access.bits());
        let rights = rights.ok_or(Error::AccessInvalid { wanted: access })?;
        let granted = rights & !self.barred(opened.object);
        if granted & !opened.granted != 0 {
            return Err(self.denied(opened.object, granted, opened.granted));
        }
        let of_object = self.handles.iter().filter(|handle| handle.object == opened.object);
        let mut shares: Vec<_> = of_object.map(|handle| handle.share).collect();
        shares.sort_unstable();
        shares.dedup();
        if shares.len() >= 64 {
            return Err(Error::CapReached { cap: Cap::Shares, limit: 64 });
        }
        let share = next(&mut self.given.shares);
        let owner = Owner { uid: me.uid, pid: me.pid, made_ns: now };
        let by = holder(caller, form);
        let handle = self.add_handle(share, opened.object, (name, owner), (granted, by));
        self.bound(name);
        self.changed();
        let granted = Granted::from_stored(granted);
        Ok(Reply::Handle { object: self.object_id(opened.object), handle, form, granted })
    }

    fn find(
        &self,
        uid: u32,
        wanted: Kind,
        name: &RawName,
        access: AccessMask,
    ) -> Result<(HandleFact, u32), Error> {
        let name = tables::resolve(name, uid)?;
        let handle = self.bearer(name).ok_or(Error::NameNotFound)?;
        self.must_be(handle.object, wanted)?;
        Ok((handle, self.may(uid, &handle, access)?))
    }

    fn must_be(&self, object: u64, wanted: Kind) -> Result<(), Error> {
        let found = self.kind(object);
        if found == wanted { Ok(()) } else { Err(Error::KindMismatch { wanted, found }) }
    }

    /// What a user is granted through the share of a handle.
    fn may(&self, uid: u32, handle: &HandleFact, access: AccessMask) -> Result<u32, Error> {
        let kind = self.kind(handle.object);
        let owns = uid == 0 || uid == handle.owner.uid;
        let may = if owns { kinds::all(kind) & !self.barred(handle.object) } else { 0 };
        let granted = kinds::checked(kind, access.bits(), may);
        granted.ok_or(Error::AccessDenied {
            wanted: access,
            granted: mask(may),
            owner_uid: handle.owner.uid,
            kind,
        })
    }

    fn open(
        &mut self,
        caller: u64,
        (kind, name, access): (Kind, &RawName, AccessMask),
        known: Option<u64>,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let (handle, granted) = self.find(me.uid, kind, name, access)?;
        let reply = self.open_object(caller, handle.object, granted)?;
        Ok(match (reply, known) {
            (Reply::Opened { object, opening, granted, spec, parts }, Some(known)) => {
                let (page, spare) = match parts.page {
                    Some((page, View::Writable)) if page.0 == known => (None, Some(page)),
                    page => (page, parts.spare),
                };
                let parts = Parts { page, spare, ..parts };
                Reply::Opened { object, opening, granted, spec, parts }
            }
            (reply, _) => reply,
        })
    }

    fn open_object(&mut self, caller: u64, object: u64, granted: u32) -> Result<Reply, Error> {
        let reply = if self.kind(object) == Kind::Stream {
            self.open_stream(caller, object, granted)
        } else {
            self.open_made(caller, object, granted)?
        };
        self.changed();
        Ok(reply)
    }

    fn open_handle(
        &mut self,
        caller: u64,
        kind: Kind,
        name: &RawName,
        access: AccessMask,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let (found, granted) = self.find(me.uid, kind, name, access)?;
        self.another_handle(&found, granted)
    }

    /// Another handle on the share of one.
    fn another_handle(&mut self, of: &HandleFact, granted: u32) -> Result<Reply, Error> {
        if self.handles.iter().filter(|handle| handle.share == of.share).count() >= 64 {
            return Err(Error::CapReached { cap: Cap::HandlesOfShare, limit: 64 });
        }
        let handle = self.add_handle(of.share, of.object, (of.name, of.owner), (granted, None));
        self.changed();
        let granted = Granted::from_stored(granted);
        let (object, form) = (self.object_id(of.object), HandleForm::Descriptor);
        Ok(Reply::Handle { object, handle, form, granted })
    }

    fn watch_name(&mut self, caller: u64, name: &RawName, watch: u32) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let name = tables::resolve(name, me.uid)?;
        self.put_watch(caller, watch, Some(name));
        Ok(Reply::Watching { bound: self.bearer(name).is_some() })
    }

    fn close(&mut self, opening: OpeningFact, end: StreamEnd) {
        self.openings.retain(|o| (o.client, o.number) != (opening.client, opening.number));
        if self.kind(opening.object) == Kind::Stream {
            self.leave_stream(&opening, end);
        } else {
            self.leave_made(&opening, end);
        }
        self.sweep();
        self.changed();
    }

    /// What nobody holds is not there.
    fn sweep(&mut self) {
        let (handles, openings) = (&self.handles, &self.openings);
        let held = |object: u64| {
            handles.iter().any(|handle| handle.object == object)
                || openings.iter().any(|opening| opening.object == object)
        };
        self.streams.retain(|stream| held(stream.object));
        // The page of an object that goes stays with the only client that ever had it.
        for made in self.mades.extract_if(.., |made| !held(made.object)) {
            let mut pages = self.pages.iter_mut().filter(|page| page.object == made.object);
            if let (Some(client), Some(page)) = (made.only, pages.next())
                && self.clients.iter().any(|known| known.id == client)
            {
                page.object = 0;
                self.spares.push(SpareFact { client, page: page.id, role: page.role });
            }
        }
        for client in &self.clients {
            let of_client = |spare: &SpareFact| spare.client == client.id;
            while self.spares.iter().filter(|spare| of_client(spare)).count() > 16 {
                let oldest = self.spares.iter().position(of_client).unwrap_or_default();
                self.spares.remove(oldest);
            }
        }
        let spares = &self.spares;
        let kept = |page: u64| spares.iter().any(|spare| spare.page == page);
        self.pages.retain(|page| held(page.object) || kept(page.id));
    }

    fn changed(&mut self) {
        for watch in self.watches.extract_if(.., |watch| watch.name.is_none()) {
            self.told.events.push((watch.client, Event::Changed { watch: watch.number }));
        }
    }

    fn bound(&mut self, name: Option<Name>) {
        for watch in self.watches.extract_if(.., |w| w.name.is_some() && w.name == name) {
            self.told.events.push((watch.client, Event::NameBound { watch: watch.number }));
        }
    }

    fn put_watch(&mut self, client: u64, number: u32, name: Option<Name>) {
        self.watches.retain(|known| (known.client, known.number) != (client, number));
        self.watches.push(WatchFact { client, number, name });
    }

    fn add_page(&mut self, object: u64, role: Role) -> u64 {
        let id = next(&mut self.given.pages);
        self.pages.push(PageFact { id, object, role, mapped: false });
        id
    }

    fn add_handle(
        &mut self,
        share: u64,
        object: u64,
        (name, owner): (Option<Name>, Owner),
        (granted, holder): (u32, Option<u64>),
    ) -> HandleId {
        let id = next(&mut self.given.handles);
        let delivered = None;
        self.handles.push(HandleFact {
            id,
            share,
            object,
            name,
            owner,
            granted,
            holder,
            delivered,
        });
        HandleId(id)
    }

    fn add_opening(&mut self, client: u64, object: u64, granted: u32, turn: u32) -> OpeningId {
        let mut number = 0;
        for known in self.clients.iter_mut().filter(|known| known.id == client) {
            known.openings_ever += 1;
            number = known.openings_ever;
        }
        self.openings.push(OpeningFact { client, number, object, granted, turn });
        OpeningId(number)
    }

    fn who(&self, client: u64) -> Result<ClientFact, Error> {
        let known = self.clients.iter().find(|known| known.id == client);
        known.copied().ok_or(Error::OpeningUnknown { opening: OpeningId(0) })
    }

    fn pid_of(&self, client: u64) -> i32 {
        self.who(client).map_or(0, |known| known.pid)
    }

    fn opened(&self, client: u64, opening: OpeningId, wanted: u32) -> Result<OpeningFact, Error> {
        let mut known = self.openings.iter();
        let known = known.find(|o| (o.client, o.number) == (client, opening.0));
        let known = *known.ok_or(Error::OpeningUnknown { opening })?;
        if wanted & !known.granted != 0 {
            return Err(self.denied(known.object, wanted, known.granted));
        }
        Ok(known)
    }

    fn free(&self, name: Option<&RawName>, uid: u32) -> Result<Option<Name>, Error> {
        let Some(name) = name else { return Ok(None) };
        let name = tables::resolve(name, uid)?;
        match self.bearer(name) {
            Some(HandleFact { owner: Owner { uid, pid, made_ns }, object, .. }) => {
                Err(Error::NameTaken { pid, uid, made_ns, kind: self.kind(object) })
            }
            None => Ok(Some(name)),
        }
    }

    /// Whether a client is the only one that ever had the page of an object that nobody else holds.
    fn is_private(&self, client: u64, object: u64) -> bool {
        let of_client = |made: &MadeFact| made.object == object && made.only == Some(client);
        let handles = self.handles.iter().any(|handle| handle.object == object);
        let openings = self.openings.iter().any(|opening| opening.object == object);
        self.mades.iter().any(of_client) && !handles && !openings
    }

    fn bearer(&self, name: Name) -> Option<HandleFact> {
        self.handles.iter().find(|handle| handle.name == Some(name)).copied()
    }

    fn object_id(&self, counter: u64) -> ObjectId {
        ObjectId { instance: self.instance, counter }
    }

    fn kind(&self, object: u64) -> Kind {
        let made = self.mades.iter().find(|made| made.object == object);
        made.map_or(Kind::Stream, |made| kinds::kind_of(&made.spec))
    }

    fn barred(&self, object: u64) -> u32 {
        let made = self.mades.iter().find(|made| made.object == object);
        made.map_or(0, |made| kinds::barred(&made.spec))
    }

    fn owner(&self, object: u64) -> Owner {
        match self.mades.iter().find(|made| made.object == object) {
            Some(made) => made.owner,
            None => self.stream(object).owner,
        }
    }

    /// Bytes that the objects of a user hold, but for one object.
    fn bytes_held(&self, uid: u32, but_for: u64) -> u128 {
        let streams = self.streams.iter().map(|s| (s.object, s.owner.uid, s.payload.map(|p| p.2)));
        let mades = self.mades.iter().map(|m| (m.object, m.owner.uid, m.payload.map(|p| p.1)));
        let counted = streams.chain(mades).filter(|one| one.1 == uid && one.0 != but_for);
        counted.map(|(_, _, bytes)| u128::from(bytes.unwrap_or_default())).sum()
    }

    fn denied(&self, object: u64, wanted: u32, granted: u32) -> Error {
        Error::AccessDenied {
            wanted: mask(wanted),
            granted: mask(granted),
            owner_uid: self.owner(object).uid,
            kind: self.kind(object),
        }
    }

    fn entry(&self, object: u64, uid: u32) -> ListEntry {
        let handles: Vec<_> = self.handles.iter().filter(|h| h.object == object).collect();
        let mut names: Vec<(u64, Name)> =
            handles.iter().filter_map(|handle| Some((handle.share, handle.name?))).collect();
        names.sort_unstable_by_key(|(share, _)| *share);
        names.dedup();
        let openings = self.openings.iter().filter(|o| o.object == object).count();
        let visible = names.into_iter().filter(|(_, name)| name.visible_to(uid));
        let owner = self.owner(object);
        let made = self.mades.iter().find(|made| made.object == object);
        ListEntry {
            object: self.object_id(object),
            names: visible.map(|(_, name)| name.to_object_name()).collect(),
            pid: owner.pid,
            uid: owner.uid,
            made_ns: owner.made_ns,
            handles: count(handles.len()),
            openings: count(openings),
            facts: match made {
                Some(made) => handfast_model::object::Facts::Made(made.spec),
                None => self.stream_facts(object),
            },
        }
    }
}

/// What has to come with a request, and nothing else may.
fn come_along(request: &Request, came: Came) -> Result<(), Error> {
    let memory = match request {
        Request::OpenPresented { .. } | Request::Duplicate { .. } | Request::QueryPresented => {
            let shown = matches!(came, Came::Handle(_));
            return if shown { Ok(()) } else { Err(Error::HandleUnknown) };
        }
        Request::Deliver { .. } => {
            return match came {
                Came::HandleAndProcess(..) => Ok(()),
                Came::Handle(_) => Err(Error::ProcessUnknown),
                Came::Nothing | Came::Memory(_) | Came::Process(_) => Err(Error::HandleUnknown),
            };
        }
        Request::Fetch { .. } => {
            let named = matches!(came, Came::Process(_));
            return if named { Ok(()) } else { Err(Error::ProcessUnknown) };
        }
        Request::Redeem { .. } if matches!(came, Came::Process(_)) => return Ok(()),
        Request::Redeem { .. } => None,
        Request::Create { spec, .. } => kinds::memory(spec),
        Request::StreamPublish { .. } => Some(Writers::One),
        Request::StreamCreate { .. }
        | Request::Open { .. }
        | Request::OpenHandle { .. }
        | Request::Openings { .. }
        | Request::Share { .. }
        | Request::Drop { .. }
        | Request::DropHandle { .. }
        | Request::Mapped { .. }
        | Request::WatchName { .. }
        | Request::WatchAll { .. }
        | Request::Unwatch { .. }
        | Request::List { .. }
        | Request::Query { .. }
        | Request::StreamJoin { .. }
        | Request::StreamGeneration { .. }
        | Request::StreamStock { .. }
        | Request::StreamInspect { .. } => None,
    };
    let has = match came {
        Came::Nothing => Some(None),
        Came::Memory(came) => Some(Some(came.writers)),
        Came::Handle(_) | Came::HandleAndProcess(..) | Came::Process(_) => None,
    };
    if has == Some(memory) { Ok(()) } else { Err(Error::PayloadMissing) }
}

/// Who holds a handle of this form that a client asked for.
fn holder(caller: u64, form: HandleForm) -> Option<u64> {
    (form == HandleForm::Held).then_some(caller)
}

fn count(items: usize) -> u32 {
    u32::try_from(items).expect("a sequence is short")
}

fn mask(bits: u32) -> AccessMask {
    AccessMask::from_bits_retain(bits)
}
