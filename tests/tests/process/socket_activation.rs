//! A broker whose socket a service manager made, and holds before, between and after its runs.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

use handfast_model::wire::{BrokerMessage, Hello};
use handfast_sys::seqpacket::{Blocking, Incoming, Listener, Socket};
use handfast_tests::{
    Child, Finished, Requirement, Scratch, Signal, eventually, handfast, require,
};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};

use crate::role::Role;
use crate::stranger::{Stranger, hello};

/// Users who have no other processes.
const BROKER_USER: u32 = 54_321;
const CLIENT_USER: u32 = 54_322;

/// What a service manager does last: descriptors from 3 on, and variables that tell of them.
const PASS_ONE: &str = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1";

/// The broker, started by a shell that does this first, with a descriptor as standard input.
#[track_caller]
fn start(scratch: &Scratch, first: &str, passed: OwnedFd, arguments: &[&str]) -> Child {
    let mut shell = scratch.command("sh");
    shell.args(["-c", &format!("{first}; exec \"$0\" broker \"$@\"")]);
    shell.arg(handfast()).args(arguments);
    Child::spawn_reading(&mut shell, passed)
}

/// A socket as the units make it.
fn managed(scratch: &Scratch) -> OwnedFd {
    Listener::bind(&scratch.socket(), 8).expect("the scratch is ours").into()
}

/// A socket of a manager that knows nothing of credentials.
fn without_credentials(path: &Path) -> OwnedFd {
    let made = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).expect("it can be made");
    rustix::io::fcntl_setfd(&made, rustix::io::FdFlags::CLOEXEC).expect("it is open");
    bind(&made, &SocketAddrUnix::new(path).expect("it is short")).expect("the scratch is ours");
    listen(&made, 8).expect("it is bound");
    made
}

fn copy(descriptor: &OwnedFd) -> OwnedFd {
    descriptor.as_fd().try_clone_to_owned().expect("there are descriptors left")
}

/// Ends at once when nobody uses it.
const BRIEFLY: &[&str] = &["--quiet", "--idle-exit", "0"];

#[track_caller]
fn check_refused(refused: &Finished, why: &str) {
    assert_eq!(refused.code(1), "");
    assert_eq!(refused.stderr_text(), format!("handfast: the service manager{why}\n"));
}

#[test]
fn who_comes_before_the_broker_waits_and_is_answered() {
    let scratch = Scratch::new();
    let socket = managed(&scratch);
    let early = Stranger::connect(&scratch);
    early.say(&hello(Hello::of_this_program()), &[]).unwrap();
    let broker = start(&scratch, PASS_ONE, socket, BRIEFLY);
    let answer = early.hear();
    assert!(matches!(answer, Some(BrokerMessage::Welcome(_))), "{answer:?}");
    early.check_served();
    drop(early);
    let ended = broker.finish();
    ended.success();
    assert_eq!(ended.stderr_text(), "");
}

#[test]
fn the_managers_file_stays_and_the_next_start_serves_it() {
    let scratch = Scratch::new();
    let kept = managed(&scratch);
    for _ in 0..3 {
        let early = Stranger::connect(&scratch);
        early.say(&hello(Hello::of_this_program()), &[]).unwrap();
        let broker = start(&scratch, PASS_ONE, copy(&kept), BRIEFLY);
        assert!(matches!(early.hear(), Some(BrokerMessage::Welcome(_))));
        assert_eq!(scratch.keeper(), Some(broker.pid()), "clients see the broker as their peer");
        drop(early);
        broker.finish().success();
        assert_eq!(scratch.left(), ["socket"]);
    }
    let broker = start(&scratch, PASS_ONE, copy(&kept), &[]);
    broker.until_printed("serving");
    broker.signal(Signal::TERM);
    broker.finish().success();
    assert_eq!(scratch.left(), ["socket"]);
    drop(kept);
}

#[test]
fn senders_are_known_although_the_manager_did_not_ask_for_them() {
    let scratch = Scratch::new();
    // What the broker makes of it, and before the broker says anything to the connection itself.
    let listener = Listener::adopt(without_credentials(&scratch.socket())).unwrap();
    let stranger = Stranger::connect(&scratch);
    let socket = listener.accept().unwrap().expect("it has connected");
    stranger.say(b"hello", &[]).unwrap();
    let Incoming::Message(received) = socket.receive(&mut [0; 8], Blocking::Never).unwrap() else {
        panic!("it has spoken");
    };
    assert_eq!(received.pid, Some(std::process::id().cast_signed()));
}

