//! The rules of surfaces, fences, events and sections: who gets which page, seat and memory.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{
    Cap, Effect, Error, HandleForm, Leaving, PageId, PageKind, Parts, PayloadId, RawName, Reply,
    Signaller, Spec, StreamEnd, View,
};
use handfast_model::security::Granted;

use super::{Facts, MadeFact, OpeningFact, Owner, Role, SeatFact, count, holder, next};
use crate::kinds;

impl Facts {
    pub(super) fn create_made(
        &mut self,
        caller: u64,
        (spec, offered): (&Spec, Option<u64>),
        has_bytes: u64,
        (name, access, form): (Option<&RawName>, AccessMask, HandleForm),
        now: u64,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let name = self.free(name, me.uid)?;
        let kind = kinds::kind_of(spec);
        let rights = kinds::to_maker(kind, access.bits());
        let rights = rights.ok_or(Error::AccessInvalid { wanted: access })?;
        let known = kinds::specs().into_iter().find(|(known, _)| known == spec);
        let (_, needs_bytes) = known.expect("the sequences create what is in the table");
        let needs_bytes = needs_bytes.ok_or(Error::SpecInvalid { kind })?;
        if has_bytes < needs_bytes {
            return Err(Error::PayloadTooSmall { needs_bytes, has_bytes });
        }
        let limit = 64 << 30;
        if self.bytes_held(me.uid, 0) + u128::from(has_bytes) > u128::from(limit) {
            return Err(Error::CapReached { cap: Cap::PayloadBytes, limit });
        }
        let object = next(&mut self.given.objects);
        let kept = kinds::page(spec).and_then(|words| self.take_spare(caller, offered?, words));
        let page = kinds::page(spec).map(|words| {
            let role = Role::Words(words);
            kept.unwrap_or_else(|| self.add_page(object, role))
        });
        for page in self.pages.iter_mut().filter(|page| Some(page.id) == kept) {
            page.object = object;
        }
        let payload = kinds::memory(spec).map(|_| (next(&mut self.given.payloads), has_bytes));
        let owner = Owner { uid: me.uid, pid: me.pid, made_ns: now };
        let spec = *spec;
        let only = Some(caller);
        self.mades.push(MadeFact { object, owner, spec, page, payload, turns_ever: 0, only });
        let (opening, parts) = self.take_parts(caller, object, kinds::all(kind), Signaller::Yes);
        let share = next(&mut self.given.shares);
        let granted = rights & !kinds::barred(&spec);
        let by = holder(caller, form);
        let handle = self.add_handle(share, object, (name, owner), (granted, by));
        self.bound(name);
        self.changed();
        let mut parts = Parts { payload: None, spare: kept.map(PageId), ..parts };
        parts.page = parts.page.filter(|_| kept.is_none());
        let granted = Granted::from_stored(granted);
        Ok(Reply::Created { object: self.object_id(object), opening, handle, form, granted, parts })
    }

    /// The page that a client offers, if it is one that is kept for it and of the right widths.
    fn take_spare(&mut self, client: u64, offered: u64, words: PageKind) -> Option<u64> {
        let narrow = |words| words == PageKind::KeyedMutex;
        let place = self.spares.iter().position(|spare| {
            let Role::Words(before) = spare.role else { return false };
            (spare.client, spare.page) == (client, offered) && narrow(before) == narrow(words)
        })?;
        let taken = self.spares.remove(place);
        for page in self.pages.iter_mut().filter(|page| page.id == taken.page) {
            page.role = Role::Words(words);
        }
        Some(taken.page)
    }

    pub(super) fn open_made(
        &mut self,
        caller: u64,
        object: u64,
        granted: u32,
    ) -> Result<Reply, Error> {
        let spec = self.made(object).spec;
        let least = kinds::least(&spec);
        if least & !granted != 0 {
            return Err(self.denied(object, least, granted));
        }
        let (opening, parts) = self.take_parts(caller, object, granted, Signaller::No);
        let (object, granted) = (self.object_id(object), Granted::from_stored(granted));
        Ok(Reply::Opened { object, opening, granted, spec, parts })
    }

