//! Keeps `deviation("CSH-12", ..)` in tests and "`CSH-12` test" in CAVEATS.md in step, both ways.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::Tree;

const CAVEATS: &str = "CAVEATS.md";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let tested = tested(tree);
    let listed = listed(tree.text(CAVEATS).unwrap_or_default());
    let mut found = Vec::new();
    for (id, (path, line)) in &tested {
        if !listed.contains_key(id) {
            let text =
                format!("{id} deviates, and {CAVEATS} has no \"`{id}` test\": tell users why");
            found.push(Finding::new(path, *line, text));
        }
    }
    for (id, line) in &listed {
        if !tested.contains_key(id) {
            let text =
                format!("`{id}` test: no test says deviation(\"{id}\", ..): add it, or mend");
            found.push(Finding::new(CAVEATS, *line, text));
        }
    }
    found
}

/// The ids in calls of `deviation`, each with the place of one.
fn tested(tree: &Tree) -> BTreeMap<String, (&str, usize)> {
    let mut tested = BTreeMap::new();
    for (path, source) in tree.sources() {
        for rest in source.rests() {
            let [name, open, id, ..] = rest else { continue };
            let quoted = id.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            if let ("deviation", "(", Some(id)) = (name.text.as_str(), open.text.as_str(), quoted) {
                tested.entry(id.to_owned()).or_insert((path, name.line));
            }
        }
    }
    tested
}

/// The clause ids that stand in backticks before the word "test", each with its line.
fn listed(text: &str) -> BTreeMap<String, usize> {
    let mut listed = BTreeMap::new();
    for (before, line) in text.lines().enumerate() {
        let parts: Vec<&str> = line.split('`').collect();
        for pair in parts.windows(2) {
            if let [id, after] = pair
                && is_clause(id)
                && after
                    .strip_prefix(" test")
                    .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            {
                listed.entry((*id).to_owned()).or_insert(before + 1);
            }
        }
    }
    listed
}

/// Letters and digits, a dash, a number: `CSH-12`, `F11-3`.
fn is_clause(text: &str) -> bool {
    text.split_once('-').is_some_and(|(page, number)| {
        page.starts_with(|c: char| c.is_ascii_uppercase())
            && page.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
            && !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const TEST: (&str, &str) =
        ("tests/tests/a.rs", "#[test]\nfn a() {\n    deviation(\"CSH-12\", \"why\", || ());\n}\n");

    #[test]
    fn neither_and_both_are_fine() {
        assert_eq!(found(check, &[]), [""; 0]);
        let caveats = "- Names (`CSH-12` test): they differ.\n- `CSH-13`: untested, see `F11-3`.\n";
        assert_eq!(found(check, &[TEST, (CAVEATS, caveats)]), [""; 0]);
    }

    #[test]
    fn a_deviation_that_users_are_not_told_of_is_found() {
        let expected = "tests/tests/a.rs:3: CSH-12 deviates, and CAVEATS.md has no \
                        \"`CSH-12` test\": tell users why";
        assert_eq!(found(check, &[TEST]), [expected]);
        assert_eq!(found(check, &[TEST, (CAVEATS, "- `CSH-12`: differs.\n")]), [expected]);
    }

    #[test]
    fn a_caveat_whose_test_has_gone_is_found() {
        let caveats = "# Caveats\n\n- `F11-3` test: values.\n";
        assert_eq!(
            found(check, &[(CAVEATS, caveats)]),
            ["CAVEATS.md:3: `F11-3` test: no test says deviation(\"F11-3\", ..): add it, or mend"]
        );
    }
}
