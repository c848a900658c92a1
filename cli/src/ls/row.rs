//! One line of the listing.

use handfast::{Client, Counters, ErrorKind, Kind, ObjectInfo, SenderStatistics};
use serde::Serialize;

use crate::look;
use crate::look::rates::Rate;

/// A name, and what bears it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) object: ObjectInfo,
    /// What its sender counts, if this user may look.
    statistics: Option<SenderStatistics>,
    rate: Rate,
}

/// The counters of a stream. None for one that this user may not look at, or that is gone since
/// it was listed.
pub(super) fn counters(
    client: &mut Client,
    object: &ObjectInfo,
) -> handfast::Result<Option<Counters>> {
    let Kind::Stream = object.kind;
    let Some(name) = object.names.first() else { return Ok(None) };
    match client.counters(name) {
        Ok(counters) => Ok(Some(counters).filter(|counters| counters.object() == object.id)),
        Err(error) if error.kind() == ErrorKind::Lost => Err(error),
        Err(_) => Ok(None),
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
    width: Option<u32>,
    height: Option<u32>,
    format: Option<&'static str>,
    sender: Option<Process<'a>>,
    receivers: u32,
    rate_hz: Option<f64>,
    dropped: Option<u64>,
}

#[derive(Serialize)]
struct Process<'a> {
    pid: i32,
    program: Option<&'a str>,
}

impl Row {
    /// A row for each name of an object.
    pub(super) fn of(
        object: ObjectInfo,
        measured: Option<(SenderStatistics, Rate)>,
    ) -> impl Iterator<Item = Self> {
        let names = object.names.clone();
        let (statistics, rate) = measured.unzip();
        let rate = rate.unwrap_or_default();
        names.into_iter().map(move |name| Self {
            name,
            object: object.clone(),
            statistics: statistics.clone(),
            rate: rate.clone(),
        })
    }

    /// Its cells, in the order of the table's columns.
    pub(super) fn cells(&self) -> [String; 6] {
        let object = &self.object;
        let mark = if object.uid == handfast::user_id() { "" } else { " *" };
        let sender = if object.has_sender {
            format!("{}{mark}", look::process(object.program.as_deref(), object.pid))
        } else {
            format!("gone{mark}")
        };
        let rate = self.rate.per_second().filter(|_| object.has_sender);
        let dropped = self.statistics.as_ref().map(|statistics| statistics.dropped.to_string());
        [
            look::clean(&self.name).into_owned(),
            self.what(),
            sender,
            object.receivers.to_string(),
            rate.map_or("-".into(), |rate| format!("{rate:.1}/s")),
            dropped.unwrap_or("-".into()),
        ]
    }

    fn what(&self) -> String {
        let object = &self.object;
        let words = if !object.has_sender {
            "its sender is gone, its name is still held".into()
        } else if let Some(picture) = &object.picture {
            look::picture(picture)
        } else {
            "no frame yet".into()
        };
        format!("{}  {words}", object.kind)
    }

    fn line(&self) -> Line<'_> {
        let object = &self.object;
        let picture = object.picture.as_ref();
        let sender = Process { pid: object.pid, program: object.program.as_deref() };
        Line {
            name: &self.name,
            kind: object.kind.to_string(),
            id: object.id.to_string(),
            width: picture.map(|picture| picture.width),
            height: picture.map(|picture| picture.height),
            format: picture.map(|picture| picture.format.name()),
            sender: object.has_sender.then_some(sender),
            receivers: object.receivers,
            rate_hz: self.rate.rounded().filter(|_| object.has_sender),
            dropped: self.statistics.as_ref().map(|statistics| statistics.dropped),
        }
    }
}
