//! Memory as a descriptor, and the seals that say what nobody can do to it any more.

use core::fmt;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    FileType, MemfdFlags, Mode, OFlags, SealFlags, fchmod, fcntl_add_seals, fcntl_get_seals,
    fcntl_getfl, fstat, ftruncate, memfd_create, open,
};
use rustix::io::Errno;

use crate::error::{Error, Result};

const SIZE_SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

const SHARED_SEALS: SealFlags = SIZE_SEALS.union(SealFlags::SEAL);

const WRITER_SEALS: SealFlags = SIZE_SEALS.union(SealFlags::FUTURE_WRITE).union(SealFlags::SEAL);

/// Memory that passed a check.
///
/// Having one from [`check_sealed`] proves that nobody of any user can change its size, map it
/// writable or write it through a descriptor from now on; who mapped it writable before still
/// can. One from [`check_size_sealed`] proves only the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Sealed {
    /// Its size, which cannot change.
    pub size_bytes: u64,
    /// With `inode`: which memory it is, the same for all its descriptors.
    pub device: u64,
    /// The number of the memory on its device.
    pub inode: u64,
}

/// Why memory is not what it was said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSealed {
    /// It is no memory: a pipe, a socket, a file on a disk, a mere path.
    #[error("not memory that can be sealed")]
    NotMemory,
    /// It lacks seals.
    #[error("memory without the seals {}", Names(*.0))]
    Missing(MissingSeals),
    /// Two descriptors that are not one memory, open for writing and for reading.
    #[error("not one memory opened for writing and once more for reading")]
    NotAPair,
    /// The kernel refused to describe it.
    #[error(transparent)]
    Refused(#[from] Error),
}

/// The seals that memory lacks, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingSeals(SealFlags);

impl fmt::Display for MissingSeals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Names(*self).fmt(formatter)
    }
}

struct Names(MissingSeals);

impl fmt::Display for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, _) in self.0.0.iter_names() {
            write!(formatter, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// Makes memory of a fixed size, filled with zeros, mode 0600, close-on-exec.
///
/// The size is sealed at once (`F_SEAL_SHRINK` and `F_SEAL_GROW`); [`seal_writer`] adds the rest.
/// The label shows in /proc and names nothing. No page is allocated before it is touched.
///
/// # Errors
/// EINVAL (a label of more than 249 bytes or with a NUL byte), EFBIG (more than 2^63 - 1 bytes),
/// the descriptor limit, and ENOMEM.
///
/// # Ownership
/// The descriptor, open for reading and writing, is the caller's.
pub fn create(label: &str, size_bytes: u64) -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = match memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3 the flag is unknown.
        Err(Errno::INVAL) => memfd_create(label, flags),
        made => made,
    }
    .map_err(Error::of("memfd_create"))?;
    fchmod(&memory, Mode::RUSR | Mode::WUSR).map_err(Error::of("fchmod"))?;
    if i64::try_from(size_bytes).is_err() {
        return Err(Error::new("ftruncate", Errno::FBIG));
    }
    ftruncate(&memory, size_bytes).map_err(Error::of("ftruncate"))?;
    fcntl_add_seals(&memory, SIZE_SEALS).map_err(Error::of("fcntl(F_ADD_SEALS)"))?;
    Ok(memory)
}

/// Opens the same memory again for reading only.
///
/// Without the seals of [`seal_writer`] this keeps nobody of the same user from writing: they
/// open it once more.
///
/// # Errors
/// EACCES (the memory is another user's), ENOENT (no /proc), and the descriptor limit.
///
/// # Ownership
/// The descriptor is the caller's.
pub fn read_only(memory: BorrowedFd<'_>) -> Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(Error::of("open(/proc/self/fd)"))
}

/// Ends all writing but through the mappings that exist now, for every user, and for ever
/// (`F_SEAL_SHRINK`, `F_SEAL_GROW`, `F_SEAL_FUTURE_WRITE` and `F_SEAL_SEAL` in one call).
///
/// # Errors
/// EPERM (sealed already, or a descriptor opened for reading only), EINVAL (not memory).
pub fn seal_writer(memory: BorrowedFd<'_>) -> Result<()> {
    fcntl_add_seals(memory, WRITER_SEALS).map_err(Error::of("fcntl(F_ADD_SEALS)"))
}

