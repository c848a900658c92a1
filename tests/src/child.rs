//! A program that does not outlive its test.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{self, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::LIMIT;

/// How long a killed program's last words are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running program, its output captured.
///
/// Dropping it kills it and waits for it; if the test is failing, what it printed is printed.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: process::Child,
    pidfd: OwnedFd,
    output: Arc<Output>,
    /// Bytes of its standard output that [`Child::line`] has given.
    lines_bytes: usize,
    status: Option<ExitStatus>,
}

/// What a program left when it ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to standard output.
    pub stdout: Vec<u8>,
    /// All that it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl Child {
    /// Starts the program with nothing to read.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_reading(command, Stdio::null())
    }

    /// Starts the program with this as its standard input; see [`Child::stdin`].
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    pub fn spawn_reading(command: &mut Command, stdin: impl Into<Stdio>) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = format!("{command:?}");
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = Arc::new(Output::default());
        output.read(process.stdout.take(), |state| &mut state.stdout);
        output.read(process.stderr.take(), |state| &mut state.stderr);
        let pid = Pid::from_child(&process);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("our own child has a pidfd");
        Self { name, process, pidfd, output, lines_bytes: 0, status: None }
    }

    /// Takes the writing end of its standard input, if it was started with [`Stdio::piped`].
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.process.stdin.take()
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// When it runs on for [`LIMIT`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        assert!(ends(&self.pidfd), "{} runs on for {} s", self.name, LIMIT.as_secs());
        let status = self.process.wait().expect("our own child can be waited for");
        *self.status.insert(status)
    }

    /// Waits until it has ended and nobody can write to its output any more.
    ///
    /// # Panics
    ///
    /// When it runs on for [`LIMIT`], or has left somebody behind who holds its output.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let status = self.wait();
        let mut state = self.output.until(LIMIT, |state| state.open == 0);
        assert!(state.open == 0, "{} has ended, and somebody holds its output", self.name);
        let (stdout, stderr) = (state.stdout.clone(), state.stderr.clone());
        state.told = true;
        drop(state);
        Finished { status, stdout, stderr }
    }

    /// Waits until its standard output or its standard error holds `text`.
    ///
    /// # Panics
    ///
    /// When both are closed without it, or [`LIMIT`] has passed.
    #[track_caller]
    pub fn until_printed(&self, text: &str) {
        let prints = |state: &State| {
            [&state.stdout, &state.stderr]
                .into_iter()
                .any(|bytes| String::from_utf8_lossy(bytes).contains(text))
        };
        let state = self.output.until(LIMIT, |state| prints(state) || state.open == 0);
        let printed = prints(&state);
        drop(state);
        assert!(printed, "{} has not printed {text:?}", self.name);
    }

    /// The next line of its standard output, without its end.
    ///
    /// # Panics
    ///
    /// When both outputs are closed without it, or [`LIMIT`] has passed.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let start = self.lines_bytes;
        let next = |state: &State| {
            let rest = state.stdout.get(start..).unwrap_or_default();
            let length = rest.iter().position(|byte| *byte == b'\n')?;
            rest.get(..length).map(<[u8]>::to_vec)
        };
        let state = self.output.until(LIMIT, |state| next(state).is_some() || state.open == 0);
        let line = next(&state);
        drop(state);
        assert!(line.is_some(), "{} prints no further line", self.name);
        let line = line.unwrap_or_default();
        self.lines_bytes += line.len() + 1;
        text(&line)
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// When it has been waited for.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let sent = pidfd_send_signal(&self.pidfd, signal);
        assert!(sent.is_ok(), "{} cannot get a signal, it has ended: {sent:?}", self.name);
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    ///
    /// When it runs on for [`LIMIT`].
    #[track_caller]
    pub fn kill(&mut self) -> ExitStatus {
        if self.status.is_none() {
            self.signal(Signal::KILL);
        }
        self.wait()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.status.is_none() && !is_ended(&self.pidfd, Duration::ZERO)
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> Vec<u8> {
        self.output.state().stdout.clone()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> Vec<u8> {
        self.output.state().stderr.clone()
    }
}

impl Drop for Child {
    #[expect(clippy::print_stderr, reason = "the test's own output, shown when it fails")]
    fn drop(&mut self) {
        if self.status.is_none() {
            // It may end by itself meanwhile; it is a child until it is waited for.
            drop(self.process.kill());
            drop(self.process.wait());
        }
        if thread::panicking() {
            let state = self.output.until(LAST_WORDS, |state| state.open == 0);
            if !state.told {
                let (out, err) = (text(&state.stdout), text(&state.stderr));
                eprintln!("--- {}\n--- stdout\n{out}\n--- stderr\n{err}\n---", self.name);
            }
        }
    }
}

impl Finished {
    /// Its standard output, given that it ended well.
    ///
    /// # Panics
    ///
    /// When it did not end with exit code 0; all that it printed is printed.
    #[track_caller]
    pub fn success(&self) -> String {
        self.code(0)
    }

    /// Its standard output, given that it ended with this exit code.
    ///
    /// # Panics
    ///
    /// When it ended otherwise; all that it printed is printed.
    #[track_caller]
    pub fn code(&self, expected: i32) -> String {
        let (out, err) = (text(&self.stdout), text(&self.stderr));
        let code = self.status.code();
        assert!(
            code == Some(expected),
            "expected exit code {expected}, got {}\n--- stdout\n{out}\n--- stderr\n{err}",
            self.status
        );
        out
    }

    /// Its standard error as text.
    pub fn stderr_text(&self) -> String {
        text(&self.stderr)
    }
}

/// Whether the process has ended within [`LIMIT`].
pub(crate) fn ends(pidfd: &OwnedFd) -> bool {
    is_ended(pidfd, LIMIT)
}

fn is_ended(pidfd: &OwnedFd, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a limit is a few seconds");
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(error) => assert!(error == rustix::io::Errno::INTR, "poll: {error}"),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What two threads read from a program.
#[derive(Debug, Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// How many of the two are still open.
    open: u32,
    /// The test has them, and can print them itself.
    told: bool,
}

impl Output {
    fn read(
        self: &Arc<Self>,
        source: Option<impl Read + Send + 'static>,
        place: fn(&mut State) -> &mut Vec<u8>,
    ) {
        let Some(mut source) = source else { return };
        self.state().open += 1;
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = match source.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) | Ok(0) => break,
                    Ok(count) => buffer.get(..count).unwrap_or_default(),
                };
                place(&mut output.state()).extend_from_slice(read);
                output.changed.notify_all();
            }
            output.state().open -= 1;
            output.changed.notify_all();
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state once `condition` holds or `limit` has passed.
    fn until(&self, limit: Duration, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited =
            self.changed.wait_timeout_while(self.state(), limit, |state| !condition(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
