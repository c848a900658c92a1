//! What the demo says at its end.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use crate::args::{DemoArgs, Role};
use crate::media::contact_sheet::ContactSheet;
use crate::media::png;

use super::words::Report;

/// One receiver.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    mode: &'static str,
    frames: u64,
    skipped: u64,
    torn: u64,
    outcome: String,
    latency_us_p50: u64,
    latency_us_p99: u64,
    #[serde(skip)]
    pid: u32,
    #[serde(skip)]
    words: String,
    #[serde(skip)]
    told_ms: Option<u64>,
    #[serde(skip)]
    role: Role,
}

/// What is left of the demo in the broker, against before.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Left {
    pub(crate) objects: u64,
    pub(crate) descriptors: u64,
    pub(crate) bytes: u64,
    pub(crate) files: Vec<String>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) frames_sent: u64,
    pub(crate) sender_dropped: u64,
    #[serde(skip)]
    pub(crate) sender_waited_ms: u64,
    #[serde(rename = "receivers")]
    pub(crate) rows: Vec<Row>,
    sender_kill_to_notice_ms: Option<u64>,
    pub(crate) left: Left,
    pub(crate) elapsed_s: f64,
    pub(crate) sheet: Option<PathBuf>,
    #[serde(skip)]
    pub(crate) sender_pid: u32,
    #[serde(skip)]
    broker_pid: u32,
    #[serde(skip)]
    frames: u64,
    #[serde(skip)]
    what: String,
    #[serde(skip)]
    json: bool,
}

impl Row {
    pub(crate) fn of(role: Role, pid: u32, report: Report, told_ms: Option<u64>) -> Self {
        let mut words = String::new();
        if role == Role::Late {
            words = format!("joined at frame {}; ", report.first_sequence);
        }
        match (report.outcome.as_str(), told_ms) {
            ("lost", Some(ms)) => words += &format!("told that the sender is gone, after {ms} ms"),
            (other, _) => words += other,
        }
        Self {
            name: role.name(),
            mode: role.mode(),
            frames: report.frames,
            skipped: report.skipped,
            torn: report.torn,
            outcome: report.outcome,
            latency_us_p50: report.latency_us_p50,
            latency_us_p99: report.latency_us_p99,
            pid,
            words,
            told_ms,
            role,
        }
    }

    pub(crate) fn of_victim(pid: u32, report: Report, back_ms: u64) -> Self {
        let sequence = report.last_sequence;
        let mut row = Self::of(Role::Victim, pid, report, None);
        row.words =
            format!("killed while holding frame {sequence}; its slot came back after {back_ms} ms");
        row
    }

    /// What is wrong with it.
    fn fault(&self, frames: u64) -> Option<String> {
        let name = self.name;
        if self.torn > 0 {
            return Some(format!("{name}: {} frames were torn", self.torn));
        }
        match self.role {
            Role::Victim | Role::Sender => None,
            _ if self.outcome != "lost" => {
                Some(format!("{name}: was not told that the sender is gone: {}", self.outcome))
            }
            Role::Checker if self.frames != frames || self.skipped > 0 => {
                Some(format!("{name}: got {} of {frames} frames", self.frames))
            }
            Role::Late if self.skipped > 0 => {
                Some(format!("{name}: missed {} frames", self.skipped))
            }
            Role::Checker | Role::Late | Role::Slow => None,
        }
    }
}

impl Outcome {
    pub(crate) fn new(args: &DemoArgs, broker_pid: u32) -> Self {
        let (width, height) = args.size;
        let what = match &args.input {
            Some(path) => path.display().to_string(),
            None => format!("{width}x{height} BGRA8"),
        };
        Self {
            frames_sent: 0,
            sender_dropped: 0,
            sender_waited_ms: 0,
            rows: Vec::new(),
            sender_kill_to_notice_ms: None,
            left: Left::default(),
            elapsed_s: 0.0,
            sheet: None,
            sender_pid: 0,
            broker_pid,
            frames: args.frames,
            what,
            json: args.json,
        }
    }

