//! The lines of a group of blocks on their way into the lanes.

use super::lanes::Lanes;

/// Loads the next line while this one is hashed: a quarter of its rows at a time, so that the
/// rounds hide how long they take to come.
pub(super) struct Feed<'a, L: Lanes> {
    cpu: L::Cpu,
    blocks: &'a [u8],
    block_size: usize,
    pub(super) offset: usize,
    pub(super) rows: [L; 16],
}

impl<'a, L: Lanes> Feed<'a, L> {
    #[inline(always)]
    pub(super) fn new(cpu: L::Cpu, blocks: &'a [u8], block_size: usize) -> Self {
        let rows = [L::splat(cpu, L::Word::default()); 16];
        Feed { cpu, blocks, block_size, offset: 0, rows }
    }

    #[inline(always)]
    pub(super) fn take_line(&mut self) {
        for quarter in 0..4 {
            self.take(quarter);
        }
    }

    #[inline(always)]
    pub(super) fn take(&mut self, part: usize) {
        let four = L::load(self.cpu, self.blocks, self.block_size, self.offset, part);
        for (row, four) in self.rows[4 * part..4 * part + 4].iter_mut().zip(four) {
            *row = four;
        }
    }
}