    /// A new opening and what it gets.
    fn take_parts(
        &mut self,
        client: u64,
        object: u64,
        granted: u32,
        signaller: Signaller,
    ) -> (handfast_model::object::OpeningId, Parts) {
        let MadeFact { spec, page, payload, .. } = self.made(object);
        let page = page.zip(kinds::page_view(&spec, granted));
        for made in self.mades.iter_mut().filter(|made| made.object == object) {
            made.only = made.only.filter(|only| *only == client || page.is_none());
        }
        let mut parts = Parts::default();
        let (mut turn, seated) = (0, self.seat_of(object, client));
        if let Some((page, View::Writable)) = page {
            parts.seat = seated.unwrap_or_else(|| self.lowest_free_seat(object));
            if seated.is_none() {
                self.seats.push(SeatFact { object, client, number: parts.seat });
                let seat = parts.seat;
                self.told.words.push(Effect::TakeSeat { page: PageId(page), seat, signaller });
            }
            if kinds::keyed(&spec) {
                for made in self.mades.iter_mut().filter(|made| made.object == object) {
                    made.turns_ever += 1;
                    turn = made.turns_ever;
                }
            }
        }
        let opening = self.add_opening(client, object, granted, turn);
        if kinds::waits_unseen(&spec, granted) {
            self.tell_readers(object);
        }
        parts.owner = turn;
        parts.page = page.map(|(page, view)| (PageId(page), view));
        let memory = payload.zip(kinds::memory_view(&spec, granted));
        parts.payload = memory.map(|((payload, _), view)| (PayloadId(payload), view));
        (opening, parts)
    }

    /// A dropped opening gives back what it had.
    pub(super) fn leave_made(&mut self, opening: &OpeningFact, end: StreamEnd) {
        let OpeningFact { client, object, granted, .. } = *opening;
        let MadeFact { spec, page, .. } = self.made(object);
        if end == StreamEnd::Ended && self.is_private(client, object) {
            // Nobody is left who could read of it.
            self.seats.retain(|seat| seat.object != object);
            return;
        }
        if let (Some(page), 1..) = (page, opening.turn) {
            self.told.words.push(Effect::LeaveOwner { page: PageId(page), owner: opening.turn });
        }
        if kinds::waits_unseen(&spec, granted) {
            self.tell_readers(object);
        }
        let mut others = self.openings.iter().filter(|o| (o.object, o.client) == (object, client));
        let writes = |o: &OpeningFact| kinds::page_view(&spec, o.granted) == Some(View::Writable);
        let (Some(page), Some(seat)) = (page, self.seat_of(object, client)) else { return };
        if writes(opening) && !others.any(writes) {
            self.seats.retain(|seat| (seat.object, seat.client) != (object, client));
            let leaving = match end {
                StreamEnd::Ended => Leaving::Released,
                StreamEnd::Lost => Leaving::Died,
            };
            self.told.words.push(Effect::LeaveSeat { page: PageId(page), seat, leaving });
        }
    }

    fn tell_readers(&mut self, object: u64) {
        let MadeFact { spec, page, .. } = self.made(object);
        let openings = self.openings.iter().filter(|o| o.object == object);
        let readers = openings.filter(|o| kinds::waits_unseen(&spec, o.granted)).count();
        let page = PageId(page.expect("what is waited for has a page"));
        self.told.words.push(Effect::SetReaders { page, count: count(readers) });
    }

    fn seat_of(&self, object: u64, client: u64) -> Option<u32> {
        let mut seats = self.seats.iter();
        let seat = seats.find(|seat| (seat.object, seat.client) == (object, client));
        seat.map(|seat| seat.number)
    }

    fn lowest_free_seat(&self, object: u64) -> u32 {
        let taken = |number| self.seats.iter().any(|s| (s.object, s.number) == (object, number));
        (0..).find(|number| !taken(*number)).expect("a sequence is short")
    }

    fn made(&self, object: u64) -> MadeFact {
        let made = self.mades.iter().find(|made| made.object == object);
        *made.expect("an opening or a handle holds its object")
    }
}
