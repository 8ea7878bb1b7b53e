//! Blocks of an image that are spoilt so that parity can give all of them back.

use std::fs::File;
use std::io;

use verity::internals::to_len;
use verity::io::WriteAt;
use verity::{FecArea, HashArea, Params};
use verity_testdata::pattern::Prng;

use crate::reads::BLOCK_SIZE;

/// Whole blocks, scattered over data and tree, at most as many of a round as there are roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Their numbers as parity counts them, the data first, then the tree; in no order.
    pub blocks: Vec<u64>,
    seed: u64,
}

impl Damage {
    /// Chooses that many blocks by a seed, at least one of them of the tree if it has any; fewer
    /// where the rounds can spare no more.
    pub fn scattered(params: &Params, area: &FecArea, blocks: usize, seed: u64) -> Damage {
        let mut order: Vec<u64> = (0..area.blocks()).collect();
        let mut prng = Prng::new(seed);
        for last in (1..area.blocks()).rev() {
            order.swap(to_len(last), to_len(prng.below(last + 1)));
        }
        // One of the tree goes first.
        if let Some(tree) = order.iter().position(|&block| block >= params.data_blocks()) {
            order.swap(0, tree);
        }
        let mut spoilt = vec![0; to_len(area.rounds())];
        order.retain(|block| {
            let spoilt = &mut spoilt[to_len(block % area.rounds())];
            *spoilt += 1;
            *spoilt <= area.roots()
        });
        order.truncate(blocks);
        Damage { blocks: order, seed }
    }

    /// Writes random bytes over the blocks, and syncs, so that no write-back runs beside a
    /// measurement.
    ///
    /// # Errors
    /// If the blocks cannot be written.
    pub fn inflict(
        &self,
        params: &Params,
        hash_area: &HashArea,
        data: &File,
        hash: &File,
    ) -> io::Result<()> {
        let mut prng = Prng::new(self.seed);
        let mut bytes = [0; BLOCK_SIZE];
        for &block in &self.blocks {
            prng.fill(&mut bytes);
            match block.checked_sub(params.data_blocks()) {
                None => data.write_all_at(&bytes, block * BLOCK_SIZE as u64)?,
                Some(block) => {
                    let offset = hash_area.tree_range().start + block * BLOCK_SIZE as u64;
                    hash.write_all_at(&bytes, offset)?;
                }
            }
        }
        data.sync_all()?;
        hash.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::fixture;
    use crate::fixture::Image;

    fn areas(data_blocks: u64, roots: u32) -> (Params, HashArea, FecArea) {
        let params = fixture::params(data_blocks * BLOCK_SIZE as u64);
        let hash_area = HashArea::new(&params, 0, true).unwrap();
        let blocks = data_blocks + hash_area.hash_blocks();
        let fec_area = FecArea::new(&params, &hash_area, roots, blocks, 0).unwrap();
        (params, hash_area, fec_area)
    }

    /// Few blocks, and as many as can be spared.
    #[test]
    fn no_round_loses_more_blocks_than_there_are_roots() {
        for (data_blocks, roots, seed) in [(1, 2), (200, 2), (1000, 2), (1000, 24), (70_000, 2)]
            .into_iter()
            .flat_map(|(data_blocks, roots)| [0, 1, 77].map(|seed| (data_blocks, roots, seed)))
        {
            let (params, hash_area, area) = areas(data_blocks, roots);
            for asked in [1, 10, to_len(area.blocks())] {
                let damage = Damage::scattered(&params, &area, asked, seed);
                let blocks: BTreeSet<u64> = damage.blocks.iter().copied().collect();
                assert_eq!(blocks.len(), damage.blocks.len(), "a block twice");
                assert!(blocks.iter().all(|block| *block < area.blocks()));
                let mut rounds = BTreeMap::new();
                for block in &blocks {
                    *rounds.entry(block % area.rounds()).or_insert(0) += 1;
                }
                assert!(rounds.values().all(|spoilt| *spoilt <= roots), "{damage:?}");
                // Every round has at least as many blocks as roots where there are enough of them.
                let room = to_len(area.rounds()) * to_len(roots.into());
                assert_eq!(blocks.len(), asked.min(room).min(to_len(area.blocks())));
                let hits_tree = blocks.iter().any(|block| *block >= data_blocks);
                assert_eq!(hits_tree, hash_area.hash_blocks() > 0);
            }
        }
    }

    #[test]
    fn a_seed_gives_one_damage_and_another_one_another() {
        let (params, _, area) = areas(1000, 2);
        let damage = |seed| Damage::scattered(&params, &area, 5, seed);
        assert_eq!(damage(1), damage(1));
        assert_ne!(damage(1).blocks, damage(2).blocks);
    }

    #[test]
    fn the_named_blocks_are_spoilt_and_no_others() {
        let image = Image::new(1);
        let data_blocks = image.params.data_blocks();
        let blocks = data_blocks + image.area.hash_blocks();
        let area = FecArea::new(&image.params, &image.area, 24, blocks, 0).unwrap();
        let damage = Damage::scattered(&image.params, &area, 20, 3);
        let (data, hash) = (Image::file(&image.data), Image::file(&image.tree));
        damage.inflict(&image.params, &image.area, &data, &hash).unwrap();

        let intact = [&image.data[..], &image.tree].concat();
        let mut spoilt = vec![0; intact.len()];
        let (of_data, of_tree) = spoilt.split_at_mut(image.data.len());
        verity::io::ReadAt::read_exact_at(&data, of_data, 0).unwrap();
        verity::io::ReadAt::read_exact_at(&hash, of_tree, 0).unwrap();
        let pairs = intact.chunks(BLOCK_SIZE).zip(spoilt.chunks(BLOCK_SIZE));
        let different = (0..).zip(pairs).filter(|(_, (a, b))| a != b).map(|(block, _)| block);
        assert_eq!(different.collect::<BTreeSet<u64>>(), damage.blocks.iter().copied().collect());
        assert_eq!(damage.blocks.len(), 20);
    }
}
