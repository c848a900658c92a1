//! What the broker holds, and that it holds no more than before.

use handfast_tests::{
    Leftovers, Requirement, Scratch, Signal, eventually, eventually_eq, leftovers, require,
};
use rustix::process::{Pid, kill_process};

use crate::role::Role;

/// The broker of a scratch as it is when nobody uses it.
#[derive(Debug)]
pub(crate) struct Idle<'a> {
    scratch: &'a Scratch,
    pid: u32,
    /// Nobody but root may look into the broker; the rest is checked all the same.
    held: Option<Leftovers>,
}

impl<'a> Idle<'a> {
    /// Lets the broker do all that it does once, and looks at it when everybody has left.
    #[track_caller]
    pub(crate) fn look(scratch: &'a Scratch) -> Self {
        let mut receiver = Role::start(scratch, &["recv", "first", "latest"]);
        let mut sender = Role::start(scratch, &["send", "first", "3"]);
        receiver.tell("take");
        assert_eq!(sender.ask("receivers 1"), "receivers 1");
        assert_eq!(sender.ask("frame"), "sent 1");
        assert_eq!(receiver.hear(), "frame 1");
        sender.leave();
        receiver.leave();
        let pid = scratch.broker().expect("a broker was started");
        let held = require(Requirement::Root).map(|_| {
            let nothing_shared = |held: &Leftovers| {
                let busy = ["memfd", "anon_inode:[pidfd]"];
                held.mapped_bytes == 0
                    && !busy.iter().any(|kind| held.descriptors.contains_key(*kind))
            };
            eventually("the first stream and its clients are gone", || nothing_shared(&look(pid)));
            look(pid)
        });
        Self { scratch, pid, held }
    }

    /// The broker's process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends the broker a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid.cast_signed()).expect("it is a process");
        kill_process(pid, signal).expect("the broker is there, and ours");
    }

    /// Fails unless the same broker holds what it held, no object is left and no file.
    #[track_caller]
    pub(crate) fn again(&self) {
        let mut looker = Role::start(self.scratch, &["look"]);
        assert_eq!(looker.ask("connect"), format!("broker {}", self.pid));
        eventually("no object is left", || looker.ask("list") == "objects:");
        looker.leave();
        let ls = self.scratch.spawn(&["ls", "--json"]).finish();
        assert_eq!(ls.success(), "", "nothing is shared");
        if let Some(held) = &self.held {
            eventually_eq("the broker holds what it held before", held, || look(self.pid));
        }
        assert_eq!(self.scratch.left(), ["socket"]);
    }
}

#[track_caller]
fn look(pid: u32) -> Leftovers {
    leftovers(pid).expect("root looks into any process")
}
