//! The command line of `sign`.

use clap::Args;

use super::signing::{ContentArgs, SignatureOutputArgs, SigningArgs};
use crate::command::sign;
use crate::exit;

/// Sign a root hash, in the form the kernel takes, or a manifest
///
/// The key is in a file, on a token, or behind another program. What the key returns is checked
/// with the certificate before it is written. Files may hold both, or a chain: the key's own
/// certificate is taken.
#[derive(Args, Debug)]
#[command(after_help = format!("{NEW_KEY}\n\n{}", exit::HELP))]
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

/// How to begin: the tests run it.
const NEW_KEY: &str = "\
A key and a certificate that every kernel takes, made by openssl:
  openssl req -x509 -newkey rsa:2048 -nodes -keyout signing.key \\
      -out signing.crt -days 3650 -subj \"/CN=image signing\"";
