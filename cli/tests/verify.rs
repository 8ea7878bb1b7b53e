//! `verity verify`: what is accepted, what is refused, and what each verdict says about the
//! geometry.

use std::fs;

use crate::common::{self, Dir, UUID, wrong};
use verity_testdata::files;
use verity_testdata::reference::{self, Scheme};

const UNAUTHENTICATED: &str = "geometry: not authenticated (superblock)\n";
const ALL_PINS: &str = "--hash sha256 --format 1 --data-block-size 4096 --hash-block-size 4096 \
                        --data-blocks 300 --salt -";

/// 300 blocks with an empty salt: `data`, `hash` and the root hash.
fn formatted() -> (Dir, String) {
    let dir = Dir::with_data(300);
    let root = dir.format(&format!("--salt - --uuid {UUID}"));
    (dir, root)
}

#[test]
fn success_says_what_was_checked_in_one_line() {
    let (dir, root) = formatted();
    let checked = format!(
        "verified: 300 data blocks of 4096 bytes and 4 hash blocks of 4096 bytes (sha256) against \
         root hash {root}\n"
    );
    assert_eq!(dir.ok(&format!("verify data hash {root}")), format!("{UNAUTHENTICATED}{checked}"));
    let upper = root.to_uppercase();
    assert_eq!(dir.ok(&format!("verify data hash {upper}")), format!("{UNAUTHENTICATED}{checked}"));
    let pinned = dir.ok(&format!("verify data hash {root} {ALL_PINS}"));
    assert_eq!(pinned, format!("geometry: pinned\n{checked}"));
}

#[test]
fn corruption_names_block_place_and_digests() {
    let (dir, root) = formatted();
    let good = reference::hash_block(&Scheme::default(), &dir.read("data")[5 * 4096..6 * 4096]);
    files::flip_bit(&dir.path("data"), 5 * 4096 + 10, 0);
    files::flip_bit(&dir.path("data"), 6 * 4096, 7);
    files::flip_bit(&dir.path("data"), 100 * 4096, 7);
    let bad = reference::hash_block(&Scheme::default(), &dir.read("data")[5 * 4096..6 * 4096]);
    let (good, bad) = (hex::encode(good), hex::encode(bad));
    let line = |block, end| {
        format!(
            "data block {block} (bytes 20480..{end} of data): expected digest {good}, actual \
             {bad}\n"
        )
    };
    let run = dir.fails(&format!("verify data hash {root}"), 1, "verity: data: data block 5");
    let first = line("5", 24576);
    assert_eq!(run.stdout, format!("{UNAUTHENTICATED}{first}there may be more corrupt blocks\n"));
    let run = dir.fails(&format!("verify data hash {root} --all"), 1, "3 corrupt blocks in all");
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[1], line("5 to 6", 28672).trim_end());
    assert_eq!(lines.len(), 3);
}

#[test]
fn corrupt_hash_block_is_not_blamed_on_data() {
    let (dir, root) = formatted();
    // Superblock, level 1, then level 0 from byte 8192.
    files::flip_bit(&dir.path("hash"), 8192 + 5, 1);
    dir.fails(&format!("verify data hash {root}"), 1, "verity: hash: hash level 0 block 0");
    let json = dir.run(&format!("verify data hash {root} --all --json")).json();
    let corruptions = json["corruptions"].as_array().unwrap();
    assert_eq!(corruptions.len(), 1);
    assert_eq!(
        (corruptions[0]["kind"].as_str(), corruptions[0]["level"].as_u64()),
        (Some("hash"), Some(0))
    );
}

#[test]
fn a_wrong_root_hash_is_not_verified() {
    let (dir, root) = formatted();
    let wrong = wrong(&root);
    dir.fails(
        &format!("verify data hash {wrong}"),
        1,
        &format!("expected digest {wrong}, actual {root}"),
    );
}

