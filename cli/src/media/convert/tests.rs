use proptest::prelude::*;

use super::super::{Alignment, Range};
use super::*;

/// Converts one pixel of RGBA8 to bytes of a format and colour.
fn encoded(px: Rgba, format: Format, color: Color, alpha: Alpha) -> Vec<u8> {
    let source = PictureDesc::tight(2, 2, Format::Rgba8).unwrap();
    let bytes = [px; 4].concat();
    let target = PictureDesc::tight(2, 2, format).unwrap().with_color(color).with_alpha(alpha);
    let mut picture = OwnedPicture::new(target).unwrap();
    convert(&Picture::new(source, &bytes).unwrap(), &mut picture.as_picture_mut()).unwrap();
    picture.bytes().to_vec()
}

/// Reads a picture of 2x1 as RGBA8 and gives its first pixel.
#[track_caller]
fn decoded(bytes: &[u8], format: Format, color: Color, alpha: Alpha) -> Rgba {
    let desc = PictureDesc::tight(2, 1, format).unwrap().with_color(color).with_alpha(alpha);
    let rgba = to_rgba8(&Picture::new(desc, bytes).unwrap()).unwrap();
    rgba.bytes()[..4].try_into().unwrap()
}

/// A colour, what it is in YUV, and what that is in RGB again, as the equations have it.
#[track_caller]
fn check_yuv(color: Color, rgb: [u8; 3], yuv: [u8; 3], back: [u8; 3]) {
    let [r, g, b] = rgb;
    let bytes = encoded([r, g, b, 255], Format::I444, color, Alpha::Opaque);
    assert_eq!([bytes[0], bytes[4], bytes[8]], yuv, "{color} {rgb:?}");
    let [y, u, v] = yuv;
    let found = decoded(&[y, y, u, u, v, v], Format::I444, color, Alpha::Opaque);
    assert_eq!(found[..3], back, "{color} {yuv:?}");
}

#[test]
fn known_colours_of_each_matrix_and_range() {
    let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
    let (white, black) = ([255; 3], [0; 3]);
    for color in [Color::BT709_LIMITED, Color::BT601_LIMITED, Color::BT2020_LIMITED] {
        check_yuv(color, white, [235, 128, 128], white);
        check_yuv(color, black, [16, 128, 128], black);
    }
    check_yuv(Color::BT709_FULL, white, [255, 128, 128], white);
    check_yuv(Color::BT709_LIMITED, red, [63, 102, 240], [255, 1, 0]);
    check_yuv(Color::BT709_LIMITED, green, [173, 42, 26], [0, 255, 1]);
    check_yuv(Color::BT709_LIMITED, blue, [32, 240, 118], [1, 0, 255]);
    check_yuv(Color::BT709_LIMITED, [191, 0, 0], [51, 109, 212], [191, 0, 1]);
    check_yuv(Color::BT601_LIMITED, red, [81, 90, 240], [254, 0, 0]);
    check_yuv(Color::BT601_LIMITED, green, [145, 54, 34], [0, 255, 1]);
    check_yuv(Color::BT601_LIMITED, blue, [41, 240, 110], blue);
    check_yuv(Color::BT601_FULL, red, [76, 85, 255], [254, 0, 0]);
    check_yuv(Color::BT601_FULL, blue, [29, 255, 107], [0, 0, 254]);
    check_yuv(Color::BT2020_LIMITED, [191, 0, 0], [59, 105, 212], [191, 0, 1]);
    let gbr = Color { matrix: 0, ..Color::BT709_FULL };
    check_yuv(gbr, [30, 10, 20], [10, 20, 30], [30, 10, 20]);
}

