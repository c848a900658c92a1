//! The whole state as bytes and back. Everything is ordered, so equal states have equal bytes.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use smallvec::SmallVec;
use thiserror::Error;

use crate::contract::bytes::{ByteReader, ByteWriter, Malformed};
use crate::contract::handle::Ticket;
use crate::security::{Granted, Token};

use super::effect::{PageClass, StreamEnd};
use super::generation::{GenerationLayout, PictureFacts};
use super::id::{ClientId, HandleId, OpeningId, PageId, PayloadId, ProcessId, ShareId};
use super::invariants::Violation;
use super::kind::made::{Made, Seat};
use super::kind::stream::{Mapped, Receiver, Stream};
use super::manager::Manager;
use super::name::{Directory, ObjectName};
use super::spec::Spec;
use super::state::{
    Body, Client, Counters, Delivery, Handle, Holder, Maker, Object, Opening, Share, Usage, Watch,
};
use super::table::{Number, Table};

const VERSION: u32 = 4;

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Written by another version of the model.
    #[error("the snapshot has version {found}, this program reads {VERSION}")]
    Version {
        /// The version it has.
        found: u32,
    },
    /// Cut short, or not a snapshot.
    #[error("the snapshot is damaged")]
    Damaged,
    /// Its state breaks an invariant.
    #[error("the snapshot breaks an invariant: {0}")]
    Broken(#[from] Violation),
}

impl From<Malformed> for SnapshotError {
    fn from(Malformed: Malformed) -> Self {
        Self::Damaged
    }
}

