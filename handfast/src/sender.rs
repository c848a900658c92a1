//! The end of a stream that draws.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::color::{Alpha, Color};
use handfast_model::contract::format::{Alignment, Format, Layout};
use handfast_model::contract::frame::FrameRecord;
use handfast_model::contract::limits::SLOT_BYTES_MAX;
use handfast_model::object::{
    self, Cap, GenerationLayout, HandleForm, HandleId, ObjectId, OpeningId, PictureFacts, RawName,
    Reply, Request,
};
use handfast_sync::page::PAGE_BYTES;
use handfast_sync::park::Parked;
use handfast_sync::stream::{
    self, NoSlot, ReceiverStatus, SLOTS_MAX, SLOTS_MIN, SendEnd, SlotIndex,
};
use handfast_sys::mapping::{self, PixelBytes};
use handfast_sys::{clock, memory};
use tracing::{debug, warn};

use crate::error::{Cause, ErrorKind, Result};
use crate::link::{Link, Ticket, deadline_ns, next_descriptor};
use crate::send_frame::SendFrame;
use crate::words::{Futex, Moment, OwnWords, TheirWords};

pub use handfast_sync::stream::Lossless;

/// Memory is handed out in units of this.
const MEMORY_PAGE_BYTES: u64 = 4096;
/// Waits are cut into slices of this, to look whether the broker and the receivers are there.
const SLICE: Duration = Duration::from_secs(1);

/// How a stream is made.
#[derive(Clone, Debug)]
pub struct SenderOptions {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The pixels' format.
    pub format: Format,
    /// How the rows and planes of a picture are aligned.
    pub alignment: Alignment,
    /// Frames that there is memory for, 2 to 64. With two more than receivers no frame is ever
    /// dropped for want of a slot.
    pub slots: u32,
    /// Whether lossless receivers make the sender wait.
    pub lossless: Lossless,
    /// What the numbers of a pixel mean.
    pub color: Color,
    /// What its alpha means.
    pub alpha: Alpha,
    /// Up to 256 bytes about the stream.
    pub text: String,
}

impl SenderOptions {
    /// Five slots, the usual colour of the format, alpha straight where the format has it, and
    /// no waiting for anybody.
    #[must_use]
    pub const fn new(size: (u32, u32), format: Format) -> Self {
        Self {
            size,
            format,
            alignment: Alignment::DEFAULT,
            slots: 5,
            lossless: Lossless::Refused,
            color: Color::usual(format),
            alpha: if format.has_alpha() { Alpha::Straight } else { Alpha::Opaque },
            text: String::new(),
        }
    }
}

/// Where a frame is drawn.
enum DrawIn {
    /// In a slot, where receivers will find it.
    Slot(SlotIndex),
    /// In private memory: receivers hold every slot.
    Aside,
}

/// The slots of one generation.
#[derive(Debug)]
struct Generation {
    number: u32,
    pixels: PixelBytes,
    table_bytes: usize,
    slot_bytes: usize,
    picture: Layout,
}

/// The sender of a stream: it alone draws, and it waits for nobody unless it allowed that.
///
/// # Ownership
///
/// Dropping it ends the stream and frees its name at once. When its process dies instead,
/// receivers are told that it is lost. Frames that receivers hold stay readable in both cases.
///
/// Up to 16 receivers can join between two calls of [`Self::frame`]; more wait for the next call.
#[derive(Debug)]
pub struct Sender {
    name: String,
    options: SenderOptions,
    end: SendEnd<OwnWords, TheirWords, Futex>,
    generation: Option<Generation>,
    /// Where a frame is drawn while every slot is held.
    scratch: Vec<u8>,
    events_seen: u32,
    /// The question for more receivers' pages, until it is answered.
    asked: Option<Ticket>,
    object: ObjectId,
    opening: OpeningId,
    handle: HandleId,
    link: Link,
}

