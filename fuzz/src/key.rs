//! Private keys: DER of PKCS#8, plain and encrypted, PKCS#1 and SEC1.
//!
//! Invariants under test:
//! - no input panics, or takes more time or memory than a key file may ask for; a refusal is one
//!   short printable line;
//! - a file is accepted with a passphrase or without one, never both ways, and with one passphrase
//!   only;
//! - an accepted key signs, and its signature is by the public key that it states. An RSA key whose
//!   numbers do not agree may refuse to sign instead;
//! - an accepted file is DER, with nothing behind it (read here without the parser): the versions
//!   are those of the structure, a scalar is as long as its curve's order, two curves are the same
//!   one, and every public key in it is the key's own;
//! - an accepted key written anew, with nothing in it but what makes the key, is the same key.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

use pkcs8::der::Encode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::pbes2::{
    EncryptionScheme, Kdf, Parameters, Pbkdf2Params, Pbkdf2Prf, Salt, ScryptParams,
};
use pkcs8::{EncryptedPrivateKeyInfo, pkcs5};
use verity_sign::{
    Certificate, Error, KeyError, PrivateKey, PublicKey, SignatureBuilder, SignatureDigest, Signer,
    ToBeSigned,
};
use verity_testdata::der::tlv;

use crate::der::{self, Element};
use crate::{message, pem_decoder};

const PASSPHRASE: &[u8] = b"correct horse 271828";

/// Rounds of PBKDF2, or N times r times p of scrypt, that an input of a fuzzer may cost.
const CHEAP: u64 = 4096;
/// More than any limit on them.
const FORBIDDEN: u64 = 1 << 31;

/// Test keys: public, and good for nothing else.
const RSA_2048: &[u8] = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem");
const P256: &[u8] = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem");
const P384: &[u8] = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p384.key.pem");
const P521: &[u8] = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p521.key.pem");

/// Something to sign, for each digest.
static TO_BE_SIGNED: LazyLock<Vec<ToBeSigned>> = LazyLock::new(|| {
    let file = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem");
    let builder = SignatureBuilder::new(Certificate::parse(file).expect("a certificate"));
    let digests = SignatureDigest::ALL.iter();
    digests.map(|&digest| builder.clone().with_digest(digest).prepare(b"content")).collect()
});

/// RSA keys that have signed, by their numbers: signing takes a millisecond, and most inputs hold
/// one of a few keys.
static SIGNED: Mutex<BTreeSet<Vec<u8>>> = Mutex::new(BTreeSet::new());

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let plain = PrivateKey::parse(data);
    match &plain {
        Ok(key) => check_plain(key, data),
        Err(error) => message::check(error),
    }
    match cost(data) {
        Cost::Cheap => check_encrypted(data, plain.is_ok()),
        Cost::Forbidden => {
            assert!(PrivateKey::parse_encrypted(data, PASSPHRASE).is_err(), "any cost is paid");
        }
        Cost::Dear => {}
    }
}

/// Whether the input is accepted as it is, or with the passphrase. The replay of seeds asks this.
pub fn is_accepted(data: &[u8]) -> bool {
    PrivateKey::parse(data).is_ok() || PrivateKey::parse_encrypted(data, PASSPHRASE).is_ok()
}

enum Cost {
    Cheap,
    Dear,
    Forbidden,
}

/// How much work an encrypted key asks for. Its first element names the scheme, whose first number
/// is the cost.
fn cost(data: &[u8]) -> Cost {
    let children = der::element(data).and_then(|outer| outer.children()).unwrap_or_default();
    let scheme = children.first().filter(|first| first.tag == der::SEQUENCE);
    let numbers = scheme.map(|&scheme| der::integers(scheme)).unwrap_or_default();
    let factors = numbers.iter().map(|&number| number.max(1));
    match numbers.first() {
        Some(&first) if first >= FORBIDDEN => Cost::Forbidden,
        _ if factors.fold(1, u64::saturating_mul) > CHEAP => Cost::Dear,
        _ => Cost::Cheap,
    }
}

