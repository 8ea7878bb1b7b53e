//! Many changes in one build: each is an alternative beside the code as it was, and `mutant::is`
//! says which one a run takes.
//!
//! Where an alternative begins and ends is in comments, so that an error of the compiler leads to
//! the change that does not compile.

use std::ops::Range;

use anyhow::{Context, Result, anyhow};
use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::listed::{Genre, Mutant, Place};

/// The module that goes into each crate.
pub(crate) const SWITCH: &str = r#"//! Which change of the code this run takes.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static TAKEN: OnceLock<(usize, Option<String>)> = OnceLock::new();
static SEEN: [AtomicBool; 8192] = [const { AtomicBool::new(false) }; 8192];

pub(crate) fn is(number: usize) -> bool {
    let (taken, seen) = TAKEN.get_or_init(|| {
        let taken = std::env::var("VERITY_MUTANT").ok().and_then(|it| it.parse().ok());
        (taken.unwrap_or(usize::MAX), std::env::var("VERITY_MUTANTS_SEEN").ok())
    });
    if let Some(path) = seen {
        if !SEEN[number].swap(true, Ordering::Relaxed) {
            let mut file = std::fs::OpenOptions::new();
            let mut file = file.create(true).append(true).open(path).unwrap();
            file.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
    }
    *taken == number
}
"#;

/// A source file with all alternatives in it.
#[derive(Debug)]
pub(crate) struct Woven {
    pub(crate) text: String,
    /// Those that have no place in it, by their numbers.
    pub(crate) left_out: Vec<usize>,
}

/// Weaves the changes of one file into its text; a number is what `mutant::is` is asked for.
pub(crate) fn weave(text: &str, mutants: &[(usize, &Mutant)]) -> Result<Woven> {
    let places = Places::new(text);
    let mut found = Found { places: &places, nodes: Vec::new() };
    found.visit_file(&syn::parse_file(text).context("the file is no Rust")?);
    let mut edits = Vec::<Edit>::new();
    let mut left_out = Vec::new();
    for &(number, mutant) in mutants {
        let start = places.offset(mutant.span.start)?;
        match edit(&found.nodes, start, mutant) {
            Some((range, change)) => match edits.iter_mut().find(|it| it.range == range) {
                Some(edit) => edit.changes.push((number, change)),
                None => edits.push(Edit { range, changes: vec![(number, change)] }),
            },
            None => left_out.push(number),
        }
    }
    // What begins first, and of these what is inserted, then what is longest.
    edits.sort_by_key(|it| (it.range.start, !it.range.is_empty(), std::cmp::Reverse(it.range.end)));
    Ok(Woven { text: render(text, 0..text.len(), &edits), left_out })
}

/// The changes that an error at this byte of a woven text speaks of: of the innermost alternative,
/// else of the whole expression.
pub(crate) fn at(text: &str, offset: usize) -> Vec<usize> {
    let mut open: Vec<Vec<usize>> = Vec::new();
    let mut rest = 0;
    while let Some(begin) = text[rest..].find("/*<").map(|it| it + rest) {
        // Whatever closes between here and the next opening one.
        close(&text[rest..begin.min(offset.max(rest))], &mut open);
        if begin >= offset {
            return open.pop().unwrap_or_default();
        }
        let end = text[begin..].find("*/").map_or(text.len(), |it| it + begin);
        open.push(text[begin + 3..end].split(',').filter_map(|it| it.parse().ok()).collect());
        rest = end;
    }
    close(&text[rest..offset.max(rest)], &mut open);
    open.pop().unwrap_or_default()
}

/// The value that the function around this byte returns instead of what it did: where a function
/// returns `impl Trait`, the error is about the value that it always had.
pub(crate) fn value_before(text: &str, offset: usize) -> Option<usize> {
    let text = &text[..text[..offset].rfind("{ return ")?];
    let number = &text[text.rfind("/*<")? + 3..];
    number.split("*/").next()?.parse().ok()
}

fn close(text: &str, open: &mut Vec<Vec<usize>>) {
    (0..text.matches("/*>*/").count()).for_each(|_| drop(open.pop()));
}

#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    changes: Vec<(usize, Change)>,
}

#[derive(Clone, Debug)]
enum Change {
    /// Leave with this value, before anything else.
    Return(String),
    Operator {
        left: Range<usize>,
        operator: String,
        right: Range<usize>,
    },
    /// The operand alone.
    Operand(Range<usize>),
    /// This, instead of a guard.
    Guard(String),
    /// A guard where there is none.
    NewGuard,
}

#[derive(Debug)]
enum Node {
    Binary { operator: usize, whole: Range<usize>, left: Range<usize>, right: Range<usize> },
    Unary { operator: usize, whole: Range<usize>, operand: Range<usize> },
    Arm { start: usize, pattern_end: usize, guard: Option<Range<usize>> },
}

