//! What a process holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Memory in which a broker keeps what its successor needs, be it used or not.
const KEPT: [&str; 2] = ["/memfd:handfast journal", "/memfd:handfast keeping"];

/// What a process holds at one moment; two are compared with `==`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// How many descriptors it has of each kind, such as `pipe`, `socket`, `memfd` or a path.
    pub descriptors: BTreeMap<String, usize>,
    /// Memory in use by the memfds among them, each counted once.
    pub memfd_bytes: u64,
    /// Address space in which it maps memfds, also such as it has no descriptor of.
    pub mapped_bytes: u64,
}

/// Looks at a process that is ours, or at any as root.
///
/// # Errors
///
/// When the process is gone, or the kernel refuses: it does for a process that is not dumpable
/// (`PR_SET_DUMPABLE` in prctl(2)), such as the broker, unless we are root.
pub fn leftovers(pid: u32) -> io::Result<Leftovers> {
    let mut found = Leftovers { mapped_bytes: mapped_bytes(pid)?, ..Leftovers::default() };
    let mut memfds = BTreeSet::new();
    let folder = format!("/proc/{pid}/fd");
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        match look(&path) {
            // Our own look at ourselves.
            Ok((kind, _)) if kind == folder => {}
            Ok((kind, data)) => {
                if kind == "memfd" && memfds.insert((data.dev(), data.ino())) {
                    // In units of 512, whatever the block size (stat(2)).
                    found.memfd_bytes += data.blocks() * 512;
                }
                *found.descriptors.entry(kind).or_default() += 1;
            }
            // Closed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The kind of a descriptor, and what it refers to.
fn look(path: &Path) -> io::Result<(String, fs::Metadata)> {
    let link = fs::read_link(path)?.to_string_lossy().into_owned();
    let kind = if KEPT.iter().any(|kept| link.starts_with(kept)) {
        "kept"
    } else if link.starts_with("/memfd:") {
        "memfd"
    } else {
        match link.split_once(":[") {
            Some((kind @ ("pipe" | "socket"), _)) => kind,
            _ => &link,
        }
    };
    Ok((kind.to_owned(), fs::metadata(path)?))
}

fn mapped_bytes(pid: u32) -> io::Result<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let is_shared =
        |line: &&str| line.contains(" /memfd:") && !KEPT.iter().any(|kept| line.contains(kept));
    let lengths = maps.lines().filter(is_shared).filter_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(start, 16).ok()?)
    });
    Ok(lengths.sum())
}
