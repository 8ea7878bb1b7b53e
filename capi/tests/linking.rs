//! The programs of `docs/LINKING.md` are compiled and run as they stand there. That in Rust is a
//! documentation test of `dm-verity-sign`.

use std::path::Path;

use verity_testdata::files;
use verity_testdata::oracle::{require, run, run_ok};
use verity_testdata::pattern::painted;

use super::languages::{go, python};
use super::stage::{crate_dir, stage};

/// The program in a language.
fn program(language: &str) -> Vec<u8> {
    let page = files::read(&crate_dir().join("../docs/LINKING.md"));
    let page = String::from_utf8(page).unwrap();
    let (_, rest) = page.split_once(&format!("\n```{language}\n")).unwrap();
    rest.split_once("\n```\n").unwrap().0.as_bytes().to_vec()
}

#[test]
fn the_program_in_c_makes_a_tree() {
    let (stage, directory) = (stage(), files::tempdir());
    let path = |name: &str| directory.path().join(name);
    files::write(&path("program.c"), &program("c"));
    files::write(&path("data"), &painted(300 * 4096));
    let options = ["-Wall", "-Wextra", "-Werror"];
    if stage.compile("cc", &options, &path("program.c"), &path("program")).is_none() {
        return;
    }
    let mut command = stage.command(path("program"));
    let root = run_ok(command.arg(path("data")).arg(path("hash")));
    assert_eq!((root.trim().len(), files::read(&path("hash")).len()), (64, 5 * 4096));
    files::write(&path("data"), &painted(300 * 4096 + 1));
    let mut command = stage.command(path("program"));
    let output = run(command.arg(path("data")).arg(path("hash")));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the last 1 bytes"), "{output:?}");
}

#[test]
fn the_program_in_python_reads_what_it_has_built() {
    let (stage, directory) = (stage(), files::tempdir());
    if require("pytest-3").is_none() {
        return;
    }
    let (script, image) = (directory.path().join("program.py"), directory.path().join("image"));
    files::write(&script, &program("python"));
    files::write(&image, &painted(300 * 4096));
    let mut command = python(stage, Path::new("/usr/bin/python3"));
    let said = run_ok(command.arg(&script).arg(&image));
    let hashed = run_ok(std::process::Command::new("sha256sum").arg({
        files::write(&image, &painted(300 * 4096));
        &image
    }));
    assert_eq!(said.split_whitespace().nth(1), hashed.split_whitespace().next());
}

#[test]
fn the_program_in_go_asks_the_library() {
    let (stage, directory) = (stage(), files::tempdir());
    let source = directory.path().join("program.go");
    files::write(&source, &program("go"));
    let built = directory.path().join("program");
    if go(stage, directory.path(), &source, &built).is_none() {
        return;
    }
    assert_eq!(run_ok(stage.command(&built).arg("sha512")), "64\n");
    let output = run(stage.command(&built).arg("md5"));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("known ones"), "{output:?}");
}
