//! Would a Linux kernel take this signature of a root hash? A prediction, point by point.
//!
//! The kernel says little when it refuses a signature: an error, and often no word. This module
//! reads a PKCS#7 message as the kernel does and names everything that the kernel would refuse, in
//! the kernel's order and with the kernel's error. It is lenient where the kernel is: BER, bytes
//! behind the message, signed attributes, several signers. So **nothing here vouches for
//! anything**: a [`Report`] or a [`Prediction`] cannot become trust. The crate's own verification
//! ([`verify_root_hash`](crate::verify_root_hash)) knows nothing of this module and refuses most of
//! what it tolerates.
//!
//! The model is Linux 6.12 as Debian has it (6.12.117), with every algorithm that its parsers know,
//! but built without GOST and SM3. The sources are its `crypto/asymmetric_keys/`,
//! `lib/asn1_decoder.c`, `certs/system_keyring.c` and `drivers/md/dm-verity-verify-sig.c`.
//! Blacklists of keys are not modelled. `cli/tests/kernel` compares the model with a real kernel,
//! over more than a thousand signatures in each run, made by every tool at hand and changed by hand
//! and at random: both must give the same error, and the kernel's log the words that the model
//! says.
//!
//! ```
//! use verity_sign::lint::{Accepted, EnrolledCertificate, Lint};
//! use verity_sign::{Certificate, PrivateKey, Signatory, SignatureBuilder};
//!
//! // Never use this key for anything but an example: it is public.
//! let key = include_bytes!("../../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.key.pem");
//! let certificate = include_bytes!("../../../testdata/keys/TEST_KEY_DO_NOT_USE.p256.cert.pem");
//! let builder = SignatureBuilder::new(Certificate::parse(certificate)?);
//! let signer = Signatory::new(PrivateKey::parse(key)?, builder)?;
//! let root_hash: verity::RootHash = "ab".repeat(32).parse()?;
//! let signature = signer.sign_root_hash(&root_hash)?;
//!
//! let text = root_hash.to_string();
//! let keyring = [EnrolledCertificate::parse(certificate)?];
//! let report = Lint::new().root_hash(&text).keyring(&keyring).run(&signature);
//! assert_eq!(report.accepted(), Accepted::Yes);
//! assert_eq!(report.since(), "5.14");
//!
//! // Nobody has enrolled the key.
//! let report = Lint::new().root_hash(&text).keyring(&[]).run(&signature);
//! assert_eq!(report.error().unwrap().name(), "ENOKEY");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algorithms;
mod ber;
mod content;
mod effort;
mod judge;
mod kernel_error;
mod keyring;
mod message;
mod public_key;
mod report;
mod x509;

pub use self::kernel_error::KernelError;
pub use self::keyring::{EnrolledCertificate, KEYRINGS, Keyring};
pub use self::report::{Accepted, Point, Report, Status};

use verity::internals::to_u64;

use self::KernelError::Inval;
use self::content::Texts;
use self::judge::Keyring as Keys;
use self::report::Findings;
use crate::form::{self, Expected, Form};
use crate::signature::MAX_SIGNATURE_BYTES;

/// What the kernel would do with a signature. See [`predict`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Prediction {
    /// It would take it.
    Accepted,
    /// It would refuse it with this error.
    Refused(KernelError),
    /// To tell would take more public-key operations than are done here: some thousands, where an
    /// honest message takes a few.
    Unknown,
}

/// Predicts what the kernel would do with a signature of a root hash, for any bytes at all.
/// `signature` is the content of the user key, `root_hash` the root hash as the table writes it,
/// `keyring` what was given to the kernel as certificates. Of several keys with one name, the first
/// one counts.
///
/// `add_key` refuses an empty signature, and one that is longer than a user key may be, with
/// EINVAL.
pub fn predict(signature: &[u8], root_hash: &str, keyring: &[EnrolledCertificate]) -> Prediction {
    let report = Lint::new().root_hash(root_hash).keyring(keyring).run(signature);
    match report.error() {
        Some(error) => Prediction::Refused(error),
        None if report.accepted() == Accepted::Unknown => Prediction::Unknown,
        None => Prediction::Accepted,
    }
}

/// What is known beside a signature. Where less is known, the verdict rests on assumptions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lint<'a> {
    root_hash: Option<&'a str>,
    keyring: Option<&'a [EnrolledCertificate]>,
    platform: bool,
    now: Option<u64>,
}

