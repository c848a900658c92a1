//! `handfast explain`: which way frames take to each receiver, and what would make it better.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Parser;
use handfast::{Lossless, Mode, ReceiverInfo, ReceiverStatus};
use serde::Serialize;

use crate::look::subject::Subject;
use crate::look::{self, clean, typed};

/// The path of every receiver at present.
const PATH: &str = "read-only mapping";
/// A receiver that skips more than one frame in so many is told how to skip fewer.
const SKIPS_MUCH: u64 = 10;
/// Most slots of a stream, as `send --slots` takes them.
const SLOTS_MAX: u32 = 64;
/// The longest queue, as `recv --mode queue:N` takes it.
const QUEUE_MAX: u32 = 62;

/// `handfast explain`.
#[derive(Debug, Parser)]
pub(crate) struct ExplainArgs {
    /// Name of the stream
    name: String,
    /// One JSON object a line, the sender's first, then one for each receiver
    #[arg(long)]
    json: bool,
}

/// What to type, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Advice {
    command: String,
    why: String,
}

pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let subject = Subject::find(&mut look::connect(&args.name)?, &args.name)?;
    look::say(&if args.json { json(&subject)? } else { text(&subject)? })?;
    Ok(ExitCode::SUCCESS)
}

fn text(subject: &Subject) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let name = clean(&subject.name);
    writeln!(text, "{}", sender(subject))?;
    let statistics = &subject.statistics;
    if statistics.dropped > 0 {
        let made = statistics.sent.saturating_add(statistics.dropped);
        writeln!(
            text,
            "  dropped    {} of {made} frames: receivers held every slot",
            statistics.dropped
        )?;
    }
    improve(&mut text, for_sender(subject).as_ref())?;
    for receiver in &subject.receivers {
        let process = look::process(receiver.program.as_deref(), receiver.pid);
        let Some(status) = &receiver.status else {
            writeln!(text, "{process} is joining {name}.")?;
            continue;
        };
        writeln!(text, "{process} reads {name} with NO COPY ({PATH}).")?;
        writeln!(text, "  {:<10} {}", look::mode(status.mode), progress(subject, status))?;
        improve(&mut text, for_receiver(subject, status).as_ref())?;
    }
    if subject.receivers.is_empty() {
        writeln!(text, "Nobody reads it.")?;
    } else {
        writeln!(text, "Copies that a program makes for itself cannot be seen from here.")?;
    }
    Ok(text)
}

fn improve(text: &mut String, advice: Option<&Advice>) -> std::fmt::Result {
    match advice {
        Some(Advice { command, why }) => {
            writeln!(text, "  to improve:   {command}      ({why})")
        }
        None => Ok(()),
    }
}

/// `ffmpeg[2214] draws cam in CPU memory (memfd): 5 slots of 8.3 MB. It waits for nobody.`
fn sender(subject: &Subject) -> String {
    let object = &subject.object;
    let name = clean(&subject.name);
    if !subject.stream.has_sender {
        return format!("The sender of {name} is gone, and its name is still held.");
    }
    let slots = subject.memory.as_ref().map_or(String::new(), |memory| {
        format!(": {} slots of {}", memory.slots, look::size(memory.slot_bytes))
    });
    let waits = match subject.lossless {
        Lossless::Allowed => "It waits for receivers in mode lossless.",
        Lossless::Refused => "It waits for nobody.",
    };
    let process = look::process(object.program.as_deref(), object.pid);
    format!("{process} draws {name} in CPU memory (memfd){slots}. {waits}")
}

/// How far a receiver is, and whether the sender minds.
fn progress(subject: &Subject, status: &ReceiverStatus) -> String {
    let behind = match subject.behind(status) {
        0 => "has the newest frame".into(),
        1 => "is 1 frame behind".into(),
        behind => format!("is {behind} frames behind"),
    };
    let waits = if subject.waits_for(status) {
        "the sender waits for it once every slot holds a frame that it has not taken"
    } else {
        "the sender does not wait for it"
    };
    format!("{behind}; took {}, skipped {}; {waits}", status.received, status.skipped)
}