/// Every factor at once, against the equations in floating point.
#[test]
fn fixed_point_is_within_one_of_the_equations() {
    for (color, bits) in [(Color::BT709_LIMITED, 8), (Color::BT2020_LIMITED, 10)] {
        let (kr, kb) = if color.matrix == 1 { (0.2126, 0.0722) } else { (0.2627, 0.0593) };
        let (to_rgb, unit) = (matrix::ToRgb::new(color, bits), f64::from(1 << (bits - 8)));
        for step in 0..16 * 16 * 16i16 {
            let yuv = [step % 16, step / 16 % 16, step / 256].map(|v| v * (1 << (bits - 4)));
            let [r, g, b, _] = to_rgb.apply(yuv[0], yuv[1], yuv[2]).to_le_bytes();
            let [y, cb, cr] = yuv.map(|v| f64::from(v) / unit);
            let (y, cb, cr) = ((y - 16.0) / 219.0, (cb - 128.0) / 224.0, (cr - 128.0) / 224.0);
            let (red, blue) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
            let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
            for (found, wanted) in [(r, red), (g, green), (b, blue)] {
                let wanted = (wanted * 255.0).clamp(0.0, 255.0);
                assert!((f64::from(found) - wanted).abs() < 0.6, "{color} {yuv:?}");
            }
        }
    }
}

#[test]
fn video_beyond_black_and_white_is_cut() {
    let read =
        |y| decoded(&[y, y, 128, 128, 128, 128], Format::I444, Color::BT709_LIMITED, Alpha::Opaque);
    assert_eq!(read(0), [0, 0, 0, 255]);
    assert_eq!(read(255), [255; 4]);
}

#[test]
fn ten_bits_in_the_low_and_in_the_high_bits() {
    let words = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let read = |values: &[u16], format| {
        decoded(&words(values), format, Color::BT709_LIMITED, Alpha::Opaque)
    };
    assert_eq!(read(&[940, 64, 512, 512], Format::I420p10), [255; 4]);
    assert_eq!(read(&[64, 64, 512, 512], Format::I420p10), [0, 0, 0, 255]);
    assert_eq!(read(&[940 << 6, 0, 512 << 6, 512 << 6], Format::P010), [255; 4]);
    assert_eq!(read(&[250, 250, 409, 960], Format::I420p10), [255, 0, 0, 255]);
    let back = encoded([255, 0, 0, 255], Format::P010, Color::BT709_LIMITED, Alpha::Opaque);
    assert_eq!(back[..2], (250u16 << 6).to_le_bytes());
    assert_eq!(back[8..], words(&[409 << 6, 960 << 6]));
}

#[test]
fn packed_formats_have_their_channels_in_order() {
    let px = [10, 20, 30, 40];
    let read = |bytes: &[u8], format| decoded(bytes, format, Color::usual(format), Alpha::Straight);
    assert_eq!(read(&[1, 2, 3, 4, 0, 0, 0, 0], Format::Rgba8), [1, 2, 3, 4]);
    assert_eq!(read(&[1, 2, 3, 4, 0, 0, 0, 0], Format::Bgra8Srgb), [3, 2, 1, 4]);
    assert_eq!(read(&[1, 2, 3, 4, 0, 0, 0, 0], Format::Bgrx8), [3, 2, 1, 255]);
    assert_eq!(read(&[1, 2, 3, 4, 0, 0, 0, 0], Format::Rgbx8), [1, 2, 3, 255]);
    assert_eq!(read(&[9, 0], Format::R8), [9, 9, 9, 255]);
    assert_eq!(read(&[9, 8, 0, 0], Format::Rg8), [9, 8, 0, 255]);
    let word = (1023u32 | 512 << 10 | 2 << 30).to_le_bytes();
    let two = [word, [0; 4]].concat();
    assert_eq!(read(&two, Format::Rgb10a2), [255, 128, 0, 170]);
    let written = |format| encoded(px, format, Color::SRGB, Alpha::Straight)[..4].to_vec();
    assert_eq!(written(Format::Bgra8), [30, 20, 10, 40]);
    assert_eq!(written(Format::Rgba8Srgb), px);
    // Over black: a sixth is left.
    assert_eq!(written(Format::Bgrx8), [5, 3, 2, 255]);
}

#[test]
fn limited_range_outside_of_yuv() {
    let color = Color::BT709_LIMITED;
    assert_eq!(decoded(&[235, 0], Format::R8, color, Alpha::Opaque), [255; 4]);
    assert_eq!(decoded(&[16, 0], Format::R8, color, Alpha::Opaque), [0, 0, 0, 255]);
    for value in 0..=255 {
        let px = [value, value, value, 255];
        let back = encoded(px, Format::R8, color, Alpha::Opaque);
        let read = decoded(&back[..2], Format::R8, color, Alpha::Opaque);
        assert!(read[0].abs_diff(value) <= 1, "{value}");
    }
}

