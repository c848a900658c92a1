//! Pixel formats: their numbers and names, and where each plane of a picture lies.
//!
//! A format says how bytes are arranged, never what the values mean: that is
//! [`Color`](super::color::Color). A `…Srgb` format differs from its plain twin only in what a GPU
//! sampler does with it; the bytes are the same.

/// The largest width of a picture, in pixels.
pub const WIDTH_MAX: u32 = 16_384;
/// The largest height of a picture, in pixels.
pub const HEIGHT_MAX: u32 = 16_384;
/// The most planes a picture has room for.
pub const PLANES_MAX: usize = 4;
/// The largest picture, in bytes: offsets inside a slot are 32 bits wide.
pub const SIZE_BYTES_MAX: u64 = 1 << 32;

/// How the pixels of a picture are arranged in memory. The discriminants are the numbers used on
/// the wire and in shared memory; they never change and are never reused.
///
/// Packed formats name their channels in the order of their bytes in memory. All multi-byte values
/// are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Format {
    /// Red, green, blue, alpha, one byte each.
    Rgba8 = 1,
    /// [`Rgba8`](Self::Rgba8) that a GPU decodes from sRGB.
    Rgba8Srgb = 2,
    /// Blue, green, red, alpha, one byte each.
    Bgra8 = 3,
    /// [`Bgra8`](Self::Bgra8) that a GPU decodes from sRGB.
    Bgra8Srgb = 4,
    /// Red, green, blue and a byte without meaning.
    Rgbx8 = 5,
    /// [`Rgbx8`](Self::Rgbx8) that a GPU decodes from sRGB.
    Rgbx8Srgb = 6,
    /// Blue, green, red and a byte without meaning.
    Bgrx8 = 7,
    /// [`Bgrx8`](Self::Bgrx8) that a GPU decodes from sRGB.
    Bgrx8Srgb = 8,
    /// One byte of red, or grey.
    R8 = 9,
    /// Red, green, one byte each.
    Rg8 = 10,
    /// A 32-bit word: red in the low 10 bits, then green, blue, and 2 bits of alpha at the top.
    Rgb10a2 = 11,
    /// Red, green, blue, alpha, a half float each.
    Rgba16f = 12,
    /// Red, green, blue, alpha, a float each.
    Rgba32f = 13,
    /// 8-bit 4:2:0: a plane of Y, a plane of interleaved Cb and Cr.
    Nv12 = 14,
    /// 10-bit 4:2:0 like [`Nv12`](Self::Nv12), each value in the high bits of a 16-bit word.
    P010 = 15,
    /// 8-bit 4:2:0 in three planes: Y, Cb, Cr.
    I420 = 16,
    /// 8-bit 4:2:2 in three planes: Y, Cb, Cr.
    I422 = 17,
    /// 8-bit 4:4:4 in three planes: Y, Cb, Cr.
    I444 = 18,
    /// 10-bit 4:2:0 in three planes, each value in the low bits of a 16-bit word.
    I420p10 = 19,
    /// 10-bit 4:2:2 in three planes, each value in the low bits of a 16-bit word.
    I422p10 = 20,
    /// 10-bit 4:4:4 in three planes, each value in the low bits of a 16-bit word.
    I444p10 = 21,
}

/// How far the chroma planes of a YUV format are smaller than the luma plane: each side is shifted
/// right, odd sizes rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chroma {
    /// 1 when chroma has half the width, else 0.
    pub horizontal_shift: u32,
    /// 1 when chroma has half the height, else 0.
    pub vertical_shift: u32,
}

/// What the start of every row and of every plane is a multiple of, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alignment {
    /// Strides are a multiple of this power of two.
    pub stride_bytes: u32,
    /// Plane offsets are a multiple of this power of two.
    pub plane_bytes: u32,
}

/// Where one plane of a picture lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plane {
    /// From the start of the picture to the first row.
    pub offset_bytes: u32,
    /// From the start of one row to the start of the next.
    pub stride_bytes: u32,
    /// The number of rows.
    pub height: u32,
    /// The bytes of a row that hold pixels.
    pub row_bytes: u32,
}