/// Fixes the size and keeps everybody from adding seals, so that nobody who may write it can take
/// that from the others (`F_SEAL_SHRINK`, `F_SEAL_GROW` and `F_SEAL_SEAL`).
///
/// # Errors
/// EPERM (sealed already, or a descriptor opened for reading only), EINVAL (not memory).
pub fn seal_shared(memory: BorrowedFd<'_>) -> Result<()> {
    fcntl_add_seals(memory, SHARED_SEALS).map_err(Error::of("fcntl(F_ADD_SEALS)"))
}

/// Fixes the size and leaves later seals possible (`F_SEAL_SHRINK` and `F_SEAL_GROW`).
///
/// # Errors
/// EPERM (sealed already, or a descriptor opened for reading only), EINVAL (not memory).
pub fn seal_size(memory: BorrowedFd<'_>) -> Result<()> {
    fcntl_add_seals(memory, SIZE_SEALS).map_err(Error::of("fcntl(F_ADD_SEALS)"))
}

/// Checks that a descriptor from anywhere is memory with all four seals of [`seal_writer`].
///
/// # Errors
/// [`NotSealed`] says what is wrong.
///
/// # Blocking
/// Never, whatever the descriptor is: the seals are asked first, which no file system answers.
pub fn check_sealed(memory: BorrowedFd<'_>) -> core::result::Result<Sealed, NotSealed> {
    check(memory, WRITER_SEALS)
}

/// Checks that two descriptors from anywhere are of one memory with the seals of [`seal_shared`]
/// and nothing that bars writers: the first opened for writing, the second not.
///
/// # Errors
/// [`NotSealed`] says what is wrong.
///
/// # Blocking
/// Never, as [`check_sealed`].
pub fn check_shared(
    writable: BorrowedFd<'_>,
    read_only: BorrowedFd<'_>,
) -> core::result::Result<Sealed, NotSealed> {
    let (one, other) = (check(writable, SHARED_SEALS)?, check(read_only, SHARED_SEALS)?);
    let seals = fcntl_get_seals(writable).map_err(Error::of("fcntl(F_GET_SEALS)"))?;
    let barred = seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE);
    let same = (one.device, one.inode) == (other.device, other.inode);
    if same && writes(writable)? && !writes(read_only)? && !barred {
        Ok(one)
    } else {
        Err(NotSealed::NotAPair)
    }
}

/// Checks that a descriptor from anywhere is memory whose size is sealed.
///
/// # Errors
/// [`NotSealed`] says what is wrong.
///
/// # Blocking
/// Never, as [`check_sealed`].
pub fn check_size_sealed(memory: BorrowedFd<'_>) -> core::result::Result<Sealed, NotSealed> {
    check(memory, SIZE_SEALS)
}

fn check(memory: BorrowedFd<'_>, wanted: SealFlags) -> core::result::Result<Sealed, NotSealed> {
    let seals = fcntl_get_seals(memory).map_err(|errno| match errno {
        Errno::INVAL | Errno::BADF => NotSealed::NotMemory,
        errno => NotSealed::Refused(Error::new("fcntl(F_GET_SEALS)", errno)),
    })?;
    let missing = wanted.difference(seals);
    if !missing.is_empty() {
        return Err(NotSealed::Missing(MissingSeals(missing)));
    }
    let found = fstat(memory).map_err(Error::of("fstat"))?;
    let size_bytes = u64::try_from(found.st_size).map_err(|_| NotSealed::NotMemory)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(NotSealed::NotMemory);
    }
    Ok(Sealed { size_bytes, device: found.st_dev, inode: found.st_ino })
}

