//! Data and hash area on one file or device: what may lie where, and what is refused unwritten.

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::{CHECK, Dir, SIGNED_BUILD, root_hash};
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::pattern;

/// 8 blocks of data, then room.
fn shared() -> (Dir, Vec<u8>) {
    let dir = Dir::new();
    let bytes = pattern::painted(64 * 4096);
    dir.write("disk", &bytes);
    (dir, bytes)
}

#[test]
fn g04_overlaps_are_refused_and_adjacency_is_not() {
    let (dir, bytes) = shared();
    for offset in [0, 512, 4096, 8 * 4096 - 512] {
        dir.fails(
            &format!("format disk disk --data-blocks 8 --hash-offset {offset}"),
            3,
            "lies in the data, which ends at 32768",
        );
        assert!(dir.read("disk") == bytes, "nothing is written");
    }
    dir.fails("format disk disk --data-blocks 8 --no-superblock --hash-offset 28672", 3, "lies in");
    dir.fails(
        "format disk disk --data-blocks 8 --no-superblock --hash-offset 33280",
        3,
        "multiple",
    );
    dir.fails("format disk disk --hash-offset 32768", 3, "lies in the data, which ends at 262144");
    assert!(dir.read("disk") == bytes);
    let root = root_hash(&dir.ok("format disk disk --data-blocks 8 --hash-offset 32768"));
    let after = dir.read("disk");
    assert!(after[..32768] == bytes[..32768], "the data stays");
    assert!(after[33280..36864] == bytes[33280..36864], "between superblock and tree");
    assert!(after[40960..] == bytes[40960..], "behind the tree");
    let run = dir.run(&format!("verify disk disk {root} --hash-offset 32768 --json"));
    assert_eq!((run.code, run.json()["uncovered_bytes"].as_u64()), (0, Some(54 * 4096)));
}

#[test]
fn data_and_hash_area_may_fill_a_file_exactly() {
    let dir = Dir::with_data(300);
    let root = root_hash(&dir.ok("format data data --data-blocks 300 --hash-offset 1228800"));
    assert_eq!(dir.read("data").len(), 305 * 4096);
    let run = dir.run(&format!("verify data data {root} --hash-offset 1228800 --json"));
    assert_eq!((run.code, run.json()["uncovered_bytes"].as_u64()), (0, Some(0)));
    assert_eq!(run.stderr, "");
}

/// Parity is neither data that nothing protects nor bytes that nobody knows.
#[test]
fn parity_on_the_data_device_is_not_uncovered_data() {
    let dir = Dir::new();
    let end = 300 * 4096;
    // Data, hash area, parity, and one block more.
    dir.write("disk", &pattern::painted(end + 5 * 4096 + 4 * 4096 + 4096));
    let place = format!("--data-blocks 300 --hash-offset {end}");
    for (hash, offset, uncovered) in
        [("disk", end + 5 * 4096, 4096), ("hash", end, 6 * 4096), ("hash", end + 4096, 6 * 4096)]
    {
        let fec = format!("--fec-device disk --fec-offset {offset}");
        let run = dir.run(&format!("format disk {hash} {place} {fec} --json"));
        assert_eq!((run.code, run.json()["uncovered_bytes"].as_i64()), (0, Some(uncovered)));
        assert!(run.stderr.contains(&format!("{uncovered} bytes behind")), "{run:?}");
    }
}

