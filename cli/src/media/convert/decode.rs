//! Rows of any format to rows of RGBA.

use std::sync::LazyLock;

use super::super::picture::{Picture, PictureDesc, Rgba, to_usize};
use super::super::{Alpha, Range};
use super::float::{encode_srgb, half_to_f32};
use super::matrix::ToRgb;
use super::{
    Storage, make_opaque, narrow, premultiply, swap_red_and_blue, unit_to_byte, unpremultiply,
};

/// H.273 transfer characteristics: linear.
pub(super) const LINEAR: u8 = 8;

/// A half float, 0.0 to 1.0 of linear light, as a byte of sRGB.
static BYTE_OF_LINEAR_HALF: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..=u16::MAX).map(|half| unit_to_byte(encode_srgb(half_to_f32(half)))).collect()
});

/// Reads rows of pictures of one kind.
#[derive(Debug)]
pub(crate) struct Decoder {
    storage: Storage,
    from: Alpha,
    to: Alpha,
    is_linear: bool,
    is_limited: bool,
    matrix: ToRgb,
    chroma_shifts: (u32, u32),
    /// One row of Y, Cb and Cr, a value for each pixel.
    samples: [Vec<i16>; 3],
}

impl Decoder {
    /// Reads pictures like `desc`, with the alpha mode wanted.
    pub(crate) fn new(desc: &PictureDesc, wanted: Alpha) -> Self {
        let storage = Storage::of(desc.format);
        let chroma = desc.format.chroma();
        let width = if chroma.is_some() { to_usize(desc.width) } else { 0 };
        Self {
            storage,
            from: if desc.format.has_alpha() { desc.alpha } else { Alpha::Opaque },
            to: wanted,
            is_linear: desc.color.transfer == LINEAR,
            is_limited: desc.color.range == Range::Limited,
            matrix: ToRgb::new(desc.color, storage.yuv_bits()),
            chroma_shifts: chroma.map_or((0, 0), |c| (c.horizontal_shift, c.vertical_shift)),
            samples: std::array::from_fn(|_| vec![0; width]),
        }
    }

    /// Reads one row.
    pub(crate) fn decode_row(&mut self, picture: &Picture<'_>, row: u32, out: &mut [Rgba]) {
        let first = picture.row(0, row);
        match self.storage {
            Storage::Half => return self.decode_half(first, out),
            Storage::Float => return self.decode_float(first, out),
            Storage::Rgba | Storage::Bgra | Storage::Rgb10a2 => self.decode_four(first, out),
            Storage::Grey => {
                out.iter_mut().zip(first).for_each(|(out, &v)| *out = [v, v, v, 255]);
                self.widen(out);
            }
            Storage::RedGreen => {
                let two = first.as_chunks::<2>().0;
                out.iter_mut().zip(two).for_each(|(out, &[r, g])| *out = [r, g, 0, 255]);
                self.widen(out);
            }
            Storage::SemiPlanar8 => {
                self.take_luma(bytes(first));
                let pairs = picture.row(1, self.chroma_row(row));
                self.take_chroma(bytes(pairs).step_by(2), bytes(pairs).skip(1).step_by(2));
                self.decode_yuv(out);
            }
            Storage::SemiPlanar10 => {
                let high = |v: u16| (v >> 6).cast_signed();
                self.take_luma(words(first).map(high));
                let pairs = || words(picture.row(1, self.chroma_row(row))).map(high);
                let (cb, cr) = (pairs().step_by(2), pairs().skip(1).step_by(2));
                self.take_chroma(cb, cr);
                self.decode_yuv(out);
            }
            Storage::Planar8 => {
                self.take_luma(bytes(first));
                let below = self.chroma_row(row);
                self.take_chroma(bytes(picture.row(1, below)), bytes(picture.row(2, below)));
                self.decode_yuv(out);
            }
            Storage::Planar10 => {
                let low = |v: u16| v.min(1023).cast_signed();
                self.take_luma(words(first).map(low));
                let below = self.chroma_row(row);
                let chroma = |plane| words(picture.row(plane, below)).map(low);
                self.take_chroma(chroma(1), chroma(2));
                self.decode_yuv(out);
            }
        }
        if self.from == Alpha::Opaque {
            make_opaque(out);
        }
        match (self.from, self.to) {
            (Alpha::Premultiplied, Alpha::Straight) => unpremultiply(out),
            (Alpha::Straight, Alpha::Premultiplied) => premultiply(out),
            (Alpha::Straight, Alpha::Opaque) => {
                premultiply(out);
                make_opaque(out);
            }
            (Alpha::Premultiplied, Alpha::Opaque) => make_opaque(out),
            _ => {}
        }
    }

