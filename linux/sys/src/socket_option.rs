//! Socket options that rustix has no call for, or whose answer its types cannot hold.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: SO_PEERPIDFD and SO_PASSRIGHTS are newer than rustix, and its SO_PEERCRED \
              takes a pid of 0, which a peer outside our pid namespace has, for non-zero"
)]

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::io::Errno;

use crate::error::{Error, Result};

/// Linux 6.5; asm-generic/socket.h.
const SO_PEERPIDFD: libc::c_int = 77;
/// Linux 6.16; asm-generic/socket.h.
const SO_PASSRIGHTS: libc::c_int = 83;

/// The peer's process, user and group, as the kernel noted them at connect or listen.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> Result<[u32; 3]> {
    read_words(socket, libc::SO_PEERCRED, "getsockopt(SO_PEERCRED)")
}

/// A descriptor of the peer's process, `None` where the kernel has no such option.
pub(crate) fn peer_pidfd(socket: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    match read_words::<1>(socket, SO_PEERPIDFD, "getsockopt(SO_PEERPIDFD)") {
        Ok([number]) => {
            // SAFETY: The kernel opened this number for us in the call above (SO_PEERPIDFD
            // installs a new close-on-exec descriptor), and nobody else knows of it.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(number.cast_signed()) }))
        }
        Err(error) if error.errno() == Errno::NOPROTOOPT => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets descriptors in or keeps them out; `false` where the kernel has no such option.
pub(crate) fn set_pass_rights(socket: BorrowedFd<'_>, value: u32) -> Result<bool> {
    let value_bytes = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: 1. The descriptor is borrowed, so it stays open during the call. 2. The pointer
    // comes from a reference to `value_bytes` bytes, which the kernel only reads.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const value).cast(),
            value_bytes,
        )
    };
    if status == 0 {
        return Ok(true);
    }
    match last_errno() {
        Errno::NOPROTOOPT => Ok(false),
        errno => Err(Error::new("setsockopt(SO_PASSRIGHTS)", errno)),
    }
}

fn read_words<const WORDS: usize>(
    socket: BorrowedFd<'_>,
    option: libc::c_int,
    operation: &'static str,
) -> Result<[u32; WORDS]> {
    let mut words = [0_u32; WORDS];
    let room_bytes = size_of_val(&words);
    let mut answer_bytes = libc::socklen_t::try_from(room_bytes).unwrap_or(0);
    // SAFETY: 1. The descriptor is borrowed, so it stays open during the call. 2. Both pointers
    // come from references, and the kernel writes at most `answer_bytes` bytes, all of `words`.
    // 3. Every bit pattern is a `u32`.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            words.as_mut_ptr().cast(),
            &raw mut answer_bytes,
        )
    };
    if status != 0 {
        return Err(Error::new(operation, last_errno()));
    }
    if usize::try_from(answer_bytes) != Ok(room_bytes) {
        return Err(Error::new(operation, Errno::PROTO));
    }
    Ok(words)
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
