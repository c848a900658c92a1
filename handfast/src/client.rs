//! Looking at what is shared with whom.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use handfast_broker::place::{Origin, Place};
use handfast_model::contract::access::AccessMask;
use handfast_model::contract::color::{Alpha, Color};
use handfast_model::contract::format::Format;
use handfast_model::contract::surface::SurfaceDesc;
use handfast_model::object::{
    Event, Facts, Kind, ListEntry, ObjectId, OpeningId, PictureFacts, RawName, Reply, Request,
    Reset, Spec, StreamFacts, Writers,
};
use handfast_model::wire::Health;
use handfast_sync::stream::{self, ReceiverStatus, SenderStatistics};
use handfast_sys::mapping::{self, ReadMapping};
use handfast_sys::process;

use crate::error::{Cause, Result};
use crate::link::{Link, next_descriptor};
use crate::observed::Counters;
use crate::sender::page_bytes;

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Where it listens.
    pub socket: PathBuf,
    /// When it started, in nanoseconds since 1970.
    pub started_ns: u64,
    /// Whether `HANDFAST_SOCKET` chose it.
    pub from_environment: bool,
    /// The version of the messages that it and this program speak.
    pub version: u16,
}

/// An object with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its id.
    pub id: ObjectId,
    /// Its names, as they are typed.
    pub names: Vec<String>,
    /// Its kind.
    pub kind: Kind,
    /// Process that made it; for a stream the sender's, while it is there.
    pub pid: i32,
    /// That process's program, if it can be seen.
    pub program: Option<String>,
    /// User that made it.
    pub uid: u32,
    /// When, in nanoseconds since 1970.
    pub made_ns: u64,
    /// Handles that the broker made and that are not all closed. Copies are the kernel's and not
    /// counted.
    pub handles: u32,
    /// Openings.
    pub openings: u32,
    /// What it is.
    pub details: Details,
}

/// What an object is, beside what all kinds have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// A stream.
    Stream(StreamInfo),
    /// A surface.
    Surface {
        /// What it is made of.
        desc: SurfaceDesc,
        /// Who may write it.
        writers: Writers,
    },
    /// A fence.
    Fence,
    /// An event.
    Event {
        /// What a successful wait does to it.
        reset: Reset,
    },
    /// A section.
    Section {
        /// How large it is.
        size_bytes: u64,
        /// Who may write it.
        writers: Writers,
    },
}

/// What the broker knows of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Receivers.
    pub receivers: u32,
    /// Shared memory, in bytes.
    pub payload_bytes: u64,
    /// Whether its sender is there.
    pub has_sender: bool,
    /// What its pictures are, while the sender is there.
    pub picture: Option<PictureInfo>,
}

impl ObjectInfo {
    /// What the broker knows of it as a stream; None of anything else.
    #[must_use]
    pub const fn stream(&self) -> Option<&StreamInfo> {
        match &self.details {
            Details::Stream(stream) => Some(stream),
            Details::Surface { .. }
            | Details::Fence
            | Details::Event { .. }
            | Details::Section { .. } => None,
        }
    }
}

/// What the sender of a stream says that its pictures are. Each frame says it for itself too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureInfo {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The pixels' format.
    pub format: Format,
    /// What the numbers of a pixel mean.
    pub color: Color,
    /// What its alpha means.
    pub alpha: Alpha,
}

fn picture(facts: &PictureFacts) -> Option<PictureInfo> {
    let &PictureFacts { width, height, format, color, alpha } = facts;
    Some(PictureInfo {
        width,
        height,
        format: Format::from_number(format)?,
        color: Color::from_word(color)?,
        alpha: Alpha::from_number(alpha)?,
    })
}

/// A receiver of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverInfo {
    /// Its process.
    pub pid: i32,
    /// That process's program, if it can be seen.
    pub program: Option<String>,
    /// What it says of itself; None until it has taken a look at the stream.
    pub status: Option<ReceiverStatus>,
}

/// A stream that is looked at, without receiving it.
#[derive(Debug)]
pub struct Observed {
    object: ObjectId,
    opening: OpeningId,
    page: Arc<ReadMapping>,
}

impl Observed {
    /// What its sender says of it now.
    #[must_use]
    pub fn statistics(&self) -> SenderStatistics {
        stream::sender_statistics(self.page.words())
    }

    /// What its sender counts, to look at for as long as one likes.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::new(self.object, Arc::clone(&self.page))
    }

    /// The stream.
    #[must_use]
    pub const fn object(&self) -> ObjectId {
        self.object
    }
}

/// A connection to a broker for looking.
#[derive(Debug)]
pub struct Client {
    pub(crate) link: Link,
}

impl Client {
    /// Connects to the broker of this process's environment, starting one if nobody answers.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::BrokerUnavailable`], [`crate::ErrorKind::Version`],
    /// [`crate::ErrorKind::LimitReached`].
    ///
    /// # Blocking
    ///
    /// While a broker is started.
    pub fn connect() -> Result<Self> {
        Link::connect().map(|link| Self { link })
    }

