//! Manifests that state anything, under a signature that is good: whoever holds the key may be
//! wrong, and nothing but a signature stands before the numbers.

use std::sync::{Arc, LazyLock};

use verity_sign::MAX_MANIFEST_BYTES;
use verity_testdata::oracle;
use verity_testdata::pattern::Prng;
use verity_testdata::reference::{self, Scheme};

use super::case::{Case, Contents, run_all, seed, some_of};
use super::line::{Line, Made, line};
use super::set::Set;
use super::signers;

/// The longest manifest that is parsed, in bytes.
static MOST: LazyLock<usize> = LazyLock::new(|| MAX_MANIFEST_BYTES.try_into().unwrap());

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
const NUMERIC: [&str; 12] = [
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
    "fec_roots",
    "fec_blocks",
];

/// The manifest of a set with another value for a key.
fn with(set: &Set, key: &str, value: &str) -> String {
    replaced(&set.manifest(), key, value)
}

/// A manifest that fits together, about an image of so many blocks; with parity as far as a file
/// can hold it.
fn of_size(set: &Set, data_blocks: u64) -> String {
    let geometry = reference::geometry(data_blocks.into(), &Scheme::default());
    let hash_blocks: u128 = geometry.levels.iter().map(|level| level.blocks).sum();
    let text = with(set, "data_blocks", &data_blocks.to_string());
    let text = replaced(&text, "size_bytes", &(data_blocks * 4096).to_string());
    let text = replaced(&text, "hash_blocks", &hash_blocks.to_string());
    let covered = u128::from(data_blocks) + hash_blocks;
    let text = replaced(&text, "fec_blocks", &covered.to_string());
    let behind = (hash_blocks + 1) * 4096;
    let start = text.find("\"fec\":").unwrap();
    text[..start].to_owned() + &replaced(&text[start..], "offset_bytes", &behind.to_string())
}

fn replaced(text: &str, key: &str, value: &str) -> String {
    let name = format!("\"{key}\":");
    let start = text.find(&name).unwrap() + name.len();
    // An object ends with itself.
    let end = match text[start..].find('}') {
        Some(end) if text[start..].starts_with('{') => start + end + 1,
        _ => start + text[start..].find([',', '}']).unwrap(),
    };
    format!("{}{value}{}", &text[..start], &text[end..])
}

/// A manifest, and how large the devices are if they are as large as it claims.
fn manifests(set: &Set, random: &mut Prng) -> Vec<(String, Vec<u8>, Option<u64>)> {
    let mut all: Vec<(String, Vec<u8>, Option<u64>)> = Vec::new();
    for key in NUMERIC {
        for value in NUMBERS {
            all.push((format!("{key} {value}"), with(set, key, value).into(), None));
        }
    }
    all = some_of(all);
    for power in [20, 32, 40, 44, 49, 50] {
        let text = of_size(set, 1 << power);
        let sizes = [None, Some((1 << power) * 4096)];
        all.extend(sizes.map(|size| (format!("2^{power} blocks"), text.clone().into(), size)));
    }
    for (key, value) in [("algorithm", "\"md5\""), ("salt", "\"zz\""), ("root_hash", "\"\"")] {
        all.push((format!("{key} {value}"), with(set, key, value).into(), None));
    }
    for key in ["name", "label", "salt", "root_hash", "superblock_sha256"] {
        // The longest that is parsed, and longer ones.
        for length in [*MOST, *MOST + 1, 500_000] {
            let rest = length - with(set, key, "\"\"").len();
            let value = format!("\"{}\"", "a".repeat(rest));
            all.push((
                format!("a long {key}, {length} bytes"),
                with(set, key, &value).into(),
                None,
            ));
        }
    }
    for fec in [(2, 0_u64, 304_u64), (24, 1 << 52, 1 << 51), (25, 20480, u64::MAX)] {
        let (roots, offset, blocks) = fec;
        let value =
            format!("{{\"fec_roots\":{roots},\"offset_bytes\":{offset},\"fec_blocks\":{blocks}}}");
        all.push((format!("parity {fec:?}"), with(set, "fec", &value).into(), None));
    }
    all.push(("no parity".to_owned(), with(set, "fec", "null").into(), None));
    all.push(("nothing".to_owned(), Vec::new(), None));
    for length in [*MOST, *MOST + 1, 1 << 20] {
        let filled =
            |pattern: &str| pattern.repeat(length / pattern.len() + 1)[..length].to_owned();
        for (name, text) in [
            ("deep", filled("[")),
            ("deeper", filled("{\"a\":")),
            ("members", "{".to_owned() + &filled("\"a\":1,")[1..]),
            ("blanks", filled(" ")),
            ("a long number", {
                let rest = length - with(set, "data_blocks", "").len();
                with(set, "data_blocks", &"9".repeat(rest))
            }),
        ] {
            all.push((format!("{name}, {length} bytes"), text.into(), None));
        }
    }
    for number in 0..40 {
        let mut bytes = set.manifest().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.index(bytes.len());
            bytes[at] = *random.pick(b"0129\"{}[],:-e\xff");
        }
        all.push((format!("random manifest {number}"), bytes, None));
    }
    all
}