/// Where all planes of a picture lie. Offsets count from the start of the picture: of a frame's
/// bytes, or of a slice of a surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The planes; those from `plane_count` on are zero.
    pub planes: [Plane; PLANES_MAX],
    /// How many planes are used.
    pub plane_count: usize,
    /// From the start of the picture to the end of the last byte that holds a pixel.
    pub size_bytes: u64,
}

/// Why there is no such layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A side is zero or too long.
    #[error("a picture of {width}x{height}: each side is 1 to 16384 pixels")]
    Size {
        /// The width asked for, in pixels.
        width: u32,
        /// The height asked for, in pixels.
        height: u32,
    },
    /// An alignment is not a power of two.
    #[error("an alignment of {bytes} bytes: it must be a power of two")]
    Alignment {
        /// The alignment asked for.
        bytes: u32,
    },
    /// The picture does not fit an offset of 32 bits.
    #[error("a picture of {size_bytes} bytes: at most {SIZE_BYTES_MAX} fit a slot")]
    TooLarge {
        /// The bytes that it would take.
        size_bytes: u64,
    },
    /// A plane has a stride shorter than its rows.
    #[error("plane {plane}: a stride of {stride_bytes} bytes for rows of {row_bytes} bytes")]
    Stride {
        /// The plane, from 0.
        plane: usize,
        /// Its stride.
        stride_bytes: u32,
        /// The bytes of a row that hold pixels.
        row_bytes: u32,
    },
    /// A plane reaches beyond the memory it should lie in.
    #[error("plane {plane} ends at byte {end_bytes} of {size_bytes}")]
    OutOfBounds {
        /// The plane, from 0.
        plane: usize,
        /// Where its last row ends.
        end_bytes: u64,
        /// The bytes that there are.
        size_bytes: u64,
    },
}

impl Format {
    /// Every format, in the order of its number.
    pub const ALL: [Self; 21] = [
        Self::Rgba8,
        Self::Rgba8Srgb,
        Self::Bgra8,
        Self::Bgra8Srgb,
        Self::Rgbx8,
        Self::Rgbx8Srgb,
        Self::Bgrx8,
        Self::Bgrx8Srgb,
        Self::R8,
        Self::Rg8,
        Self::Rgb10a2,
        Self::Rgba16f,
        Self::Rgba32f,
        Self::Nv12,
        Self::P010,
        Self::I420,
        Self::I422,
        Self::I444,
        Self::I420p10,
        Self::I422p10,
        Self::I444p10,
    ];

