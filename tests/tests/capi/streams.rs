//! Streams between C programs, and between them and the program `handfast`.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use handfast_tests::{Child, eventually};

use crate::installed::Programs;
use crate::picture::{checksum, gradient_line};

const FRAMES: u32 = 20;

pub(crate) fn c_to_c(sender: &Programs, receiver: &Programs) {
    let mut recv = receiver.command("recv", &["cam", "lossless"]);
    recv.env("HANDFAST_SOCKET", sender.scratch.socket());
    let recv = Child::spawn(&mut recv);
    let count = FRAMES.to_string();
    let sent = Child::spawn(&mut sender.command("send", &["cam", &count])).finish().success();
    assert_eq!(sent, format!("{count} frames\n"));
    let received = recv.finish().success();
    let wanted: Vec<String> = (1..=FRAMES).map(gradient_line).collect();
    assert_eq!(received.lines().collect::<Vec<_>>(), wanted);
}

/// Both the C receiver and the program see what the program sends.
#[track_caller]
pub(crate) fn program_to_c(programs: &Programs, format: &str, (width, height): (u32, u32)) {
    let scratch = &programs.scratch;
    let size = format!("{width}x{height}");
    let recv = Child::spawn(&mut programs.command("recv", &["cam", "lossless"]));
    let raw = scratch.files().join("out.raw");
    let other = scratch.spawn(&["recv", "cam", "--mode", "lossless", "-q", "-o", "out.raw"]);
    let send = ["send", "cam", "--pattern", "bars", "--size", &size, "--format", format];
    let rest = ["--frames", "6", "--lossless", "--wait", "2", "-q"];
    scratch.spawn(&[send.as_slice(), &rest].concat()).finish().success();
    other.finish().success();
    let received = recv.finish().success();
    let raw = fs::read(raw).expect("the program wrote it");
    assert_eq!(raw.len() % 6, 0);
    let frames = raw.chunks(raw.len() / 6).zip(1..);
    let wanted: Vec<String> =
        frames.map(|(pixels, number)| format!("{number} {size} {}", checksum(pixels))).collect();
    assert_eq!(received.lines().collect::<Vec<_>>(), wanted, "{format}");
}

pub(crate) fn c_to_program(programs: &Programs) {
    let scratch = &programs.scratch;
    let recv = scratch.spawn(&["recv", "cam", "--mode", "lossless", "-q", "-o", "out.raw"]);
    let count = FRAMES.to_string();
    Child::spawn(&mut programs.command("send", &["cam", &count])).finish().success();
    recv.finish().success();
    let raw = fs::read(scratch.files().join("out.raw")).expect("the program wrote it");
    let lines = raw.chunks(640 * 360 * 4).zip(1..);
    let lines = lines.map(|(pixels, step)| format!("{step} 640x360 {}", checksum(pixels)));
    assert_eq!(lines.collect::<Vec<_>>(), (1..=FRAMES).map(gradient_line).collect::<Vec<_>>());
}

#[test]
fn c_sends_and_c_receives_every_pixel() {
    let programs = Programs::build(&["send", "recv"]);
    c_to_c(&programs, &programs);
}

#[test]
fn c_sends_and_the_program_receives_every_pixel() {
    c_to_program(&Programs::build(&["send"]));
}

#[test]
fn the_program_sends_and_c_receives_every_pixel() {
    for (format, size) in [("bgra8", (320, 180)), ("nv12", (33, 17)), ("i420p10", (50, 21))] {
        program_to_c(&Programs::build(&["recv"]), format, size);
    }
}

/// What the program draws is drawn right; the C receiver sees the same bytes (above).
#[test]
fn the_examples_serve_as_their_own_broker() {
    let programs = Programs::build(&["send", "recv"]);
    let alone = |name: &str, arguments: &[&str]| {
        let mut command = programs.command(name, arguments);
        command.env_remove("HANDFAST_BROKER").env("PATH", "/nowhere");
        Child::spawn(&mut command)
    };
    let recv = alone("recv", &["cam", "lossless"]);
    alone("send", &["cam", "3"]).finish().success();
    let wanted: Vec<String> = (1..=3).map(gradient_line).collect();
    assert_eq!(recv.finish().success().lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn one_thread_waits_for_several_streams() {
    let programs = Programs::build(&["epoll"]);
    let epoll = Child::spawn(&mut programs.command("epoll", &["one", "two"]));
    let send = |name: &str, frames: &str| {
        let send = ["send", name, "--pattern", "bars", "--size", "64x64", "--rate", "100", "-q"];
        programs.scratch.spawn(&[send.as_slice(), &["--wait", "1", "--frames", frames]].concat())
    };
    let (one, two) = (send("one", "30"), send("two", "20"));
    one.finish().success();
    two.finish().success();
    let told = epoll.finish().success();
    for name in ["one", "two"] {
        let lines: Vec<&str> = told.lines().filter(|line| line.starts_with(name)).collect();
        let (end, frames) = lines.split_last().expect("it is told of");
        assert_eq!(*end, format!("{name} ended"));
        let number = |line: &&str| line.split(' ').nth(1)?.parse::<u64>().ok();
        let numbers: Option<Vec<u64>> = frames.iter().map(number).collect();
        let numbers = numbers.expect("numbers of frames");
        assert!(!numbers.is_empty() && numbers.is_sorted_by(|a, b| a < b), "{told}");
    }
}

#[test]
fn a_listing_follows_what_comes_and_goes() {
    let programs = Programs::build(&["list"]);
    let empty = Child::spawn(&mut programs.command("list", &[])).finish().success();
    assert_eq!(empty, "0 names\n");
    let list = Child::spawn(&mut programs.command("list", &["--watch"]));
    list.until_printed("0 names\n");
    let mut sender =
        programs.scratch.spawn(&["send", "cam", "--pattern", "bars", "--size", "64x48"]);
    list.until_printed(&format!("cam  64x48  handfast[{}]  0 receivers\n1 names\n", sender.pid()));
    sender.kill();
    let ends = |child: &Child| String::from_utf8_lossy(&child.stdout()).ends_with("\n0 names\n");
    eventually("the listing is empty again", || ends(&list));
}

#[test]
fn a_held_frame_outlives_its_killed_sender() {
    for waits in ["call", "thread"] {
        let programs = Programs::build(&["hold"]);
        let send = ["send", "cam", "--pattern", "bars", "--size", "640x360", "--rate", "200"];
        let mut sender = programs.scratch.spawn(&send);
        let mut command = programs.command("hold", &["cam", waits]);
        let mut hold = Child::spawn_reading(&mut command, Stdio::piped());
        let before = hold.line();
        sender.kill();
        // The name is free and somebody else bears it: the frame is still the first one's.
        let listed = || programs.scratch.spawn(&["ls", "--json"]).finish().success();
        eventually("the sender is gone", || !listed().contains("cam"));
        let mut stdin = hold.stdin().expect("a pipe");
        stdin.write_all(b"go on\n").expect("it reads");
        assert_eq!(hold.line(), before, "{waits}");
        assert_eq!(hold.line(), "no sender", "{waits}");
        hold.finish().success();
    }
}

#[test]
fn misuse_is_an_error_and_never_a_crash() {
    let programs = Programs::build(&["misuse"]);
    let told = Child::spawn(&mut programs.command("misuse", &[])).finish();
    assert_eq!(told.success(), "0 failed\n");
}
