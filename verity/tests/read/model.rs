//! A million reads, each compared with what the slow model says of its blocks.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Seek, SeekFrom};
use std::ops::{AddAssign, ControlFlow};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::internals::{FecPlatform, Kernels};
use verity::io::{Cursor, ReadAt};
use verity::{BlockRef, Corruption, Digest, Error, ReadError, VerifiedReader};
use verity_testdata::pattern::Prng;
use verity_testdata::reading::{Finding, Readable};
use verity_testdata::reference::BadBlock;

use super::case::{Case, Kind, named, size};
use super::disk::Disk;

const READS: u64 = 1_000_000;

/// What is in a buffer before a read.
const UNTOUCHED: u8 = 0xaa;

type Reader<'a> = VerifiedReader<&'a Disk, &'a Disk>;

/// How many reads there were, and of what kind. What was not met was not tested: at least that many
/// of each.
const CLASSES: [(&str, u64); 23] = [
    ("reads", READS),
    ("all bytes", 100_000),
    ("fewer bytes, at the end of the data", 1000),
    ("no bytes", 1000),
    ("by one of many threads", 100_000),
    ("touching a corrupt path", 20_000),
    ("corrupt data block", 1000),
    ("corrupt hash block, level 0", 1000),
    ("corrupt hash block, level 1", 1000),
    ("corrupt hash block, level 2", 1000),
    ("corrupt hash block, level 3 or more", 1000),
    ("spare bytes", 1000),
    ("unreadable data block", 1000),
    ("unreadable hash block", 1000),
    ("verified bytes before the error", 1000),
    ("repaired", 1000),
    ("zeros without a look", 1000),
    ("a fault that came and went", 1000),
    ("checked once", 1000),
    ("hash blocks from the cache", 100_000),
    ("preloads", 50),
    ("preloads that failed", 20),
    ("preloads without room", 50),
];

const CORRUPT_HASH: [&str; 4] = [CLASSES[7].0, CLASSES[8].0, CLASSES[9].0, CLASSES[10].0];

#[derive(Default)]
struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    fn add(&mut self, class: &'static str, count: impl Into<u64>) {
        *self.0.entry(class).or_default() += count.into();
    }
}

/// Everything that a read is compared with.
struct Model<'a> {
    case: &'a Case,
    readable: Readable,
    /// By data block: whether a block on its path needed the repair.
    repaired: Vec<bool>,
    /// By data block: whether it is zeros, but not in the storage.
    zeros: Vec<bool>,
    name: String,
}

#[test]
fn d05_d12_a_million_reads_are_as_the_slow_model_says() {
    let seed = verity_testdata::cases::seed();
    println!("seed {seed:#x}");
    let wanted = wanted();
    let (next, reads) = (AtomicU64::new(0), AtomicU64::new(0));
    let total = Mutex::new(Seen::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while reads.load(Ordering::Relaxed) < wanted {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    let seen = run_case(seed, case);
                    reads.fetch_add(seen.0["reads"], Ordering::Relaxed);
                    *total.lock().unwrap() += seen;
                }
            });
        }
    });
    let seen = total.into_inner().unwrap();
    println!("{} images", next.into_inner());
    for (class, least) in CLASSES {
        let count = seen.0.get(class).copied().unwrap_or_default();
        println!("{count:>9} {class}");
        // Fewer reads see fewer kinds.
        assert!(count >= least || wanted < READS, "{class}: {count}, not {least}");
    }
}

/// `VERITY_MODEL_READS` for what slows reads down, such as ThreadSanitizer.
fn wanted() -> u64 {
    let number = std::env::var("VERITY_MODEL_READS");
    number.map_or(READS, |number| number.parse().expect("VERITY_MODEL_READS is a number"))
}

fn run_case(seed: u64, number: u64) -> Seen {
    // Mixed once more: seeds in a row would give streams that are each other's, shifted.
    let mut prng = Prng::new(Prng::new(seed.wrapping_add(number)).next_u64());
    let case = Case::random(&mut prng);
    let model = Model::new(&case, format!("seed {seed:#x}, image {number}, {:?}", case.options));
    let (data, hash) = (case.data_disk(&mut prng), case.hash_disk(&mut prng));
    let reader = reader(&case, &data, &hash);
    let mut seen = Seen::default();
    // A thread of its own may do it, beside those that read.
    let beside = case.options.threads > 1 && prng.one_in(2);
    if case.options.preload && !beside {
        seen += model.preload(&reader);
    }
    let seeds: Vec<u64> = (0..case.options.threads).map(|_| prng.next_u64()).collect();
    let threads = std::thread::scope(|scope| {
        let (model, reader) = (&model, &reader);
        let preload =
            (case.options.preload && beside).then(|| scope.spawn(|| model.preload(reader)));
        let threads: Vec<_> = seeds[1..]
            .iter()
            .map(|seed| scope.spawn(|| model.read(reader, Prng::new(*seed))))
            .collect();
        let first = model.read(reader, Prng::new(seeds[0]));
        let joined =
            threads.into_iter().chain(preload).map(|thread| thread.join().expect("its own report"));
        joined.fold(first, |mut sum, seen| {
            sum += seen;
            sum
        })
    });
    seen += threads;
    let counters = reader.counters();
    seen.add("checked once", counters.unchecked_data_blocks);
    seen.add("hash blocks from the cache", counters.cache_hits);
    seen
}

