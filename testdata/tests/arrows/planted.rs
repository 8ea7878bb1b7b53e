//! Crates with a mistake each, to see that it is found, and crates that are right.

use std::path::{Path, PathBuf};

use super::graph::Graph;
use super::table::Table;
use super::tree::{Crate, Sources};

const ROOT: &str = "src/lib.rs";

/// The graph of a crate of these files, below `src/`.
fn graph(files: &[(&str, &str)]) -> Graph {
    let named = |(name, text): &(&str, &str)| (PathBuf::from("src").join(name), text.to_string());
    let sources: Sources = files.iter().map(named).collect();
    Graph::of(Crate::read(Path::new(ROOT), &sources))
}

/// The circles of a crate whose root declares `a` and `b`.
fn circles(a: &str, b: &str) -> Vec<String> {
    graph(&[("lib.rs", "mod a;\nmod b;\n"), ("a.rs", a), ("b.rs", b)]).circles()
}

/// Asserts that the text of `a` names something of `b`, which names something of `a`.
#[track_caller]
fn assert_circle(a: &str) {
    let b = "use crate::a::A;\npub(crate) struct B(A);\npub(crate) fn make() {}\n";
    assert_eq!(circles(&format!("{a}\npub(crate) struct A;"), b).len(), 1, "{a}");
}

#[test]
fn a_circle_is_shown_whole_with_its_lines() {
    let a = "\nuse crate::b::B;\npub struct A(B);\n";
    let b = "pub struct B;\nfn back() -> super::a::A { loop {} }\n";
    let shown = "circle: a -> b -> a\n    \
        src/a.rs:2: names crate::b::B, of src/b.rs\n    \
        src/b.rs:2: names super::a::A, of src/a.rs";
    assert_eq!(circles(a, b), [shown]);
}

#[test]
fn one_direction_is_no_circle() {
    assert_eq!(circles("use crate::b::B;", "pub struct B;"), [""; 0]);
    assert_eq!(circles("use crate::a::A; struct A;", "use std::a::A; use ::a::A;"), [""; 0]);
}

#[test]
fn imports_of_every_form_are_seen() {
    assert_circle("use crate::{b::{self, B}};");
    assert_circle("use crate::{std::fmt, b::{make as build}};");
    assert_circle("use super::b::B as _;");
    assert_circle("use super::b::*;");
    assert_circle("use self::super::b::B;");
    assert_circle("pub(crate) use crate::b::B;");
    assert_circle("use crate::b; fn f() { b::make() }");
    assert_circle("use crate::b as other; fn f() { other::make() }");
    assert_circle("fn f() { use crate::b::make; make() }");
    assert_circle("mod inner { use super::super::b::B; }");
}

#[test]
fn paths_in_code_are_seen() {
    assert_circle("fn f() { crate::b::make() }");
    assert_circle("fn f(it: Option<Vec<crate::b::B>>) {}");
    assert_circle("fn f(it: u8) { match it { crate::b::B::C => {} } }");
    assert_circle("impl From<super::b::B> for u8 {}");
    assert_circle("impl<T: crate::b::B> A<T> {}");
    assert_circle("fn f() { <u8 as crate::b::B>::f() }");
    assert_circle("#[value(parser = crate::b::make)] struct A;");
    assert_circle("struct A { #[value(parser = crate::b::make)] field: u8 }");
}

#[test]
fn paths_in_macros_are_seen() {
    assert_circle("fn f() { println!(\"{}\", crate::b::make()) }");
    assert_circle("use crate::b; fn f() { assert!(matches!(1, [b::make(..)])) }");
    assert_circle("macro_rules! m { ($a:expr) => { $crate::b::make($a.b, 'x') } }");
    assert_circle("fn f() { vec![1..crate::b::B] }");
    let a = "fn f() { m!(x.make, 'make, $make::B, ::b::make) }";
    assert_eq!(circles(a, "use crate::a::f;"), [""; 0]);
}

#[test]
fn a_re_export_leads_to_the_file_that_defines() {
    let face = "mod inner;\npub use self::inner::Deep as Shown;\n";
    let inner = "use crate::b::B;\npub struct Deep;\n";
    let root = "mod a;\nmod b;\npub use a::Shown as Top;\n";
    let b = "use crate::Top;\npub struct B;\n";
    let files = [("lib.rs", root), ("a/mod.rs", face), ("a/inner.rs", inner), ("b.rs", b)];
    let shown = "circle: a -> b -> a\n    \
        src/a/inner.rs:1: names crate::b::B, of src/b.rs\n    \
        src/b.rs:1: names crate::Top, of src/a/inner.rs";
    assert_eq!(graph(&files).circles(), [shown]);
}

