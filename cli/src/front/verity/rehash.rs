//! The command line of `rehash`.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;

use super::parameters::{NewParityArgs, ThreadArgs};
use crate::command::rehash::{self, Changed};
use crate::trust::RootHashSource;
use crate::{exit, sizes};

/// Make the hash tree of an image of which only some blocks changed, from the tree of the old one
///
/// What is written to NEW is what format would write for IMAGE with salt, UUID and parameters of
/// the superblock of HASH. Digests of blocks that did not change are taken from HASH, each hash
/// block of which is verified up to the old root hash first. The data of these blocks is not
/// verified: with --range it is not read, with --old-image it is compared and not hashed. Blocks
/// behind the end of the old image are always hashed. Parity takes every block, so with
/// --fec-device all of IMAGE is hashed, and is what the new tree says.
#[derive(Args, Debug)]
#[command(
    after_help = exit::HELP,
    mut_arg("fec_device", |arg| arg.help("Also make parity, and write it to this file or device; \
                                          it may be NEW or IMAGE")),
    mut_arg("fec_roots", |arg| arg.help("Parity bytes in a codeword of 255, from 2 to 24")),
    mut_arg("fec_blocks", |arg| arg.help("How many blocks the parity covers [default: as with \
                                          format]"))
)]
#[group(id = "changes", required = true, args = ["old_image", "range"])]
pub(super) struct RehashArgs {
    /// The image as it is now: a file or a block device, only read
    data: PathBuf,
    /// The device or file with the hash area of the old image, with a superblock
    hash: PathBuf,
    /// The root hash of the old image in hex
    #[arg(long, value_name = "OLD")]
    root_hash: String,
    /// Where the hash area begins on HASH; takes K, M, G and T [default: 0]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes)]
    hash_offset: Option<u64>,
    /// The old image: blocks that are not the same in it are hashed
    #[arg(long, value_name = "FILE")]
    old_image: Option<PathBuf>,
    /// What changed, in bytes: the blocks that LEN bytes from START on touch, or all from START on;
    /// takes K, M, G and T. May be given several times. Everything that changed must be named
    #[arg(long, value_name = "START[+LEN]", value_parser = range, conflicts_with = "old_image")]
    range: Vec<Range<u64>>,
    /// Where the new hash area is written: a new file, an existing one (every byte outside the hash
    /// area is kept) or a block device, but not HASH
    #[arg(long, value_name = "NEW")]
    output: PathBuf,
    /// Also write the new root hash to this file, in hex; - is standard output
    #[arg(long, value_name = "FILE")]
    root_hash_file: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    parity: NewParityArgs,
}

/// Bytes from a start on: so many, or all.
fn range(text: &str) -> Result<Range<u64>, anyhow::Error> {
    let Some((start, length)) = text.split_once('+') else {
        return Ok(sizes::bytes(text)?..u64::MAX);
    };
    let (start, length) = (sizes::bytes(start)?, sizes::bytes(length)?);
    anyhow::ensure!(length > 0, "a range has at least one byte");
    let end = start.checked_add(length);
    Ok(start..end.ok_or_else(|| anyhow::anyhow!("the range ends beyond 64 bits"))?)
}

impl From<RehashArgs> for rehash::Options {
    fn from(args: RehashArgs) -> Self {
        rehash::Options {
            data: args.data,
            old_hash: args.hash,
            old_hash_offset: args.hash_offset,
            old_root: RootHashSource { text: Some(args.root_hash), file: None },
            changed: args.old_image.map_or(Changed::Told(args.range), Changed::Compared),
            output: args.output,
            root_hash_file: args.root_hash_file,
            parity: args.parity.into(),
            threads: args.threads.threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_a_start_and_perhaps_a_length() {
        assert_eq!(range("4K").unwrap(), 4096..u64::MAX);
        assert_eq!(range("4K+1").unwrap(), 4096..4097);
        assert_eq!(range("0+1M").unwrap(), 0..1 << 20);
        for text in ["", "+", "+1", "1+", "1+0", "1-2", "1+2+3", "18446744073709551615+1"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
