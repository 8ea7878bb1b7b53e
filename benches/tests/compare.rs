//! The commands of this crate on small input; what they measure does not matter here.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use verity_benches::fixture;
use verity_benches::record::Record;
use verity_testdata::pattern::Prng;
use verity_testdata::{files, oracle, reference};

fn compare() -> Command {
    Command::new(env!("CARGO_BIN_EXE_compare"))
}

#[test]
fn kernels_are_measured_beside_their_peers() {
    let directory = files::tempdir();
    let text = oracle::run_ok(
        compare()
            .args(["--parts=kernels", "--size=1", "--rounds=2", "--no-probe", "--dir"])
            .arg(directory.path()),
    );
    for expected in [
        "command: compare --size 1 --reads-size 4096 --rounds 2",
        "## sha512, blocks in memory",
        "| x crate ring",
        "| crate sha2 ",
        "probe: none: ",
        "crates: sha2 0.",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn parity_is_made_and_used_beside_peers_and_reading() {
    let directory = files::tempdir();
    let mut command = compare();
    command.args(["--parts=fec-kernels", "--size=1", "--rounds=1", "--no-probe", "--dir"]);
    command.arg(directory.path());
    let text = squeezed(&oracle::run_ok(&mut command));
    for expected in [
        "## parity of blocks in memory, 24 roots\n\n| contender",
        "## 24 lost blocks of each round out of memory, 24 roots\n\n| contender",
        "| verity portable |",
        "| x reed-solomon | x gf256 | x reading memory |",
        "parity of blocks in memory, 2 roots, verity ",
        "| at least 0.25, stretch 0.35 |",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn reads_are_measured_beside_their_peers() {
    let directory = files::tempdir();
    let mut command = compare();
    command.args(["--parts=reads", "--reads-size=8", "--rounds=1", "--no-probe", "--dir"]);
    command.arg(directory.path());
    let text = squeezed(&oracle::run_ok(&mut command));
    for expected in [
        "reads: an image of 8 MiB; in order over 8 MiB of it; 100 first reads\n",
        "## reads of 4 KiB at random\n\n| contender",
        "| verity of a slice, 2 threads |",
        "| x pread + ring",
        "| x hashing alone",
        "## targets of reads\n\n| what",
        // The block, and one on each of two levels: 2048 blocks have 16 hash blocks and one above.
        "| 12288 bytes | 12288 bytes ",
        "bound of the cache 4.0 MiB",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn another_build_takes_its_turns_and_its_cost_is_told() {
    if oracle::VeritySetup::find().is_none() {
        return;
    }
    let directory = files::tempdir();
    let build = stand_in(directory.path());
    let mut command = compare();
    command.args([
        "--parts=commands,fec",
        "--size=8",
        "--rounds=2",
        "--threads=1",
        "--no-probe",
        "--dir",
    ]);
    command.arg(directory.path()).arg("--verity").arg(&build).arg("--beside").arg(&build);
    let text = squeezed(&oracle::run_ok(&mut command));
    for expected in [
        "verity: a program given; beside it stand-in 1.0\n",
        "| x other verity |",
        "## read\n\n| contender",
        "## beside the other verity\n\n| task ",
        "| format | verity, 1 thread | ",
        "| verify | verity, 1 thread | ",
        "| read | verity, 1 thread | ",
        "| format with parity, 24 roots | verity, 1 thread | ",
        "| repair of 0.1 % of all blocks, 2 roots | verity, 1 thread | ",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn another_build_that_reads_other_bytes_ends_the_run() {
    if oracle::VeritySetup::find().is_none() {
        return;
    }
    let directory = files::tempdir();
    let build = stand_in(directory.path());
    let wrong = directory.path().join("wrong");
    let script = std::fs::read_to_string(&build).unwrap().replace("cat \"$data\"", "tac \"$data\"");
    write_program(&wrong, &script);
    let mut command = compare();
    command.args(["--parts=commands", "--size=1", "--rounds=1", "--threads=1", "--dir"]);
    command.arg(directory.path()).arg("--verity").arg(&build).arg("--beside").arg(&wrong);
    let output = oracle::run(&mut command);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("compare: other verity: other bytes than those of"), "{stderr}");
}

#[test]
fn every_sample_has_its_probe_and_figures_their_regime() {
    let directory = files::tempdir();
    let path = directory.path().join("record.json");
    let mut command = compare();
    command.args(["--parts=kernels", "--size=1", "--rounds=3", "--record"]).arg(&path);
    let text = oracle::run_ok(command.arg("--dir").arg(directory.path()));
    let record = Record::load(&path).unwrap();
    if cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
        return;
    }
    assert!(text.contains("independent instructions a cycle are a core alone"), "{text}");
    assert!(record.probe.is_some());
    for row in &record.rows {
        assert_eq!((row.seconds.len(), row.probes.len()), (3, 3), "{}", row.label());
        assert!(row.probes.iter().all(|probe| probe.regime.is_some()), "{}", row.label());
    }
    for regime in record.regimes() {
        assert!(text.contains(&format!("\n## {} (", regime.title())), "{text}");
    }
}

#[test]
fn results_go_where_they_are_asked_for_and_replace_nothing() {
    let directory = files::tempdir();
    let out = directory.path().join("some/place");
    let run = |last: &[&str]| {
        let mut command = compare();
        command.args(["--parts=kernels", "--size=1", "--rounds=1", "--no-probe", "--dir"]);
        oracle::run(command.arg(directory.path()).arg("--out").arg(&out).args(last))
    };
    let output = run(&[]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(files::read(&out.join("record.md")), text.as_bytes());
    let svg = String::from_utf8(files::read(&out.join("kernels.svg"))).unwrap();
    assert!(svg.contains("<title>Hashing on one core</title>"));
    assert!(!out.join("commands.svg").exists(), "nothing to draw");
    let record = Record::load(&out.join("record.json")).unwrap();
    assert!(record.rows.len() > 10);

    let again = run(&[]);
    assert_eq!((again.status.code(), again.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&again.stderr).contains("record.json is there already"));
}

#[test]
fn what_changed_since_a_record_is_told() {
    let directory = files::tempdir();
    let path = directory.path().join("older.json");
    let mut first = compare();
    first.args(["--parts=kernels", "--size=1", "--rounds=1", "--no-probe", "--record"]).arg(&path);
    oracle::run_ok(first.arg("--dir").arg(directory.path()));
    let mut second = compare();
    second
        .args(["--parts=kernels", "--size=2", "--rounds=1", "--no-probe", "--against"])
        .arg(&path);
    let text = squeezed(&oracle::run_ok(second.arg("--dir").arg(directory.path())));
    for expected in [
        "different input: 1 MiB on ",
        "## changes: regimes unknown\n",
        "| sha256, blocks in L2 | the fastest of verity | x crate ring | ",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    let sample = verity_testdata::workspace().join("benches/tests/record.json");
    let text = oracle::run_ok(compare().arg("changes").arg(&sample).arg(&sample));
    assert!(text.contains("machine, versions and regimes are the same\n"), "{text}");
    let missing = oracle::run(compare().arg("--against").arg(directory.path().join("none")));
    assert_eq!((missing.status.code(), missing.stdout.len()), (Some(1), 0));
}

#[test]
fn what_cannot_be_measured_is_skipped_with_its_reason_unless_it_was_named() {
    // Pages of these files are small: a file system in memory is refused.
    let shm = Path::new("/dev/shm");
    if !shm.is_dir() {
        return;
    }
    let mut command = compare();
    command.args(["--quick", "--size=1", "--reads-size=1", "--rounds=1", "--no-probe", "--dir"]);
    let text = oracle::run_ok(command.arg(shm));
    for expected in [
        "command: compare --quick --size 1 --reads-size 1 --rounds 1 --seconds 8 --threads 1,2 ",
        "skipped: commands,reads,fec: /dev/shm is in memory: name a directory on a disk (--dir)\n",
        "skipped: fec-kernels: takes minutes (--parts fec-kernels)\n",
        "## sha256, blocks in L2",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    let mut named = compare();
    let output = oracle::run(named.args(["--parts=reads", "--dir"]).arg(shm));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is in memory"), "{output:?}");
}

#[test]
fn one_command_measures_a_machine_by_a_program_from_elsewhere() {
    let directory = files::tempdir();
    let script = verity_testdata::workspace().join("bench.sh");
    let small = ["--", "--parts=kernels", "--size=1", "--rounds=1", "--no-probe"];
    let out = directory.path().join("results");
    let bench = |script: &Path| {
        let mut command = Command::new(script);
        command.current_dir(directory.path());
        command
    };
    let mut given = bench(&script);
    given.arg("--binary").arg(env!("CARGO_BIN_EXE_compare")).arg("--out").arg(&out);
    let text = oracle::run_ok(given.args(small));
    assert!(text.contains(&format!("Results in {}:\n", out.display())), "{text}");
    assert!(text.contains("\nprobe: none: "), "{text}");
    for name in ["record.json", "record.md", "kernels.svg"] {
        assert!(out.join(name).is_file() && text.contains(name), "{name}: {text}");
    }
    assert!(Record::load(&out.join("record.json")).unwrap().command.contains(" --quick "));

    // Away from the source, as on a board: the program lies beside the script.
    let copy = directory.path().join("bench.sh");
    std::fs::copy(&script, &copy).unwrap();
    let nothing = oracle::run(&mut bench(&copy));
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(1), 0));
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_compare"), directory.path().join("compare"))
        .unwrap();
    let text = oracle::run_ok(bench(&copy).args(small));
    let (_, named) = text.split_once("Results in ").unwrap();
    let named = directory.path().join(named.split(':').next().unwrap());
    assert!(named.join("record.json").is_file() && named != out, "{text}");

    let again = oracle::run(bench(&copy).arg("--out").arg(&out).args(small));
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("record.json is there already"));
    assert_eq!(oracle::run(bench(&copy).arg("--no-such-option")).status.code(), Some(2));
    assert!(oracle::run_ok(bench(&copy).arg("--help")).contains("./bench.sh [--out DIR]"));
}

#[test]
fn several_records_are_drawn_each_and_together_and_nothing_goes_into_the_source() {
    let directory = files::tempdir();
    let records = verity_testdata::workspace().join("benches/record");
    let [zen4, earlier, intel] = [
        "amd-epyc-zen4-2cpu/2026-11-24-2.json",
        "amd-epyc-zen4-2cpu/2026-11-24.json",
        "intel-xeon-family-6-model-207-2cpu/2026-11-26.json",
    ]
    .map(|name| records.join(name));
    let chart = || Command::new(env!("CARGO_BIN_EXE_chart"));
    oracle::run_ok(chart().current_dir(directory.path()).args([&zen4, &earlier, &intel]));
    for file in [
        "amd-epyc-zen4-2cpu/kernels.svg",
        "amd-epyc-zen4-2cpu-2/kernels.svg",
        "intel-xeon-family-6-model-207-2cpu/fec.svg",
    ] {
        assert!(directory.path().join(file).is_file(), "{file}");
    }
    let together = String::from_utf8(files::read(&directory.path().join("machines.svg"))).unwrap();
    let commits = [&zen4, &earlier].map(|path| Record::load(path).unwrap().commit);
    for commit in commits {
        assert!(together.contains(&format!("commit {commit}")), "{commit}");
    }
    oracle::run_ok(chart().arg("--out").arg(directory.path()).arg(&zen4));
    assert!(directory.path().join("kernels.svg").is_file());
    let none = oracle::run(&mut chart());
    assert_eq!(none.status.code(), Some(2), "a record, or --docs");
    let regime = oracle::run(chart().arg("--regime=shared").arg(&zen4));
    assert!(String::from_utf8_lossy(&regime.stderr).contains("has no sample with the core shared"));
}

/// A program that does as `verity` does, by veritysetup and by copies.
fn stand_in(directory: &Path) -> PathBuf {
    let path = directory.join("stand-in");
    write_program(&path, STAND_IN);
    path
}

fn write_program(path: &Path, script: &str) {
    files::write(path, script.as_bytes());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a file of ours");
}

const STAND_IN: &str = r#"#!/bin/sh
set -eu
PATH=$PATH:/usr/sbin:/sbin
[ "$1" != --version ] || { echo 'stand-in 1.0'; exit; }
command=$1 data=$3 hash=$4
shift 2 # and --threads
case $command in
format)
    veritysetup format "$@"
    cp "$data" "$data.intact"
    cp "$hash" "$hash.intact"
    ;;
verify) veritysetup verify "$@" ;;
read) cat "$data" ;;
repair)
    cp "$data.intact" "$data"
    cp "$hash.intact" "$hash"
    ;;
esac
"#;

/// Without the spaces that align columns.
fn squeezed(text: &str) -> String {
    let lines = text.lines().map(|line| line.split(' ').filter(|word| !word.is_empty()));
    lines.map(|words| words.collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn a_reader_of_another_image_says_so_and_prints_no_figure() {
    let directory = files::tempdir();
    let (data, hash) = (directory.path().join("data"), directory.path().join("hash"));
    files::write(&data, &Prng::new(1).bytes(4 << 20));
    files::write(&hash, &Prng::new(2).bytes(1 << 20));
    let mut command = compare();
    command.args(["reader", "--cache=0", "--threads=2"]).arg(&data).arg(&hash);
    let output = oracle::run(command.arg("00".repeat(32)));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hash level"), "{output:?}");
}

#[test]
fn the_builder_on_ring_writes_what_the_twin_writes() {
    for blocks in [2, 64, 128, 129, 1000, 128 * 128 + 1] {
        let directory = files::tempdir();
        let (data, hash) = (directory.path().join("data"), directory.path().join("hash"));
        let bytes = Prng::new(blocks).bytes(usize::try_from(blocks * 4096).unwrap());
        files::write(&data, &bytes);
        let printed = oracle::run_ok(&mut ring_builder(&data, &hash));
        let scheme = fixture::scheme("sha256");
        let twin = reference::hash_file(&bytes, &scheme, Some(fixture::UUID.as_bytes()), 0);
        assert!(files::read(&hash) == twin, "{blocks} blocks: another hash file");
        let root_hash = reference::format(&bytes, &scheme).root_hash;
        let root_hash = verity::RootHash::new(verity::Digest::new(&root_hash).unwrap());
        assert_eq!(oracle::Header::parse(printed).root_hash(), root_hash.to_string());
    }
}

#[test]
fn a_builder_that_cannot_read_says_so() {
    let output =
        oracle::run(&mut ring_builder(Path::new("no-such-file"), Path::new("no-such-hash")));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("compare: no-such-file"));
}

fn ring_builder(data: &Path, hash: &Path) -> Command {
    let mut command = compare();
    command.args(["ring-builder", "--threads=2"]).arg(data).arg(hash);
    command
}