fn check_encrypted(data: &[u8], accepted_without: bool) {
    let key = match PrivateKey::parse_encrypted(data, PASSPHRASE) {
        Ok(key) => key,
        Err(error) => return message::check(&error),
    };
    assert!(!accepted_without, "accepted with a passphrase and without");
    assert!(matches!(PrivateKey::parse(data), Err(Error::Key(KeyError::Encrypted))));
    assert!(der::element(data).is_some(), "accepted, but not DER");
    let numbers = der::element(data).map(der::integers).unwrap_or_default();
    assert!(numbers.first().is_some_and(|&cost| cost > 0), "accepted at no cost");
    let other = PrivateKey::parse_encrypted(data, b"correct horse 271829");
    assert!(other.is_err(), "accepted with another passphrase");
    if !key.key_type().name().starts_with("rsa") {
        assert!(signs(&key, data.len()), "the key does not sign");
    }
}

/// Signs with one of the digests. The signature must be by the key.
fn signs(key: &PrivateKey, which: usize) -> bool {
    let to_be_signed = &TO_BE_SIGNED[which % TO_BE_SIGNED.len()];
    let signature = key.sign(to_be_signed);
    let verifies = |signature: &Vec<u8>| key.public_key().verifies(to_be_signed, signature);
    assert!(signature.as_ref().map_or(true, verifies), "signed by another key");
    signature.is_ok()
}

fn check_plain(key: &PrivateKey, data: &[u8]) {
    let refused = PrivateKey::parse_encrypted(data, PASSPHRASE);
    assert!(matches!(refused, Err(Error::Key(KeyError::NotEncrypted))), "a needless passphrase");
    if data.windows(11).any(|window| window == b"-----BEGIN ") && der::element(data).is_none() {
        return; // PEM has a target of its own.
    }
    let outer = der::element(data).expect("accepted, but not DER");
    let children = outer.children().expect("accepted, but not DER");
    let tags: Vec<u8> = children.iter().map(|child| child.tag).collect();
    let anew = match tags[..] {
        [der::INTEGER, der::SEQUENCE, der::OCTET_STRING, ..] => pkcs8(key, &children),
        [der::INTEGER, der::INTEGER, ..] => pkcs1(key, data),
        [der::INTEGER, der::OCTET_STRING, ..] => sec1(key, data, None),
        _ => panic!("accepted with elements {tags:02x?}"),
    };
    let anew = PrivateKey::parse(&anew).expect("the same key, written anew");
    assert_eq!(anew.public_key(), key.public_key(), "another key, written anew");
}