/// Whether a descriptor was opened for writing.
fn writes(memory: BorrowedFd<'_>) -> Result<bool> {
    let flags = fcntl_getfl(memory).map_err(Error::of("fcntl(F_GETFL)"))?;
    Ok(flags & OFlags::RWMODE != OFlags::RDONLY)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::io::write;

    use super::*;
    use crate::mapping::map_writable;

    fn reopened(memory: &OwnedFd) -> rustix::io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
        open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
    }

    #[test]
    fn memory_is_born_private_and_of_a_fixed_size() {
        let memory = create("born", 8192).unwrap();
        let found = fstat(&memory).unwrap();
        assert_eq!((found.st_mode & 0o777, found.st_size), (0o600, 8192));
        assert_eq!(ftruncate(&memory, 4096), Err(Errno::PERM));
        assert_eq!(ftruncate(&memory, 16384), Err(Errno::PERM));
        let size = check_size_sealed(memory.as_fd()).unwrap();
        assert_eq!(size.size_bytes, 8192);
        let lacks = check_sealed(memory.as_fd()).unwrap_err();
        assert_eq!(lacks.to_string(), "memory without the seals SEAL, FUTURE_WRITE");
    }

    #[test]
    fn sealed_memory_reopened_through_proc_can_neither_be_written_nor_mapped_writable() {
        let memory = create("sealed", 4096).unwrap();
        let writer = map_writable(memory.as_fd(), 4096).unwrap();
        let reader = read_only(memory.as_fd()).unwrap();
        seal_writer(memory.as_fd()).unwrap();
        let again = reopened(&reader).unwrap();
        assert_eq!(write(&again, b"x"), Err(Errno::PERM));
        assert_eq!(map_writable(again.as_fd(), 4096).unwrap_err().errno(), Errno::PERM);
        assert_eq!(seal_writer(again.as_fd()).unwrap_err().errno(), Errno::PERM);
        assert!(writer.copy_from(0, b"still"));
        let sealed = check_sealed(reader.as_fd()).unwrap();
        assert_eq!(sealed.size_bytes, 4096);
        let same = check_sealed(memory.as_fd()).unwrap();
        assert_eq!((same.device, same.inode), (sealed.device, sealed.inode));
    }

    #[test]
    fn a_read_only_descriptor_cannot_be_written() {
        let memory = create("read", 4096).unwrap();
        let reader = read_only(memory.as_fd()).unwrap();
        assert_eq!(write(&reader, b"x"), Err(Errno::BADF));
        assert_eq!(map_writable(reader.as_fd(), 4096).unwrap_err().errno(), Errno::ACCESS);
    }

    #[test]
    fn what_is_no_memory_is_refused() {
        let (pipe, _end) = rustix::pipe::pipe().unwrap();
        assert_eq!(check_sealed(pipe.as_fd()), Err(NotSealed::NotMemory));
        let directory = std::fs::File::open("/").unwrap();
        assert_eq!(check_sealed(directory.as_fd()), Err(NotSealed::NotMemory));
        let memory = create("path", 4096).unwrap();
        seal_writer(memory.as_fd()).unwrap();
        let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
        let path = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert_eq!(check_sealed(path.as_fd()), Err(NotSealed::NotMemory));
    }

    #[test]
    fn shared_memory_is_a_pair_that_nobody_can_seal() {
        let memory = create("shared", 4096).unwrap();
        let reader = read_only(memory.as_fd()).unwrap();
        let lacks = check_shared(memory.as_fd(), reader.as_fd()).unwrap_err();
        assert_eq!(lacks.to_string(), "memory without the seals SEAL");
        seal_shared(memory.as_fd()).unwrap();
        assert_eq!(seal_writer(memory.as_fd()).unwrap_err().errno(), Errno::PERM);
        assert_eq!(check_shared(memory.as_fd(), reader.as_fd()).unwrap().size_bytes, 4096);
        let other = create("other", 4096).unwrap();
        seal_shared(other.as_fd()).unwrap();
        let others = read_only(other.as_fd()).unwrap();
        let exclusive = create("exclusive", 4096).unwrap();
        let exclusives = read_only(exclusive.as_fd()).unwrap();
        seal_writer(exclusive.as_fd()).unwrap();
        for (writable, read_only) in [
            (&memory, &others),
            (&reader, &reader),
            (&memory, &memory),
            (&reader, &memory),
            (&exclusive, &exclusives),
        ] {
            let refused = check_shared(writable.as_fd(), read_only.as_fd());
            assert_eq!(refused, Err(NotSealed::NotAPair));
        }
    }

    #[test]
    fn a_size_beyond_all_files_is_refused() {
        assert_eq!(create("large", u64::MAX).unwrap_err().errno(), Errno::FBIG);
    }
}
