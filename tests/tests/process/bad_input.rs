//! What people get wrong: one line that says what to do, exit code 1 (2 for what cannot be asked),
//! and nothing left behind.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use handfast_tests::{Child, Finished, Scratch, Signal, eventually};

use crate::inside::Idle;
use crate::role::Role;

/// Two frames of 4x2 pixels, and a header.
const Y4M: &[u8] = b"YUV4MPEG2 W4 H2 F25:1 C420jpeg\nFRAME\n012345678901FRAME\n012345678901";

/// It has failed with this code, and said in one line what there is to say.
#[track_caller]
fn check_said(ended: &Finished, code: i32, why: &str) {
    assert_eq!(ended.code(code), "");
    let said = ended.stderr_text();
    assert!(said.contains(why), "{why:?} is not in {said}");
    assert!(!said.contains("panicked"), "{said}");
    if code == 1 {
        assert!(said.starts_with("handfast: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// Runs the program with this on its standard input.
#[track_caller]
fn feed(scratch: &Scratch, arguments: &[&str], input: &[u8]) -> Finished {
    let mut child = Child::spawn_reading(&mut scratch.handfast(arguments), Stdio::piped());
    let mut stdin = child.stdin().expect("its input is a pipe");
    // It may end before it has read everything.
    drop(stdin.write_all(input));
    drop(stdin);
    child.finish()
}

/// With these arguments and this input the program fails and leaves nothing.
#[track_caller]
fn check(arguments: &[&str], input: &[u8], code: i32, why: &str) {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    check_said(&feed(&scratch, arguments, input), code, why);
    idle.again();
}

#[test]
fn an_empty_input() {
    check(&["send", "cam"], b"", 1, "the input is empty: YUV4MPEG2 starts with a header line");
}

#[test]
fn an_input_that_is_no_y4m() {
    let why = "make it with ffmpeg -f yuv4mpegpipe, or give --size and --format for raw frames";
    check(&["send", "cam"], b"\x89PNG\r\n\x1a\n", 1, why);
    check(&["send", "cam"], &[0; 5000], 1, why);
}

#[test]
fn malformed_headers() {
    for (header, why) in [
        ("YUV4MPEG2 W4 H2 F25:1", "ends inside the header line, after 21 bytes"),
        ("YUV4MPEG2 W4 F25:1\n", "the y4m header has no "),
        ("YUV4MPEG2 W4 H2 F25:1 C411\n", "\"C411\": supported is 420, "),
        ("YUV4MPEG2 Wfour H2\n", "\"Wfour\""),
        ("YUV4MPEG2 W4 H2 F25:1 It\n", "\"It\""),
        ("YUV4MPEG2 W-4 H2\n", "\"W-4\""),
        ("YUV4MPEG2 W0 H2\n", "the y4m header "),
        ("YUV4MPEG2 W99999 H99999\n", "the y4m header asks for "),
        ("YUV4MPEG2 W4294967297 H2\n", "\"W4294967297\""),
    ] {
        let input = [header.as_bytes(), b"FRAME\n"].concat();
        let input = if header.ends_with('\n') { &input } else { header.as_bytes() };
        check(&["send", "cam"], input, 1, why);
    }
}

#[test]
fn a_line_that_does_not_end() {
    let long = [b"YUV4MPEG2 X".as_slice(), &vec![b'x'; 1 << 20]].concat();
    check(&["send", "cam"], &long, 1, "is longer than 4096 bytes");
}

#[test]
fn a_truncated_last_frame_loses_only_itself() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let recv = ["recv", "cam", "--mode", "lossless", "--json", "-o", "out.y4m"];
    let receiver = scratch.spawn(&recv);
    let input = &Y4M[..Y4M.len() - 5];
    let sent = feed(&scratch, &["send", "cam", "--lossless", "--wait", "1"], input);
    check_said(&sent, 1, "standard input: the input ends inside frame 1: 7 of 12 bytes");
    let said = receiver.finish().success();
    assert!(said.contains("\"frames\":1,") && said.contains("\"outcome\":\"ended\""), "{said}");
    let out = fs::read(scratch.files().join("out.y4m")).unwrap();
    assert!(out.ends_with(b"\nFRAME\n012345678901") && out.starts_with(b"YUV4MPEG2 "), "{out:?}");
    fs::remove_file(scratch.files().join("out.y4m")).unwrap();
    idle.again();
}

#[test]
fn a_damaged_frame() {
    let mut input = Y4M.to_vec();
    let second = Y4M.len() - 18;
    input[second] = b'G';
    check(&["send", "cam"], &input, 1, "instead of FRAME: the file is damaged");
}

#[test]
fn raw_frames_that_end_too_early() {
    let raw = ["send", "cam", "--size", "4x4", "--format", "bgra8"];
    check(&raw, &[0; 100], 1, "36 of 64 bytes; is it really 4x4 ");
    check(&raw, &[0; 100], 1, "? (--size WIDTHxHEIGHT --format NAME)");
}

#[test]
fn raw_frames_without_a_format() {
    check(&["send", "cam", "--size", "4x4"], &[0; 64], 1, "need their --format, e.g. bgra8");
}

#[test]
fn names_that_are_none() {
    let long = "x".repeat(261);
    let cases = [
        ("", "the name is empty"),
        ("a\\b", "the name has a backslash at position 1"),
        ("Local\\a\\b", "the name has a backslash at position 7"),
        ("Session\\x", "names that begin with Session\\ are reserved"),
        ("Local\\", "the name is empty"),
        (&long, "the name has 261 UTF-16 units, the limit is 260"),
    ];
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    for (name, why) in cases {
        for arguments in [["send", name, "--pattern", "bars"], ["recv", name, "--mode", "latest"]] {
            check_said(&scratch.spawn(&arguments).finish(), 1, why);
        }
    }
    idle.again();
    // The longest name there may be.
    let longest = ["send", &long[1..], "--pattern", "bars", "--frames", "1"];
    scratch.spawn(&longest).finish().success();
    idle.again();
}

#[test]
fn a_name_that_nobody_has() {
    check(&["recv", "cam", "--once"], b"", 1, "cam: no object has this name");
}

#[test]
fn outputs_that_cannot_be_written() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
    for (output, why) in [
        ("missing/out.y4m", "No such file or directory"),
        ("/proc/out.y4m", ""),
        ("..", "Is a directory"),
    ] {
        let refused = scratch.spawn(&["recv", "cam", "--once", "-o", output]).finish();
        check_said(&refused, 1, why);
        check_said(&refused, 1, output);
    }
    let full = scratch.spawn(&["recv", "cam", "--once", "--frames", "1", "-o", "/dev/full"]);
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    assert_eq!(sender.ask("frame"), "sent 1");
    let full = full.finish();
    check_said(&full, 1, "/dev/full");
    check_said(&full, 1, "No space left on device");
    sender.leave();
    idle.again();
}

#[test]
fn a_reader_that_closes_the_pipe() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut sender =
        scratch.spawn(&["send", "cam", "--pattern", "bars", "--size", "640x480", "--rate", "200"]);
    // What the program says goes past the pipe, and so does its exit code.
    let script = "{ \"$0\" recv cam; echo \"code $?\" >&2; } | head -c 100 > /dev/null";
    let mut shell = scratch.command("sh");
    shell.args(["-c", script]).arg(handfast_tests::handfast());
    let ended = Child::spawn(&mut shell).finish();
    ended.success();
    let said = ended.stderr_text();
    assert!(
        said.starts_with("handfast: standard output") && said.ends_with("\ncode 1\n"),
        "{said}"
    );
    assert!(said.contains("Broken pipe") && said.lines().count() == 2, "{said}");
    sender.kill();
    idle.again();
}

#[test]
fn an_interrupted_sender_ends_its_stream() {
    for signal in [Signal::INT, Signal::TERM] {
        let scratch = Scratch::new();
        let idle = Idle::look(&scratch);
        let receiver = scratch.spawn(&["recv", "cam", "--json", "-o", "out.y4m"]);
        let pattern = ["send", "cam", "--pattern", "bars", "--size", "256x256", "--wait", "1"];
        let sender = scratch.spawn(&pattern);
        let path = scratch.files().join("out.y4m");
        eventually("frames come", || fs::metadata(&path).is_ok_and(|file| file.len() > 0));
        sender.signal(signal);
        let ended = sender.finish();
        assert_eq!((ended.success().as_str(), ended.stderr_text().as_str()), ("", ""));
        let said = receiver.finish().success();
        assert!(said.contains("\"outcome\":\"ended\""), "{said}");
        fs::remove_file(path).unwrap();
        idle.again();
    }
}

#[test]
fn an_interrupted_receiver_keeps_what_it_has() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
    let receiver = scratch.spawn(&["recv", "cam", "--json", "-o", "out.raw"]);
    assert_eq!(sender.ask("receivers 1"), "receivers 1");
    let path = scratch.files().join("out.raw");
    eventually("frames come", || {
        sender.ask("frame");
        fs::metadata(&path).is_ok_and(|file| file.len() > 0)
    });
    receiver.signal(Signal::INT);
    let said = receiver.finish().success();
    assert!(said.contains("\"outcome\":\"interrupted\""), "{said}");
    let length = fs::metadata(&path).unwrap().len();
    assert!(length > 0 && length.is_multiple_of(64 * 8 * 4), "{length} bytes are no whole frames");
    sender.leave();
    fs::remove_file(path).unwrap();
    idle.again();
}

