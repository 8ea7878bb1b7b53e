//! Images into slots: from sets, directories, disks and servers, into files, devices and the slots
//! of a disk.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::{oracle, pattern};

#[cfg(feature = "http")]
use crate::common::web::WebServer;
use crate::common::{Dir, Run, assert_no_leftovers};

const BLOCK: usize = 4096;
const SIGNED: &str = "--key rsa2048.key --certificate rsa2048.cert";
/// Into files, from `new.raw` and what `old.raw` has of it.
const INSTALL: &str = "install new.raw --certificate rsa2048.cert --data-device slot \
                       --hash-device tree --signature-device sig";
const REUSE: &str = "--reuse old.raw";

/// The data of the older release.
fn old_data() -> Vec<u8> {
    let mut data = pattern::sha256_stream(400 * BLOCK);
    data[50 * BLOCK..90 * BLOCK].fill(0);
    data
}

/// The newer one: twenty blocks in front, some gone, some repeated, some zeros.
fn new_data() -> Vec<u8> {
    let old = old_data();
    let mut data: Vec<_> =
        (0..20 * BLOCK).map(|at| u8::try_from(at / BLOCK).unwrap() + 1).collect();
    data.extend_from_slice(&old[..200 * BLOCK]);
    data.extend_from_slice(&old[230 * BLOCK..]);
    data.extend_from_slice(&old[10 * BLOCK..30 * BLOCK]);
    data
}

/// What is missing of it: the blocks in front.
const MISSING: u64 = 20;

/// Two signed releases with salts of their own, and a slot that is larger than both, full of other
/// bytes.
fn releases() -> Dir {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("old.raw", &old_data());
    dir.write("new.raw", &new_data());
    let options = "--systemd --fec-roots 2 --image-name os";
    dir.ok(&format!("build old.raw {SIGNED} --seed old {options} --image-version 1"));
    dir.ok(&format!("build new.raw {SIGNED} --seed new {options} --image-version 2"));
    fill(&dir);
    dir
}

fn fill(dir: &Dir) {
    dir.write("slot", &vec![0xa5; 500 * BLOCK]);
    dir.write("tree", &vec![0xa5; 40 * BLOCK]);
    dir.write("sig", &[0xa5; 16 << 10]);
}

/// Checks that the slot is the newer release, and nothing else.
#[track_caller]
fn assert_installed(dir: &Dir) {
    let is = |device: &str, content: &str| {
        let (device, content) = (dir.read(device), dir.read(content));
        assert!(device[..content.len()] == content[..], "the content");
        assert!(device[content.len()..].iter().all(|byte| *byte == 0), "zeros behind it");
    };
    is("slot", "new.raw");
    is("tree", "new.verity");
    is("sig", "new.verity-sig");
}

fn is_vouched(dir: &Dir) -> bool {
    dir.read("tree")[..512] == dir.read("new.verity")[..512]
}

fn number(said: &Value, key: &str) -> u64 {
    said[key].as_u64().unwrap_or_else(|| panic!("{key} in {said}"))
}

#[test]
fn a_release_is_installed_from_what_the_old_one_has() {
    let dir = releases();
    let dry = dir.run(&format!("{INSTALL} {REUSE} --bridge 0 --dry-run --json")).json();
    assert_eq!((&dry["installed"], number(&dry, "written_bytes")), (&Value::Bool(false), 0));
    assert!(dir.read("slot").iter().all(|byte| *byte == 0xa5), "a dry run writes nothing");

    let said = dir.run(&format!("{INSTALL} {REUSE} --bridge 0 --json")).json();
    assert_eq!(said["installed"], true, "{said}");
    assert_eq!((number(&said, "missing"), number(&said, "requests")), (MISSING, 1));
    assert_eq!(number(&said, "request_bytes"), MISSING * BLOCK as u64);
    assert_eq!(number(&dry, "request_bytes"), number(&said, "request_bytes"));
    assert_eq!(number(&said, "changed"), 0);
    assert_eq!(said["read_back"], "cache-dropped");
    assert_eq!((said["image_name"].as_str(), number(&said, "image_version")), (Some("os"), 2));
    assert_installed(&dir);
    assert_no_leftovers(&dir);

    // Done again, nothing is written: the files are not even touched.
    let times =
        || ["slot", "tree", "sig"].map(|name| fs::metadata(dir.path(name)).unwrap().modified());
    let before = times().map(Result::unwrap);
    let said = dir.run(&format!("{INSTALL} --json")).json();
    assert_eq!((number(&said, "written_bytes"), number(&said, "missing")), (0, 0));
    assert_eq!((number(&said, "missing_tree_bytes"), number(&said, "requests")), (0, 0));
    assert_eq!(times().map(Result::unwrap), before);

    // Without any seed all of it is fetched; the result is the same.
    fill(&dir);
    assert!(dir.ok(INSTALL).contains("installed: "));
    assert_installed(&dir);
}

