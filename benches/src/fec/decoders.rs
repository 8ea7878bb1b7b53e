//! Ways to recover lost blocks in memory: every kernel of ours, and the crates that they are
//! measured against.

use std::ops::Range;

use verity::FecArea;
use verity::internals::{Decoder, FecPlatform, to_len};

use crate::kernels::VERITY;
use crate::reads::BLOCK_SIZE;

use super::encoders::{twenty_four_roots, two_roots};
use super::message::{Loss, SIDE_BY_SIDE};
use super::{CODEWORD, Contender, GF256, REED_SOLOMON, ROOTS, Word};

/// Every contender that can recover blocks of such an area: our kernels first, the fastest in
/// front.
///
/// # Panics
/// If the area has another number of roots than [`ROOTS`] names.
pub fn decoders(area: FecArea) -> Vec<Contender<Loss>> {
    let mut contenders: Vec<_> = FecPlatform::available().map(|it| ours(area, it)).collect();
    contenders.extend([reed_solomon(area), gf256(area), Contender::reading()]);
    contenders
}

fn is_recovered(loss: &Loss, out: &[u8]) -> bool {
    out == loss.blocks
}

fn ours(area: FecArea, platform: FecPlatform) -> Contender<Loss> {
    let decoder = Decoder::new(area, platform);
    let run = move |loss: &Loss, out: &mut [u8]| by_units(&decoder, loss, out);
    Contender::new(VERITY, run, is_recovered).on(platform.name())
}

/// Recovers unit by unit as repair does, which knows what is lost; nothing is hashed here.
fn by_units(decoder: &Decoder, loss: &Loss, mut out: &mut [u8]) {
    let (rounds, unit) = (decoder.area().rounds(), decoder.unit_rounds());
    let (mut rows, mut sums, mut residue) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..rounds).step_by(to_len(unit)) {
        let unit = first..rounds.min(first + unit);
        let row_len = to_len(unit.end - first) * BLOCK_SIZE;
        sums.clear();
        sums.resize(decoder.roots() * row_len, 0);
        add_unit(decoder, loss, &unit, &mut rows, &mut sums);
        for (index, round) in (to_len(first)..to_len(unit.end)).enumerate() {
            let lost = &loss.rows[round];
            residue.clear();
            for sums in sums.chunks_exact(row_len).take(lost.len()) {
                residue.extend_from_slice(&sums[index * BLOCK_SIZE..][..BLOCK_SIZE]);
            }
            let parity = &loss.message.parity[round * loss.parity_len()..][..loss.parity_len()];
            decoder.subtract_parity(parity, &mut residue);
            let (this, later) = out.split_at_mut(lost.len() * BLOCK_SIZE);
            this.copy_from_slice(&decoder.solve(lost, &residue));
            out = later;
        }
    }
}

/// Adds all rows of some rounds, lost blocks as zeros.
fn add_unit(
    decoder: &Decoder,
    loss: &Loss,
    unit: &Range<u64>,
    rows: &mut Vec<u8>,
    sums: &mut [u8],
) {
    let row_len = to_len(unit.end - unit.start) * BLOCK_SIZE;
    let at_once = to_len(decoder.rows_at_once(unit.end - unit.start));
    let all = to_len(loss.message.rows(unit.start));
    for first in (0..all).step_by(at_once) {
        let some = at_once.min(all - first);
        rows.resize(some * row_len, 0);
        loss.message.gather(unit, first as u64, rows);
        for (index, round) in (to_len(unit.start)..to_len(unit.end)).enumerate() {
            let here = loss.rows[round].iter().filter(|&&row| (first..first + some).contains(&row));
            for row in here {
                rows[(row - first) * row_len + index * BLOCK_SIZE..][..BLOCK_SIZE].fill(0);
            }
        }
        decoder.add_rows(decoder.roots(), first, rows, sums);
    }
}

/// Recovers by the crate `reed-solomon`.
fn reed_solomon(area: FecArea) -> Contender<Loss> {
    let decoder = reed_solomon::Decoder::new(to_len(area.roots().into()));
    by_codewords(REED_SOLOMON, area, move |word, lost| {
        let places: Vec<u8> = lost.iter().filter_map(|&row| u8::try_from(row).ok()).collect();
        // What cannot be corrected stays wrong, and is found out.
        if let Ok(corrected) = decoder.correct(word, Some(&places)) {
            word.copy_from_slice(&corrected);
        }
    })
}

/// Recovers by the crate `gf256`.
fn gf256(area: FecArea) -> Contender<Loss> {
    let correct = match area.roots() {
        2 => |word: &mut Word, lost: &[usize]| two_roots::correct_erasures(word, lost).is_ok(),
        24 => |word: &mut Word, lost: &[usize]| {
            twenty_four_roots::correct_erasures(word, lost).is_ok()
        },
        other => panic!("{other} roots, not one of {ROOTS:?}"),
    };
    by_codewords(GF256, area, move |word, lost| {
        correct(word, lost);
    })
}

/// `correct` puts right what is wrong in a codeword at the named places.
fn by_codewords(
    name: &'static str,
    area: FecArea,
    correct: impl Fn(&mut Word, &[usize]) + 'static,
) -> Contender<Loss> {
    let rows = to_len(area.rows());
    let run = move |loss: &Loss, mut out: &mut [u8]| {
        let mut words = [[0; CODEWORD]; SIDE_BY_SIDE];
        let parities = loss.message.parity.chunks_exact(loss.parity_len());
        for ((round, lost), parity) in loss.rows.iter().enumerate().zip(parities) {
            let (this, later) = out.split_at_mut(lost.len() * BLOCK_SIZE);
            let parity = parity.chunks_exact(SIDE_BY_SIDE * (CODEWORD - rows));
            for (parity, inside) in parity.zip((0..).step_by(SIDE_BY_SIDE)) {
                loss.message.take_apart(round * BLOCK_SIZE + inside, &mut words);
                let parity = parity.chunks_exact(CODEWORD - rows);
                for ((word, parity), place) in words.iter_mut().zip(parity).zip(inside..) {
                    word[rows..].copy_from_slice(parity);
                    correct(word, lost);
                    for (row, block) in lost.iter().zip(this.chunks_exact_mut(BLOCK_SIZE)) {
                        block[place] = word[*row];
                    }
                }
            }
            out = later;
        }
    };
    Contender::new(name, run, is_recovered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fec::sample;

    /// Fewer rows than roots, a round that lacks a row, and more than a unit of ours.
    #[test]
    fn everyone_recovers_what_is_lost() {
        for roots in ROOTS {
            let rows = u64::from(255 - roots);
            for blocks in [1, rows * 2 - 1, rows * 16 + 1] {
                let loss = Loss::new(sample::random_message(blocks, roots, blocks), 3);
                assert!(loss.rows.iter().all(|rows| rows.len() <= to_len(roots.into())));
                for contender in decoders(loss.message.area) {
                    let mut out = vec![0x55; loss.lost()];
                    contender.run(&loss, &mut out);
                    let checked = contender.check(&loss, &out);
                    assert_eq!(checked, Ok(()), "{blocks} blocks, {roots} roots");
                    out[0] ^= 1;
                    assert!(contender.check(&loss, &out).is_err(), "{}", contender.label());
                }
            }
        }
    }
}
