//! Sleeping on a word that processes share, and waking who sleeps.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: half of a 64-bit word is given to the kernel by its address"
)]

use core::sync::atomic::{AtomicU32, AtomicU64};

use rustix::io::Errno;
use rustix::thread::futex::{self, ClockId, Flags, Wait, WaitFlags, WaitPtr, WaitvFlags};

use crate::clock::{Deadline, timespec};
use crate::error::{Error, Result};

/// The most words that [`wait_any`] takes.
pub const WAIT_ANY_MAX: usize = 128;

/// Where one sleeps: the kernel compares 32 bits, whatever is changed at a time.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A word of that size.
    Word(&'a AtomicU32),
    /// The low half of a longer word.
    LowHalf(&'a AtomicU64),
}

impl<'a> From<&'a AtomicU32> for Place<'a> {
    fn from(word: &'a AtomicU32) -> Self {
        Self::Word(word)
    }
}

impl<'a> Place<'a> {
    /// The address that the kernel knows it by. Nothing in this process may load or store through
    /// it: the other half's owner uses the whole word.
    fn address(self) -> *mut u32 {
        match self {
            Self::Word(word) => word.as_ptr(),
            Self::LowHalf(word) if cfg!(target_endian = "little") => word.as_ptr().cast(),
            Self::LowHalf(word) => word.as_ptr().cast::<u32>().wrapping_add(1),
        }
    }

    /// The place as the calls below take it, for its address alone.
    fn for_kernel(self) -> &'a AtomicU32 {
        // SAFETY: 1. The address is that of a word, or of an aligned half of one, that lives for
        // `'a`. 2. rustix passes it on to the kernel and loads or stores nothing through it, so
        // no access of half a word mixes with accesses of the whole.
        unsafe { AtomicU32::from_ptr(self.address()) }
    }
}

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Somebody woke us, the word was already another, or a signal arrived: look again.
    Woken,
    /// The time is over.
    TimedOut,
}

/// Sleeps while the word is `expected`, at most `timeout_ns`; `None` sleeps without limit.
///
/// The word may lie in any mapping, a read-only one too, and a waker may use another one of the
/// same memory.
///
/// # Blocking
/// Until [`wake_all`] on the same word, a signal, or the timeout.
#[must_use]
pub fn wait(place: Place<'_>, expected: u32, timeout_ns: Option<u64>) -> Wake {
    let timeout = timeout_ns.map(timespec);
    match futex::wait(place.for_kernel(), Flags::empty(), expected, timeout.as_ref()) {
        Err(Errno::TIMEDOUT) => Wake::TimedOut,
        // EAGAIN and EINTR; the kernel has no other answer for an aligned word that is mapped.
        Ok(()) | Err(_) => Wake::Woken,
    }
}

/// Wakes everybody who sleeps on the word, in every process.
///
/// # Blocking
/// Never.
pub fn wake_all(place: Place<'_>) {
    // The kernel refuses only words that are not aligned or not mapped, which a reference is.
    futex::wake(place.for_kernel(), Flags::empty(), i32::MAX.cast_unsigned()).ok();
}

/// Sleeps while every word is what its number says, at most `timeout_ns`.
///
/// # Errors
/// EINVAL (no words, or more than [`WAIT_ANY_MAX`]), ENOSYS or EPERM where a sandbox bars
/// `futex_waitv`, and ENOMEM.
///
/// # Blocking
/// Until [`wake_all`] on one of the words, a signal, or the timeout.
pub fn wait_any(words: &[(Place<'_>, u32)], timeout_ns: Option<u64>) -> Result<Wake> {
    let waits: Vec<Wait> = words
        .iter()
        .map(|(place, expected)| {
            let mut wait = Wait::new();
            wait.val = u64::from(*expected);
            wait.uaddr = WaitPtr::new(place.address().cast());
            wait.flags = WaitFlags::SIZE_U32;
            wait
        })
        .collect();
    let deadline = Deadline::after(timeout_ns).at();
    match futex::waitv(&waits, WaitvFlags::empty(), deadline.as_ref(), ClockId::Monotonic) {
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(Wake::Woken),
        Err(Errno::TIMEDOUT) => Ok(Wake::TimedOut),
        Err(errno) => Err(Error::new("futex_waitv", errno)),
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::Ordering;
    use std::os::fd::AsFd as _;
    use std::thread;

    use super::*;
    use crate::{mapping, memfd};

    #[test]
    fn a_word_that_is_another_already_does_not_sleep() {
        assert_eq!(wait((&AtomicU32::new(1)).into(), 0, None), Wake::Woken);
        assert_eq!(wait_any(&[((&AtomicU32::new(1)).into(), 0)], None).unwrap(), Wake::Woken);
    }

    #[test]
    fn the_low_half_of_a_long_word_is_compared_and_woken() {
        let word = AtomicU64::new(7 << 32 | 5);
        let place = Place::LowHalf(&word);
        assert_eq!(wait(place, 7, None), Wake::Woken);
        assert_eq!(wait(place, 5, Some(1)), Wake::TimedOut);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while word.load(Ordering::Acquire) == 7 << 32 | 5 {
                    assert_eq!(wait_any(&[(place, 5)], None).unwrap(), Wake::Woken);
                }
            });
            word.store(7 << 32 | 6, Ordering::Release);
            wake_all(place);
            sleeper.join().unwrap();
        });
    }

    #[test]
    fn a_sleep_ends_with_its_time_and_not_before() {
        let word = AtomicU32::new(0);
        let before = crate::clock::now_ns();
        assert_eq!(wait((&word).into(), 0, Some(1_000_000)), Wake::TimedOut);
        assert_eq!(wait_any(&[((&word).into(), 0)], Some(1_000_000)).unwrap(), Wake::TimedOut);
        assert!(crate::clock::now_ns() - before >= 2_000_000);
    }

    #[test]
    fn a_waker_reaches_a_sleeper_through_another_mapping_that_is_read_only() {
        let memory = memfd::create("futex", 4096).unwrap();
        let writable = mapping::map_writable(memory.as_fd(), 4096).unwrap();
        let readable = mapping::map_read_only(memory.as_fd(), 4096).unwrap();
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let word = &readable.words()[9];
                while word.load(Ordering::Relaxed) == 0 {
                    assert_eq!(wait(word.into(), 0, None), Wake::Woken);
                }
                word.load(Ordering::Relaxed)
            });
            writable.words()[9].store(7, Ordering::Release);
            wake_all((&writable.words()[9]).into());
            assert_eq!(sleeper.join().unwrap(), 7);
        });
    }

    #[test]
    fn any_of_many_words_wakes() {
        let words: Vec<AtomicU32> = (0..WAIT_ANY_MAX).map(|_| AtomicU32::new(0)).collect();
        let pairs: Vec<_> = words.iter().map(|word| (word.into(), 0)).collect();
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while words[100].load(Ordering::Acquire) == 0 {
                    assert_eq!(wait_any(&pairs, None).unwrap(), Wake::Woken);
                }
            });
            words[100].store(1, Ordering::Release);
            wake_all((&words[100]).into());
            sleeper.join().unwrap();
        });
    }

    #[test]
    fn no_words_and_too_many_are_refused() {
        assert_eq!(wait_any(&[], Some(0)).unwrap_err().errno(), Errno::INVAL);
        let word = AtomicU32::new(0);
        let many = [((&word).into(), 0); WAIT_ANY_MAX + 1];
        assert_eq!(wait_any(&many, Some(0)).unwrap_err().errno(), Errno::INVAL);
    }
}
