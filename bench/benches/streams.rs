//! Streams beside their floors: `cargo bench -p handfast-bench`.
//!
//! 1. One frame to 1, 8 and 32 receivers, at 64x64 and at 3840x2160: the cost must not depend on
//!    the size.
//! 2. Full-HD frames written and copied out through a stream, and through a pipe.
//! 3. From SIGKILL of a sender to its name being free and to a receiver being told, beside the
//!    time the kernel takes to reap the same process.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use handfast::{Client, ErrorKind, Format, Lossless, Mode, Next, Receiver, Sender, SenderOptions};
use handfast_bench::{PART, Part, Rounds, hear, say};

const SMALL: (u32, u32) = (64, 64);
const LARGE: (u32, u32) = (3840, 2160);
const FULL_HD: (u32, u32) = (1920, 1080);
const FULL_HD_BYTES: usize = 1920 * 1080 * 4;
const FRAMES: u64 = 300;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> anyhow::Result<()> {
    let part = std::env::var(PART).unwrap_or_default();
    let mut words = part.split_whitespace();
    match (words.next(), words.next()) {
        (Some("receiver"), Some(name)) => receive_all(name),
        (Some("copier"), Some(name)) => copy_all(name),
        (Some("sink"), _) => drain_pipe(),
        (Some("holder"), Some(name)) => hold_name(name),
        _ => compare(),
    }
}

