//! A folder and a broker of the test's own.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal,
};
use tempfile::TempDir;

use crate::{Child, child, eventually, handfast};

/// A broker that is killed when it is older does not count among those that are killed at once.
const OLD: Duration = Duration::from_millis(120);

/// The path of a socket is shorter than this (`sun_path` in unix(7)).
const SOCKET_BYTES: usize = 108;

/// A private folder with a short path. Programs started through it find a broker of its own there.
///
/// Dropping it kills the broker that answers at its socket and removes the folder. Make it before
/// the [`Child`]ren that use it, so that it is dropped after them.
#[derive(Debug)]
pub struct Scratch {
    /// Present until dropped.
    folder: Option<TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// Makes the folder, with mode 0700.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn new() -> Self {
        let mut builder = tempfile::Builder::new();
        builder.prefix("hf-").permissions(Permissions::from_mode(0o700));
        let wanted = std::env::temp_dir();
        let short = wanted.as_os_str().len() < SOCKET_BYTES / 2;
        let parent = if short { wanted.as_path() } else { Path::new("/tmp") };
        let folder = builder.tempdir_in(parent).expect("a temporary folder can be made");
        let scratch = Self { path: folder.path().to_owned(), folder: Some(folder) };
        for folder in [scratch.runtime(), scratch.files()] {
            fs::create_dir(&folder).expect("the scratch is ours");
            fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("so is its folder");
        }
        assert!(scratch.socket().as_os_str().as_bytes().len() < SOCKET_BYTES, "{scratch:?}");
        scratch
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where programs started here find or make the broker's socket.
    pub fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// `XDG_RUNTIME_DIR` of programs started here.
    pub fn runtime(&self) -> PathBuf {
        self.path.join("run")
    }

    /// The folder in which programs start; also their `HOME` and `TMPDIR`.
    pub fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// A program that starts in this scratch and knows no other broker.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"HANDFAST_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.files())
            .env("HANDFAST_SOCKET", self.socket())
            .env("HOME", self.files())
            .env("TMPDIR", self.files())
            .env("XDG_RUNTIME_DIR", self.runtime());
        command
    }

    /// The program `handfast`, to be started in this scratch with these arguments.
    pub fn handfast(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(handfast());
        command.args(arguments);
        command
    }

    /// Starts `handfast` with these arguments and nothing to read.
    ///
    /// # Panics
    ///
    /// When it cannot be built or started.
    #[track_caller]
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        Child::spawn(&mut self.handfast(arguments))
    }

    /// The broker that serves the socket, found or started by whom ever: the child of the keeper
    /// that listens there, or who listens there without one.
    ///
    /// # Panics
    ///
    /// When the kernel does not say who listens.
    pub fn broker(&self) -> Option<u32> {
        let keeper = self.keeper()?;
        if keeper == std::process::id() {
            return Some(keeper);
        }
        let path = format!("/proc/{keeper}/task/{keeper}/children");
        let children = fs::read_to_string(path).unwrap_or_default();
        let child = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        child.or(Some(keeper))
    }

    /// The process that listens at the socket.
    ///
    /// # Panics
    ///
    /// When the kernel does not say who listens.
    pub fn keeper(&self) -> Option<u32> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .expect("a socket can be made");
        let address = SocketAddrUnix::new(self.socket()).expect("the path is short");
        connect(&socket, &address).ok()?;
        let listener = sockopt::socket_peercred(&socket).expect("a connected socket has a peer");
        u32::try_from(listener.pid.as_raw_nonzero().get()).ok()
    }

    /// Kills the broker alone once it has lived for a while, so that its death is one that its
    /// keeper goes on from; comes back when the next one is there, with its pid.
    ///
    /// # Panics
    ///
    /// When there is no broker with a keeper, or none comes.
    #[track_caller]
    pub fn kill_broker(&self) -> u32 {
        let keeper = self.keeper().expect("a keeper listens");
        let first = self.broker().filter(|broker| *broker != keeper).expect("a broker serves");
        let seen = Instant::now();
        eventually("it has lived for a while", || seen.elapsed() >= OLD);
        kill(first);
        let mut next = None;
        eventually("another broker serves", || {
            next = self.broker().filter(|broker| *broker != first && *broker != keeper);
            next.is_some()
        });
        next.expect("there is one")
    }

    /// Everything that lies in the scratch but the folders it was made with, by path from it.
    ///
    /// # Panics
    ///
    /// When a folder cannot be read.
    pub fn left(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.path, &mut found).expect("the scratch is ours");
        let made = [self.runtime(), self.files()];
        found.retain(|path| !made.contains(path));
        let inside = |path: &PathBuf| {
            let path = path.strip_prefix(&self.path).unwrap_or(path);
            path.to_string_lossy().into_owned()
        };
        let mut left: Vec<String> = found.iter().map(inside).collect();
        left.sort();
        left
    }

    /// Kills the keeper and the broker, unless it is this process, and waits until they are gone:
    /// nobody goes on for them.
    pub fn stop_broker(&self) {
        let open = |pid: Option<u32>| {
            let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)?;
            (pid != getpid()).then(|| pidfd_open(pid, PidfdFlags::empty()).ok()).flatten()
        };
        let (keeper, broker) = (open(self.keeper()), open(self.broker()));
        // It would end cleanly when its keeper is gone,
        if let Some(broker) = &broker {
            pidfd_send_signal(broker, Signal::STOP).ok();
        }
        // which goes first, so that it does not start another one.
        for pidfd in [keeper, broker].into_iter().flatten() {
            if pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
                child::ends(&pidfd);
            }
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.stop_broker();
        let removed = self.folder.take().map_or(Ok(()), TempDir::close);
        if !thread::panicking() {
            removed.expect("nobody else writes to the scratch");
        }
    }
}

#[track_caller]
fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("it is a process");
    kill_process(pid, Signal::KILL).expect("it is there, and ours");
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), found)?;
        }
        found.push(entry.path());
    }
    Ok(())
}
