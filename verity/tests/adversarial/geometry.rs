//! Attacks `g` of `docs/ATTACKS.md`: sizes at every boundary, and sizes that nothing can have.

use std::fs::File;
use std::sync::Mutex;

use verity::io::{ReadAt, WriteAt};
use verity::{
    BlockRef, BlockSize, Builder, Error, HashArea, HashAreaError, Params, ParamsError, Plan,
    Superblock, TrustedParams, Uuid, Verifier,
};
use verity_testdata::files;
use verity_testdata::pattern::sha256_stream;
use verity_testdata::reference::{self, Scheme};

use super::storage::Synthetic;
use super::support::{Image, only, params, report, root, small, threads, usize_of};

#[test]
fn g01_data_beyond_64_bits_is_refused() {
    for data_blocks in [(1 << 52), (1 << 52) + 1, 1 << 63, u64::MAX] {
        let error = Params::builder().data_blocks(data_blocks).build().unwrap_err();
        assert_eq!(error, ParamsError::TooLarge { data_blocks, data_block_size: 4096 });
    }
    Params::builder().data_blocks((1 << 52) - 1).build().unwrap();
}

#[test]
fn g02_hash_areas_beyond_64_bits_are_refused() {
    let params = params(&Scheme::default(), 300);
    let tree = params.geometry().hash_blocks() * 4096;
    // The last place where it fits, and the next one.
    let last = u64::MAX - 4095 - tree - 4096;
    assert_eq!(HashArea::new(&params, last, true).unwrap().end(), u64::MAX - 4095);
    for offset in [last + 4096, u64::MAX - 511] {
        let error = HashArea::new(&params, offset, true).unwrap_err();
        assert_eq!(error, HashAreaError::TooLarge { offset });
    }
    let last = last + 4096;
    assert_eq!(HashArea::new(&params, last, false).unwrap().end(), u64::MAX - 4095);
    let offset = last + 4096;
    let error = HashArea::new(&params, offset, false).unwrap_err();
    assert_eq!(error, HashAreaError::TooLarge { offset });
}

#[test]
fn g02_no_tree_is_larger_than_its_data() {
    // No allowed hash block holds fewer than eight digests, so that a tree is smaller than its
    // data.
    for algorithm in verity::Algorithm::ALL {
        for hash_block_size in [BlockSize::MIN, BlockSize::MAX] {
            let params = Params::builder()
                .algorithm(*algorithm)
                .data_block_size(BlockSize::MIN)
                .hash_block_size(hash_block_size)
                .data_blocks((1 << 55) - 1)
                .build()
                .unwrap();
            assert!(params.geometry().hash_blocks() < 1 << 53);
        }
    }
}

/// Other tools format the whole blocks and leave the rest uncovered without a word.
#[test]
fn g06_data_that_does_not_end_at_a_block_is_refused_with_its_tail() {
    for (data_size, tail) in [(1, 1), (4095, 4095), (4097, 1), (5000, 904), (u64::MAX, 4095)] {
        let error = Params::builder().data_size(data_size).build().unwrap_err();
        let expected = ParamsError::UnprotectedTail { data_size, tail, block_size: 4096 };
        assert_eq!(error, expected);
        assert!(error.to_string().contains(&format!("last {tail} bytes would be unprotected")));
        let planned = Plan::for_image(Params::builder(), data_size, true);
        assert!(matches!(planned, Err(Error::Params(error)) if error == expected));
    }
    // Said in blocks, it is what the caller means.
    assert_eq!(Params::builder().data_blocks(1).build().unwrap().data_size(), 4096);
}

#[test]
fn g09_trees_at_every_boundary_are_those_of_the_slow_twin() {
    for algorithm in ["sha1", "sha256", "sha384", "sha512"] {
        for (data_block_size, hash_block_size) in
            [(512, 512), (512, 4096), (4096, 512), (4096, 4096)]
        {
            for hash_type in [0, 1] {
                let scheme = Scheme {
                    algorithm: algorithm.to_owned(),
                    hash_type,
                    data_block_size,
                    hash_block_size,
                    salt: vec![0xa5; 32],
                };
                let most = (2 << 20) / u64::from(data_block_size);
                for data_blocks in boundaries(&scheme, most) {
                    assert_same(&scheme, data_blocks);
                }
            }
        }
    }
}

