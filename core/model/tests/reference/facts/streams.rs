//! The rules of streams.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::reply::ReceiverFacts;
use handfast_model::object::{
    Cap, ClientId, Error, Event, GenerationLayout, HandleForm, Kind, OpeningId, PageId, PayloadId,
    RawName, Reply, StreamEnd, StreamFacts,
};
use handfast_model::security::Granted;

use super::{Facts, OpeningFact, Owner, PageFact, READY, Role, StreamFact, count, holder, next};
use crate::{kinds, tables};

impl Facts {
    pub(super) fn create_stream(
        &mut self,
        caller: u64,
        (name, access, form): (Option<&RawName>, AccessMask, HandleForm),
        now: u64,
    ) -> Result<Reply, Error> {
        let me = self.who(caller)?;
        let name = self.free(name, me.uid)?;
        let granted = kinds::to_maker(Kind::Stream, access.bits());
        let granted = granted.ok_or(Error::AccessInvalid { wanted: access })?;
        let owner = Owner { uid: me.uid, pid: me.pid, made_ns: now };
        let object = next(&mut self.given.objects);
        let opening = self.add_opening(caller, object, granted, 0);
        let page = self.add_page(object, Role::Sender);
        let stock = (0..READY).map(|_| PageId(self.add_page(object, Role::Sent))).collect();
        let sender = (caller, opening.0);
        let stream = StreamFact { object, owner, sender, end: None, generation: 0, payload: None };
        self.streams.push(stream);
        let share = next(&mut self.given.shares);
        let by = holder(caller, form);
        let handle = self.add_handle(share, object, (name, owner), (granted, by));
        self.bound(name);
        self.changed();
        let object = self.object_id(object);
        Ok(Reply::StreamCreated { object, opening, handle, form, page: PageId(page), stock })
    }

