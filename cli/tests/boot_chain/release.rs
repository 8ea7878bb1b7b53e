//! Releases of a real root filesystem, and what a slot boots each from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use verity_testdata::{files, image, oracle, path, pattern};

use crate::common::Dir;

/// The vendor's key, below `testdata`.
const KEY: &str = "rsa2048";
/// What the first process of a release does.
const SYSTEM: &str = include_str!("system.sh");
/// Files of the root filesystem that change from one release to the next: one in so many.
const CHANGED: usize = 40;

/// A release, as its vendor knows it.
pub(crate) struct Release {
    pub(crate) number: u32,
    pub(crate) root_hash: String,
    /// Of all files in the order of their names, as `cksum` has it.
    pub(crate) files: String,
}

impl Release {
    pub(crate) const NUMBERS: [u32; 3] = [1, 2, 3];

    /// Makes one from a tree of files, which then is that of this release: `NUMBER.raw` and what
    /// belongs to it, and a boot partition for each slot.
    pub(crate) fn make(dir: &Dir, tree: &Path, number: u32) -> Option<Release> {
        change(tree, number);
        let mkfs = oracle::require("mkfs.erofs")?;
        let data = dir.path(&format!("{number}.raw"));
        let uuid = crate::common::UUID;
        let mut make = Command::new(mkfs);
        make.args(["-T", "1700000000", "-U", uuid, "--all-root", "-zlz4"]);
        oracle::run_ok(make.arg(&data).arg(tree));
        dir.ok(&format!(
            "build {number}.raw --key {KEY}.key --certificate {KEY}.cert --seed {number} \
             --fec-roots 2 --image-name os --image-version {number}"
        ));
        let manifest: Value =
            serde_json::from_slice(&dir.read(&format!("{number}.manifest.json"))).unwrap();
        for slot in ['a', 'b'] {
            boot_partition(dir, number, slot)?;
        }
        let root_hash = manifest["root_hash"].as_str().unwrap().to_owned();
        Some(Release { number, root_hash, files: sum(tree) })
    }
}

/// The tree of files of a real root filesystem, with this command in it.
pub(crate) fn tree(dir: &Dir) -> Option<PathBuf> {
    let tree = dir.path("tree");
    let image = image::rootfs("erofs")?;
    let mut unpack = Command::new(oracle::require("fsck.erofs")?);
    oracle::run_ok(unpack.arg(format!("--extract={}", tree.display())).arg(&image));
    fs::create_dir_all(tree.join("mnt")).unwrap();
    let program = tree.join("usr/bin/verity");
    fs::copy(env!("CARGO_BIN_EXE_verity"), &program).unwrap();
    oracle::run_ok(Command::new("strip").arg(&program));
    let init = tree.join("sbin/init");
    // A link to systemd, if there is one.
    let _ = fs::remove_file(&init);
    executable(&init, SYSTEM);
    fs::copy(dir.path(&format!("{KEY}.cert")), tree.join("etc/vendor.pem")).unwrap();
    Some(tree)
}

/// The vendor's key in the directory, and its certificate for the firmware.
pub(crate) fn key(dir: &Dir) -> Vec<u8> {
    dir.key(KEY);
    let mut openssl = dir.tool("openssl");
    let certificate = path(&format!("keys/TEST_KEY_DO_NOT_USE.{KEY}.cert.pem"));
    openssl.args(["x509", "-outform", "DER", "-out", "vendor.der", "-in"]);
    oracle::run_ok(openssl.arg(certificate));
    dir.read("vendor.der")
}

/// Some files of each release are other ones than in the one before.
fn change(tree: &Path, number: u32) {
    files::write(&tree.join("etc/release-number"), number.to_string().as_bytes());
    if number == 3 {
        files::write(&tree.join("etc/unhealthy"), b"");
    }
    let names = oracle::run_ok(Command::new("sh").current_dir(tree).args(["-c", FILES]));
    let changed = names.lines().skip(number.try_into().unwrap()).step_by(CHANGED);
    for (name, seed) in changed.filter(|name| name.starts_with("./usr/share/")).zip(1_usize..) {
        let mut bytes = files::read(&tree.join(name));
        bytes.extend_from_slice(&pattern::sha256_stream(300 + seed)[seed..]);
        files::write(&tree.join(name), &bytes);
    }
}

/// The files of a tree, in the order of their names.
const FILES: &str = "find . -type f | LC_ALL=C sort";

fn sum(tree: &Path) -> String {
    let script = format!("{FILES} | tr '\\n' '\\0' | xargs -0 cat | cksum");
    oracle::run_ok(Command::new("sh").current_dir(tree).args(["-c", &script])).trim().to_owned()
}

/// `NUMBER.boot-SLOT`, an ext4 with the arguments of the kernel and the signature that it checks.
fn boot_partition(dir: &Dir, number: u32, slot: char) -> Option<()> {
    let upper = slot.to_ascii_uppercase();
    let arguments = dir.ok(&format!(
        "table --manifest {number}.manifest.json --certificate {KEY}.cert --emit systemd \
         --data-dev PARTLABEL=ROOT-{upper} --hash-dev PARTLABEL=HASH-{upper}"
    ));
    let folder = dir.path(&format!("boot-{number}-{slot}"));
    fs::create_dir(&folder).unwrap();
    files::write(&folder.join("arguments"), arguments.trim().as_bytes());
    let signature = dir.path(&format!("{number}.roothash.p7s"));
    fs::copy(signature, folder.join("roothash.p7s")).unwrap();
    let image = dir.path(&format!("{number}.boot-{slot}"));
    files::sparse(&image, 1 << 20);
    let mut make = Command::new(oracle::require("mkfs.ext4")?);
    make.args(["-q", "-b", "4096", "-O", "^has_journal", "-d"]);
    oracle::run_ok(make.arg(folder).arg(image));
    Some(())
}

fn executable(path: &Path, text: &str) {
    files::write(path, text.as_bytes());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, mode).unwrap();
}
