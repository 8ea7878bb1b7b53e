//! `verity image grow`: how far a table reaches.

use std::fmt;

use serde::Serialize;

use crate::command::image_grow::{Grown, Reach};
use crate::quoted::Quoted;

/// A table that takes in all of its disk. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct GrownDocument {
    disk: String,
    sector_size: u64,
    sectors: u64,
    before: ReachEntry,
    after: ReachEntry,
    written: bool,
    atomic: bool,
}

/// Where a table ends, in sectors. The order of the fields is the order of the keys.
#[derive(PartialEq, Eq, Serialize)]
struct ReachEntry {
    backup: u64,
    last_usable: u64,
}

impl From<&Grown> for GrownDocument {
    fn from(facts: &Grown) -> GrownDocument {
        GrownDocument {
            disk: Quoted(&facts.disk).to_string(),
            sector_size: facts.sector_size.bytes(),
            sectors: facts.sectors,
            before: facts.before.into(),
            after: facts.after.into(),
            written: facts.is_written,
            atomic: facts.is_atomic,
        }
    }
}

impl From<Reach> for ReachEntry {
    fn from(Reach { backup, last_usable }: Reach) -> ReachEntry {
        ReachEntry { backup, last_usable }
    }
}

impl fmt::Display for GrownDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GrownDocument { disk, sector_size, sectors, before, after, .. } = self;
        writeln!(f, "{disk}: {sectors} sectors of {sector_size} bytes")?;
        if before == after {
            return writeln!(f, "backup table: at sector {}, the end (not changed)", after.backup);
        }
        let done = if self.written { "moved" } else { "not written" };
        writeln!(f, "backup table: sector {} -> {} ({done})", before.backup, after.backup)?;
        writeln!(f, "last usable sector: {} -> {}", before.last_usable, after.last_usable)
    }
}
