//! The command line of `sign`.

use clap::Args;

use super::signing::{ContentArgs, SignatureOutputArgs, SigningArgs};
use crate::command::sign;
use crate::exit;

/// Sign a root hash, in the form the kernel takes, or a manifest
///
/// The key is in a file, on a token, or behind another program. What the key returns is checked
/// with the certificate before it is written.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
#[group(id = "with", required = true, args = ["key", "signer_command"])]
pub(super) struct SignArgs {
    #[command(flatten)]
    content: ContentArgs,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    output: SignatureOutputArgs,
}

impl From<SignArgs> for sign::Options {
    fn from(args: SignArgs) -> Self {
        sign::Options {
            content: args.content.content(),
            signing: args.signing.options(args.output.embed_certificate()),
            outputs: args.output.into(),
        }
    }
}
