//! Handles that clients hold by number: whom to ask about them, and what can be told of them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::contract::access::AccessMask;

use super::id::{ClientId, HandleId, OpeningId, PageId};
use super::manager::Manager;
use super::op;
use super::reply::HeldFacts;
use super::request::{Came, HandleForm, LooksAt, Request};
use super::spec::View;
use super::state::{Body, Holder};

impl HandleForm {
    /// How many pipes a handle of this form takes.
    pub(super) const fn pipes(self) -> usize {
        match self {
            Self::Descriptor => 1,
            Self::Held => 0,
        }
    }
}

impl Manager {
    /// Clients other than `client` that may hold by number what decides the answer to `request`,
    /// and may be gone or have dropped it without the broker having heard of it. The broker lets
    /// each be heard first, so that a name is free the moment its last handle is dropped.
    #[must_use]
    pub fn holders_to_hear(
        &self,
        client: ClientId,
        request: &Request,
        came: Came,
    ) -> Vec<ClientId> {
        let share = match request.looks_at() {
            LooksAt::Name(name) => self.share_named(client, name),
            LooksAt::Shown => self.share_shown(came).and_then(|share| self.shares.get(&share)),
            LooksAt::Everything => return self.holders(client),
            LooksAt::Ticket(_) | LooksAt::Nothing => None,
        };
        let handles = share.into_iter().flat_map(|share| &share.handles);
        let holders: BTreeSet<_> = handles.filter_map(|handle| self.holder(*handle)).collect();
        holders.into_iter().filter(|holder| *holder != client).collect()
    }

    /// Every client but this one that holds a handle by number.
    fn holders(&self, client: ClientId) -> Vec<ClientId> {
        let holds = self.clients.iter().filter(|(_, record)| !record.held.is_empty());
        holds.map(|(id, _)| *id).filter(|holder| *holder != client).collect()
    }

    /// The handles of an object that a client has open and others hold by number, for who looks for
    /// their holders.
    #[must_use]
    pub fn held_of_opening(&self, client: ClientId, opening: OpeningId) -> Vec<HeldFacts> {
        let facts = |handle: HandleId| {
            let granted = self.handles.get(&handle)?.granted;
            let client = self.clients.get(&self.holder(handle)?)?;
            Some(HeldFacts { pid: client.pid, uid: client.token.uid, granted })
        };
        self.handles_of_opening(client, opening).into_iter().filter_map(facts).collect()
    }

    fn holder(&self, handle: HandleId) -> Option<ClientId> {
        match self.handles.get(&handle)?.holder {
            Holder::Client(client) => Some(client),
            Holder::Descriptor => None,
        }
    }

    pub(super) fn is_descriptor(&self, handle: HandleId) -> bool {
        self.handles.get(&handle).is_some_and(|handle| handle.holder == Holder::Descriptor)
    }

    /// The page of which the answer to `request` may give out a descriptor that only reads.
    pub(super) fn page_to_view(
        &self,
        client: ClientId,
        request: &Request,
        came: Came,
    ) -> Option<PageId> {
        let (share, granted) = match (request, came) {
            // Whoever has every right writes whatever page there is.
            (Request::Open { access, .. }, _) if access.contains(AccessMask::GENERIC_ALL) => {
                return None;
            }
            (Request::Open { kind, name, access, .. }, _) => {
                let (share, _, granted) =
                    op::open::find(self, client, *kind, name, *access).ok()?;
                (share, granted)
            }
            (Request::OpenPresented { .. }, Came::Handle(handle)) => {
                let handle = self.handles.get(&handle)?;
                (handle.share, handle.granted)
            }
            _ => return None,
        };
        let object = self.objects.get(&self.shares.get(&share)?.object)?;
        let Body::Made(made) = &object.body else { return None };
        made.page.filter(|_| made.spec.page_view(granted.mask()) == Some(View::ReadOnly))
    }
}
