//! Each folder that holds packages is a layer, and has a README.md of at most 15 lines.

use std::collections::BTreeSet;

use super::Finding;
use super::manifest::manifests;
use super::tree::Tree;

const LINES_MAX: usize = 15;

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = manifests(tree);
    let layers: BTreeSet<&str> = manifests
        .iter()
        .filter_map(|manifest| manifest.folder.split_once('/'))
        .map(|x| x.0)
        .collect();
    layers
        .into_iter()
        .filter_map(|layer| check_readme(tree, &format!("{layer}/README.md")))
        .collect()
}

fn check_readme(tree: &Tree, path: &str) -> Option<Finding> {
    let Some(text) = tree.text(path) else {
        let text = "missing: say what belongs here, what it may use and what is banned";
        return Some(Finding::new(path, 1, text));
    };
    let lines = text.lines().count();
    (lines > LINES_MAX).then(|| {
        let text = format!("{lines} lines: a layer's README has {LINES_MAX}, the rest is for docs");
        Finding::new(path, lines, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const MODEL: (&str, &str) = ("core/model/Cargo.toml", "[package]\nname = \"handfast-model\"\n");

    #[test]
    fn a_layer_with_a_short_readme_is_fine() {
        assert_eq!(found(check, &[MODEL, ("core/README.md", &"line\n".repeat(15))]), [""; 0]);
    }

    #[test]
    fn a_layer_without_one_is_found() {
        assert_eq!(
            found(check, &[MODEL, ("core/model/README.md", "not the layer's\n")]),
            ["core/README.md:1: missing: say what belongs here, what it may use and what is \
                 banned"]
        );
    }

    #[test]
    fn a_long_one_is_found() {
        assert_eq!(
            found(check, &[MODEL, ("core/README.md", &"line\n".repeat(16))]),
            ["core/README.md:16: 16 lines: a layer's README has 15, the rest is for docs"]
        );
    }
}
