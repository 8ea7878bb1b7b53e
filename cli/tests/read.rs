//! `verity read`: the right bytes or the right error, to a pipe, to a file, from files and from a
//! server.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Dir, assert_no_leftovers, wrong};
use verity_testdata::pattern::{Prng, sha256_stream};
use verity_testdata::{files, oracle};

const BLOCKS: usize = 1500;
const SIZE: u64 = BLOCKS as u64 * 4096;
const PINS: &str = "--hash sha256 --format 1 --data-block-size 4096 --hash-block-size 4096 \
                    --data-blocks 1500 --salt 00";

/// An image of several pieces: `data`, `hash`, and the root hash.
fn formatted() -> (Dir, String) {
    let dir = Dir::with_data(BLOCKS);
    let root = dir.format("--salt 00");
    (dir, root)
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

#[track_caller]
fn ok(dir: &Dir, line: &str) -> Vec<u8> {
    let (code, bytes, stderr) = dir.run_bytes(line);
    assert_eq!(code, 0, "{line}: {stderr}");
    bytes
}

#[test]
fn d05_any_range_by_any_number_of_threads_is_the_plain_bytes() {
    let (dir, root) = formatted();
    let data = dir.read("data");
    assert!(ok(&dir, &format!("read data hash {root}")) == data);
    let mut random = Prng::new(1);
    for round in 0..40 {
        let offset = random.below(SIZE + 1);
        let length = random.below(SIZE - offset + 1) >> random.below(12);
        let threads = round % 4 + 1;
        let line = format!(
            "read data hash {root} --offset {offset} --length {length} --threads {threads}"
        );
        let expected = &data[index(offset)..index(offset + length)];
        assert!(ok(&dir, &line) == expected, "{line}");
        let said = dir.ok(&format!("{line} --output out"));
        let plural = if length == 1 { "" } else { "s" };
        assert!(said.contains(&format!("read: {length} byte{plural} from {offset} on")), "{said}");
        assert!(dir.read("out") == expected, "{line}");
    }
}

#[test]
fn block_sizes_larger_and_smaller_than_a_piece() {
    for sizes in ["512", "4096", "524288"] {
        let dir = Dir::with_data(512);
        let root = dir.format(&format!("--data-block-size {sizes} --hash-block-size {sizes}"));
        for threads in 1..4 {
            let line = format!("read data hash {root} --threads {threads}");
            assert!(ok(&dir, &line) == dir.read("data"), "{line}");
        }
    }
}

#[test]
fn the_result_says_what_vouches_for_the_geometry() {
    let (dir, root) = formatted();
    let (_, _, said) = dir.run_bytes(&format!("read data hash {root} --length 5"));
    let read = format!("read: 5 bytes from 0 on, verified (sha256) against root hash {root}\n");
    assert_eq!(said, format!("geometry: not authenticated (superblock)\n{read}"));
    let (_, _, said) = dir.run_bytes(&format!("read data hash {root} --length 5 {PINS}"));
    assert_eq!(said, format!("geometry: pinned\n{read}"));
    let line =
        format!("read data hash {root} --length 5 --no-superblock --hash-offset 4096 --salt 00");
    assert!(dir.run_bytes(&line).2.starts_with("geometry: not authenticated (assumed)\n"));
    dir.write("root", root.as_bytes());
    assert_eq!(ok(&dir, "read data hash --root-hash-file root --length 5"), dir.read("data")[..5]);
    for (line, code) in [
        (format!("read data hash {}", wrong(&root)), 1),
        ("read data hash".to_owned(), 2),
        (format!("read data hash {root} --salt 01"), 3),
        (format!("read data hash {root} --data-blocks 1499"), 3),
        (format!("read data hash {root} --uuid 00000000-0000-4000-8000-000000000000"), 3),
        (format!("read missing hash {root}"), 4),
    ] {
        let (failed, bytes, said) = dir.run_bytes(&line);
        assert_eq!((failed, bytes.len()), (code, 0), "{line}: {said}");
    }
}

#[test]
fn a_manifest_is_the_source_of_trust_and_its_checks_are_those_of_verify() {
    let dir = Dir::with_signed_set(300);
    let line =
        "read image.raw image.verity --manifest image.manifest.json --certificate rsa2048.cert";
    let (code, bytes, said) = dir.run_bytes(line);
    assert!(code == 0 && bytes == dir.read("image.raw"), "{said}");
    assert!(said.starts_with("geometry: manifest\nmanifest: signed by "), "{said}");
    files::flip_bit(&dir.path("image.verity"), 4095, 0);
    assert_eq!(dir.run_bytes(line).0, 1, "the superblock region");
    files::flip_bit(&dir.path("image.verity"), 4095, 0);
    File::options().write(true).open(dir.path("image.raw")).unwrap().set_len(301 * 4096).unwrap();
    assert_eq!(dir.run_bytes(line).0, 3, "the size of the image");
    files::flip_bit(&dir.path("image.manifest.json"), 30, 0);
    let (code, bytes, _) = dir.run_bytes(line);
    assert_eq!((code, bytes.len()), (5, 0));
}

#[test]
fn a_pipe_gets_what_lies_before_the_corrupt_block_and_nothing_after() {
    let (dir, root) = formatted();
    let data = dir.read("data");
    for block in [0, 1, 127, 128, 700, BLOCKS - 1] {
        dir.write("data", &data);
        let at = block as u64 * 4096;
        files::flip_bit(&dir.path("data"), at + 99, 1);
        // Later ones are of no interest, whichever thread meets them first.
        files::flip_bit(&dir.path("data"), SIZE - 1, 1);
        for threads in 1..=4 {
            let line = format!("read data hash {root} --threads {threads}");
            let (code, bytes, said) = dir.run_bytes(&line);
            assert_eq!(code, 1, "{said}");
            assert!(bytes == data[..block * 4096], "{line}: {} bytes", bytes.len());
            let place = format!("data block {block} (bytes {at}..{} of data): expected", at + 4096);
            assert!(said.contains(&place), "{said}");
            let words = format!(
                "verity: data: only {at} bytes were written: data block {block} is corrupt"
            );
            assert!(said.contains(&words), "{said}");
            let (code, _, said) = dir.run_bytes(&format!("{line} --output out"));
            assert!(code == 1 && said.contains(&format!("data block {block} ")), "{said}");
            assert!(!dir.exists("out"));
        }
        // From behind it on all is well.
        let offset = at + 4096;
        let length = (SIZE - 4096).saturating_sub(offset);
        let line = format!("read data hash {root} --offset {offset} --length {length}");
        assert!(ok(&dir, &line) == data[index(offset)..index(offset + length)]);
    }
    assert_no_leftovers(&dir);
}

#[test]
fn a_corrupt_hash_block_takes_only_the_data_under_it() {
    let (dir, root) = formatted();
    // Superblock, level 1, then level 0 from byte 8192; its second block is about the data blocks
    // 128 to 255.
    files::flip_bit(&dir.path("hash"), 8192 + 4096, 1);
    let (code, bytes, said) = dir.run_bytes(&format!("read data hash {root}"));
    assert!(code == 1 && bytes == dir.read("data")[..128 * 4096], "{said}");
    assert!(said.contains("hash level 0 block 1 (bytes 12288..16384 of hash)"), "{said}");
    ok(&dir, &format!("read data hash {root} --offset 1M"));
    // With --preload the whole tree is verified before the first byte.
    let (code, bytes, said) =
        dir.run_bytes(&format!("read data hash {root} --offset 1M --preload"));
    assert!(code == 1 && bytes.is_empty() && said.contains("hash level 0 block 1"), "{said}");
    // A corrupt superblock.
    files::flip_bit(&dir.path("hash"), 8192 + 4096, 1);
    files::flip_bit(&dir.path("hash"), 0, 1);
    let (code, bytes, said) = dir.run_bytes(&format!("read data hash {root}"));
    assert!(code == 3 && bytes.is_empty(), "{said}");
}

#[test]
fn ranges_that_are_not_all_there_are_refused() {
    let (dir, root) = formatted();
    let line = |range: &str| format!("read data hash {root} {range}");
    for range in
        ["--length 0", "--offset 6144000", "--offset 6144000 --length 0", "--offset 7 --length 0"]
    {
        assert_eq!(ok(&dir, &line(range)), b"", "{range}");
        dir.ok(&format!("{} --output out", line(range)));
        assert_eq!(dir.read("out"), b"");
    }
    for range in [
        "--offset 6144001",
        "--offset 6144001 --length 0",
        "--length 6144001",
        "--offset 1 --length 6144000",
        "--offset 18446744073709551615",
        "--offset 18446744073709551615 --length 18446744073709551615",
        "--offset 1 --length 18446744073709551615",
    ] {
        let (code, bytes, said) = dir.run_bytes(&line(range));
        assert!(
            code == 3 && bytes.is_empty() && said.contains("end at byte 6144000"),
            "{range}: {said}"
        );
        assert_eq!(dir.run_bytes(&format!("{} --output no", line(range))).0, 3);
        assert!(!dir.exists("no"));
    }
    for range in ["--offset -1", "--length 1e3", "--offset 18446744073709551616", "--threads 0"] {
        let (code, bytes, said) = dir.run_bytes(&line(range));
        assert!(code == 2 && bytes.is_empty(), "{range}: {said}");
    }
    // Data behind the last data block is nobody's.
    let mut data = dir.read("data");
    data.push(1);
    dir.write("data", &data);
    assert!(ok(&dir, &line("")) == data[..index(SIZE)]);
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let (dir, root) = formatted();
    let line = format!("read data hash {root} --output out");
    dir.write("out", b"old");
    dir.set_mode("out", 0o640);
    dir.ok(&line);
    assert!(dir.read("out") == dir.read("data"));
    // It is for whom the data is.
    assert_eq!(dir.mode("out"), dir.mode("data"));
    dir.write("out", b"old");
    files::flip_bit(&dir.path("data"), SIZE - 1, 0);
    let run_json = dir.run(&format!("{line} --json"));
    assert_eq!((run_json.code, run_json.json()["class"].as_str()), (1, Some("not-verified")));
    assert_eq!(run_json.json()["corruptions"][0]["block"], BLOCKS - 1);
    assert_eq!(dir.read("out"), b"old");
    files::flip_bit(&dir.path("data"), SIZE - 1, 0);
    for (output, code, word) in [
        ("data", 2, "data"),
        ("hash", 2, "hash"),
        (".", 2, "cannot be an output"),
        ("/dev/null", 2, "device"),
        ("missing/out", 4, "missing"),
    ] {
        let before = (dir.read("data"), dir.read("hash"));
        dir.fails(&format!("read data hash {root} --output {output}"), code, word);
        assert!(before == (dir.read("data"), dir.read("hash")));
    }
    assert_no_leftovers(&dir);
}

#[test]
fn json_never_mixes_with_the_bytes() {
    let (dir, root) = formatted();
    let (code, bytes, said) = dir.run_bytes(&format!("read data hash {root} --length 9000 --json"));
    assert!(code == 0 && bytes == dir.read("data")[..9000]);
    assert!(serde_json::from_str::<serde_json::Value>(&said).unwrap().is_object());
    // Failures too, even those of the command line itself.
    files::flip_bit(&dir.path("data"), 0, 0);
    for (line, code) in [
        (format!("read data hash {root} --json"), 1),
        (format!("read data hash {root} --json --output -"), 1),
        ("--json read data hash".to_owned(), 2),
        (format!("read --json --offset x data hash {root}"), 2),
        ("read --json --no-such-option".to_owned(), 2),
    ] {
        let (failed, bytes, said) = dir.run_bytes(&line);
        assert_eq!((failed, bytes.len()), (code, 0), "{line}: {said}");
        let json = said.lines().find(|line| line.starts_with('{')).unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert!(json["class"].is_string() && said.contains("\nverity: "), "{line}: {said}");
    }
    let failed = dir.run("read --json --offset x data hash --output=out");
    assert_eq!((failed.code, failed.json()["class"].as_str()), (2, Some("usage")));
}

#[test]
fn bytes_that_cannot_be_written_are_an_error() {
    let (dir, root) = formatted();
    let line = format!("read data hash {root}");
    let mut command = dir.command();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command.args(line.split(' ')).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    for threads in ["1", "3"] {
        let mut command = dir.command();
        command.args(line.split(' ')).args(["--threads", threads]);
        let output = command.stdout(writer.try_clone().unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "a closed pipe: {output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("standard output: "),
            "{output:?}"
        );
    }
}

#[test]
fn a_reader_that_has_seen_enough_may_close_the_pipe() {
    let (dir, root) = formatted();
    let mut command = dir.command();
    command.args(["read", "data", "hash", &root]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut start = [0; 1000];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    assert!(start == dir.read("data")[..1000]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[test]
fn x06_data_that_changes_during_the_run_fails_it() {
    let (dir, root) = formatted();
    let mut command = dir.command();
    command.args(["read", "data", "hash", &root, "--threads", "1"]);
    // The pipe is full long before all is read, and the run waits for us.
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut bytes = vec![0; 1000];
    stdout.read_exact(&mut bytes).unwrap();
    // Beyond the clock tick of the file system.
    thread::sleep(Duration::from_millis(50));
    let last = dir.read("data")[index(SIZE) - 1];
    let file = File::options().write(true).open(dir.path("data")).unwrap();
    file.write_all_at(&[last], SIZE - 1).unwrap();
    stdout.read_to_end(&mut bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "even where the bytes are the same: {output:?}");
}

#[test]
fn c02_a_signal_ends_a_run_and_leaves_no_file() {
    let dir = Dir::new();
    files::dense(&dir.path("data"), 512 << 20);
    let root = dir.format("--hash=sha3-512");
    let mut command = dir.command();
    command.args(["read", "data", "hash", &root, "--output", "out", "--threads", "1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !dir.names().iter().any(|name| name.contains("verity-tmp")) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", dir.names());
        thread::sleep(Duration::from_millis(2));
    }
    thread::sleep(Duration::from_millis(50));
    let killed = dir.tool("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    assert_eq!(dir.names(), ["data", "hash"]);
}

#[test]
fn a_terminal_is_no_place_for_an_image_unless_it_is_named() {
    if oracle::require("script").is_none() {
        return;
    }
    let (dir, root) = formatted();
    let binary = env!("CARGO_BIN_EXE_verity");
    let on_terminal = |options: &str| {
        let line = format!("{binary} read data hash {root} --length 5 {options}");
        let output =
            dir.tool("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output();
        output.unwrap()
    };
    let refused = on_terminal("");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("is a terminal"), "{refused:?}");
    assert_eq!(on_terminal("--output -").status.code(), Some(0));
    assert_eq!(on_terminal("--output out").status.code(), Some(0));
    assert!(dir.read("out") == dir.read("data")[..5]);
}

#[test]
fn zero_blocks_and_small_caches() {
    let dir = Dir::new();
    let mut data = sha256_stream(BLOCKS * 4096);
    data[100 * 4096..1400 * 4096].fill(0);
    dir.write("data", &data);
    let root = dir.format("--salt 00");
    for options in ["--cache-size 0", "--cache-size 10K", "--ignore-zero-blocks", "--preload"] {
        assert!(ok(&dir, &format!("read data hash {root} {options}")) == data, "{options}");
    }
    files::flip_bit(&dir.path("data"), 500 * 4096, 0);
    let (code, bytes, said) = dir.run_bytes(&format!("read data hash {root} --ignore-zero-blocks"));
    assert!(code == 0 && bytes == data && said.contains("; 1300 zero blocks not read"), "{said}");
    let (code, bytes, said) =
        dir.run_bytes(&format!("read data hash {root} --preload --cache-size 5K"));
    assert!(code == 2 && bytes.is_empty(), "{said}");
}
