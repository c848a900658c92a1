//! Memory of a descriptor in this process's address space, by who may touch it how.
//!
//! | type | who else writes it | words | bytes |
//! | --- | --- | --- | --- |
//! | [`ReadMapping`] | anybody | loads | copies out, or an unsafe slice |
//! | [`WritableMapping`] | anybody | atomics | copies in and out |
//! | [`SoleMapping`] | nobody, by its seals | atomics in its table | `&mut [u8]` behind it |
//! | [`SplitWords`] | anybody | atomics, 32 bits wide in front and 64 behind | none |
#![expect(
    unsafe_code,
    reason = "UNSAFETY: mappings are made, lent as references and removed by address"
)]

use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use rustix::param::page_size;
use rustix::process::{Pid, getpid};

use crate::copy::copy_shared;
use crate::error::{Error, Result};
use crate::memfd::{self, NotSealed};

const WORD_BYTES: usize = size_of::<AtomicU32>();
const LONG_BYTES: usize = size_of::<AtomicU64>();

/// Maps memory for writing by this process among others; a forked child does not have it.
///
/// # Errors
/// EINVAL (not memory, or `size_bytes` is 0), EPERM (its size is not sealed, or seals bar
/// writers), EACCES (a descriptor opened for reading only), EOVERFLOW (larger than the memory or
/// than this process's addresses), ENOMEM.
pub fn map_writable(memory: BorrowedFd<'_>, size_bytes: u64) -> Result<WritableMapping> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    Region::map(memory, size_bytes, protection).map(|region| WritableMapping(Arc::new(region)))
}

/// Maps memory for writing by this process among others; a forked child has the mapping, too, be
/// the memory sealed against new writers by then ([`memfd::seal_writer`]).
///
/// # Errors
/// As [`map_writable`].
pub fn map_writable_inheritable(
    memory: BorrowedFd<'_>,
    size_bytes: u64,
) -> Result<WritableMapping> {
    let length = sealed_length(memory, size_bytes)?;
    let region = Region::map_inheritable(memory, length, ProtFlags::READ | ProtFlags::WRITE)?;
    Ok(WritableMapping(Arc::new(region)))
}

/// Takes over a mapping that [`map_writable_inheritable`] made and
/// [`WritableMapping::into_address`] gave up: in a child that was forked in between, or in the
/// process itself.
///
/// # Ownership
/// It is removed from this process when the result is dropped, and from no other; a forked child
/// has it, too.
///
/// # Safety
/// In this process the `length` bytes from `address` on, a page's start, are such a mapping and
/// were its whole length; nothing else removes it, and nothing but the result and what comes of it
/// is used to reach it from now on.
#[must_use]
pub unsafe fn adopt_inherited(address: NonNull<u8>, length: usize) -> WritableMapping {
    debug_assert!(address.addr().get().is_multiple_of(page_size()), "not a page's start");
    // The invariant of `Region` holds by what the caller guarantees: a mapping of that length had
    // its memory checked when it was made, and is in any process that has it at this address.
    WritableMapping(Arc::new(Region { address, length, owner: None }))
}

/// Maps memory for reading; others may write it meanwhile.
///
/// # Errors
/// EINVAL (not memory, or `size_bytes` is 0), EPERM (its size is not sealed), EOVERFLOW (larger
/// than the memory or than this process's addresses), ENOMEM.
pub fn map_read_only(memory: BorrowedFd<'_>, size_bytes: u64) -> Result<ReadMapping> {
    Region::map(memory, size_bytes, ProtFlags::READ).map(ReadMapping)
}

