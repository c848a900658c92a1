//! Locks that the kernel marks when the process that holds them ends (robust futexes).
//!
//! The kernel keeps, for each thread, the head of a list of the locks that the thread holds. When
//! the thread ends (also by SIGKILL, and by exec) it goes through the list, at most [`LINKED_MAX`]
//! entries of it, and then looks at the one entry that is announced. In every lock that holds the
//! thread's number it replaces that by FUTEX_OWNER_DIED and wakes one sleeper, if FUTEX_WAITERS is
//! set. That is over before the process can be waited for.
//!
//! Here a list belongs to one thread that does nothing else, so that the locks are its process's:
//! other threads take and release them by changing this thread's list. The caller starts it; on it,
//! [`Registered::on_this_thread`] and then [`Registered::park`].
//!
//! An entry lies in a page of its own in front of the shared page with the lock: the kernel follows
//! addresses in entries, so no other process may write them, and the way from an entry to its lock
//! is one constant for a list.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: the kernel is given a list by its addresses, and pages are mapped for it"
)]

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use rustix::param::page_size;
use rustix::thread::gettid;

use crate::error::{Error, Result};
use crate::fork::ForkGuard;
use crate::mapping::sealed_length;

/// How many locks a process can hold: the kernel looks at no more (`ROBUST_LIST_LIMIT`).
pub const LINKED_MAX: usize = 2048;

const WORD_BYTES: usize = size_of::<AtomicU32>();
const THIS_THREAD: libc::c_long = 0;

/// Why a list cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has [`LINKED_MAX`] entries.
    Full,
    /// It is the list of the process that this one was forked from.
    Forked,
    /// Its thread has left it.
    Ended,
}

/// What the kernel follows: `struct robust_list`. The address after the last entry is the head's.
#[derive(Debug)]
#[repr(C)]
struct Link {
    next: AtomicPtr<Self>,
}

/// What the kernel starts from: `struct robust_list_head`.
#[derive(Debug)]
#[repr(C)]
struct Head {
    list: Link,
    futex_offset: isize,
    pending: AtomicPtr<Link>,
}

const _: () = assert!(size_of::<Head>() == 3 * size_of::<usize>());
const _: () = assert!(core::mem::offset_of!(Head, list) == 0);
const _: () = assert!(core::mem::offset_of!(Head, futex_offset) == size_of::<usize>());
const _: () = assert!(core::mem::offset_of!(Head, pending) == 2 * size_of::<usize>());

/// The list of the locks that this process holds.
///
/// Invariant: while its thread is registered, `head` is at a fixed address. The links that can be
/// reached from it are those in `entries`, in that order, and perhaps one that is being linked or
/// unlinked; all of them are of mappings that exist in this process.
#[derive(Debug)]
pub struct RobustList {
    head: Head,
    tid: u32,
    original: ForkGuard,
    entries: Mutex<Entries>,
}

#[derive(Debug)]
struct Entries {
    linked: Vec<Entry>,
    is_registered: bool,
}

/// The link of a mapping; see [`RobustList`] for what makes it valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(NonNull<Link>);

// SAFETY: A link belongs to the process and not to a thread; what is in it is atomic.
unsafe impl Send for Entry {}

/// The registration of a list with the thread that made it.
///
/// Dropping it, rather than [`park`](Self::park)ing the thread, takes the list away from the
/// kernel: what it has stays held for ever, and no more is taken.
#[derive(Debug)]
pub struct Registered {
    list: Arc<RobustList>,
    former: Former,
}

/// What the thread was registered with before, by its C library; it also ties the registration to
/// its thread, as pointers are not `Send`.
#[derive(Debug)]
struct Former {
    head: *mut c_void,
    length: usize,
    _thread: PhantomData<*mut ()>,
}

