//! The optional parameters of a table: loaded, and with the effect that they should have.

use verity::table::{OnCorruption, OnError, TableOptions};
use verity::{BlockRef, BlockSize, Params};
use verity_testdata::kernel::{Case, Expectation};
use verity_testdata::pattern::Prng;

use super::image::{Image, Shape, invert};
use super::trial::Trial;

const SIZE: u32 = 1024;
const BLOCKS: u64 = 200;
/// A block of zeros in every image.
const ZERO: u64 = 77;

pub(crate) fn trials(prng: &mut Prng) -> Vec<Trial> {
    let data = data(prng);
    let image = Image::format(&shape(), data.clone());
    let mut trials = intact(&image);
    trials.extend(corrupt(&image, prng));
    trials.extend(zero_blocks(&image));
    let with_parity = Shape { fec: Some((4, 0)), ..shape() };
    trials.push(with_everything(Image::format(&with_parity, data), prng));
    trials
}

/// A corrupt block makes the kernel panic, or restart.
pub(crate) fn ends_of_the_machine(prng: &mut Prng) -> [Case; 2] {
    let mut image = Image::format(&shape(), data(prng));
    invert(image.block(BlockRef::Data { block: 9 }));
    [OnCorruption::Panic, OnCorruption::Restart].map(|mode| {
        let options = TableOptions { on_corruption: Some(mode), ..TableOptions::default() };
        image.case(mode.name(), &image.table_with(options))
    })
}

fn shape() -> Shape {
    let size = BlockSize::new(SIZE).unwrap();
    let builder = Params::builder().data_block_size(size).hash_block_size(size);
    Shape::plain(builder.data_blocks(BLOCKS).build().unwrap())
}

fn data(prng: &mut Prng) -> Vec<u8> {
    let mut data = prng.bytes(usize::try_from(BLOCKS * u64::from(SIZE)).unwrap());
    nth(&mut data, ZERO).fill(0);
    data
}

fn nth(data: &mut [u8], block: u64) -> &mut [u8] {
    let start = usize::try_from(block * u64::from(SIZE)).unwrap();
    &mut data[start..start + usize::try_from(SIZE).unwrap()]
}

fn trial(class: &str, image: &Image, options: TableOptions, expected: Expectation) -> Trial {
    let name = format!("{class}: {}", options.words().join(" "));
    let case = image.case(&name, &image.table_with(options));
    Trial::new(image, class, case, expected).also([name])
}

/// Every option that does nothing to an intact image.
fn all() -> Vec<TableOptions> {
    let mut all = one_each();
    all.push(TableOptions {
        on_corruption: Some(OnCorruption::Restart),
        on_error: Some(OnError::Restart),
        ignore_zero_blocks: true,
        check_at_most_once: true,
        try_verify_in_tasklet: true,
        ..TableOptions::default()
    });
    all
}

fn one_each() -> Vec<TableOptions> {
    let words = TableOptions::NAMES.iter().take_while(|name| !name.starts_with("use_fec"));
    words.map(|name| TableOptions::from_words([*name]).unwrap()).collect()
}

fn intact(image: &Image) -> Vec<Trial> {
    let expected = Expectation::intact(&image.data, SIZE);
    let trial = |options| trial("option on an intact image", image, options, expected.clone());
    all().into_iter().map(trial).collect()
}

/// Those that leave the machine running, on an image with a corrupt block.
fn corrupt(image: &Image, prng: &mut Prng) -> Vec<Trial> {
    let mut image = image.clone();
    let block = prng.below(ZERO);
    invert(image.block(BlockRef::Data { block }));
    let class = "option on a corrupt image";
    let mut as_read = image.data.clone();
    invert(nth(&mut as_read, block));
    let mut trials = Vec::new();
    for options in one_each() {
        let expected = match options.on_corruption {
            None => Expectation::without(&image.data, SIZE, [block]),
            Some(OnCorruption::Ignore) => Expectation::intact(&as_read, SIZE).corrupt(true),
            Some(_) => continue,
        };
        trials.push(trial(class, &image, options, expected));
    }
    trials
}

/// Where the tree has the digest of zeros, the storage does not count if the option says so.
fn zero_blocks(image: &Image) -> [Trial; 2] {
    let mut image = image.clone();
    invert(image.block(BlockRef::Data { block: ZERO }));
    [true, false].map(|ignore_zero_blocks| {
        let expected = match ignore_zero_blocks {
            true => Expectation::intact(&image.data, SIZE),
            false => Expectation::without(&image.data, SIZE, [ZERO]),
        };
        let options = TableOptions { ignore_zero_blocks, ..TableOptions::default() };
        trial("zero block that is not zeros", &image, options, expected)
    })
}

/// All options that go together, with something to repair.
fn with_everything(mut image: Image, prng: &mut Prng) -> Trial {
    let block = prng.below(ZERO);
    invert(image.block(BlockRef::Data { block }));
    let fec = image.table().options().fec.clone();
    let last = all().pop().unwrap();
    let options = TableOptions { on_corruption: Some(OnCorruption::Panic), fec, ..last };
    let expected = Expectation::intact(&image.data, SIZE);
    trial("option with parity", &image, options, expected)
}
