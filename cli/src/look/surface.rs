//! Surfaces in words.

use handfast::{Dimension, SurfaceDesc, SurfaceFlags};

/// `640x480 BGRA8, sRGB`, `buffer of 4096 B`, `64x64x16 R8, 3 layers, 5 mip levels, keyed mutex`.
pub(crate) fn words(desc: &SurfaceDesc) -> String {
    let &SurfaceDesc { width, height, depth, layers, mips, color, alpha, .. } = desc;
    let mut words = match desc.dimension {
        Dimension::Buffer => format!("buffer of {}", super::size(width)),
        Dimension::Texture1D => format!("{width}"),
        Dimension::Texture2D => format!("{width}x{height}"),
        Dimension::Texture3D => format!("{width}x{height}x{depth}"),
    };
    if let Some(format) = desc.format {
        let color = color.to_string();
        // What is full range says so only where it could be otherwise.
        let color = if format.is_yuv() { &color } else { color.trim_end_matches(" full") };
        words += &format!(" {format}, {color}");
        if format.has_alpha() {
            words += &format!(", {alpha}");
        }
    }
    if layers > 1 {
        words += &format!(", {layers} layers");
    }
    if mips > 1 {
        words += &format!(", {mips} mip levels");
    }
    if desc.flags.contains(SurfaceFlags::KEYED_MUTEX) {
        words += ", keyed mutex";
    }
    words
}

#[cfg(test)]
mod tests {
    use handfast::Format;

    use super::*;

    #[test]
    fn shapes_are_told_as_far_as_they_are_unusual() {
        let picture = SurfaceDesc::texture_2d(640, 480, Format::Bgra8);
        assert_eq!(words(&picture), "640x480 BGRA8, sRGB, opaque");
        let video = SurfaceDesc::texture_2d(640, 480, Format::Nv12);
        assert_eq!(words(&video), "640x480 NV12, BT.709 limited");
        assert_eq!(words(&SurfaceDesc::buffer(4096)), "buffer of 4.1 kB");
        let many = SurfaceDesc { layers: 3, mips: 5, flags: SurfaceFlags::KEYED_MUTEX, ..picture };
        let expected = "640x480 BGRA8, sRGB, opaque, 3 layers, 5 mip levels, keyed mutex";
        assert_eq!(words(&many), expected);
        let deep = SurfaceDesc { dimension: Dimension::Texture3D, depth: 16, ..picture };
        assert_eq!(words(&deep), "640x480x16 BGRA8, sRGB, opaque");
    }
}
