//! The files that the checks look at, with their Rust sources cut into tokens.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;

use super::Finding;
use super::source::Source;

/// Extensions of the files that some check reads.
const READ: &[&str] = &["rs", "md", "toml"];

/// Paths from the root, with `/`, and what they hold.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    texts: BTreeMap<String, String>,
    sources: BTreeMap<String, Source>,
}

impl Tree {
    /// Reads what lies under `root`, but for hidden folders and build output, and says which files
    /// are not Rust though they are named so.
    pub(crate) fn read(root: &Path) -> anyhow::Result<(Self, Vec<Finding>)> {
        let (mut tree, mut found) = (Self::default(), Vec::new());
        tree.read_folder(root, "", &mut found)?;
        Ok((tree, found))
    }

    fn read_folder(
        &mut self,
        folder: &Path,
        prefix: &str,
        found: &mut Vec<Finding>,
    ) -> anyhow::Result<()> {
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                self.read_folder(&entry.path(), &format!("{path}/"), found)?;
            } else if kind.is_file() && READ.iter().any(|end| has_extension(&name, end)) {
                let text = fs::read_to_string(entry.path()).with_context(|| path.clone())?;
                found.extend(self.add(&path, text));
            }
        }
        Ok(())
    }

    /// Puts one file in; the finding says that it is no Rust.
    fn add(&mut self, path: &str, text: String) -> Option<Finding> {
        let mut finding = None;
        if has_extension(path, "rs") {
            match Source::parse(&text) {
                Ok(source) => drop(self.sources.insert(path.to_owned(), source)),
                Err((line, error)) => finding = Some(Finding::new(path, line, error)),
            }
        }
        self.texts.insert(path.to_owned(), text);
        finding
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// The files with this extension.
    pub(crate) fn texts(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .filter(move |(path, _)| has_extension(path, extension))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.get(path)
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(path, source)| (path.as_str(), source))
    }

    /// A tree in memory, whose Rust must be Rust.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            let finding = tree.add(path, (*text).to_owned());
            assert_eq!(finding, None);
        }
        tree
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, end)| end == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_rust_is_found() {
        let finding = Tree::default().add("a.rs", "fn a() {\n\n )".to_owned()).unwrap();
        assert_eq!(finding.to_string(), "a.rs:3: no Rust: cannot parse string into token stream");
    }
}
