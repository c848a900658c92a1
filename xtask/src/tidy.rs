//! What a tool can check about the repository is checked here, one file per check.
//!
//! A check is a function from the files of the tree to findings, so that each is tested on small
//! trees in memory, a good and a bad one. `cargo test` runs them all on the repository itself.

mod tree;

mod source;

mod manifest;

mod banned;
mod deviations;
mod edges;
mod layers;
mod names;
mod orphans;
mod pure;
mod sizes;
mod unsafety;

use std::fmt;
use std::path::Path;

use tree::Tree;

/// One thing to mend: where it is, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

const CHECKS: &[fn(&Tree) -> Vec<Finding>] = &[
    banned::check,
    deviations::check,
    edges::check,
    layers::check,
    names::check,
    orphans::check,
    pure::check,
    sizes::check,
    unsafety::check,
];

/// Everything to mend in the repository at `root`, by path and line.
pub(crate) fn findings(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let (tree, mut found) = Tree::read(root)?;
    found.extend(CHECKS.iter().flat_map(|check| check(&tree)));
    found.sort();
    Ok(found)
}

/// What `check` finds in a tree of `files`, each a path and its text, one finding a line.
#[cfg(test)]
fn found(check: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    check(&Tree::of(files)).iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let findings = findings(&crate::repository()).unwrap();
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "mend, then `cargo xtask tidy`:\n{}", lines.join("\n"));
    }

    #[test]
    fn the_repository_was_read() {
        let (tree, unreadable) = Tree::read(&crate::repository()).unwrap();
        assert_eq!(unreadable, []);
        assert!(tree.source("xtask/src/tidy.rs").is_some());
        assert!(tree.text("core/model/Cargo.toml").is_some());
        assert!(tree.paths().all(|path| !path.starts_with("target/")));
    }
}