/// Makes memory of a fixed size, filled with zeros, and maps it for writing by this process among
/// others; a forked child does not have the mapping.
///
/// # Errors
/// EINVAL (`size_bytes` is 0), EOVERFLOW (larger than this process's addresses), those of
/// [`memfd::create`], and ENOMEM.
///
/// # Ownership
/// Mapping and descriptor are the caller's and need not live equally long.
pub fn create_shared(label: &str, size_bytes: u64) -> Result<(WritableMapping, OwnedFd)> {
    let length = usize::try_from(size_bytes).map_err(|_| Error::new("mmap", Errno::OVERFLOW))?;
    // Sealed at its size from the beginning.
    let memory = memfd::create(label, size_bytes)?;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let region = Region::map_sealed(memory.as_fd(), length, protection)?;
    Ok((WritableMapping(Arc::new(region)), memory))
}

/// Makes memory whose only writer, for ever and in any process, is the mapping that comes with
/// it.
///
/// The first `table_bytes` are words, the rest are bytes. Nobody but this function has the
/// descriptor before it carries the seals of [`memfd::seal_writer`], so it may be given to
/// anybody afterwards. A forked child does not have the mapping.
///
/// # Errors
/// EINVAL (`size_bytes` is 0 or less than `table_bytes`, or a table of no whole number of words),
/// those of [`memfd::create`], and ENOMEM.
///
/// # Ownership
/// Mapping and descriptor are the caller's and need not live equally long.
pub fn create_sole(
    label: &str,
    size_bytes: u64,
    table_bytes: usize,
) -> Result<(SoleMapping, OwnedFd)> {
    let memory = memfd::create(label, size_bytes)?;
    let region = Region::map(memory.as_fd(), size_bytes, ProtFlags::READ | ProtFlags::WRITE)?;
    if !table_bytes.is_multiple_of(WORD_BYTES) || table_bytes > region.length {
        return Err(Error::new("mmap", Errno::INVAL));
    }
    memfd::seal_writer(memory.as_fd())?;
    Ok((SoleMapping { region: Arc::new(region), table_bytes }, memory))
}

/// Memory that this process and others write.
///
/// Nothing of it is ever borrowed as bytes: words are atomics, the rest is copied.
#[derive(Debug)]
pub struct WritableMapping(Arc<Region>);

impl WritableMapping {
    /// Gives every page its memory now rather than at the first touch.
    ///
    /// # Errors
    /// ENOMEM and EFAULT: the memory does not exist; touching it would end this process.
    ///
    /// # Blocking
    /// While the kernel finds and clears the pages.
    pub fn prefault(&mut self) -> Result<()> {
        self.0.prefault()
    }

    /// All of it as words; a last part of a word is left out.
    #[must_use]
    pub fn words(&self) -> &[AtomicU32] {
        self.0.words(self.0.length)
    }

    /// Gives all of it up for its words, which may be shared among threads.
    #[must_use]
    pub fn into_words(self) -> Arc<TableWords> {
        let table_bytes = self.0.length;
        Arc::new(TableWords { region: self.0, table_bytes })
    }

    /// Gives all of it up for its words, 32 bits wide up to `front_bytes` and 64 behind; `None`
    /// where that is no multiple of 8, or beyond the end.
    #[must_use]
    pub fn into_split(self, front_bytes: usize) -> Option<SplitWords> {
        SplitWords::new(self.0, front_bytes)
    }

    /// Gives it up for its address and leaves it mapped, on purpose, until this process ends or
    /// [`adopt_inherited`] makes it somebody's again. A forked child has it at the same address if
    /// [`map_writable_inheritable`] made it.
    #[must_use]
    pub fn into_address(self) -> NonNull<u8> {
        // The region is never dropped, so it is never removed.
        ManuallyDrop::new(self).0.address
    }

    /// Copies bytes into it; `false`, and nothing done, when they do not fit at `offset`.
    #[must_use]
    pub fn copy_from(&self, offset: usize, source: &[u8]) -> bool {
        let Some(range) = self.0.range(offset, source.len()) else { return false };
        // SAFETY: 1. `source` is readable for its length. 2. `range` lies inside the mapping, so
        // it is writable; it is lent as atomics only, which this crate never assumes to keep
        // still, as other processes write it. 3. No `&[u8]` ever points into the mapping.
        unsafe { copy_shared(source.as_ptr(), range.as_ptr(), source.len()) };
        true
    }

