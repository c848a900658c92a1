//! The directory of the broker's socket: nobody else's, and locked while a broker starts.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, lstat, mkdir, open};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::process::uid;

/// Why a directory is not one to put a socket in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It neither exists nor can be made.
    #[error("cannot make the directory {}: {source}", .path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the kernel says.
        source: Error,
    },
    /// It cannot be opened.
    #[error("cannot open the directory {}: {source}", .path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the kernel says.
        source: Error,
    },
    /// It is a symbolic link, be it to a directory.
    #[error("{} is a symbolic link, not a directory", .path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// It is a file or something else.
    #[error("{} is not a directory", .path.display())]
    NotDirectory {
        /// What is there.
        path: PathBuf,
    },
    /// It is somebody else's.
    #[error("{} belongs to user {owner}, not to user {user}", .path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// As whom this process acts.
        user: u32,
    },
    /// Others may do more with it than they should.
    #[error(
        "{} has mode {mode:04o}, which lets others in; it must be {allowed:04o}",
        .path.display()
    )]
    Mode {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they may be at most.
        allowed: u32,
    },
}

/// Makes a directory that only this user can enter, or checks that it is one.
///
/// The directories above it must exist, and who may write those can put another one in its
/// place.
///
/// # Errors
/// [`DirectoryError`] says what is there instead.
pub fn ensure_private(path: &Path) -> core::result::Result<(), DirectoryError> {
    ensure(path, Mode::RWXU)
}

/// Makes a directory that everybody can enter and only this user can write, or checks that it is
/// one: it may let in fewer.
///
/// # Errors
/// [`DirectoryError`] says what is there instead.
pub fn ensure_shared(path: &Path) -> core::result::Result<(), DirectoryError> {
    ensure(path, Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH)
}

/// Makes or checks a directory of ours that lets others do no more than `allowed`.
fn ensure(path: &Path, allowed: Mode) -> core::result::Result<(), DirectoryError> {
    let there = || path.to_path_buf();
    match mkdir(path, allowed) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => {
            return Err(DirectoryError::Create {
                path: there(),
                source: Error::new("mkdir", errno),
            });
        }
    }
    let directory = open_directory(path).map_err(|errno| match kind(path) {
        Some(FileType::Symlink) => DirectoryError::SymbolicLink { path: there() },
        Some(FileType::Directory) | None => {
            DirectoryError::Open { path: there(), source: Error::new("open", errno) }
        }
        Some(_) => DirectoryError::NotDirectory { path: there() },
    })?;
    let found = fstat(&directory).map_err(|errno| DirectoryError::Open {
        path: there(),
        source: Error::new("fstat", errno),
    })?;
    let (owner, user, mode) = (found.st_uid, uid(), found.st_mode & 0o7777);
    if owner != user {
        return Err(DirectoryError::Owner { path: there(), owner, user });
    }
    if mode & 0o077 & !allowed.bits() != 0 {
        return Err(DirectoryError::Mode { path: there(), mode, allowed: allowed.bits() });
    }
    Ok(())
}

/// A directory that one process at a time holds; it leaves no file behind.
///
/// # Ownership
/// Dropping it unlocks, also when a forked child has a copy of the descriptor; so does the end of
/// the last process that has one.
#[derive(Debug)]
pub struct DirectoryLock(OwnedFd);

impl DirectoryLock {
    /// Locks a directory.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR (something else, a symbolic link too), EACCES, and the descriptor limit.
    ///
    /// # Blocking
    /// Until no other process holds it.
    pub fn lock(path: &Path) -> Result<Self> {
        let directory = open_directory(path).map_err(Error::of("open"))?;
        rustix::io::retry_on_intr(|| flock(&directory, FlockOperation::LockExclusive))
            .map_err(Error::of("flock"))?;
        Ok(Self(directory))
    }

    /// Locks a directory, `None` when somebody holds it.
    ///
    /// # Errors
    /// As [`DirectoryLock::lock`].
    ///
    /// # Blocking
    /// Never.
    pub fn try_lock(path: &Path) -> Result<Option<Self>> {
        let directory = open_directory(path).map_err(Error::of("open"))?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(directory))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(Error::new("flock", errno)),
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a forked child; closing follows in any case.
        flock(&self.0, FlockOperation::Unlock).ok();
    }
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open(path, flags, Mode::empty())
}

fn kind(path: &Path) -> Option<FileType> {
    lstat(path).ok().map(|found| FileType::from_raw_mode(found.st_mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_directory_is_made_private_and_then_found_good() {
        let scratch = Scratch::new();
        let path = scratch.join("runtime");
        ensure_private(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        ensure_private(&path).unwrap();
    }

    #[test]
    fn a_symbolic_link_to_a_good_directory_is_refused() {
        let scratch = Scratch::new();
        ensure_private(&scratch.join("good")).unwrap();
        let path = scratch.join("link");
        symlink(scratch.join("good"), &path).unwrap();
        assert_eq!(ensure_private(&path), Err(DirectoryError::SymbolicLink { path }));
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let scratch = Scratch::new();
        let path = scratch.join("file");
        std::fs::write(&path, "").unwrap();
        assert_eq!(ensure_private(&path), Err(DirectoryError::NotDirectory { path }));
    }

    #[test]
    fn bits_for_others_are_refused_and_named() {
        let scratch = Scratch::new();
        for bits in [0o710, 0o701, 0o750, 0o777] {
            std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(bits))
                .unwrap();
            let refused = ensure_private(scratch.path()).unwrap_err();
            let path = scratch.path().to_path_buf();
            assert_eq!(refused, DirectoryError::Mode { path, mode: bits, allowed: 0o700 });
            assert!(refused.to_string().contains(&format!("mode {bits:04o}")));
        }
    }

    #[test]
    fn somebody_elses_directory_is_refused_and_its_owner_named() {
        let theirs = if uid() == 0 {
            let scratch = Scratch::new();
            std::os::unix::fs::chown(scratch.path(), Some(12345), None).unwrap();
            let refused = ensure_private(scratch.path()).unwrap_err();
            assert!(refused.to_string().contains("user 12345"), "{refused}");
            refused
        } else {
            ensure_private(Path::new("/")).unwrap_err()
        };
        assert!(matches!(theirs, DirectoryError::Owner { .. }));
    }

    #[test]
    fn a_directory_above_that_is_missing_is_an_error_with_its_reason() {
        let scratch = Scratch::new();
        let refused = ensure_private(&scratch.join("missing/runtime")).unwrap_err();
        let DirectoryError::Create { source, .. } = refused else { panic!("{refused}") };
        assert_eq!(source.errno(), Errno::NOENT);
    }

    #[test]
    fn one_at_a_time_holds_the_lock_and_a_copy_of_the_descriptor_does_not_keep_it() {
        let scratch = Scratch::new();
        let held = DirectoryLock::lock(scratch.path()).unwrap();
        assert!(DirectoryLock::try_lock(scratch.path()).unwrap().is_none());
        let copy = held.0.try_clone().unwrap();
        drop(held);
        let again = DirectoryLock::try_lock(scratch.path()).unwrap();
        assert!(again.is_some());
        drop(copy);
    }

    #[test]
    fn waiting_for_the_lock_ends_when_it_is_let_go() {
        let scratch = Scratch::new();
        let held = DirectoryLock::lock(scratch.path()).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| DirectoryLock::lock(scratch.path()).map(|_| ()));
            drop(held);
            waiter.join().unwrap().unwrap();
        });
    }
}
