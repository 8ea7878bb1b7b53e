//! Options about parity: where it lies, where it is to go, and what a table says of it.

use std::path::PathBuf;

use clap::Args;
use verity::FecArea;

use crate::sizes;

/// Forward error correction
#[derive(Args, Debug)]
#[command(next_help_heading = "Forward error correction")]
pub(super) struct FecArgs {
    /// Also make parity, by which lost blocks can be recovered, and write it to this file or
    /// device; it may be HASH or DATA
    #[arg(long, value_name = "FILE")]
    pub(super) fec_device: Option<PathBuf>,

    /// Where the parity begins on its device; takes K, M, G and T
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = sizes::bytes,
        default_value = "0",
        requires = "fec_device"
    )]
    pub(super) fec_offset: u64,

    /// Parity bytes in a codeword of 255, from 2 to 24: so many lost blocks of each 255 can be
    /// recovered
    #[arg(
        long,
        value_name = "N",
        value_parser = fec_roots,
        default_value = "2",
        requires = "fec_device"
    )]
    pub(super) fec_roots: u32,
}

/// The parity of an image
#[derive(Args, Debug)]
#[command(next_help_heading = "Forward error correction")]
pub(super) struct ImageParityArgs {
    /// The parity of the image is in this file or device, which may be HASH or DATA [with a
    /// manifest that states parity: HASH]
    #[arg(long, value_name = "FILE")]
    pub(super) fec_device: Option<PathBuf>,

    /// Where the parity begins on its device; takes K, M, G and T [default: 0, or what the manifest
    /// states]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes)]
    pub(super) fec_offset: Option<u64>,

    /// Parity bytes in a codeword of 255, from 2 to 24 [default: 2, or what the manifest states]
    #[arg(long, value_name = "N", value_parser = fec_roots)]
    pub(super) fec_roots: Option<u32>,
}

/// Parity in the file or on the device of the hash area
#[derive(Args, Debug)]
#[command(next_help_heading = "Forward error correction")]
pub(super) struct ParityArgs {
    /// Parity right behind the hash area, by which so many lost blocks of each 255 can be
    /// recovered: from 2 to 24 [default: none]
    #[arg(long, value_name = "N", value_parser = fec_roots)]
    pub(super) fec_roots: Option<u32>,
}

/// Parity as a table shall name it
#[derive(Args, Debug)]
#[command(next_help_heading = "Forward error correction")]
pub(super) struct TableFecArgs {
    /// The device with the parity as the table shall name it [default: the hash device if the
    /// manifest states parity, else none]
    #[arg(long, value_name = "DEVICE", alias = "fec-device")]
    pub(super) fec_dev: Option<String>,
    /// Where the parity begins on that device; takes K, M, G and T [default: where the manifest
    /// says; without one 0]
    #[arg(long, value_name = "BYTES", value_parser = sizes::bytes, requires = "fec_dev")]
    pub(super) fec_offset: Option<u64>,
    /// Parity bytes in a codeword of 255, from 2 to 24 [default: as in the manifest; without one 2]
    #[arg(
        long,
        value_name = "N",
        value_parser = fec_roots,
        requires = "fec_dev",
        conflicts_with = "manifest"
    )]
    pub(super) fec_roots: Option<u32>,
    /// How many blocks the parity covers [default: as in the manifest; without one, as with
    /// veritysetup: the data, and the hash device from the tree to its end, or to the parity on it]
    #[arg(
        long,
        value_name = "BLOCKS",
        value_parser = sizes::count,
        requires = "fec_dev",
        conflicts_with = "manifest"
    )]
    pub(super) fec_blocks: Option<u64>,
    /// Leave out the parity of the manifest, for a kernel without CONFIG_DM_VERITY_FEC, which would
    /// refuse the table
    #[arg(long, requires = "manifest", conflicts_with_all = ["fec_dev", "hash"])]
    pub(super) no_fec: bool,
}

fn fec_roots(text: &str) -> Result<u32, anyhow::Error> {
    let roots = u32::try_from(sizes::count(text)?)?;
    anyhow::ensure!(FecArea::ROOTS.contains(&roots), "not from 2 to 24");
    Ok(roots)
}
