//! Sections: the rules of the kind.

use crate::contract::access::{AccessMask, GenericMapping};

use super::Rules;

/// The rules of sections.
pub const RULES: Rules = Rules {
    word: "section",
    number: 5,
    mapping: GenericMapping {
        read: AccessMask::READ_CONTROL
            .union(AccessMask::SECTION_QUERY)
            .union(AccessMask::SECTION_MAP_READ),
        write: AccessMask::READ_CONTROL.union(AccessMask::SECTION_MAP_WRITE),
        execute: AccessMask::READ_CONTROL.union(AccessMask::SECTION_MAP_EXECUTE),
        all: AccessMask::STANDARD_REQUIRED
            .union(AccessMask::SECTION_QUERY)
            .union(AccessMask::SECTION_MAP_WRITE)
            .union(AccessMask::SECTION_MAP_READ)
            .union(AccessMask::SECTION_MAP_EXECUTE)
            .union(AccessMask::SECTION_EXTEND),
    },
    valid: AccessMask::STANDARD_ALL
        .union(AccessMask::SECTION_QUERY)
        .union(AccessMask::SECTION_MAP_WRITE)
        .union(AccessMask::SECTION_MAP_READ)
        .union(AccessMask::SECTION_MAP_EXECUTE)
        .union(AccessMask::SECTION_EXTEND),
    rights: &[
        (AccessMask::SECTION_QUERY, "SECTION_QUERY"),
        (AccessMask::SECTION_MAP_WRITE, "SECTION_MAP_WRITE"),
        (AccessMask::SECTION_MAP_READ, "SECTION_MAP_READ"),
        (AccessMask::SECTION_MAP_EXECUTE, "SECTION_MAP_EXECUTE"),
        (AccessMask::SECTION_EXTEND, "SECTION_EXTEND"),
    ],
};
