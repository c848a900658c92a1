//! Pages that stay mapped: whoever makes a named object again and again gets no descriptor for its
//! page, and maps none.
//!
//! The broker keeps a page for the client that made its object, if nobody else was ever given it,
//! and takes it for the next one when it is offered. Here the mapping is kept as long; when the
//! broker does not take an offer, the mapping goes, which nobody needs any more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use handfast_model::contract::limits::SPARE_PAGES_PER_CLIENT_MAX;
use handfast_model::object::{PageClass, PageId, Spec};
use handfast_sys::mapping::SplitWords;
use handfast_sys::robust::RobustMapping;

use crate::session::{Session, lock};

/// A mapped page, by the widths of its words.
#[derive(Debug)]
pub(crate) enum Mapped {
    /// Of a fence or an event.
    Split(SplitWords),
    /// Of a keyed mutex.
    Lock(Arc<RobustMapping>),
}

impl Mapped {
    const fn class(&self) -> PageClass {
        match self {
            Self::Split(_) => PageClass::Split,
            Self::Lock(_) => PageClass::Words,
        }
    }
}

/// The mapped pages that nothing here uses, the oldest first: as many as the broker keeps.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<VecDeque<(PageId, Mapped)>>);

impl Spares {
    /// The page to offer for an object, which is forgotten here until it is kept again. The one
    /// that was used last: the broker has kept it the longest from now on.
    pub(crate) fn take(&self, spec: &Spec) -> Option<(PageId, Mapped)> {
        let class = spec.page()?.class();
        let mut kept = lock(&self.0);
        let place = kept.iter().rposition(|(_, mapped)| mapped.class() == class)?;
        kept.remove(place)
    }

    pub(crate) fn keep(&self, page: PageId, mapped: Mapped) {
        let mut kept = lock(&self.0);
        kept.push_back((page, mapped));
        let oldest = if kept.len() > SPARE_PAGES_PER_CLIENT_MAX { kept.pop_front() } else { None };
        // Unmapped without the lock.
        drop(kept);
        drop(oldest);
    }
}

/// Where the page of an object goes that this process has made.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) session: Arc<Session>,
    pub(crate) page: PageId,
}

impl Home {
    /// Keeps a page that nothing here refers to any more. In a forked child it is the parent's,
    /// which alone has it mapped.
    pub(crate) fn take_back(&self, mapped: Mapped) {
        if self.session.is_own() {
            self.session.spares.keep(self.page, mapped);
        }
    }
}
