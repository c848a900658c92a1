//! The object manager: the one value that all names, objects, handles and openings live in.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::contract::limits;
use crate::security::Token;

use super::effect::Effect::{self, DropPage};
use super::error::{Cap, Error};
use super::id::{ClientId, HandleId, OpeningId, PageId, PayloadId, ProcessId, ShareId};
use super::invariants::{self, Violation};
use super::lifetime::{self, Cause};
use super::name::{NameRef, RawName};
use super::names::Names;
use super::op;
use super::reply::Reply;
use super::request::{Came, Request, Resources, Takes};
use super::snapshot::{self, SnapshotError};
use super::spare;
use super::state::{Client, Counters, Deliveries, Handle, Object, Share, Usage, Watchers};
use super::table::Table;

/// Who asks, when, and with what memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client.
    pub client: ClientId,
    /// Nanoseconds since 1970, passed in because the model has no clock; used where
    /// [`Request::is_dated`].
    pub time_ns: u64,
    /// What came with the request.
    pub came: Came,
}

/// Every object, share, handle, opening, name and client of one broker.
///
/// [`Self::apply`], [`Self::client_arrived`], [`Self::client_gone`], [`Self::handles_gone`] and
/// [`Self::process_gone`] are the only ways to change it. On an error it is unchanged and
/// `effects` is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    pub(super) instance: u64,
    pub(super) counters: Counters,
    pub(super) clients: Table<ClientId, Client>,
    pub(super) objects: Table<u64, Object>,
    pub(super) shares: Table<ShareId, Share>,
    pub(super) handles: Table<HandleId, Handle>,
    pub(super) names: Names,
    pub(super) deliveries: BTreeMap<ProcessId, Deliveries>,
    pub(super) usage: BTreeMap<u32, Usage>,
    pub(super) watchers: Watchers,
}

impl Manager {
    /// An empty manager. `instance` is a random number that no other broker has.
    #[must_use]
    pub const fn new(instance: u64) -> Self {
        Self {
            instance,
            counters: Counters::NONE,
            clients: Table::new(),
            objects: Table::new(),
            shares: Table::new(),
            handles: Table::new(),
            names: Names::new(),
            deliveries: BTreeMap::new(),
            usage: BTreeMap::new(),
            watchers: Watchers::new(),
        }
    }