    /// Finds a format by its wire number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.number() == number)
    }

    /// Finds a format by its name, as typed on a command line.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The wire number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The name in lower case, as typed on a command line.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The `DXGI_FORMAT` with the same bytes, where there is one.
    pub const fn dxgi_number(self) -> Option<u32> {
        self.row().dxgi
    }

    /// The `DRM_FORMAT_…` of `drm_fourcc.h` with the same bytes, where there is one.
    ///
    /// DRM names its packed formats after a little-endian word, from the top bits down: bytes B, G,
    /// R, A are `ARGB8888`. The fourcc does not say whether values are sRGB.
    pub const fn fourcc(self) -> Option<u32> {
        match self.row().fourcc {
            Some(code) => Some(u32::from_le_bytes(*code)),
            None => None,
        }
    }

    /// Whether pixels have an alpha channel.
    pub const fn has_alpha(self) -> bool {
        self.row().alpha_bits > 0
    }

    /// Whether pixels are luma and chroma and need a matrix to become red, green and blue.
    pub const fn is_yuv(self) -> bool {
        self.chroma().is_some()
    }

    /// The significant bits of a value of a colour channel.
    pub const fn bit_depth(self) -> u32 {
        self.row().bits
    }

    /// The number of planes.
    pub const fn plane_count(self) -> usize {
        match self.row().shape {
            Shape::Packed { .. } => 1,
            Shape::SemiPlanar { .. } => 2,
            Shape::Planar { .. } => 3,
        }
    }

    /// How chroma is subsampled; `None` for formats without chroma.
    pub const fn chroma(self) -> Option<Chroma> {
        match self.row().shape {
            Shape::Packed { .. } => None,
            Shape::SemiPlanar { chroma, .. } | Shape::Planar { chroma, .. } => Some(chroma),
        }
    }

    /// The rows of a plane and the bytes of each row that hold pixels; `None` for a plane that the
    /// format does not have. Zero sides give zero.
    pub const fn plane_size(self, width: u32, height: u32, plane: usize) -> Option<(u32, u32)> {
        if plane >= self.plane_count() {
            return None;
        }
        let (sample_bytes, width, height) = match self.row().shape {
            Shape::Packed { pixel_bytes } => (pixel_bytes, width, height),
            Shape::SemiPlanar { sample_bytes, .. } | Shape::Planar { sample_bytes, .. }
                if plane == 0 =>
            {
                (sample_bytes, width, height)
            }
            Shape::SemiPlanar { sample_bytes, chroma } => {
                (sample_bytes * 2, chroma.width(width), chroma.height(height))
            }
            Shape::Planar { sample_bytes, chroma } => {
                (sample_bytes, chroma.width(width), chroma.height(height))
            }
        };
        Some((height, width.saturating_mul(sample_bytes)))
    }

    /// Lays out a picture: the planes one after the other, each row and plane aligned.
    ///
    /// # Errors
    /// [`LayoutError::Size`] when a side is not 1 to 16384, [`LayoutError::Alignment`] when an
    /// alignment is no power of two, [`LayoutError::TooLarge`] when the planes need more than
    /// [`SIZE_BYTES_MAX`] bytes.
    pub fn layout(
        self,
        width: u32,
        height: u32,
        alignment: Alignment,
    ) -> Result<Layout, LayoutError> {
        check_size(width, height)?;
        for bytes in [alignment.stride_bytes, alignment.plane_bytes] {
            if !bytes.is_power_of_two() {
                return Err(LayoutError::Alignment { bytes });
            }
        }
        let mut layout =
            Layout { planes: [Plane::default(); PLANES_MAX], plane_count: 0, size_bytes: 0 };
        let mut next: u64 = 0;
        for (index, plane) in layout.planes.iter_mut().enumerate() {
            let Some((height, row_bytes)) = self.plane_size(width, height, index) else { break };
            let stride = u64::from(row_bytes).next_multiple_of(u64::from(alignment.stride_bytes));
            let offset = next.next_multiple_of(u64::from(alignment.plane_bytes));
            next = offset + stride * u64::from(height);
            let too_large = LayoutError::TooLarge { size_bytes: next };
            if next > SIZE_BYTES_MAX {
                return Err(too_large);
            }
            *plane = Plane {
                offset_bytes: u32::try_from(offset).map_err(|_| too_large)?,
                stride_bytes: u32::try_from(stride).map_err(|_| too_large)?,
                height,
                row_bytes,
            };
            layout.size_bytes = plane.end_bytes();
            layout.plane_count = index + 1;
        }
        Ok(layout)
    }

    /// All facts about a format, one line each.
    const fn row(self) -> Row {
        const fn rgb(
            name: &'static str,
            pixel_bytes: u32,
            (bits, alpha_bits): (u32, u32),
            dxgi: Option<u32>,
            fourcc: &'static [u8; 4],
        ) -> Row {
            let shape = Shape::Packed { pixel_bytes };
            Row { name, bits, alpha_bits, dxgi, fourcc: Some(fourcc), shape }
        }
        const fn yuv(
            name: &'static str,
            bits: u32,
            dxgi: Option<u32>,
            fourcc: &'static [u8; 4],
            shape: Shape,
        ) -> Row {
            Row { name, bits, alpha_bits: 0, dxgi, fourcc: Some(fourcc), shape }
        }
        const fn semi(sample_bytes: u32) -> Shape {
            Shape::SemiPlanar { sample_bytes, chroma: Chroma::HALF }
        }
        const fn planar(sample_bytes: u32, chroma: Chroma) -> Shape {
            Shape::Planar { sample_bytes, chroma }
        }
        match self {
            Self::Rgba8 => rgb("rgba8", 4, (8, 8), Some(28), b"AB24"),
            Self::Rgba8Srgb => rgb("rgba8-srgb", 4, (8, 8), Some(29), b"AB24"),
            Self::Bgra8 => rgb("bgra8", 4, (8, 8), Some(87), b"AR24"),
            Self::Bgra8Srgb => rgb("bgra8-srgb", 4, (8, 8), Some(91), b"AR24"),
            Self::Rgbx8 => rgb("rgbx8", 4, (8, 0), None, b"XB24"),
            Self::Rgbx8Srgb => rgb("rgbx8-srgb", 4, (8, 0), None, b"XB24"),
            Self::Bgrx8 => rgb("bgrx8", 4, (8, 0), Some(88), b"XR24"),
            Self::Bgrx8Srgb => rgb("bgrx8-srgb", 4, (8, 0), Some(93), b"XR24"),
            Self::R8 => rgb("r8", 1, (8, 0), Some(61), b"R8  "),
            Self::Rg8 => rgb("rg8", 2, (8, 0), Some(49), b"GR88"),
            Self::Rgb10a2 => rgb("rgb10a2", 4, (10, 2), Some(24), b"AB30"),
            Self::Rgba16f => rgb("rgba16f", 8, (16, 16), Some(10), b"AB4H"),
            Self::Rgba32f => rgb("rgba32f", 16, (32, 32), Some(2), b"AB8F"),
            Self::Nv12 => yuv("nv12", 8, Some(103), b"NV12", semi(1)),
            Self::P010 => yuv("p010", 10, Some(104), b"P010", semi(2)),
            Self::I420 => yuv("i420", 8, None, b"YU12", planar(1, Chroma::HALF)),
            Self::I422 => yuv("i422", 8, None, b"YU16", planar(1, Chroma::HALF_WIDTH)),
            Self::I444 => yuv("i444", 8, None, b"YU24", planar(1, Chroma::FULL)),
            Self::I420p10 => yuv("i420p10", 10, None, b"S010", planar(2, Chroma::HALF)),
            Self::I422p10 => yuv("i422p10", 10, None, b"S210", planar(2, Chroma::HALF_WIDTH)),
            Self::I444p10 => yuv("i444p10", 10, None, b"S410", planar(2, Chroma::FULL)),
        }
    }
}

