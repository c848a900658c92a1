//! What the processes of the demo tell each other: one JSON object a line.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

/// A line from a process of the demo to the one that runs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// A receiver has taken a frame that it was told to tell of.
    At { sequence: u64 },
    /// The victim holds this frame and will not let it go.
    Holding(Report),
    /// The sender has sent what it should.
    Sent { frames: u64, dropped: u64, waited_ns: u64 },
    /// A receiver has seen the end.
    Done(Report),
}

/// What a receiver has seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) frames: u64,
    pub(crate) skipped: u64,
    pub(crate) torn: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) latency_us_p50: u64,
    pub(crate) latency_us_p99: u64,
    /// When it was told that the sender is gone, on the monotonic clock; 0 if it was not.
    pub(crate) told_ns: u64,
    pub(crate) outcome: String,
}

/// Says it.
pub(crate) fn say(word: &Word) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(word)?)?;
    out.flush()?;
    Ok(())
}