#[test]
fn who_came_before_the_broker_is_known_although_the_manager_did_not_ask() {
    let scratch = Scratch::new();
    let socket = without_credentials(&scratch.socket());
    let early = Stranger::connect(&scratch);
    early.say(&hello(Hello::of_this_program()), &[]).unwrap();
    let _broker = start(&scratch, PASS_ONE, socket, BRIEFLY);
    assert!(matches!(early.hear(), Some(BrokerMessage::Welcome(_))));
    early.check_served();
}

#[test]
fn the_manager_is_told_when_it_serves_and_when_it_leaves() {
    let scratch = Scratch::new();
    let path = scratch.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(handfast_tests::LIMIT)).unwrap();
    let hear = || {
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).expect("it tells its manager");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let kept = managed(&scratch);
    let notify = format!("{PASS_ONE}; export NOTIFY_SOCKET={}", path.display());
    let broker = start(&scratch, &notify, copy(&kept), &[]);
    assert_eq!(hear(), "READY=1");
    assert_eq!(scratch.keeper(), Some(broker.pid()));
    broker.signal(Signal::TERM);
    assert_eq!(hear(), "STOPPING=1");
    broker.finish().success();
    let broker = start(&scratch, &notify, copy(&kept), BRIEFLY);
    assert_eq!([hear(), hear()], ["READY=1", "STOPPING=1"]);
    broker.finish().success();
}

#[test]
fn a_manager_that_is_gone_is_no_reason_not_to_serve() {
    let scratch = Scratch::new();
    let notify = format!("{PASS_ONE}; export NOTIFY_SOCKET={}/nobody", scratch.path().display());
    let broker = start(&scratch, &notify, managed(&scratch), BRIEFLY).finish();
    broker.success();
    assert!(broker.stderr_text().contains("the service manager was not told"), "{broker:?}");
}