/// More slots, where receivers were seen to hold them all.
fn for_sender(subject: &Subject) -> Option<Advice> {
    let slots = subject.memory.as_ref()?.slots;
    let receivers = u32::try_from(subject.receivers.len()).unwrap_or(u32::MAX);
    let enough = receivers.saturating_add(2).min(SLOTS_MAX);
    (subject.statistics.dropped > 0 && enough > slots).then(|| Advice {
        command: format!("handfast send {} --slots {enough}", typed(&subject.name)),
        why: format!("no frame is dropped with two slots more than its receivers, {receivers}"),
    })
}

/// Another mode, where this one loses frames.
fn for_receiver(subject: &Subject, status: &ReceiverStatus) -> Option<Advice> {
    let name = typed(&subject.name);
    let skips = status.skipped > 0
        && status.skipped >= status.received.saturating_add(status.skipped) / SKIPS_MUCH;
    match status.mode {
        Mode::Lossless if subject.lossless == Lossless::Refused => Some(Advice {
            command: format!("handfast send {name} --lossless"),
            why: "the sender does not allow lossless, so this receiver can miss frames".into(),
        }),
        Mode::Latest if skips => Some(Advice {
            command: format!("handfast recv {name} --mode queue:4"),
            why: format!("it skipped {} frames; a queue keeps 4 it is late for", status.skipped),
        }),
        Mode::Queue(depth) if skips && depth < QUEUE_MAX => Some(Advice {
            command: format!(
                "handfast recv {name} --mode queue:{}",
                depth.saturating_mul(2).clamp(2, QUEUE_MAX)
            ),
            why: format!("it skipped {} frames with a queue of {depth}", status.skipped),
        }),
        Mode::Lossless | Mode::Latest | Mode::Queue(_) => None,
    }
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
enum Line<'a> {
    Sender {
        name: &'a str,
        pid: Option<i32>,
        program: Option<&'a str>,
        memory: &'static str,
        slots: Option<u32>,
        slot_bytes: Option<u64>,
        lossless: bool,
        sent: u64,
        dropped: u64,
        advice: Option<Advice>,
    },
    Receiver {
        name: &'a str,
        pid: i32,
        program: Option<&'a str>,
        copies_per_frame: u32,
        path: &'static str,
        refused: [Refused; 0],
        mode: Option<String>,
        behind: Option<u64>,
        received: Option<u64>,
        skipped: Option<u64>,
        sender_waits: bool,
        advice: Option<Advice>,
    },
}

/// A better path that was not taken. There is none yet: every path is the best.
#[derive(Serialize)]
struct Refused {
    path: &'static str,
    reason: String,
}

fn json(subject: &Subject) -> anyhow::Result<String> {
    let object = &subject.object;
    let memory = subject.memory.as_ref();
    let sender = Line::Sender {
        name: &subject.name,
        pid: subject.stream.has_sender.then_some(object.pid),
        program: object.program.as_deref().filter(|_| subject.stream.has_sender),
        memory: "memfd",
        slots: memory.map(|memory| memory.slots),
        slot_bytes: memory.map(|memory| memory.slot_bytes),
        lossless: subject.lossless == Lossless::Allowed,
        sent: subject.statistics.sent,
        dropped: subject.statistics.dropped,
        advice: for_sender(subject),
    };
    let receivers = subject.receivers.iter().map(|receiver| receiver_line(subject, receiver));
    let mut text = String::new();
    for line in std::iter::once(sender).chain(receivers) {
        text += &look::json(&line)?;
    }
    Ok(text)
}

fn receiver_line<'a>(subject: &'a Subject, receiver: &'a ReceiverInfo) -> Line<'a> {
    let status = receiver.status.as_ref();
    Line::Receiver {
        name: &subject.name,
        pid: receiver.pid,
        program: receiver.program.as_deref(),
        copies_per_frame: 0,
        path: PATH,
        refused: [],
        mode: status.map(|status| look::mode(status.mode)),
        behind: status.map(|status| subject.behind(status)),
        received: status.map(|status| status.received),
        skipped: status.map(|status| status.skipped),
        sender_waits: status.is_some_and(|status| subject.waits_for(status)),
        advice: status.and_then(|status| for_receiver(subject, status)),
    }
}
