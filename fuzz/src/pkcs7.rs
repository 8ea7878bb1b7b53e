//! Signatures: the strict verifier, and the lint that predicts a kernel.
//!
//! Invariants under test:
//! - no input panics, whatever the lint knows beside it; a refusal is one short printable line, and
//!   so is every explanation of the lint;
//! - what the verifier accepts is one encoding: definite, minimal lengths outside, nothing behind
//!   it (checked here without the parser), no default written out in a certificate, and not longer
//!   than a user key;
//! - what the verifier accepts for pinned certificates, the kernel would take with these in its
//!   keyring;
//! - what the verifier accepts for an authority, it accepts with the signer's certificate pinned,
//!   and the kernel would take it with that one enrolled; before the authority's certificate is
//!   valid, it accepts nothing for it;
//! - a verdict of the lint does not get better when less is known.

use std::sync::LazyLock;

use verity::RootHash;
use verity::internals::to_u64;
use verity_sign::lint::{Accepted, EnrolledCertificate, Lint, Prediction, Report, predict};
use verity_sign::{
    Authorities, Certificate, MAX_SIGNATURE_BYTES, PrivateKey, Signatory, SignatureBuilder,
    SignatureDigest, verify_root_hash,
};
use verity_testdata::der::Node;

use crate::authority::{CHAIN, NOW};
use crate::message;

const ROOT_HASH: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Test keys: public, and good for nothing else.
const KEYS: [(&[u8], &[u8]); 2] = [
    (
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem"),
    ),
    (
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.other.key.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.other.cert.pem"),
    ),
];

struct Known {
    root_hash: RootHash,
    pinned: Vec<Certificate>,
    authorities: Authorities,
    too_early: Authorities,
    enrolled: Vec<EnrolledCertificate>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| Known {
    root_hash: ROOT_HASH.parse().expect("64 digits"),
    pinned: KEYS.iter().map(|(_, file)| Certificate::parse(file).expect("a certificate")).collect(),
    authorities: Authorities::new(vec![CHAIN.root.clone()], NOW).expect("an authority"),
    too_early: Authorities::new(vec![CHAIN.root.clone()], 0).expect("an authority"),
    enrolled: KEYS
        .iter()
        .map(|(_, file)| EnrolledCertificate::parse(file).expect("a certificate"))
        .collect(),
});

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let Known { root_hash, pinned, enrolled, .. } = &*KNOWN;
    let report = Lint::new().root_hash(ROOT_HASH).keyring(enrolled).run(data);
    check_report(&report);
    let untold = Lint::new().run(data);
    check_report(&untold);
    if untold.accepted() == Accepted::No && is_parse_error(&untold) {
        assert_eq!(report.accepted(), Accepted::No, "less known, and worse");
    }
    match verify_root_hash(data, root_hash, pinned) {
        Ok(_) => {
            check_encoding(data);
            assert_eq!(predict(data, ROOT_HASH, enrolled), Prediction::Accepted);
        }
        Err(error) => message::check(&error),
    }
    check_authority(data);
    let nobody = Authorities::new(Vec::new(), 0).expect("no certificate can be wrong");
    assert!(verify_root_hash(data, root_hash, &nobody).is_err(), "trusted by nobody");
}

fn check_authority(data: &[u8]) {
    let Known { root_hash, authorities, too_early, .. } = &*KNOWN;
    let signed_by = match verify_root_hash(data, root_hash, authorities) {
        Ok(signed_by) => signed_by,
        Err(error) => return message::check(&error),
    };
    check_encoding(data);
    assert_eq!(signed_by.authority(), Some(&CHAIN.root));
    let signer = signed_by.certificate();
    assert!([&CHAIN.leaf, &CHAIN.direct].contains(&signer), "signed by {signer:?}");
    let pinned = verify_root_hash(data, root_hash, std::slice::from_ref(signer));
    assert!(pinned.is_ok(), "refused with the signer's certificate pinned: {pinned:?}");
    let enrolled = [EnrolledCertificate::from_der(signer.der().to_vec())];
    assert_eq!(predict(data, ROOT_HASH, &enrolled), Prediction::Accepted);
    assert!(verify_root_hash(data, root_hash, too_early).is_err(), "at any time");
}

/// Whether the verifier accepts the input. The replay of seeds asks this.
pub fn is_accepted(data: &[u8]) -> bool {
    let Known { root_hash, pinned, authorities, .. } = &*KNOWN;
    verify_root_hash(data, root_hash, pinned).is_ok()
        || verify_root_hash(data, root_hash, authorities).is_ok()
}

/// An error that does not depend on what is known beside the message.
fn is_parse_error(report: &Report) -> bool {
    report.refusal().is_some_and(|point| ["encoding", "size"].contains(&point.name()))
}

fn check_report(report: &Report) {
    for point in report.points() {
        let words = point.explanation();
        assert!(!words.is_empty() && !words.chars().any(char::is_control), "{words:?}");
    }
    assert_eq!(report.error().is_some(), report.accepted() == Accepted::No);
}

fn check_encoding(data: &[u8]) {
    check_outside(data);
    assert!(!is_accepted(&[data, &[0]].concat()), "accepted with a byte behind it, too");
    if let Some(other) = with_explicit_default(data) {
        assert!(!is_accepted(&other), "accepted in another encoding, too");
    }
}

/// This message with the default of an extension written out: decoders take it for an equal
/// certificate.
fn with_explicit_default(data: &[u8]) -> Option<Vec<u8>> {
    let mut tree = Node::parse(data);
    let fields = tree.at(&[1, 0]).children();
    let set = fields.iter_mut().find(|field| matches!(field, Node::Constructed(0xa0, _)))?;
    for certificate in set.children() {
        let signed = certificate.at(&[0]).children().iter_mut();
        let lists = signed.filter(|field| matches!(field, Node::Constructed(0xa3, _)));
        let mut extensions = lists.flat_map(|list| list.at(&[0]).children()).map(Node::children);
        if let Some(plain) = extensions.find(|fields| fields.len() == 2) {
            plain.insert(1, Node::Primitive(0x01, vec![0]));
            return Some(tree.encode());
        }
    }
    None
}

/// The outermost header, read by hand.
fn check_outside(data: &[u8]) {
    assert!(to_u64(data.len()) <= MAX_SIGNATURE_BYTES);
    let (header, length) = match data {
        [0x30, short @ 0..=0x7f, ..] => (2, usize::from(*short)),
        [0x30, 0x81, long @ 0x80..=0xff, ..] => (3, usize::from(*long)),
        [0x30, 0x82, high @ 1..=0xff, low, ..] => (4, usize::from(*high) * 256 + usize::from(*low)),
        _ => panic!("accepted with a header of {:02x?}", data.get(..4)),
    };
    assert_eq!(header + length, data.len(), "accepted with something behind it");
}

/// Valid signatures, by pinned keys and by one that an authority vouches for. RSA, because its
/// signatures are the same on every run.
///
/// # Panics
/// If a test key cannot sign.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (key, certificate) in KEYS {
        for &digest in SignatureDigest::ALL {
            for embed in [false, true] {
                let key = PrivateKey::parse(key).expect("a key");
                let certificate = Certificate::parse(certificate).expect("a certificate");
                let builder = SignatureBuilder::new(certificate)
                    .with_digest(digest)
                    .with_embedded_certificate(embed);
                let signer = Signatory::new(key, builder).expect("a pair");
                seeds.push(signer.sign_root_hash(&KNOWN.root_hash).expect("signs"));
            }
        }
    }
    seeds.extend(CHAIN.signatures(ROOT_HASH.as_bytes()));
    seeds
}
