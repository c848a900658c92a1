//! The descriptors and pages behind the model's ids.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use handfast_model::object::{HandleId, PageId, PageKind, PayloadId, Resources};
use handfast_sync::page::PAGE_BYTES;
use handfast_sys::Result;
use handfast_sys::kept::Keeping;
use handfast_sys::pipe::{self, KeptEnd};

use crate::page::{Page, SparePage};
use crate::record::{PageFacts, PayloadFacts, PipeFacts};

/// A handle's pipe.
#[derive(Debug)]
struct Pipe {
    kept: KeptEnd,
    /// By which a presented copy is found.
    inode: u64,
    /// Until it has been sent.
    read_end: Option<OwnedFd>,
}

/// Memory that a client handed in; never mapped here.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Of memory with one writer, what everybody gets.
    pub(crate) read_only: OwnedFd,
    /// Of memory with several writers.
    pub(crate) writable: Option<OwnedFd>,
    pub(crate) size_bytes: u64,
}

/// Everything the broker keeps for the model.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pages: BTreeMap<PageId, Page>,
    handles: BTreeMap<HandleId, Pipe>,
    handles_by_inode: BTreeMap<u64, Vec<HandleId>>,
    payloads: BTreeMap<PayloadId, Payload>,
    spare_pages: Vec<SparePage>,
    spare_stream_pages: Vec<SparePage>,
    spare_pipes: Vec<Pipe>,
}

/// Pages, pipes and memory, by numbers.
type Facts =
    (BTreeMap<PageId, PageFacts>, BTreeMap<HandleId, PipeFacts>, BTreeMap<PayloadId, PayloadFacts>);

impl Pipe {
    fn facts(&self) -> PipeFacts {
        let read_end = self.read_end.as_ref().map(|end| end.as_raw_fd());
        PipeFacts { kept: self.kept.as_fd().as_raw_fd(), read_end, inode: self.inode }
    }
}

impl Payload {
    pub(crate) fn facts(&self) -> PayloadFacts {
        PayloadFacts {
            read_only: self.read_only.as_raw_fd(),
            writable: self.writable.as_ref().map(|memory| memory.as_raw_fd()),
            size_bytes: self.size_bytes,
        }
    }
}

impl Store {
    /// Makes sure that effects needing so much cannot fail.
    ///
    /// # Errors
    ///
    /// The descriptor limit or memory; what was made stays for the next time.
    ///
    /// The page that can be given out to be read from now on, if there is one.
    pub(crate) fn reserve(
        &mut self,
        needed: Resources,
        keeping: &Keeping,
    ) -> Result<Option<PageId>> {
        let mut viewed = None;
        while self.spare_pages.len() < needed.pages {
            self.spare_pages.push(SparePage::make()?);
        }
        while self.spare_stream_pages.len() < needed.stream_pages {
            self.spare_stream_pages.push(SparePage::make_for_stream(keeping)?);
        }
        if let Some(id) = needed.view
            && let Some(page) = self.pages.get_mut(&id)
            && page.make_read_only()?
        {
            viewed = Some(id);
        }
        while self.spare_pipes.len() < needed.handles {
            let (kept, read_end) = pipe::handle_pipe()?;
            let inode = kept.inode()?;
            self.spare_pipes.push(Pipe { kept, inode, read_end: Some(read_end) });
        }
        Ok(viewed)
    }

    /// Everything that is bound to something, by numbers.
    pub(crate) fn facts(&self) -> Facts {
        let pages = self.pages.iter().map(|(id, page)| (*id, page.facts()));
        let pipes = self.handles.iter().map(|(id, pipe)| (*id, pipe.facts()));
        let payloads = self.payloads.iter().map(|(id, payload)| (*id, payload.facts()));
        (pages.collect(), pipes.collect(), payloads.collect())
    }

    pub(crate) fn page_facts(&self, id: PageId) -> Option<PageFacts> {
        self.pages.get(&id).map(Page::facts)
    }

    pub(crate) fn pipe_facts(&self, id: HandleId) -> Option<PipeFacts> {
        self.handles.get(&id).map(Pipe::facts)
    }

    /// Takes over a predecessor's page.
    pub(crate) fn adopt_page(&mut self, id: PageId, page: Page) {
        self.pages.insert(id, page);
    }

