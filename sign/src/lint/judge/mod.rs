//! What the kernel does with a message that it could read (`pkcs7_verify.c`, `pkcs7_trust.c`,
//! `system_keyring.c`): verify what is inside, then look for a way to a key of the keyring.

use crate::lint::KernelError::{self, Badmsg, Inval, Keyrejected, Nokey, Nopkg};
use crate::lint::algorithms::Hash;
use crate::lint::content::Texts;
use crate::lint::message::{INCONSISTENT, Message, Signer};
use crate::lint::public_key::PublicKey;
use crate::lint::report::{Findings, Point};
use crate::lint::x509::Certificate;

/// The certificates that the kernel has as keys, and where.
#[derive(Clone, Copy)]
pub(super) struct Keyring<'k, 'c> {
    pub(super) certificates: &'k [Certificate<'c>],
    /// In `.platform`, which dm-verity asks if the other keyrings have no key or another one, and not
    /// after other errors.
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
    if message.has_content {
        let words = "the signed text is embedded; the signature must be detached".to_owned();
        findings.fail("content", Badmsg, "PKCS#7 signature with non-detached data", words);
    }
    if message.authenticode {
        let words = "the content type is that of Authenticode".to_owned();
        let kernel_message = "PKCS7: Invalid unspecified sig (not pkcs7-data)";
        findings.fail("content-type", Keyrejected, kernel_message, words);
    }
    let count = message.certificates.len();
    let mut judge = Judge {
        message,
        texts,
        issuers: vec![None; count],
        seen: vec![false; count],
        verified: vec![false; count],
        findings,
        text_told: false,
    };
    let certificates: Vec<_> =
        message.signers.iter().map(|signer| judge.verify_one(signer)).collect();
    if !message.signers.is_empty() && message.signers.iter().all(is_unsupported) {
        judge.findings.fail("digest-algorithm", Nopkg, "", UNSUPPORTED.to_owned());
    }
    judge.trust(&certificates, keyring);
}

const NO_SIGNATURE: &str = "the signature is not of this root hash, or not by this key, or damaged";

const UNSUPPORTED: &str = "the kernel's parser knows the digest, but kernels are built without it";

/// A signer whose digest cannot be computed. The kernel goes on with the others.
fn is_unsupported(signer: &Signer<'_>) -> bool {
    signer.hash == Some(Hash::Other)
}

