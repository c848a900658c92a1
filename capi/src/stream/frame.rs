//! `hf_frame`: a frame as C sees it.

use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::ptr;

use handfast::{Alpha, Color, Frame, Layout, Rect, SendFrame};

use crate::argument::{HF_PLANES_MAX, HfColor, alpha, color};
use crate::error::Failure;

pub(crate) const HF_DAMAGE_MAX: usize = 8;
pub(crate) const HF_USER_BYTES_MAX: usize = 64;

/// `hf_rect`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct HfRect {
    pub(crate) x: u16,
    pub(crate) y: u16,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

/// `hf_frame`. Any bytes are one, whatever C does with it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct HfFrame {
    pub(crate) sequence: u64,
    pub(crate) time_ns: u64,
    pub(crate) sent_ns: u64,
    pub(crate) dropped_before: u64,
    pub(crate) number: u64,
    pub(crate) data: [*mut u8; HF_PLANES_MAX],
    pub(crate) size_bytes: [usize; HF_PLANES_MAX],
    pub(crate) owner: *const c_void,
    pub(crate) reserved_pointer: *const c_void,
    pub(crate) stride_bytes: [u32; HF_PLANES_MAX],
    pub(crate) row_bytes: [u32; HF_PLANES_MAX],
    pub(crate) rows: [u32; HF_PLANES_MAX],
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) format: u32,
    pub(crate) planes: u32,
    pub(crate) color: HfColor,
    pub(crate) alpha: u32,
    pub(crate) damage_count: u32,
    pub(crate) user_bytes: u32,
    pub(crate) damage: [HfRect; HF_DAMAGE_MAX],
    pub(crate) user_data: [u8; HF_USER_BYTES_MAX],
    pub(crate) reserved: [u32; 8],
}

const _: () = {
    let pointers = 40 + 10 * size_of::<usize>();
    assert!(size_of::<HfRect>() == 8);
    assert!(offset_of!(HfFrame, data) == 40);
    assert!(offset_of!(HfFrame, stride_bytes) == pointers);
    assert!(offset_of!(HfFrame, width) == pointers + 48);
    assert!(offset_of!(HfFrame, color) == pointers + 64);
    assert!(offset_of!(HfFrame, damage) == pointers + 80);
    assert!(offset_of!(HfFrame, user_data) == pointers + 144);
    assert!(offset_of!(HfFrame, reserved) == pointers + 208);
    assert!(size_of::<HfFrame>() == pointers + 240, "no padding");
};

/// Which frame of an object is out.
#[derive(Debug)]
pub(super) struct Tally {
    number: u64,
}

impl Tally {
    pub(super) const fn new() -> Self {
        Self { number: 0 }
    }

    /// The number of the frame that is out, or was last.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Marks a frame of this owner as the one that is out.
    pub(super) fn lend<T>(&mut self, frame: &mut HfFrame, owner: *const T) {
        self.number = self.number.wrapping_add(1);
        frame.number = self.number;
        frame.owner = owner.cast();
    }

    /// Refuses what is not the frame that went out last.
    pub(super) fn check<T>(&self, frame: &HfFrame, owner: *const T) -> Result<(), Failure> {
        let ours = frame.owner == owner.cast() && frame.number == self.number;
        if ours { Ok(()) } else { Err(Failure::FrameUnknown) }
    }
}

impl HfFrame {
    const EMPTY: Self = Self {
        sequence: 0,
        time_ns: 0,
        sent_ns: 0,
        dropped_before: 0,
        number: 0,
        data: [ptr::null_mut(); HF_PLANES_MAX],
        size_bytes: [0; HF_PLANES_MAX],
        owner: ptr::null(),
        reserved_pointer: ptr::null(),
        stride_bytes: [0; HF_PLANES_MAX],
        row_bytes: [0; HF_PLANES_MAX],
        rows: [0; HF_PLANES_MAX],
        width: 0,
        height: 0,
        format: 0,
        planes: 0,
        color: HfColor { primaries: 0, transfer: 0, matrix: 0, range: 0 },
        alpha: 0,
        damage_count: 0,
        user_bytes: 0,
        damage: [HfRect { x: 0, y: 0, width: 0, height: 0 }; HF_DAMAGE_MAX],
        user_data: [0; HF_USER_BYTES_MAX],
        reserved: [0; 8],
    };

