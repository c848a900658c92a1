//! Unsafe code lies in few crates, and each of its files says why it is there.

use super::Finding;
use super::manifest::manifests;
use super::source::{Attribute, Source, Token};
use super::tree::Tree;

/// Folders in which a file may hold unsafe code; everywhere else the crate's root forbids it.
const ALLOWED: &[&str] = &[
    "linux/sys/",
    "linux/image/",
    "linux/kms/",
    "linux/vulkan/",
    "capi/",
    "integrations/",
    "tests/src/",
];
const FORBID: &[&str] = &["forbid", "(", "unsafe_code", ")"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, source) in tree.sources() {
        found.extend(check_file(path, source));
    }
    for manifest in manifests(tree) {
        let folder = format!("{}src/", manifest.folder);
        if ALLOWED.iter().any(|allowed| folder.starts_with(allowed)) {
            continue;
        }
        for root in tree.paths().filter(|path| is_root(path, &folder)) {
            if tree.source(root).is_some_and(|source| !source.has_inner(FORBID)) {
                let text = "no #![forbid(unsafe_code)]: add it, unsafe code lies elsewhere";
                found.push(Finding::new(root, 1, text));
            }
        }
    }
    found
}

fn check_file(path: &str, source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut expected = false;
    for attribute in
        source.attributes().iter().filter(|attribute| attribute.mentions("unsafe_code"))
    {
        let forbids = attribute.tokens.first().is_some_and(|word| word.text == "forbid");
        if is_expect(attribute) {
            expected = true;
        } else if !forbids {
            let text = "say #![expect(unsafe_code, reason = \"UNSAFETY: ..\")] once, at the top";
            found.push(Finding::new(path, attribute.line, text));
        }
    }
    let Some(line) = source.rests().find_map(unsafe_line) else { return found };
    if !ALLOWED.iter().any(|allowed| path.starts_with(allowed)) {
        let text = format!("unsafe code here: it lies in {}", ALLOWED.join(", "));
        found.push(Finding::new(path, line, text));
    } else if !expected {
        let text =
            "unsafe code without #![expect(unsafe_code, reason = \"UNSAFETY: ..\")]: add why";
        found.push(Finding::new(path, line, text));
    }
    found
}

/// The line of the first token if that begins unsafe code; the type `unsafe fn(..)` does not.
fn unsafe_line(rest: &[Token]) -> Option<usize> {
    let [word, after @ ..] = rest else { return None };
    if word.text != "unsafe" {
        return None;
    }
    let is_abi = |token: &&Token| token.text == "extern" || token.text.starts_with('"');
    let mut after = after.iter().skip_while(is_abi).map(|token| token.text.as_str());
    let is_type = after.next() == Some("fn") && after.next() == Some("(");
    (!is_type).then_some(word.line)
}

/// Whether it is for the whole file and gives the reason in the house's form, not an empty one.
fn is_expect(attribute: &Attribute<'_>) -> bool {
    let texts: Vec<&str> = attribute.tokens.iter().map(|token| token.text.as_str()).collect();
    let ["expect", "(", "unsafe_code", ",", "reason", "=", reason, .., ")"] = texts.as_slice()
    else {
        return false;
    };
    let why = reason.strip_prefix("\"UNSAFETY: ").and_then(|text| text.strip_suffix('"'));
    attribute.inner && why.is_some_and(|why| !why.trim().is_empty())
}

fn is_root(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| {
        let bin = rest.strip_prefix("bin/");
        matches!(rest, "lib.rs" | "main.rs")
            || bin.is_some_and(|rest| !rest.contains('/') || rest.ends_with("/main.rs"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const REASON: &str = "#![expect(unsafe_code, reason = \"UNSAFETY: maps pages.\")]\n";
    const UNSAFE: &str = "fn a(f: unsafe fn(u8)) {\n    unsafe { f(1) }\n}\n";

    #[test]
    fn unsafe_code_with_its_reason_in_its_place_is_fine() {
        let file = REASON.to_owned() + UNSAFE;
        assert_eq!(found(check, &[("linux/sys/src/mapping.rs", &file)]), [""; 0]);
    }

    #[test]
    fn the_word_in_types_strings_and_lints_is_no_unsafe_code() {
        let file = "#![forbid(unsafe_code)]\n// unsafe {}\ntype A = unsafe extern \"C\" fn(u8);\n\
                    const B: &str = \"unsafe {}\";\n";
        assert_eq!(found(check, &[("broker/src/a.rs", file)]), [""; 0]);
    }

    #[test]
    fn unsafe_code_without_a_reason_is_found() {
        let path = "linux/sys/src/mapping.rs";
        let expected = "linux/sys/src/mapping.rs:2: unsafe code without \
                        #![expect(unsafe_code, reason = \"UNSAFETY: ..\")]: add why";
        assert_eq!(found(check, &[(path, UNSAFE)]), [expected]);
        let declared = "\nunsafe extern \"C\" fn b() {}\n";
        assert_eq!(found(check, &[(path, declared)]), [expected]);
    }

    #[test]
    fn a_reason_of_another_form_is_found() {
        for lint in [
            "#![expect(unsafe_code, reason = \"maps pages\")]",
            "#![expect(unsafe_code, reason = \"UNSAFETY: \")]",
            "#![allow(unsafe_code, reason = \"UNSAFETY: maps pages\")]",
            "#[expect(unsafe_code, reason = \"UNSAFETY: maps pages\")]",
        ] {
            let lines = found(check, &[("linux/sys/src/a.rs", &format!("{lint}\n{UNSAFE}"))]);
            assert_eq!(lines.len(), 2, "{lint}: {lines:?}");
        }
    }

    #[test]
    fn unsafe_code_in_another_crate_is_found() {
        let file = REASON.to_owned() + UNSAFE;
        let lines = found(check, &[("broker/src/turn.rs", &file)]);
        assert_eq!(lines.len(), 1);
        assert!(
            lines.iter().all(|line| line.starts_with("broker/src/turn.rs:3: unsafe code here"))
        );
    }

    #[test]
    fn roots_that_do_not_forbid_it_are_found() {
        let manifest = "[package]\nname = \"x\"\n";
        let files = [
            ("broker/Cargo.toml", manifest),
            ("broker/src/lib.rs", "#![forbid(unsafe_code)]\n"),
            ("cli/Cargo.toml", manifest),
            ("cli/src/main.rs", "#![deny(unsafe_code, reason = \"x\")]\nfn main() {}\n"),
            ("linux/sys/Cargo.toml", manifest),
            ("linux/sys/src/lib.rs", ""),
            ("xtask/Cargo.toml", manifest),
            ("xtask/src/bin/a.rs", "fn main() {}\n"),
        ];
        assert_eq!(
            found(check, &files),
            [
                "cli/src/main.rs:1: say #![expect(unsafe_code, reason = \"UNSAFETY: ..\")] once, \
                 at the top",
                "cli/src/main.rs:1: no #![forbid(unsafe_code)]: add it, unsafe code lies elsewhere",
                "xtask/src/bin/a.rs:1: no #![forbid(unsafe_code)]: add it, \
                 unsafe code lies elsewhere",
            ]
        );
    }
}
