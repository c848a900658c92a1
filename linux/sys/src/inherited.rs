//! Descriptors that came from the process before.
#![expect(unsafe_code, reason = "UNSAFETY: descriptors are closed by number")]

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
