//! Access masks and the generic mapping.

use bitflags::bitflags;

bitflags! {
    /// A set of access rights, numbered as in `winnt.h`. What the low 16 bits mean depends on the
    /// kind of object: their names begin with it.
    ///
    /// What the generic rights stand for; `READ_CONTROL` is among each:
    ///
    /// | kind | `GENERIC_READ` | `GENERIC_WRITE` | `GENERIC_EXECUTE` |
    /// | --- | --- | --- | --- |
    /// | surface | read | `SURFACE_WRITE`: write, and read | read |
    /// | fence | `FENCE_WAIT`: wait | `FENCE_SIGNAL`: signal | `SYNCHRONIZE`: wait |
    /// | event | `EVENT_QUERY`: look, not wait | `EVENT_MODIFY`: set, reset | `SYNCHRONIZE`: wait |
    /// | section | `SECTION_MAP_READ`: read, query | `SECTION_MAP_WRITE`: write | no use |
    /// | stream | `STREAM_RECEIVE`, `STREAM_QUERY` | `STREAM_SEND` | `STREAM_QUERY` |
    ///
    /// `GENERIC_ALL` is all of a row, `DELETE`, `WRITE_DAC` and `WRITE_OWNER`. Who opens a surface
    /// or section that only its maker can write asks for less: a right that the kernel gives to
    /// nobody is refused. `MAXIMUM_ALLOWED` leaves it out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct AccessMask: u32 {
        /// `DELETE`: nothing yet; it alone opens no surface.
        const DELETE = 0x0001_0000;
        /// `READ_CONTROL`: read a surface, look at a fence's value, see whether an event is set. A
        /// surface is not opened without it.
        const READ_CONTROL = 0x0002_0000;
        /// `WRITE_DAC`: change the discretionary list. Nothing yet, as there is none.
        const WRITE_DAC = 0x0004_0000;
        /// `WRITE_OWNER`: change the owner. Nothing yet.
        const WRITE_OWNER = 0x0008_0000;
        /// `SYNCHRONIZE`: wait for a fence or event. Surfaces and sections do not have it.
        const SYNCHRONIZE = 0x0010_0000;
        /// `STANDARD_RIGHTS_ALL`.
        const STANDARD_ALL = 0x001F_0000;

        /// `MAXIMUM_ALLOWED`: whatever the caller may have.
        const MAXIMUM_ALLOWED = 0x0200_0000;
        /// `GENERIC_ALL`: what its owner may do.
        const GENERIC_ALL = 0x1000_0000;
        /// `GENERIC_EXECUTE`: what the table says.
        const GENERIC_EXECUTE = 0x2000_0000;
        /// `GENERIC_WRITE`: what the table says.
        const GENERIC_WRITE = 0x4000_0000;
        /// `GENERIC_READ`: what the table says.
        const GENERIC_READ = 0x8000_0000;

        /// Every other bit is kept as it came, so that it can be refused by name.
        const _ = !0;
    }
}

/// The rights of one kind of object each: different kinds give the same bits different meanings.
impl AccessMask {
    /// Take frames from a stream (`handfast recv`).
    pub const STREAM_RECEIVE: Self = Self::from_bits_retain(0x0001);
    /// Be the sender of a stream.
    pub const STREAM_SEND: Self = Self::from_bits_retain(0x0002);
    /// See a stream's counters and who receives it (`handfast show`).
    pub const STREAM_QUERY: Self = Self::from_bits_retain(0x0004);
    /// Every specific right of a stream.
    pub const STREAM_ALL: Self = Self::from_bits_retain(0x0007);

    /// Write a surface that has several writers (`DXGI_SHARED_RESOURCE_WRITE`). It is asked for
    /// together with `READ_CONTROL` or `GENERIC_READ`, which reading takes
    /// (`DXGI_SHARED_RESOURCE_READ`).
    pub const SURFACE_WRITE: Self = Self::from_bits_retain(0x0001);

    /// Wait for a fence and read its value (`SYNC_OBJECT_WAIT`).
    pub const FENCE_WAIT: Self = Self::from_bits_retain(0x0001);
    /// Signal a fence (`SYNC_OBJECT_SIGNAL`).
    pub const FENCE_SIGNAL: Self = Self::from_bits_retain(0x0002);

    /// See an event's state (`EVENT_QUERY_STATE`).
    pub const EVENT_QUERY: Self = Self::from_bits_retain(0x0001);
    /// Set and reset an event (`EVENT_MODIFY_STATE`).
    pub const EVENT_MODIFY: Self = Self::from_bits_retain(0x0002);

    /// See a section's size (`SECTION_QUERY`).
    pub const SECTION_QUERY: Self = Self::from_bits_retain(0x0001);
    /// Map a section for writing (`SECTION_MAP_WRITE`).
    pub const SECTION_MAP_WRITE: Self = Self::from_bits_retain(0x0002);
    /// Map a section for reading (`SECTION_MAP_READ`).
    pub const SECTION_MAP_READ: Self = Self::from_bits_retain(0x0004);
    /// Map a section for executing (`SECTION_MAP_EXECUTE`); nothing of ours can be executed.
    pub const SECTION_MAP_EXECUTE: Self = Self::from_bits_retain(0x0008);
    /// Grow a section (`SECTION_EXTEND_SIZE`); ours have a fixed size.
    pub const SECTION_EXTEND: Self = Self::from_bits_retain(0x0010);

    /// `STANDARD_RIGHTS_REQUIRED`.
    pub const STANDARD_REQUIRED: Self = Self::from_bits_retain(0x000F_0000);
}

/// What the four generic bits mean for one kind of object (`GENERIC_MAPPING`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenericMapping {
    /// Stands for `GENERIC_READ`.
    pub read: AccessMask,
    /// Stands for `GENERIC_WRITE`.
    pub write: AccessMask,
    /// Stands for `GENERIC_EXECUTE`.
    pub execute: AccessMask,
    /// Stands for `GENERIC_ALL`: what the owner has. A kind may define more rights than these.
    pub all: AccessMask,
}

impl GenericMapping {
    /// Replaces the generic bits by what they stand for; leaves all others as they are
    /// (`MapGenericMask`).
    #[must_use]
    pub fn map(&self, wanted: AccessMask) -> AccessMask {
        let pairs = [
            (AccessMask::GENERIC_READ, self.read),
            (AccessMask::GENERIC_WRITE, self.write),
            (AccessMask::GENERIC_EXECUTE, self.execute),
            (AccessMask::GENERIC_ALL, self.all),
        ];
        let mut mapped = wanted;
        for (generic, specific) in pairs {
            if wanted.contains(generic) {
                mapped = mapped.difference(generic).union(specific);
            }
        }
        mapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_bits_are_replaced_and_others_stay() {
        let mapping = GenericMapping {
            read: AccessMask::STREAM_RECEIVE,
            write: AccessMask::STREAM_SEND,
            execute: AccessMask::SYNCHRONIZE,
            all: AccessMask::STREAM_ALL,
        };
        let wanted = AccessMask::GENERIC_READ | AccessMask::DELETE;
        assert_eq!(mapping.map(wanted), AccessMask::STREAM_RECEIVE | AccessMask::DELETE);
        assert_eq!(mapping.map(AccessMask::empty()), AccessMask::empty());
    }
}