#[test]
fn the_slot_itself_is_a_seed_and_parity_is_made_anew() {
    let dir = releases();
    let mut slot = old_data();
    slot.resize(500 * BLOCK, 0x77);
    dir.write("slot", &slot);
    let said = dir.run(&format!("{INSTALL} --json")).json();
    assert!(number(&said, "moved") > 0 && number(&said, "missing") < 250, "{said}");
    assert_installed(&dir);
    // A byte of parity is wrong: nothing else notices, and it is made anew.
    let parity = dir.read("new.verity").len() - 5000;
    let byte = dir.read("tree")[parity];
    dir.patch("tree", parity, &[byte ^ 1]);
    let said = dir.run(&format!("{INSTALL} --json")).json();
    assert_eq!((number(&said, "missing"), number(&said, "requests")), (0, 0));
    assert!(number(&said, "written_bytes") > 0 && number(&said, "parity_rounds") > 0);
    assert_installed(&dir);
    // So are the zeros and the signature.
    dir.patch("slot", 499 * BLOCK, b"secret");
    dir.patch("sig", 100, b"other");
    dir.ok(INSTALL);
    assert_installed(&dir);
}

#[test]
fn sources_are_sets_by_any_name_and_disks() {
    let dir = releases();
    for name in ["new", "new.raw", "./new"] {
        fill(&dir);
        dir.ok(&INSTALL.replace("install new.raw", &format!("install {name}")));
        assert_installed(&dir);
    }
    dir.fails(&INSTALL.replace("new.raw", "."), 2, "several images here, name one: new, old");
    let empty = dir.path("empty");
    fs::create_dir(&empty).unwrap();
    dir.fails(&INSTALL.replace("new.raw", "empty"), 5, "no manifest in this directory");
    for suffix in ["raw", "verity", "manifest.json", "manifest.json.p7s", "verity-sig"] {
        fs::copy(dir.path(&format!("new.{suffix}")), empty.join(format!("new.{suffix}"))).unwrap();
    }
    fill(&dir);
    dir.ok(&INSTALL.replace("new.raw", "empty"));
    assert_installed(&dir);

    // A disk image by its name, by that of its partition, and without a manifest.
    let create = "image create os.raw --root new.raw --seed new --arch x86-64 --image-version 3 \
                  --fec-roots 2";
    dir.ok(&format!("{create} {SIGNED}"));
    // A file that has the name of a partition is not meant.
    dir.write("os.raw#1", b"something else");
    for name in ["os.raw", "os.raw#root"] {
        fill(&dir);
        let line = INSTALL.replace("new.raw", name);
        let said = dir.run(&format!("{line} {REUSE} --bridge 0 --json")).json();
        assert_eq!(number(&said, "missing"), MISSING);
        assert!(dir.read("slot")[..new_data().len()] == new_data());
    }
    fs::remove_file(dir.path("os.root.manifest.json")).unwrap();
    for name in ["os.raw", "os.raw#root"] {
        dir.fails(&INSTALL.replace("new.raw", name), 5, "manifest");
    }
}

