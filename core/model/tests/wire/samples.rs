//! At least one message of every kind, and one for every refusal: what the golden files hold.

use handfast_model::contract::access::AccessMask;
use handfast_model::contract::color::{Alpha, Color};
use handfast_model::contract::format::Format;
use handfast_model::contract::surface::{Dimension, SurfaceDesc, SurfaceFlags};
use handfast_model::object::reply::ReceiverFacts;
use handfast_model::object::{
    Cap, ClientId, Directory, Error, Event, Facts, GenerationLayout, HandleForm, HandleId,
    HeldFacts, Kind, ListEntry, ObjectId, ObjectName, OpeningFacts, OpeningId, PageId, Parts,
    PayloadId, PictureFacts, RawName, Reply, Request, Reset, Spec, StreamEnd, StreamFacts, View,
    Writers,
};
use handfast_model::security::Granted;
use handfast_model::wire::{
    BrokerMessage, ClientMessage, Health, Hello, Refused, Welcome, WireError,
};

/// A message of either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Client(ClientMessage),
    Broker(BrokerMessage),
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Client(message) => message.encode(),
            Self::Broker(message) => message.encode(),
        }
    }

    pub(crate) fn descriptors(&self) -> u16 {
        match self {
            Self::Client(message) => message.descriptors(),
            Self::Broker(message) => message.descriptors(),
        }
    }

    /// What the end that gets this message makes of these bytes.
    pub(crate) fn decode_as(&self, bytes: &[u8], came: usize) -> Result<Self, WireError> {
        match self {
            Self::Client(_) => ClientMessage::decode(bytes, came).map(Self::Client),
            Self::Broker(_) => BrokerMessage::decode(bytes, came).map(Self::Broker),
        }
    }
}

/// A message with the name of its golden file and what it is.
pub(crate) struct Sample {
    pub file: String,
    pub says: String,
    pub message: Message,
}

const KIND: Kind = Kind::Stream;
const TICKET: u32 = 0x2000_0004;
const OPENING: OpeningId = OpeningId(3);
const OBJECT: ObjectId = ObjectId { instance: 0x1122_3344_5566_7788, counter: 9 };
const LAYOUT: GenerationLayout = GenerationLayout {
    number: 2,
    slots: 3,
    table_bytes: 4096,
    slot_bytes: 0x0080_0000,
    picture: PICTURE,
};
const PICTURE: PictureFacts =
    PictureFacts { width: 1920, height: 1080, format: 3, color: 0x0100_0D01, alpha: 2 };
const FENCE: Spec = Spec::Fence { value: 0xFEDC_BA98_7654_3210 };
const SECTION: Spec = Spec::Section { size_bytes: 0x0001_2345, writers: Writers::Several };
const EVENT: Spec = Spec::Event { reset: Reset::Auto, signaled: false };

/// A surface of every number of sides, with one writer and with several.
fn surfaces() -> Vec<(&'static str, Spec)> {
    let mipped = SurfaceDesc {
        layers: 6,
        mips: 9,
        alpha: Alpha::Premultiplied,
        ..SurfaceDesc::texture_2d(256, 128, Format::Rgba8)
    };
    let keyed = SurfaceDesc {
        flags: SurfaceFlags::KEYED_MUTEX,
        color: Color::BT709_LIMITED,
        ..SurfaceDesc::texture_2d(1920, 1080, Format::Nv12)
    };
    let row = SurfaceDesc {
        dimension: Dimension::Texture1D,
        alpha: Alpha::Straight,
        ..SurfaceDesc::texture_2d(640, 1, Format::Bgra8Srgb)
    };
    let stack = SurfaceDesc {
        dimension: Dimension::Texture3D,
        depth: 3,
        ..SurfaceDesc::texture_2d(7, 5, Format::Rgba32f)
    };
    let surface = |desc, writers| Spec::Surface { desc, writers };
    vec![
        ("surface", surface(mipped, Writers::One)),
        ("surface-keyed", surface(keyed, Writers::Several)),
        ("surface-1d", surface(row, Writers::One)),
        ("surface-3d", surface(stack, Writers::Several)),
        ("buffer", surface(SurfaceDesc::buffer(0x0123_4567_89AB), Writers::Several)),
    ]
}

