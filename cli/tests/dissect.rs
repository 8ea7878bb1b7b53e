//! Disk images before systemd and the kernel: `systemd-dissect` of Debian 13 in a virtual machine
//! discovers, judges and mounts what `verity image create` has made, and refuses what was changed;
//! the kernel finds the partitions, and `verity open` opens them by their UUIDs.

use std::fs;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use verity_testdata::machine::Machine;
use verity_testdata::{oracle, pattern, workspace};

use crate::common::Dir;
use crate::common::disk::{CREATE, json, partitions, range_of};
use crate::live::steps::{Step, run_in, step};

/// What the mounted file says.
const WORDS: &str = "what was signed is what is read\n";

/// Disks with a root and with `/usr`, with no signature, and with one thing changed.
fn disks() -> Option<(Dir, Value)> {
    let dir = Dir::new();
    ["rsa2048", "other"].iter().for_each(|name| dir.key(name));
    file_system(&dir, "fs", WORDS)?;
    file_system(&dir, "usr.fs", "usr\n")?;
    dir.write("esp", &pattern::sha256_stream(1 << 20));
    let made = dir.ok(&format!("{CREATE} --partition esp=esp --fec-roots 2 --json"));
    let keys = "--key rsa2048.key --certificate rsa2048.cert";
    for (name, options) in
        [("unsigned", "--root fs".to_owned()), ("usr", format!("--usr usr.fs {keys}"))]
    {
        // UUIDs of their own: those of `os.raw` are looked for.
        let line = format!("image create {name}.raw {options} --seed {name} --arch x86-64 --json");
        let root = json(&dir.ok(&line))["images"][0]["root_hash"].clone();
        dir.write(&format!("{name}.hash"), root.as_str().unwrap().as_bytes());
    }
    let policy = "--certificate rsa2048.cert --policy usr=signed";
    dir.fails(&format!("check usr.raw {policy}"), 5, "systemd mounts it without");
    let usr = range_of(&partitions(&dir, "usr.raw")[2]);
    let mut changed = dir.read("usr.raw");
    let byte = byte_of_signature(&changed, usr);
    changed[byte] = if changed[byte] == b'A' { b'B' } else { b'A' };
    dir.write("changed.raw", &changed);

    let parts = partitions(&dir, "os.raw");
    let [data, signature] = [1, 3].map(|index| range_of(&parts[index]));
    let disk = dir.read("os.raw");
    let words = data.start + found(WORDS.as_bytes(), &disk[data.clone()]);
    let byte = byte_of_signature(&disk, signature);
    let superblock = data.start + 1024;
    let check = "--certificate rsa2048.cert --manifest os.root.manifest.json";
    for (name, at, code) in
        [("words.raw", words, 6), ("signature.raw", byte, 5), ("first.raw", superblock, 6)]
    {
        let mut changed = disk.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        dir.write(name, &changed);
        dir.fails(&format!("check {name} {check}"), code, name);
    }
    Some((dir, json(&made)))
}

/// Where some bytes are.
fn found(bytes: &[u8], within: &[u8]) -> usize {
    within.windows(bytes.len()).position(|window| window == bytes).expect("the bytes")
}

/// A byte in the Base64 text of the signature's value, which is its end.
fn byte_of_signature(disk: &[u8], partition: Range<usize>) -> usize {
    let text = found(b"\"signature\":\"", &disk[partition.clone()]) + 13;
    let length = found(b"\"", &disk[partition.start + text..partition.end]);
    partition.start + text + length - 100
}

