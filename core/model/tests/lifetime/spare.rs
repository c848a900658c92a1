//! Pages that stay with their client.

use super::*;

const HELD: HandleForm = HandleForm::Held;

/// Makes an unnamed object with the page that is offered.
fn offer(desk: &mut Desk, client: ClientId, spec: Spec, spare: Option<PageId>) -> Created {
    let needs = spec.needs_bytes().unwrap();
    let came = spec.writers().map_or(Came::Nothing, |writers| memory(needs, writers));
    let request = Request::Create { spec, name: None, access: ALL, form: HELD, spare };
    match desk.check(client, &request, came) {
        Ok(Reply::Created { object, opening, handle, granted, parts, .. }) => {
            Created { object, opening, handle, granted: granted.mask(), parts }
        }
        other => panic!("Create is answered with {other:?}"),
    }
}

/// Drops it as the library does: its handle, then its opening. Returns what the broker has to do.
fn give_up(desk: &mut Desk, client: ClientId, made: &Created) -> Vec<Effect> {
    desk.done();
    desk.ask(client, &Request::DropHandle { handle: made.handle }).unwrap();
    desk.drop_opening(client, made.opening);
    desk.done()
}

fn new_page(made: &Created) -> PageId {
    assert_eq!(made.parts.spare, None, "{made:?}");
    made.parts.page.expect("a page is attached").0
}

/// A client with a page that it keeps, of a fence that is gone.
fn with_spare(desk: &mut Desk) -> (ClientId, PageId) {
    let client = desk.client(1000);
    let made = offer(desk, client, FENCE, None);
    let page = new_page(&made);
    give_up(desk, client, &made);
    (client, page)
}

#[test]
fn a_page_that_was_only_ever_its_makers_is_used_again() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = offer(&mut desk, client, FENCE, None);
    let page = new_page(&made);
    assert_eq!(give_up(&mut desk, client, &made), [], "nothing is told to a page nobody has");
    let again = offer(&mut desk, client, event(Reset::Auto), Some(page));
    assert_eq!((again.parts.page, again.parts.spare), (None, Some(page)));
    let kind = PageKind::Event { reset: Reset::Auto, signaled: false };
    let signaller = Signaller::Yes;
    let expected =
        [Effect::ReformatPage { page, kind }, Effect::TakeSeat { page, seat: 0, signaller }];
    assert_eq!(desk.done(), expected);
    let other = desk.client(1000);
    let share = desk.try_share(client, again.opening, Some("event")).unwrap();
    let opened = desk.get(other, Kind::Event, "event", ALL);
    assert_eq!(opened.parts.page, Some((page, View::Writable)), "others get it attached");
    desk.close(share);
}

#[test]
fn no_page_is_foreseen_for_an_offer_that_is_taken() {
    let mut desk = Desk::new();
    let (client, page) = with_spare(&mut desk);
    let other = desk.client(1000);
    let pages = |client, spec, spare| {
        let request = Request::Create { spec, name: None, access: ALL, form: HELD, spare };
        desk.manager.resources(client, &request, Came::Nothing).pages
    };
    assert_eq!(pages(client, FENCE, Some(page)), 0);
    assert_eq!(pages(client, FENCE, None), 1);
    assert_eq!(pages(client, FENCE, Some(PageId(99))), 1);
    assert_eq!(pages(client, keyed(), Some(page)), 1, "its words have other widths");
    assert_eq!(pages(other, FENCE, Some(page)), 1, "it is another's");
}

#[test]
fn an_offer_of_what_is_not_the_clients_own_spare_is_refused_and_changes_nothing() {
    let mut desk = Desk::new();
    let (client, spare) = with_spare(&mut desk);
    let other = desk.client(1000);
    let used = new_page(&offer(&mut desk, other, FENCE, None));
    let own = new_page(&offer(&mut desk, client, FENCE, None));
    for (asker, offered, what) in [
        (other, spare, "another's spare page"),
        (other, used, "a page in use"),
        (client, used, "another's page in use"),
        (client, own, "its own page in use"),
        (client, PageId(999), "no page"),
    ] {
        desk.done();
        let made = offer(&mut desk, asker, FENCE, Some(offered));
        assert!(new_page(&made) > own, "{what}");
        let done = desk.done();
        let reformats = done.iter().any(|e| matches!(e, Effect::ReformatPage { .. }));
        assert!(!reformats, "{what}: {done:?}");
    }
    let made = offer(&mut desk, client, FENCE, Some(spare));
    assert_eq!(made.parts.spare, Some(spare), "it is the client's as before");
    let again = offer(&mut desk, client, FENCE, Some(spare));
    assert_ne!(new_page(&again), spare, "and now it is in use");
}

