//! Handles: copies by dup, fork, exec and sending are handles too, and nothing else is one.

use handfast_tests::{Scratch, eventually};

use crate::party::{Role, all_ok, check_nothing, join, refused};

const NONE: &str = "";

/// A process with a fence at 5 that is shared as `drawn`, by the handle `h`.
fn sharer(scratch: &Scratch) -> Role {
    let mut role = join(scratch);
    all_ok(&mut role, &["fence f new 5", "fence f share drawn all h"]);
    role
}

#[track_caller]
fn check_name_gone(role: &mut Role) {
    refused(role, "fence gone open drawn", "NotFound", "drawn");
}

/// The way of a descriptor from one process to another.
fn send(scratch: &Scratch, from: &mut Role, handle: &str, to: &mut Role, descriptor: &str) {
    let path = scratch.files().join(format!("{handle} {descriptor}").replace(' ', "-"));
    let path = path.display();
    all_ok(to, &[&format!("handle x listen {path}")]);
    all_ok(from, &[&format!("handle {handle} send {path}")]);
    all_ok(to, &[&format!("handle {descriptor} accept")]);
}

#[test]
fn the_name_goes_with_the_last_copy() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut other = join(&scratch);
    all_ok(
        &mut maker,
        &["handle i dup h", "handle j dup i wait", "handle h drop", "handle i drop"],
    );
    all_ok(&mut other, &["fence f open drawn"]);
    all_ok(&mut maker, &["handle j drop"]);
    check_name_gone(&mut other);
    // What was opened is open, and the name is free.
    assert_eq!(other.ask("fence f value"), "5");
    all_ok(&mut maker, &["fence f signal 6", "event e create drawn auto"]);
    assert_eq!(other.ask("fence f value"), "6");
    refused(&mut other, "fence g open drawn", "Invalid", "event");
}

#[test]
fn a_program_that_is_started_has_an_inherited_handle_under_the_same_number() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let object = maker.ask("handle h object");
    assert_eq!(maker.ask("handle h start"), "error Other: closed", "not unless it is said");
    assert_eq!(maker.ask("handle h inherit children"), "Children");
    for _ in 0..3 {
        assert_eq!(maker.ask("handle h start"), format!("{object} 5"));
    }
    assert_eq!(maker.ask("handle h inherit none"), "None");
    assert_eq!(maker.ask("handle h start"), "error Other: closed");
    // A copy has its own say.
    assert_eq!(maker.ask("handle h inherit children"), "Children");
    all_ok(&mut maker, &["handle i dup h"]);
    assert_eq!(maker.ask("handle i start"), "error Other: closed");
    // All copies of those programs have gone with them.
    all_ok(&mut maker, &["handle i drop", "handle h drop"]);
    check_name_gone(&mut maker);
}

#[test]
fn exec_keeps_what_is_inherited_and_closes_the_rest() {
    let scratch = Scratch::new();
    let mut looker = join(&scratch);
    let mut maker = sharer(&scratch);
    let object = maker.ask("handle h object");
    all_ok(&mut looker, &["fence f open drawn"]);
    assert_eq!(maker.ask("handle h inherit children"), "Children");
    assert_eq!(maker.ask("handle h exec"), format!("{object} 5"));
    maker.leave();
    check_name_gone(&mut looker);
    let mut maker = sharer(&scratch);
    assert_eq!(maker.ask("exec"), "ready");
    check_name_gone(&mut looker);
    check_name_gone(&mut maker);
}

#[test]
fn a_handle_that_was_sent_is_a_handle() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut other = join(&scratch);
    let object = maker.ask("handle h object");
    send(&scratch, &mut maker, "h", &mut other, "d");
    all_ok(&mut maker, &["handle h drop"]);
    // On its way and unopened it keeps the name.
    all_ok(&mut maker, &["fence g open drawn", "fence g drop"]);
    all_ok(&mut other, &["handle h take d", "fence f of h"]);
    assert_eq!(other.ask("handle h object"), object);
    assert_eq!(other.ask("fence f object"), object);
    assert_eq!(maker.ask("fence f object"), object);
    assert_eq!(other.ask("handle h kind"), "Fence");
    assert_eq!(other.ask("handle h names"), "names: drawn");
    all_ok(&mut other, &["fence f signal 9"]);
    assert_eq!(maker.ask("fence f value"), "9");
    maker.leave();
    // The maker is gone; the handle keeps the object and its name.
    let mut third = join(&scratch);
    all_ok(&mut third, &["fence f open drawn"]);
    assert_eq!(third.ask("fence f value"), "9");
    all_ok(&mut other, &["handle h drop"]);
    check_name_gone(&mut third);
}

