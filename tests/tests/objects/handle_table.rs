//! Handles by their values: in one process, in the programs that it starts, and when something
//! happens to the numbers behind them.

use handfast_tests::Scratch;

use crate::party::{Role, all_ok, check_nothing, join, play, refused};

/// Makes the value `v` of a fence at 5 that is shared as `drawn`; says it.
fn shared(role: &mut Role) -> String {
    all_ok(role, &["fence f new 5", "fence f share drawn all h"]);
    value(role, "value v insert h")
}

/// What an order that makes a value answers.
#[track_caller]
pub(crate) fn value(role: &mut Role, order: &str) -> String {
    let value = role.ask(order);
    assert!(value.starts_with("0x"), "{order}: {value}");
    value
}

#[track_caller]
pub(crate) fn invalid(role: &mut Role, order: &str) {
    refused(role, order, "HandleInvalid", "");
}

#[track_caller]
pub(crate) fn name_gone(role: &mut Role) {
    refused(role, "fence gone open drawn", "NotFound", "drawn");
}

#[test]
fn a_value_is_four_times_its_descriptor_and_carries_the_name() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    let text = shared(&mut role);
    let bits = u32::from_str_radix(&text[2..], 16).expect("a value");
    assert!(bits >= 12 && bits.is_multiple_of(4), "{text}");
    assert!(role.ask("value v link").contains("pipe:"));
    assert_eq!(role.ask("value v kind"), "Fence");
    assert_eq!(role.ask("value v access"), "001f0003");
    assert_eq!(role.ask("value v object"), role.ask("fence f object"));
    assert_eq!(role.ask("value v flags"), "0");
    all_ok(&mut role, &["value v signal 6"]);
    assert_eq!(role.ask("fence f value"), "6");
    all_ok(&mut role, &["value v handle copy", "value v close"]);
    all_ok(&mut role, &["fence by-name open drawn", "handle copy drop"]);
    name_gone(&mut role);
    assert_eq!(role.ask("value v link"), "none");
    let why = format!(
        "{text} is no handle: it was closed here, or never was one; a Rust program gives the table \
         an inherited descriptor with HandleTable::adopt"
    );
    refused(&mut role, "value v close", "HandleInvalid", &why);
    refused(&mut role, "value v value", "HandleInvalid", &why);
    role.leave();
    check_nothing(&scratch);
}

#[test]
fn every_kind_is_used_by_its_value_and_no_other() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    let objects = [
        ("surface s create picture buffer:4096", "surface s share - read h"),
        ("section m create memory 4096", "section m share - map-read h"),
        ("event e create go auto", "event e share - all h"),
        ("fence f create drawn 5", "fence f share - all h"),
    ];
    for ((make, share), register) in objects.into_iter().zip(["s", "m", "e", "f"]) {
        all_ok(&mut role, &[make, share]);
        value(&mut role, &format!("value {register} insert h"));
    }
    assert_eq!(role.ask("value s size"), "4096");
    assert_eq!(role.ask("value m open"), "4096");
    assert_eq!(role.ask("value e set"), "false");
    assert_eq!(role.ask("value e is-set"), "true");
    assert_eq!(role.ask("event e is-set"), "true");
    assert_eq!(role.ask("value f value"), "5");
    refused(&mut role, "value f set", "Invalid", "it is a fence, not an event");
    refused(&mut role, "value e value", "Invalid", "it is an event, not a fence");
    refused(&mut role, "value m size", "Invalid", "it is a section, not a surface");
    // What there is comes before what it is, and that before what may be done.
    all_ok(&mut role, &["fence f share - wait h"]);
    value(&mut role, "value w insert h");
    refused(&mut role, "value w signal 9", "AccessDenied", "signal it");
    refused(&mut role, "value w set", "Invalid", "not an event");
    all_ok(&mut role, &["value w close"]);
    invalid(&mut role, "value w set");
    role.leave();
}

#[test]
fn what_is_no_value_of_this_process_is_invalid() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    for bits in ["0x0", "0x4", "0x8", "0xc", "0xd", "0x40", "0x1ffffffc", "0x20000004"] {
        value(&mut role, &format!("value v is {bits}"));
        for order in ["close", "set", "value", "handle x", "kind", "flags", "remove x"] {
            invalid(&mut role, &format!("value v {order}"));
        }
        invalid(&mut role, "value w dup v same none 0");
    }
    for bits in ["0xc0000002", "0xffffffff", "0xfffffffa", "0x80000004", "0x60000000"] {
        value(&mut role, &format!("value v is {bits}"));
        invalid(&mut role, "value v close");
        invalid(&mut role, "value v set");
    }
    role.leave();
}