#[test]
fn a_page_keeps_the_widths_of_its_words() {
    let mut desk = Desk::new();
    let (client, split) = with_spare(&mut desk);
    let mutex = offer(&mut desk, client, keyed(), Some(split));
    let words = new_page(&mutex);
    give_up(&mut desk, client, &mutex);
    let fence = offer(&mut desk, client, FENCE, Some(words));
    new_page(&fence);
    let mutex = offer(&mut desk, client, keyed(), Some(words));
    assert_eq!((mutex.parts.spare, mutex.parts.owner), (Some(words), 1));
    assert_eq!(offer(&mut desk, client, FENCE, Some(split)).parts.spare, Some(split));
}

#[test]
fn a_page_that_another_client_was_given_is_nobodys_spare() {
    for access in [ALL, AccessMask::FENCE_WAIT] {
        let mut desk = Desk::new();
        let (client, other) = (desk.client(1000), desk.client(1000));
        let made = desk.make(client, FENCE, "fence");
        let page = made.parts.page.unwrap().0;
        let opened = desk.get(other, Kind::Fence, "fence", access);
        desk.drop_opening(other, opened.opening);
        desk.close(made.handle);
        desk.done();
        desk.drop_opening(client, made.opening);
        let done = desk.done();
        assert!(done.contains(&Effect::DropPage { page }), "{done:?}");
        let leave = Effect::LeaveSeat { page, seat: 0, leaving: Leaving::Released };
        assert!(done.contains(&leave), "somebody may still look: {done:?}");
        new_page(&offer(&mut desk, client, FENCE, Some(page)));
    }
}

#[test]
fn an_opening_without_the_page_does_not_take_it_from_its_maker() {
    let mut desk = Desk::new();
    let (client, other) = (desk.client(1000), desk.client(1000));
    let made = desk.make(client, FENCE, "fence");
    let page = made.parts.page.unwrap().0;
    let opened = desk.get(other, Kind::Fence, "fence", AccessMask::DELETE);
    assert_eq!(opened.parts.page, None);
    desk.close(made.handle);
    desk.drop_opening(client, made.opening);
    desk.drop_opening(other, opened.opening);
    assert_eq!(offer(&mut desk, client, FENCE, Some(page)).parts.spare, Some(page));
}

#[test]
fn a_client_that_goes_takes_its_pages_along() {
    let mut desk = Desk::new();
    let (client, spare) = with_spare(&mut desk);
    let other = desk.client(1000);
    let piped = desk.make(client, FENCE, "fence");
    let used = piped.parts.page.unwrap().0;
    desk.done();
    desk.die(client);
    assert!(desk.done().contains(&Effect::DropPage { page: spare }));
    new_page(&offer(&mut desk, other, FENCE, Some(spare)));
    desk.done();
    desk.close(piped.handle);
    assert!(desk.done().contains(&Effect::DropPage { page: used }), "its client is gone");
}

#[test]
fn who_waits_in_a_client_that_is_thrown_out_is_told() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = offer(&mut desk, client, FENCE, None);
    let page = new_page(&made);
    desk.ask(client, &Request::DropHandle { handle: made.handle }).unwrap();
    desk.done();
    desk.die(client);
    let leave = Effect::LeaveSeat { page, seat: 0, leaving: Leaving::Died };
    assert_eq!(desk.done(), [leave, Effect::DropPage { page }]);
}

