//! `--fec-blocks`: parity over fewer blocks than veritysetup would take, wherever parity is used.

use crate::common::{Dir, UUID, root_hash};
use verity_testdata::oracle::VeritySetup;
use verity_testdata::pattern;

const FEC: &str = "--fec-device fec --fec-roots 4";

/// An image of 300 blocks, and a hash device with five blocks behind the tree.
fn dir() -> Dir {
    let dir = Dir::with_data(300);
    dir.write("hash", &pattern::painted(10 * 4096));
    dir
}

#[test]
fn fewer_blocks_give_the_parity_of_a_shorter_hash_device() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let uuid = format!("--uuid={UUID}");
    for (blocks, length) in [(304, 5), (306, 7), (309, 10)] {
        let dir = dir();
        let run = dir.run(&format!(
            "format data hash --salt 00ff --uuid {UUID} {FEC} --fec-blocks {blocks} --json"
        ));
        assert_eq!((run.json()["fec"]["fec_blocks"].as_u64(), run.code), (Some(blocks), 0));
        dir.write("theirs", &pattern::painted(10 * 4096)[..length * 4096]);
        let fec = format!("--fec-device={}", dir.path("their-fec").display());
        let options = ["--salt=00ff", &uuid, &fec, "--fec-roots=4"];
        veritysetup.format(&dir.path("data"), &dir.path("theirs"), &options);
        assert!(dir.read("fec") == dir.read("their-fec"), "{blocks}");
    }
}

#[test]
fn every_command_that_uses_parity_takes_them() {
    let dir = dir();
    let made = dir.ok(&format!("format data hash {FEC} --fec-blocks 304"));
    let root = root_hash(&made);
    // What lies behind the tree may change: the parity does not cover it.
    dir.write("hash", &dir.read("hash")[..7 * 4096]);
    let fec = format!("{FEC} --fec-blocks 304");
    dir.ok(&format!("verify data hash {root} {fec} --all"));
    dir.fails(&format!("verify data hash {root} {FEC} --all"), 1, "parity");
    let intact = dir.read("data");
    dir.patch("data", 9 * 4096, b"changed");
    dir.fails(&format!("verify data hash {root} {fec}"), 6, "can be repaired");
    dir.ok(&format!("read data hash {root} {fec} --output copy"));
    assert!(dir.read("copy") == intact);
    let table = dir.ok(&format!(
        "table hash {root} --data-dev a --hash-dev b --fec-dev c --fec-roots 4 --fec-blocks 304"
    ));
    assert!(table.ends_with("use_fec_from_device c fec_start 0 fec_blocks 304 fec_roots 4\n"));
    dir.ok(&format!("repair data hash {root} {fec} --in-place"));
    assert!(dir.read("data") == intact);
}

/// Each message names the device that it is about.
#[test]
fn blocks_that_are_not_there_are_refused() {
    let dir = dir();
    let root = root_hash(&dir.ok(&format!("format data hash {FEC}")));
    for command in [
        format!("format data hash {FEC}"),
        format!("verify data hash {root} {FEC}"),
        format!("read data hash {root} {FEC} --output copy"),
        format!("repair data hash {root} {FEC} --in-place"),
        format!("serve data hash {root} {FEC} --socket s"),
    ] {
        dir.fails(&format!("{command} --fec-blocks 310"), 3, "hash: the hash device has 40960");
        dir.fails(&format!("{command} --fec-blocks 303"), 3, "fec: FEC is to cover 303 blocks");
    }
    dir.fails(&format!("verify data hash {root} --fec-blocks 304"), 2, "--fec-device");
    dir.fails("format data hash --fec-blocks 304", 2, "--fec-device");
    dir.fails(
        "format data hash --fec-device hash --fec-offset 32K --fec-blocks 309",
        3,
        "hash: the parity at 32768 bytes lies in what it covers",
    );
    // Beside a manifest they are a pin.
    let set = Dir::with_signed_set(300);
    set.ok("build image.raw --key rsa2048.key --certificate rsa2048.cert --fec-roots 2");
    let line = "verify image.raw image.verity --manifest image.manifest.json \
                --certificate rsa2048.cert";
    set.ok(&format!("{line} --fec-blocks 304"));
    set.fails(&format!("{line} --fec-blocks 305"), 3, "fec blocks is pinned to 305");
}
