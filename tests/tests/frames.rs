//! What a frame carries, and how slots, generations and modes behave: sender and receivers in one
//! process, each with its own connection to a broker.

#![forbid(unsafe_code)]

use std::process::Command;
use std::time::Duration;

use handfast::{
    Alpha, Color, ErrorKind, Format, Frame, Lossless, Mode, Next, Receiver, Rect, Sender,
    SenderOptions, Sent,
};
use handfast_tests::{Scratch, handfast};

const NOW: Duration = Duration::ZERO;
const PATIENCE: Duration = Duration::from_secs(20);
const ALONE: &str = "HANDFAST_TEST_ALONE";

/// Runs a test in a process of its own, whose broker nobody else uses. The library takes its
/// broker from the environment, which a test cannot change for itself.
#[track_caller]
fn alone(body: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        body();
        return;
    }
    let scratch = Scratch::new();
    let thread = std::thread::current();
    let test = thread.name().expect("the harness names its threads");
    let mut command: Command = scratch.command(std::env::current_exe().expect("a path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    let output = command.env(ALONE, "1").env("HANDFAST_BROKER", handfast()).output();
    let output = output.expect("the test can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn small() -> SenderOptions {
    SenderOptions::new((16, 8), Format::Bgra8)
}

fn lossless() -> SenderOptions {
    SenderOptions { lossless: Lossless::Allowed, ..small() }
}

/// Fills a frame with one byte and sends it.
fn send(sender: &mut Sender, byte: u8) -> Sent {
    let mut frame = sender.frame().expect("a frame can be drawn");
    frame.bytes_mut().fill(byte);
    frame.send().expect("a frame can be sent")
}

/// The next frame, which must be there already.
#[track_caller]
fn take(receiver: &mut Receiver) -> Frame<'_> {
    match receiver.recv_timeout(NOW).expect("receiving works") {
        Next::Frame(frame) => frame,
        other @ (Next::TimedOut | Next::Ended | Next::Lost) => {
            panic!("a frame was there, and not {other:?}")
        }
    }
}

#[track_caller]
fn nothing(receiver: &mut Receiver) {
    let next = receiver.recv_timeout(NOW).expect("receiving works");
    assert!(matches!(next, Next::TimedOut), "{next:?}");
}

#[track_caller]
fn first_byte(frame: &Frame<'_>) -> u8 {
    let mut pixels = Vec::new();
    frame.copy_to(&mut pixels).expect("the pixels are there");
    let first = *pixels.first().expect("a frame has pixels");
    assert!(pixels.iter().all(|byte| *byte == first), "the frame is whole");
    first
}

#[test]
fn a_frame_describes_itself() {
    alone(|| {
        let mut sender = Sender::create_with("cam", small()).expect("a stream");
        let mut receiver = Receiver::open("cam").expect("a receiver");
        nothing(&mut receiver);
        let before_ns = handfast::monotonic_ns();
        let mut frame = sender.frame().expect("a frame");
        frame.set_time_ns(12_345);
        frame.set_color(Color::BT2020_LIMITED, Alpha::Premultiplied);
        frame.add_damage(Rect { x: 1, y: 2, width: 3, height: 4 });
        frame.add_damage(Rect { x: 10, y: 6, width: 100, height: 100 });
        frame.add_damage(Rect { x: 99, y: 99, width: 1, height: 1 });
        frame.set_user_data(b"cue 7").expect("five bytes fit");
        assert_eq!(
            frame.set_user_data(&[0; 65]).map_err(|error| error.kind()),
            Err(ErrorKind::Invalid)
        );
        assert_eq!(frame.rows_mut(0).count(), 8);
        assert!(frame.rows_mut(0).all(|row| row.len() == 64));
        assert_eq!(frame.rows_mut(1).count(), 0);
        assert_eq!(frame.send().expect("sent"), Sent::Published(1));

        let frame = take(&mut receiver);
        assert_eq!((frame.sequence(), frame.dropped_before()), (1, 0));
        assert_eq!(frame.time_ns(), 12_345);
        assert!((before_ns..=handfast::monotonic_ns()).contains(&frame.sent_ns()));
        assert_eq!((frame.size(), frame.format()), ((16, 8), Format::Bgra8));
        assert_eq!((frame.color(), frame.alpha()), (Color::BT2020_LIMITED, Alpha::Premultiplied));
        let cut = Rect { x: 10, y: 6, width: 6, height: 2 };
        assert_eq!(frame.damage(), [Rect { x: 1, y: 2, width: 3, height: 4 }, cut]);
        assert_eq!(frame.user_data(), b"cue 7");
        drop(frame);

        // The next one has nothing of the last but what the stream has.
        send(&mut sender, 1);
        let frame = take(&mut receiver);
        assert_eq!((frame.color(), frame.alpha()), (Color::SRGB, Alpha::Straight));
        assert_eq!(frame.time_ns(), frame.sent_ns());
        assert!(frame.damage().is_empty() && frame.user_data().is_empty());
    });
}

#[test]
fn every_format_arrives_byte_for_byte() {
    alone(|| {
        for (format, number) in Format::ALL.into_iter().zip(1_u8..) {
            let name = format!("format-{format}");
            let mut sender = Sender::create(&name, (17, 9), format).expect("a stream");
            let mut receiver = Receiver::open(&name).expect("a receiver");
            let mut frame = sender.frame().expect("a frame");
            for (byte, value) in frame.bytes_mut().iter_mut().zip((number..=u8::MAX).cycle()) {
                *byte = value;
            }
            let sent = frame.bytes().to_vec();
            frame.send().expect("sent");
            let mut received = Vec::new();
            let frame = take(&mut receiver);
            frame.copy_to(&mut received).expect("pixels");
            assert_eq!(
                (frame.format(), frame.layout().planes().len()),
                (format, format.plane_count())
            );
            assert!(sent == received, "{format}");
        }
    });
}

#[test]
fn latest_skips_and_counts_what_it_skipped() {
    alone(|| {
        let mut sender = Sender::create_with("cam", small()).expect("a stream");
        let mut receiver = Receiver::open("cam").expect("a receiver");
        for number in 1..=9 {
            send(&mut sender, number);
        }
        let frame = take(&mut receiver);
        assert_eq!((frame.sequence(), first_byte(&frame)), (9, 9));
        drop(frame);
        nothing(&mut receiver);
        for number in 10..=12 {
            send(&mut sender, number);
        }
        assert_eq!(take(&mut receiver).dropped_before(), 2);
        assert_eq!(sender.dropped(), 0);
    });
}

#[test]
fn a_queue_keeps_the_order_and_drops_the_oldest() {
    alone(|| {
        let mut sender =
            Sender::create_with("cam", SenderOptions { slots: 8, ..small() }).expect("a stream");
        let mut receiver = Receiver::open_with("cam", Mode::Queue(3)).expect("a receiver");
        nothing(&mut receiver);
        for number in 1..=7 {
            send(&mut sender, number);
        }
        let mut seen = Vec::new();
        for _ in 0..3 {
            let frame = take(&mut receiver);
            seen.push((frame.sequence(), first_byte(&frame), frame.dropped_before()));
        }
        assert_eq!(seen, [(5, 5, 0), (6, 6, 0), (7, 7, 0)]);
        nothing(&mut receiver);
    });
}

#[test]
fn lossless_makes_the_sender_wait_and_misses_nothing() {
    alone(|| {
        let mut sender = Sender::create_with("cam", lossless()).expect("a stream");
        let mut receiver = Receiver::open_with("cam", Mode::Lossless).expect("a receiver");
        nothing(&mut receiver);
        let mut sent = 0;
        while sent < 5 {
            sent += 1;
            send(&mut sender, sent);
        }
        // Five slots, five frames, none taken: the sender would have to wait.
        assert!(sender.frame_timeout(NOW).expect("no error").is_none());
        for number in 1..=50 {
            let frame = take(&mut receiver);
            assert_eq!((frame.sequence(), first_byte(&frame)), (number, sent - 4));
            drop(frame);
            sent += 1;
            assert_eq!(send(&mut sender, sent), Sent::Published(number + 5));
        }
        drop(receiver);
        // Nobody is left to wait for.
        for _ in 0..20 {
            assert!(matches!(send(&mut sender, 0), Sent::Published(_)));
        }
    });
}

#[test]
fn a_sender_that_does_not_allow_it_waits_for_nobody() {
    alone(|| {
        let mut sender = Sender::create_with("cam", small()).expect("a stream");
        let mut receiver = Receiver::open_with("cam", Mode::Lossless).expect("a receiver");
        nothing(&mut receiver);
        assert_eq!(receiver.lossless_allowed(), Some(false));
        for number in 1..=20 {
            send(&mut sender, number);
        }
        let frame = take(&mut receiver);
        assert!(frame.sequence() > 1 && sender.dropped() == 0, "{frame:?}");
    });
}

#[test]
fn without_a_free_slot_a_frame_is_drawn_aside_and_dropped() {
    alone(|| {
        let options = SenderOptions { slots: 2, ..small() };
        let mut sender = Sender::create_with("cam", options).expect("a stream");
        let mut receiver = Receiver::open("cam").expect("a receiver");
        assert_eq!(send(&mut sender, 1), Sent::Published(1));
        let held = take(&mut receiver);
        assert_eq!(send(&mut sender, 2), Sent::Published(2));
        // One slot is held, the other has the latest frame.
        assert_eq!(send(&mut sender, 3), Sent::Dropped);
        assert_eq!((sender.sent(), sender.dropped()), (2, 1));
        assert_eq!(first_byte(&held), 1);
        // Drawn aside, and sent all the same if a slot comes free in time.
        let mut frame = sender.frame().expect("a frame");
        frame.bytes_mut().fill(4);
        drop(held);
        assert_eq!(frame.send().expect("sent"), Sent::Published(3));
        assert_eq!(first_byte(&take(&mut receiver)), 4);
    });
}

#[test]
fn a_frame_that_is_not_sent_is_nobodys() {
    alone(|| {
        let mut sender = Sender::create_with("cam", small()).expect("a stream");
        let mut receiver = Receiver::open("cam").expect("a receiver");
        for _ in 0..20 {
            drop(sender.frame().expect("a frame"));
        }
        nothing(&mut receiver);
        assert_eq!(send(&mut sender, 1), Sent::Published(1));
        assert_eq!(take(&mut receiver).sequence(), 1);
    });
}

#[test]
fn a_resize_is_just_another_frame() {
    alone(|| {
        let mut sender = Sender::create_with("cam", small()).expect("a stream");
        let mut latest = Receiver::open("cam").expect("a receiver");
        let mut late = Receiver::open("cam").expect("a receiver");
        send(&mut sender, 1);
        let held = take(&mut latest);
        sender.resize((640, 360), Format::I420).expect("a larger picture");
        send(&mut sender, 2);
        sender.resize((4, 4), Format::Rgba16f).expect("a smaller one");
        send(&mut sender, 3);
        // The held frame is what it was; the next is of the newest size.
        assert_eq!((held.size(), first_byte(&held)), ((16, 8), 1));
        drop(held);
        for receiver in [&mut latest, &mut late] {
            let frame = take(receiver);
            assert_eq!((frame.size(), frame.format()), ((4, 4), Format::Rgba16f));
            assert_eq!((frame.sequence(), first_byte(&frame)), (3, 3));
        }
        assert_eq!(
            sender.resize((0, 4), Format::I420).map_err(|error| error.kind()),
            Err(ErrorKind::PictureInvalid)
        );
        assert_eq!((sender.size(), sender.format()), ((4, 4), Format::Rgba16f));
        send(&mut sender, 4);
        assert_eq!(first_byte(&take(&mut latest)), 4);
    });
}

#[test]
fn a_lossless_receiver_gets_the_frames_before_a_resize_too() {
    alone(|| {
        let mut sender = Sender::create_with("cam", lossless()).expect("a stream");
        let mut receiver = Receiver::open_with("cam", Mode::Lossless).expect("a receiver");
        nothing(&mut receiver);
        send(&mut sender, 1);
        send(&mut sender, 2);
        sender.resize((32, 32), Format::Bgra8).expect("a larger picture");
        send(&mut sender, 3);
        for (number, size) in [(1, (16, 8)), (2, (16, 8)), (3, (32, 32))] {
            let frame = take(&mut receiver);
            assert_eq!((first_byte(&frame), frame.size()), (number, size));
        }
        sender.finish(PATIENCE).expect("it ends");
        assert!(receiver.recv().expect("no error").is_none());
    });
}

#[test]
fn a_name_is_followed_from_sender_to_sender() {
    alone(|| {
        let mut receiver = Receiver::open("cam").expect("a receiver");
        nothing(&mut receiver);
        assert_eq!(receiver.sender_pid(), None);
        for number in 1..=5 {
            let mut sender = Sender::create_with("cam", small()).expect("the name is free");
            send(&mut sender, number);
            let frame = receiver.recv_timeout(PATIENCE).expect("no error");
            assert!(
                matches!(&frame, Next::Frame(frame) if first_byte(frame) == number),
                "{frame:?}"
            );
            drop(frame);
            drop(sender);
            assert!(receiver.recv().expect("no error").is_none());
        }
    });
}

#[test]
fn the_last_frame_is_had_before_the_end_is_told() {
    alone(|| {
        let mut receiver = Receiver::open("cam").expect("a receiver");
        let mut sender = Sender::create_with("cam", small()).expect("a stream");
        nothing(&mut receiver);
        send(&mut sender, 1);
        drop(sender);
        assert_eq!(take(&mut receiver).sequence(), 1);
        assert!(receiver.recv().expect("no error").is_none());
    });
}

#[test]
fn more_receivers_than_pages_are_ready_all_join() {
    alone(|| {
        let options = SenderOptions { slots: 64, ..small() };
        let mut sender = Sender::create_with("cam", options).expect("a stream");
        let mut receivers: Vec<_> =
            (0..60).map(|_| Receiver::open("cam").expect("a receiver")).collect();
        let mut number = 0;
        let mut waiting = receivers.len();
        while waiting > 0 {
            number += 1;
            send(&mut sender, number);
            waiting = 0;
            for receiver in &mut receivers {
                let next = receiver.recv_timeout(NOW).expect("no error");
                waiting += usize::from(!matches!(next, Next::Frame(_)));
            }
            assert!(number < 200, "{waiting} receivers never joined");
        }
        assert_eq!(sender.receivers().count(), 60);
        receivers.truncate(3);
        send(&mut sender, 0);
        let left = receivers.iter_mut().map(|receiver| first_byte(&take(receiver))).count();
        assert_eq!(left, 3);
    });
}

#[test]
fn what_cannot_be_is_refused_and_leaves_the_name_free() {
    alone(|| {
        let kind = |result: handfast::Result<Sender>| result.err().map(|error| error.kind());
        let create = |name: &str, options| kind(Sender::create_with(name, options));
        let size = |size| SenderOptions { size, ..small() };
        assert_eq!(create("cam", size((0, 1))), Some(ErrorKind::PictureInvalid));
        assert_eq!(create("cam", size((1, 16385))), Some(ErrorKind::PictureInvalid));
        let slots = |slots| SenderOptions { slots, ..small() };
        assert_eq!(create("cam", slots(1)), Some(ErrorKind::Invalid));
        assert_eq!(create("cam", slots(65)), Some(ErrorKind::Invalid));
        let huge = SenderOptions { format: Format::Rgba32f, slots: 64, ..size((8192, 8192)) };
        let refused = create("cam", huge);
        assert!(
            matches!(refused, Some(ErrorKind::OutOfMemory | ErrorKind::LimitReached)),
            "{refused:?}"
        );
        for name in ["", "a\\b", "Session\\x", &"x".repeat(261)] {
            assert_eq!(create(name, small()), Some(ErrorKind::NameInvalid), "{name}");
        }
        let first = Sender::create_with("cam", small()).expect("nothing was left behind");
        let taken = Sender::create_with("Local\\cam", small()).expect_err("one name, two streams");
        assert_eq!(taken.kind(), ErrorKind::NameTaken);
        assert_eq!(taken.holder_pid(), i32::try_from(std::process::id()).ok());
        assert_eq!(taken.status(), handfast::Status::DXGI_ERROR_NAME_ALREADY_EXISTS);
        drop(first);
        drop(Sender::create_with("cam", small()).expect("free again at once"));
        let absent = Receiver::open_existing("nobody", Mode::Latest, PATIENCE);
        assert_eq!(absent.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    });
}