/// Around every power of the digests in a hash block, and the counts that have tripped other tools.
fn boundaries(scheme: &Scheme, most: u64) -> Vec<u64> {
    let per_block = u64::try_from(reference::geometry(2, scheme).hashes_per_block).expect("few");
    let mut counts = vec![1, 2, 127, 128, 129, 255, 256, 257, 16_383, 16_384, 16_385, 16_513];
    let mut power = per_block;
    while power <= most {
        counts.extend([power - 1, power, power + 1, 2 * power - 1, 2 * power + 1]);
        power *= per_block;
    }
    counts.retain(|count| (1..=most).contains(count));
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn assert_same(scheme: &Scheme, data_blocks: u64) {
    let image = Image::new(scheme, data_blocks);
    let hash = Mutex::new(Vec::new());
    let built = Builder::new(&image.params).build(&image.data, &hash, &image.area).expect("a tree");
    assert_eq!(built, image.root_hash, "{scheme:?} {data_blocks}");
    let hash = hash.into_inner().expect("no panic");
    let tree = hash.get(usize_of(image.area.tree_range().start)..).unwrap_or(&[]);
    assert!(tree == image.tree(), "{scheme:?} {data_blocks}");
    image.verify().expect("intact");
}

/// The twin of a tree over data whose blocks repeat: each different block is hashed once.
fn repeating(scheme: &Scheme, source: &Synthetic) -> (Vec<u8>, Vec<u8>) {
    let digests: Vec<_> =
        (0..source.period).map(|n| reference::hash_block(scheme, &source.block(n))).collect();
    let blocks = source.len / source.block_size;
    let mut below: Vec<u8> =
        (0..blocks).flat_map(|n| &digests[usize_of(n % source.period)]).copied().collect();
    let geometry = reference::geometry(blocks.into(), scheme);
    assert_eq!(geometry.slot_size, geometry.digest_size, "slots without spare bytes");
    let mut levels = Vec::new();
    for _ in &geometry.levels {
        below.resize(below.len().next_multiple_of(usize_of(scheme.hash_block_size.into())), 0);
        let hash_blocks = below.chunks_exact(usize_of(scheme.hash_block_size.into()));
        let above = hash_blocks.flat_map(|block| reference::hash_block(scheme, block)).collect();
        levels.push(std::mem::replace(&mut below, above));
    }
    levels.reverse();
    (below, levels.concat())
}

#[test]
fn the_twin_for_repeating_blocks_is_the_slow_twin() {
    for data_blocks in [1, 2, 16, 17, 300] {
        let source = Synthetic { len: data_blocks * 512, block_size: 512, period: 7 };
        let mut data = vec![0; usize_of(source.len)];
        source.read_exact_at(&mut data, 0).unwrap();
        let slow = reference::format(&data, &small());
        assert_eq!(repeating(&small(), &source), (slow.root_hash, slow.tree));
    }
}

fn check_synthetic(scheme: &Scheme, source: &Synthetic) {
    let params = params(scheme, source.len / source.block_size);
    let area = HashArea::new(&params, 0, false).expect("a place");
    let hash = Mutex::new(Vec::new());
    let built = Builder::new(&params).build(source, &hash, &area).expect("a tree");
    let (root_hash, tree) = repeating(scheme, source);
    assert_eq!(built, root(&root_hash), "{}", params.data_blocks());
    assert!(hash.lock().expect("no panic").as_slice() == tree, "{}", params.data_blocks());
    let trusted = TrustedParams::pinned(params, built, area).expect("consistent");
    Verifier::new(trusted).verify(source, &hash).expect("intact");
}

/// Where a fourth level begins, with blocks of 4096 bytes of digests.
#[test]
fn g09_two_million_blocks_and_one_less_and_one_more() {
    let scheme = Scheme { data_block_size: 512, ..Scheme::default() };
    for data_blocks in [2_097_151, 2_097_152, 2_097_153] {
        check_synthetic(&scheme, &Synthetic { len: data_blocks * 512, block_size: 512, period: 7 });
    }
}

#[test]
fn g13_data_beyond_4_gib_is_hashed_and_named_right() {
    let source = Synthetic { len: (1 << 32) + 2 * 4096, block_size: 4096, period: 251 };
    check_synthetic(&Scheme::default(), &source);
}

#[test]
fn g10_a_hash_block_must_hold_two_digests() {
    // Every size from 512 bytes holds two of every digest, so that none is refused.
    for algorithm in verity::Algorithm::ALL {
        let params = Params::builder()
            .algorithm(*algorithm)
            .hash_block_size(BlockSize::MIN)
            .data_blocks(2)
            .build()
            .unwrap();
        assert!(params.geometry().hashes_per_block() >= 2);
    }
}

#[test]
fn g11_every_pair_of_block_sizes_is_that_of_the_slow_twin() {
    let sizes = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];
    for data_block_size in sizes {
        for hash_block_size in sizes {
            let scheme = Scheme { data_block_size, hash_block_size, ..Scheme::default() };
            for data_blocks in [1, 2, 17] {
                assert_same(&scheme, data_blocks);
            }
        }
    }
}

