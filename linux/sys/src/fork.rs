//! Whether this is still the process that started something, asked without a system call.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: one page is mapped that the kernel clears in forked children"
)]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::param::page_size;

use crate::error::{Error, Result};

const ORIGINAL: u32 = 1;

/// Tells the process that made it from its forked children, whichever way they were forked.
///
/// Invariant: `page` is the start of a private anonymous page that only this guard maps, removes
/// and reads, and that the kernel fills with zeros in a child (`MADV_WIPEONFORK`).
#[derive(Debug)]
pub struct ForkGuard {
    page: NonNull<AtomicU32>,
}

// SAFETY: The page belongs to the process and not to a thread.
unsafe impl Send for ForkGuard {}

// SAFETY: Through `&ForkGuard` the page is only loaded, as an atomic.
unsafe impl Sync for ForkGuard {}

impl ForkGuard {
    /// Makes a guard of this process; one for each client is enough.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: A new mapping at an address of the kernel's choice replaces nothing.
        let address =
            unsafe { mmap_anonymous(ptr::null_mut(), page_size(), protection, MapFlags::PRIVATE) }
                .map_err(Error::of("mmap"))?;
        let page = NonNull::new(address.cast()).ok_or(Error::new("mmap", Errno::NOMEM))?;
        let guard = Self { page };
        // SAFETY: The advice is for the page that was just made, which nothing points into.
        unsafe { madvise(address, page_size(), Advice::LinuxWipeOnFork) }
            .map_err(Error::of("madvise(MADV_WIPEONFORK)"))?;
        guard.word().store(ORIGINAL, Ordering::Relaxed);
        Ok(guard)
    }

    /// Whether this is the process that made the guard; in a child it is false for ever.
    ///
    /// # Blocking
    /// Never; it is one load.
    #[inline]
    #[must_use]
    pub fn is_original(&self) -> bool {
        self.word().load(Ordering::Relaxed) == ORIGINAL
    }

    #[inline]
    fn word(&self) -> &AtomicU32 {
        // SAFETY: By the invariant `page` is mapped, aligned and initialised while `self` lives,
        // in this process and in its children, and it is used as an atomic only.
        unsafe { self.page.as_ref() }
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        // SAFETY: By the invariant the page is this guard's, in a child too, and every reference
        // to it borrowed from `self`.
        let removed = unsafe { munmap(self.page.as_ptr().cast(), page_size()) };
        debug_assert_eq!(removed, Ok(()), "a page of our own can be removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_of_the_process_that_made_it_is_the_original() {
        let guard = ForkGuard::new().unwrap();
        assert!(guard.is_original());
        std::thread::scope(|scope| {
            assert!(scope.spawn(|| guard.is_original()).join().unwrap());
        });
    }
}
