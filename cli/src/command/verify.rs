//! `verity verify`: data and hash area against a root hash or a signed manifest.
//!
//! Everything is opened read-only. Where the parameters come from decides how much a success means;
//! that is the `geometry` of the result.

use crate::context::Context;
use crate::error::CommandError;
use crate::image::verification::{Effort, blocks};
use crate::image::{Image, ImageSource};
use crate::report::Outcome;

/// What to verify, and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) image: ImageSource,
    pub(crate) effort: Effort,
}

/// Verifies.
pub(crate) fn run(options: &Options, context: &Context) -> Result<Outcome, CommandError> {
    let image = Image::open(&options.image, context)?;
    blocks(&image, options.effort, context).map(Outcome::Verified)
}
