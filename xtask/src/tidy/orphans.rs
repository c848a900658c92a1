//! Finds `.rs` files that no `mod` line reaches, so that no code lies about uncompiled.

use std::collections::BTreeSet;

use super::Finding;
use super::manifest::{Manifest, manifests};
use super::source::{Module, Source, Token};
use super::tree::Tree;

/// Folders of a package whose files belong to it.
const FOLDERS: &[&str] = &["src/", "tests/", "benches/", "examples/"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for manifest in manifests(tree) {
        let files: BTreeSet<&str> = tree.paths().filter(|path| belongs(path, &manifest)).collect();
        let is_root = |path: &&str| is_root(path, &manifest);
        let mut open: Vec<String> =
            files.iter().copied().filter(is_root).map(str::to_owned).collect();
        let mut reached = BTreeSet::new();
        while let Some(path) = open.pop() {
            if let Some(source) = tree.source(&path) {
                let owns_folder = is_root(&path.as_str()) || path.ends_with("/mod.rs");
                if reached.insert(path.clone()) {
                    open.extend(reaches(&path, owns_folder, source));
                }
            }
        }
        for path in files.into_iter().filter(|path| !reached.contains(*path)) {
            let text = "no `mod` line reaches this file: add one, or delete the file";
            found.push(Finding::new(path, 1, text));
        }
    }
    found
}

fn belongs(path: &str, manifest: &Manifest) -> bool {
    path.ends_with(".rs")
        && path
            .strip_prefix(&manifest.folder)
            .is_some_and(|rest| FOLDERS.iter().any(|folder| rest.starts_with(folder)))
}

/// Whether Cargo builds a target from this file.
fn is_root(path: &str, manifest: &Manifest) -> bool {
    let Some(rest) = path.strip_prefix(&manifest.folder) else { return false };
    let target = ["src/bin/", "tests/", "benches/", "examples/"]
        .iter()
        .find_map(|folder| rest.strip_prefix(folder))
        .is_some_and(|rest| {
            !rest.contains('/') || rest.split_once('/').is_some_and(|(_, rest)| rest == "main.rs")
        });
    target
        || matches!(rest, "src/lib.rs" | "src/main.rs")
        || manifest.targets.iter().any(|target| target == path)
}

/// The paths that the file's `mod` lines and `include!`s may mean.
fn reaches(path: &str, owns_folder: bool, source: &Source) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let own = if owns_folder { folder } else { path.strip_suffix(".rs").unwrap_or(path) };
    let mut reached = Vec::new();
    for module in source.modules().iter().filter(|module| module.body.is_none()) {
        let inside = module.parents.iter().fold(own.to_owned(), |folder, name| folder + "/" + name);
        reached.push(format!("{inside}/{}.rs", module.name));
        reached.push(format!("{inside}/{}/mod.rs", module.name));
        let from = if module.parents.is_empty() { folder } else { &inside };
        reached.extend(paths(module).map(|path| join(from, path)));
    }
    for rest in source.rests() {
        if let [name, bang, open, file, ..] = rest
            && (name.text.as_str(), bang.text.as_str(), open.text.as_str()) == ("include", "!", "(")
            && let Some(file) = quoted(file)
        {
            reached.push(join(folder, file));
        }
    }
    reached
}

/// What `#[path = ".."]` and `#[cfg_attr(.., path = "..")]` say.
fn paths<'a>(module: &'a Module<'_>) -> impl Iterator<Item = &'a str> {
    module.attributes.iter().flat_map(|attribute| attribute.tokens.windows(3)).filter_map(|words| {
        let [path, equals, file] = words else { return None };
        let named = path.text == "path" && equals.text == "=";
        named.then(|| quoted(file)).flatten()
    })
}

fn quoted(token: &Token) -> Option<&str> {
    token.text.strip_prefix('"')?.strip_suffix('"')
}

/// `path` from `folder`, with `.` and `..` taken out.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const CLI: (&str, &str) = (
        "cli/Cargo.toml",
        "[package]\nname = \"cli\"\n[[bin]]\nname = \"x\"\npath = \"src/program.rs\"\n",
    );

    fn check_found(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<(&str, &str)> = [CLI].into_iter().chain(files.iter().copied()).collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|path| {
                format!("{path}:1: no `mod` line reaches this file: add one, or delete the file")
            })
            .collect();
        assert_eq!(found(check, &files), expected);
    }

    #[test]
    fn roots_are_reached_by_cargo() {
        let roots = [
            ("cli/src/program.rs", "fn main() {}"),
            ("cli/src/lib.rs", ""),
            ("cli/src/bin/b.rs", ""),
            ("cli/tests/c.rs", ""),
            ("cli/tests/d/main.rs", "mod e;"),
            ("cli/tests/d/e.rs", ""),
            ("cli/build.rs", ""),
        ];
        check_found(&roots, &[]);
    }

    #[test]
    fn mod_lines_reach_files_of_both_forms() {
        let files = [
            ("cli/src/main.rs", "mod a;\nmod b;\nmod c { mod d; }\n"),
            ("cli/src/a.rs", "mod inner;"),
            ("cli/src/a/inner.rs", ""),
            ("cli/src/b/mod.rs", "mod inner;"),
            ("cli/src/b/inner.rs", ""),
            ("cli/src/c/d.rs", ""),
        ];
        check_found(&files, &[]);
    }

    #[test]
    fn path_and_include_reach_files() {
        let files = [
            (
                "cli/src/main.rs",
                "#[cfg_attr(loom, path = \"loom/a.rs\")]\nmod a;\ninclude!(\"../src/i.rs\");",
            ),
            ("cli/src/a.rs", "#[path = \"./odd.rs\"]\nmod b;"),
            ("cli/src/loom/a.rs", ""),
            ("cli/src/odd.rs", ""),
            ("cli/src/i.rs", ""),
        ];
        check_found(&files, &[]);
    }

    #[test]
    fn files_that_nothing_reaches_are_found() {
        let files = [
            ("cli/src/main.rs", "// mod a;\nconst A: &str = \"mod a;\";\nmod b;\n"),
            ("cli/src/a.rs", ""),
            ("cli/src/b.rs", "mod c;"),
            ("cli/src/c.rs", ""),
            ("cli/src/lost/d.rs", "mod e;"),
            ("cli/src/lost/d/e.rs", ""),
            ("cli/tests/kit/mod.rs", ""),
        ];
        let lost = ["cli/src/a.rs", "cli/src/c.rs", "cli/src/lost/d.rs", "cli/src/lost/d/e.rs"];
        check_found(&files, &[lost.as_slice(), &["cli/tests/kit/mod.rs"]].concat());
    }
}
