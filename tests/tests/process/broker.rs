//! How a broker comes and goes: on demand and alone, idle or told to, with nothing of others.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use handfast_tests::{
    Child, Requirement, Scratch, Signal, eventually, eventually_eq, handfast, leftovers, require,
};

use crate::inside::Idle;
use crate::role::{self, Role};
use crate::stranger::Stranger;

/// Needs a broker, for a moment.
const SEND: &[&str] = &["send", "cam", "--pattern", "bars", "--size", "16x16", "--frames", "1"];

/// A user who has no other processes.
const SOMEBODY: u32 = 54_321;

/// Processes that serve as the broker of this scratch, as their environments tell root.
fn brokers(scratch: &Scratch) -> Vec<u32> {
    let socket = format!("HANDFAST_SOCKET={}", scratch.socket().display());
    let processes = fs::read_dir("/proc").expect("/proc is there").filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let has =
            |variable: &str| environment.split(|byte| *byte == 0).any(|v| v == variable.as_bytes());
        (has(&socket) && has("HANDFAST_BROKER_STAGE=serve")).then_some(pid)
    });
    processes.collect()
}

#[test]
fn twenty_programs_that_start_at_once_start_one_broker() {
    let scratch = Scratch::new();
    let begin = |_| Role::start(&scratch, &["look"]);
    let mut lookers: Vec<Role> = (0..20).map(begin).collect();
    lookers.iter_mut().for_each(|looker| looker.tell("connect"));
    let answers: Vec<String> = lookers.iter_mut().map(Role::hear).collect();
    let broker = scratch.broker().expect("it serves them all");
    assert!(answers.iter().all(|answer| *answer == format!("broker {broker}")), "{answers:?}");
    if require(Requirement::Root).is_some() {
        let keeper = scratch.keeper().expect("it is kept");
        assert_eq!(brokers(&scratch), [keeper, broker]);
    }
    assert_eq!(scratch.left(), ["socket"]);
}

#[test]
fn everybody_who_connects_is_greeted() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    for round in 0..3000_u64 {
        let stranger = Stranger::connect(&scratch);
        // The hello comes before the broker has taken the connection, after it, and in between.
        for step in 0..round % 300 * 100 {
            std::hint::black_box(step);
        }
        stranger.greet();
        stranger.check_served();
    }
    idle.again();
}

#[test]
fn twenty_senders_that_start_at_once_all_succeed() {
    let scratch = Scratch::new();
    let begin = |number: u32| {
        let name = format!("cam {number}");
        scratch.spawn(&["send", &name, "--pattern", "bars", "--size", "16x16", "--frames", "1"])
    };
    let senders: Vec<Child> = (0..20).map(begin).collect();
    for sender in senders {
        let ended = sender.finish();
        ended.success();
        assert_eq!(ended.stderr_text(), "");
    }
    assert_eq!(scratch.left(), ["socket"]);
}

#[test]
fn a_program_that_has_the_library_and_nothing_else_is_its_own_broker() {
    let scratch = Scratch::new();
    let alone = scratch.files().join("alone");
    fs::copy(env!("CARGO_BIN_EXE_handfast-role"), &alone).unwrap();
    let mut command = scratch.command(&alone);
    command.arg("look").env("PATH", "/nowhere");
    let mut looker = Child::spawn_reading(&mut command, Stdio::piped());
    assert_eq!(looker.line(), "ready");
    let mut orders = looker.stdin().unwrap();
    std::io::Write::write_all(&mut orders, b"connect\n").unwrap();
    assert_eq!(looker.line(), format!("broker {}", scratch.broker().unwrap()));
    drop(orders);
    looker.finish().success();
    if require(Requirement::Root).is_some() {
        let broker = scratch.broker().unwrap();
        assert_eq!(fs::read_link(format!("/proc/{broker}/exe")).unwrap(), alone);
    }
}

#[test]
fn an_idle_broker_leaves_and_takes_its_socket_along() {
    let scratch = Scratch::new();
    let broker = scratch.spawn(&["broker", "--idle-exit", "0"]);
    broker.finish().success();
    assert_eq!(scratch.left(), [""; 0]);
}

#[test]
fn a_broker_that_is_used_does_not_leave() {
    let scratch = Scratch::new();
    // Idle for a while, then not: the receiver keeps it.
    let broker = scratch.spawn(&["broker", "--idle-exit", "2"]);
    eventually("it serves", || scratch.keeper() == Some(broker.pid()));
    let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
    for _ in 0..3 {
        let mut sender = Role::start(&scratch, &["send", "cam", "2"]);
        receiver.tell("take");
        assert_eq!(sender.ask("receivers 1"), "receivers 1");
        assert_eq!(sender.ask("frame"), "sent 1");
        assert_eq!(receiver.hear(), "frame 1");
        sender.leave();
        assert_eq!(receiver.ask("take"), "ended");
    }
    assert_eq!(scratch.keeper(), Some(broker.pid()));
    receiver.leave();
    broker.finish().success();
    assert_eq!(scratch.left(), [""; 0]);
}

#[test]
fn who_comes_while_the_broker_leaves_is_served() {
    for round in 0..100 {
        let scratch = Scratch::new();
        let mut looker = Role::start(&scratch, &["look"]);
        let broker = scratch.spawn(&["broker", "--idle-exit", "0"]);
        // Not `eventually`: the broker is there for a moment only.
        while broker.is_running() && !scratch.socket().exists() {
            std::hint::spin_loop();
        }
        for _ in 0..3 {
            let answer = looker.ask("connect");
            assert!(answer.starts_with("broker "), "round {round}: {answer}");
            assert_eq!(looker.ask("list"), "objects:", "round {round}");
            assert_eq!(looker.ask("close"), "closed", "round {round}");
        }
        looker.leave();
        broker.finish().success();
    }
}

