//! Intact images of many geometries: every byte is read.

use verity::{Algorithm, BlockSize, HashType, Params, Salt};
use verity_testdata::kernel::Expectation;
use verity_testdata::pattern::Prng;

use super::image::{Image, Shape};
use super::trial::Trial;
use crate::common::layout::Layout;

const DATA_BLOCK_SIZES: [u32; 6] = [512, 512, 1024, 2048, 4096, 4096];
const HASH_BLOCK_SIZES: [u32; 7] = [512, 1024, 2048, 4096, 4096, 8192, 65536];
const SALT_SIZES: [usize; 12] = [0, 1, 3, 31, 32, 32, 33, 63, 64, 65, 255, 256];
/// Data is at most that long.
const MOST_BYTES: u64 = 1 << 20;
/// And that long where no border is within reach.
const FEW_BYTES: u64 = 1 << 17;

/// That many geometries; what they have in common comes up in turn, so that each run has all of it.
pub(crate) fn trials(count: usize, prng: &mut Prng) -> Vec<Trial> {
    (0..count).map(|number| trial(number, prng)).collect()
}

fn trial(number: usize, prng: &mut Prng) -> Trial {
    let shape = shape(number, prng);
    let image = Image::random(&shape, prng);
    let case = image.case(&format!("intact {number}"), &image.table());
    let expected = Expectation::intact(&image.data, image.block_size());
    Trial::new(&image, "intact", case, expected).also(classes(&shape))
}

fn shape(number: usize, prng: &mut Prng) -> Shape {
    let algorithm = Algorithm::ALL[number % Algorithm::ALL.len()];
    // Each algorithm comes once in each turn, with the other things shifted against it.
    let turn = number / Algorithm::ALL.len();
    let params = params(algorithm, number + turn, prng);
    let layout = if turn.is_multiple_of(2) { Layout::Three } else { Layout::DataWithHash };
    let superblock = !(number + turn).is_multiple_of(3);
    let unit = if superblock { 512 } else { u64::from(params.hash_block_size()) };
    let rest = params.data_size().next_multiple_of(unit) - params.data_size();
    let hash_gap = if layout == Layout::DataWithHash { rest } else { 0 } + prng.below(3) * unit;
    Shape { superblock, layout, hash_gap, ..Shape::plain(params) }
}

/// Data block sizes, hash block sizes, salts, hash types and numbers of blocks in turn.
pub(crate) fn params(algorithm: Algorithm, number: usize, prng: &mut Prng) -> Params {
    let data_block_size = DATA_BLOCK_SIZES[number % DATA_BLOCK_SIZES.len()];
    let hash_block_size = HASH_BLOCK_SIZES[number % HASH_BLOCK_SIZES.len()];
    let salt = prng.bytes(SALT_SIZES[number % SALT_SIZES.len()]);
    let builder = Params::builder()
        .algorithm(algorithm)
        .hash_type(if number % 4 == 3 { HashType::ChromeOs } else { HashType::Normal })
        .data_block_size(BlockSize::new(data_block_size).unwrap())
        .hash_block_size(BlockSize::new(hash_block_size).unwrap())
        .salt(Salt::new(&salt).unwrap());
    let per = builder.clone().data_blocks(1).build().unwrap().geometry().hashes_per_block();
    // Around the sizes where a hash block or a level begins.
    let wanted = [1, per, per * 2, per * per, per * per * per][number % 5];
    let [most, few] = [MOST_BYTES, FEW_BYTES].map(|bytes| bytes / u64::from(data_block_size));
    let near = (wanted + prng.below(3)).saturating_sub(1).max(1);
    let data_blocks = if near <= most { near } else { prng.range(1..=few) };
    builder.data_blocks(data_blocks).build().unwrap()
}

fn classes(shape: &Shape) -> Vec<String> {
    let params = &shape.params;
    let (data_size, hash_size) = (params.data_block_size(), params.hash_block_size());
    vec![
        format!("intact: {}", params.algorithm()),
        format!("intact: hash type {}", params.hash_type()),
        format!("intact: data blocks of {data_size} bytes"),
        format!("intact: hash blocks of {hash_size} bytes"),
        format!("intact: {} block sizes", if data_size == hash_size { "equal" } else { "unequal" }),
        format!("intact: {} levels", params.geometry().levels().len()),
        format!("intact: salt of {} bytes", params.salt().as_bytes().len()),
        format!("intact: superblock {}", shape.superblock),
        format!("intact: files {:?}", shape.layout),
    ]
}
