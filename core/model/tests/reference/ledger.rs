//! A broker's memory without a broker: performs effects and refuses what no broker could perform.

use std::collections::{BTreeMap, BTreeSet};

use handfast_model::object::{Attachment, Effect, Event, PageId, PageKind, Resources, StreamEnd};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub kind: PageKind,
    pub sealed: bool,
    /// Its writable descriptor went out with a reply.
    given: bool,
    /// Its writer is gone and the page says so.
    stamped: bool,
    pub end: Option<StreamEnd>,
    /// Who may write it, if it is no stream's.
    seats: BTreeSet<u32>,
    readers: u32,
}

impl Page {
    fn new(kind: PageKind) -> Self {
        let (seats, readers) = (BTreeSet::new(), 0);
        Self { kind, sealed: false, given: false, stamped: false, end: None, seats, readers }
    }

    /// Whether it has one writer, who is told by the page that it is gone.
    const fn is_of_stream(&self) -> bool {
        matches!(self.kind, PageKind::StreamSender | PageKind::StreamReceiver)
    }
}

/// What was made and not dropped. `None`: dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pages: BTreeMap<u64, Option<Page>>,
    handles: BTreeMap<u64, bool>,
    payloads: BTreeMap<u64, bool>,
    processes: BTreeSet<u64>,
}

/// What one step's effects used and told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub used: Resources,
    pub payloads: usize,
    pub events: Vec<(u64, Event)>,
    pub bumps: Vec<u64>,
    /// What is written into pages about who has them, in order.
    pub words: Vec<Effect>,
}

impl Ledger {
    /// Performs effects in order. Panics at the first that cannot be performed.
    pub(crate) fn perform(&mut self, effects: &[Effect]) -> Done {
        let mut done = Done::default();
        for effect in effects {
            let told = || format!("{effect:?} in {effects:?}");
            match effect {
                Effect::MakePage { page, kind } => self.make_page(*page, *kind, &mut done, &told),
                Effect::ReformatPage { page, kind } => {
                    let page = self.page(page.0, &told);
                    assert!(page.given, "a page is used again that nobody has: {}", told());
                    assert_eq!(page.kind.class(), kind.class(), "other widths: {}", told());
                    assert!(!page.is_of_stream(), "{}", told());
                    *page = Page { given: true, ..Page::new(*kind) };
                }
                Effect::SealPage { page } => {
                    let page = self.page(page.0, &told);
                    assert!(page.given, "a page is sealed that nobody was given: {}", told());
                    assert!(page.is_of_stream(), "{}", told());
                    assert!(!page.sealed, "a page is sealed twice: {}", told());
                    page.sealed = true;
                }
                Effect::StampGone { page } => {
                    let page = self.page(page.0, &told);
                    assert_eq!(page.kind, PageKind::StreamReceiver, "{}", told());
                    assert!(page.given && !page.stamped, "stamped wrongly: {}", told());
                    page.stamped = true;
                }
                Effect::EndSender { page, end } => self.end_sender(*page, *end, &told),
                Effect::BumpEvents { page } => {
                    done.bumps.push(page.0);
                    let page = self.page(page.0, &told);
                    assert_eq!(page.kind, PageKind::StreamSender, "{}", told());
                    assert_eq!(page.end, None, "a sender that is gone is told: {}", told());
                }
                Effect::TakeSeat { .. }
                | Effect::LeaveSeat { .. }
                | Effect::LeaveOwner { .. }
                | Effect::SetReaders { .. } => {
                    self.word(effect, &told);
                    done.words.push(effect.clone());
                }
                Effect::DropPage { page } => self.drop_page(page.0, &told),
                Effect::MakeHandle { handle } => {
                    done.used.handles += 1;
                    let former = self.handles.insert(handle.0, true);
                    assert!(former.is_none(), "a handle is made twice: {}", told());
                }
                Effect::DropHandle { handle } => {
                    let former = self.handles.insert(handle.0, false);
                    assert_eq!(former, Some(true), "a handle is dropped, not made: {}", told());
                }
                Effect::KeepPayload { payload } => {
                    done.payloads += 1;
                    let former = self.payloads.insert(payload.0, true);
                    assert!(former.is_none(), "memory is kept twice: {}", told());
                }
                Effect::DropPayload { payload } => {
                    let former = self.payloads.insert(payload.0, false);
                    assert_eq!(former, Some(true), "memory is dropped, not kept: {}", told());
                }
                Effect::KeepProcess { .. } | Effect::DropProcess { .. } => {
                    self.watch(effect, &told);
                }
                Effect::Notify { client, event } => done.events.push((client.0, *event)),
            }
        }
        done.events.sort_unstable();
        done.bumps.sort_unstable();
        done
    }

