//! Messages between a client and the broker, as bytes plus a number of descriptors.
//!
//! One message is one packet. Little-endian, fixed widths, no padding; the first message of a
//! connection settles the version, and the golden bytes in `golden/` pin what each version is.
//! A message that does not decode exactly, to its last byte and descriptor, is refused whole.

mod error;
mod header;
mod health;
mod hello;
mod note;
mod reply;
mod request;

pub use header::{Header, Kind};
pub use health::Health;
pub use hello::{Hello, Refused, Welcome};
pub use note::Note;

use alloc::vec::Vec;

use thiserror::Error;

use crate::contract::bytes::{ByteReader, ByteWriter, Malformed};
use crate::object::{Error, Event, HeldFacts, OpeningId, Reply, Request};

/// The version this program speaks best.
pub const VERSION: u16 = 4;
/// The oldest version this program still speaks.
pub const VERSION_OLDEST: u16 = 4;
/// No message is longer.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// A request with this number is not answered.
pub const UNANSWERED: u32 = 0;
/// No answer tells of more handles: 64 handles of 64 shares, rounded up by the message's header.
pub const HANDLES_TOLD_MAX: usize = 4096;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// Too short, too long, or a field that no version has.
    #[error("the message is malformed")]
    Malformed,
    /// Not a message of Handfast.
    #[error("the message does not begin with the magic number of Handfast")]
    Magic,
    /// A kind that this version does not have.
    #[error("the message kind {kind} is unknown")]
    UnknownKind {
        /// Its number.
        kind: u16,
    },
    /// More or fewer descriptors came than the message declares.
    #[error("the message declares {declared} descriptors and came with {came}")]
    Descriptors {
        /// As declared.
        declared: u16,
        /// As they came.
        came: usize,
    },
}

impl From<Malformed> for WireError {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// The first message of a connection.
    Hello(Hello),
    /// A request with the client's number for it.
    Request {
        /// Given back in the answer; [`UNANSWERED`] for one that gets none.
        number: u32,
        /// The request.
        request: Request,
    },
    /// What does the broker hold?
    Health {
        /// Given back in the answer.
        number: u32,
    },
    /// Which are the handles of an opened object, and who holds those that are numbers?
    Handles {
        /// Given back in the answer.
        number: u32,
        /// The opening.
        opening: OpeningId,
    },
    /// May I have a mailbox, another door for the same messages?
    Mailbox {
        /// Given back in the answer.
        number: u32,
    },
}

/// What the broker sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerMessage {
    /// The answer to [`Hello`]: who the broker is.
    Welcome(Welcome),
    /// The answer to [`Hello`] when there is no common version, or no room.
    Refused(Refused),
    /// The answer to a request.
    Reply {
        /// The request's number.
        number: u32,
        /// The answer.
        reply: Reply,
    },
    /// A request was refused; nothing changed.
    Failed {
        /// The request's number.
        number: u32,
        /// Why.
        error: Error,
    },
    /// The answer to `Health`.
    Health {
        /// The question's number.
        number: u32,
        /// The answer.
        health: Health,
    },
    /// The answer to `Handles`, at most [`HANDLES_TOLD_MAX`] in all.
    Handles {
        /// The question's number.
        number: u32,
        /// The inode numbers by which /proc shows the pipes of those that are descriptors.
        inodes: Vec<u64>,
        /// Those that clients hold by number.
        held: Vec<HeldFacts>,
    },
    /// The answer to `Mailbox`; attached are its memory, to be mapped and closed, and its bell.
    Mailbox {
        /// The question's number.
        number: u32,
    },
    /// Something the client asked to be told.
    Event(Event),
}

impl ClientMessage {
    /// Descriptors that go with the message.
    #[must_use]
    pub const fn descriptors(&self) -> u16 {
        match self {
            Self::Request { request, .. } => request.takes().descriptors(),
            Self::Hello(_) | Self::Health { .. } | Self::Handles { .. } | Self::Mailbox { .. } => 0,
        }
    }

    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = header::begin();
        let (kind, number) = match self {
            Self::Hello(hello) => {
                hello.encode(&mut body);
                (Kind::Hello, 0)
            }
            Self::Request { number, request } => return encode_request(*number, request),
            Self::Health { number } => (Kind::Health, *number),
            Self::Handles { number, opening } => {
                body.u32(opening.0);
                (Kind::Handles, *number)
            }
            Self::Mailbox { number } => (Kind::Mailbox, *number),
        };
        header::frame(kind, number, self.descriptors(), body)
    }

    /// The message that these bytes and `came` descriptors are.
    ///
    /// # Errors
    ///
    /// Every variant of [`WireError`].
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are requests or refused")]
    pub fn decode(bytes: &[u8], came: usize) -> Result<Self, WireError> {
        let (header, mut body) = header::unframe(bytes, came)?;
        let number = header.number;
        let message = match header.kind {
            Kind::Hello => Self::Hello(Hello::decode(&mut body)?),
            Kind::Health => Self::Health { number },
            Kind::Handles => Self::Handles { number, opening: OpeningId(body.u32()?) },
            Kind::Mailbox => Self::Mailbox { number },
            kind => Self::Request { number, request: request::decode(kind, &mut body)? },
        };
        body.finish()?;
        let stray_number = matches!(message, Self::Hello(_)) && header.number != 0;
        if message.descriptors() != header.descriptors || stray_number {
            return Err(WireError::Malformed);
        }
        Ok(message)
    }
}

