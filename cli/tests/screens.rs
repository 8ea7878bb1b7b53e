//! Whole screens: what each command prints, as text and as JSON, and its help, beside the files in
//! `screens/`.
//!
//! The real binary runs without a terminal, at a width of 100. `VERITY_BLESS=1` writes the files
//! anew, and fails where one has changed, so that somebody looks at it.

use std::fs;
use std::process::Command;

use verity_testdata::{files, pattern};

use crate::common::golden::Golden;
use crate::common::{CHECK, Dir, Run, SIGNED_BUILD, UUID, wrong};
use crate::serve::server::Server;

/// A command line and where it runs.
struct Screen {
    /// The name of its files, `NAME.txt` and `NAME.json`.
    name: &'static str,
    code: i32,
    place: fn() -> Dir,
    /// Words in capitals stand for those of [`WORDS`].
    line: &'static str,
}

const fn screen(name: &'static str, code: i32, place: fn() -> Dir, line: &'static str) -> Screen {
    Screen { name, code, place, line }
}

const COMMANDS: [&str; 25] = [
    "format",
    "verify",
    "dump",
    "plan",
    "read",
    "repair",
    "table",
    "build",
    "check",
    "lint-signature",
    "sign",
    "prepare-signature",
    "attach-signature",
    "serve",
    "open",
    "close",
    "status",
    "image",
    "image create",
    "image show",
    "image grow",
    "slots",
    "install",
    "diff",
    "rehash",
];

const SCREENS: [Screen; 49] = [
    screen("format", 0, data, "format data hash PARITY --root-hash-file root"),
    screen("format-tail", 3, tail, "format data hash"),
    screen("verify", 0, image, "verify IMAGE"),
    screen("verify-manifest", 0, signed, "verify image.raw image.verity MANIFEST"),
    screen("verify-corrupt", 1, corrupt, "verify IMAGE --all"),
    screen("verify-repairable", 6, corrupt, "verify IMAGE PARITY"),
    screen("verify-parity", 1, image_with_other_parity, "verify IMAGE PARITY --all"),
    screen("verify-wrong-root-hash", 1, another_root_hash, "verify IMAGE"),
    screen("verify-missing", 4, image, "verify missing hash CONTENT"),
    screen("verify-usage", 2, data, "verify data --threads 0"),
    screen("dump", 0, legacy, "dump hash --hash-offset 4608"),
    screen("dump-nothing", 3, image, "dump data"),
    screen("plan", 0, Dir::new, "plan --image 460M --fec-roots 2"),
    screen("plan-partition", 0, Dir::new, "plan --partition 1G --hash sha512 --no-superblock"),
    screen("read", 0, image, "read IMAGE --offset 5000 --length 9000 --output out --threads 1"),
    screen("read-corrupt", 1, corrupt, "read IMAGE --output out --threads 1"),
    screen("repair", 0, corrupt, "repair IMAGE PARITY --in-place"),
    screen("repair-nothing", 0, image, "repair IMAGE PARITY --in-place"),
    screen("repair-dry-run", 6, corrupt, "repair IMAGE PARITY --dry-run"),
    screen("repair-beyond", 1, beyond, "repair IMAGE PARITY --in-place"),
    screen("table", 0, signed, "table MANIFEST DEVICES"),
    screen("table-superblock", 0, image, "table hash --root-hash-file root DEVICES"),
    screen("build", 0, keys, "build image.raw KEY --seed test --systemd --fec-roots 2"),
    screen("build-unsigned", 0, keys, "build image.raw --seed test"),
    screen("build-other-key", 5, keys, "build image.raw --key other.key CERTIFICATE"),
    screen("check", 0, signed, "check image.raw CERTIFICATE --state state"),
    screen("check-corrupt", 1, corrupt_without_parity, "check image.raw CERTIFICATE"),
    screen("check-repairable", 6, signed_and_corrupt, "check image.raw CERTIFICATE"),
    screen("check-untrusted", 5, signed, "check image.raw --certificate other.cert"),
    screen("check-older", 5, older, "check image.raw CERTIFICATE --state state"),
    screen("lint-signature", 0, signed, "lint-signature image.roothash.p7s CERTIFICATE"),
    screen(
        "lint-signature-refused",
        5,
        signed,
        "lint-signature image.roothash.p7s --certificate other.cert",
    ),
    screen("sign", 0, keys, "sign CONTENT KEY --output root.p7s"),
    screen(
        "prepare-signature",
        0,
        keys,
        "prepare-signature CONTENT CERTIFICATE --output digest --content-output text",
    ),
    screen("attach-signature", 0, signature, "attach-signature CONTENT CERTIFICATE RAW"),
    screen(
        "attach-signature-wrong",
        5,
        signature_of_another,
        "attach-signature CONTENT CERTIFICATE RAW",
    ),
    screen(
        "serve",
        0,
        signed,
        "serve image.raw image.verity MANIFEST --socket s --export-name disk",
    ),
    screen("serve-corrupt", 0, corrupt, "serve IMAGE --socket s"),
    screen("serve-repaired", 0, corrupt, "serve IMAGE PARITY --socket s"),
    screen("serve-corrupt-tree", 1, corrupt, "serve IMAGE --socket s --preload"),
    screen(
        "image-create",
        0,
        keys,
        "image create os.raw --root image.raw KEY --seed test --arch arm64 --fec-roots 2",
    ),
    screen("image-show", 0, disk, "image show os.raw"),
    screen("image-grow", 0, grown, "image grow os.raw"),
    screen("check-disk", 0, disk, "check os.raw CERTIFICATE"),
    screen("slots", 0, bottlerocket, "slots b.raw"),
    screen("slots-activate", 0, bottlerocket, "slots b.raw activate b --tries 3"),
    screen("slots-retire", 3, bottlerocket, "slots b.raw retire a"),
    screen("rehash", 0, changed, "rehash new hash REHASH --range 20K+4K"),
    screen("rehash-old-image", 0, changed, "rehash new hash REHASH --old-image data"),
];

