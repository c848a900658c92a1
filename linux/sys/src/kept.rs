//! Mappings that a parent keeps for children that it starts one after the other.
//!
//! Memory that is sealed against new writers can be written by who had it mapped before, and by who
//! is forked from one of those. So a parent whose child may die maps what the child will seal; the
//! next child has it from the start. The child orders that in a table that both have mapped.
#![expect(unsafe_code, reason = "UNSAFETY: mappings that were inherited are taken over")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::error::Result;
use crate::eventfd::Doorbell;
use crate::futex;
use crate::mapping::{self, TableWords, WritableMapping};
use crate::memfd;

/// The most mappings that are kept; the table has two words for each.
const PLACES: u32 = 16 * 1024;
/// How many places were ever used, as a word behind them.
const USED: usize = 2 * PLACES as usize;
const TABLE_BYTES: u64 = 4 * (USED as u64 + 1024);

const FREE: u32 = 0;
const WANTED: u32 = 1;
const MAPPED: u32 = 2;
const FAILED: u32 = 3;
const UNWANTED: u32 = 4;

/// How long a child waits for its parent.
const PATIENCE_NS: u64 = 200_000_000;

/// The table, as a parent and its children have it.
#[derive(Clone, Debug)]
pub struct Keeping(Arc<Table>);

/// Invariant: in the process that made it, `mapped` has the addresses of mappings of `length` bytes
/// that this process made inheritable and gave up; in a child that was forked from it, those which
/// it had at that moment and has inherited. Nothing else refers to them.
#[derive(Debug)]
struct Table {
    words: Arc<TableWords>,
    bell: Doorbell,
    length: usize,
    mapped: Mutex<BTreeMap<u32, Address>>,
}

#[derive(Clone, Copy, Debug)]
struct Address(NonNull<u8>);

// SAFETY: A mapping belongs to the process and not to a thread.
unsafe impl Send for Address {}

/// A mapping that the parent keeps or is to keep. Dropping this gives it up.
#[derive(Debug)]
pub struct Kept {
    table: Keeping,
    place: u32,
}

impl Keeping {
    /// Makes a table for mappings of so many bytes each.
    ///
    /// # Errors
    /// The descriptor limit and ENOMEM.
    pub fn new(length: usize) -> Result<Self> {
        let memory = memfd::create("handfast keeping", TABLE_BYTES)?;
        let words = mapping::map_writable_inheritable(memory.as_fd(), TABLE_BYTES)?.into_words();
        let (bell, mapped) = (Doorbell::new()?, Mutex::default());
        Ok(Self(Arc::new(Table { words, bell, length, mapped })))
    }

