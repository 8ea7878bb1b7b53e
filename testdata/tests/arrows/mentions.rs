//! Every path that an item names: in imports, types, expressions, patterns, attributes, and in the
//! tokens of macros, which nobody expands here.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Arm, Attribute, ExprBlock, Field, FieldValue, Item, ItemUse, Local, Macro, Meta, Path};
use syn::{ImplItem, StmtMacro, TraitItem, UseTree, Variant, VisRestricted};

use super::pruned;

/// A path that is named somewhere.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// How a path is named.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    /// In the middle of code.
    Inline,
    /// By a `use` that makes it known under this name.
    Import(String),
    /// By a `use` that ends in `*`.
    Glob,
}

/// The paths that `item` names. A module's content is not its own item's.
pub(crate) fn of(item: &Item) -> Vec<Mention> {
    let mut visitor = Visitor { found: Vec::new() };
    match item {
        Item::Mod(module) => module.attrs.iter().for_each(|it| visitor.visit_attribute(it)),
        item => visitor.visit_item(item),
    }
    visitor.found
}

/// A name without the mark of a raw identifier.
pub(crate) fn plain(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").unwrap_or(&name).to_owned()
}

/// Whether a name after these marks starts a path: a field, a method, a lifetime, a variable of a
/// macro and what follows a type in angle brackets do not.
fn starts_path(marks: &str) -> bool {
    marks.ends_with("..") || !["::", ".", "'", "$"].iter().any(|mark| marks.ends_with(mark))
}

struct Visitor {
    found: Vec<Mention>,
}

impl Visitor {
    fn add(&mut self, path: Vec<String>, at: Span, kind: Kind) {
        self.found.push(Mention { path, line: at.start().line, kind });
    }

    /// The leaves of a tree of imports.
    fn imports(&mut self, above: &[String], tree: &UseTree) {
        let below = |ident| [above, &[plain(ident)]].concat();
        match tree {
            UseTree::Path(path) => self.imports(&below(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => {
                let bound = above.last().cloned().expect("`self` below a path");
                self.add(above.to_vec(), name.ident.span(), Kind::Import(bound));
            }
            UseTree::Name(name) => {
                let bound = Kind::Import(plain(&name.ident));
                self.add(below(&name.ident), name.ident.span(), bound);
            }
            UseTree::Rename(name) => {
                let bound = Kind::Import(plain(&name.rename));
                let own = name.ident == "self";
                let path = if own { above.to_vec() } else { below(&name.ident) };
                self.add(path, name.ident.span(), bound);
            }
            UseTree::Glob(star) => {
                self.add(above.to_vec(), star.star_token.spans[0], Kind::Glob);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.imports(above, tree));
            }
        }
    }

    /// The paths among the tokens of a macro or an attribute.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<Ident> = Vec::new();
        let mut before = String::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    let goes_on = before == "::" && !path.is_empty();
                    if !goes_on {
                        self.close(&mut path);
                    }
                    if goes_on || ident == "crate" || starts_path(&before) {
                        path.push(ident);
                    }
                    before.clear();
                }
                TokenTree::Punct(punct) => before.push(punct.as_char()),
                TokenTree::Group(group) => {
                    self.close(&mut path);
                    before.clear();
                    self.tokens(group.stream());
                }
                TokenTree::Literal(_) => before.clear(),
            }
        }
        self.close(&mut path);
    }

    fn close(&mut self, path: &mut Vec<Ident>) {
        if let Some(first) = path.first() {
            let span = first.span();
            self.add(path.iter().map(plain).collect(), span, Kind::Inline);
            path.clear();
        }
    }
}

/// Visits what is not for tests alone.
macro_rules! unless_for_tests {
    ($($name:ident($node:ty): $attributes:expr;)*) => {
        $(fn $name(&mut self, node: &'ast $node) {
            let attributes: fn(&$node) -> &[Attribute] = $attributes;
            if !pruned::only_for_tests(attributes(node)) {
                visit::$name(self, node);
            }
        })*
    };
}

impl<'ast> Visit<'ast> for Visitor {
    unless_for_tests! {
        visit_item(Item): pruned::attributes;
        visit_impl_item(ImplItem): pruned::attributes_in_impl;
        visit_trait_item(TraitItem): pruned::attributes_in_trait;
        visit_field(Field): |node| &node.attrs;
        visit_field_value(FieldValue): |node| &node.attrs;
        visit_variant(Variant): |node| &node.attrs;
        visit_arm(Arm): |node| &node.attrs;
        visit_local(Local): |node| &node.attrs;
        visit_stmt_macro(StmtMacro): |node| &node.attrs;
        visit_expr_block(ExprBlock): |node| &node.attrs;
    }

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        if import.leading_colon.is_none() {
            self.imports(&[], &import.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if let (None, Some(first)) = (&path.leading_colon, path.segments.first()) {
            let names = path.segments.iter().map(|segment| plain(&segment.ident)).collect();
            self.add(names, first.ident.span(), Kind::Inline);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }

    /// Who may see an item is no use of that place.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}