fn reader<'a>(case: &Case, data: &'a Disk, hash: &'a Disk) -> Reader<'a> {
    let options = &case.options;
    let mut reader = VerifiedReader::new(case.trusted(), data, hash)
        .expect("long enough")
        .check_at_most_once(options.check_at_most_once)
        .ignore_zero_blocks(options.ignore_zero_blocks);
    if let Some(bytes) = options.cache_size {
        reader = reader.cache_size(bytes);
    }
    if let Some(mirror) = case.repair() {
        reader = reader.repair(Arc::new(mirror));
    }
    if let Some(platform) = options.platform {
        reader = reader.kernels(Kernels { hash: platform, fec: FecPlatform::Portable });
    }
    reader
}

impl<'a> Model<'a> {
    fn new(case: &'a Case, name: String) -> Model<'a> {
        let readable = case.readable();
        let repaired: HashSet<BadBlock> = readable.repaired.iter().copied().collect();
        let blocks = 0..readable.data.len() as u64;
        let on_path = |block| path(case, block).any(|block| repaired.contains(&block));
        let is_zeros = |block| {
            let stored = case.image.bytes(BadBlock::Data(block));
            let outcome = readable.data[size(block)].as_ref();
            let other = stored.iter().any(|byte| *byte != 0)
                || case.unreadable.contains(&BadBlock::Data(block));
            other && outcome.is_ok_and(|bytes| bytes.iter().all(|byte| *byte == 0))
        };
        Model {
            case,
            repaired: blocks.clone().map(on_path).collect(),
            zeros: blocks.map(is_zeros).collect(),
            readable,
            name,
        }
    }

    fn block_size(&self) -> u64 {
        self.case.image.scheme.data_block_size.into()
    }

    /// Some reads of one thread.
    fn read(&self, reader: &Reader<'_>, mut prng: Prng) -> Seen {
        let mut seen = Seen::default();
        let mut cursor = Cursor::new(reader);
        let mut room = Vec::new();
        for _ in 0..self.case.options.reads.div_ceil(self.case.options.threads) {
            let (offset, len) = self.random_place(&mut prng);
            room.clear();
            room.resize(size(len), UNTOUCHED);
            let (verified, error) = match prng.below(8) {
                0 => through_read_at(reader, &mut room, offset),
                1 => through_cursor(&mut cursor, &mut room, offset),
                2 => handed_out(reader, &mut room, offset),
                _ => directly(reader, &mut room, offset),
            };
            self.check(offset, &room, verified, error.as_ref(), &mut seen);
        }
        seen
    }

    fn random_place(&self, prng: &mut Prng) -> (u64, u64) {
        let (block_size, end) = (self.block_size(), self.case.image.data.len() as u64);
        let block = prng.below(end / block_size) * block_size;
        let offset = match prng.below(16) {
            0..5 => block,
            5 => end - prng.below(end.min(2 * block_size)) - 1,
            6 => *prng.pick(&[end, end + 1, end + block_size, u64::MAX, u64::MAX - 1, 1 << 63]),
            7 => 0,
            _ => prng.below(end),
        };
        let len = match prng.below(64) {
            0 => 0,
            1 => end.min(256 * 1024) + 3,
            2..16 => prng.range(1..=16),
            16..32 => block_size,
            32..48 => prng.range(1..=2 * block_size),
            _ => prng.range(1..=(8 * block_size).min(16 * 1024)),
        };
        (offset, len)
    }

    /// Compares a read with the model.
    fn check(
        &self,
        offset: u64,
        buf: &[u8],
        verified: usize,
        error: Option<&Error>,
        seen: &mut Seen,
    ) {
        let name = || format!("{}: {} bytes at {offset}", self.name, buf.len());
        let end = self.case.image.data.len() as u64;
        let asked = offset.saturating_add(buf.len() as u64).min(end).saturating_sub(offset);
        let (block_size, mut done) = (self.block_size(), 0);
        let (mut repaired, mut zeros) = (false, false);
        // As far as the reader came, block by block, and then what it says of the next one.
        while done < verified {
            let position = offset + done as u64;
            let block = size(position / block_size);
            let bytes = self.bytes(block).unwrap_or_else(|found| {
                panic!("{}: bytes of data block {block}: {found:?}", name());
            });
            let skip = size(position % block_size);
            let len = (bytes.len() - skip).min(verified - done);
            assert!(buf[done..done + len] == bytes[skip..skip + len], "{}: wrong bytes", name());
            (repaired, zeros) = (repaired | self.repaired[block], zeros | self.zeros[block]);
            done += len;
        }
        let rest = &buf[verified..];
        assert!(rest.iter().all(|byte| *byte == UNTOUCHED), "{}: touched the rest", name());
        seen.add("reads", 1_u64);
        let mut bad = false;
        match error {
            None => assert_eq!(verified as u64, asked, "{}: not all", name()),
            Some(error) => {
                assert!((verified as u64) < asked, "{}: {error} behind the end", name());
                let position = offset + verified as u64;
                assert!(verified == 0 || position.is_multiple_of(block_size), "{}", name());
                bad = self.check_error(position / block_size, error, &name, seen);
                seen.add("verified bytes before the error", verified > 0);
            }
        }
        let (whole, all) = (error.is_none(), buf.len() as u64);
        seen.add("all bytes", whole && asked == all);
        seen.add("fewer bytes, at the end of the data", whole && asked > 0 && asked < all);
        seen.add("no bytes", asked == 0);
        seen.add("repaired", repaired);
        seen.add("zeros without a look", zeros);
        seen.add("touching a corrupt path", bad || repaired);
        seen.add("by one of many threads", self.case.options.threads > 1);
    }

    /// What the reader may have of a data block.
    fn bytes(&self, block: usize) -> Result<&[u8], &(BadBlock, Finding)> {
        match self.readable.data[block].as_ref() {
            // By chance: from another block that is the same, where the source lies; or from a
            // buffer that nobody wrote to, although source or repair says so, and which still held
            // them.
            Err(_) if self.lies() || self.believes_what_was_left() => {
                Ok(self.case.good.bytes(BadBlock::Data(block as u64)))
            }
            outcome => outcome.map(Vec::as_slice),
        }
    }

    fn believes_what_was_left(&self) -> bool {
        self.case.options.flaky.is_some() && self.case.options.repair == Some(Kind::Unchanged)
    }

    fn lies(&self) -> bool {
        self.case.options.flaky.is_some_and(|flaky| flaky.lies)
    }

    /// Whether a read may end at `block` with `error`; returns whether that is for what the image
    /// is.
    fn check_error(
        &self,
        block: u64,
        error: &Error,
        name: &dyn Fn() -> String,
        seen: &mut Seen,
    ) -> bool {
        let (place, found) = what(error).unwrap_or_else(|| panic!("{}: {error}", name()));
        let outcome = &self.readable.data[size(block)];
        match outcome {
            Err((expected, wanted)) if (*expected, wanted) == (place, &found) => {
                let class = match (place, found) {
                    (_, Finding::Spare { .. }) => "spare bytes",
                    (BadBlock::Data(_), Finding::Unreadable) => "unreadable data block",
                    (BadBlock::Data(_), _) => "corrupt data block",
                    (BadBlock::Hash { .. }, Finding::Unreadable) => "unreadable hash block",
                    (BadBlock::Hash { level, .. }, _) => CORRUPT_HASH[level.min(3)],
                };
                seen.add(class, 1_u64);
                true
            }
            outcome => {
                // A fault that comes and goes may be in the way of this block, and of no other.
                let flaky = self.case.options.flaky.is_some();
                assert!(flaky, "{}: {error}, not {:?}", name(), outcome.as_ref().err());
                assert!(
                    self.lies() || found == Finding::Unreadable || outcome.is_err(),
                    "{}: {error}",
                    name()
                );
                assert!(path(self.case, block).any(|block| block == place), "{}: {error}", name());
                seen.add("a fault that came and went", 1_u64);
                outcome.is_err()
            }
        }
    }

    fn preload(&self, reader: &Reader<'_>) -> Seen {
        let params = reader.trusted().params();
        let needed = Reader::cache_size_for(params);
        let bound = self.case.options.cache_size.unwrap_or(u64::MAX);
        let mut seen = Seen::default();
        let wanted = self.readable.hash.iter().find_map(|outcome| outcome.as_ref().err());
        match reader.preload() {
            Ok(()) => {
                let by_chance = self.lies() || self.believes_what_was_left();
                assert!(
                    bound >= needed && (wanted.is_none() || by_chance),
                    "{}: preloaded",
                    self.name
                );
                seen.add("preloads", 1_u64);
            }
            Err(Error::CacheTooSmall { needed: stated, actual }) => {
                assert_eq!((stated, Some(actual)), (needed, self.case.options.cache_size));
                assert!(bound < needed, "{}: there is room", self.name);
                seen.add("preloads without room", 1_u64);
            }
            Err(error) => {
                let (place, found) =
                    what(&error).unwrap_or_else(|| panic!("{}: {error}", self.name));
                let is_wanted =
                    wanted.is_some_and(|(block, wanted)| (*block, wanted) == (place, &found));
                assert!(is_wanted || self.case.options.flaky.is_some(), "{}: {error}", self.name);
                assert!(matches!(place, BadBlock::Hash { .. }), "{}: {error}", self.name);
                seen.add("preloads that failed", 1_u64);
            }
        }
        seen
    }
}

/// A data block and the hash blocks above it.
fn path(case: &Case, block: u64) -> impl Iterator<Item = BadBlock> + '_ {
    let mut position = u128::from(block);
    let above = (0..case.image.geometry.levels.len()).map(move |level| {
        position = case.image.geometry.locate(level, position).0;
        BadBlock::Hash { level, block: u64::try_from(position).expect("a small tree") }
    });
    std::iter::once(BadBlock::Data(block)).chain(above)
}

