//! Images with parity of ours: what the kernel repairs, and what it cannot.
//!
//! The kernel decodes a codeword twice: without knowing which symbols are wrong (half as many as there are roots can
//! be corrected), then with the data blocks that do not match the tree as erasures (as many as roots). It does not
//! look at the digests of hash blocks for that.

use std::collections::BTreeSet;

use verity::{BlockRef, BlockSize, FecArea, Params, Salt};
use verity_testdata::kernel::Expectation;
use verity_testdata::oracle::VeritySetup;
use verity_testdata::pattern::Prng;

use crate::common::layout::Layout;
use crate::image::{Image, Shape, invert};
use crate::trial::Trial;

/// Every number of roots, and some of them with large blocks.
pub(crate) fn trials(prng: &mut Prng) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (number, roots) in (0..).zip(FecArea::ROOTS) {
        let block_size = if roots.is_multiple_of(2) { 512 } else { 1024 };
        let image = Image::random(&shape(number, roots, block_size, prng), prng);
        trials.extend(damaged("", &image, &Damage::ALL, prng));
    }
    let few = [Damage::Bit, Damage::Roots, Damage::Beyond, Damage::HashBlock];
    for (number, roots) in (3..).zip([2, 3, 5, 17, 24]) {
        let image = Image::random(&shape(number, roots, 4096, prng), prng);
        trials.extend(damaged("", &image, &few, prng));
    }
    if let Some(veritysetup) = VeritySetup::find() {
        for (number, roots) in [(0, 2), (3, 24)] {
            let shape = shape(number, roots, 512, prng);
            let data = prng.bytes(usize::try_from(shape.params.data_size()).unwrap());
            let image = Image::by_veritysetup(&veritysetup, &shape, data);
            trials.extend(damaged(" by veritysetup", &image, &few, prng));
        }
    }
    trials
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
    /// The top hash block.
    TopBlock,
    /// A data block and all parity of its round.
    Parity,
}

impl Damage {
    const ALL: [Damage; 8] = [
        Damage::Bit,
        Damage::Block,
        Damage::Roots,
        Damage::Beyond,
        Damage::Burst,
        Damage::HashBlock,
        Damage::TopBlock,
        Damage::Parity,
    ];
}

fn damaged(by: &str, image: &Image, damages: &[Damage], prng: &mut Prng) -> Vec<Trial> {
    damages.iter().map(|damage| trial(by, image, *damage, prng)).collect()
}

fn trial(by: &str, image: &Image, damage: Damage, prng: &mut Prng) -> Trial {
    let mut image = image.clone();
    let area = image.fec_area.unwrap();
    let roots = area.roots();
    let block = prng.below(image.params.data_blocks());
    let round = block % area.rounds();
    let lost = BTreeSet::new();
    let lost = match damage {
        Damage::Bit => {
            image.block(BlockRef::Data { block })[100] ^= 4;
            lost
        }
        Damage::Block => invert_data(&mut image, [block]).and(lost),
        Damage::Roots => {
            let blocks = some_of(&image, round, roots, prng);
            invert_data(&mut image, blocks).and(lost)
        }
        Damage::Beyond => {
            let blocks = some_of(&image, round, roots + 1, prng);
            invert_data(&mut image, blocks.iter().copied()).and(blocks)
        }
        Damage::Burst => {
            let length = area.rounds() * u64::from(roots);
            let start = prng.below(image.params.data_blocks() - length);
            invert_data(&mut image, start..start + length).and(lost)
        }
        Damage::HashBlock => {
            let level = image.params.geometry().levels()[0];
            invert(image.block(BlockRef::Hash { level: 0, block: prng.below(level.blocks) }));
            lost
        }
        Damage::TopBlock => {
            let level = image.params.geometry().top_level().unwrap();
            invert(image.block(BlockRef::Hash { level, block: 0 }));
            lost
        }
        Damage::Parity => {
            invert(image.parity(round));
            invert_data(&mut image, [block]).and([block].into())
        }
    };
    let hash_block = matches!(damage, Damage::HashBlock | Damage::TopBlock);
    let corrupt = hash_block || !lost.is_empty();
    let expected = Expectation::without(&image.data, image.block_size(), lost).corrupt(corrupt);
    let class = format!("parity{by}: {damage:?}");
    let name = format!("{class}, {roots} roots, blocks of {} bytes", image.block_size());
    let case = image.case(&name, &image.table());
    Trial::new(&image, &class, case, expected).also([format!("parity: {roots} roots")])
}

/// Some data blocks of one round.
fn some_of(image: &Image, round: u64, count: u32, prng: &mut Prng) -> BTreeSet<u64> {
    let rounds = image.fec_area.unwrap().rounds();
    let rows = (image.params.data_blocks() - round).div_ceil(rounds);
    let mut blocks = BTreeSet::new();
    while blocks.len() < usize::try_from(count).unwrap() {
        blocks.insert(round + prng.below(rows) * rounds);
    }
    blocks
}

fn invert_data(image: &mut Image, blocks: impl IntoIterator<Item = u64>) -> Done {
    blocks.into_iter().for_each(|block| invert(image.block(BlockRef::Data { block })));
    Done
}

struct Done;

impl Done {
    fn and<T>(self, value: T) -> T {
        value
    }
}
