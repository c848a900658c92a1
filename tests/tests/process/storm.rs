//! Hundreds of kills at moments nobody chose, and nothing left behind.

use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use handfast_tests::{Child, Scratch};

use crate::inside::Idle;
use crate::role::Role;

const KILLS: usize = 500;
/// So many live at a time.
const PROCESSES: usize = 10;
const NAMES: [&str; 3] = ["red", "green", "blue"];

/// Numbers that look random, the same for the same seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn seed() -> u64 {
        let given = std::env::var("HANDFAST_TESTS_SEED").ok();
        given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::from(since.subsec_nanos()) | 1
        })
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or_default() % sides
    }
}

/// Whoever is to be killed.
enum Victim {
    Program(Child),
    Role(Role),
}

impl Victim {
    fn start(scratch: &Scratch, dice: &mut Dice) -> Self {
        let name = NAMES.get(dice.roll(NAMES.len())).expect("dice have no more sides");
        match dice.roll(8) {
            0 => {
                let pattern = ["send", name, "--pattern", "ball", "--size", "32x32", "--quiet"];
                Self::Program(scratch.spawn(&pattern))
            }
            1 => {
                let pattern = ["send", name, "--pattern", "bars", "--size", "64x64", "--lossless"];
                Self::Program(scratch.spawn(&pattern))
            }
            2 => Self::Program(scratch.spawn(&["recv", name, "-o", "/dev/null"])),
            3 => {
                let lossless = ["recv", name, "--mode", "lossless", "--once", "-o", "/dev/null"];
                Self::Program(scratch.spawn(&lossless))
            }
            4 => Self::Program(scratch.spawn(&["ls", "--json"])),
            5 => Self::role(scratch, &["send", name, "3"], "run"),
            6 => Self::role(scratch, &["recv", name, "latest"], "hold"),
            _ => Self::role(scratch, &["recv", name, "lossless"], "all"),
        }
    }

    /// It may end by itself before it reads its order: its name may be taken.
    fn role(scratch: &Scratch, arguments: &[&str], order: &str) -> Self {
        let mut role = Role::begin(scratch, arguments);
        role.hint(order);
        Self::Role(role)
    }

    fn kill(self) {
        match self {
            Self::Program(mut child) => child.kill(),
            Self::Role(mut role) => role.kill(),
        };
    }
}

/// Work that takes some while, and no sleep: the kill comes at any moment of the other's life.
fn spend(rounds: usize) {
    let mut sum = 0_u64;
    for round in 0..rounds {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(round as u64));
    }
}

#[test]
fn kills_at_any_moment_leave_nothing_behind() {
    let scratch = Scratch::new();
    let idle = Idle::look(&scratch);
    let seed = Dice::seed();
    println!("HANDFAST_TESTS_SEED={seed}");
    let mut dice = Dice(seed);
    let mut victims = Vec::new();
    for _ in 0..KILLS {
        while victims.len() < PROCESSES {
            victims.push(Victim::start(&scratch, &mut dice));
            let longest = 1 << dice.roll(22);
            spend(dice.roll(longest));
        }
        let victim = victims.swap_remove(dice.roll(victims.len()));
        victim.kill();
    }
    victims.into_iter().for_each(Victim::kill);
    idle.again();

    // Every name is free, and streams work.
    for name in NAMES {
        let mut sender = Role::start(&scratch, &["send", name, "2"]);
        let mut receiver = Role::start(&scratch, &["recv", name, "latest"]);
        assert_eq!(sender.ask("frame"), "sent 1");
        assert_eq!(receiver.ask("take"), "frame 1");
        sender.leave();
        receiver.leave();
    }
    idle.again();
}
