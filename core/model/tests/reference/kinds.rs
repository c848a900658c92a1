//! What the rights of each kind mean and what an opening is given for them, as tables of numbers.

use handfast_model::contract::format::Format;
use handfast_model::contract::surface::{SurfaceDesc, SurfaceFlags};
use handfast_model::object::{Kind, PageKind, Reset, Spec, View, Writers};

const ANYTHING: u32 = 0x0200_0000;
const READ_CONTROL: u32 = 0x0002_0000;

/// What the generic rights of a kind stand for, and every right it has.
struct Row {
    read: u32,
    write: u32,
    execute: u32,
    all: u32,
    valid: u32,
}

const fn row(kind: Kind) -> Row {
    let (read, write, execute, all, valid) = match kind {
        Kind::Stream => (0x2_0005, 0x2_0002, 0x12_0004, 0x1F_0007, 0x1F_0007),
        Kind::Surface => (0x2_0000, 0x2_0001, 0x2_0000, 0x0F_0001, 0x1F_0001),
        Kind::Fence | Kind::Event => (0x2_0001, 0x2_0002, 0x12_0000, 0x1F_0003, 0x1F_0003),
        Kind::Section => (0x2_0005, 0x2_0002, 0x2_0008, 0x0F_001F, 0x1F_001F),
    };
    Row { read, write, execute, all, valid }
}

/// Every right that the owner of an object of this kind has.
pub(crate) const fn all(kind: Kind) -> u32 {
    row(kind).all
}

/// The rights that a mask names.
pub(crate) fn named(kind: Kind, mask: u32) -> u32 {
    let row = row(kind);
    let bits = (0..32).map(|bit| 1_u32 << bit).filter(|bit| mask & bit != 0);
    bits.fold(0, |rights, bit| {
        rights
            | match bit {
                0x8000_0000 => row.read,
                0x4000_0000 => row.write,
                0x2000_0000 => row.execute,
                0x1000_0000 => row.all,
                ANYTHING => 0,
                other => other,
            }
    })
}

/// Whether a mask asks for whatever there is.
pub(crate) const fn asks_for_anything(mask: u32) -> bool {
    mask & ANYTHING != 0
}

/// What the maker of an object gets for a mask; none when the mask is refused.
pub(crate) fn to_maker(kind: Kind, mask: u32) -> Option<u32> {
    let rights = named(kind, mask);
    let anything = if asks_for_anything(mask) { all(kind) } else { 0 };
    (mask != 0 && rights & !row(kind).valid == 0).then_some(rights | anything)
}

/// What somebody who may have `may` gets for a mask; none when it is refused.
pub(crate) fn checked(kind: Kind, mask: u32, may: u32) -> Option<u32> {
    let rights = named(kind, mask);
    let granted = if asks_for_anything(mask) { may } else { rights };
    (rights & !may == 0 && granted != 0).then_some(granted)
}

/// The rights that nobody but the maker has.
pub(crate) const fn barred(spec: &Spec) -> u32 {
    match spec {
        Spec::Surface { writers: Writers::One, .. } => 1,
        Spec::Section { writers: Writers::One, .. } => 2,
        Spec::Surface { .. } | Spec::Section { .. } | Spec::Fence { .. } | Spec::Event { .. } => 0,
    }
}

/// Without these an opening is refused.
pub(crate) const fn least(spec: &Spec) -> u32 {
    if matches!(spec, Spec::Surface { .. }) { READ_CONTROL } else { 0 }
}

pub(crate) const fn kind_of(spec: &Spec) -> Kind {
    match spec {
        Spec::Surface { .. } => Kind::Surface,
        Spec::Fence { .. } => Kind::Fence,
        Spec::Event { .. } => Kind::Event,
        Spec::Section { .. } => Kind::Section,
    }
}

/// Whose memory comes with its creation.
pub(crate) const fn memory(spec: &Spec) -> Option<Writers> {
    match spec {
        Spec::Surface { writers, .. } | Spec::Section { writers, .. } => Some(*writers),
        Spec::Fence { .. } | Spec::Event { .. } => None,
    }
}

pub(crate) const fn keyed(spec: &Spec) -> bool {
    matches!(spec, Spec::Surface { desc, .. } if desc.flags.bits() & 1 != 0)
}

