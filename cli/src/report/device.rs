//! A live device, as `open` and `status` report it.

use std::fmt;

use serde::Serialize;
use verity_dm::{Backing, Status, VerityStatus};

use super::lines::counted;
use crate::quoted::{Plain, Quoted};

/// A device of device-mapper. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct DeviceEntry {
    name: String,
    node: Option<String>,
    device_number: String,
    device_uuid: String,
    open_count: u32,
    read_only: bool,
    suspended: bool,
    deferred: bool,
    /// Whether there is a table that is loaded and not live.
    inactive_table: bool,
    /// The live table.
    pub(super) table: Option<LiveTableEntry>,
}

/// A live verity table. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct LiveTableEntry {
    /// Whether the kernel has met a corrupt block.
    pub(super) corrupt: bool,
    /// Whether the kernel has checked a signature of the root hash.
    signed: bool,
    key_description: Option<String>,
    root_hash: String,
    algorithm: String,
    hash_type: u32,
    data_blocks: u64,
    data_block_size: u32,
    hash_block_size: u32,
    salt: String,
    hash_start: u64,
    device_bytes: u64,
    data_device: BackingEntry,
    hash_device: BackingEntry,
    fec: Option<LiveFecEntry>,
    options: Vec<String>,
}

/// A device below. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct BackingEntry {
    path: Option<String>,
    device_number: String,
    /// The file behind a loop device.
    file: Option<String>,
    file_deleted: bool,
}

/// Parity that the kernel uses. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct LiveFecEntry {
    fec_device: BackingEntry,
    fec_start: u64,
    fec_blocks: u64,
    fec_roots: u32,
    /// How many blocks were repaired, where the kernel counts them.
    repaired_blocks: Option<u64>,
}

impl From<&Status> for DeviceEntry {
    fn from(facts: &Status) -> DeviceEntry {
        DeviceEntry {
            name: facts.name.to_string(),
            node: facts.node.as_deref().map(|node| Quoted(node).to_string()),
            device_number: facts.number.to_string(),
            device_uuid: facts.uuid.clone(),
            open_count: facts.open_count,
            read_only: facts.is_read_only,
            suspended: facts.is_suspended,
            deferred: facts.is_deferred,
            inactive_table: facts.has_inactive_table,
            table: facts.verity().map(LiveTableEntry::from),
        }
    }
}

impl From<&VerityStatus> for LiveTableEntry {
    fn from(facts: &VerityStatus) -> LiveTableEntry {
        let line = &facts.line;
        let fec = line.parity().zip(facts.fec.as_ref());
        LiveTableEntry {
            corrupt: !facts.health.is_uncorrupted(),
            signed: line.is_signed(),
            key_description: line.options.known.root_hash_sig_key_desc.as_ref().map(text),
            root_hash: line.root_hash.clone(),
            algorithm: line.algorithm.clone(),
            hash_type: line.hash_type,
            data_blocks: line.data_blocks,
            data_block_size: line.data_block_size,
            hash_block_size: line.hash_block_size,
            salt: if line.salt.is_empty() { "-".to_owned() } else { line.salt.clone() },
            hash_start: line.hash_start,
            device_bytes: facts.sectors.saturating_mul(512),
            data_device: BackingEntry::from(&facts.data),
            hash_device: BackingEntry::from(&facts.hash),
            fec: fec.map(|((fec_start, fec_blocks, fec_roots), backing)| LiveFecEntry {
                fec_device: BackingEntry::from(backing),
                fec_start,
                fec_blocks,
                fec_roots,
                repaired_blocks: facts.health.repaired,
            }),
            options: [line.options.flag_words(), line.options.unknown.clone()].concat(),
        }
    }
}

fn text(value: &impl ToString) -> String {
    value.to_string()
}

impl From<&Backing> for BackingEntry {
    fn from(facts: &Backing) -> BackingEntry {
        let file = facts.loop_file.as_ref();
        BackingEntry {
            path: facts.path.as_deref().map(|path| Quoted(path).to_string()),
            device_number: facts.table_name.clone(),
            file: file.map(|file| Quoted(&file.path).to_string()),
            file_deleted: file.is_some_and(|file| file.is_deleted),
        }
    }
}

impl DeviceEntry {
    /// What the kernel says of the device, in a few words.
    pub(super) fn health(&self) -> &'static str {
        match &self.table {
            None => "no table",
            Some(table) if table.corrupt => "corrupt",
            Some(_) => "no corruption seen",
        }
    }

    /// What is out of the ordinary, each with a comma before it.
    fn oddities(&self) -> String {
        let found = [
            (self.suspended, ", suspended"),
            (self.deferred, ", goes when it is closed last"),
            (self.inactive_table, ", another table is loaded"),
            (!self.read_only, ", writable"),
        ];
        found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words).collect()
    }

    /// The device in one line of a list.
    pub(super) fn line(&self) -> String {
        let name = Plain(&self.name);
        let Some(table) = &self.table else {
            return format!("{name}: {}{}", self.health(), self.oddities());
        };
        let signed = if table.signed { ", signed" } else { "" };
        format!(
            "{name}: {}{signed}, {} on {}{}",
            self.health(),
            counted(table.device_bytes, "byte"),
            table.data_device,
            self.oddities()
        )
    }
}

impl fmt::Display for DeviceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.as_deref().unwrap_or("without a node");
        let (name, number) = (Plain(&self.name), &self.device_number);
        writeln!(f, "device: {name} ({node}, {number}){}", self.oddities())?;
        writeln!(f, "uuid: {}", Plain(&self.device_uuid))?;
        writeln!(f, "status: {}", self.health())?;
        if let Some(table) = &self.table {
            table.fmt(f)?;
        }
        writeln!(f, "open: {}", counted(self.open_count.into(), "time"))
    }
}

impl fmt::Display for LiveTableEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key_description {
            Some(key) => writeln!(f, "signature: checked by the kernel, key {}", Plain(key))?,
            None => writeln!(f, "signature: none given to the kernel")?,
        }
        writeln!(f, "root hash: {}", Plain(&self.root_hash))?;
        let (algorithm, salt) = (Plain(&self.algorithm), Plain(&self.salt));
        writeln!(f, "hash: {algorithm}, hash type {}, salt {salt}", self.hash_type)?;
        let blocks = counted(self.data_blocks, "data block");
        writeln!(f, "data: {blocks} of {} bytes on {}", self.data_block_size, self.data_device)?;
        writeln!(
            f,
            "tree: hash blocks of {} bytes from hash block {} of {}",
            self.hash_block_size, self.hash_start, self.hash_device
        )?;
        if let Some(fec) = &self.fec {
            fec.fmt(f)?;
        }
        match self.options.is_empty() {
            true => Ok(()),
            false => writeln!(f, "options: {}", Plain(&self.options.join(" "))),
        }
    }
}

impl fmt::Display for LiveFecEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LiveFecEntry { fec_device, fec_start, fec_roots, .. } = self;
        let blocks = counted(self.fec_blocks, "block");
        write!(f, "parity: {fec_roots} roots over {blocks}, from block {fec_start} of ")?;
        write!(f, "{fec_device}")?;
        match self.repaired_blocks {
            Some(repaired) => writeln!(f, ", {} repaired", counted(repaired, "block")),
            None => writeln!(f),
        }
    }
}

impl fmt::Display for BackingEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path.as_deref().unwrap_or(&self.device_number))?;
        match &self.file {
            Some(file) if self.file_deleted => write!(f, " (file {file}, deleted)"),
            Some(file) => write!(f, " (file {file})"),
            None => Ok(()),
        }
    }
}
