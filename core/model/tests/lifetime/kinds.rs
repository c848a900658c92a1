//! What each kind is made of, and what is refused by kind, spec or memory.

use super::*;

const NOBODY: AccessMask = AccessMask::empty();

fn mismatch(wanted: Kind, found: Kind) -> Error {
    Error::KindMismatch { wanted, found }
}

#[test]
fn each_kind_has_the_page_and_the_memory_that_it_needs() {
    let several = Writers::Several;
    let made = |spec| {
        let mut desk = Desk::new();
        let client = desk.client(1000);
        desk.make(client, spec, "thing");
        let done = desk.done();
        let kind = done.iter().find_map(|effect| match effect {
            Effect::MakePage { kind, .. } => Some(*kind),
            _ => None,
        });
        let kept = done.contains(&Effect::KeepPayload { payload: PayloadId(1) });
        (kind, kept)
    };
    assert_eq!(made(surface(several)), (None, true));
    assert_eq!(made(keyed()), (Some(PageKind::KeyedMutex), true));
    assert_eq!(made(SECTION), (None, true));
    assert_eq!(made(FENCE), (Some(PageKind::Fence { value: 7 }), false));
    for reset in [Reset::Manual, Reset::Auto] {
        let kind = PageKind::Event { reset, signaled: false };
        assert_eq!(made(event(reset)), (Some(kind), false));
    }
}

#[test]
fn memory_comes_with_what_has_some_and_as_the_spec_says() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let create = |spec| creation(spec, None, ALL);
    let missing = Err(Error::PayloadMissing);
    for (spec, right, wrong) in [
        (surface(Writers::One), Writers::One, Writers::Several),
        (surface(Writers::Several), Writers::Several, Writers::One),
        (EXCLUSIVE_SECTION, Writers::One, Writers::Several),
        (SECTION, Writers::Several, Writers::One),
    ] {
        let needs_bytes = spec.needs_bytes().unwrap();
        assert_eq!(desk.ask(client, &create(spec)), missing, "{spec:?}");
        let swapped = desk.check(client, &create(spec), memory(needs_bytes, wrong));
        assert_eq!(swapped, missing, "{spec:?} of {wrong:?}");
        let handle = desk.check(client, &create(spec), Came::Handle(HandleId(1)));
        assert_eq!(handle, missing, "{spec:?} with a handle");
        let has_bytes = needs_bytes - 1;
        let small = desk.check(client, &create(spec), memory(has_bytes, right));
        assert_eq!(small, Err(Error::PayloadTooSmall { needs_bytes, has_bytes }));
        assert!(desk.check(client, &create(spec), memory(needs_bytes, right)).is_ok());
    }
    for spec in [FENCE, event(Reset::Auto)] {
        let with = desk.check(client, &create(spec), memory(4096, Writers::One));
        assert_eq!(with, missing, "{spec:?} has no memory");
    }
}

#[test]
fn what_cannot_be_is_refused_by_its_kind() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let section = |size_bytes| Spec::Section { size_bytes, writers: Writers::One };
    let flat = SurfaceDesc { width: 0, ..SurfaceDesc::texture_2d(4, 4, Format::Rgba8) };
    let flat = Spec::Surface { desc: flat, writers: Writers::One };
    for (spec, kind) in [
        (section(0), Kind::Section),
        (section((1 << 40) + 1), Kind::Section),
        (flat, Kind::Surface),
    ] {
        let invalid = desk.try_make(client, spec, None, ALL);
        assert_eq!(invalid.err(), Some(Error::SpecInvalid { kind }), "{spec:?}");
    }
    let limit = limits::PAYLOAD_BYTES_PER_UID_MAX;
    let huge = desk.try_make(client, section(1 << 40), None, ALL);
    assert_eq!(huge.err(), Some(Error::CapReached { cap: Cap::PayloadBytes, limit }));
}

#[test]
fn an_object_is_opened_as_what_it_is() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let specs = [surface(Writers::Several), FENCE, event(Reset::Manual), SECTION];
    for (spec, name) in specs.into_iter().zip(["surface", "fence", "event", "section"]) {
        let made = desk.make(client, spec, name);
        for wanted in Kind::ALL.into_iter().filter(|kind| *kind != spec.kind()) {
            let mismatch = Some(mismatch(wanted, spec.kind()));
            // The kind is looked at before the rights, of which these are none.
            assert_eq!(desk.try_get(client, wanted, name, NOBODY).err(), mismatch);
            assert_eq!(desk.try_present(client, wanted, made.handle).err(), mismatch);
            let raw = RawName::from(name);
            let open = Request::OpenHandle { kind: wanted, name: raw, access: ALL };
            assert_eq!(desk.ask(client, &open).err(), mismatch);
        }
        assert!(desk.try_get(client, spec.kind(), name, MAXIMUM).is_ok());
        let facts = desk.facts(client, made.opening);
        assert_eq!((facts.kind(), facts.facts), (spec.kind(), Facts::Made(spec)));
        let taken = desk.try_create(client, Some(name)).unwrap_err();
        assert!(matches!(taken, Error::NameTaken { kind, .. } if kind == spec.kind()));
    }
    let stream = desk.create(client, "stream");
    let mismatch = Some(mismatch(Kind::Fence, Kind::Stream));
    assert_eq!(desk.try_get(client, Kind::Fence, "stream", ALL).err(), mismatch);
    assert_eq!(desk.try_present(client, Kind::Fence, stream.handle).err(), mismatch);
}

