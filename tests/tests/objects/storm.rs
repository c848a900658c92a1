//! Processes that do anything with the same few names, with forks and kills, and nothing left.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use handfast::Client;
use handfast_tests::{Scratch, eventually_eq};

use crate::party::{Dice, Role, all_ok, check_nothing, join, said};

const PROCESSES: usize = 5;

fn length() -> Duration {
    let slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
    Duration::from_secs(if slow { 300 } else { 15 })
}

#[test]
fn whatever_processes_do_and_however_they_end_nothing_is_left() {
    let scratch = Scratch::new();
    let mut dice = Dice::seed();
    let mut first = join(&scratch);
    all_ok(&mut first, &["fence f create first 1", "fence f drop"]);
    let mut client = Client::connect_to(&scratch.socket()).unwrap().expect("it is there");
    let before = client.health().unwrap();
    let begin = |dice: &mut Dice| {
        let seed = dice.roll(1 << 30).to_string();
        Role::start(&scratch, &["play", "storm", &seed])
    };
    let mut roles: Vec<Role> = (0..PROCESSES).map(|_| begin(&mut dice)).collect();
    let start = Instant::now();
    let mut ends = 0;
    while start.elapsed() < length() {
        dice.spend(26);
        let mut role = roles.swap_remove(dice.roll(PROCESSES));
        if dice.roll(4) == 0 {
            assert_eq!(role.ask("stop"), "calm");
            role.leave();
        } else {
            if dice.roll(4) == 0 {
                role.hint("stop");
            }
            let status = role.kill();
            let by_itself = said(&role);
            assert!(status.signal() == Some(9) || by_itself == ["ready", "calm"], "{by_itself:?}");
        }
        ends += 1;
        roles.push(begin(&mut dice));
    }
    for mut role in roles {
        assert_eq!(role.ask("stop"), "calm");
        role.leave();
    }
    println!("{ends} processes have ended");
    eventually_eq("the broker holds what it held", &before, || client.health().unwrap());
    // Every name is free, and its objects work.
    for number in 0..4 {
        let name = format!("storm-{number}");
        all_ok(
            &mut first,
            &[&format!("fence f create {name} 1"), "fence f signal 2", "fence f drop"],
        );
    }
    drop(client);
    first.leave();
    check_nothing(&scratch);
}
