//! A Rust file as a flat row of tokens, with comments apart, so that no check mistakes a word in a
//! string or a comment for code.

use std::ops::Range;
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// A word, one punctuation mark, a literal as written, or a bracket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
    /// How many brackets are open before it; a bracket has the depth of what is around it.
    pub(crate) depth: usize,
}

/// One `#[..]` or `#![..]`.
#[derive(Debug)]
pub(crate) struct Attribute<'a> {
    /// Written `#![..]`: about what it stands in.
    pub(crate) inner: bool,
    /// What stands between the square brackets.
    pub(crate) tokens: &'a [Token],
    pub(crate) line: usize,
    /// Index of the first token after it.
    pub(crate) end: usize,
}

/// One `mod name;` or `mod name { .. }`.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: usize,
    /// The inline modules around it, outermost first.
    pub(crate) parents: Vec<&'a str>,
    /// The attributes before it.
    pub(crate) attributes: Vec<Attribute<'a>>,
    /// The tokens of an inline module's body with its brackets, `None` for `mod name;`.
    pub(crate) body: Option<Range<usize>>,
}

/// The tokens and the comments of one file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    tokens: Vec<Token>,
    /// The file with everything blanked that is not a comment.
    comments: String,
}

impl Source {
    /// Cuts `text` into tokens, or gives the line and the reason why it is no Rust.
    pub(crate) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let stream = TokenStream::from_str(text)
            .map_err(|error| (error.span().start().line, format!("no Rust: {error}")))?;
        let mut cutter = Cutter { text, tokens: Vec::new(), comments: text.as_bytes().to_vec() };
        cutter.cut(stream, 0);
        let comments = String::from_utf8_lossy(&cutter.comments).into_owned();
        Ok(Self { tokens: cutter.tokens, comments })
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The tokens from each position on, to be matched with slice patterns.
    pub(crate) fn rests(&self) -> impl Iterator<Item = &[Token]> {
        (0..self.tokens.len()).filter_map(|at| self.tokens.get(at..))
    }

    /// Each line from 1, with its comments only.
    pub(crate) fn comment_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.comments.lines().enumerate().map(|(before, line)| (before + 1, line))
    }

    pub(crate) fn attributes(&self) -> Vec<Attribute<'_>> {
        (0..self.tokens.len()).filter_map(|at| self.attribute(at)).collect()
    }

    /// Whether the file begins with an attribute of exactly these tokens, written `#![..]`.
    pub(crate) fn has_inner(&self, expected: &[&str]) -> bool {
        self.attributes().iter().any(|attribute| {
            let texts = attribute.tokens.iter().map(|token| token.text.as_str());
            attribute.inner && texts.eq(expected.iter().copied())
        })
    }

    pub(crate) fn modules(&self) -> Vec<Module<'_>> {
        let mut modules: Vec<Module<'_>> = Vec::new();
        let mut attributes = Vec::new();
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            if let Some(attribute) = self.attribute(at) {
                at = attribute.end;
                if !attribute.inner {
                    attributes.push(attribute);
                }
                continue;
            }
            if token.text == "mod"
                && let Some([name, next]) = self.tokens.get(at + 1..at + 3)
                && (next.text == ";" || next.text == "{")
            {
                let around = |module: &&Module<'_>| {
                    module.body.as_ref().is_some_and(|body| body.contains(&at))
                };
                modules.push(Module {
                    name: &name.text,
                    line: token.line,
                    parents: modules.iter().filter(around).map(|module| module.name).collect(),
                    attributes: std::mem::take(&mut attributes),
                    body: (next.text == "{").then(|| at + 2..self.end_of(at + 2)),
                });
            }
            // `pub(in path)` is all that may stand between the attributes of a module and `mod`.
            if [";", "{", "}", "="].contains(&token.text.as_str()) {
                attributes.clear();
            }
            at += 1;
        }
        modules
    }

    /// Index just after the bracket that closes the one at `open`.
    pub(crate) fn end_of(&self, open: usize) -> usize {
        let depth = self.tokens.get(open).map_or(0, |token| token.depth);
        let closes =
            |token: &Token| token.depth == depth && [")", "]", "}"].contains(&token.text.as_str());
        let inside = self.tokens.get(open + 1..).unwrap_or_default();
        let length = inside.iter().position(closes).unwrap_or(inside.len());
        open + length + 2
    }

    fn attribute(&self, at: usize) -> Option<Attribute<'_>> {
        let hash = self.tokens.get(at).filter(|token| token.text == "#")?;
        let inner = self.tokens.get(at + 1)?.text == "!";
        let open = at + 1 + usize::from(inner);
        self.tokens.get(open).filter(|token| token.text == "[")?;
        let end = self.end_of(open);
        let tokens = self.tokens.get(open + 1..end - 1)?;
        Some(Attribute { inner, tokens, line: hash.line, end })
    }
}

