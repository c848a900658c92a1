//! How much memory there is to be had, for a process whose memory nobody else accounts for.

use std::path::{Path, PathBuf};

const CGROUPS: &str = "/sys/fs/cgroup";

/// The bytes that can still be allocated: what the machine has, or what the tightest of our
/// control groups leaves, whichever is less; `None` where neither can be read.
///
/// It is a picture of this moment and reserves nothing.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| mem_available_bytes(&text));
    let group = read("/proc/self/cgroup")
        .and_then(|text| group_path(&text)?.ancestors().filter_map(group_left_bytes).min());
    machine.into_iter().chain(group).min()
}

/// `MemAvailable:   12345 kB`.
fn mem_available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Where the group of the second version (`0::/path`) lies.
fn group_path(cgroup: &str) -> Option<PathBuf> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(CGROUPS).join(path))
}

fn group_left_bytes(group: &Path) -> Option<u64> {
    let maximum: u64 = read(group.join("memory.max"))?.trim().parse().ok()?;
    let current: u64 = read(group.join("memory.current"))?.trim().parse().ok()?;
    Some(maximum.saturating_sub(current))
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_how_much_it_has() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn the_machines_line_is_found_among_the_others() {
        let text = "MemTotal:  9 kB\nMemFree:  1 kB\nMemAvailable:     2048 kB\nBuffers: 3 kB\n";
        assert_eq!(mem_available_bytes(text), Some(2 * 1024 * 1024));
        assert_eq!(mem_available_bytes("MemTotal:  9 kB\n"), None);
        assert_eq!(mem_available_bytes("MemAvailable: 99999999999999999999 kB\n"), None);
    }

    #[test]
    fn only_the_second_version_of_groups_counts() {
        let group = group_path("12:memory:/old\n0::/user.slice/a\n").unwrap();
        assert_eq!(group, Path::new("/sys/fs/cgroup/user.slice/a"));
        assert_eq!(group_path("12:memory:/old\n"), None);
    }

    #[test]
    fn a_group_without_a_limit_limits_nothing() {
        let scratch = crate::scratch::Scratch::new();
        std::fs::write(scratch.join("memory.current"), "100\n").unwrap();
        std::fs::write(scratch.join("memory.max"), "max\n").unwrap();
        assert_eq!(group_left_bytes(scratch.path()), None);
        std::fs::write(scratch.join("memory.max"), "4096\n").unwrap();
        assert_eq!(group_left_bytes(scratch.path()), Some(3996));
        std::fs::write(scratch.join("memory.max"), "1\n").unwrap();
        assert_eq!(group_left_bytes(scratch.path()), Some(0));
    }
}
