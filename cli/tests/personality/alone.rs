//! What the personality does where the original does harm, and what no comparison of short runs
//! shows: devices, large files, links, repairs.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use verity_testdata::loop_device::LoopDevice;
use verity_testdata::pattern::{self, Prng};
use verity_testdata::{files, oracle};

use crate::common::{Dir, Run, root_hash, wait_until_reading, wrong};

/// Runs a command line of veritysetup, words split at blanks.
fn run(dir: &Dir, line: &str) -> Run {
    let mut command = dir.command();
    Run::of(command.arg0("veritysetup").args(line.split_whitespace()).output().unwrap())
}

#[track_caller]
fn ok(dir: &Dir, line: &str) -> String {
    let run = run(dir, line);
    assert_eq!(run.code, 0, "{line}: {run:?}");
    run.stdout
}

#[track_caller]
fn fails(dir: &Dir, line: &str, code: i32, last: &str) {
    let run = run(dir, line);
    let found = run.stderr.lines().last().unwrap_or_default();
    assert_eq!((run.code, found), (code, last), "{line}: {run:?}");
}

#[test]
fn a_link_or_a_copy_of_that_name_is_veritysetup() {
    let dir = Dir::with_data(8);
    symlink(env!("CARGO_BIN_EXE_verity"), dir.path("veritysetup")).unwrap();
    dir.own_verity();
    fs::create_dir(dir.path("copy")).unwrap();
    fs::rename(dir.path("verity"), dir.path("copy/veritysetup")).unwrap();
    for program in ["veritysetup", "copy/veritysetup"] {
        let run = Run::of(dir.tool(dir.path(program)).arg("--version").output().unwrap());
        assert_eq!(run.stdout.split(' ').nth(1), Some("2.8.8"), "{run:?}");
        let run = Run::of(dir.tool(dir.path(program)).arg("nope").output().unwrap());
        let last = run.stderr.lines().last().unwrap();
        let typed = dir.path(program);
        assert_eq!((run.code, last), (1, &*format!("{}: Unknown action.", typed.display())));
    }
}

#[test]
fn it_and_verity_make_and_take_the_same() {
    let dir = Dir::with_data(300);
    let options = "--salt=00ff --uuid=a60c98d2-ae9b-4865-bfcb-b4e3ace11033";
    let theirs = dir.ok(&format!("format data hash {options} --fec-device fec"));
    let ours = ok(&dir, &format!("format data hash2 {options} --fec-device fec2"));
    assert_eq!(root_hash(&theirs), root_hash(&ours));
    assert!(dir.read("hash") == dir.read("hash2") && dir.read("fec") == dir.read("fec2"));
    ok(&dir, &format!("verify data hash {}", root_hash(&ours)));
    assert_eq!((dir.mode("hash2"), dir.mode("fec2")), (0o600, 0o600));
}

#[test]
fn one_device_has_data_tree_and_parity() {
    let dir = Dir::new();
    let data = pattern::sha256_stream(64 * 4096);
    dir.write("disk", &[&data[..], &vec![0x5a; 64 * 4096]].concat());
    let Some(device) = LoopDevice::attach(&dir.path("disk"), 512) else { return };
    let device = device.path().to_str().unwrap();
    let place = "--hash-offset=262144 --fec-offset=327680";
    let made = ok(
        &dir,
        &format!("format {device} {device} --data-blocks=64 {place} --fec-device={device}"),
    );
    let root = root_hash(&made);
    ok(&dir, &format!("verify {device} {device} {root} {place}"));
    ok(&dir, &format!("verify disk disk {root} {place}"));
    assert!(dir.read("disk")[..64 * 4096] == data[..], "the data stays");
    fails(&dir, &format!("format {device} {device}"), 1, "Data area overlaps with hash area.");
    // What lies under another name is the same device.
    fails(&dir, &format!("format disk {device}"), 1, "Data area overlaps with hash area.");
    fails(
        &dir,
        &format!("format disk {device} --data-blocks=64 --hash-offset=524288"),
        1,
        &format!("Device {device} is too small."),
    );
}

#[test]
fn large_files_with_holes_are_made_where_they_lie() {
    let dir = Dir::new();
    File::create(dir.path("img")).unwrap().set_len(10_000_000_000).unwrap();
    let made = ok(&dir, "format img img --data-blocks=128 --hash-offset=8000000000");
    let root = root_hash(&made);
    ok(&dir, &format!("verify img img {root} --hash-offset=8000000000"));
    let metadata = fs::metadata(dir.path("img")).unwrap();
    assert_eq!(metadata.len(), 10_000_000_000);
    assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
}

#[test]
fn what_is_there_keeps_its_tail_and_links_are_followed() {
    let dir = Dir::with_data(300);
    dir.write("real", &[0x5a; 40_000]);
    symlink("real", dir.path("link")).unwrap();
    let root = root_hash(&ok(&dir, "format data link"));
    assert!(fs::symlink_metadata(dir.path("link")).unwrap().is_symlink());
    assert!(dir.read("real")[512..4096] == [0x5a; 3584], "between superblock and tree");
    assert!(dir.read("real")[20480..] == [0x5a; 40_000 - 20480]);
    ok(&dir, &format!("verify data link {root}"));
}

