//! What comes out is what went in, to the last bit.

use std::fs;
use std::process::Stdio;

use handfast_tests::{Child, Requirement, Scratch, require};

use crate::inside::Idle;

/// Bytes that never repeat within a picture.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    };
    (0..length).map(|_| byte()).collect()
}

/// A clip of noise in this colour space; 10-bit samples stay below 1024.
fn clip(color: &str, (width, height): (usize, usize), frames: u64) -> Vec<u8> {
    let (wide, tall) = match color.trim_end_matches("p10") {
        "mono" => (0, 0),
        "420jpeg" | "420mpeg2" | "420paldv" | "420" => (width.div_ceil(2), height.div_ceil(2)),
        "422" => (width.div_ceil(2), height),
        _ => (width, height),
    };
    let samples = width * height + 2 * wide * tall;
    let mut clip =
        format!("YUV4MPEG2 W{width} H{height} F30000:1001 Ip A1:1 C{color}\n").into_bytes();
    for frame in 1..=frames {
        clip.extend(b"FRAME\n");
        if color.ends_with("p10") {
            let mut bytes = noise(2 * samples, frame);
            bytes.iter_mut().skip(1).step_by(2).for_each(|high| *high &= 3);
            clip.extend(bytes);
        } else {
            clip.extend(noise(samples, frame));
        }
    }
    clip
}

/// Everything behind the header line.
fn frames_of(clip: &[u8]) -> &[u8] {
    let end = clip.iter().position(|byte| *byte == b'\n').expect("there is a header line");
    clip.get(end + 1..).unwrap_or_default()
}

/// Sends the input to a lossless receiver and gives what that wrote.
fn pass(scratch: &Scratch, send: &[&str], output: &str, frames: u64) -> Vec<u8> {
    let recv = ["recv", "cam", "--mode", "lossless", "--json", "-o", output];
    let receiver = scratch.spawn(&recv);
    let lossless = ["send", "cam", "--lossless", "--wait", "1", "--json"];
    let sent = scratch.spawn(&[&lossless, send].concat()).finish().success();
    assert!(sent.contains(&format!("\"frames_sent\":{frames},\"dropped\":0")), "{sent}");
    let received = receiver.finish().success();
    assert!(received.contains(&format!("\"frames\":{frames},\"skipped\":0")), "{received}");
    assert!(received.contains("\"outcome\":\"ended\""), "{received}");
    let path = scratch.files().join(output);
    let bytes = fs::read(&path).expect("the receiver has written it");
    fs::remove_file(path).expect("the scratch is ours");
    bytes
}

#[test]
fn y4m_of_every_kind_comes_out_as_it_went_in() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let kinds = ["420jpeg", "420mpeg2", "422", "444", "mono", "420p10", "422p10", "444p10"];
    for (number, color) in kinds.into_iter().enumerate() {
        for size in [(64, 48), (33, 17)] {
            let frames = 5 + 5 * number as u64;
            let clip = clip(color, size, frames);
            fs::write(scratch.files().join("in.y4m"), &clip).unwrap();
            let out = pass(&scratch, &["in.y4m"], "out.y4m", frames);
            assert!(frames_of(&out) == frames_of(&clip), "{color} of {size:?} differs");
        }
    }
    fs::remove_file(scratch.files().join("in.y4m")).unwrap();
    idle.again();
}

#[test]
fn a_short_clip_is_the_same_file_with_its_header_line() {
    let scratch = Scratch::new();
    // Its sender has nothing left to do before the receiver has looked at the first frame.
    let clip = clip("420jpeg", (32, 16), 1);
    fs::write(scratch.files().join("in.y4m"), &clip).unwrap();
    for round in 0..20 {
        let out = pass(&scratch, &["in.y4m"], "out.y4m", 1);
        let line = |clip: &[u8]| {
            String::from_utf8_lossy(clip.split(|byte| *byte == b'\n').next().unwrap()).into_owned()
        };
        assert_eq!(line(&out), line(&clip), "round {round}");
        assert!(frames_of(&out) == frames_of(&clip), "round {round} differs");
    }
}

