//! What a surface is made of, and where each subresource of it lies in linear memory.
//!
//! Subresources are numbered as in Direct3D: all mip levels of the first layer, then those of the
//! next. Rows start at multiples of 256 bytes and subresources at multiples of 512, which every
//! adapter's copy engine can read.

use bitflags::bitflags;

use super::bytes::{ByteReader, ByteWriter, Malformed};
use super::color::{Alpha, Color};
use super::format::{Alignment, Format, Layout, LayoutError};

/// Layers of one surface (`D3D11_REQ_TEXTURE2D_ARRAY_AXIS_DIMENSION`).
pub const LAYERS_MAX: u32 = 2048;
/// Slices of a surface with a depth (`D3D11_REQ_TEXTURE3D_U_V_OR_W_DIMENSION`).
pub const DEPTH_MAX: u32 = 2048;
/// Where subresources start (`D3D12_TEXTURE_DATA_PLACEMENT_ALIGNMENT`).
pub const SUBRESOURCE_ALIGNMENT_BYTES: u64 = 512;
/// Bytes of one surface or section.
pub const SURFACE_BYTES_MAX: u64 = 1 << 40;

/// How many sides a surface has. The numbers are those of `D3D11_RESOURCE_DIMENSION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Dimension {
    /// Bytes.
    Buffer = 1,
    /// Rows of pixels, one in each layer.
    Texture1D = 2,
    /// Pictures, one in each layer.
    Texture2D = 3,
    /// A stack of pictures.
    Texture3D = 4,
}

bitflags! {
    /// What else a surface has.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct SurfaceFlags: u32 {
        /// It has a keyed mutex, which says whose turn it is.
        const KEYED_MUTEX = 1;
    }
}

/// What a surface is made of: [`Self::texture_2d`] or [`Self::buffer`], and what differs from it.
///
/// ```
/// # use handfast_model::contract::format::Format;
/// # use handfast_model::contract::surface::{SurfaceDesc, SurfaceFlags};
/// let mut desc = SurfaceDesc::texture_2d(640, 480, Format::Bgra8);
/// desc.flags = SurfaceFlags::KEYED_MUTEX;
/// desc.layers = 4; // an array of four pictures
/// assert_eq!(desc.subresources(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SurfaceDesc {
    /// How many sides it has.
    pub dimension: Dimension,
    /// In pixels; of a buffer in bytes.
    pub width: u64,
    /// In pixels; 1 for buffers and one-sided textures.
    pub height: u32,
    /// In pixels; 1 but for three-sided textures.
    pub depth: u32,
    /// Of an array; 1 for buffers and three-sided textures.
    pub layers: u32,
    /// Mip levels, each half as large as the one before; 1 for buffers and YUV formats.
    pub mips: u32,
    /// How a pixel is stored; None for buffers.
    pub format: Option<Format>,
    /// What the numbers of a pixel mean.
    pub color: Color,
    /// What its alpha means.
    pub alpha: Alpha,
    /// What else it has.
    pub flags: SurfaceFlags,
}

/// Where one subresource lies, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// From the start of the surface's memory.
    pub offset_bytes: u64,
    /// In pixels; of a buffer in bytes.
    pub width: u64,
    /// In pixels.
    pub height: u32,
    /// Slices, each laid out alike.
    pub depth: u32,
    /// From slice to slice.
    pub slice_bytes: u64,
    /// The planes of one slice, none in a buffer. Their offsets count from the start of the slice:
    /// the first slice's is [`Self::offset_bytes`]. (In C `plane_offset_bytes` counts from the
    /// start of the surface's memory.)
    pub layout: Option<Layout>,
    /// From its start to the end of its last byte.
    pub size_bytes: u64,
}