/// One device with data, hash area and parity, as their manifest says.
#[test]
fn parity_that_a_manifest_states_is_not_warned_of() {
    let dir = Dir::new();
    dir.key("rsa2048");
    let image = pattern::sha256_stream(300 * 4096);
    dir.write("image.raw", &image);
    let options = format!("--hash-offset {} --fec-roots 2", image.len());
    dir.ok(&format!("{SIGNED_BUILD} {options}"));
    dir.ok(CHECK);
    let manifest = "--manifest image.manifest.json --certificate rsa2048.cert";
    let hash = dir.read("image.verity");
    for (more, warning) in [(0, ""), (512, "512 bytes are not covered")] {
        dir.write("disk", &[&image[..], &hash[image.len()..], &vec![7; more]].concat());
        let Some(device) = LoopDevice::attach(&dir.path("disk"), 512) else { return };
        let device = device.path().to_str().unwrap();
        let run = dir.run(&format!("verify {device} {device} {manifest} --json"));
        assert_eq!((run.code, run.json()["uncovered_bytes"].as_u64()), (0, Some(more as u64)));
        assert!(
            run.stderr.contains(warning) && run.stderr.is_empty() == warning.is_empty(),
            "{run:?}"
        );
    }
}

#[test]
fn g05_links_do_not_hide_that_it_is_one_file() {
    let (dir, bytes) = shared();
    fs::hard_link(dir.path("disk"), dir.path("hard")).unwrap();
    symlink("disk", dir.path("soft")).unwrap();
    for (data, hash) in
        [("disk", "hard"), ("hard", "disk"), ("soft", "disk"), ("disk", "./disk"), ("soft", "hard")]
    {
        dir.fails(&format!("format {data} {hash} --data-blocks 8"), 3, "lies in the data");
        assert!(dir.read("disk") == bytes);
    }
    let run = dir.run("format disk soft --data-blocks 8");
    assert!(run.code == 2 || run.code == 3, "{run:?}");
    assert!(dir.read("disk") == bytes);
    dir.ok("format soft hard --data-blocks 8 --hash-offset 32768");
    let after = dir.read("disk");
    assert!(after[..32768] == bytes[..32768] && after[32768..] != bytes[32768..]);
}

#[test]
fn g05_a_loop_device_does_not_hide_that_it_is_one_file() {
    let (dir, bytes) = shared();
    let Some(device) = LoopDevice::attach(&dir.path("disk"), 512) else { return };
    let device_path = device.path().to_str().unwrap();
    for (data, hash) in [("disk", device_path), (device_path, "disk"), (device_path, device_path)] {
        dir.fails(&format!("format {data} {hash} --data-blocks 8"), 3, "lies in the data");
        assert!(dir.read("disk") == bytes, "{data} {hash}");
    }
    dir.ok(&format!("format disk {device_path} --data-blocks 8 --hash-offset 32768"));
    drop(device);
    assert!(dir.read("disk")[..32768] == bytes[..32768]);
}

#[test]
fn c13_loop_devices_give_the_same_root_as_the_file() {
    for sector in [512, 4096] {
        let dir = Dir::with_data(300);
        dir.write("hashdisk", &pattern::painted(64 * 4096));
        let root = dir.format("--salt 00ff");
        let Some(data) = LoopDevice::attach(&dir.path("data"), sector) else { return };
        let Some(hash) = LoopDevice::attach(&dir.path("hashdisk"), sector) else { return };
        let (data, hash) = (data.path().to_str().unwrap(), hash.path().to_str().unwrap());
        let text = dir.ok(&format!("format {data} {hash} --salt 00ff"));
        assert_eq!(root_hash(&text), root, "sectors of {sector} bytes");
        dir.ok(&format!("verify {data} {hash} {root}"));
        dir.ok(&format!("verify data hashdisk {root}"));
        let place = format!("--hash-offset {}", 64 * 4096 - 4096);
        dir.fails(
            &format!("format {data} {hash} {place}"),
            3,
            "the hash device has 262144 bytes, but the hash area ends at 278528",
        );
        dir.ok(&format!("verify {data} {hash} {root}"));
    }
}

#[test]
fn a_set_is_checked_on_a_loop_device() {
    let dir = Dir::with_signed_set(300);
    let Some(device) = LoopDevice::attach(&dir.path("image.raw"), 512) else { return };
    let manifest = "--manifest image.manifest.json --certificate rsa2048.cert";
    dir.ok(&format!("verify {} image.verity {manifest}", device.path().display()));
}
