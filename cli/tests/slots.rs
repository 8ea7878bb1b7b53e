//! Slots of disks: what is in use stays bootable, and what is to boot is read before.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::{oracle, pattern};

use crate::common::{Dir, assert_no_leftovers};

const MIB: u64 = 1 << 20;

/// Two banks as Bottlerocket has them, but small; the image is in the second one.
const LAYOUT: &str = r#"{"version":1,"partitions":[
    {"type":"6b636168-7420-6568-2070-6c616e657421","label":"BOOT-A","size_bytes":1048576,
     "attributes":[48,56]},
    {"type":"5526016a-1a97-4ea4-b39a-b7c8c6ca4502","label":"ROOT-A","size_bytes":8388608},
    {"type":"598f10af-c955-4456-6a99-7720068a6cea","label":"HASH-A","size_bytes":1048576},
    {"type":"6b636168-7420-6568-2070-6c616e657421","label":"BOOT-B","size_bytes":1048576},
    {"type":"5526016a-1a97-4ea4-b39a-b7c8c6ca4502","label":"ROOT-B","content":"root",
     "size_bytes":8388608},
    {"type":"598f10af-c955-4456-6a99-7720068a6cea","label":"HASH-B","content":"root-verity",
     "size_bytes":1048576}]}"#;

/// A disk whose first slot boots, and whose second one holds an image.
fn with_slots() -> Dir {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("fs", &pattern::sha256_stream(300 * 4096));
    dir.write("layout.json", LAYOUT.as_bytes());
    let keys = "--key rsa2048.key --certificate rsa2048.cert";
    dir.ok(&format!("image create b.raw --root fs --layout layout.json --seed s {keys}"));
    dir
}

fn start_of(dir: &Dir, label: &str) -> u64 {
    let shown: Value = serde_json::from_str(&dir.ok("image show b.raw --json")).unwrap();
    let partitions = shown["partitions"].as_array().unwrap();
    let found = partitions.iter().find(|found| found["label"] == label).unwrap();
    found["start_bytes"].as_u64().unwrap()
}

/// A file system in a part of a disk image, mounted by way of a loop device until this is dropped.
struct Mounted {
    place: PathBuf,
    device: String,
}

impl Mounted {
    fn new(dir: &Dir, start: u64, size: u64) -> Option<Mounted> {
        let (losetup, mkfs) = (oracle::require("losetup")?, oracle::require("mkfs.ext4")?);
        if !oracle::require_root() {
            return None;
        }
        let mut attach = dir.tool(&losetup);
        attach.args(["--find", "--show", "--offset", &start.to_string(), "--sizelimit"]);
        let device = oracle::run_ok(attach.args([&size.to_string(), "b.raw"])).trim().to_owned();
        let place = dir.path("mounted");
        let mounted = Mounted { place, device };
        std::fs::create_dir(&mounted.place).unwrap();
        oracle::run_ok(Command::new(mkfs).args(["-q", &mounted.device]));
        oracle::run_ok(Command::new("mount").arg(&mounted.device).arg(&mounted.place));
        Some(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let run = |program: &str, words: &[&Path]| {
            Command::new(program).args(words).status().is_ok_and(|status| status.success())
        };
        run("umount", &[&self.place]);
        if !run("losetup", &[Path::new("--detach"), Path::new(&self.device)]) {
            eprintln!("{} was not detached", self.device);
        }
    }
}

#[test]
fn h17_a_slot_that_is_mounted_does_not_lose_that_it_boots() {
    let dir = with_slots();
    let Some(mounted) = Mounted::new(&dir, start_of(&dir, "ROOT-A"), 8 * MIB) else { return };
    dir.ok("slots b.raw activate b");
    let before = dir.ok("slots b.raw --json");
    // Also what would leave a slot that boots, and by force.
    for line in ["retire a", "retire a --force", "activate a", "retire a --dry-run"] {
        dir.fails(&format!("slots b.raw {line}"), 7, "partition 2 is mounted at");
    }
    assert_eq!(dir.ok("slots b.raw --json"), before);
    // What it does not lose by is done: it stays bootable, and successful.
    for line in ["rollback a", "mark-good a", "activate b --tries 2", "retire b"] {
        dir.ok(&format!("slots b.raw {line}"));
    }
    drop(mounted);
    dir.ok("slots b.raw activate b");
    dir.ok("slots b.raw retire a");
}

/// Neither by the file of the disk nor by a loop device of it, of which the kernel may have read no
/// partitions.
#[test]
fn u11_a_slot_that_is_mounted_is_not_written() {
    let dir = with_slots();
    dir.ok("build fs --key rsa2048.key --certificate rsa2048.cert --seed new --image-version 9");
    let line = "install fs --certificate rsa2048.cert --slot b --disk";
    let Some(mounted) = Mounted::new(&dir, start_of(&dir, "ROOT-B"), 8 * MIB) else { return };
    let before = dir.ok("slots b.raw --json");
    dir.fails(&format!("{line} b.raw"), 7, "is mounted at");
    assert_eq!(dir.ok("slots b.raw --json"), before);
    drop(mounted);
    if let Some(device) = LoopDevice::attach(&dir.path("b.raw"), 512) {
        let words = "the kernel has no device for this partition";
        dir.fails(&format!("{line} {}", device.path().display()), 4, words);
    }
    assert_eq!(dir.ok("slots b.raw --json"), before);
    dir.ok(&format!("{line} b.raw"));
}

#[test]
fn h18_a_slot_is_read_as_a_whole_before_it_may_boot() {
    let dir = with_slots();
    let manifest: Value = serde_json::from_slice(&dir.read("b.root.manifest.json")).unwrap();
    let root = manifest["root_hash"].as_str().unwrap().to_owned();
    let before = dir.ok("slots b.raw --json");
    let signed = "--manifest b.root.manifest.json --certificate rsa2048.cert";
    let said: Value =
        dir.run(&format!("slots b.raw activate b --verify {signed} --dry-run --json")).json();
    assert_eq!(said["changed"]["verified_root_hash"], root.as_str());
    dir.write("root", root.as_bytes());
    for what in [format!("--root-hash {root}"), "--root-hash-file root".to_owned()] {
        dir.ok(&format!("slots b.raw activate b --verify {what} --dry-run"));
    }
    // The last block of the data, and nothing is changed.
    let good = dir.read("b.raw");
    let last = usize::try_from(start_of(&dir, "ROOT-B")).unwrap() + 299 * 4096 + 17;
    dir.patch("b.raw", last, &[good[last] ^ 1]);
    let line = format!("slots b.raw activate b --verify {signed}");
    assert!(dir.fails(&line, 1, "").stderr.contains("299"));
    dir.write("b.raw", &good);
    assert_eq!(dir.ok("slots b.raw --json"), before);
    let said = dir.ok(&line);
    assert!(said.starts_with(&format!("slot b: verified, root hash {root}\n")), "{said}");

    // The other slot holds nothing.
    dir.fails(&format!("slots b.raw rollback a --verify --root-hash {root}"), 3, "");
    dir.fails("slots b.raw rollback a --verify", 2, "what the slot should hold");
    dir.fails(&format!("slots b.raw retire a --verify {signed}"), 2, "retire does not");
    dir.fails("slots b.raw rollback a --certificate rsa2048.cert", 2, "--manifest only");
    dir.fails("slots b.raw rollback a --root-hash 00", 2, "--verify");
    assert_no_leftovers(&dir);
}
