//! What a build shows of the data while it reads it.

use std::ops::Range;
use std::sync::Mutex;

use super::*;
use crate::io::{Extent, MemoryFile};
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

/// What it is a digest of, by the library that makes it, all at once.
fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}

#[test]
fn digest_and_index_are_those_of_the_bytes_on_any_number_of_threads() {
    let source = Sparse::new();
    for block_size in [4096, 16384] {
        let block_size = crate::BlockSize::new(block_size).unwrap();
        let params = Params::builder()
            .data_block_size(block_size)
            .hash_block_size(block_size)
            .data_size((BLOCKS * BLOCK) as u64)
            .salt(crate::Salt::new(&[7; 32]).unwrap())
            .build()
            .unwrap();
        let area = HashArea::new(&params, 0, false).unwrap();
        let fec = FecArea::behind_hash_area(&params, &area, 2).unwrap();
        let plain = Builder::new(&params).build(&source, &MemoryFile::new(), &area).unwrap();
        for (threads, parity) in [(1, false), (2, false), (5, false), (1, true), (3, true)] {
            let (hash, index) = (MemoryFile::new(), MemoryFile::new());
            let indexed = BlockIndex::new(&params, &index).unwrap();
            let digest = ImageDigest::new(ImageDigestAlgorithm::Sha256);
            let builder = Builder::new(&params)
                .threads(NonZeroUsize::new(threads).unwrap())
                .block_index(&indexed)
                .image_digest(&digest);
            let root_hash = match parity {
                true => builder.build_with_fec(&source, &hash, &area, &hash, &fec).unwrap(),
                false => builder.build(&source, &hash, &area).unwrap(),
            };
            assert_eq!(root_hash, plain);
            assert_eq!(digest.value(), sha256(&source.0), "{threads} {parity}");
            let expected: Vec<u8> = source.0.chunks(BLOCK).flat_map(sha256).collect();
            assert!(index.into_bytes() == expected, "{threads} {parity}");
        }
    }
}

/// Much more than waits in memory: threads that are ahead wait for the digest, and the digest for
/// the thread that is behind.
#[test]
fn a_digest_of_more_than_waits_is_right() {
    let bytes: Vec<u8> = (0..=250).cycle().take(96 << 20).collect();
    let params = Params::builder().data_size(bytes.len() as u64).build().unwrap();
    let area = HashArea::new(&params, 0, false).unwrap();
    for threads in [1, 12] {
        let digest = ImageDigest::new(ImageDigestAlgorithm::Sha512);
        let builder = Builder::new(&params).threads(NonZeroUsize::new(threads).unwrap());
        builder.image_digest(&digest).build(&bytes, &MemoryFile::new(), &area).unwrap();
        use sha2::Digest as _;
        assert_eq!(digest.value(), sha2::Sha512::digest(&bytes).to_vec(), "{threads}");
    }
}

/// A source that fails where nobody else can go on: all threads end, with its error.
#[test]
fn a_failure_ends_those_that_wait_for_the_digest() {
    struct Failing(u64);

    impl ReadAt for Failing {
        fn len(&self) -> std::io::Result<u64> {
            Ok(400 << 20)
        }

        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
            if offset <= self.0 && self.0 < offset + buf.len() as u64 {
                std::thread::sleep(std::time::Duration::from_millis(20));
                return Err(std::io::Error::other("a block that cannot be read"));
            }
            buf.fill(1);
            Ok(buf.len())
        }
    }

    let params = Params::builder().data_size(400 << 20).build().unwrap();
    let area = HashArea::new(&params, 0, false).unwrap();
    for (threads, at) in [(1, 9 << 20), (2, 0), (4, 9 << 20), (9, 3 << 20), (2, 399 << 20)] {
        let digest = ImageDigest::new(ImageDigestAlgorithm::Sha256);
        let builder = Builder::new(&params).threads(NonZeroUsize::new(threads).unwrap());
        let builder = builder.image_digest(&digest);
        let failed = builder.build(&Failing(at), &MemoryFile::new(), &area).unwrap_err();
        assert!(matches!(failed, Error::Read { .. }), "{threads} {at}: {failed}");
    }
}

#[test]
fn an_index_has_no_smaller_blocks() {
    let small = crate::BlockSize::new(512).unwrap();
    let params = Params::builder().data_block_size(small).data_blocks(8).build().unwrap();
    let target = MemoryFile::new();
    let refused = BlockIndex::new(&params, &target).err();
    assert_eq!(refused, Some(BlockIndexError::SmallBlocks { data_block_size: small }));
}