#[test]
fn a_narrower_handle_is_narrower_wherever_it_goes() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut other = join(&scratch);
    all_ok(&mut maker, &["handle n dup h wait", "surface s new buffer:64 several"]);
    assert_eq!(maker.ask("handle n access"), "00000001");
    all_ok(&mut maker, &["surface s share picture all p", "handle q dup p read"]);
    send(&scratch, &mut maker, "n", &mut other, "d");
    send(&scratch, &mut maker, "q", &mut other, "e");
    all_ok(&mut other, &["handle n take d", "fence f of n", "handle q take e", "surface s of q"]);
    refused(&mut other, "fence f signal 6", "AccessDenied", "you may not signal it");
    refused(&mut other, "surface s write 0 1 1", "AccessDenied", "can only be read");
    assert_eq!(other.ask("fence f wait 5 0"), "Signaled");
    assert_eq!(other.ask("protect"), "protect: permission denied permission denied");
    // A copy by the kernel is no wider; one by the broker is what its owner may have anyhow.
    all_ok(&mut other, &["handle m dup n", "fence g of m"]);
    refused(&mut other, "fence g signal 6", "AccessDenied", "you may not signal it");
    all_ok(&mut other, &["handle w dup n all", "fence w of w", "fence w signal 6"]);
    assert_eq!(maker.ask("fence f value"), "6");
    refused(&mut other, "handle v dup n 0x40", "AccessDenied", "0x40 is no right of a fence");
}

#[test]
fn only_a_handle_is_taken_for_one() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    for _ in 0..3 {
        for what in ["file", "folder", "memfd", "socket", "pipe", "write-end"] {
            refused(&mut maker, &format!("handle x from {what}"), "HandleInvalid", NONE);
        }
        for what in ["path", "writable"] {
            refused(&mut maker, &format!("handle x from {what} h"), "HandleInvalid", NONE);
        }
        // The broker serves on, and what is a handle stays one.
        all_ok(&mut maker, &["handle c from copy h", "fence c of c", "handle c drop"]);
        assert_eq!(maker.ask("fence c value"), "5");
    }
    all_ok(&mut maker, &["fence c drop", "handle h drop"]);
    // What the broker refused it closes at its leisure, as that may take long.
    eventually("the name is gone", || maker.ask("fence gone open drawn") != "ok");
    check_name_gone(&mut maker);
    maker.leave();
    check_nothing(&scratch);
}

#[test]
fn another_brokers_handle_is_none() {
    let (here, there) = (Scratch::new(), Scratch::new());
    let mut stranger = sharer(&there);
    let mut role = sharer(&here);
    send(&here, &mut stranger, "h", &mut role, "d");
    refused(&mut role, "handle x take d", "HandleInvalid", NONE);
    assert_eq!(stranger.ask("handle h names"), "names: drawn");
    all_ok(&mut stranger, &["handle h drop"]);
    check_name_gone(&mut stranger);
    assert_eq!(role.ask("handle h names"), "names: drawn");
}

#[test]
fn a_handle_opens_nothing_of_another_kind() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    for order in ["event x of h", "surface x of h", "section x of h"] {
        refused(&mut maker, order, "Invalid", "fence");
    }
    for order in ["event x open drawn", "surface x open drawn", "section x open drawn"] {
        refused(&mut maker, order, "Invalid", "fence");
    }
}

#[test]
fn the_name_is_free_at_once_however_the_last_copy_ends() {
    let scratch = Scratch::new();
    let mut other = join(&scratch);
    for round in 0..30 {
        let mut maker = sharer(&scratch);
        let mut holder = join(&scratch);
        send(&scratch, &mut maker, "h", &mut holder, &format!("d{round}"));
        // The one that is left is one nobody has opened.
        maker.kill();
        all_ok(&mut other, &["fence f open drawn", "fence f drop"]);
        match round % 3 {
            0 => drop(holder.kill()),
            1 => holder.leave(),
            _ => all_ok(&mut holder, &["drop everything"]),
        }
        all_ok(&mut other, &["fence f create drawn 1", "fence f drop"]);
    }
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn a_name_that_was_closed_can_be_made_again_at_once() {
    let scratch = Scratch::new();
    let mut maker = join(&scratch);
    for round in 0..300 {
        let kind = ["fence f create", "event f create", "section f create", "surface f create"];
        let end = ["1", "auto", "64", "buffer:64"];
        let (made, word) = (kind[round % 4], end[round % 4]);
        all_ok(&mut maker, &[&format!("{made} drawn {word}")]);
        let register = made.split(' ').next().unwrap();
        all_ok(&mut maker, &[&format!("{register} f drop")]);
    }
    maker.leave();
    check_nothing(&scratch);
}

#[test]
fn a_name_that_is_taken_is_refused_with_its_holder() {
    let scratch = Scratch::new();
    let mut maker = sharer(&scratch);
    let mut other = join(&scratch);
    let why = format!("the name drawn is taken by handfast-role[{}]", maker.pid());
    for order in ["fence x create drawn 0", "event x create drawn auto", "section x create drawn 9"]
    {
        refused(&mut other, order, "NameTaken", &why);
    }
    all_ok(&mut maker, &["fence g new 0"]);
    refused(&mut maker, "fence g share drawn all x", "NameTaken", &why);
    // It is as it was, and can be shared under another.
    all_ok(&mut maker, &["fence g signal 3", "fence g share painted all x"]);
    all_ok(&mut other, &["fence x open painted"]);
    assert_eq!(other.ask("fence x value"), "3");
}
