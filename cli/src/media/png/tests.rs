use std::io::Cursor;

use proptest::prelude::*;

use super::super::Color;
use super::*;

/// A PNG of 2x1 in some colour type and depth.
fn file(color: png::ColorType, depth: png::BitDepth, palette: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if !palette.is_empty() {
        encoder.set_palette(palette.to_vec());
        encoder.set_trns(vec![7]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

#[track_caller]
fn check_read(bytes: &[u8], wanted: [[u8; 4]; 2], alpha: Alpha) {
    let picture = read(Cursor::new(bytes)).unwrap();
    assert_eq!(picture.bytes(), wanted.concat());
    assert_eq!(picture.desc().alpha, alpha);
    assert_eq!(picture.desc().color, Color::SRGB);
}

#[test]
fn every_kind_of_png_becomes_rgba8() {
    use png::{BitDepth, ColorType};
    let (eight, sixteen) = (BitDepth::Eight, BitDepth::Sixteen);
    let opaque = [[1, 1, 1, 255], [2, 2, 2, 255]];
    check_read(&file(ColorType::Grayscale, eight, &[], &[1, 2]), opaque, Alpha::Opaque);
    let high = [1, 99, 2, 99];
    check_read(&file(ColorType::Grayscale, sixteen, &[], &high), opaque, Alpha::Opaque);
    let bits = [[255; 4], [0, 0, 0, 255]];
    check_read(&file(ColorType::Grayscale, BitDepth::One, &[], &[0x80]), bits, Alpha::Opaque);
    let grey = [[1, 1, 1, 9], [2, 2, 2, 8]];
    check_read(&file(ColorType::GrayscaleAlpha, eight, &[], &[1, 9, 2, 8]), grey, Alpha::Straight);
    let rgb = [[1, 2, 3, 255], [4, 5, 6, 255]];
    check_read(&file(ColorType::Rgb, eight, &[], &[1, 2, 3, 4, 5, 6]), rgb, Alpha::Opaque);
    let rgba = [[1, 2, 3, 0], [4, 5, 6, 7]];
    check_read(&file(ColorType::Rgba, eight, &[], &rgba.concat()), rgba, Alpha::Straight);
    let palette = file(ColorType::Indexed, BitDepth::Two, &[9, 8, 7, 6, 5, 4], &[0b0100_0000]);
    check_read(&palette, [[6, 5, 4, 255], [9, 8, 7, 7]], Alpha::Straight);
}

#[test]
fn what_is_written_is_read_back() {
    let desc = PictureDesc::tight(3, 2, Format::Bgra8).unwrap();
    let bytes: Vec<u8> = (0..24).map(|value| value * 10).collect();
    let mut file = Vec::new();
    write(&mut file, &Picture::new(desc, &bytes).unwrap()).unwrap();
    assert!(file.windows(4).any(|four| four == b"sRGB"));
    let back = read(Cursor::new(file)).unwrap();
    let swapped: Vec<u8> = bytes.chunks(4).flat_map(|px| [px[2], px[1], px[0], px[3]]).collect();
    assert_eq!(back.bytes(), swapped);
}

#[test]
fn a_size_beyond_the_limits_is_refused_before_anything_is_allocated() {
    let mut bytes = file(png::ColorType::Rgba, png::BitDepth::Eight, &[], &[0; 8]);
    bytes[16..20].copy_from_slice(&u32::to_be_bytes(0x7fff_ffff));
    let crc = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(
        read(Cursor::new(bytes)).unwrap_err().to_string(),
        "a picture of 2147483647x1: each side is 1 to 16384 pixels"
    );
}

fn crc(bytes: &[u8]) -> u32 {
    let table_step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes
        .iter()
        .fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| table_step(crc)))
}

#[test]
fn damage_is_an_error() {
    let whole = file(png::ColorType::Rgba, png::BitDepth::Eight, &[], &[0; 8]);
    for length in 0..whole.len() - 16 {
        assert!(read(Cursor::new(&whole[..length])).is_err(), "{length}");
    }
    let error = read(Cursor::new(b"GIF89a, which is long enough")).unwrap_err().to_string();
    assert!(error.starts_with("this is not a PNG, or it is damaged: "), "{error}");
}

#[test]
fn a_file_that_cannot_be_made_says_why() {
    let picture = OwnedPicture::new(PictureDesc::tight(1, 1, Format::R8).unwrap()).unwrap();
    let path = Path::new("/dev/null/no.png");
    let error = write_file(path, &picture.as_picture()).unwrap_err();
    assert!(matches!(error, PngError::Io(_)));
    assert!(matches!(read_file(path), Err(PngError::Io(_))));
}

#[test]
fn sequences() {
    let parse = |name: &str| Sequence::parse(name).ok();
    let path = |name: &str, number| parse(name).map(|sequence| sequence.path(number));
    assert_eq!(path("frame-%04d.png", 7), Some(PathBuf::from("frame-0007.png")));
    assert_eq!(path("frame-%04d.png", 123_456), Some(PathBuf::from("frame-123456.png")));
    assert_eq!(path("%d", 7), Some(PathBuf::from("7")));
    assert_eq!(path("100%%-%02d%%", 7), Some(PathBuf::from("100%-07%")));
    for name in ["a.png", "%", "%%d", "%4d", "%x.png", "%d%d", "%0000009d", "%-3d", "a%"] {
        assert!(!Sequence::is_one(name), "{name}");
    }
    assert_eq!(
        Sequence::parse("a.png").unwrap_err().to_string(),
        "\"a.png\" has no place for a number: write it like frame-%04d.png"
    );
    let missing = parse("/dev/null/%d.png").unwrap().existing().err().unwrap().to_string();
    assert_eq!(missing, "there is no /dev/null/0.png: a sequence starts with number 0 or 1");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>, name: String) {
        drop(read(Cursor::new(bytes)));
        drop(Sequence::parse(&name));
    }

    #[test]
    fn spoilt_files_never_panic(at in 0usize..60, value: u8) {
        let mut bytes = file(png::ColorType::Rgba, png::BitDepth::Eight, &[], &[0; 8]);
        if let Some(place) = bytes.get_mut(at) {
            *place = value;
        }
        drop(read(Cursor::new(bytes)));
    }
}
