//! `handfast ls`: what is shared, as a table or as JSON.

mod row;
mod table;
mod watch;

use std::process::ExitCode;

use handfast::{BrokerInfo, Client, Kind, ObjectInfo};

use crate::args::LsArgs;
use crate::look::{self, rates};
use row::{Meter, Read, Row};

const NO_BROKER: &str = "Nothing is shared: no broker runs.\n";

pub(crate) fn run(args: &LsArgs) -> anyhow::Result<ExitCode> {
    if args.watch {
        return watch::run(args);
    }
    let text = match Client::connect_existing()? {
        None if args.json => String::new(),
        None => NO_BROKER.into(),
        Some(mut client) => {
            let rows = rows(&mut client)?;
            if args.json {
                row::json(&rows)?
            } else {
                table::text(&rows, table::columns()) + &closing(&rows, &client.broker())
            }
        }
    };
    look::say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Every name there is, with the counters of all streams read together.
fn rows(client: &mut Client) -> anyhow::Result<Vec<Row>> {
    let objects = client.list()?;
    let mut meters = Vec::new();
    for object in &objects {
        meters.push(row::meter(client, object)?);
    }
    let counters: Vec<_> = meters
        .iter()
        .filter_map(|meter| match meter {
            Some(Meter::Counters(counters)) => Some(counters),
            Some(Meter::Gauge(_)) | None => None,
        })
        .collect();
    let mut measured = rates::measure(&counters).into_iter();
    let mut rows = Vec::new();
    for (object, meter) in objects.into_iter().zip(&meters) {
        let read = match meter {
            Some(Meter::Counters(_)) => {
                measured.next().map(|(counted, rate)| Read::Counted(counted.into(), rate))
            }
            Some(Meter::Gauge(gauge)) => Some(Read::Said(gauge.read())),
            None => None,
        };
        rows.extend(Row::of(object, read));
    }
    Ok(rows)
}

/// The line below the table.
fn closing(rows: &[Row], broker: &BrokerInfo) -> String {
    let mut objects: Vec<&ObjectInfo> = rows.iter().map(|row| &row.object).collect();
    objects.sort_by_key(|object| object.id);
    objects.dedup_by_key(|object| object.id);
    let own = handfast::user_id();
    let others = objects.iter().any(|object| object.uid != own);
    let streams = objects.iter().filter(|object| object.kind == Kind::Stream).count();
    let count = counted(streams, objects.len() - streams);
    let mark = if others { "  * of another user." } else { "" };
    let whose = if broker.uid == own { "yours" } else { "the machine's" };
    let (pid, socket) = (broker.pid, broker.socket.to_string_lossy());
    let age = look::span(look::since(broker.started_ns));
    format!("{count}{mark}  Broker: {whose}, pid {pid}, {}, for {age}\n", look::clean(&socket))
}

/// `2 streams, 1 other object.`
fn counted(streams: usize, others: usize) -> String {
    match (streams, others) {
        (0, 0) => "Nothing is shared.".into(),
        (streams, 0) => format!("{}.", look::counted(streams, "stream")),
        (0, others) => format!("{}, no stream.", look::counted(others, "object")),
        (streams, others) => {
            let others = look::counted(others, "other object");
            format!("{}, {others}.", look::counted(streams, "stream"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_apart_from_other_objects() {
        let counts = [(0, 0), (1, 0), (2, 0), (0, 1), (0, 3), (1, 2), (2, 1)];
        let words: Vec<_> =
            counts.into_iter().map(|(streams, others)| counted(streams, others)).collect();
        assert_eq!(
            words,
            [
                "Nothing is shared.",
                "1 stream.",
                "2 streams.",
                "1 object, no stream.",
                "3 objects, no stream.",
                "1 stream, 2 other objects.",
                "2 streams, 1 other object.",
            ]
        );
    }
}
