//! Who may meet whom where, and what must come of it.

use std::sync::Arc;

use handfast_sync::stream::{Lossless, Mode, Take};
use loom::thread;

use crate::model::{World, explore, explore_deaths, mortal};

fn assert_contiguous(sequences: &[u64]) {
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
}

/// A receiver that runs beside a sender of three frames; what it got.
fn beside(mode: Mode, slots: u32, lossless: Lossless) -> Vec<u64> {
    let world = World::new(1, &[slots]);
    let mut sender = world.sender(lossless);
    let other = world.clone();
    let receiver = thread::spawn(move || {
        let (sequences, end) = other.receive(&mut other.receiver(0, mode));
        assert_eq!(end, Take::Ended);
        sequences
    });
    for _ in 0..3 {
        if lossless == Lossless::Allowed {
            world.send_waiting(&mut sender, 1);
        } else {
            world.send(&mut sender, 1).expect("two slots more than receivers");
        }
    }
    sender.end();
    let sequences = receiver.join().unwrap();
    assert_eq!(sequences.last(), Some(&3), "the last frame comes before the end");
    sequences
}

#[test]
fn latest_gets_the_last_frame_and_never_stops_the_sender() {
    explore(3, || {
        beside(Mode::Latest, 3, Lossless::Refused);
    });
}

#[test]
fn queue_keeps_the_order() {
    explore(3, || {
        beside(Mode::Queue(2), 3, Lossless::Refused);
    });
}

#[test]
fn lossless_gets_every_frame_from_its_first_on() {
    explore(2, || assert_contiguous(&beside(Mode::Lossless, 2, Lossless::Allowed)));
}

#[test]
fn latest_makes_a_waiting_sender_sleep_and_wakes_it() {
    explore(2, || {
        beside(Mode::Latest, 2, Lossless::Allowed);
    });
}

/// A receiver that takes the second frame and never lets it go: the first one's slot is free, and
/// no later release makes up for a wake that was forgotten.
fn held_for_ever(mode: Mode, lossless: Lossless) {
    let world = World::new(1, &[2]);
    let mut sender = world.sender(lossless);
    let other = world.clone();
    let receiver = thread::spawn(move || other.receive_until(&mut other.receiver(0, mode), 2));
    for _ in 0..3 {
        world.send_waiting(&mut sender, 1);
    }
    let held = receiver.join().unwrap();
    world.look_at(1, &held);
}

#[test]
fn a_latest_receiver_forgets_no_wake() {
    explore(2, || held_for_ever(Mode::Latest, Lossless::Refused));
}

#[test]
fn a_lossless_receiver_forgets_no_wake() {
    explore(2, || held_for_ever(Mode::Lossless, Lossless::Allowed));
}

/// A claim that loses its race may have been met by a sender that sleeps on it now. It takes three
/// switches in the narrowest places to get there, so everything before them is out of the way.
#[test]
fn a_claim_in_passing_is_told() {
    explore(3, || {
        let world = World::new(1, &[2]);
        let mut sender = world.sender(Lossless::Refused);
        world.send_waiting(&mut sender, 1);
        let mut receiver = world.receiver(0, Mode::Latest);
        world.enter(&mut receiver, 1);
        receiver.join();
        let other = world.clone();
        let sender = thread::spawn(move || {
            for _ in 0..2 {
                other.send_waiting(&mut sender, 1);
            }
        });
        let held = world.receive_until(&mut receiver, 2);
        sender.join().unwrap();
        world.look_at(1, &held);
    });
}

/// Somebody else holds the first frame, so its slot is not overwritten; a receiver that joins while
/// the sender goes on must not begin there and find the second frame gone.
#[test]
fn a_lossless_receiver_joins_without_a_gap() {
    explore(2, || {
        let world = World::new(2, &[3]);
        let mut sender = world.sender(Lossless::Allowed);
        world.send_waiting(&mut sender, 1);
        let mut holder = world.receiver(1, Mode::Latest);
        let held = world.receive_until(&mut holder, 1);
        let other = world.clone();
        let joiner = thread::spawn(move || other.receive(&mut other.receiver(0, Mode::Lossless)).0);
        for _ in 0..3 {
            world.send_waiting(&mut sender, 1);
        }
        sender.end();
        assert_contiguous(&joiner.join().unwrap());
        world.look_at(1, &held);
    });
}

