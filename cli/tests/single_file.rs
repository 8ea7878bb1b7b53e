//! `build --single-file`: data, hash area and parity in one file.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Dir, Run, SIGNED_BUILD, assert_no_leftovers, root_hash};
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::oracle::{self, VeritySetup};
use verity_testdata::{files, pattern};

const BUILD: &str = "build image.raw --key rsa2048.key --certificate rsa2048.cert --seed test \
                     --single-file disk.img";
const CHECK: &str = "check disk.img --certificate rsa2048.cert";

fn dir(bytes: usize) -> Dir {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("image.raw", &pattern::sha256_stream(bytes));
    dir
}

#[test]
fn it_is_what_veritysetup_makes_in_a_copy() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    for options in [
        "",
        "--no-superblock",
        "--data-block-size 512 --hash-block-size 512",
        "--data-block-size 1024 --hash-block-size 4096 --no-superblock",
        "--hash sha1 --format 0 --hash-offset 2M",
    ] {
        for roots in [None, Some(2), Some(24)] {
            if options.contains("1024") && roots.is_some() {
                continue;
            }
            let dir = dir(297 * 1024);
            if options.contains("4096") || !options.contains("size") {
                dir.write("image.raw", &pattern::sha256_stream(300 * 4096));
            }
            let before = dir.read("image.raw");
            let fec = roots.map_or(String::new(), |roots| format!("--fec-roots {roots}"));
            let run = dir.run(&format!("{BUILD} {options} {fec} --json"));
            assert_eq!(run.code, 0, "{run:?}");
            let json = run.json();
            assert!(dir.read("image.raw") == before, "the image is only read");
            let checked = dir.ok(CHECK);
            // What is between data and hash area is covered by nothing.
            assert_eq!(checked.contains("not covered"), options.contains("2M"), "{checked}");

            dir.write("theirs", &before);
            let mut command = veritysetup.command();
            command.current_dir(dir.path("")).args(["format", "theirs", "theirs"]);
            command.args(options.split_whitespace().filter(|word| !word.contains("2M")));
            if options.contains("2M") {
                command.arg((2 << 20).to_string());
            } else {
                command.arg(format!("--hash-offset={}", json["hash_area_offset"]));
            }
            command.arg(format!("--data-blocks={}", json["data_blocks"]));
            command.arg(format!("--salt={}", json["salt"].as_str().unwrap()));
            if let Some(uuid) = json["uuid"].as_str() {
                command.arg(format!("--uuid={uuid}"));
            }
            if let Some(roots) = roots {
                let offset = &json["fec"]["offset_bytes"];
                command.args(["--fec-device=theirs", &format!("--fec-offset={offset}")]);
                command.arg(format!("--fec-roots={roots}"));
            }
            let text = oracle::run_ok(&mut command);
            assert_eq!(json["root_hash"], root_hash(&text).as_str());
            assert!(dir.read("disk.img") == dir.read("theirs"), "{options} {roots:?}");
        }
    }
}

