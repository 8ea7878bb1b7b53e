//! A key and a certificate that belong together, open and ready to sign.

use verity_sign::{Error, Signatory, SignatureBuilder, Signer};

use super::key::SigningKey;
use super::shape::SignatureShape;
use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::roles;
use crate::signals::Signals;

/// Who signs, and how the signature looks.
#[derive(Debug)]
pub(crate) struct Signing {
    pub(crate) key: SigningKey,
    pub(crate) shape: SignatureShape,
}

impl Signing {
    /// Opens the key and the certificate, known to belong together.
    pub(crate) fn open<'a>(&'a self, context: &'a Context) -> Result<OpenedKey<'a>, CommandError> {
        // Also what is not opened here: programs and modules.
        self.key.files().iter().try_for_each(|file| roles::uses(file))?;
        let certificates = self.shape.certificates()?;
        let (signer, certificate) =
            self.key.signer(&certificates, &self.shape.certificate, context)?;
        let builder = self.shape.builder(certificate)?;
        let signatory = Signatory::new(signer, builder).or_fail(Class::Trust, &self.key.name())?;
        Ok(OpenedKey { key: &self.key, signatory, signals: &context.signals })
    }
}

/// A key that is open, with its certificate.
pub(crate) struct OpenedKey<'a> {
    key: &'a SigningKey,
    signatory: Signatory<Box<dyn Signer>>,
    signals: &'a Signals,
}

impl OpenedKey<'_> {
    /// How its signatures look.
    pub(crate) fn builder(&self) -> &SignatureBuilder {
        self.signatory.builder()
    }

    /// Signs something. A failure is the key's, unless a signal has come.
    pub(crate) fn sign<T>(
        &self,
        work: impl FnOnce(&Signatory<Box<dyn Signer>>) -> Result<T, Error>,
    ) -> Result<T, CommandError> {
        work(&self.signatory).map_err(|error| match self.signals.check() {
            Ok(()) => CommandError::new(Class::Trust, error).at(&self.key.name()),
            Err(interrupted) => interrupted,
        })
    }
}
