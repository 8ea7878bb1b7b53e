//! `verity build` and `verity check`: a set that is whole, or refused.

use std::fs;

use crate::common::{self, CHECK, Dir, SIGNED_BUILD, UUID, assert_no_leftovers};
use verity_testdata::oracle::VeritySetup;
use verity_testdata::{files, oracle, pattern};

const PARTS: [&str; 5] = [
    "image.verity",
    "image.roothash",
    "image.roothash.p7s",
    "image.manifest.json",
    "image.manifest.json.p7s",
];

#[test]
fn build_makes_what_check_accepts() {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("image.raw", &pattern::sha256_stream(300 * 4096));
    let stdout = dir.ok(SIGNED_BUILD);
    assert!(PARTS.iter().all(|part| dir.exists(part)), "{stdout}");
    let root = common::root_hash(&stdout);
    assert_eq!(dir.read("image.roothash"), root.as_bytes());
    assert_no_leftovers(&dir);
    dir.ok(CHECK);
}

#[test]
fn openssl_accepts_both_signatures() {
    let dir = Dir::with_signed_set(3);
    if oracle::require("openssl").is_none() {
        return;
    }
    for content in ["image.roothash", "image.manifest.json"] {
        let mut openssl = dir.tool("openssl");
        openssl.args(["cms", "-verify", "-binary", "-inform", "DER", "-noverify", "-nointern"]);
        openssl.args([
            "-in",
            &format!("{content}.p7s"),
            "-content",
            content,
            "-certfile",
            "rsa2048.cert",
        ]);
        oracle::run_ok(&mut openssl);
    }
}

#[test]
fn the_image_is_described_in_the_manifest() {
    let dir = Dir::new();
    dir.write("usr.raw", &pattern::sha256_stream(4096));
    dir.ok("build usr.raw --usr --seed s --image-name os --image-version 18446744073709551615 \
            --label x --not-after 7");
    assert_eq!(dir.names(), ["usr.manifest.json", "usr.raw", "usr.usrhash", "usr.verity"]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&dir.read("usr.manifest.json")).unwrap();
    assert_eq!(manifest["image"]["name"], "os");
    assert_eq!(manifest["image"]["version"].as_u64(), Some(u64::MAX));
    assert_eq!(manifest["image"]["label"], "x");
    assert_eq!(manifest["image"]["size_bytes"], 4096);
    assert_eq!(manifest["not_after"], 7);
}

#[test]
fn c18_the_same_seed_gives_the_same_set() {
    let dir = Dir::with_signed_set(300);
    let first = PARTS.map(|part| dir.read(part));
    dir.ok(&format!("{SIGNED_BUILD} --threads 5"));
    assert!(first == PARTS.map(|part| dir.read(part)));
    fs::create_dir(dir.path("out")).unwrap();
    dir.ok(&format!("{SIGNED_BUILD} --output-dir out"));
    assert!(first == PARTS.map(|part| dir.read(&format!("out/{part}"))));
    dir.ok(&format!("{CHECK} --output-dir out"));
}

#[test]
fn check_refuses_a_set_with_any_part_missing_empty_or_changed() {
    for (part, missing) in PARTS.into_iter().zip([4, 4, 5, 5, 5]) {
        let dir = Dir::with_signed_set(3);
        let good = dir.read(part);
        fs::remove_file(dir.path(part)).unwrap();
        dir.fails(CHECK, missing, part);
        dir.write(part, b"");
        assert_ne!(dir.run(CHECK).code, 0, "{part} is empty");
        for byte in [0, good.len() / 2, good.len() - 1] {
            dir.write(part, &good);
            files::flip_bit(&dir.path(part), u64::try_from(byte).unwrap(), 0);
            let run = dir.run(CHECK);
            assert!([1, 2, 5].contains(&run.code), "{part} at {byte}: {run:?}");
        }
        dir.write(part, &good);
        dir.ok(CHECK);
    }
}

#[test]
fn check_refuses_another_image() {
    let dir = Dir::with_signed_set(3);
    files::flip_bit(&dir.path("image.raw"), 5000, 0);
    dir.fails(CHECK, 1, "image.raw: data block 1");
    let good = pattern::sha256_stream(3 * 4096);
    dir.write("image.raw", &good[..2 * 4096]);
    dir.fails(CHECK, 3, "the image has 8192 bytes, its manifest states 12288");
    dir.write("image.raw", &[&good[..], b"x"].concat());
    dir.fails(CHECK, 3, "the image has 12289 bytes");
}

