//! The command line of `lint-signature`.

use std::path::PathBuf;

use clap::Args;

use super::values::time;
use crate::command::lint;
use crate::exit;
use crate::trust::RootHashSource;

/// Tell whether a Linux kernel would take the root hash signature FILE, and if not why
///
/// A prediction, point by point, with the kernel's own errors. It vouches for nothing: use check or
/// verify for that. Without a root hash or --certificate the verdict may depend on what was not
/// told: unknown. Exit code 5 if the kernel refuses it, else 0.
#[derive(Args, Debug)]
#[command(after_help = exit::HELP)]
pub(super) struct LintSignatureArgs {
    /// The signature, as it is given to the kernel in a user key
    #[arg(value_name = "FILE")]
    signature: PathBuf,
    /// The root hash in hex, exactly as the device-mapper table writes it
    root: Option<String>,
    /// Take the root hash from this file
    #[arg(long, value_name = "FILE")]
    root_hash_file: Option<PathBuf>,
    // The older spelling of ROOT.
    #[arg(long = "root-hash", value_name = "HEX", hide = true, conflicts_with = "root")]
    root_hash: Option<String>,
    /// A certificate in the kernel's keyring; may be given several times
    #[arg(long, value_name = "CERT")]
    certificate: Vec<PathBuf>,
    /// Tell of certificates that are not valid at this time: a date (00:00 UTC), RFC 3339, or
    /// seconds since 1970, also with @ in front [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<u64>,
}

impl From<LintSignatureArgs> for lint::Options {
    fn from(args: LintSignatureArgs) -> Self {
        lint::Options {
            signature: args.signature,
            root_hash: RootHashSource {
                text: args.root.or(args.root_hash),
                file: args.root_hash_file,
            },
            certificates: args.certificate,
            at: args.at,
        }
    }
}
