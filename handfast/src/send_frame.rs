//! A frame while it is drawn.

use handfast_model::contract::color::{Alpha, Color};
use handfast_model::contract::format::{Format, Layout};
use handfast_model::contract::frame::{FrameRecord, Rect, USER_BYTES_MAX, UserData};
use handfast_sync::stream::SlotIndex;

use crate::error::{Cause, Result};
use crate::sender::Sender;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was published under this sequence number.
    Published(u64),
    /// Receivers held every slot: it was dropped and counted.
    Dropped,
}

/// A frame to draw in: this process alone sees it until [`Self::send`].
///
/// At first it has the pixels of some older frame, or zeros: draw all of it.
///
/// # Ownership
///
/// Dropping it gives the slot back; nothing is sent.
#[derive(Debug)]
pub struct SendFrame<'a> {
    sender: &'a mut Sender,
    slot: Option<SlotIndex>,
    record: FrameRecord,
}

impl<'a> SendFrame<'a> {
    pub(crate) const fn new(
        sender: &'a mut Sender,
        slot: Option<SlotIndex>,
        record: FrameRecord,
    ) -> Self {
        Self { sender, slot, record }
    }

    /// Width and height in pixels.
    #[must_use]
    pub const fn size(&self) -> (u32, u32) {
        (self.record.width, self.record.height)
    }

    /// The pixels' format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.record.format
    }

    /// Where the planes lie in [`Self::bytes_mut`].
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.record.layout
    }

    /// All planes, laid out as [`Self::layout`] says.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.sender.picture_mut(self.slot.as_ref())
    }

    /// The rows of one plane, from the top, without the padding behind them. None for a plane
    /// that the format does not have.
    pub fn rows_mut(&mut self, plane: usize) -> impl Iterator<Item = &mut [u8]> {
        let plane = self.record.layout.planes().get(plane).copied().unwrap_or_default();
        let number = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        let (stride, row) = (number(plane.stride_bytes).max(1), number(plane.row_bytes));
        let bytes = self.bytes_mut().get_mut(number(plane.offset_bytes)..).unwrap_or_default();
        bytes
            .chunks_mut(stride)
            .take(number(plane.height))
            .filter_map(move |line| line.get_mut(..row))
    }

    /// When the picture was taken or is to be shown, in nanoseconds of `CLOCK_MONOTONIC`. The
    /// moment of sending, unless it is set.
    pub const fn set_time_ns(&mut self, time_ns: u64) {
        self.record.time_ns = time_ns;
    }

    /// What the pixels mean, for this frame alone.
    pub const fn set_color(&mut self, color: Color, alpha: Alpha) {
        self.record.color = color;
        self.record.alpha = alpha;
    }

    /// Adds a rectangle that differs from the frame before; what lies outside the picture is cut
    /// off. Without any, all of it may differ; beyond eight they are merged.
    pub fn add_damage(&mut self, rect: Rect) {
        if let Some(rect) = rect.clipped(self.record.width, self.record.height) {
            self.record.damage.add(rect);
        }
    }

    /// Up to 64 bytes of the sender's own, which travel with the frame.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] for more than 64 bytes.
    pub fn set_user_data(&mut self, data: &[u8]) -> Result<()> {
        self.record.user = UserData::new(data)
            .map_err(|_| Cause::UserData { bytes: data.len(), limit: USER_BYTES_MAX })?;
        Ok(())
    }

    /// Publishes the frame: receivers see all of it or nothing.
    ///
    /// # Errors
    ///
    /// None at present; the result is one so that a payload on a device can report its loss.
    ///
    /// # Blocking
    ///
    /// Never.
    pub fn send(mut self) -> Result<Sent> {
        let slot = self.slot.take();
        Ok(match self.sender.publish(slot, self.record) {
            0 => Sent::Dropped,
            sequence => Sent::Published(sequence),
        })
    }

    /// What has been drawn so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.sender.picture(self.slot.as_ref())
    }
}

impl Drop for SendFrame<'_> {
    fn drop(&mut self) {
        let slot = self.slot.take();
        self.sender.abandon(slot);
    }
}
