//! `handfast show`: one object in full, and who holds it.

mod holders;
mod made;
mod stream;

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use handfast::{Holders, Kind};
use serde::Serialize;

use crate::look::subject::Subject;
use crate::look::{self, clean, typed};

/// `handfast show`.
#[derive(Debug, Parser)]
#[command(
    after_help = "Who holds handles is looked up in /proc, which does not show the processes \
                        of others. A look changes nothing."
)]
pub(crate) struct ShowArgs {
    /// Name of the stream, surface, fence, event or section
    name: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let name = &args.name;
    let mut client = look::connect(name)?;
    let held = client.holders(name).map_err(|error| look::advised(name, error))?;
    let text = if held.object.kind == Kind::Stream {
        let subject = Subject::find(&mut client, name)?;
        if subject.object.id != held.object.id {
            bail!(
                "{0}: another bears the name by now; look again:  handfast show {0}",
                typed(name)
            );
        }
        if args.json {
            look::json(&stream::Facts::of(&subject, &held))?
        } else {
            page(name, &held, &stream::lines(&subject))?
        }
    } else if args.json {
        look::json(&made::Facts::of(name, &held))?
    } else {
        page(name, &held, &made::lines(&held))?
    };
    look::say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A head and what is said under it.
type Line = (&'static str, String);

/// What every kind has, around what the kind has of its own.
fn page(name: &str, held: &Holders, own: &[Line]) -> Result<String, std::fmt::Error> {
    let object = &held.object;
    let user = look::user(object.uid);
    let mut text = String::new();
    writeln!(
        text,
        "{}  {}  id {}   made by {}, user {user}, {} ago",
        clean(name),
        object.kind,
        object.id,
        look::process(object.program.as_deref(), object.pid),
        look::span(look::since(object.made_ns)),
    )?;
    let mut line = |head: &str, body: &str| writeln!(text, "  {head:<9}  {body}");
    for (head, body) in own {
        line(head, body)?;
    }
    let names: Vec<_> = object.names.iter().map(|name| clean(name)).collect();
    if object.names != [name] {
        line("names", &names.join("  "))?;
    }
    let rights = format!("user {user} and the system may do everything; nobody else");
    line("rights", &rights)?;
    let carries = match (object.handles, names.len()) {
        (0, _) | (_, 0) => "",
        (_, 1) => " (carries the name)",
        (_, _) => " (carry the names)",
    };
    let counts = format!("handles {}{carries}, openings {}", object.handles, object.openings);
    line("counts", &counts)?;
    let mut head = "holders";
    for holder in holders::lines(held) {
        line(head, &holder)?;
        head = "";
    }
    Ok(text)
}

/// What every kind has, as JSON.
#[derive(Serialize)]
struct Common<'a> {
    name: &'a str,
    kind: String,
    id: String,
    names: &'a [String],
    maker: look::Process<'a>,
    uid: u32,
    user: String,
    made_ns: u64,
    handles: u32,
    openings: u32,
    holders: Vec<holders::Holder<'a>>,
    /// Whether there may be more holders of handles.
    at_least: bool,
    hidden_processes: u32,
    handles_unseen: u32,
}

impl<'a> Common<'a> {
    fn of(name: &'a str, held: &'a Holders) -> Self {
        let object = &held.object;
        Self {
            name,
            kind: object.kind.to_string(),
            id: object.id.to_string(),
            names: &object.names,
            maker: look::Process { pid: object.pid, program: object.program.as_deref() },
            uid: object.uid,
            user: look::user(object.uid),
            made_ns: object.made_ns,
            handles: object.handles,
            openings: object.openings,
            holders: holders::json(held),
            at_least: held.is_at_least,
            hidden_processes: held.hidden_processes,
            handles_unseen: held.handles_unseen,
        }
    }
}
