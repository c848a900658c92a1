//! The reference: the rules of names, handles, openings and streams, told as flat lists of facts.
//!
//! Nothing is counted and nothing points anywhere. A name is there while a handle in the list
//! bears it, an object while a handle or an opening in the lists is of it.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::reply::ReceiverFacts;
use handfast_model::object::{
    Cap, ClientId, Error, Event, GenerationLayout, HandleId, Kind, ListEntry, ObjectId, OpeningId,
    PageId, PayloadId, RawName, Reply, Request, StreamEnd, StreamFacts,
};
use handfast_model::security::Granted;

use crate::tables::{self, Name};

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
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct OpeningFact {
    pub client: u64,
    pub number: u32,
    pub object: u64,
    granted: u32,
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
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PageFact {
    pub id: u64,
    object: u64,
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
}

#[derive(Clone, Copy, Debug, Default)]
struct Given {
    clients: u64,
    objects: u64,
    shares: u64,
    handles: u64,
    pages: u64,
    payloads: u64,
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
        self.clients.retain(|known| known.id != client);
    }

    pub(crate) fn handles_gone(&mut self, handles: &[u64]) {
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
        payload: Option<u64>,
        now: u64,
    ) -> Result<Reply, Error> {
        if payload.is_some() != matches!(request, Request::StreamPublish { .. }) {
            return Err(Error::PayloadMissing);
        }
        match request {
            Request::Create { kind: Kind::Stream, name, access } => {
                self.create(caller, name.as_ref(), *access, now)
            }
            Request::Open { kind: Kind::Stream, name, access } => self.open(caller, name, *access),
            Request::OpenHandle { kind: Kind::Stream, name, access } => {
                self.open_handle(caller, name, *access)
            }
            Request::Share { opening, name, access } => {
                self.share(caller, *opening, name.as_ref(), *access, now)
            }
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
                Ok(Reply::Facts(self.entry(&self.stream(opening.object), me.uid)))
            }
            Request::StreamJoin { opening } => self.join(caller, *opening),
            Request::StreamGeneration { opening } => {
                let opened = self.opened(caller, *opening, tables::RECEIVE)?;
                let stream = self.stream(opened.object);
                if stream.end.is_some() {
                    return Err(Error::StreamOver);
                }
                Ok(Reply::StreamGeneration(stream.payload.map(|(l, id, _)| (l, PayloadId(id)))))
            }
            Request::StreamPublish { opening, layout } => {
                self.publish(caller, *opening, *layout, payload.unwrap_or_default())
            }
            Request::StreamStock { opening } => self.stock(caller, *opening),
            Request::StreamInspect { opening, skip } => self.inspect(caller, *opening, *skip),
        }
    }

    /// Every object whose name a user sees.
    pub(crate) fn listing(&self, uid: u32, after: u64) -> Vec<ListEntry> {
        let behind = self.streams.iter().filter(|stream| stream.object > after);
        behind.map(|s| self.entry(s, uid)).filter(|entry| !entry.names.is_empty()).collect()
    }

    /// Clients that are to be told of any change.
    pub(crate) fn watchers_of_all(&self) -> Vec<(u64, u32)> {
        let all = self.watches.iter().filter(|watch| watch.name.is_none());
        all.map(|watch| (watch.client, watch.number)).collect()
    }

    fn create(
        &mut self,
        caller: u64,
        name: Option<&RawName>,
        access: AccessMask,
        now: u64,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let name = self.free(name, me.uid)?;
        let granted = tables::rights(access).ok_or(Error::AccessInvalid { wanted: access })?;
        let owner = Owner { uid: me.uid, pid: me.pid, made_ns: now };
        let object = next(&mut self.given.objects);
        let opening = self.add_opening(caller, object, granted);
        let page = self.add_page(object, Role::Sender);
        let stock = (0..READY).map(|_| PageId(self.add_page(object, Role::Sent))).collect();
        let sender = (caller, opening.0);
        let stream = StreamFact { object, owner, sender, end: None, generation: 0, payload: None };
        self.streams.push(stream);
        let share = next(&mut self.given.shares);
        let handle = self.add_handle(share, object, name, owner);
        self.bound(name);
        self.changed();
        let object = self.object_id(object);
        Ok(Reply::StreamCreated { object, opening, handle, page: PageId(page), stock })
    }

    fn share(
        &mut self,
        caller: u64,
        opening: OpeningId,
        name: Option<&RawName>,
        access: AccessMask,
        now: u64,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let opened = self.opened(caller, opening, 0)?;
        let name = self.free(name, me.uid)?;
        let granted = tables::rights(access).ok_or(Error::AccessInvalid { wanted: access })?;
        if granted & !opened.granted != 0 {
            return Err(denied(granted, opened.granted));
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
        let handle = self.add_handle(share, opened.object, name, owner);
        self.bound(name);
        self.changed();
        let granted = Granted::from_stored(granted);
        Ok(Reply::Handle { object: self.object_id(opened.object), handle, granted })
    }

    fn find(
        &self,
        uid: u32,
        name: &RawName,
        access: AccessMask,
    ) -> Result<(HandleFact, u32), Error> {
        let name = tables::resolve(name, uid)?;
        let handle = self.bearer(name).ok_or(Error::NameNotFound)?;
        let may = if uid == 0 || uid == handle.owner.uid { tables::ALL } else { 0 };
        let refused = Error::AccessDenied { wanted: access, granted: mask(may) };
        match tables::rights(access) {
            Some(rights) if may != 0 => Ok((handle, rights)),
            _ => Err(refused),
        }
    }

    fn open(&mut self, caller: u64, name: &RawName, access: AccessMask) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let (handle, granted) = self.find(me.uid, name, access)?;
        let opening = self.add_opening(caller, handle.object, granted);
        let stream = self.stream(handle.object);
        let sender = stream.end.is_none().then_some(stream.sender.0);
        let page = self.sender_page(handle.object);
        self.changed();
        Ok(Reply::StreamOpened {
            object: self.object_id(handle.object),
            opening,
            granted: Granted::from_stored(granted),
            page: PageId(page),
            sender: sender.map(ClientId),
            sender_pid: sender.map_or(0, |id| self.pid_of(id)),
        })
    }

    fn open_handle(
        &mut self,
        caller: u64,
        name: &RawName,
        access: AccessMask,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let (found, granted) = self.find(me.uid, name, access)?;
        if self.handles.iter().filter(|handle| handle.share == found.share).count() >= 64 {
            return Err(Error::CapReached { cap: Cap::HandlesOfShare, limit: 64 });
        }
        let handle = self.add_handle(found.share, found.object, found.name, found.owner);
        self.changed();
        let granted = Granted::from_stored(granted);
        Ok(Reply::Handle { object: self.object_id(found.object), handle, granted })
    }

    fn mapped(&mut self, caller: u64, opening: OpeningId) -> Result<Reply, Error> {
        let opened = self.opened(caller, opening, 0)?;
        let sends = self.stream(opened.object).sender == (caller, opening.0);
        for page in self.pages.iter_mut().filter(|page| page.object == opened.object) {
            match page.role {
                Role::Sender if sends => page.mapped = true,
                Role::Sent if sends => page.role = Role::Ready,
                Role::Receiver(..) if page.role == Role::Receiver(caller, opening.0) => {
                    page.mapped = true;
                }
                Role::Sender | Role::Sent | Role::Ready | Role::Receiver(..) => {}
            }
        }
        if sends {
            let ready = |p: &&PageFact| p.object == opened.object && p.role == Role::Ready;
            let room = self.pages.iter().any(|page| ready(&page));
            for waiting in std::mem::take(&mut self.waiting) {
                if waiting.0 == opened.object && room {
                    self.tell_room(waiting);
                } else {
                    self.waiting.push(waiting);
                }
            }
        }
        Ok(Reply::Done)
    }

    fn watch_name(&mut self, caller: u64, name: &RawName, watch: u32) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let name = tables::resolve(name, me.uid)?;
        self.put_watch(caller, watch, Some(name));
        Ok(Reply::Watching { bound: self.bearer(name).is_some() })
    }

    fn join(&mut self, caller: u64, opening: OpeningId) -> Result<Reply, Error> {
        let opened = self.opened(caller, opening, tables::RECEIVE)?;
        let stream = self.stream(opened.object);
        if stream.end.is_some() {
            return Err(Error::StreamOver);
        }
        let receiver = Role::Receiver(caller, opening.0);
        if self.pages.iter().any(|page| page.role == receiver) {
            return Err(Error::JoinedAlready { opening });
        }
        self.told.bumps.push(self.sender_page(opened.object));
        let key = (opened.object, caller, opening.0);
        let ready = self.pages.iter_mut().find(|p| p.object == key.0 && p.role == Role::Ready);
        let Some(page) = ready else {
            if !self.waiting.contains(&key) {
                self.waiting.push(key);
            }
            return Ok(Reply::StreamFull);
        };
        page.role = receiver;
        let page = PageId(page.id);
        self.waiting.retain(|waiting| *waiting != key);
        self.changed();
        let generation = stream.payload.map(|(layout, id, _)| (layout, PayloadId(id)));
        Ok(Reply::StreamJoined { page, generation })
    }

    fn publish(
        &mut self,
        caller: u64,
        opening: OpeningId,
        layout: GenerationLayout,
        has_bytes: u64,
    ) -> Result<Reply, Error> {
        let stream = self.sent_by(caller, opening)?;
        let expected = stream.generation + 1;
        if layout.number != expected {
            return Err(Error::GenerationOutOfOrder { expected, given: layout.number });
        }
        if !(1..=64).contains(&layout.slots) {
            return Err(Error::CapReached { cap: Cap::Slots, limit: 64 });
        }
        if layout.slot_bytes > 1 << 30 {
            return Err(Error::CapReached { cap: Cap::SlotBytes, limit: 1 << 30 });
        }
        let slots = u128::from(layout.slots) * u128::from(layout.slot_bytes);
        let needs_bytes = u64::try_from(slots + u128::from(layout.table_bytes)).unwrap_or(u64::MAX);
        if layout.slot_bytes == 0 || has_bytes < needs_bytes {
            return Err(Error::PayloadTooSmall { needs_bytes, has_bytes });
        }
        let others = self.streams.iter().filter(|other| other.object != stream.object);
        let others = others.filter(|other| other.owner.uid == stream.owner.uid);
        let held: u128 = others.map(|s| s.payload.map_or(0, |p| u128::from(p.2))).sum();
        let limit = 64 << 30;
        if held + u128::from(has_bytes) > u128::from(limit) {
            return Err(Error::CapReached { cap: Cap::PayloadBytes, limit });
        }
        let id = next(&mut self.given.payloads);
        for known in self.streams.iter_mut().filter(|known| known.object == stream.object) {
            known.generation = layout.number;
            known.payload = Some((layout, id, has_bytes));
        }
        self.changed();
        Ok(Reply::Done)
    }

    fn stock(&mut self, caller: u64, opening: OpeningId) -> Result<Reply, Error> {
        let object = self.sent_by(caller, opening)?.object;
        let mut stock = Vec::new();
        let unused =
            |p: &&PageFact| p.object == object && (p.role == Role::Ready || p.role == Role::Sent);
        while (self.pages.iter().filter(unused).count() as u64) < READY {
            stock.push(PageId(self.add_page(object, Role::Sent)));
        }
        Ok(Reply::StreamStock { stock })
    }

    fn inspect(&self, caller: u64, opening: OpeningId, skip: u32) -> Result<Reply, Error> {
        let opened = self.opened(caller, opening, tables::QUERY)?;
        let mut receivers: Vec<(u64, u32, PageId)> = Vec::new();
        for page in self.pages.iter().filter(|page| page.object == opened.object) {
            if let Role::Receiver(client, number) = page.role {
                receivers.push((client, number, PageId(page.id)));
            }
        }
        receivers.sort_unstable();
        let behind = receivers.into_iter().skip(skip as usize);
        let mut receivers: Vec<_> = behind
            .map(|(client, _, page)| ReceiverFacts { pid: self.pid_of(client), page })
            .collect();
        let more = receivers.len() > 64;
        receivers.truncate(64);
        Ok(Reply::StreamReceivers { receivers, more })
    }

    fn close(&mut self, opening: OpeningFact, end: StreamEnd) {
        let OpeningFact { client, number, object, .. } = opening;
        self.openings.retain(|o| (o.client, o.number) != (client, number));
        self.waiting.retain(|waiting| *waiting != (object, client, number));
        for stream in self.streams.iter_mut().filter(|s| s.object == object) {
            if stream.sender == (client, number) {
                stream.end = Some(end);
                stream.payload = None;
                self.pages.retain(|p| {
                    p.object != object || matches!(p.role, Role::Sender | Role::Receiver(..))
                });
                for waiting in std::mem::take(&mut self.waiting) {
                    if waiting.0 == object {
                        let room = Event::Room { opening: OpeningId(waiting.2) };
                        self.told.events.push((waiting.1, room));
                    } else {
                        self.waiting.push(waiting);
                    }
                }
            }
        }
        let before = self.pages.len();
        self.pages.retain(|page| page.role != Role::Receiver(client, number));
        if self.pages.len() != before && self.stream(object).end.is_none() {
            self.told.bumps.push(self.sender_page(object));
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
        self.pages.retain(|page| held(page.object));
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

    fn tell_room(&mut self, (_, client, opening): (u64, u64, u32)) {
        self.told.events.push((client, Event::Room { opening: OpeningId(opening) }));
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
        name: Option<Name>,
        owner: Owner,
    ) -> HandleId {
        let id = next(&mut self.given.handles);
        self.handles.push(HandleFact { id, share, object, name, owner });
        HandleId(id)
    }

    fn add_opening(&mut self, client: u64, object: u64, granted: u32) -> OpeningId {
        let mut number = 0;
        for known in self.clients.iter_mut().filter(|known| known.id == client) {
            known.openings_ever += 1;
            number = known.openings_ever;
        }
        self.openings.push(OpeningFact { client, number, object, granted });
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
            return Err(denied(wanted, known.granted));
        }
        Ok(known)
    }

    fn sent_by(&self, client: u64, opening: OpeningId) -> Result<StreamFact, Error> {
        let opened = self.opened(client, opening, tables::SEND)?;
        let stream = self.stream(opened.object);
        if stream.sender != (client, opening.0) {
            return Err(Error::NotTheSender { opening });
        }
        Ok(stream)
    }

    fn free(&self, name: Option<&RawName>, uid: u32) -> Result<Option<Name>, Error> {
        let Some(name) = name else { return Ok(None) };
        let name = tables::resolve(name, uid)?;
        match self.bearer(name) {
            Some(HandleFact { owner: Owner { uid, pid, made_ns }, .. }) => {
                Err(Error::NameTaken { pid, uid, made_ns, kind: Kind::Stream })
            }
            None => Ok(Some(name)),
        }
    }

    fn bearer(&self, name: Name) -> Option<HandleFact> {
        self.handles.iter().find(|handle| handle.name == Some(name)).copied()
    }

    fn stream(&self, object: u64) -> StreamFact {
        let stream = self.streams.iter().find(|stream| stream.object == object);
        *stream.expect("an opening or a handle holds its stream")
    }

    /// How the stream of a page ended.
    pub(crate) fn end_of(&self, page: &PageFact) -> Option<StreamEnd> {
        self.stream(page.object).end
    }

    fn sender_page(&self, object: u64) -> u64 {
        let mut pages = self.pages.iter();
        let page = pages.find(|page| page.object == object && page.role == Role::Sender);
        page.expect("a stream has a sender's page").id
    }

    fn object_id(&self, counter: u64) -> ObjectId {
        ObjectId { instance: self.instance, counter }
    }

    fn entry(&self, stream: &StreamFact, uid: u32) -> ListEntry {
        let handles: Vec<_> = self.handles.iter().filter(|h| h.object == stream.object).collect();
        let mut names: Vec<(u64, Name)> =
            handles.iter().filter_map(|handle| Some((handle.share, handle.name?))).collect();
        names.sort_unstable_by_key(|(share, _)| *share);
        names.dedup();
        let receives = |page: &&PageFact| {
            page.object == stream.object && matches!(page.role, Role::Receiver(..))
        };
        let openings = self.openings.iter().filter(|o| o.object == stream.object).count();
        let visible = names.into_iter().filter(|(_, name)| name.visible_to(uid));
        ListEntry {
            object: self.object_id(stream.object),
            kind: Kind::Stream,
            names: visible.map(|(_, name)| name.to_object_name()).collect(),
            pid: stream.owner.pid,
            uid: stream.owner.uid,
            made_ns: stream.owner.made_ns,
            handles: count(handles.len()),
            openings: count(openings),
            stream: Some(StreamFacts {
                sender_pid: stream.end.is_none().then(|| self.pid_of(stream.sender.0)),
                end: stream.end,
                generation: stream.generation,
                receivers: count(self.pages.iter().filter(receives).count()),
                payload_bytes: stream.payload.map_or(0, |payload| payload.2),
                picture: stream.payload.map(|payload| payload.0.picture).unwrap_or_default(),
            }),
        }
    }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).expect("a sequence is short")
}

fn mask(bits: u32) -> AccessMask {
    AccessMask::from_bits_retain(bits)
}

fn denied(wanted: u32, granted: u32) -> Error {
    Error::AccessDenied { wanted: mask(wanted), granted: mask(granted) }
}
