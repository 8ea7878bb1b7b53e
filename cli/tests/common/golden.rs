//! Files with what is expected, compared line by line, and written anew on demand.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use verity_testdata::files;

/// The variable that makes a test write its files anew.
const BLESS: &str = "VERITY_BLESS";

/// A directory of files with what is expected.
pub(crate) struct Golden {
    directory: PathBuf,
    bless: bool,
    asked_for: BTreeSet<String>,
    /// What is not as expected, a paragraph each.
    found: Vec<String>,
}

impl Golden {
    /// The directory of this name beside the tests.
    pub(crate) fn beside_tests(name: &str) -> Golden {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
        Golden::at(directory, std::env::var_os(BLESS).is_some_and(|value| value == "1"))
    }

    fn at(directory: PathBuf, bless: bool) -> Golden {
        Golden { directory, bless, asked_for: BTreeSet::new(), found: Vec::new() }
    }

    /// The names of the files, sorted; directories are no files.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(&self.directory).unwrap().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        files.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    /// What is expected of a file.
    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap()
    }

    /// Compares a file with the text that it should have, or writes it.
    pub(crate) fn compare(&mut self, name: &str, actual: &str) {
        self.asked_for.insert(name.to_owned());
        let path = self.directory.join(name);
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected == actual {
            return;
        }
        if self.bless {
            files::write(&path, actual.as_bytes());
        }
        let what = if self.bless { "written anew" } else { "another one" };
        self.found.push(format!("{name}: {what}\n{}", difference(&expected, actual)));
    }

    /// Fails if a file was another one, was written anew, or is there and was not asked for.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        let others = self.names();
        let others = others.difference(&self.asked_for);
        self.found.extend(others.map(|name| format!("{name}: of no screen; remove it\n")));
        assert!(
            self.found.is_empty(),
            "{}\n{}{} files in {} are not as expected; {BLESS}=1 writes them anew and fails once",
            if self.bless {
                "Look at what has changed, and run again without the variable."
            } else {
                ""
            },
            self.found.join("\n"),
            self.found.len(),
            self.directory.display(),
        );
    }
}

/// Each line, with `-` where it is only expected and `+` where it is only there; of lines that are
/// alike, those beside them.
fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let lines = merged(&old, &new);
    let is_near = |index: usize| {
        lines[index.saturating_sub(2)..lines.len().min(index + 3)].iter().any(|line| line.0 != ' ')
    };
    let mut text = String::new();
    for (index, (sign, line)) in lines.iter().enumerate() {
        if is_near(index) {
            text.extend([&*sign.to_string(), " ", line, "\n"]);
        } else if index == 0 || is_near(index - 1) {
            text.push_str("...\n");
        }
    }
    text
}

/// Both texts in one: a longest common part, and what is only in one of them around it.
fn merged<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    // By where the rests begin: how many lines they have in common.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
    lines
}

#[test]
fn differences_are_shown_with_the_lines_around_them() {
    let old = "a\nb\nc\nd\ne\nf\ng\n";
    assert_eq!(difference(old, old), "...\n");
    assert_eq!(difference(old, "a\nb\nc\nd\ne\nX\ng\n"), "...\n  d\n  e\n- f\n+ X\n  g\n");
    assert_eq!(difference(old, "b\nc\nd\ne\nf\ng\nh\n"), "- a\n  b\n  c\n...\n  f\n  g\n+ h\n");
    assert_eq!(difference("", "a\n"), "+ a\n");
}

#[test]
fn files_that_differ_are_found_and_written_anew() {
    let directory = files::tempdir();
    let path = |name| directory.path().join(name);
    files::write(&path("right"), b"a\n");
    files::write(&path("wrong"), b"a\nb\n");
    let compared = |bless, names: &[&str]| {
        let mut golden = Golden::at(directory.path().to_owned(), bless);
        names.iter().for_each(|name| golden.compare(name, "a\n"));
        let panic = std::panic::catch_unwind(|| golden.finish()).err()?;
        Some(panic.downcast_ref::<String>().unwrap().clone())
    };
    let words = compared(false, &["right", "wrong", "new"]).unwrap();
    assert!(words.contains("wrong: another one\n  a\n- b\n\nnew: another one\n+ a\n"), "{words}");
    assert!(words.contains("2 files in "), "{words}");
    assert_eq!(files::read(&path("wrong")), b"a\nb\n");
    // Who writes them anew is told, once.
    let words = compared(true, &["right", "wrong", "new"]).unwrap();
    assert!(words.contains("wrong: written anew\n"), "{words}");
    assert_eq!(
        (files::read(&path("wrong")), files::read(&path("new"))),
        (b"a\n".into(), b"a\n".into())
    );
    assert_eq!(compared(false, &["right", "wrong", "new"]), None);
    let words = compared(false, &["right", "wrong"]).unwrap();
    assert!(words.contains("new: of no screen"), "{words}");
}
