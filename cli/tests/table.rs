//! `verity table`: the lines that activate an image.

use crate::common::{Dir, SIGNED_BUILD, root_hash, wrong};

const DEVICES: &str = "--data-dev /dev/vda1 --hash-dev /dev/vda2";

#[test]
fn bottlerockets_line_is_reproduced() {
    let dir = Dir::with_data(300);
    let text = dir.ok("format data hash --salt 00ff");
    let root = root_hash(&text);
    let line = format!(
        "table hash {root} --data-dev PARTUUID=$boot_uuid/PARTNROFF=1 \
         --hash-dev PARTUUID=$boot_uuid/PARTNROFF=2 \
         --option restart_on_corruption --option ignore_zero_blocks"
    );
    let table = format!(
        "0 2400 verity 1 PARTUUID=$boot_uuid/PARTNROFF=1 PARTUUID=$boot_uuid/PARTNROFF=2 4096 4096 \
         300 1 sha256 \
         {root} 00ff 2 restart_on_corruption ignore_zero_blocks"
    );
    assert_eq!(dir.ok(&line), format!("{table}\n"));
    assert_eq!(
        dir.ok(&format!("{line} --emit dm-mod-create")),
        format!("dm-mod.create=\"root,,,ro,{table}\"\n")
    );
    assert_eq!(
        dir.ok(&format!("{line} --emit grub")),
        format!("set dm_verity_root=\"root,,,ro,{table}\"\n")
    );
    assert_eq!(
        dir.ok(&format!("{line} --emit grub --name usr")),
        format!("set dm_verity_usr=\"usr,,,ro,{table}\"\n")
    );
    let json = dir.run(&format!("{line} --json")).json();
    assert_eq!(json["text"], table);
    assert_eq!(json["geometry"], "not authenticated (superblock)");
}

#[test]
fn options_with_values_and_other_places_of_the_superblock() {
    let dir = Dir::with_data(4);
    let root = root_hash(&dir.ok("format data hash --salt - --hash-offset 8192"));
    let stdout = dir.ok(&format!(
        "table hash {root} {DEVICES} --hash-offset 8192 --option root_hash_sig_key_desc=verity:root"
    ));
    assert_eq!(
        stdout,
        format!(
            "0 32 verity 1 /dev/vda1 /dev/vda2 4096 4096 4 3 sha256 {root} - 2 \
             root_hash_sig_key_desc verity:root\n"
        )
    );
}

#[test]
fn the_origin_of_the_geometry_is_always_said() {
    let set = Dir::with_signed_set(4);
    let unsigned = set.run(&format!("table --manifest image.manifest.json {DEVICES}"));
    assert_eq!(unsigned.code, 0);
    let warning = "verity: warning: image.manifest.json: geometry: not authenticated (manifest \
                   without --certificate)\n";
    assert_eq!(unsigned.stderr, warning);
    let signed = set
        .run(&format!("table --manifest image.manifest.json --certificate rsa2048.cert {DEVICES}"));
    assert_eq!((signed.code, &*signed.stderr), (0, ""));
    assert_eq!(signed.stdout, unsigned.stdout);
    let root = String::from_utf8(set.read("image.roothash")).unwrap();
    let superblock = set.run(&format!("table image.verity {root} {DEVICES}"));
    assert_eq!(superblock.stdout, signed.stdout);
    assert!(superblock.stderr.contains("geometry: not authenticated (superblock)"));
    for (line, is_authenticated) in [
        ("--manifest image.manifest.json", false),
        ("--manifest image.manifest.json --certificate rsa2048.cert", true),
        (&*format!("image.verity {root}"), false),
    ] {
        let json = set.run(&format!("table {line} {DEVICES} --json")).json();
        assert_eq!(json["geometry_authenticated"], is_authenticated, "{line}");
    }
    set.key("other");
    set.fails(
        &format!("table --manifest image.manifest.json --certificate other.cert {DEVICES}"),
        5,
        "",
    );
    set.write("bad.json", b"{}");
    set.fails(&format!("table --manifest bad.json {DEVICES}"), 3, "bad.json");
    set.fails(&format!("table image.verity {} {DEVICES}", &wrong(&root)[2..]), 2, "root hash");
}

/// What the tables of parity say in front of it, for 300 data blocks of 4096 bytes.
fn head(root: &str, salt: &str, hash_start: u64) -> String {
    format!("0 2400 verity 1 /dev/vda1 /dev/vda2 4096 4096 300 {hash_start} sha256 {root} {salt}")
}

