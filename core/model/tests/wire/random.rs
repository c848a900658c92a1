//! Random messages: every value that a message can hold.

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
use handfast_model::wire::{BrokerMessage, ClientMessage, Health, Hello, Refused, Welcome};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::samples::Message;

fn raw_name() -> impl Strategy<Value = RawName> {
    vec(any::<u16>(), 0..300).prop_map(RawName)
}

fn access() -> impl Strategy<Value = AccessMask> {
    any::<u32>().prop_map(AccessMask::from_bits_retain)
}

fn granted() -> impl Strategy<Value = Granted> {
    any::<u32>().prop_map(Granted::from_stored)
}

fn opening() -> impl Strategy<Value = OpeningId> {
    any::<u32>().prop_map(OpeningId)
}

fn page() -> impl Strategy<Value = PageId> {
    any::<u64>().prop_map(PageId)
}

/// One that is there: 0 is none.
fn numbered_page() -> impl Strategy<Value = PageId> {
    (1..=u64::MAX).prop_map(PageId)
}

fn form() -> impl Strategy<Value = HandleForm> {
    select(vec![HandleForm::Descriptor, HandleForm::Held])
}

fn held() -> impl Strategy<Value = HeldFacts> {
    (any::<(i32, u32)>(), granted()).prop_map(|((pid, uid), granted)| HeldFacts {
        pid,
        uid,
        granted,
    })
}

fn pages() -> impl Strategy<Value = Vec<PageId>> {
    vec(page(), 0..20)
}

fn picture() -> impl Strategy<Value = PictureFacts> {
    any::<(u32, u32, u32, u32, u8)>().prop_map(|(width, height, format, color, alpha)| {
        PictureFacts { width, height, format, color, alpha }
    })
}