    /// What rings when the parent has something to do.
    #[must_use]
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.0.bell.as_fd()
    }

    /// In the parent: does what was ordered up to now.
    ///
    /// # Blocking
    /// Never.
    pub fn serve(&self) {
        self.0.bell.drain().ok();
        let used = self.word(USED).load(Ordering::Acquire).min(PLACES);
        for place in 0..used {
            let state = self.state(place);
            match state.load(Ordering::Acquire) {
                WANTED => self.keep(place),
                UNWANTED => self.let_go(place),
                _ => {}
            }
        }
    }

    fn keep(&self, place: u32) {
        let made = self.map(self.number(place).load(Ordering::Relaxed));
        let now = if made.is_some() { MAPPED } else { FAILED };
        if let Some(address) = made {
            self.mapped().insert(place, address);
        }
        let state = self.state(place);
        let told = state.compare_exchange(WANTED, now, Ordering::AcqRel, Ordering::Acquire);
        futex::wake_all(state.into());
        if told.is_err() {
            // It is not wanted any more, and what has the number now may be something else.
            self.let_go(place);
        }
    }

    fn let_go(&self, place: u32) {
        let kept = self.mapped().remove(&place);
        drop(kept.map(|address| self.take_over(address)));
        self.state(place).store(FREE, Ordering::Release);
    }

    fn map(&self, number: u32) -> Option<Address> {
        let number = i32::try_from(number).ok()?;
        // SAFETY: The call takes numbers, and refuses one that is not open.
        let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
        if copy < 0 {
            return None;
        }
        // SAFETY: The number was made by this call for whoever called it.
        let memory = unsafe { OwnedFd::from_raw_fd(copy) };
        let length = u64::try_from(self.0.length).ok()?;
        let mapping = mapping::map_writable_inheritable(memory.as_fd(), length).ok()?;
        Some(Address(mapping.into_address()))
    }

    fn take_over(&self, Address(address): Address) -> WritableMapping {
        // SAFETY: By the invariant of `Table`, since it was taken out of `mapped`, it is the
        // address of a mapping of this length which this process made or inherited, and which
        // nothing else refers to.
        unsafe { mapping::adopt_inherited(address, self.0.length) }
    }

    /// In a child: has memory mapped that is as long as the table says; None when the table is
    /// full.
    #[must_use]
    pub fn order(&self, memory: BorrowedFd<'_>) -> Option<Kept> {
        let used = self.word(USED);
        let places = used.load(Ordering::Relaxed).min(PLACES);
        let is_free = |place: &u32| self.state(*place).load(Ordering::Acquire) == FREE;
        let place = (0..places).find(is_free).or_else(|| (places < PLACES).then_some(places))?;
        let number = u32::try_from(memory.as_raw_fd()).ok()?;
        // What was there before, if this process was forked with it.
        drop(self.mapped().remove(&place).map(|address| self.take_over(address)));
        self.number(place).store(number, Ordering::Relaxed);
        self.state(place).store(WANTED, Ordering::Release);
        used.fetch_max(place + 1, Ordering::AcqRel);
        self.0.bell.ring().ok();
        Some(Kept { table: self.clone(), place })
    }

    /// In a child: the places that its predecessor had; all others are given up.
    #[must_use]
    pub fn claim(&self, places: &[u32]) -> Vec<Kept> {
        let used = self.word(USED).load(Ordering::Acquire).min(PLACES);
        let all = (0..used).map(|place| Kept { table: self.clone(), place });
        let (claimed, others): (Vec<_>, Vec<_>) =
            all.partition(|kept| places.contains(&kept.place));
        drop(others);
        claimed
    }

    fn mapped(&self) -> MutexGuard<'_, BTreeMap<u32, Address>> {
        self.0.mapped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, place: u32) -> &AtomicU32 {
        self.word(2 * place as usize)
    }

    fn number(&self, place: u32) -> &AtomicU32 {
        self.word(2 * place as usize + 1)
    }

    #[expect(clippy::indexing_slicing, reason = "places are below PLACES")]
    fn word(&self, at: usize) -> &AtomicU32 {
        &self.0.words.words()[at]
    }
}

impl Kept {
    /// Its place in the table, by which a later child claims it.
    #[must_use]
    pub fn place(&self) -> u32 {
        self.place
    }

    /// Waits until the parent has it mapped; whether it has.
    ///
    /// # Blocking
    /// At most 200 ms: the parent may be stopped, or gone.
    #[must_use]
    pub fn wait_until_mapped(&self) -> bool {
        let state = self.table.state(self.place);
        let until_ns = clock::now_ns().saturating_add(PATIENCE_NS);
        loop {
            let seen = state.load(Ordering::Acquire);
            let left_ns = until_ns.saturating_sub(clock::now_ns());
            if seen != WANTED || left_ns == 0 {
                return seen == MAPPED;
            }
            // Woken or late, it is looked at again.
            let _woken = futex::wait(state.into(), seen, Some(left_ns));
        }
    }

    /// The mapping, which this process was forked with; None where it was not there by then, or has
    /// been taken already.
    #[must_use]
    pub fn take(&self) -> Option<WritableMapping> {
        let address = self.table.mapped().remove(&self.place)?;
        Some(self.table.take_over(address))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let state = self.table.state(self.place);
        let unwanted = |seen| match seen {
            WANTED | MAPPED | FAILED => Some(UNWANTED),
            _ => None,
        };
        if state.fetch_update(Ordering::AcqRel, Ordering::Acquire, unwanted).is_ok() {
            self.table.0.bell.ring().ok();
        }
    }
}
