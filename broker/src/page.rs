//! A page of synchronisation words: made, mapped and formatted here, and given out through its
//! descriptors. What the words mean is known to `handfast-sync`.

use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, AtomicU64};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use handfast_model::object::{Leaving, PageId, PageKind, Reset, Signaller, StreamEnd};
use handfast_sync::page::{self, LINE_BYTES, LongMemory, PAGE_BYTES};
use handfast_sync::{event, fence, keyed_mutex};
use handfast_sys::kept::{Keeping, Kept};
use handfast_sys::mapping::{self, SplitWords, TableWords, WritableMapping};
use handfast_sys::{Result, memfd};

use crate::record::{self, PageFacts};
use crate::wake::Waker;

/// A page that is held ready and nothing is in.
#[derive(Debug)]
pub(crate) struct SparePage {
    mapping: WritableMapping,
    writable: OwnedFd,
    read_only: Option<OwnedFd>,
    kept: Option<Kept>,
}

/// A page in two parts, as `handfast-sync` sees it.
#[derive(Debug)]
struct Split(SplitWords);

impl LongMemory for Split {
    fn header(&self) -> &[AtomicU32] {
        self.0.words()
    }

    fn longs(&self) -> &[AtomicU64] {
        self.0.longs()
    }
}

/// What a page in two parts is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SplitKind {
    Fence,
    Event,
}

#[derive(Debug)]
enum Words {
    /// Of a stream.
    Stream(Arc<TableWords>),
    Split(SplitKind, Split),
    KeyedMutex(Arc<TableWords>),
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    words: Words,
    /// Where the keeper has it mapped, too.
    kept: Option<Kept>,
    /// Made when somebody gets it first.
    read_only: Option<OwnedFd>,
    /// For a page with one writer, until he has mapped it.
    writable: Option<OwnedFd>,
}

impl SparePage {
    pub(crate) fn make() -> Result<Self> {
        let bytes = u64::try_from(PAGE_BYTES).unwrap_or_default();
        let (mapping, writable) = mapping::create_shared("handfast page", bytes)?;
        Ok(Self { mapping, writable, read_only: None, kept: None })
    }

    /// One for a stream, whose pages are always given out to be read as well, and are sealed: the
    /// keeper maps it before.
    pub(crate) fn make_for_stream(keeping: &Keeping) -> Result<Self> {
        let mut page = Self::make()?;
        page.read_only = Some(memfd::read_only(page.writable.as_fd())?);
        page.kept = keeping.order(page.writable.as_fd());
        Ok(page)
    }

    /// Makes it a page of this kind; none when it has the wrong size, which a page of ours has not.
    pub(crate) fn format(self, kind: PageKind) -> Option<Page> {
        let Self { mapping, writable, read_only, kept } = self;
        if !matches!(kind, PageKind::StreamSender | PageKind::StreamReceiver)
            && let Err(error) = memfd::seal_shared(writable.as_fd())
        {
            // Nobody else has it yet, so nobody can have sealed it.
            tracing::warn!(%error, "a page could not be sealed");
        }
        let words = match kind {
            PageKind::StreamSender => stream(mapping, page::PageKind::StreamSender)?,
            PageKind::StreamReceiver => stream(mapping, page::PageKind::StreamReceiver)?,
            PageKind::Fence { value } => {
                let words = Split(mapping.into_split(LINE_BYTES)?);
                Words::Split(fence(&words, value)?, words)
            }
            PageKind::Event { reset, signaled } => {
                let words = Split(mapping.into_split(LINE_BYTES)?);
                Words::Split(event(&words, reset, signaled)?, words)
            }
            PageKind::KeyedMutex => {
                let words = mapping.into_words();
                keyed_mutex::format(words.words()).ok()?;
                Words::KeyedMutex(words)
            }
        };
        Some(Page { words, kept, read_only, writable: Some(writable) })
    }
}

fn fence(words: &Split, value: u64) -> Option<SplitKind> {
    fence::format(words, value).ok()?;
    Some(SplitKind::Fence)
}

