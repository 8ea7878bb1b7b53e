//! Attacks `a`: superblocks, devices and parity that claim more than there is. Each run has little
//! memory, and is ended if it does not come to an end itself.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use verity_testdata::files::TempDir;
use verity_testdata::{files, pattern};

use crate::command::{Ended, memory_tempdir, run, word};
use crate::common::Dir;

/// 2^49 blocks of 4096 bytes: more than any storage has.
const DATA_BLOCKS: u64 = 1 << 49;

/// Runs the command with 1 GiB of address space, and for a minute at the most.
fn limited(directory: &Path, line: &str) -> Ended {
    let mut command = Command::new("sh");
    let script = "ulimit -v 1048576 && exec timeout 60 \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_verity")]);
    command.args(line.split_whitespace()).current_dir(directory);
    run(&mut command)
}

/// Devices of 2 EiB, full of zeros, under a superblock that says so.
fn exabytes() -> Option<TempDir> {
    let directory = memory_tempdir();
    let path = |name| directory.path().join(name);
    files::write(&path("small"), &pattern::sha256_stream(300 * 4096));
    let line = "format small hash --salt ab";
    limited(directory.path(), line).expect(0);
    for (name, size) in [("data", 1 << 61), ("hash", 1 << 55), ("fec", 1 << 56)] {
        let file = File::options().write(true).create(true).truncate(false).open(path(name));
        // Not every file system takes such files.
        if file.unwrap().set_len(size).is_err() {
            println!("no such files under {}", word(directory.path()));
            return None;
        }
    }
    let hash = File::options().write(true).open(path("hash")).unwrap();
    hash.write_all_at(&DATA_BLOCKS.to_le_bytes(), 72).unwrap();
    Some(directory)
}

#[test]
fn a01_a02_a_superblock_that_claims_exabytes_costs_nothing() {
    let Some(directory) = exabytes() else { return };
    let root = "ab".repeat(32);
    for line in [
        "verify data hash ROOT",
        "verify data hash ROOT --all",
        "read data hash ROOT --output out",
        "read data hash ROOT --output out --preload",
        "read data hash ROOT --output out --cache-size 1T",
        "serve data hash ROOT --socket s --preload",
        "verify data hash ROOT --fec-device fec",
        "verify data hash ROOT --all --fec-device fec",
        "read data hash ROOT --output out --preload --fec-device fec",
        "repair data hash ROOT --fec-device fec --dry-run",
        "repair data hash ROOT --fec-device fec --in-place",
    ] {
        let ended = limited(directory.path(), &line.replace("ROOT", &root)).expect(1);
        assert!(ended.stderr.contains("hash level 6 block 0 is corrupt"), "{}", ended.words());
        assert!(ended.stderr.contains("the parameters are wrong"), "{}", ended.words());
    }
    let line = format!("verify data hash {root} --all --json");
    let json = limited(directory.path(), &line).expect(1).json();
    assert_eq!(json["unchecked_blocks"], DATA_BLOCKS);
    assert_eq!(json["unchecked"][0]["blocks"], DATA_BLOCKS);
    let line = format!("verify data hash {root} --all");
    let ended = limited(directory.path(), &line).expect(1);
    assert!(ended.stdout.contains("not checked: data block 0 to 562949953421311 (bytes 0.."));
    assert!(!directory.path().join("out").exists());
}

/// A corrupt block beside one that cannot be read, and one alone.
#[test]
fn unreadable_blocks_are_listed_beside_corrupt_ones() {
    let Some(strace) = verity_testdata::oracle::require("strace") else { return };
    let dir = Dir::with_data(1000);
    let root = dir.format("--salt ab");
    // All reads of this one file fail from the second on: its first 256 KiB can be read.
    let verify = |more: &str| {
        let inject = "inject=pread64:error=EIO:when=2+";
        let mut command = Command::new(&strace);
        let path = word(&dir.path("data"));
        command.args(["-f", "-o", "/dev/null", "-P", &path, "-e", "trace=pread64", "-e", inject]);
        command.arg(env!("CARGO_BIN_EXE_verity"));
        let line = format!("verify {path} hash {root} --threads 1 {more}");
        command.args(line.split_whitespace());
        run(command.current_dir(dir.path(".")))
    };
    let ended = verify("--all").expect(4);
    assert!(ended.stdout.contains("data block 64 to 999 (bytes 262144..4096000"), "{ended:?}");
    assert!(ended.stdout.contains("it cannot be read"), "{ended:?}");
    assert!(ended.stderr.contains("nothing that could be checked is corrupt"), "{ended:?}");
    let json = verify("--all --json").expect(4).json();
    assert_eq!((&json["class"], &json["unreadable_blocks"]), (&"io".into(), &936.into()));
    assert_eq!(json["corruptions"][0]["reason"], "unreadable");
    verify("").expect(4);
    dir.patch("data", 4096, b"x");
    let ended = verify("--all").expect(1);
    assert!(ended.stdout.contains("data block 1 ("), "{ended:?}");
    assert!(ended.stdout.contains("data block 64 to 999"), "{ended:?}");
    assert!(ended.stderr.contains("1 corrupt and 936 unreadable blocks in all"), "{ended:?}");
}

