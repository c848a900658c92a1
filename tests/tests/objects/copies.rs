//! What a broker says that takes over from a killed one: everything once more.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use handfast::Client;
use handfast_model::object::{Cap, Error};
use handfast_model::wire::{BrokerMessage, ClientMessage};
use handfast_sys::seqpacket::{Blocking, Incoming, Listener, Socket};
use handfast_tests::{Scratch, eventually_eq};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};

use crate::party::{all_ok, check_nothing, join, refused};
use crate::role::Role;

/// Whether clients get mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mailboxes {
    Granted,
    Refused,
}

/// A broker that passes on what the true one says, each message again before the next: the first
/// has been taken by then.
struct Doubler {
    /// Where its clients find it.
    scratch: Scratch,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Doubler {
    fn new(behind: &Scratch, mailboxes: Mailboxes) -> Self {
        let scratch = Scratch::new();
        let listener = Listener::bind(&scratch.socket(), 8).expect("the scratch is ours");
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, behind) = (Arc::clone(&is_over), behind.socket());
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let slice = Timespec::try_from(Duration::from_millis(10)).expect("it is short");
                poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&slice)).ok();
                let Ok(Some(client)) = listener.accept() else { continue };
                let broker = Socket::connect(&behind).expect("it is there");
                let (client, broker) = (Arc::new(client), Arc::new(broker));
                let (to, from) = (Arc::clone(&client), Arc::clone(&broker));
                thread::spawn(move || pass_answers(&from, &to));
                thread::spawn(move || pass_requests(&client, &broker, mailboxes));
            }
        });
        Self { scratch, is_over, thread: Some(thread) }
    }
}

