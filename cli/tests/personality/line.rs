//! Command lines: those that every version was asked about by hand, and random ones.

use std::fmt;

use verity_testdata::pattern::Prng;

use super::world::{Template, UUID};

/// The words of a command line.
#[derive(Clone, Debug)]
pub(crate) struct Line(Vec<String>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|word| match word.contains(' ') || word.is_empty() {
            true => format!("'{word}'"),
            false => word.clone(),
        });
        write!(f, "veritysetup {}", words.collect::<Vec<_>>().join(" "))
    }
}

impl Line {
    pub(crate) fn words(&self) -> &[String] {
        &self.0
    }

    /// Whether an option is there, by its long name or its letter.
    pub(crate) fn has(&self, option: &str) -> bool {
        let is = |word: &String| {
            word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        self.0.iter().any(is)
    }

    /// Whether a word is there.
    pub(crate) fn names(&self, word: &str) -> bool {
        self.0.iter().any(|found| found == word || found.ends_with(&format!("={word}")))
    }

    /// A random line.
    pub(crate) fn random(prng: &mut Prng, template: &Template) -> Line {
        let action = *prng.pick(&[
            "format", "format", "format", "format", "format", "verify", "verify", "verify", "dump",
            "dump", "open", "open", "create", "close", "remove", "status", "forma", "",
        ]);
        let mut words: Vec<String> = Vec::new();
        if !(action.is_empty() && prng.one_in(2)) {
            words.push(action.to_owned());
        }
        words.extend(arguments(prng, action, template));
        if prng.one_in(12) {
            words.truncate(prng.index(words.len() + 1));
        }
        if prng.one_in(15) {
            words.push("extra".to_owned());
        }
        let options = prng.below(5);
        for _ in 0..options {
            let option = option(prng, action, template);
            let place = prng.index(words.len() + 1);
            // Not between an option and its value: those stay together.
            let place = free_place(&words, place);
            words.splice(place..place, option);
        }
        if prng.one_in(40) {
            let place = prng.index(words.len() + 1);
            words.insert(free_place(&words, place), "--".to_owned());
        }
        Line(words)
    }
}

/// The next place behind a word that does not wait for a value.
fn free_place(words: &[String], mut place: usize) -> usize {
    let waits = |word: &String| {
        VALUES.iter().any(|(long, _)| word == &format!("--{long}"))
            || (word.starts_with('-') && !word.starts_with("--") && word.ends_with(['h', 's']))
    };
    while place > 0 && waits(&words[place - 1]) {
        place += 1;
        if place > words.len() {
            return 0;
        }
    }
    place.min(words.len())
}

fn arguments(prng: &mut Prng, action: &str, template: &Template) -> Vec<String> {
    let pick = |prng: &mut Prng, words: &[&str]| (*prng.pick(words)).to_owned();
    let data = |prng: &mut Prng| match prng.below(8) {
        0..5 => "d".to_owned(),
        5 => "img".to_owned(),
        _ => pick(prng, &["e", "small", "odd", "nope", "dir", "/dev/null", "", "bad", "worse"]),
    };
    let old = |prng: &mut Prng| match prng.below(8) {
        0..4 => "h".to_owned(),
        4 => "img".to_owned(),
        _ => pick(
            prng,
            &[
                "plain",
                "badh",
                "spare",
                "version",
                "type",
                "size",
                "alg",
                "salt",
                "cut",
                "e",
                "d",
                "nope",
                "dir",
                "/dev/null",
                "old",
                "",
            ],
        ),
    };
    let root = |prng: &mut Prng| match prng.below(6) {
        0..4 => template.root.clone(),
        4 => template.root.to_uppercase(),
        _ => odd_root(prng, &template.root),
    };
    let name = |prng: &mut Prng| {
        let long = "n".repeat(127 + prng.index(3));
        pick(prng, &["n", "x/x", &long, "", "a b"])
    };
    match action {
        "format" => {
            let hash = match prng.below(8) {
                0..4 => "n".to_owned(),
                4 => "img".to_owned(),
                5 => "old".to_owned(),
                _ => pick(prng, &["h", "d", "dir", "/dev/null", "/no/dir/n", "", "e", "plain"]),
            };
            vec![data(prng), hash]
        }
        "verify" => {
            let mut words = vec![data(prng), old(prng)];
            if !prng.one_in(6) {
                words.push(root(prng));
            }
            words
        }
        "open" => vec![data(prng), name(prng), old(prng), root(prng)],
        "create" => vec![name(prng), data(prng), old(prng), root(prng)],
        "close" | "remove" | "status" => {
            vec![pick(prng, &["n", "nope", "/dev/nope", "", "d", "a b", "/dev/null"])]
        }
        _ => vec![old(prng)],
    }
}

fn odd_root(prng: &mut Prng, root: &str) -> String {
    let odd = [
        format!("abcdef00{}", &root[8..]),
        root[1..].to_owned(),
        format!(" {root}"),
        format!("0x{root}"),
        String::new(),
        "zz".to_owned(),
        format!("{root}00"),
    ];
    prng.pick(&odd).clone()
}

/// Options with values.
const VALUES: [(&str, &[&str]); 14] = [
    (
        "data-block-size",
        &[
            "512",
            "1024",
            "4096",
            "8192",
            "333",
            "256",
            "0",
            "1048576",
            "4k",
            "-1",
            "",
            "4294967296",
        ],
    ),
    ("hash-block-size", &["512", "1024", "4096", "4096", "16384", "0", "-4096", "+512", " 512"]),
    (
        "data-blocks",
        &["0", "1", "2", "10", "40", "41", "-1", "x", "99999", "18446744073709551615", "007"],
    ),
    (
        "hash-offset",
        &["0", "512", "4096", "163840", "167936", "100", "-1", "0x0", "1048576", "", "8192"],
    ),
    ("fec-offset", &["0", "4096", "8192", "100", "200704", "262144", "-512", "y", "512"]),
    ("fec-roots", &["2", "3", "4", "24", "1", "25", "0", "-1", "z"]),
    ("fec-device", &["f", "f2", "f2", "f2", "nope", "dir", "n", "img", "/no/f", "", "h", "d"]),
    ("format", &["1", "0", "2", "-1", "x", ""]),
    (
        "hash",
        &["sha256", "sha1", "sha512", "SHA256", "foo", "", "sha224", "md5", "sha-256", "sha3-256"],
    ),
    ("salt", &["-", "", "00", "00ff", "ABCDEF", "zz", "abc", "0x00"]),
    ("uuid", &[UUID, UUID, "A60C98D2-AE9B-4865-BFCB-B4E3ACE11033", "xyz", ""]),
    (
        "root-hash-file",
        &[
            "root",
            "rootline",
            "blank",
            "short",
            "e",
            "dir",
            "nope",
            "/dev/null",
            "",
            "new",
            "/no/r",
        ],
    ),
    ("root-hash-signature", &["sig", "e", "dir", "nope", ""]),
    ("nope", &["1"]),
];

const FLAGS: [&str; 17] = [
    "cancel-deferred",
    "check-at-most-once",
    "debug",
    "deferred",
    "error-as-corruption",
    "ignore-corruption",
    "ignore-zero-blocks",
    "no-superblock",
    "panic-on-corruption",
    "restart-on-corruption",
    "shared",
    "use-tasklets",
    "verbose",
    "help",
    "usage",
    "version",
    "hash-off",
];

/// An option in one of its forms, mostly one that means something to the action.
fn option(prng: &mut Prng, action: &str, template: &Template) -> Vec<String> {
    if prng.one_in(5) {
        return flag(prng, action);
    }
    let usual: &[&str] = match action {
        "format" => &[
            "salt",
            "salt",
            "uuid",
            "uuid",
            "data-block-size",
            "hash-block-size",
            "data-blocks",
            "hash-offset",
            "fec-device",
            "fec-offset",
            "fec-roots",
            "format",
            "hash",
            "root-hash-file",
        ],
        "verify" => &["fec-device", "root-hash-file", "hash-offset", "fec-roots", "fec-offset"],
        "open" | "create" => {
            &["fec-device", "root-hash-file", "root-hash-signature", "hash-offset"]
        }
        _ => &["hash-offset", "fec-device", "fec-roots"],
    };
    let name = match prng.one_in(6) {
        true => prng.pick(&VALUES).0,
        false => *prng.pick(usual),
    };
    let values = VALUES.iter().find(|(known, _)| *known == name).unwrap().1;
    // The first of them are the usual ones.
    let value = if prng.one_in(2) { &values[..values.len().div_ceil(2)] } else { values };
    let value = (*prng.pick(value)).to_owned();
    let value = if name == "salt" && prng.one_in(10) {
        "5a".repeat(*prng.pick(&[255, 256, 257]))
    } else {
        value
    };
    let _ = template;
    form(prng, name, value)
}

fn flag(prng: &mut Prng, action: &str) -> Vec<String> {
    let flag = match prng.below(4) {
        0 => *prng.pick(&["verbose", "debug", "no-superblock", "check-at-most-once"]),
        1 if action == "open" || action == "create" => *prng.pick(&FLAGS[4..12]),
        1 if action == "close" => *prng.pick(&["deferred", "cancel-deferred"]),
        2 => {
            return vec![
                (*prng.pick(&["-v", "-vv", "-v", "-x", "-vx", "-?", "-V", "-q", "-v=1"]))
                    .to_owned(),
            ];
        }
        _ => *prng.pick(&FLAGS),
    };
    match prng.one_in(20) {
        true => vec![format!("--{flag}=1")],
        false => vec![format!("--{flag}")],
    }
}

fn form(prng: &mut Prng, name: &str, value: String) -> Vec<String> {
    let letter = match name {
        "hash" => Some('h'),
        "salt" => Some('s'),
        _ => None,
    };
    match (letter, prng.below(6)) {
        (Some(letter), 0) if !value.is_empty() => vec![format!("-{letter}{value}")],
        (Some(letter), 1) => vec![format!("-{letter}"), value],
        (Some(letter), 2) => vec![format!("-{letter}={value}")],
        (Some(letter), 3) => vec![format!("-v{letter}"), value],
        (_, 0 | 4) => vec![format!("--{name}"), value],
        _ => vec![format!("--{name}={value}")],
    }
}

/// The lines that were asked about by hand.
pub(crate) fn fixed(template: &Template) -> Vec<Line> {
    let long = "n".repeat(128);
    let salt = "5a".repeat(257);
    let short = &template.root[1..];
    let line = |text: &str| {
        let text = text.replace("ROOT", &template.root).replace("SHORT", short);
        let text = text.replace("LONG", &long).replace("SALT", &salt).replace("UUID", UUID);
        let words = text.split(' ').filter(|word| !word.is_empty());
        Line(words.map(|word| word.replace("NOTHING", "").replace('~', " ")).collect())
    };
    // No word at all, and then those of the list.
    std::iter::once("").chain(FIXED.lines()).map(line).collect()
}

/// `~` is a blank within a word, `NOTHING` no character.
const FIXED: &str = "\
-v
--
foo
DUMP h
create
create n
format d
verify d
open d n
create n d
close
remove
status
dump
--nope
-x dump h
-q format d n
format d n --data-block-size
format d n -h
format d n --data-block-size=4k
format d n --data-block-size=
format d n --data-block-size=-1
format d n --data-block-size=99999999999
format d n --data-blocks=x
format d n --hash-offset=0x0
dump --debug=1 h
format d n --ignore-corruption
verify d h ROOT --use-tasklets
status --deferred n
close n --root-hash-file=x
open d n h ROOT --ignore-corruption --restart-on-corruption
open d n h ROOT --panic-on-corruption --restart-on-corruption
open d n h ROOT --error-as-corruption
close --deferred --cancel-deferred n
format d n --data-block-size=333
format d n --data-block-size=256
format d n --data-block-size=1048576
format d n --format=2
format d n --hash=foo
format d n --hash=
format d n --salt=zz
format d n --salt=abc
format d n --salt=SALT
format d n --uuid=xyz
format d n --uuid=
format d n --hash-offset=100
format d n --fec-device=f2 --fec-offset=100
format d n --data-blocks=99999
format d n --data-blocks=-1
format d d
format d n --fec-device=f2 --fec-roots=1
format d n --fec-device=f2 --fec-roots=25
format nope n
dump nope
verify nope h ROOT
format d dir
dump dir
format /dev/null n
format e n
format d /no/dir/n
format d NOTHING
format d n --fec-device=/no/f
format d n --root-hash-file=/no/r
verify d h
open d n h
verify d h zz
verify d h SHORT
verify d h ~ROOT
verify d h 0xROOT
verify d h NOTHING
verify d h --root-hash-file=nope
verify d h --root-hash-file=
open d n h --root-hash-file=nope
verify d h --root-hash-file=short
verify d h --root-hash-file=e
verify d h --root-hash-file=dir
verify d h --root-hash-file=/dev/null
verify d h --root-hash-file=blank
verify d h --root-hash-file=root
verify d h junk --root-hash-file=rootline
verify d e ROOT
dump d
dump h --hash-offset=4096
verify d h ROOT --hash-offset=100
verify d h ROOT --fec-device=nope
dump h --fec-device=nope
open d n h ROOT --fec-device=nope
verify d h ROOT --root-hash-signature=sig
open d n h ROOT --root-hash-signature=nope
open d n h ROOT --root-hash-signature=e
open d n h ROOT --root-hash-signature=dir
open d x/x h ROOT
open d LONG h ROOT
open d n h ROOT
open d n h ROOT -v
open d n h ROOT --root-hash-signature=sig
close n
status n
status /dev/nope
status n -v
format d n --salt= --uuid=UUID
format d n --salt=- --uuid=UUID
format d n --data-blocks=0 --salt=00 --uuid=UUID
format d n --fec-roots=3 --salt=00 --uuid=UUID
format d n --salt=00 --uuid=UUID --fec-device=f2
format d n --salt=00 --uuid=UUID --fec-device=n --fec-offset=1048576
format img img --salt=00 --uuid=UUID --data-blocks=40 --hash-offset=163840 \
    --fec-device=img --fec-offset=262144
format d n -v --debug --salt=00 --root-hash-file=new --uuid=UUID
format d old --salt=00 --no-superblock --root-hash-file=root
format d n
format d n --no-superblock
format odd n --salt=00 --no-superblock
format d n --data-blocks=1 --salt=00 --no-superblock
format d n --data-blocks=1 --salt=00 --uuid=UUID
dump h extra
dump h --no-superblock
dump h -v
dump h --debug
dump img --hash-offset=163840
dump h --fec-device=f
verify d h ROOT --hash=foo
verify d h ROOT -v
verify d h ROOT --debug
verify d plain ROOT --no-superblock --salt=00ff
verify img img ROOT --hash-offset=163840
verify bad h ROOT
verify bad h ROOT -v
verify bad h ROOT --fec-device=f
verify worse h ROOT --fec-device=f
verify worse h ROOT
verify d badh ROOT
verify d spare ROOT
verify d cut ROOT
verify d version ROOT
verify d type ROOT
verify d size ROOT
verify d alg ROOT
verify d salt ROOT
verify small h ROOT
verify odd h ROOT
--help --nope
--nope --help
--usage
--version
-V --nope
-?
";
