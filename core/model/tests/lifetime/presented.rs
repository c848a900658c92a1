//! What can be done with a handle that is presented, and what its rights are.

use super::*;

const READ_CONTROL: AccessMask = AccessMask::READ_CONTROL;
const WRITE: AccessMask = AccessMask::SURFACE_WRITE;

fn bits(bits: u32) -> AccessMask {
    AccessMask::from_bits_retain(bits)
}

fn denied(wanted: AccessMask, granted: AccessMask, kind: Kind) -> Error {
    Error::AccessDenied { wanted, granted, owner_uid: 1000, kind }
}

#[test]
fn a_handle_opens_with_its_own_rights_whoever_presents_it() {
    let mut desk = Desk::new();
    let (maker, stranger) = (desk.client(1000), desk.client(1001));
    let access = AccessMask::FENCE_WAIT;
    let made = desk.try_make(maker, FENCE, Some("fence"), access).unwrap();
    let opened = desk.try_present(stranger, Kind::Fence, made.handle).unwrap();
    assert_eq!(opened.granted, access);
    assert_eq!(desk.facts(stranger, opened.opening).object, made.object);
    let by_name = desk.try_get(stranger, Kind::Fence, "fence", access);
    assert_eq!(by_name.err(), Some(Error::NameNotFound), "by name it is another user's");
    desk.close(made.handle);
    let gone = desk.try_present(stranger, Kind::Fence, made.handle);
    assert_eq!(gone.err(), Some(Error::HandleUnknown));
}

#[test]
fn a_stream_is_opened_by_its_handle_too() {
    let mut desk = Desk::new();
    let (sender, other) = (desk.client(1000), desk.client(1001));
    let made = desk.create(sender, "cam");
    let open = Request::OpenPresented { kind: Kind::Stream };
    let reply = desk.check(other, &open, Came::Handle(made.handle));
    let Ok(Reply::StreamOpened { object, sender_pid: 1001, .. }) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(object, made.object);
}

#[test]
fn a_descriptor_that_is_no_handle_is_refused_as_that() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    desk.make(client, FENCE, "fence");
    let requests = [
        Request::OpenPresented { kind: Kind::Fence },
        Request::Duplicate { access: ALL },
        Request::QueryPresented,
    ];
    for request in requests {
        for came in [Came::Nothing, memory(4096, Writers::One), Came::Handle(HandleId(99))] {
            let refused = desk.check(client, &request, came);
            assert_eq!(refused, Err(Error::HandleUnknown), "{request:?} with {came:?}");
        }
    }
    let name = RawName::from("fence");
    let open = Request::Open { kind: Kind::Fence, name, access: ALL, known: None };
    let stray = desk.check(client, &open, Came::Handle(HandleId(1)));
    assert_eq!(stray, Err(Error::PayloadMissing), "a handle that nobody asked for");
}

#[test]
fn a_handle_says_what_it_is_of_to_whoever_has_it() {
    let mut desk = Desk::new();
    let (maker, stranger) = (desk.client(1000), desk.client(1001));
    let made = desk.try_make(maker, SECTION, Some("section"), READ).unwrap();
    desk.done();
    for (client, names) in [(maker, 1), (stranger, 0)] {
        let reply = desk.check(client, &Request::QueryPresented, Came::Handle(made.handle));
        let Ok(Reply::HandleFacts { granted, entry }) = reply else { panic!("{reply:?}") };
        assert_eq!(granted.mask(), bits(0x2_0005));
        assert_eq!((entry.object, entry.facts), (made.object, Facts::Made(SECTION)));
        assert_eq!(entry.names.len(), names, "only names that it may see");
        assert_eq!((entry.handles, entry.openings), (1, 1), "asking opens nothing");
    }
    assert_eq!(desk.done(), []);
}

#[test]
fn a_duplicate_with_fewer_rights_is_never_checked() {
    let mut desk = Desk::new();
    let (maker, stranger) = (desk.client(1000), desk.client(1001));
    let made = desk.make(maker, FENCE, "fence");
    for (asked, granted) in
        [(bits(0), 0x1F_0003), (ALL, 0x1F_0003), (READ, 0x2_0001), (bits(0x10_0000), 0x10_0000)]
    {
        let (handle, got) = desk.try_duplicate(stranger, made.handle, asked).unwrap();
        assert_eq!(got, bits(granted), "{asked:?}");
        assert_eq!(desk.try_present(maker, Kind::Fence, handle).unwrap().granted, got);
    }
}

