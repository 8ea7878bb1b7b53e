//! Repair where the blocks lie: nothing else is touched, and wherever a run ends, the next one goes
//! on.

use std::fs::{self, File};

use serde_json::json;
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::oracle;

use super::image::{FEC, Image, overwrite};
use crate::common::{Dir, Run};

const IN_PLACE: &str = "repair --in-place --threads 1";

#[test]
fn repaired_blocks_are_written_and_nothing_else() {
    let image = Image::new();
    image.damage_data([5, 6, 299]);
    image.damage_hash(0, 1);
    let run = image.run("repair --in-place");
    assert_eq!((run.code, &*run.stderr), (0, ""), "{run:?}");
    image.assert_whole();
    let run = image.run("repair --in-place --json");
    assert_eq!((run.code, &run.json()["repaired_blocks"]), (0, &json!(0)));
    image.assert_whole();
}

#[test]
fn what_is_beyond_repair_stays_as_it_was() {
    let image = Image::new();
    image.damage_data([2, 4, 6, 7, 9]);
    let run = image.dir.fails(&image.line("repair --in-place"), 1, "the others were repaired");
    assert!(run.stdout.contains("repaired: data block 7 "), "{run:?}");
    let json = image.run("repair --in-place --json").json();
    assert_eq!((&json["class"], &json["repaired_blocks"]), (&json!("not-verified"), &json!(0)));
    assert_eq!(json["corruptions"].as_array().map(Vec::len), Some(3));
    image.assert_only_damaged();
    let now = image.dir.read("data");
    for (block, (now, good)) in now.chunks(4096).zip(image.good[0].chunks(4096)).enumerate() {
        assert_eq!(now == good, ![2, 4, 6].contains(&block), "block {block}");
    }
    // Once one of them is had from elsewhere, the rest follows.
    overwrite(&image.dir.path("data"), 4 * 4096);
    assert_eq!(image.run("repair --in-place").code, 0);
    image.assert_whole();
}

/// Data, tree and parity in one file, with something behind each of them.
#[test]
fn one_file_is_opened_once_and_keeps_what_is_not_repaired() {
    let dir = Dir::with_data(300);
    let good = [dir.read("data"), vec![7; 40 * 4096]].concat();
    dir.write("disk", &good);
    let own = "--hash-offset 1232896 --fec-device disk --fec-offset 1261568 --fec-roots 3";
    let formatted = dir.ok(&format!("format disk disk --data-blocks 300 {own}"));
    let root = crate::common::root_hash(&formatted);
    let good = dir.read("disk");
    for block in [0, 299, 303] {
        overwrite(&dir.path("disk"), block * 4096);
    }
    let line = format!("repair disk disk {root} {own} --in-place");
    let said = dir.ok(&line);
    assert!(said.contains("repaired: hash level 0 block 0 "), "{said}");
    assert!(dir.read("disk") == good);
    dir.ok(&format!("verify disk disk {root} {own} --all"));
}

/// Runs a repair under strace with a fault in the n-th call of a kind; `None` once there is no
/// n-th.
fn with_fault(image: &Image, calls: &str, fault: &str, n: u32) -> Option<Run> {
    let mut strace = image.dir.tool("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:{fault}:when={n}"), env!("CARGO_BIN_EXE_verity")]);
    strace.args(image.line(IN_PLACE).split_whitespace());
    Some(Run::of(strace.output().unwrap())).filter(|run| run.code != 0)
}

#[test]
fn c01_a_repair_that_is_killed_anywhere_can_be_begun_again() {
    if oracle::require("strace").is_none() {
        return;
    }
    let (mut kills, mut half) = (0, 0);
    for calls in ["pwrite64,write", "fsync,fdatasync", "flock"] {
        for n in 1..40 {
            let image = Image::new();
            image.damage_data([0, 5, 298]);
            image.damage_hash(0, 2);
            let damaged = image.dir.read("data");
            let Some(run) = with_fault(&image, calls, "signal=KILL", n) else { break };
            assert_eq!(run.code, 137, "{calls} {n}: {run:?}");
            kills += 1;
            image.assert_only_damaged();
            let now = image.dir.read("data");
            half += u32::from(now != damaged && now != image.good[0]);
            let again = image.run(IN_PLACE);
            assert_eq!(again.code, 0, "{calls} {n}: {again:?}");
            image.assert_whole();
        }
    }
    assert!(kills >= 7 && half >= 1, "{kills} kills, {half} of them between two blocks");
}

