//! The command as `install.sh` puts it into a system: found by its name, with pages that `man`
//! shows, and with completions where each shell looks for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use verity_testdata::files::{self, TempDir};
use verity_testdata::oracle::{require, run, run_ok};

/// Installs below a folder, as packagers do.
fn install(options: &[&str]) -> TempDir {
    let root = files::tempdir();
    run_ok(&mut script(root.path(), options));
    root
}

fn script(root: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh"));
    command.arg(concat!("--from=", env!("CARGO_BIN_EXE_verity"))).args(options);
    // Names are those from where it is called, whatever the folder of the script.
    command.env("DESTDIR", root).current_dir(root);
    command
}

/// All files below a folder, as paths from there, in order.
fn all_files(root: &Path) -> Vec<String> {
    let found = run_ok(Command::new("find").args([".", "!", "-type", "d"]).current_dir(root));
    let mut names: Vec<String> = found.lines().map(|name| name[1..].to_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_command_its_pages_and_completions_are_where_systems_look_for_them() {
    let root = install(&["--prefix=/usr"]);
    let (pages, others): (Vec<_>, Vec<_>) =
        all_files(root.path()).into_iter().partition(|name| name.contains("/man/"));
    assert_eq!(
        others,
        [
            "/usr/bin/verity",
            "/usr/libexec/verity/veritysetup",
            "/usr/share/bash-completion/completions/verity",
            "/usr/share/fish/vendor_completions.d/verity.fish",
            "/usr/share/zsh/site-functions/_verity",
        ]
    );
    for page in ["verity", "verity-build", "verity-image-create", "verity-verify"] {
        let page = format!("/usr/share/man/man1/{page}.1");
        assert!(pages.contains(&page), "{page}: {pages:?}");
    }
    let link = std::fs::read_link(root.path().join("usr/libexec/verity/veritysetup")).unwrap();
    assert_eq!(link, PathBuf::from("/usr/bin/verity"));
    let version = run_ok(Command::new(root.path().join("usr/bin/verity")).arg("--version"));
    assert!(version.starts_with("verity "), "{version}");
}

#[test]
fn man_shows_an_installed_page_by_its_name() {
    let Some(man) = require("man") else { return };
    let root = install(&["--prefix=/opt"]);
    let mut command = Command::new(man);
    command.args(["--warnings", "-M"]).arg(root.path().join("opt/share/man")).arg("verity-read");
    command.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env("MANPAGER", "cat");
    let output = run(&mut command);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let synopsis = "SYNOPSIS\n       verity read [OPTIONS]";
    assert!(text.contains(synopsis) && text.contains("EXIT STATUS"), "{text}");
}

#[test]
fn a_completion_is_found_by_the_name_of_the_command() {
    let root = install(&["--prefix=/usr"]);
    let at = |name: &str| root.path().join(name);
    let script = ". \"$0\"; complete -p verity; COMP_WORDS=(verity rep); COMP_CWORD=1; \
                  _verity verity rep; echo ${COMPREPLY[*]}";
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(script).arg(at("usr/share/bash-completion/completions/verity"));
    let told = run_ok(&mut bash);
    assert!(told.contains("-F _verity") && told.trim().ends_with("repair"), "{told}");
    if let Some(fish) = require("fish") {
        let mut fish = Command::new(fish);
        let script = "source $argv[1]; complete --do-complete 'verity rep'";
        fish.args(["-N", "-c", script]).arg(at("usr/share/fish/vendor_completions.d/verity.fish"));
        let told = run_ok(fish.env("HOME", root.path()));
        assert!(told.starts_with("repair"), "{told}");
    }
    if let Some(zsh) = require("zsh") {
        let script =
            "fpath=($1 $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[verity]";
        let mut zsh = Command::new(zsh);
        zsh.args(["-f", "-c", script, "zsh"]).arg(at("usr/share/zsh/site-functions"));
        assert_eq!(run_ok(zsh.env("HOME", root.path())).trim(), "_verity");
    }
}

#[test]
fn folders_can_be_chosen_and_what_was_there_is_replaced_whole() {
    let options = ["--bindir=/sbin", "--datadir=/data", "--libexecdir=/helpers"];
    let root = install(&options);
    let program = root.path().join("sbin/verity");
    assert!(root.path().join("data/man/man1/verity.1").exists());
    let link = std::fs::read_link(root.path().join("helpers/verity/veritysetup")).unwrap();
    assert_eq!(link, PathBuf::from("/sbin/verity"));
    // The old file stays what it was for who has it open.
    let kept = root.path().join("kept");
    std::fs::hard_link(&program, &kept).unwrap();
    std::fs::write(root.path().join("new"), "#!/bin/sh\n").unwrap();
    let pages = root.path().join("pages");
    run_ok(Command::new(&program).arg("--write-pages").arg(&pages));
    let pages = format!("--pages={}", pages.display());
    let from = format!("--from={}", root.path().join("new").display());
    run_ok(&mut script(root.path(), &[&options[..], &[&pages, &from]].concat()));
    assert_eq!(files::read(&program), b"#!/bin/sh\n");
    assert_eq!(files::read(&kept), files::read(Path::new(env!("CARGO_BIN_EXE_verity"))));
    let left: Vec<_> =
        all_files(root.path()).into_iter().filter(|name| name.ends_with(".new")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_option_that_is_unknown_installs_nothing() {
    let root = files::tempdir();
    let output = run(&mut script(root.path(), &["--prefx=/usr"]));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(all_files(root.path()), Vec::<String>::new());
}

#[test]
fn pages_that_cannot_be_written_are_an_error_with_the_name_of_their_folder() {
    let root = files::tempdir();
    files::write(&root.path().join("file"), b"");
    let mut command = Command::new(env!("CARGO_BIN_EXE_verity"));
    let output = run(command.args(["--write-pages", "file/pages"]).current_dir(root.path()));
    assert_eq!(output.status.code(), Some(4));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("file/pages") && told.contains("Not a directory"), "{told}");
}
