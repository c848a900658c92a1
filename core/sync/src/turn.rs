//! The long word on which one sleeps at a fence or an event: a turn below, its owner's half above.
//!
//! The low half is what the kernel compares: 31 bits of turn and one that says that a wake is under
//! way. A sleeper's expectation never has that bit, unless it can only read.

use crate::atomic::{AtomicU64, Ordering};
use crate::park::{Park, Word, low_half};

/// A wake is under way, whose maker will take interest off the word if nobody changed it.
pub(crate) const WAKING: u32 = 1;
const TURN: u32 = 2;

/// How many races one call may lose. Those who play by the rules never come near it; past it the
/// call does the plain thing and returns.
pub(crate) const RACES_MAX: u32 = 1 << 16;

/// Why a word stayed as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unchanged {
    /// Nothing was to be done with what it held.
    Refused,
    /// Somebody else was faster each time.
    Raced,
}

/// The word with these halves.
pub(crate) const fn join(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// The half that the owner of the word defines.
pub(crate) const fn high_half(word: u64) -> u32 {
    low_half(word >> 32)
}

/// The low half of the next turn.
pub(crate) const fn next(low: u32) -> u32 {
    (low & !WAKING).wrapping_add(TURN)
}

/// Writes what `change` makes of the word, until it makes nothing or nobody was faster. Returns
/// the word before and after.
pub(crate) fn change(
    word: &AtomicU64,
    mut change: impl FnMut(u64) -> Option<u64>,
) -> Result<(u64, u64), Unchanged> {
    let mut seen = word.load(Ordering::SeqCst);
    for _ in 0..RACES_MAX {
        let Some(new) = change(seen) else { return Err(Unchanged::Refused) };
        match word.compare_exchange(seen, new, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return Ok((seen, new)),
            Err(now) => seen = now,
        }
    }
    Err(Unchanged::Raced)
}

/// Begins the next turn and wakes everybody: whoever looked before looks again. Interest stays.
///
/// Who loses every race against others who change the word wakes without a turn of its own.
pub(crate) fn bump(word: &AtomicU64, park: &impl Park) {
    let bumped = |seen| Some(join(next(low_half(seen)), high_half(seen)));
    match change(word, bumped) {
        Ok(_) | Err(_) => park.wake_all(Word::LowHalf(word)),
    }
}

/// Wakes everybody and takes interest off the word, whose turn the caller has just begun with
/// [`WAKING`] in it.
///
/// Interest goes after the wake, and only if nobody came meanwhile: until then it stands for
/// sleepers who would be forgotten if this process died.
pub(crate) fn wake(word: &AtomicU64, waking: u64, high_after: u32, park: &impl Park) {
    park.wake_all(Word::LowHalf(word));
    let after = join(low_half(waking) & !WAKING, high_after);
    match word.compare_exchange(waking, after, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) | Err(_) => {}
    }
}