fn layout() -> impl Strategy<Value = GenerationLayout> {
    (any::<(u32, u32, u64, u64)>(), picture()).prop_map(|(numbers, picture)| {
        let (number, slots, table_bytes, slot_bytes) = numbers;
        GenerationLayout { number, slots, table_bytes, slot_bytes, picture }
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    select(Kind::ALL.to_vec())
}

/// Any surface, also one that cannot be: sizes are not the wire's business.
fn surface() -> impl Strategy<Value = SurfaceDesc> {
    let dimension = select(vec![
        Dimension::Buffer,
        Dimension::Texture1D,
        Dimension::Texture2D,
        Dimension::Texture3D,
    ]);
    let color = any::<u32>().prop_map(|word| Color::from_word(word & 0x01FF_FFFF).unwrap());
    let flags = select(vec![SurfaceFlags::empty(), SurfaceFlags::KEYED_MUTEX]);
    let format = option::of(select(Format::ALL.to_vec()));
    let alpha = select(Alpha::ALL.to_vec());
    let sizes = any::<(u64, u32, u32, u32, u32)>();
    (dimension, sizes, format, color, alpha, flags).prop_map(
        |(dimension, (width, height, depth, layers, mips), format, color, alpha, flags)| {
            SurfaceDesc {
                dimension,
                width,
                height,
                depth,
                layers,
                mips,
                format,
                color,
                alpha,
                flags,
            }
        },
    )
}

fn spec() -> impl Strategy<Value = Spec> {
    let writers = || select(vec![Writers::One, Writers::Several]);
    let reset = select(vec![Reset::Manual, Reset::Auto]);
    prop_oneof![
        3 => (surface(), writers()).prop_map(|(desc, writers)| Spec::Surface { desc, writers }),
        1 => any::<u64>().prop_map(|value| Spec::Fence { value }),
        1 => (reset, any::<bool>()).prop_map(|(reset, signaled)| Spec::Event { reset, signaled }),
        1 => (any::<u64>(), writers())
            .prop_map(|(size_bytes, writers)| Spec::Section { size_bytes, writers }),
    ]
}

/// Requests of every kind of object.
fn made_request() -> impl Strategy<Value = Request> {
    let name = option::of(raw_name());
    prop_oneof![
        3 => (spec(), name, access(), form(), option::of(numbered_page())).prop_map(
            |(spec, name, access, form, spare)| Request::Create {
                spec,
                name,
                access,
                form,
                spare
            }
        ),
        1 => any::<u64>().prop_map(|handle| Request::DropHandle { handle: HandleId(handle) }),
        1 => kind().prop_map(|kind| Request::OpenPresented { kind }),
        1 => access().prop_map(|access| Request::Duplicate { access }),
        1 => Just(Request::QueryPresented),
        1 => access().prop_map(|access| Request::Deliver { access }),
        1 => any::<u32>().prop_map(|ticket| Request::Redeem { ticket }),
        1 => (any::<u32>(), access())
            .prop_map(|(ticket, access)| Request::Fetch { ticket, access }),
        1 => (opening(), any::<u32>())
            .prop_map(|(opening, skip)| Request::Openings { opening, skip }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let named = || (kind(), raw_name(), access());
    let maybe = || option::of(raw_name());
    let number = any::<u32>;
    prop_oneof![
        6 => made_request(),
        1 => (maybe(), access(), form())
            .prop_map(|(name, access, form)| Request::StreamCreate { name, access, form }),
        1 => (named(), any::<Option<u64>>()).prop_map(|((kind, name, access), known)| {
            let known = known.filter(|page| *page != 0).map(PageId);
            Request::Open { kind, name, access, known }
        }),
        1 => named().prop_map(|(kind, name, access)| Request::OpenHandle { kind, name, access }),
        1 => (opening(), maybe(), access(), form()).prop_map(
            |(opening, name, access, form)| Request::Share { opening, name, access, form }
        ),
        1 => opening().prop_map(|opening| Request::Drop { opening }),
        1 => opening().prop_map(|opening| Request::Mapped { opening }),
        1 => (raw_name(), number()).prop_map(|(name, watch)| Request::WatchName { name, watch }),
        1 => number().prop_map(|watch| Request::WatchAll { watch }),
        1 => number().prop_map(|watch| Request::Unwatch { watch }),
        1 => any::<u64>().prop_map(|after| Request::List { after }),
        1 => opening().prop_map(|opening| Request::Query { opening }),
        1 => opening().prop_map(|opening| Request::StreamJoin { opening }),
        1 => opening().prop_map(|opening| Request::StreamGeneration { opening }),
        1 => (opening(), layout())
            .prop_map(|(opening, layout)| Request::StreamPublish { opening, layout }),
        1 => opening().prop_map(|opening| Request::StreamStock { opening }),
        1 => (opening(), number())
            .prop_map(|(opening, skip)| Request::StreamInspect { opening, skip }),
    ]
}

fn object() -> impl Strategy<Value = ObjectId> {
    any::<(u64, u64)>().prop_map(|(instance, counter)| ObjectId { instance, counter })
}

fn name() -> impl Strategy<Value = ObjectName> {
    let unit = any::<u16>().prop_map(|unit| if unit == u16::from(b'\\') { 0 } else { unit });
    (option::of(any::<u32>()), vec(unit, 1..=253)).prop_map(|(uid, leaf)| {
        let directory = uid.map_or(Directory::Global, |uid| Directory::Local { uid });
        ObjectName::from_parts(directory, &leaf).unwrap()
    })
}

fn end() -> impl Strategy<Value = Option<StreamEnd>> {
    option::of(select(vec![StreamEnd::Ended, StreamEnd::Lost]))
}

/// A process number; 0 is nobody's.
fn pid() -> impl Strategy<Value = i32> {
    any::<i32>().prop_map(|pid| if pid == 0 { 1 } else { pid })
}

fn stream_facts() -> impl Strategy<Value = StreamFacts> {
    let facts = (option::of(pid()), end(), any::<(u32, u32, u64)>(), picture());
    facts.prop_map(|(sender_pid, end, counts, picture)| {
        let (generation, receivers, payload_bytes) = counts;
        StreamFacts { sender_pid, end, generation, receivers, payload_bytes, picture }
    })
}

fn entry() -> impl Strategy<Value = ListEntry> {
    let who = any::<(i32, u32, u64, u32, u32)>();
    let facts = prop_oneof![stream_facts().prop_map(Facts::Stream), spec().prop_map(Facts::Made),];
    (object(), vec(name(), 0..4), who, facts).prop_map(
        |(object, names, (pid, uid, made_ns, handles, openings), facts)| ListEntry {
            object,
            names,
            pid,
            uid,
            made_ns,
            handles,
            openings,
            facts,
        },
    )
}

fn generation() -> impl Strategy<Value = Option<(GenerationLayout, PayloadId)>> {
    option::of((layout(), any::<u64>().prop_map(PayloadId)))
}

fn parts() -> impl Strategy<Value = Parts> {
    let view = || select(vec![View::Writable, View::ReadOnly]);
    let page = option::of((page(), view()));
    let payload = option::of((any::<u64>().prop_map(PayloadId), view()));
    let spare = option::of(self::page());
    (any::<(u32, u32)>(), page, spare, payload).prop_map(|((seat, owner), page, spare, payload)| {
        let page = page.filter(|_| spare.is_none());
        Parts { seat, owner, page, spare, payload }
    })
}

fn made_reply() -> impl Strategy<Value = Reply> {
    let handle = any::<u64>().prop_map(HandleId);
    let one = (any::<(i32, u32, u32)>(), granted())
        .prop_map(|((pid, uid, owner), granted)| OpeningFacts { pid, uid, granted, owner });
    prop_oneof![
        (object(), opening(), handle, form(), granted(), parts()).prop_map(
            |(object, opening, handle, form, granted, parts)| Reply::Created {
                object,
                opening,
                handle,
                form,
                granted,
                parts
            }
        ),
        (object(), opening(), granted(), spec(), parts()).prop_map(
            |(object, opening, granted, spec, parts)| Reply::Opened {
                object,
                opening,
                granted,
                spec,
                parts
            }
        ),
        any::<u32>().prop_map(|ticket| Reply::Delivered { ticket }),
        (object(), kind(), any::<u64>(), granted()).prop_map(|(object, kind, handle, granted)| {
            Reply::Taken { object, kind, handle: HandleId(handle), granted }
        }),
        (granted(), entry()).prop_map(|(granted, entry)| Reply::HandleFacts { granted, entry }),
        (vec(one, 0..64), any::<bool>())
            .prop_map(|(openings, more)| Reply::Openings { openings, more }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let handle = || any::<u64>().prop_map(HandleId);
    let sender = option::of((1..=u64::MAX).prop_map(ClientId));
    let receiver = (any::<i32>(), page()).prop_map(|(pid, page)| ReceiverFacts { pid, page });
    let stream = prop_oneof![
        (object(), opening(), handle(), form(), page(), pages()).prop_map(
            |(object, opening, handle, form, page, stock)| Reply::StreamCreated {
                object,
                opening,
                handle,
                form,
                page,
                stock
            }
        ),
        (object(), opening(), granted(), page(), sender, any::<i32>()).prop_map(
            |(object, opening, granted, page, sender, sender_pid)| Reply::StreamOpened {
                object,
                opening,
                granted,
                page,
                sender,
                sender_pid
            }
        ),
        (page(), generation())
            .prop_map(|(page, generation)| Reply::StreamJoined { page, generation }),
        Just(Reply::StreamFull),
        generation().prop_map(Reply::StreamGeneration),
        pages().prop_map(|stock| Reply::StreamStock { stock }),
        (vec(receiver, 0..64), any::<bool>())
            .prop_map(|(receivers, more)| Reply::StreamReceivers { receivers, more }),
    ];
    prop_oneof![
        1 => Just(Reply::Done),
        1 => (object(), handle(), form(), granted()).prop_map(
            |(object, handle, form, granted)| Reply::Handle { object, handle, form, granted }
        ),
        1 => any::<bool>().prop_map(|bound| Reply::Watching { bound }),
        2 => (vec(entry(), 0..5), any::<bool>())
            .prop_map(|(entries, more)| Reply::Listing { entries, more }),
        1 => entry().prop_map(Reply::Facts),
        8 => stream,
        8 => made_reply(),
    ]
}

fn cap() -> impl Strategy<Value = Cap> {
    select(Cap::ALL.to_vec())
}

/// Every refusal, with every fact that it can hold.
pub(crate) fn error() -> impl Strategy<Value = Error> {
    let length = any::<usize>;
    prop_oneof![
        select(vec![
            Error::NameEmpty,
            Error::NameReserved,
            Error::NameNotFound,
            Error::StreamOver,
            Error::PayloadMissing,
            Error::HandleUnknown,
            Error::ProcessUnknown,
        ]),
        (kind(), kind()).prop_map(|(wanted, found)| Error::KindMismatch { wanted, found }),
        kind().prop_map(|kind| Error::SpecInvalid { kind }),
        any::<u32>().prop_map(|ticket| Error::TicketUnknown { ticket }),
        any::<u32>().prop_map(|uid| Error::ProcessDenied { uid }),
        (length(), length()).prop_map(|(units, limit)| Error::NameTooLong { units, limit }),
        length().prop_map(|position| Error::NameBackslash { position }),
        (any::<(i32, u32, u64)>(), kind()).prop_map(|((pid, uid, made_ns), kind)| {
            Error::NameTaken { pid, uid, made_ns, kind }
        }),
        (access(), access(), any::<u32>(), kind()).prop_map(
            |(wanted, granted, owner_uid, kind)| Error::AccessDenied {
                wanted,
                granted,
                owner_uid,
                kind
            }
        ),
        access().prop_map(|wanted| Error::AccessInvalid { wanted }),
        opening().prop_map(|opening| Error::OpeningUnknown { opening }),
        opening().prop_map(|opening| Error::NotTheSender { opening }),
        any::<u64>().prop_map(|handle| Error::HandleNotHeld { handle: HandleId(handle) }),
        opening().prop_map(|opening| Error::JoinedAlready { opening }),
        any::<(u32, u32)>()
            .prop_map(|(expected, given)| Error::GenerationOutOfOrder { expected, given }),
        any::<(u64, u64)>()
            .prop_map(|(needs_bytes, has_bytes)| Error::PayloadTooSmall { needs_bytes, has_bytes }),
        (cap(), any::<u64>()).prop_map(|(cap, limit)| Error::CapReached { cap, limit }),
    ]
}

fn greeting() -> impl Strategy<Value = BrokerMessage> {
    let welcome =
        any::<(u16, u64, i32, u32, u64)>().prop_map(|(version, instance, pid, uid, started_ns)| {
            Welcome { version, instance, pid, uid, started_ns }
        });
    let refused = prop_oneof![
        any::<(u16, u16)>().prop_map(|(oldest, newest)| Refused::Version { oldest, newest }),
        (cap(), any::<u64>()).prop_map(|(cap, limit)| Refused::Cap { cap, limit }),
        any::<(u32, u32)>().prop_map(|(uid, broker_uid)| Refused::User { uid, broker_uid }),
    ];
    prop_oneof![welcome.prop_map(BrokerMessage::Welcome), refused.prop_map(BrokerMessage::Refused)]
}

/// Any message of either end.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    let hello = any::<(u16, u16)>()
        .prop_map(|(oldest, newest)| ClientMessage::Hello(Hello { oldest, newest }));
    let event = prop_oneof![
        any::<u32>().prop_map(|watch| Event::NameBound { watch }),
        any::<u32>().prop_map(|watch| Event::Changed { watch }),
        opening().prop_map(|opening| Event::Room { opening }),
    ];
    let number = any::<u32>;
    let health = any::<(u32, [u64; 5])>().prop_map(|(number, facts)| {
        let [clients, objects, pages, descriptors, shared_bytes] = facts;
        let health = Health { clients, objects, pages, descriptors, shared_bytes };
        BrokerMessage::Health { number, health }
    });
    prop_oneof![
        1 => hello.prop_map(Message::Client),
        12 => (number(), request()).prop_map(|(number, request)| {
            Message::Client(ClientMessage::Request { number, request })
        }),
        2 => greeting().prop_map(Message::Broker),
        10 => (number(), reply())
            .prop_map(|(number, reply)| Message::Broker(BrokerMessage::Reply { number, reply })),
        6 => (number(), error())
            .prop_map(|(number, error)| Message::Broker(BrokerMessage::Failed { number, error })),
        1 => number().prop_map(|number| Message::Client(ClientMessage::Health { number })),
        1 => health.prop_map(Message::Broker),
        1 => number().prop_map(|number| Message::Client(ClientMessage::Mailbox { number })),
        1 => number().prop_map(|number| Message::Broker(BrokerMessage::Mailbox { number })),
        1 => (number(), opening()).prop_map(|(number, opening)| {
            Message::Client(ClientMessage::Handles { number, opening })
        }),
        1 => (number(), vec(any::<u64>(), 0..80), vec(held(), 0..80)).prop_map(
            |(number, inodes, held)| {
                Message::Broker(BrokerMessage::Handles { number, inodes, held })
            }
        ),
        2 => event.prop_map(|event| Message::Broker(BrokerMessage::Event(event))),
    ]
}
