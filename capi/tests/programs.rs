//! Programs in C: what a host does right and wrong, on one thread and on several, under
//! AddressSanitizer and valgrind.

use std::path::{Path, PathBuf};

use verity_testdata::files;
use verity_testdata::oracle::{require, run_ok};

use super::stage::{Stage, crate_dir, key, source, stage};

const STRICT: [&str; 6] = ["-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"];

/// Compiles a test program; `None` where there is no compiler.
fn program(stage: &Stage, directory: &Path, name: &str, more: &[&str]) -> Option<PathBuf> {
    let program = directory.join(name);
    let options: Vec<_> = STRICT.iter().chain(more).copied().collect();
    stage.compile("cc", &options, &source(&format!("{name}.c")), &program)?;
    Some(program)
}

fn keys() -> [PathBuf; 4] {
    ["rsa2048.key", "rsa2048.cert", "other.key", "other.cert"].map(key)
}

#[test]
fn from_data_to_a_signed_image_and_back_on_any_number_of_threads() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(flow) = program(stage, directory.path(), "flow", &[]) else { return };
    for threads in ["0", "1", "3"] {
        run_ok(stage.command(&flow).arg(threads).args(keys()));
    }
}

#[test]
fn whatever_a_host_does_wrong_is_an_error() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(misuse) = program(stage, directory.path(), "misuse", &[]) else { return };
    for threads in ["0", "1", "3"] {
        run_ok(stage.command(&misuse).arg(threads));
    }
}

#[test]
fn a_child_builds_after_its_parent_has() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(fork) = program(stage, directory.path(), "fork", &[]) else { return };
    run_ok(&mut stage.command(fork));
}

#[test]
fn threads_share_a_reader_and_those_of_the_library_take_no_signals() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(threads) = program(stage, directory.path(), "threads", &[]) else { return };
    run_ok(&mut stage.command(threads));
}

#[test]
fn addresses_are_right_under_the_sanitizer() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(nm) = require("nm") else { return };
    for (name, arguments) in [("flow", keys().to_vec()), ("misuse", vec![])] {
        let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        let Some(program) = program(stage, directory.path(), name, &sanitizers) else { return };
        let symbols = run_ok(stage.command(&nm).arg(&program));
        assert!(symbols.contains("__asan_init"), "{name} was built without the sanitizer");
        let mut command = stage.command(program);
        command.env("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0");
        run_ok(command.arg("2").args(arguments));
    }
}

#[test]
fn nothing_is_lost_or_read_before_it_is_written_under_valgrind() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(valgrind) = require("valgrind") else { return };
    let suppressions = crate_dir().join("tests/c/valgrind.supp");
    for (name, arguments) in [("flow", keys().to_vec()), ("misuse", vec![])] {
        let Some(program) = program(stage, directory.path(), name, &[]) else { return };
        let mut command = stage.command(&valgrind);
        command.args([
            "--quiet",
            "--error-exitcode=9",
            "--leak-check=full",
            "--show-leak-kinds=all",
        ]);
        command.args(["--errors-for-leak-kinds=definite,indirect,possible"]);
        command.arg(format!("--suppressions={}", suppressions.display()));
        run_ok(command.arg(program).arg("1").args(arguments));
    }
}

/// The static library, with what pkg-config says that it takes beside it.
#[test]
fn programs_link_the_static_library_too() {
    let (stage, directory) = (stage(), files::tempdir());
    let (Some(compiler), Some(flags)) =
        (require("cc"), stage.flags(&["--static", "--cflags", "--libs"]))
    else {
        return;
    };
    let program = directory.path().join("misuse");
    let archive = stage.lib().join("libverity.a").display().to_string();
    let flags =
        flags.into_iter().map(|flag| if flag == "-lverity" { archive.clone() } else { flag });
    let mut command = stage.command(compiler);
    command.args(STRICT).arg(source("misuse.c")).args(flags).arg("-o").arg(&program);
    run_ok(&mut command);
    let mut alone = std::process::Command::new(program);
    run_ok(alone.arg("2"));
}
