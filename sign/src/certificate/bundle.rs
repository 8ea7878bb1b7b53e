//! The certificates of one file, of which one is the signer's.
//!
//! People keep a certificate beside its key, or in a file with its whole chain. Who signs may take
//! the one that fits from such a file: the raw signature is checked with it, so a wrong choice
//! cannot pass. Whom to trust is never chosen so.

use std::io::Read;

use der::Decode;

use super::{Certificate, PublicKey, check_issuers, input};
use crate::error::{CertificateError, Error};

/// Every certificate of a file. One of them is chosen by the key that signs.
#[derive(Clone, Debug)]
pub struct CertificateBundle {
    certificates: Vec<Certificate>,
    /// Those whose keys cannot sign here. They are of others.
    others: Vec<x509_cert::Certificate>,
}

impl CertificateBundle {
    /// Reads a file to its end (at most [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES)) and parses it.
    ///
    /// # Errors
    ///
    /// As [`CertificateBundle::parse`], and when reading fails.
    pub fn read(reader: impl Read) -> Result<CertificateBundle, Error> {
        let file = input::read_bounded(reader).map_err(CertificateError::Input)?;
        CertificateBundle::parse(&file)
    }

    /// Parses a file: PEM with one or more certificates, beside which keys may stand, or DER.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when the file is empty, too large, holds no certificate or a damaged
    /// one, or if none of them has a key that can sign here.
    pub fn parse(file: &[u8]) -> Result<CertificateBundle, Error> {
        let objects = input::certificate_objects(file).map_err(CertificateError::Input)?;
        let mut bundle = CertificateBundle { certificates: Vec::new(), others: Vec::new() };
        let mut unsupported = None;
        for object in objects {
            match Certificate::from_der(&object.der) {
                Ok(certificate) => bundle.certificates.push(certificate),
                Err(error @ CertificateError::UnsupportedKey { .. }) => {
                    let parsed = x509_cert::Certificate::from_der(&object.der);
                    bundle.others.push(parsed.map_err(super::malformed)?);
                    unsupported = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        match unsupported {
            Some(error) if bundle.certificates.is_empty() => Err(error.into()),
            _ => Ok(bundle),
        }
    }

    /// The certificate of this key. If the file holds only one certificate, it is that one, whether
    /// the key is its own or not.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when none of several certificates is that key's, or more than one.
    pub fn of_key(&self, key: &PublicKey) -> Result<Certificate, Error> {
        if let Some(only) = self.only() {
            return Ok(only.clone());
        }
        match self.fitting(|one| one.public_key() == key)? {
            Some(certificate) => Ok(certificate.clone()),
            None => {
                let actual = self.count();
                Err(CertificateError::NoneFits { actual, key: key.key_type() }.into())
            }
        }
    }

    /// The certificate from which all others in the file lead on: that of a signer, where the file
    /// is its chain, in whatever order.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when they are not one chain.
    pub fn of_signer(&self) -> Result<Certificate, Error> {
        if let Some(only) = self.only() {
            return Ok(only.clone());
        }
        let begins_chain = |one: &Certificate| {
            let mut left: Vec<&x509_cert::Certificate> = Vec::new();
            left.extend(self.certificates.iter().map(Certificate::parsed));
            left.extend(&self.others);
            // Only itself, not a second copy.
            if let Some(own) = left.iter().position(|other| *other == one.parsed()) {
                left.remove(own);
            }
            check_issuers(one, &left).is_ok() && !left.contains(&one.parsed())
        };
        let mut chains = self.certificates.iter().filter(|one| begins_chain(one));
        match (chains.next(), chains.next()) {
            (Some(signer), None) => Ok(signer.clone()),
            _ => Err(CertificateError::NoChain { actual: self.count() }.into()),
        }
    }

    /// Those whose keys can sign here.
    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    pub(crate) fn only(&self) -> Option<&Certificate> {
        match self.certificates.as_slice() {
            [only] if self.others.is_empty() => Some(only),
            _ => None,
        }
    }

    /// The one that fits, if one does.
    pub(crate) fn fitting(
        &self,
        fits: impl Fn(&Certificate) -> bool,
    ) -> Result<Option<&Certificate>, CertificateError> {
        let fitting: Vec<_> = self.certificates.iter().filter(|one| fits(one)).collect();
        match fitting.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            several => Err(CertificateError::SeveralFit { actual: several.len() }),
        }
    }

    /// How many certificates there are in all.
    pub(crate) fn count(&self) -> usize {
        self.certificates.len() + self.others.len()
    }
}
