//! PEM: certificate files and key files as text.
//!
//! Invariants under test, with a second decoder (`pem_decoder`):
//! - no input panics; a refusal is one short printable line;
//! - what is accepted is DER as it stands, or blocks that the second decoder reads, with text in
//!   front of each and none behind the last; one of them is what is looked for, as the same bytes,
//!   and the others are of the kinds that may stand beside it;
//! - blocks by the strict grammar of RFC 7468 are accepted, whatever text stands in lines in front
//!   of them and whichever line ends they have;
//! - a certificate or key from PEM is the one from the DER in it, and nothing else is accepted;
//! - a second block of the same kind, a header, text behind the last block, another label at an end
//!   and a NUL each make an accepted file a refused one;
//! - who signs takes of several certificates the one of the key, and of two of its certificates
//!   none.

use std::sync::LazyLock;

use verity::internals::to_len;
use verity_sign::lint::EnrolledCertificate;
use verity_sign::{Certificate, CertificateBundle, PrivateKey, Signer};

use crate::pem_decoder::{ALPHABET, BEGIN, Decoded, count, decode, find, is_eol};
use crate::{key, message};

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let blocks = if is_der(data) { None } else { split(data) };
    let is_pem = !is_der(data) && count(data, BEGIN) > 0;
    check_object(data, is_pem, blocks.as_deref());
    check_certificate(data, is_pem, blocks.as_deref());
    check_key(data, is_pem, blocks.as_deref());
    check_bundle(data, blocks.as_deref());
}

/// Whether the input is accepted as a certificate, whatever is in it, or as a key. The replay of
/// seeds asks this.
pub fn is_accepted(data: &[u8]) -> bool {
    EnrolledCertificate::parse(data).is_ok()
        || PrivateKey::parse(data).is_ok()
        || CertificateBundle::parse(data).is_ok()
}

/// Every block of a text, each decoded alone: what stands between the END line of one and the next
/// BEGIN is left out.
fn split(data: &[u8]) -> Option<Vec<Decoded>> {
    if data.len() > 65_536 || data.contains(&0) {
        return None;
    }
    let starts = (0..data.len()).filter(|&start| data[start..].starts_with(BEGIN));
    let starts: Vec<usize> = starts.chain([data.len()]).collect();
    let blocks = starts.windows(2).map(|bounds| {
        let (start, end) = (bounds[0], bounds[1]);
        if start > 0 && !is_eol(data[start - 1]) {
            return None;
        }
        let block = &data[start..end];
        let is_last = end == data.len();
        decode(if is_last { block } else { &block[..end_of_block(block)] })
    });
    blocks.collect()
}

/// Where the END line of a block ends.
fn end_of_block(block: &[u8]) -> usize {
    let start = find(block, b"-----END ").unwrap_or(block.len());
    let line = block[start..].iter().position(|byte| is_eol(*byte));
    line.map_or(block.len(), |length| start + length)
}

/// The block that is looked for: the only one, or the only one of another kind than those that may
/// stand beside it.
fn wanted<'b>(blocks: &'b [Decoded], beside: &[&str]) -> Option<&'b Decoded> {
    let mut found =
        blocks.iter().filter(|block| blocks.len() == 1 || !beside.contains(&block.label.as_str()));
    found.next().filter(|_| found.next().is_none())
}

/// Checks the input as an enrolled certificate, which may hold anything.
fn check_object(data: &[u8], is_pem: bool, blocks: Option<&[Decoded]>) {
    match EnrolledCertificate::parse(data) {
        Ok(object) if is_pem => {
            let blocks = blocks.expect("accepted, but no PEM");
            let block = wanted(blocks, BESIDE_CERTIFICATE).expect("one certificate");
            assert_eq!(block.label, CERTIFICATE);
            assert!(object == EnrolledCertificate::from_der(block.der.clone()), "other bytes");
            check_variants(data, &object);
        }
        Ok(object) => {
            assert_eq!(data[0], 0x30, "accepted, but neither PEM nor DER");
            assert!(object == EnrolledCertificate::from_der(data.to_vec()), "other bytes");
        }
        Err(error) => {
            message::check(&error);
            let strict = blocks.filter(|blocks| blocks.iter().all(|block| block.strict));
            let good = strict.and_then(|blocks| wanted(blocks, BESIDE_CERTIFICATE));
            let good = good.filter(|block| block.label == CERTIFICATE);
            assert!(good.is_none(), "a strict block is refused: {error}");
        }
    }
}

