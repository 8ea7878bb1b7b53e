//! What the command says to who means another tool, another file or another place.

use crate::common::Dir;
use verity_testdata::oracle;
use verity_testdata::pattern;

#[test]
fn actions_of_veritysetup_are_answered_with_what_does_them() {
    let dir = Dir::new();
    for (line, word) in [
        ("create name data hash 00", "`verity open DATA NAME HASH ROOT`"),
        ("remove name", "`verity close NAME`"),
        ("--hash-offset 4096 remove name", "`verity close NAME`"),
        ("-h sha1 create name data hash 00", "`verity open DATA NAME HASH ROOT`"),
    ] {
        let run = dir.fails(line, 2, word);
        assert!(run.stderr.contains("unrecognized subcommand"), "{line}: {run:?}");
        assert!(!run.stderr.contains("similar"), "{line}: {run:?}");
    }
}

#[test]
fn options_of_veritysetup_are_answered_with_what_to_use_instead() {
    let dir = Dir::new();
    for command in ["format data hash", "verify data hash 00", "dump hash", "table hash 00"] {
        for (option, word) in [
            ("--ignore-corruption", "`--option ignore_corruption"),
            ("--restart-on-corruption", "`--option restart_on_corruption"),
            ("--panic-on-corruption", "`--option panic_on_corruption"),
            ("--error-as-corruption", "`--option restart_on_error"),
            ("--check-at-most-once", "`--option check_at_most_once"),
            ("--use-tasklets", "`--option try_verify_in_tasklet"),
            ("--deferred", "close takes --deferred"),
            ("--cancel-deferred", "close takes --cancel-deferred"),
            ("--shared", "open takes --shared"),
            ("--batch-mode", "nothing is asked"),
            ("--debug", "--verbose"),
            ("--usage", "--help"),
        ] {
            let run = dir.fails(&format!("{command} {option}"), 2, word);
            assert!(run.stderr.contains(&format!("'{option}' found\n\n  tip: ")), "{run:?}");
            assert_eq!(run.stderr.matches("tip: ").count(), 1, "{run:?}");
        }
    }
    dir.fails("format data hash --ignore-zero-blocks", 2, "verify, read and serve take it");
    dir.fails("check data --root-hash-signature x", 2, "lint-signature");
}

/// Every name in veritysetup's own help is known here, or answered with a tip.
#[test]
fn no_option_of_veritysetup_is_answered_with_a_guess() {
    let Some(veritysetup) = oracle::require("veritysetup") else { return };
    let dir = Dir::new();
    let help = oracle::run_ok(dir.tool(veritysetup).arg("--help"));
    let words = help.split(|letter: char| letter.is_whitespace() || letter == '=');
    let options: Vec<_> = words
        .map(|word| word.trim_end_matches(','))
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(options.len() > 20, "{options:?}");
    for option in options {
        for command in ["format", "verify", "dump", "table", "read", "plan"] {
            let run = dir.run(&format!("{command} {option}"));
            let unknown = run.stderr.contains("unexpected argument");
            let tip = run.stderr.contains("tip: ");
            assert!(!unknown || tip, "{command} {option}: {run:?}");
            assert!(!run.stderr.contains("similar"), "{command} {option}: {run:?}");
        }
    }
}

#[test]
fn options_of_other_commands_are_told_from_mistakes() {
    let dir = Dir::new();
    dir.fails("format data hash --all", 2, "verify takes --all, format does not");
    dir.fails("plan --image 1M --threads 2", 2, "--threads is for ");
    // A mistake in writing still has the guess of the parser.
    dir.fails("format data hash --hash-blocksize 512", 2, "'--hash-block-size'");
}

#[test]
fn options_of_a_table_are_explained() {
    let dir = Dir::with_data(4);
    let root = dir.format("");
    let line = format!("table hash {root} --data-dev a --hash-dev b");
    for (options, word) in [
        ("restart_on_corruption=1", "the option restart_on_corruption takes no value"),
        ("ignore_zero_blocks=", "the option ignore_zero_blocks takes no value"),
        ("check_at_most_once=yes", "the option check_at_most_once takes no value"),
        ("try_verify_in_tasklet=1", "the option try_verify_in_tasklet takes no value"),
        ("restart_on_error=0", "the option restart_on_error takes no value"),
        ("panic_on_corruption=panic_on_error", "panic_on_corruption takes no value"),
        ("restart-on-corruption", "the kernel spells it restart_on_corruption"),
        ("--restart-on-corruption", "the kernel spells it restart_on_corruption"),
        ("IGNORE_ZERO_BLOCKS", "the kernel spells it ignore_zero_blocks"),
        ("ignore_zero_blocks,check_at_most_once", "each option has an --option of its own"),
        ("fec_roots", "the option fec_roots needs a value: --option fec_roots=VALUE"),
        // The next option is not the value of the one before.
        (
            "root_hash_sig_key_desc --option=ignore_corruption",
            "the option root_hash_sig_key_desc needs a value",
        ),
        ("=1", "the option \"\" is not known"),
    ] {
        dir.fails(&format!("{line} --option={options}"), 2, word);
    }
    let words = line.split(' ').chain(["--option", "fec_roots 2"]);
    let run = dir.run_words(words);
    assert!(run.stderr.contains("each option has an --option of its own"), "{run:?}");
}

