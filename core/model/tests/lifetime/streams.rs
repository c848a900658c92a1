//! How a stream ends, and what its receivers leave.

use super::*;

fn end_of(done: &[Effect]) -> Option<StreamEnd> {
    done.iter().find_map(|effect| match effect {
        Effect::EndSender { end, .. } => Some(*end),
        _ => None,
    })
}

#[test]
fn a_sender_that_drops_has_ended_and_one_that_dies_is_lost() {
    for (died, end) in [(false, StreamEnd::Ended), (true, StreamEnd::Lost)] {
        let mut desk = Desk::new();
        let (sender, receiver) = (desk.client(1000), desk.client(1000));
        let made = desk.create(sender, "cam");
        desk.publish(sender, made.opening, 1, 4096).unwrap();
        let opening = desk.open(receiver, "cam");
        desk.done();
        if died {
            desk.die(sender)
        } else {
            desk.drop_opening(sender, made.opening)
        }
        let done = desk.done();
        assert_eq!(end_of(&done), Some(end), "died: {died}, {done:?}");
        let dropped = Effect::DropPayload { payload: PayloadId(1) };
        assert!(done.contains(&dropped), "its memory is given back: {done:?}");
        let facts = desk.stream_facts(receiver, opening);
        assert_eq!((facts.end, facts.sender_pid, facts.payload_bytes), (Some(end), None, 0));
        assert_eq!(desk.join(receiver, opening), Err(Error::StreamOver));
        let generation = Request::StreamGeneration { opening };
        assert_eq!(desk.ask(receiver, &generation), Err(Error::StreamOver));
    }
}

#[test]
fn a_receiver_that_dies_gives_back_its_page_and_the_sender_is_told() {
    let mut desk = Desk::new();
    let (sender, receiver) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    desk.mapped(sender, made.opening);
    let opening = desk.open(receiver, "cam");
    let page = desk.join(receiver, opening).unwrap();
    assert_eq!(desk.join(receiver, opening), Err(Error::JoinedAlready { opening }));
    desk.mapped(receiver, opening);
    assert!(desk.done().contains(&Effect::SealPage { page }), "the page is sealed");
    desk.die(receiver);
    let gone = [
        Effect::StampGone { page },
        Effect::DropPage { page },
        Effect::BumpEvents { page: made.page },
    ];
    assert_eq!(desk.done(), gone);
    assert_eq!(desk.stream_facts(sender, made.opening).receivers, 0);
}

#[test]
fn an_opening_that_sends_and_receives_leaves_nothing_behind() {
    let mut desk = Desk::new();
    let (sender, other) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    desk.mapped(sender, made.opening);
    let page = desk.join(sender, made.opening).unwrap();
    desk.done();
    desk.mapped(sender, made.opening);
    assert_eq!(desk.done(), [Effect::SealPage { page }], "it has mapped that page too");
    let opening = desk.open(other, "cam");
    desk.drop_opening(sender, made.opening);
    let done = desk.done();
    assert!(done.contains(&Effect::DropPage { page }), "{done:?}");
    assert_eq!(desk.stream_facts(other, opening).receivers, 0);
}

#[test]
fn only_the_sender_publishes_and_only_the_next_generation() {
    let mut desk = Desk::new();
    let sender = desk.client(1000);
    let made = desk.create(sender, "cam");
    let opening = desk.try_open(sender, "cam", ALL).unwrap();
    let not_sender = Err(Error::NotTheSender { opening });
    assert_eq!(desk.publish(sender, opening, 1, 4096), not_sender);
    let early = Err(Error::GenerationOutOfOrder { expected: 1, given: 2 });
    assert_eq!(desk.publish(sender, made.opening, 2, 4096), early);
    assert_eq!(desk.publish(sender, made.opening, 1, 4096), Ok(Reply::Done));
    desk.done();
    assert_eq!(desk.publish(sender, made.opening, 2, 4096), Ok(Reply::Done));
    let kept = Effect::KeepPayload { payload: PayloadId(2) };
    let dropped = Effect::DropPayload { payload: PayloadId(1) };
    assert_eq!(desk.done(), [kept, dropped], "a generation takes the former one's place");
}

#[test]
fn memory_comes_with_publish_and_with_nothing_else() {
    let mut desk = Desk::new();
    let sender = desk.client(1000);
    let made = desk.create(sender, "cam");
    let query = Request::Query { opening: made.opening };
    assert_eq!(desk.check(sender, &query, memory(4096, Writers::One)), Err(Error::PayloadMissing));
    let layout = GenerationLayout {
        number: 1,
        slots: 1,
        table_bytes: 0,
        slot_bytes: 1,
        picture: PictureFacts::default(),
    };
    let publish = Request::StreamPublish { opening: made.opening, layout };
    assert_eq!(desk.ask(sender, &publish), Err(Error::PayloadMissing));
    let written_by_others = desk.check(sender, &publish, memory(4096, Writers::Several));
    assert_eq!(written_by_others, Err(Error::PayloadMissing));
    let small = Err(Error::PayloadTooSmall { needs_bytes: 1, has_bytes: 0 });
    assert_eq!(desk.publish(sender, made.opening, 1, 0), small);
}

#[test]
fn whoever_waits_for_room_is_told_once_when_there_is_some() {
    let mut desk = Desk::new();
    let (sender, receiver) = (desk.client(1000), desk.client(1000));
    let made = desk.create(sender, "cam");
    let opening = desk.open(receiver, "cam");
    desk.done();
    for _ in 0..2 {
        assert_eq!(desk.ask(receiver, &Request::StreamJoin { opening }), Ok(Reply::StreamFull));
    }
    desk.mapped(sender, made.opening);
    assert_eq!(desk.events(), [(receiver, Event::Room { opening })]);
    desk.mapped(sender, made.opening);
    assert_eq!(desk.events(), []);
    assert!(desk.join(receiver, opening).is_ok());
}

#[test]
fn whoever_waits_for_room_is_told_when_the_stream_is_over() {
    let mut desk = Desk::new();
    let (sender, receiver) = (desk.client(1000), desk.client(1000));
    desk.create(sender, "cam");
    let own = desk.open(sender, "cam");
    assert_eq!(desk.ask(sender, &Request::StreamJoin { opening: own }), Ok(Reply::StreamFull));
    let opening = desk.open(receiver, "cam");
    assert_eq!(desk.ask(receiver, &Request::StreamJoin { opening }), Ok(Reply::StreamFull));
    desk.done();
    desk.die(sender);
    let told = [(receiver, Event::Room { opening })];
    assert_eq!(desk.events(), told, "and nothing is told to the one who died");
}