/// Changes that must not matter, and changes that must make the file a refused one.
fn check_variants(data: &[u8], object: &EnrolledCertificate) {
    let accepted = |variant: &[u8]| EnrolledCertificate::parse(variant).ok();
    let same = |variant: &[u8]| accepted(variant).as_ref() == Some(object);
    assert!(same(&[b"text: \xff\n", data].concat()), "refused with text in front");
    assert!(same(&[data, b"\r\n \t\n"].concat()), "refused with white space behind");
    let parameters = encode("EC PARAMETERS", &[0x06, 0x01, 0x00], 64, "\n");
    let beside = [&parameters[..], b"text between\n", data, b"\n", &parameters].concat();
    assert!(beside.len() > 65_536 || same(&beside), "refused with parameters beside");

    let start = find(data, BEGIN).expect("a block");
    let body = start + data[start..].iter().position(|byte| is_eol(*byte)).expect("a line");
    let end = start + find(&data[start..], b"-----END ").expect("an end");
    let block = &data[start..];
    for (what, variant) in [
        ("another block", [data, b"\n", block].concat()),
        ("another BEGIN in front", [b"-----BEGIN \n", data].concat()),
        ("text behind it", [data, b"\nx"].concat()),
        ("a NUL behind it", [data, b"\0"].concat()),
        ("a NUL in front", [b"\0\n", data].concat()),
        ("text on its first line", [b"x", block].concat()),
        ("a header", [&data[..body], b"\nA: b\n", &data[body..]].concat()),
        ("another label at its end", [&data[..end], b"-----END X-----\n"].concat()),
        ("no end", data[..end].to_vec()),
    ] {
        // What was text in front may be the header of DER that is just as long now.
        assert!(is_der(&variant) || accepted(&variant).is_none(), "accepted with {what}");
    }
}

fn check_certificate(data: &[u8], is_pem: bool, blocks: Option<&[Decoded]>) {
    let certificate = match Certificate::parse(data) {
        Ok(certificate) => certificate,
        Err(error) => return message::check(&error),
    };
    match is_pem {
        true => {
            let blocks = blocks.expect("accepted, but no PEM");
            let block = wanted(blocks, BESIDE_CERTIFICATE).expect("one certificate");
            assert_eq!(certificate.der(), block.der);
        }
        false => assert_eq!(certificate.der(), data),
    }
    assert_eq!(Certificate::parse(certificate.der()).ok(), Some(certificate));
}

/// Checks the input as a key, beside which certificates and parameters may stand.
fn check_key(data: &[u8], is_pem: bool, blocks: Option<&[Decoded]>) {
    let key = match PrivateKey::parse(data) {
        Ok(key) => key,
        Err(error) => return message::check(&error),
    };
    if !is_pem {
        return; // DER has a target of its own.
    }
    let blocks = blocks.expect("accepted, but no PEM");
    let block = wanted(blocks, BESIDE_KEY).expect("one key");
    let labels = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    assert!(labels.contains(&block.label.as_str()), "{}", block.label);
    let again = PrivateKey::parse(&block.der).expect("the key in it");
    assert_eq!(again.public_key(), key.public_key(), "another key");
    let is_alone = blocks.iter().all(|block| block.label != CERTIFICATE);
    assert!(!is_alone || EnrolledCertificate::parse(data).is_err(), "a key for a certificate");
    assert!(PrivateKey::parse(&[data, b"\nx"].concat()).is_err(), "text behind it");
}

/// Checks the input as certificates of which one is the test key's.
fn check_bundle(data: &[u8], blocks: Option<&[Decoded]>) {
    let bundle = match CertificateBundle::parse(data) {
        Ok(bundle) => bundle,
        Err(error) => {
            assert!(Certificate::parse(data).is_err(), "refused: {error}");
            return message::check(&error);
        }
    };
    let chosen = bundle.of_key(KEY.public_key());
    if let Ok(only) = Certificate::parse(data) {
        assert_eq!(chosen.ok(), Some(only), "another one than the only one");
        return;
    }
    let blocks = blocks.expect("several, but no PEM");
    let certificates = blocks.iter().filter(|block| block.label == CERTIFICATE);
    let certificates = certificates.map(|block| Certificate::parse(&block.der));
    let own: Vec<_> = certificates
        .flatten()
        .filter(|certificate| certificate.public_key() == KEY.public_key())
        .collect();
    match (chosen, own.as_slice()) {
        (Ok(chosen), [own]) => assert!(chosen == *own, "another one than the key's"),
        (Ok(_), _) => panic!("one of {} was taken", own.len()),
        (Err(error), own) => {
            message::check(&error);
            assert!(own.len() != 1, "not taken: {error}");
        }
    }
}

