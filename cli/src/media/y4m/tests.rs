use proptest::prelude::*;

use super::super::Alignment;
use super::super::picture::OwnedPicture;
use super::*;

fn header(line: &str) -> Result<Header, Y4mError> {
    Y4mReader::new(format!("{line}\n").as_bytes()).map(|reader| *reader.header())
}

#[track_caller]
fn check_refused(input: impl AsRef<[u8]>, message: &str) {
    assert_eq!(read_all(input.as_ref()).unwrap_err().to_string(), message);
}

/// Reads a whole file through padded slots and gives the pixels of each frame.
fn read_all(file: &[u8]) -> Result<(Header, Vec<Vec<u8>>), Y4mError> {
    let mut reader = Y4mReader::new(file)?;
    let desc = *reader.desc();
    let slot = PictureDesc::new(desc.width, desc.height, desc.format, Alignment::DEFAULT)?;
    let mut slot = OwnedPicture::new(slot)?;
    let mut frames = Vec::new();
    while reader.read_into(&mut slot.as_picture_mut())? {
        let mut bytes = Vec::new();
        write_planes(&mut bytes, &slot.as_picture())?;
        frames.push(bytes);
    }
    Ok((*reader.header(), frames))
}

#[test]
fn the_header_of_ffmpeg_is_read_and_written() {
    let line =
        "YUV4MPEG2 W1920 H1080 F30000:1001 Ip A1:1 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=FULL";
    let header = header(line).unwrap();
    let wanted = Header {
        width: 1920,
        height: 1080,
        format: Format::I420,
        rate: Some((30000, 1001)),
        aspect: Some((1, 1)),
        color: Color::BT709_FULL,
        siting: Siting::Mpeg2,
    };
    assert_eq!(header, wanted);
    assert_eq!(header.line().unwrap(), format!("{line}\n"));
}

#[test]
fn a_short_header_means_the_usual() {
    let wanted = Header::new(4, 2, Format::I420, Color::BT601_LIMITED);
    assert_eq!(header("YUV4MPEG2 W4 H2").unwrap(), wanted);
    assert_eq!(header("YUV4MPEG2 H2 W4 F0:0 I? A0:0 XWHATEVER=1 Xno").unwrap(), wanted);
    assert_eq!(header("YUV4MPEG2 W1280 H2").unwrap().color, Color::BT709_LIMITED);
    assert_eq!(header("YUV4MPEG2 W4 H2 XYSCSS=444P10").unwrap().format, Format::I444p10);
    assert_eq!(header("YUV4MPEG2 W4 H2 C422 XYSCSS=444").unwrap().format, Format::I422);
}

#[test]
fn frames_of_every_format_round_trip_byte_for_byte() {
    for name in COLORS.split(", ") {
        let line = format!("YUV4MPEG2 W5 H3 F25:1 Ip A1:1 C{name}\n");
        let reader = Y4mReader::new(line.as_bytes()).unwrap();
        let size = usize::try_from(reader.desc().packed_bytes()).unwrap();
        let frame = |start: u8| (start..=255).cycle().take(size).collect::<Vec<_>>();
        let mut file = reader.header().line().unwrap().into_bytes();
        for start in [3, 77] {
            file.extend_from_slice(b"FRAME\n");
            file.extend(frame(start));
        }
        let (header, frames) = read_all(&file).unwrap();
        assert_eq!(frames, [frame(3), frame(77)], "{name}");

        let desc = PictureDesc::tight(5, 3, header.format).unwrap();
        let mut writer = Y4mWriter::new(Vec::new(), &header).unwrap();
        for bytes in &frames {
            writer.write_frame(&Picture::new(desc, bytes).unwrap()).unwrap();
        }
        writer.flush().unwrap();
        assert_eq!(writer.output, file, "{name}");
    }
}

#[test]
fn a_golden_file() {
    let desc = PictureDesc::tight(2, 2, Format::I420).unwrap();
    let picture = Picture::new(desc, &[1, 2, 3, 4, 5, 6]).unwrap();
    let header =
        Header { rate: Some((30, 1)), ..Header::new(2, 2, Format::I420, Color::BT709_LIMITED) };
    let mut writer = Y4mWriter::new(Vec::new(), &header).unwrap();
    writer.write_frame(&picture).unwrap();
    let wanted = b"YUV4MPEG2 W2 H2 F30:1 Ip A0:0 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED\n\
        FRAME\n\x01\x02\x03\x04\x05\x06";
    assert_eq!(writer.output, wanted);
}

#[test]
fn frame_headers_may_have_parameters() {
    let (_, frames) = read_all(b"YUV4MPEG2 W1 H1 Cmono\nFRAME Xsomething\nAFRAME\nB").unwrap();
    assert_eq!(frames, [b"A", b"B"]);
}

