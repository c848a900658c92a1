//! The numbers by which the model knows things. All are counted up and never used again.

use core::fmt;

macro_rules! counted_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

/// An object: the broker's instance and a counter. Never reused, the same in every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The broker's instance: a random number taken when its state began.
    pub instance: u64,
    /// Counts the objects of that instance from 1.
    pub counter: u64,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.instance, self.counter)
    }
}

counted_id! {
    /// A share: the name and handle count that one create call made over an object.
    ShareId(u64)
}
counted_id! {
    /// A handle that the broker made: one pipe, however often the kernel copies its read end, or a
    /// number that one client holds.
    HandleId(u64)
}
counted_id! {
    /// An opening: a number of one client, meaningless to any other.
    OpeningId(u32)
}
counted_id! {
    /// A client: one process's connection.
    ClientId(u64)
}
counted_id! {
    /// A process that handles are delivered to, as the broker counts them.
    ProcessId(u64)
}
counted_id! {
    /// A page of synchronisation words.
    PageId(u64)
}
counted_id! {
    /// Memory that a client handed in.
    PayloadId(u64)
}
