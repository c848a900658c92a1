//! Two processes that hand something on, whatever program they are.

use std::time::{Duration, Instant};

use handfast_bench::{OwnBroker, Part};

use crate::pipewire::Graph;

/// What is sent, through how much memory, and how often in one burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture {
    pub(crate) size: (u32, u32),
    /// Frames that there is memory for.
    pub(crate) room: u32,
    frames: u32,
}

impl Picture {
    pub(crate) const ALL: [Self; 3] = [
        Self { size: (64, 64), room: 5, frames: 5000 },
        Self { size: (64, 64), room: 17, frames: 5000 },
        Self { size: (1920, 1080), room: 5, frames: 100 },
    ];

    /// Four bytes for each pixel.
    pub(crate) const fn bytes(&self) -> usize {
        self.size.0 as usize * self.size.1 as usize * 4
    }

    /// What it is called, in tables and by programs.
    pub(crate) fn name(&self) -> String {
        let (width, height) = self.size;
        format!("{width}x{height}-{}", self.room)
    }
}

/// How long a process may take to leave.
const PATIENCE: Duration = Duration::from_secs(5);

/// Both ends of something, and what they need.
pub(crate) struct Line {
    first: Part,
    second: Part,
    frames: u32,
    _broker: Option<OwnBroker>,
    _graph: Option<Graph>,
}

impl Line {
    /// Starts the second when the first is there.
    pub(crate) fn begin(
        mut first: Part,
        second: impl FnOnce() -> anyhow::Result<Part>,
    ) -> anyhow::Result<Self> {
        first.hear()?;
        let mut second = second()?;
        second.hear()?;
        Ok(Self { first, second, frames: 0, _broker: None, _graph: None })
    }

    /// The other way round.
    pub(crate) fn turned(self) -> Self {
        let (first, second) = (self.second, self.first);
        Self { first, second, ..self }
    }

    /// What goes along.
    pub(crate) fn with(self, picture: Option<Picture>) -> Self {
        Self { frames: picture.map_or(0, |picture| picture.frames), ..self }
    }

    /// Which broker's client it is.
    pub(crate) fn beside(self, broker: OwnBroker) -> Self {
        Self { _broker: Some(broker), ..self }
    }

    /// Which graph it belongs to.
    pub(crate) fn within(self, graph: Graph) -> Self {
        Self { _graph: Some(graph), ..self }
    }

    /// What one round trip of a burst takes, from the first to the second and back.
    pub(crate) fn trip_ns(&mut self, count: u32) -> anyhow::Result<f64> {
        self.second.say(&format!("echo {count}"))?;
        self.first.measure("ping", count)
    }

    /// What one frame of a burst takes, until the last has been copied out.
    pub(crate) fn frame_ns(&mut self) -> anyhow::Result<f64> {
        let started = Instant::now();
        self.second.say(&format!("take {}", self.frames))?;
        self.first.say(&format!("send {}", self.frames))?;
        self.second.hear()?;
        Ok(started.elapsed().as_secs_f64() * 1e9 / f64::from(self.frames))
    }

    /// Has all leave by themselves, so that they leave nothing behind.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.second.finish(PATIENCE)?;
        self.first.finish(PATIENCE)
    }
}