/// Why there is no such surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SurfaceError {
    /// A side, or the format, does not go with the number of sides.
    #[error("a {dimension:?} of {width}x{height}x{depth}: {rule}")]
    Shape {
        /// The number of sides.
        dimension: Dimension,
        /// The width asked for.
        width: u64,
        /// The height asked for.
        height: u32,
        /// The depth asked for.
        depth: u32,
        /// What it must be.
        rule: &'static str,
    },
    /// Too few or too many layers.
    #[error("{layers} layers: 1 to {LAYERS_MAX}, and 1 for buffers and three-sided textures")]
    Layers {
        /// How many were asked for.
        layers: u32,
    },
    /// Too few or too many mip levels.
    #[error("{mips} mip levels: 1 to {limit}, and 1 for buffers and YUV formats")]
    Mips {
        /// How many were asked for.
        mips: u32,
        /// How many there can be.
        limit: u32,
    },
    /// One of its pictures cannot be.
    #[error(transparent)]
    Picture(#[from] LayoutError),
    /// It needs more memory than a surface may have.
    #[error("a surface of {size_bytes} bytes: at most {SURFACE_BYTES_MAX}")]
    TooLarge {
        /// The bytes that it would take.
        size_bytes: u64,
    },
}

impl SurfaceDesc {
    /// A picture: one layer, one mip level, no alpha, no flags.
    #[must_use]
    pub const fn texture_2d(width: u32, height: u32, format: Format) -> Self {
        Self {
            dimension: Dimension::Texture2D,
            width: width as u64,
            height,
            depth: 1,
            layers: 1,
            mips: 1,
            format: Some(format),
            color: Color::usual(format),
            alpha: Alpha::Opaque,
            flags: SurfaceFlags::empty(),
        }
    }

    /// Bytes.
    #[must_use]
    pub const fn buffer(size_bytes: u64) -> Self {
        Self {
            dimension: Dimension::Buffer,
            width: size_bytes,
            height: 1,
            depth: 1,
            layers: 1,
            mips: 1,
            format: None,
            color: Color::SRGB,
            alpha: Alpha::Opaque,
            flags: SurfaceFlags::empty(),
        }
    }

    /// Mip levels until every side is 1.
    #[must_use]
    pub fn mips_max(&self) -> u32 {
        match self.format {
            Some(format) if !format.is_yuv() => {
                let longest = self.width.max(self.height.into()).max(self.depth.into()).max(1);
                longest.ilog2() + 1
            }
            Some(_) | None => 1,
        }
    }

    /// How many subresources it has.
    #[must_use]
    pub const fn subresources(&self) -> u32 {
        self.layers.saturating_mul(self.mips)
    }

    /// Checks that such a surface can be, and says how much memory it takes.
    ///
    /// # Errors
    /// Every variant of [`SurfaceError`].
    pub fn size_bytes(&self) -> Result<u64, SurfaceError> {
        self.check_shape()?;
        let limit = self.mips_max();
        if self.mips == 0 || self.mips > limit {
            return Err(SurfaceError::Mips { mips: self.mips, limit });
        }
        let layer_bytes = self.layer_bytes()?;
        // The last subresource is not padded.
        let before = layer_bytes.saturating_mul(u64::from(self.layers - 1));
        let last = self.level(self.mips - 1)?;
        let size_bytes = before.saturating_add(last.offset_bytes).saturating_add(last.size_bytes);
        if size_bytes > SURFACE_BYTES_MAX {
            return Err(SurfaceError::TooLarge { size_bytes });
        }
        Ok(size_bytes)
    }

    /// One subresource: mip level `index % mips` of layer `index / mips`. None where there is none,
    /// or no such surface.
    #[must_use]
    pub fn subresource(&self, index: u32) -> Option<Subresource> {
        self.size_bytes().ok()?;
        let (layer, mip) = (index.checked_div(self.mips)?, index.checked_rem(self.mips)?);
        if layer >= self.layers {
            return None;
        }
        let before = self.layer_bytes().ok()?.checked_mul(layer.into())?;
        let level = self.level(mip).ok()?;
        Some(Subresource { offset_bytes: level.offset_bytes.checked_add(before)?, ..level })
    }

