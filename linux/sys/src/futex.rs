//! Sleeping on a word that processes share, and waking who sleeps.

use core::sync::atomic::AtomicU32;

use rustix::io::Errno;
use rustix::thread::futex::{self, ClockId, Flags, Wait, WaitFlags, WaitPtr, WaitvFlags};

use crate::clock::{Deadline, timespec};
use crate::error::{Error, Result};

/// The most words that [`wait_any`] takes.
pub const WAIT_ANY_MAX: usize = 128;

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
pub fn wait(word: &AtomicU32, expected: u32, timeout_ns: Option<u64>) -> Wake {
    let timeout = timeout_ns.map(timespec);
    match futex::wait(word, Flags::empty(), expected, timeout.as_ref()) {
        Err(Errno::TIMEDOUT) => Wake::TimedOut,
        // EAGAIN and EINTR; the kernel has no other answer for an aligned word that is mapped.
        Ok(()) | Err(_) => Wake::Woken,
    }
}

/// Wakes everybody who sleeps on the word, in every process.
///
/// # Blocking
/// Never.
pub fn wake_all(word: &AtomicU32) {
    // The kernel refuses only words that are not aligned or not mapped, which a reference is.
    futex::wake(word, Flags::empty(), i32::MAX.cast_unsigned()).ok();
}

/// Sleeps while every word is what its number says, at most `timeout_ns`.
///
/// # Errors
/// EINVAL (no words, or more than [`WAIT_ANY_MAX`]), ENOSYS or EPERM where a sandbox bars
/// `futex_waitv`, and ENOMEM.
///
/// # Blocking
/// Until [`wake_all`] on one of the words, a signal, or the timeout.
pub fn wait_any(words: &[(&AtomicU32, u32)], timeout_ns: Option<u64>) -> Result<Wake> {
    let waits: Vec<Wait> = words
        .iter()
        .map(|(word, expected)| {
            let mut wait = Wait::new();
            wait.val = u64::from(*expected);
            wait.uaddr = WaitPtr::new(word.as_ptr().cast());
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
        assert_eq!(wait(&AtomicU32::new(1), 0, None), Wake::Woken);
        assert_eq!(wait_any(&[(&AtomicU32::new(1), 0)], None).unwrap(), Wake::Woken);
    }

    #[test]
    fn a_sleep_ends_with_its_time_and_not_before() {
        let word = AtomicU32::new(0);
        let before = crate::clock::now_ns();
        assert_eq!(wait(&word, 0, Some(1_000_000)), Wake::TimedOut);
        assert_eq!(wait_any(&[(&word, 0)], Some(1_000_000)).unwrap(), Wake::TimedOut);
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
                    assert_eq!(wait(word, 0, None), Wake::Woken);
                }
                word.load(Ordering::Relaxed)
            });
            writable.words()[9].store(7, Ordering::Release);
            wake_all(&writable.words()[9]);
            assert_eq!(sleeper.join().unwrap(), 7);
        });
    }

    #[test]
    fn any_of_many_words_wakes() {
        let words: Vec<AtomicU32> = (0..WAIT_ANY_MAX).map(|_| AtomicU32::new(0)).collect();
        let pairs: Vec<_> = words.iter().map(|word| (word, 0)).collect();
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while words[100].load(Ordering::Acquire) == 0 {
                    assert_eq!(wait_any(&pairs, None).unwrap(), Wake::Woken);
                }
            });
            words[100].store(1, Ordering::Release);
            wake_all(&words[100]);
            sleeper.join().unwrap();
        });
    }

    #[test]
    fn no_words_and_too_many_are_refused() {
        assert_eq!(wait_any(&[], Some(0)).unwrap_err().errno(), Errno::INVAL);
        let word = AtomicU32::new(0);
        let many = [(&word, 0); WAIT_ANY_MAX + 1];
        assert_eq!(wait_any(&many, Some(0)).unwrap_err().errno(), Errno::INVAL);
    }
}