#[test]
fn t13_malformed_root_hashes_are_usage_errors() {
    let (dir, root) = formatted();
    for bad in [
        &root[1..],
        &root[2..],
        &format!("{root}0"),
        &format!("0x{}", &root[2..]),
        &format!("sha256:{root}"),
        &"g".repeat(64),
        &"0".repeat(40),
        &"0".repeat(128),
        "-",
        "''",
    ] {
        dir.fails(&format!("verify data hash {bad}"), 2, "root hash");
    }
    for bad in [format!("\n{root}"), format!(" {root}"), String::new()] {
        let run = dir.run_words(["verify", "data", "hash", &bad]);
        assert_eq!(run.code, 2, "{run:?}");
    }
    dir.fails("verify data hash", 2, "a root hash is needed");
}

#[test]
fn c19_a_root_hash_file_that_says_nothing_is_never_a_success() {
    let (dir, root) = formatted();
    dir.fails("verify data hash --root-hash-file missing", 4, "missing");
    dir.fails("verify data hash --root-hash-file .", 2, "directory");
    for (content, word) in [
        (String::new(), "empty"),
        ("\n".to_owned(), "empty"),
        (root[..62].to_owned(), "62 hex digits are the digest of no known algorithm"),
        (format!("{root} # comment"), "goes on behind a blank"),
        (format!(" {root}"), "a blank as character 1"),
        (format!("{root}g"), "'g' as character 65"),
        (format!("{root}{root}"), "verity"),
        ("0".repeat(131), "odd number of hex digits, 131"),
        (format!("{root}{}", " ".repeat(5000)), "longer than 4096"),
    ] {
        dir.write("root", content.as_bytes());
        dir.fails("verify data hash --root-hash-file root", 2, word);
    }
    for content in [
        root.clone(),
        format!("{root}\n"),
        format!("{root}\r\n"),
        format!("{root}\n\n"),
        format!("{root} \t\n"),
        root.to_uppercase(),
    ] {
        dir.write("root", content.as_bytes());
        dir.ok("verify data hash --root-hash-file root");
    }
    // Even where the data is corrupt and veritysetup would exit with 0.
    files::flip_bit(&dir.path("data"), 0, 0);
    dir.fails("verify data hash --root-hash-file missing", 4, "missing");
}

#[test]
fn the_same_root_hash_twice_is_no_contradiction_and_another_is() {
    let (dir, root) = formatted();
    dir.write("root", root.as_bytes());
    dir.ok(&format!("verify data hash {root} --root-hash-file root"));
    dir.fails(
        &format!("verify data hash {} --root-hash-file root", wrong(&root)),
        2,
        "on the command line",
    );
}

#[test]
fn every_pin_is_compared_to_the_superblock() {
    let (dir, root) = formatted();
    for (pin, word) in [
        ("--hash sha512", "hash is pinned to sha512, but sha256"),
        ("--format 0", "format is pinned to 0, but 1"),
        ("--data-block-size 512", "data block size is pinned to 512, but 4096"),
        ("--hash-block-size 512", "hash block size is pinned to 512, but 4096"),
        ("--data-blocks 299", "data blocks is pinned to 299, but 300"),
        ("--salt 00", "salt is pinned to 00, but -"),
        ("--uuid 00000000-0000-4000-8000-000000000000", "uuid is pinned to"),
    ] {
        dir.fails(&format!("verify data hash {root} {pin}"), 3, word);
    }
    let some = dir.ok(&format!("verify data hash {root} --hash sha256 --salt - --uuid {UUID}"));
    assert!(some.starts_with(UNAUTHENTICATED), "some pins are not all: {some}");
}

#[test]
fn without_a_superblock_the_options_are_the_parameters() {
    let dir = Dir::with_data(300);
    let root = dir.format("--no-superblock --salt 00ff");
    let pinned = format!("verify data hash {root} --no-superblock {ALL_PINS}")
        .replace("--salt -", "--salt 00ff");
    assert!(dir.ok(&pinned).starts_with("geometry: pinned\nverified: "));
    let assumed = dir.ok(&format!("verify data hash {root} --no-superblock --salt 00ff"));
    assert!(assumed.starts_with("geometry: not authenticated (assumed)\nverified: "), "{assumed}");
    for wrong in [
        "--salt 00fe",
        "",
        "--salt 00ff --hash sha3-256",
        "--salt 00ff --format 0",
        "--salt 00ff --data-blocks 299",
        "--salt 00ff --data-block-size 2048",
        "--salt 00ff --hash-block-size 2048",
    ] {
        let run = dir.run(&format!("verify data hash {root} --no-superblock {wrong}"));
        assert!(run.code == 1 || run.code == 3, "g15 {wrong}: {run:?}");
    }
    dir.fails(&format!("verify data hash {root} --no-superblock --uuid {UUID}"), 2, "no effect");
    // The tree of an image that has a superblock.
    let root = dir.format("--salt -");
    dir.ok(&format!("verify data hash {root} --no-superblock --hash-offset 4096"));
}

