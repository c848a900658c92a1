//! What the values of a picture mean: colour by the code points of ITU-T H.273 (CICP), and alpha.

use core::fmt;

use super::format::Format;

/// The colour of a picture. The three numbers are code points of ITU-T H.273; any value is kept,
/// known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color {
    /// `ColourPrimaries`: 1 BT.709 and sRGB, 6 BT.601 (525 lines), 9 BT.2020; 2 unspecified.
    pub primaries: u8,
    /// `TransferCharacteristics`: 1 BT.709, 8 linear, 13 sRGB, 16 PQ, 18 HLG; 2 unspecified.
    pub transfer: u8,
    /// `MatrixCoefficients`: 0 RGB, 1 BT.709, 5 and 6 BT.601, 9 BT.2020; 2 unspecified.
    pub matrix: u8,
    /// Which numbers stand for black and white.
    pub range: Range,
}

/// Which numbers stand for black and white: the `VideoFullRangeFlag` of H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Range {
    /// 16 to 235 for luma and 16 to 240 for chroma, of 8 bits.
    Limited = 0,
    /// All values.
    Full = 1,
}

/// What the alpha channel of a picture means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Alpha {
    /// There is none, or it is to be ignored: every pixel is opaque.
    Opaque = 1,
    /// Colour values are independent of alpha.
    Straight = 2,
    /// Colour values, as stored, are already multiplied by alpha.
    Premultiplied = 3,
}

impl Color {
    /// sRGB, full range: what images and most drawing programs use.
    pub const SRGB: Self = Self { primaries: 1, transfer: 13, matrix: 0, range: Range::Full };
    /// Linear light with the primaries of sRGB: what floating-point pictures use.
    pub const LINEAR: Self = Self { primaries: 1, transfer: 8, matrix: 0, range: Range::Full };
    /// BT.709 video, limited range: high-definition video.
    pub const BT709_LIMITED: Self =
        Self { primaries: 1, transfer: 1, matrix: 1, range: Range::Limited };
    /// BT.709 video, full range.
    pub const BT709_FULL: Self = Self { range: Range::Full, ..Self::BT709_LIMITED };
    /// BT.601 video of 525 lines, limited range: standard-definition video.
    pub const BT601_LIMITED: Self =
        Self { primaries: 6, transfer: 6, matrix: 6, range: Range::Limited };
    /// BT.601 video, full range.
    pub const BT601_FULL: Self = Self { range: Range::Full, ..Self::BT601_LIMITED };
    /// BT.2020 video, limited range.
    pub const BT2020_LIMITED: Self =
        Self { primaries: 9, transfer: 14, matrix: 9, range: Range::Limited };

    /// What a picture of a format has when nobody says otherwise.
    pub const fn usual(format: Format) -> Self {
        if matches!(format, Format::Rgba16f | Format::Rgba32f) {
            Self::LINEAR
        } else if format.is_yuv() {
            Self::BT709_LIMITED
        } else {
            Self::SRGB
        }
    }

    /// Unpacks [`to_word`](Self::to_word); `None` when the range is neither limited nor full.
    pub const fn from_word(word: u32) -> Option<Self> {
        let [primaries, transfer, matrix, range] = word.to_le_bytes();
        match Range::from_number(range) {
            Some(range) => Some(Self { primaries, transfer, matrix, range }),
            None => None,
        }
    }

    /// Packs into a word, from the low byte up: primaries, transfer, matrix, range.
    pub const fn to_word(self) -> u32 {
        u32::from_le_bytes([self.primaries, self.transfer, self.matrix, self.range.number()])
    }

    /// The usual name of the three code points together, where they have one.
    pub const fn name(self) -> Option<&'static str> {
        match (self.primaries, self.transfer, self.matrix) {
            (1, 13, 0) => Some("sRGB"),
            (1, 8, 0) => Some("linear sRGB"),
            (1, 1, 1) => Some("BT.709"),
            (5, 6, 5) | (6, 6, 6) | (5, 6, 6) | (6, 6, 5) => Some("BT.601"),
            (9, 14 | 15, 9) => Some("BT.2020"),
            (9, 16, 9) => Some("BT.2100 PQ"),
            (9, 18, 9) => Some("BT.2100 HLG"),
            _ => None,
        }
    }
}

impl fmt::Display for Color {
    /// Writes `sRGB full`, `BT.709 limited`, or the three numbers where they have no name together.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} {}", self.range),
            None => write!(
                f,
                "CICP {}/{}/{} {}",
                self.primaries, self.transfer, self.matrix, self.range
            ),
        }
    }
}

impl Range {
    /// Finds a range by its wire number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Limited),
            1 => Some(Self::Full),
            _ => None,
        }
    }

    /// The wire number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limited => "limited",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Alpha {
    /// Every mode, in the order of its number.
    pub const ALL: [Self; 3] = [Self::Opaque, Self::Straight, Self::Premultiplied];

    /// Finds a mode by its wire number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|alpha| alpha.number() == number)
    }

    /// Finds a mode by its name, as typed on a command line.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alpha| alpha.name() == name)
    }

    /// The wire number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in lower case, as typed on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Straight => "straight",
            Self::Premultiplied => "premultiplied",
        }
    }
}

impl fmt::Display for Alpha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn names() {
        assert_eq!(Color::SRGB.to_string(), "sRGB full");
        assert_eq!(Color::BT709_LIMITED.to_string(), "BT.709 limited");
        assert_eq!(Color::BT601_FULL.to_string(), "BT.601 full");
        let odd = Color { primaries: 200, ..Color::SRGB };
        assert_eq!(odd.to_string(), "CICP 200/13/0 full");
        assert_eq!(Alpha::from_name("straight"), Some(Alpha::Straight));
        assert_eq!(Alpha::from_name("Straight"), None);
    }

    #[test]
    fn words_round_trip_and_refuse_an_unknown_range() {
        assert_eq!(Color::BT709_LIMITED.to_word(), 0x0001_0101);
        assert_eq!(Color::SRGB.to_word(), 0x0100_0d01);
        for range in 0..=u8::MAX {
            let word = u32::from_le_bytes([1, 2, 250, range]);
            assert_eq!(Color::from_word(word).map(Color::to_word), (range < 2).then_some(word));
        }
        for number in 0..=u8::MAX {
            let alpha = Alpha::from_number(number);
            assert_eq!(alpha.map(Alpha::number), (1..=3).contains(&number).then_some(number));
        }
    }

    #[test]
    fn usual_colour_follows_the_format() {
        assert_eq!(Color::usual(Format::Bgra8), Color::SRGB);
        assert_eq!(Color::usual(Format::Rgba16f), Color::LINEAR);
        assert_eq!(Color::usual(Format::P010), Color::BT709_LIMITED);
    }
}
