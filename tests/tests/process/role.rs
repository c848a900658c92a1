//! A process that does with streams what it is told, one line at a time.

use std::io::Write as _;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};

use handfast_tests::{Child, Scratch, handfast};

/// The program `handfast-role`, running.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) child: Child,
    orders: ChildStdin,
}

/// The command that starts the program in this scratch; a broker it needs is the product's.
pub(crate) fn command(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = scratch.command(env!("CARGO_BIN_EXE_handfast-role"));
    command.args(arguments).env("HANDFAST_BROKER", handfast());
    command
}

impl Role {
    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(scratch: &Scratch, arguments: &[&str]) -> Self {
        let mut role = Self::begin(scratch, arguments);
        assert_eq!(role.hear(), "ready", "{arguments:?}");
        role
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn begin(scratch: &Scratch, arguments: &[&str]) -> Self {
        let mut child = Child::spawn_reading(&mut command(scratch, arguments), Stdio::piped());
        let orders = child.stdin().expect("its input is a pipe");
        Self { child, orders }
    }

    /// Tells it what to do.
    #[track_caller]
    pub(crate) fn tell(&mut self, order: &str) {
        let told = writeln!(self.orders, "{order}");
        assert!(told.is_ok(), "{order}: {told:?}");
    }

    /// Tells it what to do, if it is still there.
    pub(crate) fn hint(&mut self, order: &str) {
        drop(writeln!(self.orders, "{order}"));
    }

    /// What it says next.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> String {
        self.child.line()
    }

    /// Tells it what to do and waits for its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, order: &str) -> String {
        self.tell(order);
        self.hear()
    }

    /// Kills it with SIGKILL and waits until it is gone.
    #[track_caller]
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill()
    }

    /// Lets it go and waits until it has ended well.
    #[track_caller]
    pub(crate) fn leave(self) {
        let Self { child, orders } = self;
        drop(orders);
        child.finish().success();
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }
}
