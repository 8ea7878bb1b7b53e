//! Disk images: made in one pass, looked at, checked, and their partitions as devices.

use std::fs;
use std::os::unix::fs::FileExt;

use serde_json::Value;
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::oracle;
use verity_testdata::oracle::VeritySetup;

use crate::common::disk::{CHECK_DISK, CREATE, partitions, range_of, with_file_system};
use crate::common::{Dir, Run, assert_no_leftovers, root_hash};

fn with_disk() -> Dir {
    let dir = with_file_system();
    dir.ok(CREATE);
    dir
}

/// What `image show --json` says of a partition.
fn partition(dir: &Dir, disk: &str, number: usize) -> Value {
    partitions(dir, disk)[number - 1].clone()
}

/// The bytes of a partition.
fn bytes_of(dir: &Dir, disk: &str, number: usize) -> Vec<u8> {
    dir.read(disk)[range_of(&partition(dir, disk, number))].to_vec()
}

/// Both copies of the table.
fn tables(dir: &Dir, disk: &str) -> Vec<u8> {
    let file = fs::File::open(dir.path(disk)).unwrap();
    let mut bytes = vec![0; 2 * 17408];
    let (first, last) = bytes.split_at_mut(17408);
    file.read_exact_at(first, 0).unwrap();
    file.read_exact_at(last, file.metadata().unwrap().len() - 17408).unwrap();
    bytes
}

fn stated_root_hash(dir: &Dir) -> String {
    let manifest: Value = serde_json::from_slice(&dir.read("os.root.manifest.json")).unwrap();
    manifest["root_hash"].as_str().unwrap().to_owned()
}

#[test]
fn a_disk_image_is_what_others_read_too() {
    let dir = with_file_system();
    let said: Value = dir.run(&format!("{CREATE} --fec-roots 2 --json --partition esp=esp")).json();
    let root = said["images"][0]["root_hash"].as_str().unwrap();
    assert_eq!(stated_root_hash(&dir), root);
    assert_no_leftovers(&dir);

    // The partitions hold the file system, a hash area and the signature.
    let data = bytes_of(&dir, "os.raw", 2);
    assert!(data == dir.read("fs"));
    assert_eq!(bytes_of(&dir, "os.raw", 1)[..10_000], dir.read("esp")[..]);
    dir.write("data", &data);
    dir.write("hash", &bytes_of(&dir, "os.raw", 3));
    if let Some(veritysetup) = VeritySetup::find() {
        let verified =
            veritysetup.verify(&dir.path("data"), &dir.path("hash"), root, &[] as &[&str]);
        assert!(verified.status.success(), "{verified:?}");
    }
    for (number, half) in [(2, &root[..32]), (3, &root[32..])] {
        let uuid = partition(&dir, "os.raw", number)["uuid"].as_str().unwrap().replace('-', "");
        assert_eq!(uuid, half);
    }
    assert_eq!(partition(&dir, "os.raw", 3)["label"], "os_7_verity");

    if let Some(sfdisk) = oracle::require("sfdisk") {
        let said = oracle::run_ok(dir.tool(&sfdisk).args(["--verify", "os.raw"]));
        assert!(said.contains("No errors detected"), "{said}");
    }
    if let Some(sgdisk) = oracle::require("sgdisk") {
        let said = oracle::run_ok(dir.tool(&sgdisk).args(["-a", "8", "-v", "os.raw"]));
        assert!(said.contains("No problems found"), "{said}");
        for word in ["Caution", "Warning", "ERROR", "Problem:"] {
            assert!(!said.contains(word), "{said}");
        }
    }
    dir.ok(CHECK_DISK);
    assert!(fs::metadata(dir.path("os.raw")).unwrap().len() < 8 << 20);
}

