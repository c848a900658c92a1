//! What surfaces, fences, events and sections have of their own.

use handfast::{
    Details, FenceState, Holders, KeyedMutexStatus, Reading, Reset, Subresource, SurfaceDesc,
    Writers,
};
use serde::Serialize;

use super::{Common, Line};
use crate::look::{self, surface};

/// Said where the words of a fence or event cannot be read, which are 64 bits wide.
const UNREAD: &str = "cannot be read by a program of 32 bits";

pub(super) fn lines(held: &Holders) -> Vec<Line> {
    match &held.object.details {
        // It has a page of its own.
        Details::Stream(_) => Vec::new(),
        Details::Surface { desc, writers } => surface_lines(desc, *writers, held.reading),
        Details::Fence => match held.reading {
            Some(Reading::Fence { value, state }) => {
                vec![("value", value.to_string()), ("state", fence_words(state).into())]
            }
            Some(Reading::Event { .. } | Reading::KeyedMutex(_)) | None => {
                vec![("value", UNREAD.into())]
            }
        },
        Details::Event { reset } => {
            let state = held.reading.map_or(UNREAD.into(), look::reading);
            vec![("state", state), ("reset", reset_words(*reset).into())]
        }
        Details::Section { size_bytes, writers } => vec![
            ("memory", format!("CPU memory (memfd), {}", bytes(*size_bytes))),
            ("writers", writers_words(*writers).into()),
        ],
    }
}

const fn fence_words(state: FenceState) -> &'static str {
    match state {
        FenceState::Live => "live: somebody is left to signal it",
        FenceState::Abandoned => {
            "abandoned: the last who signalled it has closed it; so end all waits until somebody \
             signals it again"
        }
        FenceState::Lost => {
            "lost: the last who signalled it has died; so end all waits until somebody signals it \
             again"
        }
    }
}

const fn reset_words(reset: Reset) -> &'static str {
    match reset {
        Reset::Manual => "manual: while it is set, all waits go through",
        Reset::Auto => "auto: each time it is set, one wait goes through",
    }
}

const fn writers_words(writers: Writers) -> &'static str {
    match writers {
        Writers::One => "only its maker can write, sealed",
        Writers::Several => "several: whoever was granted it",
    }
}

/// `1.2 MB (1228800 bytes)`.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1000 => look::counted(bytes, "byte"),
        _ => format!("{} ({bytes} bytes)", look::size(bytes)),
    }
}

fn surface_lines(desc: &SurfaceDesc, writers: Writers, mutex: Option<Reading>) -> Vec<Line> {
    let size_bytes = desc.size_bytes().unwrap_or_default();
    let mut lines = vec![("picture", surface::words(desc))];
    let mut head = "layout";
    let levels = levels(desc);
    for (mip, level) in levels.iter().enumerate() {
        let words = layout_words(level);
        let words = if levels.len() > 1 { format!("mip {mip}  {words}") } else { words };
        lines.push((head, words));
        head = "";
    }
    if desc.layers > 1 {
        let (count, apart) = (desc.subresources(), layer_bytes(desc).unwrap_or_default());
        let words = format!("{count} subresources, layers are {apart} bytes apart");
        lines.push(("", words));
    }
    lines.push(("memory", format!("CPU memory (memfd), {}", bytes(size_bytes))));
    lines.push(("writers", writers_words(writers).into()));
    lines.extend(mutex.map(|mutex| ("mutex", format!("keyed, {}", look::reading(mutex)))));
    lines
}

/// The mip levels of the first layer.
fn levels(desc: &SurfaceDesc) -> Vec<Subresource> {
    (0..desc.mips).map_while(|index| desc.subresource(index)).collect()
}

/// From layer to layer; None where there is one.
fn layer_bytes(desc: &SurfaceDesc) -> Option<u64> {
    desc.subresource(desc.mips).map(|second| second.offset_bytes)
}

/// `640x480 at 0, row pitch 2560, 1228800 bytes`.
fn layout_words(level: &Subresource) -> String {
    let &Subresource { offset_bytes, width, height, depth, slice_bytes, size_bytes, .. } = level;
    let Some(layout) = &level.layout else {
        return format!("{} at {offset_bytes}", look::counted(width, "byte"));
    };
    let pitches: Vec<_> =
        layout.planes().iter().map(|plane| plane.stride_bytes.to_string()).collect();
    let many = if pitches.len() > 1 { "row pitches" } else { "row pitch" };
    let (sides, slices) = match depth {
        1 => (format!("{width}x{height}"), String::new()),
        _ => (format!("{width}x{height}x{depth}"), format!(", slice pitch {slice_bytes}")),
    };
    let pitches = pitches.join(" ");
    format!("{sides} at {offset_bytes}, {many} {pitches}{slices}, {size_bytes} bytes")
}

