//! `docs/ATTACKS.md` beside the names of the tests: each code that a name begins with is listed
//! with that test, and each attack of the list has its tests or says that it has none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use verity_testdata::workspace;

const PAGE: &str = "docs/ATTACKS.md";

#[test]
fn the_list_of_attacks_and_the_names_of_tests_agree() {
    let page = fs::read_to_string(workspace().join(PAGE)).expect("the page");
    let found = differences(&page, &coded_tests(&workspace()));
    assert!(found.is_empty(), "{PAGE}:\n{}", found.join("\n"));
}

/// A test by its crate and its name, so that it may move within its crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    krate: String,
    name: String,
}

impl Test {
    fn new(krate: &str, name: &str) -> Test {
        Test { krate: krate.to_owned(), name: name.to_owned() }
    }

    /// The line of the page for it.
    fn line(&self) -> String {
        format!("  - {} `{}`", self.krate, self.name)
    }
}

/// An attack as the page lists it.
#[derive(Debug, Default)]
struct Attack {
    code: String,
    /// The letter of the section.
    section: String,
    /// The attack and, between asterisks, what must happen.
    words: String,
    tests: Vec<Test>,
    /// Whether the page says that no test makes it.
    is_untested: bool,
}

/// What is wrong with the page, one line each.
fn differences(page: &str, tests: &BTreeSet<Test>) -> Vec<String> {
    let (attacks, mut found) = attacks_of(page);
    for pair in attacks.windows(2) {
        if pair[0].section == pair[1].section && pair[0].code >= pair[1].code {
            found.push(format!("{}: stands behind {}", pair[1].code, pair[0].code));
        }
    }
    found.extend(attacks.iter().flat_map(faults_of));

    let listed: BTreeSet<_> = attacks
        .iter()
        .flat_map(|attack| attack.tests.iter().map(|test| (attack.code.as_str(), test)))
        .collect();
    let named: BTreeSet<_> =
        tests.iter().flat_map(|test| codes(&test.name).map(move |code| (code, test))).collect();
    let missing = named.difference(&listed);
    found.extend(missing.map(|(code, test)| format!("{code}: not listed:\n{}", test.line())));
    let stale = listed.difference(&named);
    found.extend(stale.map(|(code, test)| format!("{code}: no such test:\n{}", test.line())));
    found
}

/// What is wrong with one attack by itself.
fn faults_of(attack: &Attack) -> Vec<String> {
    let Attack { code, section, words, tests, is_untested } = attack;
    let faults = [
        (code.len() != 3 || codes(&format!("{code}_")).count() != 1, "no code"),
        (!code.starts_with(section.as_str()), "in the section of another letter"),
        (!(words.contains(" *") && words.ends_with('*')), "does not say what must happen"),
        (tests.is_empty() && !is_untested, "neither a test nor \"no test\""),
        (!tests.is_empty() && *is_untested, "has tests, and \"no test\""),
        (tests.iter().collect::<BTreeSet<_>>().len() < tests.len(), "lists a test twice"),
    ];
    let faults = faults.into_iter().filter(|(is_so, _)| *is_so);
    faults.map(|(_, fault)| format!("{code}: {fault}")).collect()
}

/// The attacks on the page, and the lines that cannot be read.
fn attacks_of(page: &str) -> (Vec<Attack>, Vec<String>) {
    let (mut attacks, mut unread) = (Vec::<Attack>::new(), Vec::new());
    let mut section = String::new();
    let mut is_listing = false;
    for line in page.lines() {
        if let Some((letter, _)) = line.strip_prefix("## ").and_then(|rest| rest.split_once(": ")) {
            letter.clone_into(&mut section);
            is_listing = false;
        } else if let Some((code, words)) =
            line.strip_prefix("- **").and_then(|rest| rest.split_once("** "))
        {
            let (code, words) = (code.to_owned(), words.to_owned());
            attacks.push(Attack { code, section: section.clone(), words, ..Attack::default() });
            is_listing = true;
        } else if let Some(attack) = attacks.last_mut().filter(|_| is_listing && !line.is_empty()) {
            unread.extend(read_below(attack, line).err());
        } else {
            is_listing = false;
        }
    }
    (attacks, unread)
}

/// Reads a line below an attack: a test, the lack of one, or more words.
fn read_below(attack: &mut Attack, line: &str) -> Result<(), String> {
    let Some(item) = line.strip_prefix("  - ") else {
        // More words, of the attack or of the reason why it has no test.
        if attack.tests.is_empty() && !attack.is_untested {
            attack.words = format!("{} {}", attack.words, line.trim());
        }
        return Ok(());
    };
    let test =
        item.split_once(" `").and_then(|(krate, rest)| Some((krate, rest.strip_suffix('`')?)));
    match test {
        _ if item.starts_with("no test: ") => attack.is_untested = true,
        Some((krate, name)) => attack.tests.push(Test::new(krate, name)),
        None => return Err(format!("{}: not understood:\n{line}", attack.code)),
    }
    Ok(())
}

/// The codes that a name begins with: `t04` and `d01` of `t04_d01_every_bit`.
fn codes(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').take_while(|word| {
        matches!(word.as_bytes(), [letter, tens, ones]
            if letter.is_ascii_lowercase() && tens.is_ascii_digit() && ones.is_ascii_digit())
    })
}

