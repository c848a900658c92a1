//! The kit itself: nothing outlives its test, and what is missing is told.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};

use handfast_tests::{
    Child, Finished, Leftovers, Requirement, Scratch, Signal, eventually, eventually_eq, handfast,
    leftovers, require,
};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// What a failing check says.
fn panic_of(check: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(check)).expect_err("the check fails");
    payload.downcast_ref::<String>().expect("with a text").clone()
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn output_and_exit_code_are_kept() {
    let finished = Child::spawn(&mut shell("echo out; echo err >&2; exit 3")).finish();
    assert_eq!(finished.code(3), "out\n");
    assert_eq!(finished.stderr_text(), "err\n");
    let text = panic_of(|| drop(finished.success()));
    assert!(text.contains("exit status: 3") && text.contains("out\n") && text.contains("err\n"));
}

#[test]
fn a_child_reads_what_it_is_fed() {
    let mut child = Child::spawn_reading(&mut shell("read line; echo \"<$line>\""), Stdio::piped());
    assert!(child.is_running());
    child.stdin().unwrap().write_all(b"fed\n").unwrap();
    child.until_printed("<fed>");
    assert_eq!(child.finish().success(), "<fed>\n");
}

#[test]
fn a_word_that_never_comes_is_an_error_once_nobody_can_say_it() {
    let child = Child::spawn(&mut shell("echo this"));
    let text = panic_of(|| child.until_printed("that"));
    assert!(text.ends_with("has not printed \"that\""), "{text}");
}

#[test]
fn lines_come_one_by_one() {
    let mut child = Child::spawn(&mut shell("echo one; echo err >&2; printf 'two\\n\\nthree'"));
    assert_eq!([child.line(), child.line(), child.line()], ["one", "two", ""]);
    let text = panic_of(|| drop(child.line()));
    assert!(text.ends_with("prints no further line"), "{text}");
    child.finish().success();
}

#[test]
fn a_dropped_child_is_gone() {
    let child = Child::spawn(&mut shell("echo ready; exec sleep 1000"));
    child.until_printed("ready");
    let pid = child.pid();
    assert!(is_alive(pid));
    drop(child);
    assert!(!is_alive(pid));
}