/// Signature partitions that are none are passed over, but no more than 63 in front of the one.
#[test]
fn h22_no_more_than_64_signature_partitions_are_read() {
    let Some(sgdisk) = oracle::require("sgdisk") else { return };
    let dir = releases();
    let create = "image create os.raw --root new.raw --seed new --arch x86-64 --image-version 3";
    dir.ok(&format!("{create} {SIGNED}"));
    let shown = dir.run("image show os.raw --json").json();
    let partitions = shown["partitions"].as_array().unwrap();
    let found = partitions.iter().find(|found| found["type_name"] == "root-x86-64-verity-sig");
    let found = found.unwrap_or_else(|| panic!("no signature partition in {shown}"));
    let [first, sectors] = ["start_bytes", "size_bytes"].map(|key| number(found, key) / 512);
    let kind = found["type_guid"].as_str().unwrap();
    let file = File::options().write(true).open(dir.path("os.raw")).unwrap();
    file.set_len(file.metadata().unwrap().len() + (8 << 20)).unwrap();
    let changed = |options: Vec<String>| {
        oracle::run_ok(dir.tool(&sgdisk).arg("--set-alignment=1").args(options).arg("os.raw"));
    };
    let of_kind = |number: u64, place: String| {
        [format!("--new={number}:{place}"), format!("--typecode={number}:{kind}")]
    };
    changed(vec!["--move-second-header".into(), format!("--delete={}", number(found, "number"))]);
    let one = of_kind(100, format!("{first}:{}", first + sectors - 1));
    let others = (10..73).flat_map(|number| of_kind(number, "0:+32".into()));
    changed(one.into_iter().chain(others).collect());
    let install = INSTALL.replace("new.raw", "os.raw");
    dir.ok(&install);
    fill(&dir);
    changed(of_kind(73, "0:+32".into()).to_vec());
    dir.fails(&install, 5, "65 signature partitions, of which at most 64 are read");
    assert!(dir.read("slot").iter().all(|byte| *byte == 0xa5), "nothing is written");
    dir.fails("check os.raw --certificate rsa2048.cert", 5, "at most 64 are read");
}

#[test]
fn u09_what_nobody_trusts_or_what_is_older_is_not_installed() {
    let dir = releases();
    dir.key("p256");
    let untouched = |dir: &Dir| assert!(dir.read("slot").iter().all(|byte| *byte == 0xa5));
    dir.fails(&INSTALL.replace("rsa2048", "p256"), 5, "new.manifest.json.p7s");
    dir.fails(&format!("{INSTALL} --image-name other"), 5, "other");
    untouched(&dir);
    let state = "--state state --image-name os";
    dir.ok(&format!("{INSTALL} {REUSE} {state}"));
    let older = INSTALL.replace("new.raw", "old.raw");
    fill(&dir);
    dir.fails(&format!("{older} {state}"), 5, "version");
    untouched(&dir);

    // The parts of two releases are no image.
    for suffix in ["verity", "manifest.json", "manifest.json.p7s", "verity-sig"] {
        let dir = releases();
        fs::copy(dir.path(&format!("old.{suffix}")), dir.path(&format!("new.{suffix}"))).unwrap();
        let run = dir.run(INSTALL);
        assert!([1, 3, 5].contains(&run.code), "{suffix}: {run:?}");
        untouched(&dir);
    }
    for suffix in ["manifest.json", "manifest.json.p7s", "verity-sig"] {
        let dir = releases();
        fs::remove_file(dir.path(&format!("new.{suffix}"))).unwrap();
        dir.fails(INSTALL, 5, "new.");
        untouched(&dir);
    }
}

#[test]
fn u04_a_corrupt_source_is_named_and_its_block_never_reaches_the_slot() {
    let dir = releases();
    dir.patch("new.raw", 300 * BLOCK + 77, b"worse bytes");
    let run = dir.fails(INSTALL, 1, "not the image of its manifest");
    assert!(run.stderr.contains("data block 300") && run.stderr.contains("new.raw"), "{run:?}");
    let slot = dir.read("slot");
    assert!(!slot.windows(11).any(|bytes| bytes == b"worse bytes"));
    assert!(!is_vouched(&dir), "the slot does not verify");
    // A seed has the block: the source is not asked for it.
    let mut seed = new_data();
    seed.rotate_left(BLOCK);
    dir.write("seed", &seed);
    dir.write("new.data", &new_data());
    dir.ok(&format!("{INSTALL} --reuse seed"));
    assert!(dir.read("slot")[..seed.len()] == new_data());

    let dir = releases();
    dir.patch("new.verity", 3 * BLOCK + 7, b"worse bytes");
    dir.fails(INSTALL, 1, "hash level 0 block");
    assert!(dir.read("slot").iter().all(|byte| *byte == 0xa5), "nothing was written");
}

