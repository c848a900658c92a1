//! Descriptors that came from the process before.
#![expect(unsafe_code, reason = "UNSAFETY: descriptors are closed and owned by number")]

use core::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags, RawDir, open};

use crate::error::{Error, Result};

/// Room for some three hundred numbers at a time.
const LISTING_BYTES: usize = 8192;

/// The numbers of all descriptors that this process has open, ascending; what it is told by is not
/// among them.
///
/// One that is opened or closed meanwhile, by another thread or by a process that shares the table,
/// may be there or not; one that stays open is.
///
/// # Errors
/// ENOENT (no /proc), the descriptor limit (one is needed to look), ENOMEM.
///
/// # Blocking
/// Never.
pub fn open_numbers() -> Result<Vec<i32>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory =
        open("/proc/self/fd", flags, Mode::empty()).map_err(Error::of("open(/proc/self/fd)"))?;
    let mut space = [MaybeUninit::uninit(); LISTING_BYTES];
    let mut entries = RawDir::new(&directory, &mut space);
    let mut numbers = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(Error::of("getdents64"))?;
        // `.` and `..` are no numbers.
        let number = entry.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok());
        numbers.extend(number.filter(|number| *number != directory.as_raw_fd()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The same, asked one by one, which takes no descriptor.
pub(crate) fn probe_numbers() -> Vec<i32> {
    let (limit, _) = crate::process::descriptor_limit();
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    // SAFETY: The call takes numbers, and refuses one that is not open.
    (0..limit).filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0).collect()
}

/// The descriptor of a number that this process has open.
///
/// # Ownership
/// It is the caller's; what exec does to it stays as it is.
///
/// # Safety
/// The number is open, and until the result is dropped nothing else in this process, or in one that
/// shares the table, closes or replaces it: nobody owns it, or whoever did gave it up or has ended.
#[must_use]
pub unsafe fn adopt(number: i32) -> OwnedFd {
    debug_assert!(number >= 0, "no descriptor has the number {number}");
    // SAFETY: The caller guarantees that the number is open and has no other owner.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Marks every descriptor above standard error close-on-exec and closes it.
///
/// A broker is started from a program that may have inheritable descriptors of its own, handles
/// among them; it must not keep them alive.
///
/// # Safety
///
/// Nothing in the process owns a descriptor above 2: call it before `main` or right after an
/// exec, on the only thread.
pub unsafe fn close_all() {
    // SAFETY: The caller guarantees that no `OwnedFd` names one of them.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    debug_assert_eq!(result, 0, "close_range is there since Linux 5.9");
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd as _;

    use super::*;
    use crate::descriptor::placeholder;

    #[test]
    fn open_numbers_ascend_and_leave_none_out_however_many_there_are() {
        let held: Vec<OwnedFd> = (0..700).map(|_| placeholder().unwrap()).collect();
        let numbers = open_numbers().unwrap();
        assert!(numbers.is_sorted_by(|one, next| one < next));
        for one in &held {
            assert!(numbers.binary_search(&one.as_raw_fd()).is_ok());
        }
    }

    #[test]
    fn a_number_is_adopted_as_it_is() {
        let (pipe, end) = rustix::pipe::pipe().unwrap();
        let number = pipe.into_raw_fd();
        // SAFETY: It is open, and its owner has just given it up.
        let adopted = unsafe { adopt(number) };
        assert_eq!(adopted.as_raw_fd(), number);
        rustix::io::write(&end, b"x").unwrap();
        assert_eq!(rustix::io::read(&adopted, &mut [0; 2]), Ok(1));
    }
}
