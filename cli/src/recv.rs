//! `handfast recv`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use handfast::{Frame, Next, Receiver};
use serde::Serialize;

use crate::args::RecvArgs;
use crate::interrupt::{Interrupt, SLICE};
use crate::look;
use crate::media::picture::{Picture, PictureDesc};
use crate::output::Output;
use crate::progress::Progress;

/// How long `--once` waits for room in a stream whose sender is not looking.
const ROOM: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
struct Summary {
    name: String,
    frames: u64,
    skipped: u64,
    outcome: &'static str,
    elapsed_s: f64,
}

pub(crate) fn run(args: &RecvArgs) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::new()?;
    let mut receiver = if args.once {
        Receiver::open_existing(&args.name, args.mode, ROOM)
            .map_err(|error| look::advised(&args.name, error))?
    } else {
        Receiver::open_with(&args.name, args.mode)
            .map_err(|error| look::advised(&args.name, error))?
    };
    let mut output = if args.verify.is_some() { None } else { Some(Output::open(args)?) };
    let mut progress = Progress::new(args.quiet);
    let started = Instant::now();
    let mut job =
        Job { args, frames: 0, skipped: 0, pixels: Vec::new(), text: String::new(), asked: false };
    let outcome = job.receive(&mut receiver, output.as_mut(), &mut progress, &interrupt);
    progress.done();
    let finished = output.as_mut().map_or(Ok(()), Output::finish);
    let outcome = outcome?;
    finished?;
    if args.json {
        let summary = Summary {
            name: args.name.clone(),
            frames: job.frames,
            skipped: job.skipped,
            outcome,
            elapsed_s: started.elapsed().as_secs_f64(),
        };
        let line = serde_json::to_string(&summary)?;
        if output.is_some() && args.output.as_os_str() == "-" {
            writeln!(std::io::stderr(), "{line}")?;
        } else {
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Job<'a> {
    args: &'a RecvArgs,
    frames: u64,
    skipped: u64,
    pixels: Vec<u8>,
    /// What the sender says of the stream.
    text: String,
    asked: bool,
}

impl Job<'_> {
    /// Receives until there is no more to come; how it ended.
    fn receive(
        &mut self,
        receiver: &mut Receiver,
        mut output: Option<&mut Output>,
        progress: &mut Progress,
        interrupt: &Interrupt,
    ) -> anyhow::Result<&'static str> {
        let mut last = Instant::now();
        loop {
            if interrupt.is_raised() {
                return Ok("interrupted");
            }
            if self.args.frames.is_some_and(|frames| self.frames >= frames) {
                return Ok("enough");
            }
            if self.args.wait.is_some_and(|wait| last.elapsed() >= wait) {
                bail!("{}: no frame for {:.1} s", self.args.name, last.elapsed().as_secs_f64());
            }
            match receiver.recv_timeout(SLICE)? {
                Next::Frame(frame) => {
                    self.frame(&frame, output.as_deref_mut())?;
                    last = Instant::now();
                }
                Next::TimedOut => {}
                Next::Ended => return Ok("ended"),
                Next::Lost if self.args.once => return Ok("lost"),
                Next::Lost => self.asked = false,
            }
            let (name, skipped) = (&self.args.name, self.skipped);
            progress.tell(self.frames, || format!("{name}  {skipped} skipped"));
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, output: Option<&mut Output>) -> anyhow::Result<()> {
        if !self.asked {
            self.asked = true;
            self.text = frame.stream_text();
        }
        frame.copy_to(&mut self.pixels)?;
        self.frames += 1;
        self.skipped += frame.dropped_before();
        let desc = PictureDesc::from(frame.record());
        let picture = Picture::new(desc, &self.pixels)?;
        if let Some(pattern) = self.args.verify {
            pattern.verify(frame.sequence(), &picture)?;
        }
        output.map_or(Ok(()), |output| output.write(&picture, &self.text))
    }
}