#[test]
fn two_receivers_leave_the_sender_a_slot() {
    explore(2, || {
        let world = World::new(2, &[4]);
        let mut sender = world.sender(Lossless::Refused);
        let receivers = [0, 1].map(|index| {
            let world = world.clone();
            thread::spawn(move || world.receive(&mut world.receiver(index, Mode::Latest)))
        });
        for _ in 0..2 {
            world.send(&mut sender, 1).expect("two slots more than receivers");
        }
        sender.end();
        for receiver in receivers {
            let (sequences, end) = receiver.join().unwrap();
            assert_eq!((sequences.last(), end), (Some(&2), Take::Ended));
        }
    });
}

fn generations(mode: Mode, lossless: Lossless) -> Vec<u64> {
    let world = World::new(1, &[2, 2]);
    let mut sender = world.sender(lossless);
    let other = world.clone();
    let receiver = thread::spawn(move || other.receive(&mut other.receiver(0, mode)));
    for generation in [1, 2] {
        if generation == 2 {
            world.generation(&mut sender, generation);
        }
        world.send_waiting(&mut sender, generation);
        world.send_waiting(&mut sender, generation);
    }
    sender.end();
    let (sequences, end) = receiver.join().unwrap();
    assert_eq!((sequences.last(), end), (Some(&4), Take::Ended));
    sequences
}

#[test]
fn a_lossless_receiver_drains_a_generation_before_the_next() {
    explore(2, || assert_contiguous(&generations(Mode::Lossless, Lossless::Allowed)));
}

#[test]
fn a_latest_receiver_follows_to_the_next_generation() {
    explore(2, || {
        generations(Mode::Latest, Lossless::Refused);
    });
}

#[test]
fn an_end_wakes_a_sleeping_receiver() {
    explore(4, || {
        let world = World::new(1, &[2]);
        let mut sender = world.sender(Lossless::Refused);
        let other = world.clone();
        let receiver = thread::spawn(move || other.receive(&mut other.receiver(0, Mode::Latest)));
        sender.end();
        assert_eq!(receiver.join().unwrap(), (Vec::new(), Take::Ended));
    });
}

/// The receiver dies at some step; the sender, which sleeps for slots, still sends everything.
fn receiver_dies(mode: Mode, lossless: Lossless, preemptions: usize) {
    explore_deaths(preemptions, move |steps| {
        let world = World::new(1, &[2]);
        let mut sender = world.sender(lossless);
        let mortal_world = world.clone();
        let receiver = thread::spawn(move || {
            let mut end = mortal_world.receiver(0, mode);
            mortal(steps, || mortal_world.receive(&mut end))
        });
        let sender_world = world.clone();
        let sender = thread::spawn(move || {
            for _ in 0..3 {
                sender_world.send_waiting(&mut sender, 1);
            }
            sender.end();
            sender
        });
        let died = receiver.join().unwrap().is_none();
        world.receiver_gone(0);
        let mut sender = sender.join().unwrap();
        assert!(sender.acquire().is_ok(), "a dead receiver holds nothing");
        died
    });
}

#[test]
fn a_dead_latest_receiver_holds_nothing() {
    receiver_dies(Mode::Latest, Lossless::Refused, 2);
}

#[test]
fn a_dead_lossless_receiver_stops_nobody() {
    receiver_dies(Mode::Lossless, Lossless::Allowed, 1);
}

/// The sender dies at some step; the receiver still hears of the end.
fn sender_dies(mode: Mode, lossless: Lossless, preemptions: usize) {
    explore_deaths(preemptions, move |steps| {
        let world = World::new(1, &[2]);
        let sender = world.sender(lossless);
        let mortal_world = world.clone();
        let sender = thread::spawn(move || {
            let mut sender = sender;
            mortal(steps, || {
                for _ in 0..3 {
                    mortal_world.send_waiting(&mut sender, 1);
                }
                sender.end();
            })
        });
        let receiver_world = world.clone();
        let receiver =
            thread::spawn(move || receiver_world.receive(&mut receiver_world.receiver(0, mode)));
        let died = sender.join().unwrap().is_none();
        world.sender_lost();
        let (_, end) = receiver.join().unwrap();
        assert_eq!(end, if world.has_ended() { Take::Ended } else { Take::Lost });
        assert!(died || end == Take::Ended, "what the sender said counts before the stamp");
        died
    });
}

#[test]
fn a_dead_sender_is_lost_to_a_latest_receiver() {
    sender_dies(Mode::Latest, Lossless::Refused, 2);
}

#[test]
fn a_dead_sender_is_lost_to_a_lossless_receiver() {
    sender_dies(Mode::Lossless, Lossless::Allowed, 1);
}

#[test]
fn a_world_is_shared() {
    fn shareable<T: Send + Sync>() {}
    shareable::<Arc<World>>();
}
