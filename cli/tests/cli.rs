//! The command line as a whole: help, versions, exit codes, JSON failures, and where results go.

use std::fs::File;
use std::process::Stdio;

use crate::common::{self, CHECK, Dir, Run, SIGNED_BUILD};
use crate::serve::server::Server;
use verity::internals::{FecPlatform, Platform};
use verity_testdata::pattern;

#[test]
fn help_and_version_have_short_names() {
    let dir = Dir::new();
    for command in [
        "", "format", "verify", "dump", "plan", "table", "build", "check", "sign", "read",
        "repair", "serve",
    ] {
        let usage = |option| {
            let help = dir.ok(&format!("{command} {option}"));
            help.lines().find(|line| line.starts_with("Usage: ")).unwrap().to_owned()
        };
        assert_eq!(usage("-?"), usage("--help"));
        let version = |option| dir.ok(&format!("{command} {option}"));
        assert_eq!(version("-V"), version("--version"));
    }
}

#[test]
fn options_of_all_commands_go_with_the_words_for_help() {
    let dir = Dir::new();
    let json = |line: &str| {
        let run = dir.run(line);
        assert_eq!((run.code, &*run.stderr), (0, ""), "{line}: {run:?}");
        run.json()
    };
    let version = serde_json::json!({"schema": 2, "version": env!("CARGO_PKG_VERSION")});
    for line in ["version --json", "--json version", "--version --json -q", "-V --json"] {
        assert_eq!(json(line), version, "{line}");
    }
    for (line, text) in [
        ("help", "--help"),
        ("help version", "--help"),
        ("help help", "--help"),
        ("-q help", "--help"),
        ("help build -q", "build --help"),
        ("-q help exit-codes", "help exit-codes"),
        ("help -v exit-codes", "help exit-codes"),
        ("version -q", "--version"),
    ] {
        let text = dir.ok(text);
        assert_eq!(dir.ok(line), text, "{line}");
        if !line.starts_with("version") {
            let expected = serde_json::json!({"schema": 2, "help": text});
            assert_eq!(json(&format!("{line} --json")), expected, "{line}");
        }
    }
    for line in ["version --all", "version 1", "help bogus --json", "--bogus version"] {
        dir.fails(line, 2, "");
    }
}

/// Every algorithm once, and single blocks last.
#[test]
fn the_version_tells_on_demand_by_which_kernels_this_machine_hashes() {
    let dir = Dir::new();
    let text = dir.ok("version --verbose");
    assert_eq!(text, dir.ok("-v --version"));
    assert!(text.starts_with(&dir.ok("version")), "{text}");
    let json = dir.run("version --verbose --json").json();
    let mut algorithms = Vec::new();
    for hashing in json["hashing"].as_array().unwrap() {
        let names = hashing["algorithms"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|name| name.as_str().unwrap()).collect();
        let line = format!(
            "\n{}: {} ({})\n",
            names.join(", "),
            hashing["platform"].as_str().unwrap(),
            hashing["reason"].as_str().unwrap(),
        );
        assert!(text.contains(&line), "{line}: {text}");
        if names.contains(&"sha256") {
            let last = hashing["kernels"].as_array().unwrap().last().unwrap();
            assert_eq!((last["blocks"].as_u64(), last["least"].as_u64()), (Some(1), Some(1)));
        }
        algorithms.extend(names.into_iter().map(str::to_owned));
    }
    algorithms.sort();
    let mut all: Vec<_> = verity::Algorithm::ALL.iter().map(ToString::to_string).collect();
    all.sort();
    assert_eq!(algorithms, all);
    let parity = format!("\nparity: {}\n", json["fec_platform"].as_str().unwrap());
    assert!(text.ends_with(&parity), "{text}");
}

/// The exit code alone does not say why.
#[test]
fn a_refusal_is_said_also_to_the_quiet() {
    let dir = Dir::with_signed_set(3);
    dir.key("other");
    let line = "lint-signature image.roothash.p7s --certificate";
    assert_eq!(dir.ok(&format!("{line} rsa2048.cert -q")), "");
    let [loud, quiet] = ["", "-q"].map(|option| dir.run(&format!("{line} other.cert {option}")));
    assert_eq!((quiet.code, &quiet.stdout), (5, &loud.stdout), "{quiet:?}");
    assert!(!quiet.stdout.is_empty());
}

#[test]
fn usage_errors_exit_with_2_and_print_nothing_on_standard_output() {
    let dir = Dir::new();
    for line in [
        "",
        "bogus",
        "format",
        "format a",
        "format a b c",
        "--bogus",
        "dump a --threads 1",
        "help bogus",
    ] {
        let run = dir.run(line);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{line}: {run:?}");
        assert!(run.stderr.starts_with("verity: "), "{line}: {run:?}");
    }
}

