//! What is made here goes on in the tools of others: the recipes of `docs/IMAGES.md`.

mod grub;

use std::fs;

use serde_json::Value;
use verity_testdata::{oracle, pattern};

use crate::common::Dir;

const KEYS: &str = "--key rsa2048.key --certificate rsa2048.cert";

/// A bundle that holds an image, with the index that lies beside it, and what RAUC says of it.
#[test]
fn rauc_has_the_same_digest_and_the_same_index() {
    let (Some(rauc), Some(unsquashfs)) = (oracle::require("rauc"), oracle::require("unsquashfs"))
    else {
        return;
    };
    let dir = Dir::new();
    dir.key("rsa2048");
    let mut image = pattern::sha256_stream(700 * 4096);
    image[100 * 4096..300 * 4096].fill(0);
    dir.write("root.img", &image);
    let made = "--seed s --fec-roots 2 --image-digest sha256 --block-index index --json";
    let made = dir.run(&format!("build root.img {KEYS} {made}")).json();

    fs::create_dir(dir.path("bundle")).unwrap();
    dir.write("bundle/root.img", &image);
    dir.write(
        "bundle/manifest.raucm",
        b"[update]\ncompatible=test\nversion=1\n\n[bundle]\nformat=verity\n\n\
          [image.rootfs]\nfilename=root.img\nadaptive=block-hash-index\n",
    );
    let mut bundle = dir.tool(&rauc);
    bundle.args(["--cert=rsa2048.cert", "--key=rsa2048.key", "bundle", "bundle", "out.raucb"]);
    oracle::run_ok(&mut bundle);
    let mut info = dir.tool(&rauc);
    info.args(["--keyring=rsa2048.cert", "info", "--output-format=json", "out.raucb"]);
    let said: Value = serde_json::from_str(&oracle::run_ok(&mut info)).unwrap();
    let of_image = &said["images"][0]["rootfs"];
    assert_eq!(of_image["checksum"], made["image_digest"]["digest"], "{said}");
    assert_eq!(of_image["size"], image.len(), "{said}");
    let mut unpack = dir.tool(unsquashfs);
    oracle::run_ok(unpack.args(["-q", "-n", "-d", "unpacked", "out.raucb"]));
    assert!(dir.read("unpacked/root.img.block-hash-index") == dir.read("index"));
}

/// A disk by `systemd-repart` is checked as a whole, and ours has its layout.
#[test]
fn a_disk_by_systemd_repart_is_checked_and_ours_has_its_layout() {
    let Some(repart) = oracle::require("systemd-repart") else { return };
    if !oracle::require_root() {
        return;
    }
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("fs", &pattern::sha256_stream(2 << 20));
    dir.write("esp", &pattern::sha256_stream(1 << 20));
    fs::create_dir(dir.path("repart.d")).unwrap();
    let copied = |file: &str| format!("CopyBlocks={}\n", dir.path(file).display());
    let verity = |what: &str| format!("Verity={what}\nVerityMatchKey=root\n");
    let sized = |mib: u32| format!("SizeMinBytes={mib}M\nSizeMaxBytes={mib}M\n");
    for (name, kind, more) in [
        ("0-esp", "esp", copied("esp") + &sized(1)),
        ("1-root", "root-x86-64", copied("fs") + &verity("data") + &sized(2)),
        ("2-hash", "root-x86-64-verity", verity("hash") + &sized(1)),
        ("3-sig", "root-x86-64-verity-sig", verity("signature")),
    ] {
        let text = format!("[Partition]\nType={kind}\n{more}");
        dir.write(&format!("repart.d/{name}.conf"), text.as_bytes());
    }
    let mut command = dir.tool(repart);
    command.args(["--definitions=repart.d", "--empty=create", "--size=auto", "--dry-run=no"]);
    command.args(["--seed=01234567-89ab-cdef-0123-456789abcdef", "theirs.raw"]);
    oracle::run_ok(command.args(["--private-key=rsa2048.key", "--certificate=rsa2048.cert"]));

    let policy = "--policy root=signed+absent:usr=signed+absent";
    let check = "--certificate rsa2048.cert --no-manifest";
    let said = dir.ok(&format!("check theirs.raw {check} {policy}"));
    assert!(said.contains("signature partition: signed by"), "{said}");
    dir.fails(&format!("check theirs.raw {check} --policy root=absent"), 5, "root is signed");

    let ours = "--arch x86-64 --seed s --root fs --partition esp=esp";
    dir.ok(&format!("image create ours.raw {ours} {KEYS}"));
    let [theirs, ours] = ["theirs.raw", "ours.raw"].map(|disk| {
        let text = dir.ok(&format!("image show {disk} --json"));
        serde_json::from_str::<Value>(&text).unwrap()
    });
    let each = |shown: &Value, field: &str| -> Vec<Value> {
        let partitions = shown["partitions"].as_array().unwrap();
        partitions.iter().map(|partition| partition[field].clone()).collect()
    };
    assert_eq!(each(&theirs, "type_guid"), each(&ours, "type_guid"));
    // Data, signature and ESP are as large; a hash area is as large as its tree.
    for number in [0, 1, 3] {
        let size = |shown: &Value| each(shown, "size_bytes")[number].clone();
        assert_eq!(size(&theirs), size(&ours), "{number}");
    }
    assert_eq!(each(&theirs, "start_bytes")[0], each(&ours, "start_bytes")[0]);
    for shown in [&theirs, &ours] {
        let set = &shown["verity_sets"][0];
        assert_eq!((&set["discoverable"], &set["signature"]), (&true.into(), &4.into()));
    }
    // By the salt and the UUID that they have, the root hash and its signature are the same.
    let start = theirs["partitions"][2]["start_bytes"].to_string();
    let header = dir.run(&format!("dump theirs.raw --hash-offset {start} --json")).json();
    let field = |name: &str| header[name].to_string().replace('"', "");
    let built = dir.run(&format!(
        "build fs --systemd {KEYS} --json --salt {} --uuid {} --data-block-size {} \
         --hash-block-size {}",
        field("salt"),
        field("uuid"),
        field("data_block_size"),
        field("hash_block_size"),
    ));
    assert_eq!(built.code, 0, "{built:?}");
    let built = built.json();
    assert_eq!(built["root_hash"], theirs["verity_sets"][0]["stated_root_hash"]);
    let part = &theirs["partitions"][3];
    let at = |name: &str| usize::try_from(part[name].as_u64().unwrap()).unwrap();
    let signature = &dir.read("theirs.raw")[at("start_bytes")..][..at("size_bytes")];
    assert!(dir.read("fs.verity-sig") == signature);
}
