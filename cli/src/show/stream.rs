//! What a stream has of its own.

use std::time::Duration;

use handfast::{Holders, Lossless, PictureInfo, ReceiverInfo, ReceiverStatus};
use serde::Serialize;

use super::{Common, Line};
use crate::look::subject::Subject;
use crate::look::{self, clean};

pub(super) fn lines(subject: &Subject) -> Vec<Line> {
    let mut lines = vec![("frame", frame(subject)), ("sent", sent(subject))];
    let said = &subject.statistics.text;
    if !said.is_empty() {
        lines.push(("says", clean(said).into_owned()));
    }
    lines.push(("memory", memory(subject)));
    let mut head = "receivers";
    for receiver in receivers(subject) {
        lines.push((head, receiver));
        head = "";
    }
    lines
}

/// `88412, 16 ms ago, 59.9/s; 1920x1080 BGRA8, stride 7680, sRGB full, straight alpha`.
fn frame(subject: &Subject) -> String {
    let statistics = &subject.statistics;
    let latest = subject.memory.as_ref().and_then(|memory| memory.latest.as_ref());
    let mut words = match statistics.latest_sequence {
        0 => "none yet".into(),
        sequence => format!("{sequence}, {} ago", look::span(age(subject).unwrap_or_default())),
    };
    if !subject.stream.has_sender {
        words += "; its sender is gone and its name is still held";
    } else if let Some(rate) = subject.rate.per_second() {
        words += &format!(", {rate:.1}/s");
    }
    let picture = latest.map(|record| PictureInfo {
        width: record.width,
        height: record.height,
        format: record.format,
        color: record.color,
        alpha: record.alpha,
    });
    let Some(picture) = picture.or(subject.stream.picture) else { return words };
    words += &format!("; {}x{} {}", picture.width, picture.height, picture.format);
    if let Some(record) = latest {
        let strides: Vec<_> =
            record.layout.planes().iter().map(|plane| plane.stride_bytes.to_string()).collect();
        let many = if strides.len() > 1 { "strides" } else { "stride" };
        words += &format!(", {many} {}", strides.join(" "));
    }
    words += &format!(", {}", picture.color);
    if picture.format.has_alpha() {
        words += &format!(", {} alpha", picture.alpha);
    }
    words
}

fn age(subject: &Subject) -> Option<Duration> {
    let statistics = &subject.statistics;
    (statistics.latest_sequence > 0).then(|| look::since_monotonic(statistics.last_sent_ns))
}

fn sent(subject: &Subject) -> String {
    let statistics = &subject.statistics;
    let lossless = match subject.lossless {
        Lossless::Allowed => "waits for lossless receivers",
        Lossless::Refused => "waits for nobody",
    };
    let ended = if statistics.ended { ", ended" } else { "" };
    format!("{} frames, dropped {}, {lossless}{ended}", statistics.sent, statistics.dropped)
}

fn memory(subject: &Subject) -> String {
    let Some(memory) = &subject.memory else {
        return match subject.stream.payload_bytes {
            0 => "none".into(),
            bytes => format!("CPU memory (memfd), {}", look::size(bytes)),
        };
    };
    let changes = match memory.generation {
        0 | 1 => String::new(),
        2 => ", second layout (size or format changed once)".into(),
        number => format!(", layout {number} (size or format changed {} times)", number - 1),
    };
    format!(
        "CPU memory (memfd), {} slots of {}, {} in all{changes}",
        memory.slots,
        look::size(memory.slot_bytes),
        look::size(memory.size_bytes),
    )
}

/// A line for each receiver, in columns.
fn receivers(subject: &Subject) -> Vec<String> {
    let lines: Vec<[String; 5]> =
        subject.receivers.iter().map(|receiver| receiver_cells(subject, receiver)).collect();
    let widths: Vec<usize> = (0..5)
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| look::columns_of(cell)).max().unwrap_or_default()
        })
        .collect();
    let join = |line: &[String; 5]| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| {
            format!("{cell}{:1$}", "", width.saturating_sub(look::columns_of(cell)) + 3)
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    if lines.is_empty() { vec!["none".into()] } else { lines.iter().map(join).collect() }
}

