//! Ways to make parity of blocks in memory: every kernel of ours, and the crates that they are
//! measured against.

use std::ops::Range;

use gf256::rs::rs;
use verity::FecArea;
use verity::internals::{Encoder, FecPlatform, to_len};

use crate::kernels::VERITY;

use super::message::{Message, SIDE_BY_SIDE};
use super::{CODEWORD, Contender, GF256, REED_SOLOMON, ROOTS, Word};

/// Every contender that can make the parity of such an area: our kernels first, the fastest in
/// front.
///
/// # Panics
/// If the area has another number of roots than [`ROOTS`] names.
pub fn encoders(area: FecArea) -> Vec<Contender<Message>> {
    let mut contenders: Vec<_> = FecPlatform::available().map(|it| ours(area, it)).collect();
    contenders.extend([reed_solomon(area), gf256(area), Contender::reading()]);
    contenders
}

fn is_parity(message: &Message, out: &[u8]) -> bool {
    out == message.parity
}

fn ours(area: FecArea, platform: FecPlatform) -> Contender<Message> {
    let encoder = Encoder::new(area, platform);
    let run = move |message: &Message, parity: &mut [u8]| by_units(&encoder, message, parity);
    Contender::new(VERITY, run, is_parity).on(platform.name())
}

/// Encodes unit by unit as the builder does, from memory; nothing is hashed here.
fn by_units(encoder: &Encoder, message: &Message, mut parity: &mut [u8]) {
    let (rounds, unit) = (encoder.area().rounds(), encoder.unit_rounds());
    let (mut rows, mut sums) = (Vec::new(), Vec::new());
    for first in (0..rounds).step_by(to_len(unit)) {
        let unit = first..rounds.min(first + unit);
        let (this, later) = parity.split_at_mut(encoder.sums_len(unit.end - first));
        sums.clear();
        sums.resize(this.len(), 0);
        add_unit(encoder, message, &unit, &mut rows, &mut sums);
        encoder.interleave(&sums, this);
        parity = later;
    }
}

/// Adds all rows of some rounds.
fn add_unit(
    encoder: &Encoder,
    message: &Message,
    unit: &Range<u64>,
    rows: &mut Vec<u8>,
    sums: &mut [u8],
) {
    let len = unit.end - unit.start;
    let (row_len, at_once) = (encoder.row_len(len), encoder.rows_at_once(len));
    let all = message.rows(unit.start);
    for first in (0..all).step_by(to_len(at_once)) {
        rows.resize(to_len(at_once.min(all - first)) * row_len, 0);
        message.gather(unit, first, rows);
        encoder.add_rows(first, rows, sums);
    }
}

/// Encodes by the crate `reed-solomon`.
pub(super) fn reed_solomon(area: FecArea) -> Contender<Message> {
    let encoder = reed_solomon::Encoder::new(to_len(area.roots().into()));
    let rows = to_len(area.rows());
    by_codewords(REED_SOLOMON, rows, move |word| {
        let encoded = encoder.encode(&word[..rows]);
        word[rows..].copy_from_slice(encoded.ecc());
    })
}

#[rs(block = 255, data = 253)]
pub(super) mod two_roots {}

#[rs(block = 255, data = 231)]
pub(super) mod twenty_four_roots {}

/// Encodes by the crate `gf256`, which makes a module of its own for each number of roots.
fn gf256(area: FecArea) -> Contender<Message> {
    let encode = match area.roots() {
        2 => |word: &mut Word| two_roots::encode(word),
        24 => |word: &mut Word| twenty_four_roots::encode(word),
        other => panic!("{other} roots, not one of {ROOTS:?}"),
    };
    by_codewords(GF256, to_len(area.rows()), encode)
}

/// `encode` puts the parity behind the `rows` bytes of a codeword's message.
fn by_codewords(
    name: &'static str,
    rows: usize,
    encode: impl Fn(&mut Word) + 'static,
) -> Contender<Message> {
    let run = move |message: &Message, parity: &mut [u8]| {
        let mut words = [[0; CODEWORD]; SIDE_BY_SIDE];
        let roots = CODEWORD - rows;
        for (number, parity) in parity.chunks_exact_mut(SIDE_BY_SIDE * roots).enumerate() {
            message.take_apart(number * SIDE_BY_SIDE, &mut words);
            for (word, parity) in words.iter_mut().zip(parity.chunks_exact_mut(roots)) {
                encode(word);
                parity.copy_from_slice(&word[rows..]);
            }
        }
    };
    Contender::new(name, run, is_parity)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use verity::{Builder, HashArea};

    use super::*;
    use crate::fec::{READING, sample};
    use crate::fixture;

    /// Whole rounds, one block more and one less, and more than a unit of ours.
    #[test]
    fn everyone_makes_the_same_parity_and_reads_all_of_it() {
        for roots in ROOTS {
            let rows = u64::from(255 - roots);
            for blocks in [1, rows, rows * 2 - 1, rows * 2 + 1, rows * 17 + 100] {
                let message = sample::random_message(blocks, roots, blocks);
                for contender in encoders(message.area) {
                    let mut out = vec![0x55; message.parity.len()];
                    contender.run(&message, &mut out);
                    let checked = contender.check(&message, &out);
                    assert_eq!(checked, Ok(()), "{blocks} blocks, {roots} roots");
                    out[0] ^= 1;
                    assert!(contender.check(&message, &out).is_err(), "{}", contender.label());
                }
            }
        }
    }

    /// Codewords and parity lie as the builder lays them down; other tests hold the builder against
    /// veritysetup.
    #[test]
    fn the_parity_is_that_of_an_image() {
        for roots in ROOTS {
            let image = fixture::Image::new(2);
            let hash_area = HashArea::new(&image.params, 0, false).unwrap();
            let blocks = image.params.data_blocks() + hash_area.hash_blocks();
            let area = FecArea::new(&image.params, &hash_area, roots, blocks, 0).unwrap();
            let (hash, fec) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
            let builder = Builder::new(&image.params);
            builder.build_with_fec(&image.data, &hash, &hash_area, &fec, &area).unwrap();
            let message = sample::encoded([&image.data[..], &image.tree].concat(), area);
            let parity = fec.into_inner().unwrap();
            assert!(message.parity == parity, "{roots} roots");
            for contender in encoders(area).iter().filter(|it| it.name != READING) {
                let mut out = vec![0; parity.len()];
                contender.run(&message, &mut out);
                assert!(out == parity, "{}: {roots} roots", contender.label());
            }
        }
    }
}
