//! Refuses what stands for work that was not done: `todo!()`, an ignored test, a note to oneself.

use super::Finding;
use super::source::Token;
use super::tree::Tree;

const MACROS: &[&str] = &["todo", "unimplemented", "dbg"];
const WORDS: &[&str] = &["FIXME", "TODO", "XXX"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, source) in tree.sources() {
        found.extend(source.rests().filter_map(|rest| banned_macro(path, rest)));
        for attribute in source.attributes() {
            if attribute.tokens.first().is_some_and(|token| token.text == "ignore") {
                let text =
                    "an ignored test: let it run, or ask the kit's `require` for what it needs";
                found.push(Finding::new(path, attribute.line, text));
            }
        }
        for (line, comment) in source.comment_lines() {
            let mut words = comment.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(word) = words.find(|word| WORDS.contains(word)) {
                let text = format!("{word} in a comment: do it now, or open an issue");
                found.push(Finding::new(path, line, text));
            }
        }
    }
    found
}

fn banned_macro(path: &str, rest: &[Token]) -> Option<Finding> {
    let [name, bang, open, ..] = rest else { return None };
    let called = bang.text == "!" && ["(", "[", "{"].contains(&open.text.as_str());
    if !called || !MACROS.contains(&name.text.as_str()) {
        return None;
    }
    Some(Finding::new(path, name.line, format!("{}!: finish this, or take it out", name.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::found;

    #[test]
    fn words_in_strings_and_other_names_are_fine() {
        let text = "//! Says todo in prose.\n\
                    const A: &str = \"TODO dbg!(1)\"; // TODOS, unimplemented\n\
                    fn todo() { todo() }\n#[cfg(test)]\nfn ignore() {}\n";
        assert_eq!(found(check, &[("a.rs", text)]), [""; 0]);
    }

    #[test]
    fn macros_are_found() {
        let text =
            "fn a() {\n    dbg!(1);\n    todo!()\n}\nfn b() { std::unimplemented!(\"x\") }\n";
        assert_eq!(
            found(check, &[("a.rs", text)]),
            [
                "a.rs:2: dbg!: finish this, or take it out",
                "a.rs:3: todo!: finish this, or take it out",
                "a.rs:5: unimplemented!: finish this, or take it out",
            ]
        );
    }

    #[test]
    fn notes_to_oneself_are_found_in_every_sort_of_comment() {
        let text = "//! FIXME one\n/// XXX: two\nfn a() {} // TODO(me) three\n/*\n TODO four */\n";
        let lines = found(check, &[("a.rs", text)]);
        let starts: Vec<&str> =
            lines.iter().map(|line| line.split(" in").next().unwrap()).collect();
        assert_eq!(starts, ["a.rs:1: FIXME", "a.rs:2: XXX", "a.rs:3: TODO", "a.rs:5: TODO"]);
    }

    #[test]
    fn ignored_tests_are_found() {
        let text = "#[test]\n#[ignore]\nfn a() {}\n#[test]\n#[ignore = \"slow\"]\nfn b() {}\n";
        let lines = found(check, &[("a.rs", text)]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains("an ignored test")));
    }
}
