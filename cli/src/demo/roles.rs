//! The processes of the demo: a sender, and receivers that each behave in their own way.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use handfast::{Frame, Lossless, Mode, Next, Receiver, Sender, SenderOptions, Sent, monotonic_ns};
use hdrhistogram::Histogram;

use crate::args::{DemoRoleArgs, Role, SendArgs};
use crate::input::Input;
use crate::media::convert;
use crate::media::picture::{OwnedPicture, Picture, PictureDesc, PictureMut};
use crate::media::png;
use crate::progress::to_f64;

use super::words::{Report, Word, say};

/// Everybody but the late one is there before the first frame.
const FIRST_RECEIVERS: usize = 3;
/// The slow receiver holds each frame so long.
const SLOW: Duration = Duration::from_millis(25);
/// A process of the demo that is forgotten ends by itself.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Longer than the demo lasts: no latency is cut off.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Width of the pictures that receivers keep for the contact sheet.
const THUMBNAIL_WIDTH: u32 = 320;
/// Pictures that each receiver keeps.
pub(crate) const THUMBNAILS: u64 = 6;

pub(crate) fn run(args: &DemoRoleArgs) -> anyhow::Result<()> {
    match args.role {
        Role::Sender => send(args),
        Role::Checker | Role::Late => receive(args, Mode::Lossless),
        Role::Slow | Role::Victim => receive(args, Mode::Latest),
    }
}

/// Sends its frames, each with its own checksum, and then does nothing until it is killed.
fn send(args: &DemoRoleArgs) -> anyhow::Result<()> {
    let source = SendArgs::of_demo(args);
    let mut input = Input::open(&source)?;
    let desc = *input.sent_desc();
    let mut options = SenderOptions::new((desc.width, desc.height), desc.format);
    options.color = desc.color;
    options.alpha = desc.alpha;
    options.lossless = Lossless::Allowed;
    options.slots = 8;
    let mut sender = Sender::create_with(&args.name, options)?;
    sender.wait_for_receivers(FIRST_RECEIVERS, FORGOTTEN)?;
    let started = Instant::now();
    let mut waited_ns = 0;
    while sender.sent() < args.frames {
        let due = started + Duration::from_secs_f64(to_f64(sender.sent()) / args.rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let asked_ns = monotonic_ns();
        let sequence = sender.sent() + 1;
        let mut frame = sender.frame()?;
        // Nobody was in the way: finding a slot takes a microsecond or two.
        let took_ns = monotonic_ns().saturating_sub(asked_ns);
        waited_ns += if took_ns > 100_000 { took_ns } else { 0 };
        let desc = PictureDesc { layout: *frame.layout(), ..desc };
        if !input.next(sequence, &mut PictureMut::new(desc, frame.bytes_mut())?)? {
            drop(frame);
            input.rewind(&source)?;
            continue;
        }
        let checksum = Picture::new(desc, frame.bytes())?.checksum();
        frame.set_user_data(&checksum.to_le_bytes())?;
        if frame.send()? == Sent::Dropped {
            break;
        }
    }
    say(&Word::Sent { frames: sender.sent(), dropped: sender.dropped(), waited_ns })?;
    thread::sleep(FORGOTTEN);
    Ok(())
}

/// Receives until it is told that the sender is gone.
fn receive(args: &DemoRoleArgs, mode: Mode) -> anyhow::Result<()> {
    let mut receiver = Receiver::open_with(&args.name, mode)?;
    let mut seen = Seen::new(args)?;
    let outcome = loop {
        match receiver.recv_timeout(FORGOTTEN)? {
            Next::Frame(frame) => {
                if seen.frame(&frame)? {
                    say(&Word::Holding(seen.summed_up("killed")))?;
                    thread::sleep(FORGOTTEN);
                }
                if args.role == Role::Slow {
                    thread::sleep(SLOW);
                }
            }
            Next::TimedOut => break "heard nothing",
            Next::Ended => break "ended",
            Next::Lost => break "lost",
        }
        seen.keep_thumbnail()?;
        seen.tell()?;
    };
    seen.report.told_ns = monotonic_ns();
    say(&Word::Done(seen.summed_up(outcome)))
}

/// What one receiver has seen.
struct Seen<'a> {
    args: &'a DemoRoleArgs,
    report: Report,
    latency_us: Histogram<u64>,
    pixels: Vec<u8>,
    desc: Option<PictureDesc>,
    next_thumbnail: u64,
    told: u64,
}

