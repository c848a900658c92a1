//! Who may use whom: the one table of edges between crates, and that of the folders of the model.
//!
//! A new edge is a commit of its own that says why.

use super::Finding;
use super::manifest::{Dependency, Manifest, manifests};
use super::source::{Source, Token};
use super::tree::Tree;

/// A crate and the crates of this repository that it may use, in tests too.
const CRATES: &[(&str, Uses)] = &[
    ("handfast-model", Uses::Only(&[])),
    ("handfast-sync", Uses::Only(&["handfast-model"])),
    ("handfast-sys", Uses::Only(&["handfast-model"])),
    ("handfast-image", Uses::Only(&["handfast-broker", "handfast-sys"])),
    ("handfast-broker", Uses::Only(&["handfast-model", "handfast-sync", "handfast-sys"])),
    (
        "handfast",
        Uses::Only(&[
            "handfast-model",
            "handfast-sync",
            "handfast-sys",
            "handfast-broker",
            "handfast-image",
        ]),
    ),
    ("handfast-capi", Uses::Only(&["handfast"])),
    ("handfast-cli", Uses::Only(&["handfast", "handfast-broker", "handfast-image"])),
    ("handfast-tests", Uses::Anything),
    ("handfast-bench", Uses::Anything),
    ("handfast-bench-iceoryx2", Uses::Only(&[])),
    ("handfast-fuzz", Uses::Anything),
    ("handfast-examples", Uses::Anything),
    ("xtask", Uses::Only(&[])),
];

/// A folder of `core/model/src` and the others that it may use.
const FOLDERS: &[(&str, &[&str])] = &[
    ("contract", &[]),
    ("security", &["contract"]),
    ("object", &["contract", "security"]),
    ("wire", &["contract", "object", "security"]),
];
const MODEL: &str = "core/model/src/";

/// What the crates in `core/` may use from outside, and what their tests may use besides.
const CORE_OUTSIDE: &[&str] = &["thiserror", "bitflags", "smallvec", "zerocopy"];
const CORE_TESTS: &[&str] = &["loom", "proptest"];

#[derive(Clone, Copy)]
enum Uses {
    Anything,
    Only(&'static [&'static str]),
}

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let manifests = manifests(tree);
    for manifest in &manifests {
        let Some((_, uses)) = CRATES.iter().find(|(name, _)| *name == manifest.name) else {
            let text = format!("{} is not in xtask/src/tidy/edges.rs: add its row", manifest.name);
            found.push(Finding::new(&manifest.path, manifest.name_line, text));
            continue;
        };
        for dependency in &manifest.dependencies {
            let ours = manifests.iter().any(|other| other.name == dependency.package);
            let refused = if ours {
                refuse_edge(manifest, dependency, *uses)
            } else {
                refuse_outside(manifest, dependency)
            };
            let finding = |text| Finding::new(&manifest.path, dependency.line, text);
            found.extend(refused.map(finding));
        }
    }
    for (path, source) in tree.sources() {
        if let Some(inside) = path.strip_prefix(MODEL) {
            found.extend(check_folders(path, inside, source));
        }
    }
    found
}

fn refuse_edge(manifest: &Manifest, dependency: &Dependency, uses: Uses) -> Option<String> {
    let Uses::Only(allowed) = uses else { return None };
    if allowed.contains(&dependency.package.as_str()) {
        return None;
    }
    let list = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
    Some(format!("{} may not use {}; it may use {list}", manifest.name, dependency.package))
}

fn refuse_outside(manifest: &Manifest, dependency: &Dependency) -> Option<String> {
    let package = dependency.package.as_str();
    let for_tests = dependency.dev || dependency.target.as_deref() == Some("cfg(loom)");
    let allowed = !manifest.folder.starts_with("core/")
        || CORE_OUTSIDE.contains(&package)
        || (for_tests && CORE_TESTS.contains(&package));
    (!allowed).then(|| {
        let (always, tests) = (CORE_OUTSIDE.join(", "), CORE_TESTS.join(", "));
        format!("core may not use {package}, only {always}, and in tests {tests}")
    })
}

