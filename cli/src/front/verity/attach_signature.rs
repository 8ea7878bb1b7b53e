//! The command line of `attach-signature`.

use std::path::PathBuf;

use clap::Args;

use super::signing::{ContentArgs, ShapeArgs, SignatureOutputArgs};
use crate::command::attach_signature;
use crate::exit;

/// Make a signature of what a key on another machine has signed
///
/// The second of two steps; the first is prepare-signature. What is signed, the certificate and the
/// digest are as there. The raw signature is checked before anything is written.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct AttachSignatureArgs {
    #[command(flatten)]
    content: ContentArgs,
    /// The raw signature: PKCS#1 v1.5 of RSA, or ECDSA's two numbers, in DER or one behind the
    /// other
    #[arg(long, value_name = "FILE")]
    raw_signature: PathBuf,
    /// Certificate of the key that has signed
    #[arg(long, value_name = "CERT")]
    certificate: PathBuf,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    output: SignatureOutputArgs,
}

impl From<AttachSignatureArgs> for attach_signature::Options {
    fn from(args: AttachSignatureArgs) -> Self {
        let embed_certificate = args.output.embed_certificate();
        attach_signature::Options {
            content: args.content.content(),
            raw_signature: args.raw_signature,
            shape: args.shape.shape(args.certificate, embed_certificate),
            outputs: args.output.into(),
        }
    }
}