/// What words in capitals stand for.
const WORDS: [(&str, &str); 9] = [
    ("IMAGE", "data hash --root-hash-file root"),
    ("PARITY", "--fec-device fec"),
    ("KEY", "--key rsa2048.key --certificate rsa2048.cert"),
    ("CERTIFICATE", "--certificate rsa2048.cert"),
    ("MANIFEST", "--manifest image.manifest.json --certificate rsa2048.cert"),
    ("CONTENT", "--root-hash-file root"),
    (
        "REHASH",
        "--output made --root-hash \
         d3ab5f8f30f8d97ff5c8364d1a64a31fd5c8e5209ebe0640acc7cc70d7089ed4",
    ),
    ("RAW", "--raw-signature raw --output root.p7s"),
    ("DEVICES", "--data-dev /dev/vda1 --hash-dev /dev/vda2"),
];

#[test]
fn every_screen_is_the_one_on_file() {
    let mut golden = Golden::beside_tests("screens");
    for screen in &SCREENS {
        screen.compare(&mut golden);
    }
    let dir = Dir::new();
    golden.compare("version.txt", &transcript("--version", &run(&dir, "--version")));
    golden.compare("no-command.txt", &transcript("", &run(&dir, "")));
    golden.compare("verity.help", &run(&dir, "--help").stdout);
    for command in COMMANDS {
        let name = command.replace(' ', "-");
        golden.compare(&format!("{name}.help"), &run(&dir, &format!("{command} --help")).stdout);
    }
    golden.finish();
}

impl Screen {
    fn compare(&self, golden: &mut Golden) {
        let line = self.words();
        let [text, json] = ["", " --json"].map(|option| {
            let run = run(&(self.place)(), &format!("{line}{option}"));
            assert_eq!(run.code, self.code, "{line}{option}: {run:?}");
            run
        });
        assert_eq!(text.stderr, json.stderr, "--json changes standard output alone: {line}");
        golden.compare(&format!("{}.txt", self.name), &transcript(&line, &text));
        golden.compare(&format!("{}.json", self.name), &laid_out(&json.stdout));
    }

    fn words(&self) -> String {
        let word = |word| match WORDS.iter().find(|(short, _)| *short == word) {
            Some((_, long)) => *long,
            None => word,
        };
        self.line.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }
}

