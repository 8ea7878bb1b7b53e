//! Corrupt images without parity: `EIO` for exactly the blocks that depend on what is corrupt.

use verity::{Algorithm, BlockRef, Params, Salt};
use verity_testdata::kernel::{E2BIG, EINVAL, ENOENT, Expectation};
use verity_testdata::pattern::Prng;

use super::image::{Image, Shape, invert};
use super::intact;
use super::trial::Trial;

/// That many trials of each kind of corruption, and the ones that are there once.
pub(crate) fn trials(count: usize, prng: &mut Prng) -> Vec<Trial> {
    let mut trials = refused(prng);
    trials.push(unread(prng));
    for number in 0..count {
        trials.push(data_block(number, prng));
        trials.extend(
            [Place::Lowest, Place::Middle, Place::Top].map(|place| hash_block(number, place, prng)),
        );
        trials.push(spare_bytes(number, prng));
        trials.push(wrong_root_hash(number, prng));
        trials.push(wrong_salt(number, prng));
    }
    trials
}

/// Parameters with at least that many levels.
fn params(number: usize, levels: usize, prng: &mut Prng) -> Params {
    let known = [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Sha1, Algorithm::Sha3_256];
    let mut number = number;
    loop {
        let params = intact::params(known[number % known.len()], number, prng);
        if params.geometry().levels().len() >= levels {
            return params;
        }
        number += 1;
    }
}

fn image(number: usize, levels: usize, prng: &mut Prng) -> Image {
    Image::random(&Shape::plain(params(number, levels, prng)), prng)
}

/// The trial of an image that has become corrupt: these blocks cannot be read.
fn without(
    class: &str,
    number: usize,
    image: &Image,
    blocks: impl IntoIterator<Item = u64>,
) -> Trial {
    let class = format!("corrupt: {class}");
    let case = image.case(&format!("{class} {number}"), &image.table());
    Trial::new(image, &class, case, Expectation::without(&image.data, image.block_size(), blocks))
}

fn flip(bytes: &mut [u8], prng: &mut Prng) {
    let place = prng.below(u64::try_from(bytes.len()).unwrap());
    bytes[usize::try_from(place).unwrap()] ^= 1 << prng.below(8);
}

fn data_block(number: usize, prng: &mut Prng) -> Trial {
    let mut image = image(number, 0, prng);
    let block = prng.below(image.params.data_blocks());
    flip(image.block(BlockRef::Data { block }), prng);
    without("data block", number, &image, [block])
}

enum Place {
    Lowest,
    Middle,
    Top,
}

fn hash_block(number: usize, place: Place, prng: &mut Prng) -> Trial {
    let (class, levels) = match place {
        Place::Lowest => ("hash block of level 0", 2),
        Place::Middle => ("hash block of level 1", 3),
        Place::Top => ("top hash block", 1),
    };
    let mut image = image(number, levels, prng);
    let level = match place {
        Place::Lowest => 0,
        Place::Middle => 1,
        Place::Top => image.params.geometry().top_level().unwrap(),
    };
    let block = prng.below(image.params.geometry().levels()[usize::from(level)].blocks);
    flip(image.block(BlockRef::Hash { level, block }), prng);
    without(class, number, &image, image.data_under(level, block))
}

/// The kernel does not look whether they are zeros, but they are hashed.
fn spare_bytes(number: usize, prng: &mut Prng) -> Trial {
    let image_with_spare = |prng: &mut Prng| {
        (number..).map(|number| image(number, 1, prng)).find(|image| {
            let geometry = image.params.geometry();
            !image.params.data_blocks().is_multiple_of(geometry.hashes_per_block())
        })
    };
    let mut image = image_with_spare(prng).unwrap();
    let block = image.params.geometry().levels()[0].blocks - 1;
    *image.block(BlockRef::Hash { level: 0, block }).last_mut().unwrap() = 1;
    without("spare byte", number, &image, image.data_under(0, block))
}

fn wrong_root_hash(number: usize, prng: &mut Prng) -> Trial {
    let mut image = image(number, 0, prng);
    let text = image.root_hash.to_string();
    let digit = if text.starts_with('0') { "1" } else { "0" };
    image.root_hash = format!("{digit}{}", &text[1..]).parse().unwrap();
    without("wrong root hash", number, &image, 0..image.params.data_blocks())
}

fn wrong_salt(number: usize, prng: &mut Prng) -> Trial {
    let mut image = image(number, 0, prng);
    let params = &image.params;
    image.params = Params::builder()
        .algorithm(params.algorithm())
        .hash_type(params.hash_type())
        .data_block_size(params.data_block_size())
        .hash_block_size(params.hash_block_size())
        .data_blocks(params.data_blocks())
        .salt(Salt::new(&prng.bytes(20)).unwrap())
        .build()
        .unwrap();
    without("wrong salt", number, &image, 0..image.params.data_blocks())
}

/// Superblock and padding mean nothing to the kernel.
fn unread(prng: &mut Prng) -> Trial {
    let mut image = image(5, 1, prng);
    let tree = usize::try_from(image.hash_area.tree_range().start).unwrap();
    invert(&mut image.device(BlockRef::Hash { level: 0, block: 0 })[..tree]);
    without("superblock, which is not read", 0, &image, [])
}

/// Tables that the kernel does not take.
fn refused(prng: &mut Prng) -> Vec<Trial> {
    let image = image(1, 2, prng);
    let trial = |class: &str, image: &Image, table: String, errno| {
        let class = format!("refused: {class}");
        let case = image.case(&class, &table);
        Trial::new(image, &class, case, Expectation::Refused(errno))
    };
    let table = image.table().to_string();
    let algorithm = format!(" {} ", image.params.algorithm());
    let mut short_data = image.clone();
    short_data.device(BlockRef::Data { block: 0 }).truncate(512);
    let mut short_hash = image.clone();
    let tree = short_hash.device(BlockRef::Hash { level: 0, block: 0 });
    tree.truncate(tree.len() - 512);
    vec![
        trial("unknown algorithm", &image, table.replace(&algorithm, " no-such-hash "), ENOENT),
        trial("data device too short", &short_data, table.clone(), EINVAL),
        trial("hash device too short", &short_hash, table.clone(), E2BIG),
        trial("unknown option", &image, format!("{table} 1 no_such_option"), EINVAL),
    ]
}