impl<'a> Lint<'a> {
    /// Nothing is known.
    pub fn new() -> Lint<'a> {
        Lint::default()
    }

    /// The root hash, exactly as the device-mapper table writes it.
    #[must_use]
    pub fn root_hash(self, root_hash: &'a str) -> Lint<'a> {
        Lint { root_hash: Some(root_hash), ..self }
    }

    /// Everything that the keyring holds.
    #[must_use]
    pub fn keyring(self, keyring: &'a [EnrolledCertificate]) -> Lint<'a> {
        Lint { keyring: Some(keyring), platform: false, ..self }
    }

    /// Everything that the keyring `.platform` holds, where the others have nothing for the
    /// signature: dm-verity asks it only after ENOKEY or EKEYREJECTED.
    #[must_use]
    pub fn platform_keyring(self, keyring: &'a [EnrolledCertificate]) -> Lint<'a> {
        Lint { keyring: Some(keyring), platform: true, ..self }
    }

    /// The time (unix seconds), to tell of certificates that have expired. The kernel does not
    /// mind.
    #[must_use]
    pub fn now(self, now: u64) -> Lint<'a> {
        Lint { now: Some(now), ..self }
    }

    /// Looks at a signature.
    pub fn run(&self, signature: &[u8]) -> Report {
        let mut findings = Findings::new();
        self.check_size(signature, &mut findings);
        if self.root_hash.is_some_and(|text| text.bytes().any(|byte| byte.is_ascii_uppercase())) {
            let words = "the root hash is in upper case, and the kernel takes the text of the \
                         table as it is; verity writes and signs lower case";
            findings.push(Point::warn("signed-text", words));
        }
        check_form(signature, &mut findings);
        let Some(message) = message::read(signature, &mut findings) else {
            return findings.finish();
        };
        let keyring = self.keyring.map(|keyring| self.load(keyring, &mut findings));
        self.report_dates("certificates", &message.certificates, &mut findings);
        let texts = Texts::new(self.root_hash);
        let keyring =
            keyring.as_deref().map(|certificates| Keys { certificates, platform: self.platform });
        judge::judge(&message, &texts, keyring, &mut findings);
        findings.finish()
    }

    fn check_size(&self, signature: &[u8], findings: &mut Findings) {
        let length = signature.len();
        if signature.is_empty() {
            findings.fail("size", Inval, "", "it is empty, which no key can be".to_owned());
        } else if to_u64(length) > MAX_SIGNATURE_BYTES {
            let words =
                format!("{length} bytes; a user key holds {MAX_SIGNATURE_BYTES} at the most");
            findings.fail("size", Inval, "", words);
        } else {
            findings.push(Point::ok("size", format!("{length} bytes")));
        }
    }

    /// The certificates that the kernel takes into its keyring.
    fn load<'c>(
        &self,
        keyring: &'c [EnrolledCertificate],
        findings: &mut Findings,
    ) -> Vec<x509::Certificate<'c>> {
        let mut loaded = Vec::new();
        for (index, enrolled) in keyring.iter().enumerate() {
            match x509::Certificate::parse(enrolled.der(), findings.effort()) {
                Ok(certificate) => loaded.push(certificate),
                Err(refused) => {
                    let words = format!(
                        "certificate {} is not taken into the keyring ({}): {}",
                        index + 1,
                        refused.error,
                        refused.reason
                    );
                    findings.push(Point::warn("keyring", words));
                }
            }
        }
        self.report_dates("keyring", &loaded, findings);
        loaded
    }

    /// Reports what others mind about a certificate, and the kernel does not.
    fn report_dates(
        &self,
        name: &'static str,
        certificates: &[x509::Certificate<'_>],
        findings: &mut Findings,
    ) {
        let now = self.now.and_then(|now| i64::try_from(now).ok());
        for certificate in certificates {
            let mut remarks = Vec::new();
            if now.is_some_and(|now| now > certificate.valid_to) {
                remarks.push("has expired");
            }
            if now.is_some_and(|now| now < certificate.valid_from) {
                remarks.push("is not valid yet");
            }
            if certificate.no_digital_signature {
                remarks.push("has a key usage without digitalSignature");
            }
            if certificate.skid.is_none() {
                remarks.push("has no subject key identifier, so a signer cannot be named by it");
            }
            if !remarks.is_empty() {
                let words = format!(
                    "{} {}; the kernel does not mind",
                    certificate.name(),
                    remarks.join(", and ")
                );
                findings.push(Point::warn(name, words));
            }
        }
    }
}

/// Names what is no message at all. The kernel has its own error for it, and no words.
fn check_form(signature: &[u8], findings: &mut Findings) {
    match form::of_signature(signature) {
        None => {}
        Some(found) => match found.form {
            Form::Pkcs7 => {}
            // What is behind a message is the kernel's business.
            Form::Cut { actual, stated, .. } if stated < actual => {}
            _ => {
                let (found, advice) = (found.name(), found.advice(Expected::Message));
                let words = format!("it is {found}; the kernel reads PKCS#7 in DER{advice}");
                findings.push(Point::warn("form", words));
            }
        },
    }
}