#[test]
fn the_oldest_spare_page_makes_room() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let limit = limits::SPARE_PAGES_PER_CLIENT_MAX;
    let all: Vec<_> = (0..=limit).map(|_| offer(&mut desk, client, FENCE, None)).collect();
    let pages: Vec<_> = all.iter().map(new_page).collect();
    for (made, place) in all.iter().zip(1..) {
        let done = give_up(&mut desk, client, made);
        let expected = (place > limit).then_some(Effect::DropPage { page: pages[0] });
        assert_eq!(done, expected.into_iter().collect::<Vec<_>>(), "page {place}");
    }
    new_page(&offer(&mut desk, client, FENCE, Some(pages[0])));
    for page in &pages[1..] {
        assert_eq!(offer(&mut desk, client, FENCE, Some(*page)).parts.spare, Some(*page));
    }
}

#[test]
fn a_refused_creation_leaves_the_offered_page_where_it_was() {
    let mut desk = Desk::new();
    let (client, page) = with_spare(&mut desk);
    desk.make(client, SECTION, "taken");
    let name = Some(RawName::from("taken"));
    let request = Request::Create { spec: FENCE, name, access: ALL, form: HELD, spare: Some(page) };
    assert!(matches!(desk.ask(client, &request), Err(Error::NameTaken { .. })));
    assert_eq!(offer(&mut desk, client, FENCE, Some(page)).parts.spare, Some(page));
}

#[test]
fn a_descriptor_to_read_is_foreseen_for_whoever_gets_one() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let page = made.parts.page.unwrap().0;
    desk.make(client, SECTION, "section");
    let view = |desk: &Desk, kind, name: &str, access| {
        let request = Request::Open { kind, name: RawName::from(name), access, known: None };
        desk.manager.resources(client, &request, Came::Nothing).view
    };
    let (fence, section) = (Kind::Fence, Kind::Section);
    assert_eq!(view(&desk, fence, "fence", AccessMask::FENCE_WAIT), Some(page));
    assert_eq!(view(&desk, fence, "fence", ALL), None, "it is to be written");
    assert_eq!(view(&desk, fence, "fence", AccessMask::DELETE), None, "it is not given out");
    assert_eq!(view(&desk, fence, "nothing", AccessMask::FENCE_WAIT), None);
    assert_eq!(view(&desk, section, "fence", AccessMask::FENCE_WAIT), None, "it is refused");
    assert_eq!(view(&desk, section, "section", READ), None, "there is no page");
    let (waiting, _) = desk.try_duplicate(client, made.handle, AccessMask::FENCE_WAIT).unwrap();
    let presented = |handle| {
        let request = Request::OpenPresented { kind: fence };
        desk.manager.resources(client, &request, Came::Handle(handle)).view
    };
    assert_eq!(presented(waiting), Some(page));
    assert_eq!((presented(made.handle), presented(HandleId(99))), (None, None));
}

#[test]
fn a_page_that_is_known_is_not_sent_again_to_whoever_may_write_it() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1000));
    let page = desk.make(maker, FENCE, "fence").parts.page.unwrap().0;
    let of_another = desk.make(maker, FENCE, "another").parts.page.unwrap().0;
    let parts = |desk: &mut Desk, access, known| {
        let name = RawName::from("fence");
        let request = Request::Open { kind: Kind::Fence, name, access, known };
        let reply = desk.ask(other, &request).unwrap();
        let Reply::Opened { parts, .. } = &reply else { panic!("{reply:?}") };
        // What is known takes no descriptor.
        assert_eq!(reply.attachments().len(), usize::from(parts.page.is_some()));
        (parts.page, parts.spare)
    };
    let sent = |view| (Some((page, view)), None);
    assert_eq!(parts(&mut desk, ALL, None), sent(View::Writable));
    assert_eq!(parts(&mut desk, ALL, Some(page)), (None, Some(page)));
    for other in [of_another, PageId(0), PageId(999)] {
        assert_eq!(parts(&mut desk, ALL, Some(other)), sent(View::Writable));
    }
    // Who may only wait has another mapping of it.
    let waits = AccessMask::FENCE_WAIT;
    assert_eq!(parts(&mut desk, waits, Some(page)), sent(View::ReadOnly));
    assert_eq!(parts(&mut desk, AccessMask::DELETE, Some(page)), (None, None));
}