impl Registered {
    /// Makes a list and gives it to the kernel as this thread's, in place of the one that the C
    /// library has registered: this thread must take no robust mutex of the C library.
    ///
    /// The locks lie `lock_offset_bytes` behind the start of their pages.
    ///
    /// # Errors
    /// EINVAL (an offset that is no word's, or not in a page), ENOMEM, and ENOSYS where a sandbox
    /// bars the calls.
    pub fn on_this_thread(lock_offset_bytes: usize) -> Result<Self> {
        let fits = lock_offset_bytes.is_multiple_of(WORD_BYTES) && lock_offset_bytes < page_size();
        let offset = isize::try_from(page_size().wrapping_add(lock_offset_bytes));
        let (true, Ok(futex_offset)) = (fits, offset) else {
            return Err(Error::new("set_robust_list", Errno::INVAL));
        };
        let list = Link { next: AtomicPtr::new(ptr::null_mut()) };
        let list = Arc::new(RobustList {
            head: Head { list, futex_offset, pending: AtomicPtr::new(ptr::null_mut()) },
            tid: gettid().as_raw_nonzero().get().cast_unsigned(),
            original: ForkGuard::new()?,
            entries: Mutex::new(Entries { linked: Vec::new(), is_registered: true }),
        });
        list.head.list.next.store(list.end(), Ordering::Relaxed);
        let former = get_robust_list()?;
        // SAFETY: 1. `Registered` owns the list, so the head stays where it is and is alive until
        // its drop takes it away from the kernel, or for ever where that does not run. 2. The head
        // is an empty list, and by the invariant of `RobustList` a valid one from now on. 3.
        // `Former` keeps the registration on this thread.
        unsafe { set_robust_list((&raw const list.head).cast(), size_of::<Head>()) }?;
        Ok(Self { list, former })
    }

    /// The list, for the other threads.
    #[must_use]
    pub fn list(&self) -> Arc<RobustList> {
        Arc::clone(&self.list)
    }

    /// Gives the thread to the list until the process ends. It takes no time of a processor, except
    /// when a signal's handler runs on it: a caller that wants none blocks signals first.
    ///
    /// # Blocking
    /// For ever.
    pub fn park(self) -> ! {
        loop {
            rustix::event::pause();
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // A forked child was born without a list, and has the parent's lock as the fork found it.
        if self.list.original.is_original() {
            self.list.entries().is_registered = false;
            // SAFETY: 1. The drop runs on the thread that was registered, as `Former` is not
            // `Send`. 2. The C library's head lives as long as its thread, and was registered
            // before.
            let restored = unsafe { set_robust_list(self.former.head, self.former.length) };
            debug_assert!(restored.is_ok(), "what was registered before is accepted again");
        }
    }
}

impl RobustList {
    /// The number of the list's thread, which a lock holds while this process holds the lock.
    #[must_use]
    pub const fn tid(&self) -> u32 {
        self.tid
    }

