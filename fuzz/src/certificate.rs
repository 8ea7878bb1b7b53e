//! Certificate files: what pinned and enrolled certificates are read from.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line;
//! - an accepted certificate is canonical: read again from its DER it is the same, and bytes that
//!   were DER are those of the certificate; nothing may stand behind it;
//! - its names are printable, and its validity agrees with its dates;
//! - an authority says of itself that it is one (read here without the parser), and vouches for a
//!   chain only if its name and its key are those of the authority that made the chain;
//! - the lint takes any input as a certificate in the kernel's keyring: it makes a prediction, and
//!   trusts nothing that it does not trust without that certificate.

use std::sync::LazyLock;

use verity_sign::lint::{EnrolledCertificate, Prediction, predict};
use verity_sign::{
    Authorities, Certificate, PrivateKey, Signatory, SignatureBuilder, Validity, verify_detached,
};
use verity_testdata::der::Node;

use crate::authority::{BASIC_CONSTRAINTS, CHAIN, NOW};
use crate::der::{self, Element};
use crate::message;

const ROOT_HASH: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// A signature by a test key, which is public and good for nothing else.
static SIGNATURE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let key = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.key.pem");
    let certificate = include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem");
    let builder = SignatureBuilder::new(Certificate::parse(certificate).expect("a certificate"));
    let signatory = Signatory::new(PrivateKey::parse(key).expect("a key"), builder);
    signatory.expect("a pair").sign_detached(ROOT_HASH.as_bytes()).expect("signs")
});

/// A signature whose certificate leads to a root.
static CHAINED: LazyLock<Vec<u8>> =
    LazyLock::new(|| CHAIN.signatures(ROOT_HASH.as_bytes()).swap_remove(0));

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let enrolled = [EnrolledCertificate::from_der(data.to_vec())];
    assert_ne!(
        predict(data, "00", &enrolled),
        Prediction::Accepted,
        "no certificate is a signature"
    );
    let prediction = predict(&SIGNATURE, ROOT_HASH, &enrolled);
    let certificate = match Certificate::parse(data) {
        Ok(certificate) => certificate,
        Err(error) => return message::check(&error),
    };
    let pinned =
        verify_detached(&SIGNATURE, ROOT_HASH.as_bytes(), std::slice::from_ref(&certificate));
    // By its DER only: a keyring is not given PEM. And the kernel is the stricter one about a
    // certificate that names itself as its issuer.
    if data.first() == Some(&0x30) && prediction == Prediction::Accepted {
        assert!(
            pinned.is_ok(),
            "the kernel would take a signature that is refused with the certificate pinned"
        );
    }
    let again = Certificate::parse(certificate.der()).expect("its own DER");
    assert_eq!(again, certificate);
    if der::element(data).is_some() {
        assert_eq!(certificate.der(), data, "accepted, but not what it is");
    }
    for name in [certificate.subject(), certificate.issuer(), certificate.serial()] {
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
    let (from, to) = (certificate.not_before(), certificate.not_after());
    if from <= to {
        assert_eq!(certificate.validity_at(from), Validity::Valid);
        assert_eq!(certificate.validity_at(to), Validity::Valid);
    }
    assert!(verify_detached(data, b"", std::slice::from_ref(&certificate)).is_err());
    check_authority(&certificate);
}

fn check_authority(certificate: &Certificate) {
    let authorities = match Authorities::new(vec![certificate.clone()], NOW) {
        Ok(authorities) => authorities,
        Err(error) => return message::check(&error),
    };
    assert!(says_authority(certificate.der()), "an authority by nobody's word");
    match verify_detached(&CHAINED, ROOT_HASH.as_bytes(), &authorities) {
        Ok(signed_by) => {
            let made = [&CHAIN.root, &CHAIN.middle].into_iter().any(|one| {
                (one.subject(), one.public_key())
                    == (certificate.subject(), certificate.public_key())
            });
            assert!(made, "{certificate:?} vouches for what it did not make");
            assert_eq!(signed_by.authority(), Some(certificate));
            assert_eq!(certificate.validity_at(NOW), Validity::Valid);
        }
        Err(error) => message::check(&error),
    }
}

fn children(element: Element<'_>) -> Vec<Element<'_>> {
    element.children().unwrap_or_default()
}

/// Whether basic constraints begin with TRUE, in the last element of what is signed.
fn says_authority(der: &[u8]) -> bool {
    let signed = der::element(der).map(children).and_then(|parts| parts.first().copied());
    let last = signed.map(children).and_then(|fields| fields.last().copied());
    let extensions = last.map(children).and_then(|one| one.first().copied()).map(children);
    extensions.unwrap_or_default().into_iter().map(children).any(|extension| {
        let oid = extension.first().is_some_and(|first| first.value == BASIC_CONSTRAINTS);
        let value = extension.last().and_then(|last| der::element(last.value)).map(children);
        let mark = Element { tag: 0x01, value: &[0xff] };
        oid && value.is_some_and(|fields| fields.first() == Some(&mark))
    })
}

/// A test key's certificate with another common name, which is the second part of its subject.
fn with_name(der: &[u8], name: &str) -> Vec<u8> {
    let mut tree = Node::parse(der);
    *tree.at(&[0, 5, 1, 0, 1]) = Node::Primitive(0x0c, name.into());
    tree.encode()
}

/// Certificates of the test keys, as PEM and as DER, those of an authority, and one whose name
/// would steer a terminal.
///
/// # Panics
/// If one cannot be read.
pub fn seeds() -> Vec<Vec<u8>> {
    let files: [&[u8]; 6] = [
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa3072.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p384.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.other.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.expired.cert.pem"),
    ];
    let der = |file| Certificate::parse(file).expect("a certificate").der().to_vec();
    let chain = [&CHAIN.root, &CHAIN.middle, &CHAIN.leaf, &CHAIN.direct];
    let named = with_name(&der(files[2]), "\u{9b}2J");
    let files = files.iter().flat_map(|&file| [file.to_vec(), der(file)]);
    files.chain(chain.map(|one| one.der().to_vec())).chain([named]).collect()
}
