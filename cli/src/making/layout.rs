//! Which partitions a disk image gets, and where they lie.
//!
//! A layout is built in (`dps`, `bottlerocket`) or a JSON file, whose fields are in
//! `docs/FORMAT.md`.

use std::path::PathBuf;

use serde::Deserialize;
use verity::Uuid;
use verity::disk::types::{Architecture, Content, ESP, LINUX, MountPoint, PartitionType, XBOOTLDR};
use verity::disk::{Attributes, SectorSize};

use crate::error::CommandError;

/// The partitions of a disk image, in the order in which they lie on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) partitions: Vec<LayoutPartition>,
}

/// A partition that is to be.
#[derive(Clone, Debug)]
pub(crate) struct LayoutPartition {
    /// By which a caller names it; its label, unless a layout says another name.
    pub(crate) name: String,
    pub(crate) type_guid: Uuid,
    pub(crate) label: String,
    /// In bytes; as large as its content, unless given.
    pub(crate) size: Option<u64>,
    /// In bytes, of the first one.
    pub(crate) align: Option<u64>,
    pub(crate) attributes: Attributes,
    pub(crate) uuid: Option<Uuid>,
    pub(crate) filling: Filling,
}

/// What a partition is filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    Nothing,
    File(PathBuf),
    /// A part of the verified image that is mounted there.
    Verity(MountPoint, Content),
    /// Nothing yet, and room for that.
    Room(MountPoint, Content),
    /// The same once more.
    Copy(MountPoint, Content),
}

/// A partition with its place.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) start: u64,
    pub(crate) size: u64,
}

/// Where the first partition of a disk begins, and what others are aligned to, in bytes.
const MIB: u64 = 1 << 20;
/// Sizes are whole pages, as systemd-repart makes them.
const GRAIN: u64 = 4096;
/// The label of a partition that waits for an image, by which systemd-sysupdate knows it.
const EMPTY: &str = "_empty";

impl Layout {
    /// Partitions that systemd discovers: the verified images after what is named beside them, and
    /// free partitions for the next ones.
    pub(crate) fn dps(
        mounts: &[MountPoint],
        architecture: Architecture,
        label: &str,
        has_signature: bool,
        slots: u8,
        others: Vec<LayoutPartition>,
    ) -> Layout {
        let mut partitions = others;
        for slot in 0..slots {
            for mount in mounts {
                for content in Content::ALL {
                    if content == Content::VeritySig && !has_signature {
                        continue;
                    }
                    let kind = PartitionType::new(*mount, architecture, content);
                    let suffix = match content {
                        Content::Data => "",
                        Content::Verity => "_verity",
                        Content::VeritySig => "_verity_sig",
                    };
                    let is_first = slot == 0;
                    partitions.push(LayoutPartition {
                        name: kind.to_string(),
                        type_guid: kind.guid(),
                        label: if is_first { format!("{label}{suffix}") } else { EMPTY.to_owned() },
                        size: None,
                        align: None,
                        attributes: Attributes::default().with(Attributes::READ_ONLY, true),
                        uuid: None,
                        filling: match is_first {
                            true => Filling::Verity(*mount, content),
                            false => Filling::Room(*mount, content),
                        },
                    });
                }
            }
        }
        Layout { partitions }
    }

