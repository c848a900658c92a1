//! Random sequences of operations, compared after every step with a small reference model that
//! is written differently: flat lists of facts instead of maps that point at each other.

#![expect(clippy::indexing_slicing, reason = "a test that panics has failed")]

use proptest::prelude::*;
use proptest::test_runner::Config;

#[path = "reference/facts.rs"]
mod facts;
#[path = "reference/kinds.rs"]
mod kinds;
#[path = "reference/ledger.rs"]
mod ledger;
#[path = "reference/steps.rs"]
mod steps;
#[path = "reference/tables.rs"]
mod tables;
#[path = "reference/world.rs"]
mod world;

use steps::{Step, step};
use world::World;

fn config() -> Config {
    let slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
    let cases = if slow { 4096 } else { 256 };
    Config { cases, failure_persistence: None, ..Config::default() }
}

fn check(steps: &[Step], seed: u64) {
    let mut world = World::new();
    for uid in tables::UIDS {
        world.step(&Step::Arrive { uid });
    }
    for step in steps {
        world.step(step);
    }
    world.tear_down(seed);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_sequence_does_what_the_reference_says(
        steps in prop::collection::vec(step(), 1..120),
        seed in any::<u64>(),
    ) {
        check(&steps, seed);
    }
}