impl Sender {
    /// Makes a stream with the usual options.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NameTaken`], [`ErrorKind::NameInvalid`], [`ErrorKind::PictureInvalid`] for a
    /// size that no frame may have, [`ErrorKind::OutOfMemory`], [`ErrorKind::LimitReached`],
    /// [`ErrorKind::BrokerUnavailable`]. Nothing is left behind.
    ///
    /// # Blocking
    ///
    /// While a broker is started, and while the kernel clears the slots' memory.
    pub fn create(name: &str, size: (u32, u32), format: Format) -> Result<Self> {
        Self::create_with(name, SenderOptions::new(size, format))
    }

    /// Makes a stream.
    ///
    /// # Errors
    ///
    /// As [`Self::create`]; [`ErrorKind::Invalid`] for a number of slots that cannot be.
    ///
    /// # Blocking
    ///
    /// As [`Self::create`].
    pub fn create_with(name: &str, options: SenderOptions) -> Result<Self> {
        check_options(&options)?;
        let mut link = Link::connect()?;
        let access = AccessMask::GENERIC_ALL;
        let name_units = Some(RawName::from(name));
        let request = Request::StreamCreate { name: name_units, access, form: HandleForm::Held };
        let (reply, descriptors) = link.call(Some(name), &request, &[])?;
        let Reply::StreamCreated { object, opening, handle, form: HandleForm::Held, .. } = reply
        else {
            return Err(Cause::Unexpected.into());
        };
        let mut descriptors = descriptors.into_iter();
        let page = next_descriptor(&mut descriptors)?;
        let page = mapping::map_writable(page.as_fd(), page_bytes())?;
        let mut end = SendEnd::new(OwnWords(page.into_words()), Futex)?;
        end.set_text(options.text.as_bytes());
        end.allow_lossless(options.lossless);
        let mut sender = Self {
            name: name.to_owned(),
            events_seen: end.events(),
            asked: None,
            end,
            generation: None,
            scratch: Vec::new(),
            object,
            opening,
            handle,
            link,
            options,
        };
        sender.take_stock(descriptors)?;
        sender.start_generation()?;
        Ok(sender)
    }

    /// The name it was made with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stream's id.
    #[must_use]
    pub const fn object(&self) -> ObjectId {
        self.object
    }

    /// Width and height of the next frame.
    #[must_use]
    pub const fn size(&self) -> (u32, u32) {
        self.options.size
    }