impl core::fmt::Display for Format {
    /// Writes the name in capitals, as listings show it: `BGRA8`, `I420P10`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        use core::fmt::Write;
        self.name().chars().try_for_each(|c| f.write_char(c.to_ascii_uppercase()))
    }
}

impl Chroma {
    const FULL: Self = Self { horizontal_shift: 0, vertical_shift: 0 };
    const HALF_WIDTH: Self = Self { horizontal_shift: 1, vertical_shift: 0 };
    const HALF: Self = Self { horizontal_shift: 1, vertical_shift: 1 };

    /// The width of a chroma plane for a picture of this width, rounded up.
    pub const fn width(self, width: u32) -> u32 {
        width.div_ceil(1 << self.horizontal_shift)
    }

    /// The height of a chroma plane for a picture of this height, rounded up.
    pub const fn height(self, height: u32) -> u32 {
        height.div_ceil(1 << self.vertical_shift)
    }
}

impl Alignment {
    /// No padding at all, as in a file.
    pub const TIGHT: Self = Self { stride_bytes: 1, plane_bytes: 1 };
    /// Rows and planes start on a cache line, as in the frames of a stream.
    pub const DEFAULT: Self = Self { stride_bytes: 64, plane_bytes: 64 };
    /// The row pitch that linear surfaces shared between adapters have.
    pub const CROSS_ADAPTER: Self = Self { stride_bytes: 256, plane_bytes: 256 };
}

impl Plane {
    /// Where the pixels of the last row end, counted from the start of the picture.
    pub fn end_bytes(&self) -> u64 {
        let rows_before_last = u64::from(self.height.saturating_sub(1));
        u64::from(self.offset_bytes)
            .saturating_add(u64::from(self.stride_bytes).saturating_mul(rows_before_last))
            .saturating_add(u64::from(self.row_bytes))
    }

    /// Where a row starts, counted from the start of the picture; `None` beyond the last row.
    pub fn row_offset(&self, row: u32) -> Option<u64> {
        let before = u64::from(self.stride_bytes).checked_mul(u64::from(row))?;
        (row < self.height).then(|| u64::from(self.offset_bytes) + before)
    }
}

impl Layout {
    /// Makes a layout from planes that came from elsewhere; at most [`PLANES_MAX`] are taken.
    pub fn from_planes(planes: impl IntoIterator<Item = Plane>) -> Self {
        let mut layout =
            Self { planes: [Plane::default(); PLANES_MAX], plane_count: 0, size_bytes: 0 };
        for (place, plane) in layout.planes.iter_mut().zip(planes) {
            *place = plane;
            layout.plane_count += 1;
            layout.size_bytes = layout.size_bytes.max(plane.end_bytes());
        }
        layout
    }