    fn make_page(
        &mut self,
        page: PageId,
        kind: PageKind,
        done: &mut Done,
        told: &dyn Fn() -> String,
    ) {
        let made = Page::new(kind);
        let used = &mut done.used;
        *if made.is_of_stream() { &mut used.stream_pages } else { &mut used.pages } += 1;
        let former = self.pages.insert(page.0, Some(made));
        assert!(former.is_none(), "a page is made twice: {}", told());
    }

    fn end_sender(&mut self, page: PageId, end: StreamEnd, told: &dyn Fn() -> String) {
        let page = self.page(page.0, told);
        assert_eq!(page.kind, PageKind::StreamSender, "{}", told());
        assert_eq!(page.end, None, "a stream ends twice: {}", told());
        (page.end, page.stamped) = (Some(end), true);
    }

    /// Which processes are watched.
    fn watch(&mut self, effect: &Effect, told: &dyn Fn() -> String) {
        if let Effect::KeepProcess { process } = effect {
            self.processes.insert(process.0);
        } else if let Effect::DropProcess { process } = effect {
            assert!(self.processes.remove(&process.0), "dropped, not kept: {}", told());
        }
    }

    fn drop_page(&mut self, page: u64, told: &dyn Fn() -> String) {
        let now = self.page(page, told);
        let told_so = now.stamped || !now.given || !now.is_of_stream();
        assert!(told_so, "a page is dropped before its end is stamped: {}", told());
        self.pages.insert(page, None);
    }

    /// Gives out what goes with a reply. Panics when something is not there.
    pub(crate) fn attach(&mut self, attachments: &[Attachment], clients: &[u64]) {
        for attachment in attachments {
            let told = || format!("{attachment:?} attached");
            match attachment {
                Attachment::Handle(handle) => {
                    assert_eq!(self.handles.get(&handle.0), Some(&true), "no handle: {}", told());
                }
                Attachment::WritablePage(page) => {
                    let page = self.page(page.0, &told);
                    let second = page.given && page.is_of_stream();
                    assert!(!second && !page.sealed, "a second writer: {}", told());
                    assert!(page.is_of_stream() || !page.seats.is_empty(), "no seat: {}", told());
                    page.given = true;
                }
                Attachment::ReadOnlyPage(page) => {
                    self.page(page.0, &told);
                }
                Attachment::Payload(payload) | Attachment::WritablePayload(payload) => {
                    assert_eq!(self.payloads.get(&payload.0), Some(&true), "none: {}", told());
                }
                Attachment::Process(client) => {
                    assert!(clients.contains(&client.0), "a client that is gone: {}", told());
                }
            }
        }
    }

    pub(crate) fn pages(&self) -> Vec<(u64, Page)> {
        self.pages.iter().filter_map(|(id, page)| Some((*id, page.clone()?))).collect()
    }

    pub(crate) fn handles(&self) -> Vec<u64> {
        self.handles.iter().filter_map(|(id, there)| there.then_some(*id)).collect()
    }

    /// Processes that are watched.
    pub(crate) fn processes(&self) -> Vec<u64> {
        self.processes.iter().copied().collect()
    }

    pub(crate) fn payloads(&self) -> Vec<u64> {
        self.payloads.iter().filter_map(|(id, there)| there.then_some(*id)).collect()
    }

    /// Who may write a page, and how many wait on it.
    fn word(&mut self, effect: &Effect, told: &dyn Fn() -> String) {
        let (Effect::TakeSeat { page, .. }
        | Effect::LeaveSeat { page, .. }
        | Effect::LeaveOwner { page, .. }
        | Effect::SetReaders { page, .. }) = effect
        else {
            return;
        };
        let page = self.page(page.0, told);
        assert!(!page.is_of_stream(), "a stream's page has no seats: {}", told());
        if let Effect::TakeSeat { seat, .. } = effect {
            assert!(page.seats.insert(*seat), "a seat is taken twice: {}", told());
        } else if let Effect::LeaveSeat { seat, .. } = effect {
            assert!(page.seats.remove(seat), "a seat is left that was free: {}", told());
        } else if let Effect::LeaveOwner { .. } = effect {
            assert_eq!(page.kind, PageKind::KeyedMutex, "{}", told());
        } else if let Effect::SetReaders { count, .. } = effect {
            assert_eq!(page.readers.abs_diff(*count), 1, "readers jump: {}", told());
            page.readers = *count;
        }
    }

    fn page(&mut self, id: u64, told: &dyn Fn() -> String) -> &mut Page {
        match self.pages.get_mut(&id) {
            Some(Some(page)) => page,
            Some(None) => panic!("a page is used after its drop: {}", told()),
            None => panic!("a page is used that was never made: {}", told()),
        }
    }
}
