//! Verified reads. Input: a geometry and options, then damage and reads in steps of four bytes.
//! Every input is valid.
//!
//! Invariants under test, with the slow model of a reader (`verity_testdata::reading`) as judge:
//! - no input panics;
//! - a read gives the bytes that the model has, as many as it has, and nothing else in the buffer
//!   changes;
//! - a read ends where the model does, and names the block and the finding of the model;
//! - so does a preload; neither the cache nor the order of the reads makes a difference.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use verity::internals::to_u64;
use verity::{
    Algorithm, BlockRef, BlockSize, Corruption, Digest, Error, HashArea, HashType, Params,
    ReadError, Repair, RootHash, Salt, TrustedParams, VerifiedReader,
};
use verity_testdata::pattern::Prng;
use verity_testdata::reading::{self, Finding, Readable};
use verity_testdata::reference::{self, BadBlock, Scheme};

use crate::number::index;
use crate::source::Source;

/// The bytes before the steps.
const HEADER: usize = 8;
/// An input has at most this many steps; the rest is ignored.
const STEPS: usize = 64;
/// What is in a buffer before a read.
const UNTOUCHED: u8 = 0xaa;

/// Checks the invariants for one input.
///
/// # Panics
/// If one does not hold.
pub fn run(data: &[u8]) {
    let _ = verified_bytes(data);
}

/// Checks the invariants for one input, and counts the bytes that its reads gave.
///
/// # Panics
/// If an invariant does not hold.
pub fn verified_bytes(data: &[u8]) -> usize {
    let Some((header, steps)) = data.split_first_chunk() else { return 0 };
    let steps: Vec<[u8; 4]> = steps.as_chunks().0.iter().take(STEPS).copied().collect();
    let options = Options::new(*header);
    let mut image = Image::new(*header);
    // What changes the root hash comes first: the rest is damage to what it vouches for.
    for [_, low, high, bit] in steps.iter().filter(|step| step[0] % 8 == 6) {
        image.change_tree_and_digests(number(*low, *high), *bit);
    }
    let good = Arc::new(image.clone());
    steps.iter().for_each(|step| image.damage(*step));
    let model = image.read_slowly(&options, &good);
    let params = image.params();
    let area = HashArea::new(&params, 0, false).expect("a place");
    let digest = Digest::new(&image.root_hash).expect("a digest");
    let trusted = TrustedParams::pinned(params.clone(), RootHash::new(digest), area);
    let bad = |name: &dyn Fn(u64) -> BadBlock, blocks| {
        (0..blocks).map(|block| image.unreadable.contains(&name(block))).collect()
    };
    let data_blocks = params.data_blocks();
    let data =
        Source::new(&image.data, image.scheme.data_block_size, bad(&BadBlock::Data, data_blocks));
    let hash_blocks = params.geometry().hash_blocks();
    let bad = bad(&|block| image.hash_block_name(block), hash_blocks);
    let hash = Source::new(&image.tree, image.scheme.hash_block_size, bad);
    let all = VerifiedReader::<&Vec<u8>, &Vec<u8>>::cache_size_for(&params);
    let one = all.checked_div(hash_blocks).unwrap_or(0);
    let mut reader = VerifiedReader::new(trusted.expect("consistent"), &data, &hash)
        .expect("long enough")
        .cache_size(options.cache_blocks.saturating_mul(one))
        .ignore_zero_blocks(options.ignore_zero_blocks)
        .check_at_most_once(options.check_at_most_once);
    if options.mirror > 0 {
        reader = reader.repair(Arc::new(Mirror { good, kind: options.mirror }));
    }
    if options.preload {
        check_preload(reader.preload(), &model, options.cache_blocks >= hash_blocks);
    }
    let reads = steps.iter().filter(|step| step[0] % 8 < 4);
    reads.map(|step| check_read(&reader, &model, *step)).sum()
}

