//! Disk images: markers, plans, second slots, partitions as files, policies and named manifests.

use std::fs;

use serde_json::Value;
use verity_testdata::{oracle, pattern};

use crate::common::disk::{CHECK_DISK, CREATE, json, partitions, range_of, with_file_system};
use crate::common::{CHECK, Dir, SIGNED_BUILD, assert_no_leftovers, root_hash};

const MARKER: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";

#[test]
fn manifests_are_found_by_name_too() {
    let dir = with_file_system();
    dir.ok(&format!("{CREATE} --usr esp"));
    dir.ok(CHECK_DISK);
    fs::create_dir(dir.path("m")).unwrap();
    for name in ["os.root.manifest.json", "os.usr.manifest.json"] {
        for suffix in ["", ".p7s"] {
            let name = format!("{name}{suffix}");
            fs::rename(dir.path(&name), dir.path("m").join(&name)).unwrap();
        }
    }
    dir.fails(CHECK_DISK, 5, "no manifest lies beside");
    let both = "--manifest m/os.usr.manifest.json --manifest m/os.root.manifest.json";
    let said = json(&dir.ok(&format!("{CHECK_DISK} {both} --json")));
    let mounts: Vec<_> = [0, 1].map(|index| said["images"][index]["mount_point"].clone()).into();
    assert_eq!(mounts, ["usr", "root"]);
    // One of two leaves the other unvouched for.
    let one = "--manifest m/os.root.manifest.json";
    dir.fails(&format!("{CHECK_DISK} {one}"), 5, "nothing vouches for");
    dir.fails(&format!("{CHECK_DISK} {one} --no-manifest"), 2, "--no-manifest");

    assert_eq!(json(&dir.ok("image show os.raw --json"))["manifests"], Value::Array(Vec::new()));
    let shown = json(&dir.ok(&format!("image show os.raw {one} --json")));
    assert_eq!(
        (&shown["manifests"][0]["data"], &shown["manifests"][0]["hash"]),
        (&1.into(), &2.into())
    );
    assert!(dir.ok(&format!("image show os.raw {one}")).contains("os version 7"));
    dir.fails("image show os.raw --manifest fs", 3, "fs");
}

#[test]
fn the_manifest_of_a_set_may_lie_elsewhere() {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("image.raw", &pattern::sha256_stream(20 * 4096));
    dir.ok(SIGNED_BUILD);
    dir.ok(CHECK);
    for suffix in ["", ".p7s"] {
        let from = dir.path(&format!("image.manifest.json{suffix}"));
        fs::rename(from, dir.path(&format!("m{suffix}"))).unwrap();
    }
    dir.fails(CHECK, 5, "no manifest");
    dir.ok(&format!("{CHECK} --manifest m"));
    dir.fails(&format!("{CHECK} --manifest m --manifest m"), 2, "several");
    dir.fails(&format!("{CHECK} --manifest m --policy root=signed"), 2, "this is none");
}

#[test]
fn h19_a_disk_that_a_policy_does_not_take_is_refused() {
    let dir = with_file_system();
    dir.ok(&format!("{CREATE} --partition esp=esp"));
    for policy in [
        "root=signed+absent:usr=signed+absent",
        "root=verity",
        "root=unprotected+read-only-on",
        "*",
        "-",
        "root=signed:esp=unprotected:=absent:root-verity=open:root-verity-sig=open",
        // What a tree and a signature need comes with the data that needs them.
        "root=signed+absent:esp=unprotected:=absent",
        "root=signed+read-only-on",
    ] {
        let said = json(&dir.ok(&format!("{CHECK_DISK} --json --policy {policy}")));
        assert_eq!(said["policy"], policy);
    }
    for (policy, words) in [
        ("root=absent", "root is signed, and the policy takes absent"),
        ("root=encrypted+absent", "root is signed, and the policy takes encrypted+absent"),
        ("usr=signed", "usr is absent, and the policy takes signed"),
        ("esp=absent", "esp is unprotected, and the policy takes absent"),
        ("~", "root is signed"),
        ("root=signed+read-only-off", "root has read-only-on"),
        ("root=signed+growfs-on", "root has growfs-off"),
        (
            "root=verity:esp=unprotected:=absent",
            "root-verity-sig is unprotected, and the policy takes absent",
        ),
        (
            "root=unprotected:esp=unprotected:=absent",
            "root-verity is unprotected, and the policy takes absent",
        ),
    ] {
        dir.fails(&format!("{CHECK_DISK} --policy {policy}"), 5, words);
    }
    for wrong in ["root", "root=cake", "cake=signed", "root=signed:root=signed"] {
        dir.fails(&format!("{CHECK_DISK} --policy {wrong}"), 2, "--policy");
    }
}

