//! What a process finds in a table of descriptors that others filled.
#![expect(unsafe_code, reason = "UNSAFETY: descriptors are taken over by number")]

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use crate::error::Result;
use crate::inherited;

/// Descriptors that nothing in this process owns yet.
///
/// Invariant: each number is open, and neither this process nor another one that shares the table
/// owns it or closes it.
#[derive(Debug)]
pub struct Inheritance(BTreeSet<i32>);

impl Inheritance {
    /// Everything that is open but what this process has.
    ///
    /// # Errors
    /// ENOENT (no /proc), the descriptor limit, ENOMEM.
    ///
    /// # Safety
    /// `own` has the number of every descriptor that anything in this process, or in one that
    /// shares the table, owns; and nobody opens or closes one meanwhile.
    pub unsafe fn find(own: &[i32]) -> Result<Self> {
        let numbers = match inherited::open_numbers() {
            // Who ended at his limit leaves no descriptor to look with.
            Err(error) if error.is_descriptor_limit() => inherited::probe_numbers(),
            found => found?,
        };
        Ok(Self(numbers.into_iter().filter(|number| !own.contains(number)).collect()))
    }

    /// One of them, once.
    #[must_use]
    pub fn claim(&mut self, number: i32) -> Option<OwnedFd> {
        // SAFETY: By the invariant it is open and nobody's; it was taken out, so this is the only
        // time.
        self.0.remove(&number).then(|| unsafe { inherited::adopt(number) })
    }

    /// Those that nobody claimed.
    #[must_use]
    pub fn rest(mut self) -> Vec<OwnedFd> {
        let numbers: Vec<i32> = self.0.iter().copied().collect();
        numbers.into_iter().filter_map(|number| self.claim(number)).collect()
    }
}
