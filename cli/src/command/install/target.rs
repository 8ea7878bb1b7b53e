//! Where an image goes to: devices, files, or the slot of a disk; opened for writing and locked.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use verity::BlockSize;
use verity::disk::Partition;
use verity::io::{Extent, ReadAt, Window, WriteAt};
use verity::publish::{InPlace, Input};

use super::slot::{Slot, SlotName};
use super::source::Source;
use crate::disks::{self, PartitionName};
use crate::error::{Class, CommandError, OrFail};
use crate::roles;
use crate::storage::{self, Stored};

/// The target as a caller names it.
#[derive(Debug)]
pub(crate) enum TargetNames {
    Devices { data: PathBuf, hash: PathBuf, signature: Option<PathBuf> },
    Slot { disk: PathBuf, slot: SlotName },
}

impl TargetNames {
    /// Whether it has a place for what a signature partition holds.
    pub(super) fn has_signature(&self) -> bool {
        matches!(self, TargetNames::Devices { signature: Some(_), .. })
    }
}

/// The devices of a slot.
pub(super) struct Target {
    pub(super) data: TargetDevice,
    pub(super) hash: TargetDevice,
    pub(super) signature: Option<TargetDevice>,
    pub(super) slot: Option<Slot>,
}

/// A device, or a part of one, that nobody else writes.
pub(super) struct TargetDevice {
    window: Window<Arc<InPlace>>,
    name: PathBuf,
}

impl Target {
    /// Opens and locks what a caller names. What is in use is refused.
    pub(super) fn open(names: &TargetNames) -> Result<Target, CommandError> {
        let target = match names {
            TargetNames::Devices { data, hash, signature } => {
                let mut opened = OpenedDisks::default();
                Target {
                    data: opened.device(data)?,
                    hash: opened.device(hash)?,
                    signature: signature.as_deref().map(|path| opened.device(path)).transpose()?,
                    slot: None,
                }
            }
            TargetNames::Slot { disk, slot } => {
                let (slot, parts) = Slot::open(disk, slot)?;
                let device = |part: &Partition, kind: &str| {
                    let mut name = disk.clone().into_os_string();
                    name.push(format!("#{kind}-{}", slot.letter()));
                    let name = Path::new(&name);
                    match (slot.image(), disks::node_of(slot.file(), part)) {
                        (Some(disk), _) => TargetDevice::new(disk, part.range(), name),
                        // So that others may be in use.
                        (None, Some(node)) => TargetDevice::of_node(&node, part, name),
                        (None, None) => Err(disks::no_node(name)),
                    }
                };
                let (data, hash) = (device(&parts.data, "root")?, device(&parts.hash, "hash")?);
                Target { data, hash, signature: None, slot: Some(slot) }
            }
        };
        for device in target.devices() {
            roles::overwrites(device, &device.name)?;
            let (opened, range) = device.place();
            let user = storage::user_of(opened.file(), range).or_fail(Class::Io, &device.name)?;
            if let Some(user) = user {
                let words = format!("is {user}: what is in use is not written");
                return Err(CommandError::message(Class::Busy, words).at(&device.name));
            }
        }
        Ok(target)
    }

    pub(super) fn devices(&self) -> impl Iterator<Item = &TargetDevice> {
        [&self.data, &self.hash].into_iter().chain(&self.signature)
    }

    /// Refuses a slot that the image does not fit, before anything is written.
    pub(super) fn check(&self, source: &Source) -> Result<(), CommandError> {
        let manifest = source.verified.manifest();
        let parity_end = manifest.fec_area().map_or(0, |fec| fec.range().end);
        let fits = |device: &TargetDevice, needed: u64, what: &str| match device.size() {
            size if size >= needed => Ok(()),
            size => {
                let words = format!("has {size} bytes, and the {what} takes {needed}");
                Err(CommandError::message(Class::Metadata, words).at(&device.name))
            }
        };
        let params = manifest.params();
        self.data.check_sectors(params.data_block_size(), "data")?;
        self.hash.check_sectors(params.hash_block_size(), "hash")?;
        fits(&self.data, manifest.image().size_bytes(), "image")?;
        fits(&self.hash, manifest.hash_area().file_size().max(parity_end), "hash area")?;
        match (&self.signature, &source.signature) {
            (Some(device), Some(bytes)) => {
                fits(device, verity::internals::to_u64(bytes.len()), "signature")
            }
            (Some(_), None) => {
                let words = "the source has nothing for a signature partition: verity build \
                             --systemd makes that";
                Err(CommandError::message(Class::Trust, words).at(source.image.data().path()))
            }
            (None, _) => Ok(()),
        }
    }
}

impl TargetDevice {
    /// A partition of a block device, by its own node.
    fn of_node(
        node: &Path,
        partition: &Partition,
        name: &Path,
    ) -> Result<TargetDevice, CommandError> {
        TargetDevice::new(Arc::new(InPlace::open(node)?), 0..partition.size(), name)
    }

