//! Every system call of Handfast, one file per kernel facility.
//!
//! It is not a policy: it knows no object, name or right, starts no thread, keeps no global
//! state, and never logs. What to do with a peer that hung up or a descriptor that is not what
//! it claimed is for its callers to decide.
//!
//! Read first: [`seqpacket::Socket`] (how processes talk), [`pipe`] (what a handle is) and
//! [`mapping`] (who may touch which memory how).
//!
//! Invariants:
//! - A descriptor is an `OwnedFd` or a `BorrowedFd`, and close-on-exec.
//! - A received descriptor is asked only questions that no file system answers until it has
//!   proved to be a pipe or memory.
//! - Memory that another process can write is read and written through atomics or copied, never
//!   borrowed as bytes. Its size is sealed before it is mapped.
//! - Data from outside the process never panics.
//! - `unsafe` appears only in files that say why in their first lines.
//! - The oldest kernel is Linux 6.1; newer facilities are used where they are present.
//!
//! Neighbours: the crates `handfast-broker` and `handfast` call it; it calls only `rustix` and
//! `libc`.

pub mod error;

pub mod descriptor;
pub mod peer;
pub mod pidfd;
pub mod pipe;
pub mod seqpacket;

pub mod futex;
pub mod mapping;
pub mod memfd;
pub mod memory;
pub mod robust;

pub mod clock;
pub mod epoll;
pub mod eventfd;

pub mod child;
pub mod foreign;
pub mod fork;
pub mod inheritance;
pub mod inherited;
pub mod kept;
pub mod process;
pub mod runtime_dir;
pub mod service;
pub mod signals;
pub mod timer;
pub mod users;

mod auxiliary;
mod copy;
mod poll;
mod recvmsg;
#[cfg(test)]
mod scratch;
mod socket_option;

pub use error::{Error, Result};
