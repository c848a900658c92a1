//! Handles that clients hold by number: whom to ask about them, and what can be told of them.

use alloc::vec::Vec;

use crate::contract::access::AccessMask;
use crate::contract::handle::Ticket;

use super::id::{ClientId, HandleId, OpeningId, PageId, ProcessId};
use super::manager::Manager;
use super::op;
use super::reply::HeldFacts;
use super::request::{Came, HandleForm, LooksAt, Request};
use super::spec::View;
use super::state::{Body, Handle, Holder, Share};

impl HandleForm {
    /// How many pipes a handle of this form takes.
    pub(super) const fn pipes(self) -> usize {
        match self {
            Self::Descriptor => 1,
            Self::Held => 0,
        }
    }
}

/// What decides the answer to a request, and may have changed without the broker having heard of
/// it. The broker asks the kernel and the clients first, so that a name is free the moment its
/// last handle is closed or dropped.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Concerned {
    /// Handles that are descriptors. The broker reports those that are closed.
    pub handles: Vec<HandleId>,
    /// Processes that the broker keeps handles for. Where one has ended, its handles are closed,
    /// although the broker has their ends.
    pub processes: Vec<ProcessId>,
    /// Other clients that hold a handle by number. The broker lets each be heard.
    pub holders: Vec<ClientId>,
}

impl Concerned {
    fn add(&mut self, id: HandleId, handle: &Handle, asking: ClientId) {
        match handle.holder {
            Holder::Descriptor => self.handles.push(id),
            Holder::Client(holder) if holder != asking => self.holders.push(holder),
            Holder::Client(_) => {}
        }
        self.processes.extend(handle.delivered.map(|(process, _)| process));
    }
}

impl Manager {
    /// What the answer to `request` depends on.
    #[must_use]
    pub fn concerned(&self, client: ClientId, request: &Request, came: Came) -> Concerned {
        let mut concerned = Concerned::default();
        match request.looks_at() {
            LooksAt::Name(name) => {
                let share = self.share_named(client, name);
                self.add_concerned(&mut concerned, share, client);
            }
            LooksAt::Shown => self.add_concerned(&mut concerned, self.share_shown(came), client),
            LooksAt::Ticket(ticket) => {
                // Whoever has it.
                let ticket = Ticket::parse(ticket);
                let known = ticket.iter().flat_map(|ticket| {
                    self.deliveries.values().filter_map(move |known| known.get(ticket))
                });
                for delivery in known {
                    let share = self.share_shown(Came::Handle(delivery.handle()));
                    self.add_concerned(&mut concerned, share, client);
                }
            }
            LooksAt::Everything => {
                for (id, handle) in &self.handles {
                    concerned.add(*id, handle, client);
                }
            }
            LooksAt::Nothing => {}
        }
        concerned.holders.sort_unstable();
        concerned.holders.dedup();
        concerned
    }

    fn add_concerned(&self, concerned: &mut Concerned, share: Option<&Share>, client: ClientId) {
        for id in share.into_iter().flat_map(|share| &share.handles) {
            if let Some(handle) = self.handles.get(id) {
                concerned.add(*id, handle, client);
            }
        }
    }

    fn share_shown(&self, came: Came) -> Option<&Share> {
        let (Came::Handle(handle) | Came::HandleAndProcess(handle, _)) = came else { return None };
        self.shares.get(&self.handles.get(&handle)?.share)
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
