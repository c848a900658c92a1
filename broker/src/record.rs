//! What the broker writes down before it acts, as bytes: its inputs, and which descriptors belong
//! to what. A successor reads it back ([`crate::estate`]).
//!
//! Descriptors are told by their numbers: whoever reads this has the same table of them.

use handfast_model::contract::bytes::{ByteReader, ByteWriter, Malformed};
use handfast_model::object::{
    self, Came, ClientId, HandleId, PageId, Process, ProcessId, ReceivedPayload, Writers,
};
use handfast_model::security::Token;
use handfast_model::wire::{ClientMessage, Note, UNANSWERED};

use crate::door::Way;

/// The number of a descriptor.
pub(crate) type Number = i32;

/// One thing that a successor would not find out by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// A connection was let in.
    Door { door: u64, facts: DoorFacts },
    /// A client got its mailbox.
    Mailbox { door: u64, memory: Number, bell: Number },
    /// Memory was bound to the page that the last input made.
    Page { page: PageId, facts: PageFacts },
    /// A page can be given out to be read, too.
    ReadOnly { page: PageId, descriptor: Number },
    /// A pipe was bound to the handle that the last input made.
    Pipe { handle: HandleId, facts: PipeFacts },
    /// The broker opened these for itself; a successor opens its own.
    Tools(Vec<Number>),
    /// A message was read before its turn.
    PutOff { door: u64, message: Message<'a> },
    /// Something changed the model.
    Input(Input<'a>),
}

/// What changes the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input<'a> {
    /// Whoever is behind a connection said hello.
    Arrived { door: u64, version: u16 },
    /// A connection is over.
    Gone { door: u64 },
    /// The last copies of these handles were closed.
    HandlesGone(Vec<HandleId>),
    /// A process that something waits for has ended.
    ProcessGone(ProcessId),
    /// A client asked or told something.
    Request(Request<'a>),
}

/// A request, with everything that decides its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) door: u64,
    pub(crate) client: ClientId,
    pub(crate) said: Said<'a>,
    pub(crate) time_ns: u64,
    pub(crate) came: Came,
    pub(crate) brought: Brought,
}

/// What somebody said, as he said it, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    /// The packet at the head of his socket's queue, which declares so many descriptors.
    Packet { bytes: &'a [u8], descriptors: usize },
    /// The first of his packets that was put off.
    PutOff { bytes: &'a [u8], descriptors: usize },
    /// A letter in his mailbox.
    Letter(&'a [u8]),
    /// A note there.
    Note(u64),
}

/// A message that waits, with its descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) descriptors: Vec<Number>,
    pub(crate) pid: Option<i32>,
}

/// The descriptors that came with a request and are kept if it is granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Brought {
    pub(crate) payload: Option<PayloadFacts>,
    /// Of a process that was not known: its number, and its pidfd.
    pub(crate) process: Option<(i32, Number)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoorFacts {
    pub(crate) socket: Number,
    pub(crate) process: Number,
    pub(crate) pid: i32,
    pub(crate) token: Token,
}

/// Whose words a page holds, as far as they are found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Stream,
    Fence,
    Event,
    KeyedMutex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageFacts {
    pub(crate) words: Words,
    /// None once nobody but its writer may write it.
    pub(crate) writable: Option<Number>,
    pub(crate) read_only: Option<Number>,
    /// Where the keeper has it mapped, for a page that may be sealed.
    pub(crate) kept: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PipeFacts {
    pub(crate) kept: Number,
    /// Until it has been sent.
    pub(crate) read_end: Option<Number>,
    pub(crate) inode: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PayloadFacts {
    pub(crate) read_only: Number,
    pub(crate) writable: Option<Number>,
    pub(crate) size_bytes: u64,
}

/// A descriptor's number is never negative.
fn put_number(w: &mut ByteWriter, number: Option<Number>) {
    w.i32(number.unwrap_or(-1));
}

fn number(r: &mut ByteReader<'_>) -> Result<Option<Number>, Malformed> {
    Ok(Some(r.i32()?).filter(|number| *number >= 0))
}

pub(crate) fn put_token(w: &mut ByteWriter, token: Token) {
    w.u32(token.uid);
    w.u32(token.gid);
}

pub(crate) fn token(r: &mut ByteReader<'_>) -> Result<Token, Malformed> {
    Ok(Token { uid: r.u32()?, gid: r.u32()? })
}

impl DoorFacts {
    pub(crate) fn encode(self, w: &mut ByteWriter) {
        [self.socket, self.process, self.pid].into_iter().for_each(|number| w.i32(number));
        put_token(w, self.token);
    }

    pub(crate) fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(Self { socket: r.i32()?, process: r.i32()?, pid: r.i32()?, token: token(r)? })
    }
}

impl PageFacts {
    pub(crate) fn encode(self, w: &mut ByteWriter) {
        w.u8(match self.words {
            Words::Stream => 0,
            Words::Fence => 1,
            Words::Event => 2,
            Words::KeyedMutex => 3,
        });
        put_number(w, self.writable);
        put_number(w, self.read_only);
        w.u32(self.kept.map_or(0, |kept| kept.saturating_add(1)));
    }

    pub(crate) fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let words = match r.u8()? {
            0 => Words::Stream,
            1 => Words::Fence,
            2 => Words::Event,
            3 => Words::KeyedMutex,
            _ => return Err(Malformed),
        };
        let (writable, read_only) = (number(r)?, number(r)?);
        Ok(Self { words, writable, read_only, kept: r.u32()?.checked_sub(1) })
    }
}

impl PipeFacts {
    pub(crate) fn encode(self, w: &mut ByteWriter) {
        w.i32(self.kept);
        put_number(w, self.read_end);
        w.u64(self.inode);
    }

    pub(crate) fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(Self { kept: r.i32()?, read_end: number(r)?, inode: r.u64()? })
    }
}