#[test]
fn every_command_takes_it() {
    let dir = dir(300 * 4096);
    dir.ok(&format!("{BUILD} --fec-roots 2"));
    assert_eq!(
        dir.names(),
        [
            "disk.img",
            "disk.img.manifest.json",
            "disk.img.manifest.json.p7s",
            "disk.img.roothash",
            "disk.img.roothash.p7s",
            "image.raw",
            "rsa2048.cert",
            "rsa2048.key",
        ]
    );
    let manifest = "--manifest disk.img.manifest.json --certificate rsa2048.cert";
    dir.ok(&format!("verify disk.img disk.img {manifest} --all"));
    dir.ok(&format!("read disk.img disk.img {manifest} --output copy"));
    assert!(dir.read("copy") == dir.read("image.raw"));
    let table = dir.ok(&format!("table {manifest} --data-dev /dev/vda --hash-dev /dev/vda"));
    let root = String::from_utf8(dir.read("disk.img.roothash")).unwrap();
    assert!(
        table.starts_with(&format!(
            "0 2400 verity 1 /dev/vda /dev/vda 4096 4096 300 301 sha256 {root} "
        )),
        "{table}"
    );
    assert!(
        table
            .ends_with("8 use_fec_from_device /dev/vda fec_start 305 fec_blocks 304 fec_roots 2\n")
    );
    // Beside it nothing is said of the name of the image that it was made of.
    let checked = dir.run(&format!("{CHECK} --json")).json();
    assert_eq!((&checked["image_name"], &checked["uncovered_bytes"]), (&"image".into(), &0.into()));

    // In another round than the hash block.
    dir.patch("disk.img", 6 * 4096 + 7, b"changed");
    dir.patch("disk.img", 302 * 4096 + 7, b"changed");
    dir.fails(CHECK, 6, "2 corrupt blocks, all of which can be repaired");
    dir.ok(&format!("repair disk.img disk.img {manifest} --in-place"));
    dir.ok(CHECK);
}

#[test]
fn what_is_not_as_stated_is_refused() {
    let dir = dir(300 * 4096);
    dir.ok(BUILD);
    let good = dir.read("disk.img");
    for (offset, code) in [(0, 1), (300 * 4096 + 16, 1), (301 * 4096, 1), (304 * 4096 + 9, 1)] {
        files::flip_bit(&dir.path("disk.img"), offset, 0);
        dir.fails(CHECK, code, "disk.img");
        dir.write("disk.img", &good);
    }
    dir.write("disk.img", &good[..good.len() - 4096]);
    dir.fails(CHECK, 3, "its manifest states");
    dir.write("disk.img", &[&good[..], &[0; 4096]].concat());
    dir.fails(CHECK, 3, "its manifest states");
    dir.write("disk.img", &good);
    dir.ok(CHECK);
    // Hash blocks may come from a hash file as well, if they are the right ones.
    dir.write("disk.img.verity", b"");
    dir.fails(CHECK, 3, "disk.img.verity");
}

#[test]
fn zeros_that_the_image_lacks_are_in_the_copy_alone() {
    let dir = dir(300 * 4096 + 5);
    dir.fails(BUILD, 3, "--pad appends 4091 zeros");
    let text = dir.ok(&format!("{BUILD} --pad"));
    assert!(text.contains("4091 zero bytes behind the data"), "{text}");
    assert_eq!(dir.read("image.raw").len(), 300 * 4096 + 5);
    dir.ok(CHECK);
    // Of an image of which a part is covered all is copied.
    let run = dir.run(&format!("{BUILD} --data-blocks 300 --json"));
    assert_eq!((&run.json()["uncovered_bytes"], run.code), (&5.into(), 0), "{run:?}");
    assert!(dir.read("disk.img").starts_with(&dir.read("image.raw")));
    dir.ok(CHECK);
}

#[test]
fn places_and_options_that_cannot_be() {
    let dir = dir(300 * 4096);
    dir.fails(&format!("{BUILD} --systemd"), 2, "cannot be used with");
    dir.fails(&format!("{BUILD} --hash-offset 1M"), 3, "lies in the data");
    dir.fails(&BUILD.replace("disk.img", "image.raw"), 2, "is the input");
    fs::hard_link(dir.path("image.raw"), dir.path("disk.img")).unwrap();
    dir.fails(BUILD, 2, "is the input");
    fs::remove_file(dir.path("disk.img")).unwrap();
    dir.fails(&BUILD.replace("disk.img", "rsa2048.key"), 2, "is the input");
    dir.fails(&BUILD.replace("disk.img", "missing/disk.img"), 4, "missing");
    assert_no_leftovers(&dir);
}

