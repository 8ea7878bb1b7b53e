//! Real root filesystem images from `build` to `check`, with veritysetup and openssl as second
//! opinions.
//!
//! The images are made by `testdata/images/make.sh`. What needs block devices is in
//! `images/devices.rs`.

mod devices;
pub(crate) mod set;

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;

use crate::command::{self, Block, run, word};
use crate::common::is_for_prefetching;
use set::{SUFFIXES, Set, certificate};
use verity_testdata::oracle::{self, VeritySetup};
use verity_testdata::reference::{self, Scheme};
use verity_testdata::{files, image};

const BLOCK: u64 = 4096;

#[test]
fn erofs_from_build_to_check() {
    build_to_check("erofs", "rsa2048");
}

#[test]
fn squashfs_from_build_to_check() {
    build_to_check("squashfs", "p256");
}

#[test]
fn ext4_from_build_to_check() {
    build_to_check("ext4", "rsa2048");
}

fn build_to_check(kind: &str, name: &str) {
    let Some(image) = image::rootfs(kind) else { return };
    let dir = files::tempdir();
    let set = Set::new(&image, dir.path());
    let facts = run(set.build(name, kind).arg("--json")).expect(0).json();
    let root_hash = facts["root_hash"].as_str().unwrap().to_owned();
    assert_eq!(files::read(&set.file(".roothash")), root_hash.as_bytes());

    let checked = run(&mut set.check(name)).expect(0).json();
    assert_eq!(checked["verified"], true);
    assert_eq!(checked["geometry"], "manifest");
    assert_eq!(checked["root_hash"], root_hash.as_str());
    assert_eq!(run(&mut set.check("other")).code, 5, "another certificate");

    veritysetup_agrees(&set, &facts, dir.path());
    openssl_agrees(&set, name, &root_hash);
    damage_is_found(kind, name, &root_hash);
}

/// Both make one hash file of one salt and UUID; it verifies; both dump it alike.
fn veritysetup_agrees(set: &Set, facts: &serde_json::Value, dir: &Path) {
    let Some(veritysetup) = VeritySetup::find() else { return };
    let hash = set.file(".verity");
    let root_hash = facts["root_hash"].as_str().unwrap();
    let verified = veritysetup.verify::<&str>(&set.image, &hash, root_hash, &[]);
    assert!(verified.status.success(), "veritysetup verify: {verified:?}");

    let theirs = dir.join("theirs");
    let words = ["salt", "uuid"].map(|key| format!("--{key}={}", facts[key].as_str().unwrap()));
    let header = veritysetup.format(&set.image, &theirs, &words);
    assert_eq!(header.root_hash(), root_hash);
    assert!(files::read(&theirs) == files::read(&hash), "the hash file is not veritysetup's");
    std::fs::remove_file(theirs).unwrap();

    let ours = run(&mut command::verity(&["dump", &word(&hash)])).expect(0).stdout;
    assert_eq!(veritysetup.dump::<&str>(&hash, &[]).text(), ours);
}

fn openssl_agrees(set: &Set, name: &str, root_hash: &str) {
    let Some(openssl) = oracle::require("openssl") else { return };
    let manifest = files::read(&set.file(".manifest.json"));
    for (content, expected) in [(".roothash", root_hash.as_bytes()), (".manifest.json", &*manifest)]
    {
        for tool in ["cms", "smime"] {
            let mut command = Command::new(&openssl);
            command
                .args([
                    tool,
                    "-verify",
                    "-binary",
                    "-inform",
                    "DER",
                    "-noverify",
                    "-nointern",
                    "-in",
                ])
                .arg(set.file(&format!("{content}.p7s")))
                .arg("-content")
                .arg(set.file(content))
                .args(["-certfile", &certificate(name)]);
            let output = oracle::run(&mut command);
            assert!(output.status.success(), "{}", oracle::failure(&command, &output));
            assert_eq!(output.stdout, expected, "{tool} {content}");
        }
    }
}

/// One flipped bit at a time, in a copy of the image and of everything beside it.
fn damage_is_found(kind: &str, name: &str, root_hash: &str) {
    let dir = files::tempdir();
    let image = dir.path().join(format!("rootfs.{kind}"));
    std::fs::copy(image::rootfs(kind).unwrap(), &image).unwrap();
    let set = Set::new(&image, &dir.path().join("set"));
    run(&mut set.build(name, kind)).expect(0);
    let damaged = Damaged { set: &set, name, root_hash };
    damaged.data();
    damaged.tree();
    damaged.superblock_and_padding();
    damaged.small_files();
    damaged.sizes();
    run(&mut set.check(name)).expect(0);
}

