//! Surfaces and sections between processes: every byte arrives, and only who may write can.

use handfast_tests::Scratch;

use crate::party::{Role, all_ok, check_nothing, join, party, refused};

/// Every subresource and byte of a surface arrives.
#[track_caller]
fn check_arrives(form: &str, size: u64, subresources: u32) {
    let scratch = Scratch::new();
    let [mut maker, mut reader] = party(&scratch);
    all_ok(&mut maker, &[&format!("surface s create picture {form}"), "surface s draw 3"]);
    all_ok(&mut reader, &["surface s open picture"]);
    assert_eq!(reader.ask("surface s subresources"), subresources.to_string());
    for seed in [3, 77] {
        all_ok(&mut maker, &[&format!("surface s draw {seed}")]);
        assert_eq!(reader.ask(&format!("surface s check {seed}")), format!("{size} bytes"));
        assert_eq!(maker.ask(&format!("surface s check {seed}")), format!("{size} bytes"));
    }
    assert_eq!(reader.ask("surface s check 78").split(':').next(), Some("error Other"));
    assert_eq!(reader.ask("surface s object"), maker.ask("surface s object"));
    // One more than there are.
    let plural = if subresources == 1 { "" } else { "s" };
    let why = format!("a surface of {subresources} subresource{plural} has none");
    for role in [&mut maker, &mut reader] {
        refused(role, &format!("surface s copy {subresources}"), "Invalid", &why);
        refused(role, &format!("surface s read {size} 1"), "Invalid", "beyond the end");
        refused(role, &format!("surface s read {} 8", u64::MAX), "Invalid", "beyond the end");
        refused(role, &format!("surface s read 0 {}", size + 1), "Invalid", &format!("has {size}"));
    }
    refused(&mut maker, &format!("surface s write {} 0 2", size - 1), "Invalid", "beyond the end");
    maker.leave();
    reader.leave();
    check_nothing(&scratch);
}

#[test]
fn a_picture_arrives() {
    check_arrives("640x480:bgra:1:1", 640 * 4 * 480, 1);
}

#[test]
fn mips_and_layers_arrive() {
    // Rows at multiples of 256, subresources at multiples of 512.
    let mips: u64 = [(32, 16), (16, 8), (8, 4), (4, 2), (2, 1), (1, 1)]
        .into_iter()
        .map(|(_, rows): (u64, u64)| (256 * rows).next_multiple_of(512))
        .sum();
    // The last row of the last is one pixel.
    check_arrives("32x16:bgra:3:6", 3 * mips - 512 + 4, 18);
}

#[test]
fn planes_arrive() {
    check_arrives("512x64:nv12:2:1", 2 * (512 * 64 + 512 * 32), 2);
}

#[test]
fn a_buffer_arrives() {
    check_arrives("buffer:100003", 100_003, 1);
}

#[test]
fn only_its_maker_writes_a_surface_with_one_writer() {
    let scratch = Scratch::new();
    let [mut maker, mut reader] = party(&scratch);
    all_ok(&mut maker, &["surface s create picture 64x4:bgra:1:1", "surface s draw 5"]);
    let makers = "picture: only its maker can write it: make it with Writers::Several";
    for rights in ["read+write", "40000000", "all"] {
        let order = format!("surface s open picture {rights}");
        refused(&mut reader, &order, "AccessDenied", makers);
    }
    let nothing = "picture: no right is asked for";
    refused(&mut reader, "surface s open picture 0", "AccessDenied", nothing);
    let no_right = "picture: 0x4 is no right of a surface";
    refused(&mut reader, "surface s open picture 4", "AccessDenied", no_right);
    refused(&mut maker, "surface s share - 0 h", "Invalid", "no right is asked for");
    all_ok(&mut reader, &["surface s open picture"]);
    refused(&mut reader, "surface s write 0 9 1", "AccessDenied", "can only be read");
    let in_place = "only its maker can write this surface: make it with Writers::Several";
    refused(&mut reader, "surface s row 0 0 0 9", "AccessDenied", in_place);
    assert_eq!(reader.ask("surface s in-place"), "none");
    // The same user, and root if this is root: the kernel says no, not the library.
    assert_eq!(reader.ask("protect"), "protect: permission denied");
    assert_eq!(reader.ask("memory picture"), "written: EPERM mapped: EPERM reopened: EPERM EPERM");
    assert_eq!(maker.ask("surface s check 5"), "1024 bytes");
    // Its maker does, in place.
    assert_eq!(maker.ask("surface s in-place"), "some");
    assert_eq!(maker.ask("surface s row 0 0 3 7"), "256");
    assert_eq!(
        reader.ask("surface s read 767 3"),
        format!("{:02x}0707", ((767 * 31) ^ 2 ^ 5) % 256)
    );
    refused(&mut maker, "surface s row 0 0 4 7", "Invalid", "no row 4 in plane 0");
    refused(&mut maker, "surface s row 0 1 0 7", "Invalid", "no row 0 in plane 1");
    refused(&mut maker, "surface s row 1 0 0 7", "Invalid", "none with the number 1");
    // Nor by another opening of his own.
    all_ok(&mut maker, &["surface t open picture"]);
    refused(&mut maker, "surface t write 0 9 1", "AccessDenied", "can only be read");
}

