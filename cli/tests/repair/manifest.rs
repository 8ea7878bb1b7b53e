//! Parity that a manifest states: it needs no options, and what is given must agree.

use serde_json::json;

use super::image::overwrite;
use crate::common::Dir;

const BUILD: &str =
    "build image.raw --key rsa2048.key --certificate rsa2048.cert --seed test --fec-roots 4";

fn built() -> Dir {
    let dir = Dir::with_signed_set(300);
    dir.ok(BUILD);
    dir
}

fn line(command: &str) -> String {
    let (command, options) = command.split_once(' ').unwrap_or((command, ""));
    format!(
        "{command} image.raw image.verity --manifest image.manifest.json \
         --certificate rsa2048.cert {options}"
    )
}

#[test]
fn a_manifest_says_where_the_parity_is() {
    let dir = built();
    let good = dir.read("image.raw");
    let check = crate::common::CHECK;
    assert!(dir.ok(&line("verify --all")).contains("; the parity of 2 rounds is right"));
    dir.ok(check);
    [0, 2, 4, 6].into_iter().for_each(|block| overwrite(&dir.path("image.raw"), block * 4096));
    let run = dir.fails(&line("verify"), 6, "4 corrupt blocks");
    assert!(run.stdout.starts_with("geometry: manifest\n"), "{run:?}");
    dir.fails(check, 6, "4 corrupt blocks");
    for options in ["--fec-roots 4", "--fec-offset 20480", "--fec-device image.verity"] {
        dir.fails(&line(&format!("repair --dry-run {options}")), 6, "4 corrupt blocks");
    }
    for options in ["--fec-roots 3", "--fec-offset 0", "--fec-offset 24576"] {
        dir.fails(&line(&format!("repair --in-place {options}")), 3, "is pinned to");
    }
    let said = dir.ok(&line("repair --output copy"));
    assert!(said.contains("manifest: signed by ") && dir.read("copy") == good, "{said}");
    let (code, bytes, said) = dir.run_bytes(&line("read"));
    assert!(code == 0 && bytes == good, "{said}");
    dir.ok(&line("repair --in-place"));
    assert!(dir.read("image.raw") == good);
    dir.ok(check);
}

#[test]
fn parity_may_be_kept_elsewhere_but_not_nowhere() {
    let dir = built();
    let hash = dir.read("image.verity");
    dir.write("parity", &hash);
    dir.write("image.verity", &hash[..20480]);
    let run = dir.fails(&line("verify"), 3, "the FEC device has 20480 bytes");
    assert!(run.stderr.contains("image.verity"), "{run:?}");
    overwrite(&dir.path("image.raw"), 4096);
    dir.fails(&line("verify --fec-device parity"), 6, "1 corrupt block");
    dir.ok(&line("repair --fec-device parity --in-place"));
    dir.ok(&line("verify --fec-device parity --all"));
}

/// Parity does not cover the superblock; the image under it can be repaired all the same.
#[test]
fn a_corrupt_superblock_is_told_and_hinders_no_repair() {
    let dir = built();
    let good = dir.read("image.raw");
    dir.patch("image.verity", 20, &[0x55; 4]);
    let hash = dir.read("image.verity");
    dir.fails(&line("verify"), 1, "superblock");
    dir.fails(&line("read --output x"), 1, "superblock");
    overwrite(&dir.path("image.raw"), 4096);
    dir.fails(&line("verify"), 1, "superblock");
    let run = dir.fails(&line("repair --dry-run"), 1, "parity does not cover it");
    assert!(run.stdout.contains("repairable: data block 1 "), "{run:?}");
    let run = dir.fails(&line("repair --output copy"), 1, "no copy is made");
    assert!(run.stderr.contains("superblock") && !dir.exists("copy"), "{run:?}");
    let run = dir.run(&line("repair --in-place --json"));
    assert_eq!((run.code, &run.json()["class"]), (1, &json!("not-verified")), "{run:?}");
    assert_eq!(run.json()["repaired_blocks"], 1);
    assert!(dir.read("image.raw") == good && dir.read("image.verity") == hash);
    dir.fails(&line("repair --in-place"), 1, "all else is right");
    // Without one, and with every parameter from the manifest, all is well.
    let manifest: serde_json::Value =
        serde_json::from_slice(&dir.read("image.manifest.json")).unwrap();
    let text = |key: &str| manifest[key].as_str().unwrap().to_owned();
    let pins = format!(
        "{} --no-superblock --hash-offset 4096 --hash sha256 --format 1 --data-block-size 4096 \
         --hash-block-size 4096 --data-blocks 300 --salt {} --fec-device image.verity \
         --fec-offset 20480 --fec-roots 4",
        text("root_hash"),
        text("salt"),
    );
    let said = dir.ok(&format!("repair image.raw image.verity {pins} --in-place"));
    assert!(said.contains("geometry: pinned") && said.contains("nothing was corrupt"), "{said}");
}
