//! Handles that clients hold by number.

use super::*;

/// Makes an object whose handle is held.
fn hold(desk: &mut Desk, client: ClientId, spec: Spec, name: &str) -> Created {
    let name = Some(RawName::from(name));
    let request = Request::Create { spec, name, access: ALL, form: HandleForm::Held, spare: None };
    match desk.ask(client, &request) {
        Ok(Reply::Created { object, opening, handle, form: HandleForm::Held, granted, parts }) => {
            Created { object, opening, handle, granted: granted.mask(), parts }
        }
        other => panic!("Create is answered with {other:?}"),
    }
}

fn drop_handle(desk: &mut Desk, client: ClientId, handle: HandleId) -> Result<Reply, Error> {
    desk.ask(client, &Request::DropHandle { handle })
}

fn not_held(handle: HandleId) -> Result<Reply, Error> {
    Err(Error::HandleNotHeld { handle })
}

#[test]
fn a_held_handle_takes_no_pipe_and_no_attachment() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let form = HandleForm::Held;
    let name = |name| Some(RawName::from(name));
    let create = Request::Create { spec: FENCE, name: name("a"), access: ALL, form, spare: None };
    let share = Request::Share { opening: OpeningId(1), name: name("b"), access: ALL, form };
    let stream = Request::StreamCreate { name: name("c"), access: ALL, form };
    for request in [create, share, stream] {
        let needs = desk.manager.resources(client, &request, Came::Nothing);
        assert_eq!(needs.handles, 0, "{request:?}");
        let reply = desk.ask(client, &request).unwrap();
        let attached = reply.attachments();
        let handles = attached.iter().filter(|one| matches!(one, Attachment::Handle(_)));
        assert_eq!(handles.count(), 0, "{reply:?}");
    }
    let pipes = desk.done().into_iter().filter(|e| matches!(e, Effect::MakeHandle { .. }));
    assert_eq!(pipes.count(), 0);
    assert_eq!(desk.manager.handle_ids(), []);
    assert_eq!(desk.seen(client), ["a", "b", "c"]);
}

#[test]
fn a_held_handle_keeps_name_and_object_until_it_is_dropped() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = hold(&mut desk, client, FENCE, "fence");
    desk.drop_opening(client, made.opening);
    assert_eq!((desk.seen(client), desk.objects()), (vec!["fence".to_owned()], 1));
    desk.done();
    assert_eq!(drop_handle(&mut desk, client, made.handle), Ok(Reply::Done));
    assert_eq!((desk.seen(client), desk.objects()), (vec![], 0));
    let pipes = desk.done().into_iter().filter(|e| matches!(e, Effect::DropHandle { .. }));
    assert_eq!(pipes.count(), 0, "there is no pipe to close");
    hold(&mut desk, client, FENCE, "fence");
}

#[test]
fn only_its_holder_drops_a_handle_and_only_once() {
    let mut desk = Desk::new();
    let (client, other, system) = (desk.client(1000), desk.client(1000), desk.client(0));
    let made = hold(&mut desk, client, FENCE, "fence");
    let piped = desk.make(client, FENCE, "piped");
    for stranger in [other, system, ClientId(99)] {
        assert_eq!(drop_handle(&mut desk, stranger, made.handle), not_held(made.handle));
    }
    assert_eq!(drop_handle(&mut desk, client, piped.handle), not_held(piped.handle));
    let nobodys = HandleId(99);
    assert_eq!(drop_handle(&mut desk, client, nobodys), not_held(nobodys));
    assert_eq!(drop_handle(&mut desk, client, made.handle), Ok(Reply::Done));
    assert_eq!(drop_handle(&mut desk, client, made.handle), not_held(made.handle));
    assert_eq!(desk.seen(client), ["piped"]);
}

#[test]
fn held_handles_go_with_their_client_and_descriptors_do_not() {
    let mut desk = Desk::new();
    let (client, other) = (desk.client(1000), desk.client(1000));
    hold(&mut desk, client, FENCE, "held");
    desk.make(client, FENCE, "piped");
    desk.die(client);
    assert_eq!(desk.seen(other), ["piped"]);
    assert_eq!(desk.objects(), 1);
}

#[test]
fn the_kernel_says_nothing_of_a_held_handle() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = hold(&mut desk, client, FENCE, "fence");
    desk.close(made.handle);
    assert_eq!(desk.seen(client), ["fence"]);
    let refused = desk.try_present(client, Kind::Fence, made.handle).err();
    assert_eq!(refused, Some(Error::HandleUnknown), "nor can it be presented");
    let refused = desk.try_duplicate(client, made.handle, AccessMask::empty());
    assert_eq!(refused, Err(Error::HandleUnknown));
}