#[test]
fn p30_parts_of_two_signed_images_do_not_mix() {
    let dir = Dir::with_signed_set(3);
    let old = PARTS.map(|part| dir.read(part));
    dir.write("image.raw", &pattern::painted(3 * 4096));
    dir.ok(SIGNED_BUILD);
    let new = PARTS.map(|part| dir.read(part));
    for mixture in 1u32..31 {
        for (index, part) in PARTS.into_iter().enumerate() {
            let source = if mixture >> index & 1 == 1 { &old } else { &new };
            dir.write(part, &source[index]);
        }
        let run = dir.run(CHECK);
        assert!([1, 5].contains(&run.code), "{mixture:05b}: {run:?}");
    }
}

#[test]
fn an_unsigned_build_takes_the_old_signatures_away() {
    let dir = Dir::with_signed_set(3);
    let stdout = dir.ok("build image.raw");
    assert_eq!(stdout.matches("Written:").count(), 3);
    assert_eq!(
        dir.names(),
        [
            "image.manifest.json",
            "image.raw",
            "image.roothash",
            "image.verity",
            "rsa2048.cert",
            "rsa2048.key"
        ]
    );
    dir.fails(CHECK, 5, "image.manifest.json.p7s: there is no signature");
}

#[test]
fn the_root_hash_signature_must_be_by_a_trusted_certificate_too() {
    let dir = Dir::with_signed_set(3);
    dir.key("other");
    dir.ok("sign --root-hash-file image.roothash --key other.key --certificate other.cert \
            --output image.roothash.p7s");
    dir.fails(CHECK, 5, "image.roothash.p7s");
    dir.ok(&format!("{CHECK} --certificate other.cert"));
}

#[test]
fn p32_a_manifest_beyond_its_end_is_refused() {
    let dir = Dir::with_signed_set(3);
    dir.ok(&format!("{SIGNED_BUILD} --not-after 1000000000"));
    dir.fails(CHECK, 5, "image.manifest.json");
    dir.ok(&format!("{SIGNED_BUILD} --not-after 99999999999"));
    dir.ok(CHECK);
}

#[test]
fn k06_key_and_certificate_must_match_before_the_image_is_read() {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.key("other");
    dir.fails("build missing.raw --key other.key --certificate rsa2048.cert", 5, "other.key");
    dir.write("image.raw", &pattern::sha256_stream(4096));
    dir.fails("build image.raw --key other.key --certificate rsa2048.cert", 5, "other.key");
    assert!(dir.names().iter().all(|name| name == "image.raw" || name.contains('.')));
    assert!(!dir.exists("image.verity"));
    for (options, word) in [
        ("--key rsa2048.key", "--certificate"),
        ("--certificate rsa2048.cert", "--key"),
        ("--embed-certificate", "--key"),
        ("--image-version -1", "unexpected argument"),
        ("--image-version 18446744073709551616", "64 bits"),
        ("--seed x --salt 00", "cannot be used with"),
        ("--image-name=", "name"),
    ] {
        dir.fails(&format!("build image.raw {options}"), 2, word);
    }
    assert!(!dir.exists("image.verity"));
}

#[test]
fn c10_an_image_named_like_a_part_is_not_overwritten() {
    let dir = Dir::new();
    dir.write("image.verity.raw", &pattern::sha256_stream(4096));
    fs::hard_link(dir.path("image.verity.raw"), dir.path("image.verity.verity")).unwrap();
    dir.fails("build image.verity.raw", 2, "image.verity.verity");
    assert_eq!(dir.read("image.verity.raw"), pattern::sha256_stream(4096));
    dir.fails("build ..", 2, "");
    dir.fails("build image.verity.raw --output-dir missing", 4, "missing");
}

