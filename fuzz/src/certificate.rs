//! Certificate files: what pinned and enrolled certificates are read from.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line;
//! - an accepted certificate is canonical: read again from its DER it is the same, and bytes that were DER are
//!   those of the certificate; nothing may stand behind it;
//! - its names are printable and its dates agree with what is said of them;
//! - whatever it is, the kernel's keyring may be given it: a prediction is made, and without it nothing is
//!   trusted that was not before.

use std::sync::LazyLock;

use verity_sign::lint::{EnrolledCertificate, Prediction, predict};
use verity_sign::{
    Authorities, Certificate, PrivateKey, Signatory, SignatureBuilder, Validity, verify_detached,
};

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
    // By its DER only: a keyring is not given PEM. And the kernel is the stricter one about a certificate that
    // names itself as its issuer.
    if data.first() == Some(&0x30) && prediction == Prediction::Accepted {
        assert!(
            pinned.is_ok(),
            "the kernel would take a signature that is refused with the certificate pinned"
        );
    }
    let again = Certificate::parse(certificate.der()).expect("its own DER");
    assert_eq!(again, certificate);
    if data.first() == Some(&0x30) {
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
    if let Err(error) = Authorities::new(vec![certificate], 0) {
        message::check(&error);
    }
}

/// Certificates of the test keys, as PEM and as DER.
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
    files.iter().flat_map(|&file| [file.to_vec(), der(file)]).collect()
}
