//! Who holds an object: openings and handles that are numbers, as the broker counts them, and other
//! handles, as /proc shows them.
//!
//! Most are descriptors, and copies of them are the kernel's business: the broker knows the pipe
//! behind each, not who has it. /proc shows the descriptors of the processes that one may look at,
//! and none that is being sent at the moment. So what is found are at least the holders there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use handfast_model::contract::access::AccessMask;
use handfast_model::object::{HeldFacts, Kind, OpeningFacts, Reply, Request};
use handfast_sys::process;

use crate::client::{Client, ObjectInfo, describe};
use crate::error::{Cause, Result};
use crate::observed::{Gauge, Look, Reading};
use crate::refusal::rights_by_name;

/// The number that /proc gives the first name space of processes, which shows all others.
const FIRST_NAMESPACE: u64 = 0xEFFF_FFFC;
/// What /proc says of the flags of a thread of the kernel's own, which has no descriptors.
const KERNEL_THREAD: u32 = 0x0020_0000;
/// The mode that /proc shows of a descriptor that reads and does not write, as a handle does.
const READS_ONLY: u32 = 0o400;

/// An object and who holds it, as it was a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holders {
    /// The object. This look is not among its openings.
    pub object: ObjectInfo,
    /// What it says, if it is a fence, an event or a surface with a keyed mutex.
    pub reading: Option<Reading>,
    /// Who holds it: its maker first, then by number.
    pub holders: Vec<Holder>,
    /// Whether others may hold handles that cannot be seen from here: of another user, in another
    /// name space, or in programs that hide theirs. Openings are all there.
    pub is_at_least: bool,
    /// Processes whose descriptors could not be looked at, as far as they can be counted.
    pub hidden_processes: u32,
    /// Handles of which no copy was seen.
    pub handles_unseen: u32,
}

/// A process that holds an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: i32,
    /// Its program, if it can be seen.
    pub program: Option<String>,
    /// Its user.
    pub uid: u32,
    /// Its openings.
    pub openings: Vec<Held>,
    /// The numbers of its descriptors that are handles of the object.
    pub descriptors: Vec<i32>,
    /// The handles that it holds without a descriptor.
    pub held: Vec<HeldHandle>,
}

/// A handle that a process holds without a descriptor, as the maker of an object with a name does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldHandle {
    /// What it may do.
    pub granted: AccessMask,
    /// The same by name: the kind's own rights, then those of every kind.
    pub rights: Vec<String>,
}

/// An opening of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it may do.
    pub granted: AccessMask,
    /// The same by name: the kind's own rights, then those of every kind.
    pub rights: Vec<String>,
    /// Its number at the keyed mutex; 0 if there is none.
    pub owner: u32,
}

impl Client {
    /// Who holds the object that bears a name, whatever its kind; and the object itself.
    ///
    /// The look disturbs nobody: it wakes nobody, takes nothing, and makes nobody a signaller.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`], [`crate::ErrorKind::AccessDenied`],
    /// [`crate::ErrorKind::Lost`].
    ///
    /// # Blocking
    ///
    /// While the broker answers and /proc is read.
    pub fn holders(&mut self, name: &str) -> Result<Holders> {
        let mut look = self.open_to_look(name)?;
        let found = self.holders_of(&mut look);
        self.close_look(&look)?;
        found
    }

