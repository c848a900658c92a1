//! More of a stream that is looked at: its counters for later, and its memory.

use core::sync::atomic::AtomicU32;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::frame::FrameRecord;
use handfast_model::object::{GenerationLayout, Kind, ObjectId, RawName, Reply, Request};
use handfast_sync::stream::{self, SLOTS_MAX, SLOTS_MIN, SenderStatistics};
use handfast_sys::mapping::{self, ReadMapping};
use handfast_sys::memfd;

use crate::client::Client;
use crate::error::{Cause, Result};

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

impl Client {
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
        };
        let (reply, _) = self.link.call(Some(name), request, None)?;
        let Reply::StreamOpened { object, opening, .. } = reply else {
            return Err(Cause::Unexpected.into());
        };
        let answer = self.link.call(Some(name), Request::StreamGeneration { opening }, None);
        self.link.tell(Request::Drop { opening })?;
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
