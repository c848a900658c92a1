//! `ls`, `show`, `explain`, `grab`, `doctor`, `fence` and `event`, and what they leave: nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod holders;
mod objects;
mod scratch;

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use scratch::Scratch;

#[test]
fn who_looks_starts_no_broker() {
    let scratch = Scratch::new("looks-nobody");
    assert_eq!(scratch.text(&["ls"]), "Nothing is shared: no broker runs.\n");
    assert_eq!(scratch.text(&["ls", "--json"]), "");
    let expected = "handfast: cam: nothing is shared, for no broker runs\n";
    for args in [&["show", "cam"][..], &["explain", "cam"], &["grab", "cam", "a.png", "--once"]] {
        assert_eq!(scratch.refusal(args), expected, "{args:?}");
    }
    for args in [
        &["fence", "cam", "wait", "1"][..],
        &["fence", "cam", "get"],
        &["event", "cam", "set"],
        &["event", "cam", "get"],
    ] {
        assert_eq!(scratch.unasked(args), expected, "{args:?}");
    }
    let [doctor] = &scratch.json(&["doctor", "--json"])[..] else { panic!("one line") };
    assert_eq!(doctor["broker"]["answers"], false);
    assert_eq!(doctor["broker"]["pid"], Value::Null);
    assert_eq!(scratch.files(), [""; 0]);
}

#[test]
fn facts_are_told_and_looking_leaves_nothing() {
    let mut scratch = Scratch::with_broker("looks-facts");
    let sender = scratch.start(&["send", "cam", "--pattern", "bars", "--size", "64x48"]);
    let receiver = scratch.start(&["recv", "cam", "--mode", "lossless", "-o", "/dev/null"]);
    let cam = scratch.wait(&["ls", "--json"], |cam| {
        let sends = cam["rate_hz"].as_f64().is_some_and(|rate| rate > 0.0);
        cam["receivers"] == 1 && sends && cam["width"] != Value::Null
    });
    let fields = ["name", "kind", "width", "height", "format"].map(|field| &cam[field]);
    assert_eq!(
        Value::from_iter(fields.into_iter().cloned()).to_string(),
        r#"["cam","stream",64,48,"bgra8"]"#
    );
    assert_eq!(cam["sender"]["pid"], sender);
    assert_eq!(cam["sender"]["program"], "handfast");

    let show = scratch.wait(&["show", "cam", "--json"], |show| {
        show["receivers"][0]["received"].as_u64() > Some(0)
    });
    assert_eq!(show["id"], cam["id"]);
    assert_eq!(show["memory"]["slots"], 5);
    assert_eq!(show["frame"]["strides"][0], 256);
    assert_eq!(show["lossless"], false);
    assert_eq!(show["receivers"][0]["pid"], receiver);
    assert_eq!(show["receivers"][0]["mode"], "lossless");
    // The sender's and the receiver's: those of the looks before have gone with them.
    assert_eq!(show["openings"], 2);
    assert_eq!(show["handles"], 1);

    let explain = scratch.json(&["explain", "cam", "--json"]);
    let [from, to] = &explain[..] else { panic!("{explain:?}") };
    assert_eq!((&from["role"], &from["pid"]), (&"sender".into(), &sender.into()));
    assert_eq!((&to["role"], &to["pid"]), (&"receiver".into(), &receiver.into()));
    assert_eq!(to["copies_per_frame"], 0);
    assert_eq!(to["sender_waits"], false);
    assert_eq!(to["advice"]["command"], "handfast send cam --lossless");

    let doctor =
        scratch.wait(&["doctor", "--json"], |doctor| doctor["broker"]["health"]["clients"] == 3);
    assert_eq!(doctor["ok"], true);
    assert_eq!(doctor["broker"]["health"]["objects"], 1);
    assert_eq!(doctor["broker"]["chosen_by"], "HANDFAST_SOCKET says so");
    assert_eq!(scratch.files(), ["socket"]);
}

#[test]
fn what_is_not_there_is_said_with_what_to_type() {
    let scratch = Scratch::with_broker("looks-missing");
    let expected = "handfast: cam: no object has this name; what there is:  handfast ls\n";
    for args in [&["show", "cam"][..], &["explain", "cam"], &["recv", "cam", "--once"]] {
        assert_eq!(scratch.refusal(args), expected, "{args:?}");
    }
    for args in [&["fence", "cam", "get"], &["event", "cam", "wait"]] {
        assert_eq!(scratch.unasked(args), expected, "{args:?}");
    }
    assert!(scratch.text(&["ls"]).starts_with("Nothing is shared.  Broker: yours, pid "));
    assert_eq!(scratch.text(&["ls", "--json"]), "");
}

