//! `handfast view --terminal` into a pipe: what it writes is what a terminal understands.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails where it panics"
)]

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A folder and a broker of one test. Programs end with it.
struct Scratch {
    folder: PathBuf,
    children: Vec<Child>,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hf-{name}-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let mut scratch = Self { folder, children: Vec::new() };
        let socket = scratch.folder.join("socket");
        scratch.start(&["broker", "--socket", socket.to_str().unwrap()]);
        scratch
    }

    fn handfast(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
        command
            .args(args)
            .env("HANDFAST_SOCKET", self.folder.join("socket"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET")
            .envs([("COLUMNS", "40"), ("LINES", "12"), ("COLORTERM", "truecolor")])
            .stdin(Stdio::null());
        command
    }

    fn start(&mut self, args: &[&str]) {
        let child = self.handfast(args).stderr(Stdio::null()).spawn().unwrap();
        self.children.push(child);
    }

    fn output(&self, args: &[&str]) -> Output {
        self.handfast(args).output().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// What a terminal of 40 by 12 shows: a character and the two colours of each cell.
#[derive(Debug)]
struct Shown {
    cells: Vec<Vec<(char, String, String)>>,
}

impl Shown {
    /// Does what the text says; what a terminal would not know is refused.
    fn of(text: &str) -> Self {
        let blank = (' ', String::new(), String::new());
        let mut cells = vec![vec![blank; 40]; 12];
        let (mut row, mut column) = (0, 0);
        let (mut ink, mut paper) = (String::new(), String::new());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != '\x1b' {
                assert!(!c.is_control(), "{c:?}");
                cells[row][column] = (c, ink.clone(), paper.clone());
                column += 1;
                continue;
            }
            let end = rest.find(|c: char| c.is_ascii_alphabetic()).expect("an end");
            let (arguments, after) = rest.split_at(end);
            let arguments = arguments.strip_prefix('[').expect("a sequence with arguments");
            rest = &after[1..];
            match &after[..1] {
                "H" => {
                    let (down, right) = arguments.split_once(';').unwrap();
                    row = down.parse::<usize>().unwrap() - 1;
                    column = right.parse::<usize>().unwrap() - 1;
                }
                "m" if arguments == "0" => (ink, paper) = Default::default(),
                "m" => match arguments.split_once(";2;").expect("24 bits") {
                    ("38", color) => color.clone_into(&mut ink),
                    ("48", color) => color.clone_into(&mut paper),
                    other => panic!("{other:?}"),
                },
                "h" | "l" => assert_eq!(arguments, "?2026"),
                other => panic!("{other}"),
            }
        }
        Self { cells }
    }

    fn row(&self, row: usize) -> String {
        self.cells[row].iter().map(|(c, ..)| c).collect()
    }
}

#[test]
fn frames_become_characters() {
    let mut scratch = Scratch::new("view");
    scratch.start(&["send", "cam", "--pattern", "bars", "--size", "80x44", "--quiet"]);
    let output = scratch.output(&["view", "cam", "--terminal", "--frames", "3"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = Shown::of(str::from_utf8(&output.stdout).unwrap());
    assert!(shown.row(11).contains("cam  80x44 BGRA8"), "{}", shown.row(11));
    // The picture has the shape of the screen without its last row. A line moves over the bars.
    let colors = ["191;191;191", "191;191;0", "0;191;191", "0;191;0", "191;0;191", "0;0;191"];
    let seen = |color: &&str| shown.cells[2].iter().any(|(_, _, paper)| paper == color);
    assert!(colors.iter().filter(|color| seen(color)).count() >= 5, "{:?}", shown.cells[2]);
}

#[test]
fn a_grid_shows_all_streams() {
    let mut scratch = Scratch::new("grid");
    scratch.start(&["send", "one", "--pattern", "bars", "--size", "64x36", "--quiet"]);
    scratch.start(&["send", "two", "--pattern", "ball", "--size", "64x36", "--quiet"]);
    let output = scratch.output(&["view", "--grid", "--terminal", "--frames", "60"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = Shown::of(str::from_utf8(&output.stdout).unwrap());
    let text: String = (0..12).map(|row| shown.row(row)).collect();
    for wanted in ["one  64x36", "two  64x36", "2 streams"] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let scratch = Scratch::new("refused");
    let check = |args: &[&str], code, wanted: &str| {
        let output = scratch.output(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(wanted), "{said}");
    };
    check(&["view", "cam"], 1, "handfast grab cam frame.png");
    check(&["view", "--grid"], 1, "handfast grab cam frame.png");
    check(&["view", "cam", "--terminal", "--once"], 1, "cam: no object has this name");
    check(&["view", "--terminal"], 2, "<NAME>");
    check(&["view", "cam", "--grid"], 2, "--grid");
    check(&["view", "--grid", "--once"], 2, "--once");
    check(&["view", "cam", "--frames", "0"], 2, "--frames");
}