    /// What stands for the end of the list.
    fn end(&self) -> *mut Link {
        (&raw const self.head.list).cast_mut()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page that holds a lock, and the entry for it in this process's list.
///
/// Invariant: in the process that `list` belongs to, the `front_bytes` from `start` on are a
/// private mapping that begins with a `Link`, and the `length` bytes behind them a shared one of
/// memory whose size is sealed. Nobody else removes them. Forked children have neither.
#[derive(Debug)]
pub struct RobustMapping {
    list: Arc<RobustList>,
    start: NonNull<u8>,
    front_bytes: usize,
    length: usize,
}

// SAFETY: The mapping belongs to the process and not to a thread, and removing it is a system call
// that any thread may make.
unsafe impl Send for RobustMapping {}

// SAFETY: Through `&RobustMapping` there are only atomics, and the link, which is atomic as well
// and written only under the list's lock.
unsafe impl Sync for RobustMapping {}

impl RobustMapping {
    /// Maps memory whose lock is to be in this list.
    ///
    /// # Errors
    /// Those of [`map_writable`](crate::mapping::map_writable); EINVAL too if the memory ends
    /// before its lock, EPERM in a process that was forked from the list's.
    pub fn map(list: &Arc<RobustList>, memory: BorrowedFd<'_>, size_bytes: u64) -> Result<Self> {
        if !list.original.is_original() {
            return Err(Error::new("mmap in a forked child", Errno::PERM));
        }
        let length = sealed_length(memory, size_bytes)?;
        let front_bytes = page_size();
        let lock_end = list.head.futex_offset.cast_unsigned().wrapping_add(WORD_BYTES);
        let whole = front_bytes.checked_add(length).ok_or(Error::new("mmap", Errno::OVERFLOW))?;
        if whole < lock_end {
            return Err(Error::new("mmap of less than a lock", Errno::INVAL));
        }
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: A new mapping at an address of the kernel's choice replaces nothing.
        let start =
            unsafe { mmap_anonymous(ptr::null_mut(), whole, protection, MapFlags::PRIVATE) }
                .map_err(Error::of("mmap"))?;
        let start = NonNull::new(start.cast()).ok_or(Error::new("mmap", Errno::NOMEM))?;
        let mapping = Self { list: Arc::clone(list), start, front_bytes, length };
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        let shared = mapping.shared().as_ptr().cast();
        // SAFETY: The range is the later part of the mapping that was just made, which nothing
        // points into yet; no other mapping is replaced.
        unsafe { mmap(shared, length, protection, flags, memory, 0) }.map_err(Error::of("mmap"))?;
        // SAFETY: The advice is for the whole of the two mappings that were just made and changes
        // nothing in this process.
        unsafe { madvise(start.as_ptr().cast(), whole, Advice::LinuxDontFork) }
            .map_err(Error::of("madvise(MADV_DONTFORK)"))?;
        Ok(mapping)
    }

    /// All of the shared memory as words; a last part of a word is left out. In a forked child they
    /// are not there: whoever may be one asks first, as [`change`](Self::change) does.
    #[must_use]
    pub fn words(&self) -> &[AtomicU32] {
        let first: NonNull<AtomicU32> = self.shared().cast();
        // SAFETY: 1. The words lie inside the shared mapping, which lives as long as `self`, and
        // start at a page's start, so they are aligned; every bit pattern is one. 2. Other
        // processes and the kernel write them meanwhile, which atomics allow. 3. Nothing ever
        // borrows them otherwise.
        unsafe { core::slice::from_raw_parts(first.as_ptr(), self.length / WORD_BYTES) }
    }

    /// Begins a change of the list that concerns this entry.
    ///
    /// # Errors
    /// [`Refusal::Forked`] and [`Refusal::Ended`].
    ///
    /// # Blocking
    /// While another thread has a change of the same list under way; for ever where this thread
    /// has. Dropping a mapping waits likewise.
    pub fn change(&self) -> core::result::Result<ListChange<'_>, Refusal> {
        // First, since in a child the list's lock may be held for ever.
        if !self.list.original.is_original() {
            return Err(Refusal::Forked);
        }
        let entries = self.list.entries();
        match entries.is_registered {
            true => Ok(ListChange { mapping: self, entries }),
            false => Err(Refusal::Ended),
        }
    }

    fn entry(&self) -> Entry {
        Entry(self.start.cast())
    }

    fn shared(&self) -> NonNull<u8> {
        // SAFETY: The two mappings are one range of addresses, and the second begins there.
        unsafe { self.start.add(self.front_bytes) }
    }
}

impl Drop for RobustMapping {
    fn drop(&mut self) {
        // A forked child has no such mapping; something else may lie at its address by now.
        if !self.list.original.is_original() {
            return;
        }
        // The kernel must not go through addresses that are no more, and must mark the lock some
        // day: what is held when it is dropped stays mapped until the process ends.
        if self.list.entries().linked.contains(&self.entry()) {
            return;
        }
        // SAFETY: By the invariant the range is this mapping in this process. Every reference into
        // it borrowed from `self`, and the list has no address in it: it is neither linked nor, as
        // a change borrows the mapping, announced.
        let removed = unsafe { munmap(self.start.as_ptr().cast(), self.front_bytes + self.length) };
        debug_assert_eq!(removed, Ok(()), "a mapping of our own can be removed");
    }
}

/// A change of a list that is under way, for one entry. When it is dropped, nothing is announced.
#[derive(Debug)]
pub struct ListChange<'a> {
    mapping: &'a RobustMapping,
    entries: MutexGuard<'a, Entries>,
}

impl ListChange<'_> {
    /// The number of the list's thread.
    #[must_use]
    pub fn tid(&self) -> u32 {
        self.mapping.list.tid
    }

