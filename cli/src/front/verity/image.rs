//! Which image a command reads, what it is held against, and how it is read.

use std::path::PathBuf;

use clap::Args;

use super::parameters::ParameterArgs;
use super::values::{FEC_HEADING, fec_roots, time};
use crate::image::{ImageSource, Reading};
use crate::parameters::ParitySource;
use crate::sizes;
use crate::trust::{RootHashSource, TrustSource};

/// Which image, and what it is held against
#[derive(Args, Debug)]
pub(super) struct ImageArgs {
    /// The data: a file or a block device
    data: PathBuf,
    /// The device or file with the hash area
    hash: PathBuf,
    /// The root hash in hex
    root: Option<String>,
    #[command(flatten)]
    against: AgainstArgs,
}

impl From<ImageArgs> for ImageSource {
    fn from(args: ImageArgs) -> ImageSource {
        args.against.of(args.data, args.hash, args.root)
    }
}

/// What an image is held against, beside the root hash that is an argument of its own
#[derive(Args, Debug)]
pub(super) struct AgainstArgs {
    /// Take the root hash from this file
    #[arg(long, value_name = "FILE")]
    root_hash_file: Option<PathBuf>,
    /// Take everything from this manifest; its signature is in FILE.p7s
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["hash_offset", "no_superblock"]
    )]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    parity: ParityArgs,
}

impl AgainstArgs {
    /// The image on these devices, with this root hash.
    pub(super) fn of(self, data: PathBuf, hash: PathBuf, root: Option<String>) -> ImageSource {
        ImageSource {
            data,
            hash,
            root: RootHashSource { text: root, file: self.root_hash_file },
            manifest: self.manifest,
            trust: self.trust.into(),
            parameters: self.parameters.into(),
            parity: self.parity.into(),
            root_hash_signature: None,
        }
    }
}

/// The parity of an image
#[derive(Args, Debug)]
pub(super) struct ParityArgs {
    /// The parity of the image is in this file or device, which may be HASH or DATA. A manifest
    /// that states parity takes the place of the defaults here [default with it: HASH]
    #[arg(long, value_name = "FILE", help_heading = FEC_HEADING)]
    fec_device: Option<PathBuf>,

    /// Where the parity begins on its device; takes K, M, G and T [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes, help_heading = FEC_HEADING)]
    fec_offset: Option<u64>,

    /// Parity bytes in a codeword of 255, from 2 to 24 [default: 2]
    #[arg(long, value_name = "N", value_parser = fec_roots, help_heading = FEC_HEADING)]
    fec_roots: Option<u32>,

    /// How many blocks the parity covers [default: as with veritysetup the data, and the hash
    /// device from the tree to its end, or to the parity on it]
    #[arg(long, value_name = "BLOCKS", value_parser = sizes::count, help_heading = FEC_HEADING)]
    fec_blocks: Option<u64>,
}

impl From<ParityArgs> for ParitySource {
    fn from(args: ParityArgs) -> ParitySource {
        ParitySource {
            device: args.fec_device,
            offset: args.fec_offset,
            roots: args.fec_roots,
            blocks: args.fec_blocks,
        }
    }
}

/// Whom to trust
#[derive(Args, Clone, Debug)]
pub(super) struct TrustArgs {
    /// A certificate that may have signed: the very certificate is trusted, and its dates do not
    /// decide. May be given several times
    #[arg(long, value_name = "CERT", conflicts_with = "ca")]
    certificate: Vec<PathBuf>,

    /// A certificate authority: trusted is who has a certificate for code signing from it, within
    /// its dates; the signature must embed the certificate and those between. May be given several
    /// times
    #[arg(long, value_name = "CERT")]
    ca: Vec<PathBuf>,

    /// Check as at this time: a date (00:00 UTC), RFC 3339, or seconds since 1970, also with @ in
    /// front [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<u64>,

    /// Refuse a manifest that is about another image than the one of this name [default: any that
    /// is signed]
    #[arg(long, value_name = "NAME")]
    image_name: Option<String>,
}

impl From<TrustArgs> for TrustSource {
    fn from(args: TrustArgs) -> TrustSource {
        TrustSource {
            certificates: args.certificate,
            authorities: args.ca,
            at: args.at,
            image_name: args.image_name,
        }
    }
}

/// How verified bytes are read
#[derive(Args, Debug)]
pub(super) struct ReadingArgs {
    /// Bound of the cache of verified hash blocks; sizes take K, M, G and T [default: 64M, or with
    /// --preload what the whole tree takes]
    #[arg(long, value_name = "SIZE", value_parser = sizes::bytes)]
    cache_size: Option<u64>,
    /// Read and verify the whole hash tree first
    #[arg(long)]
    preload: bool,
    /// Return zeros for blocks that the tree says are all zeros and do not read them, as the
    /// kernel's option of this name
    #[arg(long)]
    ignore_zero_blocks: bool,
}

impl From<ReadingArgs> for Reading {
    fn from(args: ReadingArgs) -> Reading {
        Reading {
            cache_size: args.cache_size,
            preload: args.preload,
            ignore_zero_blocks: args.ignore_zero_blocks,
            check_at_most_once: false,
        }
    }
}
