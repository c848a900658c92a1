//! Refuses crates and modules that are named after nothing they hold.

use std::collections::BTreeSet;

use super::Finding;
use super::manifest::manifests;
use super::tree::Tree;

const REFUSED: &[&str] = &["util", "utils", "common", "base", "helpers", "misc", "types"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for manifest in manifests(tree) {
        if let Some(word) = manifest.name.split(['-', '_']).find(|word| REFUSED.contains(word)) {
            found.push(finding(&manifest.path, manifest.name_line, "crate", word));
        }
    }
    let mut folders = BTreeSet::new();
    for (path, source) in tree.sources() {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(stem) = file.strip_suffix(".rs").filter(|stem| REFUSED.contains(stem)) {
            found.push(finding(path, 1, "file", stem));
        }
        if let Some(part) = folder.split('/').find(|part| REFUSED.contains(part))
            && folders.insert(folder)
        {
            found.push(finding(path, 1, "folder", part));
        }
        let inline = source.modules().into_iter().filter(|module| module.body.is_some());
        for module in inline.filter(|module| REFUSED.contains(&module.name)) {
            found.push(finding(path, module.line, "module", module.name));
        }
    }
    found
}

fn finding(path: &str, line: usize, what: &str, name: &str) -> Finding {
    Finding::new(path, line, format!("a {what} called {name}: call it after what it holds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    #[test]
    fn names_that_say_something_are_fine() {
        let files = [
            ("core/model/Cargo.toml", "[package]\nname = \"handfast-model\"\n"),
            ("core/model/src/lib.rs", "mod database;\nmod tests {}\nfn util() {}\n"),
            ("core/model/src/database.rs", ""),
        ];
        assert_eq!(found(check, &files), [""; 0]);
    }

    #[test]
    fn every_way_to_name_a_drawer_is_found() {
        let files = [
            ("a/Cargo.toml", "[package]\nname = \"handfast-utils\"\n"),
            ("a/src/common/mod.rs", ""),
            ("a/src/lib.rs", "\nmod helpers {}\n"),
            ("a/src/types.rs", ""),
        ];
        assert_eq!(
            found(check, &files),
            [
                "a/Cargo.toml:2: a crate called utils: call it after what it holds",
                "a/src/common/mod.rs:1: a folder called common: call it after what it holds",
                "a/src/lib.rs:2: a module called helpers: call it after what it holds",
                "a/src/types.rs:1: a file called types: call it after what it holds",
            ]
        );
    }
}