pub(crate) fn encode(manager: &Manager) -> Vec<u8> {
    let mut w = ByteWriter::new();
    w.u32(VERSION);
    w.u64(manager.instance);
    let c = &manager.counters;
    for counter in [c.object, c.share, c.handle, c.client, c.page, c.payload, c.ticket] {
        w.u64(counter);
    }
    w.count(manager.clients.len());
    for (id, client) in &manager.clients {
        w.u64(id.0);
        put_client(&mut w, client);
    }
    w.count(manager.objects.len());
    for (id, object) in &manager.objects {
        w.u64(*id);
        put_object(&mut w, object);
    }
    w.count(manager.shares.len());
    for (id, share) in &manager.shares {
        w.u64(id.0);
        w.u64(share.object);
        put_maker(&mut w, &share.maker);
        w.u8(share.name.is_some().into());
        if let Some(name) = &share.name {
            put_name(&mut w, name);
        }
    }
    w.count(manager.handles.len());
    for (id, handle) in &manager.handles {
        w.u64(id.0);
        w.u64(handle.share.0);
        w.u32(handle.granted.mask().bits());
        w.u32(handle.uid);
        // Clients are numbered from 1.
        w.u64(match handle.holder {
            Holder::Descriptor => 0,
            Holder::Client(client) => client.0,
        });
        w.count(handle.delivered.iter().count());
        if let Some((process, ticket)) = &handle.delivered {
            w.u64(process.0);
            w.u32(ticket.bits());
            let known = manager.deliveries.get(process).and_then(|known| known.get(ticket));
            w.u8(known.is_some_and(Delivery::waits).into());
        }
    }
    w.finish()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Manager, SnapshotError> {
    let mut r = ByteReader::new(bytes);
    let found = r.u32()?;
    if found != VERSION {
        return Err(SnapshotError::Version { found });
    }
    let mut manager = Manager::new(r.u64()?);
    manager.counters = Counters {
        object: r.u64()?,
        share: r.u64()?,
        handle: r.u64()?,
        client: r.u64()?,
        page: r.u64()?,
        payload: r.u64()?,
        ticket: r.u64()?,
    };
    for _ in 0..r.count(8)? {
        let id = ClientId(r.u64()?);
        require_rising(&manager.clients, id)?;
        manager.clients.insert(id, client(&mut r)?);
    }
    for _ in 0..r.count(8)? {
        let id = r.u64()?;
        require_rising(&manager.objects, id)?;
        manager.objects.insert(id, object(&mut r)?);
    }
    for _ in 0..r.count(8)? {
        let id = ShareId(r.u64()?);
        let object = r.u64()?;
        let maker = maker(&mut r)?;
        let name = if r.u8()? == 0 { None } else { Some(name(&mut r)?) };
        require_rising(&manager.shares, id)?;
        manager.shares.insert(id, Share { object, maker, name, handles: SmallVec::new() });
    }
    bind_names(&mut manager)?;
    for _ in 0..r.count(8)? {
        let id = HandleId(r.u64()?);
        require_rising(&manager.handles, id)?;
        let share = ShareId(r.u64()?);
        let granted = Granted::from_stored(r.u32()?);
        let uid = r.u32()?;
        let holder = match r.u64()? {
            0 => Holder::Descriptor,
            client => Holder::Client(ClientId(client)),
        };
        let delivered = optional(&mut r, delivered)?;
        if let Some((process, ticket, waits)) = delivered {
            let delivery = if waits { Delivery::Waits(id) } else { Delivery::Redeemed(id) };
            manager.deliveries.entry(process).or_default().insert(ticket, delivery);
        }
        let delivered = delivered.map(|(process, ticket, _)| (process, ticket));
        manager.handles.insert(id, Handle { share, granted, uid, holder, delivered });
    }
    r.finish()?;
    recount(&mut manager);
    manager.check()?;
    Ok(manager)
}

/// Refuses a number that is not above those before it.
fn require_rising<K: Number, V>(table: &Table<K, V>, next: K) -> Result<(), Malformed> {
    let last = table.keys().next_back().map(|last| last.number());
    if last.is_none_or(|last| last < next.number()) { Ok(()) } else { Err(Malformed) }
}

/// Who bears which name follows from the shares.
fn bind_names(manager: &mut Manager) -> Result<(), Malformed> {
    let Manager { shares, names, .. } = manager;
    for (id, share) in &*shares {
        let Some(name) = &share.name else { continue };
        if names.find(shares, name.as_ref()).is_some() {
            return Err(Malformed);
        }
        names.insert(shares, name.as_ref(), *id);
    }
    Ok(())
}

/// Counts are not stored: they follow from what is.
fn recount(manager: &mut Manager) {
    for (id, handle) in &manager.handles {
        if let Some(share) = manager.shares.get_mut(&handle.share) {
            share.handles.push(*id);
        }
        manager.usage.entry(handle.uid).or_default().handles += 1;
        if let Holder::Client(client) = handle.holder
            && let Some(client) = manager.clients.get_mut(&client)
        {
            client.held.insert(*id);
        }
    }
    for (id, share) in &manager.shares {
        if let Some(object) = manager.objects.get_mut(&share.object) {
            object.shares.push(*id);
        }
    }
    for (id, client) in &manager.clients {
        manager.watchers.note(*id, client);
        manager.usage.entry(client.token.uid).or_default().clients += 1;
        for opening in client.openings.values() {
            if let Some(object) = manager.objects.get_mut(&opening.object) {
                object.openings += 1;
            }
        }
    }
    for Object { maker, body, .. } in manager.objects.values() {
        let usage: &mut Usage = manager.usage.entry(maker.token.uid).or_default();
        usage.objects += 1;
        usage.payload_bytes = usage.payload_bytes.saturating_add(body.payload_bytes());
    }
}

fn delivered(r: &mut ByteReader<'_>) -> Result<(ProcessId, Ticket, bool), Malformed> {
    let (process, ticket) = (ProcessId(r.u64()?), r.u32()?);
    Ok((process, Ticket::parse(ticket).ok_or(Malformed)?, r.u8()? != 0))
}

fn put_token(w: &mut ByteWriter, token: &Token) {
    w.u32(token.uid);
    w.u32(token.gid);
}

fn token(r: &mut ByteReader<'_>) -> Result<Token, Malformed> {
    Ok(Token { uid: r.u32()?, gid: r.u32()? })
}

fn put_maker(w: &mut ByteWriter, maker: &Maker) {
    put_token(w, &maker.token);
    w.i32(maker.pid);
    w.u64(maker.made_ns);
}

fn maker(r: &mut ByteReader<'_>) -> Result<Maker, Malformed> {
    Ok(Maker { token: token(r)?, pid: r.i32()?, made_ns: r.u64()? })
}

fn put_name(w: &mut ByteWriter, name: &ObjectName) {
    match name.directory() {
        Directory::Global => w.u8(0),
        Directory::Local { uid } => {
            w.u8(1);
            w.u32(uid);
        }
    }
    w.units(name.leaf());
}

fn name(r: &mut ByteReader<'_>) -> Result<ObjectName, Malformed> {
    let directory = match r.u8()? {
        0 => Directory::Global,
        1 => Directory::Local { uid: r.u32()? },
        _ => return Err(Malformed),
    };
    ObjectName::from_parts(directory, &r.units()?).map_err(|_| Malformed)
}

fn put_client(w: &mut ByteWriter, client: &Client) {
    put_token(w, &client.token);
    w.i32(client.pid);
    w.u32(client.next_opening);
    w.count(client.openings.len());
    for (id, opening) in &client.openings {
        w.u32(id.0);
        w.u64(opening.object);
        w.u32(opening.granted.mask().bits());
        w.u32(opening.owner);
    }
    w.count(client.watches.len());
    for (number, watch) in &client.watches {
        w.u32(*number);
        match watch {
            Watch::All => w.u8(0),
            Watch::Name(name) => {
                w.u8(1);
                put_name(w, name);
            }
        }
    }
    w.count(client.spare_pages.len());
    for (page, class) in &client.spare_pages {
        w.u64(page.0);
        w.u8((*class == PageClass::Split).into());
    }
}

fn client(r: &mut ByteReader<'_>) -> Result<Client, Malformed> {
    let mut client = Client {
        token: token(r)?,
        pid: r.i32()?,
        next_opening: r.u32()?,
        openings: BTreeMap::new(),
        watches: BTreeMap::new(),
        held: BTreeSet::new(),
        spare_pages: VecDeque::new(),
    };
    for _ in 0..r.count(20)? {
        let id = OpeningId(r.u32()?);
        let object = r.u64()?;
        let granted = Granted::from_stored(r.u32()?);
        client.openings.insert(id, Opening { object, granted, owner: r.u32()? });
    }
    for _ in 0..r.count(5)? {
        let number = r.u32()?;
        let watch = match r.u8()? {
            0 => Watch::All,
            1 => Watch::Name(name(r)?),
            _ => return Err(Malformed),
        };
        client.watches.insert(number, watch);
    }
    for _ in 0..r.count(9)? {
        let page = PageId(r.u64()?);
        let class = match r.u8()? {
            0 => PageClass::Words,
            1 => PageClass::Split,
            _ => return Err(Malformed),
        };
        client.spare_pages.push_back((page, class));
    }
    Ok(client)
}

fn put_object(w: &mut ByteWriter, object: &Object) {
    put_maker(w, &object.maker);
    match &object.body {
        Body::Stream(stream) => {
            w.u8(0);
            put_stream(w, stream);
        }
        Body::Made(made) => {
            w.u8(1);
            put_made(w, made);
        }
    }
}

fn object(r: &mut ByteReader<'_>) -> Result<Object, Malformed> {
    let maker = maker(r)?;
    let body = match r.u8()? {
        0 => Body::Stream(Box::new(stream(r)?)),
        1 => Body::Made(made(r)?),
        _ => return Err(Malformed),
    };
    Ok(Object { maker, shares: SmallVec::new(), openings: 0, body })
}

fn put_made(w: &mut ByteWriter, made: &Made) {
    made.spec.encode(w);
    w.count(made.page.iter().count());
    made.page.iter().for_each(|page| w.u64(page.0));
    w.count(made.payload.iter().count());
    if let Some((payload, size_bytes)) = &made.payload {
        w.u64(payload.0);
        w.u64(*size_bytes);
    }
    w.count(made.seats.len());
    for (client, seat) in made.seats.iter() {
        w.u64(client.0);
        w.u32(seat.number);
        w.u32(seat.openings);
    }
    w.u32(made.readers);
    w.u32(made.last_owner);
    w.u64(made.sole.map_or(0, |client| client.0));
}

fn made(r: &mut ByteReader<'_>) -> Result<Made, Malformed> {
    let spec = Spec::decode(r)?;
    let page = optional(r, |r| r.u64().map(PageId))?;
    let payload = optional(r, |r| Ok((PayloadId(r.u64()?), r.u64()?)))?;
    let mut made = Made::new(spec, page, payload, ClientId(0));
    for _ in 0..r.count(16)? {
        let client = ClientId(r.u64()?);
        made.seats.insert(client, Seat { number: r.u32()?, openings: r.u32()? });
    }
    made.readers = r.u32()?;
    made.last_owner = r.u32()?;
    made.sole = Some(r.u64()?).filter(|client| *client != 0).map(ClientId);
    Ok(made)
}

fn put_key(w: &mut ByteWriter, (client, opening): &(ClientId, OpeningId)) {
    w.u64(client.0);
    w.u32(opening.0);
}

fn key(r: &mut ByteReader<'_>) -> Result<(ClientId, OpeningId), Malformed> {
    Ok((ClientId(r.u64()?), OpeningId(r.u32()?)))
}

fn put_mapped(w: &mut ByteWriter, mapped: Mapped) {
    w.u8((mapped == Mapped::Yes).into());
}

fn mapped(r: &mut ByteReader<'_>) -> Result<Mapped, Malformed> {
    Ok(if r.u8()? == 0 { Mapped::No } else { Mapped::Yes })
}

fn put_stream(w: &mut ByteWriter, stream: &Stream) {
    w.u64(stream.page.0);
    put_mapped(w, stream.mapped);
    w.u8(match stream.end {
        None => 0,
        Some(StreamEnd::Ended) => 1,
        Some(StreamEnd::Lost) => 2,
    });
    w.count(stream.sender.iter().count());
    stream.sender.iter().for_each(|sender| put_key(w, sender));
    w.u32(stream.generation);
    w.count(stream.payload.iter().count());
    if let Some((layout, payload, size_bytes)) = &stream.payload {
        w.u32(layout.number);
        w.u32(layout.slots);
        w.u64(layout.table_bytes);
        w.u64(layout.slot_bytes);
        let picture = &layout.picture;
        for number in [picture.width, picture.height, picture.format, picture.color] {
            w.u32(number);
        }
        w.u8(picture.alpha);
        w.u64(payload.0);
        w.u64(*size_bytes);
    }
    for pages in [&stream.ready, &stream.sent] {
        w.count(pages.len());
        pages.iter().for_each(|page| w.u64(page.0));
    }
    w.count(stream.receivers.len());
    for (receiver, record) in &stream.receivers {
        put_key(w, receiver);
        w.u64(record.page.0);
        put_mapped(w, record.mapped);
    }
    w.count(stream.waiting.len());
    stream.waiting.iter().for_each(|waiting| put_key(w, waiting));
}

fn optional<T>(
    r: &mut ByteReader<'_>,
    read: impl FnOnce(&mut ByteReader<'_>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    match r.u32()? {
        0 => Ok(None),
        1 => read(r).map(Some),
        _ => Err(Malformed),
    }
}

fn stream(r: &mut ByteReader<'_>) -> Result<Stream, Malformed> {
    let page = PageId(r.u64()?);
    let mapped_by_sender = mapped(r)?;
    let end = match r.u8()? {
        0 => None,
        1 => Some(StreamEnd::Ended),
        2 => Some(StreamEnd::Lost),
        _ => return Err(Malformed),
    };
    let sender = optional(r, key)?;
    let generation = r.u32()?;
    let payload = optional(r, |r| {
        let layout = GenerationLayout {
            number: r.u32()?,
            slots: r.u32()?,
            table_bytes: r.u64()?,
            slot_bytes: r.u64()?,
            picture: PictureFacts {
                width: r.u32()?,
                height: r.u32()?,
                format: r.u32()?,
                color: r.u32()?,
                alpha: r.u8()?,
            },
        };
        Ok((layout, PayloadId(r.u64()?), r.u64()?))
    })?;
    let mut pages = || -> Result<VecDeque<PageId>, Malformed> {
        (0..r.count(8)?).map(|_| r.u64().map(PageId)).collect()
    };
    let (ready, sent) = (pages()?, pages()?);
    let mut receivers = BTreeMap::new();
    for _ in 0..r.count(21)? {
        let receiver = key(r)?;
        receivers.insert(receiver, Receiver { page: PageId(r.u64()?), mapped: mapped(r)? });
    }
    let waiting = (0..r.count(12)?).map(|_| key(r)).collect::<Result<_, _>>()?;
    Ok(Stream {
        page,
        mapped: mapped_by_sender,
        sender,
        end,
        generation,
        payload,
        ready,
        sent,
        receivers,
        waiting,
    })
}
