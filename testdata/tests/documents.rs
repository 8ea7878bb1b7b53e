//! Documents that point to files point to files that exist.

use std::fs;
use std::path::Path;

use verity_testdata::workspace;

/// What a path in a document begins with if it is one of a file here.
const TOPS: [&str; 10] = [
    "benches/",
    "cli/",
    "docs/",
    "fuzz/",
    "packaging/",
    "sign/",
    "testdata/",
    "verity/",
    ".ci/",
    "README.md",
];

/// Rooms that are described before they are built, under the heading that says so.
const COMING: &str = "## Rooms that are kept free";

/// What `./test.sh --full` writes.
const RECORD: &str = "docs/FULL-RUN.md";

#[test]
fn every_file_that_a_document_names_exists() {
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"] {
        let text = fs::read_to_string(workspace().join(document)).unwrap();
        let exists = |path: &Path| path == Path::new(RECORD) || workspace().join(path).exists();
        let missing = missing(&text, exists);
        assert!(missing.is_empty(), "{document} names what is not there: {missing:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_found() {
    let page =
        "`cli/src/main.rs` and `cli/src/no.rs`\n## Rooms that are kept free\n`cli/src/coming.rs`";
    let there = |path: &Path| path == Path::new("cli/src/main.rs");
    assert_eq!(missing(page, there), ["cli/src/no.rs"]);
}

/// The paths in backquotes that are not there.
fn missing(text: &str, exists: impl Fn(&Path) -> bool) -> Vec<&str> {
    let built = text.split(COMING).next().unwrap_or_default();
    let quoted = built.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|word| TOPS.iter().any(|top| word.starts_with(top)));
    let plain = paths.filter(|word| !word.contains([' ', '*', '<', '{']));
    plain.filter(|path| !exists(Path::new(path))).collect()
}