impl PayloadFacts {
    pub(crate) fn encode(self, w: &mut ByteWriter) {
        w.i32(self.read_only);
        put_number(w, self.writable);
        w.u64(self.size_bytes);
    }

    pub(crate) fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(Self { read_only: r.i32()?, writable: number(r)?, size_bytes: r.u64()? })
    }
}

impl<'a> Message<'a> {
    pub(crate) fn encode(&self, w: &mut ByteWriter) {
        w.bytes(self.bytes);
        w.count(self.descriptors.len());
        self.descriptors.iter().for_each(|number| w.i32(*number));
        w.u8(self.pid.is_some().into());
        w.i32(self.pid.unwrap_or_default());
    }

    pub(crate) fn decode(r: &mut ByteReader<'a>) -> Result<Self, Malformed> {
        let bytes = r.bytes()?;
        let descriptors = (0..r.count(4)?).map(|_| r.i32()).collect::<Result<_, _>>()?;
        let (is_known, pid) = (r.u8()? != 0, r.i32()?);
        Ok(Self { bytes, descriptors, pid: is_known.then_some(pid) })
    }
}

impl<'a> Said<'a> {
    /// In which way he is answered.
    pub(crate) const fn way(self) -> Way {
        match self {
            Self::Packet { .. } | Self::PutOff { .. } => Way::Socket,
            Self::Letter(_) | Self::Note(_) => Way::Mailbox,
        }
    }

    /// What he asks or tells, with his number for it.
    pub(crate) fn request(self) -> Option<(u32, object::Request)> {
        let (bytes, descriptors) = match self {
            Self::Packet { bytes, descriptors } | Self::PutOff { bytes, descriptors } => {
                (bytes, descriptors)
            }
            Self::Letter(bytes) => (bytes, 0),
            Self::Note(note) => return Some((UNANSWERED, Note::decode(note)?.request())),
        };
        match ClientMessage::decode(bytes, descriptors) {
            Ok(ClientMessage::Request { number, request }) => Some((number, request)),
            Ok(_) | Err(_) => None,
        }
    }

    fn encode(self, w: &mut ByteWriter) {
        match self {
            Self::Packet { bytes, descriptors } => {
                w.u8(0);
                w.count(descriptors);
                w.bytes(bytes);
            }
            Self::PutOff { bytes, descriptors } => {
                w.u8(1);
                w.count(descriptors);
                w.bytes(bytes);
            }
            Self::Letter(bytes) => {
                w.u8(2);
                w.bytes(bytes);
            }
            Self::Note(note) => {
                w.u8(3);
                w.u64(note);
            }
        }
    }

    fn decode(r: &mut ByteReader<'a>) -> Result<Self, Malformed> {
        let tag = r.u8()?;
        let count = |r: &mut ByteReader<'_>| usize::try_from(r.u32()?).map_err(|_| Malformed);
        match tag {
            0 => Ok(Self::Packet { descriptors: count(r)?, bytes: r.bytes()? }),
            1 => Ok(Self::PutOff { descriptors: count(r)?, bytes: r.bytes()? }),
            2 => Ok(Self::Letter(r.bytes()?)),
            3 => Ok(Self::Note(r.u64()?)),
            _ => Err(Malformed),
        }
    }
}

fn put_process(w: &mut ByteWriter, process: Process) {
    w.u64(process.id.0);
    put_token(w, process.token);
}

fn process(r: &mut ByteReader<'_>) -> Result<Process, Malformed> {
    Ok(Process { id: ProcessId(r.u64()?), token: token(r)? })
}

fn put_came(w: &mut ByteWriter, came: Came) {
    match came {
        Came::Nothing => w.u8(0),
        Came::Memory(ReceivedPayload { size_bytes, writers }) => {
            w.u8(1);
            w.u64(size_bytes);
            w.u8((writers == Writers::Several).into());
        }
        Came::Handle(handle) => {
            w.u8(2);
            w.u64(handle.0);
        }
        Came::HandleAndProcess(handle, process) => {
            w.u8(3);
            w.u64(handle.0);
            put_process(w, process);
        }
        Came::Process(process) => {
            w.u8(4);
            put_process(w, process);
        }
    }
}

