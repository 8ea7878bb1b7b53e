//! `--pad`: zeros behind data that does not end with a block. All or nothing, and no longer than
//! it must be.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::common::layout::Layout;
use crate::common::{
    CHECK, Dir, Run, SIGNED_BUILD, UUID, assert_no_leftovers, root_hash, same_file,
    wait_until_reading,
};
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::oracle::{self, VeritySetup};
use verity_testdata::{files, pattern};

const SIZE: usize = 300 * 4096 + 904;
const ZEROS: usize = 4096 - 904;

fn dir() -> Dir {
    let dir = Dir::new();
    dir.write("data", &pattern::sha256_stream(SIZE));
    dir
}

fn padded() -> Vec<u8> {
    let mut data = pattern::sha256_stream(SIZE);
    data.resize(SIZE + ZEROS, 0);
    data
}

/// A command line for a layout, with places behind everything that comes before.
fn line(layout: Layout) -> String {
    let [_, hash, fec] = layout.names();
    let hash_offset = if hash == "data" { 2 << 20 } else { 0 };
    let fec_offset = if fec == "fec" { 0 } else { 4 << 20 };
    format!(
        "format data {hash} --pad --seed x --hash-offset {hash_offset} --fec-device {fec} \
         --fec-offset {fec_offset}"
    )
}

#[test]
fn the_tree_is_that_of_padded_data() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    for block in [512, 4096, 65536] {
        let dir = dir();
        let size = format!("--data-block-size={block}");
        let run =
            dir.run(&format!("format data hash --pad --salt 00ff --uuid {UUID} {size} --json"));
        assert_eq!(run.code, 0, "{run:?}");
        let mut expected = pattern::sha256_stream(SIZE);
        expected.resize(SIZE.next_multiple_of(block), 0);
        assert_eq!(run.json()["padding_bytes"], expected.len() - SIZE);
        assert_eq!(run.json()["uncovered_bytes"], 0);
        assert!(dir.read("data") == expected, "{block}");
        dir.write("copy", &expected);
        let uuid = format!("--uuid={UUID}");
        veritysetup.format(&dir.path("copy"), &dir.path("theirs"), &["--salt=00ff", &uuid, &size]);
        assert!(dir.read("hash") == dir.read("theirs"), "{block}");
    }
}

#[test]
fn the_text_says_how_many_zeros() {
    let dir = dir();
    let text = dir.ok("format data hash --pad");
    assert!(text.ends_with(&format!("Padding:         \t{ZEROS} zero bytes behind the data\n")));
    // Now it ends with a block: nothing is appended, nor said.
    let before = fs::metadata(dir.path("data")).unwrap();
    let text = dir.ok("format data hash --pad");
    assert!(!text.contains("Padding"), "{text}");
    let after = fs::metadata(dir.path("data")).unwrap();
    assert_eq!((before.ctime(), before.ctime_nsec()), (after.ctime(), after.ctime_nsec()));
}

#[test]
fn wherever_tree_and_parity_go() {
    for layout in Layout::ALL {
        let dir = dir();
        let root = root_hash(&dir.ok(&line(layout)));
        assert!(dir.read("data").starts_with(&padded()), "{layout:?}");
        let line = line(layout).replace("format", "verify").replace("--pad --seed x", &root);
        dir.ok(&format!("{line} --all --data-blocks 301"));
        assert_no_leftovers(&dir);
    }
}

/// Every sync, and the renaming, fails in its turn: then the data is as it was.
#[test]
fn a_failure_cuts_the_zeros_off() {
    let Some(strace) = oracle::require("strace") else { return };
    for layout in Layout::ALL {
        for calls in ["fsync,fdatasync", "rename,renameat,renameat2"] {
            for when in 1..20 {
                let dir = dir();
                let before = dir.read("data");
                let inject = format!("inject={calls}:error=EIO:when={when}");
                let mut traced = dir.tool(&strace);
                traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]);
                traced.arg(env!("CARGO_BIN_EXE_verity")).args(line(layout).split(' '));
                let run = Run::of(traced.output().unwrap());
                let data = dir.read("data");
                if run.code == 0 {
                    assert!(data.starts_with(&padded()), "{layout:?} {inject}");
                    break;
                }
                assert_eq!(run.code, 4, "{layout:?} {inject}: {run:?}");
                // The last sync may fail when everything is in its place.
                let is_done = data.starts_with(&padded()) && dir.exists("hash");
                assert!(data == before || is_done, "{layout:?} {inject}: {run:?}");
                assert!(when < 19);
                assert_no_leftovers(&dir);
            }
        }
    }
}

