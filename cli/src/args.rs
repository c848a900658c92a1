//! What may be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use handfast::{Alpha, Format, Mode};
use handfast_broker::IdleExit;

use crate::completions::{CompletionsArgs, ManArgs};
use crate::doctor::DoctorArgs;
use crate::event::EventArgs;
use crate::explain::ExplainArgs;
use crate::fence::FenceArgs;
use crate::grab::GrabArgs;
use crate::media::pattern::Pattern;
use crate::show::ShowArgs;
use crate::view::ViewArgs;

/// Commands that the short help leaves out.
const MORE: &str = "More commands:
  completions  Write completions for a shell (bash, elvish, fish, powershell, zsh)
  man          Write the manual, one page or all of them";

/// One program draws, any other program gets the frame.
#[derive(Debug, Parser)]
#[command(name = "handfast", version, max_term_width = 100, after_long_help = MORE)]
pub(crate) struct Args {
    /// Say more on standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a test pattern, a file, or what comes on standard input
    Send(SendArgs),
    /// Receive a stream into a file, or to standard output
    Recv(RecvArgs),
    /// Show a stream in a window, or in the terminal
    View(ViewArgs),
    /// List what is shared
    Ls(LsArgs),
    /// Show all that is known of a stream or another object, and who holds it
    Show(ShowArgs),
    /// Write one frame of a stream into a file
    Grab(GrabArgs),
    /// Tell which way a stream's frames go, and what would be better
    Explain(ExplainArgs),
    /// Signal a fence, wait for it, or make one
    Fence(FenceArgs),
    /// Set an event, wait for it, or make one
    Event(EventArgs),
    /// Look for what is wrong on this machine
    Doctor(DoctorArgs),
    /// Show the main job: real processes, one of them killed at the worst moment
    Demo(DemoArgs),
    /// A process of the demo
    #[command(hide = true)]
    DemoRole(DemoRoleArgs),
    /// Be the broker, in the foreground
    Broker(BrokerArgs),
    /// Write completions for a shell to standard output
    #[command(hide = true)]
    Completions(CompletionsArgs),
    /// Write the manual
    #[command(hide = true)]
    Man(ManArgs),
}

/// `handfast send`.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  handfast send cam --pattern bars
  ffmpeg -i in.mp4 -f yuv4mpegpipe - | handfast send cam
  ffmpeg -i in.mov -f rawvideo -pix_fmt bgra - |
    handfast send cam --size 1920x1080 --format bgra8")]
pub(crate) struct SendArgs {
    /// Name of the stream
    pub(crate) name: String,
    /// A y4m or PNG file, PNG files as frame-%04d.png, or - for standard input (the default)
    #[arg(conflicts_with = "pattern")]
    pub(crate) input: Option<PathBuf>,
    /// Draw a pattern instead
    #[arg(long, value_parser = pattern)]
    pub(crate) pattern: Option<Pattern>,
    /// Width and height of a pattern or of raw frames
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub(crate) size: Option<(u32, u32)>,
    /// Format of a pattern (bgra8 unless given) or of raw frames; or convert y4m and PNG to it
    #[arg(long, value_parser = format)]
    pub(crate) format: Option<Format>,
    /// What alpha means: opaque, straight or premultiplied
    #[arg(long, value_parser = alpha)]
    pub(crate) alpha: Option<Alpha>,
    /// Frames per second, or max; else what the input says, or 60
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<Rate>,
    /// Stop after so many frames
    #[arg(long, value_name = "N")]
    pub(crate) frames: Option<u64>,
    /// Start the input again when it ends
    #[arg(long = "loop", conflicts_with = "pattern")]
    pub(crate) looped: bool,
    /// Wait for receivers in mode lossless, and send as fast as they take it
    #[arg(long)]
    pub(crate) lossless: bool,
    /// Hold the first frame until so many receivers are there
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) wait: usize,
    /// Frames that there is memory for, 2 to 64
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) slots: u32,
    /// Alignment of rows and planes in bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) align: Option<u32>,
    /// Print what was done as JSON at the end
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `handfast recv`.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  handfast recv cam -o out.y4m
  handfast recv cam --mode lossless --frames 300 -o out.y4m
  handfast recv cam | ffmpeg -i - -f v4l2 /dev/video10")]