/// systemd takes such a disk, and mounts it without its tree (cli/tests/dissect.rs).
#[test]
fn h19_what_systemd_mounts_without_its_tree_is_not_called_safe() {
    let dir = with_file_system();
    let keys = "--key rsa2048.key --certificate rsa2048.cert";
    for (kind, signing, policies) in [
        ("usr", keys, ["usr=signed", "usr=verity", "root=signed+absent:usr=signed+absent"]),
        ("root", "", ["root=verity", "root=verity+absent", "root=verity+absent:usr=absent"]),
    ] {
        let create = format!("image create os.raw --{kind} fs --seed s --arch x86-64 {signing}");
        let root = json(&dir.ok(&format!("{create} --json")))["images"][0]["root_hash"].clone();
        if signing.is_empty() {
            let name = format!("os.{kind}.manifest.json");
            let sign = format!("sign --manifest {name} {keys} --output {name}.p7s");
            dir.ok(&sign);
        }
        for policy in policies {
            dir.fails(&format!("{CHECK_DISK} --policy {policy}"), 5, "systemd mounts it without");
        }
        for policy in [format!("{kind}=unprotected"), "*".to_owned(), "-".to_owned()] {
            dir.ok(&format!("{CHECK_DISK} --policy {policy}"));
        }
        let other = root.as_str().unwrap().replace(['0', '1'], "2");
        dir.write(&format!("os.{kind}hash"), other.as_bytes());
        dir.fails(
            &format!("{CHECK_DISK} --policy {}", policies[0]),
            5,
            "systemd mounts it without",
        );
        dir.write(&format!("os.{kind}hash"), root.as_str().unwrap().as_bytes());
        for policy in policies {
            dir.ok(&format!("{CHECK_DISK} --policy {policy}"));
        }
        std::fs::remove_file(dir.path(&format!("os.{kind}hash"))).unwrap();
        dir.ok(CHECK_DISK);
    }
}

#[test]
fn both_slots_can_hold_the_image_and_one_is_discovered() {
    let dir = with_file_system();
    dir.ok(&format!("{CREATE} --slots 2 --fill-both --fec-roots 2"));
    let disk = dir.read("os.raw");
    let parts = partitions(&dir, "os.raw");
    for number in 0..3 {
        let (a, b) = (&parts[number], &parts[number + 3]);
        assert!(disk[range_of(a)] == disk[range_of(b)]);
        assert_ne!(a["uuid"], b["uuid"]);
        assert_eq!((&b["attributes"], &b["label"]), (&"0x9000000000000000".into(), &a["label"]));
    }
    let said = dir.ok(CHECK_DISK);
    assert!(said.contains("root of os.raw (not discoverable)"), "{said}");
    let said = json(&dir.ok(&format!("{CHECK_DISK} --json")));
    let found = [0, 1].map(|index| said["images"][index]["discoverable"].clone());
    assert_eq!(found, [true, false]);
    assert_eq!(said["images"][1]["partition"], 4);
    dir.ok(&format!("{CHECK_DISK} --state state --image-name os"));
    // A block, the superblock's neighbour and the signature of the second slot count as well.
    for (number, at, code) in [(3, 200 * 4096 + 9, 1), (4, 5000, 1), (5, 30, 5)] {
        let mut bad = disk.clone();
        bad[range_of(&parts[number]).start + at] ^= 1;
        dir.write("os.raw", &bad);
        let run = dir.run(CHECK_DISK);
        assert!(run.code == code || run.code == 6, "{number}: {run:?}");
    }
    dir.write("os.raw", &disk);
    for threads in [1, 3] {
        dir.ok(&format!("{CREATE} --slots 2 --fill-both --fec-roots 2 --threads {threads}"));
        assert!(dir.read("os.raw") == disk);
    }
    dir.fails(&format!("{CREATE} --fill-both"), 2, "--slots 2");

    dir.ok("image create b.raw --root fs --layout bottlerocket --seed s --fill-both");
    let root = json(&String::from_utf8(dir.read("b.root.manifest.json")).unwrap());
    let root = root["root_hash"].as_str().unwrap();
    dir.ok(&format!("verify b.raw#root-b b.raw#hash-b {root}"));
    assert!(dir.ok("slots b.raw").contains("boots next: a"));
}

