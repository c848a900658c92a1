//! What the model keeps of a surface, fence, event or section: what it was made of, its page and
//! memory, and who may write the page.

use alloc::collections::BTreeMap;

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
    pub seats: BTreeMap<ClientId, Seat>,
    /// Openings that wait on the page and cannot write it.
    pub readers: u32,
    /// The last number given to an opening at the keyed mutex.
    pub last_owner: u32,
}

impl Made {
    /// One that nobody has open.
    #[must_use]
    pub const fn new(spec: Spec, page: Option<PageId>, payload: Option<(PayloadId, u64)>) -> Self {
        Self { spec, page, payload, seats: BTreeMap::new(), readers: 0, last_owner: 0 }
    }

    /// Bytes of memory it holds.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload.map_or(0, |(_, size_bytes)| size_bytes)
    }

    /// The lowest seat that nobody has; none when all are taken.
    #[must_use]
    pub fn free_seat(&self) -> Option<u32> {
        let mut taken: alloc::vec::Vec<u32> = self.seats.values().map(|seat| seat.number).collect();
        taken.sort_unstable();
        let gap = taken.iter().zip(0_u32..).find(|(number, place)| *number != place);
        let lowest = match gap {
            Some((_, place)) => place,
            None => u32::try_from(taken.len()).ok()?,
        };
        (lowest < limits::SEATS_PER_PAGE_MAX).then_some(lowest)
    }
}