/// Every variant of what an object is made of.
fn specs() -> Vec<(&'static str, Spec)> {
    let event = |reset, signaled| Spec::Event { reset, signaled };
    let mut specs = surfaces();
    specs.extend([
        ("fence", FENCE),
        ("event-auto", EVENT),
        ("event-auto-set", event(Reset::Auto, true)),
        ("event-manual", event(Reset::Manual, false)),
        ("event-manual-set", event(Reset::Manual, true)),
        ("section", SECTION),
        ("section-exclusive", Spec::Section { size_bytes: 1 << 40, writers: Writers::One }),
    ]);
    specs
}

/// A creation of each.
fn creations() -> Vec<(String, String, Request)> {
    let create = |(file, spec): (&str, Spec)| {
        let name = (file != "buffer").then(|| RawName::from("Global\\thing"));
        let named = if name.is_some() { "Global\\thing" } else { "without a name" };
        let (access, form) = (AccessMask::GENERIC_ALL, HandleForm::Descriptor);
        let request = Request::Create { spec, name, access, form, spare: None };
        (format!("create-{file}"), format!("a {} {named}, all access", spec.kind()), request)
    };
    specs().into_iter().map(create).collect()
}

fn requests() -> Vec<(&'static str, &'static str, Request)> {
    let name = RawName::from;
    let access = AccessMask::GENERIC_READ;
    let all = AccessMask::GENERIC_ALL;
    let (opening, form) = (OPENING, HandleForm::Descriptor);
    vec![
        (
            "stream-create",
            "a stream named Global\\cam, all access",
            Request::StreamCreate { name: Some(name("Global\\cam")), access: all, form },
        ),
        (
            "stream-create-unnamed",
            "a stream without a name, all access",
            Request::StreamCreate { name: None, access: all, form },
        ),
        (
            "stream-create-odd-name",
            "a stream whose name has a NUL and half a surrogate pair",
            Request::StreamCreate { name: Some(RawName(vec![97, 0, 0xD800])), access: all, form },
        ),
        (
            "open",
            "cam, to read",
            Request::Open { kind: KIND, name: name("cam"), access, known: None },
        ),
        (
            "open-handle",
            "a handle on cam, to read",
            Request::OpenHandle { kind: KIND, name: name("cam"), access },
        ),
        (
            "share",
            "opening 3 as stage, to read",
            Request::Share { opening, name: Some(name("stage")), access, form },
        ),
        (
            "share-unnamed",
            "opening 3 without a name, to read",
            Request::Share { opening, name: None, access, form },
        ),
        ("drop", "opening 3", Request::Drop { opening }),
        ("mapped", "opening 3", Request::Mapped { opening }),
        ("watch-name", "cam, watch 5", Request::WatchName { name: name("cam"), watch: 5 }),
        ("watch-all", "watch 5", Request::WatchAll { watch: 5 }),
        ("unwatch", "watch 5", Request::Unwatch { watch: 5 }),
        ("list", "behind object 9", Request::List { after: 9 }),
        ("query", "opening 3", Request::Query { opening }),
        (
            "open-section",
            "a section named cam, to read",
            Request::Open { kind: Kind::Section, name: name("cam"), access, known: None },
        ),
        ("stream-join", "opening 3", Request::StreamJoin { opening }),
        ("stream-generation", "opening 3", Request::StreamGeneration { opening }),
        (
            "stream-publish",
            "opening 3, generation 2 of 3 slots of 8 MiB behind 4 KiB",
            Request::StreamPublish { opening, layout: LAYOUT },
        ),
        ("stream-stock", "opening 3", Request::StreamStock { opening }),
        (
            "stream-inspect",
            "opening 3, behind 64 receivers",
            Request::StreamInspect { opening, skip: 64 },
        ),
    ]
}