/// Checks every path of one file of the model that starts at the crate's root.
fn check_folders(path: &str, inside: &str, source: &Source) -> Vec<Finding> {
    let parts = module_of(inside);
    let Some(own) = parts.first() else { return Vec::new() };
    let names: Vec<&str> = FOLDERS.iter().map(|(name, _)| *name).collect();
    let Some((_, allowed)) = FOLDERS.iter().find(|(name, _)| name == own) else {
        let text = format!("the model has the folders {}: move this there", names.join(", "));
        return vec![Finding::new(path, 1, text)];
    };
    let mut found = Vec::new();
    for (used, line) in from_root(source, &parts) {
        let text = if !names.contains(&used) {
            format!("`{used}` at the crate's root: name the folder it comes from")
        } else if used != *own && !allowed.contains(&used) {
            let list =
                if allowed.is_empty() { "nothing else".to_owned() } else { allowed.join(", ") };
            format!("{own} may not use {used}; it may use {list}")
        } else {
            continue;
        };
        found.push(Finding::new(path, line, text));
    }
    found
}

/// `object/op/create.rs` is `object::op::create`; the crate's root is empty.
fn module_of(inside: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
    if let Some(&("mod" | "lib")) = parts.last() {
        parts.pop();
    }
    parts
}

/// What follows `crate::`, or as many `super::` as lead to the root, with its line.
fn from_root<'a>(source: &'a Source, file: &[&str]) -> Vec<(&'a str, usize)> {
    let inline = source.modules();
    let depth = |at: usize| {
        let around = inline.iter().filter_map(|module| module.body.as_ref());
        file.len() + around.filter(|body| body.contains(&at)).count()
    };
    let mut found = Vec::new();
    let mut before = "";
    for (at, rest) in source.rests().enumerate() {
        let supers = count_supers(rest);
        let from_crate = matches!(rest, [word, ..] if word.text == "crate");
        if from_crate {
            found.extend(after_colons(rest.get(1..).unwrap_or_default()));
        } else if before != ":" && supers > 0 && supers == depth(at) {
            found.extend(after_colons(rest.get(supers * 3 - 2..).unwrap_or_default()));
        }
        before = rest.first().map_or("", |token| token.text.as_str());
    }
    found
}

/// How many `super` with `::` between them the tokens start with.
fn count_supers(rest: &[Token]) -> usize {
    let mut texts = rest.iter().map(|token| token.text.as_str());
    let mut count = 0;
    while texts.next() == Some("super") {
        count += 1;
        if texts.next() != Some(":") || texts.next() != Some(":") {
            break;
        }
    }
    count
}

