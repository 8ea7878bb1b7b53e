//! Who signs what, and how the signature looks: from options to a signatory.

mod content;
mod key;
mod key_file;
mod publish;
mod secret;
mod shape;
mod token;

use std::path::Path;

use verity::publish::Input;
use verity_sign::{Error, Signatory, Signer};

pub(crate) use self::content::Content;
pub(crate) use self::key::Key;
pub(crate) use self::publish::{Outputs, Signed, publish};
pub(crate) use self::secret::Source;
pub(crate) use self::shape::{Shape, builder};
use crate::context::Context;
use crate::error::{Class, CommandError, OrFail};
use crate::inputs;

/// Who signs, and how it looks.
#[derive(Debug)]
pub(crate) struct Signing {
    pub(crate) key: Key,
    pub(crate) shape: Shape,
}

impl Signing {
    /// Opens the key and the certificate, known to belong together.
    pub(crate) fn open(
        &self,
        context: &Context,
    ) -> Result<Signatory<Box<dyn Signer>>, CommandError> {
        let builder = self.shape.builder()?;
        let signer = self.key.signer(builder.certificate().public_key(), context)?;
        Signatory::new(signer, builder).or_fail(Class::Trust, &self.key.name())
    }

    /// A failed signature: its class, and who is to blame.
    pub(crate) fn failed(&self, error: Error, context: &Context) -> CommandError {
        match context.signals.check() {
            Ok(()) => CommandError::new(Class::Trust, error).at(&self.key.name()),
            Err(interrupted) => interrupted,
        }
    }

    /// Opens everything that an output must not replace.
    pub(crate) fn inputs(&self) -> Result<Vec<Input>, CommandError> {
        let shape = self.shape.files().map(Path::to_owned);
        self.key.files().into_iter().chain(shape).map(|path| inputs::open(&path)).collect()
    }
}