#[test]
fn names_of_others_cannot_move_the_cursor() {
    let mut scratch = Scratch::with_broker("looks-names");
    let name = "a\x1b[2J\u{202e}b\n";
    scratch.start(&["send", name, "--pattern", "bars", "--size", "16x16"]);
    scratch.wait(&["ls", "--json"], |line| line["name"] == name);
    for args in [&["ls"][..], &["show", name], &["explain", name]] {
        let text = scratch.text(args);
        assert!(text.contains(r"a\u{1b}[2J\u{202e}b\u{a}"), "{text}");
        assert!(!text.contains(['\x1b', '\u{202e}']), "{text}");
    }
    for args in [&["ls", "--json"][..], &["show", name, "--json"]] {
        assert!(!scratch.text(args).contains(['\x1b', '\u{202e}']), "{args:?}");
    }
}

#[test]
fn a_frame_is_there_whole_or_not_at_all() {
    let mut scratch = Scratch::with_broker("looks-grab");
    let refused = scratch.refusal(&["grab", "cam", "a.png", "--wait", "0.2"]);
    assert_eq!(refused, "handfast: cam: no frame in 0.2 s: nobody sends it\n");
    assert_eq!(scratch.output(&["grab", "cam", "a.jpg"]).status.code(), Some(2));
    assert_eq!(scratch.files(), ["socket"]);

    scratch.start(&["send", "cam", "--pattern", "bars", "--size", "64x48"]);
    fs::write(scratch.folder.join("a.png"), "former").unwrap();
    assert_eq!(scratch.text(&["grab", "cam", "a.png"]), "");
    assert_eq!(scratch.text(&["grab", "cam", "a.raw", "--once"]), "");
    let picture =
        png::Decoder::new(BufReader::new(fs::File::open(scratch.folder.join("a.png")).unwrap()));
    let picture = picture.read_info().unwrap();
    assert_eq!((picture.info().width, picture.info().height), (64, 48));
    assert_eq!(fs::read(scratch.folder.join("a.raw")).unwrap().len(), 64 * 48 * 4);

    let refused = scratch.refusal(&["grab", "cam", "no/a.png"]);
    assert!(refused.starts_with("handfast: no/a.png: "), "{refused}");
    fs::create_dir(scratch.folder.join("is.png")).unwrap();
    scratch.refusal(&["grab", "cam", "is.png"]);
    assert_eq!(scratch.files(), ["a.png", "a.raw", "is.png", "socket"]);
}

#[test]
fn a_watch_tells_of_what_comes() {
    let mut scratch = Scratch::with_broker("looks-watch");
    let mut command = scratch.handfast(&["ls", "--watch", "--json"]);
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    scratch.children.push(watch);
    for name in ["first", "second"] {
        scratch.start(&["send", name, "--pattern", "bars", "--size", "16x16"]);
        let mut lines = lines.by_ref().map(|line| line.unwrap());
        let tells = |line: String| serde_json::from_str::<Value>(&line).unwrap()["name"] == name;
        assert!(lines.any(tells), "{name}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let scratch = Scratch::new("looks-pipe");
    for args in [&["man"][..], &["completions", "bash"], &["ls"], &["doctor"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = scratch.handfast(args).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert_eq!(output.stderr, b"", "{args:?}");
    }
}

#[test]
fn shells_and_man_know_the_commands() {
    let scratch = Scratch::new("looks-man");
    for shell in ["bash", "zsh", "fish"] {
        let text = scratch.text(&["completions", shell]);
        for word in ["explain", "fence", "event", "signal", "timeout", "auto"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    scratch.text(&["man", "--out", "man1"]);
    for page in ["grab", "fence", "fence-wait", "event-create"] {
        assert!(scratch.folder.join(format!("man1/handfast-{page}.1")).is_file(), "{page}");
    }
    assert!(scratch.text(&["--help"]).contains("completions"));
    assert!(!scratch.text(&["-h"]).contains("completions"));
}