#[test]
fn the_image_is_read_once() {
    let dir = Dir::new();
    dir.key("rsa2048");
    if oracle::require("strace").is_none() {
        return;
    }
    dir.write("image.raw", &pattern::sha256_stream(1000 * 4096));
    let mut strace = dir.tool("strace");
    // One trace for each thread, so that no line is broken by another thread.
    strace.args(["-ff", "-y", "-o", "trace", "-e", "trace=pread64,read,mmap,preadv2"]);
    strace.arg(env!("CARGO_BIN_EXE_verity")).args(SIGNED_BUILD.split(' '));
    strace.args(["--fec-roots", "2"]);
    oracle::run_ok(&mut strace);
    let traces = dir.names().into_iter().filter(|name| name.starts_with("trace"));
    let trace: String = traces.map(|name| String::from_utf8(dir.read(&name)).unwrap()).collect();
    let reads = trace.lines().filter(|line| line.contains("image.raw>"));
    let sizes = reads.filter_map(|line| line.rsplit_once("= ")?.1.trim().parse::<u64>().ok());
    // And a look at how it begins: what is compressed is refused.
    assert_eq!(sizes.sum::<u64>(), 1000 * 4096 + 512);
}

#[test]
fn an_expired_certificate_is_warned_of_and_still_trusted() {
    let dir = Dir::with_signed_set(3);
    let expired = verity_testdata::path("keys/TEST_KEY_DO_NOT_USE.expired.cert.pem");
    dir.write("expired.cert", &files::read(&expired));
    let run = dir.run(&format!("{CHECK} --certificate expired.cert"));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("warning: expired.cert: the certificate is expired"), "{run:?}");
}

#[test]
fn parameters_reach_the_set() {
    let dir = Dir::new();
    dir.key("p256");
    dir.write("image.raw", &pattern::sha256_stream(300 * 4096));
    for options in [
        "--no-superblock",
        "--hash-offset 4608",
        "--hash sha512 --hash-block-size 8K --data-block-size 1K --salt -",
        "--data-blocks 299",
        "--format 0 --hash sha384",
    ] {
        dir.ok(&format!("build image.raw --key p256.key --certificate p256.cert {options}"));
        dir.ok("check image.raw --certificate p256.cert");
        dir.ok(
            "verify image.raw image.verity --manifest image.manifest.json --certificate p256.cert",
        );
        fs::remove_file(dir.path("image.verity")).unwrap();
    }
}

#[test]
fn c10_keys_and_certificates_named_like_parts_are_not_overwritten() {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("image.raw", &[1; 4096]);
    for part in ["roothash", "roothash.p7s", "manifest.json", "usrhash", "usrhash.p7s"] {
        for secret in ["rsa2048.key", "rsa2048.cert"] {
            let name = format!("image.{part}");
            std::fs::rename(dir.path(secret), dir.path(&name)).unwrap();
            let before = dir.read(&name);
            let line = SIGNED_BUILD.replace(secret, &name);
            dir.fails(&line, 2, &name);
            assert_eq!(dir.read(&name), before, "{line}");
            std::fs::rename(dir.path(&name), dir.path(secret)).unwrap();
        }
    }
}

/// A root hash that is validly signed, but of the image before, must not stay under the other name.
#[test]
fn a_build_for_usr_takes_the_signed_root_hash_of_another_kind_away() {
    let dir = Dir::with_signed_set(3);
    dir.ok("build image.raw --usr");
    assert!(!dir.exists("image.roothash") && !dir.exists("image.roothash.p7s"));
    dir.ok(SIGNED_BUILD);
    assert!(!dir.exists("image.usrhash"));
    dir.ok(CHECK);
}

/// What a script would paste into a table is what the signature covers, to the byte.
#[test]
fn check_takes_the_root_hash_file_to_the_letter() {
    let dir = Dir::with_signed_set(3);
    let root = String::from_utf8(dir.read("image.roothash")).unwrap();
    for other in
        [root.to_uppercase(), format!("{root}\n"), format!(" {root}"), root[1..].to_owned()]
    {
        dir.write("image.roothash", other.as_bytes());
        dir.fails(CHECK, 5, "image.roothash");
    }
    dir.write("image.roothash", root.as_bytes());
    dir.ok(CHECK);
}

#[test]
fn check_refuses_bytes_behind_the_hash_tree() {
    let dir = Dir::with_signed_set(3);
    let mut hash = dir.read("image.verity");
    hash.push(0);
    dir.write("image.verity", &hash);
    dir.fails(CHECK, 3, "image.verity");
}

