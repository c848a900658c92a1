//! No invalid access and no leak, as valgrind sees it.

use std::path::Path;
use std::process::Command;

use handfast_tests::{Child, Finished, Requirement, Scratch, require};

use crate::installed::Programs;
use crate::picture::gradient_line;

/// What valgrind found, without its remarks on system calls that it does not know: the library has
/// another way where the kernel has none of those.
fn found(told: &Finished) -> Vec<String> {
    let text = told.stderr_text();
    text.lines().filter(|line| !line.starts_with("--")).map(str::to_owned).collect()
}

/// The same program under valgrind, whose findings are its exit code.
fn watched(scratch: &Scratch, valgrind: &Path, command: &Command) -> Child {
    // What is still reachable at the end is the text of the last error.
    watched_for("definite,indirect,possible", scratch, valgrind, command)
}

/// As [`watched`], for these kinds of leaks alone.
fn watched_for(kinds: &str, scratch: &Scratch, valgrind: &Path, command: &Command) -> Child {
    let mut watched = scratch.command(valgrind);
    watched.args(["-q", "--leak-check=full", "--error-exitcode=9"]);
    watched.arg(format!("--show-leak-kinds={kinds}"));
    watched.arg(format!("--errors-for-leak-kinds={kinds}"));
    watched.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            watched.env(name, value);
        }
    }
    Child::spawn(&mut watched)
}

#[test]
fn valgrind_finds_nothing_in_any_call() {
    let Some(valgrind) = require(Requirement::Valgrind) else { return };
    let programs = Programs::build(&["misuse"]);
    let misuse = programs.command("misuse", &["valgrind"]);
    let told = watched(&programs.scratch, &valgrind, &misuse).finish();
    assert_eq!(told.success(), "0 failed\n");
    assert_eq!(found(&told), [""; 0]);
}

#[test]
fn valgrind_finds_nothing_in_any_call_on_objects() {
    let Some(valgrind) = require(Requirement::Valgrind) else { return };
    let programs = Programs::build(&["objects"]);
    // What is possibly lost is the thread that holds this process's locks: it ends with it.
    let (kinds, objects) = ("definite,indirect", programs.command("objects", &[]));
    let told = watched_for(kinds, &programs.scratch, &valgrind, &objects).finish();
    assert_eq!(told.success(), "0 failed\n");
    assert_eq!(found(&told), [""; 0]);
}

#[test]
fn valgrind_finds_nothing_in_the_examples() {
    let Some(valgrind) = require(Requirement::Valgrind) else { return };
    let programs = Programs::build(&["send", "recv", "epoll", "list"]);
    let watched = |name: &str, arguments: &[&str]| {
        watched(&programs.scratch, &valgrind, &programs.command(name, arguments))
    };
    let recv = watched("recv", &["cam", "lossless"]);
    let epoll = watched("epoll", &["cam"]);
    let sent = watched("send", &["cam", "3"]).finish();
    let received = recv.finish();
    assert_eq!(
        received.success(),
        (1..=3).map(|step| gradient_line(step) + "\n").collect::<String>()
    );
    let told = epoll.finish();
    assert!(told.success().ends_with("cam ended\n"));
    let listed = watched("list", &[]).finish();
    for finished in [&sent, &received, &told, &listed] {
        finished.success();
        assert_eq!(found(finished), [""; 0]);
    }
}

#[test]
fn valgrind_would_tell() {
    let Some(valgrind) = require(Requirement::Valgrind) else { return };
    let scratch = Scratch::new();
    let leaks = scratch.files().join("leaks");
    let text = "#include <stdlib.h>\nint main(void) { return malloc(9) == NULL; }\n";
    std::fs::write(leaks.with_extension("c"), text).expect("ours");
    let mut gcc = Command::new("gcc");
    crate::installed::run(gcc.arg(leaks.with_extension("c")).arg("-o").arg(&leaks));
    watched(&scratch, &valgrind, &scratch.command(&leaks)).finish().code(9);
}
