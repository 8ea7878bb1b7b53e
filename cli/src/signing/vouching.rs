//! What vouches for an image that was made.

use verity::BuiltImage;
use verity_sign::{Image, Manifest, Sidecars};

use super::opened::OpenedKey;
use crate::error::{Class, CommandError};

/// Says of an image what its tree and parity are, until when, in seconds since 1970, and signs that
/// and the root hash.
pub(crate) struct Vouching<'a> {
    pub(crate) key: Option<&'a OpenedKey<'a>>,
    pub(crate) not_after: Option<u64>,
    /// Whether there is to be what systemd's signature partition holds, if a key signs.
    pub(crate) partition: bool,
}

impl Vouching<'_> {
    /// What lies beside the image.
    pub(crate) fn of(&self, image: Image, built: &BuiltImage) -> Result<Sidecars, CommandError> {
        let manifest = Manifest::of_image(image, built)
            .map_err(|error| CommandError::new(Class::Metadata, error))?;
        let manifest = match self.not_after {
            Some(seconds) => manifest.with_not_after(seconds),
            None => manifest,
        };
        let unsigned = Sidecars::unsigned(manifest);
        let Some(key) = self.key else { return Ok(unsigned) };
        key.sign(|signatory| {
            let signed = unsigned.sign(signatory)?;
            if self.partition { signed.with_signature_partition() } else { Ok(signed) }
        })
    }
}