/// The block that an error names, and what it says of it; none if it is not of the kind that reads
/// end with.
fn what(error: &Error) -> Option<(BadBlock, Finding)> {
    match error {
        Error::Read { block, .. } => Some((named(*block), Finding::Unreadable)),
        Error::Corrupt(report) => {
            let [range] = &report.corruptions[..] else { return None };
            let one = range.blocks == 1 && report.corrupt_blocks == 1 && report.truncated;
            let finding = match range.corruption {
                Corruption::Digest { expected, actual } => {
                    let bytes = |digest: Digest| digest.as_bytes().to_vec();
                    Finding::Digest { expected: bytes(expected), actual: bytes(actual) }
                }
                Corruption::SpareBytes { offset } => Finding::Spare { offset },
                _ => return None,
            };
            let first: BlockRef = range.first;
            one.then(|| (named(first), finding))
        }
        _ => None,
    }
}

fn directly(reader: &Reader<'_>, buf: &mut [u8], offset: u64) -> (usize, Option<Error>) {
    match reader.read_at(buf, offset) {
        Ok(size) => (size, None),
        Err(ReadError { verified, error, .. }) => (verified, Some(error)),
    }
}

/// Keeps what is handed out, as often as that may be.
fn handed_out(reader: &Reader<'_>, buf: &mut [u8], offset: u64) -> (usize, Option<Error>) {
    let mut verified = 0;
    let done = reader.read_with(offset..offset.saturating_add(buf.len() as u64), |bytes| {
        assert!(!bytes.is_empty());
        buf[verified..verified + bytes.len()].copy_from_slice(bytes);
        verified += bytes.len();
        ControlFlow::Continue(())
    });
    (verified, done.err())
}

