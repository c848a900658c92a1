//! All that can be known of one stream, for `show` and `explain`.

use anyhow::anyhow;
use handfast::{
    Client, Counters, ErrorKind, Lossless, MemoryInfo, ObjectInfo, ReceiverInfo, ReceiverStatus,
    SenderStatistics, StreamInfo,
};

use super::advised;
use super::rates::{self, Rate};

/// One stream, as it was a moment ago.
#[derive(Debug)]
pub(crate) struct Subject {
    /// The name that was typed.
    pub(crate) name: String,
    /// What the broker knows; this look itself is not counted.
    pub(crate) object: ObjectInfo,
    /// The same of it as a stream.
    pub(crate) stream: StreamInfo,
    /// What its sender counts.
    pub(crate) statistics: SenderStatistics,
    pub(crate) rate: Rate,
    pub(crate) lossless: Lossless,
    /// Its memory, while its sender is there and if this user may read it.
    pub(crate) memory: Option<MemoryInfo>,
    pub(crate) receivers: Vec<ReceiverInfo>,
}

impl Subject {
    /// Looks at the stream that bears a name.
    pub(crate) fn find(client: &mut Client, name: &str) -> anyhow::Result<Self> {
        let observed = client.observe(name).map_err(|error| advised(name, error))?;
        let counters: Counters = observed.counters();
        let measured = rates::measure(&[&counters]).pop();
        let (statistics, rate) = measured.unwrap_or_default();
        // The name may belong to another stream by now, or be gone; then there is no memory to
        // tell of.
        let memory = match client.memory(name) {
            Ok(memory) => memory.filter(|memory| memory.object == observed.object()),
            Err(error) if matches!(error.kind(), ErrorKind::Lost | ErrorKind::Version) => {
                return Err(error.into());
            }
            Err(_) => None,
        };
        let receivers = client.receivers(&observed)?;
        let mut object = client.facts(&observed)?;
        client.forget(observed)?;
        object.openings = object.openings.saturating_sub(1);
        let stream = object.stream().copied();
        let stream = stream.ok_or_else(|| anyhow!("{name}: the broker says it is no stream"))?;
        let (name, lossless) = (name.into(), statistics.lossless);
        Ok(Self { name, object, stream, statistics, rate, lossless, memory, receivers })
    }

    /// How many frames a receiver has yet to take.
    pub(crate) fn behind(&self, receiver: &ReceiverStatus) -> u64 {
        self.statistics.latest_sequence.saturating_sub(receiver.at_sequence)
    }

    /// Whether the sender waits for a receiver that falls behind by all slots.
    pub(crate) fn waits_for(&self, receiver: &ReceiverStatus) -> bool {
        self.lossless == Lossless::Allowed && receiver.mode == handfast::Mode::Lossless
    }
}