/// A file that firmware starts, with a certificate table or without one, and a marker in it.
fn program(certificates: u32) -> Vec<u8> {
    let mut bytes = vec![0; 8192];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[60..64].copy_from_slice(&64_u32.to_le_bytes());
    bytes[64..68].copy_from_slice(b"PE\0\0");
    bytes[88..90].copy_from_slice(&[0x0b, 0x02]);
    bytes[196..200].copy_from_slice(&16_u32.to_le_bytes());
    bytes[232..236].copy_from_slice(&(8192 - certificates).to_le_bytes());
    bytes[236..240].copy_from_slice(&certificates.to_le_bytes());
    bytes[4000..4064].copy_from_slice(MARKER.as_bytes());
    bytes
}

#[test]
fn markers_become_the_root_hash_that_a_plan_tells_before() {
    let dir = with_file_system();
    let mut esp = pattern::sha256_stream(3 << 20);
    let places = [7_usize, (1 << 20) - 30, (3 << 20) - 64];
    for place in places {
        esp[place..place + 64].copy_from_slice(MARKER.as_bytes());
    }
    dir.write("esp", &esp);
    let names = dir.names();
    let line = format!("{CREATE} --partition esp=esp --fill esp={MARKER}");
    let plan = json(&dir.ok(&format!("{line} --plan --json")));
    assert_eq!(dir.names(), names);
    assert_eq!((&plan["planned"], &plan["signed"]), (&true.into(), &false.into()));
    let root = plan["images"][0]["root_hash"].as_str().unwrap().to_owned();
    let parameters = plan["images"][0]["kernel_parameters"].as_str().unwrap().to_owned();

    let made = json(&dir.ok(&format!("{line} --json")));
    assert_eq!(made["images"], plan["images"]);
    assert_eq!(made["partitions"], plan["partitions"]);
    assert_eq!(made["filled"][0]["offsets"], serde_json::json!(places));
    let mut filled = esp.clone();
    for place in places {
        filled[place..place + 64].copy_from_slice(root.as_bytes());
    }
    let parts = partitions(&dir, "os.raw");
    assert!(dir.read("os.raw")[range_of(&parts[0])] == filled[..]);
    dir.ok(CHECK_DISK);
    assert!(dir.read("esp") == esp);
    let said = dir.ok(&line);
    assert!(said.contains("in 3 places: bytes 7, 1048546, 3145664"), "{said}");

    // The partitions that were just made, by their UUIDs.
    let emitted = dir.ok(&format!("{line} --emit systemd"));
    assert_eq!(emitted, format!("{parameters}\n"));
    let uuid = |number: usize| parts[number]["uuid"].as_str().unwrap();
    let expected = format!(
        "roothash={root} systemd.verity_root_data=PARTUUID={} \
         systemd.verity_root_hash=PARTUUID={}",
        uuid(1),
        uuid(2)
    );
    assert_eq!(parameters, expected);
    dir.fails(&line.replace("--seed test", "--plan"), 2, "--seed");
}

