//! Targets rounded down to 32 bits, so that they fit beside the turn.
//!
//! 6 bits of exponent above 26 of mantissa: exact below 2^26, above it to 1 in 33 million. The
//! rounding is monotone, so roundings are compared as they are: a value that reaches a target has a
//! rounding that reaches the target's.

/// Nobody sleeps. Above every rounding.
pub(super) const NONE: u32 = u32::MAX;

const MANTISSA_BITS: u32 = 26;

/// The target, rounded down.
#[expect(clippy::cast_possible_truncation, reason = "26 bits are left after the shift")]
pub(super) const fn of(target: u64) -> u32 {
    let bits = u64::BITS - target.leading_zeros();
    let exponent = bits.saturating_sub(MANTISSA_BITS);
    exponent << MANTISSA_BITS | (target >> exponent) as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use proptest::prelude::*;

    use super::*;

    /// The least target with this rounding.
    fn floor(hint: u32) -> u64 {
        u64::from(hint & ((1 << MANTISSA_BITS) - 1)) << (hint >> MANTISSA_BITS)
    }

    #[test]
    fn the_ends_are_right() {
        assert_eq!([of(0), of(1), of((1 << 26) - 1)], [0, 1, (1 << 26) - 1]);
        assert_eq!(of(u64::MAX), 38 << 26 | ((1 << 26) - 1));
        assert!(of(u64::MAX) < NONE);
        assert_eq!(floor(of(1 << 63)), 1 << 63);
    }

    fn target() -> impl Strategy<Value = u64> {
        (0..64_u32, any::<u64>()).prop_map(|(shift, value)| value >> shift)
    }

    proptest! {
        #[test]
        fn a_target_is_rounded_down_and_not_far(target in target()) {
            let floor = floor(of(target));
            prop_assert!(floor <= target);
            prop_assert!(target - floor <= target >> 25);
            prop_assert!(target >= 1 << 26 || floor == target);
        }

        #[test]
        fn rounding_keeps_the_order(a in target(), b in target()) {
            prop_assert!(a > b || of(a) <= of(b));
            prop_assert!(a >= 1 << 26 || a >= b || of(a) < of(b));
        }
    }
}
