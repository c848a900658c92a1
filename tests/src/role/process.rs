//! What safe code cannot do to its own process: fork it, take a descriptor by its number, and ask
//! for memory that may not be had.
#![expect(unsafe_code, reason = "UNSAFETY: forks, descriptors by number, mprotect")]

use std::fs;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, bail, ensure};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect, munmap};
use rustix::process::{Pid, WaitOptions, waitpid};

const PANICKED: i32 = 101;

/// A forked child that has not been waited for.
pub(crate) struct Forked(Pid);

/// Forks; the child runs the function and ends with the status that it gives.
pub(crate) fn fork(child: impl FnOnce() -> i32) -> anyhow::Result<Forked> {
    // SAFETY: The C library puts its allocator in order in the child. Apart from that the child
    // runs what is to be shown to need no lock of another thread; it never returns from here.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let status = catch_unwind(AssertUnwindSafe(child)).unwrap_or(PANICKED);
        // SAFETY: `_exit` ends the process without running anything of it.
        unsafe { libc::_exit(status) };
    }
    Ok(Forked(Pid::from_raw(pid).filter(|_| pid > 0).context("fork")?))
}

impl Forked {
    /// Waits for it, and fails unless it ended with status 0.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let (_, status) =
            waitpid(Some(self.0), WaitOptions::empty())?.context("our own child was there")?;
        let code = status.exit_status();
        ensure!(
            code == Some(0),
            "the child ended with {code:?}, signal {:?}",
            status.terminating_signal()
        );
        Ok(())
    }

    pub(crate) fn pid(&self) -> Pid {
        self.0
    }

    pub(crate) fn reap(self) -> anyhow::Result<()> {
        waitpid(Some(self.0), WaitOptions::empty())?.context("our own child was there")?;
        Ok(())
    }
}

/// Runs a function in a forked child, which fails here if it fails there.
pub(crate) fn in_child(child: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let forked = fork(|| match child() {
        Ok(()) => 0,
        Err(error) => {
            // There is nobody to tell when standard error is closed.
            rustix::io::write(std::io::stderr(), format!("child: {error:#}\n").as_bytes()).ok();
            1
        }
    })?;
    forked.finish()
}

/// The descriptor with this number, which the program before this one left.
pub(crate) fn inherited(number: i32) -> anyhow::Result<OwnedFd> {
    ensure!(fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok(), "closed");
    // SAFETY: It is open, and called once, before this program has opened anything that it owns
    // under a number that it was told.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The descriptors of this process by their numbers.
pub(crate) struct OwnNumbers;

impl handfast::InheritedNumbers for OwnNumbers {
    fn copy(&self, number: i32) -> Option<OwnedFd> {
        // SAFETY: Whatever number it is, the kernel takes it or refuses it.
        let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        // SAFETY: The kernel has just made it for this call.
        (copy >= 0).then(|| unsafe { OwnedFd::from_raw_fd(copy) })
    }

    fn take(&self, number: i32) -> OwnedFd {
        // SAFETY: It is open, as it could be copied, and no test has an owner for it.
        unsafe { OwnedFd::from_raw_fd(number) }
    }
}

/// Closes a number that somebody else has, which no program should do.
pub(crate) fn close_number(number: i32) -> anyhow::Result<()> {
    // SAFETY: That nobody is hurt by it is what is to be shown.
    let closed = unsafe { libc::close(number) };
    ensure!(closed == 0, "it was not open");
    Ok(())
}

/// Puts a file in the place of what is under a number, which no program should do.
pub(crate) fn put_null(number: i32) -> anyhow::Result<()> {
    let null = fs::File::open("/dev/null")?;
    // SAFETY: That nobody is hurt by it is what is to be shown.
    let put = unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), number) };
    ensure!(put == number, "it could not be put there");
    Ok(())
}

/// What the kernel says to making each mapping of an object's memory that is not writable writable.
pub(crate) fn make_writable() -> anyhow::Result<Vec<String>> {
    let mut answers = Vec::new();
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        // The mailbox is this process's own.
        if !line.contains(" /memfd:") || line.contains("mailbox") {
            continue;
        }
        let (range, rest) = line.split_once(' ').context("a range")?;
        let (start, end) = range.split_once('-').context("two ends")?;
        let start = usize::from_str_radix(start, 16)?;
        let end = usize::from_str_radix(end, 16)?;
        if rest.starts_with("rw-s") {
            answers.push("writable".to_owned());
            continue;
        }
        if !rest.starts_with("r--s") {
            bail!("an odd mapping: {line}");
        }
        let flags = MprotectFlags::READ | MprotectFlags::WRITE;
        let address = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: More rights for memory that is there take nothing away from whoever reads it.
        let answer = unsafe { mprotect(address, end - start, flags) };
        answers
            .push(answer.map_or_else(|error| error.kind().to_string(), |()| "allowed".to_owned()));
    }
    Ok(answers)
}

/// Maps the first page of memory, writable, and lets it go again.
pub(crate) fn map_writable(memory: &OwnedFd) -> rustix::io::Result<()> {
    let (protection, length) = (ProtFlags::READ | ProtFlags::WRITE, rustix::param::page_size());
    // SAFETY: A new mapping at an address of the kernel's choice replaces nothing.
    let start =
        unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, memory, 0) }?;
    // SAFETY: It was just made, and nothing points into it.
    unsafe { munmap(start, length) }
}