impl<'a> Seen<'a> {
    fn new(args: &'a DemoRoleArgs) -> anyhow::Result<Self> {
        Ok(Self {
            args,
            report: Report::default(),
            latency_us: Histogram::new_with_max(LATENCY_US_MAX, 3)?,
            pixels: Vec::new(),
            desc: None,
            next_thumbnail: 1,
            told: 0,
        })
    }

    /// Checks a frame; whether it is the one that the victim dies with.
    fn frame(&mut self, frame: &Frame<'_>) -> anyhow::Result<bool> {
        let now_ns = monotonic_ns();
        let report = &mut self.report;
        self.latency_us.saturating_record(now_ns.saturating_sub(frame.sent_ns()) / 1000);
        let out_of_order = frame.sequence() <= report.last_sequence;
        report.frames += 1;
        report.skipped += frame.dropped_before();
        if report.first_sequence == 0 {
            report.first_sequence = frame.sequence();
        }
        report.last_sequence = frame.sequence();
        frame.copy_to(&mut self.pixels)?;
        let desc = PictureDesc::from(frame.record());
        let checksum = Picture::new(desc, &self.pixels)?.checksum();
        if out_of_order || frame.user_data() != checksum.to_le_bytes() {
            report.torn += 1;
        }
        self.desc = Some(desc);
        Ok(self.args.role == Role::Victim && frame.sequence() >= self.args.frames / 2)
    }

    fn summed_up(&self, outcome: &str) -> Report {
        Report {
            latency_us_p50: self.latency_us.value_at_quantile(0.5),
            latency_us_p99: self.latency_us.value_at_quantile(0.99),
            outcome: outcome.into(),
            ..self.report.clone()
        }
    }

    /// Tells the milestones: a third of the way, and the last frame.
    fn tell(&mut self) -> anyhow::Result<()> {
        for mark in [self.args.frames / 3, self.args.frames] {
            if self.told < mark && self.report.last_sequence >= mark {
                self.told = mark;
                say(&Word::At { sequence: mark })?;
            }
        }
        Ok(())
    }

    /// Keeps a small picture of some frames.
    fn keep_thumbnail(&mut self) -> anyhow::Result<()> {
        let Some(desc) = self.desc else { return Ok(()) };
        let sequence = self.report.last_sequence;
        if sequence < self.next_thumbnail {
            return Ok(());
        }
        let step = (self.args.frames / THUMBNAILS).max(1);
        self.next_thumbnail = (sequence / step + 1) * step;
        let picture = shrink(&Picture::new(desc, &self.pixels)?)?;
        let path = thumbnail_path(&self.args.pictures, self.args.role, sequence);
        png::write_file(&path, &picture.as_picture()).with_context(|| path.display().to_string())
    }
}

/// Where a receiver keeps its picture of a frame.
pub(crate) fn thumbnail_path(directory: &Path, role: Role, sequence: u64) -> PathBuf {
    directory.join(format!("{}-{sequence:06}.png", role.name()))
}

/// A small copy, by taking some of the pixels.
fn shrink(picture: &Picture<'_>) -> anyhow::Result<OwnedPicture> {
    let full = convert::to_rgba8(picture)?;
    let desc = full.desc();
    let step = (desc.width / THUMBNAIL_WIDTH).max(1);
    let (width, height) = (desc.width.div_ceil(step), desc.height.div_ceil(step));
    let small = PictureDesc::tight(width, height, desc.format)?.with_color(desc.color);
    let mut small = OwnedPicture::new(small.with_alpha(desc.alpha))?;
    let step = usize::try_from(step)?;
    let (full, mut target) = (full.as_picture(), small.as_picture_mut());
    for (to, from) in target.rows_mut(0).zip(full.rows(0).step_by(step)) {
        for (to, from) in to.chunks_exact_mut(4).zip(from.chunks_exact(4).step_by(step)) {
            to.copy_from_slice(from);
        }
    }
    Ok(small)
}