#[test]
fn a_duplicate_with_more_rights_is_checked_as_opening_by_name_is() {
    let mut desk = Desk::new();
    let (maker, stranger, system) = (desk.client(1000), desk.client(1001), desk.client(0));
    let wait = AccessMask::FENCE_WAIT;
    let made = desk.try_make(maker, FENCE, Some("Global\\fence"), wait).unwrap();
    for more in [ALL, MAXIMUM, AccessMask::FENCE_SIGNAL, wait | AccessMask::SYNCHRONIZE] {
        let refused = desk.try_duplicate(stranger, made.handle, more);
        assert_eq!(refused, Err(denied(more, bits(0), Kind::Fence)), "{more:?} for a stranger");
        let granted = if more == ALL || more == MAXIMUM { bits(0x1F_0003) } else { more };
        for owner in [maker, system] {
            let (_, got) = desk.try_duplicate(owner, made.handle, more).unwrap();
            assert_eq!(got, granted, "{more:?} for {owner:?}");
        }
    }
    for undefined in [bits(0x8000), bits(0x0200_8000), bits(u32::MAX)] {
        let refused = desk.try_duplicate(maker, made.handle, undefined);
        let all = bits(0x1F_0003);
        assert_eq!(refused, Err(denied(undefined, all, Kind::Fence)), "{undefined:?}");
    }
}

#[test]
fn a_duplicate_belongs_to_the_share_and_to_the_user_who_made_it() {
    let mut desk = Desk::new();
    let (maker, stranger) = (desk.client(1000), desk.client(1001));
    let made = desk.make(maker, FENCE, "fence");
    let (copy, _) = desk.try_duplicate(stranger, made.handle, AccessMask::empty()).unwrap();
    assert_ne!(copy, made.handle);
    desk.close(made.handle);
    assert_eq!(desk.seen(maker), ["fence"], "the duplicate keeps the name");
    desk.drop_opening(maker, made.opening);
    assert_eq!(desk.objects(), 1, "and the object");
    desk.close(copy);
    assert_eq!(desk.objects(), 0);
}

#[test]
fn a_share_that_is_full_of_handles_is_asked_which_are_closed() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let other = desk.make(client, FENCE, "other");
    let duplicate = Request::Duplicate { access: AccessMask::empty() };
    let limit = limits::HANDLES_PER_SHARE_MAX;
    let mut all = vec![made.handle];
    for _ in 1..limit {
        all.push(desk.try_duplicate(client, made.handle, AccessMask::empty()).unwrap().0);
    }
    let full = desk.try_duplicate(client, made.handle, AccessMask::empty());
    assert_eq!(full, Err(capped(Cap::HandlesOfShare, limit)));
    let by_name = Request::OpenHandle {
        kind: Kind::Fence,
        name: RawName::from("fence"),
        access: AccessMask::FENCE_WAIT,
    };
    assert_eq!(desk.ask(client, &by_name), Err(capped(Cap::HandlesOfShare, limit)));
    let poll = |desk: &Desk, came| desk.manager.concerned(client, &duplicate, came).handles;
    assert_eq!(poll(&desk, Came::Handle(made.handle)), all);
    assert_eq!(poll(&desk, Came::Handle(all[5])), all, "whichever of them is presented");
    assert_eq!(poll(&desk, Came::Handle(other.handle)), [other.handle]);
    assert_eq!(poll(&desk, Came::Handle(HandleId(999))), []);
    assert_eq!(poll(&desk, Came::Nothing), []);
    desk.close(all[7]);
    assert!(desk.try_duplicate(client, made.handle, AccessMask::empty()).is_ok());
}

#[test]
fn nothing_but_what_could_change_the_answer_is_polled() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = desk.make(client, FENCE, "fence");
    let named = Some(RawName::from("fence"));
    let come = Came::Handle(made.handle);
    let access = ALL;
    let poll = |request: &Request, came| desk.manager.concerned(client, request, came).handles;
    let create = |name| creation(FENCE, name, access);
    assert_eq!(poll(&create(named.clone()), Came::Nothing), [made.handle]);
    assert_eq!(poll(&create(None), Came::Nothing), []);
    let share = |name| Request::Share { opening: made.opening, name, access, form: DESCRIPTOR };
    assert_eq!(poll(&share(named), Came::Nothing), [made.handle]);
    assert_eq!(poll(&share(None), Came::Nothing), []);
    assert_eq!(poll(&Request::OpenPresented { kind: Kind::Fence }, come), []);
    assert_eq!(poll(&Request::QueryPresented, come), []);
    let opening = made.opening;
    assert_eq!(poll(&Request::Openings { opening, skip: 0 }, Came::Nothing), []);
    assert_eq!(poll(&Request::List { after: 0 }, Came::Nothing), [made.handle]);
}

#[test]
fn the_handles_of_an_opened_object_are_those_of_all_its_shares() {
    let mut desk = Desk::new();
    let (client, other) = (desk.client(1000), desk.client(1000));
    let made = desk.make(client, FENCE, "fence");
    desk.make(client, FENCE, "another");
    let second = desk.try_share(client, made.opening, None).unwrap();
    let (copy, _) = desk.try_duplicate(client, second, AccessMask::empty()).unwrap();
    let opening = made.opening;
    let all = [made.handle, second, copy];
    assert_eq!(desk.manager.handles_of_opening(client, opening), all);
    assert_eq!(desk.manager.handles_of_opening(other, opening), []);
    assert_eq!(desk.manager.handles_of_opening(client, OpeningId(99)), []);
}