fn receiver_cells(subject: &Subject, receiver: &ReceiverInfo) -> [String; 5] {
    let process = look::process(receiver.program.as_deref(), receiver.pid);
    let Some(status) = &receiver.status else {
        return [process, "joining".into(), String::new(), String::new(), String::new()];
    };
    let behind = subject.behind(status);
    let missed = if status.mode == handfast::Mode::Lossless {
        format!("{behind} behind")
    } else {
        format!("skipped {}", status.skipped)
    };
    let mut holds =
        holding(status).map_or(String::new(), |time| format!("holds a slot {}", look::span(time)));
    if subject.waits_for(status) && behind > 0 && behind == slowest(subject) {
        holds += "   <- slowest of those that the sender waits for";
    }
    [process, look::mode(status.mode), format!("at {}", status.at_sequence), missed, holds]
}

/// How far behind the slowest of those is that the sender waits for.
fn slowest(subject: &Subject) -> u64 {
    let statuses = subject.receivers.iter().filter_map(|receiver| receiver.status.as_ref());
    let waited_for = statuses.filter(|status| subject.waits_for(status));
    waited_for.map(|status| subject.behind(status)).max().unwrap_or_default()
}

fn holding(status: &ReceiverStatus) -> Option<Duration> {
    status.holds.then(|| look::since_monotonic(status.held_since_ns))
}

/// The same as JSON.
#[derive(Serialize)]
pub(super) struct Facts<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    sender: Option<look::Process<'a>>,
    frame: Frame,
    frames_sent: u64,
    dropped: u64,
    lossless: bool,
    text: &'a str,
    memory: Option<Memory>,
    receivers: Vec<Receiver<'a>>,
}

#[derive(Serialize)]
struct Frame {
    sequence: u64,
    age_ms: Option<f64>,
    rate_hz: Option<f64>,
    width: Option<u32>,
    height: Option<u32>,
    format: Option<&'static str>,
    strides: Vec<u32>,
    color: Option<String>,
    alpha: Option<&'static str>,
}

#[derive(Serialize)]
struct Memory {
    kind: &'static str,
    generation: u32,
    slots: u32,
    slot_bytes: u64,
    size_bytes: u64,
}

#[derive(Serialize)]
struct Receiver<'a> {
    pid: i32,
    program: Option<&'a str>,
    mode: Option<String>,
    at: Option<u64>,
    behind: Option<u64>,
    received: Option<u64>,
    skipped: Option<u64>,
    holds_ms: Option<f64>,
    sender_waits: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn of(subject: &'a Subject, held: &'a Holders) -> Self {
        let object = &subject.object;
        let sender = look::Process { pid: object.pid, program: object.program.as_deref() };
        Self {
            common: Common::of(&subject.name, held),
            sender: subject.stream.has_sender.then_some(sender),
            frame: Frame::of(subject),
            frames_sent: subject.statistics.sent,
            dropped: subject.statistics.dropped,
            lossless: subject.lossless == Lossless::Allowed,
            text: &subject.statistics.text,
            memory: subject.memory.as_ref().map(|memory| Memory {
                kind: "memfd",
                generation: memory.generation,
                slots: memory.slots,
                slot_bytes: memory.slot_bytes,
                size_bytes: memory.size_bytes,
            }),
            receivers: subject.receivers.iter().map(|one| Receiver::of(subject, one)).collect(),
        }
    }
}

impl Frame {
    fn of(subject: &Subject) -> Self {
        let picture = subject.stream.picture;
        let latest = subject.memory.as_ref().and_then(|memory| memory.latest.as_ref());
        let planes = latest.map(|record| record.layout.planes()).unwrap_or_default();
        Self {
            sequence: subject.statistics.latest_sequence,
            age_ms: age(subject).map(look::milliseconds),
            rate_hz: subject.rate.rounded(),
            width: picture.map(|picture| picture.width),
            height: picture.map(|picture| picture.height),
            format: picture.map(|picture| picture.format.name()),
            strides: planes.iter().map(|plane| plane.stride_bytes).collect(),
            color: picture.map(|picture| picture.color.to_string()),
            alpha: picture.map(|picture| picture.alpha.name()),
        }
    }
}

impl<'a> Receiver<'a> {
    fn of(subject: &Subject, receiver: &'a ReceiverInfo) -> Self {
        let status = receiver.status.as_ref();
        Self {
            pid: receiver.pid,
            program: receiver.program.as_deref(),
            mode: status.map(|status| look::mode(status.mode)),
            at: status.map(|status| status.at_sequence),
            behind: status.map(|status| subject.behind(status)),
            received: status.map(|status| status.received),
            skipped: status.map(|status| status.skipped),
            holds_ms: status.and_then(holding).map(look::milliseconds),
            sender_waits: status.is_some_and(|status| subject.waits_for(status)),
        }
    }
}
