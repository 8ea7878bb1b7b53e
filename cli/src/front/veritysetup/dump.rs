//! `dump`: prints what the superblock states.

use std::path::Path;

use super::args::Request;
use super::codes::Failure;
use super::console::Console;
use super::devices;
use super::geometry;
use super::header::{Header, ToldParity};

/// Prints the superblock. Parity that cannot be is told of and left out.
pub(super) fn run(request: &Request, console: Console) -> Result<(), Failure> {
    let Request { arguments, options, .. } = request;
    let hash = devices::open(Path::new(&arguments[0]))?;
    let superblock = geometry::read_superblock(options, &hash)?;
    let params = superblock.params();
    let area = geometry::superblock_area(options, params)?;
    let fec = geometry::open_fec(options, &hash, true)?;
    let parity = fec.and_then(|fec| {
        let on_hash = devices::sharing(&hash, &fec);
        match geometry::described_fec_area(options, params, &area, &hash, on_hash) {
            Ok(area) => Some(ToldParity { area, on_hash, offset: options.fec_offset }),
            Err(error) => {
                let failure = geometry::fec_failure(&error);
                failure.lines.iter().for_each(|line| console.error(line));
                None
            }
        }
    });
    let header = Header {
        path: hash.path(),
        uuid: Some(superblock.uuid().to_string()),
        algorithm: params.algorithm().name(),
        params,
        area: &area,
        root_hash: None,
        parity,
    };
    console.result(&header.to_string())
}
