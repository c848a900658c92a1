//! Half floats, and sRGB to and from linear light.

use std::sync::LazyLock;

/// A byte of sRGB as linear light.
pub(super) static LINEAR_OF_BYTE: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|byte| decode_srgb(byte as f32 / 255.0)));

/// Reads a half float.
pub(super) fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let (exponent, mantissa) = (u32::from(half >> 10 & 0x1f), u32::from(half & 0x3ff));
    match exponent {
        0 => {
            // Subnormal: the mantissa counts steps of 2^-24.
            let value = f32::from_bits(0x3380_0000) * (half & 0x3ff) as f32;
            f32::from_bits(sign | value.to_bits())
        }
        0x1f => f32::from_bits(sign | 0x7f80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

/// Writes a half float, rounded to the nearest, ties to even.
pub(super) fn f32_to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    let half = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x4780_0000 {
        0x7c00
    } else if magnitude < 0x3880_0000 {
        // Subnormal: adding 0.5 leaves the steps of 2^-24 in the low bits.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0x3f00_0000
    } else {
        (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x3800_0000) >> 13
    };
    u16::try_from(sign | half).unwrap_or(0x7e00)
}

/// Linear light to sRGB; what lies beyond 0.0 to 1.0 is cut, NaN is 0.
pub(super) fn encode_srgb(linear: f32) -> f32 {
    if linear > 0.003_130_8 {
        1.055 * linear.min(1.0).powf(1.0 / 2.4) - 0.055
    } else {
        linear.max(0.0) * 12.92
    }
}

/// sRGB to linear light.
fn decode_srgb(value: f32) -> f32 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (half, value) in [
            (0x0000, 0.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half_to_f32(half), value);
            assert_eq!(f32_to_half(value), half);
        }
        assert!(half_to_f32(0x7e00).is_nan());
        assert!(half_to_f32(f32_to_half(f32::NAN)).is_nan());
        assert_eq!(f32_to_half(65520.0), 0x7c00);
        assert_eq!(f32_to_half(1e30), 0x7c00);
        assert_eq!(f32_to_half(65519.0), 0x7bff);
    }

    #[test]
    fn every_half_round_trips() {
        for half in 0..=u16::MAX {
            let value = half_to_f32(half);
            if !value.is_nan() {
                assert_eq!(f32_to_half(value), half, "{half:04x}");
            }
        }
    }

    #[test]
    fn srgb_round_trips_by_byte() {
        for (byte, &linear) in LINEAR_OF_BYTE.iter().enumerate() {
            assert!((encode_srgb(linear) * 255.0 - byte as f32).abs() < 0.01);
        }
        assert!((LINEAR_OF_BYTE[188] - 0.502_886_5).abs() < 1e-6);
        assert_eq!(encode_srgb(f32::NAN), 0.0);
    }
}