/// The image in which the attacker shows the lowest hash level as the data, under the right root
/// hash.
fn level_confusion() -> (Dir, String) {
    let (dir, root) = formatted();
    let hash = dir.read("hash");
    let mut superblock = hash[..4096].to_vec();
    superblock[72..80].copy_from_slice(&3u64.to_le_bytes());
    dir.write("data", &hash[8192..]);
    dir.write("hash", &[&superblock[..], &hash[4096..8192]].concat());
    (dir, root)
}

#[test]
fn t01_level_confusion_is_reported_as_unauthenticated_and_refused_with_pins() {
    let (dir, root) = level_confusion();
    let stdout = dir.ok(&format!("verify data hash {root}"));
    assert!(stdout.starts_with(UNAUTHENTICATED), "{stdout}");
    dir.fails(
        &format!("verify data hash {root} {ALL_PINS}"),
        3,
        "data blocks is pinned to 300, but 3",
    );
    dir.fails(&format!("verify data hash {root} --data-blocks 300"), 3, "pinned");
}

#[test]
fn t01_t02_level_confusion_is_refused_with_a_manifest() {
    let set = Dir::with_signed_set(300);
    let hash = set.read("image.verity");
    let line = "verify d h --manifest image.manifest.json --certificate rsa2048.cert";
    for (blocks, data, tree) in
        [(3u64, &hash[8192..], &hash[4096..8192]), (1, &hash[4096..8192], &hash[..0])]
    {
        let mut superblock = hash[..4096].to_vec();
        superblock[72..80].copy_from_slice(&blocks.to_le_bytes());
        set.write("d", data);
        set.write("h", &[&superblock[..], tree].concat());
        let root = String::from_utf8(set.read("image.roothash")).unwrap();
        assert!(set.ok(&format!("verify d h {root}")).starts_with(UNAUTHENTICATED));
        set.fails(line, 3, "its manifest states");
        set.fails("check image.raw --certificate rsa2048.cert --output-dir none", 5, "no manifest");
        // Even with the sizes that the manifest states.
        for (name, size) in [("d", 300 * 4096), ("h", hash.len())] {
            let mut padded = set.read(name);
            padded.resize(size, 0);
            set.write(name, &padded);
        }
        set.fails(line, 1, "superblock");
    }
}

#[test]
fn t03_a_lowered_block_count_meets_bytes_that_must_be_zero() {
    let (dir, root) = formatted();
    dir.patch("hash", 72, &257u64.to_le_bytes());
    let run = dir.fails(&format!("verify data hash {root}"), 1, "unused byte");
    assert!(run.stdout.contains("is not zero"), "{run:?}");
    let json = dir.run(&format!("verify data hash {root} --json")).json();
    assert_eq!(json["corruptions"][0]["reason"], "spare-bytes");
    assert!(json["corruptions"][0]["expected"].is_null());
}

#[test]
fn s11_no_data_blocks_is_no_whole_device() {
    let (dir, root) = formatted();
    dir.patch("hash", 72, &0u64.to_le_bytes());
    dir.fails(&format!("verify data hash {root}"), 3, "hash: superblock: there are no data blocks");
}

#[test]
fn s09_files_too_short_for_a_superblock_are_refused() {
    let (dir, root) = formatted();
    for size in [0, 1, 511, 512, 4095] {
        dir.write("short", &dir.read("hash")[..size]);
        let word = if size < 512 { "512 bytes" } else { "hash area ends at 20480" };
        dir.fails(&format!("verify data short {root}"), 3, word);
    }
}