fn event(words: &Split, reset: Reset, signaled: bool) -> Option<SplitKind> {
    let reset = match reset {
        Reset::Manual => event::Reset::Manual,
        Reset::Auto => event::Reset::Auto,
    };
    let initially = match signaled {
        true => event::Initially::Signaled,
        false => event::Initially::Unsignaled,
    };
    event::format(words, reset, initially).ok()?;
    Some(SplitKind::Event)
}

fn stream(mapping: WritableMapping, kind: page::PageKind) -> Option<Words> {
    let words = mapping.into_words();
    page::format(words.words(), kind).ok()?;
    Some(Words::Stream(words))
}

impl Page {
    /// Makes it a page of another kind, whose words have the same widths; whether it is one now.
    /// Its client still has it mapped, so nothing that was in it is left or looked at.
    pub(crate) fn reformat(&mut self, kind: PageKind) -> bool {
        match (&mut self.words, kind) {
            (Words::Split(now, words), PageKind::Fence { value }) => {
                page::clear_split(words);
                fence(words, value).map(|kind| *now = kind).is_some()
            }
            (Words::Split(now, words), PageKind::Event { reset, signaled }) => {
                page::clear_split(words);
                event(words, reset, signaled).map(|kind| *now = kind).is_some()
            }
            (Words::KeyedMutex(words), PageKind::KeyedMutex) => {
                page::clear(words.words());
                keyed_mutex::format(words.words()).is_ok()
            }
            (Words::Stream(_) | Words::Split(..) | Words::KeyedMutex(_), _) => false,
        }
    }

    /// Takes over a predecessor's: what it holds, and where it is mapped already if it is sealed.
    ///
    /// # Errors
    ///
    /// EPERM: it is sealed, and nobody kept it mapped. Memory.
    pub(crate) fn adopt(
        words: record::Words,
        [writable, read_only]: [Option<OwnedFd>; 2],
        kept: Option<Kept>,
    ) -> Result<Self> {
        let bytes = u64::try_from(PAGE_BYTES).unwrap_or_default();
        let mapping = match (&writable, &kept) {
            (Some(writable), _) => mapping::map_writable(writable.as_fd(), bytes)?,
            (None, kept) => {
                let mapping = kept.as_ref().and_then(Kept::take);
                mapping.ok_or(handfast_sys::Error::not_permitted("mmap"))?
            }
        };
        let split = |mapping: WritableMapping| {
            let words = mapping.into_split(LINE_BYTES).map(Split);
            words.ok_or(handfast_sys::Error::not_permitted("mmap"))
        };
        let words = match words {
            record::Words::Stream => Words::Stream(mapping.into_words()),
            record::Words::Fence => Words::Split(SplitKind::Fence, split(mapping)?),
            record::Words::Event => Words::Split(SplitKind::Event, split(mapping)?),
            record::Words::KeyedMutex => Words::KeyedMutex(mapping.into_words()),
        };
        Ok(Self { words, kept, read_only, writable })
    }

    /// What it is and holds.
    pub(crate) fn facts(&self) -> PageFacts {
        let number = |descriptor: &Option<OwnedFd>| descriptor.as_ref().map(|it| it.as_raw_fd());
        PageFacts {
            words: match self.words {
                Words::Stream(_) => record::Words::Stream,
                Words::Split(SplitKind::Fence, _) => record::Words::Fence,
                Words::Split(SplitKind::Event, _) => record::Words::Event,
                Words::KeyedMutex(_) => record::Words::KeyedMutex,
            },
            writable: number(&self.writable),
            read_only: number(&self.read_only),
            kept: self.kept.as_ref().map(Kept::place),
        }
    }

    /// Makes sure that [`Self::read_only`] has one to give; whether it had none.
    ///
    /// # Errors
    ///
    /// The descriptor limit.
    pub(crate) fn make_read_only(&mut self) -> Result<bool> {
        if let (None, Some(writable)) = (&self.read_only, &self.writable) {
            self.read_only = Some(memfd::read_only(writable.as_fd())?);
            return Ok(true);
        }
        Ok(false)
    }

