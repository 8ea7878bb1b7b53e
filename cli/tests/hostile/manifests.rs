//! Manifests that state anything, under a signature that is good: whoever holds the key may be
//! wrong, and nothing but a signature stands before the numbers.

use std::path::Path;
use std::process::Command;

use verity_testdata::pattern::Prng;
use verity_testdata::reference::{self, Scheme};
use verity_testdata::{files, oracle};

use super::case::{Case, Contents, memory_tempdir, run_all, seed, some_of};
use super::image::Image;

const KEY: &str = "keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem";
const CERTIFICATE: &str = "keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem";

/// What stands where a number should be.
const NUMBERS: [&str; 17] = [
    "0",
    "1",
    "299",
    "301",
    "4096",
    "524288",
    "4294967296",
    "562949953421312",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "1.5",
    "1e308",
    "null",
    "\"300\"",
];
const NUMERIC: [&str; 10] = [
    "manifest_version",
    "version",
    "size_bytes",
    "hash_type",
    "data_block_size",
    "hash_block_size",
    "data_blocks",
    "offset_bytes",
    "hash_start",
    "hash_blocks",
];

/// A set as `build` makes it.
struct Set {
    image: Vec<u8>,
    hash: Vec<u8>,
    root: String,
    root_signature: Vec<u8>,
    manifest: String,
}

impl Set {
    fn build() -> Set {
        let directory = memory_tempdir();
        let place = directory.path();
        files::write(&place.join("image.raw"), &Image::new().data);
        let mut build = Command::new(env!("CARGO_BIN_EXE_verity"));
        build.current_dir(place).args(["build", "image.raw", "--seed", "test", "--key"]);
        build.arg(verity_testdata::path(KEY)).arg("--certificate");
        oracle::run_ok(build.arg(verity_testdata::path(CERTIFICATE)));
        let read = |name: &str| files::read(&place.join(name));
        let text = |name| String::from_utf8(read(name)).unwrap();
        Set {
            image: read("image.raw"),
            hash: read("image.verity"),
            root: text("image.roothash"),
            root_signature: read("image.roothash.p7s"),
            manifest: text("image.manifest.json"),
        }
    }

    /// The manifest with another value for a key.
    fn with(&self, key: &str, value: &str) -> String {
        replaced(&self.manifest, key, value)
    }

    /// A manifest that fits together, about an image of so many blocks.
    fn of_size(&self, data_blocks: u64) -> String {
        let geometry = reference::geometry(data_blocks.into(), &Scheme::default());
        let hash_blocks: u128 = geometry.levels.iter().map(|level| level.blocks).sum();
        let text = self.with("data_blocks", &data_blocks.to_string());
        let text = replaced(&text, "size_bytes", &(data_blocks * 4096).to_string());
        replaced(&text, "hash_blocks", &hash_blocks.to_string())
    }
}

fn replaced(text: &str, key: &str, value: &str) -> String {
    let name = format!("\"{key}\":");
    let start = text.find(&name).unwrap() + name.len();
    let end = start + text[start..].find([',', '}']).unwrap();
    format!("{}{value}{}", &text[..start], &text[end..])
}

