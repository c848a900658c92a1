//! More of what is looked at: a stream's counters and memory, and what the words of a fence, an
//! event or a keyed mutex say.

use core::sync::atomic::AtomicU32;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::frame::FrameRecord;
use handfast_model::object::{
    GenerationLayout, Kind, ObjectId, OpeningId, RawName, Reply, Request,
};
use handfast_sync::event;
use handfast_sync::fence::{FenceReader, Look as FenceLook, WaitFor as _};
use handfast_sync::page::LINE_BYTES;
use handfast_sync::stream::{self, SLOTS_MAX, SLOTS_MIN, SenderStatistics};
use handfast_sys::mapping::{self, ReadMapping};
use handfast_sys::memfd;

use crate::client::Client;
use crate::error::{Cause, Result};
use crate::keyed_mutex::KeyedMutexStatus;
use crate::link::next_descriptor;
use crate::sender::page_bytes;
use crate::words::{Futex, SharedWords};

/// A name may pass on to an object of another kind while it is looked up, so often.
const NAME_TRIES: u32 = 8;
/// A fence may be set back so often in the middle of a look that the look says nothing.
const LOOK_TRIES: u32 = 8;

/// What the sender of a stream counts. It is read without asking anybody and keeps nothing alive.
#[derive(Clone, Debug)]
pub struct Counters {
    object: ObjectId,
    page: Arc<ReadMapping>,
}

impl Counters {
    pub(crate) const fn new(object: ObjectId, page: Arc<ReadMapping>) -> Self {
        Self { object, page }
    }

    /// The stream whose sender counts here.
    #[must_use]
    pub const fn object(&self) -> ObjectId {
        self.object
    }

    /// What the sender says now, or said last.
    #[must_use]
    pub fn statistics(&self) -> SenderStatistics {
        stream::sender_statistics(self.page.words())
    }
}

/// The memory behind a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryInfo {
    /// The stream.
    pub object: ObjectId,
    /// Counts the stream's layouts from 1: each change of size, format or slots makes a new one.
    pub generation: u32,
    /// Frames that there is room for.
    pub slots: u32,
    /// Bytes from slot to slot.
    pub slot_bytes: u64,
    /// All of it in bytes.
    pub size_bytes: u64,
    /// What the latest frame says of itself, if there is one and its description can be believed.
    pub latest: Option<FrameRecord>,
}

/// What a fence, an event or a keyed mutex says, to look at for as long as one likes.
///
/// It is read without asking anybody and keeps nothing alive. Looking wakes nobody, takes nothing
/// and makes nobody a signaller.
#[derive(Clone, Debug)]
pub struct Gauge {
    object: ObjectId,
    page: Arc<Page>,
}

#[derive(Debug)]
enum Page {
    Fence(FenceReader<SharedWords>),
    /// It is only looked at, which stores nothing. Readers know no auto-reset events, for which
    /// nobody can wait who cannot write.
    Event(event::Event<SharedWords, Futex>),
    KeyedMutex(ReadMapping),
}

/// What a fence, an event or a keyed mutex says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Of a fence.
    Fence {
        /// Its value.
        value: u64,
        /// Who is left to signal it.
        state: FenceState,
    },
    /// Of an event.
    Event {
        /// Whether it is set.
        is_set: bool,
    },
    /// Of a surface that has one.
    KeyedMutex(KeyedMutexStatus),
}

/// Who is left to signal a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceState {
    /// Somebody; or it is at the greatest value, for which nobody waits in vain.
    Live,
    /// Nobody: the last who signalled it has closed it.
    Abandoned,
    /// Nobody: the last who signalled it has died.
    Lost,
}

impl Gauge {
    /// Of an object that is open for looking; None of one that has no words of its own to read,
    /// and where a machine of 32 bits cannot read them.
    pub(crate) fn of(look: &mut Look) -> Result<Option<Self>> {
        let Some(page) = look.page.take() else { return Ok(None) };
        let narrow = cfg!(target_pointer_width = "32");
        let mapping = mapping::map_read_only(page.as_fd(), page_bytes())?;
        let split = |mapping: ReadMapping| -> Result<SharedWords> {
            let words = mapping.into_split(LINE_BYTES);
            Ok(SharedWords::new(words.ok_or(Cause::Unexpected)?, None))
        };
        let page = match look.kind {
            Kind::Surface => {
                KeyedMutexStatus::of(mapping.words())?;
                Page::KeyedMutex(mapping)
            }
            Kind::Fence | Kind::Event if narrow => return Ok(None),
            Kind::Fence => Page::Fence(FenceReader::new(split(mapping)?)?),
            Kind::Event => Page::Event(event::Event::new(split(mapping)?, Futex)?),
            Kind::Stream | Kind::Section => return Ok(None),
        };
        Ok(Some(Self { object: look.object, page: Arc::new(page) }))
    }