    /// Its writer has mapped it: from now on no descriptor gives write access to anybody.
    pub(crate) fn seal(&mut self, id: PageId) {
        let Some(writable) = self.writable.take() else { return };
        if let Some(kept) = &self.kept
            && !kept.wait_until_mapped()
        {
            tracing::warn!(page = id.0, "nobody keeps a page: it is lost with this broker");
        }
        if let Err(error) = memfd::seal_writer(writable.as_fd()) {
            // Only its own writer could have sealed it differently. The page stays what it was,
            // and only that writer holds a descriptor that writes.
            tracing::warn!(page = id.0, %error, "a page could not be sealed");
        }
    }

    /// For who may write it; none once it is sealed.
    pub(crate) fn writable(&self) -> Option<BorrowedFd<'_>> {
        self.writable.as_ref().map(|memory| memory.as_fd())
    }

    /// For who may read it; none before [`Self::make_read_only`].
    pub(crate) fn read_only(&self) -> Option<BorrowedFd<'_>> {
        self.read_only.as_ref().map(|memory| memory.as_fd())
    }

    /// The receiver that wrote it has gone.
    pub(crate) fn stamp_gone(&self) {
        if let Words::Stream(words) = &self.words {
            page::stamp(words.words(), page::State::Gone);
        }
    }

    /// The sender that wrote it has gone.
    pub(crate) fn end_sender(&self, end: StreamEnd) {
        if let Words::Stream(words) = &self.words {
            let state = match end {
                StreamEnd::Ended => page::State::Ended,
                StreamEnd::Lost => page::State::Lost,
            };
            page::end_sender(words.words(), state, &Waker);
        }
    }

    /// Tells the sender that writes it to look around.
    pub(crate) fn bump_events(&self) {
        if let Words::Stream(words) = &self.words {
            page::bump_events(words.words(), &Waker);
        }
    }

    /// A client that may write it has come.
    pub(crate) fn take_seat(&self, seat: u32, signaller: Signaller) {
        if let Words::Split(SplitKind::Fence, words) = &self.words {
            let signaller = match signaller {
                Signaller::Yes => fence::Signaller::Yes,
                Signaller::No => fence::Signaller::No,
            };
            fence::seat_taken(words, seat, signaller);
        }
    }

    /// It has gone, and a predecessor may have begun to say so.
    pub(crate) fn leave_seat_again(&self, seat: u32, leaving: Leaving) {
        match &self.words {
            Words::Split(SplitKind::Fence, words) => {
                fence::leave_again(words, seat, gone(leaving), &Waker);
            }
            Words::Split(SplitKind::Event, _) | Words::Stream(_) | Words::KeyedMutex(_) => {
                self.leave_seat(seat, leaving);
            }
        }
    }

    /// It has gone.
    pub(crate) fn leave_seat(&self, seat: u32, leaving: Leaving) {
        match &self.words {
            Words::Split(SplitKind::Fence, words) => {
                fence::leave(words, seat, gone(leaving), &Waker);
            }
            Words::Split(SplitKind::Event, words) => event::leave(words, seat, &Waker),
            Words::Stream(_) | Words::KeyedMutex(_) => {}
        }
    }

    /// An opening of a keyed mutex has gone: what it owned is abandoned.
    pub(crate) fn leave_owner(&self, owner: u32) {
        if let (Words::KeyedMutex(words), Some(owner)) = (&self.words, NonZeroU32::new(owner)) {
            keyed_mutex::leave(words.words(), owner, &Waker);
        }
    }

    /// So many wait on it that cannot write it.
    pub(crate) fn set_readers(&self, count: u32) {
        match &self.words {
            Words::Split(SplitKind::Fence, words) => fence::set_readers(words, count),
            Words::Split(SplitKind::Event, words) => event::set_readers(words, count),
            Words::Stream(_) | Words::KeyedMutex(_) => {}
        }
    }
}

const fn gone(leaving: Leaving) -> fence::Gone {
    match leaving {
        Leaving::Released => fence::Gone::Released,
        Leaving::Died => fence::Gone::Died,
    }
}
