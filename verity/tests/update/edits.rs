//! Random images, and scripts that edit them.

use verity_testdata::pattern::Prng;

use super::support::BLOCK;

/// A block of one of some contents, of which zeros are one.
fn block(prng: &mut Prng) -> Vec<u8> {
    match prng.below(6) {
        0 => vec![0; BLOCK],
        1 => vec![u8::try_from(1 + prng.below(5)).unwrap(); BLOCK],
        _ => {
            let mut bytes = vec![0; BLOCK];
            bytes[..8].copy_from_slice(&prng.next_u64().to_le_bytes());
            bytes
        }
    }
}

/// An image of 1 to 150 blocks.
pub(crate) fn image(prng: &mut Prng) -> Vec<u8> {
    let blocks = prng.range(1..=150);
    (0..blocks).flat_map(|_| block(prng)).collect()
}

/// Another image: inserted, moved, duplicated, zeroed, changed and cut off.
pub(crate) fn edited(image: &[u8], prng: &mut Prng) -> Vec<u8> {
    let mut blocks: Vec<_> = image.chunks(BLOCK).map(<[u8]>::to_vec).collect();
    for _ in 0..prng.below(7) {
        edit(&mut blocks, prng);
    }
    blocks.concat()
}

fn edit(blocks: &mut Vec<Vec<u8>>, prng: &mut Prng) {
    let start = prng.index(blocks.len());
    let end = start + 1 + prng.index(blocks.len() - start);
    match prng.below(6) {
        0 => {
            let new: Vec<_> = (0..prng.range(1..=20)).map(|_| block(prng)).collect();
            drop(blocks.splice(start..start, new));
        }
        1 => {
            let moved: Vec<_> = blocks.drain(start..end).collect();
            let to = prng.index(blocks.len() + 1);
            drop(blocks.splice(to..to, moved));
        }
        2 => {
            let copied = blocks[start..end].to_vec();
            let to = prng.index(blocks.len() + 1);
            drop(blocks.splice(to..to, copied));
        }
        3 => blocks[start..end].iter_mut().for_each(|block| block.fill(0)),
        4 => blocks[start][prng.index(BLOCK)] ^= 0x40,
        _ => blocks.truncate(end),
    }
    blocks.truncate(300);
}
