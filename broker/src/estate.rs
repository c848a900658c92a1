//! What a broker leaves to its successor: the model, and which descriptor is what.
//!
//! It is read from the journal. A descriptor is a number here, since one that an early record tells
//! of may have been closed and its number used again before the last: only what is left at the end
//! is anybody's.

use std::collections::{BTreeMap, VecDeque};

use handfast_model::contract::bytes::{ByteReader, ByteWriter, Malformed};
use handfast_model::object::{
    Caller, ClientId, Effect, Error, HandleId, Manager, PageId, PageKind, PayloadId, ProcessId,
    Reply, SnapshotError,
};
use handfast_model::wire::UNANSWERED;
use thiserror::Error as ThisError;

use crate::door::Way;
use crate::record::{
    Brought, DoorFacts, Input, Message, Number, PageFacts, PayloadFacts, PipeFacts, Record,
    Request, Said, Words,
};

/// Why a journal cannot be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum EstateError {
    /// Its bytes are no records.
    #[error("a record of the journal is malformed")]
    Malformed,
    /// It speaks of what is not there.
    #[error("the journal speaks of something that is not there")]
    Stray,
    /// Its snapshot is none.
    #[error("the journal's snapshot cannot be read: {0}")]
    Snapshot(#[from] SnapshotError),
}

impl From<Malformed> for EstateError {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoorEntry {
    pub(crate) facts: DoorFacts,
    /// Once it has said hello.
    pub(crate) client: Option<ClientId>,
    /// The memory and the bell of its mailbox.
    pub(crate) mailbox: Option<(Number, Number)>,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) door: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<Number>,
    pub(crate) pid: Option<i32>,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) manager: Manager,
    pub(crate) holdings: Holdings,
}

/// Everything but the model.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) started_ns: u64,
    pub(crate) next_door: u64,
    pub(crate) doors: BTreeMap<u64, DoorEntry>,
    pub(crate) pages: BTreeMap<PageId, PageFacts>,
    pub(crate) pipes: BTreeMap<HandleId, PipeFacts>,
    pub(crate) payloads: BTreeMap<PayloadId, PayloadFacts>,
    pub(crate) last_process: u64,
    pub(crate) processes: BTreeMap<ProcessId, (i32, Number)>,
    pub(crate) put_off: VecDeque<Waiting>,
    /// What the predecessor had for itself.
    pub(crate) tools: Vec<Number>,
}

/// What came of an input.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was to be done, in order.
    pub(crate) effects: Vec<Effect>,
    /// Who is owed what answer.
    pub(crate) owed: Option<(Owed, Answer)>,
    /// The packet that it came in, which may still be at the head of that queue.
    pub(crate) packet: Option<(u64, Vec<u8>)>,
}

/// Who is owed an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) door: u64,
    pub(crate) number: u32,
    pub(crate) way: Way,
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// To hello.
    Welcome { client: ClientId, version: u16 },
    /// To a request.
    Request(Result<Reply, Error>),
}

impl Holdings {
    fn door(&mut self, door: u64) -> Result<&mut DoorEntry, EstateError> {
        self.doors.get_mut(&door).ok_or(EstateError::Stray)
    }

