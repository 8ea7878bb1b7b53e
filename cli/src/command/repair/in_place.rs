//! Repair where the blocks lie.
//!
//! Nothing is prepared and nothing is left to be finished: each write replaces one corrupt block by
//! the right one, so that the image is never worse than it was, wherever the run ends.

use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use verity::io::{Window, WriteAt};
use verity::publish::{Change, InPlace, PublishError};
use verity::{BlockRef, RepairSink, Repaired};

use super::recovered::Repair;
use crate::disks;
use crate::error::{Class, CommandError, OrFail};
use crate::image::{Device, OpenedImage, WrittenTo};
use crate::places::Places;

/// Repairs where the blocks lie, and syncs.
pub(super) fn run(repair: &Repair<'_>) -> Result<Repaired, CommandError> {
    let image = repair.image;
    let data = open(image.data())?;
    // Two partitions of a disk image are one file, which is locked once.
    let (hash, hash_range) = match image.hash().input() {
        Some(input) if data.is(input) => (None, input.range()),
        _ => {
            let hash = open(image.hash())?;
            let range = hash.range();
            (Some(hash), range)
        }
    };
    let part = |device: &InPlace, range| Window::new(device.file().try_clone()?, range);
    let hash_part = part(hash.as_ref().unwrap_or(&data), hash_range);
    let sink = Devices {
        image,
        places: image.places(),
        data: part(&data, data.range()).or_fail(Class::Io, data.path())?,
        hash: hash_part.or_fail(Class::Io, image.hash().path())?,
        unchanged: OnceLock::new(),
        written: AtomicBool::new(false),
    };
    let repaired = repair.recovering.run(image.data(), image.hash(), &sink);
    let repaired = repaired.map_err(|error| image.error(error, repair.context));
    let written = sink.written.into_inner();
    if written {
        // Also after a failure: what was written is right.
        for device in hash.iter().chain([&data]) {
            WriteAt::sync(device.file()).or_fail(Class::Io, device.path())?;
        }
    }
    match sink.unchanged.into_inner() {
        Some(unchanged) => unchanged?,
        None => image.devices().try_for_each(Device::check)?,
    }
    repair.require_whole(repaired?, WrittenTo::InPlace)
}

/// Opens a device for writing, which must be what is read.
fn open(device: &Device) -> Result<InPlace, CommandError> {
    let Some(input) = device.input() else {
        let words = "a file on a server cannot be repaired in place";
        return Err(CommandError::usage(words).at(device.path()));
    };
    let in_place = disks::open_in_place(device.path())?;
    // A partition of a block device may have been opened by its own node.
    let is_node = input.is_part() && in_place.is_block_device();
    if !in_place.is(input) && !is_node {
        let path = device.path().to_owned();
        return Err(PublishError::Changed { path, what: Change::Replaced }.into());
    }
    Ok(in_place)
}

/// The devices of an image, open for writing.
struct Devices<'a> {
    image: &'a OpenedImage,
    places: Places,
    data: Window<File>,
    hash: Window<File>,
    /// Whether nobody else had written to them before the first block was. Afterwards our own
    /// writes hide that.
    unchanged: OnceLock<Result<(), CommandError>>,
    written: AtomicBool,
}

impl RepairSink for Devices<'_> {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        let unchanged =
            self.unchanged.get_or_init(|| self.image.devices().try_for_each(Device::check));
        if unchanged.is_err() {
            return Err(io::Error::other("changed"));
        }
        self.written.store(true, Ordering::Relaxed);
        let file = if block.level().is_none() { &self.data } else { &self.hash };
        file.write_all_at(bytes, self.places.offset(block))
    }
}
