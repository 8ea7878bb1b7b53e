//! How much work a prediction may take. A small message can name many signers, and keys with long
//! exponents, and the kernel verifies them all.

use std::cell::Cell;

/// What may still be spent on public keys. The unit is about a multiplication modulo a number of
/// 2048 bits.
#[derive(Debug)]
pub(super) struct Effort {
    left: Cell<u32>,
    exhausted: Cell<bool>,
}

impl Effort {
    pub(super) fn new() -> Effort {
        Effort { left: Cell::new(MOST), exhausted: Cell::new(false) }
    }

    /// Whether something of this cost may be done. Once it may not, nothing more may.
    pub(super) fn spend(&self, cost: u32) -> bool {
        match self.left.get().checked_sub(cost) {
            Some(left) => {
                self.left.set(left);
                true
            }
            None => {
                self.left.set(0);
                self.exhausted.set(true);
                false
            }
        }
    }

    /// Whether something was too costly. What was found after that is not certain.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }
}

/// An honest message takes a few hundred.
const MOST: u32 = 1 << 16;
