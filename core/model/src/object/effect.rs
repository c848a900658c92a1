//! What the broker has to do after a request was applied. Effects cannot fail.

use super::id::{ClientId, HandleId, OpeningId, PageId, PayloadId};

/// Whose words a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageKind {
    /// A stream's page: written by its sender.
    StreamSender,
    /// A receiver's page: written by that receiver.
    StreamReceiver,
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