    fn new(
        disk: Arc<InPlace>,
        range: Range<u64>,
        name: &Path,
    ) -> Result<TargetDevice, CommandError> {
        let window = Window::new(disk, range).or_fail(Class::Io, name)?;
        let end = window.range().end;
        if end > window.inner().size() {
            let words = format!("ends at {end} bytes, behind the end of its disk");
            return Err(CommandError::message(Class::Metadata, words).at(name));
        }
        Ok(TargetDevice { window, name: name.to_owned() })
    }

    /// Refuses blocks that are smaller than the sectors: the kernel makes no device of them.
    fn check_sectors(&self, block_size: BlockSize, kind: &str) -> Result<(), CommandError> {
        let sector_size = storage::sector_size(self.window.inner().file());
        match sector_size.filter(|size| *size > block_size.bytes()) {
            None => Ok(()),
            Some(size) => {
                let words = format!(
                    "has sectors of {size} bytes, and the {kind} blocks of the image are \
                     {block_size}: the kernel cannot open it there"
                );
                Err(CommandError::message(Class::Metadata, words).at(&self.name))
            }
        }
    }

    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    pub(super) fn size(&self) -> u64 {
        let range = self.window.range();
        range.end - range.start
    }

    /// What is opened, and which bytes of it this is.
    pub(super) fn place(&self) -> (&InPlace, Range<u64>) {
        (self.window.inner(), self.window.range())
    }
}

impl Stored for TargetDevice {
    fn extent(&self) -> io::Result<storage::Extent> {
        Ok(storage::Extent::of(self.window.inner().file())?.part(self.window.range()))
    }
}

impl ReadAt for TargetDevice {
    fn len(&self) -> io::Result<u64> {
        self.window.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.window.read_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Extent {
        let start = self.window.range().start;
        let end = |end: u64| match end {
            u64::MAX => end,
            end => end.saturating_sub(start),
        };
        match self.window.inner().file().extent_at(start.saturating_add(offset)) {
            Extent::Data { end: bytes } => Extent::Data { end: end(bytes) },
            Extent::Hole { end: bytes } => Extent::Hole { end: end(bytes).min(self.size()) },
            Extent::Zero { end: bytes } => Extent::Zero { end: end(bytes).min(self.size()) },
        }
    }
}

impl WriteAt for TargetDevice {
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.window.write_at(buf, offset)
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.window.resize(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.window.sync()
    }
}

/// What is open for writing: partitions of one disk image are one file, which is locked once.
#[derive(Default)]
struct OpenedDisks(Vec<Arc<InPlace>>);

impl OpenedDisks {
    fn device(&mut self, path: &Path) -> Result<TargetDevice, CommandError> {
        let Some(name) = PartitionName::of(path) else {
            let disk = self.disk(path)?;
            let range = 0..disk.size();
            return TargetDevice::new(disk, range, path);
        };
        let disk = Input::open(&name.disk)?;
        if disk.is_block_device() {
            let partition = name.find(&disk, storage::sector_size(disk.file()))?;
            if let Some(node) = disks::node_of(disk.file(), &partition) {
                return TargetDevice::of_node(&node, &partition, path);
            }
        }
        // Nobody else changes the table between a look at it and the lock.
        let disk = self.disk(&name.disk)?;
        let partition = name.find(&*disk, storage::sector_size(disk.file()))?;
        TargetDevice::new(disk, partition.range(), path)
    }

    /// A whole file or device.
    fn disk(&mut self, path: &Path) -> Result<Arc<InPlace>, CommandError> {
        let input = Input::open(path)?;
        if let Some(open) = self.0.iter().find(|open| open.is(&input)) {
            return Ok(Arc::clone(open));
        }
        let disk = Arc::new(InPlace::open(path)?);
        self.0.push(Arc::clone(&disk));
        Ok(disk)
    }
}

/// What of each device is not the image's, and is zeros.
pub(super) fn rest<'a>(source: &Source, target: &'a Target) -> Vec<(&'a TargetDevice, Range<u64>)> {
    let manifest = source.verified.manifest();
    let area = manifest.hash_area();
    let (data, hash) = (&target.data, &target.hash);
    let mut rest = vec![(data, manifest.params().data_size()..data.size())];
    let own = if area.file_size() > 0 { area.range() } else { 0..0 };
    let mut parts = vec![own];
    parts.extend(manifest.fec_area().map(|fec| fec.range()));
    parts.sort_by_key(|part| part.start);
    let mut end = 0;
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        rest.push((hash, end..part.start));
        end = part.end;
    }
    rest.push((hash, end..hash.size()));
    if let (Some(device), Some(bytes)) = (&target.signature, &source.signature) {
        rest.push((device, verity::internals::to_u64(bytes.len())..device.size()));
    }
    rest.retain(|(_, range)| range.start < range.end);
    rest
}