#[test]
fn an_interrupted_wait_for_input_leaves_nothing() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut sender = Child::spawn_reading(&mut scratch.handfast(&["send", "cam"]), Stdio::piped());
    let mut stdin = sender.stdin().unwrap();
    stdin.write_all(&Y4M[..50]).unwrap();
    let mut looker = Role::start(&scratch, &["look"]);
    looker.ask("connect");
    eventually("the stream is there", || looker.ask("list") == "objects: cam/0");
    looker.leave();
    sender.signal(Signal::INT);
    let ended = sender.wait();
    // It ends by itself if it was just not reading.
    assert!(matches!(ended.code(), Some(0 | 130)), "{ended}");
    drop(stdin);
    idle.again();
}

#[test]
fn frames_larger_than_any_may_be() {
    check(&["send", "cam", "--pattern", "bars", "--size", "99999x99999"], b"", 2, "99999");
    let largest = ["send", "cam", "--size", "16384x16384", "--format", "rgba32f"];
    check(&largest, b"", 1, "the limit of bytes of one frame is 1073741824");
    let many = ["send", "cam", "--pattern", "bars", "--slots", "65"];
    check(&many, b"", 1, "a stream has 2 to 64 slots, not 65");
}

#[test]
fn more_shared_memory_than_there_is() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let large = ["send", "cam", "--pattern", "bars", "--size", "16384x16384", "--slots", "64"];
    let refused = scratch.spawn(&large).finish();
    check_said(&refused, 1, "use a smaller picture or fewer slots");
    idle.again();
}