    /// As [`Self::connect`], but starts nothing: None when nobody answers.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn connect_existing() -> Result<Option<Self>> {
        Ok(Link::connect_existing(&Place::find()?)?.map(|link| Self { link }))
    }

    /// Connects to the broker that listens at `socket`: None when nobody answers.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn connect_to(socket: &Path) -> Result<Option<Self>> {
        Ok(Link::connect_existing(&Place::at(socket)?)?.map(|link| Self { link }))
    }

    /// What the broker's process holds, to look for leaks.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    pub fn health(&mut self) -> Result<Health> {
        self.link.health()
    }

    /// Who the broker is.
    #[must_use]
    pub fn broker(&self) -> BrokerInfo {
        let welcome = self.link.welcome();
        let place = self.link.place();
        BrokerInfo {
            pid: welcome.pid,
            uid: welcome.uid,
            socket: Path::to_owned(&place.socket),
            started_ns: welcome.started_ns,
            from_environment: place.origin == Origin::Environment,
            version: welcome.version,
        }
    }

    /// Every object whose name this user may see, in the order they were made.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    ///
    /// # Blocking
    ///
    /// While the broker answers.
    pub fn list(&mut self) -> Result<Vec<ObjectInfo>> {
        let mut objects = Vec::new();
        let mut after = 0;
        loop {
            let (reply, _) = self.link.call(None, &Request::List { after }, &[])?;
            let Reply::Listing { entries, more } = reply else {
                return Err(Cause::Unexpected.into());
            };
            let last = entries.last().map(|entry| entry.object.counter);
            objects.extend(entries.into_iter().map(describe));
            match last {
                Some(last) if more && last > after => after = last,
                _ => return Ok(objects),
            }
        }
    }

    /// Looks at a stream without receiving it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`], [`crate::ErrorKind::AccessDenied`].
    pub fn observe(&mut self, name: &str) -> Result<Observed> {
        let request = Request::Open {
            kind: Kind::Stream,
            name: RawName::from(name),
            access: AccessMask::STREAM_QUERY,
            known: None,
        };
        let (reply, descriptors) = self.link.call(Some(name), &request, &[])?;
        let Reply::StreamOpened { object, opening, .. } = reply else {
            return Err(Cause::Unexpected.into());
        };
        let page = next_descriptor(&mut descriptors.into_iter())?;
        let page = Arc::new(mapping::map_read_only(page.as_fd(), page_bytes())?);
        Ok(Observed { object, opening, page })
    }

    /// What the broker knows of a stream that is looked at.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    pub fn facts(&mut self, observed: &Observed) -> Result<ObjectInfo> {
        match self.link.call(None, &Request::Query { opening: observed.opening }, &[])? {
            (Reply::Facts(entry), _) => Ok(describe(entry)),
            _ => Err(Cause::Unexpected.into()),
        }
    }

    /// Who receives a stream that is looked at.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    pub fn receivers(&mut self, observed: &Observed) -> Result<Vec<ReceiverInfo>> {
        let mut found = Vec::new();
        loop {
            let skip = u32::try_from(found.len()).unwrap_or(u32::MAX);
            let request = Request::StreamInspect { opening: observed.opening, skip };
            let (reply, pages) = self.link.call(None, &request, &[])?;
            let Reply::StreamReceivers { receivers, more } = reply else {
                return Err(Cause::Unexpected.into());
            };
            for (receiver, page) in receivers.iter().zip(pages) {
                found.push(inspect(receiver.pid, &page)?);
            }
            if !more || receivers.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Stops looking.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    pub fn forget(&mut self, observed: Observed) -> Result<()> {
        self.link.tell(&Request::Drop { opening: observed.opening })
    }

    /// Asks to be told of the next change of what [`Self::list`] shows: of one, so ask again after
    /// each, and look at what you wait for after asking ([`crate::Surface::open`] shows it).
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    pub fn watch(&mut self) -> Result<()> {
        self.link.call(None, &Request::WatchAll { watch: 1 }, &[])?;
        Ok(())
    }

    /// Waits for the change that [`Self::watch`] asked for; whether it came in time. If it did not,
    /// it is still asked for. A broker that takes over from another may tell of a change twice.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Lost`].
    ///
    /// # Blocking
    ///
    /// At most so long.
    pub fn wait_for_change(&mut self, timeout: Duration) -> Result<bool> {
        Ok(matches!(self.link.event(Some(timeout))?, Some(Event::Changed { .. })))
    }
}

fn inspect(pid: i32, page: &OwnedFd) -> Result<ReceiverInfo> {
    let page = mapping::map_read_only(page.as_fd(), page_bytes())?;
    Ok(ReceiverInfo {
        pid,
        program: process::program_name(pid),
        status: stream::receiver_status(page.words()),
    })
}

pub(crate) fn describe(entry: ListEntry) -> ObjectInfo {
    let (sender_pid, details) = match &entry.facts {
        Facts::Stream(stream) => (stream.sender_pid, Details::Stream(describe_stream(stream))),
        Facts::Made(spec) => (None, describe_made(spec)),
    };
    let pid = sender_pid.unwrap_or(entry.pid);
    ObjectInfo {
        id: entry.object,
        names: entry.names.iter().map(ToString::to_string).collect(),
        kind: entry.kind(),
        pid,
        program: process::program_name(pid),
        uid: entry.uid,
        made_ns: entry.made_ns,
        handles: entry.handles,
        openings: entry.openings,
        details,
    }
}

fn describe_stream(stream: &StreamFacts) -> StreamInfo {
    StreamInfo {
        receivers: stream.receivers,
        payload_bytes: stream.payload_bytes,
        has_sender: stream.sender_pid.is_some(),
        picture: picture(&stream.picture),
    }
}

const fn describe_made(spec: &Spec) -> Details {
    match *spec {
        Spec::Surface { desc, writers } => Details::Surface { desc, writers },
        Spec::Fence { .. } => Details::Fence,
        Spec::Event { reset, .. } => Details::Event { reset },
        Spec::Section { size_bytes, writers } => Details::Section { size_bytes, writers },
    }
}
