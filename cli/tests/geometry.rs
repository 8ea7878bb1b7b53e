//! What `format` refuses to make, every other command refuses to open: places and lengths, before
//! the first block is judged.

use std::fs;

use crate::common::{Dir, root_hash, wrong};
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::pattern;

/// Where the data ends in `n.img`, and the hash area begins.
const END: usize = 1 << 20;

/// A file with 256 blocks of data and the tree behind them, and parity on a file of its own.
/// Returns its root hash.
fn one_file(dir: &Dir, options: &str) -> String {
    dir.write("n.img", &[pattern::sha256_stream(END), vec![0; END]].concat());
    root_hash(&dir.ok(&format!(
        "format n.img n.img --hash-offset {END} --data-blocks 256 --salt ab --fec-device n.fec \
         {options}"
    )))
}

/// All that opens an image, on these devices and with these options.
fn openers(devices: &str, root: &str, options: &str, parity: &str) -> Vec<String> {
    let image = format!("{devices} {root} --hash-offset {END} {options}");
    vec![
        format!("verify {image}"),
        format!("verify {image} --all"),
        format!("read {image} --output out"),
        format!("read {image} --output out --preload"),
        format!("serve {image} --socket s"),
        format!("verify {image} {parity}"),
        format!("repair {image} {parity} --dry-run"),
        format!("repair {image} {parity} --in-place"),
        format!("repair {image} {parity} --output out"),
    ]
}

#[track_caller]
fn all_fail(dir: &Dir, lines: &[String], words: &[&str]) {
    let before = dir.names();
    for line in lines {
        let run = dir.fails(line, 3, words[0]);
        assert!(words.iter().all(|word| run.stderr.contains(word)), "{line}: {run:?}");
        assert!(!run.stderr.contains("corrupt"), "{line}: {run:?}");
        assert_eq!(dir.names(), before, "{line}");
    }
}

#[test]
fn g04_a_forgotten_number_of_data_blocks_is_no_corruption() {
    let dir = Dir::new();
    let root = one_file(&dir, "--no-superblock");
    let words = [
        "data and hash area overlap",
        "at 1048576 bytes lies in the data, which ends at 2097152",
        "--data-blocks says where the data ends",
    ];
    let parity = "--fec-device n.fec";
    let forgotten = openers("n.img n.img", &root, "--no-superblock --salt ab", parity);
    all_fail(&dir, &forgotten, &words);
    // By one block is as wrong.
    let options = "--no-superblock --salt ab --data-blocks 257";
    all_fail(&dir, &openers("n.img n.img", &root, options, parity), &words[..1]);
    // Other names do not hide that it is one file.
    fs::hard_link(dir.path("n.img"), dir.path("hard")).unwrap();
    let options = "--no-superblock --salt ab";
    all_fail(&dir, &openers("n.img hard", &root, options, parity), &words);
    if let Some(device) = LoopDevice::attach(&dir.path("n.img"), 512) {
        let devices = format!("n.img {}", device.path().display());
        all_fail(&dir, &openers(&devices, &root, options, parity), &words);
    }
    let right = "--no-superblock --salt ab --data-blocks 256";
    dir.ok(&format!("verify n.img n.img {root} --hash-offset {END} {right} {parity}"));
}

#[test]
fn g04_a_superblock_whose_data_reaches_over_the_tree_is_refused() {
    let dir = Dir::new();
    let root = one_file(&dir, "");
    let words = ["data and hash area overlap", "n.img"];
    for blocks in [257_u64, 300, 512, 1 << 40] {
        dir.patch("n.img", END + 72, &blocks.to_le_bytes());
        let lines = openers("n.img n.img", &root, "", "--fec-device n.fec");
        all_fail(&dir, &lines, &words);
        let run = dir.fails(&lines[0], 3, words[0]);
        // The superblock says how many there are, so the option would not help.
        assert!(!run.stderr.contains("--data-blocks"), "{run:?}");
        let table =
            format!("table n.img {root} --hash-offset {END} --data-dev /dev/a --hash-dev /dev/a");
        all_fail(&dir, &[table], &words);
    }
    dir.patch("n.img", END + 72, &256_u64.to_le_bytes());
    dir.ok(&format!("verify n.img n.img {root} --hash-offset {END}"));
}

