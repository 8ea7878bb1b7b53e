//! `verity format`: what it writes, what it prints, what it refuses before it writes.

use std::fs;

use crate::common::{self, Dir, UUID, assert_no_leftovers, root_hash};
use sha2::{Digest, Sha256};
use verity_testdata::files;
use verity_testdata::oracle::{self, VeritySetup};
use verity_testdata::pattern;

/// The vector of 300 blocks in `veritysetup.json`, with salt 00..1f.
const SALT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const ROOT: &str = "a9e406766857ce87406feadbd6ae3eed3482772d6154ba2080a4b2cb6f21af4d";

#[test]
fn prints_the_lines_of_veritysetup() {
    let dir = Dir::with_data(300);
    let stdout = dir.ok(&format!("format data hash -s {SALT} --uuid {UUID}"));
    let expected = format!(
        "VERITY header information for hash\n\
         UUID:            \t{UUID}\n\
         Hash type:       \t1\n\
         Data blocks:     \t300\n\
         Data block size: \t4096\n\
         Hash blocks:     \t4\n\
         Hash block size: \t4096\n\
         Hash algorithm:  \tsha256\n\
         Salt:            \t{SALT}\n\
         Root hash:      \t{ROOT}\n\
         Hash device size: \t20480 [bytes]\n"
    );
    assert_eq!(stdout, expected);
    assert_eq!(dir.ok("dump hash"), expected.replace(&format!("Root hash:      \t{ROOT}\n"), ""));
    assert_eq!(dir.mode("hash"), 0o600);
    assert_no_leftovers(&dir);
}

#[test]
fn text_and_file_equal_those_of_veritysetup() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let dir = Dir::with_data(300);
    let common = [
        "",
        "--hash-offset=4608",
        "--format=0 --hash=sha1",
        "--data-block-size=1024 --hash-block-size=8192",
        "--data-blocks=1",
        "--data-blocks=129 --hash=sha512",
    ];
    let with_superblock = common.map(|options| format!("--salt=- --uuid={UUID} {options}"));
    let without = ["", "--hash-offset=8192"]
        .map(|options| format!("--salt={SALT} --no-superblock {options}"));
    for options in with_superblock.iter().chain(&without) {
        for name in ["ours", "theirs"] {
            let _ = std::fs::remove_file(dir.path(name));
        }
        let words: Vec<_> = options.split_whitespace().collect();
        let theirs = veritysetup.format(&dir.path("data"), &dir.path("theirs"), &words);
        let ours = dir.ok(&format!("format data ours {options}"));
        let (first, rest) = theirs.text().split_once('\n').unwrap();
        assert!(first.starts_with("VERITY header information for "));
        assert_eq!(ours, format!("VERITY header information for ours\n{rest}"), "{options}");
        assert!(common::same_file(&dir.path("ours"), &dir.path("theirs")), "{options}");
        assert_eq!(dir.mode("ours"), dir.mode("theirs"));
    }
}

#[test]
fn salt_and_uuid_are_random_unless_given() {
    let dir = Dir::with_data(2);
    let runs = [0, 1]
        .map(|_| serde_json::from_str::<serde_json::Value>(&dir.ok("format data hash --json")));
    let [first, second] = runs.map(Result::unwrap);
    assert_ne!(first["salt"], second["salt"]);
    assert_ne!(first["uuid"], second["uuid"]);
    assert_eq!(first["salt"].as_str().unwrap().len(), 64);
    assert_eq!(first["uuid"].as_str().unwrap().as_bytes()[14], b'4', "version 4");
}

#[test]
fn c18_a_seed_gives_the_same_bytes_whatever_the_threads_and_the_environment() {
    let dir = Dir::with_data(1000);
    dir.ok("format data one --seed release-1 --threads 1");
    let mut other = dir.command();
    other.args(["format", "data", "two", "--seed", "release-1", "--threads", "7"]);
    other.env("TZ", "Pacific/Auckland").env("LANG", "tr_TR.UTF-8");
    assert!(other.output().unwrap().status.success());
    assert_eq!(dir.read("one"), dir.read("two"));
    dir.ok("format data three --seed release-2");
    assert_ne!(dir.read("one"), dir.read("three"));
    let header: serde_json::Value = serde_json::from_str(&dir.ok("dump one --json")).unwrap();
    let salt = hex::encode(Sha256::digest(b"verity-salt-v1\0release-1"));
    assert_eq!(header["salt"], *salt);
    let uuid = hex::encode(Sha256::digest(b"verity-uuid-v1\0release-1"));
    assert_eq!(header["uuid"].as_str().unwrap()[..8], uuid[..8]);
}