    /// Copies bytes out of it; `false`, and nothing done, when it has not as many at `offset`.
    ///
    /// Bytes that somebody writes meanwhile may arrive old, new or mixed.
    #[must_use]
    pub fn copy_to(&self, offset: usize, target: &mut [u8]) -> bool {
        self.0.copy_to(offset, target)
    }

    /// Where it lies, mapped for reading and writing while this lives.
    ///
    /// Whoever follows it does so at his own responsibility: other processes write there, too.
    #[must_use]
    pub fn address(&self) -> NonNull<u8> {
        self.0.address
    }

    /// Its size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Whether it has no bytes, which no mapping has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }
}

/// Memory that only this mapping writes: a table of words in front, bytes behind.
///
/// Having one proves that no other mapping or descriptor in any process can write the memory,
/// which is what makes `&mut [u8]` into it right.
#[derive(Debug)]
pub struct SoleMapping {
    region: Arc<Region>,
    table_bytes: usize,
}

impl SoleMapping {
    /// Gives every page its memory now rather than at the first touch.
    ///
    /// # Errors
    /// ENOMEM and EFAULT: the memory does not exist; touching it would end this process.
    ///
    /// # Blocking
    /// While the kernel finds and clears the pages.
    pub fn prefault(&mut self) -> Result<()> {
        self.region.prefault()
    }

    /// Parts it into the table and the owner of the bytes behind it; both keep it mapped.
    #[must_use]
    pub fn split(self) -> (Arc<TableWords>, PixelBytes) {
        let bytes = self.table_bytes..self.region.length;
        let table = TableWords { region: Arc::clone(&self.region), table_bytes: self.table_bytes };
        (Arc::new(table), PixelBytes { region: self.region, bytes })
    }
}

/// The words in front of a mapping, which they keep mapped.
#[derive(Debug)]
pub struct TableWords {
    region: Arc<Region>,
    table_bytes: usize,
}

impl TableWords {
    /// The words.
    #[must_use]
    pub fn words(&self) -> &[AtomicU32] {
        self.region.words(self.table_bytes)
    }
}

/// The words of a whole mapping, in two widths that never meet at one place.
///
/// Invariant: `front_bytes` is a multiple of 8 and at most the region's length, and nothing lends
/// words of the region but this and its clones, which have the same `front_bytes`: no place is
/// accessed in two widths by this process.
#[derive(Debug, Clone)]
pub struct SplitWords {
    region: Arc<Region>,
    front_bytes: usize,
}

impl SplitWords {
    fn new(region: Arc<Region>, front_bytes: usize) -> Option<Self> {
        let fits = front_bytes.is_multiple_of(LONG_BYTES) && front_bytes <= region.length;
        fits.then_some(Self { region, front_bytes })
    }

    /// The words in front. If the mapping is read-only they may only be loaded, and so the ones
    /// behind: any other access ends the process with SIGSEGV.
    #[inline]
    #[must_use]
    pub fn words(&self) -> &[AtomicU32] {
        self.region.words(self.front_bytes)
    }

    /// The words behind them. In a read-only mapping they may be loaded on 64-bit machines only:
    /// elsewhere a load of 64 bits may need to write.
    #[inline]
    #[must_use]
    pub fn longs(&self) -> &[AtomicU64] {
        self.region.longs(self.front_bytes)
    }
}

/// The only way to a range of bytes of a [`SoleMapping`].
///
/// Invariant: `bytes` lies inside the region, behind its table, and no other `PixelBytes` over the
/// same region has any byte of it. Offsets count from the start of the mapping.
#[derive(Debug)]
pub struct PixelBytes {
    region: Arc<Region>,
    bytes: Range<usize>,
}

