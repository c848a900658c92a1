//! A frame as a receiver holds it.

use std::sync::Arc;

use handfast_model::contract::color::{Alpha, Color};
use handfast_model::contract::format::{Format, Layout};
use handfast_model::contract::frame::{FrameRecord, Rect};
use handfast_sync::stream::Held;
use handfast_sys::mapping::ReadMapping;

use crate::error::{Cause, Result};
use crate::receiver::Receiver;

/// Bytes that another process may write.
///
/// The sender of a frame promises not to; what cannot rely on that promise copies.
#[derive(Debug, Clone)]
pub struct SharedBytes {
    mapping: Arc<ReadMapping>,
    offset: usize,
    length: usize,
}

impl SharedBytes {
    pub(crate) const fn new(mapping: Arc<ReadMapping>, offset: usize, length: usize) -> Self {
        Self { mapping, offset, length }
    }

    /// How many they are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies as many as fit into `target`, from `offset` on; how many that were.
    pub fn copy_to(&self, offset: usize, target: &mut [u8]) -> usize {
        let count = self.length.saturating_sub(offset).min(target.len());
        let Some(target) = target.get_mut(..count) else { return 0 };
        let copied = self.mapping.copy_to(self.offset.saturating_add(offset), target);
        if copied { count } else { 0 }
    }

    /// The mapping and the place in it, for those who read where the bytes lie:
    /// `mapping.slice(offset, length)` is the unsafe way to do so, and says what it demands.
    #[must_use]
    pub const fn mapping(&self) -> (&Arc<ReadMapping>, usize, usize) {
        (&self.mapping, self.offset, self.length)
    }
}

/// A frame of a stream. It stays as it is while it is held; nobody waits for it but lossless
/// streams, and the sender draws the next frames elsewhere.
///
/// # Ownership
///
/// Dropping it gives its slot back to the sender.
#[derive(Debug)]
pub struct Frame<'a> {
    receiver: &'a mut Receiver,
    held: Held,
    record: FrameRecord,
    bytes: SharedBytes,
}

impl<'a> Frame<'a> {
    pub(crate) const fn new(
        receiver: &'a mut Receiver,
        held: Held,
        record: FrameRecord,
        bytes: SharedBytes,
    ) -> Self {
        Self { receiver, held, record, bytes }
    }

    /// Counts the stream's frames from 1.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.held.sequence()
    }

    /// Frames of the stream that this receiver did not get between this one and the one before.
    #[must_use]
    pub const fn dropped_before(&self) -> u64 {
        self.held.skipped()
    }

    /// When the picture was taken or is to be shown, in nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn time_ns(&self) -> u64 {
        self.record.time_ns
    }

    /// When it was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn sent_ns(&self) -> u64 {
        self.record.sent_ns
    }

    /// Width and height in pixels; row 0 is the top.
    #[must_use]
    pub const fn size(&self) -> (u32, u32) {
        (self.record.width, self.record.height)
    }

    /// The pixels' format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.record.format
    }

    /// Where the planes lie in [`Self::bytes`].
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.record.layout
    }

    /// What the numbers of a pixel mean.
    #[must_use]
    pub const fn color(&self) -> Color {
        self.record.color
    }

    /// What its alpha means.
    #[must_use]
    pub const fn alpha(&self) -> Alpha {
        self.record.alpha
    }

    /// What differs from the frame before; nothing listed means that all of it may.
    #[must_use]
    pub fn damage(&self) -> &[Rect] {
        self.record.damage.rects()
    }

    /// The sender's own bytes.
    #[must_use]
    pub fn user_data(&self) -> &[u8] {
        self.record.user.as_bytes()
    }

    /// Everything that the frame says of itself.
    #[must_use]
    pub const fn record(&self) -> &FrameRecord {
        &self.record
    }

    /// What the sender says of the stream: up to 256 bytes of text.
    #[must_use]
    pub fn stream_text(&self) -> String {
        self.receiver.statistics().map(|said| said.text).unwrap_or_default()
    }

    /// All planes where they lie, laid out as [`Self::layout`] says.
    #[must_use]
    pub const fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }

    /// Copies all planes, laid out as [`Self::layout`] says; `target` gets exactly their size.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] if the frame's description was not to be believed after all.
    pub fn copy_to(&self, target: &mut Vec<u8>) -> Result<()> {
        target.resize(self.bytes.len(), 0);
        if self.bytes.copy_to(0, target) == self.bytes.len() {
            Ok(())
        } else {
            Err(Cause::Unexpected.into())
        }
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        self.receiver.release(&self.held);
    }
}