    /// Applies one request.
    ///
    /// # Errors
    ///
    /// Every variant of [`Error`], as the request's documentation says. The state is unchanged
    /// then and nothing was added to `effects`.
    pub fn apply(
        &mut self,
        caller: &Caller,
        request: &Request,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Error> {
        check_came(request, caller.came)?;
        match request {
            Request::Create { spec, name, access, form, spare } => {
                let (made_of, handle) = ((*spec, *spare), (*access, *form));
                op::create::create(self, caller, effects, made_of, name.as_ref(), handle)
            }
            Request::StreamCreate { name, access, form } => {
                op::create::create_stream(self, caller, effects, name.as_ref(), (*access, *form))
            }
            Request::OpenPresented { kind } => op::presented::open(self, caller, effects, *kind),
            Request::Duplicate { access } => {
                op::presented::duplicate(self, caller, effects, *access)
            }
            Request::QueryPresented => op::presented::query(self, caller, effects),
            Request::Deliver { access } => op::deliver::deliver(self, caller, effects, *access),
            Request::Redeem { ticket } => op::deliver::redeem(self, caller, effects, *ticket),
            Request::Fetch { ticket, access } => {
                op::deliver::fetch(self, caller, effects, *ticket, *access)
            }
            Request::Openings { opening, skip } => {
                op::query::openings(self, caller, effects, *opening, *skip)
            }
            Request::Share { opening, name, access, form } => {
                let handle = (*access, *form);
                op::create::share(self, caller, effects, *opening, name.as_ref(), handle)
            }
            Request::DropHandle { handle } => op::open::drop_handle(self, caller, effects, *handle),
            Request::Open { kind, name, access, known } => {
                op::open::open(self, caller, effects, (*kind, name, *access), *known)
            }
            Request::OpenHandle { kind, name, access } => {
                op::open::open_handle(self, caller, effects, *kind, name, *access)
            }
            Request::Drop { opening } => op::open::drop_opening(self, caller, effects, *opening),
            Request::Mapped { opening } => op::stream::mapped(self, caller, effects, *opening),
            Request::WatchName { name, watch } => {
                op::watch::watch_name(self, caller, effects, name, *watch)
            }
            Request::WatchAll { watch } => op::watch::watch_all(self, caller, effects, *watch),
            Request::Unwatch { watch } => op::watch::unwatch(self, caller, effects, *watch),
            Request::List { after } => op::query::list(self, caller, effects, *after),
            Request::Query { opening } => op::query::query(self, caller, effects, *opening),
            Request::StreamJoin { opening } => op::stream::join(self, caller, effects, *opening),
            Request::StreamGeneration { opening } => {
                op::stream::generation(self, caller, effects, *opening)
            }
            Request::StreamPublish { opening, layout } => {
                op::stream::publish(self, caller, effects, *opening, *layout)
            }
            Request::StreamStock { opening } => op::stream::stock(self, caller, effects, *opening),
            Request::StreamInspect { opening, skip } => {
                op::stream::inspect(self, caller, effects, *opening, *skip)
            }
        }
    }

    /// A process has connected.
    ///
    /// # Errors
    ///
    /// [`Error::CapReached`] for [`Cap::Clients`] and [`Cap::ClientsOfUser`].
    pub fn client_arrived(&mut self, token: Token, pid: i32) -> Result<ClientId, Error> {
        if self.clients.len() >= limits::CLIENTS_MAX {
            return Err(Error::cap(Cap::Clients, limits::CLIENTS_MAX));
        }
        if self.usage_of(token.uid).clients >= limits::CLIENTS_PER_UID_MAX {
            return Err(Error::cap(Cap::ClientsOfUser, limits::CLIENTS_PER_UID_MAX));
        }
        self.usage.entry(token.uid).or_default().clients += 1;
        let id = ClientId(Counters::next(&mut self.counters.client));
        let client = Client {
            token,
            pid,
            next_opening: 0,
            openings: BTreeMap::new(),
            watches: BTreeMap::new(),
            held: BTreeSet::new(),
            spare_pages: VecDeque::new(),
        };
        self.clients.insert(id, client);
        Ok(id)
    }

    /// A client's connection has hung up or its process has ended: everything it held is dropped
    /// as if it had dropped it one by one, and its streams are lost. Handles that are descriptors
    /// are reported by [`Self::handles_gone`], since copies of them may live elsewhere. An unknown
    /// client is ignored.
    pub fn client_gone(&mut self, client: ClientId, effects: &mut Vec<Effect>) {
        let (openings, held): (Vec<_>, Vec<_>) = match self.clients.get_mut(&client) {
            Some(record) => {
                record.watches.clear();
                self.watchers.note(client, record);
                let held = record.held.iter().copied().collect();
                (record.openings.keys().copied().collect(), held)
            }
            None => return,
        };
        for opening in openings {
            lifetime::remove_opening(self, client, opening, Cause::Died, effects);
        }
        for handle in held {
            lifetime::remove_handle(self, handle, effects);
        }
        if let Some(record) = self.clients.remove(&client) {
            effects.extend(record.spare_pages.iter().map(|(page, _)| DropPage { page: *page }));
            self.release(record.token.uid, |usage| usage.clients -= 1);
        }
    }

    /// The last copy of each of these handles was closed. Unknown ones are ignored, and those that
    /// a client holds by number.
    pub fn handles_gone(&mut self, handles: &[HandleId], effects: &mut Vec<Effect>) {
        for handle in handles {
            if self.is_descriptor(*handle) {
                lifetime::remove_handle(self, *handle, effects);
            }
        }
    }

    /// A process that handles were delivered to has ended: those that wait for it are closed. An
    /// unknown one is ignored.
    pub fn process_gone(&mut self, process: ProcessId, effects: &mut Vec<Effect>) {
        op::deliver::process_gone(self, process, effects);
    }

    pub(super) fn share_named(&self, client: ClientId, name: &RawName) -> Option<&Share> {
        let token = self.clients.get(&client)?.token;
        let name = NameRef::parse(name, &token).ok()?;
        self.bearer(name).map(|(_, share)| share)
    }

    /// The share that bears a name.
    pub(super) fn bearer(&self, name: NameRef<'_>) -> Option<(ShareId, &Share)> {
        self.names.find(&self.shares, name)
    }

    /// What the broker has to hold ready before it applies `request`.
    #[must_use]
    pub fn resources(&self, client: ClientId, request: &Request, came: Came) -> Resources {
        let none = Resources::default();
        match request {
            Request::Create { spec, form, spare, .. } => {
                let fits =
                    |kind| spare.is_some_and(|offered| spare::fits(self, client, offered, kind));
                let pages = spec.page().iter().filter(|kind| !fits(**kind)).count();
                Resources { pages, handles: form.pipes(), ..none }
            }
            Request::StreamCreate { form, .. } => {
                let stream_pages = 1 + limits::RECEIVER_PAGES_READY;
                Resources { stream_pages, handles: form.pipes(), ..none }
            }
            Request::Share { form, .. } => Resources { handles: form.pipes(), ..none },
            Request::OpenHandle { .. }
            | Request::Duplicate { .. }
            | Request::Deliver { .. }
            | Request::Fetch { .. } => Resources { handles: 1, ..none },
            Request::StreamStock { .. } => {
                Resources { stream_pages: limits::RECEIVER_PAGES_READY, ..none }
            }
            Request::Open { .. } | Request::OpenPresented { .. } => {
                Resources { view: self.page_to_view(client, request, came), ..none }
            }
            Request::QueryPresented
            | Request::Redeem { .. }
            | Request::DropHandle { .. }
            | Request::Openings { .. }
            | Request::Drop { .. }
            | Request::Mapped { .. }
            | Request::WatchName { .. }
            | Request::WatchAll { .. }
            | Request::Unwatch { .. }
            | Request::List { .. }
            | Request::Query { .. }
            | Request::StreamJoin { .. }
            | Request::StreamGeneration { .. }
            | Request::StreamPublish { .. }
            | Request::StreamInspect { .. } => none,
        }
    }

    /// Whether it holds no client and no object: the broker may leave.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.clients.is_empty() && self.objects.is_empty()
    }