/// A server that answers for ever: the length is a lie, and so is everything else.
#[cfg(feature = "http")]
mod server {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// Serves zeros behind some bytes, as a file of any length, until the test ends.
    fn start(bytes: Vec<u8>, size: u64) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let bytes: &'static [u8] = bytes.leak();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || drop(answer_all(stream, bytes, size)));
            }
        });
        url
    }

    fn answer_all(mut stream: std::net::TcpStream, bytes: &[u8], size: u64) -> std::io::Result<()> {
        let mut input = BufReader::new(stream.try_clone()?);
        loop {
            let mut range = None;
            loop {
                let mut line = String::new();
                if input.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                let line = line.trim_end().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("range: bytes=") {
                    let (first, last) = value.split_once('-').unwrap();
                    range = Some((first.parse::<u64>().unwrap(), last.parse::<u64>().unwrap()));
                }
                if line.is_empty() {
                    break;
                }
            }
            let (first, last) = range.unwrap_or((0, 0));
            let last = last.min(size - 1);
            let body: Vec<u8> = (first..=last)
                .map(|at| usize::try_from(at).ok().and_then(|at| bytes.get(at)).copied())
                .map(Option::unwrap_or_default)
                .collect();
            let header = format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}\r\n\
                 Content-Length: {}\r\nETag: \"x\"\r\n\r\n",
                body.len(),
            );
            // In one piece: the second one would wait for an acknowledgement.
            stream.write_all(&[header.as_bytes(), &body].concat())?;
        }
    }

    #[test]
    fn a02_a_server_that_claims_exabytes_is_left_at_once() {
        let dir = Dir::with_data(300);
        dir.format("--salt ab");
        let mut hash = dir.read("hash");
        hash[72..80].copy_from_slice(&DATA_BLOCKS.to_le_bytes());
        let zeros = |size| start(Vec::new(), size);
        let (data, hash, fec) = (zeros(1 << 61), start(hash, 1 << 55), zeros(1 << 56));
        let root = "ab".repeat(32);
        for line in [
            "verify DATA HASH ROOT",
            "verify DATA HASH ROOT --all",
            "read DATA HASH ROOT --output out --preload",
            "verify DATA HASH ROOT --fec-device FEC",
            "repair DATA HASH ROOT --fec-device FEC --dry-run",
            "repair DATA HASH ROOT --fec-device FEC --output out",
            "repair DATA HASH ROOT --fec-device FEC --output out --hash-output out2",
        ] {
            let line = line.replace("DATA", &data).replace("HASH", &hash).replace("FEC", &fec);
            let ended = limited(&dir.path("."), &line.replace("ROOT", &root)).expect(1);
            assert!(ended.stderr.contains("block 0 is corrupt"), "{}", ended.words());
        }
        assert!(!dir.exists("out") && !dir.exists("out2"));
    }

    /// An image that is right, in a file that is said to be endless: a copy has the image.
    #[test]
    fn a02_a_copy_of_an_endless_file_is_that_of_its_image() {
        let dir = Dir::with_data(300);
        let root = crate::common::root_hash(&dir.ok("format data hash --fec-device fec"));
        let good = dir.read("data");
        let mut bytes = good.clone();
        bytes[5000] ^= 1;
        let data = start(bytes, 1 << 61);
        let line = format!("repair {data} hash {root} --fec-device fec --output out");
        limited(&dir.path("."), &line).expect(0);
        assert!(dir.read("out") == good);
    }
}