/// A hash area elsewhere, or one without a superblock, is what most have where there is none.
#[test]
fn a_missing_superblock_has_two_causes() {
    let dir = Dir::with_data(4);
    let root = dir.format("--hash-offset 1M");
    let devices = "--data-dev a --hash-dev b";
    for line in [
        format!("verify data hash {root}"),
        format!("read data hash {root} --output out"),
        format!("repair data hash {root} --fec-device data --dry-run"),
        format!("serve data hash {root} --socket s"),
        format!("table hash {root} {devices}"),
        format!("verify data data {root} --hash-offset 8192"),
    ] {
        let run = dir.fails(&line, 3, "no verity superblock here");
        assert!(run.stderr.contains("--hash-offset says where it lies"), "{run:?}");
        assert!(run.stderr.contains("--no-superblock"), "{run:?}");
        assert!(!run.stderr.contains("signature"), "{run:?}");
    }
    dir.write("short", b"verity");
    let run = dir.fails(&format!("verify data short {root}"), 3, "only 6 of 512 bytes");
    assert!(run.stderr.contains("--hash-offset"), "{run:?}");
    let run = dir.fails("dump data", 3, "--hash-offset says where it lies");
    assert!(!run.stderr.contains("signature"), "{run:?}");
}

#[test]
fn an_overlap_names_where_the_data_ends() {
    let dir = Dir::with_data(512);
    let run = dir.fails("format data data --hash-offset 1M", 3, "lies in the data");
    assert!(run.stderr.contains("--data-blocks says where the data ends: at most 256"), "{run:?}");
    let line = "format data hash --fec-device data --fec-offset 1M";
    dir.fails(line, 3, "--data-blocks says where the data ends: at most 256");
    dir.ok("format data data --hash-offset 1M --data-blocks 256");
}

/// Files as they begin when they are packed.
const PACKED: [(&[u8], &str); 6] = [
    (b"\x1f\x8b\x08\0", "gzip data: if it is, `gzip -d`"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"BZh9", "bzip2 data"),
    (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"QFI\xfb", "a qcow2 disk image"),
];

#[test]
fn packed_files_are_hinted_at_and_build_refuses_them() {
    for (magic, word) in PACKED {
        // A warning is shorter than a hint.
        let kind = word.split(':').next().unwrap();
        let is_compressed = !kind.ends_with("disk image");
        let dir = Dir::with_data(4);
        let root = dir.format("--seed x");
        let mut packed = pattern::painted(4 * 4096);
        packed[..magic.len()].copy_from_slice(magic);

        // What fits is protected, however it looks.
        dir.write("packed", &packed);
        let run = dir.run("format packed other");
        let (code, said) = (run.code, run.stderr);
        assert_eq!((code, said.contains(kind)), (0, is_compressed), "{word}: {said}");
        assert_eq!(said.is_empty(), !is_compressed, "{word}: {said}");

        dir.fails(&format!("verify packed hash {root}"), 1, word);
        dir.fails(&format!("read packed hash {root} --output out"), 1, word);
        dir.write("packed", &packed[..9000]);
        dir.fails(&format!("verify packed hash {root}"), 3, word);
        dir.fails("build packed", 3, kind);
        for command in ["format packed other", "plan --image packed"] {
            dir.fails(command, 3, word);
        }
        // A hash device may be packed, too.
        dir.fails(&format!("verify data packed {root}"), 3, word);
        assert!(!dir.exists("out"));
    }
}

#[test]
fn tools_make_what_is_hinted_at() {
    let dir = Dir::with_data(3);
    dir.write("image", &pattern::painted(5000));
    for (program, suffix, word) in
        [("gzip", "gz", "gzip data"), ("xz", "xz", "xz data"), ("bzip2", "bz2", "bzip2 data")]
    {
        let Some(tool) = oracle::require(program) else { continue };
        oracle::run_ok(dir.tool(tool).args(["-k", "image"]));
        dir.fails(&format!("format image.{suffix} hash"), 3, word);
    }
    let Some(tar) = oracle::require("tar") else { return };
    oracle::run_ok(dir.tool(tar).args(["-b", "3", "-cf", "image.tar", "image"]));
    dir.fails("format image.tar hash", 3, "a tar archive");
}

/// A mistyped name is not a missing manifest.
#[test]
fn a_missing_image_is_what_check_says() {
    let dir = Dir::with_signed_set(3);
    dir.fails("check typo.raw --certificate rsa2048.cert", 4, "typo.raw");
    dir.write("other.raw", b"x");
    let run = dir.fails("check other.raw --certificate rsa2048.cert", 5, "there is no manifest");
    assert!(run.stderr.contains("other.manifest.json"), "{run:?}");
}
