//! `verity plan`: sizes that `format` then makes true.

use crate::common::{Dir, Run};
use verity_testdata::files;
use verity_testdata::oracle::{self, VeritySetup};

/// Hash area and parity in one file, and in two, are as long as veritysetup makes them.
#[test]
fn planned_parity_has_the_size_that_veritysetup_gives_it() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    for roots in 2..=24_u64 {
        // Data and tree fill some rounds just so, or not quite.
        let data_blocks = (255 - roots) * (roots % 4 + 1) - 2 - roots % 3;
        let block: u64 = if roots % 2 == 0 { 4096 } else { 512 };
        let dir = Dir::new();
        files::sparse(&dir.path("image"), data_blocks * block);
        let sizes = format!("--data-block-size {block} --hash-block-size {block}");
        let line =
            format!("plan --image {} {sizes} --fec-roots {roots} --json", data_blocks * block);
        let plan = dir.run(&line).json();
        let offset = plan["fec"]["offset_bytes"].as_u64().unwrap();
        for (fec, offset) in [("hash", offset), ("fec", 0)] {
            let _ = std::fs::remove_file(dir.path("hash"));
            let mut command = veritysetup.command();
            command.current_dir(dir.path("")).args(["format", "image", "hash"]);
            command.args(sizes.split(' ')).args(["--fec-device", fec]);
            command.args(["--fec-offset", &offset.to_string(), "--fec-roots", &roots.to_string()]);
            oracle::run_ok(&mut command);
        }
        let length = |name| std::fs::metadata(dir.path(name)).unwrap().len();
        assert_eq!(plan["fec"]["parity_bytes"].as_u64(), Some(length("fec")), "{line}");
        assert_eq!(length("hash"), offset, "{line}");
        assert_eq!(plan["hash_device_bytes"].as_u64(), Some(offset + length("fec")), "{line}");
    }
}

#[test]
fn the_largest_image_with_parity_fills_a_partition() {
    let dir = Dir::new();
    for (options, size) in [
        ("--fec-roots 2", 1_u64 << 20),
        ("--fec-roots 24 --no-superblock", (1 << 20) + 4095),
        ("--fec-roots 3 --data-block-size 512 --hash-block-size 512", 100_000),
        ("--fec-roots 2", 16384),
    ] {
        let plan = dir.run(&format!("plan --partition {size} {options} --json")).json();
        let number = |key: &str| plan[key].as_u64().unwrap();
        let (data, end) = (number("data_bytes"), number("hash_device_bytes"));
        assert_eq!(end + number("unused_bytes"), size, "{plan}");
        // One more data block does not fit.
        let more = data + number("data_block_size");
        let next = format!("plan --image {more} --hash-offset {more} {options} --json");
        assert!(dir.run(&next).json()["hash_device_bytes"].as_u64().unwrap() > size, "{plan}");
        files::sparse(&dir.path("image"), data);
        let place = format!(
            "--hash-offset {} --data-blocks {} --fec-device image --fec-offset {}",
            number("hash_area_offset"),
            number("data_blocks"),
            plan["fec"]["offset_bytes"],
        );
        let made = dir.run(&format!("format image image {options} {place} --json"));
        assert_eq!(made.code, 0, "{made:?}");
        assert_eq!(std::fs::metadata(dir.path("image")).unwrap().len(), end, "{plan}");
        for key in ["fec", "hash_device_bytes", "hash_start"] {
            assert_eq!(made.json()[key], plan[key], "{key}");
        }
    }
    dir.fails("plan --partition 16383 --fec-roots 2", 3, "take 16384 bytes");
}

#[test]
fn f04_parity_that_cannot_be_is_not_planned() {
    let dir = Dir::new();
    for roots in ["0", "1", "25", "4294967298", "x"] {
        dir.fails(&format!("plan --image 1M --fec-roots {roots}"), 2, "--fec-roots");
    }
    for target in ["--image 1M", "--partition 1M"] {
        let line = format!("plan {target} --fec-roots 2 --hash-block-size 512");
        dir.fails(&line, 3, "equal block sizes");
    }
    // The hash area ends three blocks before.
    let line = format!("plan --image 4096 --hash-offset {}", u64::MAX - 16383);
    dir.ok(&format!("{line} --fec-roots 2"));
    dir.fails(&format!("{line} --fec-roots 24"), 3, "beyond 2^64 bytes");
}

