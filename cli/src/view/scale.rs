//! Pictures of any format and size onto a canvas.
//!
//! Only what is seen is converted: a pixel of the canvas is the average of a few samples of the
//! pixels that it stands for, and rows without a sample are not read.

use handfast::Alpha;

use super::canvas::Canvas;
use super::layout::Rect;
use crate::media::convert::Decoder;
use crate::media::picture::{Picture, Rgba, to_usize};

/// Samples along one side that a pixel is the average of, at most. Sums of 16 bits have room for
/// 16 by 16.
const TAPS_MAX: u32 = 8;
/// Two greys behind pictures that let something through, and the size of their squares.
const CHECKS: [u32; 2] = [102, 153];
const CHECK_SHIFT: u32 = 3;
/// One in each of the four sums.
const ONES: u64 = 0x0001_0001_0001_0001;

/// Draws a picture, stretched to an area of the canvas.
pub(super) fn draw(picture: &Picture<'_>, target: Rect, canvas: &mut Canvas<'_>) {
    let desc = picture.desc();
    let (columns, rows) =
        (Axis::new(desc.width, target.width), Axis::new(desc.height, target.height));
    let opaque = desc.alpha == Alpha::Opaque || !desc.format.has_alpha();
    let mut decoder = Decoder::new(desc, Alpha::Premultiplied);
    let mut row = vec![Rgba::default(); to_usize(desc.width)];
    // Sums over rows for each column of the picture, and over both for each pixel of the canvas.
    let mut tall = vec![0u64; to_usize(desc.width)];
    let mut sums = vec![0u64; to_usize(target.width)];
    let places: Vec<_> = (0..target.width).flat_map(|x| columns.samples(x)).map(to_usize).collect();
    let shift = columns.taps.ilog2() + rows.taps.ilog2();
    let (mut decoded, mut summed) = (None, None);
    for y in 0..target.height {
        let first = rows.samples(y).next();
        // A picture that is stretched repeats its rows.
        if summed != first || rows.taps > 1 {
            summed = first;
            tall.fill(0);
            for sample in rows.samples(y) {
                if decoded != Some(sample) {
                    decoder.decode_row(picture, sample, &mut row);
                    decoded = Some(sample);
                }
                tall.iter_mut().zip(&row).for_each(|(sum, pixel)| *sum += lanes(*pixel));
            }
            columns.sum(&tall, &places, &mut sums);
        }
        let out = canvas.row_mut(target.y + y, target.x, target.width);
        if opaque {
            out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = word(mean(*sum, shift)));
        } else {
            for ((x, out), sum) in (0..).zip(out).zip(&sums) {
                *out = over(mean(*sum, shift), (x ^ y) >> CHECK_SHIFT & 1 != 0);
            }
        }
    }
}

/// One side of a picture and of what it becomes.
#[derive(Clone, Copy, Debug)]
struct Axis {
    source: u32,
    target: u32,
    /// Samples for a pixel; a power of two.
    taps: u32,
}

impl Axis {
    fn new(source: u32, target: u32) -> Self {
        let ratio = source.checked_div(target).unwrap_or(0);
        let taps = if source <= target { 1 } else { (1 << ratio.max(2).ilog2()).min(TAPS_MAX) };
        Self { source, target, taps }
    }

    /// The places that a pixel is sampled at: the middles of equal parts of what it stands for.
    fn samples(self, pixel: u32) -> impl Iterator<Item = u32> {
        let parts = 2 * u64::from(self.target) * u64::from(self.taps);
        (0..self.taps).map(move |tap| {
            let middle = 2 * (u64::from(pixel) * u64::from(self.taps) + u64::from(tap)) + 1;
            let place = (middle * u64::from(self.source)).checked_div(parts).unwrap_or(0);
            u32::try_from(place).unwrap_or(u32::MAX).min(self.source.saturating_sub(1))
        })
    }

    /// Sums the samples of each pixel, which lie at these places.
    fn sum(self, columns: &[u64], places: &[usize], sums: &mut [u64]) {
        let sample = |place: &usize| columns.get(*place).copied().unwrap_or_default();
        match self.taps {
            1 if self.source == self.target => {
                sums.iter_mut().zip(columns).for_each(|(sum, column)| *sum = *column);
            }
            1 => sums.iter_mut().zip(places).for_each(|(sum, place)| *sum = sample(place)),
            2 => {
                let pairs = places.as_chunks().0;
                sums.iter_mut().zip(pairs).for_each(|(sum, [a, b])| *sum = sample(a) + sample(b));
            }
            taps => {
                for (sum, places) in sums.iter_mut().zip(places.chunks_exact(to_usize(taps))) {
                    *sum = places.iter().map(sample).sum();
                }
            }
        }
    }
}

/// A pixel with 16 bits for each value: red, blue, green and alpha, red lowest.
#[inline]
fn lanes(pixel: Rgba) -> u64 {
    let pixel = u32::from_le_bytes(pixel);
    u64::from(pixel & 0xff_00ff) | u64::from(pixel >> 8 & 0xff_00ff) << 32
}

