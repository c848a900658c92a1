//! A broker's memory without a broker: performs effects and refuses what no broker could perform.

use std::collections::BTreeMap;

use handfast_model::object::{Attachment, Effect, Event, PageKind, Resources, StreamEnd};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    kind: PageKind,
    pub sealed: bool,
    /// Its writable descriptor went out with a reply.
    given: bool,
    /// Its writer is gone and the page says so.
    stamped: bool,
    pub end: Option<StreamEnd>,
}

/// What was made and not dropped. `None`: dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pages: BTreeMap<u64, Option<Page>>,
    handles: BTreeMap<u64, bool>,
    payloads: BTreeMap<u64, bool>,
}

/// What one step's effects used and told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub used: Resources,
    pub payloads: usize,
    pub events: Vec<(u64, Event)>,
    pub bumps: Vec<u64>,
}

impl Ledger {
    /// Performs effects in order. Panics at the first that cannot be performed.
    pub(crate) fn perform(&mut self, effects: &[Effect]) -> Done {
        let mut done = Done::default();
        for effect in effects {
            let told = || format!("{effect:?} in {effects:?}");
            match effect {
                Effect::MakePage { page, kind } => {
                    done.used.pages += 1;
                    let kind = *kind;
                    let page_now =
                        Page { kind, sealed: false, given: false, stamped: false, end: None };
                    let former = self.pages.insert(page.0, Some(page_now));
                    assert!(former.is_none(), "a page is made twice: {}", told());
                }
                Effect::SealPage { page } => {
                    let page = self.page(page.0, &told);
                    assert!(page.given, "a page is sealed that nobody was given: {}", told());
                    assert!(!page.sealed, "a page is sealed twice: {}", told());
                    page.sealed = true;
                }
                Effect::StampGone { page } => {
                    let page = self.page(page.0, &told);
                    assert_eq!(page.kind, PageKind::StreamReceiver, "{}", told());
                    assert!(page.given && !page.stamped, "stamped wrongly: {}", told());
                    page.stamped = true;
                }
                Effect::EndSender { page, end } => {
                    let page = self.page(page.0, &told);
                    assert_eq!(page.kind, PageKind::StreamSender, "{}", told());
                    assert_eq!(page.end, None, "a stream ends twice: {}", told());
                    (page.end, page.stamped) = (Some(*end), true);
                }
                Effect::BumpEvents { page } => {
                    done.bumps.push(page.0);
                    let page = self.page(page.0, &told);
                    assert_eq!(page.kind, PageKind::StreamSender, "{}", told());
                    assert_eq!(page.end, None, "a sender that is gone is told: {}", told());
                }
                Effect::DropPage { page } => {
                    let page_now = *self.page(page.0, &told);
                    let told_so = page_now.stamped || !page_now.given;
                    assert!(told_so, "a page is dropped before its end is stamped: {}", told());
                    self.pages.insert(page.0, None);
                }
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
                Effect::Notify { client, event } => done.events.push((client.0, *event)),
            }
        }
        done.events.sort_unstable();
        done.bumps.sort_unstable();
        done
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
                    assert!(!page.given && !page.sealed, "a second writer: {}", told());
                    page.given = true;
                }
                Attachment::ReadOnlyPage(page) => {
                    self.page(page.0, &told);
                }
                Attachment::Payload(payload) => {
                    assert_eq!(self.payloads.get(&payload.0), Some(&true), "none: {}", told());
                }
                Attachment::Process(client) => {
                    assert!(clients.contains(&client.0), "a client that is gone: {}", told());
                }
            }
        }
    }

    pub(crate) fn pages(&self) -> Vec<(u64, Page)> {
        self.pages.iter().filter_map(|(id, page)| Some((*id, (*page)?))).collect()
    }

    pub(crate) fn handles(&self) -> Vec<u64> {
        self.handles.iter().filter_map(|(id, there)| there.then_some(*id)).collect()
    }

    pub(crate) fn payloads(&self) -> Vec<u64> {
        self.payloads.iter().filter_map(|(id, there)| there.then_some(*id)).collect()
    }

    fn page(&mut self, id: u64, told: &dyn Fn() -> String) -> &mut Page {
        match self.pages.get_mut(&id) {
            Some(Some(page)) => page,
            Some(None) => panic!("a page is used after its drop: {}", told()),
            None => panic!("a page is used that was never made: {}", told()),
        }
    }
}
