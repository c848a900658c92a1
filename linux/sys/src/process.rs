//! This process, and what /proc tells about others.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal as Kill, getpid, getppid, getrlimit,
    kill_process, set_dumpable_behavior, set_parent_process_death_signal, setrlimit, setsid,
};

use crate::auxiliary;
use crate::error::{Error, Result};

/// What a process is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// To end in its own way.
    Terminate,
    /// To end at once.
    Kill,
    /// To stand still.
    Stop,
    /// To go on.
    Continue,
}

impl Signal {
    fn number(self) -> rustix::process::Signal {
        match self {
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Kill => rustix::process::Signal::KILL,
            Self::Stop => rustix::process::Signal::STOP,
            Self::Continue => rustix::process::Signal::CONT,
        }
    }
}

/// Shuts other processes of the same user out of this one's descriptors and memory.
///
/// # Errors
/// None on Linux.
pub fn set_not_dumpable() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Error::of("prctl(PR_SET_DUMPABLE)"))
}

/// Leaves the terminal and the process group that this process was started in.
///
/// # Errors
/// EPERM: it leads a process group already.
pub fn new_session() -> Result<()> {
    setsid().map(|_| ()).map_err(Error::of("setsid"))
}

/// Where this process's program lies; ends in ` (deleted)` when it was replaced.
///
/// # Errors
/// ENOENT: no /proc.
pub fn executable_path() -> Result<PathBuf> {
    std::fs::read_link("/proc/self/exe").map_err(Error::of_std("readlink(/proc/self/exe)"))
}

/// The name of a process's program, for people to read: the file's name, or what the process
/// calls itself where the file is not ours to see. Control characters are replaced.
#[must_use]
pub fn program_name(pid: i32) -> Option<String> {
    let process = directory(pid)?;
    let name = match std::fs::read_link(process.join("exe")) {
        Ok(path) => path.file_name()?.to_string_lossy().into_owned(),
        Err(_) => String::from_utf8_lossy(&std::fs::read(process.join("comm")).ok()?).into_owned(),
    };
    let name = name.trim_end_matches('\n');
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    let name = name.replace(char::is_control, "\u{FFFD}");
    (!name.is_empty()).then_some(name)
}

/// The user and group as whom a process acts, also of one that hides its memory from others. `None`
/// where it is not ours to see (`hidepid` in proc(5)), or has ended.
#[must_use]
pub fn owner(pid: i32) -> Option<(u32, u32)> {
    let found = std::fs::metadata(directory(pid)?).ok()?;
    Some((found.uid(), found.gid()))
}

/// How many descriptors a process has open; `None` where that is not ours to see.
#[must_use]
pub fn open_descriptors(pid: i32) -> Option<usize> {
    let entries = std::fs::read_dir(directory(pid)?.join("fd")).ok()?;
    Some(entries.filter(core::result::Result::is_ok).count())
}

/// Raises the limit of open descriptors as far as it goes and returns the limits that hold then,
/// soft and hard; `u64::MAX` is none.
pub fn raise_descriptor_limit() -> (u64, u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where a sandbox refuses, the limit stays what it is, and the caller sees it.
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    descriptor_limit()
}

/// The limits of open descriptors, soft and hard; `u64::MAX` is none.
#[must_use]
pub fn descriptor_limit() -> (u64, u64) {
    let limit = getrlimit(Resource::Nofile);
    (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX))
}

/// Sends a signal to the process that has this number now.
///
/// # Errors
/// EINVAL (not a number of a process), ESRCH (no such process), EPERM (not ours to signal).
pub fn kill(pid: i32, signal: Signal) -> Result<()> {
    let process = (pid > 0).then(|| Pid::from_raw(pid)).flatten();
    let process = process.ok_or(Error::new("kill", Errno::INVAL))?;
    kill_process(process, signal.number()).map_err(Error::of("kill"))
}

/// The user as whom this process acts.
#[must_use]
pub fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this program has more rights than who started it, so that its environment must not be
/// trusted.
#[must_use]
pub fn is_secure_exec() -> bool {
    auxiliary::is_secure_exec()
}

fn directory(pid: i32) -> Option<PathBuf> {
    (pid > 0).then(|| Path::new("/proc").join(pid.to_string()))
}

/// Has this process told to end (SIGTERM) when its parent, whose number this is, ends; at once
/// where it has ended already.
///
/// # Errors
/// None.
pub fn end_with_parent(parent: u32) -> Result<()> {
    set_parent_process_death_signal(Some(Kill::TERM))
        .map_err(Error::of("prctl(PR_SET_PDEATHSIG)"))?;
    let is_there =
        getppid().is_some_and(|pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent));
    if !is_there {
        kill_process(getpid(), Kill::TERM).map_err(Error::of("kill"))?;
    }
    Ok(())
}

/// How many threads this process has.
///
/// # Errors
/// ENOENT (no /proc), the descriptor limit.
pub fn threads() -> Result<usize> {
    let tasks =
        std::fs::read_dir("/proc/self/task").map_err(Error::of_std("open(/proc/self/task)"))?;
    Ok(tasks.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> i32 {
        std::process::id().cast_signed()
    }

    #[test]
    fn groups_and_everybody_are_no_process() {
        for pid in [0, -1, -2, i32::MIN] {
            assert_eq!(kill(pid, Signal::Continue).unwrap_err().errno(), Errno::INVAL);
            assert_eq!(program_name(pid), None);
            assert_eq!(open_descriptors(pid), None);
        }
    }

    #[test]
    fn programs_have_their_files_name() {
        let path = executable_path().unwrap();
        let file = path.file_name().unwrap().to_string_lossy();
        assert_eq!(program_name(own_pid()).as_deref(), Some(&*file));
        assert_eq!(program_name(i32::MAX), None);
    }

    #[test]
    fn a_process_is_its_users() {
        assert_eq!(owner(own_pid()).map(|(uid, _)| uid), Some(uid()));
        assert_eq!(owner(i32::MAX), None);
    }

    #[test]
    fn open_descriptors_are_counted() {
        let mut held = Vec::new();
        for _ in 0..50 {
            held.push(std::fs::File::open("/dev/null").unwrap());
        }
        assert!(open_descriptors(own_pid()).unwrap() >= held.len());
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let (soft, hard) = raise_descriptor_limit();
        assert_eq!(soft, hard);
        assert_eq!(descriptor_limit(), (soft, hard));
    }

    #[test]
    fn a_test_has_no_more_rights_than_its_caller() {
        assert!(!is_secure_exec());
    }
}