    fn holders_of(&mut self, look: &mut Look) -> Result<Holders> {
        let reading = Gauge::of(look)?.map(|gauge| gauge.read());
        let openings = self.openings(look)?;
        let (pipes, held) = self.handles(look)?;
        let scan = if pipes.is_empty() { Scan::default() } else { self.scan(&pipes) };
        // What was closed meanwhile is not unseen, it is gone.
        let (left, _) = self.handles(look)?;
        let unseen = pipes.iter().filter(|pipe| left.contains(pipe) && !scan.pipes.contains(pipe));
        let unseen = unseen.count();
        let mut object =
            match self.link.call(None, &Request::Query { opening: look.opening }, &[])? {
                (Reply::Facts(entry), _) => describe(entry),
                _ => return Err(Cause::Unexpected.into()),
            };
        object.openings = object.openings.saturating_sub(1);
        let mut by_pid = scan.holders;
        for one in openings {
            let holder = by_pid.entry(one.pid).or_insert_with(|| Holder::new(one.pid, one.uid));
            holder.openings.push(Held::of(&one, look.kind));
        }
        for one in held {
            let holder = by_pid.entry(one.pid).or_insert_with(|| Holder::new(one.pid, one.uid));
            let granted = one.granted.mask();
            holder.held.push(HeldHandle { granted, rights: rights_by_name(granted, look.kind) });
        }
        let mut holders: Vec<_> = by_pid.into_values().collect();
        holders.sort_by_key(|holder| (holder.pid != object.pid, holder.pid));
        Ok(Holders {
            object,
            reading,
            holders,
            is_at_least: scan.is_partial || unseen > 0,
            hidden_processes: scan.hidden,
            handles_unseen: u32::try_from(unseen).unwrap_or(u32::MAX),
        })
    }

    /// Every opening but this look.
    fn openings(&mut self, look: &Look) -> Result<Vec<OpeningFacts>> {
        let mut found: Vec<OpeningFacts> = Vec::new();
        loop {
            let skip = u32::try_from(found.len()).unwrap_or(u32::MAX);
            let request = Request::Openings { opening: look.opening, skip };
            let (Reply::Openings { openings, more }, _) = self.link.call(None, &request, &[])?
            else {
                return Err(Cause::Unexpected.into());
            };
            let done = !more || openings.is_empty();
            found.extend(openings);
            if done {
                break;
            }
        }
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let this = found.iter().position(|one| {
            (one.pid, one.granted.mask(), one.owner) == (own, look.granted, look.owner)
        });
        if let Some(this) = this {
            found.remove(this);
        }
        Ok(found)
    }

    /// Its handles: pipes, and those that clients hold by number.
    fn handles(&mut self, look: &Look) -> Result<(BTreeSet<u64>, Vec<HeldFacts>)> {
        let (pipes, held) = self.link.handles(look.opening)?;
        Ok((pipes.into_iter().collect(), held))
    }

    fn scan(&self, pipes: &BTreeSet<u64>) -> Scan {
        // The broker has the other ends, and hides its descriptors.
        scan(Path::new("/proc"), pipes, self.broker().pid)
    }
}

impl Holder {
    fn new(pid: i32, uid: u32) -> Self {
        let program = process::program_name(pid);
        let (openings, descriptors, held) = (Vec::new(), Vec::new(), Vec::new());
        Self { pid, program, uid, openings, descriptors, held }
    }
}

impl Held {
    fn of(facts: &OpeningFacts, kind: Kind) -> Self {
        let granted = facts.granted.mask();
        Self { granted, rights: rights_by_name(granted, kind), owner: facts.owner }
    }
}

/// What /proc shows.
#[derive(Debug, Default)]
struct Scan {
    holders: BTreeMap<i32, Holder>,
    /// The pipes that somebody was seen to read.
    pipes: BTreeSet<u64>,
    hidden: u32,
    is_partial: bool,
}

/// Looks which processes read one of these pipes.
fn scan(proc: &Path, pipes: &BTreeSet<u64>, broker_pid: i32) -> Scan {
    let mut scan = Scan::default();
    let namespace = fs::metadata(proc.join("self/ns/pid")).map(|found| found.ino());
    // Where the first process is not shown, those of others are not (hidepid).
    let shows_all = namespace.is_ok_and(|number| number == FIRST_NAMESPACE);
    scan.is_partial = !shows_all || !proc.join("1").exists();
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if pid != broker_pid && scan.add(&entry.path(), pid, pipes).is_err() {
            scan.hidden = scan.hidden.saturating_add(1);
            scan.is_partial = true;
        }
    }
    scan
}