#[test]
fn signals_reach_a_child() {
    let mut child =
        Child::spawn(&mut shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"));
    child.until_printed("ready");
    child.signal(Signal::TERM);
    assert_eq!(child.wait().code(), Some(7));
    let mut child = Child::spawn(&mut shell("exec sleep 1000"));
    assert_eq!(child.kill().signal(), Some(9));
    assert!(!child.is_running());
}

#[test]
fn a_scratch_is_private_short_and_removed() {
    let (one, other) = (Scratch::new(), Scratch::new());
    assert_ne!(one.path(), other.path());
    assert!(one.socket().as_os_str().len() < 108);
    let script =
        "echo $HANDFAST_SOCKET $XDG_RUNTIME_DIR $HOME $TMPDIR $HANDFAST_SKIPS; pwd; : > new";
    let output = Child::spawn(one.command("sh").args(["-c", script])).finish().success();
    let files = one.files().display().to_string();
    let (socket, runtime) = (one.socket(), one.runtime());
    let expected = format!("{} {} {files} {files}\n{files}\n", socket.display(), runtime.display());
    assert_eq!(output, expected);
    assert_eq!(one.left(), ["files/new"]);
    assert_eq!(other.left(), [""; 0]);
    let path = one.path().to_owned();
    drop(one);
    assert!(!path.exists());
}

/// A socket that has this path and does not listen yet.
fn bound_to(path: &Path) -> OwnedFd {
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .expect("a socket can be made");
    bind(&socket, &SocketAddrUnix::new(path).expect("the path is short")).expect("it is free");
    socket
}

#[test]
fn a_scratch_knows_who_listens_at_its_socket() {
    let scratch = Scratch::new();
    assert_eq!(scratch.broker(), None);
    let socket = bound_to(&scratch.socket());
    assert_eq!(scratch.broker(), None);
    listen(&socket, 8).unwrap();
    assert_eq!(scratch.broker(), Some(std::process::id()));
    assert_eq!(scratch.left(), ["socket"]);
}

/// Stands in for a broker, but only where the test below has started it.
#[test]
fn listens() {
    if std::env::var_os("HANDFAST_KIT_LISTENS").is_some() {
        let path = std::env::var_os("HANDFAST_SOCKET").unwrap();
        let socket = bound_to(Path::new(&path));
        listen(&socket, 8).unwrap();
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn a_dropped_scratch_takes_its_broker_with_it() {
    let scratch = Scratch::new();
    let mut command = scratch.command(std::env::current_exe().unwrap());
    command.args(["--exact", "listens"]).env("HANDFAST_KIT_LISTENS", "1");
    let mut broker = Child::spawn(&mut command);
    eventually("somebody listens", || scratch.broker().is_some());
    assert_eq!(scratch.broker(), Some(broker.pid()));
    drop(scratch);
    assert_eq!(broker.wait().signal(), Some(9));
}

/// A shell that has done what the script says and stopped: it opens nothing more.
fn stopped(script: &str, stdin: impl Into<Stdio>) -> Child {
    let child = Child::spawn_reading(&mut shell(&format!("{script}; kill -STOP $$")), stdin);
    child.until_printed("ready");
    child
}

#[test]
fn leftovers_are_counted_by_kind() {
    let memfd = memfd_create("left", MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(memfd);
    file.write_all(&vec![1; 3 << 20]).unwrap();
    file.rewind().unwrap();
    // Whoever runs the tests may have left descriptors open for all of them.
    let bare = leftovers(stopped("echo ready", Stdio::null()).pid()).unwrap();
    let child = stopped("exec 7<&0 8</dev/zero; echo ready", OwnedFd::from(file));
    let left = leftovers(child.pid()).unwrap();
    let more = |kind: &str| {
        let count = |of: &Leftovers| of.descriptors.get(kind).copied().unwrap_or_default();
        count(&left) - count(&bare)
    };
    assert_eq!((more("memfd"), more("pipe"), more("/dev/zero")), (2, 0, 1));
    assert_eq!((left.memfd_bytes, left.mapped_bytes), (bare.memfd_bytes + (3 << 20), 0));
    assert_eq!(leftovers(child.pid()).unwrap(), left);
    let pid = child.pid();
    drop(child);
    assert!(leftovers(pid).is_err());
}

#[test]
fn eventually_asks_until_it_is_so() {
    let mut asked = 0;
    eventually("three questions", || {
        asked += 1;
        asked == 3
    });
    assert_eq!(asked, 3);
}

#[test]
fn the_program_is_built() {
    let program = handfast();
    assert!(program.is_file());
    // Nothing newer than it is left, so nobody builds again.
    assert_eq!(program, handfast());
}

#[test]
fn eventually_eq_looks_until_it_is_so() {
    let mut looked = 0;
    eventually_eq("the third look", &3, || {
        looked += 1;
        looked
    });
    assert_eq!(looked, 3);
}

/// Asks for wine, but only where [`ask`] has started it.
#[test]
fn asked_for_wine() {
    if std::env::var_os("HANDFAST_KIT_ASKS").is_some() {
        assert_eq!(require(Requirement::Wine), None);
    }
}

/// Runs the test above in a process that finds no program.
fn ask(scratch: &Scratch, required: &str) -> Finished {
    let mut command = scratch.command(std::env::current_exe().expect("a test is a program"));
    command
        .args(["--exact", "asked_for_wine"])
        .env("HANDFAST_KIT_ASKS", "1")
        .env("HANDFAST_REQUIRE", required)
        .env("HANDFAST_SKIPS", scratch.files().join("skips"))
        .env("PATH", "/nowhere");
    Child::spawn(&mut command).finish()
}

#[test]
fn what_is_missing_is_told_and_counted() {
    let scratch = Scratch::new();
    let line = "SKIP kit::asked_for_wine: no wine here\n";
    for times in 1..=2 {
        let finished = ask(&scratch, "ffmpeg");
        finished.success();
        assert!(finished.stderr_text().contains(line), "{finished:?}");
        let counted = fs::read_to_string(scratch.files().join("skips")).unwrap();
        assert_eq!(counted, line.repeat(times));
    }
}

#[test]
fn what_is_missing_and_demanded_fails() {
    let scratch = Scratch::new();
    for required in ["all", "ffmpeg,wine"] {
        let stdout = ask(&scratch, required).code(101);
        let expected = format!("no wine here, and HANDFAST_REQUIRE={required}");
        assert!(stdout.contains(&expected), "{stdout}");
    }
    assert_eq!(scratch.left(), [""; 0]);
}