#[test]
fn linear_floats_become_srgb() {
    let floats =
        |px: [f32; 4]| [px, [0.0; 4]].concat().iter().flat_map(|v| v.to_le_bytes()).collect();
    let read = |px, color, alpha| {
        let bytes: Vec<u8> = floats(px);
        decoded(&bytes, Format::Rgba32f, color, alpha)
    };
    // Half of the light is 188 of 255 in sRGB.
    let half = [0.5, 1.0, 0.0, 1.0];
    assert_eq!(read(half, Color::LINEAR, Alpha::Opaque), [188, 255, 0, 255]);
    assert_eq!(read(half, Color::SRGB, Alpha::Opaque), [128, 255, 0, 255]);
    let wild = [f32::NAN, f32::INFINITY, -5.0, 2.0];
    assert_eq!(read(wild, Color::LINEAR, Alpha::Straight), [0, 255, 0, 255]);
    // Premultiplied in linear light: 0.25 of half alpha is half of the light.
    let premultiplied = [0.25, 0.5, 0.0, 0.5];
    assert_eq!(read(premultiplied, Color::LINEAR, Alpha::Premultiplied), [188, 255, 0, 128]);
    let halves = [0x3800u16, 0x3c00, 0x0000, 0x3c00, 0, 0, 0, 0];
    let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
    assert_eq!(decoded(&bytes, Format::Rgba16f, Color::LINEAR, Alpha::Opaque), [188, 255, 0, 255]);
    for format in [Format::Rgba16f, Format::Rgba32f] {
        for color in [Color::LINEAR, Color::SRGB] {
            for value in 0..=255 {
                let px = [value, 255 - value, 7, 200];
                let size = if format == Format::Rgba16f { 16 } else { 32 };
                for alpha in [Alpha::Straight, Alpha::Premultiplied] {
                    let back = encoded(px, format, color, alpha);
                    assert_eq!(decoded(&back[..size], format, color, alpha), px, "{format}");
                }
            }
        }
    }
}

#[test]
fn alpha_modes() {
    let convert = |px: Rgba, from: Alpha, to: Alpha| {
        let source = PictureDesc::tight(1, 1, Format::Rgba8).unwrap().with_alpha(from);
        let target = PictureDesc::tight(1, 1, Format::Bgra8).unwrap().with_alpha(to);
        let mut picture = OwnedPicture::new(target).unwrap();
        convert(&Picture::new(source, &px).unwrap(), &mut picture.as_picture_mut()).unwrap();
        let [b, g, r, a] = picture.bytes().try_into().unwrap();
        [r, g, b, a]
    };
    let px = [200, 100, 0, 128];
    let (opaque, straight, multiplied) = (Alpha::Opaque, Alpha::Straight, Alpha::Premultiplied);
    assert_eq!(convert(px, straight, straight), px);
    assert_eq!(convert(px, multiplied, multiplied), px);
    assert_eq!(convert(px, straight, multiplied), [100, 50, 0, 128]);
    assert_eq!(convert([100, 50, 0, 128], multiplied, straight), [199, 100, 0, 128]);
    assert_eq!(convert([9, 9, 9, 0], multiplied, straight), [0; 4]);
    assert_eq!(convert([200, 9, 9, 100], multiplied, straight), [255, 23, 23, 100]);
    assert_eq!(convert(px, opaque, straight), [200, 100, 0, 255]);
    assert_eq!(convert(px, opaque, multiplied), [200, 100, 0, 255]);
    assert_eq!(convert(px, straight, opaque), [100, 50, 0, 255]);
    assert_eq!(convert(px, multiplied, opaque), [200, 100, 0, 255]);
}