/// The words it has.
pub(crate) const fn page(spec: &Spec) -> Option<PageKind> {
    match spec {
        Spec::Fence { value } => Some(PageKind::Fence { value: *value }),
        Spec::Event { reset, signaled } => {
            Some(PageKind::Event { reset: *reset, signaled: *signaled })
        }
        Spec::Surface { .. } if keyed(spec) => Some(PageKind::KeyedMutex),
        Spec::Surface { .. } | Spec::Section { .. } => None,
    }
}

/// The rights with which the page is written, those with which it is read at least, and those
/// that wait on it.
const fn page_rights(spec: &Spec) -> (u32, u32, u32) {
    match spec {
        Spec::Fence { .. } => (0x2, 0x12_0001, 0x10_0001),
        Spec::Event { reset: Reset::Auto, .. } => (0x10_0002, 0x2_0001, 0),
        Spec::Event { reset: Reset::Manual, .. } => (0x2, 0x12_0001, 0x10_0000),
        Spec::Surface { .. } if keyed(spec) => (0x2_0000, 0, 0),
        Spec::Surface { .. } | Spec::Section { .. } => (0, 0, 0),
    }
}

pub(crate) const fn page_view(spec: &Spec, granted: u32) -> Option<View> {
    let (writing, reading, _) = page_rights(spec);
    if granted & writing != 0 {
        Some(View::Writable)
    } else if granted & reading != 0 {
        Some(View::ReadOnly)
    } else {
        None
    }
}

/// Whether the page has to wake an opening that cannot write it.
pub(crate) const fn waits_unseen(spec: &Spec, granted: u32) -> bool {
    let (writing, _, waiting) = page_rights(spec);
    granted & writing == 0 && granted & waiting != 0
}

pub(crate) const fn memory_view(spec: &Spec, granted: u32) -> Option<View> {
    let (writers, writing, reading) = match spec {
        Spec::Surface { writers, .. } => (*writers, 0x1, READ_CONTROL),
        Spec::Section { writers, .. } => (*writers, 0x2, 0x4),
        Spec::Fence { .. } | Spec::Event { .. } => return None,
    };
    match (writers, granted & writing != 0, granted & reading != 0) {
        (Writers::Several, true, _) => Some(View::Writable),
        (_, false, false) => None,
        (Writers::One, ..) | (Writers::Several, false, true) => Some(View::ReadOnly),
    }
}

/// What the sequences create, and the bytes that it needs; none where there can be no such object.
pub(crate) fn specs() -> Vec<(Spec, Option<u64>)> {
    let (one, several) = (Writers::One, Writers::Several);
    let surface = |desc, writers| Spec::Surface { desc, writers };
    let section = |size_bytes, writers| Spec::Section { size_bytes, writers };
    let event = |reset, signaled| Spec::Event { reset, signaled };
    let picture = SurfaceDesc::texture_2d(4, 4, Format::Rgba8);
    let keyed = SurfaceDesc { flags: SurfaceFlags::KEYED_MUTEX, ..picture };
    let mipped = SurfaceDesc { mips: 3, ..picture };
    let buffer = SurfaceDesc { flags: SurfaceFlags::KEYED_MUTEX, ..SurfaceDesc::buffer(1) };
    vec![
        // Three rows of 256 bytes and one of 16.
        (surface(picture, one), Some(784)),
        (surface(picture, several), Some(784)),
        (surface(keyed, several), Some(784)),
        (surface(keyed, one), Some(784)),
        // 784 and 264 bytes, each padded to 512, and 4.
        (surface(mipped, several), Some(1024 + 512 + 4)),
        (surface(buffer, several), Some(1)),
        (Spec::Fence { value: 0 }, Some(0)),
        (Spec::Fence { value: u64::MAX }, Some(0)),
        (event(Reset::Manual, false), Some(0)),
        (event(Reset::Manual, true), Some(0)),
        (event(Reset::Auto, false), Some(0)),
        (event(Reset::Auto, true), Some(0)),
        (section(1, one), Some(1)),
        (section(4096, several), Some(4096)),
        (section(1 << 40, several), Some(1 << 40)),
        (section(0, one), None),
        (section((1 << 40) + 1, one), None),
        (surface(SurfaceDesc { mips: 4, ..picture }, one), None),
        (surface(SurfaceDesc { layers: 0, ..picture }, several), None),
        (surface(SurfaceDesc::buffer(0), several), None),
    ]
}
