//! What the kernel does with a message that it could read: it verifies what is inside
//! (`pkcs7_verify.c`), then looks for a way to a key of the keyring (`pkcs7_trust.c`,
//! `system_keyring.c`).

mod trust;
mod verify;

use crate::lint::KernelError::{self, Badmsg, Inval, Keyrejected, Nopkg};
use crate::lint::algorithms::Hash;
use crate::lint::ber::tag;
use crate::lint::content::Texts;
use crate::lint::message::{INCONSISTENT, Message, SignerInfo};
use crate::lint::public_key::PublicKey;
use crate::lint::report::{Findings, Point};
use crate::lint::x509::Certificate;

/// The certificates that the kernel has as keys, and where.
#[derive(Clone, Copy)]
pub(super) struct Keyring<'k, 'c> {
    pub(super) certificates: &'k [Certificate<'c>],
    /// Whether it is `.platform`. dm-verity asks it if the other keyrings have no key or another
    /// one, and not after other errors.
    pub(super) platform: bool,
}

/// Looks at a message in the kernel's order.
pub(super) fn judge(
    message: &Message<'_>,
    texts: &Texts<'_>,
    keyring: Option<Keyring<'_, '_>>,
    findings: &mut Findings,
) {
    check_attributes(message, findings);
    check_content(message, findings);
    let mut judge = Judge::new(message, texts, findings);
    let certificates: Vec<_> =
        message.signers.iter().map(|signer| judge.verify_one(signer)).collect();
    if !message.signers.is_empty() && message.signers.iter().all(is_unsupported) {
        judge.findings.fail("digest-algorithm", Nopkg, "", UNSUPPORTED.to_owned());
    }
    match keyring {
        Some(keyring) => judge.trust(&certificates, keyring),
        None => judge.assume_keyring(&certificates),
    }
}

fn check_attributes(message: &Message<'_>, findings: &mut Findings) {
    let with = message.signers.iter().filter(|signer| signer.attributes.bytes.is_some()).count();
    match (message.signers.len(), with) {
        (0, _) => {
            let words = "nobody has signed".to_owned();
            findings.fail("signers", Inval, INCONSISTENT, words);
        }
        (signers, with) if with != 0 && with != signers => {
            let words = "some signers have signed attributes and some have not".to_owned();
            findings.fail("signers", Inval, INCONSISTENT, words);
        }
        (_, 0) => findings.push(Point::ok("signed-attributes", "there are none")),
        _ => {
            let words = "there are signed attributes, which the kernel takes and verity does not";
            findings.push(Point::warn("signed-attributes", words));
        }
    }
    if message.signers.len() > 1 {
        let words = format!(
            "{} signers: the kernel wants one of them in its keyring; verity wants one signer",
            message.signers.len()
        );
        findings.push(Point::warn("signers", words));
    }
}

fn check_content(message: &Message<'_>, findings: &mut Findings) {
    if message.has_content {
        let words = "the signed text is embedded; the signature must be detached".to_owned();
        findings.fail("content", Badmsg, "PKCS#7 signature with non-detached data", words);
    }
    if message.authenticode {
        let words = "the content type is that of Authenticode".to_owned();
        let kernel_message = "PKCS7: Invalid unspecified sig (not pkcs7-data)";
        findings.fail("content-type", Keyrejected, kernel_message, words);
    }
}

/// Whether the signer's digest cannot be computed. The kernel goes on with the other signers.
fn is_unsupported(signer: &SignerInfo<'_>) -> bool {
    signer.hash == Some(Hash::Other)
}

/// What a signature was found to be.
enum Check {
    Holds,
    /// It would hold over the right text.
    Untold,
    /// It is of another text than the root hash as the table writes it.
    OtherText(KernelError, String),
    Fails(KernelError, String),
}

/// What is to be verified with a key: the signature of a signer or of a certificate.
#[derive(Clone, Copy)]
enum Signed<'m, 'a> {
    Signer(&'m SignerInfo<'a>),
    Certificate(&'m Certificate<'a>),
}

/// A message under judgement. Embedded certificates go by their index in it.
struct Judge<'m, 'a, 't, 'f> {
    message: &'m Message<'a>,
    texts: &'t Texts<'t>,
    /// For each embedded certificate its issuer's, once that was found.
    issuers: Vec<Option<usize>>,
    /// The embedded certificates that the kernel came by in the present walk.
    seen: Vec<bool>,
    /// The embedded certificates that lead to a key of the keyring.
    verified: Vec<bool>,
    findings: &'f mut Findings,
    /// Whether it was said that the signed text is right.
    text_told: bool,
}