#[test]
fn the_root_hash_file_holds_lower_case_hex_and_nothing_else() {
    let dir = Dir::with_data(300);
    dir.write("root", b"old");
    dir.ok(&format!("format data hash --salt {SALT} --root-hash-file root"));
    assert_eq!(dir.read("root"), ROOT.as_bytes());
    assert_eq!(dir.mode("root"), 0o600);
    assert_eq!(dir.ok("verify data hash --root-hash-file root").lines().count(), 2);
    dir.fails("format data hash --root-hash-file data", 2, "data");
    dir.fails("format data hash --root-hash-file ./hash", 2, "two outputs");
    dir.fails("format data new --root-hash-file ./new", 2, "two outputs");
    dir.fails("format data new --root-hash-file missing/root", 4, "missing");
    assert!(
        !dir.exists("new"),
        "the root hash file is found impossible before the hash file appears"
    );
}

#[test]
fn g06_an_unprotected_tail_is_refused_with_its_size() {
    let dir = Dir::new();
    dir.write("data", &[7; 5000]);
    dir.fails("format data hash", 3, "--data-blocks 1 leaves the last 904 bytes unprotected");
    assert!(!dir.exists("hash"));
    let run = dir.run("format data hash --data-blocks 1");
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains("warning: data: 904 bytes"), "{run:?}");
    let json = dir.run("format data hash --data-blocks 1 --json").json();
    assert_eq!(json["uncovered_bytes"], 904);
}

#[test]
fn g01_g07_s11_impossible_amounts_of_data_are_refused_before_anything_is_written() {
    let dir = Dir::with_data(8);
    for (options, word) in [
        ("--data-blocks 0", "no data blocks"),
        ("--data-blocks 9", "9 data blocks take 36864 bytes, but the data has 32768"),
        ("--data-blocks 9223372036854775808", "beyond 2^64"),
        ("--data-blocks 4503599627370497", "beyond 2^64"),
        ("--hash sha512 --hash-block-size 512 --data-block-size 4096 --data-blocks 0", "no data"),
        ("--hash-offset 511", "not a multiple of 512"),
        ("--hash-offset 512 --no-superblock", "not a multiple of 4096"),
        ("--hash-offset 18446744073709551104", "beyond 2^64"),
    ] {
        dir.fails(&format!("format data hash {options}"), 3, word);
    }
    dir.write("empty", b"");
    dir.fails("format empty hash", 3, "no data blocks");
    assert_eq!(dir.names(), ["data", "empty"]);
}

#[test]
fn options_that_contradict_or_do_nothing_are_usage_errors() {
    let dir = Dir::with_data(1);
    for (options, word) in [
        ("--seed x --salt 00", "cannot be used with"),
        (&*format!("--seed x --uuid {UUID}"), "cannot be used with"),
        (&*format!("--no-superblock --uuid {UUID}"), "no effect"),
        ("extra", "unexpected argument"),
        ("--salt 00 --salt 01", "cannot be used multiple times"),
        ("--salt abc", "salt"),
        (&*format!("--salt {}", "00".repeat(257)), "257 bytes"),
        ("--uuid 0", "uuid"),
        (&*format!("--uuid {}", UUID.replace('-', "")), "uuid"),
        ("--hash md5", "known ones: sha1, sha224, sha256"),
        ("--hash sha-256", "known ones"),
        ("--format 2", "a hash type is 0 or 1"),
        ("--data-block-size 3072", "3072"),
        ("--hash-block-size 1M", "1048576"),
        ("--data-blocks -1", "unexpected argument '-1'"),
        ("--data-blocks 1e3", "plain decimal"),
        ("--data-blocks 0x10", "plain decimal"),
        ("--data-blocks 1K", "plain decimal"),
        ("--data-blocks 18446744073709551616", "64 bits"),
        ("--hash-offset 16777216T", "64 bits"),
        ("--hash-offset=", "plain decimal"),
        ("--threads 0", "threads are from 1 to 4096"),
        ("--threads 100000", "threads are from 1 to 4096"),
    ] {
        dir.fails(&format!("format data hash {options}"), 2, word);
    }
    assert_eq!(dir.names(), ["data"]);
}

