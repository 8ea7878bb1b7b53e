//! Whose of several certificates a raw signature is.

use super::mistake::{Explanation, explain};
use crate::certificate::{Certificate, CertificateBundle, ToBeSigned};
use crate::error::{Error, SigningError};

impl CertificateBundle {
    /// The certificate whose key has made this raw signature. If the file holds only one, it is
    /// that; if the key has signed something else, or in another way, that key's, and otherwise
    /// that of [`CertificateBundle::of_signer`]: what is wrong with the signature shows when it is
    /// attached.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when more than one of the certificates is that key's, and
    /// [`Error::Signing`] when the signature is by none of them, and they are not one chain.
    pub fn of_signature(
        &self,
        to_be_signed: impl Fn(&Certificate) -> ToBeSigned,
        signature: &[u8],
    ) -> Result<Certificate, Error> {
        if let Some(only) = self.only() {
            return Ok(only.clone());
        }
        let signs =
            |one: &Certificate| one.public_key().recognize(&to_be_signed(one), signature).is_some();
        if let Some(certificate) = self.fitting(signs)? {
            return Ok(certificate.clone());
        }
        let explain = |one: &Certificate| explain(one.public_key(), &to_be_signed(one), signature);
        let explanations: Vec<_> =
            self.certificates().iter().map(|one| (one, explain(one))).collect();
        let mut by_key = explanations.iter().filter(|(_, explanation)| {
            explanation.as_ref().is_some_and(|explanation| explanation.is_by_key)
        });
        if let Some((certificate, _)) = by_key.next() {
            return Ok((*certificate).clone());
        }
        self.of_signer().map_err(|_| {
            let explanations: Vec<_> = explanations.into_iter().map(|(_, one)| one).collect();
            let words = |one: &Explanation| Some(one.words.clone());
            let encoding = |one: &Explanation| {
                Some(format!("{}, but that is by none of them either", one.encoding.as_ref()?))
            };
            let mistake = common(&explanations, words).or_else(|| common(&explanations, encoding));
            let (actual, certificates) = (signature.len(), self.count());
            SigningError::NotByAny { actual, certificates, mistake }.into()
        })
    }
}

/// What is said of all, if it is the same.
fn common(
    explanations: &[Option<Explanation>],
    say: impl Fn(&Explanation) -> Option<String>,
) -> Option<String> {
    let mut said = explanations.iter().map(|one| say(one.as_ref()?));
    let first = said.next()??;
    said.all(|other| other.as_ref() == Some(&first)).then_some(first)
}