    /// Takes over a predecessor's handle; its kept end, to be watched.
    pub(crate) fn adopt_pipe(
        &mut self,
        id: HandleId,
        (kept, read_end): (KeptEnd, Option<OwnedFd>),
        inode: u64,
    ) -> Option<BorrowedFd<'_>> {
        self.handles_by_inode.entry(inode).or_default().push(id);
        self.handles.insert(id, Pipe { kept, inode, read_end });
        self.handles.get(&id).map(|pipe| pipe.kept.as_fd())
    }

    /// Gives back what is held ready.
    pub(crate) fn trim(&mut self) {
        self.spare_pages.clear();
        self.spare_stream_pages.clear();
        self.spare_pipes.clear();
    }

    /// Pages, those held ready included.
    pub(crate) fn pages(&self) -> usize {
        self.pages.len() + self.spare_pages.len() + self.spare_stream_pages.len()
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
        let spare = match kind {
            PageKind::StreamSender | PageKind::StreamReceiver => self.spare_stream_pages.pop(),
            PageKind::Fence { .. } | PageKind::Event { .. } | PageKind::KeyedMutex => {
                self.spare_pages.pop()
            }
        };
        assert!(spare.is_some(), "a page was needed and none was reserved");
        let Some(spare) = spare else { return };
        let page = spare.format(kind);
        assert!(page.is_some(), "a page of our own has the wrong size");
        self.pages.extend(page.map(|page| (id, page)));
    }

    /// # Panics
    ///
    /// When the page is not there or its words have other widths: the model keeps them apart.
    pub(crate) fn reformat_page(&mut self, id: PageId, kind: PageKind) {
        let reformatted = self.pages.get_mut(&id).is_some_and(|page| page.reformat(kind));
        assert!(reformatted, "a page was to be used again that cannot be");
    }

    /// # Panics
    ///
    /// When nothing was reserved.
    pub(crate) fn make_handle(&mut self, id: HandleId) -> Option<BorrowedFd<'_>> {
        let spare = self.spare_pipes.pop();
        assert!(spare.is_some(), "a handle was needed and none was reserved");
        let spare = spare?;
        self.handles_by_inode.entry(spare.inode).or_default().push(id);
        self.handles.insert(id, spare);
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
        let pipe = self.handles.remove(&id)?;
        if let Some(ids) = self.handles_by_inode.get_mut(&pipe.inode) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.handles_by_inode.remove(&pipe.inode);
            }
        }
        Some(pipe.kept)
    }

    /// Which handle a descriptor is that somebody presents.
    pub(crate) fn identify(&self, candidate: BorrowedFd<'_>) -> Option<HandleId> {
        let inode = pipe::inode_of_read_end(candidate)?;
        let ids = self.handles_by_inode.get(&inode)?;
        let is_it = |id: &&HandleId| {
            self.handles.get(id).is_some_and(|pipe| pipe::is_read_end_of(&pipe.kept, candidate))
        };
        ids.iter().find(is_it).copied()
    }

    /// The numbers by which /proc shows these handles.
    pub(crate) fn inodes(&self, ids: &[HandleId]) -> Vec<u64> {
        ids.iter().filter_map(|id| self.handles.get(id).map(|pipe| pipe.inode)).collect()
    }

    /// A page, to do something with; its maker is gone if there is none.
    pub(crate) fn page(&self, id: PageId) -> Option<&Page> {
        self.pages.get(&id)
    }

    /// The page's writer has mapped it: from now on no descriptor gives write access to anybody.
    pub(crate) fn seal_page(&mut self, id: PageId) {
        if let Some(page) = self.pages.get_mut(&id) {
            page.seal(id);
        }
    }

    pub(crate) fn payload(&self, id: PayloadId) -> Option<BorrowedFd<'_>> {
        self.payloads.get(&id).map(|payload| payload.read_only.as_fd())
    }

    pub(crate) fn writable_payload(&self, id: PayloadId) -> Option<BorrowedFd<'_>> {
        self.payloads.get(&id)?.writable.as_ref().map(|memory| memory.as_fd())
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

    /// Every handle that a predecessor made has been sent, or will never be.
    pub(crate) fn all_sent(&mut self) {
        self.handles.values_mut().for_each(|pipe| pipe.read_end = None);
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