    /// The planes in use.
    pub fn planes(&self) -> &[Plane] {
        self.planes.get(..self.plane_count).unwrap_or(&self.planes)
    }

    /// Checks every plane against the memory that it should lie in; `size_bytes` of the layout
    /// itself is not trusted.
    ///
    /// # Errors
    /// [`LayoutError::Stride`] when a stride is shorter than a row, [`LayoutError::OutOfBounds`]
    /// when a plane ends beyond `size_bytes`.
    pub fn check_within(&self, size_bytes: u64) -> Result<(), LayoutError> {
        for (index, plane) in self.planes().iter().enumerate() {
            let &Plane { stride_bytes, row_bytes, .. } = plane;
            if stride_bytes < row_bytes {
                return Err(LayoutError::Stride { plane: index, stride_bytes, row_bytes });
            }
            let end_bytes = plane.end_bytes();
            if end_bytes > size_bytes {
                return Err(LayoutError::OutOfBounds { plane: index, end_bytes, size_bytes });
            }
        }
        Ok(())
    }
}

/// Checks that a picture of this size may exist.
///
/// # Errors
/// [`LayoutError::Size`] when a side is not 1 to 16384.
pub const fn check_size(width: u32, height: u32) -> Result<(), LayoutError> {
    if width == 0 || width > WIDTH_MAX || height == 0 || height > HEIGHT_MAX {
        return Err(LayoutError::Size { width, height });
    }
    Ok(())
}

/// One line of the table in [`Format::row`].
struct Row {
    name: &'static str,
    bits: u32,
    alpha_bits: u32,
    dxgi: Option<u32>,
    fourcc: Option<&'static [u8; 4]>,
    shape: Shape,
}

/// How the values of a pixel are spread over planes.
#[derive(Clone, Copy)]
enum Shape {
    Packed { pixel_bytes: u32 },
    SemiPlanar { sample_bytes: u32, chroma: Chroma },
    Planar { sample_bytes: u32, chroma: Chroma },
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    fn check(
        format: Format,
        size: (u32, u32),
        alignment: Alignment,
        wanted: &[[u32; 4]],
        end: u64,
    ) {
        let layout = format.layout(size.0, size.1, alignment).unwrap();
        let found: Vec<_> = layout
            .planes()
            .iter()
            .map(|p| [p.offset_bytes, p.stride_bytes, p.height, p.row_bytes])
            .collect();
        assert_eq!((found.as_slice(), layout.size_bytes), (wanted, end), "{format}");
        assert_eq!(Layout::from_planes(layout.planes), Layout { plane_count: 4, ..layout });
        layout.check_within(end).unwrap();
        assert!(layout.check_within(end - 1).is_err());
    }

    #[test]
    fn numbers_and_names_are_stable() {
        let table: Vec<_> = Format::ALL.iter().map(|f| (f.number(), f.name())).collect();
        assert_eq!(
            table,
            [
                (1, "rgba8"),
                (2, "rgba8-srgb"),
                (3, "bgra8"),
                (4, "bgra8-srgb"),
                (5, "rgbx8"),
                (6, "rgbx8-srgb"),
                (7, "bgrx8"),
                (8, "bgrx8-srgb"),
                (9, "r8"),
                (10, "rg8"),
                (11, "rgb10a2"),
                (12, "rgba16f"),
                (13, "rgba32f"),
                (14, "nv12"),
                (15, "p010"),
                (16, "i420"),
                (17, "i422"),
                (18, "i444"),
                (19, "i420p10"),
                (20, "i422p10"),
                (21, "i444p10"),
            ]
        );
        for format in Format::ALL {
            assert_eq!(Format::from_number(format.number()), Some(format));
            assert_eq!(Format::from_name(format.name()), Some(format));
        }
        assert_eq!(Format::from_number(0), None);
        assert_eq!(Format::from_number(22), None);
        assert_eq!(Format::from_name("BGRA8"), None);
        assert_eq!(Format::Bgra8Srgb.to_string(), "BGRA8-SRGB");
    }

