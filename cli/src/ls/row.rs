//! One line of the listing.

use handfast::{
    Client, Counters, Details, ErrorKind, Gauge, Kind, ObjectInfo, PictureInfo, Reading, Reset,
    SenderStatistics,
};
use serde::Serialize;

use crate::look::rates::Rate;
use crate::look::{self, surface};

/// A name, and what bears it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) object: ObjectInfo,
    /// What was read, if this user may look.
    read: Option<Read>,
}

/// What is read of an object without asking anybody.
#[derive(Clone, Debug)]
pub(super) enum Meter {
    /// What a stream's sender counts.
    Counters(Counters),
    /// What a fence or an event says.
    Gauge(Gauge),
}

/// What a meter showed.
#[derive(Clone, Debug)]
pub(super) enum Read {
    Counted(Box<SenderStatistics>, Rate),
    Said(Reading),
}

/// The meter of an object. None for one that has none, that this user may not look at, or that is
/// gone since it was listed.
pub(super) fn meter(client: &mut Client, object: &ObjectInfo) -> handfast::Result<Option<Meter>> {
    let Some(name) = object.names.first() else { return Ok(None) };
    let found = match object.kind {
        Kind::Stream => client
            .counters(name)
            .map(|counters| (counters.object() == object.id).then_some(Meter::Counters(counters))),
        Kind::Fence | Kind::Event => client
            .gauge(name)
            .map(|gauge| gauge.filter(|gauge| gauge.object() == object.id).map(Meter::Gauge)),
        Kind::Surface | Kind::Section => Ok(None),
    };
    match found {
        Err(error) if error.kind() == ErrorKind::Lost => Err(error),
        found => Ok(found.unwrap_or_default()),
    }
}

/// One JSON object a line.
pub(super) fn json(rows: &[Row]) -> anyhow::Result<String> {
    let mut text = String::new();
    for row in rows {
        text += &look::json(&row.line())?;
    }
    Ok(text)
}

#[derive(Serialize)]
pub(super) struct Line<'a> {
    name: &'a str,
    kind: String,
    id: String,
    width: Option<u64>,
    height: Option<u32>,
    format: Option<&'static str>,
    sender: Option<look::Process<'a>>,
    receivers: Option<u32>,
    rate_hz: Option<f64>,
    dropped: Option<u64>,
    maker: look::Process<'a>,
    openings: u32,
    value: Option<u64>,
    state: Option<&'static str>,
    set: Option<bool>,
    reset: Option<&'static str>,
    size_bytes: Option<u64>,
    writers: Option<&'static str>,
}

impl Row {
    /// A row for each name of an object.
    pub(super) fn of(object: ObjectInfo, read: Option<Read>) -> impl Iterator<Item = Self> {
        let names = object.names.clone();
        let row = move |name| Self { name, object: object.clone(), read: read.clone() };
        names.into_iter().map(row)
    }

    /// Its cells, in the order of the table's columns.
    pub(super) fn cells(&self) -> [String; 6] {
        let object = &self.object;
        let mark = if object.uid == handfast::user_id() { "" } else { " *" };
        let process = look::process(object.program.as_deref(), object.pid);
        let name = look::clean(&self.name).into_owned();
        let Some(stream) = object.stream() else {
            let maker = format!("{process}{mark}");
            let openings = object.openings.to_string();
            return [name, self.what(), maker, openings, String::new(), String::new()];
        };
        let sender =
            if stream.has_sender { format!("{process}{mark}") } else { format!("gone{mark}") };
        let rate = self.rate().and_then(Rate::per_second);
        let dropped = self.statistics().map(|statistics| statistics.dropped.to_string());
        [
            name,
            self.what(),
            sender,
            stream.receivers.to_string(),
            rate.map_or("-".into(), |rate| format!("{rate:.1}/s")),
            dropped.unwrap_or("-".into()),
        ]
    }

    fn what(&self) -> String {
        let words = match &self.object.details {
            Details::Stream(stream) if !stream.has_sender => {
                "its sender is gone, its name is still held".into()
            }
            Details::Stream(stream) => {
                stream.picture.as_ref().map_or("no frame yet".into(), look::picture)
            }
            Details::Surface { desc, .. } => surface::words(desc),
            Details::Fence => self.reading().map_or_else(String::new, look::reading),
            Details::Event { reset } => {
                let reading = self.reading().map_or_else(String::new, look::reading);
                let comma = if reading.is_empty() { "" } else { ", " };
                format!("{reading}{comma}{}", look::reset(*reset))
            }
            Details::Section { size_bytes, .. } => look::size(*size_bytes),
        };
        format!("{}  {words}", self.object.kind).trim_end().into()
    }

