//! One broker for every user of the machine: what another user sees of a stream, and what not.

#![forbid(unsafe_code)]

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};

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

    /// A program that uses objects as it is told.
    fn told(&self, uid: u32) -> Told {
        let program = self.scratch.path().join("handfast-role");
        if !program.exists() {
            let copied =
                Command::new("cp").arg(env!("CARGO_BIN_EXE_handfast-role")).arg(&program).status();
            assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
        }
        let mut command = self.scratch.command(program);
        command.current_dir("/").uid(uid).gid(uid).arg("objects");
        command.env("HANDFAST_SOCKET", self.scratch.path().join("all/socket"));
        let mut child = Child::spawn_reading(&mut command, Stdio::piped());
        let orders = child.stdin().expect("its input is a pipe");
        assert_eq!(child.line(), "ready");
        Told { child, orders }
    }

    fn run(&self, uid: u32, arguments: &[&str]) -> Child {
        Child::spawn(&mut self.command(uid, arguments))
    }
}

/// A program and its input.
struct Told {
    child: Child,
    orders: ChildStdin,
}

impl Told {
    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("it is there");
        self.child.line()
    }

    #[track_caller]
    fn check(&mut self, order: &str, expected: &str) {
        let answer = self.ask(order);
        assert!(answer.contains(expected), "{order}: {expected:?} is not in {answer}");
    }
}

#[test]
fn handles_go_into_and_out_of_processes_of_the_same_user_and_the_systems_everywhere() {
    if require(Requirement::Root).is_none() {
        return;
    }
    let all = Everybody::start();
    let [mut system, mut user, mut second] = [0, NOBODY, NOBODY].map(|uid| all.told(uid));
    let pids = [&system, &user, &second].map(|told| told.child.pid());
    for told in [&mut system, &mut user] {
        told.check("fence f new 5", "ok");
        told.check("fence f share - wait h", "ok");
        told.check("value v insert h", "0x");
    }
    let (of_system, of_user) = (system.ask("value w fence f"), user.ask("value w fence f"));

    let order = format!("value t deliver v {} same 0", pids[0]);
    user.check(&order, "error AccessDenied: the process belongs to user 0");
    let order = format!("value t fetch {} {of_system} same", pids[0]);
    user.check(&order, "error AccessDenied: handles are taken out of processes of one's own user");
    // One that has not connected is known by /proc, one that has by its connection.
    for _ in 0..2 {
        let ticket = user.ask(&format!("value t deliver v {} same 0", pids[2]));
        second.check(&format!("value {ticket} value"), "5");
        second.check(&format!("value {ticket} access"), "00000001");
    }
    second.check(&format!("value t fetch {} {of_user} same", pids[1]), "0x");
    // More rights go to whom they are due, whoever asks for them.
    let order = format!("value t deliver v {} all 0", pids[2]);
    user.check(&order, "0x");
    system.check(&order, "error AccessDenied: ");
    let ticket = system.ask(&format!("value t deliver v {} same 0", pids[2]));
    second.check(&format!("value {ticket} value"), "5");
    let order = format!("value t fetch {} {ticket} same", pids[2]);
    system.check(&order, "0x");
    user.check(&order, "0x");
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
    // To a script that is another failure than a wait that was late.
    let _fence = all.run(0, &["fence", "Global\\go", "create"]);
    eventually("the fence is there", || {
        all.run(0, &["ls", "--json"]).finish().success().contains("Global\\\\go")
    });
    let refused = all.run(NOBODY, &["fence", "Global\\go", "wait", "1"]).finish();
    refused.code(2);
    let text = refused.stderr_text();
    assert!(text.contains("you may not wait for it") && text.contains("user 0"), "{text}");
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