struct Damaged<'a> {
    set: &'a Set,
    name: &'a str,
    root_hash: &'a str,
}

impl Damaged<'_> {
    fn data(&self) {
        let size = self.set.image.metadata().unwrap().len();
        for byte in [0, size / 2 + 77, size - 1] {
            self.block(&self.set.image, byte, &Block::Data(byte / BLOCK));
        }
    }

    /// The last block of each level.
    fn tree(&self) {
        let blocks = self.set.image.metadata().unwrap().len() / BLOCK;
        let levels = reference::geometry(blocks.into(), &Scheme::default()).levels;
        assert!(levels.len() >= 2, "an image with more than one level");
        for (level, place) in levels.iter().enumerate() {
            let last = u64::try_from(place.start + place.blocks - 1).unwrap();
            let block = u64::try_from(place.blocks - 1).unwrap();
            let byte = (1 + last) * BLOCK + 5;
            self.block(&self.set.file(".verity"), byte, &Block::Hash { level, block });
        }
    }

    fn block(&self, path: &Path, byte: u64, block: &Block) {
        files::flip_bit(path, byte, 3);
        run(&mut self.set.check(self.name)).expect_corrupt(block);
        if let Some(veritysetup) = VeritySetup::find() {
            let (image, hash) = (&self.set.image, self.set.file(".verity"));
            let refused = veritysetup.verify::<&str>(image, &hash, self.root_hash, &[]);
            assert!(!refused.status.success(), "veritysetup accepts {block:?}");
        }
        files::flip_bit(path, byte, 3);
    }

    /// The manifest binds every byte before the tree, also those that veritysetup does not look at.
    fn superblock_and_padding(&self) {
        for byte in [0, 20, 72, 90, 500, 512, 4095] {
            self.refused(".verity", byte, 0, &[1]);
        }
    }

    fn small_files(&self) {
        let first = files::read(&self.set.file(".roothash"))[0];
        // The lowest bit of every digit but 9 and of b to e leads to another digit.
        let bit = if matches!(first, b'0'..=b'9' | b'b'..=b'e') { 0 } else { 1 };
        self.refused(".roothash", 0, bit, &[5]);
        self.refused(".roothash", 63, 7, &[5]);
        for suffix in [".manifest.json", ".roothash.p7s", ".manifest.json.p7s"] {
            let size = self.set.file(suffix).metadata().unwrap().len();
            for byte in [0, size / 2, size - 1] {
                self.refused(suffix, byte, 1, &[5]);
            }
        }
        for suffix in SUFFIXES {
            let path = self.set.file(suffix);
            let aside = path.with_extension("aside");
            std::fs::rename(&path, &aside).unwrap();
            let missing = run(&mut self.set.check(self.name));
            assert!(missing.code == 4 || missing.code == 5, "no {suffix}: {}", missing.words());
            std::fs::rename(&aside, &path).unwrap();
        }
    }

    fn refused(&self, suffix: &str, byte: u64, bit: u8, codes: &[i32]) {
        let path = self.set.file(suffix);
        files::flip_bit(&path, byte, bit);
        let ended = run(&mut self.set.check(self.name));
        let named = ended.stderr.contains(suffix.trim_end_matches(".p7s"));
        assert!(codes.contains(&ended.code), "byte {byte} of {suffix}: {}", ended.words());
        assert!(named, "byte {byte} of {suffix}: {}", ended.words());
        files::flip_bit(&path, byte, bit);
    }

    /// Truncated or extended, by a byte or a block, the image is not the one that was signed.
    fn sizes(&self) {
        let file = OpenOptions::new().write(true).open(&self.set.image).unwrap();
        let size = file.metadata().unwrap().len();
        let original = last_block(&self.set.image, size);
        for changed in [size - 1, size - BLOCK, size + 1, size + BLOCK] {
            file.set_len(changed).unwrap();
            let ended = run(&mut self.set.check(self.name)).expect(3);
            assert!(ended.stderr.contains(&changed.to_string()), "{}", ended.words());
        }
        file.set_len(size).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &original, size - BLOCK).unwrap();
    }
}

fn last_block(path: &Path, size: u64) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let file = File::open(path).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, size - BLOCK).unwrap();
    bytes
}