    /// The fence or event.
    #[must_use]
    pub const fn object(&self) -> ObjectId {
        self.object
    }

    /// What it says now, or said last.
    #[must_use]
    pub fn read(&self) -> Reading {
        match &*self.page {
            Page::Fence(fence) => {
                let mut looks = (0..LOOK_TRIES).map(|_| state(fence));
                let state = looks.find(|state| *state != FenceState::Lost);
                let state = state.unwrap_or(FenceState::Lost);
                Reading::Fence { value: fence.value(), state }
            }
            Page::Event(event) => Reading::Event { is_set: event.is_signaled() },
            Page::KeyedMutex(page) => Reading::KeyedMutex(
                KeyedMutexStatus::of(page.words())
                    .unwrap_or(KeyedMutexStatus::Abandoned { opening: 0 }),
            ),
        }
    }
}

/// How a wait for the greatest value would go.
fn state(fence: &FenceReader<SharedWords>) -> FenceState {
    match fence.look(&mut fence.begin_wait(u64::MAX)) {
        FenceLook::Waiting | FenceLook::Reached => FenceState::Live,
        FenceLook::Abandoned => FenceState::Abandoned,
        FenceLook::Lost => FenceState::Lost,
    }
}

/// An object of any kind that is open for looking, and for nothing else.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) kind: Kind,
    pub(crate) object: ObjectId,
    pub(crate) opening: OpeningId,
    pub(crate) granted: AccessMask,
    /// Its number at the keyed mutex; 0 if there is none.
    pub(crate) owner: u32,
    /// Its words, if it has any. However it was given, it is only read.
    page: Option<OwnedFd>,
}

/// The least right that shows an object: with it one waits for nothing and changes nothing.
const fn right_to_look(kind: Kind) -> AccessMask {
    match kind {
        Kind::Stream => AccessMask::STREAM_QUERY,
        // Without it no surface can be opened.
        Kind::Surface | Kind::Fence => AccessMask::READ_CONTROL,
        Kind::Event => AccessMask::EVENT_QUERY,
        Kind::Section => AccessMask::SECTION_QUERY,
    }
}

impl Look {
    fn of(kind: Kind, reply: Reply, descriptors: Vec<OwnedFd>) -> Result<Self> {
        let mut descriptors = descriptors.into_iter();
        let (object, opening, granted, parts) =
            if let Reply::StreamOpened { object, opening, granted, .. } = reply {
                (object, opening, granted, None)
            } else if let Reply::Opened { object, opening, granted, parts, .. } = reply {
                (object, opening, granted, Some(parts))
            } else {
                return Err(Cause::Unexpected.into());
            };
        let has_page = parts.is_some_and(|parts| parts.page.is_some());
        let page = if has_page { Some(next_descriptor(&mut descriptors)?) } else { None };
        let owner = parts.map_or(0, |parts| parts.owner);
        Ok(Self { kind, object, opening, granted: granted.mask(), owner, page })
    }
}

impl Client {
    /// Opens the object that bears a name, whatever its kind, for looking.
    pub(crate) fn open_to_look(&mut self, name: &str) -> Result<Look> {
        let mut kind = Kind::Stream;
        let mut tries = 1;
        loop {
            let access = right_to_look(kind);
            let request = Request::Open { kind, name: RawName::from(name), access, known: None };
            match self.link.call(Some(name), &request, &[]) {
                Ok((reply, descriptors)) => return Look::of(kind, reply, descriptors),
                Err(error) => match error.found_kind() {
                    Some(found) if tries < NAME_TRIES => kind = found,
                    Some(_) | None => return Err(error),
                },
            }
            tries += 1;
        }
    }

    /// Ends a look.
    pub(crate) fn close_look(&mut self, look: &Look) -> Result<()> {
        self.link.tell(&Request::Drop { opening: look.opening })
    }