    /// Bottlerocket's disk of 2 GiB for updates in place: two banks, of which the first is filled.
    pub(crate) fn bottlerocket() -> Layout {
        const BIOS: u128 = 0x21686148_6449_6e6f_744e_656564454649;
        let of = |name: &str, guid: u128, mib: u64| LayoutPartition {
            name: name.to_owned(),
            type_guid: Uuid::from_u128(guid),
            label: format!("BOTTLEROCKET-{}", name.to_uppercase()),
            size: Some(mib * MIB),
            align: None,
            attributes: Attributes::default(),
            uuid: None,
            filling: Filling::Nothing,
        };
        let mut partitions =
            vec![LayoutPartition { label: "BIOS-BOOT".to_owned(), ..of("bios-boot", BIOS, 4) }];
        for bank in ["a", "b"] {
            let name = |kind: &str| format!("{kind}-{bank}");
            let mut boot = of(&name("boot"), 0x6b636168_7420_6568_2070_6c616e657421, 40);
            let mut root = of(&name("root"), 0x5526016a_1a97_4ea4_b39a_b7c8c6ca4502, 920);
            let mut hash = of(&name("hash"), 0x598f10af_c955_4456_6a99_7720068a6cea, 10);
            if bank == "a" {
                // Priority 1, successful.
                boot.attributes = Attributes::new(1 << 48 | 1 << 56);
                root.filling = Filling::Verity(MountPoint::Root, Content::Data);
                hash.filling = Filling::Verity(MountPoint::Root, Content::Verity);
            }
            let mut efi = of(&name("efi"), ESP.as_u128(), 5);
            efi.label = format!("EFI-{}", if bank == "a" { "SYSTEM" } else { "BACKUP" });
            let reserved = of(&name("reserved"), 0x0c5d99a5_d331_4147_baef_08e2b855bdc9, 20);
            partitions.extend([efi, boot, root, hash, reserved]);
        }
        partitions.push(of("private", 0x440408bb_eb0b_4328_a6e5_a29038fad706, 42));
        partitions.push(of("data-a", 0x626f7474_6c65_6474_6861_726d61726b73, 1));
        Layout { partitions }
    }

    /// Fills the second slot with the images of the first. Discovery passes it over: two partitions
    /// of one root hash would have one UUID.
    pub(crate) fn fill_both(&mut self) -> Result<(), CommandError> {
        let first = self.partitions.clone();
        let mut is_filled = false;
        for partition in &mut self.partitions {
            let (mount, content) = match (&partition.filling, partition.name.as_str()) {
                (Filling::Room(mount, content), _) => (*mount, *content),
                (Filling::Nothing, "root-b") => (MountPoint::Root, Content::Data),
                (Filling::Nothing, "hash-b") => (MountPoint::Root, Content::Verity),
                _ => continue,
            };
            let of_first = first.iter().find(|it| it.filling == Filling::Verity(mount, content));
            let Some(of_first) = of_first else { continue };
            if partition.label == EMPTY {
                partition.label.clone_from(&of_first.label);
                partition.attributes = partition.attributes.with(Attributes::NO_AUTO, true);
            }
            partition.filling = Filling::Copy(mount, content);
            is_filled = true;
        }
        match is_filled {
            true => Ok(()),
            false => Err(CommandError::usage(
                "--fill-both fills a second slot: --slots 2, or --layout bottlerocket",
            )),
        }
    }

    /// The layout in a JSON file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Layout, CommandError> {
        let file: LayoutFile = serde_json::from_slice(bytes)
            .map_err(|error| CommandError::usage(format!("is no layout: {error}")))?;
        if file.version != 1 {
            let words = format!("is a layout of version {}; 1 is known", file.version);
            return Err(CommandError::usage(words));
        }
        let partitions = file.partitions.into_iter().map(LayoutPartition::try_from);
        Ok(Layout { partitions: partitions.collect::<Result<_, _>>()? })
    }

    /// Gives a partition of the layout the content of a file.
    pub(crate) fn fill(&mut self, name: &str, file: PathBuf) -> Result<(), CommandError> {
        let known = self.partitions.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        let mut named = self.partitions.iter_mut().filter(|one| one.name == name);
        let (Some(partition), None) = (named.next(), named.next()) else {
            let words = format!("{name:?} is no partition of the layout: {}", known.join(", "));
            return Err(CommandError::usage(words));
        };
        if partition.filling != Filling::Nothing {
            return Err(CommandError::usage(format!("partition {name} has another content")));
        }
        partition.filling = Filling::File(file);
        Ok(())
    }

    /// Where the partitions lie, and how many bytes the disk has. `content` is the size of what
    /// goes into each; `align` is for those that say nothing.
    pub(crate) fn place(
        &self,
        content: &[u64],
        align: Option<u64>,
        sector: SectorSize,
    ) -> Result<(Vec<Placed>, u64), CommandError> {
        let too_large = || CommandError::usage("the partitions take more bytes than a disk has");
        let mut end = MIB;
        let mut placed = Vec::new();
        for (partition, content) in self.partitions.iter().zip(content) {
            let size = partition.size.unwrap_or(*content);
            if size < *content {
                return Err(CommandError::usage(format!(
                    "partition {} has {size} bytes, what goes into it has {content}",
                    partition.name
                )));
            }
            if size == 0 {
                let words = format!("partition {} has neither size nor content", partition.name);
                return Err(CommandError::usage(words));
            }
            let align = partition.align.or(align).unwrap_or(MIB);
            if align == 0 || !align.is_multiple_of(sector.bytes()) {
                let words = format!("an alignment of {align} bytes is no multiple of a sector");
                return Err(CommandError::usage(words));
            }
            let start = end.checked_next_multiple_of(align).ok_or_else(too_large)?;
            let size = size.checked_next_multiple_of(GRAIN).ok_or_else(too_large)?;
            end = start.checked_add(size).filter(|end| *end < 1 << 62).ok_or_else(too_large)?;
            placed.push(Placed { start, size });
        }
        let tail = sector.backup_sectors() * sector.bytes();
        Ok((placed, (end.next_multiple_of(MIB) + tail).next_multiple_of(GRAIN)))
    }
}

