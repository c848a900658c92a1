//! A keyed mutex in one thread: the contract step by step, and with pages that lie.

#![cfg(not(loom))]

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod steps;
