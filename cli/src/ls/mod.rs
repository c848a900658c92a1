//! `handfast ls`: what is shared, as a table or as JSON.

mod row;
mod table;
mod watch;

use std::process::ExitCode;

use handfast::{BrokerInfo, Client, ObjectInfo};

use crate::args::LsArgs;
use crate::look::{self, rates};
use row::Row;

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
    let mut counters = Vec::new();
    for object in &objects {
        counters.push(row::counters(client, object)?);
    }
    let known: Vec<_> = counters.iter().flatten().collect();
    let mut measured = rates::measure(&known).into_iter();
    let mut rows = Vec::new();
    for (object, counters) in objects.into_iter().zip(&counters) {
        let measured = counters.as_ref().and_then(|_| measured.next());
        rows.extend(Row::of(object, measured));
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
    let streams = match objects.len() {
        0 => "Nothing is shared.".into(),
        1 => "1 stream.".into(),
        count => format!("{count} streams."),
    };
    let mark = if others { "  * of another user." } else { "" };
    let whose = if broker.uid == own { "yours" } else { "the machine's" };
    let (pid, socket) = (broker.pid, broker.socket.to_string_lossy());
    let age = look::span(look::since(broker.started_ns));
    format!("{streams}{mark}  Broker: {whose}, pid {pid}, {}, for {age}\n", look::clean(&socket))
}
