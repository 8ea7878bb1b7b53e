//! Real images on block devices: loop devices with sectors of 512 and of 4096 bytes.

use std::path::{Path, PathBuf};
use std::process::Command;

use verity_testdata::loop_device::LoopDevice;
use verity_testdata::oracle::{self, VeritySetup};
use verity_testdata::{files, image, pattern};

use crate::command::{Ended, run, verity, word};

const DATA_BLOCKS: u64 = 2000;
const DATA_BYTES: u64 = DATA_BLOCKS * 4096;

#[test]
fn a_root_filesystem_on_devices_of_512_byte_sectors() {
    on_devices(512);
}

#[test]
fn a_root_filesystem_on_devices_of_4096_byte_sectors() {
    on_devices(4096);
}

/// Formats one device onto another, in place: the same bytes as for files.
fn on_devices(sector_size: u32) {
    let Some(image) = image::rootfs("erofs") else { return };
    let dir = files::tempdir();
    let hash_file = dir.path().join("hash");
    let formatted = format(&image, &hash_file, "devices").expect(0).json();
    let root_hash = formatted["root_hash"].as_str().expect("a root hash");

    let backing = dir.path().join("backing");
    files::write(&backing, &pattern::painted(2 << 20));
    let Some(data) = ReadOnlyLoop::attach(&image, sector_size) else { return };
    let Some(hash) = LoopDevice::attach(&backing, sector_size) else { return };
    let on_device = format(&data.path, hash.path(), "devices").expect(0).json();
    assert_eq!(on_device["root_hash"], root_hash);
    let expected = files::read(&hash_file);
    let actual = files::read(hash.path());
    assert!(actual[..512] == expected[..512], "the superblock");
    assert!(actual[4096..expected.len()] == expected[4096..], "the tree");
    let kept = pattern::painted(2 << 20);
    assert!(actual[512..4096] == kept[512..4096], "bytes before the tree are not ours");
    assert!(actual[expected.len()..] == kept[expected.len()..], "bytes behind it are not ours");

    let (data, hash) = (&data.path, hash.path());
    verify(data, hash, root_hash).expect(0);
    if let Some(veritysetup) = VeritySetup::find() {
        let verified = veritysetup.verify::<&str>(data, hash, root_hash, &[]);
        assert!(verified.status.success(), "{verified:?}");
    }
    files::flip_bit(hash, 4096 * 50 + 1, 0);
    assert_eq!(verify(data, hash, root_hash).code, 1);
}

/// C02: wherever a format in place is killed, what verifies is the whole old or the whole new hash
/// area, and from the destruction of the old one on until the end nothing does.
#[test]
fn c02_a_killed_format_in_place_leaves_nothing_that_verifies() {
    let Some(strace) = oracle::require("strace") else { return };
    let dir = files::tempdir();
    let data = dir.path().join("data");
    files::write(&data, &pattern::Prng::new(5).bytes(bytes(DATA_BYTES)));
    let backing = dir.path().join("backing");
    files::sparse(&backing, 1 << 20);
    let Some(hash) = LoopDevice::attach(&backing, 512) else { return };
    let hash = hash.path();
    let root_hash = |seed| format(&data, hash, seed).expect(0).string("root_hash");
    let (new_root, old_root) = (root_hash("new"), root_hash("old"));
    let mut killed = 0;
    for call in ["pwrite64", "fsync"] {
        for number in 1.. {
            root_hash("old");
            let ended =
                format_killed(&strace, &data, hash, &format!("{call}:signal=KILL:when={number}"));
            let verifies = [&old_root, &new_root].map(|root| verify(&data, hash, root).code == 0);
            if ended.code == 0 {
                assert_eq!(verifies, [false, true], "not killed at {call} {number}");
                break;
            }
            killed += 1;
            let allowed: &[[bool; 2]] = match (call, number) {
                // Nothing was written yet.
                ("pwrite64", 1) => &[[true, false]],
                // The superblock is written; only its last sync is missing.
                ("fsync", 3) => &[[false, true]],
                _ => &[[false, false]],
            };
            assert!(allowed.contains(&verifies), "killed at {call} {number}: {verifies:?}");
        }
    }
    assert!(killed >= 5, "only {killed} kills");
}

