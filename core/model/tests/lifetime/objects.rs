//! How long an object lives.

use super::*;

#[test]
fn an_object_dies_when_handles_and_openings_are_both_gone_in_both_orders() {
    for handle_first in [true, false] {
        let mut desk = Desk::new();
        let sender = desk.client(1000);
        let made = desk.create(sender, "cam");
        if handle_first {
            desk.close(made.handle);
            assert_eq!(desk.objects(), 1, "the opening keeps it");
            desk.drop_opening(sender, made.opening);
        } else {
            desk.drop_opening(sender, made.opening);
            assert_eq!(desk.objects(), 1, "the handle keeps it");
            assert_eq!(desk.seen(sender), ["cam"], "and its name");
            desk.close(made.handle);
        }
        assert_eq!(desk.objects(), 0, "handle first: {handle_first}");
        let done = desk.done();
        let made: Vec<_> = done.iter().filter(|e| matches!(e, Effect::MakePage { .. })).collect();
        let dropped = done.iter().filter(|e| matches!(e, Effect::DropPage { .. })).count();
        assert_eq!(dropped, made.len(), "every page is dropped: {done:?}");
    }
}

#[test]
fn a_death_leaves_what_dropping_one_by_one_leaves() {
    let mut desk = Desk::new();
    let (sender, other) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    desk.open(other, "cam");
    desk.open(other, "cam");
    assert_eq!(desk.facts(sender, made.opening).openings, 3);
    desk.die(other);
    assert_eq!(desk.facts(sender, made.opening).openings, 1);
    assert_eq!(desk.seen(sender), ["cam"]);
}

#[test]
fn handles_outlive_their_client() {
    let mut desk = Desk::new();
    let (sender, other) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    desk.die(sender);
    assert_eq!(desk.seen(other), ["cam"], "a copy of the handle may live elsewhere");
    desk.close(made.handle);
    assert_eq!(desk.objects(), 0);
    desk.die(other);
    assert!(desk.manager.is_idle());
}

#[test]
fn a_dropped_opening_is_unknown_and_its_number_is_not_given_again() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.create(client, "cam");
    let first = desk.open(client, "cam");
    desk.drop_opening(client, first);
    let unknown = Err(Error::OpeningUnknown { opening: first });
    assert_eq!(desk.ask(client, &Request::Drop { opening: first }), unknown);
    assert_ne!(desk.open(client, "cam"), first);
    let stranger = desk.client(1000);
    let unknown = Err(Error::OpeningUnknown { opening: made.opening });
    assert_eq!(desk.ask(stranger, &Request::Query { opening: made.opening }), unknown);
}
