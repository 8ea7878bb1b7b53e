//! Keys and certificates: every encoding that is accepted, and what is refused. The K group.

#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod common;

use std::fs;

use common::tree::Node;
use common::{NAMES, OpenSsl, certificate, certificate_file, der_of, key, key_file, path};
use verity_sign::{
    Certificate, CertificateError, Class, Error, InputError, KeyError, KeyType, PrivateKey, Signer,
    verify_detached,
};

fn key_error(file: &[u8]) -> KeyError {
    match PrivateKey::parse(file) {
        Err(Error::Key(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn certificate_error(file: &[u8]) -> CertificateError {
    match Certificate::parse(file) {
        Err(Error::Certificate(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The key signs, and its signatures are those of its certificate.
fn works(file: &[u8], name: &str) {
    let key = PrivateKey::parse(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    let signature = Signer::new(key, certificate(name)).unwrap().sign_detached(b"content").unwrap();
    verify_detached(&signature, b"content", &[certificate(name)]).unwrap();
}

#[test]
fn key_types_are_recognised() {
    let types = NAMES.map(|name| {
        assert_eq!(key(name).key_type(), certificate(name).key_type());
        key(name).key_type().to_string()
    });
    assert_eq!(types, ["RSA-2048", "RSA-3072", "RSA-4096", "ECDSA P-256", "ECDSA P-384"]);
    assert_eq!(key("p384").key_type(), KeyType::EcdsaP384);
}

#[test]
fn pkcs8_pem_and_der() {
    for name in NAMES {
        works(&key_file(name), name);
        works(&der_of(&key_file(name)), name);
    }
}

/// K08: what openssl writes in its older formats.
#[test]
fn k08_pkcs1_and_sec1_by_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    for name in NAMES {
        let command = if name.starts_with("rsa") { "rsa" } else { "ec" };
        let traditional = if command == "rsa" { "-traditional" } else { "" };
        for form in ["PEM", "DER"] {
            let args = format!("{command} -in {{}} {traditional} -outform {form}");
            let file = openssl.ok(&args, &[&path(name, "key")]);
            if form == "PEM" {
                assert!(!file.starts_with(b"-----BEGIN PRIVATE"), "{name}");
            }
            works(&file, name);
        }
    }
    // `openssl ecparam -genkey` puts the curve in front, in a block of its own.
    let parameters = openssl.ok("ecparam -name prime256v1", &[]);
    let sec1 = openssl.ok("ec -in {}", &[&path("p256", "key")]);
    works(&[parameters, sec1].concat(), "p256");
}

#[test]
fn k08_encrypted_keys_are_refused_by_name() {
    let Some(openssl) = OpenSsl::find() else { return };
    for (name, args) in [
        ("rsa2048", "pkcs8 -topk8 -in {} -passout pass:secret -outform PEM"),
        ("rsa2048", "pkcs8 -topk8 -in {} -passout pass:secret -outform DER"),
        ("p256", "pkcs8 -topk8 -in {} -passout pass:secret -outform PEM"),
        ("rsa2048", "rsa -in {} -traditional -aes128 -passout pass:secret"),
        ("p256", "ec -in {} -aes128 -passout pass:secret"),
    ] {
        let file = openssl.ok(args, &[&path(name, "key")]);
        let error = key_error(&file);
        assert!(matches!(error, KeyError::Encrypted), "{args}: {error}");
    }
}

#[test]
fn k08_exactly_one_object_in_a_file() {
    let (one, other) = (key_file("rsa2048"), key_file("p256"));
    for file in [
        [one.clone(), other.clone()].concat(),
        [one.clone(), one.clone()].concat(),
        [certificate_file("rsa2048"), one.clone()].concat(),
        [one.clone(), certificate_file("rsa2048")].concat(),
    ] {
        let error = key_error(&file);
        assert!(matches!(error, KeyError::Input(InputError::NotOneBlock { actual: 2, .. })));
        assert!(matches!(
            certificate_error(&file),
            CertificateError::Input(InputError::NotOneBlock { actual: 2, .. })
        ));
    }
    let two_in_der = [der_of(&one), der_of(&one)].concat();
    assert!(matches!(key_error(&two_in_der), KeyError::Malformed { .. }));
    let certificate = der_of(&certificate_file("p256"));
    let two_in_der = [certificate.clone(), certificate].concat();
    assert!(matches!(certificate_error(&two_in_der), CertificateError::Malformed { .. }));
}

#[test]
fn k08_other_objects_are_named() {
    let error = key_error(&certificate_file("p256"));
    assert_eq!(error.to_string(), "a PEM block \"CERTIFICATE\" where a private key is expected");
    let error = certificate_error(&key_file("p256"));
    assert_eq!(error.to_string(), "a PEM block \"PRIVATE KEY\" where a certificate is expected");
    let error = key_error(&der_of(&certificate_file("p256")));
    assert!(matches!(error, KeyError::Malformed { .. }), "{error}");
    let error = certificate_error(&der_of(&key_file("p256")));
    assert!(matches!(error, CertificateError::Malformed { .. }), "{error}");
    let relabelled = String::from_utf8(key_file("p256")).unwrap().replace("PRIVATE", "PUBLIC");
    assert!(matches!(
        key_error(relabelled.as_bytes()),
        KeyError::Input(InputError::WrongLabel { .. })
    ));
}

/// P04, K10: empty, far too large, never ending.
#[test]
fn sizes_and_reading() {
    assert!(matches!(key_error(b""), KeyError::Input(InputError::Empty)));
    assert!(matches!(certificate_error(b""), CertificateError::Input(InputError::Empty)));
    let endless = PrivateKey::read(std::io::repeat(b'x')).unwrap_err();
    assert_eq!(endless.class(), Class::Limit);
    let endless = Certificate::read(std::io::repeat(b'x')).unwrap_err();
    assert_eq!(endless.class(), Class::Limit);
    let directory = fs::File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    assert_eq!(PrivateKey::read(&directory).unwrap_err().class(), Class::Io);
    assert_eq!(Certificate::read(&directory).unwrap_err().class(), Class::Io);
    let from_file = PrivateKey::read(fs::File::open(path("p256", "key")).unwrap()).unwrap();
    assert_eq!(from_file.key_type(), KeyType::EcdsaP256);
    let from_file = Certificate::read(fs::File::open(path("p256", "cert")).unwrap()).unwrap();
    assert_eq!(from_file, certificate("p256"));
}

#[test]
fn k06_key_and_certificate_must_belong_together() {
    for (name, other) in [
        ("rsa2048", "other"),
        ("rsa2048", "rsa3072"),
        ("rsa2048", "p256"),
        ("p256", "p384"),
        ("p256", "rsa2048"),
    ] {
        let error = Signer::new(key(name), certificate(other)).unwrap_err();
        assert!(matches!(error, Error::Key(KeyError::Mismatch { .. })), "{error}");
        assert_eq!(error.class(), Class::Key);
    }
    // The same key in another certificate is no mismatch.
    assert!(Signer::new(key("rsa2048"), certificate("expired")).is_ok());
}

/// K07: numbers that are no key. Version, n, e, d, p, q, dP, dQ, qInv.
#[test]
fn k07_inconsistent_rsa_keys() {
    let pkcs8 = Node::parse(&der_of(&key_file("rsa2048"))).at(&[2]).bytes();
    let number = |index: usize| Node::parse(&pkcs8).at(&[index]).bytes();
    let plus_two = |index: usize| {
        let mut bytes = number(index);
        let last = bytes.last_mut().unwrap();
        *last = last.wrapping_add(2);
        bytes
    };
    let even = |index: usize| {
        let mut bytes = number(index);
        *bytes.last_mut().unwrap() &= 0xfe;
        bytes
    };
    let cases: [(&str, usize, Vec<u8>); 16] = [
        ("version 1", 0, vec![1]),
        ("n + 2", 1, plus_two(1)),
        ("n even", 1, even(1)),
        ("n negative", 1, number(1)[1..].to_vec()),
        ("n of 1024 bits", 1, number(1)[..129].to_vec()),
        ("e = 1", 2, vec![1]),
        ("e = 3", 2, vec![3]),
        ("e even", 2, vec![1, 0, 0]),
        ("d = 0", 3, vec![0]),
        ("p = 1", 4, vec![1]),
        ("p = q", 4, number(5)),
        ("p even", 4, even(4)),
        ("q = 0", 5, vec![0]),
        ("q + 2", 5, plus_two(5)),
        ("qInv + 2", 8, plus_two(8)),
        ("n empty", 1, vec![]),
    ];
    assert!(PrivateKey::parse(&pkcs8).is_ok());
    for (case, index, bytes) in cases {
        let mut tree = Node::parse(&pkcs8);
        *tree.at(&[index]) = Node::Primitive(2, bytes);
        let verdict = PrivateKey::parse(&tree.encode());
        assert!(matches!(verdict, Err(Error::Key(_))), "{case}");
    }
}

/// K07: a CRT exponent that does not fit is only noticed in use, and must not become a signature.
#[test]
fn k07_a_wrong_crt_exponent_makes_no_signature() {
    for index in [6, 7] {
        let pkcs1 = Node::parse(&der_of(&key_file("rsa2048"))).at(&[2]).bytes();
        let mut tree = Node::parse(&pkcs1);
        let mut exponent = tree.at(&[index]).bytes();
        exponent[40] ^= 1;
        *tree.at(&[index]) = Node::Primitive(2, exponent);
        if let Ok(key) = PrivateKey::parse(&tree.encode()) {
            let signer = Signer::new(key, certificate("rsa2048")).unwrap();
            let error = signer.sign_detached(b"content").unwrap_err();
            assert!(matches!(error, Error::Signing(_)), "{error}");
        }
    }
}

#[test]
fn k07_bad_ec_keys() {
    // The SEC1 key inside PKCS#8: version, scalar, public key.
    let pkcs8 = der_of(&key_file("p256"));
    let sec1 = Node::parse(&pkcs8).at(&[2]).bytes();
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for scalar in [vec![0; 32], order.unwrap(), vec![0xff; 32], vec![7; 31], vec![], vec![1; 32]] {
        let mut inner = Node::parse(&sec1);
        *inner.at(&[1]) = Node::Primitive(4, scalar.clone());
        let mut outer = Node::parse(&pkcs8);
        *outer.at(&[2]) = Node::Primitive(4, inner.encode());
        let verdict = PrivateKey::parse(&outer.encode());
        assert!(matches!(verdict, Err(Error::Key(_))), "{}", hex::encode(scalar));
    }
    // Without its public key.
    let mut inner = Node::parse(&sec1);
    inner.children().truncate(2);
    assert!(matches!(key_error(&inner.encode()), KeyError::Rejected { .. }));
    // Without a curve.
    let inner = Node::parse(&sec1);
    assert!(matches!(key_error(&inner.encode()), KeyError::Unsupported { .. }));
}

#[test]
fn p17_unsupported_keys_by_openssl() {
    let Some(openssl) = OpenSsl::find() else { return };
    for (generate, what) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "RSA"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2560", "RSA"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3", ""),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", "curve"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", "curve"),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "EC",
        ),
        ("genpkey -algorithm ED25519", "1.3.101.112"),
    ] {
        let file = openssl.file("key.pem", &openssl.ok(generate, &[]));
        let error = key_error(&fs::read(&file).unwrap());
        assert!(error.to_string().contains(what), "{generate}: {error}");
        let certificate = openssl.ok("req -x509 -new -subj /CN=x -key {}", &[&file]);
        let error = certificate_error(&certificate);
        assert!(matches!(error, CertificateError::UnsupportedKey { .. }), "{generate}: {error}");
    }
}

/// The certificate's key with one number changed: subjectPublicKeyInfo is the seventh field.
#[test]
fn p17_public_keys_that_are_no_keys() {
    let rsa = |change: &dyn Fn(&mut Node)| {
        let mut tree = Node::parse(&der_of(&certificate_file("rsa2048")));
        let key = tree.at(&[0, 6, 1]);
        let mut inner = Node::parse(&key.bytes()[1..]);
        change(&mut inner);
        *key = Node::Primitive(3, [vec![0], inner.encode()].concat());
        tree.encode()
    };
    assert!(Certificate::parse(&rsa(&|_| {})).is_ok());
    let exponents: [&[u8]; 5] = [&[1], &[3], &[0x7f, 0xff], &[1, 0, 0], &[1, 0, 0, 0, 1]];
    for exponent in exponents {
        let file = rsa(&|key| *key.at(&[1]) = Node::Primitive(2, exponent.to_vec()));
        let error = certificate_error(&file);
        assert!(matches!(error, CertificateError::UnsupportedKey { .. }), "{error}");
    }
    let even = rsa(&|key| {
        let mut modulus = key.at(&[0]).bytes();
        *modulus.last_mut().unwrap() &= 0xfe;
        *key.at(&[0]) = Node::Primitive(2, modulus);
    });
    assert!(matches!(certificate_error(&even), CertificateError::UnsupportedKey { .. }));

    let ec = |point: &[u8]| {
        let mut tree = Node::parse(&der_of(&certificate_file("p256")));
        *tree.at(&[0, 6, 1]) = Node::Primitive(3, [&[0], point].concat());
        tree.encode()
    };
    for point in [vec![], vec![0], vec![2; 33], vec![5; 65], vec![4; 64], vec![4; 97]] {
        let error = certificate_error(&ec(&point));
        assert!(matches!(error, CertificateError::UnsupportedKey { .. }), "{error}");
    }
    // Off the curve: ring finds out when the key is used.
    let off = Certificate::parse(&ec(&[4; 65])).unwrap();
    let good = Signer::new(key("p256"), certificate("p256")).unwrap();
    let signature = good.sign_detached(b"content").unwrap();
    assert!(verify_detached(&signature, b"content", &[off]).is_err());
}

#[test]
fn certificates_say_who_they_are() {
    let certificate = certificate("rsa2048");
    assert_eq!(certificate.subject(), "CN=verity test rsa2048,O=TEST KEY DO NOT USE");
    assert_eq!(certificate.issuer(), certificate.subject());
    assert_eq!(certificate.serial(), "1001");
    assert_eq!(certificate.not_before(), 1_767_225_600);
    assert_eq!(certificate.not_after(), 4_922_899_199);
    let Some(openssl) = OpenSsl::find() else { return };
    let args = "x509 -in {} -noout -fingerprint -sha256";
    let text = String::from_utf8(openssl.ok(args, &[&path("rsa2048", "cert")])).unwrap();
    let theirs = text.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(certificate.fingerprint().to_string(), theirs);
}

/// Text out of a certificate must not steer a terminal.
#[test]
fn control_characters_in_names_are_escaped() {
    let mut tree = Node::parse(&der_of(&certificate_file("p256")));
    *tree.at(&[0, 5, 1, 0, 1]) = Node::Primitive(0x0c, "\x1b[2Jname\n\u{9b}2J".into());
    let certificate = Certificate::parse(&tree.encode()).unwrap();
    assert!(!certificate.subject().contains(char::is_control), "{:?}", certificate.subject());
    assert!(certificate.subject().contains("name"));
}

/// A pinned certificate that DER would write otherwise.
#[test]
fn certificates_must_be_canonical() {
    let mut tree = Node::parse(&der_of(&certificate_file("p256")));
    let mut extensions = tree.at(&[0, 7, 0]).children().iter_mut().map(Node::children);
    extensions.find(|fields| fields.len() == 2).unwrap().insert(1, Node::Primitive(1, vec![0]));
    let error = certificate_error(&tree.encode());
    assert!(matches!(error, CertificateError::NotCanonical { .. }), "{error}");
}

#[test]
fn debug_shows_no_secret() {
    let key = key("rsa2048");
    assert_eq!(format!("{key:?}"), "PrivateKey(RSA-2048)");
    let signer = Signer::new(key, certificate("rsa2048")).unwrap();
    let text = format!("{signer:?}");
    assert!(text.len() < 400, "{text}");
}
