//! What only shows between processes: real programs, real kills, real bytes.
//!
//! Each test has a scratch and so a broker of its own. Nothing is timed: a test waits for what a
//! program says, or for what nothing tells, until it is so.

mod bad_input;
mod broker;
mod broker_death;
mod broker_killed;
mod broker_place;
mod fake_broker;
mod fake_client;
mod inside;
mod mailbox;
mod names;
mod pixels;
mod role;
mod socket_activation;
mod storm;
mod stranger;
mod streams;