/// The type of a partition, by name or GUID.
pub(crate) fn type_named(text: &str) -> Result<Uuid, CommandError> {
    let known = match text {
        "esp" => Some(ESP),
        "xbootldr" => Some(XBOOTLDR),
        "linux" => Some(LINUX),
        _ => None,
    };
    let of_image = || {
        let kinds = [MountPoint::Root, MountPoint::Usr]
            .into_iter()
            .flat_map(|mount| Content::ALL.map(|content| (mount, content)));
        kinds
            .flat_map(|(mount, content)| {
                Architecture::ALL.iter().map(move |it| PartitionType::new(mount, *it, content))
            })
            .find(|kind| kind.to_string() == text)
            .map(PartitionType::guid)
    };
    known.or_else(of_image).or_else(|| Uuid::try_parse(text).ok()).ok_or_else(|| {
        CommandError::usage(format!(
            "{text:?} is no type of a partition: a GUID, esp, xbootldr, linux, or a name such as \
             root-x86-64"
        ))
    })
}

/// A layout as JSON has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutFile {
    version: u64,
    partitions: Vec<LayoutEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutEntry {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    label: String,
    size_bytes: Option<u64>,
    align_bytes: Option<u64>,
    /// The numbers of the bits that are set.
    #[serde(default)]
    attributes: Vec<u32>,
    uuid: Option<String>,
    content: Option<String>,
}

impl TryFrom<LayoutEntry> for LayoutPartition {
    type Error = CommandError;

    fn try_from(entry: LayoutEntry) -> Result<LayoutPartition, CommandError> {
        let attributes =
            entry.attributes.iter().try_fold(Attributes::default(), |all, bit| match bit {
                0..64 => Ok(all.with(*bit, true)),
                _ => Err(CommandError::usage(format!("there is no attribute bit {bit}"))),
            })?;
        let uuid = entry.uuid.as_deref().map(Uuid::try_parse).transpose();
        let uuid = uuid.map_err(|error| CommandError::usage(format!("no UUID: {error}")))?;
        Ok(LayoutPartition {
            type_guid: type_named(&entry.kind)?,
            filling: filling(entry.content.as_deref())?,
            name: entry.name.unwrap_or_else(|| entry.label.clone()),
            label: entry.label,
            size: entry.size_bytes,
            align: entry.align_bytes,
            attributes,
            uuid,
        })
    }
}

fn filling(content: Option<&str>) -> Result<Filling, CommandError> {
    use Content::{Data, Verity, VeritySig};
    use MountPoint::{Root, Usr};
    Ok(match content {
        None | Some("empty" | "file") => Filling::Nothing,
        Some("root") => Filling::Verity(Root, Data),
        Some("root-verity") => Filling::Verity(Root, Verity),
        Some("root-verity-sig") => Filling::Verity(Root, VeritySig),
        Some("usr") => Filling::Verity(Usr, Data),
        Some("usr-verity") => Filling::Verity(Usr, Verity),
        Some("usr-verity-sig") => Filling::Verity(Usr, VeritySig),
        Some(other) => {
            return Err(CommandError::usage(format!(
                "{other:?} is no content: empty, file, root, root-verity, root-verity-sig, usr, \
                 usr-verity or usr-verity-sig"
            )));
        }
    })
}
