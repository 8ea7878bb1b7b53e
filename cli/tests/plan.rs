//! `verity plan`: sizes that `format` then makes true.

mod common;

use common::Dir;
use verity_testdata::files;

#[test]
fn prints_every_size_of_an_image() {
    let expected = "\
Hash type:       \t1
Hash algorithm:  \tsha256
Data blocks:     \t117760
Data block size: \t4096
Data size:       \t482344960 [bytes]
Hash blocks:     \t929
Hash block size: \t4096
Hash levels:     \t3
Hash area offset:\t0 [bytes]
Hash area size:  \t3809280 [bytes]
Hash start:      \t1
Hash device size:\t3809280 [bytes]
";
    assert_eq!(Dir::new().ok("plan --image 460M"), expected);
}

#[test]
fn prints_one_json_object() {
    let expected = "{\"schema\":1,\"algorithm\":\"sha512\",\"hash_type\":1,\"data_block_size\":4096,\
        \"hash_block_size\":4096,\"salt\":null,\"uuid\":null,\"superblock\":false,\"data_blocks\":117760,\
        \"data_bytes\":482344960,\"levels\":3,\"hash_blocks\":1870,\"hash_area_offset\":0,\"hash_start\":0,\
        \"hash_area_bytes\":7659520,\"hash_device_bytes\":7659520,\"unused_bytes\":null}\n";
    assert_eq!(Dir::new().ok("plan --image 460M --hash sha512 --no-superblock --json"), expected);
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
    dir.fails("plan --image 5000", 3, "904 bytes would be unprotected");
    dir.fails("plan --partition 4096", 3, "");
    dir.ok("plan --image 16777215T --json");
    dir.fails("plan --image 16777216T", 2, "64 bits");
}