impl Scan {
    /// Adds what one process has; an error if it may not be looked at.
    fn add(&mut self, process: &Path, pid: i32, pipes: &BTreeSet<u64>) -> io::Result<()> {
        let entries = match fs::read_dir(process.join("fd")) {
            Ok(entries) => entries,
            Err(error) if is_denied(&error) && !is_kernel_thread(process) => return Err(error),
            // It has ended, or is the kernel's.
            Err(_) => return Ok(()),
        };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            match pipe_of(&entry) {
                Ok(Some((number, pipe))) if pipes.contains(&pipe) => found.push((number, pipe)),
                Err(error) if is_denied(&error) => return Err(error),
                // It is of something else, or was closed meanwhile.
                Ok(_) | Err(_) => {}
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        found.sort_unstable();
        let uid = fs::metadata(process).map_or(u32::MAX, |found| found.uid());
        let mut holder = Holder::new(pid, uid);
        holder.descriptors = found.iter().map(|(number, _)| *number).collect();
        self.pipes.extend(found.iter().map(|(_, pipe)| *pipe));
        self.holders.insert(pid, holder);
        Ok(())
    }
}

/// The number of a descriptor that reads a pipe and does not write it, and the pipe's.
fn pipe_of(entry: &DirEntry) -> io::Result<Option<(i32, u64)>> {
    let target = fs::read_link(entry.path())?;
    let pipe = target
        .to_str()
        .and_then(|target| target.strip_prefix("pipe:[")?.strip_suffix(']')?.parse::<u64>().ok());
    let number = entry.file_name().to_str().and_then(|number| number.parse().ok());
    let (Some(pipe), Some(number)) = (pipe, number) else { return Ok(None) };
    let mode = fs::symlink_metadata(entry.path())?.permissions().mode();
    Ok((mode & 0o600 == READS_ONLY).then_some((number, pipe)))
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
}

fn is_kernel_thread(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    // The program's name stands in parentheses, and may have some itself.
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(6)?.parse().ok());
    flags.is_some_and(|flags: u32| flags & KERNEL_THREAD != 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn own() -> i32 {
        std::process::id().cast_signed()
    }

    fn inode(end: &impl std::os::fd::AsRawFd) -> u64 {
        fs::metadata(format!("/proc/self/fd/{}", end.as_raw_fd())).unwrap().ino()
    }

    #[test]
    fn the_readers_of_a_pipe_are_found_and_its_writers_are_not() {
        let (reader, writer) = io::pipe().unwrap();
        let copy = reader.try_clone().unwrap();
        let pipe = inode(&reader);
        assert_eq!(pipe, inode(&writer));
        let found = scan(Path::new("/proc"), &[pipe].into(), 0);
        let holder = found.holders.get(&own()).unwrap();
        let mut numbers = [reader.as_raw_fd(), copy.as_raw_fd()];
        numbers.sort_unstable();
        assert_eq!(holder.descriptors, numbers);
        assert_eq!(holder.uid, process::uid());
        assert_eq!(found.pipes, [pipe].into());
        drop((reader, copy));
        assert!(scan(Path::new("/proc"), &[pipe].into(), 0).holders.is_empty());
    }

    #[test]
    fn the_broker_is_not_asked() {
        let (reader, _writer) = io::pipe().unwrap();
        let found = scan(Path::new("/proc"), &[inode(&reader)].into(), own());
        assert!(found.pipes.is_empty());
    }

    #[test]
    fn where_nothing_is_shown_there_may_be_more() {
        let found = scan(Path::new("/nowhere"), &[1].into(), 0);
        assert!(found.is_partial && found.holders.is_empty());
    }

    #[test]
    fn the_kernels_threads_are_told_by_their_flags() {
        assert!(!is_kernel_thread(Path::new("/proc/self")));
        assert!(!is_kernel_thread(Path::new("/nowhere")));
    }
}
