//! What the broker has to do after a request was applied. Effects cannot fail.

use super::id::{ClientId, HandleId, OpeningId, PageId, PayloadId, ProcessId};
use super::spec::Reset;

/// Whose words a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageKind {
    /// A stream's page: written by its sender.
    StreamSender,
    /// A receiver's page: written by that receiver.
    StreamReceiver,
    /// A fence's page.
    Fence {
        /// Its first value.
        value: u64,
    },
    /// An event's page.
    Event {
        /// What a wait does to it.
        reset: Reset,
        /// Whether it is set at first.
        signaled: bool,
    },
    /// The page of a surface's keyed mutex.
    KeyedMutex,
}

/// In which widths the words of a page are accessed. No place is ever accessed in two, so a page
/// that somebody has mapped keeps its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageClass {
    /// 32 bits everywhere.
    Words,
    /// 32 bits in front and 64 behind.
    Split,
}

impl PageKind {
    /// Its class.
    #[must_use]
    pub const fn class(self) -> PageClass {
        match self {
            Self::StreamSender | Self::StreamReceiver | Self::KeyedMutex => PageClass::Words,
            Self::Fence { .. } | Self::Event { .. } => PageClass::Split,
        }
    }
}

/// Whether who takes a seat at a fence counts as one who signals it from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signaller {
    /// Its maker.
    Yes,
    /// Everybody else, until he signals.
    No,
}

/// How a client left a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    /// It dropped its last opening.
    Released,
    /// Its process ended, or its connection did.
    Died,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamEnd {
    /// Its sender closed it.
    Ended,
    /// Its sender died.
    Lost,
}

/// One thing to do, in order, after the model changed. Descriptors and mappings are the broker's;
/// here they are ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Bind a spare page to this id, formatted as this kind.
    MakePage {
        /// Its new id.
        page: PageId,
        /// How to format it.
        kind: PageKind,
    },
    /// Format a page anew that its client kept. The client has it mapped and may write it at any
    /// moment: nothing that is in it is believed.
    ReformatPage {
        /// The page.
        page: PageId,
        /// How to format it.
        kind: PageKind,
    },
    /// Its one writer has mapped it: nobody else may write it from now on.
    SealPage {
        /// The page.
        page: PageId,
    },
    /// The writer of this receiver page is gone: stamp it.
    StampGone {
        /// The receiver's page.
        page: PageId,
    },
    /// The writer of this sender page is gone: stamp it and wake whoever waits on it.
    EndSender {
        /// The sender's page.
        page: PageId,
        /// How.
        end: StreamEnd,
    },
    /// Tell the sender, through its page, to look at what changed.
    BumpEvents {
        /// The sender's page.
        page: PageId,
    },
    /// A client that may write the page has come: clear what the last holder of its seat left.
    TakeSeat {
        /// The page.
        page: PageId,
        /// Its number at this page.
        seat: u32,
        /// Whether it signals from the start.
        signaller: Signaller,
    },
    /// It has gone: free what it held in the page and wake whoever waits for it.
    LeaveSeat {
        /// The page.
        page: PageId,
        /// Its number at this page.
        seat: u32,
        /// How it went.
        leaving: Leaving,
    },
    /// An opening of a surface with a keyed mutex has gone: abandon what it owned, and wake whoever
    /// waits.
    LeaveOwner {
        /// The page.
        page: PageId,
        /// Its number at the keyed mutex.
        owner: u32,
    },
    /// So many openings now wait on this page that cannot write it.
    SetReaders {
        /// The page.
        page: PageId,
        /// How many.
        count: u32,
    },
    /// Unmap the page and close its descriptors.
    DropPage {
        /// The page.
        page: PageId,
    },
    /// Bind a spare pipe to this id; its read end goes into the reply.
    MakeHandle {
        /// Its new id.
        handle: HandleId,
    },
    /// Close the kept end.
    DropHandle {
        /// The handle.
        handle: HandleId,
    },
    /// Keep the memory that came with the request under this id.
    KeepPayload {
        /// Its new id.
        payload: PayloadId,
    },
    /// Close the memory.
    DropPayload {
        /// The memory.
        payload: PayloadId,
    },
    /// Watch the process that came with the request until it ends: handles wait for it. It may be
    /// one that is watched.
    KeepProcess {
        /// The process.
        process: ProcessId,
    },
    /// Nothing is known of what was delivered to it: forget it.
    DropProcess {
        /// The process.
        process: ProcessId,
    },
    /// Send an event.
    Notify {
        /// To whom.
        client: ClientId,
        /// What.
        event: Event,
    },
}

/// What a client is told without having asked at that moment. Each is told once per request for
/// it, so a client that does not read cannot make the broker store more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A watched name is there now.
    NameBound {
        /// The number that the client gave its watch.
        watch: u32,
    },
    /// Something a listing shows has changed.
    Changed {
        /// The number that the client gave its watch.
        watch: u32,
    },
    /// The stream has room for the receiver that asked.
    Room {
        /// The receiver's opening.
        opening: OpeningId,
    },
}
