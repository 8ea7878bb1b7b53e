//! Data from a pipe: hashed and kept in one pass, as if it had been a file.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use verity_testdata::{oracle, pattern};

use crate::common::{Dir, Run, assert_no_leftovers, root_hash};

/// Runs a command line with these bytes in a pipe.
fn piped(dir: &Dir, line: &str, bytes: &[u8]) -> Run {
    let mut command = dir.command();
    command.args(line.split_whitespace()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // Odd pieces; who has refused them all does not listen any more.
            for piece in bytes.chunks(70_001) {
                if stdin.write_all(piece).is_err() {
                    return;
                }
            }
        });
        child.wait_with_output().unwrap()
    });
    Run::of(output)
}

fn ok(dir: &Dir, line: &str, bytes: &[u8]) -> String {
    let run = piped(dir, line, bytes);
    assert_eq!(run.code, 0, "{line}: {run:?}");
    run.stdout
}

/// Blocks with zeros in the middle, from 64 KiB on.
fn data(blocks: usize) -> Vec<u8> {
    let mut bytes = pattern::sha256_stream(blocks * 4096);
    let zeros = (blocks / 3 * 4096).next_multiple_of(65536)..blocks / 2 * 4096;
    if !zeros.is_empty() {
        bytes[zeros].fill(0);
    }
    bytes
}

#[test]
fn a_pipe_gives_the_bytes_that_a_file_gives() {
    let dir = Dir::new();
    for (blocks, more) in [
        (1, ""),
        (1, "--no-superblock"),
        (256, "--hash sha512 --threads 1"),
        (257, "--hash-block-size 512 --data-block-size 1024"),
        (2500, "--threads 2"),
        (2500, "--fec-device FEC --fec-roots 3"),
        (300, "--fec-device HASH --fec-offset 1M --hash-offset 8192"),
    ] {
        let bytes = data(blocks);
        dir.write("fs", &bytes);
        let line = |data: &str, name: &str| {
            let more = more.replace("FEC", &format!("fec-{name}"));
            let more = more.replace("HASH", &format!("hash-{name}"));
            format!("format {data} hash-{name} --seed s --root-hash-file root-{name} {more}")
        };
        dir.ok(&line("fs", "file"));
        let wanted = "--copy-to copy --image-digest sha256";
        let said = ok(&dir, &format!("{} {wanted}", line("-", "pipe")), &bytes);
        assert!(dir.read("copy") == bytes, "{blocks} {more}");
        assert!(dir.read("hash-file") == dir.read("hash-pipe"), "{blocks} {more}");
        assert_eq!(dir.read("root-file"), dir.read("root-pipe"));
        if more.contains("FEC") {
            assert!(dir.read("fec-file") == dir.read("fec-pipe"));
        }
        let sum = oracle::run_ok(dir.tool("sha256sum").arg("copy"));
        assert!(said.contains(&format!("Image sha256:    \t{}\n", &sum[..64])), "{said}");
        for name in dir.names() {
            fs::remove_file(dir.path(&name)).unwrap();
        }
    }
}

#[test]
fn a_pipe_goes_into_a_place_that_is_there_and_zeros_into_holes() {
    let dir = Dir::new();
    let bytes = data(2000);
    ok(&dir, "format - hash --seed s --copy-to copy --block-index index", &bytes);
    let copy = fs::metadata(dir.path("copy")).unwrap();
    assert_eq!((copy.len(), copy.mode() & 0o777), (2000 * 4096, 0o600));
    assert!(copy.blocks() * 512 < 2000 * 4096 - 100 * 4096, "{}", copy.blocks());
    dir.write("fs", &bytes);
    dir.ok("format fs other --seed s --block-index other-index");
    assert!(dir.read("index") == dir.read("other-index"));

    dir.write("disk", &vec![0xee; 10 << 20]);
    let said = ok(&dir, "format - hash2 --seed s --copy-to disk@512K", &bytes);
    let disk = dir.read("disk");
    assert!(disk[512 << 10..][..bytes.len()] == bytes[..]);
    let around = [&disk[..512 << 10], &disk[(512 << 10) + bytes.len()..]].concat();
    assert!(around.iter().all(|byte| *byte == 0xee));
    dir.ok(&format!("verify copy hash2 {}", root_hash(&said)));

    // Bytes around an old hash area stay, as with a file.
    dir.write("old", &vec![0x11; 1 << 20]);
    ok(&dir, "format - old --seed s --hash-offset 128K --copy-to c2", &bytes);
    let old = dir.read("old");
    assert!(old[..128 << 10].iter().chain(&old[512 << 10..]).all(|byte| *byte == 0x11));
    dir.ok(&format!("verify c2 old --hash-offset 128K {}", root_hash(&said)));
    assert_no_leftovers(&dir);
}

