//! Certificates of a small authority, made with the test keys: a root, one below it, and a signer
//! below that.
//!
//! The tests of the signing crate have openssl write such certificates. Here our own writer does,
//! with equal bytes on every run.

use std::sync::LazyLock;

use verity_sign::{
    Certificate, PrivateKey, Signatory, SignatureBuilder, SignatureDigest, Signer, ToBeSigned,
};
use verity_testdata::der::{Node, tlv};

/// A time within the dates of all certificates, in unix seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

/// Three certificates, and who signs.
pub(crate) struct Chain {
    pub(crate) root: Certificate,
    pub(crate) middle: Certificate,
    pub(crate) leaf: Certificate,
    /// The signer's key with a certificate by the root.
    pub(crate) direct: Certificate,
}

pub(crate) static CHAIN: LazyLock<Chain> = LazyLock::new(|| {
    let root = issue(&Request { name: "root", key: &P256, issuer: "root", by: &P256, is_ca: true });
    let middle =
        issue(&Request { name: "middle", key: &OTHER, issuer: "root", by: &P256, is_ca: true });
    let leaf = issue(&Request {
        name: "leaf",
        key: &RSA_2048,
        issuer: "middle",
        by: &OTHER,
        is_ca: false,
    });
    let direct =
        issue(&Request { name: "direct", key: &RSA_2048, issuer: "root", by: &P256, is_ca: false });
    Chain { root, middle, leaf, direct }
});

impl Chain {
    /// Signatures by the leaf that embed the chain to the root: with one certificate between, with
    /// the root too, and with nothing between.
    pub(crate) fn signatures(&self, content: &[u8]) -> Vec<Vec<u8>> {
        let ways = [
            (&self.leaf, vec![self.middle.clone()]),
            (&self.leaf, vec![self.middle.clone(), self.root.clone()]),
            (&self.direct, vec![]),
        ];
        let sign = |(signer, links): (&Certificate, Vec<Certificate>)| {
            let builder = SignatureBuilder::new(signer.clone()).with_embedded_certificate(true);
            let builder = builder.with_chain(links).expect("a chain");
            let key = PrivateKey::parse(RSA_2048.key).expect("a key");
            Signatory::new(key, builder).expect("a pair").sign_detached(content).expect("signs")
        };
        ways.into_iter().map(sign).collect()
    }
}

/// A test key with its own certificate, parts of which are used.
struct Pair {
    key: &'static [u8],
    certificate: &'static [u8],
}

const P256: Pair = Pair {
    key: include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem"),
    certificate: include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem"),
};
const OTHER: Pair = Pair {
    key: include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.other.key.pem"),
    certificate: include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.other.cert.pem"),
};
const RSA_2048: Pair = Pair {
    key: include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem"),
    certificate: include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem"),
};

struct Request<'a> {
    name: &'a str,
    key: &'a Pair,
    issuer: &'a str,
    by: &'a Pair,
    is_ca: bool,
}

fn issue(request: &Request<'_>) -> Certificate {
    let own = Certificate::parse(request.key.certificate).expect("a certificate");
    let by = Certificate::parse(request.by.certificate).expect("a certificate");
    let mut tree = Node::parse(own.der());
    let algorithm = Node::parse(by.der()).at(&[1]).clone();
    let tbs = tree.at(&[0]).children();
    tbs[2] = algorithm.clone();
    tbs[3] = name(request.issuer);
    tbs[5] = name(request.name);
    tbs[7] = Node::Constructed(0xa3, vec![extensions(request.is_ca)]);
    let signature = sign(&tree.at(&[0]).encode(), request.by, by);
    let parts =
        [tree.at(&[0]).clone(), algorithm, Node::Primitive(0x03, [vec![0], signature].concat())];
    let der = Node::Constructed(0x30, parts.into()).encode();
    Certificate::parse(&der).expect("a certificate")
}

fn sign(content: &[u8], pair: &Pair, certificate: Certificate) -> Vec<u8> {
    let builder = SignatureBuilder::new(certificate).with_digest(SignatureDigest::Sha256);
    let to_be_signed: ToBeSigned = builder.prepare(content);
    let key = PrivateKey::parse(pair.key).expect("a key");
    key.sign(&to_be_signed).expect("signs")
}

/// A name that is a common name alone.
fn name(text: &str) -> Node {
    let common_name = [tlv(0x06, &[0x55, 0x04, 0x03]), tlv(0x0c, text.as_bytes())].concat();
    Node::Constructed(0x30, vec![Node::Raw(tlv(0x31, &tlv(0x30, &common_name)))])
}

/// Basic constraints and key usage; a signer is for code signing.
fn extensions(is_ca: bool) -> Node {
    let cert_sign = [0x03, 0x02, 0x02, 0x04];
    let digital_signature = [0x03, 0x02, 0x07, 0x80];
    let code_signing = tlv(0x06, &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03]);
    let mut all = match is_ca {
        true => vec![
            extension(BASIC_CONSTRAINTS, true, &tlv(0x30, &[0x01, 0x01, 0xff])),
            extension(KEY_USAGE, true, &cert_sign),
        ],
        false => vec![
            extension(BASIC_CONSTRAINTS, true, &tlv(0x30, &[])),
            extension(KEY_USAGE, true, &digital_signature),
        ],
    };
    if !is_ca {
        all.push(extension(EXTENDED_KEY_USAGE, false, &tlv(0x30, &code_signing)));
    }
    Node::Constructed(0x30, all)
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Node {
    let mark = if critical { vec![0x01, 0x01, 0xff] } else { Vec::new() };
    Node::Raw(tlv(0x30, &[tlv(0x06, oid), mark, tlv(0x04, value)].concat()))
}

pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
