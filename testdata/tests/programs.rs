//! No file of tests is forgotten. Where Cargo does not look for test programs by itself, a file
//! that no program names would not even be compiled.

use std::fs;
use std::path::Path;

use verity_testdata::workspace;

const CRATES: [&str; 7] = ["verity", "sign", "dm", "cli", "benches", "testdata", "fuzz"];

#[test]
fn every_file_of_tests_belongs_to_a_program() {
    for name in CRATES {
        let crate_dir = workspace().join(name);
        let manifest = fs::read_to_string(crate_dir.join("Cargo.toml")).unwrap();
        if manifest.contains("\nautotests = false\n") {
            let main = fs::read_to_string(crate_dir.join("tests/main.rs")).unwrap();
            let files = files_of_tests(&crate_dir);
            let forgotten = forgotten(&files, &manifest, &main);
            assert!(forgotten.is_empty(), "{name}/tests: no program has {forgotten:?}");
        }
    }
}

#[test]
fn a_forgotten_file_is_found() {
    let files = ["main", "alone", "folder", "module", "new"].map(str::to_owned);
    let manifest = "[[test]]\nname = \"alone\"\n\n[[test]]\npath = \"tests/folder/main.rs\"\n";
    assert_eq!(forgotten(&files, manifest, "mod module;\n// mod new;\n"), ["new"]);
}

/// The names in a folder of tests that are neither modules of `main.rs` nor programs of the
/// manifest.
fn forgotten<'a>(files: &'a [String], manifest: &str, main: &str) -> Vec<&'a str> {
    let is_module = |name: &str| main.lines().any(|line| line == format!("mod {name};"));
    let is_program = |name: &str| {
        manifest.contains(&format!("[[test]]\nname = \"{name}\"\n"))
            || manifest.contains(&format!("path = \"tests/{name}/main.rs\"\n"))
    };
    let names = files.iter().map(String::as_str);
    names.filter(|name| *name != "main" && !is_module(name) && !is_program(name)).collect()
}

/// Source files and folders right below `tests`, without their extensions.
fn files_of_tests(crate_dir: &Path) -> Vec<String> {
    let paths = fs::read_dir(crate_dir.join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let sources = paths.filter(|path| path.is_dir() || path.extension().is_some_and(|e| e == "rs"));
    sources.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}
