//! What a build shows of the data while it reads it.

use std::ops::Range;
use std::sync::Mutex;

use super::*;
use crate::io::Extent;
use crate::work::RUN_SIZE;

const BLOCK: usize = 4096;
const BLOCKS: usize = 700;
/// Where the data begins in the middle of a block: that block is data too.
const HOLE_END: usize = 300 * BLOCK + 7;

/// Zeros that count as a hole, and data behind them.
struct Sparse(Vec<u8>);

impl Sparse {
    fn new() -> Sparse {
        let mut bytes: Vec<u8> = (0..=250).cycle().take(BLOCKS * BLOCK).collect();
        bytes[..HOLE_END].fill(0);
        Sparse(bytes)
    }
}

impl ReadAt for Sparse {
    fn len(&self) -> std::io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        let end = HOLE_END as u64;
        if offset < end { Extent::Hole { end } } else { Extent::ALL_DATA }
    }
}

/// Keeps what it sees, and how each block came: `d` as data, `h` in a hole.
struct Copy(Mutex<(Vec<u8>, Vec<String>)>);

impl Copy {
    fn new() -> Copy {
        Copy(Mutex::new((vec![0xee; BLOCKS * BLOCK], vec![String::new(); BLOCKS])))
    }

    fn put(&self, first: u64, bytes: &[u8], how: char) {
        assert!(!bytes.is_empty() && bytes.len() as u64 <= RUN_SIZE);
        let (copy, seen) = &mut *self.0.lock().unwrap();
        let first = usize::try_from(first).unwrap();
        copy[first * BLOCK..][..bytes.len()].copy_from_slice(bytes);
        seen[first..][..bytes.len() / BLOCK].iter_mut().for_each(|seen| seen.push(how));
    }
}

impl Tap for Copy {
    fn data(&self, first_block: u64, blocks: &[u8]) -> Result<(), Error> {
        self.put(first_block, blocks, 'd');
        Ok(())
    }

    fn hole(&self, blocks: Range<u64>) -> Result<(), Error> {
        let count = usize::try_from(blocks.end - blocks.start).unwrap();
        self.put(blocks.start, &vec![0; count * BLOCK], 'h');
        Ok(())
    }
}

/// Wants to see no data.
struct Refusal;

impl Tap for Refusal {
    fn data(&self, _first_block: u64, _blocks: &[u8]) -> Result<(), Error> {
        Err(Error::Cancelled)
    }

    fn hole(&self, _blocks: Range<u64>) -> Result<(), Error> {
        Ok(())
    }
}

/// Builds beside a tap: with and without parity, on one thread and on several.
fn builds<T: Tap>(new_tap: impl Fn() -> T) -> Vec<(T, Result<RootHash, Error>)> {
    let source = Sparse::new();
    let params = Params::builder().data_blocks(BLOCKS as u64).build().unwrap();
    let hash_area = HashArea::new(&params, 0, false).unwrap();
    let covered = params.data_blocks() + hash_area.hash_blocks();
    let fec_area = FecArea::new(&params, &hash_area, 2, covered, 0).unwrap();
    let build = |threads: usize, with_fec: bool| {
        let tap = new_tap();
        let threads = NonZeroUsize::new(threads).unwrap();
        let taps: [&dyn Tap; 1] = [&tap];
        let builder = Builder { taps: &taps, ..Builder::new(&params) }.threads(threads);
        let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let built = match with_fec {
            false => builder.build(&source, &hash, &hash_area),
            true => builder.build_with_fec(&source, &hash, &hash_area, &fec, &fec_area),
        };
        (tap, built)
    };
    vec![build(1, false), build(3, false), build(1, true), build(3, true)]
}

#[test]
fn taps_see_every_block_once_and_tell_holes_from_data() {
    let (source, mut root_hashes) = (Sparse::new(), Vec::new());
    for (copy, built) in builds(Copy::new) {
        root_hashes.push(built.unwrap());
        let (bytes, seen) = copy.0.into_inner().unwrap();
        assert!(bytes == source.0);
        assert!(seen[..300].iter().all(|seen| seen == "h"), "{seen:?}");
        assert!(seen[300..].iter().all(|seen| seen == "d"), "{seen:?}");
    }
    root_hashes.dedup();
    assert_eq!(root_hashes.len(), 1);
}

#[test]
fn the_error_of_a_tap_ends_the_build() {
    for (_, built) in builds(|| Refusal) {
        assert!(matches!(built, Err(Error::Cancelled)), "{built:?}");
    }
}
