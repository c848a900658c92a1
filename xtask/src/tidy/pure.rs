//! `core/` stays pure: no standard library and no unsafe code, as the compiler sees it.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

const REQUIRED: &[(&str, &[&str])] = &[
    ("#![no_std]", &["no_std"]),
    ("#![forbid(unsafe_code)]", &["forbid", "(", "unsafe_code", ")"]),
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, source) in tree.sources() {
        if !is_core_root(path) {
            continue;
        }
        for (name, tokens) in REQUIRED {
            if !source.has_inner(tokens) {
                found.push(Finding::new(path, 1, format!("no {name}: core is pure, add it")));
            }
        }
        if let Some(line) = std_always(source) {
            let text = "extern crate std: put it under cfg(test) or cfg(loom), core does without";
            found.push(Finding::new(path, line, text));
        }
    }
    found
}

fn is_core_root(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next() == Some("core") && parts.next().is_some() && parts.eq(["src", "lib.rs"])
}

/// The line of an `extern crate std` that not only tests have.
fn std_always(source: &Source) -> Option<usize> {
    let tokens = source.tokens();
    let at = tokens.windows(3).position(|words| {
        words.iter().map(|token| token.text.as_str()).eq(["extern", "crate", "std"])
    })?;
    let only_in_tests = source.attributes().into_iter().any(|attribute| {
        attribute.end == at
            && attribute.mentions("cfg")
            && !attribute.mentions("not")
            && (attribute.mentions("test") || attribute.mentions("loom"))
    });
    if only_in_tests { None } else { tokens.get(at).map(|token| token.line) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const LIB: &str = "core/model/src/lib.rs";

    #[test]
    fn a_pure_crate_is_fine_and_others_are_not_asked() {
        let text = "//! Doc.\n#![no_std]\n#![forbid(unsafe_code)]\nextern crate alloc;\n\
                    #[cfg(test)]\nextern crate std;\n";
        let files = [(LIB, text), ("core/model/src/wire/lib.rs", ""), ("broker/src/lib.rs", "")];
        assert_eq!(found(check, &files), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_found() {
        let text = "//! #![no_std]\n#![deny(unsafe_code)]\n";
        assert_eq!(
            found(check, &[(LIB, text)]),
            [
                "core/model/src/lib.rs:1: no #![no_std]: core is pure, add it",
                "core/model/src/lib.rs:1: no #![forbid(unsafe_code)]: core is pure, add it",
            ]
        );
    }

    #[test]
    fn the_standard_library_by_the_back_door_is_found() {
        for attribute in ["", "#[macro_use] ", "#[cfg(not(test))] "] {
            let text =
                format!("#![no_std]\n#![forbid(unsafe_code)]\n{attribute}extern crate std;\n");
            let lines = found(check, &[(LIB, &text)]);
            assert_eq!(lines.len(), 1, "{attribute}");
            assert!(
                lines
                    .iter()
                    .all(|line| line.starts_with("core/model/src/lib.rs:3: extern crate std"))
            );
        }
    }
}
