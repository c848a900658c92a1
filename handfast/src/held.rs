//! Handles that are held by number: all that they are for is to keep a name.

use std::sync::Arc;

use handfast_model::object::{HandleId, Request};

use crate::session::Session;

/// Whether a handle bears a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bears {
    /// It does.
    Name,
    /// It does not.
    Nothing,
}

/// A handle of this process that takes no descriptor. Dropping it gives it back; in a forked child
/// it is the parent's, and stays.
#[derive(Debug)]
pub(crate) struct OwnHandle {
    session: Arc<Session>,
    handle: HandleId,
    bears: Bears,
}

impl OwnHandle {
    pub(crate) const fn new(session: Arc<Session>, handle: HandleId, bears: Bears) -> Self {
        Self { session, handle, bears }
    }
}

impl Drop for OwnHandle {
    fn drop(&mut self) {
        give_back(&self.session, self.handle, self.bears);
    }
}

/// The one place where a held handle is given back.
///
/// Whoever has dropped the last handle of a name, and whomever he tells of it, relies on the name
/// being free by then: the broker reads what its holders have said before it looks a name up. So
/// for one that bears a name that must be said now, also where another thread waits for an answer
/// or the broker's queue is full; the others are told with the openings.
fn give_back(session: &Arc<Session>, handle: HandleId, bears: Bears) {
    let request = Request::DropHandle { handle };
    match bears {
        Bears::Name => session.drop_now(&request),
        Bears::Nothing => session.drop_later(request),
    }
}
