//! PEM: certificate files and key files as text.
//!
//! Invariants under test, with a second decoder (`pem_decoder`):
//! - no input panics; a refusal is one short printable line;
//! - what is accepted is one block that the second decoder reads as the same bytes, or DER as it
//!   stands;
//! - a block by the strict grammar of RFC 7468 is accepted, whatever text stands in lines in front
//!   of it and whichever line ends it has;
//! - a certificate or key from PEM is the one from the DER in it, and nothing else is accepted;
//! - a second block, a header, text behind the block, another label at its end and a NUL each make
//!   an accepted file a refused one.

use verity::internals::to_len;
use verity_sign::lint::EnrolledCertificate;
use verity_sign::{Certificate, PrivateKey, Signer};

use crate::pem_decoder::{ALPHABET, BEGIN, Decoded, count, decode, find, is_eol};
use crate::{key, message};

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let block = (!is_der(data)).then(|| decode(data)).flatten();
    let is_pem = !is_der(data) && count(data, BEGIN) > 0;
    check_object(data, is_pem, block.as_ref());
    check_certificate(data, is_pem, block.as_ref());
    check_key(data, is_pem);
}

/// Whether the input is accepted as a certificate, whatever is in it, or as a key. The replay of
/// seeds asks this.
pub fn is_accepted(data: &[u8]) -> bool {
    EnrolledCertificate::parse(data).is_ok() || PrivateKey::parse(data).is_ok()
}

/// Checks the input as an enrolled certificate, which may hold anything.
fn check_object(data: &[u8], is_pem: bool, block: Option<&Decoded>) {
    match EnrolledCertificate::parse(data) {
        Ok(object) if is_pem => {
            let block = block.expect("accepted, but no PEM");
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
            let good = block.filter(|block| block.strict && block.label == CERTIFICATE);
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

    let start = find(data, BEGIN).expect("a block");
    let body = start + data[start..].iter().position(|byte| is_eol(*byte)).expect("a line");
    let end = find(data, b"-----END ").expect("an end");
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
        assert!(accepted(&variant).is_none(), "accepted with {what}");
    }
}

fn check_certificate(data: &[u8], is_pem: bool, block: Option<&Decoded>) {
    let certificate = match Certificate::parse(data) {
        Ok(certificate) => certificate,
        Err(error) => return message::check(&error),
    };
    match is_pem {
        true => assert_eq!(certificate.der(), block.expect("accepted, but no PEM").der),
        false => assert_eq!(certificate.der(), data),
    }
    assert_eq!(Certificate::parse(certificate.der()).ok(), Some(certificate));
}

/// Checks the input as a key, beside which a block of parameters may stand.
fn check_key(data: &[u8], is_pem: bool) {
    let key = match PrivateKey::parse(data) {
        Ok(key) => key,
        Err(error) => return message::check(&error),
    };
    if !is_pem {
        return; // DER has a target of its own.
    }
    let block = decode(&without_parameters(data)).expect("accepted, but no PEM");
    let labels = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    assert!(labels.contains(&block.label.as_str()), "{}", block.label);
    let again = PrivateKey::parse(&block.der).expect("the key in it");
    assert_eq!(again.public_key(), key.public_key(), "another key");
    assert!(EnrolledCertificate::parse(data).is_err(), "a key for a certificate");
    assert!(PrivateKey::parse(&[data, b"\nx"].concat()).is_err(), "text behind it");
}

/// Cuts out what stands from the BEGIN line of `EC PARAMETERS` to the next one.
fn without_parameters(data: &[u8]) -> Vec<u8> {
    let starts = (0..data.len()).filter(|&start| data[start..].starts_with(BEGIN));
    let starts: Vec<usize> = starts.chain([data.len()]).collect();
    let mut kept = data[..starts[0]].to_vec();
    for block in starts.windows(2).map(|bounds| &data[bounds[0]..bounds[1]]) {
        let label = &block[BEGIN.len()..];
        let end = label.iter().position(|byte| *byte == b'-' || is_eol(*byte));
        match &label[..end.unwrap_or(label.len())] {
            b"EC PARAMETERS" => assert!(decode(block).is_some(), "accepted with broken parameters"),
            _ => kept.extend_from_slice(block),
        }
    }
    kept
}

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
    for length in 1..8 {
        seeds.push(encode(CERTIFICATE, &[0x30, 0, 1, 2, 3, 4, 5, 6][..length], 64, "\n"));
    }
    seeds
}

const CERTIFICATE: &str = "CERTIFICATE";
