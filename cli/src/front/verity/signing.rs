//! Options of the commands that make signatures.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use verity_sign::SignatureDigest;

use super::values::{SIGNING_HEADING, seconds};
use crate::signing::{
    SecretSource, SignatureOutputs, SignatureShape, SignedContent, Signing, SigningKey,
};
use crate::trust::RootHashSource;

/// What is signed: one of the three
#[derive(Args, Debug)]
pub(super) struct ContentArgs {
    /// The root hash in hex; or one of --root-hash-file and --manifest
    #[arg(
        conflicts_with = "manifest",
        required_unless_present_any = ["root_hash_file", "manifest"]
    )]
    root: Option<String>,
    /// Take the root hash from this file
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    root_hash_file: Option<PathBuf>,
    /// It is not a root hash but this manifest
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

/// Who signs
#[derive(Args, Debug)]
#[group(id = "signer", multiple = false, args = ["key", "signer_command"])]
pub(super) struct SigningArgs {
    /// Private key to sign with: a file, or a key on a token as
    /// pkcs11:token=...;object=...?module-path=...
    #[arg(long, value_name = "KEY", requires = "certificate", help_heading = SIGNING_HEADING)]
    key: Option<OsString>,
    /// Certificate of the key
    #[arg(long, value_name = "CERT", requires = "signer", help_heading = SIGNING_HEADING)]
    certificate: Option<PathBuf>,
    // Both, here and below: a requirement that conflicts with what is given counts as met.
    /// Take the passphrase of an encrypted key from this file [default: asked for on a terminal]
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        conflicts_with = "signer_command",
        group = "passphrase",
        help_heading = SIGNING_HEADING
    )]
    passphrase_file: Option<PathBuf>,
    /// Take the passphrase from this open file descriptor
    #[arg(
        long,
        value_name = "N",
        requires = "key",
        conflicts_with = "signer_command",
        group = "passphrase",
        help_heading = SIGNING_HEADING
    )]
    passphrase_fd: Option<u32>,
    /// Take the passphrase from this environment variable
    #[arg(
        long,
        value_name = "NAME",
        requires = "key",
        conflicts_with = "signer_command",
        group = "passphrase",
        help_heading = SIGNING_HEADING
    )]
    passphrase_env: Option<OsString>,
    /// Take the PIN of a token from this file [default: asked for on a terminal]
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        conflicts_with_all = ["passphrase", "signer_command"],
        help_heading = SIGNING_HEADING
    )]
    pin_file: Option<PathBuf>,
    /// Sign by this program, started without a shell: the raw digest on its standard input, the raw
    /// signature on its standard output; VERITY_KEY_ALGORITHM and VERITY_DIGEST_ALGORITHM name key
    /// and digest
    #[arg(long, value_name = "PROGRAM", requires = "certificate", help_heading = SIGNING_HEADING)]
    signer_command: Option<OsString>,
    /// An argument of that program; may be given several times
    #[arg(
        long = "signer-arg",
        value_name = "ARG",
        allow_hyphen_values = true,
        requires = "signer_command",
        conflicts_with = "key",
        help_heading = SIGNING_HEADING
    )]
    signer_args: Vec<OsString>,
    /// How long that program may take for each signature
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "60",
        requires = "signer_command",
        conflicts_with = "key",
        help_heading = SIGNING_HEADING
    )]
    signer_timeout: Duration,
    #[command(flatten)]
    shape: ShapeArgs,
}

/// How signatures look
#[derive(Args, Debug)]
pub(super) struct ShapeArgs {
    /// Digest of the signature [default: sha256; sha384 for P-384, sha512 for P-521]
    #[arg(
        long,
        value_name = "sha256|sha384|sha512",
        requires = "certificate",
        help_heading = SIGNING_HEADING
    )]
    digest: Option<SignatureDigest>,
    /// Put the certificate into the signature
    #[arg(long, requires = "certificate", help_heading = SIGNING_HEADING)]
    embed_certificate: bool,
    /// Also put this certificate into the signature: the issuer of the signing one, or of another
    /// of the chain; may be given several times
    #[arg(long, value_name = "CERT", requires = "certificate", help_heading = SIGNING_HEADING)]
    chain: Vec<PathBuf>,
    /// Name the signer by its certificate's subject key identifier, not by issuer and serial number
    #[arg(long, requires = "certificate", help_heading = SIGNING_HEADING)]
    subject_key_identifier: bool,
}

/// Where a signature is written
#[derive(Args, Debug)]
pub(super) struct SignatureOutputArgs {
    /// Where the signature is written
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Also write what systemd's signature partition holds to this file; the signature embeds the
    /// certificate then
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    signature_partition: Option<PathBuf>,
}

impl SignatureOutputArgs {
    /// Whether what is written has to embed the certificate: systemd's own tools do so.
    pub(super) fn embed_certificate(&self) -> bool {
        self.signature_partition.is_some()
    }
}

impl From<SignatureOutputArgs> for SignatureOutputs {
    fn from(args: SignatureOutputArgs) -> Self {
        SignatureOutputs { signature: args.output, partition: args.signature_partition }
    }
}

impl ContentArgs {
    pub(super) fn content(self) -> SignedContent {
        match self.manifest {
            Some(manifest) => SignedContent::Manifest(manifest),
            None => SignedContent::RootHash(RootHashSource {
                text: self.root,
                file: self.root_hash_file,
            }),
        }
    }
}

impl ShapeArgs {
    /// The certificate is embedded if that is asked for, here or by what the signature is for.
    pub(super) fn shape(self, certificate: PathBuf, embed_certificate: bool) -> SignatureShape {
        SignatureShape {
            certificate,
            digest: self.digest,
            embed_certificate: embed_certificate || self.embed_certificate,
            chain: self.chain,
            subject_key_identifier: self.subject_key_identifier,
        }
    }
}

impl SigningArgs {
    /// Nothing, if nobody is to sign.
    pub(super) fn options(self, embed_certificate: bool) -> Option<Signing> {
        let passphrase = match (self.passphrase_file, self.passphrase_fd, self.passphrase_env) {
            (Some(file), _, _) => Some(SecretSource::File(file)),
            (_, Some(number), _) => Some(SecretSource::descriptor(number)),
            (_, _, Some(name)) => Some(SecretSource::Environment(name)),
            (None, None, None) => None,
        };
        let pin = self.pin_file.map(SecretSource::File);
        let key = match (self.key, self.signer_command) {
            (Some(key), _) => SigningKey::named(key, passphrase, pin),
            (None, Some(program)) => SigningKey::Command {
                program,
                args: self.signer_args,
                timeout: self.signer_timeout,
            },
            (None, None) => return None,
        };
        Some(Signing { key, shape: self.shape.shape(self.certificate?, embed_certificate) })
    }
}