/// It holds the data, so it is for whom the data is.
#[test]
fn c16_a_single_file_is_for_whom_the_image_is() {
    let dir = dir(4096);
    for mode in [0o600, 0o640, 0o644] {
        dir.set_mode("image.raw", mode);
        dir.ok(BUILD);
        assert_eq!(dir.mode("disk.img"), mode);
    }
    let Some(device) = LoopDevice::attach(&dir.path("image.raw"), 512) else { return };
    dir.ok(&BUILD.replace("image.raw", device.path().to_str().unwrap()));
    assert_eq!(dir.mode("disk.img"), 0o600);
}

/// The smallest tree has no block: the root hash is that of the data block.
#[test]
fn one_data_block_without_a_superblock_needs_no_hash_area() {
    for size in [5, 4096] {
        for options in ["--no-superblock", "--no-superblock --fec-roots 2"] {
            let dir = dir(size);
            dir.ok(&format!("{BUILD} --pad {options}"));
            let mut expected = dir.read("image.raw");
            expected.resize(4096, 0);
            let made = dir.read("disk.img");
            assert!(made.starts_with(&expected), "{size} {options}");
            assert_eq!(made.len() == 4096, !options.contains("fec"), "{size} {options}");
            dir.ok(CHECK);
            assert_eq!(dir.read("image.raw").len(), size);
        }
    }
}

/// What is missing then is not a fault of the storage.
#[test]
fn x06_an_image_that_shrinks_while_it_is_copied_has_changed() {
    let Some(strace) = oracle::require("strace") else { return };
    const LARGE: u64 = 40 << 20;
    let dir = dir(1);
    files::dense(&dir.path("image.raw"), LARGE);
    // No shared extents; and the copy stops behind its first part.
    let mut traced = dir.tool(strace);
    traced.args(["-f", "-o", "calls", "-e", "trace=ioctl,copy_file_range"]);
    traced.args(["-e", "inject=ioctl:error=EOPNOTSUPP"]);
    traced.args(["-e", "inject=copy_file_range:signal=STOP:when=1"]);
    traced.arg(env!("CARGO_BIN_EXE_verity")).args(BUILD.split_whitespace());
    let traced = traced.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !fs::read_to_string(dir.path("calls")).unwrap_or_default().contains("stopped by") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not stopped");
        thread::sleep(Duration::from_millis(5));
    }
    let file = fs::File::options().write(true).open(dir.path("image.raw")).unwrap();
    file.set_len(LARGE / 2).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", traced.id());
    let children = fs::read_to_string(children).unwrap();
    oracle::run_ok(dir.tool("kill").arg("-CONT").args(children.split_whitespace()));
    let run = Run::of(traced.wait_with_output().unwrap());
    assert_eq!(run.code, 7, "{run:?}");
    assert!(run.stderr.contains("image.raw") && run.stderr.contains("changed"), "{run:?}");
    assert!(!dir.exists("disk.img"));
    assert_no_leftovers(&dir);
}

/// What an earlier set had and this one has not is removed, and said.
#[test]
fn what_is_removed_is_said() {
    let dir = Dir::with_signed_set(3);
    dir.ok(&format!("{SIGNED_BUILD} --systemd"));
    let text = dir.ok("build image.raw --seed test");
    let removed: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("Removed:         \t")).collect();
    assert_eq!(
        removed,
        ["image.verity-sig", "image.roothash.p7s", "image.manifest.json.p7s"],
        "{text}"
    );
    assert!(removed.iter().all(|name| !dir.exists(name)));
    let json = dir.run("build image.raw --seed test --json").json();
    assert_eq!(json["removed"], serde_json::json!([]));
    dir.ok(SIGNED_BUILD);
    let json = dir.run("build image.raw --seed test --usr --json").json();
    assert_eq!(
        json["removed"],
        serde_json::json!(["image.roothash", "image.roothash.p7s", "image.manifest.json.p7s"])
    );
    // A hash file of its own goes when the image has it.
    fs::copy(dir.path("image.raw"), dir.path("source")).unwrap();
    let text = dir.ok("build source --single-file image.raw --seed test");
    assert!(text.contains("Removed:         \timage.verity\n"), "{text}");
}