/// Inputs of many kinds: every algorithm, one block to four levels, each kind of damage, each
/// option.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let whole = [0, 0, 0, 255];
    for algorithm in (0..).take(Algorithm::ALL.len()) {
        seeds.push(seed([algorithm, 1, 0, 0, 20, 0, 32, 255], &[whole, [1, 9, 3, 40]]));
    }
    // Types, block sizes, numbers of blocks, cache bounds, options.
    for (flags, sizes, blocks, cache) in [
        (0, [0, 0], 0, 0),
        (1, [2, 0], 15, 1),
        (0b10, [0, 1], 16, 0),
        (0b101, [1, 2], 100, 255),
        (0b1001, [0, 0], 159, 255),
        (0b1000, [0, 0], 159, 2),
    ] {
        let header = [2, flags, sizes[0], sizes[1], blocks, 0, 7, cache];
        let reads = [whole, [1, 200, 10, 100], [2, 0, 40, 130], [3, 255, 255, 9]];
        seeds.push(seed(header, &reads));
        for damage in [[4, 7, 9, 1], [5, 100, 1, 3], [6, 250, 1, 6], [7, 0, 3, 0], [7, 1, 0, 0]] {
            let repair = damage[0] << 4;
            let header = [2, flags | repair, sizes[0], sizes[1], blocks, 0, 7, cache];
            seeds.push(seed(header, &[&[damage], &reads[..], &reads[..]].concat()));
        }
    }
    // sha512 and 512-byte blocks: eight digests in a block.
    seeds.push(seed([4, 1, 0, 0, 250, 1, 0, 255], &[whole, [5, 0, 0, 1], whole, [7, 255, 0, 0]]));
    seeds
}

fn seed(header: [u8; HEADER], steps: &[[u8; 4]]) -> Vec<u8> {
    [&header[..], steps.as_flattened()].concat()
}

/// How an image is read.
struct Options {
    ignore_zero_blocks: bool,
    check_at_most_once: bool,
    preload: bool,
    mirror: u8,
    cache_blocks: u64,
}

impl Options {
    fn new([_, flags, .., cache]: [u8; HEADER]) -> Options {
        Options {
            ignore_zero_blocks: flags & 2 > 0,
            check_at_most_once: flags & 4 > 0,
            preload: flags & 8 > 0,
            mirror: flags >> 4 & 7,
            cache_blocks: if cache == 255 { u64::MAX >> 20 } else { u64::from(cache) },
        }
    }
}

#[derive(Clone)]
struct Image {
    scheme: Scheme,
    geometry: reference::Geometry,
    data: Vec<u8>,
    tree: Vec<u8>,
    root_hash: Vec<u8>,
    unreadable: HashSet<BadBlock>,
}

impl Image {
    fn new([algorithm, flags, data, hash, low, high, salt, _]: [u8; HEADER]) -> Image {
        let algorithm = Algorithm::ALL[usize::from(algorithm) % Algorithm::ALL.len()];
        let mut prng = Prng::new(u64::from(salt));
        let scheme = Scheme {
            algorithm: algorithm.name().to_owned(),
            hash_type: u32::from(flags & 1),
            data_block_size: 512 << (data % 3),
            hash_block_size: 512 << (hash % 3),
            salt: prng.bytes(usize::from(salt)),
        };
        // Up to 600 blocks of the smallest size.
        let blocks = ((1 + number(low, high) % 600) >> (data % 3)).max(1);
        let block_size = index(scheme.data_block_size);
        let mut data = prng.bytes(blocks * block_size);
        for block in data.chunks_exact_mut(block_size).skip(3).step_by(5) {
            block.fill(0);
        }
        let built = reference::format(&data, &scheme);
        let geometry = reference::geometry(blocks as u128, &scheme);
        let (tree, root_hash) = (built.tree, built.root_hash);
        Image { scheme, geometry, data, tree, root_hash, unreadable: HashSet::new() }
    }

    fn params(&self) -> Params {
        let size = |bytes| BlockSize::new(bytes).expect("a block size");
        Params::builder()
            .algorithm(self.scheme.algorithm.parse().expect("an algorithm"))
            .hash_type(HashType::try_from(self.scheme.hash_type).expect("0 or 1"))
            .data_block_size(size(self.scheme.data_block_size))
            .hash_block_size(size(self.scheme.hash_block_size))
            .salt(Salt::new(&self.scheme.salt).expect("a short salt"))
            .data_size(to_u64(self.data.len()))
            .build()
            .expect("parameters of a tree")
    }

