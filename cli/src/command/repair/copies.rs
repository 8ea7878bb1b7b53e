//! Repair in copies of the data, and of the hash device if that is asked for. Nobody else sees the
//! copies before all of them is right.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use verity::io::ReadAt;
use verity::publish::{Output, OutputSet};
use verity::{BlockRef, Error, RepairSink, Repaired};

use super::device_copy::copy_device;
use super::recovered::Repair;
use crate::error::{Class, CommandError, OrFail};
use crate::findings::{Findings, Recovery};
use crate::image::{Device, WrittenTo, write_sparse};
use crate::outputs::create_copy;
use crate::places::Places;
use crate::storage::Relation;

/// Makes the copies, repairs them, and publishes them.
pub(super) fn run(
    repair: &Repair<'_>,
    data: &Path,
    hash: Option<&Path>,
) -> Result<Repaired, CommandError> {
    refuse_hopeless_fetch(repair)?;
    let copies = Copies::begin(repair, data, hash)?;
    copies.fill()?;
    let repaired = copies.repair()?;
    copies.check_nothing_is_lost(&repaired)?;
    repair.context.signals.check()?;
    copies.publish()?;
    Ok(repaired)
}

/// Looks first whether an image on a server can be made whole. What it says of lengths may be a
/// lie, and there would be no end to what is fetched.
fn refuse_hopeless_fetch(repair: &Repair<'_>) -> Result<(), CommandError> {
    if repair.image.fetched().is_none() {
        return Ok(());
    }
    let repaired = repair.image.unless_changed(repair.recovering.dry_run())?;
    match repaired.beyond.is_some() {
        true => repair.require_whole(repaired, WrittenTo::Copy).map(drop).map_err(without_copy),
        false => Ok(()),
    }
}

fn without_copy(error: CommandError) -> CommandError {
    error.noting("no copy is made".to_owned())
}

/// Copies that repaired blocks go into.
struct Copies<'a> {
    repair: &'a Repair<'a>,
    places: Places,
    data: Output,
    hash: Option<Output>,
    /// Whether the data device, and so the copy of it, holds the hash area too.
    is_hash_with_data: bool,
    /// Hash blocks that have nowhere to go.
    lost: AtomicU64,
}

impl<'a> Copies<'a> {
    fn begin(
        repair: &'a Repair<'a>,
        data: &Path,
        hash: Option<&Path>,
    ) -> Result<Copies<'a>, CommandError> {
        let image = repair.image;
        let relation = image.data().relation(image.hash());
        let relation = relation.or_fail(Class::Io, image.hash().path())?;
        let is_hash_with_data = relation == Relation::Same;
        if let Some(path) = hash.filter(|_| is_hash_with_data) {
            let words = "HASH is on DATA, so the copy of DATA holds it too: no --hash-output then";
            return Err(CommandError::usage(words).at(path));
        }
        Ok(Copies {
            repair,
            places: image.places(),
            data: create_copy(data, image.data().input())?,
            hash: hash.map(|path| create_copy(path, image.hash().input())).transpose()?,
            is_hash_with_data,
            lost: AtomicU64::new(0),
        })
    }

    /// Copies the devices. Where they cannot be read, zeros stand for blocks that are then found
    /// corrupt.
    fn fill(&self) -> Result<(), CommandError> {
        let Repair { image, context, .. } = self.repair;
        let trusted = image.trusted();
        let block_size = trusted.params().data_block_size().into();
        let data = 0..trusted.params().data_size();
        let tree = trusted.hash_area().tree_range();
        let mut covered = vec![data];
        if self.is_hash_with_data {
            covered.push(tree.clone());
        }
        let copy_all = |copy: &Output, device: &Device, covered: &[Range<u64>]| {
            let size = self.size_of_copy(device, covered);
            copy_device(copy, device, size, covered, block_size, &context.signals)
        };
        copy_all(&self.data, image.data(), &covered)?;
        match &self.hash {
            Some(copy) => copy_all(copy, image.hash(), &[tree]),
            None => Ok(()),
        }
    }

    /// How much of a device is copied, in bytes: all of a file here. Of a file on a server, which
    /// may claim any length, only as far as the image goes.
    fn size_of_copy(&self, device: &Device, covered: &[Range<u64>]) -> u64 {
        if device.input().is_some() {
            return device.size();
        }
        let parity = self.repair.image.parity();
        let parity = parity.filter(|parity| parity.device().path() == device.path());
        let parity = parity.map_or(0, |parity| parity.area().range().end);
        let end = covered.iter().map(|range| range.end).fold(parity, u64::max);
        end.min(device.size())
    }

    /// Repairs the copies.
    fn repair(&self) -> Result<Repaired, CommandError> {
        let Repair { image, recovering, .. } = self.repair;
        let hash: &dyn ReadAt = match self.hash_copy() {
            Some(copy) => copy.file(),
            None => image.hash(),
        };
        let repaired = recovering.run(self.data.file(), hash, self);
        let repaired = image.unless_changed(repaired.map_err(|error| self.explain(error)))?;
        self.repair.require_whole(repaired, WrittenTo::Copy).map_err(without_copy)
    }

    /// Refuses a copy whose hash blocks stay corrupt.
    fn check_nothing_is_lost(&self, repaired: &Repaired) -> Result<(), CommandError> {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost == 0 {
            return Ok(());
        }
        let words = format!(
            "{lost} hash block{} corrupt, without which the copy would not verify: \
             --hash-output FILE makes a repaired copy of HASH too",
            if lost == 1 { " is" } else { "s are" },
        );
        let image = self.repair.image;
        let recovery = Some(Recovery::of(repaired, false));
        Err(CommandError::usage(words)
            .at(image.hash().path())
            .with_findings(Findings { recovery, ..image.findings() }))
    }

    fn publish(self) -> Result<(), CommandError> {
        let set = self.hash.into_iter().fold(OutputSet::new(), OutputSet::output);
        set.output(self.data).commit()?;
        Ok(())
    }

    /// The copy that holds the hash area, if one does.
    fn hash_copy(&self) -> Option<&Output> {
        self.hash.as_ref().or(self.is_hash_with_data.then_some(&self.data))
    }

    /// The copy that a block goes into.
    fn copy_for(&self, block: BlockRef) -> Option<&Output> {
        if block.level().is_none() { Some(&self.data) } else { self.hash_copy() }
    }

    /// The device that a block lies on.
    fn device_of(&self, block: BlockRef) -> &Device {
        let image = self.repair.image;
        if block.level().is_none() { image.data() } else { image.hash() }
    }

    /// A library error, about the copy if it is the copy that failed.
    fn explain(&self, error: Error) -> CommandError {
        let copy = match &error {
            Error::Write { block, .. } => self.copy_for(*block),
            _ => None,
        };
        let failure = self.repair.image.error(error, self.repair.context);
        match copy {
            Some(output) => failure.at(output.path()),
            None => failure,
        }
    }
}

impl RepairSink for Copies<'_> {
    fn put(&self, block: BlockRef, bytes: &[u8]) -> io::Result<()> {
        match self.copy_for(block) {
            Some(output) => {
                // The copy is zero where the device has holes.
                let offset = self.places.offset(block);
                write_sparse(output.file(), bytes, offset, (self.device_of(block), offset))
            }
            None => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}