#[test]
fn c14_a_hostile_manifest_cannot_steer_the_terminal() {
    let dir = Dir::new();
    dir.write("m", b"{\"manifest_version\":1,\"\\u001b[2K\\nverity: verified\\u202e\":1}");
    let line = "table --manifest m --data-dev /dev/a --hash-dev /dev/b";
    let run = dir.fails(line, 3, "unknown field");
    assert!(!run.stderr.contains('\x1b') && !run.stderr.contains('\u{202e}'), "{run:?}");
    assert!(!run.stderr.lines().any(|line| line.starts_with("verity: verified")), "{run:?}");
}

/// In one pass and one file what `format` and `veritysetup` make of the same parameters.
#[test]
fn f04_parity_of_a_set_is_that_of_format_and_of_veritysetup() {
    let Some(veritysetup) = VeritySetup::find() else { return };
    for roots in 2..=24_usize {
        let dir = Dir::new();
        let block = if roots % 3 == 0 { 4096 } else { 512 };
        // Around full rounds.
        let data_blocks = (255 - roots) * (roots % 3 + 1) - 6 + roots % 5;
        dir.write("image.raw", &pattern::sha256_stream(data_blocks * block));
        let place = match roots % 4 {
            0 => "--no-superblock".to_owned(),
            1 => format!("--uuid {UUID} --hash-offset {}", 3 * block + 512),
            _ => format!("--uuid {UUID}"),
        };
        let options =
            format!("--data-block-size {block} --hash-block-size {block} --salt 00ff {place}");
        let build = dir.run(&format!("build image.raw {options} --fec-roots {roots} --json"));
        assert_eq!((build.code, &*build.stderr), (0, ""));
        let json = build.json();
        let offset = json["fec"]["offset_bytes"].as_u64().unwrap();
        assert_eq!(json["hash_device_bytes"].as_u64(), Some(dir.read("image.verity").len() as u64));
        let own = |hash: &str| {
            format!("{options} --fec-device {hash} --fec-offset {offset} --fec-roots {roots}")
        };
        let format = dir.run(&format!("format image.raw hash {} --json", own("hash"))).json();
        assert!(dir.read("hash") == dir.read("image.verity"), "format, {roots} roots");
        assert_eq!((&format["fec"], &format["root_hash"]), (&json["fec"], &json["root_hash"]));
        let run = |words: &str| {
            let mut command = veritysetup.command();
            oracle::run_ok(command.current_dir(dir.path("")).args(words.split(' ')))
        };
        run(&format!("format image.raw theirs {}", own("theirs")));
        assert!(dir.read("theirs") == dir.read("image.verity"), "veritysetup, {roots} roots");
        let root = json["root_hash"].as_str().unwrap();
        run(&format!("verify image.raw image.verity {root} {}", own("image.verity")));
        assert_no_leftovers(&dir);
    }
}

#[test]
fn parity_is_stated_in_the_manifest_and_checked_for() {
    let dir = Dir::with_signed_set(300);
    let text = dir.ok(&format!("{SIGNED_BUILD} --fec-roots 2"));
    for line in ["FEC RS roots:   \t2", "FEC blocks:     \t4", "Hash device size: \t36864 [bytes]"]
    {
        assert!(text.lines().any(|said| said == line), "{text}");
    }
    let manifest = String::from_utf8(dir.read("image.manifest.json")).unwrap();
    let fec = r#""fec":{"fec_roots":2,"offset_bytes":20480,"fec_blocks":304}"#;
    assert!(manifest.contains(fec), "{manifest}");
    let checked = dir.ok(CHECK);
    let line = "parity: 2 roots over 304 blocks, 16384 bytes at 20480 of the hash file";
    assert_eq!(checked.lines().last(), Some(line));
    let json = dir.run(&format!("{CHECK} --json")).json();
    assert_eq!(json["fec"]["fec_blocks"], 304);
    // The hash file ends with the parity.
    let hash = dir.read("image.verity");
    assert_eq!(hash.len(), 36864);
    for other in [&hash[..36863], &hash[..20480], &hash[..8192], &[&hash[..], b"x"].concat()] {
        dir.write("image.verity", other);
        dir.fails(CHECK, 3, "its manifest states 36864");
    }
    dir.write("image.verity", &hash);
    // Parity that could repair nothing is of no use to anyone.
    files::flip_bit(&dir.path("image.verity"), 36000, 0);
    dir.fails(CHECK, 1, "the parity of 1 round of 2 is not theirs");
    dir.write("image.verity", &hash);
    // What can be repaired is not accepted either.
    files::flip_bit(&dir.path("image.verity"), 9000, 0);
    dir.fails(CHECK, 6, "image.verity");
    // A set without parity takes it away.
    dir.ok(SIGNED_BUILD);
    assert_eq!(dir.read("image.verity").len(), 20480);
    let json = dir.run(&format!("{CHECK} --json")).json();
    assert_eq!(json["fec"], serde_json::Value::Null);
}