#[test]
fn a_failed_run_leaves_no_new_file_and_no_old_one_changed() {
    let dir = Dir::with_data(8);
    dir.write("old", &[0x5a; 40_000]);
    let names = dir.names();
    for (line, code) in [
        ("format data n --hash=foo", 1),
        ("format data n --fec-device=f --fec-roots=1", 1),
        ("format data n --data-blocks=9", 1),
        ("format data n --uuid=xyz", 1),
        ("format missing n --fec-device=f", 4),
        ("format data old --uuid=xyz", 1),
        ("format data old --fec-device=f --data-block-size=512", 1),
        ("format data old --no-superblock --hash-offset=512", 1),
    ] {
        let run = run(&dir, line);
        assert_eq!(run.code, code, "{line}: {run:?}");
        assert_eq!(dir.names(), names, "{line}");
        assert!(dir.read("old") == [0x5a; 40_000], "{line}");
    }
}

/// On a file system that is full, as the kernel says of the file alone.
#[test]
fn a_root_hash_that_cannot_be_written_leaves_no_new_file() {
    let Some(strace) = oracle::require("strace") else { return };
    let dir = Dir::with_data(8);
    dir.write("old", b"");
    symlink(env!("CARGO_BIN_EXE_verity"), dir.path("veritysetup")).unwrap();
    for name in ["new", "old"] {
        let (path, tool) = (dir.path(name), dir.path("veritysetup"));
        let mut command = Command::new(&strace);
        command.args(["-f", "-o", "/dev/null", "-e", "inject=write:error=ENOSPC", "-P"]);
        command.arg(&path).arg(&tool).arg("format").arg(dir.path("data")).arg(dir.path("hash"));
        let run = Run::of(command.arg("--root-hash-file").arg(&path).output().unwrap());
        assert_ne!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains("Cannot write to root hash file"), "{run:?}");
    }
    assert!(!dir.names().contains(&"new".to_owned()));
    assert!(dir.names().contains(&"old".to_owned()));
}

/// The original truncates it.
#[test]
fn c10_the_root_hash_goes_into_no_device() {
    let dir = Dir::with_data(8);
    let data = dir.read("data");
    fs::hard_link(dir.path("data"), dir.path("hard")).unwrap();
    for name in ["data", "hard", "n", "f"] {
        let line = format!("format data n --fec-device=f --root-hash-file={name}");
        let run = run(&dir, &line);
        let said = format!("Cannot create root hash file {name} for writing.\n");
        assert_eq!((run.code, run.stderr), (1, said));
        assert!(dir.read("data") == data);
        let root = root_hash(&run.stdout);
        ok(&dir, &format!("verify data n {root}"));
    }
    ok(&dir, "format data n --root-hash-file=root");
    assert_eq!(dir.read("root").len(), 64);
}

#[test]
fn a_missing_root_hash_file_is_a_failure() {
    let dir = Dir::with_data(8);
    ok(&dir, "format data n");
    fails(&dir, "verify data n --root-hash-file=nope", 1, "Cannot read root hash file nope.");
}

/// Bytes at unknown places, as many in a codeword as its parity can find.
#[test]
fn single_bytes_anywhere_are_found_to_be_repairable() {
    let seed = verity_testdata::cases::seed();
    let mut prng = Prng::new(seed);
    println!("VERITY_TEST_SEED={seed}");
    for (size, blocks, offset, fec_offset, files) in [
        (4096, 30, 163_840, 409_600, 1),
        (512, 500, 2_457_600, 4_915_200, 1),
        (4096, 64, 4_194_304, 8_388_608, 1),
        (4096, 35, 0, 0, 3),
        (1024, 200, 0, 0, 3),
    ] {
        let dir = Dir::new();
        let length = if files == 1 { 2 * fec_offset } else { blocks * size };
        File::create(dir.path("data")).unwrap().set_len(length).unwrap();
        let (hash, fec) = if files == 1 { ("data", "data") } else { ("hash", "fec") };
        let place = format!("--hash-offset={offset} --fec-offset={fec_offset} --fec-device={fec}");
        let sizes = format!("--data-block-size={size} --hash-block-size={size}");
        let made = ok(&dir, &format!("format data {hash} --data-blocks={blocks} {place} {sizes}"));
        let root = root_hash(&made);
        for errors in [4, 8, 12, 16] {
            let mut data = dir.read("data");
            let end = usize::try_from((blocks * size).min(32768)).unwrap();
            // Each in a column of its own: a codeword has one byte of a column.
            let columns = usize::try_from(size).unwrap();
            let mut used = std::collections::BTreeSet::new();
            while used.len() < errors {
                let place = prng.index(end);
                if used.insert(place % columns) {
                    data[place] = 0x55;
                }
            }
            dir.write("bad", &data);
            let (hash, fec) = if files == 1 { ("bad", "bad") } else { (hash, fec) };
            let place = place.replace("=data", "=bad").replace("=fec", &format!("={fec}"));
            let run = run(&dir, &format!("verify bad {hash} {root} {place}"));
            let said = format!("Found {errors} repairable errors with FEC device.");
            assert_eq!((run.code, run.stderr.lines().last()), (0, Some(&*said)), "{run:?}");
            let wrong = wrong(&root);
            let run = self::run(&dir, &format!("verify bad {hash} {wrong} {place}"));
            assert_eq!(run.code, 2, "{run:?}");
        }
    }
}