#[test]
fn a_build_pads_too_and_states_the_new_size() {
    let dir = dir();
    dir.key("rsa2048");
    fs::rename(dir.path("data"), dir.path("image.raw")).unwrap();
    dir.fails(SIGNED_BUILD, 3, "--pad appends 3192 zeros");
    assert_eq!(dir.read("image.raw").len(), SIZE);
    let text = dir.ok(&format!("{SIGNED_BUILD} --pad --fec-roots 2"));
    assert!(text.contains("\t3192 zero bytes behind the data\n"), "{text}");
    assert!(dir.read("image.raw") == padded());
    dir.ok(CHECK);
    let manifest: serde_json::Value =
        serde_json::from_slice(&dir.read("image.manifest.json")).unwrap();
    assert_eq!(manifest["image"]["size_bytes"], SIZE + ZEROS);
}

#[test]
fn what_cannot_be_padded_is_refused_before_anything_is_read() {
    let dir = dir();
    for command in ["format data hash", "build data"] {
        dir.fails(&format!("{command} --pad --data-blocks 300"), 2, "cannot be used with");
    }
    symlink("data", dir.path("link")).unwrap();
    dir.fails("format link hash --pad", 2, "symbolic link");
    let locked = fs::File::open(dir.path("data")).unwrap();
    locked.lock().unwrap();
    dir.fails("format data hash --pad", 7, "in use by another run");
    dir.fails("build data --pad", 7, "in use by another run");
    drop(locked);
    assert_eq!(dir.names(), ["data", "link"]);
    assert_eq!(dir.read("data").len(), SIZE);
    dir.write("device", &pattern::sha256_stream(9 * 4096));
    let Some(device) = LoopDevice::attach(&dir.path("device"), 512) else { return };
    let device = device.path().display();
    let line = format!("format {device} hash --pad --data-block-size 8192");
    dir.fails(&line, 2, "a block device cannot grow");
    dir.fails(&line.replace("hash", &device.to_string()), 3, "--data-blocks");
}

#[test]
fn the_ways_out_are_named() {
    let dir = dir();
    let run = dir.fails("format data hash", 3, "data: the data has 1229704 bytes");
    for word in ["--pad appends 3192 zeros", "`truncate -s %4096 FILE`"] {
        assert!(run.stderr.contains(word), "{run:?}");
    }
    assert!(run.stderr.contains("--data-blocks 300 leaves the last 904 bytes unprotected"));
    dir.write("short", b"x");
    let run = dir.fails("build short", 3, "--pad appends 4095 zeros");
    assert!(!run.stderr.contains("--data-blocks"), "{run:?}");
}

/// Who only reads cannot pad.
#[test]
fn padding_is_no_advice_for_readers() {
    let dir = dir();
    let root = dir.format("--data-blocks 300 --no-superblock");
    let line = format!("verify data hash {root} --no-superblock");
    let run = dir.fails(&line, 3, "--data-blocks says how many blocks the tree covers");
    assert!(!run.stderr.contains("--pad"), "{run:?}");
    dir.write("data", b"x");
    let run = dir.fails(&line, 3, "would be unprotected");
    assert!(!run.stderr.contains("--data-blocks"), "{run:?}");
}

