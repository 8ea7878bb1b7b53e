//! Verified reads: every flipped bit, every fault of every call, storage that changes under the
//! reader.

mod changes;
mod extents;
mod faults;
mod flips;
mod paths;
mod repairs;
mod threads;
mod trust;

use verity::io::ReadAt;
use verity::{BlockRef, Error, ReadError, VerifiedReader};

use crate::adversarial::support::{Image, usize_of};

/// What is in a buffer before a read.
const UNTOUCHED: u8 = 0xaa;

fn reader(image: &Image) -> VerifiedReader<&[u8], &[u8]> {
    over(image, &image.data[..], &image.hash[..])
}

fn over<D: ReadAt, H: ReadAt>(image: &Image, data: D, hash: H) -> VerifiedReader<D, H> {
    VerifiedReader::new(image.pinned(), data, hash).expect("long enough")
}

/// Reads one data block. Of one that is not right nothing is in the buffer.
fn read_block<D: ReadAt, H: ReadAt>(
    reader: &VerifiedReader<D, H>,
    block: u64,
) -> Result<Vec<u8>, Error> {
    let block_size = u64::from(reader.trusted().params().data_block_size());
    let mut bytes = vec![UNTOUCHED; usize_of(block_size)];
    match reader.read_at(&mut bytes, block * block_size) {
        Ok(size) => {
            assert_eq!(size, bytes.len());
            Ok(bytes)
        }
        Err(ReadError { verified, error, .. }) => {
            assert_eq!(verified, 0);
            assert!(bytes.iter().all(|byte| *byte == UNTOUCHED), "bytes of block {block}: {error}");
            Err(error)
        }
    }
}

/// The block that corruption was found in.
#[track_caller]
fn corrupt<T: std::fmt::Debug>(result: Result<T, Error>) -> BlockRef {
    match result {
        Err(Error::Corrupt(report)) => {
            assert_eq!((report.corruptions.len(), report.corrupt_blocks), (1, 1), "{report:?}");
            report.corruptions[0].first
        }
        other => panic!("corruption expected, got {other:?}"),
    }
}

/// The block that could not be read.
#[track_caller]
fn unreadable<T: std::fmt::Debug>(result: Result<T, Error>) -> BlockRef {
    match result {
        Err(Error::Read { block, .. }) => block,
        other => panic!("a failed read expected, got {other:?}"),
    }
}

#[track_caller]
fn assert_right(image: &Image, block: u64, result: Result<Vec<u8>, Error>) {
    let bytes = result.unwrap_or_else(|error| panic!("block {block}: {error}"));
    assert!(bytes == image.bytes(BlockRef::Data { block }), "block {block}: wrong bytes");
}
