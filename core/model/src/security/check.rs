//! The access check of the default descriptor: owner and SYSTEM have full control.

use crate::contract::access::{AccessMask, GenericMapping};

use super::token::Token;

/// Rights that a check has granted. Having the value proves that the check was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted(AccessMask);

impl Granted {
    /// The creator of an object gets what it asks, unchecked (a new object's creator is not
    /// checked against its own descriptor).
    #[must_use]
    pub fn to_creator(wanted: AccessMask, mapping: &GenericMapping) -> Self {
        let asked = mapping.map(wanted.difference(AccessMask::MAXIMUM_ALLOWED));
        if wanted.contains(AccessMask::MAXIMUM_ALLOWED) {
            return Self(mapping.all.union(asked));
        }
        Self(asked)
    }

    /// Rebuilds a value from a snapshot or the wire: the check was made before it was stored.
    #[must_use]
    pub const fn from_stored(bits: u32) -> Self {
        Self(AccessMask::from_bits_retain(bits))
    }

    /// The rights.
    #[must_use]
    pub const fn mask(self) -> AccessMask {
        self.0
    }

    /// The rights of `wanted` if they are all among these; that needs no check.
    #[must_use]
    pub fn narrowed(self, wanted: AccessMask, mapping: &GenericMapping) -> Option<Self> {
        if wanted.contains(AccessMask::MAXIMUM_ALLOWED) {
            return None;
        }
        let mapped = mapping.map(wanted);
        self.0.contains(mapped).then_some(Self(mapped))
    }

    /// These rights without some.
    #[must_use]
    pub const fn without(self, barred: AccessMask) -> Self {
        Self(self.0.difference(barred))
    }

    /// Whether every right of `wanted` was granted.
    #[must_use]
    pub const fn allows(self, wanted: AccessMask) -> bool {
        self.0.contains(wanted)
    }
}

/// Checks `wanted` for `caller` on an object of `owner` of which nobody is given the rights
/// `barred`.
///
/// # Errors
///
/// The mapped rights that the caller would have had, when they are not all of `wanted`; nothing
/// is granted then. Access 0 is refused, as Windows refuses it for an object that exists.
pub fn check(
    owner: &Token,
    caller: &Token,
    wanted: AccessMask,
    mapping: &GenericMapping,
    barred: AccessMask,
) -> Result<Granted, AccessMask> {
    let may = if caller.uid == owner.uid || caller.is_system() {
        mapping.all.difference(barred)
    } else {
        AccessMask::empty()
    };
    let mapped = mapping.map(wanted.difference(AccessMask::MAXIMUM_ALLOWED));
    if !may.contains(mapped) || wanted.is_empty() {
        return Err(may);
    }
    let granted = if wanted.contains(AccessMask::MAXIMUM_ALLOWED) { may } else { mapped };
    if granted.is_empty() {
        return Err(may);
    }
    Ok(Granted(granted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPING: GenericMapping = GenericMapping {
        read: AccessMask::STREAM_RECEIVE,
        write: AccessMask::STREAM_SEND,
        execute: AccessMask::SYNCHRONIZE,
        all: AccessMask::STREAM_ALL,
    };
    const OWNER: Token = Token { uid: 1000, gid: 1000 };

    /// What a user is granted of an object of [`OWNER`] that nobody can be the sender of.
    fn check_barred(uid: u32, wanted: AccessMask) -> Result<AccessMask, AccessMask> {
        let caller = Token { uid, gid: 7 };
        super::check(&OWNER, &caller, wanted, &MAPPING, AccessMask::STREAM_SEND).map(Granted::mask)
    }

    fn check(
        owner: &Token,
        caller: &Token,
        wanted: AccessMask,
        mapping: &GenericMapping,
    ) -> Result<Granted, AccessMask> {
        super::check(owner, caller, wanted, mapping, AccessMask::empty())
    }

    #[test]
    fn the_owner_and_the_system_may_do_all_and_nobody_else_anything() {
        for uid in [1000, 0] {
            let granted = check(&OWNER, &Token { uid, gid: 7 }, AccessMask::GENERIC_ALL, &MAPPING);
            assert_eq!(granted.map(Granted::mask), Ok(AccessMask::STREAM_ALL));
        }
        let stranger = Token { uid: 1001, gid: 1000 };
        for wanted in [AccessMask::GENERIC_READ, AccessMask::MAXIMUM_ALLOWED] {
            assert_eq!(check(&OWNER, &stranger, wanted, &MAPPING), Err(AccessMask::empty()));
        }
    }

    #[test]
    fn zero_access_and_undefined_bits_are_refused() {
        for wanted in [AccessMask::empty(), AccessMask::from_bits_retain(0x8000)] {
            assert_eq!(check(&OWNER, &OWNER, wanted, &MAPPING), Err(AccessMask::STREAM_ALL));
        }
    }

    #[test]
    fn a_barred_right_is_refused_where_it_is_asked_for_and_left_out_where_it_is_not() {
        let left = AccessMask::STREAM_RECEIVE | AccessMask::STREAM_QUERY;
        let send = AccessMask::STREAM_SEND;
        for uid in [1000, 0] {
            assert_eq!(check_barred(uid, AccessMask::MAXIMUM_ALLOWED), Ok(left));
            assert_eq!(check_barred(uid, AccessMask::STREAM_QUERY), Ok(AccessMask::STREAM_QUERY));
            for wanted in [send, AccessMask::GENERIC_WRITE, AccessMask::GENERIC_ALL] {
                assert_eq!(check_barred(uid, wanted), Err(left));
                assert_eq!(check_barred(uid, wanted | AccessMask::MAXIMUM_ALLOWED), Err(left));
            }
        }
        assert_eq!(check_barred(1001, send), Err(AccessMask::empty()));
    }

    #[test]
    fn a_creator_gets_what_it_asks_for_also_beside_maximum_allowed() {
        let asked = AccessMask::SYNCHRONIZE;
        let granted = |wanted| Granted::to_creator(wanted, &MAPPING).mask();
        assert_eq!(granted(asked), asked);
        assert_eq!(granted(AccessMask::MAXIMUM_ALLOWED), AccessMask::STREAM_ALL);
        let both = asked | AccessMask::MAXIMUM_ALLOWED;
        assert_eq!(granted(both), AccessMask::STREAM_ALL | asked);
    }

    #[test]
    fn maximum_allowed_gives_all_there_is() {
        let granted = check(&OWNER, &OWNER, AccessMask::MAXIMUM_ALLOWED, &MAPPING);
        assert_eq!(granted.map(Granted::mask), Ok(AccessMask::STREAM_ALL));
    }
}
