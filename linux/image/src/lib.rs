//! Lets any program that links Handfast serve as its broker.
//!
//! It is no part of the program it is linked into: when that program is started again with
//! `HANDFAST_BROKER_STAGE` in its environment, the broker runs before `main` and the process ends
//! with it. So a program needs nothing installed beside itself.
//!
//! Read first: [`start_broker`] (what a client calls when nobody answers).
//!
//! Invariant: without the variable, and in programs that run with more rights than their user,
//! it does nothing.
//!
//! Neighbours: `handfast` calls it, `handfast-broker` serves.
#![expect(unsafe_code, reason = "UNSAFETY: a function is registered to run before main")]

mod keeper;

use std::env;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::time::Duration;

use handfast_broker::{Config, IdleExit, Users};
use handfast_sys::seqpacket::Listener;
use handfast_sys::{inherited, process};

pub use keeper::{KeepError, Process, keep};

/// Names the stage that a started image is.
const STAGE: &str = "HANDFAST_BROKER_STAGE";
/// Leaves its starter's session and starts the next stage, so that the broker is nobody's child.
const DETACH: &str = "detach";
/// Serves the listener on its standard input.
const SERVE: &str = "serve";
/// The running program, also when its file was replaced or removed.
const OWN_IMAGE: &str = "/proc/self/exe";
/// A broker that was started on demand leaves so long after the last client and object.
const IDLE_EXIT: Duration = Duration::from_secs(10);

// Proof: the loader calls each function of this section once, before `main`, on the first
// thread. `before_main` has the signature it expects (extra arguments are ignored by the C
// calling convention), does nothing without the variable, and does not return with it. The C
// library and the Rust library's parts that it uses need no set-up by `main`.
#[unsafe(link_section = ".init_array")]
#[used]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    // A panic ends the process here: nothing of it may reach the loader.
    if std::panic::catch_unwind(run_stage).is_err() {
        exit(101);
    }
}

fn run_stage() {
    let Some(stage) = env::var_os(STAGE) else { return };
    if process::is_secure_exec() {
        return;
    }
    if stage != DETACH && stage != SERVE {
        return;
    }
    // SAFETY: This runs before `main`, right after an exec, on the only thread.
    unsafe { inherited::close_all() };
    let outcome = if stage == DETACH { detach() } else { serve() };
    exit(i32::from(outcome.is_err()));
}

fn detach() -> io::Result<()> {
    process::new_session().map_err(io::Error::other)?;
    env::set_current_dir("/")?;
    let child = Command::new(own_image())
        .arg0("handfast-broker")
        .env(STAGE, SERVE)
        .stdin(Stdio::inherit())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    drop(child);
    Ok(())
}

/// The running program: by its path, so that it is listed under its name, if that still leads
/// anywhere.
fn own_image() -> PathBuf {
    match process::executable_path() {
        Ok(path) if path.exists() => path,
        Ok(_) | Err(_) => OWN_IMAGE.into(),
    }
}

fn serve() -> io::Result<()> {
    let listener: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let listener = Listener::adopt(listener).map_err(io::Error::other)?;
    let socket = listener.path().map_err(io::Error::other)?;
    let config = Config { socket, idle_exit: IdleExit::After(IDLE_EXIT), users: Users::Own };
    keep(listener, &config, || {}).map(drop).map_err(io::Error::other)
}

/// The program that is started as a broker: `HANDFAST_BROKER`; else `handfast` beside the running
/// program, or on `PATH`; else the running program itself.
#[must_use]
pub fn broker_program() -> PathBuf {
    if process::is_secure_exec() {
        return own_image();
    }
    if let Some(program) = env::var_os("HANDFAST_BROKER").filter(|path| !path.is_empty()) {
        return program.into();
    }
    let own = process::executable_path().ok();
    let beside = own.and_then(|path| Some(path.parent()?.join("handfast")));
    let on_path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&on_path).filter(|directory| directory.is_absolute());
    let mut candidates =
        beside.into_iter().chain(on_path.map(|directory| directory.join("handfast")));
    candidates.find(|path| is_program(path)).unwrap_or_else(own_image)
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Starts a broker that serves `listener` and is nobody's child. Connections made before it runs
/// wait in the listener's queue.
///
/// # Errors
///
/// When the program cannot be started, or ends with an error before it has detached.
///
/// # Blocking
///
/// Until the program has detached.
///
/// # Ownership
///
/// The listener is the broker's, also when this fails.
pub fn start_broker(listener: Listener, program: &Path) -> io::Result<()> {
    let status = Command::new(program)
        .env(STAGE, DETACH)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{} ended with {status}", program.display())))
    }
}
