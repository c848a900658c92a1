//! The descriptors and pages behind the model's ids.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use handfast_model::object::{HandleId, PageId, PageKind, PayloadId, Resources, StreamEnd};
use handfast_sync::page::{self, PAGE_BYTES};
use handfast_sys::Result;
use handfast_sys::mapping::{self, TableWords};
use handfast_sys::memfd;
use handfast_sys::pipe::{self, KeptEnd};

use crate::wake::Waker;

/// A page: mapped here, and given out through its descriptors.
#[derive(Debug)]
struct Page {
    words: Arc<TableWords>,
    read_only: OwnedFd,
    /// Until its one writer has mapped it.
    writable: Option<OwnedFd>,
}

impl Page {
    fn make() -> Result<Self> {
        let bytes = u64::try_from(PAGE_BYTES).unwrap_or_default();
        let writable = memfd::create("handfast page", bytes)?;
        memfd::seal_size(writable.as_fd())?;
        let words = mapping::map_writable(writable.as_fd(), bytes)?.into_words();
        let read_only = memfd::read_only(writable.as_fd())?;
        Ok(Self { words, read_only, writable: Some(writable) })
    }
}

/// A handle's pipe.
#[derive(Debug)]
struct Pipe {
    kept: KeptEnd,
    /// Until it has been sent.
    read_end: Option<OwnedFd>,
}

/// Memory that a client handed in; never mapped here.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) memory: OwnedFd,
    pub(crate) size_bytes: u64,
}

/// Everything the broker keeps for the model.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pages: BTreeMap<PageId, Page>,
    handles: BTreeMap<HandleId, Pipe>,
    payloads: BTreeMap<PayloadId, Payload>,
    spare_pages: Vec<Page>,
    spare_pipes: Vec<Pipe>,
}

impl Store {
    /// Makes sure that effects needing so much cannot fail.
    ///
    /// # Errors
    ///
    /// The descriptor limit or memory; what was made stays for the next time.
    pub(crate) fn reserve(&mut self, needed: Resources) -> Result<()> {
        while self.spare_pages.len() < needed.pages {
            self.spare_pages.push(Page::make()?);
        }
        while self.spare_pipes.len() < needed.handles {
            let (kept, read_end) = pipe::handle_pipe()?;
            self.spare_pipes.push(Pipe { kept, read_end: Some(read_end) });
        }
        Ok(())
    }

    /// Gives back what is held ready.
    pub(crate) fn trim(&mut self) {
        self.spare_pages.clear();
        self.spare_pipes.clear();
    }

    /// Pages, those held ready included.
    pub(crate) fn pages(&self) -> usize {
        self.pages.len() + self.spare_pages.len()
    }

    /// Shared memory that is alive because of this process.
    pub(crate) fn shared_bytes(&self) -> u64 {
        let page_bytes = u64::try_from(self.pages().saturating_mul(PAGE_BYTES));
        let payloads: u64 = self.payloads.values().map(|payload| payload.size_bytes).sum();
        page_bytes.unwrap_or(u64::MAX).saturating_add(payloads)
    }

    /// # Panics
    ///
    /// When nothing was reserved: a request used more than the model said it would.
    pub(crate) fn make_page(&mut self, id: PageId, kind: PageKind) {
        let spare = self.spare_pages.pop();
        assert!(spare.is_some(), "a page was needed and none was reserved");
        let Some(spare) = spare else { return };
        let kind = match kind {
            PageKind::StreamSender => page::PageKind::StreamSender,
            PageKind::StreamReceiver => page::PageKind::StreamReceiver,
        };
        let formatted = page::format(spare.words.words(), kind);
        assert!(formatted.is_ok(), "a page of our own has the wrong size");
        self.pages.insert(id, spare);
    }

