//! `handfast send`.

use std::io::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use handfast::{Alignment, Lossless, SendFrame, Sender, SenderOptions};
use serde::Serialize;

use crate::args::{Rate, SendArgs};
use crate::input::Input;
use crate::interrupt::{Interrupt, SLICE};
use crate::media::picture::{PictureDesc, PictureMut};
use crate::progress::{Progress, to_f64};

/// How long the end of a lossless stream waits for receivers that have not come to its last size.
const FINISH: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize)]
struct Summary {
    name: String,
    frames_sent: u64,
    dropped: u64,
    elapsed_s: f64,
}

pub(crate) fn run(args: &SendArgs) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::new()?;
    let mut input = Input::open(args)?;
    let mut sender = Sender::create_with(&args.name, options(args, &input))?;
    let mut progress = Progress::new(args.quiet);
    let started = Instant::now();
    let mut pace = Pace::new(
        args.rate.unwrap_or_else(|| if args.lossless { Rate::Max } else { input.usual_rate() }),
    );
    wait_for_receivers(&mut sender, args.wait, &interrupt, &mut progress)?;
    pace.start();
    while !interrupt.is_raised() && args.frames.is_none_or(|frames| done(&sender) < frames) {
        if !pace.wait(&interrupt) {
            break;
        }
        let sequence = sender.sent() + 1;
        let next = input.follow()?;
        sender.resize((next.width, next.height), next.format)?;
        sender.set_color(next.color, next.alpha);
        let Some(mut frame) = sender.frame_timeout(SLICE)? else { continue };
        if !fill(&mut frame, sequence, &mut input)? {
            drop(frame);
            if !args.looped {
                break;
            }
            input.rewind(args)?;
            continue;
        }
        frame.send()?;
        let (sent, dropped) = (sender.sent(), sender.dropped());
        let receivers = sender.receivers().count();
        progress.tell(sent, || format!("{}  {receivers} receivers  {dropped} dropped", args.name));
    }
    progress.done();
    let summary = Summary {
        name: args.name.clone(),
        frames_sent: sender.sent(),
        dropped: sender.dropped(),
        elapsed_s: started.elapsed().as_secs_f64(),
    };
    if !interrupt.is_raised() {
        sender.finish(FINISH)?;
    }
    if args.json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&summary)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn done(sender: &Sender) -> u64 {
    sender.sent() + sender.dropped()
}

fn options(args: &SendArgs, input: &Input) -> SenderOptions {
    let desc = input.sent_desc();
    let mut options = SenderOptions::new((desc.width, desc.height), desc.format);
    options.color = desc.color;
    options.alpha = desc.alpha;
    options.slots = args.slots;
    if let Some(align) = args.align {
        options.alignment = Alignment { stride_bytes: align, plane_bytes: align };
    }
    if args.lossless {
        options.lossless = Lossless::Allowed;
    }
    options.text = input.text();
    options
}

fn wait_for_receivers(
    sender: &mut Sender,
    wanted: usize,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    while wanted > 0 && !interrupt.is_raised() {
        let there = sender.wait_for_receivers(wanted, SLICE)?;
        if there >= wanted {
            break;
        }
        progress.tell(0, || format!("waiting for receivers: {there} of {wanted}"));
    }
    Ok(())
}

/// Reads or draws straight into the slot.
fn fill(frame: &mut SendFrame<'_>, sequence: u64, input: &mut Input) -> anyhow::Result<bool> {
    let desc = PictureDesc { layout: *frame.layout(), ..*input.sent_desc() };
    let mut target = PictureMut::new(desc, frame.bytes_mut())?;
    input.next(sequence, &mut target)
}

/// Lets frames go at a rate.
#[derive(Debug)]
struct Pace {
    rate: Rate,
    started: Instant,
    frames: u64,
}

impl Pace {
    fn new(rate: Rate) -> Self {
        Self { rate, started: Instant::now(), frames: 0 }
    }

    fn start(&mut self) {
        self.started = Instant::now();
        self.frames = 0;
    }

    /// Waits until the next frame is due; false when the command should end.
    fn wait(&mut self, interrupt: &Interrupt) -> bool {
        let Rate::PerSecond(rate) = self.rate else { return !interrupt.is_raised() };
        let due = self.started + Duration::from_secs_f64(to_f64(self.frames) / rate);
        self.frames += 1;
        loop {
            if interrupt.is_raised() {
                return false;
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(SLICE));
        }
        if due.elapsed() > Duration::from_secs(1) {
            // Far behind: go on from here rather than catch up with a burst.
            self.start();
        }
        true
    }
}