impl PixelBytes {
    /// Parts it at an offset, so that each part can be borrowed by itself; `None`, and all of it
    /// dropped, when the offset is outside.
    #[must_use]
    pub fn split_at(self, offset: usize) -> Option<(Self, Self)> {
        if offset < self.bytes.start || offset > self.bytes.end {
            return None;
        }
        let region = Arc::clone(&self.region);
        let front = Self { region, bytes: self.bytes.start..offset };
        Some((front, Self { region: self.region, bytes: offset..self.bytes.end }))
    }

    /// The bytes for writing; `None` where they are not all its own, the table's for instance.
    #[must_use]
    pub fn slot_mut(&mut self, offset: usize, length: usize) -> Option<&mut [u8]> {
        let start = self.own(offset, length)?;
        // SAFETY: 1. `start` is the first of `length` mapped, initialised bytes that stay mapped
        // while `self.region` lives, which outlives the borrow. 2. By the invariant no other
        // `PixelBytes` has them, `self` is borrowed exclusively, and words are lent only in the
        // table, so no other reference points there. 3. No other process writes them: the memory
        // comes from `create_sole`, and readers map it read-only.
        Some(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), length) })
    }

    /// The bytes for reading; `None` where they are not all its own.
    #[must_use]
    pub fn slot(&self, offset: usize, length: usize) -> Option<&[u8]> {
        let start = self.own(offset, length)?;
        // SAFETY: As in `slot_mut`; `self` is borrowed, so no `&mut [u8]` to them is alive.
        Some(unsafe { core::slice::from_raw_parts(start.as_ptr(), length) })
    }

    /// Where its first byte lies, mapped for reading and writing while this lives.
    ///
    /// Whoever follows it does so at his own responsibility: not while a slice is borrowed.
    #[must_use]
    pub fn address(&self) -> Option<NonNull<u8>> {
        self.own(self.bytes.start, self.bytes.len())
    }

    /// Where its bytes are, counted from the start of the mapping.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.bytes.clone()
    }

    fn own(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(length)?;
        if offset < self.bytes.start || end > self.bytes.end {
            return None;
        }
        self.region.range(offset, length)
    }
}

/// Memory that this process only reads and others may write.
#[derive(Debug)]
pub struct ReadMapping(Region);

impl ReadMapping {
    /// All of it as words; a last part of a word is left out.
    ///
    /// Load them `Relaxed`, with a fence behind where order matters. Any other access, a compare
    /// and exchange that changes nothing included, ends the process with SIGSEGV: wrap the words
    /// in a type that only loads before code that is not yours sees them.
    #[must_use]
    pub fn words(&self) -> &[AtomicU32] {
        self.0.words(self.0.length)
    }

    /// Copies bytes out of it; `false`, and nothing done, when it has not as many at `offset`.
    ///
    /// Bytes that somebody writes meanwhile may arrive old, new or mixed: check what you copied,
    /// and never copy it twice.
    #[must_use]
    pub fn copy_to(&self, offset: usize, target: &mut [u8]) -> bool {
        self.0.copy_to(offset, target)
    }

    /// Its bytes where they lie; `None` where it has not as many at `offset`.
    ///
    /// # Safety
    /// As long as the slice is borrowed nobody, in any process, may write these bytes: the caller
    /// trusts the writer and has agreed with it on whose turn it is.
    #[must_use]
    pub unsafe fn slice(&self, offset: usize, length: usize) -> Option<&[u8]> {
        let start = self.0.range(offset, length)?;
        // SAFETY: 1. `start` is the first of `length` mapped, initialised bytes that stay mapped
        // while `self` lives. 2. The caller guarantees that nobody writes them meanwhile.
        Some(unsafe { core::slice::from_raw_parts(start.as_ptr(), length) })
    }

    /// Where it lies, mapped for reading while this lives; writing there ends the process with
    /// SIGSEGV.
    ///
    /// Whoever follows it does so at his own responsibility: other processes may write there.
    #[must_use]
    pub const fn address(&self) -> NonNull<u8> {
        self.0.address
    }