/// Who may sign can state nonsense too.
#[test]
fn g04_a_manifest_with_parity_in_the_tree_does_not_pass() {
    let dir = Dir::with_signed_set(300);
    dir.ok(&format!("{SIGNED_BUILD} --fec-roots 2"));
    let manifest = String::from_utf8(dir.read("image.manifest.json")).unwrap();
    for (offset, blocks, word) in [
        (0, 304, "must lie behind the hash area, which ends at 20480"),
        (16384, 304, "must lie behind the hash area, which ends at 20480"),
        (20480, 305, "lies in what it covers, which ends at 24576"),
        (24576, 304, "the FEC device has 36864 bytes, but the parity"),
    ] {
        let other = manifest
            .replace("\"offset_bytes\":20480", &format!("\"offset_bytes\":{offset}"))
            .replace("\"fec_blocks\":304", &format!("\"fec_blocks\":{blocks}"));
        dir.write("image.manifest.json", other.as_bytes());
        dir.ok("sign --manifest image.manifest.json --key rsa2048.key --certificate rsa2048.cert \
                --output image.manifest.json.p7s");
        dir.fails(CHECK, 3, "image.verity: ");
        let verify = "verify image.raw image.verity --manifest image.manifest.json";
        dir.fails(&format!("{verify} --certificate rsa2048.cert"), 3, word);
    }
}

#[test]
fn f04_parity_that_cannot_be_is_refused_before_any_work() {
    let dir = Dir::new();
    dir.write("image.raw", &pattern::sha256_stream(300 * 4096));
    for roots in ["0", "1", "25", "4294967298", "x", ""] {
        dir.fails(&format!("build image.raw --fec-roots={roots}"), 2, "--fec-roots");
    }
    dir.fails("build image.raw --fec-roots 2 --hash-block-size 1K", 3, "equal block sizes");
    dir.fails("build image.raw --fec-device x --fec-roots 2", 2, "--fec-device");
    assert_eq!(dir.names(), ["image.raw"]);
}

#[test]
fn parity_of_any_set_is_checked_and_put_into_a_table() {
    let dir = Dir::new();
    dir.key("p256");
    for (blocks, options) in [
        (300, "--no-superblock"),
        (300, "--hash-offset 4608"),
        (300, "--hash sha512 --hash-block-size 1K --data-block-size 1K --salt -"),
        (300, "--data-blocks 299"),
        (300, "--format 0 --hash sha384"),
        (1, ""),
        (1, "--no-superblock"),
    ] {
        dir.write("image.raw", &pattern::sha256_stream(blocks * 4096));
        dir.ok(&format!(
            "build image.raw --key p256.key --certificate p256.cert --fec-roots 2 {options}"
        ));
        dir.ok("check image.raw --certificate p256.cert");
        let manifest = "--manifest image.manifest.json --certificate p256.cert";
        dir.ok(&format!("verify image.raw image.verity {manifest}"));
        let table = dir.ok(&format!("table {manifest} --data-dev /dev/a --hash-dev /dev/b"));
        assert!(table.contains(" use_fec_from_device /dev/b fec_start "), "{table}");
        fs::remove_file(dir.path("image.verity")).unwrap();
    }
}

#[test]
fn c18_the_same_seed_gives_the_same_parity() {
    let dir = Dir::with_signed_set(1000);
    dir.ok(&format!("{SIGNED_BUILD} --fec-roots 24 --threads 1"));
    let first = PARTS.map(|part| dir.read(part));
    dir.ok(&format!("{SIGNED_BUILD} --fec-roots 24 --threads 5"));
    assert!(first == PARTS.map(|part| dir.read(part)));
}
