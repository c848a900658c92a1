//! Access masks and the generic mapping.

use bitflags::bitflags;

bitflags! {
    /// A set of access rights, numbered as in `winnt.h`; the low 16 bits depend on the kind of
    /// object.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct AccessMask: u32 {
        /// Take frames from a stream (`handfast recv`).
        const STREAM_RECEIVE = 0x0000_0001;
        /// Be the sender of a stream.
        const STREAM_SEND = 0x0000_0002;
        /// See a stream's counters and who receives it (`handfast show`).
        const STREAM_QUERY = 0x0000_0004;
        /// Every specific right of a stream.
        const STREAM_ALL = 0x0000_0007;

        /// `DELETE`.
        const DELETE = 0x0001_0000;
        /// `READ_CONTROL`: read the security descriptor.
        const READ_CONTROL = 0x0002_0000;
        /// `WRITE_DAC`: change the discretionary list.
        const WRITE_DAC = 0x0004_0000;
        /// `WRITE_OWNER`: change the owner.
        const WRITE_OWNER = 0x0008_0000;
        /// `SYNCHRONIZE`: wait.
        const SYNCHRONIZE = 0x0010_0000;
        /// `STANDARD_RIGHTS_ALL`.
        const STANDARD_ALL = 0x001F_0000;

        /// `MAXIMUM_ALLOWED`: whatever the caller may have.
        const MAXIMUM_ALLOWED = 0x0200_0000;
        /// `GENERIC_ALL`.
        const GENERIC_ALL = 0x1000_0000;
        /// `GENERIC_EXECUTE`.
        const GENERIC_EXECUTE = 0x2000_0000;
        /// `GENERIC_WRITE`.
        const GENERIC_WRITE = 0x4000_0000;
        /// `GENERIC_READ`.
        const GENERIC_READ = 0x8000_0000;

        /// Every other bit is kept as it came, so that it can be refused by name.
        const _ = !0;
    }
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
    /// Stands for `GENERIC_ALL`; also every right the kind defines.
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
