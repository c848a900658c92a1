//! One program draws, any other program gets the frame; on CPU memory, by names that follow the
//! rules of Windows shared handles.
//!
//! It is no codec, no network and no audio: frames carry `CLOCK_MONOTONIC` times so that they
//! line up with whatever does those.
//!
//! Read first: [`Sender`] and [`Receiver`].
//!
//! ```no_run
//! # fn draw(_: usize, _: &mut [u8]) {}
//! # fn main() -> Result<(), handfast::Error> {
//! use handfast::{Format, Sender};
//! let mut cam = Sender::create("cam", (1920, 1080), Format::Bgra8)?;
//! loop {
//!     let mut frame = cam.frame()?;
//!     for (y, row) in frame.rows_mut(0).enumerate() {
//!         draw(y, row);
//!     }
//!     frame.send()?;
//! }
//! # }
//! ```
//!
//! ```no_run
//! # fn show(_: &[u8], _: (u32, u32)) {}
//! # fn main() -> Result<(), handfast::Error> {
//! use handfast::Receiver;
//! let mut cam = Receiver::open("cam")?; // may start first, and follows the name
//! let mut picture = Vec::new();
//! while let Some(frame) = cam.recv()? {
//!     frame.copy_to(&mut picture)?;
//!     show(&picture, frame.size());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: a frame never meets the broker; nobody sees half a frame; nobody waits for a
//! process that is gone; an object belongs to the process that made it and answers
//! [`ErrorKind::Forked`] in a forked child.
//!
//! Neighbours: `handfast-model` is the contract and the wire, `handfast-sync` the protocol in
//! the shared pages, `handfast-sys` the kernel, `handfast-image` starts a broker on demand.

#![forbid(unsafe_code)]

mod client;
pub mod doctor;
mod error;
mod frame;
mod link;
mod observed;
mod receiver;
mod send_frame;
mod sender;
mod words;

pub use client::{BrokerInfo, Client, ObjectInfo, Observed, PictureInfo, ReceiverInfo};
pub use error::{Error, ErrorKind, Result};
pub use frame::{Frame, SharedBytes};
pub use handfast_model::contract::color::{Alpha, Color, Range};
pub use handfast_model::contract::format::{
    Alignment, Format, Layout, LayoutError, Plane, check_size,
};
pub use handfast_model::contract::frame::{FrameRecord, Rect};
pub use handfast_model::contract::status::Status;
pub use handfast_model::object::{Kind, ObjectId};
pub use handfast_model::wire::Health;
pub use handfast_sync::stream::{Mode, ReceiverStatus, SenderStatistics};
pub use handfast_sys::clock::now_ns as monotonic_ns;
pub use handfast_sys::process::uid as user_id;
pub use observed::{Counters, MemoryInfo};
pub use receiver::{Next, Receiver};
pub use send_frame::{SendFrame, Sent};
pub use sender::{Lossless, Sender, SenderOptions};
