//! The end of a stream that gets the frames.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::frame::FrameRecord;
use handfast_model::object::{
    GenerationLayout, Kind, OpeningId, PayloadId, RawName, Reply, Request,
};
use handfast_sync::page::State;
use handfast_sync::park::Parked;
use handfast_sync::stream::{self, Held, Mode, ReceiveEnd, SenderStatistics, Take};
use handfast_sys::mapping::{self, ReadMapping};
use handfast_sys::{clock, memfd, pidfd};
use tracing::debug;

use crate::error::{Cause, ErrorKind, Result};
use crate::frame::{Frame, SharedBytes};
use crate::link::{Link, deadline_ns, next_descriptor};
use crate::sender::page_bytes;
use crate::words::{Futex, Moment, OwnWords, TheirWords};

/// Waits are cut into slices of this, to look whether broker and sender are there.
const SLICE_NS: u64 = 1_000_000_000;
/// The name that a receiver waits for has this watch, any change that.
const WATCH_NAME: u32 = 1;
const WATCH_ALL: u32 = 2;
/// Brokers that die one after the other are not followed for ever.
const BROKERS_MAX: u32 = 3;

/// What [`Receiver::recv_timeout`] brings.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nothing is allocated for a frame")]
pub enum Next<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// Nothing new in that time.
    TimedOut,
    /// The sender has ended the stream. The next call waits for another sender of the name.
    Ended,
    /// The sender has died. The next call waits for another sender of the name.
    Lost,
}

/// The memory of one generation.
#[derive(Debug)]
struct Generation {
    mapping: Arc<ReadMapping>,
    layout: GenerationLayout,
}

/// A stream that this receiver has joined.
#[derive(Debug)]
struct Joined {
    opening: OpeningId,
    /// The sender's page, for what it says of the stream.
    page: Arc<ReadMapping>,
    end: ReceiveEnd<TheirWords, OwnWords, Futex>,
    generation: Option<Generation>,
    /// The sender's process, to see its end also when no broker tells of it.
    sender: Option<OwnedFd>,
    sender_pid: i32,
}

#[expect(clippy::large_enum_variant, reason = "nothing is allocated for a frame")]
enum Step {
    Held(Held),
    TimedOut,
    Ended,
    Lost,
}

/// A receiver of the stream that bears a name: this one, and the next one that comes with it.
///
/// It may start before the sender. It holds at most one frame, and while it holds one the sender
/// goes on with other slots.
///
/// # Ownership
///
/// Dropping it leaves the stream.
#[derive(Debug)]
pub struct Receiver {
    name: String,
    mode: Mode,
    joined: Option<Joined>,
    link: Link,
}

