//! Who holds an object, in words and as JSON.

use handfast::{Access, Held, Holders, Kind};
use serde::Serialize;

use crate::look::{self, columns_of};

/// A line for each process, and one for those that cannot be seen.
pub(super) fn lines(held: &Holders) -> Vec<String> {
    let kind = held.object.kind;
    let rows: Vec<[String; 3]> = held
        .holders
        .iter()
        .map(|holder| {
            let process = look::process(holder.program.as_deref(), holder.pid);
            let foreign = holder.uid != held.object.uid;
            let user =
                if foreign { format!(" of {}", look::user(holder.uid)) } else { String::new() };
            [process + &user, handles(holder), openings(&holder.openings, kind)]
        })
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| columns_of(cell)).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let pad = |cell: &str, width: usize| format!("{cell}{:1$}", "", width - columns_of(cell));
    let mut lines: Vec<String> = rows
        .iter()
        .map(|[process, handles, openings]| {
            let mut line = pad(process, first);
            if second > 0 {
                line += &format!("   {}", pad(handles, second));
            }
            line += &format!("   {openings}");
            line.trim_end().to_owned()
        })
        .collect();
    lines.extend(at_least(held));
    if lines.is_empty() { vec!["none".into()] } else { lines }
}

/// What is known of those that cannot be seen.
fn at_least(held: &Holders) -> Option<String> {
    let many = |count: u32, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let mut why = Vec::new();
    if held.handles_unseen > 0 {
        let held = many(held.handles_unseen, "handle is", "handles are");
        why.push(format!("{held} held where it cannot be seen"));
    }
    if held.hidden_processes > 0 {
        let hidden = many(held.hidden_processes, "process", "processes");
        why.push(format!("{hidden} could not be looked at"));
    } else if held.is_at_least && held.handles_unseen == 0 {
        why.push("/proc does not show every process".into());
    }
    held.is_at_least.then(|| format!("at least these: {}", why.join(", ")))
}

/// `handle: descriptor 7`, by the number of the descriptor, or `handle: held` for one without.
fn handles(holder: &handfast::Holder) -> String {
    let numbers: Vec<_> = holder.descriptors.iter().map(ToString::to_string).collect();
    let held = match holder.held.len() {
        0 => None,
        1 => Some("held".to_owned()),
        count => Some(format!("{count} held")),
    };
    let open = match numbers.len() {
        0 => None,
        1 => Some(format!("descriptor {}", numbers.join(", "))),
        _ => Some(format!("descriptors {}", numbers.join(", "))),
    };
    let handles: Vec<_> = held.into_iter().chain(open).collect();
    match numbers.len() + holder.held.len() {
        0 => String::new(),
        1 => format!("handle: {}", handles.join("; ")),
        _ => format!("handles: {}", handles.join("; ")),
    }
}

/// `opening: everything`; those that may do the same are counted.
fn openings(held: &[Held], kind: Kind) -> String {
    let mut groups: Vec<(String, usize)> = Vec::new();
    for one in held {
        let rights = rights(one, kind);
        match groups.iter_mut().find(|(known, _)| *known == rights) {
            Some((_, count)) => *count += 1,
            None => groups.push((rights, 1)),
        }
    }
    let words = groups.into_iter().map(|(rights, count)| match count {
        1 => format!("opening: {rights}"),
        count => format!("{count} openings: {rights}"),
    });
    words.collect::<Vec<_>>().join("; ")
}

fn rights(held: &Held, kind: Kind) -> String {
    let everything = has_all(held.granted, kind);
    let rights = if everything { "everything".into() } else { held.rights.join(", ") };
    // An opening's number at the keyed mutex tells who has it.
    if held.owner == 0 { rights } else { format!("{rights} (owner {})", held.owner) }
}

fn has_all(granted: Access, kind: Kind) -> bool {
    granted.contains(kind.rules().mapping.all)
}

#[derive(Serialize)]
pub(super) struct Holder<'a> {
    pid: i32,
    program: Option<&'a str>,
    uid: u32,
    descriptors: &'a [i32],
    held: Vec<HeldHandle<'a>>,
    openings: Vec<Opening<'a>>,
}