    /// What an effect changes in whose each descriptor is. Those that nobody has any more are
    /// closed when all records have been read.
    fn note(&mut self, effect: &Effect, brought: Brought) {
        match effect {
            Effect::ReformatPage { page, kind } => {
                if let Some(facts) = self.pages.get_mut(page) {
                    facts.words = words_of(*kind);
                }
            }
            Effect::SealPage { page } => {
                if let Some(facts) = self.pages.get_mut(page) {
                    facts.writable = None;
                }
            }
            Effect::DropPage { page } => {
                self.pages.remove(page);
            }
            Effect::DropHandle { handle } => {
                self.pipes.remove(handle);
            }
            Effect::KeepPayload { payload } => {
                self.payloads.extend(brought.payload.map(|facts| (*payload, facts)));
            }
            Effect::DropPayload { payload } => {
                self.payloads.remove(payload);
            }
            Effect::KeepProcess { process } => {
                self.last_process = self.last_process.max(process.0);
                self.processes.extend(brought.process.map(|facts| (*process, facts)));
            }
            Effect::DropProcess { process } => {
                self.processes.remove(process);
            }
            Effect::MakePage { .. }
            | Effect::StampGone { .. }
            | Effect::EndSender { .. }
            | Effect::BumpEvents { .. }
            | Effect::TakeSeat { .. }
            | Effect::LeaveSeat { .. }
            | Effect::LeaveOwner { .. }
            | Effect::SetReaders { .. }
            | Effect::MakeHandle { .. }
            | Effect::Notify { .. } => {}
        }
    }
    /// The estate as bytes.
    pub(crate) fn encode(&self, manager: &Manager) -> Vec<u8> {
        let mut w = ByteWriter::new();
        w.bytes(&manager.snapshot());
        [self.started_ns, self.next_door, self.last_process].into_iter().for_each(|n| w.u64(n));
        w.count(self.doors.len());
        for (door, DoorEntry { facts, client, mailbox }) in &self.doors {
            w.u64(*door);
            facts.encode(&mut w);
            // Clients are numbered from 1.
            w.u64(client.map_or(0, |client| client.0));
            let (memory, bell) = mailbox.unwrap_or((-1, -1));
            w.i32(memory);
            w.i32(bell);
        }
        w.count(self.pages.len());
        for (page, facts) in &self.pages {
            w.u64(page.0);
            facts.encode(&mut w);
        }
        w.count(self.pipes.len());
        for (handle, facts) in &self.pipes {
            w.u64(handle.0);
            facts.encode(&mut w);
        }
        w.count(self.payloads.len());
        for (payload, facts) in &self.payloads {
            w.u64(payload.0);
            facts.encode(&mut w);
        }
        w.count(self.processes.len());
        for (process, (pid, pidfd)) in &self.processes {
            w.u64(process.0);
            w.i32(*pid);
            w.i32(*pidfd);
        }
        w.count(self.put_off.len());
        for waiting in &self.put_off {
            w.u64(waiting.door);
            waiting.message().encode(&mut w);
        }
        w.count(self.tools.len());
        self.tools.iter().for_each(|number| w.i32(*number));
        w.finish()
    }
}

