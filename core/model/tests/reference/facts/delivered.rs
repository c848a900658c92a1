//! The rules of handles that are delivered to other processes. A handle in the list says for whom
//! it is and whether it is still on its way; of processes nothing is kept.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Error, Process, Reply};
use handfast_model::security::Granted;

use super::{Facts, HandleFact, next};

/// For whom a handle was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeliveredFact {
    pub process: u64,
    pub ticket: u32,
    pub waits: bool,
}

impl Facts {
    pub(super) fn deliver(
        &mut self,
        caller: u64,
        (handle, target): (u64, Option<Process>),
        access: AccessMask,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let target = target.ok_or(Error::ProcessUnknown)?;
        let handle = self.shown(handle)?;
        within_reach(me.uid, target)?;
        let granted = self.rights_after(&handle, target.token.uid, access)?;
        let Reply::Handle { handle, .. } = self.another_handle(&handle, granted)? else {
            unreachable!("another handle is a handle")
        };
        let count = next(&mut self.given.tickets);
        let ticket = u32::try_from((1 << 27) + count).expect("a sequence is short") * 4;
        let delivered = DeliveredFact { process: target.id.0, ticket, waits: true };
        for known in self.handles.iter_mut().filter(|known| known.id == handle.0) {
            known.delivered = Some(delivered);
        }
        Ok(Reply::Delivered { ticket })
    }

    pub(super) fn redeem(
        &mut self,
        caller: u64,
        own: Option<Process>,
        ticket: u32,
    ) -> Result<Reply, Error> {
        self.who(caller)?;
        let found = own.and_then(|own| self.find_delivered(own.id.0, ticket));
        let waits = |handle: &HandleFact| handle.delivered.is_some_and(|it| it.waits);
        let handle = found.filter(waits).ok_or(Error::TicketUnknown { ticket })?;
        for known in self.handles.iter_mut().filter(|known| known.id == handle.id) {
            known.delivered = known.delivered.map(|it| DeliveredFact { waits: false, ..it });
        }
        Ok(self.taken(&handle, handle.id, handle.granted))
    }

    pub(super) fn fetch(
        &mut self,
        caller: u64,
        source: Process,
        ticket: u32,
        access: AccessMask,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        within_reach(me.uid, source)?;
        let found = self.find_delivered(source.id.0, ticket);
        let handle = found.ok_or(Error::TicketUnknown { ticket })?;
        let granted = self.rights_after(&handle, me.uid, access)?;
        let Reply::Handle { handle: made, .. } = self.another_handle(&handle, granted)? else {
            unreachable!("another handle is a handle")
        };
        Ok(self.taken(&handle, made.0, granted))
    }

    /// A process has ended.
    pub(crate) fn process_gone(&mut self, process: u64) {
        let mut waited = Vec::new();
        for handle in &mut self.handles {
            if let Some(delivered) = handle.delivered.take_if(|it| it.process == process)
                && delivered.waits
            {
                waited.push(handle.id);
            }
        }
        self.handles_gone(&waited);
    }

    /// Processes that something was delivered to which is there.
    pub(crate) fn processes(&self) -> Vec<u64> {
        let all = self.handles.iter().filter_map(|handle| Some(handle.delivered?.process));
        let mut processes: Vec<u64> = all.collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    }

    /// What was delivered and is there: to whom, and under which number.
    pub(crate) fn tickets(&self) -> Vec<(u64, u32)> {
        let all = self.handles.iter().filter_map(|handle| handle.delivered);
        all.map(|it| (it.process, it.ticket)).collect()
    }

    fn find_delivered(&self, process: u64, ticket: u32) -> Option<HandleFact> {
        let is_it = |it: DeliveredFact| (it.process, it.ticket) == (process, ticket);
        self.handles.iter().find(|handle| handle.delivered.is_some_and(is_it)).copied()
    }

    fn taken(&self, handle: &HandleFact, id: u64, granted: u32) -> Reply {
        Reply::Taken {
            object: self.object_id(handle.object),
            kind: self.kind(handle.object),
            handle: handfast_model::object::HandleId(id),
            granted: Granted::from_stored(granted),
        }
    }
}

fn within_reach(uid: u32, process: Process) -> Result<(), Error> {
    let theirs = process.token.uid;
    if uid == 0 || uid == theirs { Ok(()) } else { Err(Error::ProcessDenied { uid: theirs }) }
}
