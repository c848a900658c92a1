//! The process that holds names, pages and payload descriptors.
//!
//! It is not in the path of a frame, and it never maps, allocates or interprets pixels: it makes
//! and maps the pages of synchronisation words, to stamp deaths and wake waiters.
//!
//! Read first: `turn.rs` (one event, one turn), [`place`] (where a broker is found),
//! [`activation`] (who listens there).
//!
//! It is started by a keeper, which starts another one when it is killed ([`serve`]): what that one
//! needs is in the journal before anything is done about it.
//!
//! Invariants: one thread, no lock, no clock but the poller's; every request is applied to the
//! model first and its effects, which cannot fail, are performed in order; a descriptor nobody
//! asked for is closed on another thread, because its sender may make `close()` block.
//!
//! Neighbours: `handfast-model` decides, `handfast-sys` calls the kernel, `handfast-sync` knows
//! what the words of a page mean.

#![forbid(unsafe_code)]

pub mod activation;
mod door;
mod estate;
mod journal;
mod mailbox;
mod page;
pub mod place;
mod processes;
mod record;
mod store;
mod turn;
mod undertaker;
mod wake;

pub use estate::EstateError;
pub use handfast_sync::page::PAGE_BYTES;
pub use handfast_sys::seqpacket::Listener;
pub use journal::JournalError;
pub use turn::{Config, FileId, Given, IdleExit, ServeError, Users, file_id, new_journal, serve};
