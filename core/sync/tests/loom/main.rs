//! Every interleaving of a sender and its receivers, and of those who meet at a fence or an event,
//! up to a number of preemptions, and every step at which one of them can be killed.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p handfast-sync --release --test loom`;
//! `LOOM_MAX_PREEMPTIONS` overrides the bounds that the tests set.

#![cfg(loom)]

#[cfg(test)]
mod event;
#[cfg(test)]
mod fence;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod keyed_mutex;
#[cfg(test)]
mod long_page;
#[cfg(test)]
mod mailbox;
#[cfg(test)]
mod model;
