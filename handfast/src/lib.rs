//! One program draws, any other program gets the frame; on CPU memory, by names that follow the
//! rules of Windows shared handles.
//!
//! It is no codec, no network and no audio: frames carry `CLOCK_MONOTONIC` times so that they
//! line up with whatever does those.
//!
//! Read first: [`Sender`] and [`Receiver`], for frames; [`Surface`] (with [`Section`], its
//! [`KeyedMutex`], and [`Fence`] and [`Event`] that say when) for memory of which you say what it
//! means; [`Handle`] and [`HandleTable`] for passing on what has no name; [`Access`] for rights,
//! [`WaitOutcome`] for how waits end. Examples: `draw` and `watch`, `produce` and `consume`,
//! `turns`, `values`.
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

mod async_wait;
mod client;
pub mod doctor;
mod error;
mod event;
mod fence;
mod frame;
mod handle;
mod handle_table;
mod held;
mod holders;
mod keyed_mutex;
mod link;
mod mailbox;
mod memory;
mod observed;
mod opened;
mod receiver;
mod refusal;
mod section;
mod send_frame;
mod sender;
mod session;
mod spare;
mod surface;
mod wait;
mod words;

pub use async_wait::Reached;
pub use client::{
    BrokerInfo, Client, Details, ObjectInfo, Observed, PictureInfo, ReceiverInfo, StreamInfo,
};
pub use error::{Error, ErrorKind, Result};
pub use event::Event;
pub use fence::Fence;
pub use frame::{Frame, SharedBytes};
pub use handfast_model::contract::access::AccessMask as Access;
pub use handfast_model::contract::color::{Alpha, Color, Range};
pub use handfast_model::contract::format::{
    Alignment, Format, Layout, LayoutError, Plane, check_size,
};
pub use handfast_model::contract::frame::{FrameRecord, Rect};
pub use handfast_model::contract::handle::{
    DuplicateOptions, HandleClass, HandleFlags, HandleValue, HandleValueError, Pseudo, Ticket,
};
pub use handfast_model::contract::status::Status;
pub use handfast_model::contract::surface::{
    Dimension, Subresource, SurfaceDesc, SurfaceError, SurfaceFlags,
};
pub use handfast_model::object::{Kind, ObjectId, Reset, Writers};
pub use handfast_model::wire::Health;
pub use handfast_sync::stream::{Mode, ReceiverStatus, SenderStatistics};
pub use handfast_sys::clock::now_ns as monotonic_ns;
pub use handfast_sys::process::uid as user_id;
pub use handle::{Handle, Inheritance};
pub use handle_table::{
    DuplicateAccess, HandleObject, HandleTable, InheritedNumbers, OtherProcess,
};
pub use holders::{Held, HeldHandle, Holder, Holders};
pub use keyed_mutex::{KeyedMutex, KeyedMutexStatus};
pub use observed::{Counters, FenceState, Gauge, MemoryInfo, Reading};
pub use receiver::{Next, Receiver};
pub use section::Section;
pub use send_frame::{SendFrame, Sent};
pub use sender::{Lossless, Sender, SenderOptions};
pub use surface::Surface;
pub use wait::{WaitObject, WaitOutcome, wait_all, wait_any};