#[test]
fn what_cannot_be_asked() {
    let cases: [(&[&str], &str); 10] = [
        (&["send", "cam", "--pattern", "bars", "--format", "yuv9"], "the formats are "),
        (&["send", "cam", "--pattern", "plaid"], "the patterns are bars, "),
        (&["send", "cam", "--size", "4", "--format", "bgra8"], "a size is typed as 1920x1080"),
        (&["send", "cam", "--rate", "0"], "a rate is a number above 0, or max"),
        (&["send", "cam", "in.y4m", "--pattern", "bars"], "cannot be used with"),
        (&["recv", "cam", "--mode", "queue:0"], "the modes are latest, queue:N with N from 1"),
        (&["recv", "cam", "--mode", "newest"], "the modes are latest, queue:N"),
        (&["recv", "cam", "--frames", "many"], "--frames"),
        (&["recv"], "<NAME>"),
        (&["juggle"], "unrecognized subcommand 'juggle'"),
    ];
    let scratch = Scratch::new();
    for (arguments, why) in cases {
        check_said(&scratch.spawn(arguments).finish(), 2, why);
    }
    // Nobody was asked, so nobody was started.
    assert_eq!(scratch.left(), [""; 0]);
}

#[test]
fn inputs_that_cannot_be_read() {
    check(&["send", "cam", "missing.y4m"], b"", 1, "missing.y4m: No such file or directory");
    check(&["send", "cam", "/"], b"", 1, "/: Is a directory");
    check(&["send", "cam", "frame-%04d.png"], b"", 1, "a sequence starts with number 0 or 1");
    check(&["send", "cam", "--loop"], Y4M, 1, "standard input cannot be read twice: --loop");
}

#[test]
fn a_wait_that_ends() {
    check(&["recv", "cam", "--wait", "0.1"], b"", 1, "cam: no frame for 0.1 s");
}

#[test]
fn the_descriptor_limit() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let mut outcomes = Vec::new();
    for limit in 4..48 {
        for arguments in ["send cam --pattern bars --size 16x16 --frames 1", "recv cam --once"] {
            let script = format!("ulimit -n {limit}; exec \"$0\" {arguments}");
            let mut shell = scratch.command("sh");
            shell.args(["-c", &script]).arg(handfast_tests::handfast());
            let ended = Child::spawn(&mut shell).finish();
            let said = ended.stderr_text();
            assert!(!said.contains("panicked"), "limit {limit}: {said}");
            match ended.status.code() {
                Some(0) => assert!(arguments.starts_with("send"), "limit {limit}"),
                // The loader, too, needs a descriptor.
                Some(1) => assert!(said.starts_with("handfast: "), "limit {limit}: {said}"),
                code => panic!("limit {limit}: {code:?} {said}"),
            }
            outcomes.push((limit, ended.status.code(), said));
        }
    }
    idle.again();
    for (limit, code, said) in &outcomes {
        // With fewer descriptors not even the broker can be asked.
        let advised = *limit < 6 || said.contains("no object") || said.contains("ulimit -n");
        assert!(*code == Some(0) || advised, "limit {limit}: {said}");
    }
    assert!(outcomes.iter().any(|(_, code, _)| *code == Some(0)), "some limit is enough");
    assert!(outcomes.iter().any(|(_, _, said)| said.contains("ulimit -n")), "some is not");
}