#[test]
fn s10_superblock_offsets_off_the_grid_or_past_the_end_are_refused() {
    let (dir, root) = formatted();
    for offset in ["1", "511", "20480", "4096", "18446744073709551615", "18446744073709551104"] {
        let run = dir.run(&format!("verify data hash {root} --hash-offset {offset}"));
        assert!(run.code == 3, "{offset}: {run:?}");
        assert_eq!(dir.run(&format!("dump hash --hash-offset {offset}")).code, 3);
    }
}

#[test]
fn s07_a_bit_in_the_padding_of_the_superblock_is_refused() {
    let (dir, root) = formatted();
    for byte in [82, 87, 88, 343, 344, 511] {
        files::flip_bit(&dir.path("hash"), byte, 3);
        dir.fails(&format!("verify data hash {root}"), 3, "superblock");
        files::flip_bit(&dir.path("hash"), byte, 3);
    }
}

#[test]
fn s08_bytes_between_superblock_and_tree_are_warned_of() {
    let (dir, root) = formatted();
    files::flip_bit(&dir.path("hash"), 4095, 0);
    let run = dir.run(&format!("verify data hash {root}"));
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains("warning: hash: the bytes 512..4096"), "{run:?}");
    let set = Dir::with_signed_set(2);
    files::flip_bit(&set.path("image.verity"), 4095, 0);
    set.fails(common::CHECK, 1, "image.verity");
}

#[test]
fn g03_a_short_hash_area_is_bad_geometry_and_stays_as_it_is() {
    let (dir, root) = formatted();
    for size in [20479, 16384] {
        dir.write("short", &dir.read("hash")[..size]);
        let word = format!("has {size} bytes, but the hash area ends at 20480");
        dir.fails(&format!("verify data short {root}"), 3, &word);
        assert_eq!(dir.read("short").len(), size, "verify writes nothing");
    }
}

#[test]
fn g07_short_data_is_bad_geometry_and_not_filled_with_zeros() {
    let (dir, root) = formatted();
    for size in [300 * 4096 - 1, 299 * 4096] {
        dir.write("short", &dir.read("data")[..size]);
        let word = format!("short: the data has {size} bytes, but the hash tree covers 1228800");
        dir.fails(&format!("verify short hash {root}"), 3, &word);
    }
}

#[test]
fn g08_bytes_behind_the_data_are_reported() {
    let (dir, root) = formatted();
    let mut data = dir.read("data");
    data.extend([1; 5]);
    dir.write("data", &data);
    let run = dir.run(&format!("verify data hash {root} --json"));
    assert_eq!((run.code, run.json()["uncovered_bytes"].as_u64()), (0, Some(5)));
    assert!(run.stderr.contains("warning: data: 5 bytes are not covered"), "{run:?}");
}

#[test]
fn g12_absurd_claims_are_refused_at_once() {
    let (dir, root) = formatted();
    for blocks in [1u64 << 50, 1 << 51, u64::MAX] {
        dir.patch("hash", 72, &blocks.to_le_bytes());
        let run = dir.run(&format!("verify data hash {root}"));
        assert_eq!(run.code, 3, "{run:?}");
    }
}

#[test]
fn t12_one_block_needs_no_tree() {
    let dir = Dir::with_data(1);
    let root = dir.format("--salt -");
    dir.ok(&format!("verify data hash {root}"));
    files::flip_bit(&dir.path("data"), 4095, 0);
    dir.fails(&format!("verify data hash {root}"), 1, "data: data block 0");
}

#[test]
fn zero_blocks_are_skipped_only_on_request() {
    let dir = Dir::new();
    dir.write("data", &[vec![0; 2 * 4096], vec![1; 4096]].concat());
    let root = dir.format("");
    files::flip_bit(&dir.path("data"), 4096, 0);
    dir.fails(&format!("verify data hash {root}"), 1, "data block 1");
    let stdout = dir.ok(&format!("verify data hash {root} --ignore-zero-blocks"));
    assert!(stdout.contains("verified: 1 data block of"), "{stdout}");
    assert!(stdout.trim_end().ends_with("; 2 zero blocks not checked"), "{stdout}");
    files::flip_bit(&dir.path("data"), 8192, 0);
    dir.fails(&format!("verify data hash {root} --ignore-zero-blocks"), 1, "data block 2");
}