pub(crate) struct RecvArgs {
    /// Name of the stream
    pub(crate) name: String,
    /// Where to: a .y4m or .raw file, PNG files as frame-%04d.png, or - for standard output
    #[arg(short, long, default_value = "-")]
    pub(crate) output: PathBuf,
    /// What to write; else what the file's name says, or y4m
    #[arg(long, value_enum)]
    pub(crate) as_format: Option<OutputFormat>,
    /// Which frames: latest, queue:N or lossless
    #[arg(long, default_value = "latest", value_parser = mode)]
    pub(crate) mode: Mode,
    /// Stop after so many frames
    #[arg(long, value_name = "N")]
    pub(crate) frames: Option<u64>,
    /// The stream must be there, and its end or loss is the end
    #[arg(long)]
    pub(crate) once: bool,
    /// Give up when no frame came for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait: Option<Duration>,
    /// Write nothing: compare each frame with what `send --pattern` draws, and fail at the first
    /// wrong pixel
    #[arg(long, value_name = "PATTERN", value_parser = pattern, conflicts_with = "output")]
    pub(crate) verify: Option<Pattern>,
    /// Print what was done as JSON at the end (on standard error if frames go to standard output)
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What `recv` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// YUV4MPEG2
    Y4m,
    /// Pixels and nothing else
    Raw,
    /// PNG files
    Png,
}

/// `handfast ls`.
#[derive(Debug, Parser)]
#[command(after_help = "OPEN counts the receivers of a stream, whose MAKER is its sender; of \
                        anything else it is who has it open, its maker included.")]
pub(crate) struct LsArgs {
    /// Show it again whenever it changes, and each second for the rates
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `handfast broker`.
#[derive(Debug, Parser)]
#[command(
    after_help = "A socket that systemd passes (LISTEN_FDS) is served instead, and its file \
                        left to systemd."
)]
pub(crate) struct BrokerArgs {
    /// Where to listen; else where every program looks
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Serve every user of the machine, as a broker in /run/handfast does; else only your own
    #[arg(long)]
    pub(crate) all_users: bool,
    /// Do not say where it serves
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Leave so long after the last client and object, or never
    #[arg(long, value_name = "SECONDS", default_value = "never", value_parser = idle_exit)]
    pub(crate) idle_exit: IdleExit,
}

/// `handfast demo`.
#[derive(Debug, Parser)]
pub(crate) struct DemoArgs {
    /// Frames to send
    #[arg(long, value_name = "N", default_value_t = 600)]
    #[arg(value_parser = clap::value_parser!(u64).range(12..))]
    pub(crate) frames: u64,
    /// Width and height
    #[arg(long, value_name = "WxH", default_value = "1920x1080", value_parser = size)]
    pub(crate) size: (u32, u32),
    /// Frames per second
    #[arg(long, value_name = "N", default_value_t = 100.0, value_parser = positive)]
    pub(crate) rate: f64,
    /// Send this video instead of a pattern
    #[arg(long, value_name = "FILE.y4m")]
    pub(crate) input: Option<PathBuf>,
    /// Where the contact sheet goes
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A process of the demo.
#[derive(Debug, Parser)]
pub(crate) struct DemoRoleArgs {
    /// Which
    #[arg(value_enum)]
    pub(crate) role: Role,
    /// Name of the stream
    pub(crate) name: String,
    /// Where pictures go
    pub(crate) pictures: PathBuf,
    #[arg(long)]
    pub(crate) frames: u64,
    #[arg(long, value_parser = size)]
    pub(crate) size: (u32, u32),
    #[arg(long)]
    pub(crate) rate: f64,
    #[arg(long)]
    pub(crate) input: Option<PathBuf>,
}

/// What a process of the demo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Role {
    /// Takes every frame and checks it.
    Checker,
    /// Holds each frame for long.
    Slow,
    /// Comes when a third is over.
    Late,
    /// Is killed while it holds a frame.
    Victim,
    /// Sends.
    Sender,
}

impl Role {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Checker => "checker",
            Self::Slow => "slow",
            Self::Late => "late",
            Self::Victim => "victim",
            Self::Sender => "sender",
        }
    }

    /// How it receives.
    pub(crate) const fn mode(self) -> &'static str {
        match self {
            Self::Checker | Self::Late => "lossless",
            Self::Slow | Self::Victim => "latest",
            Self::Sender => "",
        }
    }
}