    /// Gives all of it up for its words, 32 bits wide up to `front_bytes` and 64 behind; `None`
    /// where that is no multiple of 8, or beyond the end.
    #[must_use]
    pub fn into_split(self, front_bytes: usize) -> Option<SplitWords> {
        SplitWords::new(Arc::new(self.0), front_bytes)
    }

    /// Its size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Whether it has no bytes, which no mapping has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }
}

/// How many bytes to map of memory whose size is sealed.
pub(crate) fn sealed_length(memory: BorrowedFd<'_>, size_bytes: u64) -> Result<usize> {
    let found = memfd::check_size_sealed(memory).map_err(|refusal| match refusal {
        NotSealed::NotMemory => Error::new("mmap of no memory", Errno::INVAL),
        NotSealed::Missing(_) | NotSealed::NotAPair => {
            Error::new("mmap of memory of no fixed size", Errno::PERM)
        }
        NotSealed::Refused(error) => error,
    })?;
    match usize::try_from(size_bytes) {
        Ok(length) if size_bytes <= found.size_bytes => Ok(length),
        _ => Err(Error::new("mmap", Errno::OVERFLOW)),
    }
}

/// A shared mapping.
///
/// Invariant: in process `owner` (in any process, if it is `None`) the `length` bytes from
/// `address` on, a page's start, are a mapping that nobody else removes, of memory whose size is
/// sealed at `length` bytes or more, so that no access to it faults for lack of a file. What
/// points into them is handed out by this file alone: `&[AtomicU32]`, copies, and the slices of
/// [`PixelBytes`].
#[derive(Debug)]
struct Region {
    address: NonNull<u8>,
    length: usize,
    /// The process that has the mapping, if forked children do not get it.
    owner: Option<Pid>,
}

// SAFETY: The mapping belongs to the process and not to a thread, and removing it is a system
// call that any thread may make.
unsafe impl Send for Region {}

// SAFETY: Through `&Region` there are only atomics and copies that expect other writers; slices
// need a `PixelBytes`, which is not `Region` and is borrowed by Rust's rules.
unsafe impl Sync for Region {}

impl Region {
    fn map(memory: BorrowedFd<'_>, size_bytes: u64, protection: ProtFlags) -> Result<Self> {
        let length = sealed_length(memory, size_bytes)?;
        Self::map_sealed(memory, length, protection)
    }

    /// Maps memory that is known to be sealed at this length or more; forked children get no
    /// mapping that can be written.
    fn map_sealed(memory: BorrowedFd<'_>, length: usize, protection: ProtFlags) -> Result<Self> {
        let mut region = Self::map_inheritable(memory, length, protection)?;
        if protection.contains(ProtFlags::WRITE) {
            // SAFETY: The advice is for the whole mapping that was just made and changes nothing
            // in this process.
            unsafe { madvise(region.start(), length, Advice::LinuxDontFork) }
                .map_err(Error::of("madvise(MADV_DONTFORK)"))?;
            region.owner = Some(getpid());
        }
        Ok(region)
    }

    /// The same, and forked children get it.
    fn map_inheritable(
        memory: BorrowedFd<'_>,
        length: usize,
        protection: ProtFlags,
    ) -> Result<Self> {
        // SAFETY: A new mapping at an address of the kernel's choice replaces nothing.
        let address =
            unsafe { mmap(ptr::null_mut(), length, protection, MapFlags::SHARED, memory, 0) }
                .map_err(Error::of("mmap"))?;
        let address = NonNull::new(address.cast()).ok_or(Error::new("mmap", Errno::NOMEM))?;
        Ok(Self { address, length, owner: None })
    }

    fn start(&self) -> *mut c_void {
        self.address.as_ptr().cast()
    }

