//! Images with parity of ours: what the kernel repairs, and what it cannot.
//!
//! The kernel decodes a codeword twice: without knowing which symbols are wrong (half as many as
//! there are roots can be corrected), then with the data blocks that do not match the tree as
//! erasures (as many as roots). It does not look at the digests of hash blocks for that.

use std::collections::BTreeSet;

use verity::{Algorithm, BlockRef, BlockSize, FecArea, HashType, Params, Salt};
use verity_testdata::kernel::Expectation;
use verity_testdata::oracle::VeritySetup;
use verity_testdata::pattern::Prng;

use super::image::{Image, Shape};
use super::trial::Trial;
use crate::common::layout::Layout;
use Damage::*;

/// Every number of roots is there. What takes the kernel long is not there for each of them.
pub(crate) fn trials(prng: &mut Prng) -> Vec<Trial> {
    let all = [Bit, Block, Roots, Beyond, Burst, HashBlocks, HashBeyond, TopBlock, Parity];
    let mut trials = Vec::new();
    for (number, roots) in (0..).zip(FecArea::ROOTS) {
        let block = if (11..24).contains(&roots) { Block } else { Roots };
        let last = match all[5 + number % 4] {
            HashBeyond if roots > 7 => TopBlock,
            damage => damage,
        };
        let few = [Bit, block, HashBlock, last];
        let damages = if matches!(roots, 2 | 3 | 5 | 6) { &all[..] } else { &few };
        trials.extend(damaged(&shape(number, roots, 512, prng), damages, prng));
    }
    for (number, roots, block_size) in [
        (1, 2, 4096),
        (2, 3, 4096),
        (3, 5, 4096),
        (4, 17, 4096),
        (5, 24, 4096),
        (0, 4, 1024),
        (1, 7, 1024),
    ] {
        let damages = if roots > 5 { &[Bit, HashBlock][..] } else { &[Bit, HashBlock, Roots] };
        trials.extend(damaged(&shape(number, roots, block_size, prng), damages, prng));
    }
    trials.extend(damaged(&shape(2, 17, 512, prng), &[Beyond], prng));
    trials.extend(by_veritysetup(prng));
    trials
}

fn damaged(shape: &Shape, damages: &[Damage], prng: &mut Prng) -> Vec<Trial> {
    let image = Image::random(shape, prng);
    damages.iter().map(|damage| trial("", &image, *damage, prng)).collect()
}

/// Repairs by parity that is not ours.
fn by_veritysetup(prng: &mut Prng) -> Vec<Trial> {
    let Some(veritysetup) = VeritySetup::find() else { return Vec::new() };
    let mut trials = Vec::new();
    for (number, roots) in [(0, 2), (3, 9)] {
        let shape = shape(number, roots, 512, prng);
        let data = prng.bytes(usize::try_from(shape.params.data_size()).unwrap());
        let image = Image::by_veritysetup(&veritysetup, &shape, data);
        for damage in [Bit, Roots, HashBlock] {
            trials.push(trial(" by veritysetup", &image, damage, prng));
        }
    }
    trials
}

/// That many images of all algorithms, sizes and numbers of roots, in which one bit is to be
/// repaired.
pub(crate) fn geometries(count: usize, prng: &mut Prng) -> Vec<Trial> {
    let roots: Vec<_> = FecArea::ROOTS.collect();
    let geometry = |number: usize| {
        let algorithm = Algorithm::ALL[number % Algorithm::ALL.len()];
        let turn = number / Algorithm::ALL.len();
        let block_size = [512, 1024, 512, 2048, 512, 4096][(number + turn) % 6];
        let block = u64::from(block_size);
        let size = BlockSize::new(block_size).unwrap();
        let salt = prng.bytes([0, 8, 32, 256][(number + turn) % 4]);
        let params = Params::builder()
            .algorithm(algorithm)
            .hash_type(if (number + turn) % 3 == 2 { HashType::ChromeOs } else { HashType::Normal })
            .data_block_size(size)
            .hash_block_size(size)
            .data_blocks(prng.range(2..=300))
            .salt(Salt::new(&salt).unwrap())
            .build()
            .unwrap();
        let layout = Layout::ALL[(number + turn) % Layout::ALL.len()];
        let mut gaps = [0; 2].map(|_| prng.below(3) * block);
        if layout == Layout::DataWithParity {
            gaps[1] += 8 * block;
        }
        let fec = Some((roots[number % roots.len()], gaps[1]));
        let shape = Shape { layout, hash_gap: gaps[0], fec, ..Shape::plain(params) };
        let image = Image::random(&shape, prng);
        trial("", &image, Bit, prng).also([
            "parity: geometry".to_owned(),
            format!("parity: {algorithm}"),
            format!("parity: hash type {}", image.params.hash_type()),
            format!("parity: files {layout:?}"),
        ])
    };
    (0..count).map(geometry).collect()
}

/// Three rounds, the last of them with zeros behind the last block.
fn shape(number: usize, roots: u32, block_size: u32, prng: &mut Prng) -> Shape {
    let block_size = BlockSize::new(block_size).unwrap();
    let params = Params::builder()
        .data_block_size(block_size)
        .hash_block_size(block_size)
        .data_blocks(prng.range(560..=600))
        .salt(Salt::new(&prng.bytes(16)).unwrap())
        .build()
        .unwrap();
    let layout = Layout::ALL[number % Layout::ALL.len()];
    let block = u64::from(block_size);
    let hash_gap = prng.below(3) * block;
    let mut fec_gap = prng.below(3) * block;
    if layout == Layout::DataWithParity {
        fec_gap += 8 * block;
    }
    Shape { layout, hash_gap, fec: Some((roots, fec_gap)), ..Shape::plain(params) }
}

