//! Which slot of a generation a receiver wants next, as far as one look can tell.

use alloc::vec::Vec;

use super::Mode;
use super::layout::{self, Table};
use crate::atomic::Ordering;
use crate::page::Memory;

/// A slot with a frame that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) slot: u32,
    pub(super) stamp: u32,
}

/// How far a receiver is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// Everything up to this stamp is taken, skipped or held.
    pub(super) passed: u32,
    /// Sequence of the frame taken last, 0 for none.
    pub(super) at_sequence: u64,
    /// Where the next frame probably is.
    pub(super) near: u32,
}

/// Picks the frame that comes next for a receiver at this position. `ready` is room to work in.
pub(super) fn next<M: Memory>(
    table: &Table<M>,
    mode: Mode,
    position: Position,
    ready: &mut Vec<Candidate>,
) -> Option<Candidate> {
    let passed = position.passed;
    let depth = match mode {
        Mode::Latest => return latest(table).filter(|latest| !taken(latest.stamp, passed)),
        Mode::Queue(depth) => depth.max(1) as usize,
        Mode::Lossless => return oldest(table, position),
    };
    ready.clear();
    ready.extend((0..table.slots()).filter_map(|slot| wanted(table, slot, position)));
    ready.sort_unstable_by_key(|candidate| candidate.stamp.wrapping_sub(passed));
    ready.get(ready.len().saturating_sub(depth)).copied()
}

/// What is in a slot, if it comes after this position.
fn wanted<M: Memory>(table: &Table<M>, slot: u32, position: Position) -> Option<Candidate> {
    let stamp = table.stamp(slot).load(Ordering::Acquire);
    let is_wanted = stamp != 0
        && layout::newer(stamp, position.passed)
        && !table.holds_old(slot, stamp, position.at_sequence);
    is_wanted.then_some(Candidate { slot, stamp })
}

/// The first frame after this position. One that follows it at once needs no look at the others.
fn oldest<M: Memory>(table: &Table<M>, position: Position) -> Option<Candidate> {
    let slots = table.slots();
    let near = position.near.min(slots);
    let mut oldest: Option<Candidate> = None;
    let age = |candidate: Candidate| candidate.stamp.wrapping_sub(position.passed);
    for slot in (near..slots).chain(0..near) {
        let Some(found) = wanted(table, slot, position) else { continue };
        if found.stamp == layout::after(position.passed) {
            return Some(found);
        }
        if oldest.is_none_or(|oldest| age(found) < age(oldest)) {
            oldest = Some(found);
        }
    }
    oldest
}

/// The slot that the table names as the latest and what is in it, which may be nothing at this
/// moment (stamp 0) if a newer frame has come meanwhile.
pub(super) fn latest<M: Memory>(table: &Table<M>) -> Option<Candidate> {
    let slot = table.latest().load(Ordering::Acquire).checked_sub(1)?;
    if slot >= table.slots() {
        return None;
    }
    Some(Candidate { slot, stamp: table.stamp(slot).load(Ordering::Acquire) })
}

/// A frame can be taken after its stamp is written and before `latest` is, which then still names
/// the frame before it, and no older one. No other order is asked for: a receiver that wants the
/// latest may stay away for any number of frames.
fn taken(latest: u32, passed: u32) -> bool {
    latest == passed || latest == layout::before(passed)
}
