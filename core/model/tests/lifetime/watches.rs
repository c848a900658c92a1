//! What is told, to whom, and how often.

use super::*;

#[test]
fn a_name_is_told_once_to_each_who_waits_for_it() {
    let mut desk = Desk::new();
    let (first, second, stranger) = (desk.client(1000), desk.client(1000), desk.client(1001));
    for client in [first, second, stranger] {
        let watch = Request::WatchName { name: RawName::from("cam"), watch: 5 };
        assert_eq!(desk.ask(client, &watch), Ok(Reply::Watching { bound: false }));
    }
    desk.create(first, "stage");
    assert_eq!(desk.events(), [], "another name");
    let made = desk.create(first, "cam");
    let bound = Event::NameBound { watch: 5 };
    assert_eq!(desk.events(), [(first, bound), (second, bound)]);
    desk.drop_opening(first, made.opening);
    desk.close(made.handle);
    desk.create(first, "cam");
    assert_eq!(desk.events(), [], "a watch fires once");
}

#[test]
fn a_name_that_is_there_is_said_at_once_and_the_watch_stands() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.create(client, "cam");
    let watch = Request::WatchName { name: RawName::from("cam"), watch: 1 };
    assert_eq!(desk.ask(client, &watch), Ok(Reply::Watching { bound: true }));
    desk.done();
    desk.close(made.handle);
    desk.create(client, "cam");
    assert_eq!(desk.events(), [(client, Event::NameBound { watch: 1 })]);
}

#[test]
fn every_change_of_a_listing_is_told_once() {
    let mut desk = Desk::new();
    let (watcher, other) = (desk.client(1000), desk.client(1000));
    let told = |desk: &mut Desk, what: &str, change: &mut dyn FnMut(&mut Desk)| {
        desk.ask(watcher, &Request::WatchAll { watch: 3 }).unwrap();
        desk.done();
        change(desk);
        let changed = [(watcher, Event::Changed { watch: 3 })];
        assert_eq!(desk.events(), changed, "{what}");
    };
    let mut made = None;
    told(&mut desk, "create", &mut |desk| made = Some(desk.create(other, "cam")));
    let made = made.unwrap();
    desk.mapped(other, made.opening);
    let mut opening = OpeningId(0);
    told(&mut desk, "open", &mut |desk| opening = desk.open(other, "cam"));
    told(&mut desk, "join", &mut |desk| assert!(desk.join(other, opening).is_ok()));
    told(&mut desk, "publish", &mut |desk| {
        desk.publish(other, made.opening, 1, 4096).unwrap();
    });
    let mut handle = HandleId(0);
    told(&mut desk, "open handle", &mut |desk| {
        handle = desk.try_open_handle(other, "cam").unwrap();
    });
    told(&mut desk, "close one handle", &mut |desk| desk.close(handle));
    told(&mut desk, "share", &mut |desk| {
        desk.try_share(other, made.opening, Some("stage")).unwrap();
    });
    told(&mut desk, "drop", &mut |desk| desk.drop_opening(other, opening));
    told(&mut desk, "close the last handle", &mut |desk| desk.close(made.handle));
    told(&mut desk, "death", &mut |desk| desk.die(other));
}

#[test]
fn a_forgotten_watch_is_silent_and_a_number_can_be_used_again() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    desk.ask(client, &Request::WatchAll { watch: 1 }).unwrap();
    assert_eq!(desk.ask(client, &Request::Unwatch { watch: 1 }), Ok(Reply::Done));
    assert_eq!(desk.ask(client, &Request::Unwatch { watch: 1 }), Ok(Reply::Done));
    desk.create(client, "cam");
    assert_eq!(desk.events(), []);
    desk.ask(client, &Request::WatchAll { watch: 1 }).unwrap();
    let watch = Request::WatchName { name: RawName::from("stage"), watch: 1 };
    desk.ask(client, &watch).unwrap();
    desk.create(client, "stage");
    assert_eq!(desk.events(), [(client, Event::NameBound { watch: 1 })], "replaced");
}