impl Drop for Doubler {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

type Packet = (Vec<u8>, Vec<OwnedFd>);

fn receive(socket: &Socket) -> Option<Packet> {
    let mut buffer = vec![0; 1 << 16];
    let Ok(Incoming::Message(received)) = socket.receive(&mut buffer, Blocking::Wait) else {
        return None;
    };
    buffer.truncate(received.length);
    Some((buffer, received.descriptors))
}

/// Whoever has hung up is not sent anything.
fn send(socket: &Socket, (bytes, descriptors): &Packet) {
    let borrowed: Vec<_> = descriptors.iter().map(OwnedFd::as_fd).collect();
    socket.send(bytes, &borrowed, Blocking::Wait).ok();
}

fn pass_answers(broker: &Socket, client: &Socket) {
    let mut former: Option<Packet> = None;
    while let Some(packet) = receive(broker) {
        if let Some(former) = &former {
            send(client, former);
        }
        send(client, &packet);
        former = Some(packet);
    }
    shutdown(client, Shutdown::Both).ok();
}

fn pass_requests(client: &Socket, broker: &Socket, mailboxes: Mailboxes) {
    while let Some(packet) = receive(client) {
        let asked = ClientMessage::decode(&packet.0, packet.1.len());
        let asked = asked.expect("a client speaks the wire");
        if let (ClientMessage::Mailbox { number }, Mailboxes::Refused) = (asked, mailboxes) {
            let error = Error::CapReached { cap: Cap::BrokerResources, limit: 64 };
            let refusal = (BrokerMessage::Failed { number, error }.encode(), Vec::new());
            send(client, &refusal);
            send(client, &refusal);
        } else {
            send(broker, &packet);
        }
    }
    shutdown(broker, Shutdown::Both).ok();
}

fn descriptors(role: &Role) -> usize {
    fs::read_dir(format!("/proc/{}/fd", role.pid())).expect("it is ours").count()
}

/// Makes, opens and shares through the doubler what somebody uses with the true broker.
#[track_caller]
fn check_objects(mailboxes: Mailboxes) {
    let scratch = Scratch::new();
    let mut other = join(&scratch);
    all_ok(&mut other, &["fence theirs create theirs 0"]);
    let doubler = Doubler::new(&scratch, mailboxes);
    let mut role = join(&doubler.scratch);
    let mut before = None;
    for round in 1..=4 {
        let make = [
            "fence f create one 0",
            "event e create two auto",
            "surface s create three buffer:64 keyed",
            "fence g open theirs",
            "fence f share - all h",
            "fence of of h",
            "fence f share four all held",
            "handle copy dup h",
            "handle value dup held",
        ];
        all_ok(&mut role, &make);
        refused(&mut role, "fence x open nobody", "NotFound", "nobody");
        refused(&mut role, "fence x create one 0", "NameTaken", "one");
        all_ok(&mut other, &["fence f open one", "fence four open four", "event e open two"]);
        all_ok(&mut other, &["fence f signal 7", &format!("fence theirs signal {round}")]);
        assert_eq!(role.ask("fence of wait 7 30000"), "Signaled");
        assert_eq!(role.ask(&format!("fence g wait {round} 30000")), "Signaled");
        assert_eq!(role.ask("handle h names"), "names: one,four");
        assert_eq!(role.ask("fence f openings"), "4");
        all_ok(&mut role, &["drop everything"]);
        all_ok(&mut other, &["fence f drop", "fence four drop", "event e drop"]);
        // It hears what is still to come, and has as much as after the first round.
        refused(&mut role, "fence x open nobody", "NotFound", "nobody");
        let now = descriptors(&role);
        assert_eq!(now, *before.get_or_insert(now), "round {round}");
    }
    role.leave();
    other.leave();
    drop(doubler);
    check_nothing(&scratch);
}

#[test]
fn who_is_answered_twice_has_one_answer() {
    check_objects(Mailboxes::Refused);
}

#[test]
fn who_has_a_mailbox_and_is_answered_twice_in_the_socket_has_one_answer() {
    check_objects(Mailboxes::Granted);
}

#[test]
fn a_copy_that_there_is_no_room_for_gives_nothing_back() {
    let scratch = Scratch::new();
    let mut other = join(&scratch);
    all_ok(&mut other, &["fence theirs create theirs 0"]);
    let doubler = Doubler::new(&scratch, Mailboxes::Refused);
    let mut role = join(&doubler.scratch);
    for (make, ask) in [
        ("fence f create one 0", "fence f openings"),
        ("fence g open theirs", "fence g openings"),
        ("fence f share - all h", "handle h names"),
    ] {
        all_ok(&mut role, &[make]);
        let before = descriptors(&role);
        assert!(role.ask("full").starts_with("full "));
        let answers = [role.ask(ask), role.ask(ask)];
        all_ok(&mut role, &["room"]);
        assert_eq!(descriptors(&role), before, "{make}");
        let expected = [role.ask(ask), role.ask(ask)];
        assert_eq!(answers, expected, "{make}");
        assert!(!expected[0].starts_with("error"), "{make}: {expected:?}");
    }
    all_ok(&mut other, &["fence f open one", "fence f signal 1", "fence theirs signal 1"]);
    assert_eq!(role.ask("fence f wait 1 30000"), "Signaled");
    assert_eq!(role.ask("fence g wait 1 30000"), "Signaled");
    role.leave();
    other.leave();
    drop(doubler);
    check_nothing(&scratch);
}

#[test]
fn who_is_told_twice_of_a_change_looks_twice() {
    let scratch = Scratch::new();
    let mut other = join(&scratch);
    all_ok(&mut other, &["fence f create one 0"]);
    let doubler = Doubler::new(&scratch, Mailboxes::Refused);
    let connected = Client::connect_to(&doubler.scratch.socket()).expect("it answers");
    let mut client = connected.expect("it is there");
    for round in 0..4 {
        client.watch().expect("it may");
        assert_eq!(client.health().expect("it answers").objects, 1);
        let holders = client.holders("one");
        assert!(holders.is_ok(), "{holders:?}");
        all_ok(&mut other, &["event e create two auto"]);
        eventually_eq("it is told", &true, || {
            client.watch().expect("it may");
            client.wait_for_change(Duration::from_millis(10)).expect("nothing is wrong")
        });
        let names = client.list().expect("it answers").len();
        assert_eq!(names, 2, "{round}");
        all_ok(&mut other, &["event e drop"]);
        eventually_eq("it is gone", &1, || client.list().expect("it answers").len());
    }
    drop(client);
    other.leave();
    drop(doubler);
    check_nothing(&scratch);
}

#[test]
fn streams_go_on_when_all_is_told_twice() {
    let scratch = Scratch::new();
    // There is somebody who keeps the broker.
    let mut other = join(&scratch);
    all_ok(&mut other, &["fence f create one 0"]);
    let doubler = Doubler::new(&scratch, Mailboxes::Granted);
    let mut receiver = Role::start(&doubler.scratch, &["recv", "cam", "lossless"]);
    for round in 0..3 {
        receiver.tell("recv");
        let mut sender = Role::start(&doubler.scratch, &["send", "cam", "4", "lossless"]);
        assert_eq!(sender.ask("receivers 1"), "receivers 1");
        assert_eq!(sender.ask("frame"), "sent 1", "{round}");
        assert_eq!(receiver.hear(), "frame 1", "{round}");
        assert_eq!(sender.ask("resize 32 16"), "resized");
        receiver.tell("recv");
        assert_eq!(sender.ask("frame"), "sent 2", "{round}");
        assert_eq!(receiver.hear(), "frame 2", "{round}");
        receiver.tell("recv");
        assert_eq!(sender.ask("end"), "ended");
        assert_eq!(receiver.hear(), "ended", "{round}");
    }
    receiver.leave();
    other.leave();
    drop(doubler);
    check_nothing(&scratch);
}