#[test]
fn inputs_are_only_read() {
    let (dir, root) = formatted();
    for name in ["data", "hash"] {
        dir.set_mode(name, 0o400);
    }
    let before =
        ["data", "hash"].map(|name| fs::metadata(dir.path(name)).unwrap().modified().unwrap());
    let trace = dir.path("trace");
    let verity = env!("CARGO_BIN_EXE_verity");
    if verity_testdata::oracle::require("strace").is_some() {
        let mut strace = dir.tool("strace");
        strace
            .args(["-f", "-o"])
            .arg(&trace)
            .args(["-e", "trace=openat,pwrite64,ftruncate,rename,unlink"]);
        strace.args([verity, "verify", "data", "hash", &root]);
        assert!(strace.output().unwrap().status.success());
        let trace = fs::read_to_string(&trace).unwrap();
        assert!(trace.contains("\"hash\", O_RDONLY"), "{trace}");
        for forbidden in
            ["O_WRONLY", "\"data\", O_RDWR", "\"hash\", O_RDWR", "pwrite64", "ftruncate", "rename"]
        {
            assert!(!trace.contains(forbidden), "{forbidden}: {trace}");
        }
    }
    let after =
        ["data", "hash"].map(|name| fs::metadata(dir.path(name)).unwrap().modified().unwrap());
    assert_eq!(before, after);
}

#[test]
fn a_manifest_brings_everything_and_contradictions_are_errors() {
    let set = Dir::with_signed_set(300);
    let root = String::from_utf8(set.read("image.roothash")).unwrap();
    let line =
        "verify image.raw image.verity --manifest image.manifest.json --certificate rsa2048.cert";
    set.ok(&format!("{line} --root-hash-file image.roothash --data-blocks 300"));
    for (more, code, word) in [
        ("--data-blocks 299", 3, "pinned"),
        (&*format!("--root-hash-file wrong --uuid {UUID}"), 5, "the manifest's root hash is"),
        (&*format!("--uuid {UUID}"), 3, "uuid is pinned"),
        ("--hash-offset 0", 2, "cannot be used with"),
        ("--no-superblock", 2, "cannot be used with"),
    ] {
        set.write("wrong", wrong(&root).as_bytes());
        set.fails(&format!("{line} {more}"), code, word);
    }
    set.fails("verify image.raw image.verity --manifest image.manifest.json", 2, "--certificate");
    set.fails(
        &format!("verify image.raw image.verity {root} --certificate rsa2048.cert"),
        2,
        "--manifest",
    );
}

#[test]
fn manifests_fail_closed() {
    let set = Dir::with_signed_set(2);
    set.key("other");
    let line = "verify image.raw image.verity --manifest image.manifest.json --certificate";
    set.fails(&format!("{line} other.cert"), 5, "");
    set.ok(&format!("{line} other.cert --certificate rsa2048.cert"));
    set.fails(&format!("{line} missing"), 4, "missing");
    set.write("empty", b"");
    set.fails(&format!("{line} empty"), 5, "empty");
    set.fails(&format!("{line} rsa2048.key"), 5, "rsa2048.key");
    let manifest = set.read("image.manifest.json");
    let text = String::from_utf8(manifest.clone()).unwrap();
    set.write("image.manifest.json", text.replace("\"version\":0", "\"version\":1").as_bytes());
    set.fails(&format!("{line} rsa2048.cert"), 5, "image.manifest.json");
    set.write("image.manifest.json", &[&manifest[..], b"\n"].concat());
    set.fails(&format!("{line} rsa2048.cert"), 5, "image.manifest.json");
    set.write("image.manifest.json", &manifest);
    set.write("image.manifest.json.p7s", b"");
    set.fails(&format!("{line} rsa2048.cert"), 5, "");
    fs::remove_file(set.path("image.manifest.json.p7s")).unwrap();
    set.fails(&format!("{line} rsa2048.cert"), 5, "there is no signature");
    fs::remove_file(set.path("image.manifest.json")).unwrap();
    set.fails(&format!("{line} rsa2048.cert"), 4, "image.manifest.json");
}
