//! What one thread takes at a time where blocks are read in the order of parity.

use std::ops::Range;

use crate::Error;
use crate::fec::Encoder;

use super::crew::Crew;

/// All rounds of a FEC area, cut into units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    rounds: u64,
    /// The rounds in a unit; the last one may have fewer.
    most: u64,
}

impl Units {
    /// The units in which parity is best made.
    pub(crate) fn new(encoder: &Encoder) -> Units {
        Units { rounds: encoder.area().rounds(), most: encoder.unit_rounds() }
    }

    /// The units of the first rounds only.
    pub(crate) fn up_to(self, rounds: u64) -> Units {
        Units { rounds: self.rounds.min(rounds), ..self }
    }

    /// Hands out the rounds of a unit at a time, as [`Crew::in_order`].
    pub(crate) fn for_each<B>(
        &self,
        crew: Crew,
        init: impl Fn() -> B + Sync,
        work: impl Fn(&mut B, Range<u64>) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        crew.in_order(self.rounds.div_ceil(self.most), 1, init, |buffer, units| {
            let end = units.end.saturating_mul(self.most).min(self.rounds);
            work(buffer, units.start * self.most..end)
        })
    }
}