#[test]
fn a_usr_image_has_names_of_its_own() {
    let Some(image) = image::rootfs("squashfs") else { return };
    let dir = files::tempdir();
    let set = Set::new(&image, dir.path());
    run(set.build("p384", "usr").args(["--usr", "--embed-certificate"])).expect(0);
    let names: Vec<String> = set.contents().into_keys().collect();
    let suffixes = [".manifest.json", ".manifest.json.p7s", ".usrhash", ".usrhash.p7s", ".verity"];
    assert_eq!(names, suffixes.map(|suffix| format!("rootfs.squashfs{suffix}")));
    run(set.check("p384").arg("--usr")).expect(0);
    assert_eq!(run(&mut set.check("p384")).code, 4, "there is no .roothash");
}

/// C18: the same image and seed give the same files, wherever and however they are made.
#[test]
fn c18_builds_are_reproducible() {
    let Some(image) = image::rootfs("erofs") else { return };
    let dir = files::tempdir();
    let expected = Set::new(&image, &dir.path().join("expected"));
    run(&mut expected.build("rsa2048", "same")).expect(0);

    let other = Set::new(Path::new("link/rootfs.erofs"), &dir.path().join("other"));
    let cwd = dir.path().join("a directory");
    std::fs::create_dir(&cwd).unwrap();
    std::os::unix::fs::symlink(image.parent().unwrap(), cwd.join("link")).unwrap();
    for threads in ["1", "2", "7"] {
        let build = other.build("rsa2048", "same");
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 077; exec \"$@\"", "sh"])
            .arg(build.get_program())
            .args(build.get_args())
            .args(["--threads", threads])
            .current_dir(&cwd)
            .env_clear()
            .env("TZ", "Asia/Kathmandu")
            .env("LC_ALL", "tr_TR.UTF-8")
            .env("SOURCE_DATE_EPOCH", threads);
        run(&mut command).expect(0);
        assert!(other.contents() == expected.contents(), "{threads} threads");
    }
    if let Some(faketime) = oracle::require("faketime") {
        let build = expected.build("rsa2048", "same");
        let mut command = Command::new(faketime);
        command.args(["-f", "+40d"]).arg(build.get_program()).args(build.get_args());
        let before = expected.contents();
        run(&mut command).expect(0);
        assert!(expected.contents() == before, "forty days later");
    }
}

/// Every byte of the image is asked for once. It is mapped for its addresses alone.
#[test]
fn build_reads_the_image_once() {
    let Some(strace) = oracle::require("strace") else { return };
    let Some(image) = image::rootfs("erofs") else { return };
    let image = image.canonicalize().unwrap();
    let dir = files::tempdir();
    let set = Set::new(&image, &dir.path().join("set"));
    let build = set.build("rsa2048", "once");
    let mut command = Command::new(strace);
    // A log for each thread: no call is torn into two lines.
    command
        .args(["-ff", "-s", "0", "-o"])
        .arg(dir.path().join("log"))
        .arg("-P")
        .arg(&image)
        .arg(build.get_program())
        .args(build.get_args());
    run(&mut command).expect(0);
    let mut reads = Vec::new();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let log = String::from_utf8(files::read(&path)).unwrap();
            reads.extend(log.lines().filter_map(read_range));
        }
    }
    reads.sort_unstable();
    // A look at how it begins: what is compressed is refused.
    assert_eq!(reads.remove(0), (0, 512));
    let mut end = 0;
    for (offset, bytes) in reads {
        assert_eq!(offset, end, "a byte is read twice or not at all");
        end += bytes;
    }
    assert_eq!(end, image.metadata().unwrap().len());
}

/// The offset and the length of a read of the image, from a line such as
/// `pread64(3, ""..., 1048576, 0) = 1048576`.
fn read_range(line: &str) -> Option<(u64, u64)> {
    let (name, rest) = line.split_once('(')?;
    let other_reads = ["read", "readv", "preadv", "preadv2", "mmap", "sendfile", "copy_file_range"];
    assert!(!other_reads.contains(&name) || is_for_prefetching(line), "{line}");
    if name != "pread64" {
        return None;
    }
    let (arguments, result) = rest.rsplit_once(')')?;
    let offset = arguments.rsplit(", ").next()?.parse().ok()?;
    let bytes = result.trim_start_matches([' ', '=']).trim().parse().ok()?;
    (bytes > 0).then_some((offset, bytes))
}