#[test]
fn raw_pixels_come_out_as_they_went_in() {
    let scratch = Scratch::new();
    for (format, bytes) in [("bgra8", 4), ("rgba8", 4), ("rgba16f", 8), ("r8", 1), ("rg8", 2)] {
        let raw = noise(61 * 35 * bytes * 20, 7);
        fs::write(scratch.files().join("in.bin"), &raw).unwrap();
        let send = ["in.bin", "--size", "61x35", "--format", format];
        let out = pass(&scratch, &send, "out.raw", 20);
        assert!(out == raw, "{format} differs");
    }
}

#[test]
fn frames_of_several_megabytes_come_out_as_they_went_in() {
    let scratch = Scratch::new();
    let raw = noise(1920 * 1080 * 4 * 3, 5);
    fs::write(scratch.files().join("in.bin"), &raw).unwrap();
    let send = ["in.bin", "--size", "1920x1080", "--format", "bgra8"];
    assert!(pass(&scratch, &send, "out.raw", 3) == raw, "they differ");
}

#[test]
fn several_lossless_receivers_get_the_same() {
    let scratch = Scratch::new();
    let clip = clip("420jpeg", (64, 48), 40);
    fs::write(scratch.files().join("in.y4m"), &clip).unwrap();
    let outputs = ["1.y4m", "2.y4m", "3.y4m"];
    let receivers =
        outputs.map(|output| scratch.spawn(&["recv", "cam", "--mode", "lossless", "-o", output]));
    let send = ["send", "cam", "in.y4m", "--lossless", "--wait", "3", "--slots", "2"];
    scratch.spawn(&send).finish().success();
    for (receiver, output) in receivers.into_iter().zip(outputs) {
        receiver.finish().success();
        let out = fs::read(scratch.files().join(output)).unwrap();
        assert!(frames_of(&out) == frames_of(&clip), "{output} differs");
    }
}

#[test]
fn a_pipe_carries_what_a_file_does() {
    let scratch = Scratch::new();
    let clip = clip("422", (48, 20), 30);
    fs::write(scratch.files().join("in.y4m"), &clip).unwrap();
    let receiver = scratch.spawn(&["recv", "cam", "--mode", "lossless"]);
    let mut send = scratch.handfast(&["send", "cam", "--lossless", "--wait", "1"]);
    let input = fs::File::open(scratch.files().join("in.y4m")).unwrap();
    Child::spawn_reading(&mut send, Stdio::from(input)).finish().success();
    let received = receiver.finish();
    received.success();
    assert!(frames_of(&received.stdout) == frames_of(&clip), "they differ");
}

#[test]
fn decoded_video_comes_out_bit_for_bit() {
    let Some(ffmpeg) = require(Requirement::Ffmpeg) else { return };
    let scratch = Scratch::new();
    let ffmpeg = |arguments: &str| {
        let mut command = scratch.command(&ffmpeg);
        command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
        command.args(arguments.split(' '));
        command
    };
    let encode =
        "-f lavfi -i testsrc2=size=320x240:rate=30 -frames:v 60 -c:v mpeg4 -q:v 3 clip.mp4";
    Child::spawn(&mut ffmpeg(encode)).finish().success();
    for format in ["yuv420p", "yuv422p", "yuv444p10le"] {
        let decode = format!("-i clip.mp4 -pix_fmt {format} -strict -1 -f yuv4mpegpipe");
        Child::spawn(&mut ffmpeg(&format!("{decode} decoded.y4m"))).finish().success();
        let decoded = fs::read(scratch.files().join("decoded.y4m")).unwrap();

        let receiver = scratch.spawn(&["recv", "cam", "--mode", "lossless", "-o", "out.y4m"]);
        let script = "\"$@\" - | \"$0\" send cam --lossless --wait 1";
        let mut shell = scratch.command("sh");
        shell.args(["-c", script]).arg(handfast_tests::handfast());
        let decoder = ffmpeg(&decode);
        shell.arg(decoder.get_program()).args(decoder.get_args());
        Child::spawn(&mut shell).finish().success();
        receiver.finish().success();
        let out = fs::read(scratch.files().join("out.y4m")).unwrap();
        assert!(frames_of(&out) == frames_of(&decoded), "{format} differs");
        // 60 frames of three planes.
        assert!(frames_of(&out).len() > 60 * 320 * 240, "{format} is short");
    }
}