impl Estate {
    /// Goes through one record; what came of it if it is an input.
    pub(crate) fn read(&mut self, record: &Record<'_>) -> Result<Option<Outcome>, EstateError> {
        let holdings = &mut self.holdings;
        match record {
            Record::Door { door, facts } => {
                holdings.next_door = holdings.next_door.max(*door);
                let entry = DoorEntry { facts: *facts, client: None, mailbox: None };
                holdings.doors.insert(*door, entry);
            }
            Record::Mailbox { door, memory, bell } => {
                holdings.door(*door)?.mailbox = Some((*memory, *bell));
            }
            Record::Page { page, facts } => {
                holdings.pages.insert(*page, *facts);
            }
            Record::ReadOnly { page, descriptor } => {
                let page = holdings.pages.get_mut(page).ok_or(EstateError::Stray)?;
                page.read_only = Some(*descriptor);
            }
            Record::Pipe { handle, facts } => {
                holdings.pipes.insert(*handle, *facts);
            }
            Record::Tools(numbers) => holdings.tools.clone_from(numbers),
            Record::PutOff { door, message } => {
                holdings.put_off.push_back(Waiting::of(*door, message));
            }
            Record::Input(input) => {
                let outcome = self.input(input)?;
                let brought = match input {
                    Input::Request(request) => request.brought,
                    Input::Arrived { .. }
                    | Input::Gone { .. }
                    | Input::HandlesGone(_)
                    | Input::ProcessGone(_) => Brought::default(),
                };
                for effect in &outcome.effects {
                    self.holdings.note(effect, brought);
                }
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    fn input(&mut self, input: &Input<'_>) -> Result<Outcome, EstateError> {
        let mut outcome = Outcome { effects: Vec::new(), owed: None, packet: None };
        let Self { manager, holdings } = self;
        match input {
            Input::Arrived { door, version } => {
                let entry = holdings.door(*door)?;
                let DoorFacts { token, pid, .. } = entry.facts;
                if let Ok(client) = manager.client_arrived(token, pid) {
                    entry.client = Some(client);
                    let owed = Owed { door: *door, number: UNANSWERED, way: Way::Socket };
                    outcome.owed = Some((owed, Answer::Welcome { client, version: *version }));
                }
            }
            Input::Gone { door } => {
                let entry = holdings.doors.remove(door).ok_or(EstateError::Stray)?;
                holdings.put_off.retain(|waiting| waiting.door != *door);
                if let Some(client) = entry.client {
                    manager.client_gone(client, &mut outcome.effects);
                }
            }
            Input::HandlesGone(handles) => manager.handles_gone(handles, &mut outcome.effects),
            Input::ProcessGone(process) => manager.process_gone(*process, &mut outcome.effects),
            Input::Request(request) => self.request(request, &mut outcome)?,
        }
        Ok(outcome)
    }

    fn request(&mut self, said: &Request<'_>, outcome: &mut Outcome) -> Result<(), EstateError> {
        let (number, request) = said.said.request().ok_or(EstateError::Malformed)?;
        match said.said {
            Said::Packet { bytes, .. } => outcome.packet = Some((said.door, bytes.to_vec())),
            Said::PutOff { .. } => {
                let put_off = &mut self.holdings.put_off;
                let place = put_off.iter().position(|waiting| waiting.door == said.door);
                put_off.remove(place.ok_or(EstateError::Stray)?);
            }
            Said::Letter(_) | Said::Note(_) => {}
        }
        let caller = Caller { client: said.client, time_ns: said.time_ns, came: said.came };
        let answer = self.manager.apply(&caller, &request, &mut outcome.effects);
        if number != UNANSWERED {
            let owed = Owed { door: said.door, number, way: said.said.way() };
            outcome.owed = Some((owed, Answer::Request(answer)));
        }
        Ok(())
    }

    /// What these bytes say.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EstateError> {
        let mut reader = ByteReader::new(bytes);
        let r = &mut reader;
        let manager = Manager::restore(r.bytes()?)?;
        let (started_ns, next_door, last_process) = (r.u64()?, r.u64()?, r.u64()?);
        let doors = (0..r.count(8)?).map(|_| Ok((r.u64()?, door(r)?)));
        let doors = doors.collect::<Result<_, Malformed>>()?;
        let pages = (0..r.count(8)?).map(|_| Ok((PageId(r.u64()?), PageFacts::decode(r)?)));
        let pages = pages.collect::<Result<_, Malformed>>()?;
        let pipes = (0..r.count(8)?).map(|_| Ok((HandleId(r.u64()?), PipeFacts::decode(r)?)));
        let pipes = pipes.collect::<Result<_, Malformed>>()?;
        let payloads =
            (0..r.count(8)?).map(|_| Ok((PayloadId(r.u64()?), PayloadFacts::decode(r)?)));
        let payloads = payloads.collect::<Result<_, Malformed>>()?;
        let processes = (0..r.count(8)?).map(|_| Ok((ProcessId(r.u64()?), (r.i32()?, r.i32()?))));
        let processes = processes.collect::<Result<_, Malformed>>()?;
        let put_off = (0..r.count(8)?).map(|_| {
            let door = r.u64()?;
            Ok(Waiting::of(door, &Message::decode(r)?))
        });
        let put_off = put_off.collect::<Result<_, Malformed>>()?;
        let tools = (0..r.count(4)?).map(|_| r.i32()).collect::<Result<_, Malformed>>()?;
        reader.finish()?;
        let holdings = Holdings {
            started_ns,
            next_door,
            doors,
            pages,
            pipes,
            payloads,
            last_process,
            processes,
            put_off,
            tools,
        };
        Ok(Self { manager, holdings })
    }
}

fn door(r: &mut ByteReader<'_>) -> Result<DoorEntry, Malformed> {
    let facts = DoorFacts::decode(r)?;
    let client = Some(r.u64()?).filter(|client| *client != 0).map(ClientId);
    let (memory, bell) = (r.i32()?, r.i32()?);
    Ok(DoorEntry { facts, client, mailbox: (memory >= 0).then_some((memory, bell)) })
}

/// Whose words a page of a kind holds.
pub(crate) const fn words_of(kind: PageKind) -> Words {
    match kind {
        PageKind::StreamSender | PageKind::StreamReceiver => Words::Stream,
        PageKind::Fence { .. } => Words::Fence,
        PageKind::Event { .. } => Words::Event,
        PageKind::KeyedMutex => Words::KeyedMutex,
    }
}

impl Waiting {
    fn of(door: u64, message: &Message<'_>) -> Self {
        let Message { bytes, descriptors, pid } = message.clone();
        Self { door, bytes: bytes.to_vec(), descriptors, pid }
    }

    fn message(&self) -> Message<'_> {
        Message { bytes: &self.bytes, descriptors: self.descriptors.clone(), pid: self.pid }
    }
}
