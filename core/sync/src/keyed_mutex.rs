//! A keyed mutex: whoever has the right key takes it, and who gives it back says the next key.
//!
//! | line | word | writer | what |
//! | --- | --- | --- | --- |
//! | 1 | 0 | everybody and the kernel, by compare and exchange | LOCK |
//! | 2 | 0 | who holds LOCK | OWNER: the opening that has acquired it, 0 for none |
//! | 2 | 1, 2 | who holds LOCK | KEY, low and high |
//! | 2 | 3 | who holds LOCK | FREED: how often LOCK has become free |
//! | 2 | 4, 5 | who holds LOCK | VALUE, low and high, that goes with KEY |
//!
//! # LOCK
//! | value | meaning |
//! | --- | --- |
//! | FREE, a count of 28 bits, perhaps WAITERS | free for the bearer of KEY |
//! | a thread, perhaps WAITERS | held by the process that has this thread for that purpose |
//! | OWNER_DIED, perhaps WAITERS | that process has died; nobody has looked yet what it leaves |
//! | a thread, OWNER_DIED, perhaps WAITERS | somebody who took it from there is looking |
//! | OWNER_DIED and FREE | abandoned, for ever |
//!
//! The kernel knows a thread (at most 2^22), WAITERS and OWNER_DIED, and writes the third value.
//! FREE is part of what it takes for a thread, one that no process has.
//!
//! # Why a sleeper misses nothing
//! Everybody sleeps on LOCK, after setting WAITERS there and looking once more. Each time that LOCK
//! becomes free it does so with the next count, KEY is the same for as long as it is free, and
//! whoever takes WAITERS away wakes all. So LOCK is what a sleeper expects only while his last look
//! still holds. (A sleeper who is stopped between his look and his sleep for exactly 2^28 releases,
//! or a multiple, can miss one; the next wakes him.)
//!
//! # What is left by a process that dies
//! OWNER is written after LOCK is taken and cleared before it is freed. So if the dead one's OWNER
//! is there it died as the owner: abandoned. If not, it died taking or giving back, KEY and VALUE
//! are whole, and LOCK becomes free again. That is decided by somebody who has taken LOCK in his
//! turn, since the kernel's mark is the same each time, and by then may tell of another death.
//! Where the dead one changed LOCK and did not come to wake, the broker wakes: see [`leave`].
//!
//! A process's other threads may run on for a moment after the kernel has marked its locks, and the
//! kernel takes a thread for a dead one that has the same number in another namespace of processes.
//! So LOCK can be lost at any moment. It is only ever changed by exchange, and an opening is the
//! owner only if LOCK was its process's when OWNER was written already: two owners there never are.

use core::num::NonZeroU32;

use crate::atomic::{AtomicU32, Ordering};
use crate::page::{self, LINE_WORDS, LayoutError, Memory, PAGE_WORDS, Page, PageKind};
use crate::park::{Park, Parked, Watched};
use crate::robust::{Change, Refused, Robust};
use crate::stream::layout::{join, store_pair};
use crate::stream::pair;

const LOCK: usize = LINE_WORDS;
const OWNER: usize = 2 * LINE_WORDS;
const KEY_LOW: usize = OWNER + 1;
const KEY_HIGH: usize = OWNER + 2;
const FREED: usize = OWNER + 3;
const VALUE_LOW: usize = OWNER + 4;
const VALUE_HIGH: usize = OWNER + 5;

/// Where the word lies that the kernel marks, in bytes from the start of the page.
pub const LOCK_OFFSET_BYTES: usize = LOCK * 4;

const WAITERS: u32 = 1 << 31;
const OWNER_DIED: u32 = 1 << 30;
const FREE: u32 = 1 << 29;
const COUNT: u32 = (1 << 28) - 1;
const TID: u32 = FREE - 1;
const ABANDONED: u32 = OWNER_DIED | FREE;

/// How often a call begins again when LOCK changes under its hands. Honest others get in each
/// other's way a few times; dishonest ones gain no more than that the call says busy.
const TRIES: u32 = 64;

const _: () = assert!(VALUE_HIGH < 3 * LINE_WORDS && 3 * LINE_WORDS <= PAGE_WORDS);

/// What came of an attempt to acquire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Acquire {
    /// This opening owns it now.
    Acquired {
        /// What the last release said besides the key; 0 before the first.
        value: u64,
    },
    /// Somebody holds it, or it is free for another key.
    Busy,
    /// An owner died or was dropped. It stays so for ever.
    Abandoned,
    /// This opening owns it already: misuse.
    AlreadyOwner,
    /// It could have been taken, but this process may not.
    Refused(Refused),
}