impl Receiver {
    /// Receives the newest frames of the stream called `name`, whether it is there already or
    /// not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NameInvalid`], [`ErrorKind::AccessDenied`], [`ErrorKind::LimitReached`],
    /// [`ErrorKind::BrokerUnavailable`], [`ErrorKind::Invalid`] if the name belongs to something
    /// that is not a stream.
    ///
    /// # Blocking
    ///
    /// While a broker is started.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_with(name, Mode::Latest)
    }

    /// As [`Self::open`], with the frames that `mode` says.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    ///
    /// # Blocking
    ///
    /// As [`Self::open`].
    pub fn open_with(name: &str, mode: Mode) -> Result<Self> {
        let link = Link::connect()?;
        let mut receiver = Self { name: name.to_owned(), mode, joined: None, link };
        match receiver.attach(Some(clock::now_ns())) {
            Ok(joined) => receiver.joined = joined,
            Err(error) if error.kind() == ErrorKind::NotFound || error.is_stream_over() => {}
            Err(error) => return Err(error),
        }
        Ok(receiver)
    }

    /// As [`Self::open_with`], but the stream must be there.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and [`ErrorKind::NotFound`].
    ///
    /// # Blocking
    ///
    /// Until the sender has room for another receiver, at most so long.
    pub fn open_existing(name: &str, mode: Mode, timeout: Duration) -> Result<Self> {
        let link = Link::connect()?;
        let mut receiver = Self { name: name.to_owned(), mode, joined: None, link };
        receiver.joined = receiver.attach(Some(deadline_ns(timeout)))?;
        Ok(receiver)
    }

    /// The name it follows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sender's process, if there is a sender.
    #[must_use]
    pub fn sender_pid(&self) -> Option<i32> {
        self.joined.as_ref().map(|joined| joined.sender_pid)
    }

    /// Whether the sender waits for lossless receivers; None while there is no sender.
    #[must_use]
    pub fn lossless_allowed(&self) -> Option<bool> {
        self.joined.as_ref().map(|joined| joined.end.lossless_allowed())
    }

    /// What the sender says of the stream; None while there is no sender.
    #[must_use]
    pub fn statistics(&self) -> Option<SenderStatistics> {
        let joined = self.joined.as_ref()?;
        Some(stream::sender_statistics(joined.page.words()))
    }

    /// The next frame; None when the sender has ended the stream. A sender that dies is waited
    /// for, and so is one that has not come yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Lost`] when broker and sender are both gone, [`ErrorKind::Invalid`] for a
    /// frame whose description is not to be believed, and those of [`Self::open`].
    ///
    /// # Blocking
    ///
    /// Until there is one.
    pub fn recv(&mut self) -> Result<Option<Frame<'_>>> {
        loop {
            match self.step(None)? {
                Step::Held(held) => return self.frame(held).map(Some),
                Step::Ended => return Ok(None),
                Step::Lost | Step::TimedOut => {}
            }
        }
    }

    /// The next frame, or what happened instead, within a time. 0 asks what is there now.
    ///
    /// # Errors
    ///
    /// As [`Self::recv`].
    ///
    /// # Blocking
    ///
    /// At most so long.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Next<'_>> {
        match self.step(Some(deadline_ns(timeout)))? {
            Step::Held(held) => self.frame(held).map(Next::Frame),
            Step::TimedOut => Ok(Next::TimedOut),
            Step::Ended => Ok(Next::Ended),
            Step::Lost => Ok(Next::Lost),
        }
    }

    fn step(&mut self, deadline_ns: Option<u64>) -> Result<Step> {
        self.link.check_process()?;
        let mut moment = Moment::default();
        loop {
            let Some(joined) = &mut self.joined else {
                if !self.follow(deadline_ns)? {
                    return Ok(Step::TimedOut);
                }
                continue;
            };
            match joined.end.take(clock::now_ns()) {
                Take::Frame(held) => return Ok(Step::Held(held)),
                Take::Ended => return Ok(self.part(Step::Ended)),
                Take::Lost => return Ok(self.part(Step::Lost)),
                Take::NewGeneration(_) => {
                    if let Some(end) = self.enter_generation()? {
                        return Ok(end);
                    }
                }
                Take::Empty | Take::NoGeneration => {
                    let left_ns = deadline_ns.map(|at| at.saturating_sub(clock::now_ns()));
                    if left_ns == Some(0) {
                        return Ok(Step::TimedOut);
                    }
                    // A sender that has to wait for this receiver is about to send, and has nobody
                    // to wake. Whoever wants the latest frame wants it at once.
                    if self.mode == Mode::Lossless && moment.pass() {
                        continue;
                    }
                    let slice_ns = left_ns.unwrap_or(u64::MAX).min(SLICE_NS);
                    if joined.end.wait(Some(slice_ns)) == Parked::TimedOut {
                        self.look_around()?;
                    }
                }
            }
        }
    }

    /// Without a broker nobody stamps the sender's page: then its process is looked at.
    fn look_around(&mut self) -> Result<()> {
        if self.link.is_alive() {
            return Ok(());
        }
        let Some(joined) = &self.joined else { return Ok(()) };
        let gone = joined.sender.as_ref().is_none_or(|sender| pidfd::has_exited(sender.as_fd()));
        if gone && joined.end.state() == State::Live {
            self.joined = None;
            return Err(Cause::SenderLost.into());
        }
        Ok(())
    }

    /// Leaves a stream that is over.
    fn part(&mut self, end: Step) -> Step {
        self.leave();
        end
    }

    fn leave(&mut self) {
        let Some(mut joined) = self.joined.take() else { return };
        joined.end.leave();
        if let Err(error) = self.link.tell(&Request::Drop { opening: joined.opening }) {
            debug!(%error, "the broker was not told that a receiver has left");
        }
    }

    /// Waits for the name, then joins. False when the time is up.
    fn follow(&mut self, deadline_ns: Option<u64>) -> Result<bool> {
        let mut brokers = 0;
        loop {
            match self.follow_once(deadline_ns) {
                Err(error) if error.kind() == ErrorKind::Lost && self.link.is_lost() => {
                    brokers += 1;
                    if brokers > BROKERS_MAX {
                        return Err(error);
                    }
                    self.link = Link::connect()?;
                }
                other => return other,
            }
        }
    }

    fn follow_once(&mut self, deadline_ns: Option<u64>) -> Result<bool> {
        loop {
            // The watches stand before the look, so nothing can slip in between.
            let name = RawName::from(self.name.as_str());
            let watch = Request::WatchName { name, watch: WATCH_NAME };
            self.link.call(Some(&self.name), &watch, &[])?;
            let over = match self.attach(deadline_ns) {
                Ok(Some(joined)) => {
                    self.joined = Some(joined);
                    return Ok(true);
                }
                Ok(None) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) if error.is_stream_over() => true,
                Err(error) => return Err(error),
            };
            if over {
                // Somebody keeps the name of a stream whose sender is gone: any change may be
                // the end of that.
                self.link.call(None, &Request::WatchAll { watch: WATCH_ALL }, &[])?;
            }
            if !self.wait_for_event(deadline_ns)? {
                return Ok(false);
            }
        }
    }

    /// Whether an event came before the time was up.
    fn wait_for_event(&mut self, deadline_ns: Option<u64>) -> Result<bool> {
        let left = deadline_ns.map(|at| Duration::from_nanos(at.saturating_sub(clock::now_ns())));
        Ok(self.link.event(left)?.is_some())
    }

    /// Opens and joins the stream that bears the name now. None when it had no room in time.
    fn attach(&mut self, deadline_ns: Option<u64>) -> Result<Option<Joined>> {
        let request = Request::Open {
            kind: Kind::Stream,
            name: RawName::from(self.name.as_str()),
            access: AccessMask::GENERIC_READ,
            known: None,
        };
        let (reply, descriptors) = self.link.call(Some(&self.name), &request, &[])?;
        let Reply::StreamOpened { opening, sender_pid, .. } = reply else {
            return Err(Cause::Unexpected.into());
        };
        let joined = self.join(opening, sender_pid, descriptors, deadline_ns);
        if !matches!(joined, Ok(Some(_))) && !self.link.is_lost() {
            self.link.tell(&Request::Drop { opening })?;
        }
        joined
    }

    fn join(
        &mut self,
        opening: OpeningId,
        sender_pid: i32,
        descriptors: Vec<OwnedFd>,
        deadline_ns: Option<u64>,
    ) -> Result<Option<Joined>> {
        let mut descriptors = descriptors.into_iter();
        let page = next_descriptor(&mut descriptors)?;
        let page = Arc::new(mapping::map_read_only(page.as_fd(), page_bytes())?);
        let sender = descriptors.next();
        let (generation, descriptors) = loop {
            let request = Request::StreamJoin { opening };
            match self.link.call(Some(&self.name), &request, &[])? {
                (Reply::StreamJoined { generation, .. }, descriptors) => {
                    break (generation, descriptors);
                }
                (Reply::StreamFull, _) => {
                    if !self.wait_for_event(deadline_ns)? {
                        return Ok(None);
                    }
                }
                _ => return Err(Cause::Unexpected.into()),
            }
        };
        let mut descriptors = descriptors.into_iter();
        let own = next_descriptor(&mut descriptors)?;
        let own = mapping::map_writable(own.as_fd(), page_bytes())?.into_words();
        self.link.tell(&Request::Mapped { opening })?;
        let end = ReceiveEnd::new(TheirWords(Arc::clone(&page)), OwnWords(own), Futex, self.mode)?;
        let mut joined = Joined { opening, page, end, generation: None, sender, sender_pid };
        joined.enter(generation, descriptors.next())?;
        Ok(Some(joined))
    }

    /// Maps the sender's present generation. The stream's end, if that came first.
    fn enter_generation(&mut self) -> Result<Option<Step>> {
        let Some(joined) = &mut self.joined else { return Ok(None) };
        let request = Request::StreamGeneration { opening: joined.opening };
        match self.link.call(Some(&self.name), &request, &[]) {
            Ok((Reply::StreamGeneration(generation), descriptors)) => {
                joined.enter(generation, descriptors.into_iter().next())?;
                Ok(None)
            }
            Ok(_) => Err(Cause::Unexpected.into()),
            Err(error) if error.is_stream_over() => {
                let lost = joined.end.state() == State::Lost;
                Ok(Some(self.part(if lost { Step::Lost } else { Step::Ended })))
            }
            Err(error) => Err(error),
        }
    }

    fn frame(&mut self, held: Held) -> Result<Frame<'_>> {
        match self.describe(&held) {
            Ok((record, bytes)) => Ok(Frame::new(self, held, record, bytes)),
            Err(error) => {
                self.release(&held);
                Err(error)
            }
        }
    }

    /// What a held frame is, checked against the memory that the broker vouched for.
    fn describe(&self, held: &Held) -> Result<(FrameRecord, SharedBytes)> {
        let generation = self.joined.as_ref().and_then(|joined| joined.generation.as_ref());
        let Generation { mapping, layout } = generation.ok_or(Cause::Unexpected)?;
        let record = FrameRecord::from_words(held.record(), layout.slot_bytes)?;
        let offset = u64::from(held.slot())
            .checked_mul(layout.slot_bytes)
            .and_then(|offset| offset.checked_add(layout.table_bytes))
            .and_then(|offset| usize::try_from(offset).ok())
            .ok_or(Cause::Unexpected)?;
        let length = usize::try_from(record.layout.size_bytes).unwrap_or(usize::MAX);
        Ok((record, SharedBytes::new(Arc::clone(mapping), offset, length)))
    }

    pub(crate) fn release(&mut self, held: &Held) {
        if self.link.is_own()
            && let Some(joined) = &mut self.joined
        {
            joined.end.release(held);
        }
    }
}

impl Joined {
    /// Maps a generation, once its memory has been seen to be sealed and large enough.
    fn enter(
        &mut self,
        generation: Option<(GenerationLayout, PayloadId)>,
        memory: Option<OwnedFd>,
    ) -> Result<()> {
        let (Some((layout, _)), Some(memory)) = (generation, memory) else { return Ok(()) };
        let sealed = memfd::check_sealed(memory.as_fd()).map_err(|_| Cause::Unexpected)?;
        if layout.needs_bytes().is_none_or(|needs| needs > sealed.size_bytes) {
            return Err(Cause::Unexpected.into());
        }
        let mapping = Arc::new(mapping::map_read_only(memory.as_fd(), sealed.size_bytes)?);
        self.end.enter_generation(TheirWords(Arc::clone(&mapping)), layout.number)?;
        self.generation = Some(Generation { mapping, layout });
        Ok(())
    }
}

impl AsFd for Receiver {
    /// The connection to the broker: readable when a name or a place in a stream comes free.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if self.link.is_own() {
            self.leave();
        }
    }
}
