//! Conversions between any two formats, by way of 8-bit RGBA rows.
//!
//! What is converted: the arrangement of pixels; YUV by the matrix and range of its colour (chroma
//! is repeated when read and averaged when written); linear light in floats to and from sRGB; alpha
//! modes. What is not: primaries, and the transfer of video, which is shown as sRGB as players do
//! (PQ and HLG look flat). Formats that hold the same values in another order (NV12 and I420, P010
//! and I420P10, and 8-bit RGB with the same alpha mode) convert without loss.
//!
//! Alpha: straight to premultiplied multiplies the stored values, back divides them, and floats in
//! linear light do so in linear light. Where the target is opaque the picture is laid over black.

mod decode;
mod encode;
mod float;
mod matrix;

pub(crate) use decode::Decoder;
pub(crate) use encode::Encoder;

use super::picture::{
    OwnedPicture, Picture, PictureDesc, PictureError, PictureMut, Rgba, to_usize,
};
use super::{Alpha, Color, Format};

/// Converts a picture into another of the same size, whatever the format, colour, alpha mode and
/// padding of either.
pub(crate) fn convert(from: &Picture<'_>, to: &mut PictureMut<'_>) -> Result<(), PictureError> {
    let (source, target) = (*from.desc(), *to.desc());
    if (source.width, source.height) != (target.width, target.height) {
        return Err(PictureError::Mismatch { found: source.kind(), wanted: target.kind() });
    }
    let same_values = source.color == target.color && source.alpha == target.alpha;
    if same_values && source.format == target.format {
        return to.copy_from(from);
    }
    if same_values && repack(from, to) {
        return Ok(());
    }
    let mut encoder = Encoder::new(&target);
    let mut decoder = Decoder::new(&source, encoder.input_alpha());
    let mut top = vec![Rgba::default(); to_usize(source.width)];
    let mut bottom = top.clone();
    for band in 0..encoder.bands() {
        let first = band * encoder.band_rows();
        decoder.decode_row(from, first, &mut top);
        if encoder.band_rows() > 1 {
            decoder.decode_row(from, (first + 1).min(source.height - 1), &mut bottom);
        }
        encoder.encode_band(band, [&top, &bottom], to);
    }
    Ok(())
}

/// Converts a picture to RGBA8 in sRGB without padding: straight alpha, or opaque if it was.
pub(crate) fn to_rgba8(from: &Picture<'_>) -> Result<OwnedPicture, PictureError> {
    let mut picture = OwnedPicture::new(rgba8_desc(from.desc())?)?;
    convert(from, &mut picture.as_picture_mut())?;
    Ok(picture)
}

/// What [`to_rgba8`] makes of a picture.
pub(crate) fn rgba8_desc(from: &PictureDesc) -> Result<PictureDesc, PictureError> {
    let alpha = if from.alpha == Alpha::Opaque { Alpha::Opaque } else { Alpha::Straight };
    let desc = PictureDesc::tight(from.width, from.height, Format::Rgba8)?;
    Ok(desc.with_color(Color::SRGB).with_alpha(alpha))
}

/// How the pixels of a format are stored: formats that differ only in their meaning are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    Rgba,
    Bgra,
    Grey,
    RedGreen,
    Rgb10a2,
    Half,
    Float,
    /// Y, then Cb and Cr interleaved.
    SemiPlanar8,
    /// The same in the high bits of words.
    SemiPlanar10,
    /// Y, Cb, Cr.
    Planar8,
    /// The same in the low bits of words.
    Planar10,
}

impl Storage {
    fn of(format: Format) -> Self {
        match format {
            Format::Rgba8 | Format::Rgba8Srgb | Format::Rgbx8 | Format::Rgbx8Srgb => Self::Rgba,
            Format::Bgra8 | Format::Bgra8Srgb | Format::Bgrx8 | Format::Bgrx8Srgb => Self::Bgra,
            Format::R8 => Self::Grey,
            Format::Rg8 => Self::RedGreen,
            Format::Rgb10a2 => Self::Rgb10a2,
            Format::Rgba16f => Self::Half,
            Format::Rgba32f => Self::Float,
            Format::Nv12 => Self::SemiPlanar8,
            Format::P010 => Self::SemiPlanar10,
            Format::I420 | Format::I422 | Format::I444 => Self::Planar8,
            Format::I420p10 | Format::I422p10 | Format::I444p10 => Self::Planar10,
        }
    }