/// What came of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Release {
    /// It is free for the given key.
    Released,
    /// This opening does not own it: misuse.
    NotOwner,
    /// It was this opening's, and has been abandoned in between: misuse.
    Abandoned,
    /// This process may not.
    Refused(Refused),
}

/// What an attempt to acquire would bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Look {
    /// It is free for this key.
    Available,
    /// Somebody holds it, or it is free for another key.
    Busy,
    /// An owner died or was dropped. It stays so for ever.
    Abandoned,
    /// This process may not look.
    Refused(Refused),
}

/// What a page says of its mutex. Written by whoever has the page, so believed by nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Free for this key.
    Free {
        /// The key.
        key: u64,
    },
    /// Held by this opening; 0 for one that is taking it or giving it back.
    Held {
        /// The opening's number.
        owner: u32,
    },
    /// Abandoned by this opening.
    Abandoned {
        /// The opening's number.
        owner: u32,
    },
}

/// One opening's access to a keyed mutex.
///
/// The opening is the owner, not a thread: any thread of its process may release what another has
/// acquired. One entry of the process's list, `R`, belongs to it alone.
///
/// Who has slept on the mutex, for whatever reason he wakes, looks at it again
/// ([`try_acquire`](Self::try_acquire) or [`look`](Self::look)) before he does anything else, also
/// when he waited for other things too and one of those has come: the kernel wakes one sleeper for
/// an owner's death, and he tells the others.
///
/// Nothing happens when it is dropped: see [`abandon`](Self::abandon). A forked child has neither
/// the page nor the list: whoever may be one makes sure before the first call.
#[derive(Debug)]
pub struct KeyedMutex<M, P, R> {
    page: Page<M>,
    park: P,
    robust: R,
    opening: NonZeroU32,
}

/// Whether those who sleep must be woken, after the list is in order again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleepers {
    Wake,
    None,
}

/// What is known of the owner while somebody looks at what a dead process has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The dead one was the owner.
    Died,
    /// The dead one was not.
    Survived,
    /// It is decided by now.
    LookAgain,
}

/// What somebody comes for who finds LOCK free, or its holder dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Take,
    Look,
}

/// Makes a fresh page of zeros a mutex that is free for the key 0. The broker calls it, before it
/// gives the page out.
///
/// # Errors
/// [`LayoutError::Size`] if the memory is shorter than a page.
pub fn format(words: &[AtomicU32]) -> Result<(), LayoutError> {
    page::format(words, PageKind::KeyedMutex)?;
    if let Some(lock) = words.get(LOCK) {
        lock.store(FREE, Ordering::Release);
    }
    Ok(())
}

/// Takes leave of an opening whose process has gone. The broker calls it, for every opening that
/// the process had, after the process can do nothing more.
///
/// Wakes everybody who sleeps on the page: the process may have changed the mutex and not have come
/// to wake, or have been woken in the others' stead. They look for themselves. If the kernel could
/// not mark the opening's ownership (a process that went mad has spoilt its list) it is abandoned
/// here.
pub fn leave(words: &[AtomicU32], opening: NonZeroU32, park: &impl Park) {
    let (Some(lock), Some(owner)) = (words.get(LOCK), words.get(OWNER)) else { return };
    let seen = lock.load(Ordering::Acquire);
    if is_held(seen) && owner.load(Ordering::Acquire) == opening.get() {
        // If it has changed, a sleeper has come: the dead own it, and nobody takes what is held.
        exchange(lock, seen, ABANDONED).or_else(|_| exchange(lock, seen | WAITERS, ABANDONED)).ok();
    }
    park.wake_all(lock.into());
}

/// Reads a page for an observer who may be wrong the moment after. `None` if it is no keyed mutex.
#[must_use]
pub fn status(words: &[AtomicU32]) -> Option<Status> {
    let page = Page::new(words, PageKind::KeyedMutex).ok()?;
    let words = page.words();
    let lock = words[LOCK].load(Ordering::Acquire);
    let owner = words[OWNER].load(Ordering::Relaxed);
    Some(match lock & !WAITERS {
        ABANDONED => Status::Abandoned { owner },
        _ if is_free(lock) => Status::Free { key: stored_key(words) },
        _ if is_marked(lock) && owner != 0 => Status::Abandoned { owner },
        OWNER_DIED => Status::Free { key: stored_key(words) },
        _ => Status::Held { owner },
    })
}