#[test]
fn g04_a_superblock_within_the_data_is_refused() {
    let dir = Dir::with_data(300);
    let root = dir.format("--salt ab");
    let hash = dir.read("hash");
    // The hash area of the data, put into it.
    dir.patch("data", 8192, &hash);
    let lines: Vec<String> = ["verify", "read --output out"]
        .iter()
        .map(|verb| format!("{verb} data data {root} --hash-offset 8192"))
        .collect();
    all_fail(&dir, &lines, &["data and hash area overlap"]);
}

#[test]
fn g04_parity_in_what_it_covers_is_refused_by_whatever_opens_it() {
    let dir = Dir::new();
    let root = one_file(&dir, "");
    let lines = |parity: &str| {
        let all = openers("n.img n.img", &root, "", parity);
        all.into_iter().filter(|line| line.contains("--fec")).collect::<Vec<_>>()
    };
    for offset in [0, END - 4096, END, END + 8192] {
        let parity = format!("--fec-device n.img --fec-offset {offset}");
        all_fail(&dir, &lines(&parity), &["must lie behind the hash area"]);
    }
    // In the data, while the tree lies elsewhere.
    let hash = dir.read("n.img")[END..].to_vec();
    dir.write("tree", &[vec![0; END], hash].concat());
    for verb in ["verify", "repair --dry-run"] {
        let line = format!(
            "{verb} n.img tree {root} --hash-offset {END} --fec-device n.img --fec-offset 4096"
        );
        all_fail(&dir, &[line], &["must lie behind the data, which ends at 1048576"]);
    }
}

#[test]
fn g03_g07_devices_that_are_too_short_are_refused_by_whatever_opens_them() {
    let dir = Dir::with_data(300);
    let root = root_hash(&dir.ok("format data hash --salt ab --fec-device fec"));
    let short = |name: &str, by: usize| {
        let bytes = dir.read(name);
        dir.write(&format!("short-{name}"), &bytes[..bytes.len() - by]);
    };
    short("data", 1);
    short("hash", 1);
    short("fec", 1);
    for (devices, fec, words) in [
        ("short-data hash", "fec", "1228799 bytes, but the hash tree covers 1228800"),
        ("data short-hash", "fec", "20479 bytes, but the hash area ends at 20480"),
        ("data hash", "short-fec", "16383 bytes, but the parity"),
    ] {
        for verb in ["verify", "repair --dry-run", "serve --socket s", "read --output out"] {
            let line = format!("{verb} {devices} {root} --fec-device {fec}");
            all_fail(&dir, &[line], &[words]);
        }
    }
    let table = format!("table short-hash {root} --data-dev /dev/a --hash-dev /dev/b");
    all_fail(&dir, &[table], &["20479 bytes, but the hash area ends at 20480"]);
}

#[test]
fn a_top_hash_block_that_does_not_match_may_come_from_wrong_parameters() {
    let dir = Dir::with_data(300);
    let root = root_hash(&dir.ok("format data hash --no-superblock --salt ab"));
    let cause = "or the parameters are wrong: nothing vouches for them";
    for options in ["", "--salt ac", "--salt ab --hash-offset 4096", "--salt ab --format 0"] {
        let line = format!("verify data hash {root} --no-superblock {options}");
        let run = dir.run(&line);
        // Where the tree would end behind the file that is said.
        if run.code == 3 {
            assert!(run.stderr.contains("hash area ends at"), "{line}: {run:?}");
            continue;
        }
        dir.fails(&line, 1, cause);
    }
    // With all of them pinned they are what the caller wants.
    let pins = "--no-superblock --salt ab --hash sha256 --format 1 --data-block-size 4096 \
                --hash-block-size 4096 --data-blocks 300";
    dir.ok(&format!("verify data hash {root} {pins}"));
    let run = dir.fails(&format!("verify data hash {} {pins}", wrong(&root)), 1, "another image");
    assert!(!run.stderr.contains(cause), "{run:?}");
    // Another block is corrupt, whatever the parameters.
    let root = dir.format("");
    dir.patch("data", 5 * 4096, b"x");
    let run = dir.fails(&format!("verify data hash {root}"), 1, "data block 5 is corrupt");
    assert!(!run.stderr.contains(cause), "{run:?}");
}