#[test]
fn several_writers_all_write() {
    let scratch = Scratch::new();
    let [mut maker, mut writer, mut reader] = party(&scratch);
    all_ok(&mut maker, &["surface s create picture buffer:64 several"]);
    all_ok(&mut writer, &["surface s open picture read+write"]);
    all_ok(&mut reader, &["surface s open picture"]);
    all_ok(&mut maker, &["surface s write 0 1 8"]);
    all_ok(&mut writer, &["surface s write 4 2 8"]);
    for role in [&mut maker, &mut writer, &mut reader] {
        assert_eq!(role.ask("surface s read 0 13"), "01010101020202020202020200");
    }
    refused(&mut reader, "surface s write 0 9 1", "AccessDenied", "can only be read");
    assert_eq!(reader.ask("protect"), "protect: permission denied");
    // In place would let others write under a reference.
    for role in [&mut maker, &mut writer] {
        assert_eq!(role.ask("surface s in-place"), "none");
    }
    let picture = "surface p create rows 4x4:bgra:1:1 several";
    all_ok(&mut maker, &[picture]);
    refused(&mut maker, "surface p row 0 0 0 1", "AccessDenied", "write it with write()");
    // Reading is part of every opening.
    for rights in ["write", "10000", "40000"] {
        let why = "rows: a surface is opened to be read: ask for GENERIC_READ too";
        let order = format!("surface q open rows {rights}");
        refused(&mut reader, &order, "AccessDenied", why);
    }
}

#[test]
fn sections_are_shared_by_the_same_rules() {
    let scratch = Scratch::new();
    let [mut maker, mut other, mut reader] = party(&scratch);
    all_ok(&mut maker, &["section s create one 5000", "section t create both 5000 several"]);
    all_ok(&mut other, &["section s open one", "section t open both map-read+map-write"]);
    all_ok(&mut reader, &["section t open both"]);
    all_ok(&mut maker, &["section s write 4998 7 2", "section t write 4998 8 2"]);
    assert_eq!(other.ask("section s read 4997 3"), "000707");
    assert_eq!(other.ask("section t read 4997 3"), "000808");
    refused(&mut other, "section s write 0 1 1", "AccessDenied", "can only be read");
    refused(&mut other, "section x open one map-write", "AccessDenied", "only its maker can");
    all_ok(&mut other, &["section t write 0 9 1"]);
    assert_eq!(maker.ask("section t read 0 2"), "0900");
    refused(&mut reader, "section t write 0 1 1", "AccessDenied", "can only be read");
    for (section, role) in [("s", &mut maker), ("t", &mut other)] {
        refused(role, &format!("section {section} read 4999 2"), "Invalid", "beyond the end");
        refused(role, &format!("section {section} write 5000 1 1"), "Invalid", "beyond the end");
        assert_eq!(role.ask(&format!("section {section} size")), "5000");
    }
    refused(&mut maker, "section z create none 0", "Invalid", "");
    all_ok(&mut reader, &["section q open both 0x1"]);
    refused(&mut reader, "section q read 0 1", "AccessDenied", "without the right");
}