/// Every test of the workspace with a code in its name.
fn coded_tests(root: &Path) -> BTreeSet<Test> {
    let mut tests = BTreeSet::new();
    for member in entries(root).filter(|path| path.join("Cargo.toml").is_file()) {
        let krate = member.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        visit(&member, &mut |source| {
            let coded = tests_of(source).filter(|name| codes(name).next().is_some());
            tests.extend(coded.map(|name| Test::new(&krate, name)));
        });
    }
    tests
}

/// Visits every Rust file below a directory, but what cargo has built.
fn visit(directory: &Path, see: &mut impl FnMut(&str)) {
    for path in entries(directory) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            visit(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path())
}

/// The names of the functions under `#[test]`, those in macros such as `proptest!` too.
fn tests_of(source: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    source.lines().filter_map(move |line| {
        let line = line.trim_start();
        is_test |= line.starts_with("#[test]");
        let name = line.strip_prefix("fn ")?.split_once('(')?.0;
        std::mem::take(&mut is_test).then_some(name)
    })
}

/// A page, and the tests that it lists.
const GOOD: &str = "\
# Attacks

- a list of something else

## t: Tree

Words about trees.

- **t01** Hash blocks are passed off as data, in a line that is so long that it
  goes on. *Refused.*
  - verity `t01_t02_both`
  - cli `t01_one`
- **t02** Another. *Refused.*
  - verity `t01_t02_both`

## x: Threads

- **x03** Nobody tries. *Nothing.*
  - no test: it would take
    two lines to say why
";

fn good_tests() -> BTreeSet<Test> {
    [("verity", "t01_t02_both"), ("cli", "t01_one")]
        .map(|(krate, name)| Test::new(krate, name))
        .into()
}

#[test]
fn a_page_that_lists_every_test_is_right() {
    assert_eq!(differences(GOOD, &good_tests()), [""; 0]);
}

#[test]
fn a_test_that_is_not_listed_is_found() {
    for (name, wanted) in [
        ("t02_more", "t02: not listed:\n  - sign `t02_more`"),
        ("t09_new", "t09: not listed:\n  - sign `t09_new`"),
        ("x03_now", "x03: not listed:\n  - sign `x03_now`"),
    ] {
        let mut tests = good_tests();
        tests.insert(Test::new("sign", name));
        assert_eq!(differences(GOOD, &tests), [wanted]);
    }
    // The same name in another crate is another test.
    let mut tests = good_tests();
    tests.insert(Test::new("sign", "t01_one"));
    assert_eq!(differences(GOOD, &tests), ["t01: not listed:\n  - sign `t01_one`"]);
}

#[test]
fn a_line_without_its_test_is_found() {
    for (from, to, wanted) in [
        ("cli `t01_one`", "cli `t01_two`", &["t01: not listed:", "t01: no such test:"][..]),
        ("cli `t01_one`", "sign `t01_one`", &["t01: not listed:", "t01: no such test:"]),
        ("  - cli `t01_one`\n", "", &["t01: not listed:"]),
        ("- **t02** Another", "- **t03** Another", &["t02: not listed:", "t03: no such test:"]),
        ("*\n  - verity `t01_t02_both`\n\n", "*\n\n", &["t02: neither a test", "t02: not listed:"]),
        ("  - no test: it would take\n    two lines to say why\n", "", &["x03: neither a test"]),
        ("two lines to say why\n", "\n  - cli `x03_a`\n", &["x03: has tests", "x03: no such test"]),
    ] {
        assert_found(&GOOD.replacen(from, to, 1), wanted);
    }
}

#[test]
fn a_page_out_of_shape_is_found() {
    for (from, to, wanted) in [
        ("**t02**", "**t01**", &["t01: stands behind t01", "t02: not listed:"][..]),
        ("**x03**", "**d03**", &["d03: in the section of another letter"]),
        ("**x03**", "**x3**", &["x3: no code"]),
        ("tries. *Nothing.*", "tries.", &["x03: does not say what must happen"]),
        ("cli `t01_one`", "cli t01_one", &["t01: not understood:", "t01: not listed:"]),
        (
            "  - cli `t01_one`\n",
            "  - cli `t01_one`\n  - cli `t01_one`\n",
            &["t01: lists a test twice"],
        ),
    ] {
        assert_found(&GOOD.replacen(from, to, 1), wanted);
    }
}

/// Asserts that exactly this is found, told by its beginnings.
#[track_caller]
fn assert_found(page: &str, wanted: &[&str]) {
    assert_ne!(page, GOOD);
    let found = differences(page, &good_tests());
    let is_alike = found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted));
    assert!(is_alike, "{found:#?}, and not {wanted:#?}");
}

#[test]
fn tests_are_found_wherever_they_stand() {
    for (source, names) in [
        ("#[test]\nfn t01_a() {}\n", &["t01_a"][..]),
        (
            "mod tests {\n    #[test]\n    #[should_panic(expected = \"x\")]\n    fn t01_a() {}\n}",
            &["t01_a"],
        ),
        ("proptest! {\n    #[test]\n    fn t01_a(\n        seed: u8,\n    ) {}\n}", &["t01_a"]),
        ("#[test]\n/// Words of fn t01_c().\nfn a() {}\nfn t01_b() {}", &["a"]),
        ("fn t01_helper() {}\n// #[test]\nfn t01_b() {}", &[]),
    ] {
        assert!(tests_of(source).eq(names.iter().copied()), "{source}");
    }
    assert!(codes("t04_d01_every_bit_of_x02").eq(["t04", "d01"]));
    for name in ["every_t04", "t4_a", "T04_a", "t044_a", "u8_t04"] {
        assert_eq!(codes(name).next(), None, "{name}");
    }
}
