//! A fence: a value that anybody with the right sets to anything, and others wait for.
//!
//! A wait for a target is over when the value is or was at least the target since the wait began;
//! it is told even if the value is lowered again before it runs. Values repeat, jump and go back.
//!
//! # The page
//! Behind the header (see [`page`](crate::page)) lie 64-bit words:
//!
//! | long | name | who writes | what |
//! | --- | --- | --- | --- |
//! | 0 | value | signallers | the value |
//! | 1 | word | signallers, waiters, broker | *waking* (bit 0), turn (bits 1..32), hint |
//! | 2 | head | signallers | rewinds so far, those under way included |
//! | 3 | lapped | signallers | how often the ring went round under a slow signaller |
//! | 4 | orphan | broker, signallers to 0 | 0 live, 1 abandoned, 2 lost |
//! | 8..72 | peaks | signallers | 32 pairs of a tag and the value before a rewind |
//! | 72..136 | seats | signallers, broker | a bit for each that signals; not in private memory |
//!
//! and in the header the count of waiters that cannot write ([`set_readers`]).
//!
//! The low half of the word, turn and *waking*, is what one sleeps on. The *hint* is the least
//! target that somebody sleeps for, rounded down, or none. A signal whose value reaches it, or that
//! lowers the value while anybody sleeps, wakes everybody.
//!
//! # Why nobody sleeps too long
//! All accesses are in one order (`SeqCst`). A waiter lowers the hint and then looks at the value
//! and the peaks; a signaller changes the value and then looks at the hint. So the signaller sees
//! the hint, or the waiter the value, or, where it was lowered since, its peak: that is written
//! before the lowering. Who sees the hint begins a new turn, which no sleeper expects, and wakes.
//! The hint goes only after the wake, and only if the word has not changed: a waiter who comes
//! while a wake is under way takes *waking* off the word, so that his hint stays. A signaller that
//! dies on the way leaves value and hint; the broker begins a new turn for it ([`leave`]). Who
//! cannot write loads the turn before the look, and every signaller begins a new one for him.
//!
//! # Peaks
//! A rewind takes an index from *head*, writes the value that it is about to lower at the index
//! modulo 32, then the tag, which holds index and peak, mixed: an index and a peak that were not
//! written together are no entry. An entry of an index is therefore true whenever it is there, and
//! while it is missing its writer has not lowered the value, with one exception. A signaller may
//! stop between taking an index and writing, for so long that the place belongs to a later index,
//! and then spoil that one's entry. It looks at *head* afterwards: if the ring went round, it
//! counts *lapped* up, sends everybody to look, and begins again with a fresh index. A waiter that
//! misses an entry and finds that *lapped* changed, or that more than 32 indices are unread, says
//! [`Lost`](Look::Lost).
//!
//! # Abandonment
//! A seat's bit is set before its first change of the value. When the broker clears the last bit it
//! writes *orphan* and looks at the bits again; a new signaller sets its bit and looks at *orphan*:
//! one of the two takes the mark back.
//!
//! # What is not promised
//! - A signaller that stops for 32 rewinds between taking an index and writing its tag, and is
//!   killed before it looks at *head*, may have spoilt one peak: a sleeper for that value alone
//!   then goes on sleeping until the value is reached again.
//! - One that is killed between taking an index and its tag leaves a gap: waits that began before
//!   it end as [`Lost`](Look::Lost) 33 rewinds later, unless they are reached.
//! - A sleeper that is stopped between its last look and its sleep for exactly a multiple of 2^31
//!   turns misses them. A tag fits a foreign index and peak once in 2^64.
//! - A wait may be satisfied by a rewound value whose signal was still running when it began.
//! - Who can write the page can lie to everybody, and let them sleep: give every sleep a limit and
//!   look again. No call of this module runs for ever, whatever the page holds.

mod broker;
mod hint;
mod layout;
mod signal;
mod wait;

use self::layout::Page;
use crate::page::{LayoutError, LongMemory};

pub use self::broker::{
    Gone, Signaller, bump, format, leave, leave_again, seat_taken, set_readers,
};
pub use self::layout::{FENCE_LONGS, LOCAL_LONGS, PEAKS};
pub use self::wait::{Look, Wait, WaitFor};

/// A fence whose page may be written: it signals, and waits.
#[derive(Debug)]
pub struct Fence<M, P> {
    page: Page<M>,
    park: P,
}

/// A fence whose page may only be read: it waits.
///
/// It cannot say that it waits, so the broker counts it ([`set_readers`]), and signallers wake at
/// every value while there is one. Its words are 64 bits wide, which a 32-bit machine may be unable
/// to load from a page that it cannot write.
#[derive(Debug)]
pub struct FenceReader<M> {
    page: Page<M>,
}

impl<M: LongMemory, P> Fence<M, P> {
    /// Opens a fence, shared or private.
    ///
    /// # Errors
    /// [`LayoutError`] if the memory is not a fence's.
    pub fn new(memory: M, park: P) -> Result<Self, LayoutError> {
        Ok(Self { page: Page::new(memory)?, park })
    }
}

impl<M: LongMemory> FenceReader<M> {
    /// Opens a fence.
    ///
    /// # Errors
    /// [`LayoutError`] if the memory is not a fence's.
    pub fn new(memory: M) -> Result<Self, LayoutError> {
        Ok(Self { page: Page::new(memory)? })
    }
}
