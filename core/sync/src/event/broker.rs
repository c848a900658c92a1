//! What the broker does with an event's page: making it, and speaking for those who have gone.
//!
//! It trusts nothing that it reads there.

use super::layout::{Page, Reset, Seen, WORD_RESET};
use crate::atomic::Ordering;
use crate::page::{self, LayoutError, LongMemory, PageKind};
use crate::park::Park;
use crate::turn;

/// Whether a new event is signaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initially {
    /// It is.
    Signaled,
    /// It is not.
    Unsignaled,
}

/// Makes an event of the memory. Also for private memory, by its owner.
///
/// # Errors
/// [`LayoutError::Size`] if it is shorter than [`EVENT_LONGS`](super::EVENT_LONGS) and a header.
pub fn format(
    memory: &impl LongMemory,
    reset: Reset,
    initially: Initially,
) -> Result<(), LayoutError> {
    let page = Page::long_enough(memory)?;
    let word = match initially {
        Initially::Signaled => Seen::of(0).signaled(),
        Initially::Unsignaled => Seen::of(0),
    };
    page.word().store(word.word(), Ordering::SeqCst);
    if let Some(place) = memory.header().get(WORD_RESET) {
        place.store(reset as u32, Ordering::Relaxed);
    }
    page::format_header(memory.header(), PageKind::Event)
}

/// Speaks for a client whose process ended: what it had reserved is free again, and everybody is
/// woken, whatever it was about to do.
pub fn leave(memory: &impl LongMemory, seat: u32, park: &impl Park) {
    let Ok(page) = Page::long_enough(memory) else { return };
    let freed = turn::change(page.word(), |word| {
        let seen = Seen::of(word);
        let held = is_auto(memory) && seat.checked_add(1) == Some(seen.holding_seat());
        held.then(|| seen.with_mark(0).word())
    });
    match freed {
        Ok(_) | Err(_) => turn::bump(page.word(), park),
    }
}

/// Wakes everybody to look again: after a stamp, or after a process died that could set the event.
pub fn bump(memory: &impl LongMemory, park: &impl Park) {
    if let Ok(page) = Page::long_enough(memory) {
        turn::bump(page.word(), park);
    }
}

fn is_auto(memory: &impl LongMemory) -> bool {
    let word = memory.header().get(WORD_RESET);
    word.is_some_and(|word| word.load(Ordering::Relaxed) == Reset::Auto as u32)
}
