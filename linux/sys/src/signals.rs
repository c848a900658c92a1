//! Which signals a thread takes.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: a set of signals is filled by address, and rustix has none"
)]

use core::mem::MaybeUninit;
use core::ptr;

/// Every signal blocked for this thread, until this is dropped: a thread that is started meanwhile
/// never gets one, and so none is taken from the program's own threads.
#[derive(Debug)]
pub struct Blocked {
    former: Option<libc::sigset_t>,
    /// A thread's own.
    _here: core::marker::PhantomData<*const ()>,
}

impl Blocked {
    /// Blocks them. Where the kernel refuses, nothing is blocked.
    #[must_use]
    pub fn on_this_thread() -> Self {
        let _here = core::marker::PhantomData;
        let mut all = MaybeUninit::uninit();
        // SAFETY: `all` is a place for a set of signals, which the call fills.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        let mut former = MaybeUninit::uninit();
        let (how, new, old) = (libc::SIG_BLOCK, all.as_ptr(), former.as_mut_ptr());
        // SAFETY: `all` was filled, and `former` is a place for a set of signals.
        if unsafe { libc::pthread_sigmask(how, new, old) } != 0 {
            return Self { former: None, _here };
        }
        // SAFETY: The call has filled it.
        let former = unsafe { former.assume_init() };
        Self { former: Some(former), _here }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(former) = &self.former {
            // SAFETY: `former` is a set of signals; NULL says that the present one is not wanted.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, former, ptr::null_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mask of the calling thread, as the kernel tells it.
    fn mask() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }

    #[test]
    fn a_thread_started_meanwhile_takes_no_signal() {
        let before = mask();
        let blocked = Blocked::on_this_thread();
        let inherited = std::thread::spawn(mask).join().unwrap();
        // All but SIGKILL and SIGSTOP, and the two that the C library keeps for itself.
        assert_eq!(inherited | 0x1_8004_0100, u64::MAX);
        drop(blocked);
        assert_eq!(mask(), before);
    }
}