/// A handle without a descriptor.
#[derive(Serialize)]
struct HeldHandle<'a> {
    rights: &'a [String],
    everything: bool,
}

#[derive(Serialize)]
struct Opening<'a> {
    rights: &'a [String],
    everything: bool,
    owner: Option<u32>,
}

pub(super) fn json(held: &Holders) -> Vec<Holder<'_>> {
    let everything = |granted| has_all(granted, held.object.kind);
    held.holders
        .iter()
        .map(|holder| Holder {
            pid: holder.pid,
            program: holder.program.as_deref(),
            uid: holder.uid,
            descriptors: &holder.descriptors,
            held: holder
                .held
                .iter()
                .map(|one| HeldHandle { rights: &one.rights, everything: everything(one.granted) })
                .collect(),
            openings: holder
                .openings
                .iter()
                .map(|one| Opening {
                    rights: &one.rights,
                    everything: everything(one.granted),
                    owner: (one.owner != 0).then_some(one.owner),
                })
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use handfast::{Details, HeldHandle, Holder, ObjectId, ObjectInfo};

    use super::*;

    fn opening(granted: Access, rights: &[&str], owner: u32) -> Held {
        Held { granted, rights: rights.iter().map(ToString::to_string).collect(), owner }
    }

    fn check(holders: Vec<Holder>, hidden: Option<(u32, u32)>, expected: &[&str]) {
        let object = ObjectInfo {
            id: ObjectId { instance: 1, counter: 1 },
            names: vec!["tick".into()],
            kind: Kind::Fence,
            pid: 1,
            program: None,
            uid: 1000,
            made_ns: 0,
            handles: 1,
            openings: 1,
            details: Details::Fence,
        };
        let (hidden_processes, handles_unseen) = hidden.unwrap_or_default();
        let is_at_least = hidden.is_some();
        let reading = None;
        let held =
            Holders { object, reading, holders, is_at_least, hidden_processes, handles_unseen };
        assert_eq!(lines(&held), expected);
    }

    #[test]
    fn who_holds_what_stands_in_columns() {
        let all = Kind::Fence.rules().mapping.all;
        let wait = || opening(Access::FENCE_WAIT, &["FENCE_WAIT"], 0);
        let holder = |pid, program: &str, openings, descriptors| Holder {
            pid,
            program: Some(program.into()),
            uid: 1000,
            openings,
            descriptors,
            held: Vec::new(),
        };
        check(
            vec![
                holder(7, "ffmpeg", vec![opening(all, &[], 0)], vec![4]),
                holder(10, "obs", vec![wait(), wait(), opening(all, &[], 3)], vec![]),
                holder(2301, "sh", vec![], vec![4, 9]),
            ],
            None,
            &[
                "ffmpeg[7]   handle: descriptor 4        opening: everything",
                "obs[10]                                 2 openings: FENCE_WAIT; opening: \
                 everything (owner 3)",
                "sh[2301]    handles: descriptors 4, 9",
            ],
        );
        check(vec![holder(7, "a", vec![wait()], vec![])], None, &["a[7]   opening: FENCE_WAIT"]);
        let held = |granted, rights: &[&str]| HeldHandle {
            granted,
            rights: rights.iter().map(ToString::to_string).collect(),
        };
        let mut maker = holder(7, "ffmpeg", vec![opening(all, &[], 0)], vec![]);
        maker.held = vec![held(all, &[])];
        let mut other = holder(8, "obs", vec![], vec![4, 9]);
        other.held = vec![held(Access::FENCE_WAIT, &["FENCE_WAIT"]), held(all, &[])];
        check(
            vec![maker, other],
            None,
            &[
                "ffmpeg[7]   handle: held                        opening: everything",
                "obs[8]      handles: 2 held; descriptors 4, 9",
            ],
        );
    }

    #[test]
    fn what_cannot_be_seen_is_said() {
        check(vec![], None, &["none"]);
        check(vec![], Some((1, 0)), &["at least these: 1 process could not be looked at"]);
        check(vec![], Some((0, 0)), &["at least these: /proc does not show every process"]);
        let both = "at least these: 2 handles are held where it cannot be seen, 3 processes could \
                    not be looked at";
        check(vec![], Some((3, 2)), &[both]);
    }
}