/// What is done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// One bit of a data block.
    Bit,
    /// A whole data block.
    Block,
    /// As many data blocks of one round as there are roots.
    Roots,
    /// One more.
    Beyond,
    /// As many blocks beside each other as can be corrected, in every round.
    Burst,
    /// A hash block of the lowest level.
    HashBlock,
    /// Half as many of them in one round as there are roots.
    HashBlocks,
    /// One more.
    HashBeyond,
    /// The top hash block.
    TopBlock,
    /// A data block and all parity of its round.
    Parity,
}

/// What an image has suffered.
struct Harm {
    /// The data blocks that cannot be read unless that is repaired.
    data: BTreeSet<u64>,
    /// The spoiled hash blocks, as the parity counts the blocks that it covers.
    tree: BTreeSet<u64>,
}

impl Harm {
    /// Whether the kernel, while it repairs a hash block, asks that very block for the digest of
    /// another block of the round. It gets none, goes on, and remembers that something was corrupt.
    fn is_met_again(&self, rounds: u64) -> bool {
        let round = |block: &u64| block % rounds;
        self.tree.iter().any(|hash| self.data.iter().any(|data| round(data) == round(hash)))
    }
}

fn trial(by: &str, image: &Image, damage: Damage, prng: &mut Prng) -> Trial {
    let mut image = image.clone();
    let harm = damage.inflict(&mut image, prng);
    let corrupt = damage.is_beyond_repair() || harm.is_met_again(image.fec_area.unwrap().rounds());
    let lost = if damage.is_beyond_repair() { harm.data } else { BTreeSet::new() };
    let expected = Expectation::without(&image.data, image.block_size(), lost).corrupt(corrupt);
    let class = format!("parity{by}: {damage:?}");
    let roots = image.fec_area.unwrap().roots();
    let name = format!("{class}, {roots} roots, blocks of {} bytes", image.block_size());
    let case = image.case(&name, &image.table());
    Trial::new(&image, &class, case, expected).also([
        format!("parity: status {}", if corrupt { 'C' } else { 'V' }),
        format!("parity: {roots} roots"),
        format!("parity: blocks of {} bytes", image.block_size()),
    ])
}

impl Damage {
    fn is_beyond_repair(self) -> bool {
        matches!(self, Beyond | HashBeyond | Parity)
    }

    fn inflict(self, image: &mut Image, prng: &mut Prng) -> Harm {
        let area = image.fec_area.unwrap();
        let (rounds, roots) = (area.rounds(), u64::from(area.roots()));
        let data_blocks = image.params.data_blocks();
        let lowest = image.params.geometry().levels()[0];
        let block = prng.below(data_blocks);
        let in_round = |place: &u64| place % rounds == block % rounds;
        let data_in_round = (0..data_blocks).filter(in_round);
        let hashes_in_round =
            (0..lowest.blocks).filter(|block| in_round(&(data_blocks + lowest.start + block)));
        match self {
            Bit => {
                let bytes = image.block(BlockRef::Data { block });
                bytes[usize::try_from(prng.below(512)).unwrap()] ^= 1 << prng.below(8);
                Harm { data: [block].into(), tree: BTreeSet::new() }
            }
            Block => spoil_data(image, [block].into(), prng),
            Roots => spoil_data(image, some(data_in_round, roots, prng), prng),
            Beyond => spoil_data(image, some(data_in_round, roots + 1, prng), prng),
            Burst => {
                let start = prng.below(data_blocks - rounds * roots);
                spoil_data(image, (start..start + rounds * roots).collect(), prng)
            }
            HashBlock => spoil_tree(image, 0, some(0..lowest.blocks, 1, prng), prng),
            HashBlocks => spoil_tree(image, 0, some(hashes_in_round, roots / 2, prng), prng),
            HashBeyond => spoil_tree(image, 0, some(hashes_in_round, roots / 2 + 1, prng), prng),
            TopBlock => {
                let level = image.params.geometry().top_level().unwrap();
                spoil_tree(image, level, [0].into(), prng)
            }
            Parity => {
                spoil(image.parity(block % rounds), prng);
                spoil_data(image, [block].into(), prng)
            }
        }
    }
}

/// That many of those.
fn some(candidates: impl Iterator<Item = u64>, count: u64, prng: &mut Prng) -> BTreeSet<u64> {
    let mut candidates: Vec<_> = candidates.collect();
    let mut take = |_| {
        let index = prng.below(u64::try_from(candidates.len()).unwrap());
        candidates.swap_remove(usize::try_from(index).unwrap())
    };
    (0..count).map(&mut take).collect()
}

fn spoil_data(image: &mut Image, blocks: BTreeSet<u64>, prng: &mut Prng) -> Harm {
    blocks.iter().for_each(|&block| spoil(image.block(BlockRef::Data { block }), prng));
    Harm { data: blocks, tree: BTreeSet::new() }
}

fn spoil_tree(image: &mut Image, level: u8, blocks: BTreeSet<u64>, prng: &mut Prng) -> Harm {
    blocks.iter().for_each(|&block| spoil(image.block(BlockRef::Hash { level, block }), prng));
    let start = image.params.geometry().levels()[usize::from(level)].start;
    Harm {
        data: blocks.iter().flat_map(|&block| image.data_under(level, block)).collect(),
        tree: blocks.iter().map(|block| image.params.data_blocks() + start + block).collect(),
    }
}

/// Changes every byte, each in a way of its own: equal changes in several blocks of a round can
/// look like fewer.
fn spoil(bytes: &mut [u8], prng: &mut Prng) {
    let changes = prng.bytes(bytes.len());
    bytes.iter_mut().zip(changes).for_each(|(byte, change)| *byte ^= change.max(1));
}