    #[test]
    fn foreign_numbers() {
        assert_eq!(Format::Bgra8.dxgi_number(), Some(87));
        assert_eq!(Format::Bgra8Srgb.dxgi_number(), Some(91));
        assert_eq!(Format::I420.dxgi_number(), None);
        assert_eq!(Format::Bgra8.fourcc(), Some(0x3432_5241));
        assert_eq!(Format::Rgba8.fourcc(), Some(0x3432_4241));
        assert_eq!(Format::Nv12.fourcc(), Some(0x3231_564e));
    }

    #[test]
    fn facts() {
        let alpha: Vec<_> = Format::ALL.into_iter().filter(|f| f.has_alpha()).collect();
        assert_eq!(
            alpha,
            [
                Format::Rgba8,
                Format::Rgba8Srgb,
                Format::Bgra8,
                Format::Bgra8Srgb,
                Format::Rgb10a2,
                Format::Rgba16f,
                Format::Rgba32f,
            ]
        );
        assert_eq!(Format::ALL.into_iter().filter(|f| f.is_yuv()).count(), 8);
        assert_eq!(Format::P010.bit_depth(), 10);
        assert_eq!(Format::Rgb10a2.bit_depth(), 10);
        let chroma = Format::I422.chroma().unwrap();
        assert_eq!((chroma.horizontal_shift, chroma.vertical_shift), (1, 0));
    }

    #[test]
    fn layouts() {
        let tight = Alignment::TIGHT;
        check(Format::Bgra8, (5, 3), tight, &[[0, 20, 3, 20]], 60);
        check(Format::Bgra8, (5, 3), Alignment::DEFAULT, &[[0, 64, 3, 20]], 148);
        let odd = [[0, 5, 3, 5], [15, 3, 2, 3], [21, 3, 2, 3]];
        check(Format::I420, (5, 3), tight, &odd, 27);
        let odd = [[0, 64, 3, 5], [192, 64, 2, 3], [320, 64, 2, 3]];
        check(Format::I420, (5, 3), Alignment::DEFAULT, &odd, 387);
        check(Format::Nv12, (5, 3), tight, &[[0, 5, 3, 5], [15, 6, 2, 6]], 27);
        check(Format::P010, (5, 3), tight, &[[0, 10, 3, 10], [30, 12, 2, 12]], 54);
        check(Format::I422, (5, 3), tight, &[[0, 5, 3, 5], [15, 3, 3, 3], [24, 3, 3, 3]], 33);
        let words = [[0, 10, 3, 10], [30, 10, 3, 10], [60, 10, 3, 10]];
        check(Format::I444p10, (5, 3), tight, &words, 90);
        check(Format::R8, (1, 1), Alignment::CROSS_ADAPTER, &[[0, 256, 1, 1]], 1);
    }

    #[test]
    fn the_largest_picture_fits() {
        let layout = Format::Rgba32f.layout(WIDTH_MAX, HEIGHT_MAX, Alignment::DEFAULT).unwrap();
        assert_eq!(layout.size_bytes, SIZE_BYTES_MAX);
    }

    #[test]
    fn impossible_layouts_are_refused() {
        let refused = |width, height, stride_bytes| {
            let alignment = Alignment { stride_bytes, plane_bytes: 1 };
            Format::I444.layout(width, height, alignment).unwrap_err().to_string()
        };
        assert_eq!(refused(0, 1, 1), "a picture of 0x1: each side is 1 to 16384 pixels");
        assert_eq!(refused(1, 16385, 1), "a picture of 1x16385: each side is 1 to 16384 pixels");
        assert_eq!(refused(1, 1, 0), "an alignment of 0 bytes: it must be a power of two");
        assert_eq!(refused(1, 1, 48), "an alignment of 48 bytes: it must be a power of two");
        assert_eq!(
            refused(1, 2, 1 << 31),
            "a picture of 8589934592 bytes: at most 4294967296 fit a slot"
        );
    }

    #[test]
    fn rows_lie_one_stride_apart() {
        let layout = Format::I420.layout(5, 3, Alignment::DEFAULT).unwrap();
        let chroma = layout.planes()[1];
        assert_eq!(chroma.row_offset(1), Some(256));
        assert_eq!(chroma.row_offset(2), None);
    }
}