    fn damage(&mut self, [kind, low, high, last]: [u8; 4]) {
        let (place, bit) = (number(low, high), 1 << (last % 8));
        let (data_len, tree_len) = (self.data.len(), self.tree.len());
        match kind % 8 {
            4 => self.data[place * 5 % data_len] ^= bit,
            5 if tree_len > 0 => self.tree[place % tree_len] ^= bit,
            7 if low == 255 => {
                let len = self.root_hash.len();
                self.root_hash[usize::from(high) % len] ^= bit;
            }
            7 if low % 2 == 1 && tree_len > 0 => {
                let blocks = to_u64(tree_len) / u64::from(self.scheme.hash_block_size);
                let block = self.hash_block_name(u64::from(high) % blocks);
                self.unreadable.insert(block);
            }
            7 => {
                let blocks = to_u64(data_len) / u64::from(self.scheme.data_block_size);
                self.unreadable.insert(BadBlock::Data(u64::from(high) % blocks));
            }
            _ => {}
        }
    }

    fn change_tree_and_digests(&mut self, place: usize, bit: u8) {
        if self.tree.is_empty() {
            return;
        }
        let (len, block_size) = (self.tree.len(), index(self.scheme.hash_block_size));
        self.tree[place % len] ^= 1 << (bit % 8);
        let mut block = (place % len) / block_size;
        loop {
            let BadBlock::Hash { level, block: within } = self.hash_block_name(to_u64(block))
            else {
                unreachable!("a hash block");
            };
            let digest = reference::hash_block(&self.scheme, self.hash_block(block));
            if level + 1 == self.geometry.levels.len() {
                self.root_hash = digest;
                return;
            }
            let (parent, offset) = self.geometry.locate(level + 1, within.into());
            block = index(self.geometry.levels[level + 1].start + parent);
            self.tree[block * block_size + index(offset)..][..digest.len()]
                .copy_from_slice(&digest);
        }
    }

    fn hash_block(&self, number: usize) -> &[u8] {
        let block_size = index(self.scheme.hash_block_size);
        &self.tree[number * block_size..][..block_size]
    }

    fn hash_block_name(&self, number: u64) -> BadBlock {
        let number = u128::from(number);
        let holds = |place: &reference::LevelPlace| {
            (place.start..place.start + place.blocks).contains(&number)
        };
        let level = self.geometry.levels.iter().position(holds).expect("in the tree");
        let block = number - self.geometry.levels[level].start;
        BadBlock::Hash { level, block: u64::try_from(block).expect("a small tree") }
    }

    fn bytes(&self, block: BadBlock) -> &[u8] {
        match block {
            BadBlock::Data(block) => {
                let block_size = index(self.scheme.data_block_size);
                &self.data[index(block) * block_size..][..block_size]
            }
            BadBlock::Hash { level, block } => {
                self.hash_block(index(self.geometry.levels[level].start) + index(block))
            }
        }
    }

    fn read_slowly(&self, options: &Options, good: &Arc<Image>) -> Readable {
        let mirror = Mirror { good: Arc::clone(good), kind: options.mirror };
        reading::read(&reading::Storage {
            scheme: &self.scheme,
            root_hash: &self.root_hash,
            data: &self.data,
            tree: &self.tree,
            unreadable: &|block| self.unreadable.contains(&block),
            repair: &|block| mirror.offer(block),
            ignore_zero_blocks: options.ignore_zero_blocks,
        })
    }
}

/// A repair that offers nothing (kind 0), the right bytes (1 and 2), wrong ones (3 and 4), or both
/// by turns.
struct Mirror {
    good: Arc<Image>,
    kind: u8,
}

impl Mirror {
    fn offer(&self, block: BadBlock) -> Option<Vec<u8>> {
        let (BadBlock::Data(number) | BadBlock::Hash { block: number, .. }) = block;
        let lies = match self.kind {
            0 => return None,
            1 | 2 => false,
            3 | 4 => true,
            _ => number.is_multiple_of(2),
        };
        let mut bytes = self.good.bytes(block).to_vec();
        bytes[1] ^= u8::from(lies);
        Some(bytes)
    }
}

impl Repair for Mirror {
    fn repair(&self, block: BlockRef, bytes: &mut [u8]) -> io::Result<bool> {
        let offered = self.offer(named(block));
        bytes.copy_from_slice(&offered.ok_or(io::ErrorKind::NotFound)?);
        Ok(true)
    }
}

