//! What is verified inside a message, without any keyring (`pkcs7_verify.c`).

use super::{Check, Judge, Signed, is_unsupported, mark};
use crate::lint::KernelError::{Badmsg, Keyrejected};
use crate::lint::message::SignerInfo;
use crate::lint::report::Point;
use crate::lint::x509::{Authority, Certificate};

impl<'m, 'a> Judge<'m, 'a, '_, '_> {
    /// Verifies a signer and the certificates above it. Returns the signer's own certificate.
    pub(super) fn verify_one(&mut self, signer: &'m SignerInfo<'a>) -> Option<usize> {
        let since =
            [signer.hash.map(|hash| hash.since()), signer.scheme.map(|scheme| scheme.since())];
        since.into_iter().flatten().for_each(|version| self.findings.needs(version));
        if is_unsupported(signer) {
            return None;
        }
        self.check_message_digest(signer);
        let all = &self.message.certificates;
        let index = all.iter().position(|certificate| certificate.id == signer.id)?;
        let certificate = all.get(index)?;
        self.check_signing_time(signer, certificate);
        match self.check(Signed::Signer(signer), &certificate.key) {
            Check::Fails(error, words) => self.findings.fail("signature", error, "", words),
            Check::OtherText(error, words) => self.findings.fail("signed-text", error, "", words),
            Check::Holds | Check::Untold => {}
        }
        self.verify_chain(signer, index);
        Some(index)
    }

    fn check_message_digest(&mut self, signer: &SignerInfo<'_>) {
        let (Some(_), Some(stated), Some(hash)) =
            (signer.attributes.bytes, signer.attributes.message_digest, signer.hash)
        else {
            return;
        };
        let Some(text) = self.texts.signed() else {
            return self.findings.assume(self.texts.assumption());
        };
        let Some(digest) = hash.digest(&[text]) else { return };
        if stated.len() != digest.len() {
            let words = "the signed message digest has another length than its algorithm's";
            let message = of_signer(signer, "Invalid digest size");
            self.findings.fail("signed-text", Badmsg, message, words.to_owned());
        } else if stated != digest {
            let signed = |text: &[u8]| hash.digest(&[text]).as_deref() == Some(stated);
            let words = self.texts.mistake(signed).unwrap_or_else(|| {
                "the attributes state the digest of another text than this root hash".to_owned()
            });
            let message = of_signer(signer, "Message digest doesn't match");
            self.findings.fail("signed-text", Keyrejected, message, words);
        }
    }

    fn check_signing_time(&mut self, signer: &SignerInfo<'_>, certificate: &Certificate<'_>) {
        let valid = certificate.valid_from..=certificate.valid_to;
        if signer.attributes.signing_time.is_some_and(|time| !valid.contains(&time)) {
            let words = "the signing time is outside the validity of the embedded certificate";
            let message = "PKCS7: Message signed outside of X.509 validity window";
            self.findings.fail("signed-attributes", Keyrejected, message, words.to_owned());
        }
    }

    /// Follows the embedded certificates from a signer's upwards.
    fn verify_chain(&mut self, signer: &SignerInfo<'_>, first: usize) {
        self.seen.fill(false);
        let mut next = Some(first);
        while let Some(index) = next {
            next = self.verify_link(signer, index);
        }
    }

    /// Verifies one certificate by the embedded one of its issuer. Returns that one, if the walk
    /// goes on from there.
    fn verify_link(&mut self, signer: &SignerInfo<'_>, index: usize) -> Option<usize> {
        let all = &self.message.certificates;
        let certificate = all.get(index)?;
        mark(&mut self.seen, index);
        if certificate.self_signed {
            self.set_issuer(index, index);
            return None;
        }
        let next = self.embedded_issuer(signer, certificate)?;
        let above = all.get(next)?;
        if self.is_seen(next) {
            let words = "the embedded certificates go round in a circle";
            let message = of_signer(signer, "X.509 chain contains loop");
            self.findings.push(Point::warn("certificates", words).logged(message));
            return None;
        }
        if let Some(Err(error)) = certificate.signed_by(&above.key, self.findings.effort()) {
            let words = format!("{} was not signed by {}", certificate.name(), above.name());
            self.findings.fail("certificates", error, "", words);
            return None;
        }
        self.set_issuer(index, next);
        Some(next)
    }

    /// The embedded certificate that this one names as its issuer's: by the first identifier, to
    /// which the second must then belong, or by the second alone.
    fn embedded_issuer(
        &mut self,
        signer: &SignerInfo<'_>,
        certificate: &Certificate<'_>,
    ) -> Option<usize> {
        let all = &self.message.certificates;
        let Authority { id, skid } = &certificate.authority;
        let Some(id) = id else {
            return all.iter().position(|one| one.skid.is_some() && one.skid == *skid);
        };
        let found = all.iter().position(|one| one.id == *id)?;
        if skid.is_some() && *skid != all.get(found)?.skid {
            let words = "an embedded certificate names its issuer's key identifier wrongly";
            let message = of_signer(signer, "X.509 chain contains auth-skid nonmatch");
            self.findings.fail("certificates", Keyrejected, message, words.to_owned());
            return None;
        }
        Some(found)
    }
}

/// How the kernel's line about a signer begins.
fn of_signer(signer: &SignerInfo<'_>, what: &str) -> String {
    format!("PKCS7: Sig {}: {what}", signer.number)
}
