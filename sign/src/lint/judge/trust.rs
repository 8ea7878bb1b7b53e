//! The way from a signer to a key of the keyring (`pkcs7_trust.c`), and what is assumed where the
//! keyring is not known.

use super::{Check, Judge, Keyring, Signed, UNSUPPORTED, is_unsupported, mark};
use crate::lint::KernelError::{self, Inval, Keyrejected, Nokey, Nopkg};
use crate::lint::message::SignerInfo;
use crate::lint::report::Point;
use crate::lint::x509::Certificate;

/// Why there is no trust in a signer.
struct Refusal {
    /// The name of the point that fails.
    name: &'static str,
    error: KernelError,
    words: String,
}

impl Refusal {
    fn new(error: KernelError, words: String) -> Refusal {
        Refusal { name: "trust", error, words }
    }
}

/// Where the walk up the embedded certificates came to.
enum Climb {
    /// A key of the keyring.
    Trusted,
    /// The last certificate, whose issuer's is not embedded; `None` if the signer's own is not.
    Ended(Option<usize>),
}

impl<'m, 'a> Judge<'m, 'a, '_, '_> {
    /// Whether any signer leads to a key of the keyring.
    pub(super) fn trust(&mut self, signers: &[Option<usize>], keyring: Keyring<'_, '_>) {
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

    /// Whether a signer leads to a key, in the three steps of `pkcs7_validate_trust_one`: by an
    /// embedded certificate that is in the keyring, by the issuer of the last one, by the signer's
    /// own name.
    fn trust_one(
        &mut self,
        signer: &'m SignerInfo<'a>,
        certificate: Option<usize>,
        keyring: &[Certificate<'_>],
    ) -> Result<(), Refusal> {
        let last = match self.trust_embedded(signer, certificate, keyring)? {
            Climb::Trusted => return Ok(()),
            Climb::Ended(last) => last,
        };
        match last {
            Some(last) if self.trust_issuer(certificate, last, keyring)? => Ok(()),
            _ => self.trust_signer(signer, certificate, keyring),
        }
    }

    /// The first step: looks in the keyring for each embedded certificate, from the signer's
    /// upwards. The key must have signed what is next below.
    fn trust_embedded(
        &mut self,
        signer: &'m SignerInfo<'a>,
        first: Option<usize>,
        keyring: &[Certificate<'_>],
    ) -> Result<Climb, Refusal> {
        let all = &self.message.certificates;
        let (mut at, mut last, mut signed) = (first, None, Signed::Signer(signer));
        while let Some((index, one)) = at.and_then(|index| Some((index, all.get(index)?))) {
            if self.is_seen(index) {
                return match self.verified.get(index) {
                    Some(true) => Ok(Climb::Trusted),
                    _ => {
                        let words = format!("{} was no way to a key before", one.name());
                        Err(Refusal::new(Nokey, words))
                    }
                };
            }
            mark(&mut self.seen, index);
            if let Ok(key) = find(keyring, Some(&one.id), one.skid) {
                self.matched(signed, key)?;
                self.mark_verified(first, index);
                return Ok(Climb::Trusted);
            }
            if self.issuer(index) == Some(index) {
                return Err(Refusal::new(Nokey, format!("{} is not in the keyring", one.name())));
            }
            last = Some(index);
            signed = Signed::Certificate(one);
            at = self.issuer(index);
        }
        Ok(Climb::Ended(last))
    }

    /// The second step: looks for the issuer that the last embedded certificate names. `false` if
    /// the keyring has none.
    fn trust_issuer(
        &mut self,
        first: Option<usize>,
        last: usize,
        keyring: &[Certificate<'_>],
    ) -> Result<bool, Refusal> {
        let all = &self.message.certificates;
        let Some(certificate) = all.get(last) else { return Ok(false) };
        let authority = &certificate.authority;
        if authority.id.is_none() && authority.skid.is_none() {
            return Ok(false);
        }
        match find(keyring, authority.id.as_deref(), authority.skid) {
            Ok(key) => {
                self.matched(Signed::Certificate(certificate), key)?;
                self.mark_verified(first, last);
                Ok(true)
            }
            Err(Nokey) => Ok(false),
            Err(error) => {
                let name = certificate.name();
                let words = format!("the keyring's key for the issuer of {name} is another");
                Err(Refusal::new(error, words))
            }
        }
    }

    /// The third step: looks for the key that the signer itself names.
    fn trust_signer(
        &mut self,
        signer: &'m SignerInfo<'a>,
        certificate: Option<usize>,
        keyring: &[Certificate<'_>],
    ) -> Result<(), Refusal> {
        match find(keyring, Some(&signer.id), None) {
            Ok(key) => self.matched(Signed::Signer(signer), key),
            Err(Nokey) => {
                let besides = self.other_ways(certificate);
                let words = format!("{} is not in the keyring{besides}", signer.name);
                Err(Refusal::new(Nokey, words))
            }
            Err(error) => Err(Refusal::new(error, "nothing names the signer".to_owned())),
        }
    }

    /// Words on what else would have led to a key.
    fn other_ways(&self, certificate: Option<usize>) -> &'static str {
        match certificate {
            Some(_) => ", and neither is an issuer of it",
            None if self.message.certificates.is_empty() => {
                ", and no certificate is embedded that could lead to it"
            }
            None => "",
        }
    }

    /// Notes for later signers that the certificates from `first` to `last` lead to a key.
    fn mark_verified(&mut self, first: Option<usize>, last: usize) {
        let mut at = first;
        for _ in 0..self.verified.len() {
            let Some(index) = at else { return };
            mark(&mut self.verified, index);
            if index == last {
                return;
            }
            at = self.issuer(index);
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
            Check::Fails(_, words) => Err(Refusal::new(Keyrejected, words)),
        }
    }

    /// Says what the keyring would have to hold, where it is not known.
    pub(super) fn assume_keyring(&mut self, signers: &[Option<usize>]) {
        self.assume_other_keyrings();
        let mut wanted = Vec::new();
        for (signer, certificate) in self.message.signers.iter().zip(signers) {
            if is_unsupported(signer) {
                continue;
            }
            let names = self.names_upwards(*certificate);
            match names.is_empty() {
                true => wanted.push(signer.name.clone()),
                false => wanted.push(names.join(", or ")),
            }
        }
        if !wanted.is_empty() {
            self.findings.assume(format!("the keyring holds {}", wanted.join("; or ")));
        }
    }

    /// The certificates of which any would do: from a signer's to the issuer of the last one.
    fn names_upwards(&self, first: Option<usize>) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = first;
        for _ in 0..=self.issuers.len() {
            let Some(index) = at else { break };
            names.extend(self.message.certificates.get(index).map(Certificate::name));
            let above = self.issuer(index);
            if above.is_none() {
                names.push("the issuer of the last one".to_owned());
            }
            at = above.filter(|above| *above != index);
        }
        names
    }

    /// A signer whose digest is not supported bars the way to `.platform`.
    fn assume_other_keyrings(&mut self) {
        if self.message.signers.iter().any(is_unsupported) {
            let words = "the key is in another keyring than .platform, which the kernel does not \
                         ask when a signer has a digest that it is built without";
            self.findings.assume(words.to_owned());
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