    /// # Panics
    ///
    /// When nothing was reserved.
    pub(crate) fn make_handle(&mut self, id: HandleId) -> Option<BorrowedFd<'_>> {
        let spare = self.spare_pipes.pop();
        assert!(spare.is_some(), "a handle was needed and none was reserved");
        self.handles.insert(id, spare?);
        self.handles.get(&id).map(|pipe| pipe.kept.as_fd())
    }

    pub(crate) fn keep_payload(&mut self, id: PayloadId, payload: Payload) {
        self.payloads.insert(id, payload);
    }

    pub(crate) fn drop_payload(&mut self, id: PayloadId) {
        self.payloads.remove(&id);
    }

    pub(crate) fn drop_page(&mut self, id: PageId) {
        self.pages.remove(&id);
    }

    /// Forgets a handle; its kept end comes back so that it can be taken out of the poller
    /// before it is closed.
    pub(crate) fn drop_handle(&mut self, id: HandleId) -> Option<KeptEnd> {
        self.handles.remove(&id).map(|pipe| pipe.kept)
    }

    /// The page's writer has mapped it: from now on no descriptor gives write access to anybody.
    pub(crate) fn seal_page(&mut self, id: PageId) {
        let Some(page) = self.pages.get_mut(&id) else { return };
        let Some(writable) = page.writable.take() else { return };
        if let Err(error) = memfd::seal_writer(writable.as_fd()) {
            // Only its own writer could have sealed it differently. The page stays what it was,
            // and only that writer holds a descriptor that writes.
            tracing::warn!(page = id.0, %error, "a page could not be sealed");
        }
    }

    pub(crate) fn stamp_gone(&self, id: PageId) {
        if let Some(page) = self.pages.get(&id) {
            page::stamp(page.words.words(), page::State::Gone);
        }
    }

    pub(crate) fn end_sender(&self, id: PageId, end: StreamEnd) {
        if let Some(page) = self.pages.get(&id) {
            let state = match end {
                StreamEnd::Ended => page::State::Ended,
                StreamEnd::Lost => page::State::Lost,
            };
            page::end_sender(page.words.words(), state, &Waker);
        }
    }

    pub(crate) fn bump_events(&self, id: PageId) {
        if let Some(page) = self.pages.get(&id) {
            page::bump_events(page.words.words(), &Waker);
        }
    }

    /// The page for its writer; none once it is sealed.
    pub(crate) fn writable_page(&self, id: PageId) -> Option<BorrowedFd<'_>> {
        self.pages.get(&id)?.writable.as_ref().map(|memory| memory.as_fd())
    }

    pub(crate) fn read_only_page(&self, id: PageId) -> Option<BorrowedFd<'_>> {
        self.pages.get(&id).map(|page| page.read_only.as_fd())
    }

    pub(crate) fn payload(&self, id: PayloadId) -> Option<BorrowedFd<'_>> {
        self.payloads.get(&id).map(|payload| payload.memory.as_fd())
    }

    pub(crate) fn read_end(&self, id: HandleId) -> Option<BorrowedFd<'_>> {
        self.handles.get(&id)?.read_end.as_ref().map(|end| end.as_fd())
    }

    /// The handle was sent: from now on only its holders have the read end.
    pub(crate) fn sent(&mut self, id: HandleId) {
        if let Some(pipe) = self.handles.get_mut(&id) {
            pipe.read_end = None;
        }
    }

    pub(crate) fn is_closed(&self, id: HandleId) -> bool {
        self.handles.get(&id).is_some_and(|pipe| pipe.read_end.is_none() && pipe.kept.is_closed())
    }

    /// Which of these handles have no holder any more, asked of the kernel now.
    pub(crate) fn closed_among(&self, ids: &[HandleId]) -> Vec<HandleId> {
        let known: Vec<_> =
            ids.iter().filter_map(|id| Some((*id, self.handles.get(id)?))).collect();
        let kept: Vec<_> = known.iter().map(|(_, pipe)| pipe.kept.as_fd()).collect();
        let closed = pipe::closed_among(&kept);
        known.iter().zip(closed).filter_map(|((id, _), closed)| closed.then_some(*id)).collect()
    }
}