fn compare() -> anyhow::Result<()> {
    let rounds = if std::env::args().any(|arg| arg == "--quick") { 3 } else { 11 };
    let mut text = String::new();
    hand_over(rounds, &mut text)?;
    beside_pipe(rounds, &mut text)?;
    deaths(rounds * 10, &mut text)?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn options(size: (u32, u32)) -> SenderOptions {
    let mut options = SenderOptions::new(size, Format::Bgra8);
    options.lossless = Lossless::Allowed;
    options
}

/// Sends so many frames that are not drawn, to lossless receivers: what a frame costs until the
/// last of them has had it.
fn send_all(name: &str, size: (u32, u32), receivers: usize) -> anyhow::Result<Duration> {
    let mut sender = Sender::create_with(name, options(size))?;
    let mut parts = Vec::new();
    for _ in 0..receivers {
        parts.push(Part::start(&format!("receiver {name}"))?);
    }
    sender.wait_for_receivers(receivers, PATIENCE)?;
    let started = Instant::now();
    for _ in 0..FRAMES {
        sender.frame()?.send()?;
    }
    for part in &mut parts {
        part.hear()?;
    }
    let took = started.elapsed();
    sender.finish(PATIENCE)?;
    Ok(took / u32::try_from(FRAMES)?)
}

fn hand_over(rounds: usize, text: &mut String) -> anyhow::Result<()> {
    writeln!(text, "one frame to N receivers, not drawn and not copied (median of {rounds})")?;
    writeln!(text, "  receivers     64x64   3840x2160   ratio")?;
    for receivers in [1, 8, 32] {
        let (mut small, mut large) = (Rounds::default(), Rounds::default());
        for round in 0..rounds {
            small.add(send_all(&format!("bench-s{round}"), SMALL, receivers)?);
            large.add(send_all(&format!("bench-l{round}"), LARGE, receivers)?);
        }
        let (a, b) = (small.median() / 1e3, large.median() / 1e3);
        writeln!(text, "  {receivers:>9}  {a:>5.1} us    {b:>5.1} us    {:.2}", b / a)?;
    }
    Ok(())
}

fn receive_all(name: &str) -> anyhow::Result<()> {
    let mut receiver = Receiver::open_with(name, Mode::Lossless)?;
    let mut frames = 0;
    while receiver.recv()?.is_some() {
        frames += 1;
        if frames == FRAMES {
            say("all")?;
        }
    }
    Ok(())
}

fn beside_pipe(rounds: usize, text: &mut String) -> anyhow::Result<()> {
    let picture = vec![0x5A; FULL_HD_BYTES];
    let (mut stream, mut pipe) = (Rounds::default(), Rounds::default());
    for round in 0..rounds {
        stream.add(through_stream(&format!("bench-p{round}"), &picture)?);
        pipe.add(through_pipe(&picture)?);
    }
    let (a, b) = (stream.median(), pipe.median());
    writeln!(text, "\nfull-HD frames written and copied out (median of {rounds})")?;
    writeln!(text, "  stream {:>7.0}/s   pipe {:>7.0}/s   ratio {:.1}", 1e9 / a, 1e9 / b, b / a)?;
    Ok(())
}

fn through_stream(name: &str, picture: &[u8]) -> anyhow::Result<Duration> {
    let mut sender = Sender::create_with(name, options(FULL_HD))?;
    let mut part = Part::start(&format!("copier {name}"))?;
    sender.wait_for_receivers(1, PATIENCE)?;
    let started = Instant::now();
    for _ in 0..FRAMES {
        let mut frame = sender.frame()?;
        frame.bytes_mut().copy_from_slice(picture);
        frame.send()?;
    }
    part.hear()?;
    Ok(started.elapsed() / u32::try_from(FRAMES)?)
}

fn copy_all(name: &str) -> anyhow::Result<()> {
    let mut receiver = Receiver::open_with(name, Mode::Lossless)?;
    let mut pixels = Vec::new();
    let mut frames = 0;
    while let Some(frame) = receiver.recv()? {
        frame.copy_to(&mut pixels)?;
        frames += 1;
        if frames == FRAMES {
            say("all")?;
        }
    }
    Ok(())
}

fn through_pipe(picture: &[u8]) -> anyhow::Result<Duration> {
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .env(PART, "sink")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut to = child.stdin.take().context("no pipe")?;
    let mut from = child.stdout.take().context("no pipe")?;
    let started = Instant::now();
    for _ in 0..FRAMES {
        to.write_all(picture)?;
    }
    let mut word = [0; 4];
    from.read_exact(&mut word)?;
    let took = started.elapsed();
    drop(to);
    child.wait()?;
    Ok(took / u32::try_from(FRAMES)?)
}

fn drain_pipe() -> anyhow::Result<()> {
    let mut pixels = vec![0; FULL_HD_BYTES];
    let mut input = std::io::stdin().lock();
    for _ in 0..FRAMES {
        input.read_exact(&mut pixels)?;
    }
    say("all")
}

fn hold_name(name: &str) -> anyhow::Result<()> {
    let mut sender = Sender::create(name, SMALL, Format::Bgra8)?;
    sender.frame()?.send()?;
    say("here")?;
    hear()?;
    Ok(())
}

fn deaths(rounds: usize, text: &mut String) -> anyhow::Result<()> {
    let (mut free, mut told, mut reaped) =
        (Rounds::default(), Rounds::default(), Rounds::default());
    for round in 0..rounds {
        let name = format!("bench-d{round}");
        free.add(until_free(&name)?);
        told.add(until_told(&name)?);
        let mut part = Part::start(&format!("holder {name}"))?;
        part.hear()?;
        let started = Instant::now();
        part.kill()?;
        reaped.add(started.elapsed());
    }
    let floor = reaped.median();
    writeln!(text, "\nfrom SIGKILL of a sender (median of {rounds}; p99)")?;
    for (what, rounds) in
        [("reaped by the kernel", &reaped), ("name free", &free), ("receiver told", &told)]
    {
        let (median, worst) = (rounds.median(), rounds.percentile(99));
        let (us, p99, ratio) = (median / 1e3, worst / 1e3, median / floor);
        writeln!(text, "  {what:<22} {us:>6.0} us  {p99:>6.0} us   ratio {ratio:.2}")?;
    }
    Ok(())
}

/// Looking the name up again and again until nobody bears it.
fn until_free(name: &str) -> anyhow::Result<Duration> {
    let mut client = Client::connect()?;
    let mut part = Part::start(&format!("holder {name}"))?;
    part.hear()?;
    let started = Instant::now();
    part.kill_without_waiting()?;
    loop {
        match client.observe(name) {
            Ok(observed) => client.forget(observed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(started.elapsed()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn until_told(name: &str) -> anyhow::Result<Duration> {
    let mut part = Part::start(&format!("holder {name}"))?;
    part.hear()?;
    let mut receiver = Receiver::open(name)?;
    drop(receiver.recv()?.context("the stream has ended")?);
    let started = Instant::now();
    part.kill_without_waiting()?;
    loop {
        if let Next::Lost = receiver.recv_timeout(PATIENCE)? {
            return Ok(started.elapsed());
        }
    }
}
