//! Who imports whom. Each crate's sources are parsed, and every path in them is followed to the
//! file that defines what it names. Then two things must hold:
//!
//! - no circle: the files and folders that one file declares as modules stand in an order. A
//!   folder's face (its `mod.rs`, or `name.rs` beside `name/`) stands over its own children, and
//!   counts as a part of its folder for everybody else.
//! - the top folders of a crate import downwards in the table that `ARCHITECTURE.md` shows.
//!
//! What only tests see (`#[cfg(test)]`, `#[test]`) is left out. Names, not types, are followed: a
//! method that is called makes no arrow, the type that had to be named for it does.
//!
//! `VERITY_ARROWS=sign cargo test -p verity-testdata arrows:: -- --nocapture` prints the
//! arrows of one crate and, if there is no circle, the flattest table that would hold.

mod circles;
mod graph;
mod mentions;
mod names;
mod planted;
mod pruned;
mod table;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use self::graph::Graph;
use self::table::Table;
use self::tree::{Crate, Sources};

#[test]
fn the_library_imports_in_one_direction() {
    judge("verity");
}

#[test]
fn the_library_of_signatures_imports_in_one_direction() {
    judge("sign");
}

#[test]
fn the_library_of_live_devices_imports_in_one_direction() {
    judge("dm");
}

#[test]
fn the_library_for_c_imports_in_one_direction() {
    judge("capi");
}

#[test]
fn the_command_imports_in_one_direction() {
    judge("cli");
}

#[test]
fn the_benchmarks_import_in_one_direction() {
    judge("benches");
}

#[test]
fn what_tests_share_imports_in_one_direction() {
    judge("testdata");
}

#[test]
fn the_fuzz_targets_import_in_one_direction() {
    judge("fuzz");
}

/// Fails with every circle of the package in the folder `name`, and every arrow against its table.
fn judge(name: &str) {
    let top = verity_testdata::workspace();
    let sources = sources(&top, Path::new(name));
    let page = fs::read_to_string(top.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut findings = Vec::new();
    for root in roots(name, &sources) {
        let graph = Graph::of(Crate::read(&root, &sources));
        findings.extend(graph.circles());
        if root.parent() == Some(&Path::new(name).join("src")) {
            findings.extend(Table::of(name, &page).map_or_else(|e| vec![e], |t| t.judge(&graph)));
        }
        if std::env::var("VERITY_ARROWS").is_ok_and(|wanted| wanted == name) {
            println!("{graph}");
        }
    }
    assert!(findings.is_empty(), "{name}:\n{}", findings.join("\n"));
}

/// The Rust files of a package, by their path below the top of the checkout.
fn sources(top: &Path, folder: &Path) -> Sources {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(top.join(&folder)).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
        for entry in entries {
            let entry = entry.expect("an entry of a folder");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("the type of an entry").is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(entry.path()).expect("a source file");
                found.insert(path, text);
            }
        }
    }
    found
}

/// The files that are the root of a library, a program, an example or a benchmark.
fn roots(name: &str, sources: &Sources) -> Vec<PathBuf> {
    sources.keys().filter(|path| is_root(path.strip_prefix(name).expect(name))).cloned().collect()
}

fn is_root(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::to_str);
    match folder {
        Some("src") => path.ends_with("lib.rs") || path.ends_with("main.rs"),
        Some("src/bin" | "benches" | "examples" | "fuzz_targets") => true,
        Some(folder) => folder.starts_with("src/bin/") && path.ends_with("main.rs"),
        None => false,
    }
}