/// How the kernel's line about a signer begins.
fn of_signer(signer: &Signer<'_>, what: &str) -> String {
    format!("PKCS7: Sig {}: {what}", signer.number)
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

/// What a signature was found to be.
enum Check {
    Holds,
    /// It would hold over the right text.
    Untold,
    /// The signature is of something else than the root hash as the table writes it.
    OtherText(KernelError, String),
    Fails(KernelError, String),
}

/// Why there is no trust in a signer.
struct Refusal {
    /// Of the point that fails.
    name: &'static str,
    error: KernelError,
    words: String,
}

fn no_trust(error: KernelError, words: String) -> Refusal {
    Refusal { name: "trust", error, words }
}

/// What is to be verified with a key: the signature of a signer or of a certificate.
#[derive(Clone, Copy)]
enum Signed<'m, 'a> {
    Signer(&'m Signer<'a>),
    Certificate(&'m Certificate<'a>),
}

struct Judge<'m, 'a, 't, 'f> {
    message: &'m Message<'a>,
    texts: &'t Texts<'t>,
    /// For each embedded certificate that of its issuer, once it was found.
    issuers: Vec<Option<usize>>,
    seen: Vec<bool>,
    verified: Vec<bool>,
    findings: &'f mut Findings,
    /// Whether it was said that the signed text is right.
    text_told: bool,
}

impl<'m, 'a> Judge<'m, 'a, '_, '_> {
    /// Verifies what can be verified inside the message. The result is the signer's certificate.
    fn verify_one(&mut self, signer: &'m Signer<'a>) -> Option<usize> {
        for version in
            [signer.hash.map(|hash| hash.since()), signer.scheme.map(|scheme| scheme.since())]
        {
            version.into_iter().for_each(|version| self.findings.needs(version));
        }
        if is_unsupported(signer) {
            return None;
        }
        self.check_message_digest(signer);
        let all = &self.message.certificates;
        let index = all.iter().position(|certificate| certificate.id == signer.id)?;
        let certificate = all.get(index)?;
        if let Some(time) = signer.attributes.signing_time
            && !(certificate.valid_from..=certificate.valid_to).contains(&time)
        {
            let words = "the signing time is outside the validity of the embedded certificate";
            let message = "PKCS7: Message signed outside of X.509 validity window";
            self.findings.fail("signed-attributes", Keyrejected, message, words.to_owned());
        }
        match self.check(Signed::Signer(signer), &certificate.key) {
            Check::Fails(error, words) => self.findings.fail("signature", error, "", words),
            Check::OtherText(error, words) => self.findings.fail("signed-text", error, "", words),
            Check::Holds | Check::Untold => {}
        }
        self.verify_chain(signer, index);
        Some(index)
    }

    fn check_message_digest(&mut self, signer: &Signer<'_>) {
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

    /// Follows the embedded certificates from a signer's upwards.
    fn verify_chain(&mut self, signer: &Signer<'_>, first: usize) {
        self.seen.fill(false);
        let all = &self.message.certificates;
        let mut at = first;
        while let Some(certificate) = all.get(at) {
            mark(&mut self.seen, at);
            if certificate.self_signed {
                put(&mut self.issuers, at, at);
                return;
            }
            let issuer = match &certificate.authority {
                authority if authority.id.is_some() => {
                    let found = all.iter().position(|one| Some(&one.id) == authority.id.as_ref());
                    let skid = found.and_then(|index| all.get(index)).and_then(|one| one.skid);
                    if found.is_some() && authority.skid.is_some() && authority.skid != skid {
                        let words =
                            "an embedded certificate names its issuer's key identifier wrongly";
                        let message = of_signer(signer, "X.509 chain contains auth-skid nonmatch");
                        self.findings.fail("certificates", Keyrejected, message, words.to_owned());
                        return;
                    }
                    found
                }
                authority if authority.skid.is_some() => {
                    all.iter().position(|one| one.skid.is_some() && one.skid == authority.skid)
                }
                _ => None,
            };
            let Some(next) = issuer else { return };
            let Some(above) = all.get(next) else { return };
            if self.seen.get(next) == Some(&true) {
                let words = "the embedded certificates go round in a circle";
                let message = of_signer(signer, "X.509 chain contains loop");
                self.findings.push(Point::warn("certificates", words).logged(message));
                return;
            }
            if let Some(Err(error)) = certificate.signed_by(&above.key, self.findings.effort()) {
                let words = format!("{} was not signed by {}", certificate.name(), above.name());
                self.findings.fail("certificates", error, "", words);
                return;
            }
            put(&mut self.issuers, at, next);
            at = next;
        }
    }

    /// Whether any signer leads to a key of the keyring.
    fn trust(&mut self, signers: &[Option<usize>], keyring: Option<Keyring<'_, '_>>) {
        let Some(keyring) = keyring else {
            return self.assume_keyring(signers);
        };
        let unsupported = self.message.signers.iter().any(is_unsupported);
        // ENOPKG of a keyring before keeps the kernel from asking this one.
        let unasked = keyring.platform && unsupported;
        let certificates = if unasked { &[] } else { keyring.certificates };
        self.seen.fill(false);
        let mut trusted = false;
        let mut missing = Vec::new();
        for (signer, certificate) in self.message.signers.iter().zip(signers) {
            if is_unsupported(signer) {
                continue;
            }
            match self.trust_one(signer, *certificate, certificates) {
                Ok(()) => trusted = true,
                Err(Refusal { error: Nokey, words, .. }) => missing.push(words),
                Err(Refusal { name, error, words }) => {
                    return self.findings.fail(name, error, "", words);
                }
            }
        }
        if trusted {
            self.findings.push(Point::ok("trust", "the keyring has a key for it"));
            self.assume_other_keyrings();
        } else if unsupported {
            self.findings.fail("trust", Nopkg, "", UNSUPPORTED.to_owned());
        } else if !self.message.signers.is_empty() {
            self.findings.fail("trust", Nokey, "", missing.join("; "));
        }
    }

    /// A signer whose digest is not supported bars the way to `.platform`.
    fn assume_other_keyrings(&mut self) {
        if self.message.signers.iter().any(is_unsupported) {
            let words = "the key is in another keyring than .platform, which the kernel does not ask when \
                         a signer has a digest that it is built without";
            self.findings.assume(words.to_owned());
        }
    }

    fn trust_one(
        &mut self,
        signer: &'m Signer<'a>,
        certificate: Option<usize>,
        keyring: &[Certificate<'_>],
    ) -> Result<(), Refusal> {
        let all = &self.message.certificates;
        let (mut at, mut last, mut signed) = (certificate, None, Signed::Signer(signer));
        while let Some((index, one)) = at.and_then(|index| Some((index, all.get(index)?))) {
            if self.seen.get(index) == Some(&true) {
                return match self.verified.get(index) {
                    Some(true) => Ok(()),
                    _ => Err(no_trust(Nokey, format!("{} was no way to a key before", one.name()))),
                };
            }
            mark(&mut self.seen, index);
            if let Ok(key) = find(keyring, Some(&one.id), one.skid) {
                self.matched(signed, key)?;
                self.mark_verified(certificate, Some(index));
                return Ok(());
            }
            if self.issuers.get(index) == Some(&Some(index)) {
                return Err(no_trust(Nokey, format!("{} is not in the keyring", one.name())));
            }
            last = Some((index, one));
            signed = Signed::Certificate(one);
            at = self.issuers.get(index).copied().flatten();
        }
        if let Some((index, one)) = last
            && (one.authority.id.is_some() || one.authority.skid.is_some())
        {
            match find(keyring, one.authority.id.as_deref(), one.authority.skid) {
                Ok(key) => {
                    self.matched(signed, key)?;
                    self.mark_verified(certificate, Some(index));
                    return Ok(());
                }
                Err(Nokey) => {}
                Err(error) => {
                    let words =
                        format!("the keyring's key for the issuer of {} is another", one.name());
                    return Err(no_trust(error, words));
                }
            }
        }
        match find(keyring, Some(&signer.id), None) {
            Ok(key) => self.matched(Signed::Signer(signer), key),
            Err(Nokey) => Err(no_trust(
                Nokey,
                format!("{} is not in the keyring{}", signer.name, self.untold(certificate)),
            )),
            Err(error) => Err(no_trust(error, "nothing names the signer".to_owned())),
        }
    }

    /// Words on what else would have done.
    fn untold(&self, certificate: Option<usize>) -> &'static str {
        match certificate {
            Some(_) => ", and neither is an issuer of it",
            None if self.message.certificates.is_empty() => {
                ", and no certificate is embedded that could lead to it"
            }
            None => "",
        }
    }

    fn mark_verified(&mut self, first: Option<usize>, last: Option<usize>) {
        let mut at = first;
        for _ in 0..self.verified.len() {
            let Some(index) = at else { return };
            mark(&mut self.verified, index);
            if at == last {
                return;
            }
            at = self.issuers.get(index).copied().flatten();
        }
    }

    /// A key of the keyring must have made the signature next below it.
    fn matched(&mut self, signed: Signed<'m, 'a>, key: &Certificate<'_>) -> Result<(), Refusal> {
        self.findings.needs(key.key.key.since());
        match self.check(signed, &key.key) {
            Check::Holds => Ok(()),
            Check::Untold => {
                if self.texts.signed().is_none() {
                    self.findings.assume(self.texts.assumption());
                }
                Ok(())
            }
            Check::OtherText(_, words) => {
                Err(Refusal { name: "signed-text", error: Keyrejected, words })
            }
            Check::Fails(_, words) => Err(no_trust(Keyrejected, words)),
        }
    }

    fn check(&mut self, signed: Signed<'m, 'a>, key: &PublicKey<'_>) -> Check {
        self.findings.needs(key.key.since());
        match signed {
            Signed::Certificate(certificate) => match certificate
                .signed_by(key, self.findings.effort())
            {
                Some(Ok(())) => Check::Holds,
                Some(Err(error)) => {
                    Check::Fails(error, format!("{} is not signed by that key", certificate.name()))
                }
                None if self.findings.effort().is_exhausted() => Check::Untold,
                None => Check::Fails(Inval, "the certificate's digest is not known".to_owned()),
            },
            Signed::Signer(signer) => self.check_signer(signer, key),
        }
    }

    fn check_signer(&mut self, signer: &Signer<'_>, key: &PublicKey<'_>) -> Check {
        // What is not known was found before.
        let (Some(hash), Some(scheme)) = (signer.hash, signer.scheme) else { return Check::Untold };
        let claim = key.claim(scheme, hash, signer.signature);
        let verify = |parts: &[&[u8]]| match hash.digest(parts) {
            Some(digest) => claim.check(&digest, self.findings.effort()),
            None => Some(Err(Inval)),
        };
        let signed = match (signer.attributes.bytes, self.texts.signed()) {
            (Some(attributes), _) => verify(&[&[crate::lint::ber::tag::SET], attributes]),
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

    /// Told once, whoever has signed it.
    fn text_is_right(&mut self, signer: &Signer<'_>) {
        if signer.attributes.bytes.is_none() && !std::mem::replace(&mut self.text_told, true) {
            let words = "it is the root hash as the table writes it";
            self.findings.push(Point::ok("signed-text", words));
        }
    }

    /// Without a keyring: what would have to be in it.
    fn assume_keyring(&mut self, signers: &[Option<usize>]) {
        let mut wanted = Vec::new();
        self.assume_other_keyrings();
        for (signer, certificate) in self.message.signers.iter().zip(signers) {
            if is_unsupported(signer) {
                continue;
            }
            let mut names = Vec::new();
            let mut at = *certificate;
            for _ in 0..=self.issuers.len() {
                let Some(index) = at else { break };
                names.extend(self.message.certificates.get(index).map(Certificate::name));
                let above = self.issuers.get(index).copied().flatten();
                if above.is_none() {
                    names.push("the issuer of the last one".to_owned());
                }
                at = above.filter(|above| *above != index);
            }
            match names.is_empty() {
                true => wanted.push(signer.name.clone()),
                false => wanted.push(names.join(", or ")),
            }
        }
        if !wanted.is_empty() {
            self.findings.assume(format!("the keyring holds {}", wanted.join("; or ")));
        }
    }
}

/// As `find_asymmetric_key`: by the first identifier if there is one, in either place of a key; the
/// second one must then be the key's second too.
fn find<'k, 'c>(
    keyring: &'k [Certificate<'c>],
    first: Option<&[u8]>,
    second: Option<&[u8]>,
) -> Result<&'k Certificate<'c>, KernelError> {
    let wanted = first.or(second).unwrap_or_default();
    if wanted.is_empty() {
        return Err(Inval);
    }
    let key =
        keyring.iter().find(|key| key.id == wanted || key.skid == Some(wanted)).ok_or(Nokey)?;
    match (first, second) {
        (Some(_), Some(_)) if key.skid != second => Err(Keyrejected),
        _ => Ok(key),
    }
}

fn mark(flags: &mut [bool], index: usize) {
    if let Some(flag) = flags.get_mut(index) {
        *flag = true;
    }
}

fn put(places: &mut [Option<usize>], index: usize, value: usize) {
    if let Some(place) = places.get_mut(index) {
        *place = Some(value);
    }
}
