//! How a connection begins: versions and who the broker is.
//!
//! These three messages keep their form for ever, so that any two versions can refuse each other
//! in words.

use crate::contract::bytes::{ByteReader, ByteWriter, Malformed};
use crate::object::Cap;

use super::{VERSION, VERSION_OLDEST, WireError};

/// A client's first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The oldest version it speaks.
    pub oldest: u16,
    /// The newest.
    pub newest: u16,
}

impl Hello {
    /// What this program says.
    #[must_use]
    pub const fn of_this_program() -> Self {
        Self { oldest: VERSION_OLDEST, newest: VERSION }
    }

    /// The newest version that this program and the other end both speak.
    #[must_use]
    pub fn common_version(&self) -> Option<u16> {
        let newest = self.newest.min(VERSION);
        (newest >= self.oldest.max(VERSION_OLDEST)).then_some(newest)
    }

    pub(super) fn encode(&self, w: &mut ByteWriter) {
        w.u16(self.oldest);
        w.u16(self.newest);
    }

    pub(super) fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(Self { oldest: r.u16()?, newest: r.u16()? })
    }
}

/// The broker's answer: the version from now on, and who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The version of every further message.
    pub version: u16,
    /// The broker's instance.
    pub instance: u64,
    /// Its process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// When it started, in nanoseconds since 1970.
    pub started_ns: u64,
}

impl Welcome {
    pub(super) fn encode(&self, w: &mut ByteWriter) {
        w.u16(self.version);
        w.u64(self.instance);
        w.i32(self.pid);
        w.u32(self.uid);
        w.u64(self.started_ns);
    }

    pub(super) fn decode(r: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            version: r.u16()?,
            instance: r.u64()?,
            pid: r.i32()?,
            uid: r.u32()?,
            started_ns: r.u64()?,
        })
    }
}

/// The broker does not take this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No common version.
    Version {
        /// The oldest the broker speaks.
        oldest: u16,
        /// The newest.
        newest: u16,
    },
    /// A limit.
    Cap {
        /// Which.
        cap: Cap,
        /// Its number.
        limit: u64,
    },
    /// The broker serves other users.
    User {
        /// The client's user.
        uid: u32,
        /// The broker's.
        broker_uid: u32,
    },
}

impl Refused {
    pub(super) fn encode(&self, w: &mut ByteWriter) {
        let (tag, a, b) = match self {
            Self::Version { oldest, newest } => (1, u64::from(*oldest), u64::from(*newest)),
            Self::Cap { cap, limit } => (2, super::error::cap_number(*cap), *limit),
            Self::User { uid, broker_uid } => (3, u64::from(*uid), u64::from(*broker_uid)),
        };
        w.u16(tag);
        w.u64(a);
        w.u64(b);
    }

    pub(super) fn decode(r: &mut ByteReader<'_>) -> Result<Self, WireError> {
        let (tag, a, b) = (r.u16()?, r.u64()?, r.u64()?);
        let small = |value: u64| u16::try_from(value).map_err(|_| WireError::Malformed);
        let number = |value: u64| u32::try_from(value).map_err(|_| WireError::Malformed);
        match tag {
            1 => Ok(Self::Version { oldest: small(a)?, newest: small(b)? }),
            2 => Ok(Self::Cap { cap: super::error::cap(a)?, limit: b }),
            3 => Ok(Self::User { uid: number(a)?, broker_uid: number(b)? }),
            _ => Err(WireError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_taken() {
        assert_eq!(Hello::of_this_program().common_version(), Some(VERSION));
        assert_eq!(Hello { oldest: 0, newest: 99 }.common_version(), Some(VERSION));
        assert_eq!(Hello { oldest: 1, newest: 1 }.common_version(), None);
        assert_eq!(Hello { oldest: VERSION + 1, newest: VERSION + 2 }.common_version(), None);
        assert_eq!(Hello { oldest: 1, newest: VERSION }.common_version(), Some(VERSION));
        assert_eq!(Hello { oldest: 0, newest: 0 }.common_version(), None);
        assert_eq!(Hello { oldest: 3, newest: 1 }.common_version(), None);
    }
}
