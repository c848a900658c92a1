//! What the checks need from the `Cargo.toml` of each package.

use toml::de::{DeTable, DeValue};

use super::tree::Tree;

/// One package.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// Path of its `Cargo.toml`.
    pub(crate) path: String,
    /// Its folder, with a `/` at the end; empty for the root.
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) name_line: usize,
    pub(crate) dependencies: Vec<Dependency>,
    /// Source files that it names itself, from the root.
    pub(crate) targets: Vec<String>,
}

/// One line of a table of dependencies.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// Of the package, whatever it is called here.
    pub(crate) package: String,
    pub(crate) line: usize,
    /// Stands in a table for tests.
    pub(crate) dev: bool,
    /// Stands in a table for one target, such as `cfg(loom)`.
    pub(crate) target: Option<String>,
}

/// The packages of the tree. A manifest that cannot be read is Cargo's to complain about.
pub(crate) fn manifests(tree: &Tree) -> Vec<Manifest> {
    let root = tree.text("Cargo.toml").and_then(parse);
    let shared = root.as_ref().and_then(|root| table(root, &["workspace", "dependencies"]));
    let is_manifest = |path: &&str| *path == "Cargo.toml" || path.ends_with("/Cargo.toml");
    tree.paths()
        .filter(is_manifest)
        .filter_map(|path| manifest(path, tree.text(path)?, shared))
        .collect()
}

fn manifest(path: &str, text: &str, shared: Option<&DeTable<'_>>) -> Option<Manifest> {
    let root = parse(text)?;
    let (key, name) = table(&root, &["package"])?.get_key_value("name")?;
    let folder = path.strip_suffix("Cargo.toml")?.to_owned();
    let mut dependencies = dependencies(&root, text, shared, None);
    for (name, value) in table(&root, &["target"]).into_iter().flatten() {
        if let DeValue::Table(inner) = value.get_ref() {
            dependencies.extend(self::dependencies(inner, text, shared, Some(name.get_ref())));
        }
    }
    Some(Manifest {
        path: path.to_owned(),
        name: name.get_ref().as_str()?.to_owned(),
        name_line: line(text, key.span().start),
        targets: targets(&root).iter().map(|target| format!("{folder}{target}")).collect(),
        folder,
        dependencies,
    })
}

fn dependencies(
    root: &DeTable<'_>,
    text: &str,
    shared: Option<&DeTable<'_>>,
    target: Option<&str>,
) -> Vec<Dependency> {
    let tables = ["dependencies", "build-dependencies", "dev-dependencies"];
    let rows = tables.iter().flat_map(|name| {
        table(root, &[name]).into_iter().flatten().map(move |(key, value)| (name, key, value))
    });
    rows.map(|(table_name, key, value)| Dependency {
        package: renamed(value.get_ref())
            .or_else(|| shared?.get(key.get_ref().as_ref()).and_then(|row| renamed(row.get_ref())))
            .unwrap_or(key.get_ref())
            .to_owned(),
        line: line(text, key.span().start),
        dev: *table_name == "dev-dependencies",
        target: target.map(str::to_owned),
    })
    .collect()
}

/// The `path` of `[lib]` and of every `[[bin]]`, `[[test]]`, `[[bench]]` and `[[example]]`.
fn targets(root: &DeTable<'_>) -> Vec<String> {
    let lib = table(root, &["lib"]).into_iter();
    let arrays = ["bin", "test", "bench", "example"].into_iter().filter_map(|name| root.get(name));
    let rows = arrays.filter_map(|row| row.get_ref().as_array()).flatten();
    let tables = lib.chain(rows.filter_map(|row| row.get_ref().as_table()));
    tables.filter_map(|row| Some(row.get("path")?.get_ref().as_str()?.to_owned())).collect()
}

fn renamed<'a>(dependency: &'a DeValue<'_>) -> Option<&'a str> {
    dependency.as_table()?.get("package")?.get_ref().as_str()
}

fn parse(text: &str) -> Option<DeTable<'_>> {
    DeTable::parse(text).ok().map(|root| root.into_inner())
}

fn table<'a, 'i>(root: &'a DeTable<'i>, path: &[&str]) -> Option<&'a DeTable<'i>> {
    path.iter().try_fold(root, |table, name| table.get(*name)?.get_ref().as_table())
}

fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_seen_through_targets_and_other_names() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace.dependencies]\nm = { path = \"m\", package = \"model\" }\n"),
            (
                "a/Cargo.toml",
                "[package]\nname = \"a\"\n[dependencies]\nm.workspace = true\n\
                 [target.'cfg(loom)'.dev-dependencies]\nx = { version = \"1\", package = \"y\" }\n\
                 [[bin]]\nname = \"b\"\npath = \"src/b.rs\"\n",
            ),
        ]);
        let manifests = manifests(&tree);
        let a = manifests.first().unwrap();
        assert_eq!((manifests.len(), a.name.as_str(), a.name_line), (1, "a", 2));
        assert_eq!(a.targets, ["a/src/b.rs"]);
        let [m, x] = a.dependencies.as_slice() else { panic!("{a:?}") };
        assert_eq!((m.package.as_str(), m.line, m.dev, &m.target), ("model", 4, false, &None));
        assert_eq!((x.package.as_str(), x.line, x.dev), ("y", 6, true));
        assert_eq!(x.target.as_deref(), Some("cfg(loom)"));
    }
}