/// The first words of the paths in `:: word ..` or `:: { word .., word .. }`, but for macros.
fn after_colons(rest: &[Token]) -> Vec<(&str, usize)> {
    let [first, second, rest @ ..] = rest else { return Vec::new() };
    let Some(start) = rest.first() else { return Vec::new() };
    if first.text != ":" || second.text != ":" {
        return Vec::new();
    }
    if start.text != "{" {
        let is_macro = rest.get(1).is_some_and(|token| token.text == "!");
        return if is_macro { Vec::new() } else { vec![(&start.text, start.line)] };
    }
    let inside = rest.iter().skip(1).take_while(|token| token.depth > start.depth);
    let direct: Vec<&Token> = inside.filter(|token| token.depth == start.depth + 1).collect();
    direct
        .split(|token| token.text == ",")
        .filter_map(|path| path.first())
        .map(|token| (token.text.as_str(), token.line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    /// Checks a crate of this name, folder and dependencies, with all others beside it.
    fn check_crate(name: &str, folder: &str, rest: &str) -> Vec<String> {
        let others: Vec<(String, String)> = CRATES
            .iter()
            .filter(|(other, _)| *other != name)
            .map(|(other, _)| (format!("{other}/Cargo.toml"), manifest(other, "")))
            .collect();
        let (path, text) = (format!("{folder}/Cargo.toml"), manifest(name, rest));
        let mut files: Vec<(&str, &str)> =
            others.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.push((&path, &text));
        found(check, &files)
    }

    fn check_model(path: &str, text: &str) -> Vec<String> {
        found(check, &[(&format!("{MODEL}{path}"), text)])
    }

    #[test]
    fn edges_of_the_table_are_fine() {
        let rest =
            "[dependencies]\nhandfast-model.workspace = true\nhandfast-sys = \"1\"\nlibc = \"1\"";
        assert_eq!(check_crate("handfast-broker", "broker", rest), [""; 0]);
        let rest = "[dev-dependencies]\nhandfast = \"1\"\nxtask = \"1\"\nhandfast-cli = \"1\"";
        assert_eq!(check_crate("handfast-tests", "tests", rest), [""; 0]);
    }

    #[test]
    fn other_edges_are_found_in_every_table() {
        for table in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.build-dependencies"] {
            assert_eq!(
                check_crate("handfast-broker", "broker", &format!("[{table}]\nhandfast = \"1\"")),
                ["broker/Cargo.toml:4: handfast-broker may not use handfast; it may use \
                    handfast-model, \
                  handfast-sync, handfast-sys"]
            );
        }
        let rest = "[dependencies]\nmodel = { package = \"handfast-model\", version = \"1\" }";
        assert_eq!(
            check_crate("xtask", "xtask", rest),
            ["xtask/Cargo.toml:4: xtask may not use handfast-model; it may use nothing of ours"]
        );
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_eq!(
            check_crate("handfast-extra", "extra", ""),
            ["extra/Cargo.toml:2: handfast-extra is not in xtask/src/tidy/edges.rs: add its row"]
        );
    }

    #[test]
    fn core_uses_little_from_outside() {
        let fine = "[dependencies]\nbitflags = \"2\"\n[dev-dependencies]\nproptest = \"1\"\n\
                    [target.'cfg(loom)'.dependencies]\nloom = \"0.7\"\n";
        assert_eq!(check_crate("handfast-sync", "core/sync", fine), [""; 0]);
        for rest in [
            "[dependencies]\nlibc = \"1\"",
            "[dependencies]\nproptest = \"1\"",
            "[dev-dependencies]\nrand = \"1\"",
        ] {
            let lines = check_crate("handfast-sync", "core/sync", rest);
            assert_eq!(lines.len(), 1, "{rest}");
            assert!(
                lines
                    .iter()
                    .all(|line| line.starts_with("core/sync/Cargo.toml:4: core may not use"))
            );
        }
    }

    #[test]
    fn folders_of_the_model_use_those_below() {
        let text = "use crate::{contract::Status, security, object::{self, x}};\n\
                    macro_rules! a { () => { $crate::b!() } }\n\
                    mod tests { use super::super::x; }\n";
        assert_eq!(check_model("wire/message.rs", text), [""; 0]);
        assert_eq!(check_model("object/op/create.rs", "use super::super::error;\n"), [""; 0]);
        assert_eq!(check_model("lib.rs", "pub use crate::wire::Message;\n"), [""; 0]);
    }

    #[test]
    fn folders_of_the_model_that_use_one_above_are_found() {
        let expected = ["core/model/src/object/op/create.rs:2: object may not use wire; \
             it may use contract, security"];
        for text in [
            "\nuse crate::wire::Message;\n",
            "\nuse crate::{contract::Status, wire::Message};\n",
            "\nfn a(_: &crate::wire::Message) {}\n",
            "\nuse super::super::super::wire::Message;\n",
            "\nmod tests { use super::super::super::super::wire; }\n",
        ] {
            assert_eq!(check_model("object/op/create.rs", text), expected, "{text}");
        }
        assert_eq!(
            check_model("contract/status.rs", "pub(in crate::object) use crate::security::Sid;\n")
                .len(),
            2
        );
    }

    #[test]
    fn ways_around_the_folders_are_found() {
        assert_eq!(
            check_model("contract/mod.rs", "use crate::Message;\n"),
            ["core/model/src/contract/mod.rs:1: `Message` at the crate's root: \
                 name the folder it comes from"]
        );
        assert_eq!(
            check_model("extra.rs", ""),
            ["core/model/src/extra.rs:1: the model has the folders contract, \
                 security, object, wire: move this there"]
        );
    }
}