#[test]
fn without_read_control_no_surface_is_opened() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let access = WRITE | AccessMask::DELETE;
    let spec = surface(Writers::Several);
    let made = desk.try_make(client, spec, Some("picture"), access).unwrap();
    assert_eq!(made.granted, access, "the handle can be made");
    let refused = Some(denied(READ_CONTROL, access, Kind::Surface));
    assert_eq!(desk.try_present(client, Kind::Surface, made.handle).err(), refused);
    assert_eq!(desk.try_get(client, Kind::Surface, "picture", access).err(), refused);
    let readable = desk.get(client, Kind::Surface, "picture", WRITE | READ_CONTROL);
    assert_eq!(readable.granted, WRITE | READ_CONTROL);
    let fence = desk.try_make(client, FENCE, Some("fence"), AccessMask::DELETE).unwrap();
    let opened = desk.try_present(client, Kind::Fence, fence.handle);
    assert!(opened.is_ok(), "other kinds have no such rule: {opened:?}");
}

#[test]
fn an_object_with_one_writer_gives_the_right_to_write_to_nobody_else() {
    let cases = [
        (surface(Writers::One), WRITE, bits(0xF_0000)),
        (EXCLUSIVE_SECTION, AccessMask::SECTION_MAP_WRITE, bits(0xF_001D)),
    ];
    for (spec, write, rest) in cases {
        let mut desk = Desk::new();
        let client = desk.client(1000);
        let kind = spec.kind();
        let made = desk.make(client, spec, "thing");
        assert_eq!(made.granted, rest, "the handle is stripped");
        for explicit in [write, write | READ_CONTROL, ALL, AccessMask::GENERIC_WRITE] {
            for wanted in [explicit, explicit | MAXIMUM] {
                let refused = Some(denied(wanted, rest, kind));
                assert_eq!(desk.try_get(client, kind, "thing", wanted).err(), refused);
                let widened = desk.try_duplicate(client, made.handle, wanted);
                assert_eq!(widened.err(), refused, "{wanted:?}");
                let name = RawName::from("thing");
                let handle = desk.ask(client, &Request::OpenHandle { kind, name, access: wanted });
                assert_eq!(handle.err(), refused, "{wanted:?}");
            }
        }
        let undefined = desk.try_get(client, kind, "thing", bits(0x8000));
        assert_eq!(undefined.err(), Some(denied(bits(0x8000), rest, kind)));
        assert_eq!(desk.get(client, kind, "thing", MAXIMUM).granted, rest);
        let (_, widened) = desk.try_duplicate(client, made.handle, MAXIMUM).unwrap();
        assert_eq!(widened, rest);
        let stripped =
            Request::Share { opening: made.opening, name: None, access: ALL, form: DESCRIPTOR };
        let shared = desk.ask(client, &stripped);
        assert!(
            matches!(&shared, Ok(Reply::Handle { granted, .. }) if granted.mask() == rest),
            "a handle of another share is stripped, too: {shared:?}"
        );
    }
}

#[test]
fn an_opened_object_is_shared_again_under_the_same_name() {
    let mut desk = Desk::new();
    let (maker, other) = (desk.client(1000), desk.client(1000));
    let made = desk.make(maker, FENCE, "fence");
    let opened = desk.get(other, Kind::Fence, "fence", READ);
    let taken = desk.try_share(other, opened.opening, Some("fence"));
    assert!(matches!(taken, Err(Error::NameTaken { kind: Kind::Fence, .. })), "{taken:?}");
    desk.close(made.handle);
    assert!(desk.seen(other).is_empty(), "the name goes with the last handle of its share");
    assert_eq!(desk.facts(other, opened.opening).object, made.object, "the object lives on");
    let again = desk.try_share(other, opened.opening, Some("fence")).unwrap();
    let found = desk.get(maker, Kind::Fence, "fence", READ);
    assert_eq!(desk.facts(maker, found.opening).object, made.object);
    desk.die(maker);
    desk.die(other);
    assert_eq!(desk.objects(), 1, "the handle of the second share keeps it");
    desk.close(again);
    assert!(desk.manager.is_idle());
}

#[test]
fn a_share_carries_no_more_than_its_opening_whatever_the_kind() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    desk.make(client, FENCE, "fence");
    let opened = desk.get(client, Kind::Fence, "fence", READ);
    let share =
        |access| Request::Share { opening: opened.opening, name: None, access, form: DESCRIPTOR };
    let wanted = AccessMask::FENCE_SIGNAL;
    let refused = denied(wanted, bits(0x2_0001), Kind::Fence);
    assert_eq!(desk.ask(client, &share(wanted)), Err(refused));
    let undefined = bits(0x4);
    let invalid = Err(Error::AccessInvalid { wanted: undefined });
    assert_eq!(desk.ask(client, &share(undefined)), invalid, "a stream's right");
    assert!(desk.ask(client, &share(AccessMask::FENCE_WAIT)).is_ok());
}
