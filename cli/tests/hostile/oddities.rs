//! Bytes that stand where a signature, a key, a certificate or a text should be.

use std::sync::Arc;

use verity_testdata::pattern::{self, Prng};

use super::case::Contents;
use super::set::Set;

/// The lengths beyond which files of some kind are not read, in bytes: passphrases, root hashes,
/// manifests, signatures, keys and certificates, states, signature partitions.
const LIMITS: [usize; 7] = [1024, 4096, 16_384, 32_767, 65_536, 1 << 20, 4 << 20];

/// DER that says more than there is, what is cheap to write and dear to read, files in the place of
/// others, and files that are almost right.
pub(crate) fn oddities(set: &Set, random: &mut Prng) -> Vec<(String, Contents)> {
    let mut odd: Vec<(String, Contents)> = [
        ("nothing", Vec::new()),
        ("one byte", vec![0x30]),
        ("a sequence of 4 GiB", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("a sequence of 2^64", [vec![0x30, 0x88], vec![0xff; 8]].concat()),
        ("no definite length", [vec![0x30, 0x80], vec![0; 9]].concat()),
        ("deep definite sequences", deep(2000)),
        ("PEM without an end", b"-----BEGIN PKCS7-----\n".to_vec()),
        ("noise", pattern::sha256_stream(4096)),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes.into()))
    .to_vec();
    let hole = Contents { bytes: Arc::new(vec![0x30, 0x82]), size: 1 << 62 };
    odd.push(("a huge hole".to_owned(), hole));
    // As long as can be read, so that all of it is parsed, and longer.
    for limit in LIMITS {
        for length in [limit, limit + 1] {
            let filled = |pattern: &[u8]| {
                pattern.iter().copied().cycle().take(length).collect::<Vec<u8>>().into()
            };
            let (name, pattern) = *random.pick(&FILLERS);
            odd.push((format!("{name}, {length} bytes"), filled(pattern)));
            let (name, pattern) = FILLERS[length % FILLERS.len()];
            odd.push((format!("{name}, {length} bytes"), filled(pattern)));
        }
    }
    for name in ["image.roothash.p7s", "image.manifest.json", "cert", "key", "locked", "state"] {
        odd.push((name.to_owned(), set.bytes(name).into()));
        for _ in 0..5 {
            odd.push((format!("almost {name}"), almost(set.bytes(name), random).into()));
        }
    }
    odd
}

const FILLERS: [(&str, &[u8]); 8] = [
    ("long text", b"a"),
    ("deep sequences", b"\x30\x80"),
    ("empty sequences", b"\x30\x00"),
    ("PEM objects", b"-----BEGIN A-----\nAAAA\n-----END A-----\n"),
    ("certificates", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
    ("deep JSON", b"{\"a\":"),
    ("blanks", b" \n"),
    ("base64", b"MIIBqgYJKoZIhvcNAQcCoIIBmzCCAZcCAQEx"),
];

/// Sequences in sequences, each as long as what is in it.
fn deep(levels: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..levels {
        let mut outer = vec![0x30, 0x83];
        outer.extend(&u32::try_from(bytes.len()).unwrap().to_be_bytes()[1..]);
        outer.append(&mut bytes);
        bytes = outer;
    }
    bytes
}

/// A file with a few other bytes.
fn almost(mut bytes: Vec<u8>, random: &mut Prng) -> Vec<u8> {
    for _ in 0..=random.below(4) {
        let at = random.index(bytes.len());
        bytes[at] = *random.pick(b"A/+=z-\n\x00\x01\x30\x82\xff");
    }
    bytes
}
