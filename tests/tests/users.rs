//! One broker for every user of the machine: what another user sees of a stream, and what not.

#![forbid(unsafe_code)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use handfast_tests::{Child, Requirement, Scratch, eventually, handfast, require};

/// A user with no rights of its own.
const NOBODY: u32 = 65534;

/// A program of some user, with the broker of everybody.
struct Everybody {
    scratch: Scratch,
    _broker: Child,
}

impl Everybody {
    fn start() -> Self {
        let scratch = Scratch::new();
        // Other users must be able to get to the program and to the socket.
        fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).expect("ours");
        let program = scratch.path().join("handfast");
        // By another process: a descriptor that writes the copy, inherited by whatever another
        // test starts in that moment, would keep it from being run.
        let copied = Command::new("cp").arg(handfast()).arg(&program).status();
        assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
        let mut command = scratch.command(&program);
        let socket = scratch.path().join("all/socket");
        command.args(["broker", "--all-users", "--socket"]).arg(&socket);
        let broker = Child::spawn(&mut command);
        eventually("the broker listens", || {
            fs::metadata(&socket).is_ok_and(|found| found.permissions().mode() & 0o777 == 0o666)
        });
        Self { scratch, _broker: broker }
    }

    fn command(&self, uid: u32, arguments: &[&str]) -> Command {
        let mut command = self.scratch.command(self.scratch.path().join("handfast"));
        command.current_dir("/").uid(uid).gid(uid);
        command.env("HANDFAST_SOCKET", self.scratch.path().join("all/socket"));
        command.args(arguments);
        command
    }

    fn run(&self, uid: u32, arguments: &[&str]) -> Child {
        Child::spawn(&mut self.command(uid, arguments))
    }
}

#[test]
fn a_stream_of_another_user_cannot_be_read_and_the_refusal_says_why() {
    if require(Requirement::Root).is_none() {
        return;
    }
    let all = Everybody::start();
    let send = ["send", "Global\\wall", "--pattern", "bars", "--size", "16x16", "--rate", "50"];
    let _sender = all.run(0, &send);
    let own = ["recv", "Global\\wall", "-o", "/dev/null", "--frames", "2", "--wait", "20"];
    all.run(0, &own).finish().success();

    for command in ["recv", "grab", "show"] {
        let arguments: &[&str] = match command {
            "recv" => &["recv", "Global\\wall", "--once"],
            "grab" => &["grab", "Global\\wall", "/tmp/never.png", "--once"],
            _ => &["show", "Global\\wall"],
        };
        let refused = all.run(NOBODY, arguments).finish();
        refused.code(1);
        let text = refused.stderr_text();
        assert!(text.contains("you may not") && text.contains("belongs to user 0"), "{text}");
    }
    // Seen, but no more: its name stands in the listing.
    let listed = all.run(NOBODY, &["ls", "--json"]).finish().success();
    assert!(listed.contains("Global\\\\wall"), "{listed}");
}

#[test]
fn every_user_has_names_of_its_own_and_the_system_reads_all() {
    if require(Requirement::Root).is_none() {
        return;
    }
    let all = Everybody::start();
    let send = ["send", "cam", "--pattern", "bars", "--size", "16x16", "--rate", "50"];
    let mut first = all.run(0, &send);
    let mut second = all.run(NOBODY, &send);
    for uid in [0, NOBODY] {
        let recv = ["recv", "cam", "-o", "/dev/null", "--frames", "2", "--wait", "20"];
        all.run(uid, &recv).finish().success();
    }
    let listed = all.run(NOBODY, &["ls", "--json"]).finish().success();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    second.kill();
    let global = ["send", "Global\\cam", "--pattern", "bars", "--size", "16x16", "--rate", "50"];
    let _third = all.run(NOBODY, &global);
    let read = ["recv", "Global\\cam", "-o", "/dev/null", "--frames", "2", "--wait", "20"];
    all.run(0, &read).finish().success();
    first.kill();
}