#[test]
fn a_program_that_is_started_has_an_inheritable_handle_under_the_same_value() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    shared(&mut role);
    let object = role.ask("value v object");
    assert!(role.ask("value v start").starts_with("error HandleInvalid: "), "unless it is said");
    all_ok(&mut role, &["value v flags 1 1"]);
    for _ in 0..2 {
        let said = role.ask("value v start");
        assert_eq!(said, format!("{object} flags 1 value 5"), "it is inheritable there, too");
    }
    all_ok(&mut role, &["value v flags 1 0"]);
    assert!(role.ask("value v start").starts_with("error HandleInvalid: "));
    role.leave();
    check_nothing(&scratch);
}

#[test]
fn a_number_that_is_no_handle_is_not_taken_and_stays_open() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    shared(&mut role);
    for what in ["file", "folder", "memfd", "socket", "pipe", "write-end"] {
        value(&mut role, &format!("value x hold {what}"));
        let link = role.ask("value x link");
        for order in ["adopt-number", "close", "set"] {
            invalid(&mut role, &format!("value x {order}"));
        }
        assert_eq!(role.ask("value x link"), link, "{what}");
    }
    value(&mut role, "value x is 0x1ffffffc");
    invalid(&mut role, "value x adopt-number");
    // A handle that the table has is not taken twice.
    all_ok(&mut role, &["value v adopt-number", "value v close"]);
    name_gone(&mut role);
    role.leave();
}

#[test]
fn a_number_that_somebody_closed_is_no_handle_any_more() {
    let scratch = Scratch::new();
    for order in ["close", "kind", "flags", "flags 1 1", "handle x", "remove x", "access"] {
        let mut role = join(&scratch);
        shared(&mut role);
        all_ok(&mut role, &["value v close-number"]);
        invalid(&mut role, &format!("value v {order}"));
        invalid(&mut role, "value v kind");
        name_gone(&mut role);
        role.leave();
    }
}

#[test]
fn a_number_that_is_something_else_by_now_is_not_closed() {
    let scratch = Scratch::new();
    let orders = ["value v close", "value v kind", "value w dup v same none 1", "value v remove x"];
    for order in orders {
        let mut role = join(&scratch);
        shared(&mut role);
        all_ok(&mut role, &["value v put-null"]);
        invalid(&mut role, order);
        assert_eq!(role.ask("value v link"), "link: /dev/null", "{order}");
        invalid(&mut role, "value v close");
        assert_eq!(role.ask("value v link"), "link: /dev/null");
        all_ok(&mut role, &["value v close-number"]);
        role.leave();
    }
    check_nothing(&scratch);
}

#[test]
fn another_handle_with_the_number_of_one_that_somebody_closed_is_left_alone() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    let first = shared(&mut role);
    all_ok(&mut role, &["value v close-number", "fence g new 7", "fence g share other all h"]);
    // What fills the gap is the lowest number that is free.
    assert_eq!(value(&mut role, "value w insert h"), first);
    assert_eq!(role.ask("value w value"), "7", "not what the value was opened as before");
    // The same share under the same number is another handle, too.
    all_ok(&mut role, &["value w handle h", "value w close-number", "handle i dup h"]);
    assert_eq!(value(&mut role, "value w insert i"), first);
    all_ok(&mut role, &["handle h drop", "fence by-name open other", "value w close"]);
    refused(&mut role, "fence gone open other", "NotFound", "other");
    role.leave();
    check_nothing(&scratch);
}

#[test]
fn what_was_opened_by_a_value_works_until_the_value_is_closed() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    shared(&mut role);
    assert_eq!(role.ask("value v value"), "5");
    all_ok(&mut role, &["value v close-number", "value v signal 8"]);
    assert_eq!(role.ask("fence f value"), "8", "no system call looks after the number");
    invalid(&mut role, "value v close");
    invalid(&mut role, "value v value");
    role.leave();
}

