//! `-` in place of a file name, `--quiet`, and the words by which people ask for help.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::{Dir, Run, SIGNED_BUILD, UUID};
use verity_testdata::{oracle, pattern};

/// Runs a command line with these bytes on standard input, through a pipe.
fn with_input(dir: &Dir, line: &str, input: &[u8]) -> (i32, Vec<u8>, String) {
    let mut command = dir.command();
    command.args(line.split_whitespace()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who fails early does not read to the end.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), output.stdout, said)
}

/// Keys, an image, its root hash in `root` and a manifest.
fn signed() -> Dir {
    let dir = Dir::new();
    dir.key("rsa2048");
    dir.write("image.raw", &pattern::sha256_stream(9 * 4096));
    dir.ok(SIGNED_BUILD);
    dir
}

const KEY: &str = "--key rsa2048.key --certificate rsa2048.cert";

#[test]
fn inputs_are_read_from_standard_input() {
    let dir = signed();
    let root = dir.read("image.roothash");
    for (line, file) in [
        ("verify image.raw image.verity --root-hash-file -", "image.roothash"),
        ("table image.verity --root-hash-file - --data-dev a --hash-dev b", "image.roothash"),
        ("table --manifest - --data-dev a --hash-dev b", "image.manifest.json"),
        ("check image.raw --certificate -", "rsa2048.cert"),
        ("check image.raw --ca -", "rsa2048.cert"),
        ("lint-signature - --certificate rsa2048.cert", "image.roothash.p7s"),
        ("lint-signature image.roothash.p7s --certificate -", "rsa2048.cert"),
        (
            "verify image.raw image.verity --root-hash-file image.roothash \
             --certificate rsa2048.cert --root-hash-signature -",
            "image.roothash.p7s",
        ),
        // Read once, though two signatures are checked by it.
        (
            "verify image.raw image.verity --manifest image.manifest.json \
             --root-hash-signature image.roothash.p7s --certificate -",
            "rsa2048.cert",
        ),
        ("dump -", "image.verity"),
    ] {
        let (code, _, said) = with_input(&dir, line, &dir.read(file));
        // No authority is needed for what this test is about.
        let expected = if line.contains("--ca") { 5 } else { 0 };
        assert_eq!(code, expected, "{line}: {said}");
        let (code, ..) = with_input(&dir, line, b"");
        assert_ne!(code, 0, "{line}");
    }
    for (line, file, made) in [
        (format!("sign --root-hash-file - {KEY} --output out"), "image.roothash", "image.roothash"),
        (
            format!("sign --manifest - {KEY} --output out"),
            "image.manifest.json",
            "image.manifest.json",
        ),
    ] {
        let (code, _, said) = with_input(&dir, &line, &dir.read(file));
        assert_eq!(code, 0, "{line}: {said}");
        assert!(dir.read("out") == dir.read(&format!("{made}.p7s")), "{line}");
    }
    let line = "dump - --hash-offset 4096";
    let shifted = [vec![7; 4096], dir.read("image.verity")].concat();
    let (code, text, said) = with_input(&dir, line, &shifted);
    assert_eq!(code, 0, "{said}");
    dir.write("shifted", &shifted);
    let expected = dir.ok("dump shifted --hash-offset 4096").replace(" shifted\n", " -\n");
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert!(!dir.exists("-"));
    // A long one is refused, and not kept in memory.
    let long = [root, vec![b' '; 3 << 20]].concat();
    let line = "verify image.raw image.verity --root-hash-file -";
    let (code, _, said) = with_input(&dir, line, &long);
    assert!(code == 2 && said.contains("longer than 4096 bytes"), "{said}");
}

#[test]
fn a_passphrase_is_read_from_standard_input() {
    let Some(dir) = Dir::with_encrypted_key() else { return };
    let root = crate::common::ROOT;
    let line = format!(
        "sign {root} --key enc.key --passphrase-file - --certificate rsa2048.cert --output out"
    );
    let (code, _, said) = with_input(&dir, &line, crate::common::PASSPHRASE.as_bytes());
    assert_eq!(code, 0, "{said}");
    assert!(dir.read("out") == dir.read("plain"));
    for (input, words) in [
        ("", "standard input: the passphrase is empty"),
        ("a\nb\n", "standard input: the passphrase has a line end"),
    ] {
        let (code, _, said) = with_input(&dir, &line, input.as_bytes());
        assert_eq!((code, said.trim_end().starts_with("verity: ")), (5, true), "{said}");
        assert!(said.contains(words) && !said.contains("/dev/fd"), "{said}");
    }
}

