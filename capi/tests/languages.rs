//! Other languages over the installed library: Python, with nothing compiled, and Go.

use std::path::Path;
use std::process::Command;

use verity_testdata::files;
use verity_testdata::oracle::{require, run, run_ok};
use verity_testdata::pattern::painted;

use super::examples::{SIZE, check_image, make_image};
use super::stage::{Stage, crate_dir, key, stage};

/// A Python that finds the module where it is installed.
pub(crate) fn python(stage: &Stage, program: &Path) -> Command {
    let mut command = stage.command(program);
    command.env("PYTHONPATH", stage.root.join("usr/lib/python3/dist-packages"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("VERITY_TEST_KEYS", crate_dir().join("../testdata/keys"));
    command
}

#[test]
fn the_python_module_passes_its_tests() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(pytest) = require("pytest-3") else { return };
    let mut command = python(stage, &pytest);
    command
        .args(["-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir"])
        .arg(directory.path());
    command.arg(format!("--basetemp={}", directory.path().join("tmp").display()));
    let output = run(command.arg(crate_dir().join("python/test_verity.py")));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("14 passed"), "{text}");
}

/// The example of a build tool in Python: from a directory to a signed image.
#[test]
fn a_root_tree_becomes_a_signed_image() {
    let (stage, directory) = (stage(), files::tempdir());
    let (Some(python3), Some(_)) = (require("pytest-3"), require("mkfs.erofs")) else { return };
    let tree = directory.path().join("tree");
    std::fs::create_dir_all(tree.join("etc")).unwrap();
    files::write(&tree.join("etc/os-release"), b"ID=demo\n");
    files::write(&tree.join("large"), &painted(1 << 20));
    let image = directory.path().join("image");
    // The interpreter that has pytest is the system's.
    drop(python3);
    let build = || {
        let mut command = python(stage, Path::new("/usr/bin/python3"));
        command.arg(crate_dir().join("examples/root_tree.py")).arg(&tree).arg(&image).arg("demo");
        run_ok(command.args([key("p256.key"), key("p256.cert")]))
    };
    let root = build();
    check_image(&image);
    let first = files::read(&image);
    assert_eq!(build(), root);
    assert!(files::read(&image) == first);
}

/// Builds a program in Go; `None` where there is no compiler.
pub(crate) fn go(stage: &Stage, directory: &Path, source: &Path, program: &Path) -> Option<()> {
    let mut command = stage.command(require("go")?);
    command.env("GOCACHE", directory.join("cache")).env("GOPATH", directory.join("go"));
    command.env("GO111MODULE", "off").env("CGO_ENABLED", "1");
    run_ok(command.arg("build").arg("-o").arg(program).arg(source));
    Some(())
}

#[test]
fn a_go_program_reads_what_is_proved() {
    let (stage, directory) = (stage(), files::tempdir());
    let Some(image) = make_image(stage, directory.path()) else { return };
    let program = directory.path().join("proved");
    let source = crate_dir().join("examples/proved.go");
    if go(stage, directory.path(), &source, &program).is_none() {
        return;
    }
    let read = || {
        let mut command = stage.command(&program);
        run(command.arg(&image).arg("demo").arg(key("p256.cert")))
    };
    let output = read();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == painted(SIZE));
    let mut bytes = files::read(&image);
    bytes[2 << 20] ^= 1;
    files::write(&image, &bytes);
    let output = read();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("data block 512 is corrupt"), "{text}");
    // No byte of a wrong block has left.
    assert!(output.stdout == painted(SIZE)[..2 << 20]);
}