#[test]
fn a_handle_that_is_protected_is_not_closed() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    shared(&mut role);
    all_ok(&mut role, &["value v flags 3 2"]);
    assert_eq!(role.ask("value v flags"), "2");
    for order in ["value v close", "value v remove x"] {
        refused(&mut role, order, "Misuse", "protected");
    }
    assert_eq!(role.ask("value v value"), "5");
    all_ok(&mut role, &["value v flags 1 1"]);
    assert_eq!(role.ask("value v flags"), "3", "only what is asked to change does");
    // One that is gone is gone, protected or not.
    all_ok(&mut role, &["value v put-null"]);
    invalid(&mut role, "value v close");
    assert_eq!(role.ask("value v link"), "link: /dev/null");
    value(&mut role, "value w fence f");
    all_ok(&mut role, &["value w flags 2 2", "value w flags 2 0", "value w close"]);
    role.leave();
}

#[test]
fn a_duplicate_is_another_handle_of_the_same_share() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    let source = shared(&mut role);
    all_ok(&mut role, &["value v flags 3 3"]);
    let duplicate = value(&mut role, "value w dup v same none 0");
    assert_ne!(duplicate, source);
    assert_eq!(role.ask("value w flags"), "0", "flags are not passed on");
    assert_eq!(role.ask("value w access"), "001f0003");
    value(&mut role, "value i dup v same children 0");
    assert_eq!(role.ask("value i flags"), "1");
    value(&mut role, "value n dup v wait none 0");
    assert_eq!(role.ask("value n access"), "00000001");
    refused(&mut role, "value n signal 9", "AccessDenied", "signal it");
    value(&mut role, "value m dup n all none 0");
    assert_eq!(role.ask("value m access"), "001f0003", "its maker may have more");
    refused(&mut role, "value x dup v 0x8000 none 0", "AccessDenied", "");
    refused(&mut role, "value x dup v 0x0 none 0", "Invalid", "no right");
    all_ok(&mut role, &["value v flags 2 0", "value v close", "value w close", "value i close"]);
    all_ok(&mut role, &["value m close", "fence by-name open drawn", "value n close"]);
    name_gone(&mut role);
    role.leave();
    check_nothing(&scratch);
}

/// DUP-007: the same value comes back with the inheritance that was asked for.
#[test]
fn closing_the_source_gives_the_same_value_back() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    let source = shared(&mut role);
    assert_eq!(value(&mut role, "value w dup v same children 1"), source);
    assert_eq!(role.ask("value w flags"), "1");
    assert_eq!(value(&mut role, "value w dup v same none 1"), source);
    assert_eq!(role.ask("value w flags"), "0");
    role.leave();
}

/// DUP-008: a source that is protected stays, and the duplicate has another value.
#[test]
fn a_protected_source_is_not_closed_by_its_duplication() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    let source = shared(&mut role);
    all_ok(&mut role, &["value v flags 3 2"]);
    assert_ne!(value(&mut role, "value w dup v same children 1"), source);
    assert_eq!(role.ask("value w flags"), "1");
    assert_eq!(role.ask("value v flags"), "2");
    assert_eq!(role.ask("value v value"), "5");
    role.leave();
}

/// DUP-009: the source's own value, not the lowest that is free; and its rights are new.
#[test]
fn closing_the_source_for_other_rights_keeps_its_value() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    all_ok(&mut role, &["event e new auto"]);
    value(&mut role, "value low event e");
    let source = shared(&mut role);
    all_ok(&mut role, &["value low close", "value v signal 6"]);
    assert_eq!(value(&mut role, "value w dup v wait children 1"), source);
    assert_eq!(role.ask("value v access"), "00000001");
    assert_eq!(role.ask("value v flags"), "1");
    assert_eq!(role.ask("value v value"), "6");
    refused(&mut role, "value v signal 9", "AccessDenied", "signal it");
    // It is closed also where nothing comes of it.
    refused(&mut role, "value w dup v 0x8000 none 1", "AccessDenied", "");
    invalid(&mut role, "value v kind");
    name_gone(&mut role);
    role.leave();
    check_nothing(&scratch);
}

/// DUP-010, DUP-011: both flags are the source's, whatever was asked for.
#[test]
fn the_same_attributes_are_both_flags() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    let source = shared(&mut role);
    value(&mut role, "value w dup v same children 4");
    assert_eq!(role.ask("value w flags"), "0");
    all_ok(&mut role, &["value v flags 3 3"]);
    value(&mut role, "value x dup v same none 4");
    assert_eq!(role.ask("value x flags"), "3");
    assert_ne!(value(&mut role, "value y dup v same none 5"), source, "it is protected");
    assert_eq!(role.ask("value y flags"), "3");
    all_ok(&mut role, &["value v flags 2 0"]);
    assert_eq!(value(&mut role, "value z dup v same none 5"), source);
    assert_eq!(role.ask("value z flags"), "1");
    role.leave();
}

