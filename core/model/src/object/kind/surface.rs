//! Surfaces: the rules of the kind (`DxgkSharedResource`).

use crate::contract::access::{AccessMask, GenericMapping};

use super::Rules;

/// The rules of surfaces.
pub const RULES: Rules = Rules {
    word: "surface",
    number: 2,
    mapping: GenericMapping {
        read: AccessMask::READ_CONTROL,
        write: AccessMask::READ_CONTROL.union(AccessMask::SURFACE_WRITE),
        execute: AccessMask::READ_CONTROL,
        all: AccessMask::STANDARD_REQUIRED.union(AccessMask::SURFACE_WRITE),
    },
    valid: AccessMask::STANDARD_ALL.union(AccessMask::SURFACE_WRITE),
    rights: &[(AccessMask::SURFACE_WRITE, "SURFACE_WRITE")],
};
