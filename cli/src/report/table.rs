//! `verity table`: the text, which is all that the text form prints.

use std::fmt;

use serde::Serialize;
use verity::table::FecOptions;

use crate::command::table::TableText;

/// The text. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct TableDocument {
    geometry: String,
    geometry_authenticated: bool,
    root_hash: String,
    text: String,
    fec: Option<TableFecEntry>,
}

impl From<&TableText> for TableDocument {
    fn from(facts: &TableText) -> TableDocument {
        TableDocument {
            geometry: facts.geometry.clone(),
            geometry_authenticated: facts.is_authenticated,
            root_hash: facts.root_hash.to_string(),
            text: facts.text.clone(),
            fec: facts.parity.as_ref().map(TableFecEntry::from),
        }
    }
}

impl fmt::Display for TableDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)
    }
}

/// The parity that the text names. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct TableFecEntry {
    device: String,
    fec_start: u64,
    fec_blocks: u64,
    fec_roots: u32,
}

impl From<&FecOptions> for TableFecEntry {
    fn from(fec: &FecOptions) -> TableFecEntry {
        TableFecEntry {
            device: fec.device.to_string(),
            fec_start: fec.start,
            fec_blocks: fec.blocks,
            fec_roots: fec.roots,
        }
    }
}