/// The average of 1 << shift pixels, rounded.
#[inline]
fn mean(sum: u64, shift: u32) -> u64 {
    let half = ONES * (1 << shift >> 1);
    (sum + half) >> shift & (ONES * 0xff)
}

/// 0x00RRGGBB.
#[inline]
fn word(lanes: u64) -> u32 {
    let [r, _, b, _, g, _, _, _] = lanes.to_le_bytes();
    u32::from_le_bytes([b, g, r, 0])
}

/// A premultiplied pixel over the one or the other check.
#[inline]
fn over(pixel: u64, is_light: bool) -> u32 {
    let [_, _, _, _, _, _, alpha, _] = pixel.to_le_bytes();
    let [dark, light] = CHECKS;
    let under = if is_light { light } else { dark };
    let through = (under * u32::from(255 - alpha) + 127) / 255;
    let [blue, green, red, _] = word(pixel).to_le_bytes();
    let [b, g, r] = [blue, green, red].map(|value| (u32::from(value) + through).min(255));
    r << 16 | g << 8 | b
}

#[cfg(test)]
mod tests {
    use handfast::Format;

    use super::super::layout::Rect;
    use super::*;
    use crate::media::picture::{OwnedPicture, PictureDesc};

    fn picture(width: u32, height: u32, pixels: &[Rgba]) -> OwnedPicture {
        let desc = PictureDesc::tight(width, height, Format::Rgba8).unwrap();
        OwnedPicture::from_bytes(desc, pixels.concat()).unwrap()
    }

    fn check(picture: &OwnedPicture, (width, height): (u32, u32), wanted: &[u32]) {
        let mut pixels = vec![0xdead; to_usize(width * height)];
        let mut canvas = Canvas::new(&mut pixels, width, height);
        draw(&picture.as_picture(), Rect::whole(width, height), &mut canvas);
        assert_eq!(pixels, wanted, "{width}x{height}");
    }

    const RED: Rgba = [255, 0, 0, 255];
    const BLUE: Rgba = [0, 0, 255, 255];

    #[test]
    fn pictures_are_stretched_by_repeating() {
        let two = picture(2, 1, &[RED, BLUE]);
        check(&two, (2, 1), &[0xff_0000, 0xff]);
        let row = [0xff_0000, 0xff_0000, 0xff, 0xff];
        check(&two, (4, 2), &[row, row].concat());
        check(&two, (3, 1), &[0xff_0000, 0xff, 0xff]);
    }

    #[test]
    fn pictures_are_shrunk_by_averaging() {
        check(&picture(2, 2, &[RED, BLUE, BLUE, RED]), (1, 1), &[0x80_0080]);
        check(&picture(3, 1, &[RED, BLUE, BLUE]), (2, 1), &[0x80_0080, 0xff]);
        let white = picture(64, 64, &[[255; 4]; 64 * 64]);
        check(&white, (1, 2), &[0xff_ffff; 2]);
        check(&white, (63, 1), &[0xff_ffff; 63]);
    }

    #[test]
    fn what_lets_through_lies_over_checks() {
        check(&picture(1, 1, &[[255, 0, 0, 0]]), (2, 1), &[0x66_6666; 2]);
        check(&picture(1, 1, &[[255, 0, 0, 128]]), (1, 1), &[0xb3_3333]);
        let mut wanted = [0x66_6666; 16];
        wanted[8..].fill(0x99_9999);
        check(&picture(1, 1, &[[9, 9, 9, 0]]), (16, 1), &wanted);
        // Colour that is not seen does not count.
        check(&picture(2, 1, &[[255, 255, 255, 0], BLUE]), (1, 1), &[0x33_33b3]);
    }

    #[test]
    fn every_format_and_place_is_drawn() {
        for format in Format::ALL {
            let desc = PictureDesc::tight(37, 23, format).unwrap();
            let mut picture = OwnedPicture::new(desc).unwrap();
            picture.as_picture_mut().rows_mut(0).for_each(|row| row.fill(0x3b));
            for (width, height) in [(1, 1), (37, 23), (50, 9), (9, 50), (0, 5)] {
                let target = Rect { x: 3, y: 2, width, height };
                let mut pixels = vec![0xdead_beef; 60 * 60];
                draw(&picture.as_picture(), target, &mut Canvas::new(&mut pixels, 60, 60));
                let drawn = pixels.iter().filter(|px| **px != 0xdead_beef).count();
                assert_eq!(drawn, to_usize(width * height), "{format} {width}x{height}");
            }
        }
    }

    #[test]
    fn sums_have_room_for_the_brightest() {
        let most = u64::from(TAPS_MAX * TAPS_MAX);
        let sum = lanes([255; 4]) * most;
        assert_eq!(mean(sum, most.ilog2()), lanes([255; 4]));
    }
}
