//! What goes over the wire of surfaces, fences, events and sections: fields that no version has,
//! and the descriptors that come along.

use handfast_model::object::{Attachment, Came, ClientId, Takes, Writers};

use super::*;

/// The golden message of this file with some bytes of its body replaced.
fn altered(file: &str, offset: usize, bytes: &[u8]) -> Result<Message, WireError> {
    let samples = samples();
    let sample = samples.iter().find(|sample| sample.file == file).unwrap();
    let mut message = sample.message.encode();
    let place = HEADER_BYTES + offset;
    message[place..place + bytes.len()].copy_from_slice(bytes);
    sample.message.decode_as(&message, declared(&message))
}

fn check_refused(file: &str, offset: usize, bytes: &[u8], what: &str) {
    assert_eq!(altered(file, offset, bytes), Err(MALFORMED), "{file}: {what}");
}

#[test]
fn numbers_that_no_spec_has_are_refused() {
    for number in [0_u16, 1, 6, 0xFFFF] {
        check_refused("create-fence.hex", 0, &number.to_le_bytes(), "no kind that is created so");
    }
    for number in [0_u16, 6, 0xFFFF] {
        check_refused("open-presented.hex", 0, &number.to_le_bytes(), "no kind");
        check_refused("open.hex", 0, &number.to_le_bytes(), "no kind");
    }
    for side in [0, 5] {
        check_refused("create-surface.hex", 2, &[side], "no dimension");
    }
    check_refused("create-surface.hex", 27, &22_u32.to_le_bytes(), "no format");
    check_refused("create-surface.hex", 31, &0x0200_0D01_u32.to_le_bytes(), "no colour");
    check_refused("create-surface.hex", 35, &2_u32.to_le_bytes(), "no flag");
    check_refused("create-surface.hex", 39, &[9], "no alpha");
    check_refused("create-surface.hex", 40, &[2], "neither one writer nor several");
    check_refused("create-section.hex", 10, &[2], "neither one writer nor several");
    check_refused("create-event-auto.hex", 2, &[2], "neither manual nor auto");
    check_refused("create-event-auto.hex", 3, &[2], "neither set nor not");
}

#[test]
fn sizes_that_cannot_be_are_the_models_business() {
    for (offset, bytes) in [(3, 8), (11, 4), (15, 4), (19, 4), (23, 4)] {
        for lie in [0_u64, u64::MAX] {
            let read = altered("create-surface.hex", offset, &lie.to_le_bytes()[..bytes]);
            assert!(read.is_ok(), "{bytes} bytes at {offset} say {lie}: {read:?}");
        }
    }
}

#[test]
fn a_part_is_there_in_one_of_two_ways_or_not_at_all() {
    // Behind object, opening, granted, handle, its form, seat and owner.
    let (page, payload) = (41, 50);
    check_refused("created.hex", page, &[4], "no view");
    check_refused("created.hex", page, &[3], "the client's own page, and a descriptor of it");
    check_refused("created.hex", payload, &[3], "memory is nobody's own");
    check_refused("created.hex", page, &[0], "a page that is not there and has a number");
    check_refused("created.hex", payload, &[0, 1], "memory that is not there and has a number");
    check_refused("created.hex", payload, &[1], "memory whose descriptor is not declared");
    assert!(altered("created.hex", page, &[2]).is_ok(), "the same page, read-only");
}

#[test]
fn a_handle_is_a_descriptor_or_a_number() {
    check_refused("create-fence.hex", 14, &[2], "neither");
    check_refused("stream-create.hex", 4, &[2], "neither");
    check_refused("share.hex", 8, &[2], "neither");
    check_refused("created.hex", 32, &[2], "neither");
    check_refused("created.hex", 32, &[1], "a number that comes with a descriptor");
    check_refused("created-held.hex", 32, &[0], "a descriptor that does not come along");
    check_refused("handle-held.hex", 24, &[0], "a descriptor that does not come along");
}

#[test]
fn truths_of_replies_are_0_or_1() {
    for file in ["opening-list.hex", "listing.hex"] {
        check_refused(file, 0, &[2], "whether there are more");
    }
    // Behind granted, the object, who made it and both names.
    let behind_names = 4 + 40 + 4 + (5 + 4 + 6) + (1 + 4 + 10);
    check_refused("handle-facts.hex", behind_names, &[2], "neither a stream nor anything else");
}

