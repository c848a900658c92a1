//! A child that shares this process's table of descriptors, so that neither's end closes any.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: the C library's fork copies the table, so the kernel is asked itself; and \
              rustix sends only signals that it has names for"
)]

use std::os::raw::c_long;

use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::error::{Error, Result};

/// Starts a child as fork does, but with one table of descriptors for both (`CLONE_FILES`):
/// `None` in the child, the child in the parent.
///
/// A number names the same file in both, whoever opened it; what one opens, closes or replaces is
/// open, closed or replaced for the other. A process that ends closes nothing as long as the other
/// is there, and drops no record lock (fcntl(2)): the table owns those. An exec gives its process a
/// table of its own first. All else is as after a fork: memory is copied, shared mappings are
/// inherited but for those that [`crate::mapping`] keeps from children, and so are limits, the
/// signal mask and what signals do.
///
/// # Errors
/// EAGAIN (the limit of processes), ENOMEM.
///
/// # Safety
/// 1. The calling process has no other thread. In the child a lock that another thread held would
///    stay locked, and in the parent that thread would go on changing the table.
/// 2. Every value that owns a descriptor (`OwnedFd` and all that is made of it) exists in both
///    processes now, for one descriptor. Of each, at most one of the two may drop it or give it up
///    otherwise, and after that the other neither uses nor drops its own. So the child must not
///    return or unwind into frames of the caller that own descriptors, unless they are the child's
///    from now on and the parent disowns them ([`crate::descriptor::disown`]).
/// 3. No handler of `pthread_atfork` runs, and the C library keeps the parent's number for the
///    child's first thread. That thread takes no mutex of the C library that processes share and
///    that knows its owner (recursive, error-checking, robust or inheriting priority), and neither
///    sets its scheduling nor asks for its clock by `pthread_self`. Threads that it starts are as
///    any.
pub unsafe fn fork_sharing_descriptors() -> Result<Option<Child>> {
    const NONE: c_long = 0;
    // SAFETY: 1. Without `CLONE_VM` and without a stack the child goes on in a copy of this memory,
    // on a copy of this stack, as after a fork. 2. The flags ask for nothing to be stored, so the
    // addresses that are NULL are not followed, and all arguments but the flags are zero. 3. The
    // caller guarantees that no thread is left out of the copy, and what he does with the
    // descriptors that two processes name now.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            c_long::from(libc::CLONE_FILES | libc::SIGCHLD),
            NONE,
            NONE,
            NONE,
            NONE,
        )
    };
    match i32::try_from(pid) {
        Ok(0) => Ok(None),
        Ok(pid) if pid > 0 => {
            let pid = Pid::from_raw(pid).ok_or(Error::new("clone", Errno::SRCH))?;
            Ok(Some(Child { pid, outcome: None }))
        }
        _ => {
            let errno = Errno::from_io_error(&std::io::Error::last_os_error());
            Err(Error::new("clone", errno.unwrap_or(Errno::IO)))
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Exited(i32),
    /// By the signal of this number.
    Killed(i32),
}

/// A child of this process.
///
/// Its number is no other process's until [`Child::ended`] or [`Child::wait`] has told how it
/// ended, if nothing else in this process waits for children that it does not know.
///
/// # Ownership
/// Dropping it leaves the process as it is; who has ended stays a zombie until its parent ends.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    /// What the kernel said when there was no such child any more, or none to wait for.
    outcome: Option<Result<Ending>>,
}

impl Child {
    /// How it ended, asked as often as one likes; `None` while it has not.
    ///
    /// # Errors
    /// ECHILD: it ended and nobody can tell how, as this process ignores SIGCHLD or something else
    /// in it waited for the child.
    ///
    /// # Blocking
    /// Never.
    pub fn ended(&mut self) -> Result<Option<Ending>> {
        self.ask(WaitOptions::NOHANG)
    }

    /// Waits until it has ended and says how. It takes no descriptor, which a successor that shares
    /// the table would not know.
    ///
    /// # Errors
    /// As [`Child::ended`].
    ///
    /// # Blocking
    /// Until it has ended; signals do not end it.
    pub fn wait(&mut self) -> Result<Ending> {
        loop {
            if let Some(ending) = self.ask(WaitOptions::empty())? {
                return Ok(ending);
            }
        }
    }

    /// Its number, which another process may have once it was told how this one ended.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it the signal of this number; one that has ended without being asked takes none, which
    /// is no error.
    ///
    /// # Errors
    /// ESRCH (it was told how it ended, and the number may be another's), EINVAL (no signal has
    /// this number), EPERM (it acts as another user now).
    pub fn signal(&self, number: i32) -> Result<()> {
        if self.outcome.is_some() {
            return Err(Error::new("kill", Errno::SRCH));
        }
        // SAFETY: The call takes two numbers. The first is above zero, so it names no group, and
        // by `outcome` our child was not waited for, so it is that child's.
        if unsafe { libc::kill(self.pid(), number) } == 0 {
            return Ok(());
        }
        let errno = Errno::from_io_error(&std::io::Error::last_os_error());
        Err(Error::new("kill", errno.unwrap_or(Errno::IO)))
    }

    fn ask(&mut self, options: WaitOptions) -> Result<Option<Ending>> {
        if let Some(outcome) = self.outcome {
            return outcome.map(Some);
        }
        let status = match retry_on_intr(|| waitpid(Some(self.pid), options)) {
            Ok(Some((_, status))) => status,
            Ok(None) => return Ok(None),
            Err(errno) => {
                let lost = Error::new("waitpid", errno);
                self.outcome = Some(Err(lost));
                return Err(lost);
            }
        };
        let ending = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ending::Exited(code),
            (None, Some(signal)) => Ending::Killed(signal),
            // Somebody traces it, and it stands still.
            (None, None) => return Ok(None),
        };
        self.outcome = Some(Ok(ending));
        Ok(Some(ending))
    }
}