    /// Format of the next frame.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.options.format
    }

    /// Frames sent so far.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.end.sent()
    }

    /// Frames dropped because receivers held every slot.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.end.dropped()
    }

    /// What the receivers say about themselves.
    pub fn receivers(&self) -> impl Iterator<Item = ReceiverStatus> {
        self.end.receivers()
    }

    /// A frame to draw in. By default it never waits: when receivers hold every slot the frame is
    /// drawn aside, and dropped and counted if no slot has come free by the time it is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forked`].
    ///
    /// # Blocking
    ///
    /// Only if lossless receivers are allowed and one is behind: until it has caught up or gone.
    pub fn frame(&mut self) -> Result<SendFrame<'_>> {
        loop {
            if let Some(place) = self.find_place(None)? {
                return self.start_frame(place);
            }
        }
    }

    /// As [`Self::frame`], but waits at most so long; None after that.
    ///
    /// # Errors
    ///
    /// As [`Self::frame`].
    pub fn frame_timeout(&mut self, timeout: Duration) -> Result<Option<SendFrame<'_>>> {
        match self.find_place(Some(timeout))? {
            Some(place) => self.start_frame(place).map(Some),
            None => Ok(None),
        }
    }

    /// Waits until so many receivers have joined, at most so long; how many have.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forked`].
    ///
    /// # Blocking
    ///
    /// Until then, or the timeout.
    pub fn wait_for_receivers(&mut self, count: usize, timeout: Duration) -> Result<usize> {
        let deadline_ns = deadline_ns(timeout);
        loop {
            self.link.check_process()?;
            self.attend();
            let joined = self.end.receivers().count();
            let left_ns = deadline_ns.saturating_sub(clock::now_ns());
            if joined >= count || left_ns == 0 {
                return Ok(joined);
            }
            // A receiver that has a page shows itself in it a moment later, and wakes nobody.
            let slice_ns = left_ns.min(5_000_000);
            self.end.wait_for_events(self.events_seen, Some(slice_ns));
        }
    }

    /// Changes size or format from the next frame on. Receivers keep the frames they hold, and
    /// learn of the change from the next frame itself.
    ///
    /// # Errors
    ///
    /// As [`Self::create`]; the stream goes on as it was then.
    ///
    /// # Blocking
    ///
    /// While the kernel clears the new slots' memory, and while lossless receivers, if allowed,
    /// have not yet come to the present size.
    pub fn resize(&mut self, size: (u32, u32), format: Format) -> Result<()> {
        if (size, format) == (self.options.size, self.options.format) {
            return Ok(());
        }
        let mut options = SenderOptions { size, format, ..self.options.clone() };
        if format != self.options.format {
            let usual = SenderOptions::new(size, format);
            (options.color, options.alpha) = (usual.color, usual.alpha);
        }
        check_options(&options)?;
        self.settle(None)?;
        let former = std::mem::replace(&mut self.options, options);
        self.start_generation().inspect_err(|_| self.options = former)
    }

    /// Says what the pixels of the next frames mean.
    pub const fn set_color(&mut self, color: Color, alpha: Alpha) {
        self.options.color = color;
        self.options.alpha = alpha;
    }

    /// Ends the stream when every lossless receiver has all it needs to take the last frame; at
    /// most so long later.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forked`].
    ///
    /// # Blocking
    ///
    /// Until then.
    pub fn finish(mut self, timeout: Duration) -> Result<()> {
        self.settle(Some(timeout))
    }

    /// Waits until lossless receivers have the present generation.
    fn settle(&mut self, timeout: Option<Duration>) -> Result<()> {
        let deadline_ns = timeout.map(deadline_ns);
        while self.options.lossless == Lossless::Allowed && !self.end.generation_settled() {
            self.link.check_process()?;
            self.attend();
            let now_ns = clock::now_ns();
            if deadline_ns.is_some_and(|deadline_ns| now_ns >= deadline_ns) {
                break;
            }
            self.end.wait_for_events(self.events_seen, Some(2_000_000));
        }
        Ok(())
    }

    /// Where the next frame can be drawn; waits only for lossless receivers.
    fn find_place(&mut self, timeout: Option<Duration>) -> Result<Option<DrawIn>> {
        let deadline_ns = timeout.map(deadline_ns);
        let mut moment = Moment::default();
        loop {
            self.link.check_process()?;
            self.attend();
            match self.end.acquire() {
                Ok(slot) => return Ok(Some(DrawIn::Slot(slot))),
                Err(why) if !self.must_wait(why) => return Ok(Some(DrawIn::Aside)),
                Err(_) => {}
            }
            let left = deadline_ns.map(|deadline| deadline.saturating_sub(clock::now_ns()));
            if left == Some(0) {
                return Ok(None);
            }
            // Whoever is awake takes what is ready, and has nobody to wake.
            if moment.pass() {
                continue;
            }
            let slice_ns = u64::try_from(SLICE.as_nanos()).unwrap_or(u64::MAX);
            let slice_ns = left.unwrap_or(u64::MAX).min(slice_ns);
            let parked = self.end.wait_for_slot_or_event(self.events_seen, Some(slice_ns));
            if parked == Parked::TimedOut && !self.link.is_alive() {
                debug!("the broker is gone: a receiver that dies now is not noticed");
            }
        }
    }

    /// A lossless receiver must miss nothing: the sender waits for it, whoever is in the way.
    fn must_wait(&self, why: NoSlot) -> bool {
        match why {
            NoSlot::Lossless => true,
            NoSlot::Held => {
                self.options.lossless == Lossless::Allowed
                    && self.end.receivers().any(|one| one.mode == stream::Mode::Lossless)
            }
        }
    }

    fn start_frame(&mut self, place: DrawIn) -> Result<SendFrame<'_>> {
        let Some(generation) = &self.generation else { return Err(Cause::Unexpected.into()) };
        let (width, height) = self.options.size;
        let mut record = FrameRecord::new(width, height, self.options.format, generation.picture);
        record.color = self.options.color;
        record.alpha = self.options.alpha;
        let slot = match place {
            DrawIn::Slot(slot) => Some(slot),
            DrawIn::Aside => {
                self.scratch.resize(usize_of(generation.picture.size_bytes), 0);
                None
            }
        };
        Ok(SendFrame::new(self, slot, record))
    }

    /// The bytes of a picture: in its slot, or aside.
    pub(crate) fn picture_mut(&mut self, slot: Option<&SlotIndex>) -> &mut [u8] {
        match (slot, &mut self.generation) {
            (Some(slot), Some(generation)) => generation.slot_mut(slot).unwrap_or_default(),
            _ => &mut self.scratch,
        }
    }

    /// The bytes of a picture, to look at.
    pub(crate) fn picture(&self, slot: Option<&SlotIndex>) -> &[u8] {
        match (slot, &self.generation) {
            (Some(slot), Some(generation)) => generation.slot(slot).unwrap_or_default(),
            _ => &self.scratch,
        }
    }

    /// Publishes a frame; 0 when it had to be dropped.
    pub(crate) fn publish(&mut self, slot: Option<SlotIndex>, mut record: FrameRecord) -> u64 {
        let slot = slot.or_else(|| self.take_late_slot());
        let Some(slot) = slot else {
            self.end.count_drop();
            return 0;
        };
        let now_ns = clock::now_ns();
        record.sent_ns = now_ns;
        if record.time_ns == 0 {
            record.time_ns = now_ns;
        }
        self.end.publish(slot, &record.to_words(), now_ns)
    }

    /// A slot that came free while a frame was drawn aside, with that frame in it.
    fn take_late_slot(&mut self) -> Option<SlotIndex> {
        let slot = self.end.acquire().ok()?;
        let generation = self.generation.as_mut()?;
        if let Some(target) = generation.slot_mut(&slot)
            && let Some(source) = self.scratch.get(..target.len())
        {
            target.copy_from_slice(source);
        }
        Some(slot)
    }

    pub(crate) fn abandon(&mut self, slot: Option<SlotIndex>) {
        if let Some(slot) = slot {
            self.end.abandon(slot);
        }
    }

    /// Looks at what the broker has to tell: receivers came or went, and pages for more are
    /// there. It asks without waiting for the answer, which is picked up at a later call, so a
    /// broker that is slow or stopped holds up no frame; without one the stream goes on with the
    /// receivers it has.
    fn attend(&mut self) {
        let outcome = self.take_what_came().and_then(|()| self.ask_for_stock());
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Lost => self.asked = None,
            Err(error) => warn!(%error, "no receiver can join at the moment"),
        }
    }

    fn take_what_came(&mut self) -> Result<()> {
        let Some(ticket) = self.asked else { return Ok(()) };
        let Some(answer) = self.link.answer(ticket)? else { return Ok(()) };
        self.asked = None;
        match answer? {
            (Reply::StreamStock { .. }, stock) => self.take_stock(stock.into_iter()),
            _ => Err(Cause::Unexpected.into()),
        }
    }

    fn ask_for_stock(&mut self) -> Result<()> {
        let events = self.end.events();
        if events == self.events_seen || self.asked.is_some() || self.link.is_lost() {
            return Ok(());
        }
        self.events_seen = events;
        self.end.reap();
        self.asked = Some(self.link.post(&Request::StreamStock { opening: self.opening })?);
        Ok(())
    }

    /// Maps receivers' pages, then says so: only then does the broker give them out.
    fn take_stock(&mut self, stock: impl Iterator<Item = OwnedFd>) -> Result<()> {
        for page in stock {
            let page = mapping::map_read_only(page.as_fd(), page_bytes())?;
            self.end.add_receiver(TheirWords(page.into()))?;
        }
        self.link.tell(&Request::Mapped { opening: self.opening })
    }

    fn start_generation(&mut self) -> Result<()> {
        let options = &self.options;
        let (width, height) = options.size;
        let picture = options.format.layout(width, height, options.alignment)?;
        let table_bytes = stream::table_words(options.slots).saturating_mul(4);
        let table_bytes = table_bytes.next_multiple_of(usize_of(MEMORY_PAGE_BYTES));
        let slot_bytes = picture.size_bytes.next_multiple_of(MEMORY_PAGE_BYTES);
        // The broker would refuse it, too, but only once the memory is there.
        if slot_bytes > SLOT_BYTES_MAX {
            let error = object::Error::CapReached { cap: Cap::SlotBytes, limit: SLOT_BYTES_MAX };
            let name = Some(self.name.clone());
            return Err(Cause::Refused { name, error }.into());
        }
        let number = self.generation.as_ref().map_or(1, |former| former.number.wrapping_add(1));
        let layout = GenerationLayout {
            number,
            slots: options.slots,
            table_bytes: u64::try_from(table_bytes).unwrap_or(u64::MAX),
            slot_bytes,
            picture: PictureFacts {
                width,
                height,
                format: options.format.number(),
                color: options.color.to_word(),
                alpha: options.alpha.number(),
            },
        };
        let wanted_bytes = layout.needs_bytes().unwrap_or(u64::MAX);
        if let Some(available_bytes) = memory::available_bytes()
            && wanted_bytes > available_bytes
        {
            return Err(Cause::NoRoom { wanted_bytes, available_bytes }.into());
        }
        let (mut memory, descriptor) =
            mapping::create_sole("handfast stream", wanted_bytes, table_bytes)?;
        memory.prefault()?;
        let (table, pixels) = memory.split();
        let table = OwnWords(table);
        // Whoever joins once this is published maps it at once.
        self.end.format_table(table.clone(), number, options.slots)?;
        let request = Request::StreamPublish { opening: self.opening, layout };
        self.link.call(Some(&self.name), &request, &[descriptor.as_fd()])?;
        self.end.start_generation(table, number, options.slots)?;
        let slot_bytes = usize_of(slot_bytes);
        self.scratch = Vec::new();
        self.generation = Some(Generation { number, pixels, table_bytes, slot_bytes, picture });
        Ok(())
    }
}