/// An erofs of a small system, in which one file begins so, in a block of its own.
fn file_system(dir: &Dir, name: &str, words: &str) -> Option<()> {
    let mkfs = oracle::require("mkfs.erofs")?;
    let long = words.to_owned() + &".".repeat(1 << 16);
    for (path, text) in [("usr/lib/os-release", "ID=test\n"), ("etc/words", &*long)] {
        let path = dir.path("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut mkfs = dir.tool(mkfs);
    oracle::run_ok(mkfs.args(["-T", "0", "-U", crate::common::UUID, name, "tree"]));
    fs::remove_dir_all(dir.path("tree")).unwrap();
    Some(())
}

/// What is set for each step, and udev. The disk `/dev/vda` is `os.raw`.
fn before(made: &Value) -> String {
    let root = made["images"][0]["root_hash"].as_str().unwrap();
    // As systemd finds them: the UUIDs are the two ends of the root hash.
    let [data, tree] = [&root[..32], &root[32..]].map(|hex| {
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &hex[range]);
        format!("{a}-{b}-{c}-{d}-{e}")
    });
    format!(
        "export SYSTEMD_COLORS=0 ROOT={root} DATA={data} TREE={tree}\n\
         export POLICY=--image-policy=root=signed+absent:usr=signed+absent\n\
         /usr/lib/systemd/systemd-udevd --daemon --resolve-names=never\n\
         udevadm trigger --action=add --subsystem-match=block\n\
         udevadm settle\n"
    )
}

/// What systemd makes of the disks, without and with a certificate that it trusts. It takes the key
/// that is missing for one that somebody can type, and asks until its time is over.
const DISSECTED: &[Step] = &[
    step("systemd-dissect $POLICY --validate os.raw", 0, &[]),
    step("systemd-dissect $POLICY --validate usr.raw", 0, &[]),
    step(
        "systemd-dissect $POLICY --validate unsigned.raw",
        1,
        &["Image does not match image policy"],
    ),
    step("systemd-dissect --image-policy=root=verity --validate unsigned.raw", 0, &[]),
    // Of signature partitions that of a root file system alone is read: these are mounted without
    // their trees, whatever the policy.
    step("systemd-dissect $POLICY --mount usr.raw /mnt && dmsetup table", 0, &["No devices found"]),
    step("head -n 1 /mnt/usr/etc/words && systemd-dissect --umount /mnt", 0, &["usr\n"]),
    step(
        "systemd-dissect --image-policy=root=verity --mount unsigned.raw /mnt && dmsetup table",
        0,
        &["No devices found"],
    ),
    step("systemd-dissect --umount /mnt", 0, &[]),
    step("systemd-dissect --image-policy=root=signed --mount usr.raw /mnt", 1, &["No suitable"]),
    // With the root hash beside the disk they are not.
    step("cp unsigned.hash unsigned.roothash && cp usr.hash usr.usrhash", 0, &[]),
    step("cp usr.hash changed.usrhash", 0, &[]),
    step(
        "systemd-dissect --image-policy=root=verity --mount unsigned.raw /mnt && \
         dmsetup table && systemd-dissect --umount /mnt",
        0,
        &["verity 1 "],
    ),
    step("timeout 5 systemd-dissect $POLICY --mount usr.raw /mnt", 143, &[NO_KEY]),
    step("timeout 5 systemd-dissect $POLICY --mount os.raw /mnt", 143, &[NO_KEY]),
    step(
        "mkdir /run/verity.d && cp other.cert /run/verity.d/other.crt && \
         timeout 5 systemd-dissect $POLICY --mount os.raw /mnt",
        143,
        &[NO_KEY],
    ),
    step("cp rsa2048.cert /run/verity.d/release.crt", 0, &[]),
    step(
        "systemd-dissect $POLICY --mount signature.raw /mnt",
        1,
        &["Invalid argument", "Failed to decrypt image"],
    ),
    step("systemd-dissect $POLICY --mount changed.raw /mnt", 1, &["Failed to decrypt image"]),
    step(
        "systemd-dissect $POLICY --mount usr.raw /mnt && dmsetup table && \
         head -n 1 /mnt/usr/etc/words && systemd-dissect --umount /mnt",
        0,
        &["verity 1 ", "usr\n"],
    ),
    step("systemd-dissect $POLICY --mount first.raw /mnt", 1, &["Failed to mount image"]),
    step(
        "systemd-dissect $POLICY --mount words.raw /mnt",
        1,
        &["Verity device detected corruption"],
    ),
    step("grep ' /mnt' /proc/mounts", 1, &[]),
    step("systemd-dissect $POLICY --mount os.raw /mnt", 0, &[]),
    step("head -n 1 /mnt/etc/words", 0, &[WORDS]),
    step("dmsetup table | grep $ROOT", 0, &["verity 1 "]),
    step("systemd-dissect --umount /mnt", 0, &[]),
];

/// What device-mapper says of a signature by a key that the kernel does not know.
const NO_KEY: &str = "Required key not available";

/// What the kernel finds on the same disk, by the UUIDs that follow from the root hash.
const FOUND: &[Step] = &[
    // The links are those of the disk once udev has seen the loop devices go.
    step("udevadm settle && losetup -a", 0, &[]),
    step("cat /sys/block/vda/vda?/uevent", 0, &["PARTNAME=os_7\n", "PARTNAME=os_7_verity\n"]),
    step("realpath /dev/disk/by-partuuid/$DATA", 0, &["/dev/vda2"]),
    step("realpath /dev/disk/by-partuuid/$TREE", 0, &["/dev/vda3"]),
    step(
        "cd /dev/disk/by-partuuid && verity open $DATA root $TREE $ROOT && \
         verity status root",
        0,
        &["opened: /dev/mapper/root", "on /dev/vda2\n", "of /dev/vda3\n"],
    ),
    step("mount -t erofs -o ro /dev/mapper/root /mnt && head -n 1 /mnt/etc/words", 0, &[WORDS]),
    step("umount /mnt && verity close root", 0, &["closed: root"]),
    step(
        "verity open /dev/vda#PARTUUID=$DATA root /dev/vda#PARTUUID=$TREE \
         --manifest os.root.manifest.json --certificate rsa2048.cert && cmp /dev/vda2 \
         /dev/mapper/root",
        0,
        &["geometry: manifest", "opened: /dev/mapper/root"],
    ),
    step("verity close root", 0, &["closed: root"]),
    step("systemd-dissect $POLICY --mount /dev/vda /mnt", 0, &[]),
    step("head -n 1 /mnt/etc/words && systemd-dissect --umount /mnt", 0, &[WORDS]),
];

#[test]
fn systemd_and_the_kernel_find_what_was_made_and_refuse_what_was_changed() {
    let Some(mut machine) = Machine::find() else { return };
    let root = workspace().join("target/dissect/root");
    if !root.is_dir() {
        return oracle::skip("target/dissect (made by testdata/dissect/make.sh)");
    }
    let Some((dir, made)) = disks() else { return };
    machine.add_tree(&root);
    machine.add_program_apart(Path::new(env!("CARGO_BIN_EXE_verity")), "verity");
    machine.add_disk(&dir.path("os.raw"));
    run_in(&machine, &dir, &before(&made), &[DISSECTED, FOUND].concat());
}