#[test]
fn outputs_are_written_to_standard_output() {
    let dir = signed();
    dir.ok("prepare-signature --root-hash-file image.roothash --certificate rsa2048.cert \
            --output digest --content-output content");
    let message = dir.read("image.roothash.p7s");
    dir.write("raw", &message[message.len() - 256..]);
    let content = "--root-hash-file image.roothash";
    for (line, file) in [
        (format!("sign {content} {KEY} --output -"), "image.roothash.p7s"),
        (format!("sign {content} {KEY} --output=-"), "image.roothash.p7s"),
        (
            format!(
                "attach-signature {content} --certificate rsa2048.cert --raw-signature raw \
                 --output -"
            ),
            "image.roothash.p7s",
        ),
        (format!("prepare-signature {content} --certificate rsa2048.cert --output -"), "digest"),
        (
            format!(
                "prepare-signature {content} --certificate rsa2048.cert --output d \
                 --content-output -"
            ),
            "content",
        ),
        ("format image.raw hash --seed test --root-hash-file -".to_owned(), "image.roothash"),
    ] {
        let (code, bytes, said) = dir.run_bytes(&line);
        assert_eq!(code, 0, "{line}: {said}");
        assert!(bytes == dir.read(file), "{line}");
        assert!(!said.is_empty() && !dir.exists("-"), "{line}: {said}");
        let (_, bytes, said) = dir.run_bytes(&format!("{line} --json"));
        assert!(bytes == dir.read(file), "{line}");
        let json: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(json["schema"], 2, "{line}");
        let (_, bytes, said) = dir.run_bytes(&format!("{line} --quiet"));
        assert!(bytes == dir.read(file) && said.is_empty(), "{line}: {said}");
    }
    let (_, _, said) = dir.run_bytes(&format!("sign {content} {KEY} --output -"));
    assert!(said.contains(" into standard output ("), "{said}");
}

/// Nothing that is a stream for one command becomes a file called `-` for another.
#[test]
fn no_file_is_called_like_a_stream() {
    let dir = signed();
    for line in [
        "format image.raw -",
        "format image.raw hash --fec-device -",
        "verify - image.verity --root-hash-file image.roothash",
        "verify image.raw - --root-hash-file image.roothash",
        "build image.raw --output-dir -",
        "check -",
        "check image.raw --certificate rsa2048.cert --state -",
        "repair image.raw image.verity --root-hash-file image.roothash --output -",
        "serve image.raw image.verity --root-hash-file image.roothash --socket -",
        "sign --root-hash-file image.roothash --key - --certificate rsa2048.cert --output out",
    ] {
        let run = dir.fails(line, 2, "./-");
        assert_eq!(run.stdout, "", "{line}");
        assert!(!dir.exists("-"), "{line}");
        let json = dir.run(&format!("{line} --json")).json();
        assert_eq!(json["class"], "usage", "{line}");
    }
    for line in ["format - hash", "build -"] {
        dir.fails(line, 2, "--copy-to");
        assert!(!dir.exists("-"), "{line}");
    }
    // A salt is not a file, and a path is not a stream.
    dir.ok("format image.raw ./- --salt -");
    assert!(dir.ok("dump ./-").contains("Salt:            \t-\n"));
    dir.ok(&format!("format image.raw ./- --uuid {UUID} --salt - --root-hash-file ./root"));
    dir.ok("verify image.raw ./- --root-hash-file root");
}

#[test]
fn one_stream_serves_one_argument() {
    let dir = signed();
    for (line, word) in [
        (
            "verify image.raw image.verity --root-hash-file - --manifest - --certificate x",
            "standard input: --manifest, --root-hash-file",
        ),
        (
            "check image.raw --certificate - --certificate -",
            "standard input: --certificate, --certificate",
        ),
        (
            "sign --root-hash-file image.roothash --key k --certificate c --output - \
             --signature-partition -",
            "standard output: --output, --signature-partition",
        ),
    ] {
        let run = dir.run(line);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("only one argument can be"), "{run:?}");
        let mut named: Vec<_> =
            run.stderr.trim().rsplit(": ").next().unwrap().split(", ").collect();
        named.sort_unstable();
        assert!(word.ends_with(&named.join(", ")), "{run:?}");
    }
}

/// Standard input that is a file is an input like any other.
#[test]
fn an_output_does_not_replace_the_file_that_is_standard_input() {
    let dir = signed();
    let mut command = dir.command();
    let line = format!("sign --root-hash-file - {KEY} --output image.roothash");
    command.args(line.split_whitespace());
    command.stdin(File::open(dir.path("image.roothash")).unwrap());
    let before = dir.read("image.roothash");
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(dir.read("image.roothash"), before);
}

