//! Algorithms on words that processes share: the pages of a stream's two ends and its slots, of
//! fences and of events.
//!
//! It is not a transport: it maps no memory, makes no system call and knows no pixel. Memory comes
//! in through [`Memory`], sleeping and waking through [`Park`], time as a number; outside they are
//! a sealed memfd and a futex, in the tests a model checker's.
//!
//! Read [`stream::SendEnd`] and [`stream::ReceiveEnd`] first, or [`fence`] and [`wait`], then
//! [`page`].
//!
//! Invariants:
//! - Every shared word of a stream has one declared writer (the line it lies in says which). Nobody
//!   reads back a word that it wrote: what an end decides by is kept in its own fields. The words
//!   of fences and events have many writers and change by compare-and-swap.
//! - Whatever the other side writes, at any moment, leads to an answer: no panic, no endless loop,
//!   no index out of range. Every retry is counted.
//! - No sleep without a wake: who sleeps says so, passes a full fence and looks again; who changes
//!   something passes a full fence and looks for sleepers.
//! - A process that dies between any two stores leaves the others able to go on, once the broker
//!   has stamped its page.
//! - Shared words of streams are 32 bits wide, since a 32-bit machine may be unable to load 64 bits
//!   from a page that it may only read. 64-bit values are two words, low then high. Fences and
//!   events have 64-bit words: read-only openings of theirs are for 64-bit machines.
//!
//! Neighbours: `handfast-sys` maps pages and parks on futexes; `handfast` runs the two ends;
//! `handfast-broker` makes pages and stamps deaths with [`page`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod atomic;
pub mod event;
pub mod fence;
pub mod keyed_mutex;
pub mod mailbox;
pub mod page;
pub mod park;
pub mod robust;
mod seat;
pub mod stream;
mod turn;
pub mod wait;

pub use atomic::{AtomicU32, AtomicU64};
pub use event::{Event, EventReader};
pub use fence::{Fence, FenceReader};
pub use page::{LayoutError, LongMemory, Memory, PageKind, State};
pub use park::{Park, Parked, Watched, Word};
pub use seat::{SEATS_MAX, Seat};