/// A directory with an image of 300 blocks, its set with parity, and the root hash.
fn set_with_parity(options: &str) -> (Dir, String) {
    let dir = Dir::with_signed_set(300);
    dir.ok(&format!("{SIGNED_BUILD} {options}"));
    let root = String::from_utf8(dir.read("image.roothash")).expect("a root hash");
    (dir, root)
}

#[test]
fn parity_of_a_manifest_stands_in_the_table() {
    for (options, hash_start, start) in [
        ("--salt 00ff", 1, 5),
        ("--salt 00ff --no-superblock", 0, 4),
        ("--salt 00ff --hash-offset 4608", 2, 6),
    ] {
        let dir = Dir::new();
        dir.write("image.raw", &verity_testdata::pattern::sha256_stream(300 * 4096));
        dir.ok(&format!("build image.raw --fec-roots 3 {options}"));
        let root = String::from_utf8(dir.read("image.roothash")).unwrap();
        let head = head(&root, "00ff", hash_start);
        let line = format!("table --manifest image.manifest.json {DEVICES}");
        let fec = |device: &str, start: u64| {
            format!("use_fec_from_device {device} fec_start {start} fec_blocks 304 fec_roots 3")
        };
        let own = fec("/dev/vda2", start);
        assert_eq!(dir.ok(&line), format!("{head} 8 {own}\n"));
        let with_options = format!("{line} --option restart_on_corruption");
        let table = format!("{head} 9 restart_on_corruption {own}");
        assert_eq!(dir.ok(&with_options), format!("{table}\n"));
        assert_eq!(
            dir.ok(&format!("{with_options} --emit dm-mod-create")),
            format!("dm-mod.create=\"root,,,ro,{table}\"\n")
        );
        assert_eq!(
            dir.ok(&format!("{with_options} --emit grub --name usr")),
            format!("set dm_verity_usr=\"usr,,,ro,{table}\"\n")
        );
        let other = fec("/dev/vda3", start);
        assert_eq!(dir.ok(&format!("{line} --fec-dev /dev/vda3")), format!("{head} 8 {other}\n"));
        let other = fec("/dev/vda3", 0);
        assert_eq!(
            dir.ok(&format!("{line} --fec-dev /dev/vda3 --fec-offset 0")),
            format!("{head} 8 {other}\n")
        );
        assert_eq!(dir.ok(&format!("{line} --no-fec")), format!("{head}\n"));
        let json = dir.run(&format!("{line} --json")).json();
        let expected = serde_json::json!({
            "device": "/dev/vda2", "fec_start": start, "fec_blocks": 304, "fec_roots": 3,
        });
        assert_eq!(json["fec"], expected);
        assert_eq!(
            dir.run(&format!("{line} --no-fec --json")).json()["fec"],
            serde_json::Value::Null
        );
    }
}

/// Only a signature says where the parity is; with one, nobody changes it.
#[test]
fn p01_parity_of_a_signed_manifest_is_authenticated() {
    let (dir, _) = set_with_parity("--fec-roots 2");
    let line = format!("table --manifest image.manifest.json --certificate rsa2048.cert {DEVICES}");
    let run = dir.run(&line);
    assert_eq!((run.code, &*run.stderr), (0, ""));
    assert!(run.stdout.contains("fec_start 5 fec_blocks 304 fec_roots 2"), "{run:?}");
    let manifest = String::from_utf8(dir.read("image.manifest.json")).unwrap();
    for (from, to) in [("\"fec_roots\":2", "\"fec_roots\":4"), ("20480", "24576"), ("304", "305")] {
        dir.write("image.manifest.json", manifest.replace(from, to).as_bytes());
        dir.fails(&line, 5, "image.manifest.json.p7s");
    }
}

