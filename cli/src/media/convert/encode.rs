//! Rows of RGBA to rows of any format.

use super::super::picture::{PictureDesc, PictureMut, Rgba, to_usize};
use super::super::{Alpha, Color, Range};
use super::decode::LINEAR;
use super::float::{LINEAR_OF_BYTE, f32_to_half};
use super::matrix::FromRgb;
use super::{Storage, narrow, swap_red_and_blue};

/// Writes pictures of one kind in bands: as many rows as share a row of chroma.
#[derive(Debug)]
pub(crate) struct Encoder {
    storage: Storage,
    /// Whether a chroma sample stands for two columns.
    is_halved: bool,
    alpha: Alpha,
    bands: u32,
    band_rows: u32,
    is_linear: bool,
    is_limited: bool,
    matrix: FromRgb,
    /// Cb and Cr of one row.
    chroma: Vec<[u16; 2]>,
}

impl Encoder {
    /// Writes pictures like `desc`.
    pub(crate) fn new(desc: &PictureDesc) -> Self {
        let Color { transfer, range, .. } = desc.color;
        let storage = Storage::of(desc.format);
        let chroma = desc.format.chroma();
        let band_rows = chroma.map_or(1, |chroma| 1 << chroma.vertical_shift);
        let samples = chroma.map_or(0, |chroma| to_usize(chroma.width(desc.width)));
        Self {
            storage,
            is_halved: chroma.is_some_and(|chroma| chroma.horizontal_shift > 0),
            alpha: if desc.format.has_alpha() { desc.alpha } else { Alpha::Opaque },
            bands: desc.height.div_ceil(band_rows),
            band_rows,
            is_linear: transfer == LINEAR,
            is_limited: range == Range::Limited,
            matrix: FromRgb::new(desc.color, storage.yuv_bits()),
            chroma: vec![[0; 2]; samples],
        }
    }

    /// The alpha mode that rows must come in; opaque rows have alpha 255.
    pub(crate) fn input_alpha(&self) -> Alpha {
        match (self.storage, self.alpha) {
            (Storage::Half | Storage::Float, Alpha::Premultiplied) => Alpha::Straight,
            (_, alpha) => alpha,
        }
    }

    /// How many bands a picture has.
    pub(crate) fn bands(&self) -> u32 {
        self.bands
    }

    /// The rows of a band, 1 or 2. Where an odd last row is missing the row above stands for it.
    pub(crate) fn band_rows(&self) -> u32 {
        self.band_rows
    }

    /// Writes one band; the second row counts only where a band has two.
    pub(crate) fn encode_band(&mut self, band: u32, rows: [&[Rgba]; 2], out: &mut PictureMut<'_>) {
        let [top, bottom] = rows;
        let first = band * self.band_rows;
        let below = if self.band_rows > 1 { bottom } else { top };
        match self.storage {
            Storage::Rgba
            | Storage::Bgra
            | Storage::Grey
            | Storage::RedGreen
            | Storage::Rgb10a2 => self.encode_packed(top, out.row_mut(0, first)),
            Storage::Half => {
                let places = out.row_mut(0, first).as_chunks_mut().0.as_chunks_mut().0.iter_mut();
                let half = |value| f32_to_half(value).to_le_bytes();
                places.zip(top).for_each(|(to, px)| *to = self.floats(*px).map(half));
            }
            Storage::Float => {
                let places = out.row_mut(0, first).as_chunks_mut().0.as_chunks_mut().0.iter_mut();
                places.zip(top).for_each(|(to, px)| *to = self.floats(*px).map(f32::to_le_bytes));
            }
            Storage::SemiPlanar8 => {
                self.encode_luma(first, rows, out);
                self.average_chroma(top, below);
                let pairs = out.row_mut(1, band).as_chunks_mut().0.iter_mut();
                pairs.zip(&self.chroma).for_each(|(to, pair)| *to = pair.map(low_byte));
            }
            Storage::SemiPlanar10 => {
                self.encode_luma(first, rows, out);
                self.average_chroma(top, below);
                let pairs = out.row_mut(1, band).as_chunks_mut().0.as_chunks_mut().0.iter_mut();
                let high = |value: u16| (value << 6).to_le_bytes();
                pairs.zip(&self.chroma).for_each(|(to, pair)| *to = pair.map(high));
            }
            Storage::Planar8 | Storage::Planar10 => {
                self.encode_luma(first, rows, out);
                self.average_chroma(top, below);
                self.put(self.chroma.iter().map(|[cb, _]| *cb), out.row_mut(1, band));
                self.put(self.chroma.iter().map(|[_, cr]| *cr), out.row_mut(2, band));
            }
        }
    }

