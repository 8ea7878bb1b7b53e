//! `verity table`: the lines that activate an image.

mod common;

use common::{Dir, root_hash, wrong};

const DEVICES: &str = "--data-dev /dev/vda1 --hash-dev /dev/vda2";

#[test]
fn bottlerockets_line_is_reproduced() {
    let dir = Dir::with_data(300);
    let text = dir.ok("format data hash --salt 00ff");
    let root = root_hash(&text);
    let line = format!(
        "table hash {root} --data-dev PARTUUID=$boot_uuid/PARTNROFF=1 --hash-dev PARTUUID=$boot_uuid/PARTNROFF=2 \
         --option restart_on_corruption --option ignore_zero_blocks"
    );
    let table = format!(
        "0 2400 verity 1 PARTUUID=$boot_uuid/PARTNROFF=1 PARTUUID=$boot_uuid/PARTNROFF=2 4096 4096 300 1 sha256 \
         {root} 00ff 2 restart_on_corruption ignore_zero_blocks"
    );
    assert_eq!(dir.ok(&line), format!("{table}\n"));
    assert_eq!(dir.ok(&format!("{line} --emit dm-mod-create")), format!("root,,,ro,{table}\n"));
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
            "0 32 verity 1 /dev/vda1 /dev/vda2 4096 4096 4 3 sha256 {root} - 2 root_hash_sig_key_desc verity:root\n"
        )
    );
}

#[test]
fn the_origin_of_the_geometry_is_always_said() {
    let set = Dir::with_signed_set(4);
    let unsigned = set.run(&format!("table --manifest image.manifest.json {DEVICES}"));
    assert_eq!(unsigned.code, 0);
    let warning = "verity: warning: image.manifest.json: geometry: not authenticated (manifest without --certificate)\n";
    assert_eq!(unsigned.stderr, warning);
    let signed = set
        .run(&format!("table --manifest image.manifest.json --certificate rsa2048.cert {DEVICES}"));
    assert_eq!((signed.code, &*signed.stderr), (0, ""));
    assert_eq!(signed.stdout, unsigned.stdout);
    let root = String::from_utf8(set.read("image.roothash")).unwrap();
    let superblock = set.run(&format!("table image.verity {root} {DEVICES}"));
    assert_eq!(superblock.stdout, signed.stdout);
    assert!(superblock.stderr.contains("geometry: not authenticated (superblock)"));
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
                "table hash {root} {DEVICES} --option ignore_corruption --option panic_on_corruption"
            ),
            "corruption",
        ),
    ] {
        dir.fails(&line, 2, word);
    }
    let run = dir.run_words(["table", "hash", &root, "--data-dev", "a b", "--hash-dev", "c"]);
    assert_eq!(run.code, 2, "{run:?}");
}
