//! Pages that stay mapped: whoever makes a named object again and again, or opens one, gets no
//! descriptor for its page, and maps none.
//!
//! The broker keeps a page for the client that made its object, if nobody else was ever given it,
//! and takes it for the next one when it is offered. Here the mapping is kept as long; when the
//! broker does not take an offer, the mapping goes, which nobody needs any more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use handfast_model::contract::limits::SPARE_PAGES_PER_CLIENT_MAX;
use handfast_model::object::{Kind, PageClass, PageId, Spec};
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

/// What a mapped page that nothing here uses is kept for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The next object that is made here.
    Next,
    /// The next opening by this name.
    Name(Kind, Arc<str>),
}

/// The mapped pages that nothing here uses, the oldest first: as many as the broker keeps.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<VecDeque<(PageId, Purpose, Mapped)>>);

impl Spares {
    /// The page to offer for an object, which is forgotten here until it is kept again. The one
    /// that was used last: the broker has kept it the longest from now on.
    pub(crate) fn take(&self, spec: &Spec) -> Option<(PageId, Mapped)> {
        let class = spec.page()?.class();
        self.take_last(|purpose, mapped| *purpose == Purpose::Next && mapped.class() == class)
    }

    /// The page that an opening by this name had last, likewise.
    pub(crate) fn take_known(&self, kind: Kind, name: &str) -> Option<(PageId, Mapped)> {
        self.take_last(|purpose, _| match purpose {
            Purpose::Next => false,
            Purpose::Name(known, of) => *known == kind && **of == *name,
        })
    }

    fn take_last(&self, fits: impl Fn(&Purpose, &Mapped) -> bool) -> Option<(PageId, Mapped)> {
        let mut kept = lock(&self.0);
        let place = kept.iter().rposition(|(_, purpose, mapped)| fits(purpose, mapped))?;
        kept.remove(place).map(|(page, _, mapped)| (page, mapped))
    }

    pub(crate) fn keep(&self, page: PageId, purpose: Purpose, mapped: Mapped) {
        let mut kept = lock(&self.0);
        kept.push_back((page, purpose, mapped));
        let oldest = if kept.len() > SPARE_PAGES_PER_CLIENT_MAX { kept.pop_front() } else { None };
        // Unmapped without the lock.
        drop(kept);
        drop(oldest);
    }
}

/// Where a page goes when nothing refers to it any more.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) session: Arc<Session>,
    pub(crate) page: PageId,
    pub(crate) purpose: Purpose,
}

impl Home {
    /// Whether this is the process whose page it is, which alone has it mapped.
    pub(crate) fn is_own(&self) -> bool {
        self.session.is_own()
    }

    /// Keeps a page that nothing here refers to any more. In a forked child it is the parent's,
    /// which alone has it mapped.
    pub(crate) fn take_back(&self, mapped: Mapped) {
        if self.is_own() {
            self.session.spares.keep(self.page, self.purpose.clone(), mapped);
        }
    }
}