#[test]
fn f01_parity_of_other_data_proves_nothing() {
    let dir = Dir::with_data(300);
    let root = root_hash(&ok(&dir, "format data hash --fec-device=fec"));
    dir.write("random", &Prng::new(7).bytes(300 * 4096));
    let beyond = "Errors cannot be repaired with FEC device.";
    fails(&dir, &format!("verify random hash {root} --fec-device=fec"), 2, beyond);
    // Data that was tampered with, and parity over it and the old tree: the decoder finds no error.
    dir.write("tampered", &dir.read("data"));
    dir.patch("tampered", 70_000, b"evil");
    ok(&dir, "format tampered made --fec-device=evil");
    let run = run(&dir, &format!("verify tampered hash {root} --fec-device=evil"));
    assert_eq!(run.code, 2, "{run:?}");
    // The decoder finds nothing in these, so the original takes them for whole.
    let run = self::run(&dir, &format!("verify tampered made {root} --fec-device=evil"));
    assert_eq!(run.code, 2, "{run:?}");
}

/// The tree of zeros would give back any block; the kernel, which has parity alone, could not.
#[test]
fn f01_a_tree_of_zeros_is_no_parity() {
    let dir = Dir::new();
    let beyond = "Errors cannot be repaired with FEC device.";
    for (size, blocks, roots) in [(4096, 30, 2), (512, 400, 2), (512, 500, 24)] {
        dir.write("data", &vec![0; blocks * size]);
        let sizes = format!("--data-block-size={size} --hash-block-size={size} --fec-device=fec");
        let made = ok(&dir, &format!("format data hash {sizes} --fec-roots={roots}"));
        let root = root_hash(&made);
        dir.write("data", &Prng::new(1).bytes(blocks * size));
        let line = format!("verify data hash {root} --fec-device=fec --fec-roots={roots}");
        fails(&dir, &line, 2, beyond);
        for name in ["data", "hash", "fec"] {
            fs::remove_file(dir.path(name)).unwrap();
        }
    }
}

/// Scripts measure the empty file that the original leaves there.
#[test]
fn parity_over_the_data_is_refused_with_an_empty_hash_file() {
    let dir = Dir::new();
    File::create(dir.path("data")).unwrap().set_len(2_097_152).unwrap();
    let line = "format data new --data-blocks=350 --fec-device=data --fec-offset=1228800";
    fails(&dir, line, 1, "Data area overlaps with FEC area.");
    assert_eq!(dir.read("new"), b"");
    let line = "format data other --fec-device=data --fec-offset=100";
    fails(&dir, line, 1, "Unsupported VERITY FEC offset.");
    assert_eq!(dir.names(), ["data", "new"]);
}

#[test]
fn c02_a_signal_ends_it_and_new_files_go() {
    let dir = Dir::new();
    files::dense(&dir.path("data"), 512 << 20);
    let mut command = dir.command();
    command.arg0("veritysetup").args(["format", "data", "n", "--fec-device=f", "-hsha3-512", "-v"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until_reading(&child);
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let run = Run::of(child.wait_with_output().unwrap());
    let said = "Command failed with code -143 (interrupted by a signal).\n";
    assert_eq!((&*run.stdout, &*run.stderr), (said, ""));
    assert_eq!(dir.names(), ["data"]);
}

/// Who is not root is told so, with device-mapper or without.
#[test]
fn live_devices_are_for_root() {
    if !verity_testdata::oracle::require_root() {
        return;
    }
    let dir = Dir::with_data(8);
    let root = root_hash(&ok(&dir, "format data n"));
    dir.own_verity();
    for name in ["data", "n"] {
        dir.set_mode(name, 0o644);
    }
    fs::rename(dir.path("verity"), dir.path("veritysetup")).unwrap();
    dir.set_mode("", 0o755);
    let first = "Cannot initialize device-mapper, running as non-root user.\n";
    let second = "Cannot use device x, name is invalid or still in use.\n";
    for (line, code, said) in [
        (format!("open data x n {root}"), 1, format!("{first}{second}")),
        ("status x".to_owned(), 1, first.to_owned()),
        ("close x".to_owned(), 4, first.to_owned()),
    ] {
        let mut command = dir.tool("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "./veritysetup"]);
        let run = Run::of(command.args(line.split_whitespace()).output().unwrap());
        assert_eq!((run.code, run.stderr), (code, said), "{line}");
    }
}