/// The same as JSON.
#[derive(Serialize)]
pub(super) struct Facts<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    #[serde(flatten)]
    own: Own,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Own {
    Surface(Surface),
    Fence { value: Option<u64>, state: Option<&'static str> },
    Event { set: Option<bool>, reset: &'static str },
    Section { size_bytes: u64, writers: &'static str },
    Stream {},
}

#[derive(Serialize)]
struct Surface {
    dimension: &'static str,
    width: u64,
    height: u32,
    depth: u32,
    layers: u32,
    mips: u32,
    format: Option<&'static str>,
    color: String,
    alpha: &'static str,
    size_bytes: u64,
    writers: &'static str,
    subresources: u32,
    layer_bytes: Option<u64>,
    /// The mip levels of the first layer.
    levels: Vec<Level>,
    keyed_mutex: Option<KeyedMutex>,
}

#[derive(Serialize)]
struct KeyedMutex {
    state: &'static str,
    key: Option<u64>,
    owner: Option<u32>,
}

impl KeyedMutex {
    const fn of(reading: Reading) -> Option<Self> {
        let Reading::KeyedMutex(status) = reading else { return None };
        Some(match status {
            KeyedMutexStatus::Free { key } => Self { state: "free", key: Some(key), owner: None },
            KeyedMutexStatus::Owned { opening } => {
                Self { state: "held", key: None, owner: Some(opening) }
            }
            KeyedMutexStatus::Abandoned { opening } => {
                Self { state: "abandoned", key: None, owner: Some(opening) }
            }
        })
    }
}

#[derive(Serialize)]
struct Level {
    offset_bytes: u64,
    width: u64,
    height: u32,
    depth: u32,
    row_pitches: Vec<u32>,
    slice_bytes: u64,
    size_bytes: u64,
}

impl<'a> Facts<'a> {
    pub(super) fn of(name: &'a str, held: &'a Holders) -> Self {
        let own = match &held.object.details {
            Details::Stream(_) => Own::Stream {},
            Details::Surface { desc, writers } => {
                Own::Surface(Surface::of(desc, *writers, held.reading))
            }
            Details::Fence => {
                let (value, state) = match held.reading {
                    Some(Reading::Fence { value, state }) => Some((value, state)),
                    Some(Reading::Event { .. } | Reading::KeyedMutex(_)) | None => None,
                }
                .unzip();
                Own::Fence { value, state: state.map(look::fence_state) }
            }
            Details::Event { reset } => {
                let set = match held.reading {
                    Some(Reading::Event { is_set }) => Some(is_set),
                    Some(Reading::Fence { .. } | Reading::KeyedMutex(_)) | None => None,
                };
                Own::Event { set, reset: look::reset(*reset) }
            }
            Details::Section { size_bytes, writers } => {
                Own::Section { size_bytes: *size_bytes, writers: look::writers(*writers) }
            }
        };
        Self { common: Common::of(name, held), own }
    }
}

impl Surface {
    fn of(desc: &SurfaceDesc, writers: Writers, mutex: Option<Reading>) -> Self {
        let dimension = match desc.dimension {
            handfast::Dimension::Buffer => "buffer",
            handfast::Dimension::Texture1D => "texture1d",
            handfast::Dimension::Texture2D => "texture2d",
            handfast::Dimension::Texture3D => "texture3d",
        };
        Self {
            dimension,
            width: desc.width,
            height: desc.height,
            depth: desc.depth,
            layers: desc.layers,
            mips: desc.mips,
            format: desc.format.map(handfast::Format::name),
            color: desc.color.to_string(),
            alpha: desc.alpha.name(),
            size_bytes: desc.size_bytes().unwrap_or_default(),
            writers: look::writers(writers),
            subresources: desc.subresources(),
            layer_bytes: layer_bytes(desc),
            levels: levels(desc).iter().map(Level::of).collect(),
            keyed_mutex: mutex.and_then(KeyedMutex::of),
        }
    }
}

impl Level {
    fn of(level: &Subresource) -> Self {
        let layout = level.layout.as_ref();
        let planes = layout.map(|layout| layout.planes()).unwrap_or_default();
        Self {
            offset_bytes: level.offset_bytes,
            width: level.width,
            height: level.height,
            depth: level.depth,
            row_pitches: planes.iter().map(|plane| plane.stride_bytes).collect(),
            slice_bytes: level.slice_bytes,
            size_bytes: level.size_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_is_told_in_the_singular() {
        let layout = |width| levels(&SurfaceDesc::buffer(width)).iter().map(layout_words).collect();
        let told: [Vec<String>; 2] = [1, 2].map(layout);
        assert_eq!(told, [["1 byte at 0"], ["2 bytes at 0"]]);
        assert_eq!([1, 999, 1000].map(bytes), ["1 byte", "999 bytes", "1.0 kB (1000 bytes)"]);
    }
}