#[test]
fn byte_sizes_take_suffixes() {
    let dir = Dir::with_data(4);
    let long = dir.ok(&format!(
        "format data hash --data-block-size 1024 --hash-block-size 8192 --hash-offset 1048576 -s - \
         --uuid {UUID}"
    ));
    let short = dir.ok(&format!(
        "format data hash --data-block-size 1K --hash-block-size 8k --hash-offset 1M -s - \
         --uuid {UUID}"
    ));
    assert_eq!(long, short);
}

#[test]
fn an_existing_hash_file_keeps_its_length_its_mode_and_all_other_bytes() {
    let dir = Dir::with_data(300);
    let old = pattern::painted(100_000);
    dir.write("hash", &old);
    dir.set_mode("hash", 0o640);
    let root = dir.format("--hash-offset 8192 --salt -");
    let new = dir.read("hash");
    assert_eq!(new.len(), old.len());
    assert_eq!(new[..8192], old[..8192], "before the superblock");
    assert_eq!(new[8192 + 512..12288], old[8192 + 512..12288], "between superblock and tree");
    assert_eq!(new[12288 + 16384..], old[12288 + 16384..], "behind the tree");
    assert_eq!(dir.mode("hash"), 0o640);
    dir.ok(&format!("verify data hash {root} --hash-offset 8192"));
}

#[test]
fn a_short_existing_hash_file_grows() {
    let dir = Dir::with_data(300);
    dir.write("hash", b"x");
    let root = dir.format("");
    assert_eq!(dir.read("hash").len(), 20480);
    dir.ok(&format!("verify data hash {root}"));
}

#[test]
fn one_data_block_has_no_tree_and_a_whole_hash_block() {
    let dir = Dir::with_data(1);
    for (size, length) in [(512, 512), (4096, 4096), (65536, 65536)] {
        let root = dir.format(&format!("--hash-block-size {size}"));
        assert_eq!(dir.read("hash").len(), length);
        dir.ok(&format!("verify data hash {root}"));
        std::fs::remove_file(dir.path("hash")).unwrap();
    }
    let root = dir.format("--no-superblock --salt -");
    assert_eq!(dir.read("hash").len(), 0);
    dir.ok(&format!("verify data hash {root} --no-superblock"));
}

#[test]
fn legacy_and_hard_to_activate_parameters_are_warned_of() {
    let dir = Dir::with_data(16);
    let warnings = |options: &str| dir.run(&format!("format data hash {options}")).stderr;
    assert_eq!(warnings(""), "");
    assert!(warnings("--hash sha1").contains("warning: sha1 is legacy"));
    assert!(warnings("--format 0").contains("warning: hash type 0 is legacy"));
    assert!(warnings("--data-block-size 8192").contains("larger than a page"));
    assert_eq!(warnings("--hash-block-size 8192"), "");
}

#[test]
fn c07_outputs_that_cannot_be_are_refused() {
    let dir = Dir::with_data(1);
    dir.fails("format missing hash", 4, "missing");
    dir.fails("format data no/such/dir/hash", 4, "no/such/dir");
    dir.fails(&format!("format data {}", "x".repeat(300)), 4, "too long");
    std::fs::create_dir(dir.path("sub")).unwrap();
    dir.fails("format data sub", 2, "directory");
    dir.fails("format data .", 2, "no file name");
    assert_eq!(dir.names(), ["data", "sub"]);
}

#[test]
fn c09_a_symlink_is_not_followed_to_a_victim() {
    let dir = Dir::with_data(1);
    dir.write("victim", b"precious");
    std::os::unix::fs::symlink("victim", dir.path("hash")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path("dangling")).unwrap();
    dir.fails("format data hash", 2, "symbolic link");
    dir.fails("format data dangling", 2, "symbolic link");
    dir.fails("format data new --root-hash-file hash", 2, "symbolic link");
    assert_eq!(dir.read("victim"), b"precious");
    assert!(!dir.exists("nowhere") && !dir.exists("new"));
}

