//! YUV to RGB and back in fixed point, by the matrix coefficients and range of H.273.
//!
//! Factors and values have 16 bits and products 32, which every vector unit multiplies in one step.
//! Factors have as many fraction bits as fit, 13 to 15; a result differs from that of the equations
//! by one at most, where the equations are close to a half.

use super::super::{Color, Range};

/// Turns values of one bit depth into 8-bit RGB.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToRgb {
    y_offset: i16,
    c_offset: i16,
    /// Rows red, green, blue; columns Y, Cb, Cr.
    factors: [[i16; 3]; 3],
    shift: u32,
}

/// Turns 8-bit RGB into values of one bit depth.
#[derive(Clone, Copy, Debug)]
pub(super) struct FromRgb {
    /// Rows Y, Cb, Cr; columns red, green, blue.
    factors: [[i16; 3]; 3],
    /// What is added to each row, half a step included.
    offsets: [i32; 3],
    value_max: i32,
    shift: u32,
}

/// Where black, white and the extremes of chroma lie for a bit depth.
struct Levels {
    y_offset: f64,
    y_scale: f64,
    c_offset: f64,
    c_scale: f64,
}

impl ToRgb {
    pub(super) fn new(color: Color, bits: u32) -> Self {
        let Levels { y_offset, y_scale, c_offset, c_scale } = Levels::new(color.range, bits);
        let (y, c) = (255.0 / y_scale, 255.0 / c_scale);
        let (rows, c_offset) = match weights(color.matrix) {
            Some((kr, kb)) => {
                let kg = 1.0 - kr - kb;
                let (cr, cb) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
                let green = [y, -cb * kb / kg * c, -cr * kr / kg * c];
                ([[y, 0.0, cr * c], green, [y, cb * c, 0.0]], c_offset)
            }
            // The planes hold green, blue and red.
            None => ([[0.0, 0.0, y], [y, 0.0, 0.0], [0.0, y, 0.0]], y_offset),
        };
        let shift = shift(rows);
        let factors = rows.map(|row| row.map(|factor| fixed(factor, shift)));
        Self { y_offset: whole(y_offset), c_offset: whole(c_offset), factors, shift }
    }

    /// RGB and an alpha of 255, the first byte lowest.
    #[inline]
    pub(super) fn apply(&self, y: i16, cb: i16, cr: i16) -> u32 {
        let (y, c) = (y.wrapping_sub(self.y_offset), self.c_offset);
        let half = 1 << (self.shift - 1);
        let (cb, cr) = (cb.wrapping_sub(c), cr.wrapping_sub(c));
        let [r, g, b] = self.factors.map(|[fy, fb, fr]| {
            let sum = product(fy, y) + product(fb, cb) + product(fr, cr);
            ((sum + half) >> self.shift).clamp(0, 255).cast_unsigned()
        });
        r | g << 8 | b << 16 | 0xff00_0000
    }
}

impl FromRgb {
    pub(super) fn new(color: Color, bits: u32) -> Self {
        let Levels { y_offset, y_scale, c_offset, c_scale } = Levels::new(color.range, bits);
        let (y, c) = (y_scale / 255.0, c_scale / 255.0);
        let (rows, c_offset) = match weights(color.matrix) {
            Some((kr, kb)) => {
                let kg = 1.0 - kr - kb;
                let (cb, cr) = (c / (2.0 * (1.0 - kb)), c / (2.0 * (1.0 - kr)));
                let blue = [-kr * cb, -kg * cb, (1.0 - kb) * cb];
                let red = [(1.0 - kr) * cr, -kg * cr, -kb * cr];
                ([[kr * y, kg * y, kb * y], blue, red], c_offset)
            }
            None => ([[0.0, y, 0.0], [0.0, 0.0, y], [y, 0.0, 0.0]], y_offset),
        };
        let shift = shift(rows);
        let half = 1 << (shift - 1);
        let offsets = [y_offset, c_offset, c_offset].map(|o| (i32::from(whole(o)) << shift) + half);
        // Green takes what rounding left over, so that grey stays grey to the last bit.
        let factors = rows.map(|[r, g, b]| {
            let (sum, red, blue) = (fixed(r + g + b, shift), fixed(r, shift), fixed(b, shift));
            [red, sum - red - blue, blue]
        });
        Self { factors, offsets, value_max: (1 << bits) - 1, shift }
    }

    /// Y of one pixel, from red, green and blue of 8 bits.
    #[inline]
    pub(super) fn luma(&self, rgb: [i32; 3]) -> u16 {
        let ([factors, _, _], [offset, _, _]) = (self.factors, self.offsets);
        self.apply(factors, offset, rgb)
    }

    /// Cb and Cr of one pixel, from red, green and blue of 8 bits.
    #[inline]
    pub(super) fn chroma(&self, rgb: [i32; 3]) -> [u16; 2] {
        let ([_, blue, red], [_, blue_offset, red_offset]) = (self.factors, self.offsets);
        [self.apply(blue, blue_offset, rgb), self.apply(red, red_offset, rgb)]
    }

    #[inline]
    fn apply(&self, factors: [i16; 3], offset: i32, [r, g, b]: [i32; 3]) -> u16 {
        let [fr, fg, fb] = factors.map(i32::from);
        let value = (fr * r + fg * g + fb * b + offset) >> self.shift;
        u16::try_from(value.clamp(0, self.value_max)).unwrap_or(0)
    }
}

impl Levels {
    fn new(range: Range, bits: u32) -> Self {
        let unit = f64::from(1u32 << (bits - 8));
        let c_offset = 128.0 * unit;
        match range {
            Range::Limited => Self {
                y_offset: 16.0 * unit,
                y_scale: 219.0 * unit,
                c_offset,
                c_scale: 224.0 * unit,
            },
            Range::Full => {
                let most = 256.0 * unit - 1.0;
                Self { y_offset: 0.0, y_scale: most, c_offset, c_scale: most }
            }
        }
    }
}

/// The shares of red and blue in luma; `None` when the planes hold green, blue and red. What is
/// unspecified or unknown is taken as BT.709.
fn weights(matrix: u8) -> Option<(f64, f64)> {
    match matrix {
        0 => None,
        4 => Some((0.30, 0.11)),
        5 | 6 => Some((0.299, 0.114)),
        7 => Some((0.212, 0.087)),
        9 | 10 => Some((0.2627, 0.0593)),
        _ => Some((0.2126, 0.0722)),
    }
}

fn product(a: i16, b: i16) -> i32 {
    i32::from(a) * i32::from(b)
}

/// The most fraction bits with which all factors, and the sum of a row, fit 16 bits.
fn shift(rows: [[f64; 3]; 3]) -> u32 {
    let sums = rows.iter().map(|row| row.iter().sum::<f64>());
    let most = rows.iter().flatten().copied().chain(sums).map(f64::abs).fold(0.0, f64::max);
    let fits = |shift: &u32| most * f64::from(1u32 << shift) < f64::from(i16::MAX);
    (1..=15).rev().find(fits).unwrap_or(1)
}

fn fixed(value: f64, shift: u32) -> i16 {
    whole(value * f64::from(1u32 << shift))
}

#[expect(clippy::cast_possible_truncation, reason = "shift() and bit depths see to it")]
fn whole(value: f64) -> i16 {
    value.round() as i16
}
