//! What the broker does with a fence's page: making it, and speaking for those who have gone. Who
//! goes and knows it speaks for itself.
//!
//! It trusts nothing that it reads there; what it decides by, it has from elsewhere.

use super::layout::{ORPHAN_ABANDONED, ORPHAN_LIVE, ORPHAN_LOST, Page};
use super::{Fence, hint};
use crate::atomic::Ordering;
use crate::page::{self, LayoutError, LongMemory, PageKind, WORD_READERS};
use crate::park::Park;
use crate::seat::Seat;
use crate::turn;

/// How a client's last opening of a fence has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was closed.
    Released,
    /// Its process ended.
    Died,
}

/// Whether a seat counts as a signaller before its first signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signaller {
    /// It created the fence, or said that it will signal.
    Yes,
    /// Not before it signals.
    No,
}

/// Makes a fence of the memory, with this value. Also for private memory, by its owner.
///
/// # Errors
/// [`LayoutError::Size`] if it is shorter than [`LOCAL_LONGS`](super::LOCAL_LONGS) and a header.
pub fn format(memory: &impl LongMemory, value: u64) -> Result<(), LayoutError> {
    let page = Page::long_enough(memory)?;
    page.clear(value, turn::join(0, hint::NONE));
    page::format_header(memory.header(), PageKind::Fence)
}

/// Writes how many wait who cannot write the page. Signals wake at each value while it is not 0.
///
/// The broker raises it before it gives such a reader the page.
pub fn set_readers(memory: &impl LongMemory, readers: u32) {
    if let Some(word) = memory.header().get(WORD_READERS) {
        word.store(readers, Ordering::SeqCst);
    }
}

/// Prepares a seat for a new client, before the client gets the page.
pub fn seat_taken(memory: &impl LongMemory, seat: u32, signaller: Signaller) {
    let Ok(page) = Page::long_enough(memory) else { return };
    let Some((long, bit)) = page.seat(seat) else { return };
    match signaller {
        Signaller::No => {
            long.fetch_and(!bit, Ordering::SeqCst);
        }
        Signaller::Yes => {
            long.fetch_or(bit, Ordering::SeqCst);
            page.orphan().store(ORPHAN_LIVE, Ordering::SeqCst);
        }
    }
}

/// Speaks for a client that writes no more: its seat is free, and if it was the last signaller,
/// waits say [`Abandoned`](super::Look::Abandoned) where it released the fence and
/// [`Lost`](super::Look::Lost) where it died, until somebody signals.
///
/// If it died, everybody is woken, whatever it was about to do.
pub fn leave(memory: &impl LongMemory, seat: u32, cause: Gone, park: &impl Park) {
    if let Ok(page) = Page::long_enough(memory) {
        leave_page(&page, seat, cause, park);
    }
}

/// As [`leave`], for a broker that goes on where one that is gone may have begun with it.
pub fn leave_again(memory: &impl LongMemory, seat: u32, cause: Gone, park: &impl Park) {
    let Ok(page) = Page::long_enough(memory) else { return };
    leave_page(&page, seat, cause, park);
    // Its bit may have been cleared, and the mark not made that had to follow.
    if page.orphan().load(Ordering::SeqCst) == ORPHAN_LIVE && orphan(&page, cause) {
        turn::bump(page.word(), park);
    }
}

impl<M: LongMemory, P: Park> Fence<M, P> {
    /// Says that this client signals no more, as [`leave`] does when it was released: who waits is
    /// told without the broker, which may say it once more.
    ///
    /// Nobody here uses the seat from then on: who opens the fence again begins with a new one.
    pub fn release(&self, seat: &Seat) {
        leave_page(&self.page, seat.number(), Gone::Released, &self.park);
    }
}

fn leave_page<M: LongMemory>(page: &Page<M>, seat: u32, cause: Gone, park: &impl Park) {
    let was_signaller = page
        .seat(seat)
        .is_some_and(|(long, bit)| long.fetch_and(!bit, Ordering::SeqCst) & bit != 0);
    let orphaned = was_signaller && orphan(page, cause);
    if orphaned || cause == Gone::Died {
        turn::bump(page.word(), park);
    }
}

/// Wakes everybody to look again: after a stamp, or after a process died that could signal.
pub fn bump(memory: &impl LongMemory, park: &impl Park) {
    if let Ok(page) = Page::long_enough(memory) {
        turn::bump(page.word(), park);
    }
}

/// Marks a fence without signallers; whether there was none indeed.
fn orphan<M: LongMemory>(page: &Page<M>, cause: Gone) -> bool {
    if page.has_signaller() {
        return false;
    }
    let mark = match cause {
        Gone::Released => ORPHAN_ABANDONED,
        Gone::Died => ORPHAN_LOST,
    };
    page.orphan().store(mark, Ordering::SeqCst);
    // Pairs with the first signal of a seat: it saw the mark, or we see its bit.
    let orphaned = !page.has_signaller();
    if !orphaned {
        page.orphan().store(ORPHAN_LIVE, Ordering::SeqCst);
    }
    orphaned
}
