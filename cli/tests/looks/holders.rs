//! Who holds an object: openings and handles, also those that were inherited.

use std::process::{Command, Stdio};

use handfast::{Access, Fence, Inheritance};
use serde_json::Value;

use crate::scratch::Scratch;

/// Says with which program [`heir`] shares a handle; it does nothing without.
const PROGRAM: &str = "HANDFAST_LOOKS_HEIR";

/// A process of the other test: makes a fence, and lets a program inherit the handle. That program
/// makes an event, by which it is known; its standard input is this one's.
#[test]
fn heir() {
    let Some(program) = std::env::var_os(PROGRAM) else { return };
    let fence = Fence::new(2).unwrap();
    let handle = fence.share(Some("tick"), Access::GENERIC_ALL).unwrap();
    handle.set_inheritance(Inheritance::Children).unwrap();
    let mut child = Command::new(program).args(["event", "heir", "create"]).spawn().unwrap();
    child.wait().unwrap();
}

fn pids(object: &Value) -> Vec<&Value> {
    object["holders"].as_array().unwrap().iter().map(|holder| &holder["pid"]).collect()
}

#[test]
fn an_inherited_handle_shows_up_under_the_heir() {
    let scratch = Scratch::with_broker("holders-heir");
    let mut command = scratch.program(&std::env::current_exe().unwrap());
    command.args(["--exact", "holders::heir"]).env(PROGRAM, env!("CARGO_BIN_EXE_handfast"));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut maker = command.spawn().unwrap();
    // The heir ends when this is closed, which the end of its maker does not do.
    let input = maker.stdin.take().unwrap();
    let heir = scratch.wait(&["ls", "--json"], |line| line["name"] == "heir");
    let heir = &heir["maker"]["pid"];

    let [object] = &scratch.json(&["show", "tick", "--json"])[..] else { panic!("one object") };
    assert_eq!(pids(object), [&Value::from(maker.id()), heir]);
    let [first, second] = &object["holders"].as_array().unwrap()[..] else { panic!("{object}") };
    assert_eq!(first["descriptors"], second["descriptors"]);
    assert_eq!(first["openings"].as_array().unwrap().len(), 1);
    assert_eq!(second["openings"], Value::Array(Vec::new()));
    assert_eq!(second["program"], "handfast");
    assert_eq!((&object["handles"], &object["openings"]), (&1.into(), &1.into()));
    let text = scratch.text(&["show", "tick"]);
    let line = text.lines().find(|line| line.contains(&format!("handfast[{heir}]"))).unwrap();
    let descriptor = &second["descriptors"][0];
    assert!(line.ends_with(&format!("handle: descriptor {descriptor}")), "{line}");

    // The name lives on with the heir, and looking at it makes nobody a signaller.
    maker.kill().unwrap();
    maker.wait().unwrap();
    for _ in 0..2 {
        let lost = scratch.wait(&["show", "tick", "--json"], |tick| tick["state"] == "lost");
        assert_eq!(pids(&lost), [heir]);
        assert_eq!((&lost["value"], &lost["openings"]), (&2.into(), &0.into()));
    }
    assert!(scratch.text(&["ls"]).contains("fence  at 2, lost"));
    let refused = scratch.refusal(&["fence", "tick", "wait", "3"]);
    assert!(refused.starts_with("handfast: tick: lost at 2: "), "{refused}");
    scratch.text(&["fence", "tick", "signal", "3"]);
    assert_eq!(scratch.text(&["fence", "tick", "wait", "3"]), "");
    scratch.wait(&["show", "tick", "--json"], |tick| tick["state"] == "abandoned");
    let refused = scratch.refusal(&["fence", "tick", "wait", "4"]);
    assert!(refused.starts_with("handfast: tick: abandoned at 3: "), "{refused}");

    drop(input);
    let started = std::time::Instant::now();
    while !scratch.json(&["ls", "--json"]).is_empty() {
        assert!(started.elapsed() < crate::scratch::LIMIT, "the heir stays");
    }
}

#[test]
fn a_stream_has_holders_too() {
    let mut scratch = Scratch::with_broker("holders-stream");
    let sender = scratch.start(&["send", "cam", "--pattern", "bars", "--size", "64x48"]);
    let receiver = scratch.start(&["recv", "cam", "-o", "/dev/null"]);
    scratch.wait(&["ls", "--json"], |line| line["receivers"] == 1);
    let cam = scratch.wait(&["show", "cam", "--json"], |cam| pids(cam).len() == 2);
    assert_eq!(pids(&cam), [&Value::from(sender), &Value::from(receiver)]);
    let [first, second] = &cam["holders"].as_array().unwrap()[..] else { panic!("{cam}") };
    assert_eq!(first["held"][0]["everything"], true);
    assert_eq!(second["held"], Value::Array(Vec::new()));
    for one in [first, second] {
        assert_eq!(one["descriptors"], Value::Array(Vec::new()));
    }
    assert_eq!(first["openings"][0]["everything"], true);
    assert_eq!(second["openings"][0]["rights"][0], "STREAM_RECEIVE");
    assert!(scratch.text(&["show", "cam"]).contains("  holders    handfast["));
}
