//! Ways to make parity of blocks in memory: every kernel of ours, and the crates that they are measured against.

use std::ops::Range;

use gf256::rs::rs;
use verity::FecArea;
use verity::internals::{Encoder, FecPlatform};

use crate::kernels::VERITY;
use crate::reads::BLOCK_SIZE;

use super::message::Message;
use super::{CODEWORD, GF256, READING, REED_SOLOMON, ROOTS, count, reading};

/// One way to make parity, or to read what it would be made of.
pub struct Contender {
    /// Whose it is.
    pub name: &'static str,
    /// The kernel, where there is a choice.
    pub platform: Option<&'static str>,
    leaves: Leaves,
    run: Run,
}

/// From whole blocks to as many bytes as their parity has.
type Run = Box<dyn Fn(&[u8], &mut [u8])>;

/// What is in the output afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// The parity.
    Parity,
    /// The sum of all words, at its beginning.
    Sum,
}

impl Contender {
    /// From the blocks of a message to as many bytes as its parity has.
    pub fn run(&self, blocks: &[u8], out: &mut [u8]) {
        (self.run)(blocks, out);
    }

    /// Whether that is in the output that must be.
    pub fn is_right(&self, message: &Message, out: &[u8]) -> bool {
        match self.leaves {
            Leaves::Parity => out == message.parity,
            Leaves::Sum => {
                let words = message.bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes);
                out.starts_with(&words.fold(0, u64::wrapping_add).to_le_bytes())
            }
        }
    }

    /// As in `verity gfni`.
    pub fn label(&self) -> String {
        [self.name].into_iter().chain(self.platform).collect::<Vec<_>>().join(" ")
    }

    /// Whether it takes so long that fewer rounds must do.
    pub fn is_slow(&self) -> bool {
        [REED_SOLOMON, GF256].contains(&self.name)
    }

    fn encoder(name: &'static str, run: Run) -> Contender {
        Contender { name, platform: None, leaves: Leaves::Parity, run }
    }
}

/// Everyone who can make the parity of such an area: our kernels first, the fastest in front.
///
/// # Panics
/// If the area has another number of roots than [`ROOTS`] names.
pub fn contenders(area: FecArea) -> Vec<Contender> {
    let mut contenders: Vec<_> = FecPlatform::available().map(|it| ours(area, it)).collect();
    contenders.extend([reed_solomon(area), gf256(area), reading()]);
    contenders
}

fn ours(area: FecArea, platform: FecPlatform) -> Contender {
    let encoder = Encoder::new(area, platform);
    let run = move |blocks: &[u8], parity: &mut [u8]| by_units(&encoder, blocks, parity);
    Contender { platform: Some(platform.name()), ..Contender::encoder(VERITY, Box::new(run)) }
}

/// In the way of the builder, whose source is memory and which hashes nothing.
fn by_units(encoder: &Encoder, blocks: &[u8], mut parity: &mut [u8]) {
    let (rounds, unit) = (encoder.area().rounds(), encoder.unit_rounds());
    let mut sums = Vec::new();
    for first in (0..rounds).step_by(count(unit)) {
        let unit = first..rounds.min(first + unit);
        let (this, later) = parity.split_at_mut(encoder.sums_len(unit.end - first));
        sums.clear();
        sums.resize(this.len(), 0);
        add_unit(encoder, blocks, &unit, &mut sums);
        encoder.interleave(&sums, this);
        parity = later;
    }
}

/// Adds all rows of some rounds.
fn add_unit(encoder: &Encoder, blocks: &[u8], unit: &Range<u64>, sums: &mut [u8]) {
    let area = encoder.area();
    let len = unit.end - unit.start;
    let (row_len, at_once) = (encoder.row_len(len), encoder.rows_at_once(len));
    let all_rows = area.blocks().div_ceil(area.rounds());
    let mut rows = vec![0; count(at_once) * row_len];
    for first in (0..all_rows).step_by(count(at_once)) {
        let some = count(at_once.min(all_rows - first));
        let rows = &mut rows[..some * row_len];
        for (row, number) in rows.chunks_exact_mut(row_len).zip(first..) {
            let start = count(number * area.rounds() + unit.start) * BLOCK_SIZE;
            let there = blocks.get(start..).unwrap_or_default();
            let there = &there[..there.len().min(row_len)];
            let (covered, behind) = row.split_at_mut(there.len());
            covered.copy_from_slice(there);
            behind.fill(0);
        }
        encoder.add_rows(first, rows, sums);
    }
}