    fn check_shape(&self) -> Result<(), SurfaceError> {
        let &Self { dimension, width, height, depth, .. } = self;
        let refuse = |rule| Err(SurfaceError::Shape { dimension, width, height, depth, rule });
        let yuv = self.format.is_some_and(Format::is_yuv);
        match (dimension, self.format) {
            (Dimension::Buffer, Some(_)) => return refuse("a buffer has no format"),
            (Dimension::Buffer, None) if (width, height, depth) == (0, 1, 1) => {
                return refuse("a buffer has at least 1 byte");
            }
            (Dimension::Buffer, None) if (height, depth) != (1, 1) => {
                return refuse("a buffer has height 1 and depth 1");
            }
            (Dimension::Buffer, None) => {}
            (_, None) => return refuse("a texture has a format"),
            (Dimension::Texture1D, _) if (height, depth) != (1, 1) || yuv => {
                return refuse("a one-sided texture has height 1, depth 1 and no YUV format");
            }
            (Dimension::Texture2D, _) if depth != 1 => {
                return refuse("a two-sided texture has depth 1");
            }
            (Dimension::Texture3D, _) if depth == 0 || depth > DEPTH_MAX || yuv => {
                return refuse("a depth is 1 to 2048, and a YUV picture has none");
            }
            (Dimension::Texture1D | Dimension::Texture2D | Dimension::Texture3D, _) => {}
        }
        let flat = matches!(dimension, Dimension::Buffer | Dimension::Texture3D);
        if self.layers == 0 || self.layers > LAYERS_MAX || (flat && self.layers > 1) {
            return Err(SurfaceError::Layers { layers: self.layers });
        }
        Ok(())
    }

    fn layer_bytes(&self) -> Result<u64, SurfaceError> {
        let last = self.level(self.mips.saturating_sub(1))?;
        let end = last.offset_bytes.saturating_add(last.size_bytes);
        Ok(align(end))
    }

    /// A mip level of the first layer.
    fn level(&self, mip: u32) -> Result<Subresource, SurfaceError> {
        let mut offset_bytes = 0;
        for level in 0..mip {
            offset_bytes = align(offset_bytes + self.level_alone(level)?.size_bytes);
        }
        Ok(Subresource { offset_bytes, ..self.level_alone(mip)? })
    }

    /// A mip level as if it were the only one.
    fn level_alone(&self, mip: u32) -> Result<Subresource, SurfaceError> {
        let Some(format) = self.format else {
            return Ok(Subresource {
                offset_bytes: 0,
                width: self.width,
                height: 1,
                depth: 1,
                slice_bytes: self.width,
                layout: None,
                size_bytes: self.width,
            });
        };
        let half = |side: u32| side.checked_shr(mip).unwrap_or(0).max(1);
        let width = u32::try_from(self.width).unwrap_or(u32::MAX);
        let (width, height, depth) = match width {
            // Sides of 0 are refused as they were given.
            0 => (0, self.height, self.depth),
            _ if self.height == 0 => (width, 0, self.depth),
            _ => (half(width), half(self.height), half(self.depth)),
        };
        let layout = format.layout(width, height, Alignment::CROSS_ADAPTER)?;
        let slice_bytes = layout.size_bytes.next_multiple_of(SUBRESOURCE_ALIGNMENT_BYTES);
        let before = slice_bytes * u64::from(depth - 1);
        Ok(Subresource {
            offset_bytes: 0,
            width: width.into(),
            height,
            depth,
            slice_bytes,
            layout: Some(layout),
            size_bytes: before + layout.size_bytes,
        })
    }

    /// Writes it as it goes over the wire and into snapshots.
    pub fn encode(&self, w: &mut ByteWriter) {
        w.u8(self.dimension as u8);
        w.u64(self.width);
        for number in [
            self.height,
            self.depth,
            self.layers,
            self.mips,
            self.format.map_or(0, Format::number),
            self.color.to_word(),
            self.flags.bits(),
        ] {
            w.u32(number);
        }
        w.u8(self.alpha.number());
    }