/// What veritysetup would tell the kernel, from the size of the hash device.
#[test]
fn parity_beside_a_superblock_is_what_veritysetup_computes() {
    let (dir, root) = set_with_parity("--fec-roots 2");
    let manifest = dir.ok(&format!("table --manifest image.manifest.json {DEVICES}"));
    let line = format!("table image.verity {root} {DEVICES}");
    let same = format!("{line} --fec-dev /dev/vda2 --fec-offset 20480");
    assert_eq!(dir.ok(&same), manifest);
    assert_eq!(dir.ok(&format!("{same} --fec-roots 2 --fec-blocks 304")), manifest);
    assert_eq!(
        dir.ok(&line),
        dir.ok(&format!("table --manifest image.manifest.json --no-fec {DEVICES}"))
    );

    // On another device the parity covers the hash device to its end, as it was when the parity was
    // made.
    dir.write("hash", &[7; 10 * 4096 + 1]);
    let made =
        dir.run("format image.raw hash --salt 00ff --fec-device fec --fec-roots 5 --json").json();
    let root = made["root_hash"].as_str().unwrap();
    let line = format!("table hash {root} {DEVICES} --fec-dev /dev/vda3 --fec-roots 5");
    let head = head(root, "00ff", 1);
    let expected = |start: u64, blocks: u64| {
        format!(
            "{head} 8 use_fec_from_device /dev/vda3 fec_start {start} fec_blocks {blocks} \
             fec_roots 5\n"
        )
    };
    assert_eq!(made["fec"]["fec_blocks"], 309);
    assert_eq!(dir.ok(&line), expected(0, 309));
    assert_eq!(dir.ok(&format!("{line} --fec-offset 8K --fec-blocks 304")), expected(2, 304));
    assert_eq!(dir.ok(&line.replace("--fec-dev ", "--fec-device ")), expected(0, 309));
}

#[test]
fn parity_that_cannot_be_is_not_put_into_a_table() {
    let (dir, root) = set_with_parity("--fec-roots 2");
    let superblock = format!("table image.verity {root} {DEVICES}");
    let manifest = format!("table --manifest image.manifest.json {DEVICES}");
    for (line, word) in [
        (format!("{superblock} --fec-offset 0"), "--fec-dev"),
        (format!("{superblock} --fec-roots 2"), "--fec-dev"),
        (format!("{superblock} --fec-blocks 304"), "--fec-dev"),
        (format!("{superblock} --no-fec"), "cannot be used with"),
        (format!("{superblock} --fec-dev f --fec-roots 1"), "--fec-roots"),
        (format!("{superblock} --fec-dev f --fec-roots 25"), "--fec-roots"),
        (format!("{superblock} --fec-dev f --fec-offset 512"), "not a multiple of 4096"),
        (format!("{superblock} --fec-dev f --fec-blocks 303"), "have 304"),
        (format!("{superblock} --fec-dev f --fec-blocks 18446744073709551615"), "beyond 2^64"),
        (format!("{superblock} --fec-dev /dev/vda2"), "must lie behind the hash area"),
        (
            format!("{superblock} --fec-dev /dev/vda2 --fec-offset 16K"),
            "must lie behind the hash area",
        ),
        (
            format!("{superblock} --fec-dev /dev/vda2 --fec-offset 20K --fec-blocks 305"),
            "lies in what it covers",
        ),
        (
            format!("{superblock} --fec-dev /dev/vda1 --fec-offset 1196K"),
            "must lie behind the data",
        ),
        (
            format!(
                "{superblock} --fec-dev f --option use_fec_from_device=g --option fec_start=0 \
                 --option fec_blocks=304 --option fec_roots=2"
            ),
            "parity already",
        ),
        (format!("{manifest} --fec-dev f --no-fec"), "cannot be used with"),
        (format!("{manifest} --fec-offset 0"), "--fec-dev"),
        (format!("{manifest} --fec-dev f --fec-offset 100"), "not a multiple of 4096"),
    ] {
        let is_geometry = ["multiple", "must lie", "lies in", "have 304", "2^64"]
            .iter()
            .any(|it| word.contains(it));
        dir.fails(&line, if is_geometry { 3 } else { 2 }, word);
    }
    let words = manifest.split(' ').chain(["--fec-dev", "a b"]);
    let run = dir.run_words(words);
    assert_eq!(run.code, 2, "{run:?}");
    let line = format!("{superblock} --fec-dev /dev/vda2 --fec-offset 24K");
    dir.fails(&line, 3, "the FEC device has 36864 bytes, but the parity");
    let line = format!("{superblock} --fec-dev f --fec-blocks 309");
    dir.fails(
        &line,
        3,
        "image.verity: the hash device has 36864 bytes, but parity over 309 blocks",
    );
    // Beside a manifest they are pins.
    dir.ok(&format!("{manifest} --fec-roots 2 --fec-blocks 304"));
    dir.fails(&format!("{manifest} --fec-roots 3"), 3, "fec roots is pinned to 3, but 2 is stated");
    dir.fails(&format!("{manifest} --fec-blocks 305"), 3, "fec blocks is pinned to 305");
    dir.ok("build image.raw");
    dir.fails(&format!("{manifest} --no-fec"), 2, "no effect");
    dir.fails(&format!("{manifest} --fec-blocks 304"), 2, "states no parity");
    dir.fails(&format!("{manifest} --fec-dev f"), 2, "states no parity");
    // Still there: the four words as they are.
    let words = "--option use_fec_from_device=f --option fec_start=0 --option fec_blocks=304 \
                 --option fec_roots=2";
    assert!(
        dir.ok(&format!("{manifest} {words}"))
            .ends_with("fec_start 0 fec_blocks 304 fec_roots 2\n")
    );
}