#[test]
fn the_largest_image_of_a_partition_fills_it() {
    let dir = Dir::new();
    for (options, size) in
        [("", "1M"), ("--no-superblock", "1M"), ("--hash-block-size 512", "100000")]
    {
        let plan = dir.run(&format!("plan --partition {size} {options} --json")).json();
        let data = plan["data_bytes"].as_u64().unwrap();
        let end = plan["hash_device_bytes"].as_u64().unwrap();
        let unused = plan["unused_bytes"].as_u64().unwrap();
        let size = if size == "1M" { 1 << 20 } else { 100_000 };
        assert_eq!(end + unused, size);
        // One more data block does not fit.
        assert!(unused < 2 * 4096 + 512, "{plan}");
        files::sparse(&dir.path("image"), data);
        let _ = std::fs::remove_file(dir.path("hash"));
        let offset = plan["hash_area_offset"].as_u64().unwrap();
        let blocks = plan["data_blocks"].as_u64().unwrap();
        let place = format!("--hash-offset {offset} --data-blocks {blocks}");
        dir.ok(&format!("format image image {options} {place}"));
        assert_eq!(std::fs::metadata(dir.path("image")).unwrap().len(), end, "{plan}");
    }
}

#[test]
fn what_is_planned_is_what_is_made() {
    let dir = Dir::with_data(300);
    for options in ["", "--hash-offset 4608", "--no-superblock", "--hash-block-size 8K --hash sha1"]
    {
        let plan = dir.run(&format!("plan --image 1200K {options} --json")).json();
        let _ = std::fs::remove_file(dir.path("hash"));
        dir.ok(&format!("format data hash {options}"));
        let length = std::fs::metadata(dir.path("hash")).unwrap().len();
        assert_eq!(plan["hash_device_bytes"].as_u64(), Some(length), "{options}");
    }
}

#[test]
fn impossible_plans_are_refused() {
    let dir = Dir::new();
    dir.fails("plan", 2, "--image");
    dir.fails("plan --image 1M --partition 1M", 2, "cannot be used with");
    dir.fails("plan --partition 1M --data-blocks 3", 2, "cannot be used with");
    dir.fails("plan --partition 1M --hash-offset 4096", 2, "cannot be used with");
    dir.fails("plan --image 0x10", 2, "plain decimal");
    dir.fails("plan --image -1", 2, "unexpected argument");
    dir.fails("plan --image 0", 3, "no data blocks");
    let run = dir.fails("plan --image 5000", 3, "904 bytes would be unprotected");
    assert!(run.stderr.contains("--data-blocks") && run.stderr.contains("--pad"), "{run:?}");
    // There is no whole block.
    let run = dir.fails("plan --image 1000", 3, "--pad of format and build");
    assert!(!run.stderr.contains("--data-blocks"), "{run:?}");
    dir.fails("plan --partition 4096", 3, "");
    dir.ok("plan --image 16777215T --json");
    dir.fails("plan --image 16777216T", 2, "64 bits");
}

#[test]
fn a_size_may_be_that_of_a_file() {
    let dir = Dir::with_data(300);
    let planned = dir.ok("plan --image data --fec-roots 2");
    assert_eq!(planned, dir.ok("plan --image 1200K --fec-roots 2"));
    assert_eq!(dir.ok("plan --partition data"), dir.ok("plan --partition 1200K"));
    // A name that is a size is a size; ./ makes it a file.
    std::fs::rename(dir.path("data"), dir.path("4096")).unwrap();
    assert_eq!(dir.ok("plan --image ./4096 --fec-roots 2"), planned);
    assert!(dir.ok("plan --image 4096").contains("Data blocks:     \t1\n"));
    dir.write("tail", b"x");
    for (line, code, word) in [
        ("plan --image tail", 3, "tail: "),
        ("plan --partition tail", 3, "tail: "),
        ("plan --image missing", 2, "missing: neither a file nor a size"),
        ("plan --image 12Q", 2, "12Q: neither a file nor a size"),
        ("plan --image 99999999999999999999", 2, "beyond 64 bits"),
        ("plan --image .", 2, "directory"),
    ] {
        dir.fails(line, code, word);
    }
}

/// It is there, but not for this user.
#[test]
fn a_file_that_may_not_be_read_is_no_mistake_of_usage() {
    if !oracle::require_root() || oracle::require("setpriv").is_none() {
        return;
    }
    let dir = Dir::with_data(4);
    std::fs::create_dir(dir.path("closed")).unwrap();
    dir.write("closed/image", b"image");
    dir.set_mode(".", 0o755);
    for (name, mode) in [("data", 0o600), ("closed", 0o700)] {
        dir.set_mode(name, mode);
    }
    dir.own_verity();
    for name in ["data", "closed/image", "closed/missing", "data/image"] {
        for option in ["--image", "--partition"] {
            let mut setpriv = dir.tool("setpriv");
            setpriv.args(["--reuid=65534", "--clear-groups", "./verity", "plan", option, name]);
            let run = Run::of(setpriv.arg("--json").output().unwrap());
            assert_eq!((run.code, &run.json()["class"]), (4, &"io".into()), "{name}: {run:?}");
        }
    }
}