fn edit(nodes: &[Node], start: usize, mutant: &Mutant) -> Option<(Range<usize>, Change)> {
    let replacement = mutant.replacement.clone();
    match mutant.genre {
        Genre::FnValue => Some((start..start, Change::Return(replacement))),
        Genre::BinaryOperator => nodes.iter().find_map(|node| match node {
            Node::Binary { operator, whole, left, right } if *operator == start => {
                let (left, right) = (left.clone(), right.clone());
                Some((
                    whole.clone(),
                    Change::Operator { left, operator: replacement.clone(), right },
                ))
            }
            _ => None,
        }),
        Genre::UnaryOperator => nodes.iter().find_map(|node| match node {
            Node::Unary { operator, whole, operand } if *operator == start => {
                Some((whole.clone(), Change::Operand(operand.clone())))
            }
            _ => None,
        }),
        Genre::MatchArmGuard => nodes.iter().find_map(|node| match node {
            Node::Arm { guard: Some(guard), .. } if guard.start == start => {
                Some((guard.clone(), Change::Guard(replacement.clone())))
            }
            _ => None,
        }),
        Genre::MatchArm => nodes.iter().find_map(|node| match node {
            Node::Arm { start: arm, pattern_end, guard } if *arm == start => Some(match guard {
                Some(guard) => (guard.clone(), Change::Guard("false".to_owned())),
                None => (*pattern_end..*pattern_end, Change::NewGuard),
            }),
            _ => None,
        }),
        Genre::StructField => None,
    }
}

fn render(text: &str, range: Range<usize>, edits: &[Edit]) -> String {
    let mut woven = String::new();
    let mut from = range.start;
    for (index, edit) in edits.iter().enumerate() {
        let inside = edit.range.start >= from && edit.range.end <= range.end;
        if !inside || (edit.range == range && !edit.range.is_empty()) {
            continue;
        }
        woven += &text[from..edit.range.start];
        woven += &alternatives(text, edit, &edits[index + 1..]);
        from = edit.range.end;
    }
    woven + &text[from..range.end]
}

/// The code of one edit; `inner` are the edits that may lie inside it.
fn alternatives(text: &str, edit: &Edit, inner: &[Edit]) -> String {
    let part = |range: &Range<usize>| render(text, range.clone(), inner);
    let numbers: Vec<String> = edit.changes.iter().map(|(it, _)| it.to_string()).collect();
    let mut woven = String::new();
    let mut expression = false;
    for (number, change) in &edit.changes {
        let is = format!("crate::mutant::is({number})");
        let alternative = match change {
            Change::Return(value) => {
                woven += &format!("/*<{number}*/if {is} {{ return {value}; }}/*>*/ ");
                continue;
            }
            Change::NewGuard => {
                woven += &format!(" /*<{number}*/if !{is}/*>*/");
                continue;
            }
            Change::Operator { left, operator, right } => {
                format!("({}) {operator} ({})", part(left), part(right))
            }
            Change::Operand(operand) => part(operand),
            Change::Guard(value) => value.clone(),
        };
        expression = true;
        woven += &format!("if {is} {{/*<{number}*/ {alternative} /*>*/}} else ");
    }
    if !expression {
        return woven;
    }
    let as_it_was = part(&edit.range);
    format!("/*<{}*/({woven}{{ {as_it_was} }})/*>*/", numbers.join(","))
}

/// Byte offsets of lines and columns.
struct Places<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Places<'a> {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Places { text, lines: std::iter::once(0).chain(ends).collect() }
    }

    fn offset(&self, place: Place) -> Result<usize> {
        let none = || anyhow!("no line {}, column {}", place.line, place.column);
        let line = *self.lines.get(place.line - 1).ok_or_else(none)?;
        let mut columns = self.text[line..].char_indices().map(|(at, _)| line + at);
        Ok(columns.nth(place.column - 1).unwrap_or(self.text.len()))
    }

    fn of(&self, place: LineColumn) -> usize {
        let place = Place { line: place.line, column: place.column + 1 };
        self.offset(place).unwrap_or(self.text.len())
    }

    fn range(&self, node: &impl Spanned) -> Range<usize> {
        self.of(node.span().start())..self.of(node.span().end())
    }
}

struct Found<'a> {
    places: &'a Places<'a>,
    nodes: Vec<Node>,
}

impl<'ast> Visit<'ast> for Found<'_> {
    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        // An alternative is an expression, in which there can be no `let`.
        if !has_let(&node.left) && !has_let(&node.right) {
            self.nodes.push(Node::Binary {
                operator: self.places.range(&node.op).start,
                whole: self.places.range(node),
                left: self.places.range(&*node.left),
                right: self.places.range(&*node.right),
            });
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        self.nodes.push(Node::Unary {
            operator: self.places.range(&node.op).start,
            whole: self.places.range(node),
            operand: self.places.range(&*node.expr),
        });
        visit::visit_expr_unary(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        let (pattern, guard) = match &node.pat {
            syn::Pat::Guard(it) => (&*it.pat, Some(&*it.guard)),
            pattern => (pattern, None),
        };
        if !guard.is_some_and(has_let) {
            self.nodes.push(Node::Arm {
                start: self.places.range(node).start,
                pattern_end: self.places.range(pattern).end,
                guard: guard.map(|it| self.places.range(it)),
            });
        }
        visit::visit_arm(self, node);
    }
}

/// Whether `let` stands in this condition: not what is in a block of its own.
fn has_let(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(it) => has_let(&it.left) || has_let(&it.right),
        _ => false,
    }
}