/// A manifest, and how large the devices are if they are as large as it claims.
fn manifests(set: &Set, random: &mut Prng) -> Vec<(String, Vec<u8>, Option<u64>)> {
    let mut all: Vec<(String, Vec<u8>, Option<u64>)> = Vec::new();
    for key in NUMERIC {
        for value in NUMBERS {
            all.push((format!("{key} {value}"), set.with(key, value).into(), None));
        }
    }
    all = some_of(all);
    for power in [20, 32, 40, 44, 49, 50] {
        let text = set.of_size(1 << power);
        let sizes = [None, Some((1 << power) * 4096)];
        all.extend(sizes.map(|size| (format!("2^{power} blocks"), text.clone().into(), size)));
    }
    for (key, value) in [("algorithm", "\"md5\""), ("salt", "\"zz\""), ("root_hash", "\"\"")] {
        all.push((format!("{key} {value}"), set.with(key, value).into(), None));
    }
    let long = format!("\"{}\"", "a".repeat(500_000));
    for key in ["name", "label", "salt", "root_hash", "superblock_sha256"] {
        all.push((format!("a long {key}"), set.with(key, &long).into(), None));
    }
    for fec in [(2, 0_u64, 304_u64), (24, 1 << 52, 1 << 51), (25, 20480, u64::MAX)] {
        let (roots, offset, blocks) = fec;
        let value =
            format!("{{\"fec_roots\":{roots},\"offset_bytes\":{offset},\"fec_blocks\":{blocks}}}");
        all.push((format!("parity {fec:?}"), set.with("fec", &value).into(), None));
    }
    for (name, text) in [
        ("nothing", String::new()),
        ("deep", "[".repeat(1 << 20)),
        ("deeper", "{\"a\":".repeat(200_000)),
        ("a long number", set.with("data_blocks", &"9".repeat(900_000))),
        ("too large", " ".repeat(4 << 20)),
    ] {
        all.push((name.to_owned(), text.into(), None));
    }
    for number in 0..40 {
        let mut bytes = set.manifest.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.index(bytes.len());
            bytes[at] = *random.pick(b"0129\"{}[],:-e\xff");
        }
        all.push((format!("random manifest {number}"), bytes, None));
    }
    all
}

fn sign(place: &Path, manifest: &[u8]) -> Vec<u8> {
    files::write(&place.join("m"), manifest);
    let mut openssl = Command::new(oracle::require("openssl").unwrap());
    openssl.current_dir(place).args(["cms", "-sign", "-binary", "-noattr", "-nocerts"]);
    openssl.args(["-md", "sha256", "-outform", "DER", "-in", "m", "-out", "s", "-signer"]);
    openssl.arg(verity_testdata::path(CERTIFICATE)).arg("-inkey");
    oracle::run_ok(openssl.arg(verity_testdata::path(KEY)));
    files::read(&place.join("s"))
}

const TRUST: &str = "--manifest image.manifest.json --certificate cert";
const PARITY: &str = "--fec-device image.raw";

fn lines() -> Vec<String> {
    let image = format!("image.raw image.verity {TRUST}");
    vec![
        "check image.raw --certificate cert".to_owned(),
        format!("verify {image} --all"),
        format!("read {image} --output out"),
        format!("read {image} --preload --length 1 --output out"),
        format!("repair {image} {PARITY} --dry-run"),
        format!("table {TRUST} --data-dev /dev/null --hash-dev /dev/zero image.verity"),
        "sign --manifest image.manifest.json --key key --certificate cert --output out2".to_owned(),
    ]
}

pub(crate) fn cases(random: &mut Prng) -> Vec<Case> {
    let set = Set::build();
    let directory = memory_tempdir();
    let case = |(name, manifest, size): (String, Vec<u8>, Option<u64>)| {
        let sized = |bytes: &Vec<u8>| {
            let size = size.unwrap_or(bytes.len().try_into().unwrap());
            Contents { bytes: bytes.clone(), size }
        };
        let signature = sign(directory.path(), &manifest);
        Case {
            name,
            files: vec![
                ("image.raw", sized(&set.image)),
                ("image.verity", sized(&set.hash)),
                ("image.roothash", set.root.clone().into_bytes().into()),
                ("image.roothash.p7s", set.root_signature.clone().into()),
                ("image.manifest.json", manifest.into()),
                ("image.manifest.json.p7s", signature.into()),
                ("cert", files::read(&verity_testdata::path(CERTIFICATE)).into()),
                ("key", files::read(&verity_testdata::path(KEY)).into()),
            ],
            lines: lines(),
            servers: vec![format!("serve image.raw image.verity {TRUST}")],
            data: set.image.clone(),
        }
    };
    manifests(&set, random).into_iter().map(case).collect()
}

#[test]
fn r07_hostile_manifests_under_a_good_signature_end_every_command_soon() {
    if oracle::require("openssl").is_some() {
        run_all(&cases(&mut Prng::new(seed())));
    }
}