/// A [`ClientMessage::Request`] as bytes.
#[must_use]
pub fn encode_request(number: u32, request: &Request) -> Vec<u8> {
    let mut body = header::begin();
    let kind = request::encode(&mut body, request);
    header::frame(kind, number, request.takes().descriptors(), body)
}

impl BrokerMessage {
    /// Descriptors that go with the message.
    #[must_use]
    pub fn descriptors(&self) -> u16 {
        match self {
            Self::Reply { reply, .. } => {
                u16::try_from(reply.attachments().len()).unwrap_or(u16::MAX)
            }
            Self::Mailbox { .. } => 2,
            Self::Welcome(_)
            | Self::Refused(_)
            | Self::Failed { .. }
            | Self::Health { .. }
            | Self::Handles { .. }
            | Self::Event(_) => 0,
        }
    }

    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = header::begin();
        let (kind, number) = match self {
            Self::Welcome(welcome) => {
                welcome.encode(&mut body);
                (Kind::Welcome, 0)
            }
            Self::Refused(refused) => {
                refused.encode(&mut body);
                (Kind::Refused, 0)
            }
            Self::Reply { number, reply } => (reply::encode(&mut body, reply), *number),
            Self::Failed { number, error } => {
                error::encode(&mut body, error);
                (Kind::Failed, *number)
            }
            Self::Health { number, health } => {
                health.encode(&mut body);
                (Kind::HealthFacts, *number)
            }
            Self::Handles { number, inodes, held } => {
                body.count(inodes.len());
                inodes.iter().for_each(|inode| body.u64(*inode));
                reply::put_held(&mut body, held);
                (Kind::HandleInodes, *number)
            }
            Self::Mailbox { number } => (Kind::MailboxMade, *number),
            Self::Event(event) => {
                encode_event(&mut body, event);
                (Kind::Event, 0)
            }
        };
        header::frame(kind, number, self.descriptors(), body)
    }

    /// The message that these bytes and `came` descriptors are.
    ///
    /// # Errors
    ///
    /// Every variant of [`WireError`].
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are replies or refused")]
    pub fn decode(bytes: &[u8], came: usize) -> Result<Self, WireError> {
        let (header, mut body) = header::unframe(bytes, came)?;
        let number = header.number;
        let message = match header.kind {
            Kind::Welcome => Self::Welcome(Welcome::decode(&mut body)?),
            Kind::Refused => Self::Refused(Refused::decode(&mut body)?),
            Kind::HealthFacts => Self::Health { number, health: Health::decode(&mut body)? },
            Kind::HandleInodes => {
                let inodes = (0..body.count(8)?).map(|_| body.u64()).collect::<Result<_, _>>()?;
                Self::Handles { number, inodes, held: reply::held(&mut body)? }
            }
            Kind::MailboxMade => Self::Mailbox { number },
            Kind::Failed => Self::Failed { number, error: error::decode(&mut body)? },
            Kind::Event => Self::Event(decode_event(&mut body)?),
            kind => Self::Reply { number, reply: reply::decode(kind, &mut body)? },
        };
        body.finish()?;
        let unnumbered = matches!(message, Self::Welcome(_) | Self::Refused(_) | Self::Event(_));
        let stray_number = unnumbered && number != 0;
        if message.descriptors() != header.descriptors || stray_number {
            return Err(WireError::Malformed);
        }
        Ok(message)
    }
}

fn encode_event(w: &mut ByteWriter, event: &Event) {
    let (tag, number) = match event {
        Event::NameBound { watch } => (1, *watch),
        Event::Changed { watch } => (2, *watch),
        Event::Room { opening } => (3, opening.0),
    };
    w.u16(tag);
    w.u32(number);
}

fn decode_event(r: &mut ByteReader<'_>) -> Result<Event, WireError> {
    let (tag, number) = (r.u16()?, r.u32()?);
    match tag {
        1 => Ok(Event::NameBound { watch: number }),
        2 => Ok(Event::Changed { watch: number }),
        3 => Ok(Event::Room { opening: OpeningId(number) }),
        _ => Err(WireError::Malformed),
    }
}
