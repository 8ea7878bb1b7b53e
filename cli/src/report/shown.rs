//! `verity image show`: a disk, its partitions, and what belongs together.

use std::fmt;

use serde::Serialize;
use verity::disk::Partition;
use verity::disk::types::{ESP, LINUX, PartitionType, XBOOTLDR};

use super::slots::SlotsEntry;
use crate::command::image_show::{Shown, ShownManifest, VeritySet};
use crate::disks::fault_words;
use crate::quoted::{Plain, Quoted};

/// A disk. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct ShownDocument {
    disk: String,
    disk_uuid: String,
    sector_size: u64,
    sectors: u64,
    first_usable: u64,
    last_usable: u64,
    /// `primary` or `backup`: the copy that was read.
    table: &'static str,
    /// What is wrong with the other copy, or noticed about the table.
    faults: Vec<String>,
    partitions: Vec<PartitionRow>,
    verity_sets: Vec<SetEntry>,
    slots: Option<SlotsEntry>,
    /// What manifests state that were named or lie beside the disk; nothing was verified.
    manifests: Vec<ManifestEntry>,
}

/// What a manifest states. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct ManifestEntry {
    path: String,
    image_name: String,
    image_version: u64,
    root_hash: String,
    /// The partitions that have the UUIDs of the root hash.
    data: Option<u32>,
    hash: Option<u32>,
}

/// A partition. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct PartitionRow {
    number: u32,
    label: String,
    type_guid: String,
    /// The name of the type, if it is known.
    type_name: Option<String>,
    uuid: String,
    start_bytes: u64,
    size_bytes: u64,
    /// 16 hex digits after `0x`.
    attributes: String,
}

#[derive(Serialize)]
struct SetEntry {
    name: String,
    data: Option<u32>,
    hash: Option<u32>,
    signature: Option<u32>,
    superblock: bool,
    /// What the signature partition states; nothing was verified.
    stated_root_hash: Option<String>,
    discoverable: Option<bool>,
}

impl From<&Shown> for ShownDocument {
    fn from(facts: &Shown) -> ShownDocument {
        ShownDocument {
            disk: Quoted(&facts.disk).to_string(),
            disk_uuid: facts.disk_uuid.to_string(),
            sector_size: facts.sector_size.bytes(),
            sectors: facts.sectors,
            first_usable: facts.usable.0,
            last_usable: facts.usable.1,
            table: facts.chosen.name(),
            faults: facts.faults.iter().map(fault_words).collect(),
            partitions: facts.partitions.iter().map(PartitionRow::from).collect(),
            verity_sets: facts.sets.iter().map(SetEntry::from).collect(),
            slots: facts.slots.as_ref().map(SlotsEntry::from),
            manifests: facts.manifests.iter().map(ManifestEntry::from).collect(),
        }
    }
}

impl From<&Partition> for PartitionRow {
    fn from(partition: &Partition) -> PartitionRow {
        let guid = partition.type_guid();
        let other = match guid {
            ESP => Some("esp".to_owned()),
            XBOOTLDR => Some("xbootldr".to_owned()),
            LINUX => Some("linux".to_owned()),
            _ => None,
        };
        PartitionRow {
            number: partition.number(),
            label: partition.label().to_string(),
            type_guid: guid.to_string(),
            type_name: PartitionType::of_guid(guid).map(|kind| kind.to_string()).or(other),
            uuid: partition.uuid().to_string(),
            start_bytes: partition.range().start,
            size_bytes: partition.size(),
            attributes: partition.attributes().to_string(),
        }
    }
}

impl From<&ShownManifest> for ManifestEntry {
    fn from(facts: &ShownManifest) -> ManifestEntry {
        ManifestEntry {
            path: Quoted(&facts.path).to_string(),
            image_name: facts.image_name.clone(),
            image_version: facts.image_version,
            root_hash: facts.root_hash.to_string(),
            data: facts.data,
            hash: facts.hash,
        }
    }
}

impl From<&VeritySet> for SetEntry {
    fn from(set: &VeritySet) -> SetEntry {
        SetEntry {
            name: set.name.clone(),
            data: set.data,
            hash: set.hash,
            signature: set.signature,
            superblock: set.has_superblock,
            stated_root_hash: set.stated_root_hash.clone(),
            discoverable: set.is_discoverable,
        }
    }
}

impl fmt::Display for ShownDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} sectors of {} bytes", self.disk, self.sectors, self.sector_size)?;
        writeln!(f, "disk UUID {}, read from the {} table", self.disk_uuid, self.table)?;
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        for row in &self.partitions {
            row.fmt(f)?;
        }
        for set in &self.verity_sets {
            set.fmt(f)?;
        }
        for manifest in &self.manifests {
            manifest.fmt(f)?;
        }
        match &self.slots {
            Some(slots) => slots.fmt(f),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PartitionRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "partition {}: {}", self.number, printable(&self.label))?;
        writeln!(f, "  type       {}", self.type_name.as_deref().unwrap_or(&self.type_guid))?;
        writeln!(f, "  UUID       {}", self.uuid)?;
        writeln!(f, "  bytes      {} from {}", self.size_bytes, self.start_bytes)?;
        writeln!(f, "  attributes {}", self.attributes)
    }
}

impl fmt::Display for ManifestEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ManifestEntry { path, image_name, image_version, root_hash, .. } = self;
        writeln!(f, "manifest {path}: {} version {image_version}", Plain(image_name))?;
        writeln!(f, "  states root hash {root_hash} (not verified)")?;
        match (self.data, self.hash) {
            (Some(data), Some(hash)) => writeln!(f, "  of data {data}, hash {hash}"),
            _ => writeln!(f, "  of no partitions that have its UUIDs"),
        }
    }
}

impl fmt::Display for SetEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("none".to_owned(), |it| it.to_string());
        writeln!(
            f,
            "verity set {}: data {}, hash {}, signature {}{}",
            self.name,
            number(self.data),
            number(self.hash),
            number(self.signature),
            if self.superblock { "" } else { ", no superblock" }
        )?;
        if let Some(root_hash) = &self.stated_root_hash {
            writeln!(f, "  states root hash {root_hash} (not verified)")?;
        }
        if self.discoverable == Some(false) {
            writeln!(f, "  not discoverable: the UUIDs are not those of the root hash")?;
        }
        Ok(())
    }
}

/// A label on a terminal.
fn printable(label: &str) -> String {
    if label.is_empty() {
        return "(no label)".to_owned();
    }
    Quoted(std::path::Path::new(label)).to_string()
}