/// A slot that is large enough, and not written.
const SLOT: &str = "--data-device slot --hash-device slot2 --dry-run";

const TRUST: &str = "--manifest image.manifest.json --certificate cert";

/// Every command that takes a manifest, and what each needs to come as far as to its numbers.
fn lines() -> Vec<Line> {
    let image = format!("image.raw image.verity {TRUST}");
    let devices = "--data-dev /dev/null --hash-dev /dev/zero";
    vec![
        line("check image.raw --certificate cert"),
        line("check image.raw --certificate cert --image-name image --state state")
            .makes("state", Made::Something),
        line("check image.raw --manifest image.manifest.json --certificate cert"),
        // An image is no disk, and has no slots.
        line(format!("slots image.raw activate a --verify {TRUST}")).code(3),
        line(format!("install image.raw --certificate cert {SLOT} --reuse image.raw")),
        line(format!("install image --certificate cert --image-name image --state state {SLOT}")),
        line(format!("verify {image} --all")),
        line(format!("verify {image} --image-name image")),
        line(format!("read {image}")),
        line(format!("read {image} --output out")).makes("out", Made::Data),
        line(format!("read {image} --preload --length 1 --output out"))
            .makes("out", Made::Start(1)),
        line(format!("repair {image} --dry-run")),
        line(format!("repair {image} --image-name image --dry-run")),
        line(format!("repair {image} --fec-device image.verity --in-place"))
            .makes("image.raw", Made::Repaired)
            .makes("image.verity", Made::Repaired),
        line(format!("repair {image} --output copy --hash-output tree"))
            .makes("copy", Made::CopyOf("image.raw"))
            .makes("tree", Made::CopyOf("image.verity")),
        line(format!("table {TRUST} {devices}")),
        line(format!("table --manifest image.manifest.json {devices} --emit veritytab")),
        line("sign --manifest image.manifest.json --key key --certificate cert --output out2")
            .makes("out2", Made::SignatureOf("image.manifest.json")),
        line(format!("open image.raw no-such-device image.verity {TRUST} --dry-run")),
        // There is no such device, or no device-mapper.
        line("status no-such-device --check image.manifest.json --certificate cert").code(4),
        line("close no-such-device").code(4),
        line(format!("serve {image}")),
        line(format!("serve {image} --image-name image --preload")),
    ]
}

/// An honest set, and sets with other manifests.
pub(crate) fn cases(random: &mut Prng) -> Vec<Case> {
    let set = Set::build();
    let data = Arc::new(set.bytes("image.raw"));
    let slot = || Contents { bytes: Arc::default(), size: 8 << 20 };
    let mut files = set.files(&[
        "image.raw",
        "image.verity",
        "image.manifest.json",
        "image.manifest.json.p7s",
        "image.roothash",
        "image.roothash.p7s",
        "cert",
        "key",
    ]);
    files.extend([("slot", slot()), ("slot2", slot())]);
    let honest = Case {
        name: "honest manifest".to_owned(),
        is_honest: true,
        files,
        lines: lines(),
        data,
        repaired: Vec::new(),
    };
    let hostile = |(name, manifest, size): (String, Vec<u8>, Option<u64>)| {
        let mut case = Case { name, is_honest: false, ..honest.clone() };
        for (_, device) in &mut case.files[..2] {
            device.size = size.unwrap_or(device.size);
        }
        case.files[3].1 = signers::sign(set.place(), &manifest).into();
        case.files[2].1 = manifest.into();
        case
    };
    let hostile = manifests(&set, random).into_iter().map(hostile);
    [honest.clone()].into_iter().chain(hostile).collect()
}

#[test]
fn r07_hostile_manifests_under_a_good_signature_end_every_command_soon() {
    if oracle::require("openssl").is_some() {
        run_all(&cases(&mut Prng::new(seed())));
    }
}