/// Handles that are numbers, and a page that the client has.
fn held_requests() -> Vec<(&'static str, &'static str, Request)> {
    let (opening, access, form) = (OPENING, AccessMask::GENERIC_ALL, HandleForm::Held);
    let name = || Some(RawName::from("Global\\thing"));
    vec![
        (
            "open-known",
            "Global\\thing, all access, whose page may be page 13",
            Request::Open {
                kind: KIND,
                name: RawName::from("Global\\thing"),
                access,
                known: Some(PageId(13)),
            },
        ),
        (
            "create-event-held",
            "an event named Global\\thing, all access, its handle a number",
            Request::Create { spec: EVENT, name: name(), access, form, spare: None },
        ),
        (
            "create-fence-spare-held",
            "a fence named Global\\thing, all access, its handle a number, page 20 is there",
            Request::Create { spec: FENCE, name: name(), access, form, spare: Some(PageId(20)) },
        ),
        (
            "stream-create-held",
            "a stream named Global\\thing, all access, its handle a number",
            Request::StreamCreate { name: name(), access, form },
        ),
        (
            "share-held",
            "opening 3 as Global\\thing, all access, its handle a number",
            Request::Share { opening, name: name(), access, form },
        ),
        ("drop-handle", "handle 12", Request::DropHandle { handle: HandleId(12) }),
    ]
}

fn presented_requests() -> Vec<(&'static str, &'static str, Request)> {
    let access = AccessMask::GENERIC_READ;
    vec![
        (
            "open-presented",
            "the handle that comes along, a fence",
            Request::OpenPresented { kind: Kind::Fence },
        ),
        ("duplicate", "the handle that comes along, to read", Request::Duplicate { access }),
        (
            "duplicate-same",
            "the handle that comes along, as it is",
            Request::Duplicate { access: AccessMask::empty() },
        ),
        ("query-presented", "the handle that comes along", Request::QueryPresented),
        (
            "deliver",
            "the handle that comes along, to the process behind it, to read",
            Request::Deliver { access },
        ),
        ("redeem", "ticket 0x20000004", Request::Redeem { ticket: TICKET }),
        (
            "fetch",
            "ticket 0x20000004 of the process that comes along, to read",
            Request::Fetch { ticket: TICKET, access },
        ),
        ("openings", "opening 3, behind 64", Request::Openings { opening: OPENING, skip: 64 }),
    ]
}

fn entry() -> ListEntry {
    let leaf = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
    let local = Directory::Local { uid: 1000 };
    ListEntry {
        object: OBJECT,
        names: vec![
            ObjectName::from_parts(local, &leaf("cam")).unwrap(),
            ObjectName::from_parts(Directory::Global, &leaf("stage")).unwrap(),
        ],
        pid: 4321,
        uid: 1000,
        made_ns: 1_700_000_000_000_000_000,
        handles: 2,
        openings: 5,
        facts: Facts::Stream(StreamFacts {
            sender_pid: Some(4321),
            end: None,
            generation: 2,
            receivers: 4,
            payload_bytes: 0x0180_1000,
            picture: PICTURE,
        }),
    }
}

fn replies() -> Vec<(&'static str, &'static str, Reply)> {
    let granted = Granted::from_stored(0x0002_0005);
    let (descriptor, held) = (HandleForm::Descriptor, HandleForm::Held);
    let lost = ListEntry {
        names: vec![],
        facts: Facts::Stream(StreamFacts {
            sender_pid: None,
            end: Some(StreamEnd::Lost),
            generation: 2,
            receivers: 0,
            payload_bytes: 0,
            picture: PICTURE,
        }),
        ..entry()
    };
    let mut replies = vec![
        ("done", "nothing to say", Reply::Done),
        (
            "handle",
            "handle 12 of object 9, to read",
            Reply::Handle { object: OBJECT, handle: HandleId(12), form: descriptor, granted },
        ),
        (
            "handle-held",
            "handle 12 of object 9, a number, to read",
            Reply::Handle { object: OBJECT, handle: HandleId(12), form: held, granted },
        ),
        ("delivered", "as ticket 0x20000004", Reply::Delivered { ticket: TICKET }),
        (
            "taken",
            "handle 12 of object 9, a fence, to read",
            Reply::Taken { object: OBJECT, kind: Kind::Fence, handle: HandleId(12), granted },
        ),
        ("watching", "the name is there", Reply::Watching { bound: true }),
        (
            "listing",
            "a stream with two names, and there are more",
            Reply::Listing { entries: vec![entry()], more: true },
        ),
        ("facts", "a stream whose sender is lost", Reply::Facts(lost)),
    ];
    replies.extend(stream_replies(granted));
    replies.extend(made_replies(granted));
    replies
}

