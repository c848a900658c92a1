//! Refuses long files, long pages and long lines.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

const FILE_LINES_MAX: usize = 800;
const PAGE_LINES_MAX: usize = 400;
const LINE_COLUMNS_MAX: usize = 100;

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.texts("rs") {
        let tests = tree.source(path).map_or(0, test_lines);
        let lines = text.lines().count() - tests;
        if lines > FILE_LINES_MAX {
            let text = format!("{lines} lines without tests, at most {FILE_LINES_MAX}: split it");
            found.push(Finding::new(path, FILE_LINES_MAX + 1, text));
        }
        for (before, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            let has_address = line.contains("https://") || line.contains("http://");
            if columns > LINE_COLUMNS_MAX && !has_address {
                let text = format!("{columns} columns, at most {LINE_COLUMNS_MAX}: break the line");
                found.push(Finding::new(path, before + 1, text));
            }
        }
    }
    for (path, text) in tree.texts("md") {
        let lines = text.lines().count();
        if lines > PAGE_LINES_MAX {
            let text = format!("{lines} lines, at most {PAGE_LINES_MAX}: split the page");
            found.push(Finding::new(path, PAGE_LINES_MAX + 1, text));
        }
    }
    found
}

/// How many lines the outermost `#[cfg(.. test ..)] mod name { .. }` take.
fn test_lines(source: &Source) -> usize {
    let line = |at: usize| source.tokens().get(at).map_or(0, |token| token.line);
    source
        .modules()
        .iter()
        .filter(|module| module.parents.is_empty())
        .filter_map(|module| {
            let body = module.body.as_ref()?;
            let cfg = module.attributes.iter().find(|attribute| {
                attribute.mentions("cfg")
                    && attribute.mentions("test")
                    && !is_not_test(attribute.tokens)
            })?;
            Some(line(body.end - 1) + 1 - cfg.line)
        })
        .sum()
}

/// Whether the condition is `not(test)`, so that what follows is the product.
fn is_not_test(tokens: &[super::source::Token]) -> bool {
    tokens
        .windows(3)
        .any(|words| words.iter().map(|token| token.text.as_str()).eq(["not", "(", "test"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    const TESTS: &str = "#[cfg(all(test, not(loom)))]\nmod tests {\n    fn a() {}\n}\n";

    fn lines(count: usize) -> String {
        "// A line.\n".repeat(count)
    }

    #[test]
    fn sizes_at_the_limits_are_fine() {
        let rust = lines(800) + TESTS;
        let files = [("a.rs", rust.as_str()), ("a.md", &lines(400)), ("b.rs", &"/".repeat(100))];
        assert_eq!(found(check, &files), [""; 0]);
    }

    #[test]
    fn a_long_file_is_found_wherever_its_tests_are() {
        let expected = ["a.rs:801: 801 lines without tests, at most 800: split it"];
        assert_eq!(found(check, &[("a.rs", &(lines(801) + TESTS))]), expected);
        assert_eq!(found(check, &[("a.rs", &(TESTS.to_owned() + &lines(801)))]), expected);
        let elsewhere = "#[cfg(test)]\nmod tests;\n".to_owned() + &lines(799);
        assert_eq!(found(check, &[("a.rs", &elsewhere)]), expected);
        let product = "#[cfg(not(test))]\nmod a {\n}\n".to_owned() + &lines(798);
        assert_eq!(found(check, &[("a.rs", &product)]), expected);
    }

    #[test]
    fn a_long_page_is_found() {
        assert_eq!(
            found(check, &[("docs/a.md", &lines(401))]),
            ["docs/a.md:401: 401 lines, at most 400: split the page"]
        );
    }

    #[test]
    fn a_long_line_is_found_and_an_address_is_not() {
        let text = format!("\n//{}\n// https://{}\n", "ä".repeat(99), "a".repeat(99));
        assert_eq!(
            found(check, &[("a.rs", &text)]),
            ["a.rs:2: 101 columns, at most 100: break the line"]
        );
    }
}
