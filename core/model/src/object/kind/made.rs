//! What the model keeps of a surface, fence, event or section: what it was made of, its page and
//! memory, and who may write the page.

use smallvec::SmallVec;

use crate::contract::limits;
use crate::object::id::{ClientId, PageId, PayloadId};
use crate::object::spec::Spec;

/// A client's place at a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its number, the lowest that was free.
    pub number: u32,
    /// Openings of the client that may write the page.
    pub openings: u32,
}

/// The seats at a page, by client. Mostly there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats(SmallVec<[(ClientId, Seat); 1]>);

impl Seats {
    /// None.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All, in the order of the clients.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ClientId, Seat)> {
        self.0.iter().copied()
    }

    /// Whether this client has one.
    pub(crate) fn contains(&self, client: ClientId) -> bool {
        self.find(client).is_ok()
    }

    /// That of a client.
    pub(crate) fn get_mut(&mut self, client: ClientId) -> Option<&mut Seat> {
        let at = self.find(client).ok()?;
        self.0.get_mut(at).map(|(_, seat)| seat)
    }

    /// Gives a client one; what it had is gone.
    pub(crate) fn insert(&mut self, client: ClientId, seat: Seat) {
        self.remove(client);
        let at = self.find(client).unwrap_or_else(|at| at);
        self.0.insert(at, (client, seat));
    }

    /// Takes a client's away.
    pub(crate) fn remove(&mut self, client: ClientId) {
        if let Ok(at) = self.find(client) {
            self.0.remove(at);
        }
        if self.0.is_empty() {
            self.0.shrink_to_fit();
        }
    }

    fn find(&self, client: ClientId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&client, |(client, _)| *client)
    }
}

/// A surface, fence, event or section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it was made of.
    pub spec: Spec,
    /// The words it has, if it has any.
    pub page: Option<PageId>,
    /// Its memory and how large that is, if it has any.
    pub payload: Option<(PayloadId, u64)>,
    /// Who may write the page.
    pub seats: Seats,
    /// Openings that wait on the page and cannot write it.
    pub readers: u32,
    /// The last number given to an opening at the keyed mutex.
    pub last_owner: u32,
    /// The client that alone was ever given the page; none once another was.
    pub sole: Option<ClientId>,
}

impl Made {
    /// One that nobody has open; its maker will be the first.
    #[must_use]
    pub fn new(
        spec: Spec,
        page: Option<PageId>,
        payload: Option<(PayloadId, u64)>,
        maker: ClientId,
    ) -> Self {
        let sole = Some(maker);
        Self { spec, page, payload, seats: Seats::new(), readers: 0, last_owner: 0, sole }
    }

    /// Bytes of memory it holds.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload.map_or(0, |(_, size_bytes)| size_bytes)
    }

    /// The lowest seat that nobody has; none when all are taken.
    #[must_use]
    pub fn free_seat(&self) -> Option<u32> {
        let mut taken: alloc::vec::Vec<u32> =
            self.seats.iter().map(|(_, seat)| seat.number).collect();
        taken.sort_unstable();
        let gap = taken.iter().zip(0_u32..).find(|(number, place)| *number != place);
        let lowest = match gap {
            Some((_, place)) => place,
            None => u32::try_from(taken.len()).ok()?,
        };
        (lowest < limits::SEATS_PER_PAGE_MAX).then_some(lowest)
    }
}