    /// Reads it back. Sizes are as they came; [`Self::size_bytes`] checks them.
    ///
    /// # Errors
    /// [`Malformed`]: too short, or a number that nothing has.
    pub fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let dimension = match r.u8()? {
            1 => Dimension::Buffer,
            2 => Dimension::Texture1D,
            3 => Dimension::Texture2D,
            4 => Dimension::Texture3D,
            _ => return Err(Malformed),
        };
        let width = r.u64()?;
        let (height, depth, layers, mips) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
        let format = match r.u32()? {
            0 => None,
            number => Some(Format::from_number(number).ok_or(Malformed)?),
        };
        Ok(Self {
            dimension,
            width,
            height,
            depth,
            layers,
            mips,
            format,
            color: Color::from_word(r.u32()?).ok_or(Malformed)?,
            flags: SurfaceFlags::from_bits(r.u32()?).ok_or(Malformed)?,
            alpha: Alpha::from_number(r.u8()?).ok_or(Malformed)?,
        })
    }
}

const fn align(offset_bytes: u64) -> u64 {
    match offset_bytes.checked_next_multiple_of(SUBRESOURCE_ALIGNMENT_BYTES) {
        Some(aligned) => aligned,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use alloc::{format, vec};

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Offset, width, height, depth, slice and size of every subresource, and the size of all.
    #[track_caller]
    fn check(desc: SurfaceDesc, expected: &[(u64, u64, u32, u32, u64, u64)], size_bytes: u64) {
        let count = u32::try_from(expected.len()).unwrap();
        assert_eq!(desc.subresources(), count);
        let found: Vec<_> = (0..count)
            .map(|index| desc.subresource(index).unwrap())
            .map(|s| (s.offset_bytes, s.width, s.height, s.depth, s.slice_bytes, s.size_bytes))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(desc.size_bytes(), Ok(size_bytes));
        assert_eq!(desc.subresource(count), None, "there is none behind the last");
    }

    fn rgba(width: u32, height: u32) -> SurfaceDesc {
        SurfaceDesc::texture_2d(width, height, Format::Rgba8)
    }

    #[test]
    fn a_mip_chain_halves_until_every_side_is_1() {
        let desc = SurfaceDesc { mips: 9, ..rgba(256, 256) };
        assert_eq!(desc.mips_max(), 9);
        // Rows of 1024, 512, 256 and from then on 256 bytes.
        let levels = [
            (0, 256, 256, 1, 262_144, 262_144),
            (262_144, 128, 128, 1, 65_536, 65_536),
            (327_680, 64, 64, 1, 16_384, 16_384),
            (344_064, 32, 32, 1, 8_192, 8_064),
            (352_256, 16, 16, 1, 4_096, 3_904),
            (356_352, 8, 8, 1, 2_048, 1_824),
            (358_400, 4, 4, 1, 1_024, 784),
            (359_424, 2, 2, 1, 512, 264),
            (359_936, 1, 1, 1, 512, 4),
        ];
        check(desc, &levels, 359_940);
    }

    #[test]
    fn an_odd_side_halves_downwards() {
        let desc = SurfaceDesc { mips: 3, ..rgba(7, 3) };
        assert_eq!(desc.mips_max(), 3);
        let levels =
            [(0, 7, 3, 1, 1_024, 540), (1_024, 3, 1, 1, 512, 12), (1_536, 1, 1, 1, 512, 4)];
        check(desc, &levels, 1_540);
    }

    #[test]
    fn planes_of_one_picture_lie_at_multiples_of_256() {
        let desc = SurfaceDesc::texture_2d(5, 3, Format::Nv12);
        assert_eq!(desc.color, Color::usual(Format::Nv12));
        // Three rows of Y in 256 bytes each, then two rows of 3 pairs.
        check(desc, &[(0, 5, 3, 1, 1_536, 1_030)], 1_030);
        let layout = desc.subresource(0).unwrap().layout.unwrap();
        let planes: Vec<_> = layout.planes[..layout.plane_count]
            .iter()
            .map(|p| (p.offset_bytes, p.stride_bytes, p.height, p.row_bytes))
            .collect();
        assert_eq!(planes, [(0, 256, 3, 5), (768, 256, 2, 6)]);
    }

    #[test]
    fn all_mips_of_a_layer_come_before_the_next_layer() {
        let desc = SurfaceDesc { layers: 3, mips: 2, ..rgba(4, 4) };
        let all = [
            (0, 4, 4, 1, 1_024, 784),
            (1_024, 2, 2, 1, 512, 264),
            (1_536, 4, 4, 1, 1_024, 784),
            (2_560, 2, 2, 1, 512, 264),
            (3_072, 4, 4, 1, 1_024, 784),
            (4_096, 2, 2, 1, 512, 264),
        ];
        check(desc, &all, 4_360);
        for layer in 0..3 {
            for mip in 0..2 {
                let found = desc.subresource(layer * desc.mips + mip).unwrap();
                assert_eq!((found.width, found.offset_bytes / 1_536), (4 >> mip, layer.into()));
            }
        }
    }

    #[test]
    fn slices_of_a_depth_are_laid_out_alike() {
        let desc = SurfaceDesc { dimension: Dimension::Texture3D, depth: 3, mips: 3, ..rgba(7, 5) };
        // 4 * 256 + 28 bytes in a slice, padded to 1536; then 256 + 12 and 4.
        let levels =
            [(0, 7, 5, 3, 1_536, 4_124), (4_608, 3, 2, 1, 512, 268), (5_120, 1, 1, 1, 512, 4)];
        check(desc, &levels, 5_124);
        let deep = SurfaceDesc { dimension: Dimension::Texture3D, depth: 9, ..rgba(2, 2) };
        assert_eq!(deep.mips_max(), 4, "the depth counts");
    }

    #[test]
    fn a_buffer_is_its_bytes() {
        check(SurfaceDesc::buffer(1), &[(0, 1, 1, 1, 1, 1)], 1);
        check(SurfaceDesc::buffer(1_000), &[(0, 1_000, 1, 1, 1_000, 1_000)], 1_000);
        assert_eq!(SurfaceDesc::buffer(1).subresource(0).unwrap().layout, None);
        let largest = SurfaceDesc::buffer(SURFACE_BYTES_MAX);
        assert_eq!(largest.size_bytes(), Ok(SURFACE_BYTES_MAX));
    }

    #[test]
    fn a_one_sided_texture_is_rows_of_pixels() {
        let dimension = Dimension::Texture1D;
        let desc = SurfaceDesc { dimension, layers: 2, mips: 2, ..rgba(100, 1) };
        let all = [
            (0, 100, 1, 1, 512, 400),
            (512, 50, 1, 1, 512, 200),
            (1_024, 100, 1, 1, 512, 400),
            (1_536, 50, 1, 1, 512, 200),
        ];
        check(desc, &all, 1_736);
    }

    #[test]
    fn every_refusal_says_what_is_wrong() {
        let refused = |desc: SurfaceDesc, text: &str| {
            assert_eq!(desc.size_bytes().unwrap_err().to_string(), text, "{desc:?}");
            assert_eq!(desc.subresource(0), None, "{desc:?}");
        };
        let flat = rgba(4, 4);
        let row = SurfaceDesc { dimension: Dimension::Texture1D, ..rgba(4, 1) };
        let stack = SurfaceDesc { dimension: Dimension::Texture3D, ..flat };
        let bytes = SurfaceDesc::buffer(8);
        let yuv = Some(Format::Nv12);
        let buffer = "a Buffer of";
        refused(
            SurfaceDesc { format: Some(Format::R8), ..bytes },
            &format!("{buffer} 8x1x1: a buffer has no format"),
        );
        refused(SurfaceDesc::buffer(0), &format!("{buffer} 0x1x1: a buffer has at least 1 byte"));
        for (height, depth) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
            refused(
                SurfaceDesc { height, depth, ..bytes },
                &format!("{buffer} 8x{height}x{depth}: a buffer has height 1 and depth 1"),
            );
        }
        refused(
            SurfaceDesc { format: None, ..flat },
            "a Texture2D of 4x4x1: a texture has a format",
        );
        let rule = "a one-sided texture has height 1, depth 1 and no YUV format";
        refused(SurfaceDesc { height: 2, ..row }, &format!("a Texture1D of 4x2x1: {rule}"));
        refused(SurfaceDesc { depth: 2, ..row }, &format!("a Texture1D of 4x1x2: {rule}"));
        refused(SurfaceDesc { format: yuv, ..row }, &format!("a Texture1D of 4x1x1: {rule}"));
        for depth in [0, 2] {
            let text = format!("a Texture2D of 4x4x{depth}: a two-sided texture has depth 1");
            refused(SurfaceDesc { depth, ..flat }, &text);
        }
        let rule = "a depth is 1 to 2048, and a YUV picture has none";
        for depth in [0, 2049] {
            let text = format!("a Texture3D of 4x4x{depth}: {rule}");
            refused(SurfaceDesc { depth, ..stack }, &text);
        }
        let text = format!("a Texture3D of 4x4x1: {rule}");
        refused(SurfaceDesc { format: yuv, ..stack }, &text);
    }

    #[test]
    fn every_refusal_of_counts_and_sizes_says_the_limit() {
        let refused = |desc: SurfaceDesc, text: &str| {
            assert_eq!(desc.size_bytes().unwrap_err().to_string(), text, "{desc:?}");
            assert_eq!(desc.subresource(0), None, "{desc:?}");
        };
        let flat = rgba(4, 4);
        let layers = |layers| {
            format!("{layers} layers: 1 to 2048, and 1 for buffers and three-sided textures")
        };
        let stack = SurfaceDesc { dimension: Dimension::Texture3D, ..flat };
        refused(SurfaceDesc { layers: 0, ..flat }, &layers(0));
        refused(SurfaceDesc { layers: 2_049, ..flat }, &layers(2_049));
        refused(SurfaceDesc { layers: 2, ..stack }, &layers(2));
        refused(SurfaceDesc { layers: 2, ..SurfaceDesc::buffer(8) }, &layers(2));
        let mips = |mips, limit| {
            format!("{mips} mip levels: 1 to {limit}, and 1 for buffers and YUV formats")
        };
        refused(SurfaceDesc { mips: 0, ..flat }, &mips(0, 3));
        refused(SurfaceDesc { mips: 4, ..flat }, &mips(4, 3));
        refused(SurfaceDesc { mips: 2, ..SurfaceDesc::buffer(8) }, &mips(2, 1));
        let nv12 = SurfaceDesc::texture_2d(8, 8, Format::Nv12);
        refused(SurfaceDesc { mips: 2, ..nv12 }, &mips(2, 1));
        for (width, height) in [(0, 4), (4, 0), (16_385, 4), (4, 16_385)] {
            let side = "each side is 1 to 16384 pixels";
            let text = format!("a picture of {width}x{height}: {side}");
            refused(rgba(width, height), &text);
        }
        let too_large = SurfaceDesc::buffer(SURFACE_BYTES_MAX + 1);
        refused(too_large, "a surface of 1099511627777 bytes: at most 1099511627776");
        let many = SurfaceDesc { layers: 2_048, ..rgba(16_384, 16_384) };
        let bytes = 2_048_u64 << 30;
        refused(many, &format!("a surface of {bytes} bytes: at most 1099511627776"));
        let wide = SurfaceDesc { width: 1 << 32, ..flat };
        refused(wide, "a picture of 4294967295x4: each side is 1 to 16384 pixels");
    }

    fn dimension() -> impl Strategy<Value = Dimension> {
        select(vec![
            Dimension::Buffer,
            Dimension::Texture1D,
            Dimension::Texture2D,
            Dimension::Texture3D,
        ])
    }

    fn maybe_format() -> impl Strategy<Value = Option<Format>> {
        proptest::option::weighted(0.9, select(Format::ALL.to_vec()))
    }

    /// Descriptions of which most can be.
    fn possible() -> impl Strategy<Value = SurfaceDesc> {
        let sides = (1..70_u32, 1..70_u32, 1..9_u32);
        let counts = (1..6_u32, 0..8_u32);
        (dimension(), sides, counts, select(Format::ALL.to_vec())).prop_map(
            |(dimension, (width, height, depth), (layers, mips), format)| {
                let flat = SurfaceDesc {
                    dimension,
                    layers,
                    ..SurfaceDesc::texture_2d(width, height, format)
                };
                let plain = if format.is_yuv() { Format::Rgba16f } else { format };
                let desc = match dimension {
                    Dimension::Buffer => SurfaceDesc::buffer(width.into()),
                    Dimension::Texture1D => SurfaceDesc { height: 1, format: Some(plain), ..flat },
                    Dimension::Texture2D => flat,
                    Dimension::Texture3D => {
                        SurfaceDesc { depth, layers: 1, format: Some(plain), ..flat }
                    }
                };
                SurfaceDesc { mips: 1 + mips % desc.mips_max(), ..desc }
            },
        )
    }

    /// Descriptions of any numbers, the ends of their ranges often.
    fn hostile() -> impl Strategy<Value = SurfaceDesc> {
        let odd = [0, 1, 2, 16_384, 16_385, 1 << 31, u32::MAX];
        let side = move || prop_oneof![4 => select(odd.to_vec()), 1 => any::<u32>()];
        let width = prop_oneof![
            3 => side().prop_map(u64::from),
            1 => select(vec![1 << 32, 1 << 40, 1 << 63, u64::MAX - 1, u64::MAX]),
        ];
        let count = move || {
            prop_oneof![side(), select(vec![1, 2, 15, 16, 31, 32, 33, 64, 65, 2_048, 2_049]),]
        };
        (dimension(), width, side(), count(), count(), count(), maybe_format()).prop_map(
            |(dimension, width, height, depth, layers, mips, format)| SurfaceDesc {
                dimension,
                width,
                height,
                depth,
                layers,
                mips,
                format,
                ..SurfaceDesc::buffer(1)
            },
        )
    }

    /// Where each plane of each slice begins and ends.
    fn ranges(found: &Subresource) -> Vec<(u64, u64)> {
        let Some(layout) = found.layout else {
            return vec![(found.offset_bytes, found.offset_bytes + found.size_bytes)];
        };
        let slice = |slice: u32| found.offset_bytes + u64::from(slice) * found.slice_bytes;
        let planes = &layout.planes[..layout.plane_count];
        let of_slice = |start: u64| {
            planes.iter().map(move |p| (start + u64::from(p.offset_bytes), start + p.end_bytes()))
        };
        (0..found.depth).flat_map(|index| of_slice(slice(index))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn subresources_are_aligned_apart_and_within_the_surface(desc in possible()) {
            let size_bytes = desc.size_bytes().unwrap();
            let mut end = 0;
            for index in 0..desc.subresources() {
                let found = desc.subresource(index).unwrap();
                let (layer, mip) = (index / desc.mips, index % desc.mips);
                prop_assert_eq!(found.offset_bytes % 512, 0);
                for (start, plane_end) in ranges(&found) {
                    prop_assert!(start >= end && plane_end > start, "{index} of {desc:?} overlaps");
                    prop_assert_eq!((start - found.offset_bytes) % 256, 0);
                    end = plane_end;
                }
                prop_assert_eq!(end, found.offset_bytes + found.size_bytes);
                let strides = found.layout.into_iter().flat_map(|layout| layout.planes);
                for plane in strides {
                    prop_assert_eq!(plane.stride_bytes % 256, 0);
                }
                if desc.format.is_some() {
                    prop_assert_eq!(found.width, (desc.width >> mip).max(1));
                    prop_assert_eq!(found.height, (desc.height >> mip).max(1));
                    prop_assert_eq!(found.depth, (desc.depth >> mip).max(1));
                    prop_assert_eq!(found.slice_bytes % 512, 0);
                }
                let first = desc.subresource(mip).unwrap();
                let next = desc.subresource(desc.mips + mip);
                let layer_bytes = next.map_or(0, |next| next.offset_bytes - first.offset_bytes);
                let before = layer_bytes * u64::from(layer);
                let same = Subresource { offset_bytes: first.offset_bytes + before, ..first };
                prop_assert_eq!(found, same, "every layer is laid out alike");
            }
            prop_assert_eq!(end, size_bytes, "nothing lies behind the last");
            for index in [desc.subresources(), u32::MAX] {
                prop_assert_eq!(desc.subresource(index), None);
            }
        }

        #[test]
        fn hostile_numbers_are_refused_or_laid_out(desc in hostile(), index in any::<u32>()) {
            let size_bytes = desc.size_bytes();
            prop_assert!((1..=64).contains(&desc.mips_max()));
            prop_assert!(desc.subresources() >= desc.layers.min(desc.mips));
            for index in [0, 1, index, u32::MAX] {
                if let Some(found) = desc.subresource(index) {
                    let end = found.offset_bytes.checked_add(found.size_bytes).unwrap();
                    prop_assert!(size_bytes.is_ok_and(|size| end <= size), "{found:?} of {desc:?}");
                }
            }
            if let Ok(size_bytes) = size_bytes {
                prop_assert!((1..=SURFACE_BYTES_MAX).contains(&size_bytes));
                prop_assert!(desc.subresource(desc.subresources() - 1).is_some());
            }
        }

        #[test]
        fn what_is_written_is_read(
            desc in hostile(),
            color in any::<u32>().prop_map(|word| word & 0x01FF_FFFF),
            alpha in select(Alpha::ALL.to_vec()),
            flags in select(vec![SurfaceFlags::empty(), SurfaceFlags::KEYED_MUTEX]),
        ) {
            let color = Color::from_word(color).unwrap();
            let desc = SurfaceDesc { color, alpha, flags, ..desc };
            let mut writer = ByteWriter::new();
            desc.encode(&mut writer);
            let bytes = writer.finish();
            prop_assert_eq!(bytes.len(), 38);
            let mut reader = ByteReader::new(&bytes);
            prop_assert_eq!(SurfaceDesc::decode(&mut reader), Ok(desc));
            prop_assert_eq!(reader.finish(), Ok(()));
            for length in 0..bytes.len() {
                let read = SurfaceDesc::decode(&mut ByteReader::new(&bytes[..length]));
                prop_assert_eq!(read, Err(Malformed));
            }
        }
    }

    #[test]
    fn numbers_that_nothing_has_are_refused() {
        let mut writer = ByteWriter::new();
        rgba(4, 4).encode(&mut writer);
        let bytes = writer.finish();
        for (place, lie, what) in [
            (0, 0, "a dimension"),
            (0, 5, "a dimension"),
            (25, 22, "a format"),
            (32, 2, "a range of colour"),
            (33, 2, "a flag"),
            (37, 9, "an alpha"),
        ] {
            let mut lied = bytes.clone();
            lied[place] = lie;
            let read = SurfaceDesc::decode(&mut ByteReader::new(&lied));
            assert_eq!(read, Err(Malformed), "{what} of {lie}");
        }
    }
}
