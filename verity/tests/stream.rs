//! Data that is pushed makes the tree that a file of the same bytes makes.

use std::io::{self, ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::io::{MemoryFile, ReadAt, WriteAt};
use verity::{
    Algorithm, BlockRef, BlockSize, Builder, Corruption, Error, ErrorClass, FecArea, HashArea,
    HashType, Params, ParamsBuilder, ParamsError, Progress, RootHash, Salt, StreamBuilder,
};
use verity_testdata::pattern::{Prng, painted};

/// Kinds of trees: the usual one, one whose hash blocks hold few digests, one with large blocks.
fn kinds() -> Vec<ParamsBuilder> {
    let usual = Params::builder().salt(Salt::from_seed("stream"));
    let block = |bytes| BlockSize::new(bytes).unwrap();
    vec![
        usual.clone(),
        usual
            .clone()
            .algorithm(Algorithm::Sha512)
            .hash_block_size(block(512))
            .data_block_size(block(512)),
        usual.clone().hash_type(HashType::ChromeOs).algorithm(Algorithm::Sha1),
        usual.data_block_size(block(8192)).hash_block_size(block(1024)),
    ]
}

/// The tree of a file of these bytes.
fn of_file(params: &Params, area: &HashArea, data: &[u8]) -> (RootHash, Vec<u8>) {
    let hash = MemoryFile::new();
    let builder = Builder::new(params).threads(NonZeroUsize::MIN);
    let root_hash = builder.build(data, &hash, area).unwrap();
    (root_hash, hash.into_bytes())
}

/// Pushes data in pieces of many sizes, none among them.
fn push_all<'a, W: WriteAt + 'a>(stream: &mut StreamBuilder<'a, W>, data: &[u8], prng: &mut Prng) {
    let mut rest = data;
    while !rest.is_empty() {
        let most = [0, 1, 511, 4096, 70_000, 5 << 20, 40 << 20][prng.index(7)];
        let (now, later) = rest.split_at(most.min(rest.len()));
        assert_eq!(stream.write(now).unwrap(), now.len());
        rest = later;
    }
    assert_eq!(stream.received(), data.len() as u64);
}

fn check(params: ParamsBuilder, blocks: u64, offset: u64, prng: &mut Prng) {
    let known = params.clone().data_blocks(blocks).build().unwrap();
    let data = painted(usize::try_from(known.data_size()).unwrap());
    for (superblock, threads) in [(true, None), (false, Some(1)), (true, Some(3))] {
        let offset = if superblock { offset } else { offset.next_multiple_of(1 << 19) };
        let area = HashArea::new(&known, offset, superblock).unwrap();
        let (root_hash, expected) = of_file(&known, &area, &data);
        let threads = threads.and_then(NonZeroUsize::new);
        for is_known in [true, false] {
            let hash = MemoryFile::new();
            let mut stream = if is_known {
                StreamBuilder::new(known.clone(), &hash, &area).unwrap()
            } else {
                let params = params.clone().data_blocks(3);
                StreamBuilder::with_unknown_length(params, &hash, offset, superblock).unwrap()
            };
            if let Some(threads) = threads {
                stream = stream.threads(threads);
            }
            push_all(&mut stream, &data, prng);
            let streamed = stream.finish().unwrap();
            let what = format!("{known:?}, known {is_known}, {threads:?}");
            assert_eq!((&streamed.params, streamed.hash_area), (&known, area), "{what}");
            assert_eq!(streamed.root_hash, root_hash, "{what}");
            let start = usize::try_from(area.tree_range().start).unwrap();
            let tree = |bytes: &[u8]| bytes.get(start..).unwrap_or_default().to_vec();
            assert!(tree(&hash.into_bytes()) == tree(&expected), "{what}");
        }
    }
}

#[test]
fn pushed_data_makes_the_tree_of_a_file_on_any_number_of_threads() {
    let mut prng = Prng::new(20);
    for params in kinds() {
        // Around full hash blocks of levels 0 and 1, and some batches of many pieces.
        for blocks in [1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 129, 512, 513, 4097] {
            check(params.clone(), blocks, 512, &mut prng);
        }
    }
    check(kinds().remove(0), (35 << 20) / 4096 + 1, 0, &mut prng);
    check(kinds().remove(0), 128 * 128, 4096, &mut prng);
    check(kinds().remove(0), 128 * 128 + 1, 4096, &mut prng);
    check(kinds().remove(1), 8 * 8 * 8 * 8 + 1, 4096, &mut prng);
}

fn known(blocks: u64) -> (Params, HashArea) {
    let params = Params::builder().data_blocks(blocks).build().unwrap();
    let area = HashArea::new(&params, 0, false).unwrap();
    (params, area)
}

#[test]
fn a_length_that_was_said_is_held() {
    let (params, area) = known(300);
    let start = || StreamBuilder::new(params.clone(), MemoryFile::new(), &area).unwrap();
    let mut short = start();
    short.push(&vec![1; 300 * 4096 - 1]).unwrap();
    let error = short.finish().unwrap_err();
    assert!(matches!(error, Error::ShortData { needed: 1_228_800, actual: 1_228_799 }), "{error}");
    assert_eq!(error.class(), ErrorClass::Size);

    let mut long = start();
    long.push(&vec![1; 300 * 4096]).unwrap();
    let error = long.push(&[1]).unwrap_err();
    assert!(matches!(error, Error::LongData { needed: 1_228_800 }), "{error}");
    assert_eq!(error.class(), ErrorClass::Size);
    // Nothing is made of data that was refused in part.
    assert!(matches!(long.push(&[]), Err(Error::StreamFailed)));
    let error = long.finish().unwrap_err();
    assert_eq!((error.class(), error.block()), (ErrorClass::Argument, None));
    let other = StreamBuilder::new(known(301).0, MemoryFile::new(), &known(9000).1).map(drop);
    assert!(matches!(other, Err(Error::HashArea(_))));
}

#[test]
fn g06_pushed_data_that_ends_within_a_block_is_refused() {
    let start = || {
        let file = MemoryFile::new();
        StreamBuilder::with_unknown_length(Params::builder(), file, 0, true).unwrap()
    };
    let mut stream = start();
    stream.push(&[1; 5000]).unwrap();
    let error = stream.finish().unwrap_err();
    let tail = ParamsError::UnprotectedTail { data_size: 5000, tail: 904, block_size: 4096 };
    assert!(matches!(&error, Error::Params(error) if *error == tail), "{error}");
    assert!(matches!(start().finish(), Err(Error::Params(ParamsError::NoData))));
    let place = StreamBuilder::with_unknown_length(Params::builder(), MemoryFile::new(), 7, true);
    assert!(matches!(place.map(drop), Err(Error::HashArea(_))));
}

/// A hash device that changes one byte of what was written to it, once it is read.
struct Forgetful(MemoryFile, u64);

impl ReadAt for Forgetful {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.write_all_at(&[0xee], self.1)?;
        self.0.read_at(buf, offset)
    }
}

