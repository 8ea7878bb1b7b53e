//! `verity verify`: data and hash area against a root hash or a signed manifest.
//!
//! Everything is opened read-only. Where the parameters come from decides how much a success
//! means; that is the `geometry` of the result.

use crate::context::Context;
use crate::error::CommandError;
use crate::image::{self, Effort, ImageSource, OpenedImage, Verification};

/// What to verify, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: ImageSource,
    pub(crate) effort: Effort,
}

/// Verifies.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Verification, CommandError> {
    let image = OpenedImage::open(&options.image, context)?;
    image::verify(&image, options.effort, context)
}