#[test]
fn failures_are_json_too() {
    let dir = Dir::with_data(1);
    for (line, code, class) in [
        ("format --json", 2, "usage"),
        ("format data hash --json --data-blocks 2", 3, "metadata"),
        ("dump --json missing", 4, "io"),
        ("--json dump data", 3, "metadata"),
        ("check data --certificate missing --json", 4, "io"),
        ("check data --certificate data --json", 5, "trust"),
        ("plan --image 1 --json --json", 2, "usage"),
    ] {
        let run = dir.run(line);
        assert_eq!(run.code, code, "{line}: {run:?}");
        let json = run.json();
        assert_eq!(json["class"], class, "{line}: {run:?}");
        assert_eq!(json["schema"], 2);
        assert!(!json["message"].as_str().unwrap().is_empty());
        assert_eq!(json["corruptions"].as_array().map(Vec::len), Some(0));
        assert_eq!(json["truncated"], false);
        assert!(run.stderr.starts_with("verity: "), "the words are on standard error as well");
    }
}

#[test]
fn options_may_stand_anywhere() {
    let dir = Dir::with_data(2);
    let orders = [
        "format data hash -s - --hash sha1 --no-superblock",
        "format -s - data --hash=sha1 hash --no-superblock",
        "-s - --no-superblock -h sha1 format data hash",
        "--salt=- -hsha1 format --no-superblock data hash",
    ];
    let [first, rest @ ..] = orders.map(|line| dir.ok(line));
    assert!(rest.iter().all(|other| *other == first));
}

#[test]
fn c15_a_result_that_cannot_be_written_is_a_failure_and_is_not_lost() {
    let dir = Dir::with_data(2);
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let mut command = dir.command();
    command.args(["format", "data", "hash"]).stdout(full());
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, 4, "{run:?}");
    assert!(run.stderr.contains("cannot write the result"), "{run:?}");
    let root = common::root_hash(&run.stderr);
    dir.ok(&format!("verify data hash {root}"));

    let mut command = dir.command();
    command.args(["verify", "data", "hash", &root, "--json"]).stdout(full());
    assert_eq!(command.output().unwrap().status.code(), Some(4));
    // A failure keeps its own code.
    let mut command = dir.command();
    command.args(["verify", "data", "hash", &common::wrong(&root), "--json"]).stdout(full());
    assert_eq!(command.output().unwrap().status.code(), Some(1));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = dir.command();
    command.args(["dump", "hash"]).stdout(writer);
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, 4, "a closed pipe: {run:?}");
}

#[test]
fn nothing_but_the_result_is_on_standard_output() {
    let dir = Dir::with_data(2);
    let quiet = dir.run("format data hash --salt 00 --hash sha1 --no-superblock");
    let verbose = dir.run("-v format data hash --salt 00 --hash sha1 --no-superblock");
    assert_eq!(quiet.stdout, verbose.stdout);
    assert!(quiet.stderr.starts_with("verity: warning: sha1"), "{quiet:?}");
    assert!(verbose.stderr.contains("8192 of 8192 bytes in"), "{verbose:?}");
}

#[test]
fn every_platform_can_be_forced() {
    let dir = Dir::with_signed_set(300);
    let expected = dir.read("image.verity");
    for platform in Platform::available() {
        let forced = format!("--platform {platform}");
        dir.ok(&format!("{forced} {SIGNED_BUILD}"));
        assert!(dir.read("image.verity") == expected, "{platform}");
        dir.ok(&format!("{CHECK} {forced}"));
        let root =
            common::root_hash(&dir.ok(&format!("format image.raw hash {forced} --seed test")));
        let run = dir.run(&format!("verify image.raw hash {root} -v {forced}"));
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains(&format!("verity: platform: {platform}\n")), "{run:?}");
    }
}

/// A server and a reader are told their kernels, those for parity too, and recover by them.
#[test]
fn every_command_names_the_kernels_that_it_was_given() {
    const FEC: &str = "--fec-device fec --fec-roots 2";
    let parity: Vec<_> = FecPlatform::available().collect();
    for (hash, fec) in Platform::available().zip(parity.into_iter().cycle()) {
        let dir = Dir::with_data(20);
        let forced = format!("-v --platform {hash} --fec-platform {fec}");
        let names = format!("verity: platform: {hash}\nverity: fec platform: {fec}\n");
        let assert_named = |run: &Run| {
            assert_eq!(run.code, 0, "{run:?}");
            assert_eq!(run.stderr.matches(&names).count(), 1, "{run:?}");
            assert_eq!(run.stderr.matches("platform: ").count(), 2, "{run:?}");
        };
        let run = dir.run(&format!("format data hash {FEC} {forced}"));
        assert_named(&run);
        let root = common::root_hash(&run.stdout);
        assert_named(&dir.run(&format!("verify data hash {root} {FEC} --all {forced}")));

        let intact = dir.read("data");
        dir.patch("data", 3 * 4096, &[!intact[3 * 4096]]);
        let read = format!("read data hash {root} {FEC} --output copy {forced}");
        assert_named(&dir.run(&read));
        assert!(dir.read("copy") == intact, "{hash}, {fec}");
        let server =
            Server::start(&dir, &format!("serve data hash {root} {FEC} --socket s {forced}"));
        let served = server.client(true).read(3 * 4096, 4096).unwrap();
        assert_eq!(served.unwrap(), intact[3 * 4096..4 * 4096], "{hash}, {fec}");
        assert_named(&server.stop("TERM"));
        assert_named(&dir.run(&format!("repair data hash {root} {FEC} --in-place {forced}")));
        assert!(dir.read("data") == intact, "{hash}, {fec}");
    }
}