    /// The first of `length` bytes at `offset`, if the mapping has them all.
    #[inline]
    fn range(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        if offset.checked_add(length)? > self.length {
            return None;
        }
        // SAFETY: `offset` is at most the mapping's length, so the result points into the mapping
        // or right behind it.
        Some(unsafe { self.address.add(offset) })
    }

    #[inline]
    fn words(&self, bytes: usize) -> &[AtomicU32] {
        let count = bytes.min(self.length) / WORD_BYTES;
        // SAFETY: 1. The words lie inside the mapping, which lives as long as `self`, and start
        // at a page's start, so they are aligned; every bit pattern is one. 2. Others write them
        // meanwhile, which atomics allow. 3. `slot_mut` never lends a byte of the words of a
        // `SoleMapping`, and no other region lends `&mut`. 4. In a read-only mapping a store
        // faults, so it can change nothing behind Rust's back.
        unsafe { core::slice::from_raw_parts(self.address.cast().as_ptr(), count) }
    }

    /// The 64-bit words from `front_bytes` on, which [`SplitWords`] has checked.
    #[inline]
    fn longs(&self, front_bytes: usize) -> &[AtomicU64] {
        let behind = self.length.saturating_sub(front_bytes);
        let Some(start) = self.range(front_bytes, behind) else { return &[] };
        // SAFETY: 1. The words lie inside the mapping, which lives as long as `self`; they start
        // at a multiple of 8 behind a page's start, so they are aligned; every bit pattern is one.
        // 2. Others write them meanwhile, which atomics allow. 3. Only `SplitWords` calls this,
        // and it lends the bytes before `front_bytes` in the other width. 4. In a read-only
        // mapping a store faults, so it can change nothing behind Rust's back.
        unsafe { core::slice::from_raw_parts(start.cast().as_ptr(), behind / LONG_BYTES) }
    }

    fn copy_to(&self, offset: usize, target: &mut [u8]) -> bool {
        let Some(source) = self.range(offset, target.len()) else { return false };
        // SAFETY: 1. `source` lies inside the mapping for the whole length, so it is readable;
        // only `SoleMapping` lends `&mut` into a region, and it offers no copies. 2. `target` is
        // borrowed exclusively and is no part of the mapping.
        unsafe { copy_shared(source.as_ptr(), target.as_mut_ptr(), target.len()) };
        true
    }

    /// Populates a writable mapping.
    fn prefault(&self) -> Result<()> {
        // SAFETY: The advice is for the whole mapping, which is writable, and changes no byte.
        match unsafe { madvise(self.start(), self.length, Advice::LinuxPopulateWrite) } {
            Ok(()) => Ok(()),
            // A kernel, or something that plays one, without the advice.
            Err(Errno::INVAL | Errno::NOSYS) => {
                self.touch();
                Ok(())
            }
            Err(errno) => Err(Error::new("madvise(MADV_POPULATE_WRITE)", errno)),
        }
    }

