//! Every error of the sources beside the texts that commands were seen to end with: no variant, and
//! no message of the command, is without a run that provokes it, but for those that are listed with
//! a reason.
//!
//! Errors are the texts of `#[error("...")]`, and within functions and constants of all crates all
//! texts of more than one word in small letters, less what is logged or reported: nobody has to
//! remember how a message became an error, or which constant is a piece of it. The runs are in
//! `cli/tests/screens/errors/`, the list is `unprovoked.txt` here.

mod sources;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use verity_testdata::workspace;

use self::sources::{Known, known_errors};
use self::template::Template;

const RUNS: &str = "cli/tests/screens/errors";
const LIST: &str = "testdata/tests/error_texts/unprovoked.txt";

#[test]
fn every_error_is_provoked_or_listed_with_a_reason() {
    let (errors, said) = (known_errors(&workspace()), said());
    let list = fs::read_to_string(workspace().join(LIST)).expect("the list");
    let found = differences(&errors, &said, &list);
    assert!(
        found.is_empty(),
        "{}\n{} errors; a run is a line in {RUNS}/, a reason one in {LIST}",
        found.join("\n"),
        found.len()
    );
}

/// What is without a run and not listed, or listed for no reason.
fn differences(errors: &[Known], said: &[String], list: &str) -> Vec<String> {
    let (excused, mut found) = excuses(list);
    let provoked = |known: &&Known| said.iter().any(|line| known.template.is_in(line));
    let (with_run, without): (Vec<_>, Vec<_>) = errors.iter().partition(provoked);
    let names: BTreeSet<_> = errors.iter().map(|known| known.name.as_str()).collect();
    for known in without.iter().filter(|known| !excused.contains_key(known.name.as_str())) {
        let Known { name, place, template } = known;
        found.push(format!("no run: {name}\n        {template} ({place})"));
    }
    for name in excused.keys() {
        if !names.contains(name) {
            found.push(format!("listed, but no such error: {name}"));
        } else if with_run.iter().any(|known| known.name == *name)
            && !without.iter().any(|known| known.name == *name)
        {
            found.push(format!("listed, but a run provokes it: {name}"));
        }
    }
    found
}

/// The errors that are listed, each with its reason; and lines that are neither.
fn excuses(list: &str) -> (BTreeMap<&str, &str>, Vec<String>) {
    let (mut excused, mut found) = (BTreeMap::new(), Vec::new());
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.rsplit_once(" -- ") {
            Some((name, reason)) if reason.split(' ').count() > 2 => {
                excused.insert(name, reason);
            }
            _ => found.push(format!("listed without a reason: {line}")),
        }
    }
    (excused, found)
}

/// Every line that a run said.
fn said() -> Vec<String> {
    let files = fs::read_dir(workspace().join(RUNS)).expect("the runs").map(Result::unwrap);
    let texts = files.map(|file| fs::read_to_string(file.path()).expect("a file of runs"));
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter_map(|line| line.strip_prefix("| ").map(str::to_owned)).collect()
}

#[test]
fn an_error_without_a_run_is_found() {
    let known = |name: &str, text: &str| Known {
        name: name.to_owned(),
        place: "x.rs".to_owned(),
        template: Template::whole(text),
    };
    let errors = [known("E::A", "{path} is lost"), known("E::B", "no such {thing}")];
    let said = ["verity: f: \"f\" is lost: gone".to_owned()];
    let found = |list| differences(&errors, &said, list).join("\n");
    assert!(found("").starts_with("no run: E::B\n"), "{}", found(""));
    assert_eq!(found("# words\n\nE::B -- it takes a disk that breaks"), "");
    assert!(found("E::B -- no").contains("without a reason"));
    let list = "E::B -- it takes a disk\nE::A -- so I say\nE::C -- as it was";
    assert_eq!(found(list), "listed, but a run provokes it: E::A\nlisted, but no such error: E::C");
}