#[test]
fn sectors_matter_to_the_kernel_alone() {
    let dir = Dir::new();
    dir.write("data", &pattern::sha256_stream(64 * 4096));
    dir.write("hash", &[0; 16 * 4096]);
    let options = "--data-block-size 512 --hash-block-size 512";
    let root = root_hash(&dir.ok(&format!("format data hash {options}")));
    dir.write("hash", &[dir.read("hash"), vec![0; 4096]].concat()[..40 * 512]);
    let attach = |name, sector| LoopDevice::attach(&dir.path(name), sector);
    let (Some(data), Some(hash)) = (attach("data", 4096), attach("hash", 4096)) else { return };
    let (data, hash) = (data.path().to_str().unwrap(), hash.path().to_str().unwrap());
    let warning = "smaller than the sectors of 4096 bytes";
    for line in
        [format!("verify {data} {hash} {root}"), format!("read {data} {hash} {root} --output out")]
    {
        let run = dir.run(&line);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.stderr.matches(warning).count(), 2, "{run:?}");
    }
    assert!(dir.read("out") == dir.read("data"));
    let table =
        |data: &str, hash: &str| format!("table hash {root} --data-dev {data} --hash-dev {hash}");
    dir.fails(&table(data, "/dev/other"), 3, "the data blocks of 512 bytes are smaller");
    dir.fails(&table("/dev/other", hash), 3, "the hash blocks of 512 bytes are smaller");
    dir.ok(&table("/dev/other", "/dev/another"));
    let (Some(data), Some(hash)) = (attach("data", 512), attach("hash", 512)) else { return };
    let (data, hash) = (data.path().to_str().unwrap(), hash.path().to_str().unwrap());
    dir.ok(&table(data, hash));
    assert_eq!(dir.run(&format!("verify {data} {hash} {root}")).stderr, "");
}

/// The file system's superblock, with its magic number, and what a mount changes in it.
#[test]
fn a_file_system_that_was_mounted_is_told_from_other_corruption() {
    for (block_size, first) in [(4096, 0), (2048, 0), (1024, 1), (512, 2)] {
        let dir = Dir::new();
        dir.write("data", &pattern::sha256_stream(64 * 4096));
        dir.patch("data", 1080, &[0x53, 0xef]);
        let blocks = format!("--data-block-size {block_size} --hash-block-size {block_size}");
        let root = root_hash(&dir.ok(&format!("format data hash {blocks}")));
        // Times and counts of mounts; and the checksum at the superblock's end.
        dir.patch("data", 1024 + 44, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
        dir.patch("data", 2044, &[9, 9, 9, 9]);
        let all = "nothing but the superblock of an ext2, ext3 or ext4 file system differs";
        let run = dir.fails(&format!("verify data hash {root} --all"), 1, all);
        assert!(run.stderr.contains(&format!("data block {first} ")), "{run:?}");
        let one =
            "which a mount that writes changes: verify --all says whether anything else differs";
        dir.fails(&format!("verify data hash {root}"), 1, one);
        dir.fails(&format!("read data hash {root} --output out"), 1, one);
        // Something else differs too.
        dir.patch("data", 40 * 4096, b"x");
        let run = dir.fails(&format!("verify data hash {root} --all"), 1, "corrupt");
        assert!(!run.stderr.contains("file system"), "{run:?}");
        // Or it is no such file system.
        dir.patch("data", 1080, &[0x54]);
        let run = dir.fails(&format!("verify data hash {root}"), 1, "corrupt");
        assert!(!run.stderr.contains("file system"), "{run:?}");
    }
}

#[test]
fn an_image_that_was_mounted_is_said_to_be_repairable_as_such() {
    let dir = Dir::with_data(300);
    dir.patch("data", 1080, &[0x53, 0xef]);
    let root = root_hash(&dir.ok("format data hash --fec-device fec"));
    dir.patch("data", 1068, &[7; 10]);
    let line = format!("verify data hash {root} --fec-device fec");
    let words =
        "1 corrupt block, which can be repaired: verity repair does it; nothing but the super";
    let run = dir.fails(&line, 6, words);
    assert_eq!(run.code, 6);
}