#[test]
fn a_set_is_built_from_a_pipe() {
    let dir = Dir::new();
    dir.key("rsa2048");
    let bytes = data(700);
    let keys = "--key rsa2048.key --certificate rsa2048.cert";
    let more = format!("--seed s --fec-roots 2 --image-version 3 {keys}");
    let run = piped(&dir, &format!("build - --copy-to os.raw {more} --json"), &bytes);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("the copy is read once more for the parity"), "{run:?}");
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(said["image_name"], "os");
    dir.ok("check os.raw --certificate rsa2048.cert");
    let names = ["os.verity", "os.manifest.json", "os.roothash"];
    let made = names.map(|name| dir.read(name));
    dir.ok(&format!("build os.raw {more}"));
    assert!(made == names.map(|name| dir.read(name)));
}

#[test]
fn what_cannot_be_made_of_a_pipe_is_refused_and_leaves_nothing() {
    let dir = Dir::new();
    dir.write("room", &[1; 8192]);
    let names = dir.names();
    let bytes = data(20);
    for (line, input, code, word) in [
        ("format - hash", &bytes[..], 2, "--copy-to FILE[@OFFSET] keeps it"),
        ("format - hash --copy-to c --data-blocks 3", &bytes, 2, "--data-blocks"),
        ("format - hash --copy-to c", &bytes[..5000], 3, "--pad appends 3192 zeros"),
        ("format - hash --copy-to c", &[], 3, "there is no data"),
        ("format - hash --copy-to room@4K", &bytes, 3, "4096 bytes for a copy of more"),
        ("format - hash --copy-to room@8K", &bytes, 3, "none from 8192 on"),
        ("format - hash --copy-to hash", &bytes, 2, "two outputs"),
        ("format - /dev/null --copy-to c", &bytes, 2, "go to files"),
        ("format - hash --copy-to c --block-index i --data-block-size 512", &bytes, 2, "smaller"),
        ("build - --copy-to room@4K", &bytes, 2, "--output-dir"),
        ("build - --copy-to c --single-file o", &bytes, 2, "--single-file"),
        ("build - --copy-to c", b"\x28\xb5\x2f\xfd and so on", 3, "zstd -dc FILE"),
        ("format - hash --copy-to c --root-hash-file root --image-digest md5", &bytes, 2, "md5"),
    ] {
        let run = piped(&dir, line, input);
        assert_eq!(run.code, code, "{line}: {run:?}");
        assert!(run.stderr.contains(word), "{line}: {run:?}");
        assert_eq!(dir.names(), names, "{line}");
    }
    let said = ok(&dir, "format - hash --seed s --pad --copy-to c", &bytes[..5000]);
    assert!(said.contains("Padding:         \t3192"), "{said}");
    dir.ok(&format!("verify c hash {}", root_hash(&said)));
    let run = piped(&dir, "format - h2 --copy-to c2 --pad", b"\x28\xb5\x2f\xfd and so on");
    assert!(run.code == 0 && run.stderr.contains("looks like zstd data"), "{run:?}");
}

#[test]
fn a_signal_ends_the_waiting_for_a_pipe_and_leaves_nothing() {
    let dir = Dir::new();
    let mut command = dir.command();
    command.args(["format", "-", "hash", "--copy-to", "copy", "--image-digest", "sha256"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&data(600)).unwrap();
    // Some of it was taken, and the rest does not come.
    let begun = Instant::now();
    while dir.names().len() < 2 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let kill = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    drop(stdin);
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn what_lies_beside_parity_of_a_pipe_stays() {
    let dir = Dir::with_data(64);
    let area = pattern::sha256_stream(3 << 20);
    dir.write("area", &area);
    let parity = "--fec-device area --fec-offset 1048576 --seed s";
    ok(&dir, &format!("format - hash --copy-to copy {parity}"), &dir.read("data"));
    let by_pipe = dir.read("area");
    dir.write("area", &area);
    dir.ok(&format!("format data hash2 {parity}"));
    assert!(by_pipe == dir.read("area") && by_pipe[..1 << 20] == area[..1 << 20]);
    assert!(by_pipe != area && by_pipe[2 << 20..] == area[2 << 20..]);
}