    pub(super) fn mapped(&mut self, caller: u64, opening: OpeningId) -> Result<Reply, Error> {
        let opened = self.opened_stream(caller, opening, 0)?;
        let sends = self.stream(opened.object).sender == (caller, opening.0);
        for page in self.pages.iter_mut().filter(|page| page.object == opened.object) {
            match page.role {
                Role::Sender if sends => page.mapped = true,
                Role::Sent if sends => page.role = Role::Ready,
                Role::Receiver(..) if page.role == Role::Receiver(caller, opening.0) => {
                    page.mapped = true;
                }
                Role::Sender | Role::Sent | Role::Ready | Role::Receiver(..) | Role::Words(_) => {}
            }
        }
        if sends {
            let ready = |p: &&PageFact| p.object == opened.object && p.role == Role::Ready;
            let room = self.pages.iter().any(|page| ready(&page));
            for waiting in std::mem::take(&mut self.waiting) {
                if waiting.0 == opened.object && room {
                    self.tell_room(waiting);
                } else {
                    self.waiting.push(waiting);
                }
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn join(&mut self, caller: u64, opening: OpeningId) -> Result<Reply, Error> {
        let opened = self.opened_stream(caller, opening, tables::RECEIVE)?;
        let stream = self.stream(opened.object);
        if stream.end.is_some() {
            return Err(Error::StreamOver);
        }
        let receiver = Role::Receiver(caller, opening.0);
        if self.pages.iter().any(|page| page.role == receiver) {
            return Err(Error::JoinedAlready { opening });
        }
        self.told.bumps.push(self.sender_page(opened.object));
        let key = (opened.object, caller, opening.0);
        let ready = self.pages.iter_mut().find(|p| p.object == key.0 && p.role == Role::Ready);
        let Some(page) = ready else {
            if !self.waiting.contains(&key) {
                self.waiting.push(key);
            }
            return Ok(Reply::StreamFull);
        };
        page.role = receiver;
        let page = PageId(page.id);
        self.waiting.retain(|waiting| *waiting != key);
        self.changed();
        let generation = stream.payload.map(|(layout, id, _)| (layout, PayloadId(id)));
        Ok(Reply::StreamJoined { page, generation })
    }

    pub(super) fn publish(
        &mut self,
        caller: u64,
        opening: OpeningId,
        layout: GenerationLayout,
        has_bytes: u64,
    ) -> Result<Reply, Error> {
        let stream = self.sent_by(caller, opening)?;
        let expected = stream.generation + 1;
        if layout.number != expected {
            return Err(Error::GenerationOutOfOrder { expected, given: layout.number });
        }
        if !(1..=64).contains(&layout.slots) {
            return Err(Error::CapReached { cap: Cap::Slots, limit: 64 });
        }
        if layout.slot_bytes > 1 << 30 {
            return Err(Error::CapReached { cap: Cap::SlotBytes, limit: 1 << 30 });
        }
        let slots = u128::from(layout.slots) * u128::from(layout.slot_bytes);
        let needs_bytes = u64::try_from(slots + u128::from(layout.table_bytes)).unwrap_or(u64::MAX);
        if layout.slot_bytes == 0 || has_bytes < needs_bytes {
            return Err(Error::PayloadTooSmall { needs_bytes, has_bytes });
        }
        let held = self.bytes_held(stream.owner.uid, stream.object);
        let limit = 64 << 30;
        if held + u128::from(has_bytes) > u128::from(limit) {
            return Err(Error::CapReached { cap: Cap::PayloadBytes, limit });
        }
        let id = next(&mut self.given.payloads);
        for known in self.streams.iter_mut().filter(|known| known.object == stream.object) {
            known.generation = layout.number;
            known.payload = Some((layout, id, has_bytes));
        }
        self.changed();
        Ok(Reply::Done)
    }

    pub(super) fn stock(&mut self, caller: u64, opening: OpeningId) -> Result<Reply, Error> {
        let object = self.sent_by(caller, opening)?.object;
        let mut stock = Vec::new();
        let unused =
            |p: &&PageFact| p.object == object && (p.role == Role::Ready || p.role == Role::Sent);
        while (self.pages.iter().filter(unused).count() as u64) < READY {
            stock.push(PageId(self.add_page(object, Role::Sent)));
        }
        Ok(Reply::StreamStock { stock })
    }

    pub(super) fn inspect(
        &self,
        caller: u64,
        opening: OpeningId,
        skip: u32,
    ) -> Result<Reply, Error> {
        let opened = self.opened_stream(caller, opening, tables::QUERY)?;
        let mut receivers: Vec<(u64, u32, PageId)> = Vec::new();
        for page in self.pages.iter().filter(|page| page.object == opened.object) {
            if let Role::Receiver(client, number) = page.role {
                receivers.push((client, number, PageId(page.id)));
            }
        }
        receivers.sort_unstable();
        let behind = receivers.into_iter().skip(skip as usize);
        let mut receivers: Vec<_> = behind
            .map(|(client, _, page)| ReceiverFacts { pid: self.pid_of(client), page })
            .collect();
        let more = receivers.len() > 64;
        receivers.truncate(64);
        Ok(Reply::StreamReceivers { receivers, more })
    }

    fn tell_room(&mut self, (_, client, opening): (u64, u64, u32)) {
        self.told.events.push((client, Event::Room { opening: OpeningId(opening) }));
    }

    fn sent_by(&self, client: u64, opening: OpeningId) -> Result<StreamFact, Error> {
        let opened = self.opened_stream(client, opening, tables::SEND)?;
        let stream = self.stream(opened.object);
        if stream.sender != (client, opening.0) {
            return Err(Error::NotTheSender { opening });
        }
        Ok(stream)
    }

    pub(super) fn stream(&self, object: u64) -> StreamFact {
        let stream = self.streams.iter().find(|stream| stream.object == object);
        *stream.expect("an opening or a handle holds its stream")
    }

    /// How the stream of a page ended.
    pub(crate) fn end_of(&self, page: &PageFact) -> Option<StreamEnd> {
        self.stream(page.object).end
    }

    fn sender_page(&self, object: u64) -> u64 {
        let mut pages = self.pages.iter();
        let page = pages.find(|page| page.object == object && page.role == Role::Sender);
        page.expect("a stream has a sender's page").id
    }

    pub(super) fn open_stream(&mut self, caller: u64, object: u64, granted: u32) -> Reply {
        let opening = self.add_opening(caller, object, granted, 0);
        let stream = self.stream(object);
        let sender = stream.end.is_none().then_some(stream.sender.0);
        let page = self.sender_page(object);
        Reply::StreamOpened {
            object: self.object_id(object),
            opening,
            granted: Granted::from_stored(granted),
            page: PageId(page),
            sender: sender.map(ClientId),
            sender_pid: sender.map_or(0, |id| self.pid_of(id)),
        }
    }

    pub(super) fn generation(&self, caller: u64, opening: OpeningId) -> Result<Reply, Error> {
        let opened = self.opened_stream(caller, opening, tables::RECEIVE)?;
        let stream = self.stream(opened.object);
        if stream.end.is_some() {
            return Err(Error::StreamOver);
        }
        Ok(Reply::StreamGeneration(stream.payload.map(|(l, id, _)| (l, PayloadId(id)))))
    }

    /// An opening of a stream: its kind is looked at before its rights, which mean something else
    /// for another kind.
    fn opened_stream(
        &self,
        client: u64,
        opening: OpeningId,
        wanted: u32,
    ) -> Result<OpeningFact, Error> {
        let opened = self.opened(client, opening, 0)?;
        self.must_be(opened.object, Kind::Stream)?;
        self.opened(client, opening, wanted)
    }

    /// What an opening was in its stream ends.
    pub(super) fn leave_stream(&mut self, opening: &OpeningFact, end: StreamEnd) {
        let OpeningFact { client, number, object, .. } = *opening;
        self.waiting.retain(|waiting| *waiting != (object, client, number));
        for stream in self.streams.iter_mut().filter(|s| s.object == object) {
            if stream.sender == (client, number) {
                stream.end = Some(end);
                stream.payload = None;
                self.pages.retain(|p| {
                    p.object != object || matches!(p.role, Role::Sender | Role::Receiver(..))
                });
                for waiting in std::mem::take(&mut self.waiting) {
                    if waiting.0 == object {
                        let room = Event::Room { opening: OpeningId(waiting.2) };
                        self.told.events.push((waiting.1, room));
                    } else {
                        self.waiting.push(waiting);
                    }
                }
            }
        }
        let before = self.pages.len();
        self.pages.retain(|page| page.role != Role::Receiver(client, number));
        if self.pages.len() != before && self.stream(object).end.is_none() {
            self.told.bumps.push(self.sender_page(object));
        }
    }

    pub(super) fn stream_facts(&self, object: u64) -> handfast_model::object::Facts {
        let stream = self.stream(object);
        let receives =
            |page: &&PageFact| page.object == object && matches!(page.role, Role::Receiver(..));
        handfast_model::object::Facts::Stream(StreamFacts {
            sender_pid: stream.end.is_none().then(|| self.pid_of(stream.sender.0)),
            end: stream.end,
            generation: stream.generation,
            receivers: count(self.pages.iter().filter(receives).count()),
            payload_bytes: stream.payload.map_or(0, |payload| payload.2),
            picture: stream.payload.map(|payload| payload.0.picture).unwrap_or_default(),
        })
    }
}