#[test]
fn a_stream_request_on_another_kind_is_refused_by_kind_whatever_the_rights() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let layout = GenerationLayout {
        number: 1,
        slots: 1,
        table_bytes: 0,
        slot_bytes: 1,
        picture: PictureFacts::default(),
    };
    for (spec, name) in [
        (surface(Writers::Several), "surface"),
        (FENCE, "fence"),
        (event(Reset::Auto), "event"),
        (SECTION, "section"),
    ] {
        let made = desk.make(client, spec, name);
        let reader = desk.get(client, spec.kind(), name, AccessMask::READ_CONTROL);
        for opening in [made.opening, reader.opening] {
            let requests = [
                Request::Mapped { opening },
                Request::StreamJoin { opening },
                Request::StreamGeneration { opening },
                Request::StreamStock { opening },
                Request::StreamInspect { opening, skip: 0 },
            ];
            let refused = Err(mismatch(Kind::Stream, spec.kind()));
            for request in requests {
                assert_eq!(desk.ask(client, &request), refused, "{name}: {request:?}");
            }
            let publish = Request::StreamPublish { opening, layout };
            let published = desk.check(client, &publish, memory(1, Writers::One));
            assert_eq!(published, refused, "{name}: {publish:?}");
        }
    }
}

#[test]
fn every_kind_is_listed_with_what_it_is_made_of() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    desk.create(client, "a");
    desk.make(client, FENCE, "b");
    desk.make(client, keyed(), "c");
    let reply = desk.ask(client, &Request::List { after: 1 });
    let Ok(Reply::Listing { entries, more: false }) = reply else { panic!("{reply:?}") };
    let facts: Vec<Facts> = entries.iter().map(|entry| entry.facts).collect();
    assert_eq!(facts, [Facts::Made(FENCE), Facts::Made(keyed())]);
    assert_eq!(desk.seen(client), ["a", "b", "c"]);
}

#[test]
fn an_object_that_nobody_has_gives_back_page_memory_and_bytes() {
    let mut desk = Desk::new();
    let (client, other) = (desk.client(1000), desk.client(1000));
    let limit = limits::PAYLOAD_BYTES_PER_UID_MAX;
    let full = Spec::Section { size_bytes: limit, writers: Writers::One };
    for handle_first in [true, false] {
        let mutex = desk.make(client, keyed(), "mutex");
        let page = mutex.parts.page.unwrap().0;
        // Another's, so that the page does not stay with its maker.
        let opened = desk.get(other, Kind::Surface, "mutex", ALL);
        desk.drop_opening(other, opened.opening);
        desk.drop_opening(client, mutex.opening);
        assert_eq!(desk.objects(), 1, "the handle keeps it");
        desk.done();
        desk.close(mutex.handle);
        let done = desk.done();
        assert!(done.contains(&Effect::DropPage { page }), "{done:?}");
        assert!(done.iter().any(|e| matches!(e, Effect::DropPayload { .. })), "{done:?}");

        let made = desk.make(client, full, "full");
        if handle_first {
            desk.close(made.handle);
            desk.drop_opening(client, made.opening);
        } else {
            desk.drop_opening(client, made.opening);
            desk.close(made.handle);
        }
        assert_eq!(desk.objects(), 0, "handle first: {handle_first}");
    }
}

#[test]
fn dropping_what_is_not_there_is_refused() {
    let mut desk = Desk::new();
    let (client, other) = (desk.client(1000), desk.client(1000));
    let made = desk.make(client, FENCE, "fence");
    let opening = OpeningId(99);
    let unknown = Err(Error::OpeningUnknown { opening });
    assert_eq!(desk.ask(client, &Request::Drop { opening }), unknown);
    let opening = made.opening;
    let unknown = Err(Error::OpeningUnknown { opening });
    assert_eq!(desk.ask(other, &Request::Drop { opening }), unknown, "another's");
    desk.drop_opening(client, opening);
    assert_eq!(desk.ask(client, &Request::Drop { opening }), unknown, "dropped already");
    assert_eq!(desk.ask(client, &Request::Openings { opening, skip: 0 }), unknown);
}