impl Attribute<'_> {
    pub(crate) fn mentions(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.text == word)
    }
}

/// Makes a [`Source`]: collects tokens and blanks them out of a copy of the text.
struct Cutter<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    comments: Vec<u8>,
}

impl Cutter<'_> {
    fn cut(&mut self, stream: TokenStream, depth: usize) {
        let mut doc = None;
        for tree in stream {
            let range = tree.span().byte_range();
            // A doc comment comes as `#`, perhaps `!`, and `[doc = ".."]`, all with its own range.
            let starts_doc = |text: &str| text.starts_with("//") || text.starts_with("/*");
            if doc.as_ref() == Some(&range) || self.text.get(range.clone()).is_some_and(starts_doc)
            {
                doc = Some(range);
                continue;
            }
            if let TokenTree::Group(group) = &tree {
                self.cut_group(group, depth);
            } else {
                self.push(tree.to_string(), tree.span(), depth);
            }
        }
    }

    fn cut_group(&mut self, group: &Group, depth: usize) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.push(open.to_owned(), group.span_open(), depth);
        self.cut(group.stream(), depth + 1);
        self.push(close.to_owned(), group.span_close(), depth);
    }

    fn push(&mut self, text: String, span: Span, depth: usize) {
        for byte in self.comments.get_mut(span.byte_range()).unwrap_or_default() {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        self.tokens.push(Token { text, line: span.start().line, depth });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse(text).unwrap()
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        let source =
            source("/// One.\nfn a() {} // two\n/* three */ const B: &str = \"four // x\";");
        let words: Vec<&str> = source.tokens().iter().map(|token| token.text.as_str()).collect();
        let code = "fn a ( ) { } const B : & str = \"four // x\" ;";
        assert_eq!(words.join(" "), code);
        let comments: Vec<&str> = source.comment_lines().map(|(_, line)| line.trim()).collect();
        assert_eq!(comments, ["/// One.", "// two", "/* three */"]);
    }

    #[test]
    fn inner_doc_comments_and_letters_beyond_ascii_keep_their_place() {
        let source = source("//! Größe.\nconst Ü: &str = \"ä\"; // Öl\nmod b;");
        let comments: Vec<&str> = source.comment_lines().map(|(_, line)| line.trim()).collect();
        assert_eq!(comments, ["//! Größe.", "// Öl", ""]);
        assert_eq!(source.modules().first().unwrap().line, 3);
    }

    #[test]
    fn modules_know_their_parents_and_attributes() {
        let source =
            source("#[cfg(test)]\npub(crate) mod a {\n #[path = \"x.rs\"] mod b; }\nmod c;");
        let modules: Vec<String> = source
            .modules()
            .iter()
            .map(|m| format!("{:?} {} {} {}", m.parents, m.name, m.attributes.len(), m.line))
            .collect();
        assert_eq!(modules, ["[] a 1 2", "[\"a\"] b 1 3", "[] c 0 4"]);
    }

    #[test]
    fn inner_attributes_are_compared_whole() {
        let source = source("#![no_std]\n#![forbid(unsafe_code)]\n#[inline]\nfn a() {}");
        assert!(source.has_inner(&["no_std"]));
        assert!(source.has_inner(&["forbid", "(", "unsafe_code", ")"]));
        assert!(!source.has_inner(&["inline"]));
    }
}