/// Facts of an object of each kind that is no stream.
fn made_facts() -> Vec<(String, String, Reply)> {
    let facts = |(file, spec): (&str, Spec)| {
        let entry = ListEntry { facts: Facts::Made(spec), ..entry() };
        (format!("facts-{file}"), format!("a {}", spec.kind()), Reply::Facts(entry))
    };
    specs().into_iter().map(facts).collect()
}

fn made_replies(granted: Granted) -> Vec<(&'static str, &'static str, Reply)> {
    let (object, opening, handle) = (OBJECT, OPENING, HandleId(12));
    let formed = |form, parts| Reply::Created { object, opening, handle, form, granted, parts };
    let created = |parts| formed(HandleForm::Descriptor, parts);
    let held = |parts| formed(HandleForm::Held, parts);
    let opened = |spec, parts| Reply::Opened { object, opening, granted, spec, parts };
    let page = |view| Some((PageId(20), view));
    let payload = |view| Some((PayloadId(6), view));
    let none = Parts::default();
    let keyed = Parts { seat: 4, owner: 5, page: page(View::Writable), ..none };
    let spare = Parts { page: None, spare: Some(PageId(20)), ..keyed };
    let all = Parts { payload: payload(View::Writable), ..keyed };
    let watching = Parts { page: page(View::ReadOnly), ..none };
    let reading = Parts { payload: payload(View::ReadOnly), ..none };
    let (_, surface) = surfaces()[1];
    let openings = vec![
        OpeningFacts { pid: 4321, uid: 1000, granted, owner: 5 },
        OpeningFacts { pid: 4322, uid: 0, granted: Granted::from_stored(1), owner: 0 },
    ];
    let entry = ListEntry { facts: Facts::Made(SECTION), ..entry() };
    vec![
        ("created", "object 9, seat 4, owner 5, page 20", created(keyed)),
        ("created-plain", "object 9 without page", created(none)),
        ("created-held", "object 9, its handle a number, seat 4, owner 5, page 20", held(keyed)),
        ("created-spare", "object 9, its handle a number, page 20 is there", held(spare)),
        ("opened", "a surface with its keyed mutex, to write", opened(surface, all)),
        ("opened-to-wait", "a fence, to wait", opened(FENCE, watching)),
        ("opened-to-read", "a section, to read", opened(SECTION, reading)),
        ("opened-bare", "an event without its page", opened(EVENT, none)),
        ("handle-facts", "of a section", Reply::HandleFacts { granted, entry }),
        ("opening-list", "two openings and more", Reply::Openings { openings, more: true }),
    ]
}

fn stream_replies(granted: Granted) -> Vec<(&'static str, &'static str, Reply)> {
    let generation = Some((LAYOUT, PayloadId(6)));
    let opened = |sender, sender_pid| Reply::StreamOpened {
        object: OBJECT,
        opening: OPENING,
        granted,
        page: PageId(20),
        sender,
        sender_pid,
    };
    let created = |form, stock| Reply::StreamCreated {
        object: OBJECT,
        opening: OPENING,
        handle: HandleId(12),
        form,
        page: PageId(20),
        stock,
    };
    let two = vec![PageId(21), PageId(22)];
    let receivers = vec![
        ReceiverFacts { pid: 4322, page: PageId(21) },
        ReceiverFacts { pid: 4323, page: PageId(22) },
    ];
    let stock = vec![PageId(23)];
    vec![
        (
            "stream-created",
            "object 9 with two receiver pages",
            created(HandleForm::Descriptor, two),
        ),
        (
            "stream-created-held",
            "object 9 without receiver pages, its handle a number",
            created(HandleForm::Held, vec![]),
        ),
        ("stream-opened", "object 9, its sender is client 7", opened(Some(ClientId(7)), 4321)),
        ("stream-opened-over", "object 9, its sender is gone", opened(None, 0)),
        (
            "stream-joined",
            "page 21, generation 2",
            Reply::StreamJoined { page: PageId(21), generation },
        ),
        (
            "stream-joined-early",
            "page 21, no generation yet",
            Reply::StreamJoined { page: PageId(21), generation: None },
        ),
        ("stream-full", "the sender has to look first", Reply::StreamFull),
        ("present-generation", "generation 2", Reply::StreamGeneration(generation)),
        ("stock", "one more receiver page", Reply::StreamStock { stock }),
        (
            "stream-receivers",
            "two receivers and no more",
            Reply::StreamReceivers { receivers, more: false },
        ),
    ]
}