#[test]
fn descriptors_follow_from_what_is_asked() {
    let both = Takes::Memory(Writers::Several);
    let one = Takes::Memory(Writers::One);
    let expected = [
        ("create-surface.hex", one, 1),
        ("create-surface-keyed.hex", both, 2),
        ("create-surface-1d.hex", one, 1),
        ("create-surface-3d.hex", both, 2),
        ("create-buffer.hex", both, 2),
        ("create-section.hex", both, 2),
        ("create-section-exclusive.hex", one, 1),
        ("stream-publish.hex", one, 1),
        ("open-presented.hex", Takes::Handle, 1),
        ("duplicate.hex", Takes::Handle, 1),
        ("duplicate-same.hex", Takes::Handle, 1),
        ("query-presented.hex", Takes::Handle, 1),
        ("deliver.hex", Takes::HandleAndProcess, 2),
        ("fetch.hex", Takes::Process, 1),
        ("redeem.hex", Takes::OwnProcess, 0),
    ];
    for Sample { file, message, .. } in samples() {
        let Message::Client(ClientMessage::Request { request, .. }) = message else { continue };
        let known = expected.iter().find(|(known, ..)| *known == file);
        let (takes, count) =
            known.map_or((Takes::Nothing, 0), |(_, takes, count)| (*takes, *count));
        assert_eq!(request.takes(), takes, "{file}");
        assert_eq!(takes.descriptors(), count, "{file}");
        let message = ClientMessage::Request { number: 1, request };
        assert_eq!(message.descriptors(), count, "{file}");
        assert_eq!(message.encode()[6..8], count.to_le_bytes(), "{file}");
    }
}

#[test]
fn replies_attach_the_handle_then_the_page_then_the_memory() {
    use handfast_model::object::{HandleId, PageId, PayloadId};

    let (handle, page, memory) = (HandleId(12), PageId(20), PayloadId(6));
    let expected = [
        ("created.hex", vec![Attachment::Handle(handle), Attachment::WritablePage(page)]),
        ("created-plain.hex", vec![Attachment::Handle(handle)]),
        ("created-held.hex", vec![Attachment::WritablePage(page)]),
        ("created-spare.hex", vec![]),
        ("handle.hex", vec![Attachment::Handle(handle)]),
        ("handle-held.hex", vec![]),
        ("stream-created-held.hex", vec![Attachment::WritablePage(page)]),
        ("opened.hex", vec![Attachment::WritablePage(page), Attachment::WritablePayload(memory)]),
        ("opened-to-wait.hex", vec![Attachment::ReadOnlyPage(page)]),
        ("opened-to-read.hex", vec![Attachment::Payload(memory)]),
        ("opened-bare.hex", vec![]),
        ("taken.hex", vec![Attachment::Handle(handle)]),
        ("delivered.hex", vec![]),
        ("handle-facts.hex", vec![]),
        ("opening-list.hex", vec![]),
    ];
    let samples = samples();
    for (file, attachments) in expected {
        let sample = samples.iter().find(|sample| sample.file == file).unwrap();
        let Message::Broker(BrokerMessage::Reply { reply, .. }) = &sample.message else {
            panic!("{file} is no reply")
        };
        assert_eq!(reply.attachments(), attachments, "{file}");
        assert_eq!(usize::from(sample.message.descriptors()), attachments.len(), "{file}");
    }
}

#[test]
fn the_spare_pages_and_pipes_of_a_request_are_foreseen() {
    for Sample { file, message, .. } in samples() {
        let Message::Client(ClientMessage::Request { request, .. }) = message else { continue };
        let needs = Manager::new(1).resources(ClientId(1), &request, Came::Nothing);
        let paged = ["create-surface-keyed", "create-fence", "create-event"];
        let pages = if paged.iter().any(|paged| file.starts_with(paged)) { 1 } else { 0 };
        let stream_pages = match file.as_str() {
            "stream-stock.hex" => 16,
            _ if file.starts_with("stream-create") => 17,
            _ => 0,
        };
        let makes =
            ["create", "stream-create", "share", "open-handle", "duplicate", "deliver", "fetch"];
        let makes = makes.iter().any(|word| file.starts_with(word)) && !file.ends_with("held.hex");
        let needed = (needs.pages, needs.stream_pages, needs.handles, needs.view);
        assert_eq!(needed, (pages, stream_pages, usize::from(makes), None), "{file}");
    }
}