impl Generation {
    fn offset(&self, slot: &SlotIndex) -> usize {
        let slot = usize_of(slot.index().into());
        slot.saturating_mul(self.slot_bytes).saturating_add(self.table_bytes)
    }

    fn slot_mut(&mut self, slot: &SlotIndex) -> Option<&mut [u8]> {
        let length = usize_of(self.picture.size_bytes);
        self.pixels.slot_mut(self.offset(slot), length)
    }

    fn slot(&self, slot: &SlotIndex) -> Option<&[u8]> {
        self.pixels.slot(self.offset(slot), usize_of(self.picture.size_bytes))
    }
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(crate) fn page_bytes() -> u64 {
    u64::try_from(PAGE_BYTES).unwrap_or_default()
}

/// Refuses what cannot be, before anybody is asked.
fn check_options(options: &SenderOptions) -> Result<()> {
    let (width, height) = options.size;
    options.format.layout(width, height, options.alignment)?;
    if !(SLOTS_MIN..=SLOTS_MAX).contains(&options.slots) {
        return Err(Cause::Slots { slots: options.slots, limit: SLOTS_MAX }.into());
    }
    Ok(())
}

impl Drop for Sender {
    fn drop(&mut self) {
        if !self.link.is_own() {
            return;
        }
        self.end.end();
        // Nobody waits for an answer: the connection is closed next, and whoever asks for the name
        // after that has the broker read first what was said here.
        let handle = Request::DropHandle { handle: self.handle };
        for request in [handle, Request::Drop { opening: self.opening }] {
            if let Err(error) = self.link.tell(&request) {
                debug!(%error, "the broker was not told that the stream has ended");
            }
        }
    }
}