impl WriteAt for Forgetful {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.0.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_hash_block_that_changes_while_it_waits_is_found() {
    let hash = Forgetful(MemoryFile::new(), 2 * 4096 + 5);
    let mut stream =
        StreamBuilder::with_unknown_length(Params::builder(), &hash, 0, false).unwrap();
    stream.push(&painted(1000 * 4096)).unwrap();
    let error = stream.finish().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Corrupt);
    assert_eq!(error.block(), Some(BlockRef::Hash { level: 0, block: 2 }));
    let Error::Corrupt(report) = error else { panic!("{error}") };
    assert!(matches!(report.corruptions[0].corruption, Corruption::Digest { .. }));
}

/// A hash device that takes nothing from some byte on.
struct Full(MemoryFile, u64);

impl WriteAt for Full {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        match offset + buf.len() as u64 > self.1 {
            true => Err(ErrorKind::StorageFull.into()),
            false => self.0.write_at(buf, offset),
        }
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.0.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_hash_device_ends_the_stream_at_its_block() {
    let (params, area) = known(9000);
    for threads in [1, 2] {
        let hash = Full(MemoryFile::new(), 40 * 4096);
        let stream = StreamBuilder::new(params.clone(), hash, &area).unwrap();
        let mut stream = stream.threads(NonZeroUsize::new(threads).unwrap());
        let error = stream.write_all(&painted(9000 * 4096)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        assert!(matches!(inner, Error::Write { .. }), "{inner:?}");
        assert!(inner.block().is_some() && inner.storage_error().is_some());
        assert!(matches!(stream.finish(), Err(Error::StreamFailed)));
    }
}

/// Ends with an error, after interruptions.
struct Broken(u32);

impl Read for Broken {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0 += 1;
        match self.0 {
            1 | 3 => Err(ErrorKind::Interrupted.into()),
            2 | 4 => {
                buf[..8192].fill(9);
                Ok(8192)
            }
            _ => Err(ErrorKind::BrokenPipe.into()),
        }
    }
}

#[test]
fn a_reader_is_taken_to_its_end_and_its_failure_has_a_block() {
    let (params, area) = known(5);
    let mut stream = StreamBuilder::new(params.clone(), MemoryFile::new(), &area).unwrap();
    let error = stream.read_from(Broken(0)).unwrap_err();
    assert_eq!(error.block(), Some(BlockRef::Data { block: 4 }));
    assert_eq!(error.class(), ErrorClass::Io);
    assert_eq!(stream.read_from(&[9_u8; 4096][..]).unwrap(), 4096);
    stream.flush().unwrap();
    let root_hash = stream.finish().unwrap().root_hash;
    assert_eq!(root_hash, of_file(&params, &area, &[9; 5 * 4096]).0);
}

/// Stops after some bytes.
struct Stop(AtomicU64, u64);

impl Progress for Stop {
    fn advance(&self, bytes: u64) -> ControlFlow<()> {
        match self.0.fetch_add(bytes, Ordering::Relaxed) + bytes > self.1 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

#[test]
fn progress_counts_what_is_hashed_and_stops_a_stream() {
    let (params, area) = known(1000);
    let (all, some) = (Stop(0.into(), u64::MAX), Stop(0.into(), 1 << 20));
    let start = || StreamBuilder::new(params.clone(), MemoryFile::new(), &area).unwrap();
    let mut stream = start().progress(&all);
    stream.push(&painted(1000 * 4096)).unwrap();
    stream.finish().unwrap();
    assert_eq!(all.0.into_inner(), 1000 * 4096);
    let mut stream = start().progress(&some).threads(NonZeroUsize::MIN);
    let error = stream.push(&painted(1000 * 4096)).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(error.class(), ErrorClass::Cancelled);
}

#[test]
fn parity_of_what_was_kept_is_that_of_a_build_and_other_data_is_refused() {
    let data = painted(700 * 4096);
    let hash = MemoryFile::new();
    let mut stream =
        StreamBuilder::with_unknown_length(Params::builder(), &hash, 0, false).unwrap();
    stream.push(&data).unwrap();
    let streamed = stream.finish().unwrap();
    let fec_area = FecArea::behind_hash_area(&streamed.params, &streamed.hash_area, 3).unwrap();
    let builder = Builder::new(&streamed.params);
    streamed.build_fec(&builder, &data, &hash, &hash, &fec_area).unwrap();
    let expected = MemoryFile::new();
    let area = streamed.hash_area;
    builder.build_with_fec(&data, &expected, &area, &expected, &fec_area).unwrap();
    assert!(hash.to_bytes() == expected.into_bytes());

    let mut other = data.clone();
    other[99] ^= 1;
    let error = streamed.build_fec(&builder, &other, &hash, &hash, &fec_area).unwrap_err();
    assert!(matches!(error, Error::OtherData { .. }), "{error}");
    let params = Params::builder().data_blocks(9).build().unwrap();
    let refused = streamed.build_fec(&Builder::new(&params), &data, &hash, &hash, &fec_area);
    assert!(matches!(refused, Err(Error::HashArea(_))));
}
