//! Random steps. A step says whom and what it means by small numbers, which are resolved against
//! what is there when its turn comes, so that shrinking a sequence leaves the rest meaningful.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{
    Came, GenerationLayout, HandleForm, HandleId, Kind, OpeningId, PageId, PictureFacts, RawName,
    ReceivedPayload, Request, Writers,
};
use proptest::prelude::*;

use crate::facts::Facts;
use crate::{kinds, tables};

/// A number that nobody is given.
const NO_TICKET: u32 = 0x3FFF_FFFC;

/// Chooses one of however many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick(u8);

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Arrive { uid: u32 },
    Gone { client: Pick },
    HandlesGone { handles: Vec<Pick> },
    ProcessGone { process: u8 },
    Ask { client: Pick, ask: Ask, stray: Option<Came> },
}

#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Create { spec: usize, memory: Memory, name: Option<&'static str>, access: u32, extra: Extra },
    StreamCreate { name: Option<&'static str>, access: u32, form: HandleForm },
    DropHandle { handle: Pick },
    Open { kind: WhichKind, name: &'static str, access: u32, known: Offer },
    OpenHandle { kind: WhichKind, name: &'static str, access: u32 },
    OpenPresented { handle: Pick, kind: WhichKind },
    Duplicate { handle: Pick, access: u32 },
    QueryPresented { handle: Pick },
    Deliver { handle: Pick, process: u8, access: u32 },
    Redeem { ticket: Pick, stranger: Option<u8> },
    Fetch { ticket: Pick, stranger: Option<u8>, access: u32 },
    Openings { opening: Pick, skip: u32 },
    Share { opening: Pick, name: Option<&'static str>, access: u32, form: HandleForm },
    Drop { opening: Pick },
    Mapped { opening: Pick },
    WatchName { name: &'static str, watch: u32 },
    WatchAll { watch: u32 },
    Unwatch { watch: u32 },
    List { after: u64 },
    Query { opening: Pick },
    Join { opening: Pick },
    Generation { opening: Pick },
    Publish { opening: Pick, next: Number, slots: u32, table: u64, slot: u64, memory: Memory },
    Stock { opening: Pick },
    Inspect { opening: Pick, skip: u32 },
}

/// How a handle is to be held, and which page is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra {
    form: HandleForm,
    offer: Offer,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Offer {
    None,
    /// One that is kept for somebody, mostly for who asks.
    Spare(Pick),
    /// Any there is.
    Any(Pick),
}

/// Whose opening is meant.
#[derive(Clone, Copy, Debug)]
enum Of {
    Sender,
    Anybody,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Next,
    Given(u32),
}

/// The kind that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WhichKind {
    /// That of the object.
    Right,
    Given(Kind),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Memory {
    Missing,
    /// Of somebody else's choice who may write it.
    WrongWriters,
    Exact,
    OneByteShort,
    Bytes(u64),
}

impl Pick {
    /// One of `items`; one pick in sixteen, and every pick of nothing, is of none.
    pub(crate) fn of<T: Copy>(self, items: &[T]) -> Option<T> {
        let index = usize::from(self.0 / 16);
        if self.0 % 16 == 15 || items.is_empty() {
            None
        } else {
            items.get(index % items.len()).copied()
        }
    }
}

impl Ask {
    /// Who asks, the request, and what comes with it.
    pub(crate) fn resolve(&self, facts: &Facts, client: Pick) -> (u64, Request, Came) {
        let clients: Vec<u64> = facts.clients.iter().map(|client| client.id).collect();
        let anybody = client.of(&clients).unwrap_or(0);
        let Some((pick, of)) = self.opening() else {
            let handle = self.handle(facts);
            let mut request = self.request(OpeningId(0), self.kind(facts, anybody, handle));
            if let (Self::Create { extra, .. }, Request::Create { spare, .. }) =
                (self, &mut request)
            {
                *spare = extra.offer.resolve(facts, anybody);
            }
            if let (Self::Open { known: offer, .. }, Request::Open { known, .. }) =
                (self, &mut request)
            {
                *known = offer.resolve(facts, anybody);
            }
            if let (Self::DropHandle { handle }, Request::DropHandle { handle: dropped }) =
                (self, &mut request)
            {
                let (owner, number) = held(facts, *handle, anybody);
                *dropped = HandleId(number);
                // Now and then somebody else drops one that is not its own.
                let caller = if client.0 % 16 == 14 { anybody } else { owner };
                return (caller, request, Came::Nothing);
            }
            let came = match (self, &mut request) {
                (Self::Create { memory, .. }, Request::Create { spec, .. }) => {
                    let known = kinds::specs().into_iter().find(|(known, _)| known == spec);
                    let needs = known.and_then(|(_, needs)| needs).unwrap_or_default();
                    memory.resolve(needs, kinds::memory(spec))
                }
                (Self::Deliver { process, .. }, _) => {
                    let handle = HandleId(handle.unwrap_or_default());
                    Came::HandleAndProcess(handle, tables::process(*process))
                }
                (
                    Self::Redeem { ticket: pick, stranger }
                    | Self::Fetch { ticket: pick, stranger, .. },
                    Request::Redeem { ticket } | Request::Fetch { ticket, .. },
                ) => {
                    let (own, number) = pick.of(&facts.tickets()).unwrap_or((1, NO_TICKET));
                    *ticket = number;
                    let own = u8::try_from(own - 1).unwrap_or_default();
                    Came::Process(tables::process(stranger.unwrap_or(own)))
                }
                _ => handle.map_or(Came::Nothing, |handle| Came::Handle(HandleId(handle))),
            };
            return (anybody, request, came);
        };
        let mut known: Vec<(u64, u32)> = match of {
            Of::Sender => facts.streams.iter().map(|stream| stream.sender).collect(),
            Of::Anybody => facts.openings.iter().map(|o| (o.client, o.number)).collect(),
        };
        known.retain(|key| facts.openings.iter().any(|o| (o.client, o.number) == *key));
        let (owner, number) = pick.of(&known).unwrap_or((anybody, 99));
        // Now and then somebody else asks for an opening that is not its own.
        let caller = if client.0 % 16 == 14 { anybody } else { owner };
        let mut request = self.request(OpeningId(number), Kind::Stream);
        let mut came = Came::Nothing;
        if let (Self::Publish { next, memory, .. }, Request::StreamPublish { layout, .. }) =
            (self, &mut request)
        {
            layout.number = next.resolve(facts, (owner, number));
            let needs = u64::from(layout.slots)
                .saturating_mul(layout.slot_bytes)
                .saturating_add(layout.table_bytes);
            came = memory.resolve(needs, Some(Writers::One));
        }
        (caller, request, came)
    }

    /// The handle that comes along.
    fn handle(&self, facts: &Facts) -> Option<u64> {
        let (Self::OpenPresented { handle, .. }
        | Self::Duplicate { handle, .. }
        | Self::Deliver { handle, .. }
        | Self::QueryPresented { handle }) = self
        else {
            return None;
        };
        let there: Vec<u64> = facts.handles.iter().map(|handle| handle.id).collect();
        Some(handle.of(&there).unwrap_or(999_999))
    }

    fn kind(&self, facts: &Facts, client: u64, handle: Option<u64>) -> Kind {
        let (Self::Open { kind, .. }
        | Self::OpenHandle { kind, .. }
        | Self::OpenPresented { kind, .. }) = self
        else {
            return Kind::Stream;
        };
        let (Self::Open { name, .. } | Self::OpenHandle { name, .. }) = self else {
            return kind.resolve(handle.and_then(|handle| facts.kind_shown(handle)));
        };
        kind.resolve(facts.kind_named(client, name))
    }

    /// The opening that it is about, if it is about one.
    const fn opening(&self) -> Option<(Pick, Of)> {
        match self {
            Self::Create { .. }
            | Self::StreamCreate { .. }
            | Self::DropHandle { .. }
            | Self::Open { .. }
            | Self::OpenHandle { .. }
            | Self::OpenPresented { .. }
            | Self::Duplicate { .. }
            | Self::QueryPresented { .. }
            | Self::Deliver { .. }
            | Self::Redeem { .. }
            | Self::Fetch { .. }
            | Self::WatchName { .. }
            | Self::WatchAll { .. }
            | Self::Unwatch { .. }
            | Self::List { .. } => None,
            Self::Share { opening, .. }
            | Self::Drop { opening }
            | Self::Query { opening }
            | Self::Openings { opening, .. }
            | Self::Join { opening }
            | Self::Generation { opening }
            | Self::Inspect { opening, .. } => Some((*opening, Of::Anybody)),
            Self::Mapped { opening } | Self::Publish { opening, .. } | Self::Stock { opening } => {
                Some((*opening, if opening.0 % 4 == 0 { Of::Anybody } else { Of::Sender }))
            }
        }
    }

    fn request(&self, opening: OpeningId, kind: Kind) -> Request {
        let access = |bits: &u32| AccessMask::from_bits_retain(*bits);
        let given = |name: &Option<&'static str>| name.map(RawName::from);
        match self {
            Self::Create { spec, name, access: bits, extra, .. } => {
                let specs = kinds::specs();
                let (spec, _) = specs[spec % specs.len()];
                let (name, access, form) = (given(name), access(bits), extra.form);
                Request::Create { spec, name, access, form, spare: None }
            }
            Self::StreamCreate { name, access: bits, form } => {
                Request::StreamCreate { name: given(name), access: access(bits), form: *form }
            }
            Self::DropHandle { .. } => Request::DropHandle { handle: HandleId(0) },
            Self::OpenPresented { .. } => Request::OpenPresented { kind },
            Self::Duplicate { access: bits, .. } => Request::Duplicate { access: access(bits) },
            Self::QueryPresented { .. } => Request::QueryPresented,
            Self::Deliver { access: bits, .. } => Request::Deliver { access: access(bits) },
            Self::Redeem { .. } => Request::Redeem { ticket: NO_TICKET },
            Self::Fetch { access: bits, .. } => {
                Request::Fetch { ticket: NO_TICKET, access: access(bits) }
            }
            Self::Openings { skip, .. } => Request::Openings { opening, skip: *skip },
            Self::Open { name, access: bits, .. } => Request::Open {
                kind,
                name: RawName::from(*name),
                access: access(bits),
                known: None,
            },
            Self::OpenHandle { name, access: bits, .. } => {
                Request::OpenHandle { kind, name: RawName::from(*name), access: access(bits) }
            }
            Self::Share { name, access: bits, form, .. } => {
                let (name, access, form) = (given(name), access(bits), *form);
                Request::Share { opening, name, access, form }
            }
            Self::Drop { .. } => Request::Drop { opening },
            Self::Mapped { .. } => Request::Mapped { opening },
            Self::WatchName { name, watch } => {
                Request::WatchName { name: RawName::from(*name), watch: *watch }
            }
            Self::WatchAll { watch } => Request::WatchAll { watch: *watch },
            Self::Unwatch { watch } => Request::Unwatch { watch: *watch },
            Self::List { after } => Request::List { after: *after },
            Self::Query { .. } => Request::Query { opening },
            Self::Join { .. } => Request::StreamJoin { opening },
            Self::Generation { .. } => Request::StreamGeneration { opening },
            Self::Stock { .. } => Request::StreamStock { opening },
            Self::Inspect { skip, .. } => Request::StreamInspect { opening, skip: *skip },
            Self::Publish { slots, table, slot, .. } => {
                let (slots, table_bytes, slot_bytes) = (*slots, *table, *slot);
                let layout = GenerationLayout {
                    number: 1,
                    slots,
                    table_bytes,
                    slot_bytes,
                    picture: PictureFacts::default(),
                };
                Request::StreamPublish { opening, layout }
            }
        }
    }
}

/// A handle that is held, with its holder.
fn held(facts: &Facts, pick: Pick, anybody: u64) -> (u64, u64) {
    let held = facts.handles.iter().filter_map(|handle| Some((handle.holder?, handle.id)));
    let held: Vec<(u64, u64)> = held.collect();
    let piped = facts.piped().first().copied().unwrap_or(999_999);
    pick.of(&held).unwrap_or((anybody, piped))
}

impl Offer {
    fn resolve(self, facts: &Facts, client: u64) -> Option<PageId> {
        let (pick, pages): (Pick, Vec<u64>) = match self {
            Self::None => return None,
            Self::Spare(pick) => {
                let own = facts.spares.iter().filter(|spare| spare.client == client);
                (pick, own.map(|spare| spare.page).collect())
            }
            Self::Any(pick) => (pick, facts.pages.iter().map(|page| page.id).collect()),
        };
        Some(PageId(pick.of(&pages).unwrap_or(999_999)))
    }
}

impl Number {
    fn resolve(self, facts: &Facts, sender: (u64, u32)) -> u32 {
        let stream = facts.streams.iter().find(|stream| stream.sender == sender);
        match self {
            Self::Given(number) => number,
            Self::Next => stream.map_or(1, |stream| stream.generation + 1),
        }
    }
}

impl WhichKind {
    fn resolve(self, right: Option<Kind>) -> Kind {
        match self {
            Self::Right => right.unwrap_or(Kind::Surface),
            Self::Given(kind) => kind,
        }
    }
}

impl Memory {
    /// What comes along where `needs` bytes are needed that so many may write.
    fn resolve(self, needs: u64, writers: Option<Writers>) -> Came {
        let (Some(writers), memory) = (writers, self) else { return Came::Nothing };
        let other = match writers {
            Writers::One => Writers::Several,
            Writers::Several => Writers::One,
        };
        let (size_bytes, writers) = match memory {
            Self::Missing => return Came::Nothing,
            Self::WrongWriters => (needs, other),
            Self::Exact => (needs, writers),
            Self::OneByteShort => (needs.saturating_sub(1), writers),
            Self::Bytes(bytes) => (bytes, writers),
        };
        Came::Memory(ReceivedPayload { size_bytes, writers })
    }
}

fn pick() -> impl Strategy<Value = Pick> {
    any::<u8>().prop_map(Pick)
}

fn name() -> impl Strategy<Value = &'static str> {
    let any = 0..tables::NAMES.len();
    prop_oneof![9 => 0..3_usize, 3 => 0..tables::NAMES_VALID, 1 => any]
        .prop_map(|index| tables::NAMES[index])
}

fn access() -> impl Strategy<Value = u32> {
    let listed = prop_oneof![6 => 0..2_usize, 3 => 0..5_usize, 3 => 0..tables::MASKS.len()];
    let bits = prop::collection::vec(prop::sample::select(tables::BITS.to_vec()), 1..4);
    prop_oneof![
        12 => listed.prop_map(|index| tables::MASKS[index]),
        3 => bits.prop_map(|bits| bits.into_iter().fold(0, |mask, bit| mask | bit)),
        1 => any::<u32>(),
    ]
}

fn which_kind() -> impl Strategy<Value = WhichKind> {
    let given = prop::sample::select(Kind::ALL.to_vec());
    prop_oneof![15 => Just(WhichKind::Right), 1 => given.prop_map(WhichKind::Given)]
}

/// Memory that is what was asked for six times out of ten.
fn memory() -> impl Strategy<Value = Memory> {
    prop_oneof![
        7 => Just(Memory::Exact),
        1 => Just(Memory::Missing),
        1 => Just(Memory::WrongWriters),
        1 => Just(Memory::OneByteShort),
        1 => Just(Memory::Bytes(0)),
        2 => Just(Memory::Bytes(40 << 30)),
    ]
}

fn publish() -> impl Strategy<Value = Ask> {
    let number = prop_oneof![8 => Just(Number::Next), 1 => (0..4_u32).prop_map(Number::Given)];
    let slots = prop_oneof![8 => 1..5_u32, 1 => prop::sample::select(vec![0, 64, 65, u32::MAX])];
    let table = prop_oneof![8 => Just(4096), 1 => prop::sample::select(vec![0, u64::MAX])];
    let slot = prop_oneof![
        8 => Just(4096),
        1 => prop::sample::select(vec![0, 1, 1 << 30, (1 << 30) + 1, u64::MAX])
    ];
    (pick(), number, slots, table, slot, memory()).prop_map(
        |(opening, next, slots, table, slot, memory)| Ask::Publish {
            opening,
            next,
            slots,
            table,
            slot,
            memory,
        },
    )
}

fn skip() -> impl Strategy<Value = u32> {
    prop_oneof![0..3_u32, Just(u32::MAX)]
}

/// What nobody asked for.
fn stray() -> impl Strategy<Value = Came> {
    let memory = |writers| Came::Memory(ReceivedPayload { size_bytes: 4096, writers });
    prop_oneof![
        Just(Came::Nothing),
        Just(memory(Writers::One)),
        Just(memory(Writers::Several)),
        (0..6_u64).prop_map(|handle| Came::Handle(HandleId(handle))),
        (0..6_u8).prop_map(|process| Came::Process(tables::process(process))),
        (0..6_u64, 0..6_u8).prop_map(|(handle, process)| {
            Came::HandleAndProcess(HandleId(handle), tables::process(process))
        }),
    ]
}

fn form() -> impl Strategy<Value = HandleForm> {
    prop::sample::select(vec![HandleForm::Descriptor, HandleForm::Held])
}

fn extra() -> impl Strategy<Value = Extra> {
    let offer = prop_oneof![
        2 => Just(Offer::None),
        6 => pick().prop_map(Offer::Spare),
        1 => pick().prop_map(Offer::Any),
    ];
    (form(), offer).prop_map(|(form, offer)| Extra { form, offer })
}

fn known() -> impl Strategy<Value = Offer> {
    prop_oneof![2 => Just(Offer::None), 3 => pick().prop_map(Offer::Any)]
}

/// Another process than the one that something was delivered to.
fn stranger() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.1, any::<u8>())
}

fn ask() -> impl Strategy<Value = Ask> {
    let maybe_name = || prop::option::weighted(0.8, name());
    let watch = || 0..3_u32;
    let streams = prop_oneof![
        9 => pick().prop_map(|opening| Ask::Join { opening }),
        2 => pick().prop_map(|opening| Ask::Generation { opening }),
        6 => publish(),
        3 => pick().prop_map(|opening| Ask::Stock { opening }),
        2 => (pick(), skip()).prop_map(|(opening, skip)| Ask::Inspect { opening, skip }),
        7 => pick().prop_map(|opening| Ask::Mapped { opening }),
        6 => (maybe_name(), access(), form())
            .prop_map(|(name, access, form)| Ask::StreamCreate { name, access, form }),
    ];
    prop_oneof![
        30 => streams,
        18 => (any::<prop::sample::Index>(), memory(), maybe_name(), access(), extra()).prop_map(
            |(spec, memory, name, access, extra)| {
                let spec = spec.index(kinds::specs().len());
                Ask::Create { spec, memory, name, access, extra }
            }
        ),
        6 => pick().prop_map(|handle| Ask::DropHandle { handle }),
        14 => (which_kind(), name(), access(), known())
            .prop_map(|(kind, name, access, known)| Ask::Open { kind, name, access, known }),
        4 => (which_kind(), name(), access())
            .prop_map(|(kind, name, access)| Ask::OpenHandle { kind, name, access }),
        8 => (pick(), which_kind())
            .prop_map(|(handle, kind)| Ask::OpenPresented { handle, kind }),
        8 => (pick(), access()).prop_map(|(handle, access)| Ask::Duplicate { handle, access }),
        2 => pick().prop_map(|handle| Ask::QueryPresented { handle }),
        6 => (pick(), any::<u8>(), access())
            .prop_map(|(handle, process, access)| Ask::Deliver { handle, process, access }),
        4 => (pick(), stranger()).prop_map(|(ticket, stranger)| Ask::Redeem { ticket, stranger }),
        4 => (pick(), stranger(), access())
            .prop_map(|(ticket, stranger, access)| Ask::Fetch { ticket, stranger, access }),
        2 => (pick(), skip()).prop_map(|(opening, skip)| Ask::Openings { opening, skip }),
        4 => (pick(), maybe_name(), access(), form()).prop_map(
            |(opening, name, access, form)| Ask::Share { opening, name, access, form }
        ),
        9 => pick().prop_map(|opening| Ask::Drop { opening }),
        3 => (name(), watch()).prop_map(|(name, watch)| Ask::WatchName { name, watch }),
        3 => watch().prop_map(|watch| Ask::WatchAll { watch }),
        1 => watch().prop_map(|watch| Ask::Unwatch { watch }),
        1 => prop_oneof![0..4_u64, Just(u64::MAX)].prop_map(|after| Ask::List { after }),
        2 => pick().prop_map(|opening| Ask::Query { opening }),
    ]
}

/// One step.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let uid = prop::sample::select(tables::UIDS.to_vec());
    let stray = prop::option::weighted(0.02, stray());
    prop_oneof![
        2 => uid.prop_map(|uid| Step::Arrive { uid }),
        2 => pick().prop_map(|client| Step::Gone { client }),
        3 => prop::collection::vec(pick(), 1..3).prop_map(|handles| Step::HandlesGone { handles }),
        1 => (0..6_u8).prop_map(|process| Step::ProcessGone { process }),
        60 => (pick(), ask(), stray)
            .prop_map(|(client, ask, stray)| Step::Ask { client, ask, stray }),
    ]
}