impl<M: Memory, P: Park, R: Robust> KeyedMutex<M, P, R> {
    /// Opens the mutex on a page. The number is the broker's, different for each opening that there
    /// ever was of this mutex.
    ///
    /// # Errors
    /// [`LayoutError`] if the memory is no page of a keyed mutex.
    pub fn new(memory: M, park: P, robust: R, opening: NonZeroU32) -> Result<Self, LayoutError> {
        let page = Page::new(memory, PageKind::KeyedMutex)?;
        Ok(Self { page, park, robust, opening })
    }

    /// The page, to look at with [`status`].
    pub const fn memory(&self) -> &M {
        self.page.memory()
    }

    /// Acquires the mutex if it is free for this key.
    pub fn try_acquire(&self, key: u64) -> Acquire {
        let mut change = match self.robust.begin() {
            Ok(change) => change,
            Err(refused) => return Acquire::Refused(refused),
        };
        let (answer, sleepers) = if change.is_linked() {
            (self.reacquire(&mut change), Sleepers::None)
        } else {
            self.visit(&mut change, key, Visit::Take)
        };
        change.end();
        self.wake(sleepers);
        answer
    }

    /// Says what [`try_acquire`](Self::try_acquire) would bring, and clears away what a process has
    /// left that died outside ownership. To an owner it is busy.
    pub fn look(&self, key: u64) -> Look {
        let mut change = match self.robust.begin() {
            Ok(change) => change,
            Err(refused) => return Look::Refused(refused),
        };
        let (answer, sleepers) = if change.is_linked() {
            (self.reacquire(&mut change), Sleepers::None)
        } else {
            self.visit(&mut change, key, Visit::Look)
        };
        change.end();
        self.wake(sleepers);
        match answer {
            Acquire::Acquired { .. } => Look::Available,
            Acquire::Busy | Acquire::AlreadyOwner => Look::Busy,
            Acquire::Abandoned => Look::Abandoned,
            Acquire::Refused(refused) => Look::Refused(refused),
        }
    }