/// The crate `reed-solomon`, which copies each message twice.
pub(super) fn reed_solomon(area: FecArea) -> Contender {
    let encoder = reed_solomon::Encoder::new(count(area.roots().into()));
    let rows = count(area.rows());
    let encode = move |word: &mut [u8; CODEWORD]| {
        let encoded = encoder.encode(&word[..rows]);
        word[rows..].copy_from_slice(encoded.ecc());
    };
    Contender::encoder(REED_SOLOMON, by_codewords(area, encode))
}

#[rs(block = 255, data = 253)]
mod two_roots {}

#[rs(block = 255, data = 231)]
mod twenty_four_roots {}

/// The crate `gf256`, which makes a module of its own for each number of roots.
fn gf256(area: FecArea) -> Contender {
    let encode = match area.roots() {
        2 => |word: &mut [u8; CODEWORD]| two_roots::encode(word),
        24 => |word: &mut [u8; CODEWORD]| twenty_four_roots::encode(word),
        other => panic!("{other} roots, not one of {ROOTS:?}"),
    };
    Contender::encoder(GF256, by_codewords(area, encode))
}

/// Codewords side by side in all blocks of a round: those of a cache line are taken apart at once, so that each line is
/// read once and what is written stays in the level-1 cache.
fn by_codewords(area: FecArea, encode: impl Fn(&mut [u8; CODEWORD]) + 'static) -> Run {
    const LINE: usize = 64;
    let (roots, rows) = (count(area.roots().into()), count(area.rows()));
    let rounds = count(area.rounds());
    Box::new(move |blocks, parity| {
        let mut words = [[0; CODEWORD]; LINE];
        for (number, parity) in parity.chunks_exact_mut(LINE * roots).enumerate() {
            let start = number * LINE;
            let lines = (0..rows).map(|row| {
                let round = start / BLOCK_SIZE;
                let line = (row * rounds + round) * BLOCK_SIZE + start % BLOCK_SIZE;
                blocks.get(line..line + LINE).unwrap_or(&[0; LINE])
            });
            for (row, line) in lines.enumerate() {
                words.iter_mut().zip(line).for_each(|(word, &byte)| word[row] = byte);
            }
            for (word, parity) in words.iter_mut().zip(parity.chunks_exact_mut(roots)) {
                encode(word);
                parity.copy_from_slice(&word[rows..]);
            }
        }
    })
}

/// Every byte of the message once, and nothing else.
fn reading() -> Contender {
    let run = |blocks: &[u8], out: &mut [u8]| {
        out[..8].copy_from_slice(&reading::sum(blocks).to_le_bytes());
    };
    Contender { name: READING, platform: None, leaves: Leaves::Sum, run: Box::new(run) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use verity::{Builder, HashArea};

    use super::*;
    use crate::fixture;

    /// Whole rounds, one block more and one less, and more than a unit of ours.
    #[test]
    fn everyone_makes_the_same_parity_and_reads_all_of_it() {
        for roots in ROOTS {
            let rows = u64::from(255 - roots);
            for blocks in [1, rows, rows * 2 - 1, rows * 2 + 1, rows * 17 + 100] {
                let message = Message::new(blocks, roots, blocks);
                for contender in contenders(message.area) {
                    let mut out = vec![0x55; message.parity.len()];
                    contender.run(&message.bytes, &mut out);
                    let label = contender.label();
                    assert!(contender.is_right(&message, &out), "{label}: {blocks} blocks, {roots} roots");
                    out[0] ^= 1;
                    assert!(!contender.is_right(&message, &out), "{label}");
                }
            }
        }
    }

    /// So the order in which codewords lie is that of the builder, which is held against veritysetup elsewhere.
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
            let bytes = [&image.data[..], &image.tree].concat();
            let parity = fec.into_inner().unwrap();
            for contender in contenders(area).iter().filter(|it| it.leaves == Leaves::Parity) {
                let mut out = vec![0; parity.len()];
                contender.run(&bytes, &mut out);
                assert!(out == parity, "{}: {roots} roots", contender.label());
            }
        }
    }
}