#[test]
fn the_same_inputs_and_seed_give_the_same_bytes() {
    let dir = with_disk();
    let (disk, manifest) = (dir.read("os.raw"), dir.read("os.root.manifest.json"));
    for threads in [1, 2, 5] {
        dir.ok(&format!("{CREATE} --threads {threads}"));
        assert!(dir.read("os.raw") == disk, "{threads} threads");
        assert_eq!(dir.read("os.root.manifest.json"), manifest);
    }
    dir.ok(&CREATE.replace("--seed test", "--seed other"));
    assert!(dir.read("os.raw") != disk);
    dir.ok(&format!("{CREATE} --sector-size 4096 --slots 2"));
    assert_eq!(partition(&dir, "os.raw", 4)["label"], "_empty");
    dir.ok(CHECK_DISK);
}

#[test]
fn each_input_is_read_once() {
    let dir = with_file_system();
    let Some((run, bytes)) = dir.bytes_read(&format!("{CREATE} --threads 2"), "fs") else { return };
    assert_eq!(run.code, 0, "{run:?}");
    // The hole is not read at all where the file system has it; a page more tells what it is not.
    assert!(bytes <= 300 * 4096 + 4096, "{bytes} bytes were read");
    let (run, bytes) = dir.bytes_read(&format!("{CREATE} --fec-roots 2"), "fs").unwrap();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(bytes <= 300 * 4096 + 4096, "{bytes} bytes were read");
}

#[test]
fn h14_a_changed_byte_of_any_part_of_a_disk_is_refused() {
    let dir = with_disk();
    let good = dir.read("os.raw");
    dir.ok(CHECK_DISK);
    let starts = [1, 2, 3].map(|number| {
        usize::try_from(partition(&dir, "os.raw", number)["start_bytes"].as_u64().unwrap()).unwrap()
    });
    let places = [
        (512 + 30, 3),
        (1024 + 16, 3),
        (good.len() - 512 + 20, 3),
        (starts[0] + 4096, 1),
        (starts[1] + 4096, 1),
        (starts[1] + 100, 1),
        (starts[2] + 30, 5),
        (starts[2] + 16000, 5),
    ];
    for (at, code) in places {
        let mut bad = good.clone();
        bad[at] ^= 1;
        dir.write("os.raw", &bad);
        let run = dir.run(CHECK_DISK);
        assert_eq!(run.code, code, "byte {at}: {run:?}");
    }
    dir.write("os.raw", &good);
    dir.ok(CHECK_DISK);
    dir.ok("check os.raw --certificate rsa2048.cert --no-manifest");
    fs::remove_file(dir.path("os.root.manifest.json")).unwrap();
    dir.fails(CHECK_DISK, 5, "no manifest");
}

#[test]
fn h15_partitions_that_nothing_vouches_for_are_refused() {
    let dir = with_file_system();
    // Another root partition, which discovery could take for the image.
    dir.ok(&format!("{CREATE} --partition root-x86-64,label=os_8=esp"));
    dir.fails(CHECK_DISK, 5, "nothing vouches for");
    dir.ok(&format!("{CREATE} --partition root-x86-64,label=_empty=esp"));
    dir.ok(CHECK_DISK);
}