impl<'m, 'a, 't, 'f> Judge<'m, 'a, 't, 'f> {
    fn new(
        message: &'m Message<'a>,
        texts: &'t Texts<'t>,
        findings: &'f mut Findings,
    ) -> Judge<'m, 'a, 't, 'f> {
        let count = message.certificates.len();
        Judge {
            message,
            texts,
            issuers: vec![None; count],
            seen: vec![false; count],
            verified: vec![false; count],
            findings,
            text_told: false,
        }
    }

    /// The embedded certificate of a certificate's issuer, once it was found.
    fn issuer(&self, index: usize) -> Option<usize> {
        self.issuers.get(index).copied().flatten()
    }

    fn set_issuer(&mut self, index: usize, issuer: usize) {
        if let Some(place) = self.issuers.get_mut(index) {
            *place = Some(issuer);
        }
    }

    fn is_seen(&self, index: usize) -> bool {
        self.seen.get(index) == Some(&true)
    }

    fn check(&mut self, signed: Signed<'m, 'a>, key: &PublicKey<'_>) -> Check {
        self.findings.needs(key.key.since());
        match signed {
            Signed::Certificate(certificate) => self.check_certificate(certificate, key),
            Signed::Signer(signer) => self.check_signer(signer, key),
        }
    }

    fn check_certificate(&self, certificate: &Certificate<'_>, key: &PublicKey<'_>) -> Check {
        match certificate.signed_by(key, self.findings.effort()) {
            Some(Ok(())) => Check::Holds,
            Some(Err(error)) => {
                Check::Fails(error, format!("{} is not signed by that key", certificate.name()))
            }
            None if self.findings.effort().is_exhausted() => Check::Untold,
            None => Check::Fails(Inval, "the certificate's digest is not known".to_owned()),
        }
    }

    fn check_signer(&mut self, signer: &SignerInfo<'_>, key: &PublicKey<'_>) -> Check {
        // An algorithm that is not known was reported when the message was read.
        let (Some(hash), Some(scheme)) = (signer.hash, signer.scheme) else { return Check::Untold };
        let claim = key.claim(scheme, hash, signer.signature);
        let verify = |parts: &[&[u8]]| match hash.digest(parts) {
            Some(digest) => claim.check(&digest, self.findings.effort()),
            None => Some(Err(Inval)),
        };
        let signed = match (signer.attributes.bytes, self.texts.signed()) {
            (Some(attributes), _) => verify(&[&[tag::SET], attributes]),
            (None, Some(text)) => verify(&[text]),
            (None, None) => {
                self.findings.assume(self.texts.assumption());
                return Check::Untold;
            }
        };
        match signed {
            None => Check::Untold,
            Some(Ok(())) => {
                self.text_is_right(signer);
                Check::Holds
            }
            Some(Err(error)) if signer.attributes.bytes.is_some() => {
                let words = format!("the {} key did not sign these attributes", key.key.name());
                Check::Fails(error, words)
            }
            // The digest is compared last: before that no other text would do better.
            Some(Err(error)) if error != Keyrejected => {
                Check::Fails(error, "the signature is damaged, or by another key".to_owned())
            }
            Some(Err(error)) => match self.texts.mistake(|text| verify(&[text]) == Some(Ok(()))) {
                Some(words) => Check::OtherText(error, words),
                None => Check::Fails(error, NO_SIGNATURE.to_owned()),
            },
        }
    }

    /// Says so once, however many have signed.
    fn text_is_right(&mut self, signer: &SignerInfo<'_>) {
        if signer.attributes.bytes.is_none() && !std::mem::replace(&mut self.text_told, true) {
            let words = "it is the root hash as the table writes it";
            self.findings.push(Point::ok("signed-text", words));
        }
    }
}

fn mark(flags: &mut [bool], index: usize) {
    if let Some(flag) = flags.get_mut(index) {
        *flag = true;
    }
}

const NO_SIGNATURE: &str = "the signature is not of this root hash, or not by this key, or damaged";

const UNSUPPORTED: &str = "the kernel's parser knows the digest, but kernels are built without it";