    /// What a fence, an event or the keyed mutex of a surface says, to be looked at from now on;
    /// None of anything else.
    ///
    /// # Errors
    ///
    /// As [`Self::observe`].
    pub fn gauge(&mut self, name: &str) -> Result<Option<Gauge>> {
        let mut look = self.open_to_look(name)?;
        let gauge = Gauge::of(&mut look);
        self.close_look(&look)?;
        gauge
    }

    /// What the sender of a stream counts, to be looked at from now on.
    ///
    /// # Errors
    ///
    /// As [`Self::observe`].
    pub fn counters(&mut self, name: &str) -> Result<Counters> {
        let observed = self.observe(name)?;
        let counters = observed.counters();
        self.forget(observed)?;
        Ok(counters)
    }

    /// The memory behind the stream called `name`; None before the first frame is drawn and after
    /// the sender has gone. Nothing is received.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`], [`crate::ErrorKind::AccessDenied`].
    pub fn memory(&mut self, name: &str) -> Result<Option<MemoryInfo>> {
        let request = Request::Open {
            kind: Kind::Stream,
            name: RawName::from(name),
            access: AccessMask::STREAM_RECEIVE,
            known: None,
        };
        let (reply, _) = self.link.call(Some(name), &request, &[])?;
        let Reply::StreamOpened { object, opening, .. } = reply else {
            return Err(Cause::Unexpected.into());
        };
        let answer = self.link.call(Some(name), &Request::StreamGeneration { opening }, &[]);
        self.link.tell(&Request::Drop { opening })?;
        let (reply, memory) = match answer {
            Ok(answer) => answer,
            Err(error) if error.is_stream_over() => return Ok(None),
            Err(error) => return Err(error),
        };
        let Reply::StreamGeneration(generation) = reply else {
            return Err(Cause::Unexpected.into());
        };
        let (Some((layout, _)), Some(memory)) = (generation, memory.first()) else {
            return Ok(None);
        };
        let sealed = memfd::check_sealed(memory.as_fd()).map_err(|_| Cause::Unexpected)?;
        let fits = layout.needs_bytes().is_some_and(|needs| needs <= sealed.size_bytes);
        if !fits || !(SLOTS_MIN..=SLOTS_MAX).contains(&layout.slots) {
            return Err(Cause::Unexpected.into());
        }
        let table = mapping::map_read_only(memory.as_fd(), layout.table_bytes)?;
        Ok(Some(MemoryInfo {
            object,
            generation: layout.number,
            slots: layout.slots,
            slot_bytes: layout.slot_bytes,
            size_bytes: sealed.size_bytes,
            latest: latest(table.words(), &layout),
        }))
    }
}

/// The record of the frame that is the latest of those in the slots.
fn latest(table: &[AtomicU32], layout: &GenerationLayout) -> Option<FrameRecord> {
    let latest = stream::records(table, layout.slots)
        .filter_map(|words| FrameRecord::from_words(&words, layout.slot_bytes).ok())
        .max_by_key(|record| record.sequence)?;
    (latest.sequence > 0).then_some(latest)
}

#[cfg(test)]
mod tests {
    use handfast_model::contract::format::Format;
    use handfast_model::contract::surface::{SurfaceDesc, SurfaceFlags};
    use handfast_model::object::{Reset, Spec, View, Writers};

    use super::*;

    /// What looking at an object of this sort gives: how its page comes.
    fn check(spec: &Spec, page: Option<View>) {
        let right = right_to_look(spec.kind());
        assert!(!spec.reads_to_wait(right), "{spec:?}");
        assert_eq!(spec.page_view(right), page, "{spec:?}");
        assert_ne!(spec.payload_view(right), Some(View::Writable), "{spec:?}");
    }

    #[test]
    fn who_looks_is_no_waiter_and_writes_nothing() {
        check(&Spec::Fence { value: 0 }, Some(View::ReadOnly));
        for reset in [Reset::Manual, Reset::Auto] {
            check(&Spec::Event { reset, signaled: false }, Some(View::ReadOnly));
        }
        let desc = SurfaceDesc::texture_2d(16, 16, Format::Bgra8);
        for writers in [Writers::One, Writers::Several] {
            check(&Spec::Section { size_bytes: 1, writers }, None);
            check(&Spec::Surface { desc, writers }, None);
        }
        // Whoever has a surface with a keyed mutex open can take turns: there is no lesser right.
        let desc = SurfaceDesc { flags: SurfaceFlags::KEYED_MUTEX, ..desc };
        check(&Spec::Surface { desc, writers: Writers::One }, Some(View::Writable));
    }
}