/// What may stand beside a certificate.
const BESIDE_CERTIFICATE: &[&str] = &[
    "CERTIFICATE REQUEST",
    "DH PARAMETERS",
    "EC PARAMETERS",
    "EC PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "PRIVATE KEY",
    "PUBLIC KEY",
    "RSA PRIVATE KEY",
];

/// What may stand beside a key.
const BESIDE_KEY: &[&str] = &[
    CERTIFICATE,
    "CERTIFICATE REQUEST",
    "DH PARAMETERS",
    "EC PARAMETERS",
    "PUBLIC KEY",
    "TRUSTED CERTIFICATE",
];

/// A test key: public, and good for nothing else.
static KEY: LazyLock<PrivateKey> = LazyLock::new(|| {
    let file = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem");
    PrivateKey::parse(file).expect("a test key")
});

/// Whether a file is DER by its own header: the rule that tells DER from PEM.
fn is_der(data: &[u8]) -> bool {
    let length =
        |digits: &[u8]| digits.iter().fold(0, |sum, &digit| sum * 256 + usize::from(digit));
    match data {
        [0x30, short, ..] if *short < 0x80 => data.len() == 2 + usize::from(*short),
        [0x30, 0x81, a, ..] => data.len() == 3 + length(&[*a]),
        [0x30, 0x82, a, b, ..] => data.len() == 4 + length(&[*a, *b]),
        _ => false,
    }
}

/// Writes a block.
fn encode(label: &str, der: &[u8], width: usize, eol: &str) -> Vec<u8> {
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let bits = (0..3)
            .fold(0, |bits, index| bits << 8 | chunk.get(index).map_or(0, |&it| u32::from(it)));
        for index in 0..4_usize {
            let digit = to_len(u64::from(bits >> (18 - 6 * index) & 63));
            let char = if index > chunk.len() { b'=' } else { ALPHABET[digit] };
            text.push(char::from(char));
        }
    }
    let lines: Vec<&str> = (0..text.len())
        .step_by(width)
        .map(|start| &text[start..text.len().min(start + width)])
        .collect();
    let body = lines.join(eol);
    format!("-----BEGIN {label}-----{eol}{body}{eol}-----END {label}-----{eol}").into_bytes()
}

/// Certificates, keys and smaller objects, in lines of several widths with all line ends.
///
/// # Panics
/// If a test key cannot be read.
pub fn seeds() -> Vec<Vec<u8>> {
    let files: [&[u8]; 3] = [
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem"),
    ];
    let der = |file: &[u8]| decode(file).expect("PEM").der;
    let [certificate, key, _] = files.map(der);
    let sec1 = key::sec1_of(&key);
    let parameters = encode("EC PARAMETERS", &[0x06, 0x01, 0x00], 64, "\n");
    let mut seeds: Vec<Vec<u8>> = files.map(<[u8]>::to_vec).into();
    seeds.extend([
        encode("EC PRIVATE KEY", &sec1, 64, "\n"),
        [parameters.clone(), encode("EC PRIVATE KEY", &sec1, 64, "\n")].concat(),
        [encode("PRIVATE KEY", &key, 76, "\r\n"), parameters].concat(),
        [b"subject=CN = x\r\n".to_vec(), encode(CERTIFICATE, &certificate, 64, "\r\n")].concat(),
        encode(CERTIFICATE, &certificate, 64, "\r"),
        encode(CERTIFICATE, &certificate, 5, "\n"),
        encode(CERTIFICATE, &certificate, 4000, "\n"),
    ]);
    let [own, _, other] = files;
    seeds.extend([
        [files[1], own].concat(),
        [own, b"Bag Attributes\n    friendlyName: x\n", files[1]].concat(),
        [own, other].concat(),
        [other, own].concat(),
        [own, other, own].concat(),
    ]);
    for length in 1..8 {
        seeds.push(encode(CERTIFICATE, &[0x30, 0, 1, 2, 3, 4, 5, 6][..length], 64, "\n"));
    }
    seeds
}

const CERTIFICATE: &str = "CERTIFICATE";
