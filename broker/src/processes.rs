//! The processes that handles were delivered to: a pidfd of each, under the number that the model
//! knows it by.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use handfast_model::object::ProcessId;
use handfast_sys::pidfd;

use crate::record::Number;

/// A process that was alive when it was looked at.
#[derive(Debug)]
pub(crate) struct Living {
    pub(crate) id: ProcessId,
    pid: i32,
    pidfd: OwnedFd,
}

/// Those that something waits for or was given to.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    by_id: BTreeMap<ProcessId, Living>,
    ids: BTreeMap<i32, ProcessId>,
    last: u64,
}

impl Processes {
    /// The process that has this number now, if it is known. One that has ended is not it.
    pub(crate) fn with_pid(&self, pid: i32) -> Option<ProcessId> {
        self.ids.get(&pid).copied().filter(|id| !self.has_ended(*id))
    }

    /// The record that a process with this number had, which has ended.
    pub(crate) fn ended_with_pid(&self, pid: i32) -> Option<ProcessId> {
        self.ids.get(&pid).copied().filter(|id| self.has_ended(*id))
    }

    /// A process that is not known, with a number that none had.
    pub(crate) fn meet(&mut self, pid: i32, pidfd: OwnedFd) -> Living {
        self.last += 1;
        Living { id: ProcessId(self.last), pid, pidfd }
    }

    /// Keeps it; its pidfd comes back to be watched.
    pub(crate) fn keep(&mut self, process: Living) -> Option<BorrowedFd<'_>> {
        let id = process.id;
        self.ids.insert(process.pid, id);
        self.by_id.insert(id, process);
        self.by_id.get(&id).map(|process| process.pidfd.as_fd())
    }

    /// Forgets it; its pidfd comes back so that it can be taken out of the poller before it is
    /// closed: others may have copies of it.
    pub(crate) fn remove(&mut self, id: ProcessId) -> Option<OwnedFd> {
        let process = self.by_id.remove(&id)?;
        if self.ids.get(&process.pid) == Some(&id) {
            self.ids.remove(&process.pid);
        }
        Some(process.pidfd)
    }

    /// Whether it is known.
    pub(crate) fn knows(&self, id: ProcessId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Whether it has ended; not, if it is not known.
    pub(crate) fn has_ended(&self, id: ProcessId) -> bool {
        self.by_id.get(&id).is_some_and(|process| pidfd::has_exited(process.pidfd.as_fd()))
    }

    /// None but those after `last` may be met.
    pub(crate) fn met(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// The last that was met, and all that are known.
    pub(crate) fn facts(&self) -> (u64, BTreeMap<ProcessId, (i32, Number)>) {
        (self.last, self.by_id.iter().map(|(id, process)| (*id, process.facts())).collect())
    }

    /// All that are known.
    pub(crate) fn all(&self) -> Vec<ProcessId> {
        self.by_id.keys().copied().collect()
    }
}

impl Living {
    /// One that a predecessor kept.
    pub(crate) const fn kept(id: ProcessId, pid: i32, pidfd: OwnedFd) -> Self {
        Self { id, pid, pidfd }
    }

    /// Its number, and that of its pidfd.
    pub(crate) fn facts(&self) -> (i32, Number) {
        (self.pid, self.pidfd.as_raw_fd())
    }
}

impl From<Living> for OwnedFd {
    fn from(process: Living) -> Self {
        process.pidfd
    }
}