#[test]
fn u03_a_target_that_does_not_fit_or_is_an_input_is_refused() {
    let dir = releases();
    for (name, content) in [("slot", "new.raw"), ("tree", "new.verity"), ("sig", "new.verity-sig")]
    {
        fill(&dir);
        let len = dir.read(content).len() - 512;
        dir.write(name, &vec![0xa5; len]);
        dir.fails(INSTALL, 3, &format!("has {len} bytes"));
        assert!(dir.read("slot").iter().all(|byte| *byte == 0xa5));
    }
    fill(&dir);
    dir.fails(&INSTALL.replace("device slot", "device new.raw"), 2, "new.raw");
    dir.fails(&INSTALL.replace("device slot", "device tree"), 2, "output");
    dir.fails(&format!("{INSTALL} --reuse slot"), 2, "slot");
    dir.fails(&INSTALL.replace("device slot", "device missing"), 4, "missing");
    dir.fails(&format!("{INSTALL} --activate --tries 3"), 2, "--disk");
    dir.fails(&format!("{INSTALL} --max-requests 65"), 2, "1 to 64");
    fs::remove_file(dir.path("new.verity-sig")).unwrap();
    dir.fails(INSTALL, 5, "nothing for a signature partition");
    dir.ok(&format!("build new.raw {SIGNED} --seed new --single-file one.raw"));
    let line = INSTALL.split(" --sig").next().unwrap().replace("new.raw", "one.raw");
    dir.fails(&line, 3, "holds its hash area itself");
    assert!(dir.read("slot").iter().all(|byte| *byte == 0xa5));
}

#[test]
fn u10_of_two_installers_the_second_is_refused() {
    let dir = releases();
    for name in ["slot", "tree", "sig"] {
        let held = File::options().write(true).open(dir.path(name)).unwrap();
        held.lock().unwrap();
        dir.fails(INSTALL, 7, name);
        assert!(dir.read("slot").iter().all(|byte| *byte == 0xa5));
    }
    let both =
        [(); 2].map(|()| dir.command().args(INSTALL.split_whitespace()).output().map(Run::of));
    assert!(both.into_iter().all(|run| run.unwrap().code == 0), "one after the other");
    let children = [(); 2].map(|()| {
        let mut command = dir.command();
        command.args(INSTALL.split_whitespace()).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null()).spawn().unwrap()
    });
    let codes = children.map(|mut child| child.wait().unwrap().code().unwrap());
    assert!(codes.contains(&0) && codes.iter().all(|code| [0, 7].contains(code)), "{codes:?}");
    assert_installed(&dir);
}

/// Runs under strace with a fault.
fn faulty(dir: &Dir, strace: &Path, inject: &str) -> Run {
    let mut command: Command = dir.tool(strace);
    command.args(["-f", "-o", "/dev/null", "-e", inject, env!("CARGO_BIN_EXE_verity")]);
    command.args(INSTALL.split_whitespace()).args(["--threads", "1", "--max-requests", "1"]);
    Run::of(command.args(REUSE.split_whitespace()).output().unwrap())
}

#[test]
fn u02_a_kill_at_any_write_or_flush_leaves_a_slot_that_does_not_verify_and_is_gone_on_with() {
    let Some(strace) = oracle::require("strace") else { return };
    let dir = releases();
    let mut kills = 0;
    for calls in ["pwrite64", "fsync"] {
        for number in 1.. {
            fill(&dir);
            let inject = format!("inject={calls}:signal=KILL:when={number}");
            let run = faulty(&dir, &strace, &inject);
            if run.code == 0 {
                assert_installed(&dir);
                break;
            }
            kills += 1;
            if is_vouched(&dir) {
                // Only what comes behind the superblock was missing: the flush of it.
                assert_eq!(calls, "fsync");
                assert_installed(&dir);
            }
            let said = dir.run(&format!("{INSTALL} {REUSE} --bridge 0 --json")).json();
            assert_eq!(said["installed"], true, "{calls} {number}");
            assert!(number_or(&said, "missing") <= MISSING);
            assert_installed(&dir);
        }
    }
    assert!(kills > 10, "only {kills}");
}

fn number_or(said: &Value, key: &str) -> u64 {
    said[key].as_u64().unwrap_or(u64::MAX)
}

