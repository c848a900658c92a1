//! `hf_surface_desc` and `hf_subresource`: what a surface is made of, and where its parts lie.

use std::mem::{offset_of, size_of};

use handfast::{Alpha, Color, Dimension, Subresource, SurfaceDesc, SurfaceFlags, Writers};

use crate::argument::{
    HF_PLANES_MAX, HF_WRITERS_ONE, HF_WRITERS_SEVERAL, HfColor, alpha, color, format, writers,
};
use crate::error::Failure;

pub(crate) const HF_DIMENSION_BUFFER: u32 = 1;
pub(crate) const HF_DIMENSION_1D: u32 = 2;
pub(crate) const HF_DIMENSION_2D: u32 = 3;
pub(crate) const HF_DIMENSION_3D: u32 = 4;

/// `hf_surface_desc`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct HfSurfaceDesc {
    pub(crate) struct_size: u32,
    pub(crate) dimension: u32,
    pub(crate) width: u64,
    pub(crate) height: u32,
    pub(crate) depth: u32,
    pub(crate) layers: u32,
    pub(crate) mips: u32,
    pub(crate) format: u32,
    pub(crate) flags: u32,
    pub(crate) writers: u32,
    pub(crate) alpha: u32,
    pub(crate) color: HfColor,
    pub(crate) reserved: u32,
}

/// `hf_subresource`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct HfSubresource {
    pub(crate) offset_bytes: u64,
    pub(crate) size_bytes: u64,
    pub(crate) slice_bytes: u64,
    pub(crate) width: u64,
    pub(crate) height: u32,
    pub(crate) depth: u32,
    pub(crate) planes: u32,
    pub(crate) reserved: u32,
    pub(crate) plane_offset_bytes: [u64; HF_PLANES_MAX],
    pub(crate) stride_bytes: [u32; HF_PLANES_MAX],
    pub(crate) row_bytes: [u32; HF_PLANES_MAX],
    pub(crate) rows: [u32; HF_PLANES_MAX],
    pub(crate) reserved_more: [u32; 4],
}

const _: () = {
    assert!(offset_of!(HfSurfaceDesc, width) == 8);
    assert!(offset_of!(HfSurfaceDesc, color) == 48);
    assert!(size_of::<HfSurfaceDesc>() == 56, "no padding");
    assert!(offset_of!(HfSubresource, height) == 32);
    assert!(offset_of!(HfSubresource, plane_offset_bytes) == 48);
    assert!(offset_of!(HfSubresource, reserved_more) == 128);
    assert!(size_of::<HfSubresource>() == 144, "no padding");
};

impl HfSurfaceDesc {
    /// What C asks for, in Rust's words.
    pub(super) fn wanted(&self) -> Result<(SurfaceDesc, Writers), Failure> {
        let dimension = match self.dimension {
            HF_DIMENSION_BUFFER => Dimension::Buffer,
            HF_DIMENSION_1D => Dimension::Texture1D,
            0 | HF_DIMENSION_2D => Dimension::Texture2D,
            HF_DIMENSION_3D => Dimension::Texture3D,
            number => return Err(refused("dimension", number, "an hf_dimension, 1 to 4")),
        };
        let flags = SurfaceFlags::from_bits(self.flags);
        let flags = flags.ok_or(refused("flags", self.flags, "of hf_surface_flags"))?;
        let format = if self.format == 0 { None } else { Some(format(self.format)?) };
        let alpha = if self.alpha == 0 { Alpha::Opaque } else { alpha(self.alpha)? };
        let usual = format.map_or(Color::SRGB, Color::usual);
        let one = |number: u32| if number == 0 { 1 } else { number };
        let desc = SurfaceDesc {
            dimension,
            width: self.width,
            height: self.height,
            depth: one(self.depth),
            layers: one(self.layers),
            mips: one(self.mips),
            format,
            color: color(self.color)?.unwrap_or(usual),
            alpha,
            flags,
        };
        Ok((desc, writers(self.writers)?))
    }

    /// What a surface is, for a C struct of this size.
    pub(super) fn of(desc: &SurfaceDesc, writers: Writers, struct_size: u32) -> Self {
        let dimension = match desc.dimension {
            Dimension::Buffer => HF_DIMENSION_BUFFER,
            Dimension::Texture1D => HF_DIMENSION_1D,
            Dimension::Texture2D => HF_DIMENSION_2D,
            Dimension::Texture3D => HF_DIMENSION_3D,
        };
        let writers = match writers {
            Writers::One => HF_WRITERS_ONE,
            Writers::Several => HF_WRITERS_SEVERAL,
        };
        Self {
            struct_size,
            dimension,
            width: desc.width,
            height: desc.height,
            depth: desc.depth,
            layers: desc.layers,
            mips: desc.mips,
            format: desc.format.map_or(0, |format| format.number()),
            flags: desc.flags.bits(),
            writers,
            alpha: desc.alpha.number().into(),
            color: desc.color.into(),
            reserved: 0,
        }
    }
}

fn refused(what: &'static str, number: u32, allowed: &'static str) -> Failure {
    Failure::Number { what, number: number.into(), allowed }
}

impl From<Subresource> for HfSubresource {
    fn from(found: Subresource) -> Self {
        let mut described = Self {
            offset_bytes: found.offset_bytes,
            size_bytes: found.size_bytes,
            slice_bytes: found.slice_bytes,
            width: found.width,
            height: found.height,
            depth: found.depth,
            planes: 0,
            reserved: 0,
            plane_offset_bytes: [0; HF_PLANES_MAX],
            stride_bytes: [0; HF_PLANES_MAX],
            row_bytes: [0; HF_PLANES_MAX],
            rows: [0; HF_PLANES_MAX],
            reserved_more: [0; 4],
        };
        let planes = found.layout.iter().flat_map(|layout| layout.planes());
        let offsets = described.plane_offset_bytes.iter_mut().zip(&mut described.stride_bytes);
        let rows = described.row_bytes.iter_mut().zip(&mut described.rows);
        for ((plane, (offset, stride)), (row, rows)) in planes.zip(offsets).zip(rows) {
            *offset = found.offset_bytes.saturating_add(plane.offset_bytes.into());
            *stride = plane.stride_bytes;
            *row = plane.row_bytes;
            *rows = plane.height;
            described.planes += 1;
        }
        described
    }
}