fn through_read_at(reader: &Reader<'_>, buf: &mut [u8], offset: u64) -> (usize, Option<Error>) {
    assert_eq!(ReadAt::len(reader).expect("known"), reader.trusted().params().data_size());
    until_the_end(buf, |rest, done| {
        let Some(offset) = offset.checked_add(done as u64) else { return Ok(0) };
        ReadAt::read_at(reader, rest, offset)
    })
}

fn through_cursor(
    cursor: &mut Cursor<&Reader<'_>>,
    buf: &mut [u8],
    offset: u64,
) -> (usize, Option<Error>) {
    assert_eq!(cursor.seek(SeekFrom::Start(offset)).expect("a position"), offset);
    until_the_end(buf, |rest, _| cursor.read(rest))
}

/// Reads on after short reads, and takes the error out of its wrapping.
fn until_the_end(
    buf: &mut [u8],
    mut read: impl FnMut(&mut [u8], usize) -> std::io::Result<usize>,
) -> (usize, Option<Error>) {
    let mut done = 0;
    while done < buf.len() {
        match read(&mut buf[done..], done) {
            Ok(0) => break,
            Ok(size) => done += size,
            Err(error) => {
                let kind = error.kind();
                let error = error.downcast::<ReadError>().expect("as the reader has it");
                assert_eq!(error.verified, 0);
                match &error.error {
                    Error::Read { source, .. } => assert_eq!(source.kind(), kind),
                    _ => assert_eq!(kind, std::io::ErrorKind::InvalidData),
                }
                return (done, Some(error.error));
            }
        }
    }
    (done, None)
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Seen) {
        other.0.into_iter().for_each(|(class, count)| self.add(class, count));
    }
}