#[test]
fn what_is_no_listening_seqpacket_socket_is_refused_by_what_it_is() {
    let scratch = Scratch::new();
    let needs = "; it must be a seqpacket socket that listens at a path \
                 (ListenSequentialPacket= in the socket unit)";
    let check = |passed: OwnedFd, what: &str| {
        let refused = start(&scratch, PASS_ONE, passed, BRIEFLY).finish();
        check_refused(&refused, &format!(" passed {what}{needs}"));
    };
    let stream = UnixListener::bind(scratch.socket()).unwrap();
    let place = scratch.socket().display().to_string();
    check(stream.into(), &format!("a stream socket that listens at {place}"));
    let (pair, _peer) = Socket::pair().unwrap();
    check(pair.into(), "a seqpacket socket that does not listen");
    check(fs::File::open("/dev/null").unwrap().into(), "no socket");
    let unnamed = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    let name = format!("handfast-test-{}", std::process::id());
    bind(&unnamed, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
    listen(&unnamed, 1).unwrap();
    check(unnamed, "a seqpacket socket that listens at no path");
}

#[test]
fn two_sockets_or_none_are_refused_and_listed() {
    let scratch = Scratch::new();
    let kept = managed(&scratch);
    let two = "exec 3<&0 4</dev/null </dev/null; \
               export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=one:other";
    let refused = start(&scratch, two, copy(&kept), BRIEFLY).finish();
    let found = format!(
        " passed 2 descriptors, not one socket: \"one\", a seqpacket socket that listens at {}; \
         \"other\", no socket",
        scratch.socket().display()
    );
    check_refused(&refused, &found);
    let none = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=0";
    let refused = start(&scratch, none, copy(&kept), BRIEFLY).finish();
    check_refused(&refused, " passed 0 descriptors, not one socket");
}

#[test]
fn variables_that_lie_are_an_error() {
    let scratch = Scratch::new();
    let kept = managed(&scratch);
    let missing = "exec </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1";
    let refused = start(&scratch, missing, copy(&kept), BRIEFLY).finish();
    let why = "'s socket cannot be taken: LISTEN_FDS says 1, and descriptor 3 did not come \
               through exec";
    check_refused(&refused, why);
    let words = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=many";
    let refused = start(&scratch, words, copy(&kept), BRIEFLY).finish();
    check_refused(
        &refused,
        "'s socket cannot be taken: LISTEN_FDS is \"many\", which is no number of descriptors",
    );
}

#[test]
fn what_was_passed_to_another_process_is_not_taken() {
    let scratch = Scratch::new();
    let other = scratch.path().join("other");
    let others = Listener::bind(&other, 1).unwrap();
    let ours = "exec 3<&0 </dev/null; export LISTEN_PID=1 LISTEN_FDS=1";
    let broker = start(&scratch, ours, others.into(), &[]);
    broker.until_printed("serving");
    assert_eq!(scratch.keeper(), Some(broker.pid()), "it serves a socket of its own");
    broker.signal(Signal::TERM);
    broker.finish().success();
    assert_eq!(scratch.left(), ["other"]);
}

#[test]
fn another_place_than_the_managers_is_refused() {
    let scratch = Scratch::new();
    let kept = managed(&scratch);
    let refused = start(&scratch, PASS_ONE, copy(&kept), &["--socket", "/elsewhere"]).finish();
    assert_eq!(refused.code(1), "");
    let passed = scratch.socket().display().to_string();
    let why = format!("--socket says /elsewhere, and the service manager passed {passed}");
    assert!(refused.stderr_text().contains(&why), "{refused:?}");
}

#[test]
fn no_program_that_it_might_start_inherits_the_socket() {
    let scratch = Scratch::new();
    let broker = start(&scratch, PASS_ONE, managed(&scratch), &[]);
    broker.until_printed("serving");
    if require(Requirement::Root).is_none() {
        return;
    }
    let text = fs::read_to_string(format!("/proc/{}/fdinfo/3", broker.pid())).unwrap();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    // O_CLOEXEC
    assert_ne!(u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000, 0, "{text}");
}

#[test]
fn a_socket_that_somebody_put_in_its_place_is_left_alone() {
    let scratch = Scratch::new();
    let broker = scratch.spawn(&["broker"]);
    broker.until_printed("serving");
    // A service manager that is started later takes the path so.
    fs::remove_file(scratch.socket()).unwrap();
    let kept = managed(&scratch);
    broker.signal(Signal::TERM);
    broker.finish().success();
    assert_eq!(scratch.left(), ["socket"]);
    drop(kept);
}

#[test]
fn systemd_itself_starts_it_for_the_first_program_that_comes() {
    let Some(activate) = require(Requirement::SystemdSocketActivate) else { return };
    let scratch = Scratch::new();
    let mut command = scratch.command(activate);
    command.arg("--seqpacket").arg("--listen").arg(scratch.socket()).arg("--fdname=handfast");
    command.arg(handfast()).args(["broker", "--idle-exit", "0"]);
    let broker = Child::spawn(&mut command);
    eventually("systemd listens", || scratch.socket().exists());
    broker.until_printed("Listening on");
    let mut looker = Role::start(&scratch, &["look"]);
    // It executes the keeper, so the process stays the same.
    assert_eq!(looker.ask("connect"), format!("broker {}", scratch.broker().unwrap()));
    assert_eq!(scratch.keeper(), Some(broker.pid()));
    assert_eq!(looker.ask("list"), "objects:");
    looker.leave();
    broker.finish().success();
    assert_eq!(scratch.left(), ["socket"]);
}

/// The program in a mount namespace whose list of users has this line more.
fn with_user(bwrap: &Path, scratch: &Scratch, line: &str, arguments: &[&str]) -> Command {
    let users = scratch.files().join("passwd");
    let known = fs::read_to_string("/etc/passwd").expect("every machine has one");
    fs::write(&users, format!("{known}{line}\n")).expect("the scratch is ours");
    let mut command = scratch.command(bwrap);
    command.args(["--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--ro-bind"]);
    command.arg(&users).arg("/etc/passwd").args(["setpriv", "--clear-groups"]);
    command.arg(format!("--reuid={CLIENT_USER}")).arg(format!("--regid={CLIENT_USER}"));
    command.arg(scratch.files().join("handfast")).args(arguments);
    command
}

#[test]
fn a_broker_of_the_user_handfast_is_trusted_and_nobody_elses() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;

    if require(Requirement::Root).is_none() {
        return;
    }
    let Some(bwrap) = require(Requirement::Bwrap) else { return };
    let scratch = Scratch::new();
    let program = scratch.files().join("handfast");
    fs::copy(handfast(), &program).unwrap();
    let everybody = fs::Permissions::from_mode(0o755);
    for folder in [scratch.path(), &scratch.files()] {
        fs::set_permissions(folder, everybody.clone()).unwrap();
    }
    std::os::unix::fs::chown(scratch.path(), Some(BROKER_USER), Some(BROKER_USER)).unwrap();
    let mut broker = scratch.command(&program);
    broker.args(["broker", "--all-users"]).uid(BROKER_USER).gid(BROKER_USER);
    let broker = Child::spawn(&mut broker);
    broker.until_printed("serving");
    for (line, code) in [
        (format!("handfast:x:{BROKER_USER}:1::/:"), 0),
        (format!("handfast:x:{CLIENT_USER}:1::/:"), 1),
        (format!("handfoot:x:{BROKER_USER}:1::/:"), 1),
    ] {
        let mut ls = with_user(&bwrap, &scratch, &line, &["ls", "--json"]);
        let ended = Child::spawn(&mut ls).finish();
        assert_eq!(ended.code(code), "", "{line}");
        let refused = "belongs to another user";
        assert_eq!(ended.stderr_text().contains(refused), code == 1, "{line}: {ended:?}");
    }
}
