//! Pictures outside of a stream: files in and out, test patterns, conversions, contact sheets.
//!
//! Nothing here knows streams or the broker: a command hands in the bytes of a slot with their
//! description as a [`picture::Picture`] or [`picture::PictureMut`]. Bytes from files are not
//! trusted: a wrong one ends in an error, never in a panic or a large allocation.

pub(crate) mod contact_sheet;
pub(crate) mod convert;
pub(crate) mod font;
pub(crate) mod pattern;
pub(crate) mod picture;
pub(crate) mod png;
pub(crate) mod raw;
pub(crate) mod y4m;

use handfast::FrameRecord;
use handfast::{Alignment, Format, Layout, LayoutError, Plane, check_size};
use handfast::{Alpha, Color, Range};
