//! Fences, events and waits for several of them in one thread: step by step, and with a hostile
//! other side.

#![cfg(not(loom))]

#[cfg(test)]
mod event;
#[cfg(test)]
mod fence;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod waits;
