//! Disks that have grown: the table takes in all of them when that is asked for, and loses nothing
//! on the way.

use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;
use verity_testdata::oracle;

use crate::common::disk::{CHECK_DISK, CREATE, json, partitions, with_file_system};
use crate::common::{Dir, Run, assert_no_leftovers};

const GROW: &str = "image grow os.raw";
/// The bytes of a table and its header.
const TABLE: usize = 33 * 512;

/// A disk image on a disk that is larger by so many bytes.
fn grown_by(more: u64) -> Dir {
    let dir = with_file_system();
    dir.ok(CREATE);
    let file = File::options().write(true).open(dir.path("os.raw")).unwrap();
    file.set_len(file.metadata().unwrap().len() + more).unwrap();
    dir
}

fn faults(dir: &Dir) -> Vec<Value> {
    json(&dir.ok("image show os.raw --json"))["faults"].as_array().unwrap().clone()
}

#[test]
fn a_disk_that_has_grown_is_reported_and_its_table_moved_on_request_alone() {
    let dir = grown_by(1 << 20);
    let (before, parts) = (dir.read("os.raw"), partitions(&dir, "os.raw"));
    for line in ["image show os.raw", CHECK_DISK, "dump os.raw#2"] {
        let run = dir.run(line);
        assert_eq!(run.code, 0, "{line}: {run:?}");
        let said = run.stdout + &run.stderr;
        assert!(said.contains("the disk has grown; verity image grow moves it"), "{said}");
    }
    assert!(dir.ok(&format!("{GROW} --dry-run")).contains("(not written)"));
    assert!(dir.read("os.raw") == before, "nothing was written");

    let said = dir.run(&format!("{GROW} --json"));
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    let said = json(&said.stdout);
    let sectors = before.len() as u64 / 512;
    assert_eq!(said["after"]["backup"], sectors - 1);
    assert_eq!(said["after"]["last_usable"], sectors - 34);
    assert_eq!(said["before"]["backup"], sectors - 2049);
    assert_eq!((&said["written"], &said["atomic"]), (&true.into(), &true.into()));
    // Headers, arrays and LBA 0 have changed, and nothing else.
    let after = dir.read("os.raw");
    assert!(after[TABLE + 512..after.len() - TABLE] == before[TABLE + 512..before.len() - TABLE]);
    assert_eq!((faults(&dir), partitions(&dir, "os.raw")), (vec![], parts));
    assert_eq!(dir.run(CHECK_DISK).stderr, "");
    if let Some(sgdisk) = oracle::require("sgdisk") {
        dir.write("theirs", &before);
        oracle::run_ok(dir.tool(&sgdisk).args(["-e", "theirs"]));
        assert!(dir.read("theirs")[512..] == after[512..]);
        let said = oracle::run_ok(dir.tool(&sgdisk).args(["-a", "8", "-v", "os.raw"]));
        assert!(said.contains("No problems found"), "{said}");
    }

    // Done twice is done once: the file is not even touched.
    let touched = || fs::metadata(dir.path("os.raw")).unwrap().modified().unwrap();
    let time = touched();
    let said = json(&dir.ok(&format!("{GROW} --json")));
    assert_eq!((&said["written"], &said["before"]), (&false.into(), &said["after"]));
    assert!(dir.ok(GROW).contains("the end (not changed)"));
    assert!(touched() == time && dir.read("os.raw") == after);
    assert_no_leftovers(&dir);
}

#[test]
fn nothing_but_growth_is_mended() {
    let dir = grown_by(0);
    let good = dir.read("os.raw");
    dir.patch("os.raw", good.len() - 500, b"x");
    let bad = dir.read("os.raw");
    let run = dir.run(GROW);
    assert!(run.code == 0 && run.stderr.contains("the backup table is bad"), "{run:?}");
    assert!(dir.read("os.raw") == bad);
    // Where both are asked of it, the primary is what counts.
    let dir = grown_by(512);
    dir.patch("os.raw", good.len() - 500, b"x");
    let run = dir.run(GROW);
    assert!(run.code == 0 && run.stderr.contains("the backup table is bad"), "{run:?}");
    assert_eq!(faults(&dir), [Value::Null; 0]);
    assert_eq!(dir.run(CHECK_DISK).stderr, "");
}

#[test]
fn h08_a_hybrid_disk_that_has_grown_is_not_written() {
    let dir = grown_by(1 << 20);
    dir.patch("os.raw", 446 + 16 + 4, &[0x83]);
    let before = dir.read("os.raw");
    for line in [GROW, "image grow os.raw --dry-run"] {
        dir.fails(line, 3, "hybrid MBR");
    }
    let held = File::options().write(true).open(dir.path("os.raw")).unwrap();
    held.lock().unwrap();
    dir.fails(GROW, 7, "os.raw");
    dir.fails("image grow fs", 3, "no partition table");
    dir.fails("image grow missing", 4, "missing");
    assert!(dir.read("os.raw") == before);
}

/// Runs under strace with a fault.
fn faulty(dir: &Dir, strace: &Path, inject: &str) -> Run {
    let mut command = dir.tool(strace);
    command.args(["-f", "-o", "/dev/null", "-e", inject, env!("CARGO_BIN_EXE_verity")]);
    Run::of(command.args(GROW.split_whitespace()).output().unwrap())
}

/// Also where the new backup lies over the old one.
#[test]
fn h10_a_disk_that_grows_has_a_table_after_a_kill_or_failure_at_any_write() {
    let Some(strace) = oracle::require("strace") else { return };
    for more in [512, 1 << 20] {
        let dir = grown_by(more);
        let (before, parts) = (dir.read("os.raw"), partitions(&dir, "os.raw"));
        dir.ok(GROW);
        let after = dir.read("os.raw");
        let mut faults = 0;
        for (calls, fault) in [
            ("pwrite64", "signal=KILL"),
            ("fsync", "signal=KILL"),
            ("pwrite64", "error=EIO"),
            ("fsync", "error=EIO"),
        ] {
            for number in 1.. {
                dir.write("os.raw", &before);
                let run = faulty(&dir, &strace, &format!("inject={calls}:{fault}:when={number}"));
                assert_eq!(partitions(&dir, "os.raw"), parts, "{calls} {number}");
                if run.code == 0 {
                    assert!(dir.read("os.raw") == after);
                    break;
                }
                faults += 1;
                dir.ok(GROW);
                assert!(dir.read("os.raw") == after, "{calls} {number}: gone on with");
            }
        }
        assert!(faults >= 8, "only {faults}");
    }
}
