//! Every limit of the object model. No table, queue or name space is without one.
//!
//! A client that runs into a cap gets [`crate::object::Error::CapReached`] with the cap and its
//! number; nothing of the refused request is kept.

/// Longest name in UTF-16 units, prefix included, terminating NUL not (`MAX_PATH`).
pub const NAME_UNITS_MAX: usize = 260;

/// Connections to one broker.
pub const CLIENTS_MAX: usize = 4096;
/// Connections of one user.
pub const CLIENTS_PER_UID_MAX: usize = 2048;
/// Openings of one client.
pub const OPENINGS_PER_CLIENT_MAX: usize = 4096;
/// Handles that the broker made for one user (copies made by the kernel are free).
pub const HANDLES_PER_UID_MAX: usize = 8192;
/// Handles that the broker made for one share.
pub const HANDLES_PER_SHARE_MAX: usize = 64;
/// Handles that were delivered to one process and that it has not used.
pub const TICKETS_PER_PROCESS_MAX: usize = 1024;
/// Shares over one object.
pub const SHARES_PER_OBJECT_MAX: usize = 64;
/// Live objects of one user.
pub const OBJECTS_PER_UID_MAX: usize = 8192;
/// Names one client may wait for at a time.
pub const WATCHES_PER_CLIENT_MAX: usize = 256;
/// Processes that may write the page of one fence, event or keyed mutex at a time.
pub const SEATS_PER_PAGE_MAX: u32 = 4096;
/// Pages of one client that it has mapped, that nobody uses, and that wait for its next object.
pub const SPARE_PAGES_PER_CLIENT_MAX: usize = 16;
/// Receivers of one stream.
pub const RECEIVERS_PER_STREAM_MAX: usize = 1024;
/// Shared memory that the live objects of one user may declare, in bytes.
pub const PAYLOAD_BYTES_PER_UID_MAX: u64 = 64 << 30;

/// Receiver pages a stream has ready before anybody joins: that many receivers can join while
/// the sender is not looking.
pub const RECEIVER_PAGES_READY: usize = 16;
/// Fewer than this many ready receiver pages, and the sender is asked to take more.
pub const RECEIVER_PAGES_LOW: usize = 8;

/// Slots of one generation of a stream.
pub const SLOTS_MAX: u32 = 64;
/// Bytes of one slot: the largest picture is 16384x16384 at 4 bytes, or 8192x8192 at 16.
pub const SLOT_BYTES_MAX: u64 = 1 << 30;

/// Objects in one page of a listing.
pub const LISTING_ENTRIES_MAX: usize = 64;
/// Bytes of one page of a listing: an object with 64 names of 260 units still fits a message.
pub const LISTING_BYTES_MAX: usize = 24 * 1024;