/// One refusal of every kind.
pub(crate) fn errors() -> Vec<(String, Error)> {
    let opening = OPENING;
    let wanted = AccessMask::GENERIC_ALL;
    let granted = AccessMask::STREAM_RECEIVE;
    let errors = vec![
        Error::NameEmpty,
        Error::NameTooLong { units: 261, limit: 260 },
        Error::NameBackslash { position: 7 },
        Error::NameReserved,
        Error::NameTaken { pid: 4321, uid: 1000, made_ns: 1 << 60, kind: KIND },
        Error::NameNotFound,
        Error::KindMismatch { wanted: Kind::Surface, found: Kind::Event },
        Error::AccessDenied { wanted, granted, owner_uid: 1001, kind: Kind::Section },
        Error::AccessInvalid { wanted: AccessMask::from_bits_retain(0x8000) },
        Error::OpeningUnknown { opening },
        Error::NotTheSender { opening },
        Error::JoinedAlready { opening },
        Error::StreamOver,
        Error::GenerationOutOfOrder { expected: 2, given: 4 },
        Error::PayloadTooSmall { needs_bytes: 8192, has_bytes: 4096 },
        Error::PayloadMissing,
        Error::HandleUnknown,
        Error::SpecInvalid { kind: Kind::Surface },
        Error::HandleNotHeld { handle: HandleId(12) },
        Error::TicketUnknown { ticket: TICKET },
        Error::ProcessUnknown,
        Error::ProcessDenied { uid: 1001 },
    ];
    let mut all: Vec<_> =
        errors.into_iter().map(|error| (file_of(&error).to_owned(), error)).collect();
    for cap in Cap::ALL {
        let error = Error::CapReached { cap, limit: 4096 };
        all.push((format!("{}-{}", file_of(&error), file_of_cap(cap)), error));
    }
    all
}

const fn file_of_cap(cap: Cap) -> &'static str {
    match cap {
        Cap::Clients => "clients",
        Cap::ClientsOfUser => "clients-of-user",
        Cap::Openings => "openings",
        Cap::Handles => "handles",
        Cap::HandlesOfShare => "handles-of-share",
        Cap::Shares => "shares",
        Cap::Tickets => "tickets",
        Cap::Objects => "objects",
        Cap::Watches => "watches",
        Cap::Receivers => "receivers",
        Cap::Seats => "seats",
        Cap::Slots => "slots",
        Cap::SlotBytes => "slot-bytes",
        Cap::PayloadBytes => "payload-bytes",
        Cap::BrokerResources => "broker-resources",
    }
}

/// The golden file of a refusal. A new variant needs a line here and one in [`errors`].
const fn file_of(error: &Error) -> &'static str {
    match error {
        Error::NameEmpty => "failed-name-empty",
        Error::NameTooLong { .. } => "failed-name-too-long",
        Error::NameBackslash { .. } => "failed-name-backslash",
        Error::NameReserved => "failed-name-reserved",
        Error::NameTaken { .. } => "failed-name-taken",
        Error::NameNotFound => "failed-name-not-found",
        Error::KindMismatch { .. } => "failed-kind-mismatch",
        Error::AccessDenied { .. } => "failed-access-denied",
        Error::AccessInvalid { .. } => "failed-access-invalid",
        Error::OpeningUnknown { .. } => "failed-opening-unknown",
        Error::NotTheSender { .. } => "failed-not-the-sender",
        Error::JoinedAlready { .. } => "failed-joined-already",
        Error::StreamOver => "failed-stream-over",
        Error::GenerationOutOfOrder { .. } => "failed-generation-out-of-order",
        Error::PayloadTooSmall { .. } => "failed-payload-too-small",
        Error::PayloadMissing => "failed-payload-missing",
        Error::HandleUnknown => "failed-handle-unknown",
        Error::SpecInvalid { .. } => "failed-spec-invalid",
        Error::HandleNotHeld { .. } => "failed-handle-not-held",
        Error::TicketUnknown { .. } => "failed-ticket-unknown",
        Error::ProcessUnknown => "failed-process-unknown",
        Error::ProcessDenied { .. } => "failed-process-denied",
        Error::CapReached { .. } => "failed-cap",
    }
}