/// Holes are not read, the one before the zeros neither; and the tree is that of the bytes.
#[test]
fn the_holes_of_padded_data_are_not_read() {
    for written in [None, Some(0), Some(9 << 20), Some(LARGE - 5)] {
        let dir = Dir::new();
        files::sparse(&dir.path("data"), LARGE);
        if let Some(offset) = written {
            let file = fs::File::options().write(true).open(dir.path("data")).unwrap();
            file.write_all_at(b"bytes", offset).unwrap();
        }
        oracle::run_ok(dir.tool("cp").args(["--sparse=never", "data", "dense"]));
        let line = "format data hash --pad --seed x --fec-device fec --threads 1";
        let Some((run, read)) = dir.bytes_read(line, "data") else { return };
        assert_eq!(run.code, 0, "{run:?}");
        assert!(read < 4 << 20, "{written:?}: {read} bytes");
        dir.ok("format dense other --pad --seed x --fec-device parity");
        for (sparse, dense) in [("data", "dense"), ("hash", "other"), ("fec", "parity")] {
            assert!(same_file(&dir.path(sparse), &dir.path(dense)), "{written:?}: {sparse}");
        }
    }
}

fn spawn(dir: &Dir, line: &str) -> Child {
    let mut command = dir.command();
    command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

const LARGE: u64 = (256 << 20) + 904;

/// Until everything else is ready nothing is appended, so that even a kill leaves no zeros.
#[test]
fn c02_whatever_ends_a_run_leaves_the_data_without_zeros() {
    for (command, name, code) in [
        ("format data hash", "TERM", 143),
        ("format data data --hash-offset 1G", "INT", 130),
        ("build data", "KILL", 137),
    ] {
        let dir = Dir::new();
        files::dense(&dir.path("data"), LARGE);
        let child = spawn(&dir, &format!("{command} --pad --hash sha3-512 --threads 1"));
        wait_until_reading(&child);
        let id = child.id().to_string();
        oracle::run_ok(dir.tool("kill").args([&format!("-{name}"), &id]));
        assert_eq!(Run::of(child.wait_with_output().unwrap()).code, code);
        assert_eq!(fs::metadata(dir.path("data")).unwrap().len(), LARGE, "{command}");
    }
}

/// Also in the middle of what is written behind the zeros, which is slow here.
#[test]
fn c02_a_signal_while_tree_or_parity_is_copied_leaves_the_data_as_it_was() {
    let Some(strace) = oracle::require("strace") else { return };
    let data = pattern::sha256_stream((32 << 20) + 304);
    for places in
        ["data --hash-offset 64M", "hash --fec-device data --fec-offset 64M --fec-roots 24"]
    {
        let dir = Dir::new();
        dir.write("data", &data);
        let mut traced = dir.tool(&strace);
        // The tracer is a child, so that the signal goes to the command alone.
        traced.args(["-D", "-f", "-qq", "-o", "log", "-e", "trace=pwrite64", "-P"]);
        traced.arg(fs::canonicalize(dir.path("data")).unwrap());
        traced.args(["-e", "inject=pwrite64:delay_enter=100000", env!("CARGO_BIN_EXE_verity")]);
        let line = format!("format data {places} --pad --hash sha512 --data-block-size 512");
        traced.args(line.split(' ')).arg("--hash-block-size=512");
        let mut child = traced.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while fs::metadata(dir.path("data")).unwrap().len() == data.len() as u64 {
            assert!(child.try_wait().unwrap().is_none(), "{places}: it has ended");
            thread::sleep(Duration::from_millis(1));
        }
        oracle::run_ok(dir.tool("kill").args(["-INT", &child.id().to_string()]));
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, 130, "{places}: {run:?}");
        assert!(dir.read("data") == data, "{places}");
        let log = String::from_utf8(dir.read("log")).unwrap();
        let after = log.split_once("SIGINT").unwrap().1;
        assert!(after.matches("pwrite64(").count() <= 1, "it went on: {log}");
    }
}

#[test]
fn x06_data_that_grows_during_the_run_is_not_padded() {
    let dir = Dir::new();
    files::dense(&dir.path("data"), LARGE);
    let child = spawn(&dir, "format data hash --pad --hash sha3-512 --threads 1");
    wait_until_reading(&child);
    let file = fs::File::options().append(true).open(dir.path("data")).unwrap();
    file.set_len(LARGE + 5).unwrap();
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!(run.code, 7, "{run:?}");
    assert_eq!(file.metadata().unwrap().len(), LARGE + 5);
    assert_eq!(dir.names(), ["data"]);
}