/// A signal ends the waiting for standard input.
#[test]
fn a_signal_ends_the_waiting_for_standard_input() {
    let dir = signed();
    let mut command = dir.command();
    command.args(["verify", "image.raw", "image.verity", "--root-hash-file", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(mask, 16).unwrap() >> 14 & 1 == 1
    };
    while !caught() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let stdin = child.stdin.take();
    let run = Run::of(child.wait_with_output().unwrap());
    drop(stdin);
    assert_eq!(run.code, 143, "{run:?}");
}

#[test]
fn quiet_says_nothing_of_a_success() {
    let dir = signed();
    let root = String::from_utf8(dir.read("image.roothash")).unwrap();
    for line in [
        "format image.raw hash".to_owned(),
        format!("verify image.raw image.verity {root}"),
        "dump image.verity".to_owned(),
        "plan --image 1M".to_owned(),
        format!("read image.raw image.verity {root} --output out"),
        "build image.raw --output-dir .".to_owned(),
        SIGNED_BUILD.to_owned(),
        "check image.raw --certificate rsa2048.cert".to_owned(),
        format!("sign {root} {KEY} --output out"),
        "lint-signature image.roothash.p7s".to_owned(),
    ] {
        for quiet in ["-q", "--quiet"] {
            let run = dir.run(&format!("{line} {quiet}"));
            assert_eq!((run.code, &*run.stdout, &*run.stderr), (0, "", ""), "{line}");
        }
        let run = dir.run(&format!("-q {line} --json"));
        assert_eq!(run.json()["schema"], 2, "{line}");
    }
    // The table, and bytes, are what is asked for, and no report.
    let table = format!("table image.verity {root} --data-dev a --hash-dev b");
    let quiet = dir.run(&format!("{table} -q"));
    assert_eq!(quiet.stdout, dir.ok(&table));
    let (code, bytes, said) = dir.run_bytes(&format!("read image.raw image.verity {root} -q"));
    assert!(code == 0 && bytes == dir.read("image.raw") && said.is_empty(), "{said}");
    // Errors remain, with what was found.
    dir.patch("image.raw", 4096, b"changed");
    let run = dir.fails(&format!("verify image.raw image.verity {root} -q"), 1, "data block 1");
    assert!(run.stdout.contains("data block 1"), "{run:?}");
    dir.fails("verify -q -v", 2, "cannot be used with");
}

#[test]
fn help_and_version_have_words_too() {
    let dir = Dir::new();
    let help = dir.ok("--help");
    for line in ["help", "-h", "--help", "-?", "-q help"] {
        assert_eq!(dir.ok(line), help, "{line}");
    }
    for command in ["build", "verify", "lint-signature"] {
        let help = dir.ok(&format!("{command} --help"));
        for line in [format!("help {command}"), format!("{command} -h"), format!("-h {command}")] {
            assert_eq!(dir.ok(&line), help, "{line}");
        }
        // The codes are told in one place, and the way there in all.
        assert!(help.contains("\nExit codes: verity help exit-codes\n"), "{help}");
    }
    let codes = dir.ok("help exit-codes");
    assert!(help.contains(codes.trim()), "{codes}");
    assert_eq!(codes.lines().count(), 10);
    assert_eq!(dir.ok("version"), dir.ok("--version"));
    dir.fails("help bogus", 2, "bogus");
    // In a command it is the hash algorithm, unless nothing follows.
    dir.fails("plan --image 1M -h md4", 2, "md4");
    dir.ok("plan --image 1M -h sha512");
}

/// What a terminal of a width shows while an image is hashed, a line each time.
fn shown(dir: &Dir, columns: u32, name: &str, line: &str) -> Vec<String> {
    let binary = env!("CARGO_BIN_EXE_verity");
    let line = format!("stty rows 24 cols {columns}; {binary} {line}");
    let mut script = dir.tool("script");
    script.args(["-qec", &line, "/dev/null"]).env("TERM", name).stdin(Stdio::null());
    let output = script.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            // Control sequences take no room.
            '\u{1b}' => {
                let _ = rest.by_ref().find(char::is_ascii_alphabetic);
            }
            character => plain.push(character),
        }
    }
    plain.split(['\r', '\n']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn progress_names_the_step_and_fits_the_terminal() {
    if oracle::require("script").is_none() || oracle::require("stty").is_none() {
        return;
    }
    let dir = Dir::new();
    dir.write("data", &vec![1; 64 << 20]);
    let line = "format data hash --hash sha3-512 --threads 1 --seed a";
    for columns in [20, 40, 69, 80, 200] {
        let lines = shown(&dir, columns, "xterm", line);
        let bars: Vec<_> = lines.iter().filter(|line| line.starts_with("hashing")).collect();
        assert!(!bars.is_empty(), "{columns}: {lines:?}");
        for bar in bars {
            assert!(bar.chars().count() <= usize::try_from(columns).unwrap(), "{columns}: {bar:?}");
        }
    }
    // A terminal that cannot go back gets a line, once.
    let lines = shown(&dir, 80, "dumb", line);
    let named: Vec<_> = lines.iter().filter(|line| line.contains("hashing")).collect();
    assert_eq!(named, ["verity: hashing"], "{lines:?}");
    for name in ["xterm", "dumb"] {
        assert_eq!(shown(&dir, 80, name, &format!("{line} -q")), [""; 0]);
    }
}
