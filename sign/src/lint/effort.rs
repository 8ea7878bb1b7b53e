//! How much work a prediction may be. A small message can name many signers and keys with long exponents, and the
//! kernel verifies them all.

use std::cell::Cell;

/// One is about a multiplication modulo a number of 2048 bits. An honest message takes a few hundred.
const MOST: u32 = 1 << 16;

/// What may still be spent on public keys.
#[derive(Debug)]
pub(super) struct Effort {
    left: Cell<u32>,
    exhausted: Cell<bool>,
}

impl Effort {
    pub(super) fn new() -> Effort {
        Effort { left: Cell::new(MOST), exhausted: Cell::new(false) }
    }

    /// Whether something of this cost may be done. If not, nothing may be from here on.
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

    /// Whether something was not done: then nothing is known that was found later.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }
}