fn format_killed(strace: &Path, data: &Path, hash: &Path, inject: &str) -> Ended {
    let mut command = Command::new(strace);
    command
        .args(["-f", "-o", "/dev/null", "-e", &format!("inject={inject}")])
        .args([env!("CARGO_BIN_EXE_verity"), "format"])
        .args([data, hash])
        .args(["--seed", "new", "--threads", "1"]);
    run(&mut command)
}

/// G03: a device without room is found before a terabyte is hashed, and is left as it was.
#[test]
fn g03_a_small_hash_device_is_refused_before_anything_is_hashed() {
    let dir = files::tempdir();
    let (data, backing) = (dir.path().join("data"), dir.path().join("backing"));
    files::sparse(&data, 1 << 40);
    let old = pattern::painted(1 << 20);
    files::write(&backing, &old);
    let Some(hash) = LoopDevice::attach(&backing, 512) else { return };
    let mut command = Command::new("timeout");
    command.args(["20", env!("CARGO_BIN_EXE_verity"), "format"]).args([&data, hash.path()]);
    let ended = run(&mut command).expect(3);
    assert!(ended.stderr.contains("the hash device has 1048576"), "{}", ended.words());
    assert!(files::read(hash.path()) == old, "the device was written");
}

/// G05: two devices over one file are one storage; the hash area must lie behind the data there
/// too.
#[test]
fn g05_a_hash_device_over_the_data_is_refused() {
    let dir = files::tempdir();
    let file = dir.path().join("file");
    let old = pattern::painted(bytes(DATA_BYTES + (1 << 20)));
    files::write(&file, &old);
    let Some(one) = LoopDevice::attach(&file, 512) else { return };
    let Some(two) = LoopDevice::attach(&file, 4096) else { return };
    let count = format!("--data-blocks={DATA_BLOCKS}");
    let behind = format!("--hash-offset={DATA_BYTES}");
    let inside = format!("--hash-offset={}", DATA_BYTES - 512);
    for (data, hash) in [
        (one.path(), two.path()),
        (one.path(), one.path()),
        (&*file, two.path()),
        (one.path(), &*file),
    ] {
        for place in [None, Some(&inside)] {
            let mut command = verity(&["format"]);
            command.args([data, hash]).arg(&count).args(place);
            let ended = run(&mut command).expect(3);
            assert!(files::read(&file) == old, "{}", ended.words());
        }
    }
    let mut command = verity(&["format"]);
    command.args([one.path(), two.path()]).args([&*count, &behind, "--seed", "x", "--json"]);
    let root_hash = run(&mut command).expect(0).string("root_hash");
    let mut command = verity(&["verify"]);
    command.args([one.path(), two.path()]).args([&*root_hash, &behind]);
    run(&mut command).expect(0);
    assert!(files::read(&file)[..bytes(DATA_BYTES)] == old[..bytes(DATA_BYTES)], "the data");
}

fn format(data: &Path, hash: &Path, seed: &str) -> Ended {
    run(&mut verity(&["format", &word(data), &word(hash), "--seed", seed, "--json"]))
}

fn verify(data: &Path, hash: &Path, root_hash: &str) -> Ended {
    run(&mut verity(&["verify", &word(data), &word(hash), root_hash]))
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).expect("a size in memory")
}

/// A loop device that nobody can write to.
struct ReadOnlyLoop {
    losetup: PathBuf,
    path: PathBuf,
}

impl ReadOnlyLoop {
    fn attach(file: &Path, sector_size: u32) -> Option<ReadOnlyLoop> {
        let losetup = oracle::require("losetup")?;
        if !oracle::require_root() {
            return None;
        }
        let mut command = Command::new(&losetup);
        command.args(["--read-only", "--find", "--show", "--sector-size"]);
        command.arg(sector_size.to_string()).arg(file);
        let path = PathBuf::from(oracle::run_ok(&mut command).trim_end());
        Some(ReadOnlyLoop { losetup, path })
    }
}

impl Drop for ReadOnlyLoop {
    fn drop(&mut self) {
        let detached = Command::new(&self.losetup).arg("--detach").arg(&self.path).status();
        if !detached.is_ok_and(|status| status.success()) {
            eprintln!("{} was not detached", self.path.display());
        }
    }
}
