//! Certificates: what they say, and what is refused.
//! The codes in names are those of `docs/ATTACKS.md`.

use crate::common::{
    OpenSsl, certificate, certificate_error, certificate_file, der_of, key, key_error, key_file,
    path, with_certificate,
};
use verity_sign::{
    Certificate, CertificateError, KeyError, PrivateKey, Signatory, SignatureBuilder,
    verify_detached,
};
use verity_testdata::der::Node;

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
    for bytes in [64, 128, 255, 257, 1024, 2048, 7000] {
        let file = rsa(&|key| {
            let modulus = [vec![0], vec![0xff; bytes]].concat();
            *key.at(&[0]) = Node::Primitive(2, modulus);
        });
        let error = certificate_error(&file);
        let bits = format!("RSA {} bits", bytes * 8);
        assert!(error.to_string().contains(&bits), "{error}");
    }
    // A private key as large: refused by its size, before any arithmetic.
    let mut huge = Node::parse(&Node::parse(&der_of(&key_file("rsa2048"))).at(&[2]).bytes());
    *huge.at(&[1]) = Node::Primitive(2, [vec![0], vec![0xff; 2048]].concat());
    assert!(matches!(key_error(&huge.encode()), KeyError::Unsupported { .. }));

    let ec = |point: &[u8]| {
        let mut tree = Node::parse(&der_of(&certificate_file("p256")));
        *tree.at(&[0, 6, 1]) = Node::Primitive(3, [&[0], point].concat());
        tree.encode()
    };
    for point in [vec![], vec![0], vec![2; 33], vec![5; 65], vec![4; 64], vec![4; 97]] {
        let error = certificate_error(&ec(&point));
        assert!(matches!(error, CertificateError::UnsupportedKey { .. }), "{error}");
    }
    // Off the curve: that is found out when the key is used.
    let off = Certificate::parse(&ec(&[4; 65])).unwrap();
    let good = with_certificate(key("p256"), "p256").unwrap();
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

/// Text out of a certificate must not steer a terminal, nor look like other text.
#[test]
fn what_is_not_seen_in_names_is_escaped() {
    for (name, shown) in [
        ("\x1b[2Jname\n\u{9b}2J", r"\1b[2Jname\0a\u{9b}2J"),
        ("good\u{202e}dab", r"good\u{202e}dab"),
        ("zero\u{200b}width\u{feff}", r"zero\u{200b}width\u{feff}"),
        ("Zürich \"Œuvre\" it's 日本", r#"Zürich \"Œuvre\" it's 日本"#),
    ] {
        let certificate = Certificate::parse(&named(name)).unwrap();
        assert_eq!(certificate.subject(), format!("CN={shown},O=TEST KEY DO NOT USE"));
    }
}

/// A certificate may be named by 60 KiB; an error that is about something else shows the beginning.
#[test]
fn long_names_do_not_fill_errors() {
    let file = named(&"ü".repeat(30_000));
    let key = PrivateKey::parse(&key_file("rsa2048")).unwrap();
    let certificate = Certificate::parse(&file).unwrap();
    assert!(certificate.subject().len() > 60_000);
    let error = Signatory::new(key, SignatureBuilder::new(certificate)).unwrap_err().to_string();
    assert!(error.contains("üü...") && error.len() < 1000, "{error}");
}

fn named(common_name: &str) -> Vec<u8> {
    let mut tree = Node::parse(&der_of(&certificate_file("p256")));
    *tree.at(&[0, 5, 1, 0, 1]) = Node::Primitive(0x0c, common_name.into());
    tree.encode()
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
