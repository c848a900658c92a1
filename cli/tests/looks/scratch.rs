//! A folder, a broker and processes of one test.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Tells a hang from a wait.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A folder of one test. Programs end with it.
pub(crate) struct Scratch {
    pub(crate) folder: PathBuf,
    pub(crate) children: Vec<Child>,
}

impl Scratch {
    /// Without a broker.
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hf-{name}-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).unwrap();
        Self { folder, children: Vec::new() }
    }

    /// With a broker that answers.
    pub(crate) fn with_broker(name: &str) -> Self {
        let mut scratch = Self::new(name);
        let socket = scratch.folder.join("socket");
        scratch.start(&["broker", "--socket", socket.to_str().unwrap()]);
        scratch.wait(&["doctor", "--json"], |doctor| doctor["broker"]["answers"] == true);
        scratch
    }

    /// A program that uses this broker.
    pub(crate) fn program(&self, path: &Path) -> Command {
        let mut command = Command::new(path);
        command
            .current_dir(&self.folder)
            .env("HANDFAST_SOCKET", self.folder.join("socket"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn handfast(&self, args: &[&str]) -> Command {
        let mut command = self.program(Path::new(env!("CARGO_BIN_EXE_handfast")));
        command.args(args);
        command
    }

    pub(crate) fn start(&mut self, args: &[&str]) -> u32 {
        let mut command = self.handfast(args);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        self.children.push(child);
        pid
    }

    /// Starts a program whose words are read, and whose standard input ends with it.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.handfast(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.handfast(args).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    #[track_caller]
    pub(crate) fn text(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that fails.
    #[track_caller]
    pub(crate) fn refusal(&self, args: &[&str]) -> String {
        self.failure(1, args)
    }

    /// What a command says on standard error that cannot be asked.
    #[track_caller]
    pub(crate) fn unasked(&self, args: &[&str]) -> String {
        self.failure(2, args)
    }

    #[track_caller]
    fn failure(&self, code: i32, args: &[&str]) -> String {
        let output = self.output(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert_eq!(output.stdout, b"", "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The lines of a command that prints JSON.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        self.text(args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The first line that is as wanted, sooner or later.
    #[track_caller]
    pub(crate) fn wait(&self, args: &[&str], is_wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let lines = self.json(args);
            if let Some(line) = lines.iter().find(|line| is_wanted(line)) {
                return line.clone();
            }
            assert!(started.elapsed() < LIMIT, "{args:?}: {lines:?}");
        }
    }

    /// Waits until a process has an object open.
    #[track_caller]
    pub(crate) fn wait_for_opening(&self, name: &str, pid: u32) {
        self.wait(&["show", name, "--json"], |object| {
            let holders = object["holders"].as_array().unwrap();
            let opens = |holder: &&Value| holder["openings"].as_array().unwrap().len() == 1;
            holders.iter().filter(opens).any(|holder| holder["pid"] == pid)
        });
    }

    /// What lies in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut files: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
        files.sort();
        files
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}