    /// Announces a sleep: sets WAITERS and says what to sleep on. Look once more before sleeping.
    /// `None`: there is something to look at already, or it is changing all the time.
    #[must_use]
    pub fn arm(&self) -> Option<Watched<'_>> {
        for _ in 0..TRIES {
            let lock = self.lock();
            let seen = lock.load(Ordering::Acquire);
            let plain = seen & !WAITERS;
            if plain == ABANDONED || plain == OWNER_DIED {
                return None;
            }
            let armed = seen | WAITERS;
            if armed == seen || exchange(lock, seen, armed).is_ok() {
                return Some(Watched { word: lock.into(), expected: armed });
            }
        }
        None
    }

    /// Sleeps until there is something to look at again, in the right order: arm, look, sleep.
    ///
    /// # Blocking
    /// Until somebody releases or abandons the mutex, until it does not matter (also for no
    /// reason), or the timeout in nanoseconds. A caller whose time is over looks once more.
    pub fn wait(&self, key: u64, timeout_ns: Option<u64>) -> Parked {
        match self.arm() {
            Some(watched) if self.look(key) == Look::Busy => self.park.wait(&[watched], timeout_ns),
            _ => Parked::Woken,
        }
    }

    /// Gives the mutex to the bearer of this key, together with a value, and wakes who waits.
    pub fn release(&self, key: u64, value: u64) -> Release {
        let mut change = match self.robust.begin() {
            Ok(change) => change,
            Err(refused) => return Release::Refused(refused),
        };
        let (answer, sleepers) = if !change.is_linked() {
            (Release::NotOwner, Sleepers::None)
        } else if let Err(refused) = change.announce() {
            (Release::Refused(refused), Sleepers::None)
        } else if !self.is_held_by(change.tid()) {
            change.unlink();
            (Release::Abandoned, Sleepers::None)
        } else {
            let words = self.page.words();
            store(words, [KEY_LOW, KEY_HIGH], key);
            store(words, [VALUE_LOW, VALUE_HIGH], value);
            // Before FREED: who sees the new count does not see the old owner.
            words[OWNER].store(0, Ordering::Release);
            match self.free_from(&mut change) {
                Some(sleepers) => (Release::Released, sleepers),
                // Lost in between: it was decided by OWNER, and who repairs it wakes.
                None if self.is_abandoned() => (Release::Abandoned, Sleepers::None),
                None => (Release::Released, Sleepers::None),
            }
        };
        change.end();
        self.wake(sleepers);
        answer
    }

    /// Abandons the mutex for ever if this opening owns it. Whoever drops an opening calls it
    /// first.
    pub fn abandon(&self) {
        let Ok(mut change) = self.robust.begin() else { return };
        let mut sleepers = Sleepers::None;
        if change.is_linked() && change.announce().is_ok() {
            change.unlink();
            sleepers = self.replace(change.tid(), ABANDONED).unwrap_or(Sleepers::None);
        }
        change.end();
        self.wake(sleepers);
    }

    /// What an opening is told that owns the mutex, as far as it knows.
    fn reacquire(&self, change: &mut R::Change<'_>) -> Acquire {
        if !self.is_abandoned() {
            return Acquire::AlreadyOwner;
        }
        change.unlink();
        Acquire::Abandoned
    }

    /// Looks until it sees an answer, which is `Acquired` for one who only looks if he could have
    /// it.
    fn visit(&self, change: &mut R::Change<'_>, key: u64, visit: Visit) -> (Acquire, Sleepers) {
        for _ in 0..TRIES {
            let lock = self.lock();
            let seen = lock.load(Ordering::Acquire);
            if seen & !WAITERS == ABANDONED {
                return (Acquire::Abandoned, Sleepers::None);
            } else if is_free(seen) {
                let words = self.page.words();
                if stored_key(words) != key {
                    return (Acquire::Busy, Sleepers::None);
                } else if visit == Visit::Look {
                    return (acquired(words), Sleepers::None);
                }
            } else if seen & !WAITERS != OWNER_DIED {
                match is_marked(seen).then(|| self.has_owner_died(seen)) {
                    None | Some(Verdict::Survived) => return (Acquire::Busy, Sleepers::None),
                    Some(Verdict::Died) => return (Acquire::Abandoned, Sleepers::None),
                    Some(Verdict::LookAgain) => continue,
                }
            }
            if let Err(refused) = change.announce() {
                return (Acquire::Refused(refused), Sleepers::None);
            }
            let held = change.tid() | seen & (WAITERS | OWNER_DIED);
            if exchange(lock, seen, held).is_ok() {
                return self.taken(change, seen, key, visit);
            }
        }
        (Acquire::Busy, Sleepers::None)
    }

    /// Goes on with LOCK in hand, which was `seen` before.
    fn taken(
        &self,
        change: &mut R::Change<'_>,
        seen: u32,
        key: u64,
        visit: Visit,
    ) -> (Acquire, Sleepers) {
        let words = self.page.words();
        let tid = change.tid();
        if is_marked(seen) {
            if words[OWNER].load(Ordering::Acquire) != 0 {
                let sleepers = self.replace(tid, ABANDONED).unwrap_or(Sleepers::None);
                return (Acquire::Abandoned, sleepers);
            }
            // Before OWNER is written: a thread, OWNER_DIED and an OWNER mean that the dead one's
            // is.
            if !self.clear_mark(tid) {
                return (Acquire::Busy, Sleepers::None);
            }
        }
        let fits = stored_key(words) == key;
        let answer = if fits { acquired(words) } else { Acquire::Busy };
        if fits && visit == Visit::Take {
            change.link();
            if self.write_owner(tid) {
                return (answer, Sleepers::None);
            }
            change.unlink();
            return (Acquire::Busy, Sleepers::None);
        }
        let sleepers = self.free_from(change).unwrap_or(Sleepers::None);
        (answer, sleepers)
    }

    /// Makes this opening the owner; false if LOCK is not this process's any more.
    ///
    /// It is the owner only if LOCK was its process's after OWNER was written: who marks LOCK from
    /// then on, rightly or not, finds an owner, and nobody repairs it.
    fn write_owner(&self, tid: u32) -> bool {
        let owner = &self.page.words()[OWNER];
        let opening = self.opening.get();
        let mut found = 0;
        for _ in 0..TRIES {
            let written =
                owner.compare_exchange(found, opening, Ordering::Release, Ordering::Relaxed);
            match (self.is_held_by(tid), written) {
                (true, Ok(_)) => return true,
                // A thread of a dead process was late, and took a mutex that is not its own.
                (true, Err(other)) => found = other,
                (false, written) => {
                    if written.is_ok() {
                        forget(owner, opening);
                    }
                    return false;
                }
            }
        }
        false
    }

    /// Lets LOCK go and counts it. `None` if it is not this process's any more.
    fn free_from(&self, change: &mut R::Change<'_>) -> Option<Sleepers> {
        let freed = self.page.words()[FREED].fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        change.unlink();
        self.replace(change.tid(), FREE | freed & COUNT)
    }

    /// Whether the process that died was the owner, asked while another looks at what it has left.
    ///
    /// OWNER is the dead one's if LOCK was the same before and after: not that of an owner before,
    /// and not that of one in between either, since FREED would have changed.
    fn has_owner_died(&self, seen: u32) -> Verdict {
        let words = self.page.words();
        let freed = words[FREED].load(Ordering::Acquire);
        let owner = words[OWNER].load(Ordering::Acquire);
        let again = words[LOCK].load(Ordering::Acquire);
        if (again ^ seen) & !WAITERS != 0 || words[FREED].load(Ordering::Relaxed) != freed {
            return Verdict::LookAgain;
        }
        if owner == 0 { Verdict::Survived } else { Verdict::Died }
    }

    fn is_abandoned(&self) -> bool {
        self.lock().load(Ordering::Acquire) & !WAITERS == ABANDONED
    }

    /// Whether LOCK is this process's, which only a change can tell: what is loaded may be old.
    fn is_held_by(&self, tid: u32) -> bool {
        self.lock().fetch_or(0, Ordering::AcqRel) & (FREE | TID) == tid
    }

    /// Takes OWNER_DIED away; false if LOCK is not this process's any more.
    fn clear_mark(&self, tid: u32) -> bool {
        self.change_held(tid, tid | OWNER_DIED, |seen| seen & !OWNER_DIED).is_some()
    }

    /// Writes LOCK without WAITERS, and says whether it was set. `None` if LOCK is not this
    /// process's any more.
    fn replace(&self, tid: u32, value: u32) -> Option<Sleepers> {
        let before = self.change_held(tid, tid, |_| value)?;
        Some(if before & WAITERS == 0 { Sleepers::None } else { Sleepers::Wake })
    }

    /// Changes LOCK, which probably is as `likely`, while it holds this process; what it held.
    fn change_held(&self, tid: u32, likely: u32, value: impl Fn(u32) -> u32) -> Option<u32> {
        let mut seen = likely;
        for _ in 0..TRIES {
            match exchange(self.lock(), seen, value(seen)) {
                Ok(before) => return Some(before),
                Err(other) if other & (FREE | TID) != tid => return None,
                Err(other) => seen = other,
            }
        }
        None
    }

    fn lock(&self) -> &AtomicU32 {
        &self.page.words()[LOCK]
    }

    fn wake(&self, sleepers: Sleepers) {
        if sleepers == Sleepers::Wake {
            self.park.wake_all(self.lock().into());
        }
    }
}