    /// Describes a frame to draw in.
    pub(super) fn to_draw(frame: &mut SendFrame<'_>, (color, alpha): (Color, Alpha)) -> Self {
        let layout = *frame.layout();
        let (width, height) = frame.size();
        let mut described = Self {
            width,
            height,
            format: frame.format().number(),
            color: color.into(),
            alpha: alpha.number().into(),
            ..Self::EMPTY
        };
        described.place(&layout, frame.bytes_mut().as_mut_ptr());
        described
    }

    /// Describes a frame to look at, where it lies.
    pub(super) fn to_read(frame: &Frame<'_>) -> Self {
        let (mapping, offset, length) = frame.bytes().mapping();
        let words = mapping.words();
        let whole = offset.checked_add(length).is_some_and(|end| end <= size_of_val(words));
        assert!(whole, "a frame lies in its memory");
        // From words and not from bytes: no reference says that the sender leaves them alone.
        let start = words.as_ptr().cast_mut().cast::<u8>().wrapping_add(offset);
        let record = frame.record();
        let mut described = Self {
            sequence: frame.sequence(),
            time_ns: frame.time_ns(),
            sent_ns: frame.sent_ns(),
            dropped_before: frame.dropped_before(),
            width: record.width,
            height: record.height,
            format: record.format.number(),
            color: record.color.into(),
            alpha: record.alpha.number().into(),
            ..Self::EMPTY
        };
        described.place(&record.layout, start);
        for (place, rect) in described.damage.iter_mut().zip(frame.damage()) {
            *place = (*rect).into();
            described.damage_count += 1;
        }
        for (place, byte) in described.user_data.iter_mut().zip(frame.user_data()) {
            *place = *byte;
            described.user_bytes += 1;
        }
        described
    }

    fn place(&mut self, layout: &Layout, start: *mut u8) {
        for (index, plane) in layout.planes().iter().enumerate() {
            let length = plane.end_bytes().saturating_sub(plane.offset_bytes.into());
            set(&mut self.data, index, start.wrapping_add(number(plane.offset_bytes.into())));
            set(&mut self.size_bytes, index, number(length));
            set(&mut self.stride_bytes, index, plane.stride_bytes);
            set(&mut self.row_bytes, index, plane.row_bytes);
            set(&mut self.rows, index, plane.height);
            self.planes += 1;
        }
    }

    /// What C has set of a frame that it sends, all of it checked before any of it is taken.
    pub(super) fn apply(
        &self,
        frame: &mut SendFrame<'_>,
        usual: (Color, Alpha),
    ) -> Result<(), Failure> {
        let color = color(self.color)?.unwrap_or(usual.0);
        let alpha = if self.alpha == 0 { usual.1 } else { alpha(self.alpha)? };
        let damage = first(&self.damage, self.damage_count, "damage_count", "at most 8")?;
        let user = first(&self.user_data, self.user_bytes, "user_bytes", "at most 64")?;
        frame.set_user_data(user)?;
        frame.set_color(color, alpha);
        for rect in damage {
            frame.add_damage((*rect).into());
        }
        if self.time_ns != 0 {
            frame.set_time_ns(self.time_ns);
        }
        Ok(())
    }

    /// Takes the memory away from a frame that was given back.
    pub(super) fn forget(&mut self) {
        self.data = Self::EMPTY.data;
        self.owner = ptr::null();
        self.number = 0;
    }
}

/// The first so many of a field.
fn first<'a, T>(
    all: &'a [T],
    count: u32,
    what: &'static str,
    allowed: &'static str,
) -> Result<&'a [T], Failure> {
    let refused = Failure::Number { what, number: count.into(), allowed };
    usize::try_from(count).ok().and_then(|count| all.get(..count)).ok_or(refused)
}

fn set<T>(places: &mut [T], index: usize, value: T) {
    if let Some(place) = places.get_mut(index) {
        *place = value;
    }
}

fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl From<Rect> for HfRect {
    fn from(Rect { x, y, width, height }: Rect) -> Self {
        Self { x, y, width, height }
    }
}

impl From<HfRect> for Rect {
    fn from(HfRect { x, y, width, height }: HfRect) -> Self {
        Self { x, y, width, height }
    }
}
