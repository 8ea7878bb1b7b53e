//! What a repair offers is hashed like anything else, data or hash block.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use verity::{BlockRef, Corruption, Error, Repair};
use verity_testdata::reference::Scheme;

use super::{assert_right, corrupt, over, read_block, reader};
use crate::adversarial::storage::{BadSector, Fault, Faulty};
use crate::adversarial::support::{Image, small};

/// The blocks of another image; changed in one bit if it is told to lie.
struct Mirror {
    image: Image,
    flip: Option<usize>,
    asked: AtomicUsize,
}

impl Mirror {
    fn new(image: &Image, flip: Option<usize>) -> Arc<Mirror> {
        Arc::new(Mirror { image: image.clone(), flip, asked: AtomicUsize::new(0) })
    }
}

impl Repair for Mirror {
    fn repair(&self, block: BlockRef, bytes: &mut [u8]) -> io::Result<bool> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        bytes.copy_from_slice(self.image.bytes(block));
        if let Some(bit) = self.flip {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Ok(true)
    }
}

#[test]
fn right_bytes_of_a_mirror_are_given_and_wrong_ones_never() {
    let good = Image::new(&Scheme { salt: vec![6; 6], ..small() }, 300);
    for block in good.blocks() {
        let mut image = good.clone();
        image.spoil(block);
        for flip in [None, Some(0), Some(2047), Some(4095)] {
            let mirror = Mirror::new(&good, flip);
            let reader = reader(&image).repair(mirror.clone());
            let is_under = |data| {
                let data = BlockRef::Data { block: data };
                data == block || good.ancestors(data).any(|above| above == block)
            };
            for data in (0..300).step_by(13).chain([299, block.block().min(299)]) {
                match flip.is_some() && is_under(data) {
                    true => assert_eq!(corrupt(read_block(&reader, data)), block),
                    false => assert_right(&good, data, read_block(&reader, data)),
                }
            }
            let counters = reader.counters();
            let asked = mirror.asked.load(Ordering::SeqCst) as u64;
            assert_eq!(counters.corruptions, asked);
            assert_eq!(counters.repairs, if flip.is_none() { asked } else { 0 });
        }
    }
}

/// The digest of what is offered is right, but its spare bytes are not zero: as it is on the disk.
#[test]
fn spare_bytes_of_what_is_offered_are_looked_at() {
    let mut image = Image::new(&small(), 20);
    let block = BlockRef::Hash { level: 0, block: 1 };
    image.bytes_mut(block)[511] = 1;
    image.rehash_above(block);
    let reader = reader(&image).repair(Mirror::new(&image, None));
    for data in 0..20 {
        match (data / 16, read_block(&reader, data)) {
            (1, Err(Error::Corrupt(report))) => {
                let found = &report.corruptions[0];
                assert_eq!(found.first, block);
                assert_eq!(found.corruption, Corruption::SpareBytes { offset: 511 });
            }
            (_, result) => assert_right(&image, data, result),
        }
    }
    let error = reader.cache_size(u64::MAX).preload();
    assert_eq!(corrupt(error), block);
}

/// A block that cannot be read is asked for as well; without right bytes the error is that of the
/// storage.
#[test]
fn unreadable_blocks_are_repaired_or_stay_unreadable() {
    let good = Image::new(&small(), 300);
    let bad = BlockRef::Data { block: 40 };
    let range = good.range(bad);
    let broken = std::iter::once(range.start as u64..range.end as u64).collect();
    let data = BadSector { bytes: &good.data, broken, slow: 0, failing: AtomicUsize::new(0) };
    let repaired = over(&good, &data, &good.hash).repair(Mirror::new(&good, None));
    let lied_to = over(&good, &data, &good.hash).repair(Mirror::new(&good, Some(7)));
    let mut bytes = vec![0; good.data.len()];
    assert_eq!(repaired.read_at(&mut bytes, 0).unwrap(), bytes.len());
    assert!(bytes == good.data);
    let error = lied_to.read_at(&mut bytes, 0).unwrap_err();
    assert_eq!(error.verified, 40 * 512);
    assert_eq!(super::unreadable::<()>(Err(error.error)), bad);
    let hash = Faulty::new(&good.hash, usize::MAX, 0, Fault::Error);
    let reader = over(&good, &good.data, &hash).repair(Mirror::new(&good, None));
    assert_right(&good, 7, read_block(&reader, 7));
    assert_eq!((reader.counters().read_errors, reader.counters().repairs), (1, 1));
}
