//! What is denied, and in what words.

use super::*;

#[test]
fn denied_says_what_was_wanted_and_what_is_granted() {
    let mut desk = Desk::new();
    let (mine, theirs) = (desk.client(1000), desk.client(1001));
    desk.create(mine, "Global\\cam");
    let none = AccessMask::empty();
    let (owner_uid, kind) = (1000, Kind::Stream);
    let denied = Err(Error::AccessDenied { wanted: READ, granted: none, owner_uid, kind });
    assert_eq!(desk.try_open(theirs, "Global\\cam", READ), denied);

    let opening = desk.try_open(mine, "Global\\cam", AccessMask::STREAM_QUERY).unwrap();
    let denied = Err(Error::AccessDenied {
        wanted: AccessMask::STREAM_RECEIVE,
        granted: AccessMask::STREAM_QUERY,
        owner_uid,
        kind,
    });
    assert_eq!(desk.join(mine, opening), denied);
    let denied = Err(Error::AccessDenied {
        wanted: AccessMask::STREAM_SEND,
        granted: AccessMask::STREAM_QUERY,
        owner_uid,
        kind,
    });
    assert_eq!(desk.publish(mine, opening, 1, 4096), denied);
}

#[test]
fn a_share_carries_no_more_than_its_opening() {
    let mut desk = Desk::new();
    let mine = desk.client(1000);
    desk.create(mine, "cam");
    let opening = desk.try_open(mine, "cam", AccessMask::STREAM_QUERY).unwrap();
    let granted = AccessMask::STREAM_QUERY;
    let wanted = AccessMask::STREAM_RECEIVE | AccessMask::STREAM_QUERY | AccessMask::READ_CONTROL;
    let denied = Err(Error::AccessDenied { wanted, granted, owner_uid: 1000, kind: Kind::Stream });
    assert_eq!(desk.try_share(mine, opening, None), denied);
}

#[test]
fn nothing_and_undefined_rights_are_refused() {
    let mut desk = Desk::new();
    let mine = desk.client(1000);
    for access in [AccessMask::empty(), AccessMask::from_bits_retain(0x8000)] {
        let create = Request::StreamCreate { name: None, access, form: DESCRIPTOR };
        assert_eq!(desk.ask(mine, &create), Err(Error::AccessInvalid { wanted: access }));
    }
}
