//! The object model of Handfast and its wire format, as pure values.
//!
//! It is not a process, not a socket and not a descriptor: requests and lost clients go in,
//! replies and effects come out, and whoever drives it performs the effects.
//!
//! Read first: [`object::Manager`] (the model), [`object::Request`] (what a client may ask),
//! [`wire`] (the same as bytes).
//!
//! Invariants: no I/O, clock, thread, lock, global or unsafe; on an error the state is unchanged
//! and no effect was emitted; the same inputs give the same outputs byte for byte.
//!
//! Neighbours: `handfast-broker` drives it, `handfast` speaks the wire to that broker.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod contract;
pub mod object;
pub mod security;
pub mod wire;