#[test]
fn contradictions_and_useless_options_are_usage_errors() {
    let dir = Dir::with_data(4);
    let root = dir.format("");
    for (line, word) in [
        (format!("table hash {DEVICES}"), "a root hash is needed"),
        (format!("table {DEVICES}"), "required"),
        (format!("table hash {root} --manifest m {DEVICES}"), "cannot be used with"),
        (format!("table --manifest m --hash-offset 0 {DEVICES}"), "cannot be used with"),
        (format!("table hash {root} --certificate c {DEVICES}"), "go with --manifest only"),
        (format!("table --certificate c {DEVICES}"), "required"),
        (format!("table hash {root} --data-dev a"), "--hash-dev"),
        (format!("table hash {root} {DEVICES} --name x"), "no effect"),
        (format!("table hash {root} {DEVICES} --emit text"), "--emit"),
        (format!("table hash {root} {DEVICES} --option bogus"), "bogus"),
        (
            format!("table hash {root} {DEVICES} --option root_hash_sig_key_desc"),
            "root_hash_sig_key_desc",
        ),
        (
            format!(
                "table hash {root} {DEVICES} --option ignore_corruption \
                 --option panic_on_corruption"
            ),
            "corruption",
        ),
    ] {
        dir.fails(&line, 2, word);
    }
    let run = dir.run_words(["table", "hash", &root, "--data-dev", "a b", "--hash-dev", "c"]);
    assert_eq!(run.code, 2, "{run:?}");
}

/// Where there is no superblock everything is said by options, as to verify and read.
#[test]
fn a_table_takes_the_parameters_that_verify_takes() {
    let dir = Dir::with_data(300);
    let root = root_hash(&dir.ok("format data hash --salt 00ff"));
    dir.ok("format data bare --salt 00ff --no-superblock");
    let line = format!("table bare {root} {DEVICES} --no-superblock --data-blocks 300 --salt 00ff");
    let run = dir.run(&line);
    assert_eq!((run.code, run.stdout), (0, format!("{}\n", head(&root, "00ff", 0))));
    assert!(run.stderr.contains("geometry: not authenticated (assumed)"), "{}", run.stderr);
    let all = "--hash sha256 --format 1 --data-block-size 4096 --hash-block-size 4096";
    let run = dir.run(&format!("{line} {all} --json"));
    assert_eq!((run.json()["geometry"].as_str(), &*run.stderr), (Some("pinned"), ""));
    assert_eq!(run.json()["geometry_authenticated"], true);
    // With a superblock they are pins.
    let pinned =
        dir.run(&format!("table hash {root} {DEVICES} --data-blocks 300 --salt 00ff {all}"));
    assert_eq!((pinned.code, &*pinned.stderr), (0, ""));
    assert_eq!(pinned.stdout, format!("{}\n", head(&root, "00ff", 1)));

    dir.ok("format data far --salt 00ff --no-superblock --hash-offset 8192");
    let far = line.replace("bare", "far");
    assert_eq!(
        dir.ok(&format!("{far} --hash-offset 8192")),
        format!("{}\n", head(&root, "00ff", 2))
    );

    for (line, code, word) in [
        (line.replace("--data-blocks 300", ""), 2, "--data-blocks is needed with --no-superblock"),
        (format!("{line} --uuid {}", crate::common::UUID), 2, "--uuid has no effect"),
        (line.replace("300 ", "30000 "), 3, "bare: the hash device has 16384 bytes, but the hash"),
        (format!("{line} --hash-offset 100"), 3, "100"),
        (format!("{line} --hash sha512"), 2, "root hash"),
        (format!("table hash {root} {DEVICES} --data-blocks 299"), 3, "hash: "),
        (format!("table hash {root} {DEVICES} --uuid {}", crate::common::UUID), 3, "uuid"),
    ] {
        dir.fails(&line, code, word);
    }
    let set = Dir::with_signed_set(4);
    let line = format!("table --manifest image.manifest.json {DEVICES}");
    set.ok(&format!("{line} --data-blocks 4"));
    set.fails(&format!("{line} --data-blocks 5"), 3, "image.manifest.json");
    for option in ["--no-superblock", "--uuid a60c98d2-ae9b-4865-bfcb-b4e3ace11033"] {
        set.fails(&format!("{line} {option}"), 2, "cannot be used with");
    }
}