#[test]
fn formats_with_the_same_values_convert_without_loss() {
    for (a, b) in [
        (Format::Nv12, Format::I420),
        (Format::P010, Format::I420p10),
        (Format::Bgra8, Format::Rgba8),
    ] {
        let from = PictureDesc::new(7, 5, a, Alignment::DEFAULT).unwrap();
        let mut original = OwnedPicture::new(from).unwrap();
        for plane in 0..2 {
            for (y, row) in (0u16..).zip(original.as_picture_mut().rows_mut(plane)) {
                let values = (0u16..).map(|x| (x * 37 + y * 101 + 11) << 6);
                let bytes = values.flat_map(u16::to_le_bytes);
                row.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
            }
        }
        let mut other = OwnedPicture::new(PictureDesc::tight(7, 5, b).unwrap()).unwrap();
        convert(&original.as_picture(), &mut other.as_picture_mut()).unwrap();
        let mut back = OwnedPicture::new(from).unwrap();
        convert(&other.as_picture(), &mut back.as_picture_mut()).unwrap();
        assert_eq!(back.as_picture().checksum(), original.as_picture().checksum(), "{a} {b}");
    }
}

#[test]
fn chroma_is_averaged_and_odd_edges_count_alone() {
    let source = PictureDesc::tight(3, 1, Format::Rgba8).unwrap();
    let bytes = [[255, 0, 0, 255], [0, 0, 255, 255], [0, 255, 0, 255]].concat();
    let mut picture = OwnedPicture::new(PictureDesc::tight(3, 1, Format::I420).unwrap()).unwrap();
    convert(&Picture::new(source, &bytes).unwrap(), &mut picture.as_picture_mut()).unwrap();
    // Y of red, blue, green; Cb and Cr of purple, then of green.
    assert_eq!(picture.bytes(), [63, 32, 173, 171, 42, 179, 26]);
}

#[test]
fn sizes_must_agree() {
    let small = OwnedPicture::new(PictureDesc::tight(2, 2, Format::R8).unwrap()).unwrap();
    let mut large = OwnedPicture::new(PictureDesc::tight(2, 3, Format::R8).unwrap()).unwrap();
    let refused = convert(&small.as_picture(), &mut large.as_picture_mut()).unwrap_err();
    assert_eq!(refused.to_string(), "a picture of 2x2 R8 where 2x3 R8 is expected");
}

proptest! {
    #[test]
    fn any_bytes_of_any_format_convert_to_any_other(
        from in 0..Format::ALL.len(),
        to in 0..Format::ALL.len(),
        size in (1u32..20, 1u32..20),
        modes in (0usize..3, 0usize..3),
        code_points: (u8, u8),
        bytes in proptest::collection::vec(any::<u8>(), 20 * 20 * 16),
    ) {
        let range = if code_points.0 % 2 == 0 { Range::Limited } else { Range::Full };
        let (transfer, matrix) = (code_points.0 / 8, code_points.1 / 16);
        let color = Color { primaries: 1, transfer, matrix, range };
        let desc = |format: usize, mode: usize| {
            let desc = PictureDesc::tight(size.0, size.1, Format::ALL[format]).unwrap();
            desc.with_color(color).with_alpha(Alpha::ALL[mode])
        };
        let picture = Picture::new(desc(from, modes.0), &bytes).unwrap();
        let mut other = OwnedPicture::new(desc(to, modes.1)).unwrap();
        convert(&picture, &mut other.as_picture_mut()).unwrap();
        to_rgba8(&other.as_picture()).unwrap();
    }

    #[test]
    fn colours_survive_yuv_without_subsampling(px: [u8; 3], matrix in 0u8..10, full: bool) {
        let range = if full { Range::Full } else { Range::Limited };
        let color = Color { matrix, range, ..Color::BT709_LIMITED };
        let [r, g, b] = px;
        for (format, size, slack) in [(Format::I444, 4, 3), (Format::I444p10, 8, 1)] {
            let back = encoded([r, g, b, 255], format, color, Alpha::Opaque);
            let halves = back.chunks(size).flat_map(|plane| &plane[..size / 2]);
            let first: Vec<u8> = halves.copied().collect();
            let found = decoded(&first, format, color, Alpha::Opaque);
            for (found, wanted) in found.iter().zip(px) {
                prop_assert!(found.abs_diff(wanted) <= slack, "{format} {color} {px:?} {found:?}");
            }
        }
    }
}
