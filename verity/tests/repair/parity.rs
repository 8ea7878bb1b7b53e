//! Stored parity beside the image.

use std::num::NonZeroUsize;

use verity::internals::{FecPlatform, Kernels};
use verity::{BlockRef, Error};
use verity_testdata::pattern::Prng;

use super::case::{Damage, Damages, Image, Shape};

#[test]
fn rounds_whose_parity_differs_are_listed() {
    let mut prng = Prng::new(1);
    for (block_size, same_device) in [(512, false), (512, true), (4096, false)] {
        let shape = Shape { block_size, same_device, behind: 3, ..Shape::small(2100, 5) };
        let image = Image::new(&mut prng, shape);
        assert!(image.fec_area.rounds() >= 9);
        for platform in FecPlatform::available() {
            for threads in [1, 3] {
                let mut disks = image.disks();
                let repairer = image.repairer().kernels(Kernels {
                    fec: platform,
                    ..Kernels::detect(image.params.algorithm())
                });
                let repairer = repairer.threads(NonZeroUsize::new(threads).unwrap());
                let verify = |disks: &super::case::Disks| {
                    repairer.verify_parity(&disks.data, &disks.hash, &disks.fec).unwrap()
                };
                assert!(verify(&disks).is_intact());
                // The first byte of round 1, the last of round 2, one of round 5, and the last of
                // all.
                let start = usize::try_from(image.fec_area.range().start).unwrap();
                let round_len = 5 * image.block_size();
                let last = disks.fec.bytes.len() - 1;
                for byte in [round_len, 3 * round_len - 1, 5 * round_len + 77] {
                    disks.fec.bytes[start + byte] ^= 0x80;
                }
                disks.fec.bytes[last] ^= 1;
                let report = verify(&disks);
                let end = image.fec_area.rounds();
                assert_eq!(report.ranges, [1..3, 5..6, end - 1..end], "{platform}");
                assert_eq!((report.rounds, report.truncated), (4, false));
                let report = repairer.clone().limit(2);
                let report = report.verify_parity(&disks.data, &disks.hash, &disks.fec).unwrap();
                assert_eq!(report.ranges, [1..3, 5..6]);
                assert_eq!((report.rounds, report.truncated), (4, true));
            }
        }
    }
}

/// What lies behind the tree is covered too, so parity that does not fit it is worth less.
#[test]
fn f09_changes_behind_the_tree_are_seen() {
    let mut prng = Prng::new(2);
    let image = Image::new(&mut prng, Shape { behind: 3, ..Shape::small(600, 4) });
    let mut disks = image.disks();
    let block = image.proved().end + 1;
    disks.damage(&image, &mut prng, &Damages::from([(block, Damage::Changed)]));
    let report = image.repairer().verify_parity(&disks.data, &disks.hash, &disks.fec).unwrap();
    let round = block % image.fec_area.rounds();
    assert_eq!((report.ranges.first(), report.rounds), (Some(&(round..round + 1)), 1));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let mut prng = Prng::new(3);
    let image = Image::new(&mut prng, Shape { behind: 3, ..Shape::small(600, 4) });
    let verify = |number| {
        let mut disks = image.disks();
        disks.damage(&image, &mut Prng::new(0), &Damages::from([(number, Damage::Unreadable)]));
        image.repairer().verify_parity(&disks.data, &disks.hash, &disks.fec).unwrap_err()
    };
    for number in [0, 77, 599, image.hash_number(0, 2), image.hash_number(2, 0)] {
        let error = verify(number);
        let Error::Read { block, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*block, image.name(number));
    }
    assert!(matches!(verify(image.proved().end), Error::Io(_)));
    assert_eq!(image.name(5), BlockRef::Data { block: 5 });
}