/// Checks a PrivateKeyInfo. Returns the key, written anew.
fn pkcs8(key: &PrivateKey, children: &[Element<'_>]) -> Vec<u8> {
    let (version, algorithm, inner) = (children[0].value, children[1], children[2].value);
    let algorithm = algorithm.children().expect("accepted, but not DER");
    let public_key = children.iter().find(|child| child.tag == 0x81);
    assert_eq!(version, [u8::from(public_key.is_some())], "another version");
    // RFC 5958 leaves room for others.
    let others = children[3..].iter();
    assert!(others.map(|child| child.tag & 0xc0).all(|class| class == 0x80), "something behind");
    if algorithm[0].value == RSA_ENCRYPTION {
        assert_eq!(algorithm[1..], [Element { tag: 0x05, value: &[] }], "other parameters");
        return pkcs1(key, inner);
    }
    assert_eq!(algorithm[0].value, EC_PUBLIC_KEY);
    let [_, curve] = algorithm[..] else { panic!("accepted without a curve") };
    if let Some(stated) = public_key {
        check_point(key, curve.value, stated.value);
    }
    sec1(key, inner, Some(curve))
}

/// Checks an RSAPrivateKey. Returns the key, written anew.
fn pkcs1(key: &PrivateKey, data: &[u8]) -> Vec<u8> {
    let numbers = der::element(data).and_then(|outer| outer.children()).expect("DER");
    assert!(numbers.len() == 9 && numbers.iter().all(|number| number.tag == der::INTEGER));
    assert_eq!(numbers[0].value, [0], "another version");
    for number in &numbers {
        let minimal = !matches!(number.value, [] | [0, 0..=0x7f, ..] | [0x80..=0xff, ..]);
        assert!(minimal, "a number {:02x?}", number.value);
    }
    let stated = [numbers[1], numbers[2]].map(|number| tlv(der::INTEGER, number.value)).concat();
    let algorithm = [tlv(der::OID, RSA_ENCRYPTION), tlv(0x05, &[])].concat();
    check_public_key(key, &algorithm, &tlv(der::SEQUENCE, &stated));
    let mut signed = SIGNED.lock().expect("no panic so far");
    if signed.insert(data.to_vec()) {
        drop(signed);
        signs(key, data.len());
    }
    data.to_vec()
}

/// Checks an ECPrivateKey and the curve that is stated around it. Returns the key, written anew.
fn sec1(key: &PrivateKey, data: &[u8], outer: Option<Element<'_>>) -> Vec<u8> {
    let children = der::element(data).and_then(|outer| outer.children()).expect("DER");
    let inner = children.iter().find(|child| child.tag == 0xa0);
    let inner = inner.map(|child| der::element(child.value).expect("one curve"));
    let curve = inner.or(outer).expect("accepted without a curve");
    assert!(outer.is_none_or(|outer| outer == curve), "accepted with two curves");
    assert_eq!(curve.tag, der::OID);
    let [version, scalar, ..] = children[..] else { panic!("accepted without a scalar") };
    assert_eq!(version, Element { tag: der::INTEGER, value: &[1] }, "another version");
    let length = match curve.value {
        SECP_256_R_1 => 32,
        SECP_384_R_1 => 48,
        _ => 66,
    };
    assert_eq!(scalar.value.len(), length, "a scalar of another length");
    if let Some(stated) = children.iter().find(|child| child.tag == 0xa1) {
        let bits = der::element(stated.value).expect("one public key");
        assert_eq!(bits.tag, der::BIT_STRING);
        check_point(key, curve.value, bits.value);
    }
    assert!(signs(key, data.len()), "the key does not sign");
    let least = [version, scalar].map(|part| tlv(part.tag, part.value)).concat();
    ec_pkcs8(0, curve.value, &least, &[])
}

/// Checks a public key on a curve that the file states: the value of a bit string, of which the
/// first byte counts unused bits.
fn check_point(key: &PrivateKey, curve: &[u8], stated: &[u8]) {
    let algorithm = [tlv(der::OID, EC_PUBLIC_KEY), tlv(der::OID, curve)].concat();
    assert_eq!(stated.first(), Some(&0), "a public key with unused bits");
    check_public_key(key, &algorithm, &stated[1..]);
}

fn check_public_key(key: &PrivateKey, algorithm: &[u8], stated: &[u8]) {
    let bits = [&[0], stated].concat();
    let info = [tlv(der::SEQUENCE, algorithm), tlv(der::BIT_STRING, &bits)].concat();
    let stated = PublicKey::from_spki_der(&tlv(der::SEQUENCE, &info));
    assert_eq!(stated.ok().as_ref(), Some(key.public_key()), "the public key is another one's");
}

/// Keys in every structure, with all and with the least that it may hold, and encrypted at little
/// cost.
///
/// # Panics
/// If a test key is not what openssl writes.
pub fn seeds() -> Vec<Vec<u8>> {
    let rsa = der_of(RSA_2048);
    let mut seeds = vec![rsa.clone(), inner_of(&rsa)];
    let curves = [(P256, SECP_256_R_1), (P384, SECP_384_R_1), (P521, SECP_521_R_1)];
    for (file, curve) in curves {
        let key = der_of(file);
        let sec1 = inner_of(&key);
        let parts = der::element(&sec1).and_then(|outer| outer.children()).expect("SEC1");
        let [version, scalar, public_key] = parts[..] else { panic!("not as openssl writes it") };
        let [version, scalar, bits] =
            [version, scalar, public_key].map(|part| tlv(part.tag, part.value));
        let named = tlv(0xa0, &tlv(der::OID, curve));
        let least = [version.clone(), scalar.clone()].concat();
        let point = der::element(public_key.value).expect("a public key").value;
        seeds.extend([
            tlv(der::SEQUENCE, &[version.clone(), scalar.clone(), named.clone()].concat()),
            tlv(der::SEQUENCE, &[version, scalar, named.clone(), bits].concat()),
            ec_pkcs8(0, curve, &least, &[]),
            ec_pkcs8(0, curve, &[least.clone(), named.clone()].concat(), &[]),
            ec_pkcs8(1, curve, &least, &tlv(0x81, point)),
            key,
        ]);
    }
    let p256 = der_of(P256);
    seeds.extend(schemes().map(|(kdf, cipher)| encrypted(kdf, cipher, &p256)));
    seeds.push(encrypted(
        schemes()[0].0.clone(),
        EncryptionScheme::Aes128Cbc { iv: [3; 16] },
        &rsa,
    ));
    seeds
}

fn schemes() -> [(Kdf, EncryptionScheme); 4] {
    let salt = Salt::new([9; 8]).expect("a short salt");
    let pbkdf2 = |prf| Pbkdf2Params { salt, iteration_count: 3, key_length: None, prf };
    let scrypt = ScryptParams {
        salt,
        cost_parameter: 4,
        block_size: 1,
        parallelization: 1,
        key_length: None,
    };
    [
        (pbkdf2(Pbkdf2Prf::HmacWithSha256).into(), EncryptionScheme::Aes128Cbc { iv: [1; 16] }),
        (pbkdf2(Pbkdf2Prf::HmacWithSha512).into(), EncryptionScheme::Aes256Cbc { iv: [2; 16] }),
        (pbkdf2(Pbkdf2Prf::HmacWithSha384).into(), EncryptionScheme::Aes256Gcm { nonce: [4; 12] }),
        (scrypt.into(), EncryptionScheme::Aes192Cbc { iv: [5; 16] }),
    ]
}

fn encrypted(kdf: Kdf, encryption: EncryptionScheme, key: &[u8]) -> Vec<u8> {
    let parameters = Parameters { kdf, encryption };
    let data = parameters.encrypt(PASSPHRASE, key).expect("encrypts");
    let encryption_algorithm = pkcs5::EncryptionScheme::Pbes2(parameters);
    let encrypted_data = OctetStringRef::new(&data).expect("short");
    EncryptedPrivateKeyInfo { encryption_algorithm, encrypted_data }.to_der().expect("encodes")
}

/// PrivateKeyInfo around the fields of an ECPrivateKey.
fn ec_pkcs8(version: u8, curve: &[u8], sec1: &[u8], behind: &[u8]) -> Vec<u8> {
    let algorithm = [tlv(der::OID, EC_PUBLIC_KEY), tlv(der::OID, curve)].concat();
    let inner = tlv(der::OCTET_STRING, &tlv(der::SEQUENCE, sec1));
    let fields = [tlv(der::INTEGER, &[version]), tlv(der::SEQUENCE, &algorithm), inner];
    tlv(der::SEQUENCE, &[&fields.concat(), behind].concat())
}

/// ECPrivateKey with its curve, from the PrivateKeyInfo of a P-256 key.
pub(crate) fn sec1_of(key: &[u8]) -> Vec<u8> {
    let sec1 = inner_of(key);
    let parts = der::element(&sec1).and_then(|outer| outer.children()).expect("SEC1");
    let named = tlv(0xa0, &tlv(der::OID, SECP_256_R_1));
    let [version, scalar] = [parts[0], parts[1]].map(|part| tlv(part.tag, part.value));
    tlv(der::SEQUENCE, &[version, scalar, named].concat())
}

/// DER from a test key's PEM.
fn der_of(file: &[u8]) -> Vec<u8> {
    pem_decoder::decode(file).expect("PEM").der
}

/// The key inside a PrivateKeyInfo.
fn inner_of(key: &[u8]) -> Vec<u8> {
    let children = der::element(key).and_then(|outer| outer.children()).expect("PKCS#8");
    children[2].value.to_vec()
}

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const SECP_256_R_1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SECP_384_R_1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const SECP_521_R_1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
