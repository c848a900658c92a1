//! Streams in one thread: the protocol step by step, and with a hostile other side.

#![cfg(not(loom))]

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod untrusted;