    fn encode_luma(&self, first: u32, rows: [&[Rgba]; 2], out: &mut PictureMut<'_>) {
        let matrix = self.matrix;
        let luma = |px: &Rgba| matrix.luma([channel(*px, 0), channel(*px, 8), channel(*px, 16)]);
        for (at, row) in (first..first + self.band_rows).zip(rows) {
            let values = row.iter().map(luma);
            if self.storage == Storage::SemiPlanar10 {
                self.put(values.map(|value| value << 6), out.row_mut(0, at));
            } else {
                self.put(values, out.row_mut(0, at));
            }
        }
    }

    /// Writes values as bytes or words.
    fn put(&self, values: impl Iterator<Item = u16>, out: &mut [u8]) {
        if self.storage.yuv_bits() == 10 {
            let places = out.as_chunks_mut().0.iter_mut();
            places.zip(values).for_each(|(to, value)| *to = value.to_le_bytes());
        } else {
            out.iter_mut().zip(values).for_each(|(to, value)| *to = low_byte(value));
        }
    }

    /// Finds the chroma of each sample, from the average of the pixels that it stands for.
    fn average_chroma(&mut self, top: &[Rgba], bottom: &[Rgba]) {
        let matrix = self.matrix;
        let (pairs, rest) = if self.is_halved { top.as_chunks() } else { (&[][..], top) };
        let (pairs_below, rest_below) =
            if self.is_halved { bottom.as_chunks() } else { (&[][..], bottom) };
        let halfway = pairs.len().min(self.chroma.len());
        let (of_pairs, of_rest) = self.chroma.split_at_mut(halfway);
        for ((to, &[a, b]), &[c, d]) in of_pairs.iter_mut().zip(pairs).zip(pairs_below) {
            let sum = |shift: u32| {
                let channel = |px: Rgba| channel(px, shift);
                (channel(a) + channel(b) + channel(c) + channel(d) + 2) >> 2
            };
            *to = matrix.chroma([sum(0), sum(8), sum(16)]);
        }
        for ((to, &a), &c) in of_rest.iter_mut().zip(rest).zip(rest_below) {
            let sum = |shift: u32| (channel(a, shift) + channel(c, shift) + 1) >> 1;
            *to = matrix.chroma([sum(0), sum(8), sum(16)]);
        }
    }

    fn encode_packed(&self, row: &[Rgba], out: &mut [u8]) {
        if self.is_limited {
            self.encode_bytes(row.iter().map(|px| limited(*px)), out);
        } else {
            self.encode_bytes(row.iter().copied(), out);
        }
    }

    #[inline]
    fn encode_bytes(&self, row: impl Iterator<Item = Rgba>, out: &mut [u8]) {
        if self.storage == Storage::Grey {
            out.iter_mut().zip(row).for_each(|(to, px)| *to = grey(px));
        } else if self.storage == Storage::RedGreen {
            let places = out.as_chunks_mut().0.iter_mut();
            places.zip(row).for_each(|(to, [r, g, _, _])| *to = [r, g]);
        } else if self.storage == Storage::Bgra {
            let places = out.as_chunks_mut().0.iter_mut();
            places.zip(row).for_each(|(to, px)| *to = swap_red_and_blue(px));
        } else if self.storage == Storage::Rgb10a2 {
            let wide = |value: u8| (u32::from(value) * 1023 + 127) / 255;
            let word = |[r, g, b, a]: Rgba| {
                let alpha = (u32::from(a) * 3 + 127) / 255;
                wide(r) | wide(g) << 10 | wide(b) << 20 | alpha << 30
            };
            let places = out.as_chunks_mut().0.iter_mut();
            places.zip(row).for_each(|(to, px)| *to = word(px).to_le_bytes());
        } else {
            out.as_chunks_mut().0.iter_mut().zip(row).for_each(|(to, px)| *to = px);
        }
    }

    fn floats(&self, [r, g, b, a]: Rgba) -> [f32; 4] {
        let alpha = f32::from(a) / 255.0;
        let by = if self.alpha == Alpha::Premultiplied { alpha } else { 1.0 };
        let value = |value: u8| {
            let linear = LINEAR_OF_BYTE.get(usize::from(value)).copied().unwrap_or(0.0);
            by * if self.is_linear { linear } else { f32::from(value) / 255.0 }
        };
        [value(r), value(g), value(b), alpha]
    }
}

/// The luma of BT.709, in full range; grey stays as it is.
fn grey([r, g, b, _]: Rgba) -> u8 {
    narrow((u32::from(r) * 54 + u32::from(g) * 183 + u32::from(b) * 19 + 128) >> 8)
}

fn limited([r, g, b, a]: Rgba) -> Rgba {
    let value = |value: u8| narrow((u32::from(value) * 219 + 127) / 255 + 16);
    [value(r), value(g), value(b), a]
}

/// Red, green or blue: shifted by 0, 8 or 16.
#[inline]
fn channel(px: Rgba, shift: u32) -> i32 {
    (u32::from_le_bytes(px) >> shift & 0xff).cast_signed()
}

fn low_byte(value: u16) -> u8 {
    let [low, _] = value.to_le_bytes();
    low
}