/// Runs a command line, and puts words in brackets for what differs from run to run.
fn run(dir: &Dir, line: &str) -> Run {
    let mut command = dir.command();
    command.args(line.split_whitespace()).env("COLUMNS", "100");
    let run = match line.contains("--socket") {
        true => serve(dir, &mut command),
        false => Run::of(command.output().unwrap()),
    };
    let is_random = line.starts_with("format");
    let known = |text: String| {
        let text = text.replace(dir.path("").to_str().unwrap(), "[directory]/");
        let text = text.replace(env!("CARGO_PKG_VERSION"), "[version]");
        if is_random { without_random(&text) } else { text }
    };
    Run { code: run.code, stdout: known(run.stdout), stderr: known(run.stderr) }
}

/// Runs a server until a client has read some blocks, or until it refuses to serve.
fn serve(dir: &Dir, command: &mut Command) -> Run {
    match Server::try_spawn(dir, command) {
        Ok(server) => {
            let mut client = server.client(true);
            let _ = client.read(4 * 4096, 3 * 4096).unwrap();
            drop(client);
            let ready = server.ready.clone();
            let run = server.stop("TERM");
            Run { stdout: ready + &run.stdout, ..run }
        }
        Err(run) => run,
    }
}

/// Puts words for UUIDs and for 32 bytes in hex.
fn without_random(text: &str) -> String {
    let is_other = |letter: char| !letter.is_ascii_hexdigit() && letter != '-';
    let known = |word: &str| match word.split('-').map(str::len).collect::<Vec<_>>()[..] {
        [64] => "[64 hex digits]".to_owned(),
        [8, 4, 4, 4, 12] => "[UUID]".to_owned(),
        _ => word.to_owned(),
    };
    text.split_inclusive(is_other).fold(String::new(), |all, piece| {
        let word = piece.trim_end_matches(is_other);
        all + &known(word) + &piece[word.len()..]
    })
}

/// A command line and what came of it, as a terminal shows them.
fn transcript(line: &str, run: &Run) -> String {
    let mut text = format!("$ verity {line}\n{}", run.stdout);
    if !run.stderr.is_empty() {
        text += &format!("\n[standard error]\n{}", run.stderr);
    }
    if run.code != 0 {
        text += &format!("\n[exit code {}]\n", run.code);
    }
    text
}

/// JSON with a line for each value. Nothing else is changed, neither order nor spelling.
fn laid_out(json: &str) -> String {
    let mut text = String::new();
    for line in json.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
        lay_out(line, &mut text);
        text.push('\n');
    }
    text
}

/// Lays out one object.
fn lay_out(json: &str, text: &mut String) {
    let line = |depth: usize| format!("\n{:1$}", "", 2 * depth);
    let (mut depth, mut is_string, mut is_escaped) = (0, false, false);
    for letter in json.chars() {
        if is_string {
            is_string = letter != '"' || is_escaped;
            is_escaped = letter == '\\' && !is_escaped;
            text.push(letter);
            continue;
        }
        match letter {
            '{' | '[' => {
                depth += 1;
                *text += &format!("{letter}{}", line(depth));
            }
            '}' | ']' if text.trim_end().ends_with(['{', '[']) => {
                depth -= 1;
                *text = format!("{}{letter}", text.trim_end());
            }
            '}' | ']' => {
                depth -= 1;
                *text += &format!("{}{letter}", line(depth));
            }
            ',' => *text += &format!(",{}", line(depth)),
            ':' => *text += ": ",
            _ => {
                is_string = letter == '"';
                text.push(letter);
            }
        }
    }
}

/// An image of 300 blocks.
pub(crate) fn data() -> Dir {
    Dir::with_data(300)
}

/// An image that does not end at a block.
fn tail() -> Dir {
    let dir = Dir::new();
    dir.write("data", &pattern::sha256_stream(5000));
    dir
}

/// An image with its tree, its root hash in a file, and parity: two rounds, two roots.
pub(crate) fn image() -> Dir {
    let dir = data();
    dir.ok("format data hash --fec-device fec --seed test --root-hash-file root");
    dir
}

/// An old hash area in the middle of a file.
pub(crate) fn legacy() -> Dir {
    let dir = Dir::with_data(129);
    let options = "--hash sha512 --format 0 --salt 00ff --hash-offset 4608";
    dir.ok(&format!("format data hash {options} --uuid {UUID}"));
    dir
}

