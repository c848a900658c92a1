//! The kit of the tests that need real processes.
//!
//! It is no part of the product and knows none of its types: it starts programs and looks at what
//! they leave. Read [`Scratch`] first, a folder and a broker of the test's own, then [`Child`], a
//! program that does not outlive its test.
//!
//! - Nothing of a test stays: processes are killed and waited for, folders removed.
//! - Only what the kit started is killed, by its own descriptor or by the scratch's own socket.
//! - No assertion is about time: [`LIMIT`] only tells a hang from a wait.
#![forbid(unsafe_code)]

mod child;
mod eventually;
mod leftovers;
mod program;
mod require;
mod scratch;

pub use child::{Child, Finished};
pub use eventually::{LIMIT, eventually, eventually_eq};
pub use leftovers::{Leftovers, leftovers};
pub use program::handfast;
pub use require::{Requirement, require};
pub use rustix::process::Signal;
pub use scratch::Scratch;