#[test]
fn c11_c12_pipes_devices_and_directories_are_refused_without_waiting() {
    let dir = Dir::with_data(1);
    let made = dir.tool("mkfifo").arg("fifo").status().unwrap();
    assert!(made.success());
    for line in [
        "format fifo hash",
        "format data fifo",
        "format . hash",
        "format /dev/zero hash",
        "format data /dev/null",
        "format data hash --root-hash-file fifo",
        "verify fifo data 00",
        "dump fifo",
        "dump /dev/zero",
        "dump .",
        "table --manifest fifo --data-dev a --hash-dev b",
        "build fifo",
        "check fifo --certificate fifo",
    ] {
        dir.fails(line, 2, "");
    }
    assert_eq!(dir.names(), ["data", "fifo"]);
}

#[test]
fn c14_odd_names_are_taken_and_escaped() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStringExt;
    let dir = Dir::with_data(1);
    let name = OsString::from_vec(b"a\nRoot hash: b\xff".to_vec());
    let words = [OsStr::new("format"), OsStr::new("data"), &name];
    let run = dir.run_words(words);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.starts_with("VERITY header information for a\\nRoot hash: b\\xff\n"));
    assert_eq!(run.stdout.lines().filter(|line| line.starts_with("Root hash:")).count(), 1);
    let run =
        dir.run_words([OsStr::new("verify"), OsStr::new("data"), &name, OsStr::new("--json")]);
    assert_eq!((run.code, run.json()["class"].as_str()), (2, Some("usage")));
    dir.ok("format --salt=- -- data -dash");
    let long = "l".repeat(255 - ".".len() - ".verity-tmp".len());
    dir.ok(&format!("format data {long}"));
}

#[test]
fn c16_modes_do_not_follow_the_umask() {
    for umask in ["000", "077"] {
        let dir = Dir::with_data(1);
        let script = format!("umask {umask}; exec \"$0\" format data hash --root-hash-file root");
        let mut shell = dir.tool("sh");
        assert!(
            shell
                .args(["-c", &script, env!("CARGO_BIN_EXE_verity")])
                .output()
                .unwrap()
                .status
                .success()
        );
        assert_eq!((dir.mode("hash"), dir.mode("root")), (0o600, 0o600), "umask {umask}");
    }
}

#[test]
fn c17_a_leftover_of_a_killed_run_does_no_harm() {
    let dir = Dir::with_data(3);
    dir.write(".hash.verity-tmp", b"half a tree");
    dir.write(".other.verity-tmp", b"somebody else's");
    let root = dir.format("");
    dir.ok(&format!("verify data hash {root}"));
    assert!(!dir.exists(".hash.verity-tmp"), "taken over and renamed");
    assert!(dir.exists(".other.verity-tmp"), "not ours to remove");
}

#[test]
fn g14_far_offsets_are_exact() {
    let dir = Dir::with_data(128);
    for offset in [2_499_997_696u64, 8_000_000_000] {
        let root = dir.format(&format!("--hash-offset {offset}"));
        let length = std::fs::metadata(dir.path("hash")).unwrap().len();
        let tree = (offset + 512).next_multiple_of(4096);
        assert_eq!(length, tree + 4096);
        dir.ok(&format!("verify data hash {root} --hash-offset {offset}"));
        std::fs::remove_file(dir.path("hash")).unwrap();
    }
}

#[test]
fn reads_holes_as_zeros() {
    let dir = Dir::new();
    files::sparse(&dir.path("data"), 8 << 20);
    let salt = "e48da609055204e89ae53b655ca2216dd983cf3cb829f34f63a297d106d53e2d";
    let root = root_hash(&dir.ok(&format!("format data hash --salt {salt}")));
    assert_eq!(root, "e522df0f97da4febb882ac40f30b37dc0b444bf6df418929463fa25280f09d5c");
}