fn check_preload(result: Result<(), Error>, model: &Readable, has_room: bool) {
    let wanted = model.hash.iter().find_map(|outcome| outcome.as_ref().err());
    match result {
        Ok(()) => assert!(has_room && wanted.is_none(), "preloaded, but {wanted:?}"),
        Err(Error::CacheTooSmall { .. }) => assert!(!has_room, "there is room"),
        Err(error) => assert_eq!(Some(&what(&error)), wanted, "another error of a preload"),
    }
}

/// Keeps what is handed out.
fn handed_out(
    reader: &VerifiedReader<&Source<&Vec<u8>>, &Source<&Vec<u8>>>,
    buf: &mut [u8],
    offset: u64,
) -> (usize, Option<Error>) {
    let mut verified = 0;
    let done = reader.read_with(offset..offset.saturating_add(to_u64(buf.len())), |bytes| {
        assert!(!bytes.is_empty(), "nothing was handed out");
        buf[verified..verified + bytes.len()].copy_from_slice(bytes);
        verified += bytes.len();
        ControlFlow::Continue(())
    });
    (verified, done.err())
}

/// Reads once and compares. Returns how many bytes there were.
fn check_read(
    reader: &VerifiedReader<&Source<&Vec<u8>>, &Source<&Vec<u8>>>,
    model: &Readable,
    [_, low, high, last]: [u8; 4],
) -> usize {
    let params = reader.trusted().params();
    let end = params.data_size();
    let offset = (to_u64(number(low, high)) * 3 + u64::from(last)) % (end + 512);
    let offset = if low == 0 { offset - offset % 512 } else { offset };
    let len = if last < 128 { usize::from(last) } else { (usize::from(last) - 127) * 700 };
    let mut buf = vec![UNTOUCHED; len];
    // Two ways to have them.
    let (verified, error) = match high % 2 {
        0 => match reader.read_at(&mut buf, offset) {
            Ok(size) => (size, None),
            Err(ReadError { verified, error, .. }) => (verified, Some(error)),
        },
        _ => handed_out(reader, &mut buf, offset),
    };

    let asked = (offset + to_u64(len)).min(end).saturating_sub(offset);
    let block_size = u64::from(params.data_block_size());
    let mut expected: Vec<u8> = Vec::new();
    let mut in_the_way = None;
    while to_u64(expected.len()) < asked {
        let position = offset + to_u64(expected.len());
        match &model.data[index(position / block_size)] {
            Ok(bytes) => expected.extend(&bytes[index(position % block_size)..]),
            Err(found) => {
                in_the_way = Some(found);
                break;
            }
        }
    }
    expected.truncate(index(asked));
    assert_eq!(verified, expected.len(), "{len} bytes at {offset}: as many as are verified");
    assert!(buf[..verified] == expected, "{len} bytes at {offset}: wrong bytes");
    let rest = &buf[verified..];
    assert!(rest.iter().all(|byte| *byte == UNTOUCHED), "{len} bytes at {offset}: touched");
    assert_eq!(error.as_ref().map(what).as_ref(), in_the_way, "{len} bytes at {offset}");
    verified
}

/// The block that an error names, and the finding about it.
fn what(error: &Error) -> (BadBlock, Finding) {
    match error {
        Error::Read { block, .. } => (named(*block), Finding::Unreadable),
        Error::Corrupt(report) => {
            assert_eq!((report.corruptions.len(), report.corrupt_blocks), (1, 1), "{report:?}");
            let finding = match report.corruptions[0].corruption {
                Corruption::Digest { expected, actual } => {
                    let bytes = |digest: Digest| digest.as_bytes().to_vec();
                    Finding::Digest { expected: bytes(expected), actual: bytes(actual) }
                }
                Corruption::SpareBytes { offset } => Finding::Spare { offset },
                other => panic!("{other}"),
            };
            (named(report.corruptions[0].first), finding)
        }
        error => panic!("no error of a read: {error}"),
    }
}

fn named(block: BlockRef) -> BadBlock {
    match block {
        BlockRef::Data { block } => BadBlock::Data(block),
        BlockRef::Hash { level, block } => BadBlock::Hash { level: level.into(), block },
    }
}

fn number(low: u8, high: u8) -> usize {
    usize::from(u16::from_le_bytes([low, high]))
}
