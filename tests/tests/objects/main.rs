//! Surfaces, sections, fences, events, keyed mutexes and handles between real processes.
//!
//! Each test has a scratch and so a broker of its own. Nothing is timed: a test waits for what a
//! program says, or for what nothing tells, until it is so.

mod broker_killed;
mod broker_stopped;
mod copies;
mod events;
mod fences;
mod forks;
mod handle_table;
mod handles;
mod held;
mod keyed_mutex;
mod known;
mod limits;
mod mailbox;
mod party;
#[path = "../process/role.rs"]
mod role;
mod storm;
mod surfaces;
mod tickets;