    /// Whether the entry is in the list.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.entries.linked.contains(&self.mapping.entry())
    }

    /// Announces that the entry's lock is about to change hands: the kernel looks at it whether or
    /// not the entry is in the list. A change of the lock that releases what was before it
    /// (`Release`, `AcqRel`) is not seen without the announcement.
    ///
    /// # Errors
    /// [`Refusal::Full`]: the entry is not in the list and there is no room.
    pub fn announce(&mut self) -> core::result::Result<(), Refusal> {
        if self.entries.linked.len() >= LINKED_MAX && !self.is_linked() {
            return Err(Refusal::Full);
        }
        self.pending().store(self.mapping.entry().0.as_ptr(), Ordering::Release);
        Ok(())
    }

    /// Puts the entry at the end of the list, if it is announced and not in the list.
    pub fn link(&mut self) {
        let entry = self.mapping.entry();
        if self.is_linked() || self.pending().load(Ordering::Relaxed) != entry.0.as_ptr() {
            return;
        }
        // The entry leads to the end before anything leads to the entry.
        self.next_of(Some(entry)).store(self.mapping.list.end(), Ordering::Release);
        let last = self.entries.linked.last().copied();
        self.next_of(last).store(entry.0.as_ptr(), Ordering::Release);
        self.entries.linked.push(entry);
    }

    /// Takes the entry out of the list, if it is there.
    pub fn unlink(&mut self) {
        let entry = self.mapping.entry();
        let Some(place) = self.entries.linked.iter().position(|it| *it == entry) else { return };
        let next = self.next_of(Some(entry)).load(Ordering::Relaxed);
        let before = place.checked_sub(1).and_then(|it| self.entries.linked.get(it)).copied();
        self.next_of(before).store(next, Ordering::Release);
        self.entries.linked.remove(place);
    }

    /// Takes the announcement back and ends the change.
    pub fn end(self) {
        drop(self);
    }

    /// Where an entry leads to; `None` is the head.
    fn next_of(&self, entry: Option<Entry>) -> &AtomicPtr<Link> {
        let Some(entry) = entry else { return &self.mapping.list.head.list.next };
        // SAFETY: 1. The entry is in the list or this mapping's own. A linked mapping is never
        // removed, and this one is borrowed, so the link is mapped; it lies at a page's start, and
        // zeros are a link. 2. It is used as an atomic only, by this process and the kernel. 3. In
        // a forked child there is no such page: `change` refuses there, and a fork between that and
        // the end of the change is one that its caller answers for.
        &unsafe { entry.0.as_ref() }.next
    }

    fn pending(&self) -> &AtomicPtr<Link> {
        &self.mapping.list.head.pending
    }
}

impl Drop for ListChange<'_> {
    fn drop(&mut self) {
        self.pending().store(ptr::null_mut(), Ordering::Release);
    }
}

/// Tells the kernel which list this thread has.
///
/// # Safety
/// The head is null or a valid list, and stays one until another is set or the thread ends.
unsafe fn set_robust_list(head: *const c_void, length: usize) -> Result<()> {
    // SAFETY: The call takes an address and a length and touches nothing now; the caller guarantees
    // what it leads to.
    let status = unsafe { libc::syscall(libc::SYS_set_robust_list, head, length) };
    if status == 0 { Ok(()) } else { Err(last_error("set_robust_list")) }
}

/// The list that this thread has.
fn get_robust_list() -> Result<Former> {
    let mut former = Former { head: ptr::null_mut(), length: 0, _thread: PhantomData };
    let (head, length) = (&raw mut former.head, &raw mut former.length);
    // SAFETY: Both are places for the answers, of the sizes that the kernel writes.
    let status = unsafe { libc::syscall(libc::SYS_get_robust_list, THIS_THREAD, head, length) };
    if status == 0 { Ok(former) } else { Err(last_error("get_robust_list")) }
}

fn last_error(operation: &'static str) -> Error {
    Error::of_std(operation)(std::io::Error::last_os_error())
}