    fn decode_four(&self, row: &[u8], out: &mut [Rgba]) {
        let pixels = out.iter_mut().zip(row.as_chunks::<4>().0);
        if self.storage == Storage::Rgba {
            pixels.for_each(|(out, px)| *out = *px);
        } else if self.storage == Storage::Bgra {
            pixels.for_each(|(out, px)| *out = swap_red_and_blue(*px));
        } else {
            for (out, px) in pixels {
                let word = u32::from_le_bytes(*px);
                let value = |shift: u32| narrow(((word >> shift & 0x3ff) * 255 + 511) / 1023);
                *out = [value(0), value(10), value(20), narrow((word >> 30) * 85)];
            }
        }
        self.widen(out);
    }

    /// Limited range to full range, where it is limited.
    fn widen(&self, out: &mut [Rgba]) {
        if self.is_limited {
            for [r, g, b, _] in out {
                for value in [r, g, b] {
                    *value = narrow((u32::from(value.saturating_sub(16)) * 255 + 109) / 219);
                }
            }
        }
    }

    fn chroma_row(&self, row: u32) -> u32 {
        row >> self.chroma_shifts.1
    }

    fn take_luma(&mut self, values: impl Iterator<Item = i16>) {
        let [y, _, _] = &mut self.samples;
        spread(values, 0, y);
    }

    fn take_chroma(&mut self, blue: impl Iterator<Item = i16>, red: impl Iterator<Item = i16>) {
        let [_, cb, cr] = &mut self.samples;
        spread(blue, self.chroma_shifts.0, cb);
        spread(red, self.chroma_shifts.0, cr);
    }

    fn decode_yuv(&self, out: &mut [Rgba]) {
        let ([y, cb, cr], matrix) = (&self.samples, self.matrix);
        for (((out, &y), &cb), &cr) in out.iter_mut().zip(y).zip(cb).zip(cr) {
            *out = matrix.apply(y, cb, cr).to_le_bytes();
        }
    }

    fn decode_half(&self, row: &[u8], out: &mut [Rgba]) {
        if !self.is_linear || self.from == Alpha::Premultiplied {
            let float = |px: &[u8; 8]| {
                let [a, b, c, d, e, f, g, h] = *px;
                [[a, b], [c, d], [e, f], [g, h]].map(|v| half_to_f32(u16::from_le_bytes(v)))
            };
            let pixels = row.as_chunks::<8>().0.iter().map(float);
            return self.finish_floats(pixels, out);
        }
        let table = BYTE_OF_LINEAR_HALF.as_slice();
        let byte = |a, b| table.get(usize::from(u16::from_le_bytes([a, b]))).copied().unwrap_or(0);
        for (out, &[a, b, c, d, e, f, g, h]) in out.iter_mut().zip(row.as_chunks::<8>().0) {
            let alpha = unit_to_byte(half_to_f32(u16::from_le_bytes([g, h])));
            *out = [byte(a, b), byte(c, d), byte(e, f), alpha];
        }
        self.finish_straight(out);
    }

    fn decode_float(&self, row: &[u8], out: &mut [Rgba]) {
        let values = row.as_chunks::<4>().0.as_chunks::<4>().0;
        self.finish_floats(values.iter().map(|px| px.map(f32::from_le_bytes)), out);
    }

    /// Floats are divided by alpha and brought to sRGB before they become bytes.
    fn finish_floats(&self, pixels: impl Iterator<Item = [f32; 4]>, out: &mut [Rgba]) {
        for (out, [r, g, b, a]) in out.iter_mut().zip(pixels) {
            let by = if self.from == Alpha::Premultiplied && a > 0.0 { 1.0 / a } else { 1.0 };
            let byte = |value: f32| {
                let value = value * by;
                unit_to_byte(if self.is_linear { encode_srgb(value) } else { value })
            };
            *out = [byte(r), byte(g), byte(b), unit_to_byte(a)];
        }
        self.finish_straight(out);
    }

    fn finish_straight(&self, out: &mut [Rgba]) {
        if self.from == Alpha::Opaque {
            return make_opaque(out);
        }
        if self.to != Alpha::Straight {
            premultiply(out);
        }
        if self.to == Alpha::Opaque {
            make_opaque(out);
        }
    }
}

fn bytes(row: &[u8]) -> impl Iterator<Item = i16> {
    row.iter().map(|&byte| i16::from(byte))
}

fn words(row: &[u8]) -> impl Iterator<Item = u16> {
    row.as_chunks().0.iter().map(|word| u16::from_le_bytes(*word))
}

/// Gives each pixel its chroma sample.
fn spread(mut values: impl Iterator<Item = i16>, shift: u32, out: &mut [i16]) {
    if shift == 0 {
        out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
        return;
    }
    let (pairs, rest) = out.as_chunks_mut::<2>();
    pairs.iter_mut().zip(values.by_ref()).for_each(|(pair, value)| *pair = [value; 2]);
    rest.iter_mut().zip(values).for_each(|(out, value)| *out = value);
}