#[test]
fn a_face_over_its_own_children_is_no_circle() {
    let face = "mod child;\nuse child::Child;\npub struct Face(Child);\n";
    let child = "use super::Face;\npub struct Child;\n";
    let files = [("lib.rs", "mod a;\nfn f() {}"), ("a/mod.rs", face), ("a/child.rs", child)];
    assert_eq!(graph(&files).circles(), [""; 0]);
    let files = [("lib.rs", "mod a;"), ("a.rs", face), ("a/child.rs", child)];
    assert_eq!(graph(&files).circles(), [""; 0]);
}

#[test]
fn a_circle_through_the_face_of_another_folder_is_one() {
    let face = "mod child;\nuse child::Child;\npub struct Face(Child);\n";
    let child = "use crate::b::B;\npub struct Child;\n";
    let files = [
        ("lib.rs", "mod a;\nmod b;"),
        ("a/mod.rs", face),
        ("a/child.rs", child),
        ("b.rs", "use crate::a::Face;\npub struct B;\n"),
    ];
    assert_eq!(graph(&files).circles().len(), 1);
}

#[test]
fn a_circle_deep_in_a_folder_is_found() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod x;\nmod y;"),
        ("a/x.rs", "use super::y::Y; pub struct X;"),
        ("a/y/mod.rs", "mod z; pub struct Y;"),
        ("a/y/z.rs", "use super::super::x::X;"),
    ];
    assert!(graph(&files).circles()[0].starts_with("circle: x -> y -> x\n"));
}

#[test]
fn what_only_tests_see_is_left_out() {
    let b = "use crate::a::A;\npub(crate) struct B(A);\n";
    for a in [
        "#[cfg(test)] use crate::b::B;",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(all(test, unix))] fn f() { crate::b::make() }",
        "#[test] fn f() { crate::b::make() }",
        "impl A { #[cfg(test)] fn f() { crate::b::make() } }",
        "struct S { #[cfg(test)] field: crate::b::B }",
        "fn f() { #[cfg(test)] let it = crate::b::make(); }",
        "fn f() { #[cfg(test)] println!(\"{}\", crate::b::B); }",
        "#[cfg(not(any(unix, not(test))))] use crate::b::B;",
        "#![cfg(test)] use crate::b::B;",
    ] {
        assert_eq!(circles(&format!("{a} struct A;"), b), [""; 0], "{a}");
    }
    // A file that tests alone have need not even be there.
    assert_eq!(circles("#[cfg(test)] mod tests; struct A;", b), [""; 0]);
}

#[test]
fn what_a_feature_or_a_platform_has_is_not_left_out() {
    assert_circle("#[cfg(any(test, feature = \"f\"))] use crate::b::B;");
    assert_circle("#[cfg(not(test))] use crate::b::B;");
    assert_circle("#[cfg(all(unix, target_arch = \"x\"))] use crate::b::B;");
}

#[test]
fn modules_are_found_where_they_stand() {
    let lib = "mod a { pub mod deep; }\n#[path = \"else/where.rs\"] mod b;\n";
    let files = [
        ("lib.rs", lib),
        ("a/deep.rs", "use crate::b::B; pub struct Deep;"),
        ("else/where.rs", "mod below; pub struct B;"),
        ("else/below.rs", "use crate::a::deep::Deep;"),
    ];
    assert_eq!(graph(&files).circles().len(), 1);
}

#[test]
fn an_arrow_that_the_table_forbids_is_found() {
    let lib = ("lib.rs", "mod a;\nmod b;");
    let graph = graph(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "pub struct B;")]);
    let judge = |rows: &str| {
        let page = format!("# Page\n```rooms it\n{rows}\n```\nc\n");
        Table::of("it", &page).expect("a table").judge(&graph)
    };
    let arrow = "table: a -> b\n    src/a.rs:1: names crate::b::B, of src/b.rs";
    assert_eq!(judge("a\nb"), [""; 0]);
    assert_eq!(judge("a # b is below\n\nb"), [""; 0]);
    assert_eq!(judge("b\na"), [arrow]);
    assert_eq!(judge("a b"), [arrow]);
    assert_eq!(judge("a"), ["table: b has no place in it"]);
    assert_eq!(judge("a\nb c"), ["table: there is no c"]);
}

#[test]
fn a_table_that_is_missing_or_contradicts_itself_is_refused() {
    assert!(Table::of("it", "```rooms other\n```").is_err());
    assert!(Table::of("it", "```rooms it\na b\na\n```").is_err());
}

#[test]
fn the_printed_graph_ends_with_the_flattest_table() {
    let lib = ("lib.rs", "mod a;\nmod b;\nmod c;");
    let files = [lib, ("a.rs", "use crate::b::B;"), ("b.rs", "pub struct B;"), ("c.rs", "")];
    let printed = graph(&files).to_string();
    assert!(printed.ends_with("    a -> b\n    | a\n    | b  c\n"), "{printed}");
}