    /// Writes one word of every page without changing it.
    fn touch(&self) {
        for word in self.words(self.length).iter().step_by(page_size() / WORD_BYTES) {
            word.fetch_or(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // A forked child has no such mapping; something else may lie at its address by now.
        if self.owner.is_some_and(|owner| owner != getpid()) {
            return;
        }
        // SAFETY: By the invariant the range is this region's mapping in this process, and every
        // reference into it borrowed from `self` or kept it alive through an `Arc`.
        let removed = unsafe { munmap(self.start(), self.length) };
        debug_assert_eq!(removed, Ok(()), "a mapping of our own can be removed");
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    const PAGE: u64 = 4096;

    #[test]
    fn words_of_two_mappings_are_the_same_words() {
        let memory = memfd::create("words", PAGE).unwrap();
        let left = map_writable(memory.as_fd(), PAGE).unwrap();
        let right = map_read_only(memory.as_fd(), PAGE).unwrap();
        let (kept, number) = (left.into_words(), 0xABCD_u32);
        kept.words()[1023].store(number, Ordering::Release);
        assert_eq!(right.words()[1023].load(Ordering::Relaxed), number);
        assert_eq!((kept.words().len(), right.words().len()), (1024, 1024));
    }

    #[test]
    fn a_mapping_that_was_given_up_is_taken_over_where_it_lies() {
        let memory = memfd::create("given up", 2 * PAGE).unwrap();
        let mapping = map_writable_inheritable(memory.as_fd(), 2 * PAGE).unwrap();
        mapping.words()[1025].store(3, Ordering::Relaxed);
        let length = mapping.len();
        let address = mapping.into_address();
        // SAFETY: It was just given up, in this process, at this length.
        let again = unsafe { adopt_inherited(address, length) };
        assert_eq!((again.address(), again.len()), (address, length));
        assert_eq!(again.words()[1025].load(Ordering::Relaxed), 3);
        let over = map_writable_inheritable(memory.as_fd(), 2 * PAGE + 1).unwrap_err();
        assert_eq!(over.errno(), Errno::OVERFLOW);
    }

    #[test]
    fn a_sole_writers_bytes_reach_its_readers_and_nobody_else_writes() {
        let (mut mapping, memory) = create_sole("sole", 3 * PAGE, 4096).unwrap();
        mapping.prefault().unwrap();
        let (table, mut pixels) = mapping.split();
        let reader = map_read_only(memory.as_fd(), 3 * PAGE).unwrap();
        pixels.slot_mut(4096, 4096).unwrap().fill(7);
        table.words()[0].store(1, Ordering::Release);
        let mut copy = vec![0; 4096];
        assert!(reader.copy_to(4096, &mut copy));
        assert!(copy.iter().all(|byte| *byte == 7));
        assert_eq!(reader.words()[0].load(Ordering::Relaxed), 1);
        // SAFETY: The writer is this thread, which writes nothing while the slice is borrowed.
        let slice = unsafe { reader.slice(4096, 4096) };
        assert_eq!(slice, pixels.slot(4096, 4096));
        memfd::check_sealed(memory.as_fd()).unwrap();
        assert_eq!(map_writable(memory.as_fd(), PAGE).unwrap_err().errno(), Errno::PERM);
    }

    #[test]
    fn memory_that_is_made_and_mapped_at_once_is_like_any_other() {
        let (mapping, memory) = create_shared("shared", PAGE).unwrap();
        let other = map_writable(memory.as_fd(), PAGE).unwrap();
        mapping.words()[7].store(9, Ordering::Release);
        assert_eq!((other.words()[7].load(Ordering::Acquire), mapping.len()), (9, 4096));
        assert_eq!(memfd::check_size_sealed(memory.as_fd()).unwrap().size_bytes, PAGE);
        assert_eq!(create_shared("none", 0).unwrap_err().errno(), Errno::INVAL);
    }

    #[test]
    fn addresses_are_where_the_bytes_lie() {
        let (mapping, memory) = create_sole("addresses", 2 * PAGE, 64).unwrap();
        let (table, mut pixels) = mapping.split();
        let start = pixels.slot_mut(64, 1).map(|slot| slot.as_ptr().addr());
        assert_eq!(pixels.address().map(|address| address.addr().get()), start);
        assert_eq!(start, Some(table.words().as_ptr().addr() + 64));
        let reader = map_read_only(memory.as_fd(), 2 * PAGE).unwrap();
        assert_eq!(reader.address().addr().get(), reader.words().as_ptr().addr());
        let memory = memfd::create("addresses", PAGE).unwrap();
        let writer = map_writable(memory.as_fd(), PAGE).unwrap();
        assert_eq!(writer.address().addr().get(), writer.words().as_ptr().addr());
    }

    #[test]
    fn slots_refuse_the_table_and_what_is_outside() {
        let (mapping, _memory) = create_sole("slots", 2 * PAGE, 64).unwrap();
        let (table, mut pixels) = mapping.split();
        assert_eq!(table.words().len(), 16);
        assert_eq!(pixels.range(), 64..8192);
        for (offset, length) in [(0, 1), (63, 2), (8192, 1), (64, 8129), (usize::MAX, 2)] {
            assert!(pixels.slot_mut(offset, length).is_none(), "{offset} {length}");
        }
        assert_eq!(pixels.slot_mut(64, 8128).map(|slot| slot.len()), Some(8128));
        assert_eq!(pixels.slot_mut(8192, 0).map(|slot| slot.len()), Some(0));
    }

    #[test]
    fn parts_are_written_by_two_threads_and_keep_the_mapping() {
        let (mapping, memory) = create_sole("parts", 2 * PAGE, 0).unwrap();
        let (table, pixels) = mapping.split();
        let (mut front, mut back) = pixels.split_at(4096).unwrap();
        drop(table);
        thread::scope(|scope| {
            scope.spawn(|| front.slot_mut(0, 4096).unwrap().fill(1));
            scope.spawn(|| back.slot_mut(4096, 4096).unwrap().fill(2));
        });
        assert!(front.slot_mut(4096, 1).is_none());
        assert!(back.slot_mut(4095, 1).is_none());
        drop(front);
        let reader = map_read_only(memory.as_fd(), 2 * PAGE).unwrap();
        let mut copy = [0; 2];
        assert!(reader.copy_to(4095, &mut copy));
        assert_eq!((copy, back.slot(4096, 1)), ([1, 2], Some(&[2][..])));
        assert!(back.split_at(4095).is_none());
    }

    #[test]
    fn memory_of_no_fixed_size_is_never_mapped() {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = memfd_create("loose", flags).unwrap();
        ftruncate(&memory, PAGE).unwrap();
        assert_eq!(map_read_only(memory.as_fd(), PAGE).unwrap_err().errno(), Errno::PERM);
        assert_eq!(map_writable(memory.as_fd(), PAGE).unwrap_err().errno(), Errno::PERM);
        memfd::seal_size(memory.as_fd()).unwrap();
        map_read_only(memory.as_fd(), PAGE).unwrap();
    }

    #[test]
    fn more_than_the_memory_and_nothing_at_all_are_refused() {
        let memory = memfd::create("small", PAGE).unwrap();
        let over = map_read_only(memory.as_fd(), PAGE + 1).unwrap_err();
        assert_eq!(over.errno(), Errno::OVERFLOW);
        assert_eq!(map_read_only(memory.as_fd(), 0).unwrap_err().errno(), Errno::INVAL);
        assert_eq!(create_sole("odd", PAGE, 3).unwrap_err().errno(), Errno::INVAL);
        assert_eq!(create_sole("table", PAGE, 8192).unwrap_err().errno(), Errno::INVAL);
    }

    #[test]
    fn copies_that_do_not_fit_do_nothing() {
        let memory = memfd::create("copies", PAGE).unwrap();
        let mapping = map_writable(memory.as_fd(), PAGE).unwrap();
        assert!(mapping.copy_from(4090, b"123456"));
        assert!(!mapping.copy_from(4091, b"abcdef"));
        assert!(!mapping.copy_from(usize::MAX, b"x"));
        let mut copy = [0; 6];
        assert!(mapping.copy_to(4090, &mut copy));
        assert_eq!(&copy, b"123456");
        assert!(!mapping.copy_to(4091, &mut copy));
    }

    #[test]
    fn touching_changes_nothing() {
        let memory = memfd::create("touch", 3 * PAGE).unwrap();
        let mut mapping = map_writable(memory.as_fd(), 3 * PAGE).unwrap();
        mapping.words()[1024].store(5, Ordering::Relaxed);
        mapping.0.touch();
        mapping.prefault().unwrap();
        assert_eq!(mapping.words()[1024].load(Ordering::Relaxed), 5);
        assert_eq!(rustix::fs::fstat(&memory).unwrap().st_blocks, 3 * 8);
    }
}
