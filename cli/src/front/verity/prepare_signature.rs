//! The command line of `prepare-signature`.

use std::path::PathBuf;

use clap::Args;
use verity_sign::SignatureDigest;

use super::signing::ContentArgs;
use crate::command::prepare_signature;
use crate::exit;

/// Say what is to be signed, for a key on another machine
///
/// The first of two steps; the second is attach-signature. The digest of the root hash's text, or
/// of the manifest, is printed, and written as raw bytes: what a token or a key service signs. RSA
/// signs it with PKCS#1 v1.5.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct PrepareSignatureArgs {
    #[command(flatten)]
    content: ContentArgs,
    /// Certificate of the key that will sign
    #[arg(long, value_name = "CERT")]
    certificate: PathBuf,
    /// Digest of the signature [default: sha256; sha384 for P-384, sha512 for P-521]
    #[arg(long, value_name = "sha256|sha384|sha512")]
    digest: Option<SignatureDigest>,
    /// Where the digest is written, as raw bytes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Also write the bytes that were hashed to this file, for signers that hash them themselves
    #[arg(long, value_name = "FILE")]
    content_output: Option<PathBuf>,
}

impl From<PrepareSignatureArgs> for prepare_signature::Options {
    fn from(args: PrepareSignatureArgs) -> Self {
        prepare_signature::Options {
            content: args.content.content(),
            certificate: args.certificate,
            digest: args.digest,
            output: args.output,
            content_output: args.content_output,
        }
    }
}