    /// The handles of an object that a client has open, for who looks for their holders.
    #[must_use]
    pub fn handles_of_opening(&self, client: ClientId, opening: OpeningId) -> Vec<HandleId> {
        let opened = self.clients.get(&client).and_then(|client| client.openings.get(&opening));
        let object = opened.and_then(|opened| self.objects.get(&opened.object));
        let shares = object.into_iter().flat_map(|object| &object.shares);
        let records = shares.filter_map(|share| self.shares.get(share));
        records.flat_map(|share| share.handles.iter().copied()).collect()
    }

    /// Every handle that is a descriptor and not known to be closed.
    #[must_use]
    pub fn handle_ids(&self) -> Vec<HandleId> {
        self.handles.keys().copied().filter(|handle| self.is_descriptor(*handle)).collect()
    }

    /// Clients and objects.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.clients.len(), self.objects.len())
    }

    /// The number that no other broker has.
    #[must_use]
    pub const fn instance(&self) -> u64 {
        self.instance
    }

    /// Checks everything that must always hold.
    ///
    /// # Errors
    ///
    /// The first [`Violation`]: a defect of the model, after which its answers cannot be trusted.
    pub fn check(&self) -> Result<(), Violation> {
        invariants::check(self)
    }

    /// The whole state as bytes: equal states have equal bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot::encode(self)
    }

    /// The state whose [`Self::snapshot`] this is.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] when the bytes are no snapshot of this version, or one whose state breaks
    /// an invariant.
    pub fn restore(bytes: &[u8]) -> Result<Self, SnapshotError> {
        snapshot::decode(bytes)
    }

    pub(super) fn usage_of(&self, uid: u32) -> Usage {
        self.usage.get(&uid).copied().unwrap_or_default()
    }

    pub(super) fn release(&mut self, uid: u32, change: impl FnOnce(&mut Usage)) {
        if let Some(usage) = self.usage.get_mut(&uid) {
            change(usage);
            if usage.is_nothing() {
                self.usage.remove(&uid);
            }
        }
    }

    pub(super) fn new_page(&mut self) -> PageId {
        PageId(Counters::next(&mut self.counters.page))
    }

    pub(super) fn new_payload(&mut self) -> PayloadId {
        PayloadId(Counters::next(&mut self.counters.payload))
    }
}

impl Error {
    /// A refusal for a cap.
    pub(super) fn cap(cap: Cap, limit: usize) -> Self {
        Self::CapReached { cap, limit: u64::try_from(limit).unwrap_or(u64::MAX) }
    }
}

/// Whether with a request came what has to.
fn check_came(request: &Request, came: Came) -> Result<(), Error> {
    match (request.takes(), came) {
        (Takes::Nothing, Came::Nothing)
        | (Takes::Handle, Came::Handle(_))
        | (Takes::HandleAndProcess, Came::HandleAndProcess(..))
        | (Takes::Process | Takes::OwnProcess, Came::Process(_))
        // A process that the broker does not know: nothing was delivered to it.
        | (Takes::OwnProcess, Came::Nothing) => Ok(()),
        (Takes::Memory(writers), Came::Memory(memory)) if memory.writers == writers => Ok(()),
        (Takes::HandleAndProcess, Came::Handle(_)) | (Takes::Process, _) => {
            Err(Error::ProcessUnknown)
        }
        (Takes::Handle | Takes::HandleAndProcess, _) => Err(Error::HandleUnknown),
        (Takes::Nothing | Takes::Memory(_) | Takes::OwnProcess, _) => Err(Error::PayloadMissing),
    }
}
