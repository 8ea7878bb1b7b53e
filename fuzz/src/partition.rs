//! What systemd's signature partition holds.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line;
//! - what is accepted is the text that `docs/FORMAT.md` shows, put together here without the
//!   parser, and NUL bytes;
//! - it is written again as that text and at least 16384 bytes in all, which are read as equal;
//! - it is verified only for the root hash in its text, with the very signature in it, and for the
//!   signer whose fingerprint is in it, if one is.

use std::fmt::Write as _;
use std::sync::LazyLock;

use verity::RootHash;
use verity::internals::to_u64;
use verity_sign::{
    Certificate, MAX_SIGNATURE_PARTITION_BYTES, PrivateKey, Signatory, SignatureBuilder,
    SignatureDigest, SignaturePartition, verify_root_hash,
};

use crate::message;

const ROOT_HASH: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Test keys: public, and good for nothing else.
const KEYS: [(&[u8], &[u8]); 2] = [
    (
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem"),
    ),
    (
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem"),
    ),
];

static WANTED: LazyLock<RootHash> = LazyLock::new(|| ROOT_HASH.parse().expect("64 digits"));

static TRUSTED: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    KEYS.iter().map(|(_, file)| Certificate::parse(file).expect("a certificate")).collect()
});

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let partition = match SignaturePartition::parse(data) {
        Ok(partition) => partition,
        Err(error) => return message::check(&error),
    };
    assert!(to_u64(data.len()) <= MAX_SIGNATURE_PARTITION_BYTES);
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (text, padding) = data.split_at(end);
    assert!(padding.iter().all(|byte| *byte == 0), "something is behind the text");
    let text = std::str::from_utf8(text).expect("the text is UTF-8");
    let (start, rest) = text.split_at(14 + partition.root_hash().to_string().len());
    assert_eq!(start, format!("{{\"rootHash\":\"{}\"", partition.root_hash()));
    let signature = format!(",\"signature\":\"{}\"}}", base64(partition.signature()));
    let between = rest.strip_suffix(&signature).expect("the signature at the end");
    check_written(&partition, text);
    check_verdicts(&partition, between);
}

fn check_written(partition: &SignaturePartition, text: &str) {
    let written = partition.to_bytes();
    assert!(written.len() >= 16_384 && written.len().is_multiple_of(4096));
    assert_eq!(String::from_utf8_lossy(&written).trim_end_matches('\0'), text);
    assert_eq!(SignaturePartition::parse(&written).ok().as_ref(), Some(partition));
}

/// The text of a partition; `between` stands between root hash and signature.
fn check_verdicts(partition: &SignaturePartition, between: &str) {
    let root_hash = *WANTED;
    let nobody: [Certificate; 0] = [];
    assert!(partition.verify(&root_hash, &nobody).is_err(), "trusted by nobody");
    match partition.verify(&root_hash, &*TRUSTED) {
        Ok(signed_by) => {
            assert_eq!(partition.root_hash(), root_hash);
            let fingerprint = signed_by.certificate().fingerprint();
            let named = format!(",\"certificateFingerprint\":\"{fingerprint}\"");
            assert!(between.is_empty() || between == named, "{between:?} names somebody else");
            let again = verify_root_hash(partition.signature(), &root_hash, &*TRUSTED);
            assert_eq!(again.ok().as_ref(), Some(&signed_by));
        }
        Err(error) => message::check(&error),
    }
}

/// Whether the input is accepted and verified. The replay of seeds asks this.
pub fn is_accepted(data: &[u8]) -> bool {
    SignaturePartition::parse(data).is_ok_and(|one| one.verify(&WANTED, &*TRUSTED).is_ok())
}

/// Decodes base64 (RFC 4648, section 4), a bit at a time.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = bytes.iter().fold(String::new(), |mut bits, byte| {
        let _ = write!(bits, "{byte:08b}");
        bits
    });
    let digit = |group: &[u8]| {
        let six = group.iter().chain(b"000000").take(6);
        let index = six.fold(0, |index, bit| index * 2 + usize::from(bit - b'0'));
        char::from(DIGITS[index])
    };
    let mut text: String = bits.as_bytes().chunks(6).map(digit).collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Partitions by both keys, with each digest, with a fingerprint and without, and little padding.
///
/// # Panics
/// If a test key cannot sign.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for ((key, _), certificate) in KEYS.into_iter().zip(&*TRUSTED) {
        for &digest in SignatureDigest::ALL {
            let key = PrivateKey::parse(key).expect("a key");
            let builder = SignatureBuilder::new(certificate.clone()).with_digest(digest);
            let signatory = Signatory::new(key, builder).expect("a pair");
            seeds.extend(partitions(&signatory, certificate));
        }
    }
    seeds
}

fn partitions(signatory: &Signatory<PrivateKey>, certificate: &Certificate) -> [Vec<u8>; 2] {
    let signature = signatory.sign_root_hash(&WANTED).expect("signs");
    let partition = SignaturePartition::new(&WANTED, signature, certificate).expect("one");
    let mut bytes = partition.to_bytes();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end + 16);
    let named = format!("\"certificateFingerprint\":\"{}\",", certificate.fingerprint());
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    [bytes, text.replace(&named, "").into_bytes()]
}