#[test]
fn a_partition_of_a_disk_is_a_device_like_any_other() {
    let dir = with_file_system();
    dir.ok(&format!("{CREATE} --fec-roots 2"));
    let root = stated_root_hash(&dir);
    let image = format!("os.raw#root os.raw#root-verity {root}");
    dir.ok(&format!("verify {image}"));
    dir.ok(&format!("verify os.raw#1 os.raw#PARTLABEL=os_7_verity {root}"));
    assert!(dir.ok("dump os.raw#2").contains("Data blocks:     \t300"));
    let (code, read, said) = dir.run_bytes(&format!("read {image}"));
    assert_eq!(code, 0, "{said}");
    assert!(read == dir.read("fs"));

    // Damaged and repaired in place; nothing else of the disk changes.
    let good = dir.read("os.raw");
    let start = partition(&dir, "os.raw", 1)["start_bytes"].as_u64().unwrap();
    let start = usize::try_from(start).unwrap();
    dir.patch("os.raw", start + 5 * 4096, &[0xee; 4096]);
    dir.fails(&format!("verify {image}"), 1, "corrupt");
    let parity = "--fec-device os.raw#2 --fec-roots 2";
    let area: Value = dir.run(&format!("plan --image {} --fec-roots 2 --json", 300 * 4096)).json();
    let offset = area["fec"]["offset_bytes"].as_u64().unwrap();
    let parity = format!("{parity} --fec-offset {offset} --fec-blocks 304");
    let repaired = dir.run(&format!("repair {image} {parity} --in-place"));
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert!(dir.read("os.raw") == good);

    // Made in a partition of the same disk.
    dir.write("disk", &good);
    let formatted = dir.ok("format disk#1 disk#2 --seed other");
    let other = root_hash(&formatted);
    dir.ok(&format!("verify disk#1 disk#2 {other}"));
    let now = dir.read("disk");
    let hash = partition(&dir, "disk", 2)["start_bytes"].as_u64().unwrap();
    let hash = usize::try_from(hash).unwrap();
    assert!(now[..hash] == good[..hash]);
    let end =
        hash + usize::try_from(partition(&dir, "disk", 2)["size_bytes"].as_u64().unwrap()).unwrap();
    assert!(now[end..] == good[end..]);
    assert_no_leftovers(&dir);
}

#[test]
fn h13_a_hash_area_that_does_not_fit_its_partition_is_refused() {
    let dir = with_disk();
    let good = dir.read("os.raw");
    dir.fails("format fs os.raw#3 --data-block-size 512 --hash-block-size 512", 3, "");
    assert!(dir.read("os.raw") == good);
    dir.fails("format os.raw#1 os.raw#2 --pad --data-blocks 3", 2, "");
    dir.fails("table os.raw#2 --data-device os.raw#1 --hash-device os.raw#2 --root-hash 00", 2, "");
}

#[test]
fn h16_names_of_no_partition_or_of_several_are_refused_with_the_list() {
    let dir = with_file_system();
    dir.ok(&format!("{CREATE} --slots 2"));
    for (name, word) in [
        ("os.raw#9", "no partition is 9: there are 1 (os_7)"),
        ("os.raw#nothing", "no partition is nothing"),
        ("os.raw#_empty", "more than one partition is _empty: these are 4"),
        ("fs#1", "no partition table"),
    ] {
        dir.fails(&format!("dump {name}"), 3, word);
    }
    dir.fails("dump missing#1", 4, "missing#1");
    // A path that exists is meant.
    dir.write("os.raw#2", b"short");
    dir.fails("dump os.raw#2", 3, "");
}