/// Says that it is as long as anything, and has nothing to give.
struct Endless;

impl ReadAt for Endless {
    fn len(&self) -> std::io::Result<u64> {
        Ok(u64::MAX)
    }

    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> std::io::Result<usize> {
        Ok(0)
    }
}

#[test]
fn g12_a_superblock_that_claims_a_quintillion_bytes_is_an_error_at_once() {
    let superblock = Superblock::new(params(&Scheme::default(), 1 << 50), Uuid::nil());
    let superblock = Superblock::parse(&superblock.to_bytes()).unwrap();
    let image = vec![0; 1 << 20];
    let root_hash = "ab".repeat(32).parse().unwrap();
    let trusted =
        TrustedParams::from_unauthenticated_superblock(&superblock, 0, root_hash).unwrap();
    let verifier = Verifier::new(trusted);
    for result in [verifier.verify(&image, &image), verifier.verify_all(&image, &image)] {
        let Err(Error::ShortData { needed, actual }) = result else { panic!("{result:?}") };
        assert_eq!((needed, actual), (1 << 62, 1 << 20));
    }
    let result = verifier.verify(&Endless, &image);
    assert!(matches!(result, Err(Error::ShortHashArea { .. })), "{result:?}");
    // Storage that lies about its length is found out at the first read: of the root's hash block.
    for result in [verifier.verify(&Endless, &Endless), verifier.verify_all(&Endless, &Endless)] {
        let Err(Error::Read { block, .. }) = result else { panic!("{result:?}") };
        assert_eq!(block, BlockRef::Hash { level: 7, block: 0 });
    }
}

/// In a sparse file, where a wrong 32-bit offset would hit a hole or the wrong place.
#[test]
fn g13_g14_hash_areas_around_2_and_4_gib_of_a_file() {
    let directory = files::tempdir();
    let data = sha256_stream(40 * 512);
    let params = params(&small(), 40);
    let slow = reference::format(&data, &small());
    for offset in [
        (1 << 31) - 512,
        1 << 31,
        (1 << 31) + 512,
        2_499_997_696,
        (1 << 32) - 512,
        1 << 32,
        (1 << 32) + 512,
        8_000_000_000,
    ] {
        let path = directory.path().join("image");
        files::sparse(&path, 0);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        file.write_all_at(&data, 0).unwrap();
        let area = HashArea::new(&params, offset, true).unwrap();
        area.check_behind_data(&params).unwrap();
        let root_hash = Builder::new(&params).build(&file, &file, &area).unwrap();
        assert_eq!(root_hash, root(&slow.root_hash));
        let superblock = Superblock::new(params.clone(), Uuid::nil());
        file.write_all_at(&superblock.to_bytes(), offset).unwrap();
        assert_eq!(Superblock::read(&file, offset).unwrap(), superblock);
        let mut tree = vec![0; slow.tree.len()];
        file.read_exact_at(&mut tree, area.tree_range().start).unwrap();
        assert!(tree == slow.tree);
        let trusted = TrustedParams::pinned(params.clone(), root_hash, area).unwrap();
        let verifier = Verifier::new(trusted).threads(threads(2));
        verifier.verify(&file, &file).unwrap();
        file.write_all_at(&[tree[0] ^ 1], area.tree_range().start).unwrap();
        let top = BlockRef::Hash { level: 1, block: 0 };
        assert_eq!(only(&report(verifier.verify(&file, &file))).0, top);
    }
}