#[test]
fn an_object_of_ones_own_has_a_value_and_no_handle_until_it_needs_one() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    all_ok(&mut role, &["event e new auto", "fence f new 3"]);
    let event = value(&mut role, "value v event e");
    let fence = value(&mut role, "value w fence f");
    let twin = value(&mut role, "value t dup v same none 0");
    assert!(event != fence && fence != twin && event != twin);
    assert_eq!(role.ask("value v set"), "false");
    assert_eq!(role.ask("event e reset"), "true");
    assert_eq!(role.ask("value v object"), "None");
    assert_eq!(role.ask("value v access"), "001f0003");
    assert_eq!(role.ask("value w value"), "3");
    for register in ["v", "w", "t"] {
        assert!(role.ask(&format!("value {register} link")).contains("placeholder"));
    }
    assert_eq!(scratch.broker(), None, "nobody was asked");
    // Each of these needs the handle; the number stays.
    let object = |role: &mut Role| role.ask("value v object");
    all_ok(&mut role, &["value v flags 3 3"]);
    assert_eq!(role.ask("value v flags"), "3", "as it was said");
    assert!(role.ask("value v link").contains("pipe:"));
    assert_ne!(object(&mut role), "None");
    assert_eq!(role.ask("event e object"), object(&mut role));
    assert_eq!(role.ask("value v set"), "false");
    assert_eq!(role.ask("event e is-set"), "true");
    assert!(role.ask("value t link").contains("placeholder"), "its twin goes on without");
    assert_eq!(role.ask("value t is-set"), "true");
    all_ok(&mut role, &["value t handle h"]);
    assert!(role.ask("value t link").contains("pipe:"));
    assert_eq!(role.ask("handle h object"), object(&mut role));
    assert_eq!(role.ask("handle h handles"), "1", "both have the one share that there is");
    assert_eq!(role.ask("value t flags"), "0");
    let more = value(&mut role, "value x dup w wait none 0");
    assert_ne!(more, fence);
    assert_eq!(role.ask("value x value"), "3");
    assert!(role.ask("value w link").contains("pipe:"));
    role.leave();
    check_nothing(&scratch);
}

#[test]
fn a_placeholder_is_a_handle_to_nobody() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    all_ok(&mut role, &["event e new auto"]);
    let text = value(&mut role, "value v event e");
    let pid = role.pid();
    assert!(role.ask("value v start").starts_with("error HandleInvalid: "));
    let mut other = join(&scratch);
    refused(&mut other, &format!("value x fetch {pid} {text} same"), "HandleInvalid", &text);
    // One that the table does not have is refused by the broker.
    value(&mut other, "value x hold memfd");
    invalid(&mut other, "value x adopt-number");
    refused(&mut other, "handle h from memfd", "HandleInvalid", "no handle");
    // Closed or put away behind its back it is treated like a handle.
    all_ok(&mut role, &["value v put-null"]);
    invalid(&mut role, "value v handle x");
    assert_eq!(role.ask("value v link"), "link: /dev/null");
    invalid(&mut role, "value v close");
    role.leave();
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn a_handle_is_taken_out_of_the_table_and_put_in_again() {
    let scratch = Scratch::new();
    let mut role = join(&scratch);
    let text = shared(&mut role);
    all_ok(&mut role, &["value v remove h"]);
    invalid(&mut role, "value v kind");
    all_ok(&mut role, &["fence by-name open drawn"]);
    assert_eq!(value(&mut role, "value v insert h"), text);
    all_ok(&mut role, &["event e new auto"]);
    value(&mut role, "value w event e");
    all_ok(&mut role, &["value w remove g"]);
    assert_eq!(role.ask("handle g kind"), "Event");
    // With what it is of there is nothing to open.
    all_ok(&mut role, &["event e share - all g"]);
    value(&mut role, "value w insert g with e");
    assert_eq!(role.ask("value w set"), "false");
    all_ok(&mut role, &["event e share - query g"]);
    value(&mut role, "value w insert g with e");
    refused(&mut role, "value w set", "AccessDenied", "set it");
    role.leave();
    check_nothing(&scratch);
}

#[test]
fn a_forked_child_begins_with_no_values() {
    play(&["forked-values"]);
}

#[test]
fn threads_that_use_and_close_values_at_once_close_nothing_of_others() {
    play(&["value-storm", "1500"]);
}
