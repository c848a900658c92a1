//! `handfast grab`: one frame as a picture.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;
use handfast::{Client, Frame, Kind as Object, Mode, Next, Receiver};
use serde::Serialize;

use crate::args::seconds;
use crate::interrupt::{Interrupt, SLICE};
use crate::look;
use crate::media::picture::{Picture, PictureDesc};
use crate::media::{png, raw};

/// What is waited for unless told otherwise.
const WAIT_S: &str = "10";

/// `handfast grab`.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  handfast grab cam frame.png
  handfast grab cam frame.raw --wait 60")]
pub(crate) struct GrabArgs {
    /// Name of the stream
    name: String,
    /// A .png file, or a .raw one for the pixels and nothing else
    #[arg(value_parser = target)]
    file: Target,
    /// Give up when no frame came for so long
    #[arg(long, value_name = "SECONDS", default_value = WAIT_S, value_parser = seconds)]
    wait: Duration,
    /// The stream must be there
    #[arg(long)]
    once: bool,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Grabbed<'a> {
    name: &'a str,
    file: &'a Path,
    sequence: u64,
    width: u32,
    height: u32,
    format: &'static str,
    time_ns: u64,
}

/// A file, and what goes into it.
#[derive(Clone, Debug)]
struct Target {
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Png,
    Raw,
}

fn target(text: &str) -> Result<Target, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    let kind = match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("png") => Kind::Png,
        Some("raw") => Kind::Raw,
        _ => return Err("a frame is written as FILE.png or FILE.raw".into()),
    };
    Ok(Target { path, kind })
}

pub(crate) fn run(args: &GrabArgs) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::new()?;
    let name = &args.name;
    let deadline = Instant::now() + args.wait;
    let mut receiver = if args.once {
        if Client::connect_existing()?.is_none() {
            bail!("{name}: nothing is shared, for no broker runs");
        }
        Receiver::open_existing(name, Mode::Latest, args.wait)
            .map_err(|error| refused(name, error))?
    } else {
        Receiver::open_with(name, Mode::Latest).map_err(|error| refused(name, error))?
    };
    let mut had_sender = false;
    loop {
        if interrupt.is_raised() {
            bail!("{name}: interrupted before a frame came");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        had_sender |= receiver.sender_pid().is_some();
        match receiver.recv_timeout(left.min(SLICE))? {
            Next::Frame(frame) => {
                let bytes = encode(&frame, args.file.kind)?;
                let ((width, height), file) = (frame.size(), args.file.path.as_path());
                let (sequence, time_ns) = (frame.sequence(), frame.time_ns());
                let format = frame.format().name();
                drop(frame);
                save(file, &bytes).with_context(|| file.display().to_string())?;
                if args.json {
                    let grabbed = Grabbed { name, file, sequence, width, height, format, time_ns };
                    look::say(&look::json(&grabbed)?)?;
                }
                return Ok(ExitCode::SUCCESS);
            }
            Next::Ended if args.once => bail!("{name}: its sender ended it before a frame came"),
            Next::Lost if args.once => bail!("{name}: its sender died before a frame came"),
            Next::TimedOut | Next::Ended | Next::Lost => {}
        }
        if Instant::now() >= deadline {
            let why = if had_sender { "its sender sends nothing" } else { "nobody sends it" };
            bail!("{name}: no frame in {:.1} s: {why}", args.wait.as_secs_f64());
        }
    }
}

/// An error about a name. A surface holds a picture, so that a try at one is likely.
fn refused(name: &str, error: handfast::Error) -> anyhow::Error {
    let found = error.found_kind();
    let error = look::advised(name, error);
    match found {
        Some(Object::Surface) => anyhow!("{error}; a surface cannot be grabbed yet"),
        Some(Object::Stream | Object::Fence | Object::Event | Object::Section) | None => error,
    }
}

/// The whole file in memory, so that writing it is one short step.
fn encode(frame: &Frame<'_>, kind: Kind) -> anyhow::Result<Vec<u8>> {
    let mut pixels = Vec::new();
    frame.copy_to(&mut pixels)?;
    let desc = PictureDesc::from(frame.record());
    let picture = Picture::new(desc, &pixels)?;
    let mut bytes = Vec::new();
    match kind {
        Kind::Png => png::write(&mut bytes, &picture)?,
        Kind::Raw => raw::write_planes(&mut bytes, &picture)?,
    }
    Ok(bytes)
}

/// Writes a file that is there whole or not at all. What is no file, such as a pipe, is written
/// where it is.
fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return OpenOptions::new().write(true).open(&path)?.write_all(bytes);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // The error that led here is the one to tell.
        drop(fs::remove_file(&beside));
    }
    written
}