#[test]
fn h20_a_marker_that_is_not_there_or_is_signed_is_refused() {
    let dir = with_file_system();
    let before = dir.names();
    let line = |more: &str| format!("{CREATE} --partition esp=esp {more}");
    dir.fails(&line(&format!("--fill esp={MARKER}")), 3, "does not occur");
    assert_eq!(dir.names(), before);
    dir.fails(&line("--fill esp=short"), 2, "has 5 characters");
    dir.fails(&line(&format!("--fill boot={MARKER}")), 2, "no partition is called");
    dir.fails(&line(&format!("--fill root-x86-64={MARKER}")), 2, "no file in it");
    dir.fails(&line(&format!("--fill esp,usr={MARKER}")), 2, "no image");
    dir.fails(&line("--fill esp"), 2, "PARTITION=MARKER");
    dir.write("esp", &[vec![0; 512], program(0)].concat());
    dir.ok(&line(&format!("--fill esp={MARKER}")));
    let names = dir.names();
    let made = dir.read("os.raw");
    dir.write("esp", &[vec![0; 512], program(8)].concat());
    dir.fails(&line(&format!("--fill esp={MARKER}")), 3, "PE file that is signed");
    assert_eq!((dir.names(), dir.read("os.raw") == made), (names, true));
    assert_no_leftovers(&dir);
}

#[test]
fn partitions_are_files_as_well_when_that_is_asked_for() {
    let dir = with_file_system();
    let said = json(&dir.ok(&format!(
        "{CREATE} --slots 2 --split --json --partition esp=esp --partition esp=fs \
         --partition linux,size=1M"
    )));
    let disk = dir.read("os.raw");
    let parts = partitions(&dir, "os.raw");
    let files = [
        (0, "os.esp.raw"),
        (1, "os.esp-2.raw"),
        (3, "os.root-x86-64.raw"),
        (4, "os.root-x86-64-verity.raw"),
        (5, "os.root-x86-64-verity-sig.raw"),
    ];
    for (number, name) in files {
        assert!(dir.read(name) == disk[range_of(&parts[number])], "{name}");
        assert!(said["files"].as_array().unwrap().contains(&name.into()), "{said}");
    }
    let raw = dir.names().iter().filter(|name| name.ends_with(".raw")).count();
    assert_eq!(raw, files.len() + 1);
    let root = said["images"][0]["root_hash"].as_str().unwrap();
    dir.ok(&format!("verify os.root-x86-64.raw os.root-x86-64-verity.raw {root}"));
}

#[test]
fn digest_and_block_index_are_made_in_the_same_pass() {
    let dir = with_file_system();
    let data = dir.read("fs");
    let wanted = "--seed s --image-digest sha256 --block-index index --copy-to copy --threads 2";
    let line = format!("format fs hash {wanted}");
    let Some((run, bytes)) = dir.bytes_read(&line, "fs") else { return };
    assert_eq!(run.code, 0, "{run:?}");
    assert!(bytes <= 300 * 4096 + 4096, "{bytes} bytes were read");
    let sum = oracle::run_ok(dir.tool("sha256sum").arg("fs"));
    let sum = sum.split(' ').next().unwrap();
    assert!(run.stdout.ends_with(&format!("Image sha256:    \t{sum}\n")), "{}", run.stdout);
    let expected: Vec<u8> = data
        .chunks(4096)
        .flat_map(|block| verity_testdata::reference::digest("sha256", &[block]))
        .collect();
    assert!(dir.read("index") == expected);
    assert!(dir.read("copy") == data);
    dir.ok(&format!("verify copy hash {}", root_hash(&run.stdout)));

    // With parity, and of everything that is built.
    let said = json(&dir.ok("build fs --seed s --image-digest sha512 --fec-roots 2 --json"));
    let sum = oracle::run_ok(dir.tool("sha512sum").arg("fs"));
    assert_eq!(said["image_digest"]["digest"], sum.split(' ').next().unwrap());
    assert_eq!(said["image_digest"]["algorithm"], "sha512");
    fs::remove_file(dir.path("index")).unwrap();
    dir.ok("build fs --seed s --fec-roots 2 --block-index index --copy-to other");
    assert!(dir.read("index") == expected && dir.read("other") == data);

    let small = "--data-block-size 512 --hash-block-size 512";
    dir.fails(&format!("format fs h2 --block-index i2 {small}"), 2, "are smaller");
    dir.fails("format fs h2 --image-digest sha256 --data-blocks 3", 2, "--image-digest");
    dir.fails("format fs h2 --block-index index --copy-to index", 2, "two outputs");
    assert!(!dir.exists("h2") && !dir.exists("i2"));
    assert_no_leftovers(&dir);
}