    /// Puts what each receiver saw into one picture.
    pub(crate) fn contact_sheet(&self, from: &Path, to: &Path) -> anyhow::Result<PathBuf> {
        let mut names: Vec<_> =
            fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
        names.sort();
        let mut sheet = ContactSheet::new("handfast demo: what each receiver saw", 240);
        for role in [Role::Checker, Role::Slow, Role::Late, Role::Victim] {
            let row = self.rows.iter().find(|row| row.role == role);
            let remark = row.map_or("", |row| row.words.as_str());
            sheet.row(&format!("{} ({})", role.name(), role.mode()), remark);
            let prefix = format!("{}-", role.name());
            for path in &names {
                let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
                let name = name.unwrap_or_default();
                if let Some(sequence) = name.strip_prefix(&prefix) {
                    let picture = png::read_file(path)?;
                    let caption = format!("frame {}", sequence.trim_start_matches('0'));
                    sheet.cell(&caption, &picture.as_picture())?;
                }
            }
        }
        png::write_file(to, &sheet.compose()?.as_picture())
            .with_context(|| to.display().to_string())?;
        Ok(to.to_owned())
    }

    /// Prints it; the exit code says whether all was well.
    pub(crate) fn print(mut self) -> anyhow::Result<ExitCode> {
        self.sender_kill_to_notice_ms = self.rows.iter().filter_map(|row| row.told_ms).max();
        self.rows.sort_by_key(|row| row.role);
        let fault = self.fault();
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&self)?)?;
        } else {
            out.write_all(self.table().as_bytes())?;
            match &fault {
                None => writeln!(
                    out,
                    "\nNothing torn, nothing lost, nothing left. Next:  handfast send cam \
                     --pattern bars   and   handfast view cam"
                )?,
                Some(fault) => writeln!(out, "\nFAILED: {fault}")?,
            }
        }
        Ok(if fault.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn fault(&self) -> Option<String> {
        let row = self.rows.iter().find_map(|row| row.fault(self.frames));
        let left = &self.left;
        row.or_else(|| {
            let short = self.frames_sent != self.frames || self.sender_dropped > 0;
            short.then(|| {
                let (sent, dropped) = (self.frames_sent, self.sender_dropped);
                format!("sender: sent {sent} of {} frames, dropped {dropped}", self.frames)
            })
        })
        .or_else(|| {
            let clean = left.objects == 0 && left.descriptors == 0 && left.bytes == 0;
            (!clean || !left.files.is_empty()).then(|| format!("left over: {left:?}"))
        })
    }

    fn table(&self) -> String {
        let Self { frames, what, broker_pid, left, .. } = self;
        let mut text = format!(
            "1 sender, 4 receivers, {frames} frames of {what}, CPU memory, broker of its own (pid \
             {broker_pid})\n\n  receiver          mode       frames  skipped  torn   latency p50   \
             p99      how it ended\n"
        );
        for row in &self.rows {
            let Row { name, pid, mode, words, .. } = row;
            let Row { frames, skipped, torn, latency_us_p50, latency_us_p99, .. } = row;
            text += &format!(
                "  {name:<8} {pid:<8} {mode:<10} {frames:>6}  {skipped:>7}  {torn:>4}  \
                 {latency_us_p50:>6} us {latency_us_p99:>6} us   {words}\n"
            );
        }
        let waited = match self.sender_waited_ms {
            0 => "never waited".to_owned(),
            ms => format!("waited {ms} ms in all for lossless receivers"),
        };
        let (sent, dropped) = (self.frames_sent, self.sender_dropped);
        let pid = self.sender_pid;
        text += &format!(
            "  sender   {pid:<8}            {sent:>6} sent, {dropped} dropped, {waited:<29}  then \
             killed with SIGKILL\n\n  left over: {} objects, {} descriptors, {} bytes of shared \
             memory, {}\n",
            left.objects,
            left.descriptors,
            left.bytes,
            if left.files.is_empty() {
                "no file but the broker's socket".to_owned()
            } else {
                format!("files: {}", left.files.join(", "))
            }
        );
        if let Some(sheet) = &self.sheet {
            text += &format!("  pictures:  {}\n", sheet.display());
        }
        text
    }
}