#[test]
fn a_platform_that_is_not_here_is_a_usage_error_that_names_those_that_are() {
    let dir = Dir::with_data(2);
    for name in ["mmx", "Portable", "", "portable,avx2"] {
        let run = dir.fails(&format!("format data hash --platform={name}"), 2, "--platform");
        for platform in Platform::available() {
            assert!(name.is_empty() || run.stderr.contains(platform.name()), "{run:?}");
        }
        assert!(!dir.exists("hash"));
    }
}

#[test]
fn c18_runs_do_not_depend_on_the_directory_they_start_in() {
    let dir = Dir::with_data(5);
    dir.ok("format data one --seed x");
    let mut elsewhere = dir.command();
    elsewhere.current_dir("/").arg("format").arg(dir.path("data")).arg(dir.path("two"));
    assert!(elsewhere.args(["--seed", "x"]).output().unwrap().status.success());
    assert!(common::same_file(&dir.path("one"), &dir.path("two")));
}

/// Numbers that no file, device or machine has are told by their limit, not by what the code does
/// with them.
#[test]
fn a10_numbers_beyond_every_limit_are_refused_by_their_limit() {
    let dir = Dir::with_signed_set(20);
    dir.write("data", &pattern::sha256_stream(20 * 4096));
    let root = dir.format("--fec-device fec");
    let image = format!("data hash {root}");
    let before = dir.names();
    for line in [
        "format data new --hash-offset NUMBER",
        "format data new --no-superblock --hash-offset NUMBER",
        "format data data --data-blocks 10 --hash-offset NUMBER",
        "format data new --data-blocks NUMBER",
        "format data new --data-block-size NUMBER",
        "format data new --hash-block-size NUMBER",
        "format data new --format NUMBER",
        "format data new --fec-device newer --fec-roots NUMBER",
        "format data new --fec-device newer --fec-offset NUMBER",
        "format data new --fec-device new --fec-offset NUMBER",
        "format data new --fec-device data --fec-offset NUMBER",
        "format data new --threads NUMBER",
        "build image.raw --hash-offset NUMBER",
        "build image.raw --data-blocks NUMBER",
        "build image.raw --fec-roots NUMBER",
        "verify IMAGE --hash-offset NUMBER",
        "verify IMAGE --data-blocks NUMBER",
        "verify IMAGE --no-superblock --hash-offset NUMBER",
        "verify IMAGE --fec-device fec --fec-offset NUMBER",
        "verify IMAGE --fec-device hash --fec-offset NUMBER",
        "verify IMAGE --fec-device fec --fec-roots NUMBER",
        "verify IMAGE --threads NUMBER",
        "read IMAGE --offset NUMBER --output out",
        "read IMAGE --length NUMBER --output out",
        "read IMAGE --offset NUMBER --length NUMBER --output out",
        "read IMAGE --hash-offset NUMBER --output out",
        "repair IMAGE --fec-device fec --fec-offset NUMBER --output out",
        "dump hash --hash-offset NUMBER",
        "plan --image NUMBER",
        "plan --image 1G --hash-offset NUMBER",
        "plan --partition 1G --data-blocks NUMBER",
        "table HASH --hash-offset NUMBER --data-dev a --hash-dev b",
        "serve IMAGE --socket s --max-clients NUMBER",
        "serve IMAGE --listen 127.0.0.1:0 --max-clients-per-address NUMBER",
        "serve IMAGE --socket s --timeout NUMBER",
        "serve IMAGE --socket s --idle-timeout NUMBER",
    ] {
        // Just below and above what a file can have, and what 64 bits hold; whole sectors, too.
        for number in [
            "9223372036854775296",
            "9223372036854775808",
            "9223372036854775807",
            "18446744073709551104",
            "18446744073709551615",
            "18446744073709551616",
            "4503599627370496T",
        ] {
            let line = line.replace("IMAGE", &image).replace("HASH", &format!("hash {root}"));
            let line = line.replace("NUMBER", number);
            let run = dir.run(&line);
            let is_plan = line.starts_with("plan") && run.code == 0;
            assert!([1, 2, 3].contains(&run.code) || is_plan, "{line}: {run:?}");
            for words in ["integral", "os error", "Invalid argument", "panicked"] {
                assert!(!run.stderr.contains(words), "{line}: {run:?}");
            }
            assert_eq!(dir.names(), before, "{line}");
        }
    }
    dir.fails("format data new --hash-offset 9223372036854775296", 3, "9223372036854775807");
}