fn greetings() -> Vec<(&'static str, &'static str, BrokerMessage)> {
    let welcome = Welcome {
        version: 3,
        instance: OBJECT.instance,
        pid: 4000,
        uid: 1000,
        started_ns: 1_700_000_000_000_000_000,
    };
    let refused = BrokerMessage::Refused;
    let version = Refused::Version { oldest: 3, newest: 3 };
    let cap = Refused::Cap { cap: Cap::ClientsOfUser, limit: 2048 };
    let event = BrokerMessage::Event;
    vec![
        ("welcome", "version 3", BrokerMessage::Welcome(welcome)),
        ("refused-version", "the broker speaks version 3 only", refused(version)),
        ("refused-cap", "2048 connections of this user are there", refused(cap)),
        (
            "refused-user",
            "user 1001 at the broker of user 1000",
            refused(Refused::User { uid: 1001, broker_uid: 1000 }),
        ),
        (
            "health-facts",
            "answer to 5",
            BrokerMessage::Health {
                number: 5,
                health: Health {
                    clients: 3,
                    objects: 2,
                    pages: 34,
                    descriptors: 90,
                    shared_bytes: 0x0123_4567,
                },
            },
        ),
        ("event-name-bound", "watch 5", event(Event::NameBound { watch: 5 })),
        ("event-changed", "watch 5", event(Event::Changed { watch: 5 })),
        ("event-room", "opening 3", event(Event::Room { opening: OPENING })),
        (
            "handle-inodes",
            "answer to 5: two pipes, and one that process 4321 holds",
            BrokerMessage::Handles {
                number: 5,
                inodes: vec![0x0012_3456, u64::MAX],
                held: vec![HeldFacts {
                    pid: 4321,
                    uid: 1000,
                    granted: Granted::from_stored(0x001F_0003),
                }],
            },
        ),
        ("mailbox-made", "answer to 5", BrokerMessage::Mailbox { number: 5 }),
    ]
}

/// Every golden message.
pub(crate) fn samples() -> Vec<Sample> {
    let sample = |file: &str, says: &str, message| Sample {
        file: format!("{file}.hex"),
        says: says.to_owned(),
        message,
    };
    let number = 77;
    let health = Message::Client(ClientMessage::Health { number: 5 });
    let hello = Message::Client(ClientMessage::Hello(Hello { oldest: 3, newest: 3 }));
    let handles = Message::Client(ClientMessage::Handles { number: 5, opening: OPENING });
    let mut samples = vec![
        sample("hello", "a client that speaks version 3", hello),
        sample("health", "question 5", health),
        sample("handles", "question 5, opening 3", handles),
        sample("mailbox", "question 5", Message::Client(ClientMessage::Mailbox { number: 5 })),
    ];
    for (file, says, request) in creations() {
        let message = Message::Client(ClientMessage::Request { number, request });
        samples.push(sample(&file, &format!("request {number}: {says}"), message));
    }
    for (file, says, reply) in made_facts() {
        let message = Message::Broker(BrokerMessage::Reply { number, reply });
        samples.push(sample(&file, &format!("answer to {number}: {says}"), message));
    }
    for (file, says, request) in
        requests().into_iter().chain(held_requests()).chain(presented_requests())
    {
        let message = Message::Client(ClientMessage::Request { number, request });
        samples.push(sample(file, &format!("request {number}: {says}"), message));
    }
    for (file, says, message) in greetings() {
        samples.push(sample(file, says, Message::Broker(message)));
    }
    for (file, says, reply) in replies() {
        let message = Message::Broker(BrokerMessage::Reply { number, reply });
        samples.push(sample(file, &format!("answer to {number}: {says}"), message));
    }
    for (file, error) in errors() {
        let message = Message::Broker(BrokerMessage::Failed { number, error });
        samples.push(sample(&file, &format!("answer to {number}: {error}"), message));
    }
    samples
}