#[test]
fn u02_a_write_or_flush_that_fails_is_told_and_gone_on_with() {
    let Some(strace) = oracle::require("strace") else { return };
    let dir = releases();
    let mut failures = 0;
    for (calls, error) in [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fsync", "EIO")] {
        for number in 1.. {
            fill(&dir);
            let run = faulty(&dir, &strace, &format!("inject={calls}:error={error}:when={number}"));
            if run.code == 0 {
                break;
            }
            failures += 1;
            assert_eq!(run.code, 4, "{calls} {number}: {run:?}");
            assert!(!is_vouched(&dir) || calls == "fsync");
            dir.ok(&format!("{INSTALL} {REUSE}"));
            assert_installed(&dir);
        }
    }
    assert!(failures > 20, "only {failures}");
}

#[cfg(feature = "http")]
#[test]
fn a_server_is_asked_for_what_is_missing_and_no_more() {
    let dir = releases();
    let names =
        ["new.raw", "new.verity", "new.manifest.json", "new.manifest.json.p7s", "new.verity-sig"];
    let files = || names.map(|name| (name, dir.read(name))).to_vec();
    let server = WebServer::start(files(), usize::MAX);
    let tree = dir.read("new.verity").len();
    {
        fill(&dir);
        let line = INSTALL.replace("new.raw", &server.url("new.raw"));
        let before = server.asked();
        let said = dir.run(&format!("{line} {REUSE} --bridge 0 --json")).json();
        assert_eq!(number(&said, "missing"), MISSING);
        // The first byte of each file tells its length; the superblock is read twice.
        let most = MISSING * BLOCK as u64 + tree as u64;
        let fetched = number(&said, "http_bytes");
        assert!((MISSING * BLOCK as u64..most).contains(&fetched), "{fetched} of {most}");
        assert!(server.asked() - before < 20);
        assert_installed(&dir);
    }
    fill(&dir);
    // A server that has another file, and one that fails.
    let mut wrong = files();
    wrong[0].1[5 * BLOCK] ^= 1;
    let server = WebServer::start(wrong, usize::MAX);
    let line = INSTALL.replace("new.raw", &server.url("new.raw"));
    dir.fails(&format!("{line} {REUSE}"), 1, "data block 5");
    assert!(!is_vouched(&dir));
    let server = WebServer::with_bad_byte(files(), 7 * BLOCK);
    let line = INSTALL.replace("new.raw", &server.url("new.raw"));
    let run = dir.run(&format!("{line} {REUSE}"));
    assert_eq!(run.code, 4, "{run:?}");
    dir.ok(&format!("{INSTALL} {REUSE}"));
    assert_installed(&dir);
}

/// A disk with two slots, of which the first has a release and boots.
fn disk() -> Dir {
    let dir = releases();
    dir.write("esp", &pattern::sha256_stream(10_000));
    let create = "image create b.raw --root old.raw --layout bottlerocket --partition boot-a=esp";
    dir.ok(&format!("{create} --seed s"));
    dir
}

/// Everything of a disk but one slot's partitions and the tables: it is large and sparse, so its
/// start and some partitions stand for it.
fn others(dir: &Dir) -> Vec<u8> {
    let shown = dir.run("image show b.raw --json").json();
    let file = File::open(dir.path("b.raw")).unwrap();
    let mut bytes = Vec::new();
    for partition in shown["partitions"].as_array().unwrap() {
        let label = partition["label"].as_str().unwrap_or_default();
        if label.ends_with("ROOT-B") || label.ends_with("HASH-B") {
            continue;
        }
        let size = number(partition, "size_bytes").min(4 << 20);
        let mut part = vec![0; usize::try_from(size).unwrap()];
        file.read_exact_at(&mut part, number(partition, "start_bytes")).unwrap();
        bytes.extend(part);
    }
    bytes
}

const INTO_SLOT: &str = "install new --certificate rsa2048.cert --disk b.raw";