impl SendArgs {
    /// What the sender of the demo sends.
    pub(crate) fn of_demo(args: &DemoRoleArgs) -> Self {
        let pattern = args.input.is_none().then_some(Pattern::Counter);
        Self {
            name: args.name.clone(),
            input: args.input.clone(),
            pattern,
            size: pattern.map(|_| args.size),
            format: None,
            alpha: None,
            rate: None,
            frames: None,
            looped: true,
            lossless: true,
            wait: 0,
            slots: 0,
            align: None,
            json: false,
            quiet: true,
        }
    }
}

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rate {
    /// As fast as the input comes.
    Max,
    /// Frames per second.
    PerSecond(f64),
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Pattern::ALL.iter().map(|pattern| pattern.name()).collect();
        format!("the patterns are {}", names.join(", "))
    })
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let (width, height) = sides.ok_or("a size is typed as 1920x1080")?;
    handfast::check_size(width, height).map_err(|error| error.to_string())?;
    Ok((width, height))
}

fn format(text: &str) -> Result<Format, String> {
    Format::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
        format!("the formats are {}", names.join(", "))
    })
}

fn alpha(text: &str) -> Result<Alpha, String> {
    Alpha::from_name(text).ok_or_else(|| "opaque, straight or premultiplied".into())
}

fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(Rate::PerSecond(rate)),
        _ => Err("a rate is a number above 0, or max".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match rate(text)? {
        Rate::PerSecond(rate) => Ok(rate),
        Rate::Max => Err("a number above 0".into()),
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    match text.split_once(':') {
        None if text == "latest" => return Ok(Mode::Latest),
        None if text == "lossless" => return Ok(Mode::Lossless),
        Some(("queue", depth)) => {
            if let Some(depth) = depth.parse().ok().filter(|depth| (1..=62).contains(depth)) {
                return Ok(Mode::Queue(depth));
            }
        }
        _ => {}
    }
    Err("the modes are latest, queue:N with N from 1 to 62, and lossless".into())
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A value of a fence: decimal, or hexadecimal behind 0x.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
    // A sign would be taken, too.
    let all_digits = digits.chars().all(|c| c.is_digit(radix));
    let number = all_digits.then(|| u64::from_str_radix(digits, radix).ok()).flatten();
    number.ok_or_else(|| format!("a number from 0 to {}, or in hexadecimal as 0x1f", u64::MAX))
}

/// A time to wait: with its unit, and 0 without.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is typed as 500ms or 2s, or 0 to look once".to_owned();
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit).ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "s" => number,
        "" if number == 0.0 => 0.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn idle_exit(text: &str) -> Result<IdleExit, String> {
    if text == "never" { Ok(IdleExit::Never) } else { seconds(text).map(IdleExit::After) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decimal_or_hexadecimal_and_have_64_bits() {
        let wrong = || Err("a number from 0 to 18446744073709551615, or in hexadecimal as 0x1f");
        let check = |text, expected: Result<u64, &str>| {
            assert_eq!(number(text), expected.map_err(str::to_owned), "{text}");
        };
        check("0", Ok(0));
        check("007", Ok(7));
        check("0x1F", Ok(31));
        check("18446744073709551615", Ok(u64::MAX));
        check("0xffffffffffffffff", Ok(u64::MAX));
        for text in ["", "0x", "-1", "+1", "0x+1", "1e3", " 1", "18446744073709551616", "five"] {
            check(text, wrong());
        }
    }

    #[test]
    fn times_have_a_unit_unless_they_are_nothing() {
        for (text, expected_ms) in
            [("500ms", 500), ("2s", 2000), ("1.5s", 1500), ("0", 0), ("0ms", 0), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(expected_ms)), "{text}");
        }
        for text in ["", "5", "-1s", "ms", "s", "1m", "1 s", "1sms", "1.2.3s", "infs", "\u{e4}s"] {
            let expected = "a time is typed as 500ms or 2s, or 0 to look once";
            assert_eq!(duration(text), Err(expected.into()), "{text}");
        }
        assert!(duration("99999999999999999999999s").is_err());
    }
}