#[test]
fn told_to_stop_it_removes_its_socket_and_says_that_streams_are_lost() {
    for signal in [Signal::TERM, Signal::INT] {
        let scratch = Scratch::new();
        let broker = scratch.spawn(&["broker"]);
        eventually("it serves", || scratch.keeper() == Some(broker.pid()));
        let mut sender = Role::start(&scratch, &["send", "cam", "3"]);
        let mut receiver = Role::start(&scratch, &["recv", "cam", "latest"]);
        let once = ["recv", "cam", "--once", "--json", "-o", "out.y4m"];
        let once = scratch.spawn(&once);
        receiver.tell("take");
        assert_eq!(sender.ask("receivers 2"), "receivers 2");
        assert_eq!(sender.ask("frame"), "sent 1");
        assert_eq!(receiver.hear(), "frame 1");
        receiver.tell("take");
        broker.signal(signal);
        assert_eq!(broker.finish().success(), "");
        assert_eq!(receiver.hear(), "lost");
        let once = once.finish().success();
        assert!(once.contains("\"outcome\":\"lost\""), "{once}");
        assert_eq!(scratch.left(), ["files/out.y4m"]);
    }
}

#[test]
fn a_second_broker_is_refused() {
    let scratch = Scratch::new();
    let broker = scratch.spawn(&["broker"]);
    eventually("it serves", || scratch.keeper() == Some(broker.pid()));
    let second = scratch.spawn(&["broker"]).finish();
    assert_eq!(second.code(1), "");
    let expected = format!("handfast: a broker serves {} already\n", scratch.socket().display());
    assert_eq!(second.stderr_text(), expected);
    assert_eq!(scratch.keeper(), Some(broker.pid()));
}

#[test]
fn two_brokers_that_start_at_once_are_one() {
    for _ in 0..20 {
        let scratch = Scratch::new();
        let mut brokers = [scratch.spawn(&["broker"]), scratch.spawn(&["broker"])];
        eventually("one has given up", || brokers.iter().any(|broker| !broker.is_running()));
        eventually("one serves", || scratch.broker().is_some());
        let serving = scratch.keeper();
        for broker in &mut brokers {
            if Some(broker.pid()) != serving {
                assert_eq!(broker.wait().code(), Some(1));
            }
        }
    }
}

#[test]
fn nothing_that_its_starter_had_open_stays_open() {
    let scratch = Scratch::new();
    let script = "exec 7>inherited 8>&1 9>&2; exec \"$0\" \"$@\"";
    let mut shell = scratch.command("sh");
    shell.args(["-c", script]).arg(handfast()).args(SEND);
    // Fails while somebody holds its output.
    Child::spawn(&mut shell).finish().success();
    let broker = scratch.broker().expect("it was started on demand");
    if require(Requirement::Root).is_some() {
        let own = ["eventpoll", "eventfd", "timerfd"].map(|own| format!("anon_inode:[{own}]"));
        let known = ["/dev/null", "kept", "socket"];
        let known = known.map(str::to_owned).into_iter().chain(own);
        eventually_eq("only its own descriptors are open", &known.collect::<BTreeSet<_>>(), || {
            leftovers(broker).unwrap().descriptors.into_keys().collect()
        });
    }
}

#[test]
fn other_programs_of_its_user_cannot_look_into_it() {
    let scratch = Scratch::new();
    let mut broker = scratch.handfast(&["broker"]);
    // Root looks into everything: then both are somebody else.
    let dropped = rustix::process::geteuid().is_root().then_some(SOMEBODY);
    let program = scratch.files().join("handfast");
    if let Some(uid) = dropped {
        fs::copy(handfast(), &program).unwrap();
        for path in [scratch.path(), &scratch.files(), &scratch.runtime()] {
            std::os::unix::fs::chown(path, Some(uid), Some(uid)).unwrap();
        }
        broker = scratch.command(&program);
        broker.arg("broker").uid(uid).gid(uid);
    }
    let broker = Child::spawn(&mut broker);
    eventually("it serves", || scratch.keeper() == Some(broker.pid()));
    let look = |pid: u32| {
        let mut command = Command::new("ls");
        command.arg(format!("/proc/{pid}/fd"));
        if let Some(uid) = dropped {
            command.uid(uid).gid(uid);
        }
        Child::spawn(&mut command).finish()
    };
    let refused = look(broker.pid());
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr_text().contains("Permission denied"), "{refused:?}");
    // What keeps them out is the broker, not who they are.
    let mut other = Command::new("sh");
    other.args(["-c", "echo ready; read line"]);
    if let Some(uid) = dropped {
        other.uid(uid).gid(uid);
    }
    let mut other = Child::spawn_reading(&mut other, Stdio::piped());
    assert_eq!(other.line(), "ready");
    look(other.pid()).success();
}

#[test]
fn an_on_demand_broker_does_not_keep_its_starters_folder() {
    let scratch = Scratch::new();
    Child::spawn(&mut role::command(&scratch, &["send", "cam", "2"])).finish().success();
    let broker = scratch.broker().expect("it was started on demand");
    if require(Requirement::Root).is_some() {
        assert_eq!(fs::read_link(format!("/proc/{broker}/cwd")).unwrap(), Path::new("/"));
    }
}
