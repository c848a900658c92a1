//! What a refused system call says: which call it was, and the kernel's number.

use core::fmt;

use rustix::io::Errno;

/// The result of a system call.
pub type Result<T> = core::result::Result<T, Error>;

/// A system call that the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {} ({})", Text(*.errno), .errno.raw_os_error())]
pub struct Error {
    operation: &'static str,
    errno: Errno,
}

impl Error {
    /// Makes an error out of the call's name and the kernel's number.
    #[must_use]
    pub const fn new(operation: &'static str, errno: Errno) -> Self {
        Self { operation, errno }
    }

    /// The error of a call that found no descriptor left.
    #[must_use]
    pub const fn descriptor_limit(operation: &'static str) -> Self {
        Self::new(operation, Errno::MFILE)
    }

    /// The error of a call that is not permitted.
    #[must_use]
    pub const fn not_permitted(operation: &'static str) -> Self {
        Self::new(operation, Errno::PERM)
    }

    /// The call that was refused, as the kernel's manual names it.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The kernel's number.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        self.errno
    }

    /// Whether this process or the machine has no descriptor left.
    #[must_use]
    pub fn is_descriptor_limit(&self) -> bool {
        self.errno == Errno::MFILE || self.errno == Errno::NFILE
    }

    /// Whether the kernel has no memory left for it.
    #[must_use]
    pub fn is_no_memory(&self) -> bool {
        self.errno == Errno::NOMEM || self.errno == Errno::NOBUFS
    }

    /// Whether the call would have had to wait and was told not to.
    #[must_use]
    pub fn is_would_block(&self) -> bool {
        self.errno == Errno::WOULDBLOCK
    }

    /// Whether there is no such process.
    #[must_use]
    pub fn is_no_process(&self) -> bool {
        self.errno == Errno::SRCH
    }

    /// Whether the peer is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.errno == Errno::PIPE || self.errno == Errno::CONNRESET || self.errno == Errno::NOTCONN
    }

    /// Gives a kernel number the name of its call, for `map_err`.
    pub(crate) fn of(operation: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::new(operation, errno)
    }

    /// The same for calls of the standard library.
    pub(crate) fn of_std(operation: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::new(operation, Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

/// The kernel's words for a number, without the number.
struct Text(Errno);

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.raw_os_error();
        let words = std::io::Error::from_raw_os_error(number).to_string();
        let suffix = format!(" (os error {number})");
        formatter.write_str(words.strip_suffix(&suffix).unwrap_or(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_call_the_words_and_the_number_once() {
        let error = Error::new("sendmsg", Errno::TOOMANYREFS);
        assert_eq!(error.to_string(), "sendmsg: Too many references: cannot splice (109)");
    }

    #[test]
    fn the_kinds_tell_limits_from_hang_ups() {
        assert!(Error::new("accept4", Errno::MFILE).is_descriptor_limit());
        assert!(Error::new("mmap", Errno::NOMEM).is_no_memory());
        assert!(Error::new("recvmsg", Errno::AGAIN).is_would_block());
        assert!(Error::new("sendmsg", Errno::PIPE).is_gone());
        assert!(!Error::new("sendmsg", Errno::TOOMANYREFS).is_gone());
    }
}