#[test]
fn a_slot_of_a_disk_is_written_proved_and_activated() {
    let dir = disk();
    let before = others(&dir);
    let seed = "--reuse b.raw#root-a";
    let said = dir.run(&format!("{INTO_SLOT} --slot b {seed} --bridge 0 --json")).json();
    assert_eq!((said["installed"].as_bool(), number(&said, "missing")), (Some(true), MISSING));
    assert_eq!((said["slot"].as_str(), &said["activated"]), (Some("b"), &Value::Null));
    assert!(dir.ok("slots b.raw").contains("boots next: a"));
    assert!(others(&dir) == before, "nothing else is written");
    let root = said["root_hash"].as_str().unwrap();
    let blocks = new_data().len() / BLOCK;
    dir.ok(&format!("verify b.raw#root-b b.raw#hash-b {root} --data-blocks {blocks}"));

    // Again, and now it is to boot: only the table changes.
    let line = format!("{INTO_SLOT} --slot b --activate --tries 3 --json");
    let said = dir.run(&line).json();
    assert_eq!((number(&said, "written_bytes"), number(&said, "activated")), (0, 3));
    let slots = dir.run("slots b.raw --json").json();
    assert_eq!((slots["next"].as_str(), number(&slots["slots"][1], "tries")), (Some("b"), 3));
    assert!(others(&dir) == before);

    // While it is written again, the other one boots.
    let older = INTO_SLOT.replace("new", "old");
    dir.ok(&format!("{older} --slot b {seed}"));
    assert!(dir.ok("slots b.raw").contains("boots next: a"));
}

#[test]
fn what_is_noticed_about_a_disk_is_told_once() {
    let dir = disk();
    let file = File::options().write(true).open(dir.path("b.raw")).unwrap();
    file.set_len(file.metadata().unwrap().len() + 512).unwrap();
    let run = dir.run(&format!("{INTO_SLOT} --slot b --activate --tries 3"));
    assert_eq!((run.code, run.stderr.matches("the disk has grown").count()), (0, 1), "{run:?}");
}

#[test]
fn u11_the_slot_that_alone_boots_or_that_is_not_named_is_left_alone() {
    let dir = disk();
    let before = others(&dir);
    dir.fails(&format!("{INTO_SLOT} --slot a"), 7, "no slot would be left that boots");
    dir.fails(&format!("{INTO_SLOT} --inactive"), 3, "on neither slot");
    dir.fails(&format!("{INTO_SLOT} --slot c"), 3, "there are a, b");
    dir.fails(INTO_SLOT, 2, "--slot");
    dir.fails(&format!("{INTO_SLOT} --slot b --activate --tries 16"), 2, "1..=15");
    dir.fails(
        "install new --certificate rsa2048.cert --disk old.raw --slot a",
        3,
        "partition table",
    );
    let held = File::options().write(true).open(dir.path("b.raw")).unwrap();
    held.lock().unwrap();
    dir.fails(&format!("{INTO_SLOT} --slot b"), 7, "b.raw");
    assert!(others(&dir) == before);
}

#[test]
fn u11_devices_are_read_back_directly_and_those_in_use_are_refused() {
    let dir = releases();
    dir.write("small.raw", &dir.read("new.raw"));
    dir.ok("build small.raw --key rsa2048.key --certificate rsa2048.cert --data-block-size 1024 \
         --hash-block-size 1024 --image-name small --image-version 1");
    for sector_size in [512, 4096] {
        fill(&dir);
        let Some(slot) = LoopDevice::attach(&dir.path("slot"), sector_size) else { return };
        let Some(tree) = LoopDevice::attach(&dir.path("tree"), sector_size) else { return };
        let line = format!(
            "install new --certificate rsa2048.cert --data-device {} --hash-device {} {REUSE}",
            slot.path().display(),
            tree.path().display()
        );
        // Blocks that are smaller than the sectors are of no use to the kernel.
        let small = line.replacen("install new", "install small", 1);
        match sector_size {
            512 => dir.ok(&small),
            _ => dir.fails(&small, 3, "has sectors of 4096 bytes").stderr,
        };
        fill(&dir);
        let said = dir.run(&format!("{line} --json")).json();
        assert_eq!(
            (said["installed"].as_bool(), said["read_back"].as_str()),
            (Some(true), Some("direct"))
        );
        let read = |device: &Path, content: &str| {
            let content = dir.read(content);
            let mut bytes = vec![0; content.len()];
            File::open(device).unwrap().read_exact_at(&mut bytes, 0).unwrap();
            assert!(bytes == content);
        };
        read(slot.path(), "new.raw");
        read(tree.path(), "new.verity");
        // A mount holds a device as this does.
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true), 0o200);
        let _in_use = options.open(slot.path()).unwrap();
        dir.fails(&line, 7, "in use");
    }
}
