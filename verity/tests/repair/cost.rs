//! What a repair reads, and how often it asks whether to stop.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::{BlockRef, Corruption, Progress, Repairer, TrustedParams};
use verity_testdata::pattern::Prng;

use super::case::{Checked, Damage, Damages, Disk, Image, Shape};

fn image(seed: u64, data_blocks: u64) -> (Prng, Image) {
    let mut prng = Prng::new(seed);
    let image = Image::new(&mut prng, Shape::small(data_blocks, 4));
    (prng, image)
}

/// How many blocks were read of a disk.
fn blocks(disk: &Disk) -> u64 {
    disk.read.load(Ordering::Relaxed) / 512
}

/// A level of more hash blocks than are read at once.
#[test]
fn an_intact_image_is_read_once() {
    let (_, image) = image(1, 8300);
    assert!(image.params.geometry().levels()[0].blocks > 512);
    let disks = image.disks();
    let repaired = disks.repair(&image.repairer(), &Checked::new(&image)).unwrap();
    assert_eq!((repaired.beyond, repaired.repaired_blocks), (None, 0));
    let tree = image.hash_area.hash_blocks();
    assert_eq!([&disks.data, &disks.hash, &disks.fec].map(blocks), [8300, tree, 0]);
}

/// Adjacent rounds are recovered at once, although each has lost another row.
#[test]
fn known_losses_take_one_look_at_their_rounds() {
    let (mut prng, image) = image(2, 600);
    let mut disks = image.disks();
    assert_eq!(image.fec_area.rounds(), 3);
    let lost = [image.round(0)[7], image.round(1)[20], image.round(2)[5]];
    disks.damage(&image, &mut prng, &lost.map(|block| (block, Damage::Changed)).into());
    let sink = Checked::new(&image);
    let repaired = disks.repair(&image.repairer(), &sink).unwrap();
    assert_eq!((repaired.beyond, sink.count()), (None, 3));
    // The search reads everything, and the rounds are all blocks but those that are lost.
    let covered = blocks(&disks.data) + blocks(&disks.hash);
    assert_eq!((covered, blocks(&disks.fec)), (2 * image.proved().end - 3, 3 * 4));
}

/// No digest is known of what lies under a hash block that is lost.
#[test]
fn what_cannot_be_checked_is_not_read() {
    let (mut prng, image) = image(3, 600);
    let mut disks = image.disks();
    let top = BlockRef::Hash { level: 2, block: 0 };
    let round = image.number(top) % image.fec_area.rounds();
    let lost = image.round(round).into_iter().rev().take(5);
    disks.damage(&image, &mut prng, &lost.map(|block| (block, Damage::Changed)).collect());
    disks.damage(&image, &mut prng, &[(image.number(top), Damage::Changed)].into());
    // A read of them would end the repair.
    let others = (0..600).filter(|block| block % image.fec_area.rounds() != round);
    disks.data.gone = others.map(|block| image.place(block).1).collect();
    let report = disks.repair(&image.repairer(), &()).unwrap().beyond.unwrap();
    assert_eq!((report.corruptions[0].first, report.unchecked_data_blocks), (top, 600));
    assert!(matches!(report.corruptions[0].corruption, Corruption::Digest { .. }));
}

struct Calls(AtomicU64);

impl Progress for Calls {
    fn advance(&self, _bytes: u64) -> ControlFlow<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    }
}

/// Rows are added in batches of one size, and before each of them it is asked whether to stop.
#[test]
fn all_rounds_are_the_same_work() {
    let (mut prng, image) = image(4, 600);
    let mut calls = |round: u64| {
        let mut disks = image.disks();
        let lost = image.round(round)[3];
        disks.damage(&image, &mut prng, &Damages::from([(lost, Damage::Changed)]));
        let calls = Calls(AtomicU64::new(0));
        let repairer = image.repairer().threads(NonZeroUsize::MIN).progress(&calls);
        assert_eq!(disks.repair(&repairer, &()).unwrap().repaired_blocks, 1);
        calls.0.into_inner()
    };
    assert_eq!(calls(0), calls(2));
}

/// A tree that somebody made up below a right top: each round covers blocks under hundreds of
/// corrupt hash blocks.
#[test]
fn a06_corrupt_hash_blocks_are_not_read_again_for_each_block_of_a_round() {
    let (mut prng, image) = image(5, 9600);
    let mut disks = image.disks();
    let level = (0..600).map(|block| (image.hash_number(0, block), Damage::Changed));
    disks.damage(&image, &mut prng, &level.collect());
    let (params, area) = (image.params.clone(), image.hash_area);
    let trusted = TrustedParams::from_unauthenticated_assumptions(params, image.root_hash, area);
    let repairer = Repairer::new(trusted.unwrap(), image.fec_area).unwrap();
    let repaired = disks.repair(&repairer.threads(NonZeroUsize::MIN), &()).unwrap();
    let rounds = image.fec_area.rounds();
    assert_eq!(repaired.untried_rounds, rounds - 16);
    assert_eq!(repaired.beyond.unwrap().unchecked_data_blocks, 9600);
    // Twice for the search, and three times for what each of 16 rounds has of the tree.
    let blocks = image.hash_area.hash_blocks();
    let most = 2 * blocks + 16 * 3 * blocks.div_ceil(rounds);
    let calls = disks.hash.calls.into_inner();
    assert!(calls <= most, "{calls} reads of {blocks} hash blocks, and at the most {most}");
}