#[test]
fn compressed_data_is_built_only_if_it_is_meant() {
    let dir = Dir::new();
    let mut packed = vec![0x1f, 0x8b, 8];
    packed.resize(8192, 1);
    dir.write("fs.gz", &packed);
    let said = dir.fails("build fs.gz --seed s", 3, "looks like gzip data");
    assert!(said.stderr.contains("gzip -dc FILE | verity"), "{said:?}");
    assert!(!dir.exists("fs.gz.verity"));
    dir.ok("build fs.gz --seed s --raw");
    let run = dir.run("format fs.gz hash --seed s");
    assert_eq!((run.code, run.stderr.contains("warning: fs.gz: looks like gzip data")), (0, true));
}

/// A path that is there as it was typed is meant, but nobody has typed these.
#[test]
fn h21_files_called_like_partitions_stand_in_for_none() {
    let dir = with_file_system();
    dir.ok(CREATE);
    let disk = dir.read("os.raw");
    for (number, partition) in (1..).zip(partitions(&dir, "os.raw")) {
        dir.write(&format!("os.raw#{number}"), &disk[range_of(&partition)]);
    }
    let data = range_of(&partitions(&dir, "os.raw")[0]);
    dir.patch("os.raw", data.start + 7, b"changed");
    dir.fails(CHECK_DISK, 1, "block 0");
    dir.fails(&format!("{CHECK_DISK} --no-manifest"), 1, "block 0");
    dir.write("os.raw", &disk);
    dir.write("os.raw#3", b"no signature");
    dir.ok(CHECK_DISK);
    dir.ok(&format!("{CHECK_DISK} --no-manifest"));
}

/// An image of two, and one of one, by the same name: nothing of the first is left.
#[test]
fn what_an_earlier_disk_had_beside_it_goes_and_no_more_may_read_it_than_its_inputs() {
    use std::os::unix::fs::PermissionsExt;
    let dir = with_file_system();
    dir.ok(&format!("{CREATE} --usr esp"));
    fs::set_permissions(dir.path("fs"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::remove_file(dir.path("os.raw")).unwrap();
    dir.ok(&format!("{CREATE} --split"));
    assert!(!dir.exists("os.usr.manifest.json") && !dir.exists("os.usr.manifest.json.p7s"));
    dir.ok(CHECK_DISK);
    for name in ["os.raw", "os.root-x86-64.raw", "os.root-x86-64-verity.raw"] {
        let mode = fs::metadata(dir.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
    }
    let (unsigned, _) = CREATE.split_once(" --key").unwrap();
    dir.ok(unsigned);
    assert!(!dir.exists("os.root.manifest.json.p7s"));
    dir.fails(CHECK_DISK, 5, "os.root.manifest.json.p7s");
}

#[test]
fn copies_and_digests_are_of_all_of_the_data_and_never_over_what_it_lies_with() {
    let dir = with_file_system();
    dir.ok(&format!("{CREATE} --slots 2"));
    let disk = dir.read("os.raw");
    for place in ["os.raw#4", "os.raw@3M"] {
        dir.fails(&format!("format os.raw#1 hash --copy-to {place}"), 2, "lie in one file");
    }
    assert!(dir.read("os.raw") == disk && !dir.exists("hash"));
    let one = "format fs fs --data-blocks 100 --hash-offset 409600";
    for option in ["--image-digest sha256", "--copy-to copy", "--block-index index"] {
        dir.fails(&format!("{one} {option}"), 2, "takes what is hashed");
    }
    assert!(!dir.exists("copy") && !dir.exists("index"));
}