#[test]
fn readers_keep_the_memory_when_its_maker_dies() {
    let scratch = Scratch::new();
    let [mut maker, mut reader, mut other] = party(&scratch);
    all_ok(&mut maker, &["surface s create picture 64x4:bgra:1:1", "surface s draw 9"]);
    all_ok(&mut reader, &["surface s open picture"]);
    maker.kill();
    assert_eq!(reader.ask("surface s check 9"), "1024 bytes");
    refused(&mut other, "surface s open picture", "NotFound", "picture");
    // Who has it open shares it again, under the same name, with what he may do himself.
    refused(&mut reader, "surface s share picture all h", "AccessDenied", "");
    all_ok(&mut reader, &["surface s share picture read h"]);
    all_ok(&mut other, &["surface s open picture"]);
    assert_eq!(other.ask("surface s check 9"), "1024 bytes");
    assert_eq!(other.ask("surface s object"), reader.ask("surface s object"));
    reader.leave();
    refused(&mut other, "surface t open picture", "NotFound", "picture");
    assert_eq!(other.ask("surface s check 9"), "1024 bytes");
    other.leave();
    check_nothing(&scratch);
}

#[test]
fn what_is_open_outlives_its_name() {
    let scratch = Scratch::new();
    let [mut maker, mut reader] = party(&scratch);
    all_ok(&mut maker, &["surface s new 64x4:bgra:1:1", "surface s share picture all h"]);
    all_ok(&mut reader, &["surface s open picture"]);
    let object = maker.ask("surface s object");
    all_ok(&mut maker, &["handle h drop"]);
    refused(&mut reader, "surface t open picture", "NotFound", "picture");
    all_ok(&mut maker, &["surface s draw 4"]);
    assert_eq!(reader.ask("surface s check 4"), "1024 bytes");
    // The same object under the same name; another object under it is another.
    all_ok(&mut maker, &["surface s share picture all h"]);
    all_ok(&mut reader, &["surface t open picture"]);
    assert_eq!(reader.ask("surface t object"), object);
    all_ok(&mut maker, &["handle h drop", "surface u create picture 64x4:bgra:1:1"]);
    all_ok(&mut reader, &["surface t open picture"]);
    assert_ne!(reader.ask("surface t object"), object);
    assert_eq!(maker.ask("surface s object"), object);
}

#[test]
fn two_names_of_one_surface_live_each_for_itself() {
    let scratch = Scratch::new();
    let [mut maker, mut reader] = party(&scratch);
    all_ok(&mut maker, &["surface s new buffer:64", "surface s share one all h"]);
    all_ok(&mut maker, &["surface s share two read i"]);
    refused(&mut maker, "surface s share two read j", "NameTaken", "two");
    all_ok(&mut reader, &["surface s open one", "surface t open two"]);
    assert_eq!(reader.ask("surface s object"), reader.ask("surface t object"));
    all_ok(&mut maker, &["handle h drop"]);
    refused(&mut reader, "surface u open one", "NotFound", "one");
    all_ok(&mut reader, &["surface u open two"]);
}

#[test]
fn what_cannot_be_is_refused_with_the_numbers() {
    let scratch = Scratch::new();
    let mut role: Role = join(&scratch);
    for (form, why) in [
        ("0x8:bgra:1:1", "0"),
        ("8x8:bgra:0:1", "0 layers"),
        ("8x8:bgra:1:5", "5 mip levels: 1 to 4"),
        ("8x8:nv12:1:2", "2 mip levels: 1 to 1"),
        ("buffer:0", "0"),
        ("buffer:18446744073709551615", ""),
    ] {
        refused(&mut role, &format!("surface s new {form}"), "PictureInvalid", why);
    }
    refused(&mut role, "surface s create a\\b buffer:64", "NameInvalid", "");
    let long = "n".repeat(261);
    refused(&mut role, &format!("surface s create {long} buffer:64"), "NameInvalid", "260");
    assert!(scratch.left().len() <= 1, "{:?}", scratch.left());
}
