//! The rules of handles that are presented, and of looking at who holds what.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{Error, Kind, OpeningFacts, OpeningId, Reply};
use handfast_model::security::Granted;

use super::{Facts, HandleFact};
use crate::kinds;

impl Facts {
    pub(super) fn shown(&self, handle: u64) -> Result<HandleFact, Error> {
        let known = self.handles.iter().find(|known| known.id == handle);
        // What is a number to its client is nothing that could be shown.
        known.filter(|known| known.holder.is_none()).copied().ok_or(Error::HandleUnknown)
    }

    pub(super) fn open_presented(
        &mut self,
        caller: u64,
        handle: u64,
        kind: Kind,
    ) -> Result<Reply, Error> {
        self.who(caller)?;
        let handle = self.shown(handle)?;
        self.must_be(handle.object, kind)?;
        self.open_object(caller, handle.object, handle.granted)
    }

    pub(super) fn duplicate(
        &mut self,
        caller: u64,
        handle: u64,
        access: AccessMask,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let handle = self.shown(handle)?;
        let granted = self.rights_after(&handle, me.uid, access)?;
        self.another_handle(&handle, granted)
    }

    /// The rights of a handle made after another, for a user.
    pub(super) fn rights_after(
        &self,
        handle: &HandleFact,
        uid: u32,
        access: AccessMask,
    ) -> Result<u32, Error> {
        let rights = kinds::named(self.kind(handle.object), access.bits());
        if access.bits() == 0 {
            Ok(handle.granted)
        } else if rights & !handle.granted == 0 && !kinds::asks_for_anything(access.bits()) {
            Ok(rights)
        } else {
            self.may(uid, handle, access)
        }
    }

    pub(super) fn query_presented(&self, caller: u64, handle: u64) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let handle = self.shown(handle)?;
        let granted = Granted::from_stored(handle.granted);
        Ok(Reply::HandleFacts { granted, entry: self.entry(handle.object, me.uid) })
    }

    pub(super) fn list_openings(
        &self,
        caller: u64,
        opening: OpeningId,
        skip: u32,
    ) -> Result<Reply, Error> {
        let object = self.opened(caller, opening, 0)?.object;
        let mut of_object: Vec<_> = self.openings.iter().filter(|o| o.object == object).collect();
        of_object.sort_unstable_by_key(|o| (o.client, o.number));
        let behind = of_object.into_iter().skip(skip as usize);
        let mut openings: Vec<_> = behind
            .filter_map(|o| {
                let who = self.who(o.client).ok()?;
                let granted = Granted::from_stored(o.granted);
                Some(OpeningFacts { pid: who.pid, uid: who.uid, granted, owner: o.turn })
            })
            .collect();
        let more = openings.len() > 64;
        openings.truncate(64);
        Ok(Reply::Openings { openings, more })
    }
}
