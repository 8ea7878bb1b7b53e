//! What the maker of an image says of it in its manifest.

use clap::Args;

use super::values::{end_of_time, image_version};

/// What the maker of an image says of it
#[derive(Args, Debug)]
pub(super) struct DescriptionArgs {
    /// Version of the image: a number that orders releases
    #[arg(long, value_name = "N", default_value = "0", value_parser = image_version)]
    pub(super) image_version: u64,
    /// Words about the image in the manifest
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) label: String,
    /// When the manifest ends to be valid: a date (its last second in UTC), RFC 3339, or seconds
    /// since 1970, also with @ in front [default: never]
    #[arg(long, value_name = "TIME", value_parser = end_of_time)]
    pub(super) not_after: Option<u64>,
}
