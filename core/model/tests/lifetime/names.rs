//! How long a name lives, who sees it and who is told that it is taken.

use super::*;

#[test]
fn a_name_lives_as_long_as_any_handle_of_its_share() {
    let mut desk = Desk::new();
    let (sender, other) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    let second = desk.try_open_handle(other, "cam").unwrap();
    desk.close(made.handle);
    assert_eq!(desk.seen(other), ["cam"], "a handle of the share is left");
    desk.close(second);
    assert!(desk.seen(other).is_empty(), "no handle of the share is left");
    assert_eq!(desk.try_open(other, "cam", READ), Err(Error::NameNotFound));
}

#[test]
fn an_opening_does_not_keep_a_name() {
    let mut desk = Desk::new();
    let (sender, receiver) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    let opening = desk.open(receiver, "cam");
    desk.close(made.handle);
    assert_eq!(desk.try_open(receiver, "cam", READ), Err(Error::NameNotFound));
    assert_eq!(desk.facts(receiver, opening).object, made.object, "the object lives on");
    let again = desk.create(receiver, "cam");
    assert_ne!(again.object, made.object, "the name is free for another object");
}

#[test]
fn a_handle_of_another_share_does_not_keep_a_name() {
    let mut desk = Desk::new();
    let sender = desk.client(1000);
    let made = desk.create(sender, "cam");
    let unnamed = desk.try_share(sender, made.opening, None).unwrap();
    desk.close(made.handle);
    assert_eq!(desk.try_open(sender, "cam", READ), Err(Error::NameNotFound));
    assert_eq!(desk.objects(), 1, "the other share keeps the object");
    desk.drop_opening(sender, made.opening);
    desk.close(unnamed);
    assert_eq!(desk.objects(), 0);
}

#[test]
fn a_taken_name_says_who_bears_it_and_since_when() {
    let mut desk = Desk::new();
    let (first, second) = (desk.client(1000), desk.client(1001));
    desk.clock_ns = 41;
    desk.create(first, "Global\\cam");
    let taken = Error::NameTaken { pid: 1001, uid: 1000, made_ns: 42, kind: Kind::Stream };
    assert_eq!(desk.try_create(second, Some("Global\\cam")).unwrap_err(), taken);
    let other = desk.try_create(second, None).unwrap();
    assert_eq!(desk.try_share(second, other.opening, Some("Global\\cam")), Err(taken));
}

#[test]
fn two_shares_of_one_object_have_two_names_and_two_counts() {
    let mut desk = Desk::new();
    let (sender, other) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    let stage = desk.try_share(sender, made.opening, Some("stage")).unwrap();
    assert_eq!(desk.seen(other), ["cam", "stage"]);
    let (by_cam, by_stage) = (desk.open(other, "cam"), desk.open(other, "stage"));
    assert_eq!(desk.facts(other, by_cam).object, desk.facts(other, by_stage).object);
    let second_of_stage = desk.try_open_handle(other, "stage").unwrap();
    assert_eq!(desk.facts(other, by_cam).handles, 3);
    desk.close(made.handle);
    assert_eq!(desk.seen(other), ["stage"], "only the first share's name is gone");
    desk.close(stage);
    assert_eq!(desk.seen(other), ["stage"], "one handle of the second share is left");
    desk.close(second_of_stage);
    assert!(desk.seen(other).is_empty());
}

#[test]
fn local_names_are_one_directory_for_each_user() {
    let mut desk = Desk::new();
    let (mine, theirs, system) = (desk.client(1000), desk.client(1001), desk.client(0));
    desk.create(mine, "Local\\cam");
    for other in [theirs, system] {
        assert!(desk.seen(other).is_empty(), "{other:?} sees another user's Local\\");
        assert_eq!(desk.try_open(other, "cam", READ), Err(Error::NameNotFound));
    }
    desk.create(theirs, "cam");
    let same_user = desk.client(1000);
    assert_eq!(desk.seen(same_user), ["cam"]);
}

#[test]
fn global_names_are_one_directory_for_all() {
    let mut desk = Desk::new();
    let (mine, theirs, system) = (desk.client(1000), desk.client(1001), desk.client(0));
    desk.create(mine, "Global\\cam");
    for client in [mine, theirs, system] {
        assert_eq!(desk.seen(client), ["Global\\cam"]);
    }
    assert!(desk.try_open(system, "Global\\cam", ALL).is_ok());
    assert!(desk.try_open(system, "cam", ALL).is_err(), "a local name is another name");
}

#[test]
fn the_handles_that_bear_a_name_are_asked_about_first() {
    let mut desk = Desk::new();
    let (sender, other) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    let second = desk.try_open_handle(other, "cam").unwrap();
    desk.create(sender, "stage");
    let create =
        Request::StreamCreate { name: Some(RawName::from("cam")), access: ALL, form: DESCRIPTOR };
    let poll = desk.manager.concerned(other, &create, Came::Nothing).handles;
    assert_eq!(poll, [made.handle, second], "the handles that could be closed already");
    let stranger = desk.client(1001);
    assert!(desk.manager.concerned(stranger, &create, Came::Nothing).handles.is_empty());
}