fn came(r: &mut ByteReader<'_>) -> Result<Came, Malformed> {
    Ok(match r.u8()? {
        0 => Came::Nothing,
        1 => {
            let size_bytes = r.u64()?;
            let writers = if r.u8()? == 0 { Writers::One } else { Writers::Several };
            Came::Memory(ReceivedPayload { size_bytes, writers })
        }
        2 => Came::Handle(HandleId(r.u64()?)),
        3 => Came::HandleAndProcess(HandleId(r.u64()?), process(r)?),
        4 => Came::Process(process(r)?),
        _ => return Err(Malformed),
    })
}

impl<'a> Request<'a> {
    fn encode(&self, w: &mut ByteWriter) {
        w.u64(self.door);
        w.u64(self.client.0);
        self.said.encode(w);
        w.u64(self.time_ns);
        put_came(w, self.came);
        let Brought { payload, process } = self.brought;
        w.u8(u8::from(payload.is_some()) | u8::from(process.is_some()) << 1);
        if let Some(payload) = payload {
            payload.encode(w);
        }
        if let Some((pid, pidfd)) = process {
            w.i32(pid);
            w.i32(pidfd);
        }
    }

    fn decode(r: &mut ByteReader<'a>) -> Result<Self, Malformed> {
        let (door, client) = (r.u64()?, ClientId(r.u64()?));
        let (said, time_ns, came) = (Said::decode(r)?, r.u64()?, came(r)?);
        let flags = r.u8()?;
        let payload = if flags & 1 != 0 { Some(PayloadFacts::decode(r)?) } else { None };
        let process = if flags & 2 != 0 { Some((r.i32()?, r.i32()?)) } else { None };
        let brought = Brought { payload, process };
        Ok(Self { door, client, said, time_ns, came, brought })
    }
}

impl<'a> Record<'a> {
    /// Appends it to `w`.
    pub(crate) fn encode(&self, w: &mut ByteWriter) {
        match self {
            Self::Door { door, facts } => {
                w.u8(1);
                w.u64(*door);
                facts.encode(w);
            }
            Self::Mailbox { door, memory, bell } => {
                w.u8(2);
                w.u64(*door);
                w.i32(*memory);
                w.i32(*bell);
            }
            Self::Page { page, facts } => {
                w.u8(3);
                w.u64(page.0);
                facts.encode(w);
            }
            Self::ReadOnly { page, descriptor } => {
                w.u8(4);
                w.u64(page.0);
                w.i32(*descriptor);
            }
            Self::Pipe { handle, facts } => {
                w.u8(5);
                w.u64(handle.0);
                facts.encode(w);
            }
            Self::Tools(numbers) => {
                w.u8(7);
                w.count(numbers.len());
                numbers.iter().for_each(|number| w.i32(*number));
            }
            Self::PutOff { door, message } => {
                w.u8(6);
                w.u64(*door);
                message.encode(w);
            }
            Self::Input(Input::Arrived { door, version }) => {
                w.u8(16);
                w.u64(*door);
                w.u16(*version);
            }
            Self::Input(Input::Gone { door }) => {
                w.u8(17);
                w.u64(*door);
            }
            Self::Input(Input::HandlesGone(handles)) => {
                w.u8(18);
                w.count(handles.len());
                handles.iter().for_each(|handle| w.u64(handle.0));
            }
            Self::Input(Input::ProcessGone(process)) => {
                w.u8(19);
                w.u64(process.0);
            }
            Self::Input(Input::Request(request)) => {
                w.u8(20);
                request.encode(w);
            }
        }
    }

    /// The record that these bytes are.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let r = &mut reader;
        let record = match r.u8()? {
            1 => Self::Door { door: r.u64()?, facts: DoorFacts::decode(r)? },
            2 => Self::Mailbox { door: r.u64()?, memory: r.i32()?, bell: r.i32()? },
            3 => Self::Page { page: PageId(r.u64()?), facts: PageFacts::decode(r)? },
            4 => Self::ReadOnly { page: PageId(r.u64()?), descriptor: r.i32()? },
            5 => Self::Pipe { handle: HandleId(r.u64()?), facts: PipeFacts::decode(r)? },
            7 => Self::Tools((0..r.count(4)?).map(|_| r.i32()).collect::<Result<_, _>>()?),
            6 => Self::PutOff { door: r.u64()?, message: Message::decode(r)? },
            16 => Self::Input(Input::Arrived { door: r.u64()?, version: r.u16()? }),
            17 => Self::Input(Input::Gone { door: r.u64()? }),
            18 => {
                let ids = (0..r.count(8)?).map(|_| r.u64().map(HandleId));
                Self::Input(Input::HandlesGone(ids.collect::<Result<_, _>>()?))
            }
            19 => Self::Input(Input::ProcessGone(ProcessId(r.u64()?))),
            20 => Self::Input(Input::Request(Request::decode(r)?)),
            _ => return Err(Malformed),
        };
        reader.finish()?;
        Ok(record)
    }
}
