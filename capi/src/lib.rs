//! The C library `libhandfast.so`: what `include/handfast/*.h` declare.
//!
//! It is a skin: it holds no rule of its own. Each function checks its pointers, calls one method
//! of `handfast` and gives the outcome a number.
//!
//! Read first: the headers, which document every function; then `guard.rs`, `stream/sender.rs`
//! and `object/fence.rs`.
//!
//! Invariants: no panic leaves a function; a pointer that came from C is checked for NULL before
//! anything else and believed after that, as the headers demand; what the library keeps from C
//! (an end and the frame that it has lent) lies behind a lock that is never waited for.
//!
//! Neighbours: `handfast` is the product.

mod argument;
mod enter;
mod error;
mod guard;
mod object;
mod pointer;
mod result;
mod stream;

#[cfg(test)]
mod header;