/// The hash area of an earlier run is not data that was left out.
#[test]
fn a_file_with_its_own_hash_area_has_nothing_uncovered() {
    let dir = Dir::with_data(8);
    let line = "format data data --data-blocks 8 --hash-offset 32K --json";
    for _ in 0..2 {
        let run = dir.run(line);
        assert_eq!((run.code, &*run.stderr), (0, ""), "{run:?}");
        assert_eq!(run.json()["uncovered_bytes"], 0);
    }
    dir.write("five", &[1; 3 * 4096]);
    let run = dir.run("format five five --data-blocks 1 --hash-offset 4K");
    assert!(run.stderr.contains("five: 4096 bytes behind the data blocks"), "{run:?}");
}

#[test]
fn an_empty_seed_is_an_unset_variable_and_no_seed() {
    let dir = Dir::with_data(1);
    let run = dir.run_words(["format", "data", "hash", "--seed", ""]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("--seed is empty") && !dir.exists("hash"), "{run:?}");
}

/// What documents say of modes: a new hash area is its owner's, a copy is for whom the original
/// is, and what `build` makes is for everybody, as far as the umask lets them.
#[test]
fn a13_modes_are_those_of_the_table() {
    for umask in ["000", "022", "027", "077"] {
        let dir = Dir::with_signed_set(20);
        dir.write("data", &pattern::sha256_stream(20 * 4096));
        let run = |line: &str| {
            let script = format!("umask {umask}; exec \"$0\" {line}");
            let mut shell = dir.tool("sh");
            oracle::run_ok(shell.args(["-c", &script, env!("CARGO_BIN_EXE_verity")]));
        };
        run("format data hash --fec-device fec --root-hash-file root");
        for made in ["hash", "fec", "root"] {
            assert_eq!(dir.mode(made), 0o600, "{made}, umask {umask}");
        }
        for mode in [0o600, 0o640, 0o444, 0o755] {
            dir.set_mode("data", mode);
            dir.set_mode("hash", mode & 0o660);
            run("read data hash --root-hash-file root --output out");
            assert_eq!(dir.mode("out"), mode, "read, umask {umask}");
            run("repair data hash --root-hash-file root --fec-device fec --output copy \
                 --hash-output tree");
            assert_eq!((dir.mode("copy"), dir.mode("tree")), (mode, mode & 0o660), "{umask}");
            run("build data --single-file one");
            assert_eq!(dir.mode("one"), mode, "single file, umask {umask}");
            for made in ["out", "copy", "tree"] {
                fs::remove_file(dir.path(made)).unwrap();
            }
        }
        let public = 0o666 & !u32::from_str_radix(umask, 8).unwrap();
        fs::create_dir(dir.path("set")).unwrap();
        let key = "--key rsa2048.key --certificate rsa2048.cert";
        run(&format!("build image.raw {key} --systemd --output-dir set"));
        for entry in fs::read_dir(dir.path("set")).unwrap() {
            let name = format!("set/{}", entry.unwrap().file_name().to_str().unwrap());
            assert_eq!(dir.mode(&name), public, "{name}, umask {umask}");
        }
        run(&format!("sign {ROOT} {key} --output signature"));
        assert_eq!(dir.mode("signature"), public, "umask {umask}");
    }
}

/// Permission bits are kept, extended attributes are not: the file is another one.
#[test]
fn a15_a_file_that_is_replaced_loses_its_extended_attributes_and_keeps_its_mode() {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    let dir = Dir::with_data(20);
    dir.format("");
    dir.set_mode("hash", 0o640);
    fs::hard_link(dir.path("hash"), dir.path("other")).unwrap();
    if setxattr(dir.path("hash"), "user.test", b"x", XattrFlags::empty()).is_err() {
        // Not every file system has them.
        return;
    }
    let old = dir.read("hash");
    dir.format("--salt 00");
    assert_eq!(dir.mode("hash"), 0o640);
    let mut value = [0; 8];
    assert!(getxattr(dir.path("hash"), "user.test", &mut value[..]).is_err());
    // Other names of the old file still have the old file.
    assert_eq!(dir.read("other"), old);
    assert!(getxattr(dir.path("other"), "user.test", &mut value[..]).is_ok());
}
