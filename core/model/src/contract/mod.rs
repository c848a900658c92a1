//! Names and numbers of the contract: access masks, status codes, pixel formats, values of
//! handles, limits.

pub mod access;
pub mod bytes;
pub mod color;
pub mod format;
pub mod frame;
pub mod handle;
pub mod limits;
pub mod status;
pub mod surface;
