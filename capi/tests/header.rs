//! The header says what the library does: names, types, places of members, numbers, symbols.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use verity_testdata::files;
use verity_testdata::oracle::{require, run_ok};

use super::source;
use super::stage::{crate_dir, stage};

fn header() -> String {
    String::from_utf8(files::read(&crate_dir().join("include/verity.h"))).unwrap()
}

/// The functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = header();
    let outside_comments: String = {
        let mut rest = header.as_str();
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once("/*") {
            text.push_str(before);
            rest = after.split_once("*/").map_or("", |(_, after)| after);
        }
        text + rest
    };
    let words = outside_comments.match_indices("verity_").filter_map(|(at, _)| {
        let word: String = outside_comments[at..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        outside_comments[at + word.len()..].starts_with('(').then_some(word)
    });
    words
        .filter(|word| word != "verity_device" && word != "verity_run" && word != "verity_image")
        .collect()
}

/// Declares every function again, and states places and numbers, as the sources have them: the
/// compiler compares.
#[test]
fn prototypes_members_and_numbers_are_those_of_the_library() {
    let Some(compiler) = require("cc") else { return };
    let source = source::read();
    assert_eq!(declared(), source.functions.keys().cloned().collect());
    let mut text = String::from("#include <verity.h>\n");
    for prototype in source.functions.values() {
        writeln!(text, "{prototype};").unwrap();
    }
    for (name, fields) in &source.structs {
        let (mut end, mut largest) = (0_usize, 1);
        for (field, place) in fields {
            end = end.next_multiple_of(place.size);
            writeln!(text, "_Static_assert(offsetof({name}, {field}) == {end}, \"\");").unwrap();
            writeln!(
                text,
                "_Static_assert(sizeof((({name} *)0)->{field}) == {}, \"\");",
                place.size * place.count,
            )
            .unwrap();
            end += place.size * place.count;
            largest = largest.max(place.size);
        }
        let size = end.next_multiple_of(largest);
        writeln!(text, "_Static_assert(sizeof({name}) == {size}, \"\");").unwrap();
    }
    for (name, number) in &source.codes {
        writeln!(text, "_Static_assert(VERITY_E_{name} == {number}, \"\");").unwrap();
    }
    let header = header();
    let mut stated = 0;
    for (name, number) in &source.constants {
        for define in [format!("VERITY_{name}"), format!("VERITY_FOUND_{name}")] {
            if header.contains(&format!("#define {define} ")) {
                writeln!(text, "_Static_assert((int){define} == {number}, \"\");").unwrap();
                stated += 1;
            }
        }
    }
    assert!(stated >= 13 && source.codes.len() == 15 && source.structs.len() == 10, "{stated}");
    let directory = files::tempdir();
    let path = directory.path().join("agree.c");
    files::write(&path, text.as_bytes());
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"]);
    run_ok(command.arg(stage().header().parent().unwrap()).arg(&path));
}

/// Nothing but what the header declares leaves the library, and nothing but the system's own
/// libraries is needed.
#[test]
fn symbols_are_the_golden_list_and_the_library_has_its_name() {
    let (Some(nm), Some(readelf)) = (require("nm"), require("readelf")) else { return };
    let library = stage().lib().join("libverity.so.0");
    let listed = run_ok(Command::new(nm).args(["-D", "--defined-only"]).arg(&library));
    let mut symbols: Vec<_> =
        listed.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    symbols.sort_unstable();
    let golden = crate_dir().join("symbols.txt");
    if std::env::var_os("VERITY_BLESS").is_some() {
        files::write(&golden, (symbols.join("\n") + "\n").as_bytes());
    }
    let expected = String::from_utf8(files::read(&golden)).unwrap();
    assert_eq!(symbols, expected.lines().collect::<Vec<_>>());
    assert_eq!(symbols, declared().iter().map(String::as_str).collect::<Vec<_>>());
    let dynamic = run_ok(Command::new(readelf).arg("-dW").arg(&library));
    let named = |tag: &str| -> Vec<String> {
        let lines = dynamic.lines().filter(|line| line.contains(tag));
        let name = |line: &str| {
            let (_, rest) = line.split_once('[').unwrap();
            rest.trim_end_matches(']').to_owned()
        };
        lines.map(name).collect()
    };
    assert_eq!(named("(SONAME)"), ["libverity.so.0"]);
    let system = ["libc.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2", "libdl.so.2"];
    for needed in named("(NEEDED)") {
        assert!(system.contains(&needed.as_str()), "{needed}");
    }
}

/// Programs of other languages and compilers read the header without a warning.
#[test]
fn the_header_is_c11_and_cpp17() {
    let directory = files::tempdir();
    let include = stage().header();
    let check = |compiler: &str, standard: &str, name: &str| {
        let Some(compiler) = require(compiler) else { return };
        let path = directory.path().join(name);
        let text = "#include <verity.h>\n\
                    int main(void)\n{\n\
                    verity_run run = VERITY_RUN_INIT;\n\
                    verity_image image = VERITY_IMAGE_INIT;\n\
                    verity_device device = VERITY_DEVICE_FD(3);\n\
                    return (int)run.threads + (int)image.version + device.fd;\n}\n";
        files::write(&path, text.as_bytes());
        let mut command = Command::new(compiler);
        command.args([standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"]);
        run_ok(command.arg(include.parent().unwrap()).arg(&path));
    };
    check("cc", "-std=c11", "plain.c");
    check("cc", "-std=c99", "older.c");
    check("c++", "-std=c++17", "plain.cpp");
}

#[test]
fn the_header_is_installed_as_it_is() {
    assert_eq!(
        files::read(&stage().header()),
        files::read(Path::new(&crate_dir().join("include/verity.h")))
    );
}
