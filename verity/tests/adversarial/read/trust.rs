//! T01, T02, T03: what a reader gives of an image whose parameters are not those that were built
//! with.

use verity::{BlockRef, Error, Origin, Superblock, TrustedParams, Uuid, VerifiedReader};
use verity_testdata::reference::Scheme;

use super::{corrupt, read_block, reader};
use crate::adversarial::support::{Image, params, small};
use crate::adversarial::trust::confused;

/// From the superblock the hash blocks are data, every byte proved; the origin says what that is
/// worth.
#[test]
fn t01_t02_a_superblock_can_pass_hash_blocks_off_and_the_reader_says_where_it_got_that() {
    let image = Image::new(&Scheme { salt: vec![3; 16], ..small() }, 300);
    for level in 0..image.levels() {
        let attack = confused(&image, level);
        let trusted = attack.trusting_superblock();
        let reader = VerifiedReader::new(trusted, &attack.data, &attack.hash).unwrap();
        assert_eq!(reader.trusted().origin(), Origin::Superblock);
        assert!(!reader.trusted().origin().is_authenticated());
        let mut bytes = vec![0; attack.data.len() + 1];
        assert_eq!(reader.read_at(&mut bytes, 0).unwrap(), attack.data.len());
        assert!(attack.data == bytes[..attack.data.len()]);
    }
}

#[test]
fn t01_t02_pinned_parameters_give_nothing_of_a_level_confusion() {
    let image = Image::new(&Scheme { salt: vec![3; 16], ..small() }, 300);
    for level in 0..image.levels() {
        let mut attack = confused(&image, level);
        let new = |attack: &Image| {
            let (data, hash) = (attack.data.clone(), attack.hash.clone());
            VerifiedReader::new(image.pinned(), data, hash)
        };
        assert!(matches!(new(&attack), Err(Error::ShortData { .. })));
        attack.data.resize(image.data.len(), 0);
        assert!(matches!(new(&attack), Err(Error::ShortHashArea { .. })));
        attack.hash.resize(image.hash.len(), 0);
        let reader = new(&attack).unwrap();
        for block in 0..300 {
            corrupt(read_block(&reader, block));
        }
    }
}

/// Fewer or more data blocks than were built: nothing that hangs below the hash block where that
/// shows is given.
#[test]
fn t03_another_number_of_data_blocks_gives_no_byte_that_was_not_built() {
    let image = Image::new(&small(), 300);
    let mut data = image.data.clone();
    data.resize(700 * 512, 0);
    let (mut given, mut refused) = (0, 0);
    for data_blocks in (1..=320).chain([511, 512, 513, 640, 700]) {
        let superblock = Superblock::new(params(&image.scheme, data_blocks), Uuid::nil());
        let trusted =
            TrustedParams::from_unauthenticated_superblock(&superblock, 0, image.root_hash)
                .unwrap();
        let mut hash = image.hash.clone();
        hash.resize(usize::try_from(trusted.hash_area().end()).unwrap().max(hash.len()), 0);
        let reader = VerifiedReader::new(trusted, &data, &hash).unwrap();
        // The last block of the other number is never there, so the end is never given as the end.
        let last = read_block(&reader, data_blocks - 1);
        assert_eq!(last.is_ok(), data_blocks == 300, "{data_blocks}: {last:?}");
        for block in (0..data_blocks).step_by(17) {
            match read_block(&reader, block) {
                Ok(bytes) => {
                    given += 1;
                    assert!(bytes == image.bytes(BlockRef::Data { block }));
                }
                Err(Error::Corrupt(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(given > 10 && refused > 1000, "{given} given, {refused} refused");
}

/// One data block and no tree: the hash device is never asked, and need not be there.
#[test]
fn t12_one_block_needs_no_hash_device() {
    let mut image = Image::new(&Scheme { salt: vec![1; 32], ..small() }, 1);
    image.hash.clear();
    let good = image.clone();
    super::assert_right(&good, 0, read_block(&reader(&image), 0));
    reader(&image).cache_size(0).preload().unwrap();
    image.spoil(BlockRef::Data { block: 0 });
    assert_eq!(corrupt(read_block(&reader(&image), 0)), BlockRef::Data { block: 0 });
}
