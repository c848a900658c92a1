//! Events: the rules of the kind.

use crate::contract::access::{AccessMask, GenericMapping};

use super::Rules;

/// The rules of events.
pub const RULES: Rules = Rules {
    word: "event",
    number: 4,
    mapping: GenericMapping {
        read: AccessMask::READ_CONTROL.union(AccessMask::EVENT_QUERY),
        write: AccessMask::READ_CONTROL.union(AccessMask::EVENT_MODIFY),
        execute: AccessMask::READ_CONTROL.union(AccessMask::SYNCHRONIZE),
        all: AccessMask::STANDARD_ALL
            .union(AccessMask::EVENT_QUERY)
            .union(AccessMask::EVENT_MODIFY),
    },
    valid: AccessMask::STANDARD_ALL.union(AccessMask::EVENT_QUERY).union(AccessMask::EVENT_MODIFY),
    rights: &[(AccessMask::EVENT_QUERY, "EVENT_QUERY"), (AccessMask::EVENT_MODIFY, "EVENT_MODIFY")],
};