/// An image whose parity is wrong in one codeword, at two places.
fn image_with_other_parity() -> Dir {
    let dir = image();
    dir.patch("fec", 8192 + 16, b"xy");
    dir
}

fn another_root_hash() -> Dir {
    let dir = image();
    let root = String::from_utf8(dir.read("root")).unwrap();
    dir.write("root", wrong(&root).as_bytes());
    dir
}

/// An image with damage that its parity can repair.
pub(crate) fn corrupt() -> Dir {
    let dir = image();
    for (name, block) in [("hash", 3), ("data", 5), ("data", 6), ("data", 201)] {
        dir.patch(name, block * 4096 + 100, b"changed");
    }
    dir
}

/// And with one block more in a round than there are roots.
pub(crate) fn beyond() -> Dir {
    let dir = corrupt();
    for block in [7, 9] {
        dir.patch("data", block * 4096 + 100, b"changed");
    }
    dir
}

/// An image with its tree, and another version of it.
fn changed() -> Dir {
    let dir = image();
    dir.write("new", &dir.read("data"));
    dir.patch("new", 5 * 4096 + 100, b"changed");
    dir
}

/// A signed disk image.
fn disk() -> Dir {
    let dir = keys();
    dir.ok("image create os.raw --root image.raw --key rsa2048.key --certificate rsa2048.cert \
            --seed test --arch arm64 --slots 2");
    dir
}

/// A disk that has grown.
fn grown() -> Dir {
    let dir = disk();
    let size = dir.read("os.raw").len() as u64 + (1 << 20);
    fs::File::options().write(true).open(dir.path("os.raw")).unwrap().set_len(size).unwrap();
    dir
}

/// A disk with two sets, of which the first boots.
fn bottlerocket() -> Dir {
    let dir = keys();
    dir.ok("image create b.raw --root image.raw --layout bottlerocket --seed test");
    dir
}

/// Keys, and an image and a root hash to sign.
pub(crate) fn keys() -> Dir {
    let dir = image();
    dir.key("rsa2048");
    dir.key("other");
    dir.write("image.raw", &dir.read("data"));
    dir
}

/// An image with everything that `build` makes.
pub(crate) fn signed() -> Dir {
    let dir = keys();
    dir.ok(&format!("{SIGNED_BUILD} --systemd --fec-roots 2"));
    dir
}

fn signed_and_corrupt() -> Dir {
    let dir = signed();
    dir.patch("image.raw", 5 * 4096, b"changed");
    dir
}

fn corrupt_without_parity() -> Dir {
    let dir = Dir::with_signed_set(300);
    dir.patch("image.raw", 5 * 4096, b"changed");
    dir
}

/// An older image than the one that was accepted last.
fn older() -> Dir {
    let dir = keys();
    for version in [7, 6] {
        dir.ok(&format!("{SIGNED_BUILD} --image-version {version}"));
        if version == 7 {
            dir.ok(&format!("{CHECK} --state state"));
        }
    }
    dir
}

/// A raw signature, by a key on another machine: that of RSA is the end of a message.
fn signature() -> Dir {
    let dir = keys();
    dir.ok("sign --root-hash-file root --key rsa2048.key --certificate rsa2048.cert --output sig");
    let message = dir.read("sig");
    dir.write("raw", &message[message.len() - 256..]);
    dir
}

fn signature_of_another() -> Dir {
    let dir = signature();
    files::flip_bit(&dir.path("raw"), 100, 0);
    dir
}

#[test]
fn json_is_laid_out_and_not_changed() {
    let json = r#"{"b":[],"a":[{"x":"{,}\"[:]\\"},-1.50e3],"c":{},"d":null}"#;
    let expected = r#"{
  "b": [],
  "a": [
    {
      "x": "{,}\"[:]\\"
    },
    -1.50e3
  ],
  "c": {},
  "d": null
}
"#;
    assert_eq!(laid_out(json), expected);
}

#[test]
fn random_values_have_words_for_them() {
    let hash = "ab".repeat(32);
    let text = format!("UUID: \ta60c98d2-ae9b-4865-bfcb-b4e3ace11033\n\"{hash}\",beef {hash}0");
    let expected = format!("UUID: \t[UUID]\n\"[64 hex digits]\",beef {hash}0");
    assert_eq!(without_random(&text), expected);
}
