//! Processes that use objects, and the broker that they use.

use std::fs;
use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use handfast::Client;
use handfast_tests::{Requirement, Scratch, Signal, eventually, eventually_eq, leftovers, require};
use rustix::process::{Pid, kill_process};

pub(crate) use crate::role::Role;

/// A process that uses objects.
pub(crate) fn join(scratch: &Scratch) -> Role {
    Role::start(scratch, &["objects"])
}

/// So many of them.
pub(crate) fn party<const SIZE: usize>(scratch: &Scratch) -> [Role; SIZE] {
    std::array::from_fn(|_| join(scratch))
}

/// The lines that a process has said so far, heard or not.
pub(crate) fn said(role: &Role) -> Vec<String> {
    String::from_utf8_lossy(&role.child.stdout()).lines().map(str::to_owned).collect()
}

/// Plays a scene to its end.
#[track_caller]
pub(crate) fn play(scene: &[&str]) {
    let scratch = Scratch::new();
    let words: Vec<&str> = [&["play"], scene].concat();
    let mut role = Role::begin(&scratch, &words);
    assert_eq!(role.hear(), "done", "{scene:?}");
    role.leave();
    check_nothing(&scratch);
}

/// Orders that are each answered with `ok`.
#[track_caller]
pub(crate) fn all_ok(role: &mut Role, orders: &[&str]) {
    for order in orders {
        assert_eq!(role.ask(order), "ok", "{order}");
    }
}

/// An order that is refused with this kind, and with words that say why.
#[track_caller]
pub(crate) fn refused(role: &mut Role, order: &str, kind: &str, why: &str) {
    let answer = role.ask(order);
    assert!(answer.starts_with(&format!("error {kind}: ")), "{order}: {answer}");
    assert!(answer.contains(why), "{order}: {why:?} is not in {answer}");
}

/// Tells it to wait for ever and comes back when it does.
#[track_caller]
pub(crate) fn begin(role: &mut Role, order: &str) {
    role.tell(order);
    assert_eq!(role.hear(), "waiting", "{order}");
    asleep(role);
}

/// Comes back when the role's first thread, which has something to wait for, sleeps.
#[track_caller]
pub(crate) fn asleep(role: &Role) {
    let pid = role.pid();
    eventually("it sleeps", || {
        let line = fs::read_to_string(format!("/proc/{pid}/task/{pid}/stat")).unwrap_or_default();
        // Its name, in parentheses, may hold anything; its state comes behind (proc_pid_stat(5)).
        line.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    });
}

/// Sends the scratch's broker a signal. Whoever kills it here kills its keeper before, so that
/// nobody goes on for it.
pub(crate) fn signal_broker(scratch: &Scratch, broker: u32, signal: Signal) {
    assert_ne!(broker, std::process::id(), "{scratch:?}");
    let pid = Pid::from_raw(broker.cast_signed()).expect("it is a process");
    if signal == Signal::KILL {
        // It would end cleanly when its keeper is gone.
        kill_process(pid, Signal::STOP).expect("the broker is there, and ours");
    }
    if signal == Signal::KILL
        && let Some(keeper) = scratch.keeper().filter(|keeper| *keeper != broker)
    {
        let keeper = Pid::from_raw(keeper.cast_signed()).expect("it is a process");
        kill_process(keeper, signal).expect("the keeper is there, and ours");
    }
    kill_process(pid, signal).expect("the broker is there, and ours");
    if signal == Signal::KILL {
        let gone = |state: &str| state.contains("\tZ") || state.contains("\tX") || state.is_empty();
        eventually("the broker is gone", || {
            let status = fs::read_to_string(format!("/proc/{broker}/status")).unwrap_or_default();
            gone(status.lines().find(|line| line.starts_with("State:")).unwrap_or_default())
        });
    }
}

/// The broker has no objects, no pages and no memory, holds no more than a broker that is not used,
/// and there is no file but its socket.
#[track_caller]
pub(crate) fn check_nothing(scratch: &Scratch) {
    let left = scratch.left();
    let known = |path: &String| path == "socket" || path.starts_with("files/");
    assert!(left.iter().all(known), "{left:?}");
    let Some(pid) = scratch.broker() else { return };
    let mut client =
        Client::connect_to(&scratch.socket()).expect("it answers").expect("it is there");
    // It sees itself.
    eventually_eq("nothing is left but this client", &(1, 0, 0, 0), || {
        let health = client.health().expect("the broker answers");
        (health.clients, health.objects, health.pages, health.shared_bytes)
    });
    drop(client);
    if require(Requirement::Root).is_some() {
        eventually("it holds no memory, no pipe and no client", || {
            let held = leftovers(pid).expect("root looks into any process");
            let kinds = ["memfd", "pipe", "anon_inode:[pidfd]"];
            held.mapped_bytes == 0 && !kinds.iter().any(|kind| held.descriptors.contains_key(*kind))
        });
    }
}

/// Numbers that look random, the same for the same seed (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    /// The seed of `HANDFAST_TESTS_SEED`, or any, which is printed.
    #[expect(clippy::print_stdout, reason = "the test's own output, shown when it fails")]
    pub(crate) fn seed() -> Self {
        let given = std::env::var("HANDFAST_TESTS_SEED").ok();
        let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::from(since.subsec_nanos())
        });
        println!("HANDFAST_TESTS_SEED={seed}");
        Self(seed | 1)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or_default() % sides
    }

    /// Work that takes some while, up to a power of two, and no sleep: what comes next comes at
    /// any moment of the others' lives.
    pub(crate) fn spend(&mut self, power: usize) {
        let longest = 1 << self.roll(power + 1);
        for step in 0..self.roll(longest) {
            black_box(step);
        }
    }
}
