//! The errors that the sources know.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, ExprMethodCall, ItemConst, ItemEnum, ItemStatic, ItemStruct, LitStr, Macro,
    Meta,
};

use super::template::Template;

/// An error that a command may end with.
#[derive(Debug)]
pub(super) struct Known {
    /// `Enum::Variant`, `const NAME`, or the text in quotes.
    pub(super) name: String,
    pub(super) place: String,
    pub(super) template: Template,
}

const CRATES: [&str; 3] = ["verity/src", "sign/src", "cli/src"];

/// What is printed by a command that succeeds, and what a kernel is said to do.
const REPORTS: [&str; 2] = ["cli/src/report/", "sign/src/lint/"];

/// What these are given is not the end of a command: it is logged, or a mistake of ours.
const MACROS: [&str; 14] = [
    "trace",
    "debug",
    "info",
    "warn",
    "write",
    "writeln",
    "print",
    "eprint",
    "panic",
    "unreachable",
    "assert",
    "assert_eq",
    "debug_assert",
    "debug_assert_eq",
];

/// All errors, in the order of the files.
pub(super) fn known_errors(root: &Path) -> Vec<Known> {
    let mut known = Vec::new();
    for folder in CRATES {
        let mut files = Vec::new();
        sources_below(&root.join(folder), &mut files);
        files.sort();
        for file in files {
            let place = file.strip_prefix(root).expect("below it").display().to_string();
            let source = fs::read_to_string(&file).expect("a source");
            let texts = !REPORTS.iter().any(|reports| place.starts_with(reports));
            known.extend(errors_of(&source, &place, texts));
        }
    }
    known
}

fn sources_below(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources_below(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

fn errors_of(source: &str, place: &str, texts: bool) -> Vec<Known> {
    let file = syn::parse_file(source).unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut visitor = Visitor {
        place,
        texts,
        depth: 0,
        constant: None,
        found: Vec::new(),
        seen: BTreeSet::new(),
    };
    visitor.visit_file(&file);
    visitor.found
}

struct Visitor<'a> {
    place: &'a str,
    texts: bool,
    /// How many function bodies and constants are around.
    depth: usize,
    /// The constant whose text comes next.
    constant: Option<String>,
    found: Vec<Known>,
    seen: BTreeSet<String>,
}

impl Visitor<'_> {
    /// Takes the text of `#[error("...")]`, unless that is `transparent` or has no words.
    fn declared(&mut self, name: String, attributes: &[Attribute]) {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("error")) {
            let Meta::List(list) = &attribute.meta else { continue };
            let Some(TokenTree::Literal(text)) = list.tokens.clone().into_iter().next() else {
                continue;
            };
            let text: LitStr = syn::parse_str(&text.to_string()).expect("a text");
            let template = Template::whole(&text.value());
            if !template.is_blank() {
                self.found.push(Known {
                    name: name.clone(),
                    place: self.place.to_owned(),
                    template,
                });
            }
        }
    }

    fn text(&mut self, text: &str) {
        let template = Template::part(text);
        let words = text.split(' ').filter(|word| word.chars().any(char::is_lowercase)).count();
        if !self.texts || self.depth == 0 || words < 2 || template.is_blank() {
            return;
        }
        if self.seen.insert(text.to_owned()) {
            let name = self.constant.clone().unwrap_or(format!("{text:?}"));
            self.found.push(Known { name, place: self.place.to_owned(), template });
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                        self.text(&text.value());
                    }
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => {}
            }
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => {
            list.path.is_ident("cfg") && list.tokens.to_string().starts_with("test")
        }
        _ => false,
    })
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        for variant in &item.variants {
            self.declared(format!("{}::{}", item.ident, variant.ident), &variant.attrs);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.declared(item.ident.to_string(), &item.attrs);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.depth += 1;
        visit::visit_block(self, block);
        self.depth -= 1;
    }

    /// Words that stand apart from the function that says them.
    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        self.depth += 1;
        let is_text = matches!(*item.expr, Expr::Lit(_));
        self.constant = is_text.then(|| format!("const {}", item.ident));
        visit::visit_item_const(self, item);
        self.constant = None;
        self.depth -= 1;
    }

    fn visit_item_static(&mut self, item: &'ast ItemStatic) {
        self.depth += 1;
        visit::visit_item_static(self, item);
        self.depth -= 1;
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.text(&text.value());
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if call.method != "expect" {
            visit::visit_expr_method_call(self, call);
            return;
        }
        self.visit_expr(&call.receiver);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        let name = item.path.segments.last().map(|segment| segment.ident.to_string());
        if !name.is_some_and(|name| MACROS.contains(&name.as_str())) {
            self.tokens(item.tokens.clone());
        }
    }
}

#[test]
fn errors_are_found_where_they_are_declared_and_where_they_are_made() {
    let source = r#"
        enum E {
            #[error("lost {path}")]
            Lost { path: u8 },
            #[error(transparent)]
            Other(u8),
            #[error("{0}")]
            Blank(u8),
        }
        #[error("a \
                 struct")]
        struct S;
        const HELP: &str = "no use of it";
        static FORMS: [Form; 1] = [form("some data", "unpack -d")];
        /// Some words.
        fn f(x: u8) -> u8 {
            tracing::warn!("some words");
            let words = format!("{x} is beyond {}", if x == 0 { "the end" } else { "word" });
            usage(words, "either or").context("no use").expect("a reason why")
        }
        #[cfg(test)]
        mod tests {
            fn f() { let x = "not here"; }
        }
    "#;
    let named = |texts| {
        errors_of(source, "x.rs", texts).into_iter().map(|known| known.name).collect::<Vec<_>>()
    };
    assert_eq!(named(false), ["E::Lost", "S"]);
    let texts = ["\"{x} is beyond {}\"", "\"the end\"", "\"either or\"", "\"no use\""];
    let texts = [&texts[..], &["const HELP", "\"some data\"", "\"unpack -d\""]].concat();
    let mut all = named(true);
    all.sort_unstable();
    let mut expected: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
    expected.extend(["E::Lost".to_owned(), "S".to_owned()]);
    expected.sort_unstable();
    assert_eq!(all, expected);
}
