//! Fences: the rules of the kind (`DxgkSharedSyncObject`).

use crate::contract::access::{AccessMask, GenericMapping};

use super::Rules;

/// The rules of fences.
pub const RULES: Rules = Rules {
    word: "fence",
    number: 3,
    mapping: GenericMapping {
        read: AccessMask::READ_CONTROL.union(AccessMask::FENCE_WAIT),
        write: AccessMask::READ_CONTROL.union(AccessMask::FENCE_SIGNAL),
        execute: AccessMask::READ_CONTROL.union(AccessMask::SYNCHRONIZE),
        all: AccessMask::STANDARD_ALL.union(AccessMask::FENCE_WAIT).union(AccessMask::FENCE_SIGNAL),
    },
    valid: AccessMask::STANDARD_ALL.union(AccessMask::FENCE_WAIT).union(AccessMask::FENCE_SIGNAL),
    rights: &[(AccessMask::FENCE_WAIT, "FENCE_WAIT"), (AccessMask::FENCE_SIGNAL, "FENCE_SIGNAL")],
};