#[test]
fn malformed_headers_are_quoted() {
    let supported = format!("supported is {COLORS}");
    let says = |token: &str, rest: &str| format!("the y4m header says \"{token}\": {rest}");
    check_refused("", "the input is empty: YUV4MPEG2 starts with a header line");
    check_refused(
        "RIFF\u{1b}[2J\n",
        "this is not YUV4MPEG2: it starts with \"RIFF\\u{1b}[2J\"; make it with ffmpeg \
         -f yuv4mpegpipe, or give --size and --format for raw frames",
    );
    check_refused("YUV4MPEG2 W4", "the input ends inside the header line, after 12 bytes");
    check_refused("YUV4MPEG2 W4\n", "the y4m header has no height (H)");
    check_refused("YUV4MPEG2 H4\n", "the y4m header has no width (W)");
    let pixels = "supported is a number of pixels";
    check_refused("YUV4MPEG2 W-4 H2\n", &says("W-4", pixels));
    check_refused("YUV4MPEG2 W99999999999 H2\n", &says("W99999999999", pixels));
    check_refused("YUV4MPEG2 W4 H2 C411\n", &says("C411", &supported));
    check_refused("YUV4MPEG2 W4 H2 Cmono10\n", &says("Cmono10", &supported));
    check_refused("YUV4MPEG2 W4 H2 C420p12\n", &says("C420p12", &supported));
    let progressive = "supported is progressive video, Ip; deinterlace it before";
    check_refused("YUV4MPEG2 W4 H2 It\n", &says("It", progressive));
    check_refused("YUV4MPEG2 W4 H2 F30\n", &says("F30", "supported is a rate like F30:1"));
    let range = "supported is FULL or LIMITED";
    check_refused("YUV4MPEG2 W4 H2 XCOLORRANGE=\n", &says("XCOLORRANGE=", range));
    let tags = "supported is W, H, F, I, A, C and X";
    check_refused("YUV4MPEG2 W4 H2 Z1\n", &says("Z1", tags));
    check_refused(
        "YUV4MPEG2 W40000 H2\n",
        "the y4m header asks for a picture of 40000x2: each side is 1 to 16384 pixels",
    );
    check_refused(
        format!("YUV4MPEG2 X{}", "x".repeat(9000)),
        "the y4m header line is longer than 4096 bytes: this is not YUV4MPEG2, or it is damaged",
    );
}

#[test]
fn damaged_frames_say_which() {
    let start = "YUV4MPEG2 W2 H2 Cmono\nFRAME\nabcd";
    check_refused(format!("{start}FRAME\nabc"), "the input ends inside frame 1: 3 of 4 bytes");
    check_refused(format!("{start}FRAME\n"), "the input ends inside frame 1: 0 of 4 bytes");
    check_refused(format!("{start}FRA"), "the input ends inside frame 1: 0 of 4 bytes");
    check_refused(
        format!("{start}efgh"),
        "frame 1 starts with \"efgh\" instead of FRAME: the file is damaged",
    );
}

#[test]
fn a_writer_refuses_what_y4m_does_not_have() {
    let header = Header::new(2, 2, Format::Bgra8, Color::SRGB);
    assert_eq!(
        Y4mWriter::new(Vec::new(), &header).unwrap_err().to_string(),
        "y4m has no BGRA8: choose one of r8, i420, i422, i444, i420p10, i422p10, i444p10"
    );
    let header = Header::new(2, 2, Format::R8, Color::SRGB);
    let mut writer = Y4mWriter::new(Vec::new(), &header).unwrap();
    let other = OwnedPicture::new(PictureDesc::tight(3, 2, Format::R8).unwrap()).unwrap();
    assert_eq!(
        writer.write_frame(&other.as_picture()).unwrap_err().to_string(),
        "y4m cannot change in mid-file: a picture of 3x2 R8 where 2x2 R8 is expected"
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        // Whatever comes of it, it came back.
        drop(read_all(&bytes));
    }

    #[test]
    fn random_headers_and_frames_never_panic(
        words in proptest::collection::vec("[WHFIACX][-0-9a-zA-Z:=?]{0,12}", 0..8),
        size in (0u32..40, 0u32..40),
        rest: Vec<u8>,
    ) {
        let line = format!("YUV4MPEG2 W{} H{} {}\nFRAME\n", size.0, size.1, words.join(" "));
        let mut file = line.into_bytes();
        file.extend_from_slice(&rest);
        let sized = Y4mReader::new(file.as_slice());
        if sized.is_ok_and(|reader| reader.desc().packed_bytes() < 1 << 20) {
            drop(read_all(&file));
        }
    }
}