#[test]
fn c04_a_write_or_sync_that_fails_is_an_error_and_can_be_begun_again() {
    if oracle::require("strace").is_none() {
        return;
    }
    let mut faults = [0; 2];
    for (calls, faults) in ["pwrite64", "fsync,fdatasync"].into_iter().zip(&mut faults) {
        for n in 1..20 {
            let image = Image::new();
            image.damage_data([0, 5]);
            image.damage_hash(0, 2);
            let Some(run) = with_fault(&image, calls, "error=EIO", n) else { break };
            *faults += 1;
            assert_eq!((run.code, &*run.stdout), (4, ""), "{calls} {n}: {run:?}");
            image.assert_only_damaged();
            assert_eq!(image.run(IN_PLACE).code, 0, "{calls} {n}");
            image.assert_whole();
        }
    }
    // Three blocks; data and hash file.
    assert!(faults >= [3, 2], "{faults:?}");
}

#[test]
fn c02_a_signal_ends_a_repair_and_the_next_goes_on() {
    if oracle::require("strace").is_none() {
        return;
    }
    let image = Image::new();
    image.damage_data([0, 5]);
    let run = with_fault(&image, "pread64", "signal=TERM", 3).expect("a signal");
    assert_eq!((run.code, &*run.stdout), (143, ""), "{run:?}");
    image.assert_only_damaged();
    assert_eq!(image.run(IN_PLACE).code, 0);
    image.assert_whole();
}

#[test]
fn x01_a_repair_of_what_another_run_writes_is_busy() {
    let image = Image::new();
    image.damage_data([5]);
    for name in ["data", "hash"] {
        let file = File::open(image.dir.path(name)).unwrap();
        file.lock().unwrap();
        image.dir.fails(&image.line("repair --in-place"), 7, "in use by another run");
        file.unlock().unwrap();
    }
    // A run that only asks needs no lock.
    let file = File::open(image.dir.path("data")).unwrap();
    file.lock().unwrap();
    assert_eq!(image.run("repair --dry-run --in-place").code, 6);
    image.assert_only_damaged();
    drop(file);
    std::os::unix::fs::symlink("data", image.dir.path("link")).unwrap();
    let line = image.line("repair --in-place").replace(" data ", " link ");
    image.dir.fails(&line, 2, "symbolic link");
    let line = image.line("repair --in-place").replace(" data ", " http://localhost:1/data ");
    assert_ne!(image.dir.run(&line).code, 0);
}

#[test]
fn c13_block_devices_are_repaired() {
    let image = Image::new();
    let Some(data) = LoopDevice::attach(&image.dir.path("data"), 512) else { return };
    let Some(hash) = LoopDevice::attach(&image.dir.path("hash"), 4096) else { return };
    let Some(fec) = LoopDevice::attach(&image.dir.path("fec"), 512) else { return };
    let [data, hash, fec] = [&data, &hash, &fec].map(|device| device.path());
    for block in [0, 5, 299] {
        overwrite_device(data, block * 4096);
    }
    overwrite_device(hash, 12288);
    let words = |command: &str| {
        let words = [data, hash].map(|path| path.to_str().unwrap().to_owned());
        format!("{command} {} {} {} --fec-device {}", words[0], words[1], image.root, fec.display())
    };
    image.dir.fails(&words("verify"), 6, "can be repaired");
    let said = image.dir.ok(&words("repair --in-place"));
    assert!(said.contains("4 blocks were repaired"), "{said}");
    image.dir.ok(&words("verify --all"));
    // What the devices lie on.
    image.assert_whole();
}

fn overwrite_device(path: &std::path::Path, offset: u64) {
    use std::os::unix::fs::FileExt;
    let device = File::options().read(true).write(true).open(path).unwrap();
    let mut bytes = [0; 4096];
    device.read_exact_at(&mut bytes, offset).unwrap();
    device.write_all_at(&bytes.map(|byte| !byte), offset).unwrap();
    device.sync_all().unwrap();
}

/// A block that cannot be read is one that was lost.
#[test]
fn i04_unreadable_blocks_are_repaired() {
    if oracle::require("strace").is_none() {
        return;
    }
    let image = Image::new();
    let data = fs::canonicalize(image.dir.path("data")).unwrap();
    let mut strace = image.dir.tool("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", "trace=pread64", "-P"]).arg(&data);
    // The first run of blocks, then the first block alone, and once more for its round.
    strace.args(["-e", "inject=pread64:error=EIO:when=1..3", env!("CARGO_BIN_EXE_verity")]);
    strace.args(["repair", "data", "hash", &image.root, "--in-place", "--threads=1"]);
    let run = Run::of(strace.args(FEC.split(' ')).output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("repaired: data block 0 "), "{run:?}");
    image.assert_whole();
}
