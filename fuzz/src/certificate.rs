//! Certificate files: what pinned and enrolled certificates are read from.
//!
//! Invariants under test:
//! - no input panics; a refusal is one short printable line;
//! - an accepted certificate is canonical: read again from its DER it is the same, and bytes that were DER are
//!   those of the certificate; nothing may stand behind it;
//! - its names are printable and its dates agree with what is said of them;
//! - whatever it is, the kernel's keyring may be given it: a prediction is made, and without it nothing is
//!   trusted that was not before.

use verity_sign::lint::{EnrolledCertificate, Prediction, predict};
use verity_sign::{Authorities, Certificate, Validity, verify_detached};

use crate::message;

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let prediction = predict(data, "00", &[EnrolledCertificate::from_der(data.to_vec())]);
    assert_ne!(prediction, Prediction::Accepted, "no certificate is a signature");
    let certificate = match Certificate::parse(data) {
        Ok(certificate) => certificate,
        Err(error) => return message::check(&error),
    };
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
    let files: [&[u8]; 7] = [
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa2048.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa3072.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.rsa4096.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.p384.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.other.cert.pem"),
        include_bytes!("../../testdata/keys/TEST_KEY_DO_NOT_USE.expired.cert.pem"),
    ];
    let der = |file| Certificate::parse(file).expect("a certificate").der().to_vec();
    files.iter().flat_map(|&file| [file.to_vec(), der(file)]).collect()
}
