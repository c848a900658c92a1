//! `fence` and `event`, and what `ls`, `show` and `explain` say of objects that are no streams.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use handfast::{Event, Fence, Format, Reset, Section, Surface, SurfaceDesc, SurfaceFlags, Writers};
use serde_json::Value;

use crate::scratch::Scratch;

/// Says what [`maker`] makes; it does nothing without.
const MAKES: &str = "HANDFAST_LOOKS_MAKES";

/// A process of the other tests: makes objects and holds them until it is killed.
#[test]
fn maker() {
    if std::env::var_os(MAKES).is_none() {
        return;
    }
    let picture = SurfaceDesc::texture_2d(640, 480, Format::Bgra8);
    let many = SurfaceDesc { layers: 2, mips: 3, flags: SurfaceFlags::KEYED_MUTEX, ..picture };
    let video = SurfaceDesc::texture_2d(64, 48, Format::Nv12);
    let held = (
        Surface::create("picture", picture).unwrap(),
        Surface::with_writers(many, Writers::Several).unwrap().named("many").unwrap(),
        Surface::create("video", video).unwrap(),
        Surface::create("bytes", SurfaceDesc::buffer(100)).unwrap(),
        Section::create("numbers", 4096).unwrap(),
        Fence::create("tick", u64::MAX).unwrap(),
        Event::create("go", Reset::Auto).unwrap(),
    );
    let mutex = held.1.keyed_mutex().unwrap();
    mutex.acquire(0).unwrap();
    mutex.release(7).unwrap();
    loop {
        std::thread::park();
        assert!(held.0.object().is_some());
    }
}

/// A broker, and what [`maker`] makes.
fn with_objects(name: &str) -> (Scratch, u32) {
    let mut scratch = Scratch::with_broker(name);
    let mut command = scratch.program(&std::env::current_exe().unwrap());
    command.args(["--exact", "objects::maker"]).env(MAKES, "1");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = child.id();
    scratch.children.push(child);
    scratch.wait(&["ls", "--json"], |line| line["name"] == "go");
    (scratch, pid)
}

/// What was printed, without what differs from run to run.
fn shape(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.trim_start().starts_with("at least")).map(shape_line).collect()
}

fn shape_line(line: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let comma = if word.ends_with(',') { "," } else { "" };
        let stands_for = match (words.last().copied(), comma) {
            (Some("id"), _) => "ID",
            (Some("descriptor"), _) => "N",
            (Some("user"), "") => "USER",
            (Some("user"), _) => "USER,",
            _ if word.contains('[') && comma.is_empty() => "PROCESS",
            _ if word.contains('[') => "PROCESS,",
            _ => word,
        };
        if stands_for == "ago" {
            words.truncate(words.len() - 2);
            words.push("AGE");
        }
        words.push(stands_for);
    }
    words.join(" ")
}

