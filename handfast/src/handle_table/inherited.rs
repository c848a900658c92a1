//! Values that a process was started with: numbers that nobody in it has as descriptors yet.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, PoisonError};

use handfast_model::contract::handle::{HandleClass, HandleValue, Ticket};
use handfast_sys::{descriptor, pipe};

use super::entry::Entry;
use super::{HandleTable, unknown};
use crate::error::Result;
use crate::handle::Handle;
use crate::session::lock;

/// The descriptors of this process by their bare numbers, which Rust knows no safe way to.
pub trait InheritedNumbers {
    /// A copy of the descriptor that has this number, if it is open.
    fn copy(&self, number: i32) -> Option<OwnedFd>;

    /// The descriptor itself, which was found to be a handle: from now on the table's, and nobody
    /// else's.
    fn take(&self, number: i32) -> OwnedFd;
}

impl HandleTable {
    /// Takes the descriptor of a value into the table, if it is a handle of this user's broker and
    /// the table does not have it yet. A value of any other form is left to the call that it is
    /// for.
    ///
    /// Rust programs give the table the descriptor itself ([`Self::adopt`]); this is for other
    /// languages, whose programs know what numbers they were started with.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::HandleInvalid`] when it is not, and the number stays as it is;
    /// [`crate::ErrorKind::BrokerUnavailable`].
    ///
    /// # Blocking
    ///
    /// While the broker answers, where the number looks like a handle's.
    pub fn adopt_number(&self, value: HandleValue, numbers: &impl InheritedNumbers) -> Result<()> {
        let HandleClass::Descriptor { number } = value.class() else { return Ok(()) };
        if self.known(value)?.is_some() {
            return Ok(());
        }
        let _one = lock(&self.entries()?.arriving);
        if self.known(value)?.is_some() {
            return Ok(());
        }
        if self.has_under_ticket(number)? {
            return Err(unknown(value));
        }
        let copy = numbers.copy(number).ok_or_else(|| unknown(value))?;
        if pipe::inode_of_read_end(copy.as_fd()).is_none() {
            return Err(unknown(value));
        }
        let handle = Handle::from_descriptor(copy)?;
        // The broker has spoken of the copy; the number may be another's by now.
        let again = numbers.copy(number).ok_or_else(|| unknown(value))?;
        if descriptor::identity(again.as_fd()) != descriptor::identity(handle.borrow()) {
            return Err(unknown(value));
        }
        let handle = handle.with_descriptor(numbers.take(number));
        self.put_shared(Arc::new(Entry::of_handle(handle, None)?)).map(drop)
    }

    /// Whether a number is a handle's that has a ticket for its value.
    fn has_under_ticket(&self, number: i32) -> Result<bool> {
        let by_value = self.entries()?.by_value.read().unwrap_or_else(PoisonError::into_inner);
        let mut tickets = by_value.range(HandleValue::from(Ticket::at(0))..);
        Ok(tickets.any(|(_, entry)| entry.number() == number))
    }
}