#[test]
fn whoever_holds_what_decides_an_answer_is_heard_first() {
    let mut desk = Desk::new();
    let (client, other, third) = (desk.client(1000), desk.client(1000), desk.client(1000));
    let made = hold(&mut desk, client, FENCE, "fence");
    desk.make(third, FENCE, "piped");
    let by_name = |name: &str| {
        let (name, access, form) = (RawName::from(name), ALL, HandleForm::Held);
        let given = Some(name.clone());
        let kind = Kind::Fence;
        [
            Request::Create { spec: FENCE, name: given.clone(), access, form, spare: None },
            Request::StreamCreate { name: given.clone(), access, form },
            Request::Share { opening: made.opening, name: given, access, form },
            Request::Open { kind, name: name.clone(), access, known: None },
            Request::OpenHandle { kind, name: name.clone(), access },
            Request::WatchName { name, watch: 1 },
        ]
    };
    let hear = |desk: &Desk, asker, request: &Request| {
        desk.manager.concerned(asker, request, Came::Nothing).holders
    };
    for request in by_name("fence") {
        assert_eq!(hear(&desk, other, &request), [client], "{request:?}");
        assert_eq!(hear(&desk, client, &request), [], "its own drops come in order: {request:?}");
    }
    for request in by_name("piped").iter().chain(&by_name("nobody's")) {
        assert_eq!(hear(&desk, other, request), [], "{request:?}");
    }
    assert_eq!(hear(&desk, other, &Request::List { after: 0 }), [client]);
    assert_eq!(hear(&desk, client, &Request::List { after: 0 }), []);
    assert_eq!(hear(&desk, other, &Request::Drop { opening: made.opening }), []);
}

#[test]
fn held_handles_of_a_full_share_are_asked_after_before_one_is_duplicated() {
    let mut desk = Desk::new();
    let (client, other) = (desk.client(1000), desk.client(1000));
    let made = desk.make(client, FENCE, "fence");
    let duplicate = Request::Duplicate { access: AccessMask::empty() };
    let came = Came::Handle(made.handle);
    assert_eq!(desk.manager.concerned(other, &duplicate, came).holders, []);
    // A share over the same object is another one.
    let share =
        Request::Share { opening: made.opening, name: None, access: ALL, form: HandleForm::Held };
    desk.ask(client, &share).unwrap();
    assert_eq!(desk.manager.concerned(other, &duplicate, came).holders, []);
    assert_eq!(desk.manager.concerned(other, &duplicate, came).handles, [made.handle]);
}

#[test]
fn held_handles_are_told_with_their_holders() {
    let mut desk = Desk::new();
    let (client, other) = (desk.client(1000), desk.client(0));
    let made = hold(&mut desk, client, FENCE, "Global\\fence");
    desk.try_share(client, made.opening, None).unwrap();
    let opened = desk.get(other, Kind::Fence, "Global\\fence", READ);
    let (wait, form) = (AccessMask::FENCE_WAIT, HandleForm::Held);
    let share = Request::Share { opening: opened.opening, name: None, access: wait, form };
    desk.ask(other, &share).unwrap();
    let told = desk.manager.held_of_opening(other, opened.opening);
    let told: Vec<_> = told
        .iter()
        .map(|HeldFacts { pid, uid, granted }| (*pid, *uid, granted.mask().bits()))
        .collect();
    assert_eq!(told, [(1001, 1000, 0x1F_0003), (1002, 0, 1)]);
    assert_eq!(desk.manager.held_of_opening(client, OpeningId(99)), []);
    assert_eq!(desk.facts(client, made.opening).handles, 3, "they count like any other");
}

#[test]
fn held_handles_count_against_the_same_limits() {
    let mut desk = Desk::new();
    let client = desk.client(1000);
    let made = hold(&mut desk, client, FENCE, "fence");
    let form = HandleForm::Held;
    let share = Request::Share { opening: made.opening, name: None, access: READ, form };
    for _ in 1..limits::SHARES_PER_OBJECT_MAX {
        desk.ask(client, &share).unwrap();
    }
    let full = capped(Cap::Shares, limits::SHARES_PER_OBJECT_MAX);
    assert_eq!(desk.ask(client, &share), Err(full));
    assert_eq!(drop_handle(&mut desk, client, made.handle), Ok(Reply::Done));
    let last = desk.ask(client, &share).map(|_| ());
    assert_eq!(last, Ok(()), "a place is free again");
    // Not through `check`, which is too slow for so many.
    let caller = Caller { client, time_ns: 0, came: Came::Nothing };
    let mut held = limits::SHARES_PER_OBJECT_MAX;
    let create = Request::Create { spec: FENCE, name: None, access: ALL, form, spare: None };
    while held < limits::HANDLES_PER_UID_MAX {
        match desk.manager.apply(&caller, &create, &mut desk.effects) {
            Ok(Reply::Created { opening, .. }) => {
                let drop = Request::Drop { opening };
                desk.manager.apply(&caller, &drop, &mut desk.effects).unwrap();
                held += 1;
            }
            other => panic!("handle {held} is answered with {other:?}"),
        }
    }
    let full = capped(Cap::Handles, limits::HANDLES_PER_UID_MAX);
    assert_eq!(desk.ask(client, &create), Err(full));
    let other_user = desk.client(1001);
    assert!(desk.ask(other_user, &create).is_ok(), "caps are one user's");
    desk.die(client);
    desk.die(other_user);
    assert!(desk.manager.is_idle());
}

#[test]
fn a_stream_whose_handle_is_held_is_gone_with_its_sender() {
    let mut desk = Desk::new();
    let (sender, receiver) = (desk.client(1000), desk.client(1000));
    let (name, form) = (Some(RawName::from("cam")), HandleForm::Held);
    let reply = desk.ask(sender, &Request::StreamCreate { name, access: ALL, form }).unwrap();
    assert!(matches!(reply, Reply::StreamCreated { form: HandleForm::Held, .. }), "{reply:?}");
    let opening = desk.open(receiver, "cam");
    desk.die(sender);
    assert_eq!(desk.seen(receiver), [""; 0], "its name is free");
    assert_eq!(desk.stream_facts(receiver, opening).end, Some(StreamEnd::Lost));
}