/// How a process ends: its exit code, and what it said on standard error.
#[track_caller]
fn ends(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Starts a process that makes a fence or event, and waits until it has.
fn create(scratch: &Scratch, args: &[&str]) -> Child {
    let child = scratch.spawn(args);
    scratch.wait(&["ls", "--json"], |line| line["name"] == args[1]);
    child
}

/// The same for as long as the test.
fn hold(scratch: &mut Scratch, args: &[&str]) {
    let child = create(scratch, args);
    scratch.children.push(child);
}

#[test]
fn every_kind_is_listed() {
    let (scratch, maker) = with_objects("objects-list");
    let lines = shape(&scratch.text(&["ls"]));
    assert_eq!(
        lines[..8],
        [
            "NAME WHAT MAKER OPEN RATE DROPPED",
            "picture surface 640x480 BGRA8, sRGB, opaque PROCESS 1",
            "many surface 640x480 BGRA8, sRGB, opaque, 2 layers, 3 mip levels, keyed mutex \
             PROCESS 1",
            "video surface 64x48 NV12, BT.709 limited PROCESS 1",
            "bytes surface buffer of 100 B PROCESS 1",
            "numbers section 4.1 kB PROCESS 1",
            "tick fence at 18446744073709551615 PROCESS 1",
            "go event not set, auto PROCESS 1",
        ]
    );
    assert!(lines[8].starts_with("7 objects, no stream. Broker: yours, "), "{}", lines[8]);

    let lines = scratch.json(&["ls", "--json"]);
    let fields = |name: &str, fields: &[&str]| -> String {
        let line = lines.iter().find(|line| line["name"] == name).unwrap();
        assert_eq!(line["maker"]["pid"], maker);
        assert_eq!((&line["sender"], &line["receivers"]), (&Value::Null, &Value::Null));
        Value::from_iter(fields.iter().map(|field| line[field].clone())).to_string()
    };
    assert_eq!(
        fields("picture", &["kind", "width", "height", "format", "size_bytes", "writers"]),
        r#"["surface",640,480,"bgra8",1228800,"maker"]"#
    );
    assert_eq!(
        fields("numbers", &["kind", "size_bytes", "writers", "openings"]),
        r#"["section",4096,"maker",1]"#
    );
    assert_eq!(
        fields("tick", &["kind", "value", "state", "set"]),
        r#"["fence",18446744073709551615,"live",null]"#
    );
    assert_eq!(fields("go", &["kind", "set", "reset"]), r#"["event",false,"auto"]"#);
}

#[test]
fn every_kind_is_shown() {
    let (scratch, _) = with_objects("objects-show");
    let check = |name: &str, expected: &[&str]| {
        let lines = shape(&scratch.text(&["show", name]));
        let (first, rest) = lines.split_first().unwrap();
        let kind = scratch.json(&["show", name, "--json"])[0]["kind"].as_str().unwrap().to_owned();
        assert_eq!(*first, format!("{name} {kind} id ID made by PROCESS, user USER, AGE ago"));
        let (own, common) = rest.split_at(rest.len() - 3);
        assert_eq!(own, expected, "{name}");
        assert_eq!(
            common[..2],
            [
                "rights user USER and the system may do everything; nobody else",
                "counts handles 1 (carries the name), openings 1",
            ]
        );
        common[2].clone()
    };
    let everything = "holders PROCESS handle: held opening: everything";
    let sealed = "writers only its maker can write, sealed";
    let held = check(
        "picture",
        &[
            "picture 640x480 BGRA8, sRGB, opaque",
            "layout 640x480 at 0, row pitch 2560, 1228800 bytes",
            "memory CPU memory (memfd), 1.2 MB (1228800 bytes)",
            sealed,
        ],
    );
    assert_eq!(held, everything);
    let held = check(
        "many",
        &[
            "picture 640x480 BGRA8, sRGB, opaque, 2 layers, 3 mip levels, keyed mutex",
            "layout mip 0 640x480 at 0, row pitch 2560, 1228800 bytes",
            "mip 1 320x240 at 1228800, row pitch 1280, 307200 bytes",
            "mip 2 160x120 at 1536000, row pitch 768, 92032 bytes",
            "6 subresources, layers are 1628160 bytes apart",
            "memory CPU memory (memfd), 3.3 MB (3256192 bytes)",
            "writers several: whoever was granted it",
            "mutex keyed, free for key 7",
        ],
    );
    assert_eq!(held, format!("{everything} (owner 1)"));
    check(
        "video",
        &[
            "picture 64x48 NV12, BT.709 limited",
            "layout 64x48 at 0, row pitches 256 256, 18240 bytes",
            "memory CPU memory (memfd), 18.2 kB (18240 bytes)",
            sealed,
        ],
    );
    check(
        "bytes",
        &[
            "picture buffer of 100 B",
            "layout 100 bytes at 0",
            "memory CPU memory (memfd), 100 bytes",
            sealed,
        ],
    );
    check("numbers", &["memory CPU memory (memfd), 4.1 kB (4096 bytes)", sealed]);
    check("tick", &["value 18446744073709551615", "state live: somebody is left to signal it"]);
    check("go", &["state not set", "reset auto: each time it is set, one wait goes through"]);
}

#[test]
fn the_same_is_told_as_json() {
    let (scratch, maker) = with_objects("objects-json");
    let show = |name: &str| scratch.json(&["show", name, "--json"]).remove(0);
    let many = show("many");
    assert_eq!(many["names"], Value::from_iter(["many"]));
    assert_eq!(many["levels"][2]["row_pitches"], Value::from_iter([768]));
    assert_eq!((&many["layer_bytes"], &many["subresources"]), (&1_628_160.into(), &6.into()));
    let mutex = &many["keyed_mutex"];
    assert_eq!((&mutex["state"], &mutex["key"]), (&"free".into(), &7.into()));
    assert_eq!(many["writers"], "several");
    let [holder] = &many["holders"].as_array().unwrap()[..] else { panic!("{many}") };
    assert_eq!((&holder["pid"], &holder["uid"]), (&maker.into(), &many["uid"]));
    assert_eq!(holder["descriptors"], Value::Array(Vec::new()));
    assert_eq!(holder["held"].as_array().unwrap().len(), 1);
    assert_eq!(holder["held"][0]["everything"], true);
    assert_eq!(holder["held"][0]["rights"][0], "SURFACE_WRITE");
    assert_eq!(holder["openings"][0]["owner"], 1);
    assert_eq!(holder["openings"][0]["everything"], true);
    assert_eq!(holder["openings"][0]["rights"][0], "SURFACE_WRITE");
    assert_eq!(many["handles_unseen"], 0);
    let tick = show("tick");
    assert_eq!(tick["id"], scratch.wait(&["ls", "--json"], |line| line["name"] == "tick")["id"]);
    assert_eq!((&tick["value"], &tick["state"]), (&u64::MAX.into(), &"live".into()));
    assert_eq!(show("go")["set"], false);
    assert_eq!(show("numbers")["size_bytes"], 4096);
}

#[test]
fn one_waits_and_another_signals() {
    let scratch = Scratch::with_broker("objects-fence");
    let made = create(&scratch, &["fence", "tick", "create", "--value", "0x3"]);
    assert_eq!(scratch.text(&["fence", "tick", "get"]), "3\n");
    assert_eq!(scratch.text(&["fence", "tick", "wait", "3"]), "");
    let waiter = scratch.spawn(&["fence", "tick", "wait", "5"]);
    scratch.wait_for_opening("tick", waiter.id());
    assert_eq!(scratch.text(&["fence", "tick", "signal", "4"]), "");
    assert_eq!(scratch.text(&["fence", "tick", "signal", "18446744073709551615"]), "");
    assert_eq!(ends(waiter), (Some(0), String::new()));
    assert_eq!(scratch.text(&["fence", "tick", "get"]), "18446744073709551615\n");
    assert_eq!(scratch.text(&["fence", "tick", "signal", "1"]), "");
    assert_eq!(
        scratch.refusal(&["fence", "tick", "wait", "2", "--timeout", "10ms"]),
        "handfast: tick: not at 2 after 10 ms: it is at 1\n"
    );
    assert_eq!(
        scratch.refusal(&["fence", "tick", "wait", "0x2", "--timeout", "0"]),
        "handfast: tick: not at 2: it is at 1\n"
    );
    let expected = "tick is a fence at 3, and keeps its name until Ctrl-C or the end of standard \
                    input\n";
    assert_eq!(ends(made), (Some(0), expected.into()));
    let refused = scratch.unasked(&["fence", "tick", "get"]);
    assert_eq!(refused, "handfast: tick: no object has this name; what there is:  handfast ls\n");
    assert_eq!(scratch.files(), ["socket"]);
}

#[test]
fn who_waits_is_told_that_nobody_is_left() {
    let scratch = Scratch::with_broker("objects-left");
    let made = create(&scratch, &["fence", "tick", "create"]);
    let waiter = scratch.spawn(&["fence", "tick", "wait", "5"]);
    scratch.wait_for_opening("tick", waiter.id());
    assert_eq!(ends(made).0, Some(0));
    let expected = "handfast: tick: abandoned at 0: the last who signalled it has closed it, and \
                    nobody is left to bring it to 5\n";
    assert_eq!(ends(waiter), (Some(1), expected.into()));

    let mut made = create(&scratch, &["fence", "tick", "create", "--value", "2"]);
    let waiter = scratch.spawn(&["fence", "tick", "wait", "5", "--timeout", "60s"]);
    scratch.wait_for_opening("tick", waiter.id());
    made.kill().unwrap();
    made.wait().unwrap();
    let (code, words) = ends(waiter);
    assert_eq!(code, Some(1));
    assert!(words.starts_with("handfast: tick: lost at 2: the last who signalled it has died"));
}

#[test]
fn an_auto_reset_event_lets_one_through() {
    let scratch = Scratch::with_broker("objects-event");
    let made = create(&scratch, &["event", "go", "create", "--auto"]);
    let mut waiters = [(); 2].map(|()| scratch.spawn(&["event", "go", "wait"]));
    for waiter in &waiters {
        scratch.wait_for_opening("go", waiter.id());
    }
    assert_eq!(scratch.text(&["event", "go", "set"]), "");
    let first = loop {
        if let Some(first) = waiters.iter_mut().position(|one| one.try_wait().unwrap().is_some()) {
            break first;
        }
    };
    assert_eq!(scratch.text(&["event", "go", "get"]), "not set\n");
    let mut waiters = Vec::from(waiters);
    assert_eq!(ends(waiters.remove(first)), (Some(0), String::new()));
    let mut second = waiters.remove(0);
    assert_eq!(second.try_wait().unwrap(), None);
    assert_eq!(scratch.text(&["event", "go", "set"]), "");
    assert_eq!(ends(second), (Some(0), String::new()));

    assert_eq!(scratch.text(&["event", "go", "set"]), "");
    assert_eq!(scratch.text(&["event", "go", "wait", "--timeout", "0"]), "");
    let refused = scratch.refusal(&["event", "go", "wait", "--timeout", "0"]);
    assert_eq!(refused, "handfast: go: not set\n");
    let expected = "go is an event (auto reset), not set, and keeps its name until Ctrl-C or the \
                    end of standard input\n";
    assert_eq!(ends(made), (Some(0), expected.into()));
}

#[test]
fn a_manual_reset_event_stays_set() {
    let mut scratch = Scratch::with_broker("objects-manual");
    hold(&mut scratch, &["event", "go", "create"]);
    let refused = scratch.refusal(&["event", "go", "wait", "--timeout", "1ms"]);
    assert_eq!(refused, "handfast: go: not set after 1 ms\n");
    scratch.text(&["event", "go", "set"]);
    for _ in 0..2 {
        assert_eq!(scratch.text(&["event", "go", "wait"]), "");
    }
    assert_eq!(scratch.text(&["event", "go", "get"]), "set\n");
    scratch.text(&["event", "go", "reset"]);
    assert_eq!(scratch.text(&["event", "go", "get"]), "not set\n");
}

#[test]
fn looking_takes_nothing() {
    let mut scratch = Scratch::with_broker("objects-quiet");
    hold(&mut scratch, &["event", "go", "create", "--auto"]);
    let doctor = scratch.text(&["doctor"]);
    assert!(doctor.contains(" (this one too), 1 object, "), "{doctor}");
    scratch.text(&["event", "go", "set"]);
    for args in [&["ls"][..], &["ls", "--json"], &["show", "go"], &["event", "go", "get"]] {
        scratch.text(args);
    }
    assert_eq!(scratch.text(&["event", "go", "wait", "--timeout", "0"]), "");
}

#[test]
fn names_of_another_kind_are_refused_with_what_to_type() {
    let mut scratch = Scratch::with_broker("objects-kinds");
    hold(&mut scratch, &["event", "go", "create"]);
    hold(&mut scratch, &["fence", "tick", "create"]);
    let event = "who holds it:  handfast show go; to use it:  handfast event go --help\n";
    for args in [&["fence", "go", "wait", "1"][..], &["fence", "go", "get"]] {
        let expected = format!("handfast: go: it is an event, not a fence; {event}");
        assert_eq!(scratch.unasked(args), expected, "{args:?}");
    }
    for args in [
        &["explain", "go"][..],
        &["recv", "go", "--once"],
        &["recv", "go"],
        &["grab", "go", "never.png"],
        &["grab", "go", "never.png", "--once"],
    ] {
        let expected = format!("handfast: go: it is an event, not a stream; {event}");
        assert_eq!(scratch.refusal(args), expected, "{args:?}");
    }
    let fence = "who holds it:  handfast show tick; to use it:  handfast fence tick --help\n";
    for args in [&["event", "tick", "set"][..], &["event", "tick", "get"]] {
        let expected = format!("handfast: tick: it is a fence, not an event; {fence}");
        assert_eq!(scratch.unasked(args), expected, "{args:?}");
    }
    let taken = scratch.unasked(&["fence", "go", "create"]);
    assert!(taken.starts_with("handfast: the name go is taken by handfast["), "{taken}");
}

#[test]
fn what_cannot_be_asked_is_a_usage_error() {
    let scratch = Scratch::new("objects-usage");
    for args in [
        &["fence", "tick"][..],
        &["fence", "tick", "wait"],
        &["fence", "tick", "wait", "x"],
        &["fence", "tick", "signal", "18446744073709551616"],
        &["fence", "tick", "signal", "-1"],
        &["fence", "tick", "wait", "1", "--timeout", "5"],
        &["fence", "wait", "wait", "1"],
        &["event", "go", "create", "--manual", "--auto"],
        &["event", "go", "wait", "--timeout", "-1s"],
    ] {
        let output = scratch.output(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(output.stdout, b"", "{args:?}");
    }
    assert_eq!(scratch.files(), [""; 0]);
}

#[test]
fn a_script_tells_a_wrong_question_from_a_late_answer() {
    let mut scratch = Scratch::with_broker("objects-codes");
    hold(&mut scratch, &["event", "go", "create"]);
    hold(&mut scratch, &["fence", "tick", "create"]);
    assert_eq!(scratch.text(&["fence", "tick", "wait", "0"]), "");
    scratch.refusal(&["fence", "tick", "wait", "1", "--timeout", "0"]);
    scratch.refusal(&["event", "go", "wait", "--timeout", "0"]);
    for (args, why) in [
        (&["fence", "tock", "wait", "1"][..], "tock: no object has this name; "),
        (&["fence", "go", "wait", "1"], "go: it is an event, not a fence; "),
        (&["event", "tick", "wait"], "tick: it is a fence, not an event; "),
        (&["fence", "a\\b", "wait", "1"], "a\\b: the name has a backslash at position 1"),
        (&["event", "", "wait"], "the name is empty\n"),
        (&["event", "", "create"], "the name is empty\n"),
        (&["fence", "a\\b", "create"], "a\\b: the name has a backslash at position 1"),
        (&["event", "tick", "create"], "the name tick is taken by handfast["),
        (&["fence", "tock", "signal", "1"], "tock: no object has this name; "),
    ] {
        let told = scratch.unasked(args);
        assert!(told.starts_with(&format!("handfast: {why}")), "{args:?}: {told}");
    }
    for help in [&["fence", "tick", "wait", "--help"][..], &["event", "go", "wait", "--help"]] {
        assert!(scratch.text(help).contains("1 when it was late or nobody is left"), "{help:?}");
    }
}

#[test]
fn a_surface_cannot_be_grabbed_yet() {
    let (scratch, _) = with_objects("objects-grab");
    let kind = "handfast: picture: it is a surface, not a stream; who holds it:  handfast show \
                picture";
    for args in [&["recv", "picture"][..], &["recv", "picture", "--once"]] {
        assert_eq!(scratch.refusal(args), format!("{kind}\n"), "{args:?}");
    }
    for args in [&["grab", "picture", "a.png"][..], &["grab", "picture", "a.png", "--once"]] {
        let expected = format!("{kind}; a surface cannot be grabbed yet\n");
        assert_eq!(scratch.refusal(args), expected, "{args:?}");
    }
}

#[test]
fn a_watch_tells_of_a_fences_value() {
    let mut scratch = Scratch::with_broker("objects-watch");
    hold(&mut scratch, &["fence", "tick", "create"]);
    let mut command = scratch.handfast(&["ls", "--watch", "--json"]);
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    scratch.children.push(watch);
    for value in [0, 7] {
        scratch.text(&["fence", "tick", "signal", &value.to_string()]);
        let mut lines = lines.by_ref().map(|line| line.unwrap());
        // The watch itself has it open no longer than it takes to find its words.
        let tells = |line: String| {
            let line: Value = serde_json::from_str(&line).unwrap();
            line["value"] == value && line["openings"] == 1
        };
        assert!(lines.any(tells), "{value}");
    }
}