const fn is_free(lock: u32) -> bool {
    lock & ABANDONED == FREE
}

/// Whether it holds a thread that is not known to be dead.
const fn is_held(lock: u32) -> bool {
    lock & ABANDONED == 0 && lock & TID != 0
}

/// Whether the kernel has marked it, and it is not decided what of.
const fn is_marked(lock: u32) -> bool {
    lock & ABANDONED == OWNER_DIED
}

/// Takes an owner out that is none; unless another is there by now.
fn forget(owner: &AtomicU32, opening: u32) {
    owner.compare_exchange(opening, 0, Ordering::Release, Ordering::Relaxed).ok();
}

fn exchange(lock: &AtomicU32, seen: u32, value: u32) -> Result<u32, u32> {
    lock.compare_exchange(seen, value, Ordering::AcqRel, Ordering::Relaxed)
}

fn acquired(words: &[AtomicU32; PAGE_WORDS]) -> Acquire {
    Acquire::Acquired { value: load(words, [VALUE_LOW, VALUE_HIGH]) }
}

fn stored_key(words: &[AtomicU32; PAGE_WORDS]) -> u64 {
    load(words, [KEY_LOW, KEY_HIGH])
}

/// The value at two constant places below [`PAGE_WORDS`]; halves of two for who does not hold LOCK.
fn load(words: &[AtomicU32; PAGE_WORDS], places: [usize; 2]) -> u64 {
    join(pair(words, places).map(|word| word.load(Ordering::Relaxed)))
}

fn store(words: &[AtomicU32; PAGE_WORDS], places: [usize; 2], value: u64) {
    store_pair(pair(words, places), value);
}
