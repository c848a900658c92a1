//! Every interleaving of a sender and its receivers, up to a number of preemptions, and every step
//! at which one of them can be killed.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p handfast-sync --release --test loom`;
//! `LOOM_MAX_PREEMPTIONS` overrides the bounds that the tests set.

#![cfg(loom)]

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod model;