    /// The bits of a YUV value.
    fn yuv_bits(self) -> u32 {
        if matches!(self, Self::SemiPlanar10 | Self::Planar10) { 10 } else { 8 }
    }
}

/// Moves values between two YUV formats that differ only in how they are stored; false where they
/// differ in more.
fn repack(from: &Picture<'_>, to: &mut PictureMut<'_>) -> bool {
    let (source, target) = (from.desc().format, to.desc().format);
    if source.chroma() != target.chroma() || source.bit_depth() != target.bit_depth() {
        return false;
    }
    match (source, target) {
        (Format::Nv12, Format::I420) => split::<1>(from, to, |value| value),
        (Format::I420, Format::Nv12) => join::<1>(from, to, |value| value),
        (Format::P010, Format::I420p10) => {
            split::<2>(from, to, |value| (u16::from_le_bytes(value) >> 6).to_le_bytes());
        }
        (Format::I420p10, Format::P010) => {
            join::<2>(from, to, |value| (u16::from_le_bytes(value) << 6).to_le_bytes());
        }
        _ => return false,
    }
    true
}

/// Two planes to three.
fn split<const N: usize>(
    from: &Picture<'_>,
    to: &mut PictureMut<'_>,
    value: impl Fn([u8; N]) -> [u8; N],
) {
    for (out, row) in to.rows_mut(0).zip(from.rows(0)) {
        out.as_chunks_mut().0.iter_mut().zip(row.as_chunks().0).for_each(|(o, v)| *o = value(*v));
    }
    for plane in [1, 2] {
        for (out, row) in to.rows_mut(plane).zip(from.rows(1)) {
            let values = row.as_chunks::<N>().0.iter().skip(plane - 1).step_by(2);
            out.as_chunks_mut().0.iter_mut().zip(values).for_each(|(o, v)| *o = value(*v));
        }
    }
}

/// Three planes to two.
fn join<const N: usize>(
    from: &Picture<'_>,
    to: &mut PictureMut<'_>,
    value: impl Fn([u8; N]) -> [u8; N],
) {
    for (out, row) in to.rows_mut(0).zip(from.rows(0)) {
        out.as_chunks_mut().0.iter_mut().zip(row.as_chunks().0).for_each(|(o, v)| *o = value(*v));
    }
    for plane in [1, 2] {
        for (out, row) in to.rows_mut(1).zip(from.rows(plane)) {
            let places = out.as_chunks_mut::<N>().0.iter_mut().skip(plane - 1).step_by(2);
            places.zip(row.as_chunks().0).for_each(|(o, v)| *o = value(*v));
        }
    }
}

/// Multiplies colour by alpha.
fn premultiply(row: &mut [Rgba]) {
    for [r, g, b, a] in row {
        for value in [r, g, b] {
            *value = narrow((u32::from(*value) * u32::from(*a) + 127) / 255);
        }
    }
}

/// Divides colour by alpha; where alpha is zero nothing is left.
fn unpremultiply(row: &mut [Rgba]) {
    for [r, g, b, a] in row {
        let alpha = u32::from(*a);
        for value in [r, g, b] {
            *value = narrow((u32::from(*value) * 255 + alpha / 2).checked_div(alpha).unwrap_or(0));
        }
    }
}

fn make_opaque(row: &mut [Rgba]) {
    row.iter_mut().for_each(|[_, _, _, a]| *a = 255);
}

/// RGBA to BGRA or back, as one word: most vector units have no faster way.
#[inline]
fn swap_red_and_blue(px: Rgba) -> Rgba {
    let word = u32::from_le_bytes(px);
    (word & 0xff00_ff00 | word >> 16 & 0xff | (word & 0xff) << 16).to_le_bytes()
}

/// Cuts to what a byte holds.
pub(super) fn narrow(value: u32) -> u8 {
    u8::try_from(value.min(255)).unwrap_or(255)
}

/// Rounds 0.0 to 1.0 to a byte; what lies beyond is cut, NaN is 0.
#[expect(clippy::cast_possible_truncation, reason = "casts from floats saturate")]
pub(super) fn unit_to_byte(value: f32) -> u8 {
    (value * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests;