#[test]
fn layouts_name_every_partition() {
    let dir = with_file_system();
    dir.write(
        "layout.json",
        br#"{"version":1,"partitions":[
            {"name":"boot","type":"esp","label":"BOOT","content":"file","size_bytes":1048576},
            {"type":"linux","label":"ROOT","content":"root"},
            {"type":"linux","label":"HASH","content":"root-verity","attributes":[60]}]}"#,
    );
    dir.ok("image create d.raw --root fs --layout layout.json --partition boot=esp --seed s");
    assert_eq!(partition(&dir, "d.raw", 1)["size_bytes"], 1 << 20);
    assert_eq!(partition(&dir, "d.raw", 3)["attributes"], "0x1000000000000000");
    let manifest: Value = serde_json::from_slice(&dir.read("d.root.manifest.json")).unwrap();
    let root = manifest["root_hash"].as_str().unwrap();
    dir.ok(&format!("verify d.raw#ROOT d.raw#HASH {root}"));
    for (wrong, word) in [
        (r#"{"version":2,"partitions":[]}"#, "version 2"),
        (r#"{"version":1,"partitions":[],"more":1}"#, "unknown field"),
        (r#"{"version":1,"partitions":[{"type":"esp","content":"cake"}]}"#, "cake"),
        (r#"{"version":1,"partitions":[{"type":"cake"}]}"#, "no type of a partition"),
        (r#"{"version":1,"partitions":[]}"#, "0 places for the data"),
    ] {
        dir.write("wrong.json", wrong.as_bytes());
        dir.fails("image create e.raw --root fs --layout wrong.json", 2, word);
    }
    assert!(!dir.exists("e.raw"));
}

#[test]
fn the_disk_of_bottlerocket_is_one_command_and_its_slots_change() {
    let dir = with_file_system();
    dir.ok("image create b.raw --root fs --layout bottlerocket --partition boot-a=esp --seed s");
    let manifest: Value = serde_json::from_slice(&dir.read("b.root.manifest.json")).unwrap();
    let root = manifest["root_hash"].as_str().unwrap();
    dir.ok(&format!("verify b.raw#root-a b.raw#hash-a {root} --data-blocks 300"));
    assert!(dir.ok("slots b.raw").contains("boots next: a"));

    // The disk has 2 GiB: its tables are looked at.
    let before = tables(&dir, "b.raw");
    dir.ok("slots b.raw activate b --tries 3 --dry-run");
    assert!(tables(&dir, "b.raw") == before);
    let said: Value = dir.run("slots b.raw activate b --tries 3 --json").json();
    assert_eq!(said["next"], "b");
    assert_eq!(said["changed"]["after"]["tries"], 3);
    let once = tables(&dir, "b.raw");
    let said: Value = dir.run("slots b.raw activate b --tries 3 --json").json();
    assert_eq!(said["changed"]["written"], false);
    assert!(tables(&dir, "b.raw") == once);
    if let Some(sgdisk) = oracle::require("sgdisk") {
        let number = said["slots"][1]["partition"].to_string();
        let said = oracle::run_ok(dir.tool(&sgdisk).args(["-i", &number, "b.raw"]));
        assert!(said.contains("Attribute flags: 0032000000000000"), "{said}");
    }
    dir.ok("slots b.raw mark-good BOTTLEROCKET-BOOT-B");
    dir.ok("slots b.raw rollback a");
    dir.ok("slots b.raw retire b");
    dir.fails("slots b.raw retire a", 3, "no slot would be left");
    assert!(dir.ok("slots b.raw retire a --force").contains("boots next: none"));
    dir.fails("slots b.raw rollback b", 3, "does not boot");
    dir.fails("slots b.raw retire c", 3, "there are a, b");
    dir.fails("slots b.raw activate a --tries 16", 2, "1 to 15");
    dir.fails("slots b.raw mark-good a --tries 3", 2, "--tries goes with activate");
    dir.fails("slots fs", 3, "no partition table");
}

#[test]
fn packed_data_is_refused_unless_it_is_meant() {
    let dir = with_file_system();
    let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd];
    packed.resize(8192, 1);
    dir.write("fs.zst", &packed);
    dir.fails("image create x.raw --root fs.zst", 3, "zstd");
    dir.ok("image create x.raw --root fs.zst --raw --arch arm64");
    let run: Run = dir.run("image create y.raw");
    assert_eq!(run.code, 2, "{run:?}");
}

#[test]
fn a_copy_is_made_in_the_same_pass() {
    let dir = with_file_system();
    let (run, bytes) = dir.bytes_read("format fs hash --seed s --copy-to copy", "fs").unwrap();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(bytes <= 300 * 4096 + 4096, "{bytes} bytes were read");
    let root = root_hash(&run.stdout);
    dir.ok(&format!("verify copy hash {root}"));
    assert!(dir.read("copy") == dir.read("fs"));

    // To a place in what is there, and with parity.
    dir.write("disk", &vec![0xee; 2 << 20]);
    dir.ok("format fs hash2 --seed s --copy-to disk@512K --fec-device fec");
    let disk = dir.read("disk");
    assert!(disk[512 << 10..][..300 * 4096] == dir.read("fs")[..]);
    assert!(disk[..512 << 10].iter().all(|byte| *byte == 0xee));
    assert!(disk[(512 << 10) + 300 * 4096..].iter().all(|byte| *byte == 0xee));
    dir.ok("build fs --copy-to again --seed s");
    assert!(dir.read("again") == dir.read("fs"));

    dir.fails("format fs hash3 --copy-to disk@1M", 3, "bytes for a copy");
    dir.fails("format fs hash3 --copy-to fs@0", 2, "a copy over its own data");
    dir.fails("format fs hash3 --copy-to fs", 2, "fs");
    dir.fails("format fs hash3 --data-blocks 3 --copy-to c", 2, "--data-blocks");
    assert!(!dir.exists("hash3") && !dir.exists("c"));
    assert_no_leftovers(&dir);
}

/// Only what was checked is remembered: by its manifest, and one image of a name.
#[test]
fn a_state_remembers_the_one_image_that_was_checked() {
    let dir = with_disk();
    dir.ok(&format!("{CHECK_DISK} --state state --image-name os"));
    dir.ok(&format!("{CHECK_DISK} --state state"));
    let state = dir.read("state");
    dir.ok(&CREATE.replace("--image-version 7", "--image-version 6"));
    dir.fails(&format!("{CHECK_DISK} --state state"), 5, "7");
    dir.fails(&format!("{CHECK_DISK} --no-manifest --state state"), 2, "needs the manifest");
    dir.fails(&format!("{CHECK_DISK} --no-manifest --image-name os"), 2, "needs the manifest");
    dir.ok(&format!("{CREATE} --usr fs"));
    dir.ok(CHECK_DISK);
    dir.fails(&format!("{CHECK_DISK} --state state"), 2, "this disk has two of them");
    assert_eq!(dir.read("state"), state);
    // Where a set lies is no question about a disk.
    dir.fails(&format!("{CHECK_DISK} --output-dir ."), 5, "there is no manifest");
}

/// Parity in a partition of an image file, with the tree elsewhere: nothing else of the disk
/// changes.
#[test]
fn parity_in_a_partition_stays_there() {
    let dir = with_disk();
    dir.ok(&format!("{CREATE} --partition linux,label=parity,size=1M"));
    let before = dir.read("os.raw");
    let place = partition(&dir, "os.raw", 1);
    assert_eq!(place["label"], "parity");
    let range = range_of(&place);
    let made = dir.ok("format fs hash --fec-device os.raw#parity --seed x");
    let image = format!("fs hash {} --fec-device os.raw#parity", root_hash(&made));
    let after = dir.read("os.raw");
    assert!(after[..range.start] == before[..range.start], "what lies before the partition");
    assert!(after[range.end..] == before[range.end..], "what lies behind it");
    assert!(after[range.clone()] != before[range]);
    assert!(dir.ok(&format!("verify {image} --all")).contains("the parity of"));
    let alone = dir.ok("format fs hash2 --fec-device alone --seed x");
    assert_eq!(root_hash(&alone), root_hash(&made));
    let parity = dir.read("alone");
    assert!(bytes_of(&dir, "os.raw", 1)[..parity.len()] == parity[..]);
}

/// Of a disk that is a block device as of an image file: what is copied is the partition.
#[test]
fn a_partition_of_a_block_device_is_copied_from_where_it_lies() {
    let dir = with_disk();
    let root = stated_root_hash(&dir);
    let Some(device) = LoopDevice::attach(&dir.path("os.raw"), 512) else { return };
    for disk in [device.path().to_str().unwrap(), "os.raw"] {
        let (data, hash) = (format!("{disk}#root"), format!("{disk}#root-verity"));
        let (code, read, said) = dir.run_bytes(&format!("read {data} {hash} {root}"));
        assert_eq!(code, 0, "{said}");
        assert!(read == dir.read("fs"), "{disk}");
        let parity = dir.ok(&format!("format {data} tree --fec-device parity --seed {disk}"));
        let image = format!("{data} tree {}", root_hash(&parity));
        dir.ok(&format!("repair {image} --fec-device parity --output copy"));
        assert!(dir.read("copy") == dir.read("fs"), "{disk}");
        dir.ok(&format!("build {data} --single-file one --output-dir {}", dir.path("").display()));
        assert!(dir.read("one").starts_with(&dir.read("fs")), "{disk}");
    }
}
