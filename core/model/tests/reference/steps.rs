//! Random steps. A step says whom and what it means by small numbers, which are resolved against
//! what is there when its turn comes, so that shrinking a sequence leaves the rest meaningful.

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{GenerationLayout, Kind, OpeningId, PictureFacts, RawName, Request};
use proptest::prelude::*;

use crate::facts::Facts;
use crate::tables;

/// Chooses one of however many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick(u8);

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Arrive { uid: u32 },
    Gone { client: Pick },
    HandlesGone { handles: Vec<Pick> },
    Ask { client: Pick, ask: Ask, stray_payload: bool },
}

#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Create { name: Option<&'static str>, access: u32 },
    Open { name: &'static str, access: u32 },
    OpenHandle { name: &'static str, access: u32 },
    Share { opening: Pick, name: Option<&'static str>, access: u32 },
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

#[derive(Clone, Copy, Debug)]
pub(crate) enum Memory {
    Missing,
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
    /// Who asks, the request, and the size of the memory that goes with it.
    pub(crate) fn resolve(&self, facts: &Facts, client: Pick) -> (u64, Request, Option<u64>) {
        let clients: Vec<u64> = facts.clients.iter().map(|client| client.id).collect();
        let anybody = client.of(&clients).unwrap_or(0);
        let Some((pick, of)) = self.opening() else {
            return (anybody, self.request(OpeningId(0)), None);
        };
        let mut known: Vec<(u64, u32)> = match of {
            Of::Sender => facts.streams.iter().map(|stream| stream.sender).collect(),
            Of::Anybody => facts.openings.iter().map(|o| (o.client, o.number)).collect(),
        };
        known.retain(|key| facts.openings.iter().any(|o| (o.client, o.number) == *key));
        let (owner, number) = pick.of(&known).unwrap_or((anybody, 99));
        // Now and then somebody else asks for an opening that is not its own.
        let caller = if client.0 % 16 == 14 { anybody } else { owner };
        let mut request = self.request(OpeningId(number));
        let mut size_bytes = None;
        if let (Self::Publish { next, memory, .. }, Request::StreamPublish { layout, .. }) =
            (self, &mut request)
        {
            layout.number = next.resolve(facts, (owner, number));
            size_bytes = memory.resolve(layout);
        }
        (caller, request, size_bytes)
    }

    /// The opening that it is about, if it is about one.
    const fn opening(&self) -> Option<(Pick, Of)> {
        match self {
            Self::Create { .. }
            | Self::Open { .. }
            | Self::OpenHandle { .. }
            | Self::WatchName { .. }
            | Self::WatchAll { .. }
            | Self::Unwatch { .. }
            | Self::List { .. } => None,
            Self::Share { opening, .. }
            | Self::Drop { opening }
            | Self::Query { opening }
            | Self::Join { opening }
            | Self::Generation { opening }
            | Self::Inspect { opening, .. } => Some((*opening, Of::Anybody)),
            Self::Mapped { opening } | Self::Publish { opening, .. } | Self::Stock { opening } => {
                Some((*opening, if opening.0 % 4 == 0 { Of::Anybody } else { Of::Sender }))
            }
        }
    }

    fn request(&self, opening: OpeningId) -> Request {
        let access = |bits: &u32| AccessMask::from_bits_retain(*bits);
        let given = |name: &Option<&'static str>| name.map(RawName::from);
        let kind = Kind::Stream;
        match self {
            Self::Create { name, access: bits } => {
                Request::Create { kind, name: given(name), access: access(bits) }
            }
            Self::Open { name, access: bits } => {
                Request::Open { kind, name: RawName::from(*name), access: access(bits) }
            }
            Self::OpenHandle { name, access: bits } => {
                Request::OpenHandle { kind, name: RawName::from(*name), access: access(bits) }
            }
            Self::Share { name, access: bits, .. } => {
                Request::Share { opening, name: given(name), access: access(bits) }
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

impl Number {
    fn resolve(self, facts: &Facts, sender: (u64, u32)) -> u32 {
        let stream = facts.streams.iter().find(|stream| stream.sender == sender);
        match self {
            Self::Given(number) => number,
            Self::Next => stream.map_or(1, |stream| stream.generation + 1),
        }
    }
}

impl Memory {
    fn resolve(self, layout: &GenerationLayout) -> Option<u64> {
        let needs = u64::from(layout.slots)
            .saturating_mul(layout.slot_bytes)
            .saturating_add(layout.table_bytes);
        match self {
            Self::Missing => None,
            Self::Exact => Some(needs),
            Self::OneByteShort => Some(needs.saturating_sub(1)),
            Self::Bytes(bytes) => Some(bytes),
        }
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
    prop_oneof![6 => 0..2_usize, 3 => 0..5_usize, 2 => 0..tables::MASKS.len()]
        .prop_map(|index| tables::MASKS[index])
}

fn publish() -> impl Strategy<Value = Ask> {
    let number = prop_oneof![8 => Just(Number::Next), 1 => (0..4_u32).prop_map(Number::Given)];
    let slots = prop_oneof![8 => 1..5_u32, 1 => prop::sample::select(vec![0, 64, 65, u32::MAX])];
    let table = prop_oneof![8 => Just(4096), 1 => prop::sample::select(vec![0, u64::MAX])];
    let slot = prop_oneof![
        8 => Just(4096),
        1 => prop::sample::select(vec![0, 1, 1 << 30, (1 << 30) + 1, u64::MAX])
    ];
    let memory = prop_oneof![
        6 => Just(Memory::Exact),
        1 => Just(Memory::Missing),
        1 => Just(Memory::OneByteShort),
        1 => Just(Memory::Bytes(0)),
        2 => Just(Memory::Bytes(40 << 30)),
    ];
    (pick(), number, slots, table, slot, memory).prop_map(
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

fn ask() -> impl Strategy<Value = Ask> {
    let maybe_name = || prop::option::weighted(0.8, name());
    let watch = || 0..3_u32;
    prop_oneof![
        6 => (maybe_name(), access()).prop_map(|(name, access)| Ask::Create { name, access }),
        9 => (name(), access()).prop_map(|(name, access)| Ask::Open { name, access }),
        4 => (name(), access()).prop_map(|(name, access)| Ask::OpenHandle { name, access }),
        4 => (pick(), maybe_name(), access())
            .prop_map(|(opening, name, access)| Ask::Share { opening, name, access }),
        4 => pick().prop_map(|opening| Ask::Drop { opening }),
        7 => pick().prop_map(|opening| Ask::Mapped { opening }),
        3 => (name(), watch()).prop_map(|(name, watch)| Ask::WatchName { name, watch }),
        3 => watch().prop_map(|watch| Ask::WatchAll { watch }),
        1 => watch().prop_map(|watch| Ask::Unwatch { watch }),
        1 => prop_oneof![0..4_u64, Just(u64::MAX)].prop_map(|after| Ask::List { after }),
        2 => pick().prop_map(|opening| Ask::Query { opening }),
        9 => pick().prop_map(|opening| Ask::Join { opening }),
        2 => pick().prop_map(|opening| Ask::Generation { opening }),
        6 => publish(),
        3 => pick().prop_map(|opening| Ask::Stock { opening }),
        2 => (pick(), prop_oneof![0..3_u32, Just(u32::MAX)])
            .prop_map(|(opening, skip)| Ask::Inspect { opening, skip }),
    ]
}

/// One step.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let uid = prop::sample::select(tables::UIDS.to_vec());
    let stray = prop::bool::weighted(0.01);
    prop_oneof![
        2 => uid.prop_map(|uid| Step::Arrive { uid }),
        2 => pick().prop_map(|client| Step::Gone { client }),
        3 => prop::collection::vec(pick(), 1..3).prop_map(|handles| Step::HandlesGone { handles }),
        60 => (pick(), ask(), stray)
            .prop_map(|(client, ask, stray_payload)| Step::Ask { client, ask, stray_payload }),
    ]
}