    fn line(&self) -> Line<'_> {
        let object = &self.object;
        let stream = object.stream();
        let sends = stream.is_some_and(|stream| stream.has_sender);
        let maker = look::Process { pid: object.pid, program: object.program.as_deref() };
        let shape = Shape::of(&object.details);
        let (mut value, mut state, mut set) = (None, None, None);
        match self.reading() {
            Some(Reading::Fence { value: now, state: left }) => {
                (value, state) = (Some(now), Some(look::fence_state(left)));
            }
            Some(Reading::Event { is_set }) => set = Some(is_set),
            Some(Reading::KeyedMutex(_)) | None => {}
        }
        Line {
            name: &self.name,
            kind: object.kind.to_string(),
            id: object.id.to_string(),
            width: shape.width,
            height: shape.height,
            format: shape.format,
            sender: sends.then_some(maker),
            receivers: stream.map(|stream| stream.receivers),
            rate_hz: self.rate().and_then(Rate::rounded),
            dropped: self.statistics().map(|statistics| statistics.dropped),
            maker,
            openings: object.openings,
            value,
            state,
            set,
            reset: shape.reset.map(look::reset),
            size_bytes: shape.size_bytes,
            writers: shape.writers,
        }
    }

    fn statistics(&self) -> Option<&SenderStatistics> {
        match &self.read {
            Some(Read::Counted(statistics, _)) => Some(statistics),
            Some(Read::Said(_)) | None => None,
        }
    }

    /// Of a stream that somebody sends.
    fn rate(&self) -> Option<&Rate> {
        match &self.read {
            Some(Read::Counted(_, rate)) => {
                Some(rate).filter(|_| self.object.stream().is_some_and(|stream| stream.has_sender))
            }
            Some(Read::Said(_)) | None => None,
        }
    }

    const fn reading(&self) -> Option<Reading> {
        match &self.read {
            Some(Read::Said(reading)) => Some(*reading),
            Some(Read::Counted(..)) | None => None,
        }
    }
}

/// The numbers of an object that do not change, as far as it has them.
#[derive(Default)]
struct Shape {
    width: Option<u64>,
    height: Option<u32>,
    format: Option<&'static str>,
    reset: Option<Reset>,
    size_bytes: Option<u64>,
    writers: Option<&'static str>,
}

impl Shape {
    fn of(details: &Details) -> Self {
        match details {
            Details::Stream(stream) => stream.picture.as_ref().map(Self::picture),
            Details::Surface { desc, writers } => Some(Self {
                width: Some(desc.width),
                height: Some(desc.height),
                format: desc.format.map(handfast::Format::name),
                size_bytes: desc.size_bytes().ok(),
                writers: Some(look::writers(*writers)),
                ..Self::default()
            }),
            Details::Fence => None,
            Details::Event { reset } => Some(Self { reset: Some(*reset), ..Self::default() }),
            Details::Section { size_bytes, writers } => Some(Self {
                size_bytes: Some(*size_bytes),
                writers: Some(look::writers(*writers)),
                ..Self::default()
            }),
        }
        .unwrap_or_default()
    }

    fn picture(picture: &PictureInfo) -> Self {
        Self {
            width: Some(picture.width.into()),
            height: Some(picture.height),
            format: Some(picture.format.name()),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use handfast::{FenceState, KeyedMutexStatus};

    use super::*;

    #[test]
    fn who_is_left_has_a_word() {
        let said = |state| look::reading(Reading::Fence { value: 7, state });
        assert_eq!(said(FenceState::Live), "at 7");
        assert_eq!(said(FenceState::Abandoned), "at 7, abandoned");
        assert_eq!(said(FenceState::Lost), "at 7, lost");
    }

    #[test]
    fn whose_turn_it_is_has_words() {
        let said = |status| look::reading(Reading::KeyedMutex(status));
        assert_eq!(said(KeyedMutexStatus::Free { key: 1 }), "free for key 1");
        assert_eq!(said(KeyedMutexStatus::Owned { opening: 3 }), "held by owner 3");
        assert_eq!(said(KeyedMutexStatus::Owned { opening: 0 }), "changing hands");
        let abandoned = said(KeyedMutexStatus::Abandoned { opening: 3 });
        assert_eq!(abandoned, "abandoned by owner 3, for ever");
    }
}
