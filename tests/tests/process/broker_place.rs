//! Where a broker's socket may not be, and what is said then.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use handfast_tests::{Child, Requirement, Scratch, require};

const SEND: &[&str] = &["send", "cam", "--pattern", "bars", "--size", "16x16", "--frames", "1"];

/// Neither a program that needs a broker nor a broker can use this socket; both say why.
#[track_caller]
fn check_refused(scratch: &Scratch, socket: &Path, why: &str) {
    for arguments in [SEND, &["recv", "cam", "--once"], &["broker"]] {
        let mut command = scratch.handfast(arguments);
        command.env("HANDFAST_SOCKET", socket);
        let refused = Child::spawn(&mut command).finish();
        assert_eq!(refused.code(1), "");
        let said = refused.stderr_text();
        assert!(said.starts_with("handfast: ") && said.contains(why), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_file_is_no_socket_and_stays() {
    let scratch = Scratch::new();
    fs::write(scratch.socket(), "precious").unwrap();
    let why = format!(
        "{} is there and is not a socket: remove it, or set HANDFAST_SOCKET",
        scratch.socket().display()
    );
    check_refused(&scratch, &scratch.socket(), &why);
    assert_eq!(fs::read(scratch.socket()).unwrap(), b"precious");
}

#[test]
fn a_folder_is_no_socket() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.socket()).unwrap();
    check_refused(&scratch, &scratch.socket(), "is there and is not a socket: remove it");
}

#[test]
fn a_symbolic_link_is_no_socket_and_what_it_points_to_stays() {
    let scratch = Scratch::new();
    let target = scratch.files().join("precious");
    fs::write(&target, "precious").unwrap();
    symlink(&target, scratch.socket()).unwrap();
    check_refused(&scratch, &scratch.socket(), "is there and is not a socket: remove it");
    assert_eq!(fs::read(target).unwrap(), b"precious");
}

#[test]
fn a_socket_of_another_kind_is_refused_and_stays() {
    let scratch = Scratch::new();
    let _other = UnixListener::bind(scratch.socket()).unwrap();
    let path = scratch.socket().display().to_string();
    check_refused(&scratch, &scratch.socket(), &path);
    assert!(scratch.socket().exists());
}

#[test]
fn a_path_that_is_too_long_says_how_long_it_may_be() {
    let scratch = Scratch::new();
    let long = scratch.path().join("x".repeat(120));
    let why = format!("has {} bytes, a socket's may have 107", long.as_os_str().len());
    check_refused(&scratch, &long, &why);
    check_refused(&scratch, &long, "set HANDFAST_SOCKET to a shorter one");
}

#[test]
fn a_relative_path_is_refused() {
    let scratch = Scratch::new();
    check_refused(&scratch, Path::new("socket"), "it must be an absolute path to a socket");
}

#[test]
fn a_folder_that_lets_others_in_is_refused() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("open");
    fs::create_dir(&folder).unwrap();
    for mode in [0o770, 0o710, 0o701, 0o755] {
        fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        let why = format!(
            "{} has mode {mode:04o}, which lets others in; it must be 0700",
            folder.display()
        );
        check_refused(&scratch, &folder.join("socket"), &why);
    }
    assert_eq!(scratch.left(), ["open"]);
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("theirs");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    if require(Requirement::Root).is_none() {
        return;
    }
    std::os::unix::fs::chown(&folder, Some(12_345), None).unwrap();
    let why = format!("{} belongs to user 12345, not to user 0", folder.display());
    check_refused(&scratch, &folder.join("socket"), &why);
    assert_eq!(scratch.left(), ["theirs"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let scratch = Scratch::new();
    let socket = scratch.path().join("missing/folder/socket");
    let why =
        format!("cannot make the directory {}", scratch.path().join("missing/folder").display());
    check_refused(&scratch, &socket, &why);
    assert_eq!(scratch.left(), [""; 0]);
}

#[test]
fn looking_starts_no_broker() {
    let scratch = Scratch::new();
    assert_eq!(scratch.spawn(&["ls", "--json"]).finish().success(), "");
    scratch.spawn(&["ls"]).finish().success();
    assert_eq!(scratch.left(), [""; 0]);
}

#[test]
fn without_a_socket_of_its_own_it_is_in_the_users_runtime_folder() {
    let scratch = Scratch::new();
    if Path::new("/run/handfast/socket").exists() {
        // The machine has a broker, which comes first.
        return;
    }
    let mut command = scratch.handfast(&["broker", "--idle-exit", "0", "-v"]);
    command.env_remove("HANDFAST_SOCKET");
    let said = Child::spawn(&mut command).finish();
    said.success();
    let expected = scratch.runtime().join("handfast/socket").display().to_string();
    assert!(said.stderr_text().contains(&expected), "{said:?}");
    assert_eq!(scratch.left(), ["run/handfast"]);
}
